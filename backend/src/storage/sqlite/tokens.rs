//! Tokens of the gateway interface and their account updates, in SQLite.

use async_trait::async_trait;
use rusqlite::{OptionalExtension, Row, params};

use super::merchants::mode;
use super::threads::SqliteTransaction;
use crate::model::{
    AccountUpdate, CardId, GatewayToken, MerchantId, Mode, Timestamp, TransactionId, UpdateCause, UpdateId,
    UpdateState,
};
use crate::storage::{Result, StoreError, Tokens};

const COLUMNS: &str = "id, number, merchant_id, mode, card_id, owns_card, enabled, scheme_reference, sealed, version, \
                       created_at, updated_at";
const UPDATE: &str = "id, merchant_id, mode, token, asked_by, cause, state, scheme_code, new_number, new_expiry, \
                      created_at, finished_at";

#[async_trait]
impl Tokens for SqliteTransaction {
    async fn add_token(&mut self, token: GatewayToken) -> Result<()> {
        self.run(move |c| {
            let sql = format!(
                "INSERT INTO gateway_token ({COLUMNS}) VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12)"
            );
            c.execute(
                &sql,
                params![
                    token.id.as_str(),
                    token.number,
                    token.merchant.as_str(),
                    token.mode.as_str(),
                    token.card.as_str(),
                    token.owns_card,
                    token.enabled,
                    token.scheme_reference,
                    token.sealed,
                    token.version,
                    token.created_at.millis(),
                    token.updated_at.millis(),
                ],
            )?;
            Ok(())
        })
        .await
    }

    async fn find_token(
        &mut self,
        merchant: MerchantId,
        mode: Mode,
        number: String,
    ) -> Result<Option<GatewayToken>> {
        self.run(move |c| {
            let sql = format!(
                "SELECT {COLUMNS} FROM gateway_token WHERE number = ?1 AND merchant_id = ?2 AND mode = ?3"
            );
            let mut statement = c.prepare_cached(&sql)?;
            let found =
                statement.query_row([number.as_str(), merchant.as_str(), mode.as_str()], |row| Ok(read(row)));
            found.optional()?.transpose()
        })
        .await
    }

    async fn lock_token(
        &mut self,
        merchant: MerchantId,
        mode: Mode,
        number: String,
    ) -> Result<Option<GatewayToken>> {
        // A transaction that may write has the database to itself.
        self.find_token(merchant, mode, number).await
    }

    async fn update_token(&mut self, token: GatewayToken) -> Result<bool> {
        self.run(move |c| {
            let changed = c.execute(
                "UPDATE gateway_token SET card_id = ?4, owns_card = ?5, enabled = ?6, sealed = ?7, updated_at = ?8,
                     scheme_reference = ?9, version = version + 1
                 WHERE id = ?1 AND merchant_id = ?2 AND version = ?3",
                params![
                    token.id.as_str(),
                    token.merchant.as_str(),
                    token.version,
                    token.card.as_str(),
                    token.owns_card,
                    token.enabled,
                    token.sealed,
                    token.updated_at.millis(),
                    token.scheme_reference,
                ],
            )?;
            Ok(changed == 1)
        })
        .await
    }

    async fn list_card_tokens(&mut self, merchant: MerchantId, card: CardId) -> Result<Vec<GatewayToken>> {
        self.run(move |c| {
            let sql = format!("SELECT {COLUMNS} FROM gateway_token WHERE card_id = ?1 AND merchant_id = ?2");
            let mut statement = c.prepare_cached(&sql)?;
            let rows = statement.query_map([card.as_str(), merchant.as_str()], |row| Ok(read(row)))?;
            rows.map(|row| row?).collect()
        })
        .await
    }

    async fn list_tokens(
        &mut self,
        mode: Mode,
        expiring: Option<(u16, u8)>,
        after: Option<TransactionId>,
        limit: u32,
    ) -> Result<Vec<GatewayToken>> {
        self.run(move |c| {
            let sql = format!(
                "SELECT {COLUMNS} FROM gateway_token t WHERE t.mode = ?1 AND t.id > ?2
                   AND (?3 = 0 OR EXISTS (SELECT 1 FROM card k WHERE k.id = t.card_id AND k.expiry_year = ?3
                                          AND k.expiry_month = ?4))
                 ORDER BY t.id LIMIT ?5"
            );
            let (year, month) = expiring.unwrap_or_default();
            let after = after.as_ref().map_or("", TransactionId::as_str);
            let mut statement = c.prepare_cached(&sql)?;
            let rows = statement
                .query_map(params![mode.as_str(), after, year, month, limit], |row| Ok(read(row)))?;
            rows.map(|row| row?).collect()
        })
        .await
    }

