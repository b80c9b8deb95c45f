//! Outgoing events, in SQLite.

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::merchants::mode;
use super::threads::SqliteTransaction;
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
impl Outbox for SqliteTransaction {
    async fn add_event(&mut self, event: OutboxEvent) -> Result<()> {
        self.appended = true;
        self.run(move |c| insert(c, &event)).await
    }

    async fn newest_waiting(&mut self, merchant: MerchantId, subject: String) -> Result<Option<Timestamp>> {
        self.run(move |c| {
            let mut statement = c.prepare_cached(
                "SELECT created_at FROM outbox_event WHERE subject = ?1 AND merchant_id = ?2 AND state = 0
                 ORDER BY id DESC LIMIT 1",
            )?;
            let found = statement.query_row(params![subject, merchant.as_str()], |row| row.get(0));
            Ok(found.optional()?.map(Timestamp::from_millis))
        })
        .await
    }

    async fn list_events(
        &mut self,
        merchant: MerchantId,
        mode: Mode,
        page: Page,
    ) -> Result<Vec<OutboxEvent>> {
        self.run(move |c| {
            let mut statement = c.prepare_cached(&format!(
                "SELECT {COLUMNS} FROM outbox_event WHERE merchant_id = ?1 AND mode = ?2 AND id > ?3
                 ORDER BY id LIMIT ?4"
            ))?;
            let after = page.after.unwrap_or_default();
            let rows = statement
                .query_map(params![merchant.as_str(), mode.as_str(), after, page.limit], |row| {
                    Ok(event(row))
                })?;
            rows.map(|row| row?).collect()
        })
        .await
    }

    async fn find_event(
        &mut self,
        merchant: MerchantId,
        mode: Mode,
        id: String,
    ) -> Result<Option<OutboxEvent>> {
        self.run(move |c| {
            let mut statement = c.prepare_cached(&format!(
                "SELECT {COLUMNS} FROM outbox_event WHERE id = ?1 AND merchant_id = ?2 AND mode = ?3"
            ))?;
            let parameters = params![id, merchant.as_str(), mode.as_str()];
            statement.query_row(parameters, |row| Ok(event(row))).optional()?.transpose()
        })
        .await
    }

    async fn attempts(&mut self, merchant: MerchantId, event: EventId) -> Result<Vec<Attempt>> {
        self.run(move |c| {
            let mut statement = c.prepare_cached(
                "SELECT a.at, a.number, a.status, a.result, a.answer FROM delivery_attempt a
                 JOIN outbox_event e ON e.id = a.event_id
                 WHERE a.event_id = ?1 AND e.merchant_id = ?2 ORDER BY a.at",
            )?;
            let rows = statement.query_map([event.as_str(), merchant.as_str()], |row| {
                Ok(Attempt {
                    event: event.clone(),
                    at: Timestamp::from_millis(row.get(0)?),
                    number: row.get(1)?,
                    status: row.get(2)?,
                    result: row.get(3)?,
                    answer: row.get(4)?,
                })
            })?;
            Ok(rows.collect::<rusqlite::Result<_>>()?)
        })
        .await
    }

    async fn reopen_event(&mut self, merchant: MerchantId, event: EventId, now: Timestamp) -> Result<bool> {
        self.appended = true;
        self.run(move |c| {
            let opened = c.execute(
                "UPDATE outbox_event SET state = 1, attempts = 0, due_at = ?3, finished_at = NULL
                 WHERE id = ?1 AND merchant_id = ?2 AND state IN (2, 3)",
                params![event.as_str(), merchant.as_str(), now.millis()],
            )?;
            Ok(opened == 1)
        })
        .await
    }

