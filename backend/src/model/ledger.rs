//! An entry in the book of the acquirer simulator: what it did for an operation, and what became of the money.

use super::{Money, OperationId, OperationKind, Timestamp};

/// What the simulator did for one operation. Holds no card data.
#[derive(Clone, Debug)]
pub struct LedgerEntry {
    /// The operation, which is the idempotency key.
    pub operation: OperationId,
    /// What it does.
    pub kind: OperationKind,
    /// The entry that a capture, void or refund is about.
    pub original: Option<OperationId>,
    /// The amount asked for.
    pub amount: Money,
    /// Of an authorisation or sale: how much was taken so far, in minor units.
    pub taken: u64,
    /// How much of it was given back.
    pub refunded: u64,
    /// Whether what was reserved has been freed.
    pub voided: bool,
    /// What it answered, as JSON of `gateways::Answer`.
    pub answer: String,
    /// What it will answer after the payer has been with the issuer, or later; empty where nothing follows.
    pub follows: String,
    /// When `follows` becomes the answer by itself.
    pub follows_at: Option<Timestamp>,
    /// Counts changes; a change is a compare-and-set on it.
    pub version: u32,
    /// When it was written.
    pub created_at: Timestamp,
}
