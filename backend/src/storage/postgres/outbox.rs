//! Outgoing events, in PostgreSQL.

use async_trait::async_trait;
use tokio_postgres::Row;

use super::rows::{Reader, column};
use super::transaction::PostgresTransaction;
use crate::model::{
    Attempt, EventId, EventState, MerchantId, Mode, OutboxEvent, Schedule, Settlement, Timestamp,
    WebhookSecretRow,
};
use crate::storage::{Outbox, Page, Result, StoreError};

const COLUMNS: &str =
    "id, merchant_id, mode, kind, subject, channel, sealed, schedule, erases, state, attempts,
                       due_at, created_at, finished_at";

/// `OutboxEvent::lane`
const LANE: &str = "CASE WHEN channel LIKE '%:%' THEN merchant_id || ' ' || channel ELSE merchant_id END";

#[async_trait]
impl Outbox for PostgresTransaction {
    async fn add_event(&mut self, event: OutboxEvent) -> Result<()> {
        self.appended = true;
        insert(self, &[event]).await
    }

    async fn newest_waiting(&mut self, merchant: MerchantId, subject: String) -> Result<Option<Timestamp>> {
        let sql = "SELECT created_at FROM outbox_event WHERE subject = $1 AND merchant_id = $2 AND state = 0
                   ORDER BY id DESC LIMIT 1";
        let row = self.one(sql, &[&subject, &merchant.as_str()]).await?;
        row.as_ref().map(|row| Reader::new(row, "outbox_event").time(0)).transpose()
    }

    async fn list_events(
        &mut self,
        merchant: MerchantId,
        mode: Mode,
        page: Page,
    ) -> Result<Vec<OutboxEvent>> {
        let sql = format!(
            "SELECT {COLUMNS} FROM outbox_event WHERE merchant_id = $1 AND mode = $2 AND id > $3
             ORDER BY id LIMIT $4"
        );
        let after = page.after.unwrap_or_default();
        let limit = i64::from(page.limit);
        let rows = self.all(&sql, &[&merchant.as_str(), &mode.as_str(), &after, &limit]).await?;
        rows.iter().map(event).collect()
    }

    async fn find_event(
        &mut self,
        merchant: MerchantId,
        mode: Mode,
        id: String,
    ) -> Result<Option<OutboxEvent>> {
        let sql =
            format!("SELECT {COLUMNS} FROM outbox_event WHERE id = $1 AND merchant_id = $2 AND mode = $3");
        let row = self.one(&sql, &[&id, &merchant.as_str(), &mode.as_str()]).await?;
        row.as_ref().map(event).transpose()
    }

    async fn attempts(&mut self, merchant: MerchantId, event: EventId) -> Result<Vec<Attempt>> {
        let sql = "SELECT a.at, a.number, a.status, a.result, a.answer FROM delivery_attempt a
                   JOIN outbox_event e ON e.id = a.event_id
                   WHERE a.event_id = $1 AND e.merchant_id = $2 ORDER BY a.at";
        let rows = self.all(sql, &[&event.as_str(), &merchant.as_str()]).await?;
        rows.iter().map(|row| attempt(row, &event)).collect()
    }

    async fn reopen_event(&mut self, merchant: MerchantId, event: EventId, now: Timestamp) -> Result<bool> {
        self.appended = true;
        let sql = "UPDATE outbox_event SET state = 1, attempts = 0, due_at = $3, finished_at = NULL
                   WHERE id = $1 AND merchant_id = $2 AND state IN (2, 3)";
        Ok(self.execute(sql, &[&event.as_str(), &merchant.as_str(), &now.millis()]).await? == 1)
    }

    async fn due_events(
        &mut self,
        now: Timestamp,
        busy: Vec<String>,
        unbounded: bool,
        limit: u32,
    ) -> Result<Vec<OutboxEvent>> {
        let sql = format!(
            "SELECT {COLUMNS} FROM outbox_event e WHERE state < 2 AND due_at <= $1
             AND {LANE} <> ALL($2::TEXT[]) AND NOT ($4 AND channel LIKE '%:%')
             AND (state = 1 OR NOT EXISTS (SELECT 1 FROM outbox_event b
                  WHERE b.subject = e.subject AND b.id < e.id AND b.state = 0
                  AND b.merchant_id = e.merchant_id))
             ORDER BY due_at LIMIT $3"
        );
        let rows = self.all(&sql, &[&now.millis(), &busy, &i64::from(limit), &unbounded]).await?;
        rows.iter().map(event).collect()
    }

