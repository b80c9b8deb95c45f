//! The audit log, in PostgreSQL.

use async_trait::async_trait;
use tokio_postgres::Row;

use super::chains;
use super::rows::{Reader, column};
use super::transaction::PostgresTransaction;
use crate::model::{AuditEntry, AuditId, MerchantId, Mode, Outcome, WaitingEntries};
use crate::storage::{Audits, Page, Result};

#[async_trait]
impl Audits for PostgresTransaction {
    async fn add_audit(&mut self, entry: AuditEntry) -> Result<()> {
        insert(self, &[entry]).await
    }

    async fn list_audit(&mut self, merchant: MerchantId, page: Page) -> Result<Vec<AuditEntry>> {
        let sql = "SELECT id, mode, at, actor, action, object, outcome, address, mac FROM audit_entry
                   WHERE merchant_id = $1 AND id > $2 ORDER BY id LIMIT $3";
        let after = page.after.unwrap_or_default();
        let rows = self.all(sql, &[&merchant.as_str(), &after, &i64::from(page.limit)]).await?;
        rows.iter().map(|row| entry(row, &merchant)).collect()
    }
}

/// Appends entries that are committed together, and lets them wait for their seal.
pub async fn insert(t: &PostgresTransaction, entries: &[AuditEntry]) -> Result<()> {
    if entries.is_empty() {
        return Ok(());
    }
    let waiting = WaitingEntries::of(entries);
    tokio::try_join!(biased; insert_entries(t, entries), chains::insert_waiting(t, &waiting))?;
    Ok(())
}

async fn insert_entries(t: &PostgresTransaction, entries: &[AuditEntry]) -> Result<()> {
    t.execute(
        "INSERT INTO audit_entry (merchant_id, id, mode, at, actor, action, object, outcome, address, mac)
         SELECT * FROM UNNEST($1::TEXT[], $2::TEXT[], $3::TEXT[], $4::BIGINT[], $5::TEXT[], $6::TEXT[],
             $7::TEXT[], $8::TEXT[], $9::TEXT[], $10::BYTEA[])",
        &[
            &column(entries, AuditEntry::chain),
            &column(entries, |entry| entry.id.as_str()),
            &column(entries, |entry| entry.mode.map_or("", Mode::as_str)),
            &column(entries, |entry| entry.at.millis()),
            &column(entries, |entry| entry.actor.as_str()),
            &column(entries, |entry| &*entry.action),
            &column(entries, |entry| entry.object.as_str()),
            &column(entries, |entry| entry.outcome.as_str()),
            &column(entries, |entry| entry.address.as_str()),
            &column(entries, |entry| Some(entry.mac.as_slice()).filter(|mac| !mac.is_empty())),
        ],
    )
    .await?;
    Ok(())
}

fn entry(row: &Row, merchant: &MerchantId) -> Result<AuditEntry> {
    let row = Reader::new(row, "audit_entry");
    Ok(AuditEntry {
        id: AuditId::stored(row.get(0)?),
        merchant: Some(merchant.clone()),
        mode: Mode::parse(row.get(1)?),
        at: row.time(2)?,
        actor: row.get(3)?,
        action: row.get::<String>(4)?.into(),
        object: row.get(5)?,
        outcome: Outcome::parse(row.get(6)?),
        address: row.get(7)?,
        mac: row.get::<Option<Vec<u8>>>(8)?.unwrap_or_default(),
    })
}
