//! Vault keys and their pairs, in SQLite.

use async_trait::async_trait;
use rusqlite::{OptionalExtension, Row, params};

use super::merchants::mode;
use super::threads::SqliteTransaction;
use crate::model::{Custody, KeyId, KeyPairRow, MerchantId, Mode, Timestamp, VaultKey};
use crate::storage::{Keys, Page, Result, StoreError};

const COLUMNS: &str = "id, merchant_id, mode, name, custody, salt, kdf, wrapped_custody, wrapped_token_key, \
                       current_version, row_version, created_at";

#[async_trait]
impl Keys for SqliteTransaction {
    async fn add_key(&mut self, key: VaultKey, pair: KeyPairRow) -> Result<()> {
        let merchant = key.merchant.clone();
        self.run(move |c| {
            c.execute(
                &format!("INSERT INTO vault_key ({COLUMNS}) VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12)"),
                params![
                    key.id.as_str(),
                    key.merchant.as_str(),
                    key.mode.as_str(),
                    key.name,
                    key.custody.as_str(),
                    key.salt,
                    key.kdf,
                    key.wrapped_custody,
                    key.wrapped_token_key,
                    key.current,
                    key.row_version,
                    key.created_at.millis(),
                ],
            )?;
            Ok(())
        })
        .await?;
        self.add_pair(merchant, pair).await
    }

    async fn find_key(&mut self, merchant: MerchantId, mode: Mode, name: String) -> Result<Option<VaultKey>> {
        self.run(move |c| {
            let mut statement = c.prepare_cached(&format!(
                "SELECT {COLUMNS} FROM vault_key WHERE merchant_id = ?1 AND mode = ?2 AND name = ?3"
            ))?;
            statement
                .query_row(params![merchant.as_str(), mode.as_str(), name], |row| Ok(vault_key(row)))
                .optional()?
                .transpose()
        })
        .await
    }

    async fn list_keys(&mut self, merchant: MerchantId, mode: Mode, page: Page) -> Result<Vec<VaultKey>> {
        self.run(move |c| {
            let mut statement = c.prepare_cached(&format!(
                "SELECT {COLUMNS} FROM vault_key WHERE merchant_id = ?1 AND mode = ?2 AND name > ?3
                 ORDER BY name LIMIT ?4"
            ))?;
            let after = page.after.unwrap_or_default();
            let rows = statement
                .query_map(params![merchant.as_str(), mode.as_str(), after, page.limit], |row| {
                    Ok(vault_key(row))
                })?;
            rows.map(|row| row?).collect()
        })
        .await
    }

    async fn update_key(&mut self, key: VaultKey) -> Result<bool> {
        self.run(move |c| {
            let changed = c.execute(
                "UPDATE vault_key SET salt = ?1, kdf = ?2, wrapped_custody = ?3, current_version = ?4,
                     row_version = row_version + 1
                 WHERE id = ?5 AND merchant_id = ?6 AND row_version = ?7",
                params![
                    key.salt,
                    key.kdf,
                    key.wrapped_custody,
                    key.current,
                    key.id.as_str(),
                    key.merchant.as_str(),
                    key.row_version
                ],
            )?;
            Ok(changed == 1)
        })
        .await
    }

    async fn hold_key(&mut self, merchant: MerchantId, key: KeyId, row_version: i64) -> Result<bool> {
        self.run(move |c| {
            let sql = "SELECT 1 FROM vault_key WHERE id = ?1 AND merchant_id = ?2 AND row_version = ?3";
            // There is one writer at a time.
            Ok(c.prepare_cached(sql)?.exists(params![key.as_str(), merchant.as_str(), row_version])?)
        })
        .await
    }

    async fn delete_key_endpoints(&mut self, merchant: MerchantId, key: KeyId) -> Result<()> {
        self.run(move |c| {
            let sql = "DELETE FROM capture_endpoint WHERE key_id = ?1 AND merchant_id = ?2";
            c.execute(sql, [key.as_str(), merchant.as_str()])?;
            Ok(())
        })
        .await
    }

    async fn delete_key(&mut self, merchant: MerchantId, key: KeyId) -> Result<()> {
        self.run(move |c| {
            let owned: bool = c.query_row(
                "SELECT EXISTS (SELECT 1 FROM vault_key WHERE id = ?1 AND merchant_id = ?2)",
                params![key.as_str(), merchant.as_str()],
                |row| row.get(0),
            )?;
            if owned {
                for sql in DELETE_KEY {
                    c.execute(sql, [key.as_str()])?;
                }
            }
            Ok(())
        })
        .await
    }

