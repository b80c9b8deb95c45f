//! The repository of the audit log's chains: what waits for its seal, the seals, and where each chain ends.

use async_trait::async_trait;

use super::Result;
use crate::model::{AuditRow, Head, Seal, WaitingEntries};

/// What one step of the sealer writes.
#[derive(Clone, Debug, Default)]
pub struct SealStep {
    /// New ends of chains, each with the one that it follows: the first is locked first.
    pub heads: Vec<(Option<Head>, Head)>,
    /// New seals.
    pub seals: Vec<Seal>,
    /// What waits no longer.
    pub sealed: Vec<WaitingEntries>,
}

/// The chains of the audit log. For sealer and checker: of all merchants.
#[async_trait]
pub trait AuditChains {
    /// What waits longest, at most `rows` commits.
    async fn waiting_entries(&mut self, rows: u32) -> Result<Vec<WaitingEntries>>;
    /// What waits of one chain, by its first entry, after one.
    async fn waiting_entries_of(
        &mut self,
        chain: String,
        after: String,
        rows: u32,
    ) -> Result<Vec<WaitingEntries>>;
    /// Ends of chains; those that have none are left out.
    async fn audit_heads(&mut self, chains: Vec<String>) -> Result<Vec<Head>>;
    /// Begins a chain, unless it has begun.
    async fn begin_chain(&mut self, head: Head) -> Result<()>;
    /// Appends seals by compare-and-set on the ends of their chains and on what waited. Answers whether all was as it
    /// was read; if not, the transaction has to be dropped.
    async fn append_seals(&mut self, step: SealStep) -> Result<bool>;
    /// Seals of a chain in their order, after a number.
    async fn list_seals(&mut self, chain: String, after: i64, rows: u32) -> Result<Vec<Seal>>;
    /// The seal of a chain with the highest number.
    async fn last_seal(&mut self, chain: String) -> Result<Option<Seal>>;
    /// The links of seals by chain and number; those that are missing are left out.
    async fn seal_links(&mut self, seals: Vec<(String, i64)>) -> Result<Vec<(String, i64, Vec<u8>)>>;
    /// Entries as they are stored, in no order; those that are missing are left out.
    async fn audit_rows(&mut self, chain: String, ids: Vec<String>) -> Result<Vec<AuditRow>>;
    /// Identities of a chain's entries in their own order, after one.
    async fn audit_ids(&mut self, chain: String, after: String, rows: u32) -> Result<Vec<String>>;
    /// The next name, after one, under which there are entries, seals or an end of a chain.
    async fn next_audit_chain(&mut self, after: Option<String>) -> Result<Option<String>>;
    /// Entries without a digest, of any chain.
    async fn unmarked_rows(&mut self, rows: u32) -> Result<Vec<AuditRow>>;
    /// Gives entries their digests and lets them wait for a seal. Answers whether none had one; if not, the transaction
    /// has to be dropped.
    async fn mark_rows(&mut self, rows: Vec<AuditRow>) -> Result<bool>;
}
