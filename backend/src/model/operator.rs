//! Credentials of operators: they stand above all merchants and belong to none.

use super::{OperatorKeyId, Timestamp};

/// A credential of an operator: a login and the hash of its secret.
#[derive(Clone, Debug)]
pub struct OperatorKey {
    /// Identity.
    pub id: OperatorKeyId,
    /// What it is for, as whoever made it says.
    pub name: String,
    /// The public half; unique over the installation.
    pub login: String,
    /// SHA-256 of the generated secret (security rule 5).
    pub secret_hash: Vec<u8>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was ended, if it was.
    pub revoked_at: Option<Timestamp>,
}
