//! The repository of operators' credentials.

use async_trait::async_trait;

use super::Result;
use crate::model::{OperatorKey, OperatorKeyId, Timestamp};

/// Credentials of operators.
#[async_trait]
pub trait OperatorKeys {
    /// Adds a credential.
    async fn add_operator_key(&mut self, key: OperatorKey) -> Result<()>;
    /// The credential of a login, for whoever will show its secret.
    async fn find_operator_key_by_secret_name(&mut self, login: String) -> Result<Option<OperatorKey>>;
    /// All credentials, oldest first.
    async fn list_operator_keys(&mut self) -> Result<Vec<OperatorKey>>;
    /// Ends a credential that was not ended before. Answers whether it did.
    async fn revoke_operator_key(&mut self, id: OperatorKeyId, at: Timestamp) -> Result<bool>;
}
