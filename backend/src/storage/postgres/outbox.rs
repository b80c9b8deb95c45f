//! Outgoing events, in PostgreSQL.

use async_trait::async_trait;
use tokio_postgres::Row;

use super::rows::{Reader, column};
use super::transaction::PostgresTransaction;
use crate::model::{EventId, MerchantId, OutboxEvent};
use crate::storage::{Outbox, Page, Result};

#[async_trait]
impl Outbox for PostgresTransaction {
    async fn add_event(&mut self, event: OutboxEvent) -> Result<()> {
        insert(self, &[event]).await
    }

    async fn list_events(&mut self, merchant: MerchantId, page: Page) -> Result<Vec<OutboxEvent>> {
        let sql = "SELECT id, mode, kind, subject, sealed, created_at FROM outbox_event
                   WHERE merchant_id = $1 AND id > $2 ORDER BY id LIMIT $3";
        let after = page.after.unwrap_or_default();
        let rows = self.all(sql, &[&merchant.as_str(), &after, &i64::from(page.limit)]).await?;
        rows.iter().map(|row| event(row, &merchant)).collect()
    }
}

/// Appends events.
pub async fn insert(t: &PostgresTransaction, events: &[OutboxEvent]) -> Result<()> {
    if events.is_empty() {
        return Ok(());
    }
    t.execute(
        "INSERT INTO outbox_event (id, merchant_id, mode, kind, subject, sealed, created_at)
         SELECT * FROM UNNEST($1::TEXT[], $2::TEXT[], $3::TEXT[], $4::TEXT[], $5::TEXT[], $6::BYTEA[],
             $7::BIGINT[])",
        &[
            &column(events, |event| event.id.as_str()),
            &column(events, |event| event.merchant.as_str()),
            &column(events, |event| event.mode.as_str()),
            &column(events, |event| event.kind.as_str()),
            &column(events, |event| event.subject.as_str()),
            &column(events, |event| event.sealed.as_slice()),
            &column(events, |event| event.created_at.millis()),
        ],
    )
    .await?;
    Ok(())
}

fn event(row: &Row, merchant: &MerchantId) -> Result<OutboxEvent> {
    let row = Reader::new(row, "outbox_event");
    Ok(OutboxEvent {
        id: EventId::stored(row.get(0)?),
        merchant: merchant.clone(),
        mode: row.mode(1)?,
        kind: row.get(2)?,
        subject: row.get(3)?,
        sealed: row.get(4)?,
        created_at: row.time(5)?,
    })
}
