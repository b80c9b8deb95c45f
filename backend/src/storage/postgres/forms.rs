//! Hosted forms and page results, in PostgreSQL.

use async_trait::async_trait;

use super::rows::Reader;
use super::transaction::PostgresTransaction;
use crate::model::{HostedForm, MerchantId, Mode, PageResult, Timestamp};
use crate::storage::{Forms, Result};

#[async_trait]
impl Forms for PostgresTransaction {
    async fn add_form(&mut self, form: HostedForm) -> Result<()> {
        self.add(
            "INSERT INTO hosted_form (id, merchant_id, mode, form_type, settings, created_at)
             VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING",
            &[
                &form.id,
                &form.merchant.as_str(),
                &form.mode.as_str(),
                &form.form_type,
                &form.settings,
                &form.created_at.millis(),
            ],
        )
        .await
    }

    async fn find_form(
        &mut self,
        merchant: MerchantId,
        mode: Mode,
        id: String,
    ) -> Result<Option<HostedForm>> {
        let found = self.find_form_by_secret_name(id).await?;
        Ok(found.filter(|form| form.merchant == merchant && form.mode == mode))
    }

    async fn find_form_by_secret_name(&mut self, id: String) -> Result<Option<HostedForm>> {
        let sql = "SELECT merchant_id, mode, form_type, settings, created_at FROM hosted_form WHERE id = $1";
        let Some(row) = self.one(sql, &[&id]).await? else { return Ok(None) };
        let row = Reader::new(&row, "hosted_form");
        let (merchant, mode) = (MerchantId::stored(row.get(0)?), row.mode(1)?);
        let (form_type, settings, created_at) = (row.get(2)?, row.get(3)?, row.time(4)?);
        Ok(Some(HostedForm { id, merchant, mode, form_type, settings, created_at }))
    }

    async fn delete_form(&mut self, merchant: MerchantId, mode: Mode, id: String) -> Result<bool> {
        let sql = "DELETE FROM hosted_form WHERE id = $1 AND merchant_id = $2 AND mode = $3";
        Ok(self.execute(sql, &[&id, &merchant.as_str(), &mode.as_str()]).await? == 1)
    }

    async fn add_result(&mut self, result: PageResult) -> Result<()> {
        self.add(
            "INSERT INTO page_result (id_hash, merchant_id, mode, sealed, was_read, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING",
            &[
                &result.id_hash,
                &result.merchant.as_str(),
                &result.mode.as_str(),
                &result.sealed,
                &i64::from(result.was_read),
                &result.expires_at.millis(),
            ],
        )
        .await
    }

    async fn has_result_by_secret_name(&mut self, id_hash: String) -> Result<bool> {
        self.any("SELECT 1 FROM page_result WHERE id_hash = $1", &[&id_hash]).await
    }

    async fn read_result_by_secret_name(&mut self, id_hash: String) -> Result<Option<PageResult>> {
        // Locked, so that of two readers at once only one is the first.
        let sql = "SELECT merchant_id, mode, sealed, was_read, expires_at FROM page_result WHERE id_hash = $1
                   FOR UPDATE";
        let Some(row) = self.one(sql, &[&id_hash]).await? else { return Ok(None) };
        self.execute("UPDATE page_result SET was_read = 1 WHERE id_hash = $1", &[&id_hash]).await?;
        let row = Reader::new(&row, "page_result");
        Ok(Some(PageResult {
            id_hash,
            merchant: MerchantId::stored(row.get(0)?),
            mode: row.mode(1)?,
            sealed: row.get(2)?,
            was_read: row.flag(3)?,
            expires_at: row.time(4)?,
        }))
    }

    async fn sweep_results(&mut self, now: Timestamp) -> Result<u64> {
        self.execute("DELETE FROM page_result WHERE expires_at <= $1", &[&now.millis()]).await
    }
}
