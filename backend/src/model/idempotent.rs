//! A call with an `Idempotency-Key`: what tells it from others, and its first answer.

use super::{MerchantId, Mode, Timestamp};

/// A call that is run once.
#[derive(Clone, Debug)]
pub struct IdempotentCall {
    /// Keyed digest of merchant, mode and the key that the caller chose.
    pub id: String,
    /// Whose it is.
    pub merchant: MerchantId,
    /// Test or live.
    pub mode: Mode,
    /// Keyed digest of what was asked for.
    pub fingerprint: Vec<u8>,
    /// The first answer, sealed under the caller's own credential; none while the call runs.
    pub answer: Option<Vec<u8>>,
    /// Until when the node that runs it counts as alive.
    pub lease_ends_at: Timestamp,
    /// When it is forgotten.
    pub expires_at: Timestamp,
}
