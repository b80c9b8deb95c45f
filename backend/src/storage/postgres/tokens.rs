//! Tokens of the gateway interface and their account updates, in PostgreSQL.

use async_trait::async_trait;
use tokio_postgres::Row;

use super::rows::Reader;
use super::transaction::PostgresTransaction;
use crate::model::{
    AccountUpdate, CardId, GatewayToken, MerchantId, Mode, Timestamp, TransactionId, UpdateCause, UpdateId,
    UpdateState,
};
use crate::storage::{Result, Tokens};

const COLUMNS: &str = "id, number, merchant_id, mode, card_id, owns_card, enabled, scheme_reference, sealed, version, \
                       created_at, updated_at";
const UPDATE: &str = "id, merchant_id, mode, token, asked_by, cause, state, scheme_code, new_number, new_expiry, \
                      created_at, finished_at";

#[async_trait]
impl Tokens for PostgresTransaction {
    async fn add_token(&mut self, token: GatewayToken) -> Result<()> {
        let sql = format!(
            "INSERT INTO gateway_token ({COLUMNS}) VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12)
             ON CONFLICT DO NOTHING"
        );
        self.add(
            &sql,
            &[
                &token.id.as_str(),
                &token.number,
                &token.merchant.as_str(),
                &token.mode.as_str(),
                &token.card.as_str(),
                &i64::from(token.owns_card),
                &i64::from(token.enabled),
                &token.scheme_reference,
                &token.sealed,
                &i64::from(token.version),
                &token.created_at.millis(),
                &token.updated_at.millis(),
            ],
        )
        .await
    }

    async fn find_token(
        &mut self,
        merchant: MerchantId,
        mode: Mode,
        number: String,
    ) -> Result<Option<GatewayToken>> {
        find(self, &merchant, mode, &number, "").await
    }

    async fn lock_token(
        &mut self,
        merchant: MerchantId,
        mode: Mode,
        number: String,
    ) -> Result<Option<GatewayToken>> {
        find(self, &merchant, mode, &number, "FOR UPDATE").await
    }

    async fn update_token(&mut self, token: GatewayToken) -> Result<bool> {
        let sql = "UPDATE gateway_token SET card_id = $4, owns_card = $5, enabled = $6, sealed = $7,
                       updated_at = $8, scheme_reference = $9, version = version + 1
                   WHERE id = $1 AND merchant_id = $2 AND version = $3";
        let changed = self
            .execute(
                sql,
                &[
                    &token.id.as_str(),
                    &token.merchant.as_str(),
                    &i64::from(token.version),
                    &token.card.as_str(),
                    &i64::from(token.owns_card),
                    &i64::from(token.enabled),
                    &token.sealed,
                    &token.updated_at.millis(),
                    &token.scheme_reference,
                ],
            )
            .await?;
        Ok(changed == 1)
    }

    async fn list_card_tokens(&mut self, merchant: MerchantId, card: CardId) -> Result<Vec<GatewayToken>> {
        let sql = format!("SELECT {COLUMNS} FROM gateway_token WHERE card_id = $1 AND merchant_id = $2");
        self.all(&sql, &[&card.as_str(), &merchant.as_str()]).await?.iter().map(read).collect()
    }

    async fn list_tokens(
        &mut self,
        mode: Mode,
        expiring: Option<(u16, u8)>,
        after: Option<TransactionId>,
        limit: u32,
    ) -> Result<Vec<GatewayToken>> {
        let sql = format!(
            "SELECT {COLUMNS} FROM gateway_token t WHERE t.mode = $1 AND t.id > $2
               AND ($3 = 0::BIGINT OR EXISTS (SELECT 1 FROM card k WHERE k.id = t.card_id AND k.expiry_year = $3
                                              AND k.expiry_month = $4))
             ORDER BY t.id LIMIT $5"
        );
        let (year, month) = expiring.unwrap_or_default();
        let after = after.as_ref().map_or("", TransactionId::as_str);
        let rows = self
            .all(&sql, &[&mode.as_str(), &after, &i64::from(year), &i64::from(month), &i64::from(limit)])
            .await?;
        rows.iter().map(read).collect()
    }

