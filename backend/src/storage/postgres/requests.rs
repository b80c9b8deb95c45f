//! Card requests, their history and the templates of their messages, in PostgreSQL.

use async_trait::async_trait;
use tokio_postgres::Row;

use super::rows::Reader;
use super::transaction::PostgresTransaction;
use crate::model::{
    CardRequest, Channel, EventId, MerchantId, MessageTemplate, Mode, Passcode, RequestFilter, RequestId,
    RequestKind, Status, StatusChange, Timestamp,
};
use crate::storage::{Page, Requests, Result};

const COLUMNS: &str = "id, merchant_id, mode, kind, channel, status, status_at, changes, version, reference, sealed, \
                       code_hash, message_id, card_token, refused, passcode_digest, passcode_ends_at, \
                       passcode_tries, passcode_sent, ticket_hash, ticket_ends_at, asked, asked_at, expires_at, \
                       deleted_at, created_at";
const TEMPLATE: &str = "merchant_id, mode, name, channel, language, subject, body, html, updated_at";

#[async_trait]
impl Requests for PostgresTransaction {
    async fn add_request(&mut self, request: CardRequest) -> Result<()> {
        insert(self, &request).await
    }

    async fn find_request(
        &mut self,
        merchant: MerchantId,
        mode: Mode,
        id: RequestId,
    ) -> Result<Option<CardRequest>> {
        let sql =
            format!("SELECT {COLUMNS} FROM card_request WHERE id = $1 AND merchant_id = $2 AND mode = $3");
        let row = self.one(&sql, &[&id.as_str(), &merchant.as_str(), &mode.as_str()]).await?;
        row.as_ref().map(read).transpose()
    }

    async fn find_request_by_secret_name(&mut self, code_hash: String) -> Result<Option<CardRequest>> {
        let sql = format!("SELECT {COLUMNS} FROM card_request WHERE code_hash = $1");
        self.one(&sql, &[&code_hash]).await?.as_ref().map(read).transpose()
    }

    async fn find_request_by_message_secret_name(&mut self, message: EventId) -> Result<Option<CardRequest>> {
        let sql = format!("SELECT {COLUMNS} FROM card_request WHERE message_id = $1");
        self.one(&sql, &[&message.as_str()]).await?.as_ref().map(read).transpose()
    }

    async fn update_request(&mut self, request: CardRequest) -> Result<bool> {
        update(self, &request).await
    }

    async fn list_requests(
        &mut self,
        merchant: MerchantId,
        mode: Mode,
        filter: RequestFilter,
        page: Page,
    ) -> Result<Vec<CardRequest>> {
        let sql = format!(
            "SELECT {COLUMNS} FROM card_request
             WHERE merchant_id = $1 AND mode = $2 AND deleted_at IS NULL AND ($3 = '' OR status = $3)
               AND ($4 = '' OR reference = $4) AND created_at >= $5 AND created_at < $6
               AND ($7 = '' OR id < $7)
             ORDER BY id DESC LIMIT $8"
        );
        let rows = self
            .all(
                &sql,
                &[
                    &merchant.as_str(),
                    &mode.as_str(),
                    &filter.status.map(Status::as_str).unwrap_or_default(),
                    &filter.reference.unwrap_or_default(),
                    &filter.from.map_or(i64::MIN, Timestamp::millis),
                    &filter.to.map_or(i64::MAX, Timestamp::millis),
                    &page.after.unwrap_or_default(),
                    &i64::from(page.limit),
                ],
            )
            .await?;
        rows.iter().map(read).collect()
    }

    async fn list_ended_requests(&mut self, now: Timestamp, most: u32) -> Result<Vec<CardRequest>> {
        let sql =
            format!("SELECT {COLUMNS} FROM card_request WHERE open_until <= $1 ORDER BY open_until LIMIT $2");
        self.all(&sql, &[&now.millis(), &i64::from(most)]).await?.iter().map(read).collect()
    }

