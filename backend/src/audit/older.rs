//! Entries from before the audit log was chained: the first run of a server gives them their digests, once. What has no
//! digest afterwards was not written by us.

use std::time::Duration;

use super::AuditError;
use crate::core::Core;
use crate::crypto::root::Digests;
use crate::crypto::{hex, unhex};
use crate::model::{Head, Timestamp};
use crate::root_key::DIGESTS;
use crate::storage::StoreError;

/// So many entries get their digests in one transaction.
const ROWS: u32 = 500;
/// After a step the writer is left to captures for a moment.
const PAUSE: Duration = Duration::from_millis(10);

/// Gives all entries that have none their digests, and keeps under the root key that it was done. Any number of nodes
/// may do it at once; one that was cut off is taken up again by the next.
pub async fn mark_older(core: &Core) -> Result<(), AuditError> {
    while let Some((stands, digests)) = unmarked(core).await? {
        if !mark_all(core, &stands).await? {
            continue;
        }
        let marked = hex(&digests.mark(&*core.root, &*core.entropy)?);
        let mut transaction = core.store.begin().await?;
        let replaced = transaction.replace_fact(DIGESTS, stands, marked).await?;
        transaction.commit().await?;
        if replaced {
            tracing::info!("the audit log's older entries are chained");
        }
    }
    Ok(())
}

/// Begins the chain of chains of an installation that has none yet because it is older. Later, that it is missing is a
/// break.
pub(super) async fn begin(core: &Core) -> Result<(), AuditError> {
    if unmarked(core).await?.is_some() {
        let first = core.audit.complete(Head::start(Head::ALL, Timestamp::from_millis(0)));
        let mut transaction = core.store.begin().await?;
        transaction.begin_chain(first).await?;
        transaction.commit().await?;
    }
    Ok(())
}

/// The stored key of digests while there may be entries without a digest.
pub(super) async fn unmarked(core: &Core) -> Result<Option<(String, Digests)>, AuditError> {
    let stands = core.store.read().await?.fact(DIGESTS).await?.unwrap_or_default();
    let digests = Digests::open(&*core.root, &unhex(&stands).unwrap_or_default())?;
    Ok((!digests.marked()).then_some((stands, digests)))
}

/// Answers whether none is left; false where the key was wrapped anew meanwhile, or another node was done.
async fn mark_all(core: &Core, stands: &str) -> Result<bool, StoreError> {
    loop {
        let mut rows = core.store.read().await?.unmarked_rows(ROWS).await?;
        if rows.is_empty() {
            return Ok(true);
        }
        for row in &mut rows {
            row.mac = Some(core.audit.row_mac(row));
        }
        let mut transaction = core.store.begin().await?;
        if transaction.fact(DIGESTS).await?.as_deref() != Some(stands) {
            return Ok(false);
        }
        // Otherwise another node was faster with some of them.
        if transaction.mark_rows(rows).await? {
            transaction.commit().await?;
        } else {
            drop(transaction);
        }
        tokio::time::sleep(PAUSE).await;
    }
}
