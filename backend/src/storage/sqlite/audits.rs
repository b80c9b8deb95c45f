//! The audit log, in SQLite.

use async_trait::async_trait;
use rusqlite::{Connection, params};

use super::threads::SqliteTransaction;
use crate::model::{AuditEntry, AuditId, MerchantId, Mode, Outcome, Timestamp};
use crate::storage::{Audits, Page, Result};

#[async_trait]
impl Audits for SqliteTransaction {
    async fn add_audit(&mut self, entry: AuditEntry) -> Result<()> {
        self.run(move |c| insert(c, &entry)).await
    }

    async fn list_audit(&mut self, merchant: MerchantId, page: Page) -> Result<Vec<AuditEntry>> {
        self.run(move |c| {
            let mut statement = c.prepare_cached(
                "SELECT id, mode, at, actor, action, object, outcome, address FROM audit_entry
                 WHERE merchant_id = ?1 AND id > ?2 ORDER BY id LIMIT ?3",
            )?;
            let after = page.after.unwrap_or_default();
            let rows = statement.query_map(params![merchant.as_str(), after, page.limit], |row| {
                Ok(AuditEntry {
                    id: AuditId::stored(row.get(0)?),
                    merchant: Some(merchant.clone()),
                    mode: Mode::parse(&row.get::<_, String>(1)?),
                    at: Timestamp::from_millis(row.get(2)?),
                    actor: row.get(3)?,
                    action: row.get::<_, String>(4)?.into(),
                    object: row.get(5)?,
                    outcome: Outcome::parse(&row.get::<_, String>(6)?),
                    address: row.get(7)?,
                })
            })?;
            Ok(rows.collect::<std::result::Result<_, _>>()?)
        })
        .await
    }
}

/// Appends an entry.
pub fn insert(c: &Connection, entry: &AuditEntry) -> Result<()> {
    c.prepare_cached(
        "INSERT INTO audit_entry (merchant_id, id, mode, at, actor, action, object, outcome, address)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    )?
    .execute(params![
        entry.merchant.as_ref().map_or("", MerchantId::as_str),
        entry.id.as_str(),
        entry.mode.map_or("", Mode::as_str),
        entry.at.millis(),
        entry.actor,
        entry.action,
        entry.object,
        entry.outcome.as_str(),
        entry.address
    ])?;
    Ok(())
}
