//! Merchants and credentials, in SQLite.

use async_trait::async_trait;
use rusqlite::{OptionalExtension, Row, params};

use super::threads::SqliteTransaction;
use crate::model::{ApiKey, ApiKeyId, Merchant, MerchantId, Mode, Scopes, Timestamp};
use crate::storage::{Merchants, Result, StoreError};

#[async_trait]
impl Merchants for SqliteTransaction {
    async fn add_merchant(&mut self, merchant: Merchant) -> Result<()> {
        self.run(move |c| {
            c.execute(
                "INSERT INTO merchant (id, name, created_at) VALUES (?1, ?2, ?3)",
                params![merchant.id.as_str(), merchant.name, merchant.created_at.millis()],
            )?;
            Ok(())
        })
        .await
    }

    async fn lookup_merchant(&mut self, id: MerchantId) -> Result<Option<Merchant>> {
        self.run(move |c| {
            let sql = "SELECT id, name, created_at FROM merchant WHERE id = ?1";
            Ok(c.prepare_cached(sql)?.query_row([id.as_str()], merchant).optional()?)
        })
        .await
    }

    async fn find_merchant_by_name(&mut self, name: String) -> Result<Option<Merchant>> {
        self.run(move |c| {
            let sql = "SELECT id, name, created_at FROM merchant WHERE name = ?1";
            Ok(c.query_row(sql, [name], merchant).optional()?)
        })
        .await
    }

    async fn add_api_key(&mut self, key: ApiKey) -> Result<()> {
        self.run(move |c| {
            c.execute(
                "INSERT INTO api_key (id, merchant_id, mode, name, login, secret_hash, salt, kdf, scopes, created_at,
                    expires_at, revoked_at, used_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
                params![
                    key.id.as_str(),
                    key.merchant.as_str(),
                    key.mode.as_str(),
                    key.name,
                    key.login,
                    key.secret_hash,
                    key.salt,
                    key.kdf,
                    key.scopes.to_string(),
                    key.created_at.millis(),
                    key.expires_at.map(Timestamp::millis),
                    key.revoked_at.map(Timestamp::millis),
                    key.used_at.map(Timestamp::millis),
                ],
            )?;
            Ok(())
        })
        .await
    }

    async fn find_api_key_by_secret_name(&mut self, login: String) -> Result<Option<ApiKey>> {
        self.run(move |c| {
            let mut statement = c.prepare_cached(
                "SELECT id, merchant_id, mode, name, login, secret_hash, salt, kdf, scopes, created_at, expires_at,
                    revoked_at, used_at
                 FROM api_key WHERE login = ?1",
            )?;
            statement.query_row([login], |row| Ok(api_key(row))).optional()?.transpose()
        })
        .await
    }
}

fn merchant(row: &Row<'_>) -> rusqlite::Result<Merchant> {
    Ok(Merchant {
        id: MerchantId::stored(row.get(0)?),
        name: row.get(1)?,
        created_at: Timestamp::from_millis(row.get(2)?),
    })
}

/// A credential of a row of all columns.
pub fn api_key(row: &Row<'_>) -> Result<ApiKey> {
    let time = |column: usize| -> Result<Option<Timestamp>> {
        Ok(row.get::<_, Option<i64>>(column)?.map(Timestamp::from_millis))
    };
    Ok(ApiKey {
        id: ApiKeyId::stored(row.get(0)?),
        merchant: MerchantId::stored(row.get(1)?),
        mode: mode(&row.get::<_, String>(2)?, "api_key")?,
        name: row.get(3)?,
        login: row.get(4)?,
        secret_hash: row.get(5)?,
        salt: row.get(6)?,
        kdf: row.get(7)?,
        scopes: Scopes::parse(&row.get::<_, String>(8)?),
        created_at: Timestamp::from_millis(row.get(9)?),
        expires_at: time(10)?,
        revoked_at: time(11)?,
        used_at: time(12)?,
    })
}

/// A stored mode.
pub fn mode(text: &str, table: &'static str) -> Result<Mode> {
    Mode::parse(text).ok_or(StoreError::Inconsistent { table, what: "mode" })
}
