//! Card requests, their history and the templates of their messages, in SQLite.

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::merchants::mode;
use super::threads::SqliteTransaction;
use crate::model::{
    CardRequest, Channel, EventId, MerchantId, MessageTemplate, Mode, Passcode, RequestFilter, RequestId,
    RequestKind, Status, StatusChange, Timestamp,
};
use crate::storage::{Page, Requests, Result, StoreError};

const COLUMNS: &str = "id, merchant_id, mode, kind, channel, status, status_at, changes, version, reference, sealed, \
                       code_hash, message_id, card_token, refused, passcode_digest, passcode_ends_at, \
                       passcode_tries, passcode_sent, ticket_hash, ticket_ends_at, asked, asked_at, expires_at, \
                       deleted_at, created_at";
const TEMPLATE: &str = "merchant_id, mode, name, channel, language, subject, body, html, updated_at";

#[async_trait]
impl Requests for SqliteTransaction {
    async fn add_request(&mut self, request: CardRequest) -> Result<()> {
        self.run(move |c| insert(c, &request)).await
    }

    async fn find_request(
        &mut self,
        merchant: MerchantId,
        mode: Mode,
        id: RequestId,
    ) -> Result<Option<CardRequest>> {
        self.run(move |c| {
            let sql = format!(
                "SELECT {COLUMNS} FROM card_request WHERE id = ?1 AND merchant_id = ?2 AND mode = ?3"
            );
            let mut statement = c.prepare_cached(&sql)?;
            let found =
                statement.query_row([id.as_str(), merchant.as_str(), mode.as_str()], |row| Ok(read(row)));
            found.optional()?.transpose()
        })
        .await
    }

    async fn find_request_by_secret_name(&mut self, code_hash: String) -> Result<Option<CardRequest>> {
        self.run(move |c| {
            let sql = format!("SELECT {COLUMNS} FROM card_request WHERE code_hash = ?1");
            c.prepare_cached(&sql)?.query_row([code_hash], |row| Ok(read(row))).optional()?.transpose()
        })
        .await
    }

    async fn find_request_by_message_secret_name(&mut self, message: EventId) -> Result<Option<CardRequest>> {
        self.run(move |c| {
            let sql = format!("SELECT {COLUMNS} FROM card_request WHERE message_id = ?1");
            c.prepare_cached(&sql)?.query_row([message.as_str()], |row| Ok(read(row))).optional()?.transpose()
        })
        .await
    }

    async fn update_request(&mut self, request: CardRequest) -> Result<bool> {
        self.run(move |c| update(c, &request)).await
    }

    async fn list_requests(
        &mut self,
        merchant: MerchantId,
        mode: Mode,
        filter: RequestFilter,
        page: Page,
    ) -> Result<Vec<CardRequest>> {
        self.run(move |c| {
            let sql = format!(
                "SELECT {COLUMNS} FROM card_request
                 WHERE merchant_id = ?1 AND mode = ?2 AND deleted_at IS NULL AND (?3 = '' OR status = ?3)
                   AND (?4 = '' OR reference = ?4) AND created_at >= ?5 AND created_at < ?6
                   AND (?7 = '' OR id < ?7)
                 ORDER BY id DESC LIMIT ?8"
            );
            let mut statement = c.prepare_cached(&sql)?;
            let rows = statement.query_map(
                params![
                    merchant.as_str(),
                    mode.as_str(),
                    filter.status.map(Status::as_str).unwrap_or_default(),
                    filter.reference.unwrap_or_default(),
                    filter.from.map_or(i64::MIN, Timestamp::millis),
                    filter.to.map_or(i64::MAX, Timestamp::millis),
                    page.after.unwrap_or_default(),
                    page.limit,
                ],
                |row| Ok(read(row)),
            )?;
            rows.map(|row| row?).collect()
        })
        .await
    }

    async fn list_ended_requests(&mut self, now: Timestamp, most: u32) -> Result<Vec<CardRequest>> {
        self.run(move |c| {
            let sql = format!(
                "SELECT {COLUMNS} FROM card_request WHERE open_until <= ?1 ORDER BY open_until LIMIT ?2"
            );
            let mut statement = c.prepare_cached(&sql)?;
            let rows = statement.query_map(params![now.millis(), most], |row| Ok(read(row)))?;
            rows.map(|row| row?).collect()
        })
        .await
    }

