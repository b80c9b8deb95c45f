//! Outgoing events: rows written with the change they tell of, delivered later by workers.

use super::{EventId, MerchantId, Mode, Timestamp};

/// An event that has to leave.
#[derive(Clone, Debug)]
pub struct OutboxEvent {
    /// Identity, also towards the receiver.
    pub id: EventId,
    /// Whose it is.
    pub merchant: MerchantId,
    /// Test or live.
    pub mode: Mode,
    /// What happened, such as `card.captured`.
    pub kind: String,
    /// The thing that it happened to: an identity, never card data.
    pub subject: String,
    /// Where to and what, sealed under the root key.
    pub sealed: Vec<u8>,
    /// When it was written.
    pub created_at: Timestamp,
}
