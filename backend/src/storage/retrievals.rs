//! The repository of retrieve endpoints.

use async_trait::async_trait;

use super::{Page, Result};
use crate::model::{KeyId, MerchantId, Mode, RetrieveEndpoint, RetrieveId, Timestamp};

/// Retrieve endpoints.
#[async_trait]
pub trait Retrievals {
    /// Adds an endpoint; `Conflict` where its `unique_id` is taken.
    async fn add_retrieval(&mut self, endpoint: RetrieveEndpoint) -> Result<()>;
    /// The endpoint of a `unique_id`, for its owner.
    async fn find_retrieval(
        &mut self,
        merchant: MerchantId,
        mode: Mode,
        unique_id: String,
    ) -> Result<Option<RetrieveEndpoint>>;
    /// The endpoint of a `unique_id`, for whoever will show its secret.
    async fn find_retrieval_by_secret_name(&mut self, unique_id: String) -> Result<Option<RetrieveEndpoint>>;
    /// A page of endpoints by id; `Page::after` is an endpoint's id.
    async fn list_retrievals(
        &mut self,
        merchant: MerchantId,
        mode: Mode,
        page: Page,
    ) -> Result<Vec<RetrieveEndpoint>>;
    /// Counts a read, and a reveal, of an endpoint that may read still. Answers whether it may.
    async fn use_retrieval(&mut self, merchant: MerchantId, id: RetrieveId, reveal: bool) -> Result<bool>;
    /// Erases what the endpoints of a vault key open it with.
    async fn end_key_retrievals(&mut self, merchant: MerchantId, key: KeyId) -> Result<()>;
    /// Deletes an endpoint.
    async fn delete_retrieval(&mut self, merchant: MerchantId, id: RetrieveId) -> Result<()>;
    /// Deletes endpoints that ended before `before`.
    async fn sweep_retrievals(&mut self, before: Timestamp) -> Result<u64>;
}