    async fn sweep_requests(&mut self, before: Timestamp, most: u32) -> Result<u64> {
        self.run(move |c| {
            let ended = "SELECT id FROM card_request WHERE open_until IS NULL AND status_at < ?1
                         ORDER BY status_at, id LIMIT ?2";
            let limits = params![before.millis(), most];
            c.execute(&format!("DELETE FROM card_request_status WHERE request_id IN ({ended})"), limits)?;
            let swept = c.execute(&format!("DELETE FROM card_request WHERE id IN ({ended})"), limits)?;
            Ok(u64::try_from(swept).unwrap_or(u64::MAX))
        })
        .await
    }

    async fn add_status(&mut self, merchant: MerchantId, change: StatusChange) -> Result<()> {
        self.run(move |c| {
            c.execute(
                "INSERT INTO card_request_status (request_id, number, merchant_id, status, at)
                 VALUES (?1, ?2, ?3, ?4, ?5)",
                params![
                    change.request.as_str(),
                    change.number,
                    merchant.as_str(),
                    change.status.as_str(),
                    change.at.millis()
                ],
            )?;
            Ok(())
        })
        .await
    }

    async fn statuses(&mut self, merchant: MerchantId, request: RequestId) -> Result<Vec<StatusChange>> {
        self.run(move |c| {
            let mut statement = c.prepare_cached(
                "SELECT number, status, at FROM card_request_status
                 WHERE request_id = ?1 AND merchant_id = ?2 ORDER BY number",
            )?;
            let rows = statement.query_map([request.as_str(), merchant.as_str()], |row| {
                Ok((row.get(0)?, row.get::<_, String>(1)?, row.get(2)?))
            })?;
            rows.map(|row| {
                let (number, name, at) = row?;
                let (status, at) = (status(&name)?, Timestamp::from_millis(at));
                Ok(StatusChange { request: request.clone(), number, status, at })
            })
            .collect()
        })
        .await
    }

    async fn put_template(&mut self, template: MessageTemplate) -> Result<()> {
        self.run(move |c| {
            c.execute(
                &format!(
                    "INSERT INTO message_template ({TEMPLATE}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
                     ON CONFLICT (merchant_id, mode, name, channel, language)
                     DO UPDATE SET subject = ?6, body = ?7, html = ?8, updated_at = ?9"
                ),
                params![
                    template.merchant.as_str(),
                    template.mode.as_str(),
                    template.name,
                    template.channel.as_str(),
                    template.language,
                    template.subject,
                    template.body,
                    template.html,
                    template.updated_at.millis(),
                ],
            )?;
            Ok(())
        })
        .await
    }

    async fn list_templates(&mut self, merchant: MerchantId, mode: Mode) -> Result<Vec<MessageTemplate>> {
        self.run(move |c| {
            let sql = format!(
                "SELECT {TEMPLATE} FROM message_template WHERE merchant_id = ?1 AND mode = ?2
                 ORDER BY name, channel, language"
            );
            let mut statement = c.prepare_cached(&sql)?;
            let rows = statement.query_map([merchant.as_str(), mode.as_str()], |row| Ok(template(row)))?;
            rows.map(|row| row?).collect()
        })
        .await
    }

    async fn delete_template(
        &mut self,
        merchant: MerchantId,
        mode: Mode,
        name: String,
        channel: Channel,
        language: String,
    ) -> Result<bool> {
        self.run(move |c| {
            let deleted = c.execute(
                "DELETE FROM message_template
                 WHERE merchant_id = ?1 AND mode = ?2 AND name = ?3 AND channel = ?4 AND language = ?5",
                params![merchant.as_str(), mode.as_str(), name, channel.as_str(), language],
            )?;
            Ok(deleted == 1)
        })
        .await
    }
}

fn insert(c: &Connection, request: &CardRequest) -> Result<()> {
    let sql = format!(
        "INSERT INTO card_request ({COLUMNS}, open_until)
         VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16,?17,?18,?19,?20,?21,?22,?23,?24,?25,?26,?27)"
    );
    c.execute(
        &sql,
        params![
            request.id.as_str(),
            request.merchant.as_str(),
            request.mode.as_str(),
            request.kind.as_str(),
            request.channel.as_str(),
            request.status.as_str(),
            request.status_at.millis(),
            request.changes,
            request.version,
            request.reference,
            request.sealed,
            request.code_hash,
            request.message.as_str(),
            request.card_token,
            request.refused,
            request.passcode.digest,
            request.passcode.ends_at,
            request.passcode.tries,
            request.passcode.sent,
            request.passcode.ticket_hash,
            request.passcode.ticket_ends_at,
            request.asked,
            request.asked_at.map(Timestamp::millis),
            request.expires_at.millis(),
            request.deleted_at.map(Timestamp::millis),
            request.created_at.millis(),
            request.open_until().map(Timestamp::millis),
        ],
    )?;
    Ok(())
}

