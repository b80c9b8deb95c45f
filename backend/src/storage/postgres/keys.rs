//! Vault keys and their pairs, in PostgreSQL.

use async_trait::async_trait;
use tokio_postgres::Row;

use super::rows::Reader;
use super::transaction::PostgresTransaction;
use crate::model::{Custody, KeyId, KeyPairRow, MerchantId, Mode, VaultKey};
use crate::storage::{Keys, Page, Result, StoreError};

const COLUMNS: &str = "id, merchant_id, mode, name, custody, salt, kdf, wrapped_custody, wrapped_token_key, \
                       current_version, row_version, created_at";

#[async_trait]
impl Keys for PostgresTransaction {
    async fn add_key(&mut self, key: VaultKey, pair: KeyPairRow) -> Result<()> {
        let sql = format!(
            "INSERT INTO vault_key ({COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
             ON CONFLICT DO NOTHING"
        );
        self.add(
            &sql,
            &[
                &key.id.as_str(),
                &key.merchant.as_str(),
                &key.mode.as_str(),
                &key.name,
                &key.custody.as_str(),
                &key.salt,
                &key.kdf,
                &key.wrapped_custody,
                &key.wrapped_token_key,
                &i64::from(key.current),
                &key.row_version,
                &key.created_at.millis(),
            ],
        )
        .await?;
        self.add_pair(key.merchant, pair).await
    }

    async fn find_key(&mut self, merchant: MerchantId, mode: Mode, name: String) -> Result<Option<VaultKey>> {
        let sql =
            format!("SELECT {COLUMNS} FROM vault_key WHERE merchant_id = $1 AND mode = $2 AND name = $3");
        let row = self.one(&sql, &[&merchant.as_str(), &mode.as_str(), &name]).await?;
        row.as_ref().map(vault_key).transpose()
    }

    async fn list_keys(&mut self, merchant: MerchantId, mode: Mode, page: Page) -> Result<Vec<VaultKey>> {
        let sql = format!(
            "SELECT {COLUMNS} FROM vault_key WHERE merchant_id = $1 AND mode = $2 AND name > $3
             ORDER BY name LIMIT $4"
        );
        let after = page.after.unwrap_or_default();
        let rows =
            self.all(&sql, &[&merchant.as_str(), &mode.as_str(), &after, &i64::from(page.limit)]).await?;
        rows.iter().map(vault_key).collect()
    }

    async fn update_key(&mut self, key: VaultKey) -> Result<bool> {
        let changed = self
            .execute(
                "UPDATE vault_key SET salt = $1, kdf = $2, wrapped_custody = $3, current_version = $4,
                     row_version = row_version + 1
                 WHERE id = $5 AND merchant_id = $6 AND row_version = $7",
                &[
                    &key.salt,
                    &key.kdf,
                    &key.wrapped_custody,
                    &i64::from(key.current),
                    &key.id.as_str(),
                    &key.merchant.as_str(),
                    &key.row_version,
                ],
            )
            .await?;
        Ok(changed == 1)
    }

    async fn hold_key(&mut self, merchant: MerchantId, key: KeyId, row_version: i64) -> Result<bool> {
        let sql = "SELECT 1 FROM vault_key WHERE id = $1 AND merchant_id = $2 AND row_version = $3 FOR SHARE";
        self.any(sql, &[&key.as_str(), &merchant.as_str(), &row_version]).await
    }

    async fn delete_key_endpoints(&mut self, merchant: MerchantId, key: KeyId) -> Result<()> {
        let sql = "DELETE FROM capture_endpoint WHERE key_id = $1 AND merchant_id = $2";
        self.execute(sql, &[&key.as_str(), &merchant.as_str()]).await.map(drop)
    }

    async fn delete_key(&mut self, merchant: MerchantId, key: KeyId) -> Result<()> {
        let sql = "SELECT 1 FROM vault_key WHERE id = $1 AND merchant_id = $2 FOR UPDATE";
        if self.any(sql, &[&key.as_str(), &merchant.as_str()]).await? {
            for sql in DELETE_KEY {
                self.execute(sql, &[&key.as_str()]).await?;
            }
        }
        Ok(())
    }

    async fn key_has_cards(&mut self, merchant: MerchantId, key: KeyId) -> Result<bool> {
        let sql = "SELECT 1 FROM card WHERE key_id = $1 AND merchant_id = $2 LIMIT 1";
        self.any(sql, &[&key.as_str(), &merchant.as_str()]).await
    }

