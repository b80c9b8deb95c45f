//! Credentials, counted calls and calls that are run once, in SQLite.

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, params};

use super::merchants::{api_key, mode};
use super::threads::SqliteTransaction;
use crate::model::{ApiKey, ApiKeyId, CardId, IdempotentCall, MerchantId, Mode, Timestamp};
use crate::storage::{Accounts, Calls, Page, Result, StoreError};

const API_KEY: &str =
    "SELECT id, merchant_id, mode, name, login, secret_hash, salt, kdf, scopes, created_at, expires_at,
    revoked_at, used_at FROM api_key";

#[async_trait]
impl Accounts for SqliteTransaction {
    async fn list_api_keys(
        &mut self,
        merchant: MerchantId,
        mode: Option<Mode>,
        page: Page,
    ) -> Result<Vec<ApiKey>> {
        self.run(move |c| {
            let sql = format!(
                "{API_KEY} WHERE merchant_id = ?1 AND (?2 IS NULL OR mode = ?2) AND id > ?3 ORDER BY id LIMIT ?4"
            );
            let mut statement = c.prepare_cached(&sql)?;
            let after = page.after.unwrap_or_default();
            let rows = statement
                .query_map(params![merchant.as_str(), mode.map(Mode::as_str), after, page.limit], |row| {
                    Ok(api_key(row))
                })?;
            rows.map(|row| row?).collect()
        })
        .await
    }

    async fn find_api_key(&mut self, merchant: MerchantId, id: ApiKeyId) -> Result<Option<ApiKey>> {
        self.run(move |c| {
            let mut statement = c.prepare_cached(&format!("{API_KEY} WHERE id = ?1 AND merchant_id = ?2"))?;
            statement
                .query_row([id.as_str(), merchant.as_str()], |row| Ok(api_key(row)))
                .optional()?
                .transpose()
        })
        .await
    }

    async fn revoke_api_key(&mut self, merchant: MerchantId, id: ApiKeyId, at: Timestamp) -> Result<bool> {
        self.run(move |c| {
            let sql = "UPDATE api_key SET revoked_at = ?1 WHERE id = ?2 AND merchant_id = ?3 AND revoked_at IS NULL";
            Ok(c.execute(sql, params![at.millis(), id.as_str(), merchant.as_str()])? == 1)
        })
        .await
    }

    async fn set_api_key_secret(&mut self, key: ApiKey) -> Result<bool> {
        self.run(move |c| {
            let sql =
                "UPDATE api_key SET secret_hash = ?1, salt = ?2, kdf = ?3 WHERE id = ?4 AND merchant_id = ?5";
            let changed = c.execute(
                sql,
                params![key.secret_hash, key.salt, key.kdf, key.id.as_str(), key.merchant.as_str()],
            )?;
            Ok(changed == 1)
        })
        .await
    }

    async fn add_calls(&mut self, calls: Vec<Calls>) -> Result<()> {
        self.run(move |c| {
            let mut count = c.prepare_cached(
                "INSERT INTO api_calls (merchant_id, mode, month, calls) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT (merchant_id, mode, month) DO UPDATE SET calls = calls + excluded.calls",
            )?;
            let mut touch = c.prepare_cached(
                "UPDATE api_key SET used_at = ?1 WHERE id = ?2 AND (used_at IS NULL OR used_at < ?1)",
            )?;
            for of in calls {
                count.execute(params![of.merchant.as_str(), of.mode.as_str(), of.month, of.calls])?;
                touch.execute(params![of.last.millis(), of.key.as_str()])?;
            }
            Ok(())
        })
        .await
    }

    async fn calls(&mut self, merchant: MerchantId, mode: Mode, month: String) -> Result<u64> {
        self.run(move |c| {
            let sql = "SELECT calls FROM api_calls WHERE merchant_id = ?1 AND mode = ?2 AND month = ?3";
            let values = params![merchant.as_str(), mode.as_str(), month];
            count(c.query_row(sql, values, |row| row.get(0)).optional()?.unwrap_or(0))
        })
        .await
    }

    async fn count_keys(&mut self, merchant: MerchantId, mode: Mode, before: Timestamp) -> Result<u64> {
        self.run(move |c| {
            let sql =
                "SELECT COUNT(*) FROM vault_key WHERE merchant_id = ?1 AND mode = ?2 AND created_at < ?3";
            let values = params![merchant.as_str(), mode.as_str(), before.millis()];
            count(c.query_row(sql, values, |row| row.get(0))?)
        })
        .await
    }