    async fn add_update(&mut self, update: AccountUpdate) -> Result<()> {
        let sql = format!(
            "INSERT INTO account_update ({UPDATE}) VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12)
             ON CONFLICT DO NOTHING"
        );
        self.add(
            &sql,
            &[
                &update.id.as_str(),
                &update.merchant.as_str(),
                &update.mode.as_str(),
                &update.token,
                &update.asked_by,
                &update.cause.as_str(),
                &update.state.as_str(),
                &update.scheme_code,
                &i64::from(update.new_number),
                &i64::from(update.new_expiry),
                &update.created_at.millis(),
                &update.finished_at.map(Timestamp::millis),
            ],
        )
        .await
    }

    async fn list_updates(
        &mut self,
        merchant: MerchantId,
        mode: Mode,
        token: String,
        limit: u32,
    ) -> Result<Vec<AccountUpdate>> {
        let sql = format!(
            "SELECT {UPDATE} FROM account_update WHERE merchant_id = $1 AND mode = $2 AND token = $3
             ORDER BY id DESC LIMIT $4"
        );
        let rows = self.all(&sql, &[&merchant.as_str(), &mode.as_str(), &token, &i64::from(limit)]).await?;
        rows.iter().map(update).collect()
    }

    async fn waiting_updates(&mut self, after: Option<UpdateId>, limit: u32) -> Result<Vec<AccountUpdate>> {
        let sql = format!(
            "SELECT {UPDATE} FROM account_update WHERE state = 'waiting' AND id > $1 ORDER BY id LIMIT $2"
        );
        let after = after.as_ref().map_or("", UpdateId::as_str);
        self.all(&sql, &[&after, &i64::from(limit)]).await?.iter().map(update).collect()
    }

    async fn finish_update(&mut self, update: AccountUpdate) -> Result<bool> {
        let sql = "UPDATE account_update SET state = $3, scheme_code = $4, new_number = $5, new_expiry = $6,
                       finished_at = $7
                   WHERE id = $1 AND merchant_id = $2 AND state = 'waiting'";
        let changed = self
            .execute(
                sql,
                &[
                    &update.id.as_str(),
                    &update.merchant.as_str(),
                    &update.state.as_str(),
                    &update.scheme_code,
                    &i64::from(update.new_number),
                    &i64::from(update.new_expiry),
                    &update.finished_at.map(Timestamp::millis),
                ],
            )
            .await?;
        Ok(changed == 1)
    }
}

async fn find(
    t: &PostgresTransaction,
    merchant: &MerchantId,
    mode: Mode,
    number: &str,
    lock: &str,
) -> Result<Option<GatewayToken>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM gateway_token WHERE number = $1 AND merchant_id = $2 AND mode = $3 {lock}"
    );
    t.one(&sql, &[&number, &merchant.as_str(), &mode.as_str()]).await?.as_ref().map(read).transpose()
}

fn read(row: &Row) -> Result<GatewayToken> {
    let row = Reader::new(row, "gateway_token");
    Ok(GatewayToken {
        id: TransactionId::stored(row.get(0)?),
        number: row.get(1)?,
        merchant: MerchantId::stored(row.get(2)?),
        mode: row.mode(3)?,
        card: CardId::stored(row.get(4)?),
        owns_card: row.flag(5)?,
        enabled: row.flag(6)?,
        scheme_reference: row.get(7)?,
        sealed: row.get(8)?,
        version: row.number(9)?,
        created_at: row.time(10)?,
        updated_at: row.time(11)?,
    })
}

fn update(row: &Row) -> Result<AccountUpdate> {
    let row = Reader::new(row, "account_update");
    Ok(AccountUpdate {
        id: UpdateId::stored(row.get(0)?),
        merchant: MerchantId::stored(row.get(1)?),
        mode: row.mode(2)?,
        token: row.get(3)?,
        asked_by: row.get(4)?,
        cause: UpdateCause::parse(row.get(5)?).ok_or_else(|| row.wrong("cause"))?,
        state: UpdateState::parse(row.get(6)?).ok_or_else(|| row.wrong("state"))?,
        scheme_code: row.get(7)?,
        new_number: row.flag(8)?,
        new_expiry: row.flag(9)?,
        created_at: row.time(10)?,
        finished_at: row.maybe_time(11)?,
    })
}
