//! What the use cases know of storage: a transaction value, the capture lane beside it, and nothing of SQL.
//!
//! `Store::begin` gives a transaction that ends by `commit`, or is undone when dropped. Finders take the
//! merchant; the few that find by an unguessable name instead are called `…_by_secret_name`.

mod accounts;
mod bins;
mod chains;
mod gateway;
mod lane;
mod operators;
mod plan;
pub mod postgres;
mod proxies;
mod races;
mod repositories;
mod retrievals;
pub mod sqlite;
mod wraps;

use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::Notify;

pub use accounts::{Accounts, Calls};
pub use bins::Bins;
pub use chains::{AuditChains, SealStep};
pub use gateway::{Tokens, Transactions};
pub use lane::{CaptureSubmission, LateSeal, Limits, NewCard, SealedCvv, SealedPatch, ShownChange, Stored};
pub use operators::OperatorKeys;
pub use proxies::{Proxies, Rules};
pub use races::until_won;
pub use repositories::{
    Audits, Captures, Cards, Forms, Installation, InvoiceFilter, Invoices, Keys, Merchants, Operations,
    Outbox, Page, Requests, SandboxLedger, Terms,
};
pub use retrievals::Retrievals;
pub use wraps::{Stretch, Wrap, WrapPlace, Wraps};

use crate::model::{AuditEntry, Money, Refusal};

/// What went wrong in storage. Opaque upwards: callers answer it as their own failure.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The engine failed or refused; the text is the engine's and holds no values.
    #[error("storage engine: {0}")]
    Engine(String),
    /// A row holds what no version of this program wrote.
    #[error("inconsistent row in {table}: {what}")]
    Inconsistent {
        /// The table.
        table: &'static str,
        /// The column or the rule.
        what: &'static str,
    },
    /// A unique name was taken already.
    #[error("already exists")]
    Conflict,
    /// A text with a character that the engine cannot hold (PostgreSQL and NUL).
    #[error("a text holds a character that cannot be stored")]
    Text,
    /// The engine asks for another try (serialisation failure, SQLSTATE 40001).
    #[error("transaction has to be tried again")]
    Retry,
    /// The store is shutting down.
    #[error("storage is closed")]
    Closed,
}

impl StoreError {
    /// Whether somebody else changed the same rows at the same time, so that trying again helps.
    pub const fn is_race(&self) -> bool {
        matches!(self, Self::Retry)
    }
}

/// So long does a capture lane wait for a batch that is small beside the last two.
const GATHER: std::time::Duration = std::time::Duration::from_micros(400);

/// How many captures a batch is worth waiting for: a third of what the last two batches carried. Whoever is
/// answered sends again in a moment. Without waiting, the first of them makes a batch alone while all others wait
/// for its commit; waiting for all would leave the processor idle during the commit.
const fn worth_waiting_for(last: usize, before: usize) -> usize {
    (last + before) / 3
}

/// Destinations of a code as they are stored.
fn destinations(terms: &crate::model::CvvTerms) -> String {
    if terms.destinations.is_empty() {
        return String::new();
    }
    serde_json::to_string(&terms.destinations).unwrap_or_default()
}

/// Minor units as they are stored.
fn minor(minor: u64, table: &'static str) -> Result<i64> {
    i64::try_from(minor).map_err(|_| StoreError::Inconsistent { table, what: "amount" })
}

/// A stored amount.
fn money(minor: i64, currency: &str, table: &'static str) -> Result<Money> {
    let wrong = StoreError::Inconsistent { table, what: "amount" };
    match (u64::try_from(minor), iso_currency::Currency::from_code(currency)) {
        (Ok(minor), Some(currency)) => Ok(Money::of_minor(minor, currency)),
        _ => Err(wrong),
    }
}

/// A result of storage.
pub type Result<T> = std::result::Result<T, StoreError>;

/// All repositories in one open transaction. Dropped without `commit`, nothing of it happened.
#[async_trait]
pub trait Transaction:
    Installation
    + Merchants
    + Accounts
    + Bins
    + Retrievals
    + Keys
    + Cards
    + Captures
    + Forms
    + Audits
    + AuditChains
    + Outbox
    + Terms
    + Requests
    + Operations
    + SandboxLedger
    + Transactions
    + Tokens
    + Invoices
    + Proxies
    + Rules
    + OperatorKeys
    + Wraps
    + Send
{
    /// Makes all changes durable: returns after they are synced.
    async fn commit(self: Box<Self>) -> Result<()>;
}

/// A storage engine.
#[async_trait]
pub trait Store: Send + Sync {
    /// Opens a transaction that may write.
    async fn begin(&self) -> Result<Box<dyn Transaction>>;

    /// Opens a snapshot for reading. It lasts at most 5 s (security rule 12); writes on it fail.
    async fn read(&self) -> Result<Box<dyn Transaction>>;

    /// The capture lane: stores one capture together with all others that wait, and answers after the commit
    /// of the batch that carried it. A refused capture fails alone.
    async fn capture(&self, submission: CaptureSubmission) -> Result<std::result::Result<Stored, Refusal>>;

    /// Appends an audit entry with the next batch; answers after its commit.
    async fn record(&self, entry: AuditEntry) -> Result<()>;

    /// Removes from the files what deleted rows left behind (security rule 12): truncates SQLite's log, vacuums
    /// PostgreSQL's code table.
    async fn scrub(&self) -> Result<()>;

    /// Rung after each commit on this node that wrote events, so that they leave at once.
    fn appended(&self) -> Arc<Notify>;

    /// Whether the engine answers.
    async fn health(&self) -> Result<()>;
}
