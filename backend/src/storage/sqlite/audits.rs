//! The audit log, in SQLite.

use async_trait::async_trait;
use rusqlite::{Connection, params};

use super::chains;
use super::threads::SqliteTransaction;
use crate::model::{AuditEntry, AuditId, MerchantId, Mode, Outcome, Timestamp, WaitingEntries};
use crate::storage::{Audits, Page, Result};

#[async_trait]
impl Audits for SqliteTransaction {
    async fn add_audit(&mut self, entry: AuditEntry) -> Result<()> {
        self.run(move |c| insert(c, &[&entry])).await
    }

    async fn list_audit(&mut self, merchant: MerchantId, page: Page) -> Result<Vec<AuditEntry>> {
        self.run(move |c| {
            let mut statement = c.prepare_cached(
                "SELECT id, mode, at, actor, action, object, outcome, address, mac FROM audit_entry
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
                    mac: row.get::<_, Option<Vec<u8>>>(8)?.unwrap_or_default(),
                })
            })?;
            Ok(rows.collect::<std::result::Result<_, _>>()?)
        })
        .await
    }
}

/// Appends entries that are committed together, and lets them wait for their seal.
pub fn insert(c: &Connection, entries: &[&AuditEntry]) -> Result<()> {
    let mut statement = c.prepare_cached(
        "INSERT INTO audit_entry (merchant_id, id, mode, at, actor, action, object, outcome, address, mac)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
    )?;
    for entry in entries {
        statement.execute(params![
            entry.chain(),
            entry.id.as_str(),
            entry.mode.map_or("", Mode::as_str),
            entry.at.millis(),
            entry.actor,
            entry.action,
            entry.object,
            entry.outcome.as_str(),
            entry.address,
            Some(&entry.mac).filter(|mac| !mac.is_empty())
        ])?;
    }
    chains::insert_waiting(c, &WaitingEntries::of(entries.iter().copied()))
}