    async fn add_pair(&mut self, merchant: MerchantId, pair: KeyPairRow) -> Result<()> {
        let owned = "SELECT 1 FROM vault_key WHERE id = $1 AND merchant_id = $2";
        if !self.any(owned, &[&pair.key.as_str(), &merchant.as_str()]).await? {
            return Err(StoreError::Inconsistent { table: "vault_key", what: "owner" });
        }
        self.add(
            "INSERT INTO vault_key_pair (key_id, version, public_half, wrapped_private, wrapped_psk, created_at)
             VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING",
            &[
                &pair.key.as_str(),
                &i64::from(pair.version),
                &pair.public,
                &pair.wrapped_private,
                &pair.wrapped_psk,
                &pair.created_at.millis(),
            ],
        )
        .await
    }

    async fn update_pair(&mut self, merchant: MerchantId, pair: KeyPairRow) -> Result<bool> {
        let sql = "UPDATE vault_key_pair SET wrapped_private = $1 WHERE key_id = $2 AND version = $3
                   AND key_id IN (SELECT id FROM vault_key WHERE merchant_id = $4)";
        let version = i64::from(pair.version);
        let changed = self
            .execute(sql, &[&pair.wrapped_private, &pair.key.as_str(), &version, &merchant.as_str()])
            .await?;
        Ok(changed == 1)
    }

    async fn pairs(&mut self, merchant: MerchantId, key: KeyId) -> Result<Vec<KeyPairRow>> {
        let sql = "SELECT p.key_id, p.version, p.public_half, p.wrapped_private, p.wrapped_psk, p.created_at
                   FROM vault_key_pair p JOIN vault_key k ON k.id = p.key_id
                   WHERE p.key_id = $1 AND k.merchant_id = $2 ORDER BY p.version";
        self.all(sql, &[&key.as_str(), &merchant.as_str()]).await?.iter().map(pair).collect()
    }
}

/// Endpoints first: a batch holds the rows of its endpoints, so that after this statement no card can come.
const DELETE_KEY: [&str; 10] = [
    "DELETE FROM proxy_send WHERE card_id IN (SELECT id FROM card WHERE key_id = $1)",
    "DELETE FROM capture_endpoint WHERE key_id = $1",
    "UPDATE delivery_attempt SET answer = '' WHERE event_id IN (SELECT e.id FROM outbox_event e
     JOIN card k ON k.id = e.subject WHERE k.key_id = $1)",
    "UPDATE outbox_event SET sealed = ''::BYTEA, state = CASE WHEN state < 2 THEN 4 ELSE state END
     WHERE subject IN (SELECT id FROM card WHERE key_id = $1)",
    "DELETE FROM card_cvv WHERE card_id IN (SELECT id FROM card WHERE key_id = $1)",
    "DELETE FROM card_patch WHERE card_id IN (SELECT id FROM card WHERE key_id = $1)",
    "DELETE FROM card WHERE key_id = $1",
    "DELETE FROM retrieve_endpoint WHERE key_id = $1",
    "DELETE FROM vault_key_pair WHERE key_id = $1",
    "DELETE FROM vault_key WHERE id = $1",
];

fn vault_key(row: &Row) -> Result<VaultKey> {
    let row = Reader::new(row, "vault_key");
    Ok(VaultKey {
        id: KeyId::stored(row.get(0)?),
        merchant: MerchantId::stored(row.get(1)?),
        mode: row.mode(2)?,
        name: row.get(3)?,
        custody: Custody::parse(row.get(4)?).ok_or_else(|| row.wrong("custody"))?,
        salt: row.get(5)?,
        kdf: row.get(6)?,
        wrapped_custody: row.get(7)?,
        wrapped_token_key: row.get(8)?,
        current: row.number(9)?,
        row_version: row.get(10)?,
        created_at: row.time(11)?,
    })
}

fn pair(row: &Row) -> Result<KeyPairRow> {
    let row = Reader::new(row, "vault_key_pair");
    Ok(KeyPairRow {
        key: KeyId::stored(row.get(0)?),
        version: row.number(1)?,
        public: row.get(2)?,
        wrapped_private: row.get(3)?,
        wrapped_psk: row.get(4)?,
        created_at: row.time(5)?,
    })
}