fn update(c: &Connection, request: &CardRequest) -> Result<bool> {
    let changed = c.execute(
        "UPDATE card_request SET status = ?4, status_at = ?5, changes = ?6, sealed = ?7, code_hash = ?8,
             message_id = ?9, card_token = ?10, refused = ?11, passcode_digest = ?12, passcode_ends_at = ?13,
             passcode_tries = ?14, passcode_sent = ?15, ticket_hash = ?16, ticket_ends_at = ?17, asked = ?18,
             asked_at = ?19, expires_at = ?20, open_until = ?21, deleted_at = ?22, version = version + 1
         WHERE id = ?1 AND merchant_id = ?2 AND version = ?3",
        params![
            request.id.as_str(),
            request.merchant.as_str(),
            request.version,
            request.status.as_str(),
            request.status_at.millis(),
            request.changes,
            request.sealed,
            request.code_hash,
            request.message.as_str(),
            request.card_token,
            request.refused,
            request.passcode.digest,
            request.passcode.ends_at,
            request.passcode.tries,
            request.passcode.sent,
            request.passcode.ticket_hash,
            request.passcode.ticket_ends_at,
            request.asked,
            request.asked_at.map(Timestamp::millis),
            request.expires_at.millis(),
            request.open_until().map(Timestamp::millis),
            request.deleted_at.map(Timestamp::millis),
        ],
    )?;
    Ok(changed == 1)
}

fn read(row: &Row<'_>) -> Result<CardRequest> {
    let wrong = |what| StoreError::Inconsistent { table: "card_request", what };
    Ok(CardRequest {
        id: RequestId::stored(row.get(0)?),
        merchant: MerchantId::stored(row.get(1)?),
        mode: mode(&row.get::<_, String>(2)?, "card_request")?,
        kind: RequestKind::parse(&row.get::<_, String>(3)?).ok_or_else(|| wrong("kind"))?,
        channel: Channel::parse(&row.get::<_, String>(4)?).ok_or_else(|| wrong("channel"))?,
        status: status(&row.get::<_, String>(5)?)?,
        status_at: Timestamp::from_millis(row.get(6)?),
        changes: row.get(7)?,
        version: row.get(8)?,
        reference: row.get(9)?,
        sealed: row.get(10)?,
        code_hash: row.get(11)?,
        message: EventId::stored(row.get(12)?),
        card_token: row.get(13)?,
        refused: row.get(14)?,
        passcode: Passcode {
            digest: row.get(15)?,
            ends_at: row.get(16)?,
            tries: row.get(17)?,
            sent: row.get(18)?,
            ticket_hash: row.get(19)?,
            ticket_ends_at: row.get(20)?,
        },
        asked: row.get(21)?,
        asked_at: row.get::<_, Option<i64>>(22)?.map(Timestamp::from_millis),
        expires_at: Timestamp::from_millis(row.get(23)?),
        deleted_at: row.get::<_, Option<i64>>(24)?.map(Timestamp::from_millis),
        created_at: Timestamp::from_millis(row.get(25)?),
    })
}

fn template(row: &Row<'_>) -> Result<MessageTemplate> {
    let channel = Channel::parse(&row.get::<_, String>(3)?);
    Ok(MessageTemplate {
        merchant: MerchantId::stored(row.get(0)?),
        mode: mode(&row.get::<_, String>(1)?, "message_template")?,
        name: row.get(2)?,
        channel: channel.ok_or(StoreError::Inconsistent { table: "message_template", what: "channel" })?,
        language: row.get(4)?,
        subject: row.get(5)?,
        body: row.get(6)?,
        html: row.get(7)?,
        updated_at: Timestamp::from_millis(row.get(8)?),
    })
}

fn status(name: &str) -> Result<Status> {
    Status::parse(name).ok_or(StoreError::Inconsistent { table: "card_request", what: "status" })
}
