//! Credentials, counted calls and calls that are run once, in PostgreSQL.

use async_trait::async_trait;

use super::merchants::api_key;
use super::rows::Reader;
use super::transaction::PostgresTransaction;
use crate::model::{ApiKey, ApiKeyId, CardId, IdempotentCall, MerchantId, Mode, Timestamp};
use crate::storage::{Accounts, Calls, Page, Result, StoreError};

const API_KEY: &str =
    "SELECT id, merchant_id, mode, name, login, secret_hash, salt, kdf, scopes, created_at, expires_at,
    revoked_at, used_at FROM api_key";

#[async_trait]
impl Accounts for PostgresTransaction {
    async fn list_api_keys(
        &mut self,
        merchant: MerchantId,
        mode: Option<Mode>,
        page: Page,
    ) -> Result<Vec<ApiKey>> {
        let sql = format!(
            "{API_KEY} WHERE merchant_id = $1 AND ($2::TEXT IS NULL OR mode = $2) AND id > $3 ORDER BY id LIMIT $4"
        );
        let after = page.after.unwrap_or_default();
        let values: [&(dyn tokio_postgres::types::ToSql + Sync); 4] =
            [&merchant.as_str(), &mode.map(Mode::as_str), &after, &i64::from(page.limit)];
        self.all(&sql, &values).await?.iter().map(api_key).collect()
    }

    async fn find_api_key(&mut self, merchant: MerchantId, id: ApiKeyId) -> Result<Option<ApiKey>> {
        let sql = format!("{API_KEY} WHERE id = $1 AND merchant_id = $2");
        self.one(&sql, &[&id.as_str(), &merchant.as_str()]).await?.as_ref().map(api_key).transpose()
    }

    async fn revoke_api_key(&mut self, merchant: MerchantId, id: ApiKeyId, at: Timestamp) -> Result<bool> {
        let sql =
            "UPDATE api_key SET revoked_at = $1 WHERE id = $2 AND merchant_id = $3 AND revoked_at IS NULL";
        Ok(self.execute(sql, &[&at.millis(), &id.as_str(), &merchant.as_str()]).await? == 1)
    }

    async fn set_api_key_secret(&mut self, key: ApiKey) -> Result<bool> {
        let sql =
            "UPDATE api_key SET secret_hash = $1, salt = $2, kdf = $3 WHERE id = $4 AND merchant_id = $5";
        let changed = self
            .execute(sql, &[&key.secret_hash, &key.salt, &key.kdf, &key.id.as_str(), &key.merchant.as_str()])
            .await?;
        Ok(changed == 1)
    }

    async fn add_calls(&mut self, calls: Vec<Calls>) -> Result<()> {
        // In one order on every node, so that two nodes do not wait for each other.
        let mut calls = calls;
        calls.sort_by(|a, b| (a.merchant.as_str(), &a.key).cmp(&(b.merchant.as_str(), &b.key)));
        for of in calls {
            self.execute(
                "INSERT INTO api_calls (merchant_id, mode, month, calls) VALUES ($1, $2, $3, $4)
                 ON CONFLICT (merchant_id, mode, month) DO UPDATE SET calls = api_calls.calls + excluded.calls",
                &[&of.merchant.as_str(), &of.mode.as_str(), &of.month, &i64::from(of.calls)],
            )
            .await?;
            let touch = "UPDATE api_key SET used_at = $1 WHERE id = $2 AND (used_at IS NULL OR used_at < $1)";
            self.execute(touch, &[&of.last.millis(), &of.key.as_str()]).await?;
        }
        Ok(())
    }

    async fn calls(&mut self, merchant: MerchantId, mode: Mode, month: String) -> Result<u64> {
        let sql = "SELECT calls FROM api_calls WHERE merchant_id = $1 AND mode = $2 AND month = $3";
        let row = self.one(sql, &[&merchant.as_str(), &mode.as_str(), &month]).await?;
        row.map_or(Ok(0), |row| Reader::new(&row, "api_calls").number(0))
    }

    async fn count_keys(&mut self, merchant: MerchantId, mode: Mode, before: Timestamp) -> Result<u64> {
        let sql = "SELECT COUNT(*) FROM vault_key WHERE merchant_id = $1 AND mode = $2 AND created_at < $3";
        let row = self.one(sql, &[&merchant.as_str(), &mode.as_str(), &before.millis()]).await?;
        row.map_or(Ok(0), |row| Reader::new(&row, "vault_key").number(0))
    }