    async fn count_cards(
        &mut self,
        merchant: MerchantId,
        mode: Mode,
        from: Timestamp,
        before: Timestamp,
    ) -> Result<u64> {
        self.run(move |c| {
            // By the time in the cards' ids, which the index of a vault key's cards has in order.
            let sql = "SELECT COUNT(*) FROM vault_key k JOIN card c ON c.key_id = k.id
                       WHERE k.merchant_id = ?1 AND k.mode = ?2 AND c.id >= ?3 AND c.id < ?4";
            let (from, before) = (CardId::first_of(from), CardId::first_of(before));
            let values = params![merchant.as_str(), mode.as_str(), from.as_str(), before.as_str()];
            count(c.query_row(sql, values, |row| row.get(0))?)
        })
        .await
    }

    async fn begin_call(&mut self, call: IdempotentCall, now: Timestamp) -> Result<Option<IdempotentCall>> {
        self.run(move |c| {
            c.execute(
                "DELETE FROM idempotent_call WHERE id = ?1 AND expires_at <= ?2",
                params![call.id, now.millis()],
            )?;
            let added = c.execute(
                "INSERT INTO idempotent_call (id, merchant_id, mode, fingerprint, answer, lease_ends_at, expires_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT DO NOTHING",
                params![
                    call.id,
                    call.merchant.as_str(),
                    call.mode.as_str(),
                    call.fingerprint,
                    call.answer,
                    call.lease_ends_at.millis(),
                    call.expires_at.millis()
                ],
            )?;
            if added == 1 { Ok(None) } else { find_call(c, &call) }
        })
        .await
    }

    async fn take_over_call(&mut self, seen: IdempotentCall, lease: Timestamp) -> Result<bool> {
        self.run(move |c| {
            let sql = "UPDATE idempotent_call SET lease_ends_at = ?1
                       WHERE id = ?2 AND merchant_id = ?3 AND lease_ends_at = ?4 AND answer IS NULL";
            let values =
                params![lease.millis(), seen.id, seen.merchant.as_str(), seen.lease_ends_at.millis()];
            Ok(c.execute(sql, values)? == 1)
        })
        .await
    }

    async fn keep_answer(&mut self, call: IdempotentCall) -> Result<bool> {
        self.run(move |c| {
            let sql = "UPDATE idempotent_call SET answer = ?1, expires_at = ?2
                       WHERE id = ?3 AND merchant_id = ?4 AND lease_ends_at = ?5 AND answer IS NULL";
            let values = params![
                call.answer,
                call.expires_at.millis(),
                call.id,
                call.merchant.as_str(),
                call.lease_ends_at.millis()
            ];
            Ok(c.execute(sql, values)? == 1)
        })
        .await
    }

    async fn forget_call(&mut self, call: IdempotentCall) -> Result<()> {
        self.run(move |c| {
            let sql = "DELETE FROM idempotent_call
                       WHERE id = ?1 AND merchant_id = ?2 AND lease_ends_at = ?3 AND answer IS NULL";
            c.execute(sql, params![call.id, call.merchant.as_str(), call.lease_ends_at.millis()])?;
            Ok(())
        })
        .await
    }

    async fn sweep_calls(&mut self, now: Timestamp) -> Result<u64> {
        self.run(move |c| {
            let swept = c.execute("DELETE FROM idempotent_call WHERE expires_at <= ?1", [now.millis()])?;
            Ok(u64::try_from(swept).unwrap_or(u64::MAX))
        })
        .await
    }
}

fn count(rows: i64) -> Result<u64> {
    u64::try_from(rows).map_err(|_| StoreError::Inconsistent { table: "api_calls", what: "negative count" })
}

fn find_call(c: &Connection, call: &IdempotentCall) -> Result<Option<IdempotentCall>> {
    let sql = "SELECT mode, fingerprint, answer, lease_ends_at, expires_at FROM idempotent_call
               WHERE id = ?1 AND merchant_id = ?2";
    let found = c.query_row(sql, [call.id.as_str(), call.merchant.as_str()], |row| {
        let times = (Timestamp::from_millis(row.get(3)?), Timestamp::from_millis(row.get(4)?));
        Ok((row.get::<_, String>(0)?, row.get(1)?, row.get(2)?, times))
    });
    let Some((mode_name, fingerprint, answer, times)) = found.optional()? else { return Ok(None) };
    Ok(Some(IdempotentCall {
        mode: mode(&mode_name, "idempotent_call")?,
        fingerprint,
        answer,
        lease_ends_at: times.0,
        expires_at: times.1,
        ..call.clone()
    }))
}