    async fn key_has_cards(&mut self, merchant: MerchantId, key: KeyId) -> Result<bool> {
        self.run(move |c| {
            Ok(c.query_row(
                "SELECT EXISTS (SELECT 1 FROM card WHERE key_id = ?1 AND merchant_id = ?2)",
                params![key.as_str(), merchant.as_str()],
                |row| row.get(0),
            )?)
        })
        .await
    }

    async fn add_pair(&mut self, merchant: MerchantId, pair: KeyPairRow) -> Result<()> {
        self.run(move |c| {
            let added = c.execute(
                "INSERT INTO vault_key_pair (key_id, version, public_half, wrapped_private, wrapped_psk, created_at)
                 SELECT id, ?2, ?3, ?4, ?5, ?6 FROM vault_key WHERE id = ?1 AND merchant_id = ?7",
                params![
                    pair.key.as_str(),
                    pair.version,
                    pair.public,
                    pair.wrapped_private,
                    pair.wrapped_psk,
                    pair.created_at.millis(),
                    merchant.as_str()
                ],
            )?;
            if added == 1 { Ok(()) } else { Err(StoreError::Inconsistent { table: "vault_key", what: "owner" }) }
        })
        .await
    }

    async fn update_pair(&mut self, merchant: MerchantId, pair: KeyPairRow) -> Result<bool> {
        self.run(move |c| {
            let changed = c.execute(
                "UPDATE vault_key_pair SET wrapped_private = ?1 WHERE key_id = ?2 AND version = ?3
                 AND key_id IN (SELECT id FROM vault_key WHERE merchant_id = ?4)",
                params![pair.wrapped_private, pair.key.as_str(), pair.version, merchant.as_str()],
            )?;
            Ok(changed == 1)
        })
        .await
    }

    async fn pairs(&mut self, merchant: MerchantId, key: KeyId) -> Result<Vec<KeyPairRow>> {
        self.run(move |c| {
            let mut statement = c.prepare_cached(
                "SELECT p.key_id, p.version, p.public_half, p.wrapped_private, p.wrapped_psk, p.created_at
                 FROM vault_key_pair p JOIN vault_key k ON k.id = p.key_id
                 WHERE p.key_id = ?1 AND k.merchant_id = ?2 ORDER BY p.version",
            )?;
            let rows = statement.query_map(params![key.as_str(), merchant.as_str()], |row| {
                Ok(KeyPairRow {
                    key: KeyId::stored(row.get(0)?),
                    version: row.get(1)?,
                    public: row.get(2)?,
                    wrapped_private: row.get(3)?,
                    wrapped_psk: row.get(4)?,
                    created_at: Timestamp::from_millis(row.get(5)?),
                })
            })?;
            Ok(rows.collect::<std::result::Result<_, _>>()?)
        })
        .await
    }
}

const DELETE_KEY: [&str; 10] = [
    "DELETE FROM proxy_send WHERE card_id IN (SELECT id FROM card WHERE key_id = ?1)",
    "UPDATE delivery_attempt SET answer = '' WHERE event_id IN (SELECT e.id FROM outbox_event e
     JOIN card k ON k.id = e.subject WHERE k.key_id = ?1)",
    "UPDATE outbox_event SET sealed = x'', state = CASE WHEN state < 2 THEN 4 ELSE state END
     WHERE subject IN (SELECT id FROM card WHERE key_id = ?1)",
    "DELETE FROM card_cvv WHERE card_id IN (SELECT id FROM card WHERE key_id = ?1)",
    "DELETE FROM card_patch WHERE card_id IN (SELECT id FROM card WHERE key_id = ?1)",
    "DELETE FROM card WHERE key_id = ?1",
    "DELETE FROM capture_endpoint WHERE key_id = ?1",
    "DELETE FROM retrieve_endpoint WHERE key_id = ?1",
    "DELETE FROM vault_key_pair WHERE key_id = ?1",
    "DELETE FROM vault_key WHERE id = ?1",
];

fn vault_key(row: &Row<'_>) -> Result<VaultKey> {
    Ok(VaultKey {
        id: KeyId::stored(row.get(0)?),
        merchant: MerchantId::stored(row.get(1)?),
        mode: mode(&row.get::<_, String>(2)?, "vault_key")?,
        name: row.get(3)?,
        custody: Custody::parse(&row.get::<_, String>(4)?)
            .ok_or(StoreError::Inconsistent { table: "vault_key", what: "custody" })?,
        salt: row.get(5)?,
        kdf: row.get(6)?,
        wrapped_custody: row.get(7)?,
        wrapped_token_key: row.get(8)?,
        current: row.get(9)?,
        row_version: row.get(10)?,
        created_at: Timestamp::from_millis(row.get(11)?),
    })
}