    async fn due_events(
        &mut self,
        now: Timestamp,
        busy: Vec<String>,
        unbounded: bool,
        limit: u32,
    ) -> Result<Vec<OutboxEvent>> {
        self.run(move |c| {
            let busy = serde_json::to_string(&busy).unwrap_or_default();
            let mut statement = c.prepare_cached(&format!(
                "SELECT {COLUMNS} FROM outbox_event e WHERE state < 2 AND due_at <= ?1
                 AND {LANE} NOT IN (SELECT value FROM json_each(?2)) AND NOT (?4 AND channel LIKE '%:%')
                 AND (state = 1 OR NOT EXISTS (SELECT 1 FROM outbox_event b
                      WHERE b.subject = e.subject AND b.id < e.id AND b.state = 0
                      AND b.merchant_id = e.merchant_id))
                 ORDER BY due_at LIMIT ?3"
            ))?;
            let rows =
                statement.query_map(params![now.millis(), busy, limit, unbounded], |row| Ok(event(row)))?;
            rows.map(|row| row?).collect()
        })
        .await
    }

    async fn lease_events(&mut self, seen: Vec<OutboxEvent>, until: Timestamp) -> Result<Vec<EventId>> {
        self.run(move |c| {
            let mut statement = c.prepare_cached(
                "UPDATE outbox_event SET due_at = ?3, attempts = attempts + 1
                 WHERE id = ?1 AND due_at = ?2 AND state < 2",
            )?;
            let mut leased = Vec::with_capacity(seen.len());
            for event in seen {
                let changed =
                    statement.execute(params![event.id.as_str(), event.due_at.millis(), until.millis()])?;
                if changed == 1 {
                    leased.push(event.id);
                }
            }
            Ok(leased)
        })
        .await
    }

    async fn renew_lease(&mut self, event: EventId, lease: Timestamp, until: Timestamp) -> Result<bool> {
        self.run(move |c| {
            let renewed = c.execute(
                "UPDATE outbox_event SET due_at = ?3 WHERE id = ?1 AND due_at = ?2 AND state < 2",
                params![event.as_str(), lease.millis(), until.millis()],
            )?;
            Ok(renewed == 1)
        })
        .await
    }

    async fn settle_event(&mut self, settlement: Settlement) -> Result<bool> {
        self.run(move |c| {
            let settled = c
                .prepare_cached(
                    "UPDATE outbox_event SET state = ?3, due_at = ?4, finished_at = ?5,
                         sealed = CASE WHEN ?6 THEN x'' ELSE sealed END
                     WHERE id = ?1 AND due_at = ?2 AND state < 2",
                )?
                .execute(params![
                    settlement.event.as_str(),
                    settlement.lease.millis(),
                    settlement.state.number(),
                    settlement.due_at.millis(),
                    settlement.finished_at.map(Timestamp::millis),
                    settlement.erase,
                ])?;
            Ok(settled == 1)
        })
        .await
    }