    async fn sweep_requests(&mut self, before: Timestamp, most: u32) -> Result<u64> {
        let sql = "WITH ended AS (
                       SELECT id FROM card_request WHERE open_until IS NULL AND status_at < $1
                       ORDER BY status_at, id LIMIT $2 FOR UPDATE SKIP LOCKED
                   ), history AS (
                       DELETE FROM card_request_status WHERE request_id IN (SELECT id FROM ended)
                   )
                   DELETE FROM card_request WHERE id IN (SELECT id FROM ended)";
        self.execute(sql, &[&before.millis(), &i64::from(most)]).await
    }

    async fn add_status(&mut self, merchant: MerchantId, change: StatusChange) -> Result<()> {
        self.add(
            "INSERT INTO card_request_status (request_id, number, merchant_id, status, at)
             VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
            &[
                &change.request.as_str(),
                &i64::from(change.number),
                &merchant.as_str(),
                &change.status.as_str(),
                &change.at.millis(),
            ],
        )
        .await
    }

    async fn statuses(&mut self, merchant: MerchantId, request: RequestId) -> Result<Vec<StatusChange>> {
        let sql = "SELECT number, status, at FROM card_request_status
                   WHERE request_id = $1 AND merchant_id = $2 ORDER BY number";
        let rows = self.all(sql, &[&request.as_str(), &merchant.as_str()]).await?;
        rows.iter()
            .map(|row| {
                let row = Reader::new(row, "card_request_status");
                let status = Status::parse(row.get(1)?).ok_or_else(|| row.wrong("status"))?;
                Ok(StatusChange {
                    request: request.clone(),
                    number: row.number(0)?,
                    status,
                    at: row.time(2)?,
                })
            })
            .collect()
    }

    async fn put_template(&mut self, template: MessageTemplate) -> Result<()> {
        let sql = format!(
            "INSERT INTO message_template ({TEMPLATE}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
             ON CONFLICT (merchant_id, mode, name, channel, language) DO UPDATE
             SET subject = excluded.subject, body = excluded.body, html = excluded.html,
                 updated_at = excluded.updated_at"
        );
        self.execute(
            &sql,
            &[
                &template.merchant.as_str(),
                &template.mode.as_str(),
                &template.name,
                &template.channel.as_str(),
                &template.language,
                &template.subject,
                &template.body,
                &template.html,
                &template.updated_at.millis(),
            ],
        )
        .await?;
        Ok(())
    }

    async fn list_templates(&mut self, merchant: MerchantId, mode: Mode) -> Result<Vec<MessageTemplate>> {
        let sql = format!(
            "SELECT {TEMPLATE} FROM message_template WHERE merchant_id = $1 AND mode = $2
             ORDER BY name, channel, language"
        );
        self.all(&sql, &[&merchant.as_str(), &mode.as_str()]).await?.iter().map(template).collect()
    }

    async fn delete_template(
        &mut self,
        merchant: MerchantId,
        mode: Mode,
        name: String,
        channel: Channel,
        language: String,
    ) -> Result<bool> {
        let sql = "DELETE FROM message_template
                   WHERE merchant_id = $1 AND mode = $2 AND name = $3 AND channel = $4 AND language = $5";
        let deleted = self
            .execute(sql, &[&merchant.as_str(), &mode.as_str(), &name, &channel.as_str(), &language])
            .await?;
        Ok(deleted == 1)
    }
}

async fn insert(t: &PostgresTransaction, request: &CardRequest) -> Result<()> {
    let sql = format!(
        "INSERT INTO card_request ({COLUMNS}, open_until)
         VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$14,$15,$16,$17,$18,$19,$20,$21,$22,$23,$24,$25,$26,$27)
         ON CONFLICT DO NOTHING"
    );
    t.add(
        &sql,
        &[
            &request.id.as_str(),
            &request.merchant.as_str(),
            &request.mode.as_str(),
            &request.kind.as_str(),
            &request.channel.as_str(),
            &request.status.as_str(),
            &request.status_at.millis(),
            &i64::from(request.changes),
            &i64::from(request.version),
            &request.reference,
            &request.sealed,
            &request.code_hash,
            &request.message.as_str(),
            &request.card_token,
            &i64::from(request.refused),
            &request.passcode.digest,
            &request.passcode.ends_at,
            &i64::from(request.passcode.tries),
            &i64::from(request.passcode.sent),
            &request.passcode.ticket_hash,
            &request.passcode.ticket_ends_at,
            &i64::from(request.asked),
            &request.asked_at.map(Timestamp::millis),
            &request.expires_at.millis(),
            &request.deleted_at.map(Timestamp::millis),
            &request.created_at.millis(),
            &request.open_until().map(Timestamp::millis),
        ],
    )
    .await
}

