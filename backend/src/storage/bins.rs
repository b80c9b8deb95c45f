//! The repository of issuers by leading digits: whole tables, each a generation.

use async_trait::async_trait;

use super::Result;
use crate::model::BinRange;

/// Issuers by leading digits. They are the operator's and the same for all merchants.
#[async_trait]
pub trait Bins {
    /// Adds lines to a generation; of two for the same digits the later one stays.
    async fn add_bins(&mut self, generation: i64, ranges: Vec<BinRange>) -> Result<()>;
    /// The next lines of a generation behind some digits, in the order of text.
    async fn list_bins(&mut self, generation: i64, after: String, limit: u32) -> Result<Vec<BinRange>>;
    /// Deletes some lines of generations before one. Answers how many.
    async fn sweep_bins(&mut self, before: i64, limit: u32) -> Result<u64>;
}