    async fn add_attempt(&mut self, attempt: Attempt) -> Result<()> {
        self.run(move |c| {
            c.prepare_cached(
                "INSERT OR REPLACE INTO delivery_attempt (event_id, at, number, status, result, answer)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?
            .execute(params![
                attempt.event.as_str(),
                attempt.at.millis(),
                attempt.number,
                attempt.status,
                attempt.result,
                attempt.answer,
            ])?;
            Ok(())
        })
        .await
    }

    async fn sweep_events(&mut self, before: Timestamp, limit: u32) -> Result<u64> {
        self.run(move |c| {
            let border = EventId::first_of(before);
            let old = "SELECT id FROM outbox_event WHERE id < ?1 AND state >= 2 ORDER BY id LIMIT ?2";
            let parameters = params![border.as_str(), limit];
            c.execute(&format!("DELETE FROM delivery_attempt WHERE event_id IN ({old})"), parameters)?;
            let swept = c.execute(&format!("DELETE FROM outbox_event WHERE id IN ({old})"), parameters)?;
            Ok(u64::try_from(swept).unwrap_or(u64::MAX))
        })
        .await
    }

    async fn find_webhook_secret(
        &mut self,
        merchant: MerchantId,
        mode: Mode,
    ) -> Result<Option<WebhookSecretRow>> {
        self.run(move |c| find_secret(c, merchant, mode)).await
    }

    async fn add_webhook_secret(&mut self, row: WebhookSecretRow) -> Result<WebhookSecretRow> {
        self.run(move |c| {
            c.execute(
                "INSERT OR IGNORE INTO webhook_secret (merchant_id, mode, sealed, created_at)
                 VALUES (?1, ?2, ?3, ?4)",
                params![row.merchant.as_str(), row.mode.as_str(), row.sealed, row.created_at.millis()],
            )?;
            find_secret(c, row.merchant, row.mode)?
                .ok_or(StoreError::Inconsistent { table: "webhook_secret", what: "row" })
        })
        .await
    }

    async fn replace_webhook_secret(&mut self, row: WebhookSecretRow, seen: Timestamp) -> Result<bool> {
        self.run(move |c| {
            let replaced = c.execute(
                "UPDATE webhook_secret SET sealed = ?3, created_at = ?4
                 WHERE merchant_id = ?1 AND mode = ?2 AND created_at = ?5",
                params![
                    row.merchant.as_str(),
                    row.mode.as_str(),
                    row.sealed,
                    row.created_at.millis(),
                    seen.millis()
                ],
            )?;
            Ok(replaced == 1)
        })
        .await
    }
}

/// Appends an event.
pub fn insert(c: &Connection, event: &OutboxEvent) -> Result<()> {
    c.prepare_cached(&format!(
        "INSERT INTO outbox_event ({COLUMNS})
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)"
    ))?
    .execute(params![
        event.id.as_str(),
        event.merchant.as_str(),
        event.mode.as_str(),
        event.kind,
        event.subject,
        event.channel,
        event.sealed,
        event.schedule.to_string(),
        event.erases,
        event.state.number(),
        event.attempts,
        event.due_at.millis(),
        event.created_at.millis(),
        event.finished_at.map(Timestamp::millis),
    ])?;
    Ok(())
}

/// Erases what events tell of a subject, a deleted card, and what was answered to them.
pub fn erase(c: &Connection, subject: &str) -> Result<()> {
    c.execute(ERASE_ATTEMPTS, [subject])?;
    c.execute(ERASE_EVENTS, [subject])?;
    Ok(())
}

const ERASE_ATTEMPTS: &str = "UPDATE delivery_attempt SET answer = ''
                              WHERE event_id IN (SELECT id FROM outbox_event WHERE subject = ?1)";
const ERASE_EVENTS: &str = "UPDATE outbox_event SET sealed = x'',
                            state = CASE WHEN state < 2 THEN 4 ELSE state END WHERE subject = ?1";

fn event(row: &Row<'_>) -> Result<OutboxEvent> {
    let wrong = |what| StoreError::Inconsistent { table: "outbox_event", what };
    Ok(OutboxEvent {
        id: EventId::stored(row.get(0)?),
        merchant: MerchantId::stored(row.get(1)?),
        mode: mode(&row.get::<_, String>(2)?, "outbox_event")?,
        kind: row.get(3)?,
        subject: row.get(4)?,
        channel: row.get(5)?,
        sealed: row.get(6)?,
        schedule: Schedule::parse(&row.get::<_, String>(7)?).ok_or_else(|| wrong("schedule"))?,
        erases: row.get(8)?,
        state: EventState::parse(row.get(9)?).ok_or_else(|| wrong("state"))?,
        attempts: row.get(10)?,
        due_at: Timestamp::from_millis(row.get(11)?),
        created_at: Timestamp::from_millis(row.get(12)?),
        finished_at: row.get::<_, Option<i64>>(13)?.map(Timestamp::from_millis),
    })
}

fn find_secret(c: &Connection, merchant: MerchantId, mode: Mode) -> Result<Option<WebhookSecretRow>> {
    let mut statement = c.prepare_cached(
        "SELECT sealed, created_at FROM webhook_secret WHERE merchant_id = ?1 AND mode = ?2",
    )?;
    let found = statement.query_row([merchant.as_str(), mode.as_str()], |row| {
        Ok((row.get(0)?, Timestamp::from_millis(row.get(1)?)))
    });
    let found = found.optional()?;
    Ok(found.map(|(sealed, created_at)| WebhookSecretRow { merchant, mode, sealed, created_at }))
}
