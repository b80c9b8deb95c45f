//! Issuers by leading digits: the table that the operator loads, in memory on every node.

pub mod import;
mod table;

use std::sync::{Arc, PoisonError, RwLock};

pub use table::{Builder, Table};

use crate::core::Core;
use crate::model::Issuer;
use crate::storage::StoreError;

/// The fact that names the generation of the table that counts.
const GENERATION: &str = "bin generation";
/// So many lines are read in one transaction.
const READ: u32 = 5_000;
/// So many lines of older generations are deleted in one sweep.
const SWEPT: u32 = 10_000;

/// The table that counts, and its generation.
#[derive(Default)]
pub struct Bins(RwLock<(i64, Arc<Table>)>);

impl Bins {
    /// The issuer of a number; of the longest leading digits that the table knows.
    pub fn issuer(&self, digits: &str) -> Option<Issuer> {
        self.table().1.find(digits)
    }

    /// The issuer by the first six digits alone, where all numbers that begin so have the same line.
    pub fn issuer_of_six(&self, first_six: &str) -> Option<Issuer> {
        self.table().1.find_certain(first_six)
    }

    fn table(&self) -> (i64, Arc<Table>) {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        (known.0, Arc::clone(&known.1))
    }
}

/// Reads the table anew where another generation counts since. Every node does with each sweep.
pub async fn reload(core: &Core) -> Result<(), StoreError> {
    let Some(generation) = generation(core).await? else { return Ok(()) };
    if core.bins.table().0 == generation {
        return Ok(());
    }
    let mut builder = Builder::default();
    let mut after = String::new();
    loop {
        let ranges = core.store.read().await?.list_bins(generation, std::mem::take(&mut after), READ).await?;
        let Some(last) = ranges.last() else { break };
        after.clone_from(&last.prefix);
        for range in &ranges {
            builder.add(range);
        }
    }
    let table = builder.finish();
    tracing::info!(lines = table.len(), bytes = table.bytes(), "loaded the table of issuers");
    *core.bins.0.write().unwrap_or_else(PoisonError::into_inner) = (generation, Arc::new(table));
    Ok(())
}

/// Deletes some of what older tables left behind.
pub async fn sweep(core: &Core) -> Result<(), StoreError> {
    let Some(generation) = generation(core).await? else { return Ok(()) };
    let mut transaction = core.store.begin().await?;
    transaction.sweep_bins(generation, SWEPT).await?;
    transaction.commit().await
}

async fn generation(core: &Core) -> Result<Option<i64>, StoreError> {
    Ok(core.store.read().await?.fact(GENERATION).await?.and_then(|text| text.parse().ok()))
}