async fn update(t: &PostgresTransaction, request: &CardRequest) -> Result<bool> {
    let sql = "UPDATE card_request SET status = $4, status_at = $5, changes = $6, sealed = $7, code_hash = $8,
                   message_id = $9, card_token = $10, refused = $11, passcode_digest = $12, passcode_ends_at = $13,
                   passcode_tries = $14, passcode_sent = $15, ticket_hash = $16, ticket_ends_at = $17, asked = $18,
                   asked_at = $19, expires_at = $20, open_until = $21, deleted_at = $22, version = version + 1
               WHERE id = $1 AND merchant_id = $2 AND version = $3";
    let changed = t
        .execute(
            sql,
            &[
                &request.id.as_str(),
                &request.merchant.as_str(),
                &i64::from(request.version),
                &request.status.as_str(),
                &request.status_at.millis(),
                &i64::from(request.changes),
                &request.sealed,
                &request.code_hash,
                &request.message.as_str(),
                &request.card_token,
                &i64::from(request.refused),
                &request.passcode.digest,
                &request.passcode.ends_at,
                &i64::from(request.passcode.tries),
                &i64::from(request.passcode.sent),
                &request.passcode.ticket_hash,
                &request.passcode.ticket_ends_at,
                &i64::from(request.asked),
                &request.asked_at.map(Timestamp::millis),
                &request.expires_at.millis(),
                &request.open_until().map(Timestamp::millis),
                &request.deleted_at.map(Timestamp::millis),
            ],
        )
        .await?;
    Ok(changed == 1)
}

fn read(row: &Row) -> Result<CardRequest> {
    let row = Reader::new(row, "card_request");
    Ok(CardRequest {
        id: RequestId::stored(row.get(0)?),
        merchant: MerchantId::stored(row.get(1)?),
        mode: row.mode(2)?,
        kind: RequestKind::parse(row.get(3)?).ok_or_else(|| row.wrong("kind"))?,
        channel: Channel::parse(row.get(4)?).ok_or_else(|| row.wrong("channel"))?,
        status: Status::parse(row.get(5)?).ok_or_else(|| row.wrong("status"))?,
        status_at: row.time(6)?,
        changes: row.number(7)?,
        version: row.number(8)?,
        reference: row.get(9)?,
        sealed: row.get(10)?,
        code_hash: row.get(11)?,
        message: EventId::stored(row.get(12)?),
        card_token: row.get(13)?,
        refused: row.number(14)?,
        passcode: Passcode {
            digest: row.get(15)?,
            ends_at: row.get(16)?,
            tries: row.number(17)?,
            sent: row.number(18)?,
            ticket_hash: row.get(19)?,
            ticket_ends_at: row.get(20)?,
        },
        asked: row.number(21)?,
        asked_at: row.maybe_time(22)?,
        expires_at: row.time(23)?,
        deleted_at: row.maybe_time(24)?,
        created_at: row.time(25)?,
    })
}

fn template(row: &Row) -> Result<MessageTemplate> {
    let row = Reader::new(row, "message_template");
    Ok(MessageTemplate {
        merchant: MerchantId::stored(row.get(0)?),
        mode: row.mode(1)?,
        name: row.get(2)?,
        channel: Channel::parse(row.get(3)?).ok_or_else(|| row.wrong("channel"))?,
        language: row.get(4)?,
        subject: row.get(5)?,
        body: row.get(6)?,
        html: row.get(7)?,
        updated_at: row.time(8)?,
    })
}
