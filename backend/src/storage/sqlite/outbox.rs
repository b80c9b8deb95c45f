//! Outgoing events, in SQLite.

use async_trait::async_trait;
use rusqlite::{Connection, params};

use super::merchants::mode;
use super::threads::SqliteTransaction;
use crate::model::{EventId, MerchantId, OutboxEvent, Timestamp};
use crate::storage::{Outbox, Page, Result};

#[async_trait]
impl Outbox for SqliteTransaction {
    async fn add_event(&mut self, event: OutboxEvent) -> Result<()> {
        self.run(move |c| insert(c, &event)).await
    }

    async fn list_events(&mut self, merchant: MerchantId, page: Page) -> Result<Vec<OutboxEvent>> {
        self.run(move |c| {
            let mut statement = c.prepare_cached(
                "SELECT id, mode, kind, subject, sealed, created_at FROM outbox_event
                 WHERE merchant_id = ?1 AND id > ?2 ORDER BY id LIMIT ?3",
            )?;
            let after = page.after.unwrap_or_default();
            let rows = statement.query_map(params![merchant.as_str(), after, page.limit], |row| {
                Ok((row.get::<_, String>(1)?, event(row, &merchant)?))
            })?;
            rows.map(|row| {
                let (mode_name, event) = row?;
                Ok(OutboxEvent { mode: mode(&mode_name, "outbox_event")?, ..event })
            })
            .collect()
        })
        .await
    }
}

/// Appends an event.
pub fn insert(c: &Connection, event: &OutboxEvent) -> Result<()> {
    c.prepare_cached(
        "INSERT INTO outbox_event (id, merchant_id, mode, kind, subject, sealed, created_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?
    .execute(params![
        event.id.as_str(),
        event.merchant.as_str(),
        event.mode.as_str(),
        event.kind,
        event.subject,
        event.sealed,
        event.created_at.millis()
    ])?;
    Ok(())
}

fn event(row: &rusqlite::Row<'_>, merchant: &MerchantId) -> rusqlite::Result<OutboxEvent> {
    Ok(OutboxEvent {
        id: EventId::stored(row.get(0)?),
        merchant: merchant.clone(),
        mode: crate::model::Mode::Live,
        kind: row.get(2)?,
        subject: row.get(3)?,
        sealed: row.get(4)?,
        created_at: Timestamp::from_millis(row.get(5)?),
    })
}
