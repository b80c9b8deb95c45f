//! Retrieve endpoints, in PostgreSQL.

use async_trait::async_trait;
use tokio_postgres::Row;

use super::rows::Reader;
use super::transaction::PostgresTransaction;
use crate::model::{KeyId, MerchantId, Mode, RetrieveEndpoint, RetrieveId, Timestamp};
use crate::storage::{Page, Result, Retrievals};

/// The columns, in the order in which `read` takes them.
const COLUMNS: &str = "id, unique_id, merchant_id, mode, key_id, key_name, secret_hash, wrapped, lock_token, \
                       lock_reference, mask_fields, expires_at, max_uses, uses, max_reveals, reveals, created_at, \
                       rules, reveal_only";

#[async_trait]
impl Retrievals for PostgresTransaction {
    async fn add_retrieval(&mut self, endpoint: RetrieveEndpoint) -> Result<()> {
        let sql = format!(
            "INSERT INTO retrieve_endpoint ({COLUMNS})
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)
             ON CONFLICT DO NOTHING"
        );
        self.add(
            &sql,
            &[
                &endpoint.id.as_str(),
                &endpoint.unique_id,
                &endpoint.merchant.as_str(),
                &endpoint.mode.as_str(),
                &endpoint.key.as_str(),
                &endpoint.key_name,
                &endpoint.secret_hash,
                &endpoint.wrapped,
                &endpoint.lock_token,
                &endpoint.lock_reference,
                &endpoint.mask_fields.join(","),
                &endpoint.expires_at.map(Timestamp::millis),
                &i64::from(endpoint.max_uses),
                &i64::from(endpoint.uses),
                &i64::from(endpoint.max_reveals),
                &i64::from(endpoint.reveals),
                &endpoint.created_at.millis(),
                &endpoint.rules,
                &i64::from(endpoint.reveal_only),
            ],
        )
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
        let sql = format!("SELECT {COLUMNS} FROM retrieve_endpoint WHERE unique_id = $1");
        self.one(&sql, &[&unique_id]).await?.as_ref().map(read).transpose()
    }

    async fn list_retrievals(
        &mut self,
        merchant: MerchantId,
        mode: Mode,
        page: Page,
    ) -> Result<Vec<RetrieveEndpoint>> {
        let sql = format!(
            "SELECT {COLUMNS} FROM retrieve_endpoint
             WHERE merchant_id = $1 AND mode = $2 AND id > $3 ORDER BY id LIMIT $4"
        );
        let (after, limit) = (page.after.unwrap_or_default(), i64::from(page.limit));
        let rows = self.all(&sql, &[&merchant.as_str(), &mode.as_str(), &after, &limit]).await?;
        rows.iter().map(read).collect()
    }

    async fn use_retrieval(&mut self, merchant: MerchantId, id: RetrieveId, reveal: bool) -> Result<bool> {
        let sql = "UPDATE retrieve_endpoint SET uses = uses + 1, reveals = reveals + $1::BIGINT
                   WHERE id = $2 AND merchant_id = $3 AND uses < max_uses
                     AND ($1::BIGINT = 0 OR reveals < max_reveals) AND length(wrapped) > 0";
        let used = self.execute(sql, &[&i64::from(reveal), &id.as_str(), &merchant.as_str()]).await?;
        Ok(used == 1)
    }

    async fn end_key_retrievals(&mut self, merchant: MerchantId, key: KeyId) -> Result<()> {
        let sql = "UPDATE retrieve_endpoint SET wrapped = '' WHERE key_id = $1 AND merchant_id = $2";
        self.execute(sql, &[&key.as_str(), &merchant.as_str()]).await.map(drop)
    }

    async fn delete_retrieval(&mut self, merchant: MerchantId, id: RetrieveId) -> Result<()> {
        let sql = "DELETE FROM retrieve_endpoint WHERE id = $1 AND merchant_id = $2";
        self.execute(sql, &[&id.as_str(), &merchant.as_str()]).await.map(drop)
    }

    async fn sweep_retrievals(&mut self, before: Timestamp) -> Result<u64> {
        self.execute("DELETE FROM retrieve_endpoint WHERE expires_at < $1", &[&before.millis()]).await
    }
}

fn read(row: &Row) -> Result<RetrieveEndpoint> {
    let row = Reader::new(row, "retrieve_endpoint");
    let fields: &str = row.get(10)?;
    Ok(RetrieveEndpoint {
        id: RetrieveId::stored(row.get(0)?),
        unique_id: row.get(1)?,
        merchant: MerchantId::stored(row.get(2)?),
        mode: row.mode(3)?,
        key: KeyId::stored(row.get(4)?),
        key_name: row.get(5)?,
        secret_hash: row.get(6)?,
        wrapped: row.get(7)?,
        lock_token: row.get(8)?,
        lock_reference: row.get(9)?,
        mask_fields: fields.split(',').filter(|field| !field.is_empty()).map(str::to_owned).collect(),
        expires_at: row.maybe_time(11)?,
        max_uses: row.number(12)?,
        uses: row.number(13)?,
        max_reveals: row.number(14)?,
        reveals: row.number(15)?,
        created_at: row.time(16)?,
        rules: row.get(17)?,
        reveal_only: row.flag(18)?,
    })
}