    async fn lease_events(&mut self, seen: Vec<OutboxEvent>, until: Timestamp) -> Result<Vec<EventId>> {
        // Whoever comes second waits for the row, then finds another time in it.
        let sql = "UPDATE outbox_event e SET due_at = $3, attempts = e.attempts + 1
                   FROM UNNEST($1::TEXT[], $2::BIGINT[]) AS seen (id, due_at)
                   WHERE e.id = seen.id AND e.due_at = seen.due_at AND e.state < 2 RETURNING e.id";
        let ids = column(&seen, |event| event.id.as_str());
        let times = column(&seen, |event| event.due_at.millis());
        let rows = self.all(sql, &[&ids, &times, &until.millis()]).await?;
        rows.iter().map(|row| Ok(EventId::stored(Reader::new(row, "outbox_event").get(0)?))).collect()
    }

    async fn renew_lease(&mut self, event: EventId, lease: Timestamp, until: Timestamp) -> Result<bool> {
        let sql = "UPDATE outbox_event SET due_at = $3 WHERE id = $1 AND due_at = $2 AND state < 2";
        Ok(self.execute(sql, &[&event.as_str(), &lease.millis(), &until.millis()]).await? == 1)
    }

    async fn settle_event(&mut self, settlement: Settlement) -> Result<bool> {
        let sql = "UPDATE outbox_event SET state = $3, due_at = $4, finished_at = $5,
                       sealed = CASE WHEN $6 THEN ''::BYTEA ELSE sealed END
                   WHERE id = $1 AND due_at = $2 AND state < 2";
        let settled = self
            .execute(
                sql,
                &[
                    &settlement.event.as_str(),
                    &settlement.lease.millis(),
                    &settlement.state.number(),
                    &settlement.due_at.millis(),
                    &settlement.finished_at.map(Timestamp::millis),
                    &settlement.erase,
                ],
            )
            .await?;
        Ok(settled == 1)
    }

    async fn add_attempt(&mut self, attempt: Attempt) -> Result<()> {
        self.execute(
            "INSERT INTO delivery_attempt (event_id, at, number, status, result, answer)
             VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING",
            &[
                &attempt.event.as_str(),
                &attempt.at.millis(),
                &i64::from(attempt.number),
                &attempt.status.map(i64::from),
                &attempt.result,
                &attempt.answer,
            ],
        )
        .await?;
        Ok(())
    }

    async fn sweep_events(&mut self, before: Timestamp, limit: u32) -> Result<u64> {
        let old = "SELECT id FROM outbox_event WHERE id < $1 AND state >= 2 ORDER BY id LIMIT $2";
        let rows = self.all(old, &[&EventId::first_of(before).as_str(), &i64::from(limit)]).await?;
        let ids: Vec<&str> =
            rows.iter().map(|row| Reader::new(row, "outbox_event").get(0)).collect::<Result<_>>()?;
        self.execute("DELETE FROM delivery_attempt WHERE event_id = ANY($1)", &[&ids]).await?;
        self.execute("DELETE FROM outbox_event WHERE id = ANY($1) AND state >= 2", &[&ids]).await
    }

    async fn find_webhook_secret(
        &mut self,
        merchant: MerchantId,
        mode: Mode,
    ) -> Result<Option<WebhookSecretRow>> {
        let sql = "SELECT sealed, created_at FROM webhook_secret WHERE merchant_id = $1 AND mode = $2";
        let row = self.one(sql, &[&merchant.as_str(), &mode.as_str()]).await?;
        row.map(|row| {
            let row = Reader::new(&row, "webhook_secret");
            Ok(WebhookSecretRow { merchant, mode, sealed: row.get(0)?, created_at: row.time(1)? })
        })
        .transpose()
    }

