//! Retrieve endpoints, in SQLite.

use async_trait::async_trait;
use rusqlite::{OptionalExtension, Row, params};

use super::merchants::mode;
use super::threads::SqliteTransaction;
use crate::model::{KeyId, MerchantId, Mode, RetrieveEndpoint, RetrieveId, Timestamp};
use crate::storage::{Page, Result, Retrievals};

/// The columns, in the order in which `read` takes them.
const COLUMNS: &str = "id, unique_id, merchant_id, mode, key_id, key_name, secret_hash, wrapped, lock_token, \
                       lock_reference, mask_fields, expires_at, max_uses, uses, max_reveals, reveals, created_at, \
                       rules, reveal_only";

#[async_trait]
impl Retrievals for SqliteTransaction {
    async fn add_retrieval(&mut self, endpoint: RetrieveEndpoint) -> Result<()> {
        self.run(move |c| {
            let sql = format!(
                "INSERT INTO retrieve_endpoint ({COLUMNS})
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19)"
            );
            c.execute(
                &sql,
                params![
                    endpoint.id.as_str(),
                    endpoint.unique_id,
                    endpoint.merchant.as_str(),
                    endpoint.mode.as_str(),
                    endpoint.key.as_str(),
                    endpoint.key_name,
                    endpoint.secret_hash,
                    endpoint.wrapped,
                    endpoint.lock_token,
                    endpoint.lock_reference,
                    endpoint.mask_fields.join(","),
                    endpoint.expires_at.map(Timestamp::millis),
                    endpoint.max_uses,
                    endpoint.uses,
                    endpoint.max_reveals,
                    endpoint.reveals,
                    endpoint.created_at.millis(),
                    endpoint.rules,
                    i64::from(endpoint.reveal_only),
                ],
            )?;
            Ok(())
        })
        .await
    }

    async fn find_retrieval(
        &mut self,
        merchant: MerchantId,
        mode: Mode,
        unique_id: String,
    ) -> Result<Option<RetrieveEndpoint>> {
        let found = self.find_retrieval_by_secret_name(unique_id).await?;
        Ok(found.filter(|endpoint| endpoint.merchant == merchant && endpoint.mode == mode))
    }

    async fn find_retrieval_by_secret_name(&mut self, unique_id: String) -> Result<Option<RetrieveEndpoint>> {
        self.run(move |c| {
            let sql = format!("SELECT {COLUMNS} FROM retrieve_endpoint WHERE unique_id = ?1");
            let mut statement = c.prepare_cached(&sql)?;
            statement.query_row([unique_id], |row| Ok(read(row))).optional()?.transpose()
        })
        .await
    }

    async fn list_retrievals(
        &mut self,
        merchant: MerchantId,
        mode: Mode,
        page: Page,
    ) -> Result<Vec<RetrieveEndpoint>> {
        self.run(move |c| {
            let sql = format!(
                "SELECT {COLUMNS} FROM retrieve_endpoint
                 WHERE merchant_id = ?1 AND mode = ?2 AND id > ?3 ORDER BY id LIMIT ?4"
            );
            let mut statement = c.prepare_cached(&sql)?;
            let values =
                params![merchant.as_str(), mode.as_str(), page.after.unwrap_or_default(), page.limit];
            statement.query_map(values, |row| Ok(read(row)))?.map(|row| row?).collect()
        })
        .await
    }

    async fn use_retrieval(&mut self, merchant: MerchantId, id: RetrieveId, reveal: bool) -> Result<bool> {
        self.run(move |c| {
            let sql = "UPDATE retrieve_endpoint SET uses = uses + 1, reveals = reveals + ?1
                       WHERE id = ?2 AND merchant_id = ?3 AND uses < max_uses
                         AND (?1 = 0 OR reveals < max_reveals) AND length(wrapped) > 0";
            Ok(c.execute(sql, params![i64::from(reveal), id.as_str(), merchant.as_str()])? == 1)
        })
        .await
    }

    async fn end_key_retrievals(&mut self, merchant: MerchantId, key: KeyId) -> Result<()> {
        self.run(move |c| {
            let sql = "UPDATE retrieve_endpoint SET wrapped = x'' WHERE key_id = ?1 AND merchant_id = ?2";
            c.execute(sql, [key.as_str(), merchant.as_str()])?;
            Ok(())
        })
        .await
    }

    async fn delete_retrieval(&mut self, merchant: MerchantId, id: RetrieveId) -> Result<()> {
        self.run(move |c| {
            let sql = "DELETE FROM retrieve_endpoint WHERE id = ?1 AND merchant_id = ?2";
            c.execute(sql, [id.as_str(), merchant.as_str()])?;
            Ok(())
        })
        .await
    }

    async fn sweep_retrievals(&mut self, before: Timestamp) -> Result<u64> {
        self.run(move |c| {
            let swept =
                c.execute("DELETE FROM retrieve_endpoint WHERE expires_at < ?1", [before.millis()])?;
            Ok(u64::try_from(swept).unwrap_or(u64::MAX))
        })
        .await
    }
}

fn read(row: &Row<'_>) -> Result<RetrieveEndpoint> {
    let fields: String = row.get(10)?;
    Ok(RetrieveEndpoint {
        id: RetrieveId::stored(row.get(0)?),
        unique_id: row.get(1)?,
        merchant: MerchantId::stored(row.get(2)?),
        mode: mode(&row.get::<_, String>(3)?, "retrieve_endpoint")?,
        key: KeyId::stored(row.get(4)?),
        key_name: row.get(5)?,
        secret_hash: row.get(6)?,
        wrapped: row.get(7)?,
        lock_token: row.get(8)?,
        lock_reference: row.get(9)?,
        mask_fields: fields.split(',').filter(|field| !field.is_empty()).map(str::to_owned).collect(),
        expires_at: row.get::<_, Option<i64>>(11)?.map(Timestamp::from_millis),
        max_uses: row.get(12)?,
        uses: row.get(13)?,
        max_reveals: row.get(14)?,
        reveals: row.get(15)?,
        created_at: Timestamp::from_millis(row.get(16)?),
        rules: row.get(17)?,
        reveal_only: row.get::<_, i64>(18)? != 0,
    })
}
