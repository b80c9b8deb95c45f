//! Merchants and credentials, in PostgreSQL.

use async_trait::async_trait;
use tokio_postgres::Row;

use super::rows::Reader;
use super::transaction::PostgresTransaction;
use crate::model::{ApiKey, ApiKeyId, Merchant, MerchantId, Scopes, Timestamp};
use crate::storage::{Merchants, Result};

#[async_trait]
impl Merchants for PostgresTransaction {
    async fn add_merchant(&mut self, merchant: Merchant) -> Result<()> {
        self.add(
            "INSERT INTO merchant (id, name, created_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
            &[&merchant.id.as_str(), &merchant.name, &merchant.created_at.millis()],
        )
        .await
    }

    async fn lookup_merchant(&mut self, id: MerchantId) -> Result<Option<Merchant>> {
        let row =
            self.one("SELECT id, name, created_at FROM merchant WHERE id = $1", &[&id.as_str()]).await?;
        row.as_ref().map(merchant).transpose()
    }

    async fn find_merchant_by_name(&mut self, name: String) -> Result<Option<Merchant>> {
        let row = self.one("SELECT id, name, created_at FROM merchant WHERE name = $1", &[&name]).await?;
        row.as_ref().map(merchant).transpose()
    }

    async fn add_api_key(&mut self, key: ApiKey) -> Result<()> {
        self.add(
            "INSERT INTO api_key (id, merchant_id, mode, name, login, secret_hash, salt, kdf, scopes, created_at,
                expires_at, revoked_at, used_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) ON CONFLICT DO NOTHING",
            &[
                &key.id.as_str(),
                &key.merchant.as_str(),
                &key.mode.as_str(),
                &key.name,
                &key.login,
                &key.secret_hash,
                &key.salt,
                &key.kdf,
                &key.scopes.to_string(),
                &key.created_at.millis(),
                &key.expires_at.map(Timestamp::millis),
                &key.revoked_at.map(Timestamp::millis),
                &key.used_at.map(Timestamp::millis),
            ],
        )
        .await
    }

    async fn find_api_key_by_secret_name(&mut self, login: String) -> Result<Option<ApiKey>> {
        let sql = "SELECT id, merchant_id, mode, name, login, secret_hash, salt, kdf, scopes, created_at, expires_at,
                       revoked_at, used_at
                   FROM api_key WHERE login = $1";
        self.one(sql, &[&login]).await?.as_ref().map(api_key).transpose()
    }
}

fn merchant(row: &Row) -> Result<Merchant> {
    let row = Reader::new(row, "merchant");
    Ok(Merchant { id: MerchantId::stored(row.get(0)?), name: row.get(1)?, created_at: row.time(2)? })
}

/// A credential of a row of all columns.
pub fn api_key(row: &Row) -> Result<ApiKey> {
    let row = Reader::new(row, "api_key");
    Ok(ApiKey {
        id: ApiKeyId::stored(row.get(0)?),
        merchant: MerchantId::stored(row.get(1)?),
        mode: row.mode(2)?,
        name: row.get(3)?,
        login: row.get(4)?,
        secret_hash: row.get(5)?,
        salt: row.get(6)?,
        kdf: row.get(7)?,
        scopes: Scopes::parse(row.get(8)?),
        created_at: row.time(9)?,
        expires_at: row.maybe_time(10)?,
        revoked_at: row.maybe_time(11)?,
        used_at: row.maybe_time(12)?,
    })
}