    async fn add_webhook_secret(&mut self, row: WebhookSecretRow) -> Result<WebhookSecretRow> {
        self.execute(
            "INSERT INTO webhook_secret (merchant_id, mode, sealed, created_at) VALUES ($1, $2, $3, $4)
             ON CONFLICT DO NOTHING",
            &[&row.merchant.as_str(), &row.mode.as_str(), &row.sealed, &row.created_at.millis()],
        )
        .await?;
        self.find_webhook_secret(row.merchant, row.mode)
            .await?
            .ok_or(StoreError::Inconsistent { table: "webhook_secret", what: "row" })
    }

    async fn replace_webhook_secret(&mut self, row: WebhookSecretRow, seen: Timestamp) -> Result<bool> {
        let sql = "UPDATE webhook_secret SET sealed = $3, created_at = $4
                   WHERE merchant_id = $1 AND mode = $2 AND created_at = $5";
        let (merchant, mode) = (row.merchant.as_str(), row.mode.as_str());
        let created = row.created_at.millis();
        Ok(self.execute(sql, &[&merchant, &mode, &row.sealed, &created, &seen.millis()]).await? == 1)
    }
}

/// Appends events.
pub async fn insert(t: &PostgresTransaction, events: &[OutboxEvent]) -> Result<()> {
    if events.is_empty() {
        return Ok(());
    }
    t.execute(
        "INSERT INTO outbox_event (id, merchant_id, mode, kind, subject, channel, sealed, schedule, erases,
             state, attempts, due_at, created_at, finished_at)
         SELECT * FROM UNNEST($1::TEXT[], $2::TEXT[], $3::TEXT[], $4::TEXT[], $5::TEXT[], $6::TEXT[],
             $7::BYTEA[], $8::TEXT[], $9::BIGINT[], $10::BIGINT[], $11::BIGINT[], $12::BIGINT[],
             $13::BIGINT[], $14::BIGINT[])",
        &[
            &column(events, |event| event.id.as_str()),
            &column(events, |event| event.merchant.as_str()),
            &column(events, |event| event.mode.as_str()),
            &column(events, |event| event.kind.as_str()),
            &column(events, |event| event.subject.as_str()),
            &column(events, |event| event.channel.as_str()),
            &column(events, |event| event.sealed.as_slice()),
            &column(events, |event| event.schedule.to_string()),
            &column(events, |event| i64::from(event.erases)),
            &column(events, |event| event.state.number()),
            &column(events, |event| i64::from(event.attempts)),
            &column(events, |event| event.due_at.millis()),
            &column(events, |event| event.created_at.millis()),
            &column(events, |event| event.finished_at.map(Timestamp::millis)),
        ],
    )
    .await?;
    Ok(())
}

/// Erases what events tell of a subject, a deleted card, and what was answered to them.
pub async fn erase(t: &PostgresTransaction, subject: &str) -> Result<()> {
    let attempts = "UPDATE delivery_attempt SET answer = ''
                    WHERE event_id IN (SELECT id FROM outbox_event WHERE subject = $1)";
    t.execute(attempts, &[&subject]).await?;
    let events = "UPDATE outbox_event SET sealed = ''::BYTEA,
                  state = CASE WHEN state < 2 THEN 4 ELSE state END WHERE subject = $1";
    t.execute(events, &[&subject]).await?;
    Ok(())
}

fn event(row: &Row) -> Result<OutboxEvent> {
    let row = Reader::new(row, "outbox_event");
    Ok(OutboxEvent {
        id: EventId::stored(row.get(0)?),
        merchant: MerchantId::stored(row.get(1)?),
        mode: row.mode(2)?,
        kind: row.get(3)?,
        subject: row.get(4)?,
        channel: row.get(5)?,
        sealed: row.get(6)?,
        schedule: Schedule::parse(row.get(7)?).ok_or_else(|| row.wrong("schedule"))?,
        erases: row.flag(8)?,
        state: EventState::parse(row.get(9)?).ok_or_else(|| row.wrong("state"))?,
        attempts: row.number(10)?,
        due_at: row.time(11)?,
        created_at: row.time(12)?,
        finished_at: row.maybe_time(13)?,
    })
}

fn attempt(row: &Row, event: &EventId) -> Result<Attempt> {
    let row = Reader::new(row, "delivery_attempt");
    Ok(Attempt {
        event: event.clone(),
        at: row.time(0)?,
        number: row.number(1)?,
        status: row.maybe(2)?,
        result: row.get(3)?,
        answer: row.get(4)?,
    })
}