    async fn add_update(&mut self, update: AccountUpdate) -> Result<()> {
        self.run(move |c| {
            let sql = format!(
                "INSERT INTO account_update ({UPDATE}) VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12)"
            );
            c.execute(
                &sql,
                params![
                    update.id.as_str(),
                    update.merchant.as_str(),
                    update.mode.as_str(),
                    update.token,
                    update.asked_by,
                    update.cause.as_str(),
                    update.state.as_str(),
                    update.scheme_code,
                    update.new_number,
                    update.new_expiry,
                    update.created_at.millis(),
                    update.finished_at.map(Timestamp::millis),
                ],
            )?;
            Ok(())
        })
        .await
    }

    async fn list_updates(
        &mut self,
        merchant: MerchantId,
        mode: Mode,
        token: String,
        limit: u32,
    ) -> Result<Vec<AccountUpdate>> {
        self.run(move |c| {
            let sql = format!(
                "SELECT {UPDATE} FROM account_update WHERE merchant_id = ?1 AND mode = ?2 AND token = ?3
                 ORDER BY id DESC LIMIT ?4"
            );
            let mut statement = c.prepare_cached(&sql)?;
            let rows = statement
                .query_map(params![merchant.as_str(), mode.as_str(), token, limit], |row| Ok(update(row)))?;
            rows.map(|row| row?).collect()
        })
        .await
    }

    async fn waiting_updates(&mut self, after: Option<UpdateId>, limit: u32) -> Result<Vec<AccountUpdate>> {
        self.run(move |c| {
            let sql = format!(
                "SELECT {UPDATE} FROM account_update WHERE state = 'waiting' AND id > ?1 ORDER BY id LIMIT ?2"
            );
            let after = after.as_ref().map_or("", UpdateId::as_str);
            let mut statement = c.prepare_cached(&sql)?;
            let rows = statement.query_map(params![after, limit], |row| Ok(update(row)))?;
            rows.map(|row| row?).collect()
        })
        .await
    }

    async fn finish_update(&mut self, update: AccountUpdate) -> Result<bool> {
        self.run(move |c| {
            let changed = c.execute(
                "UPDATE account_update SET state = ?3, scheme_code = ?4, new_number = ?5, new_expiry = ?6,
                     finished_at = ?7
                 WHERE id = ?1 AND merchant_id = ?2 AND state = 'waiting'",
                params![
                    update.id.as_str(),
                    update.merchant.as_str(),
                    update.state.as_str(),
                    update.scheme_code,
                    update.new_number,
                    update.new_expiry,
                    update.finished_at.map(Timestamp::millis),
                ],
            )?;
            Ok(changed == 1)
        })
        .await
    }
}

fn read(row: &Row<'_>) -> Result<GatewayToken> {
    Ok(GatewayToken {
        id: TransactionId::stored(row.get(0)?),
        number: row.get(1)?,
        merchant: MerchantId::stored(row.get(2)?),
        mode: mode(&row.get::<_, String>(3)?, "gateway_token")?,
        card: CardId::stored(row.get(4)?),
        owns_card: row.get(5)?,
        enabled: row.get(6)?,
        scheme_reference: row.get(7)?,
        sealed: row.get(8)?,
        version: row.get(9)?,
        created_at: Timestamp::from_millis(row.get(10)?),
        updated_at: Timestamp::from_millis(row.get(11)?),
    })
}

fn update(row: &Row<'_>) -> Result<AccountUpdate> {
    let wrong = |what| StoreError::Inconsistent { table: "account_update", what };
    Ok(AccountUpdate {
        id: UpdateId::stored(row.get(0)?),
        merchant: MerchantId::stored(row.get(1)?),
        mode: mode(&row.get::<_, String>(2)?, "account_update")?,
        token: row.get(3)?,
        asked_by: row.get(4)?,
        cause: UpdateCause::parse(&row.get::<_, String>(5)?).ok_or_else(|| wrong("cause"))?,
        state: UpdateState::parse(&row.get::<_, String>(6)?).ok_or_else(|| wrong("state"))?,
        scheme_code: row.get(7)?,
        new_number: row.get(8)?,
        new_expiry: row.get(9)?,
        created_at: Timestamp::from_millis(row.get(10)?),
        finished_at: row.get::<_, Option<i64>>(11)?.map(Timestamp::from_millis),
    })
}