    async fn count_cards(
        &mut self,
        merchant: MerchantId,
        mode: Mode,
        from: Timestamp,
        before: Timestamp,
    ) -> Result<u64> {
        // By the time in the cards' ids, which the index of a vault key's cards has in order.
        let sql = "SELECT COUNT(*) FROM vault_key k JOIN card c ON c.key_id = k.id
                   WHERE k.merchant_id = $1 AND k.mode = $2 AND c.id >= $3 AND c.id < $4";
        let (from, before) = (CardId::first_of(from), CardId::first_of(before));
        let row =
            self.one(sql, &[&merchant.as_str(), &mode.as_str(), &from.as_str(), &before.as_str()]).await?;
        row.map_or(Ok(0), |row| Reader::new(&row, "card").number(0))
    }

    async fn begin_call(&mut self, call: IdempotentCall, now: Timestamp) -> Result<Option<IdempotentCall>> {
        let ended = "DELETE FROM idempotent_call WHERE id = $1 AND expires_at <= $2";
        self.execute(ended, &[&call.id, &now.millis()]).await?;
        let added = self
            .execute(
                "INSERT INTO idempotent_call (id, merchant_id, mode, fingerprint, answer, lease_ends_at, expires_at)
                 VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING",
                &[
                    &call.id,
                    &call.merchant.as_str(),
                    &call.mode.as_str(),
                    &call.fingerprint,
                    &call.answer,
                    &call.lease_ends_at.millis(),
                    &call.expires_at.millis(),
                ],
            )
            .await?;
        if added == 1 { Ok(None) } else { find_call(self, call).await }
    }

    async fn take_over_call(&mut self, seen: IdempotentCall, lease: Timestamp) -> Result<bool> {
        let sql = "UPDATE idempotent_call SET lease_ends_at = $1
                   WHERE id = $2 AND merchant_id = $3 AND lease_ends_at = $4 AND answer IS NULL";
        let (seen_lease, lease) = (seen.lease_ends_at.millis(), lease.millis());
        Ok(self.execute(sql, &[&lease, &seen.id, &seen.merchant.as_str(), &seen_lease]).await? == 1)
    }

    async fn keep_answer(&mut self, call: IdempotentCall) -> Result<bool> {
        let sql = "UPDATE idempotent_call SET answer = $1, expires_at = $2
                   WHERE id = $3 AND merchant_id = $4 AND lease_ends_at = $5 AND answer IS NULL";
        let (end, lease) = (call.expires_at.millis(), call.lease_ends_at.millis());
        let kept =
            self.execute(sql, &[&call.answer, &end, &call.id, &call.merchant.as_str(), &lease]).await?;
        Ok(kept == 1)
    }

    async fn forget_call(&mut self, call: IdempotentCall) -> Result<()> {
        let sql = "DELETE FROM idempotent_call
                   WHERE id = $1 AND merchant_id = $2 AND lease_ends_at = $3 AND answer IS NULL";
        self.execute(sql, &[&call.id, &call.merchant.as_str(), &call.lease_ends_at.millis()]).await.map(drop)
    }

    async fn sweep_calls(&mut self, now: Timestamp) -> Result<u64> {
        self.execute("DELETE FROM idempotent_call WHERE expires_at <= $1", &[&now.millis()]).await
    }
}

async fn find_call(t: &PostgresTransaction, call: IdempotentCall) -> Result<Option<IdempotentCall>> {
    let sql = "SELECT mode, fingerprint, answer, lease_ends_at, expires_at FROM idempotent_call
               WHERE id = $1 AND merchant_id = $2";
    // Gone between the two statements: the call can begin after all.
    let row = t.one(sql, &[&call.id, &call.merchant.as_str()]).await?.ok_or(StoreError::Retry)?;
    let row = Reader::new(&row, "idempotent_call");
    Ok(Some(IdempotentCall {
        mode: row.mode(0)?,
        fingerprint: row.get(1)?,
        answer: row.get(2)?,
        lease_ends_at: row.time(3)?,
        expires_at: row.time(4)?,
        ..call
    }))
}
