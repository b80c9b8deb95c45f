//! Hosted forms, page results and submits, in PostgreSQL.

use std::collections::BTreeSet;

use async_trait::async_trait;

use super::rows::{Reader, column};
use super::transaction::PostgresTransaction;
use crate::model::{FormSubmit, HostedForm, MerchantId, Mode, PageResult, Timestamp};
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

    async fn sweep_forms(&mut self, prefix: char, before: Timestamp) -> Result<u64> {
        let sql = "DELETE FROM hosted_form WHERE substr(id, 1, 1) = $1 AND created_at < $2";
        self.execute(sql, &[&prefix.to_string(), &before.millis()]).await
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

    async fn add_submit(&mut self, submit: FormSubmit) -> Result<()> {
        insert_submits(self, &[submit]).await
    }

    async fn find_submit_by_secret_name(&mut self, id_hash: String) -> Result<Option<FormSubmit>> {
        let sql = "SELECT merchant_id, mode, sealed, expires_at FROM form_submit WHERE id_hash = $1";
        let Some(row) = self.one(sql, &[&id_hash]).await? else { return Ok(None) };
        let row = Reader::new(&row, "form_submit");
        let (merchant, mode) = (MerchantId::stored(row.get(0)?), row.mode(1)?);
        let (sealed, expires_at) = (row.get(2)?, row.time(3)?);
        Ok(Some(FormSubmit { id_hash, merchant, mode, sealed, expires_at }))
    }

    async fn sweep_results(&mut self, now: Timestamp) -> Result<u64> {
        let results =
            self.execute("DELETE FROM page_result WHERE expires_at <= $1", &[&now.millis()]).await?;
        let submits =
            self.execute("DELETE FROM form_submit WHERE expires_at <= $1", &[&now.millis()]).await?;
        Ok(results + submits)
    }
}

/// Which of these submits were stored before. Their endpoints are locked, so nobody stores one meanwhile.
pub async fn stored_submits(t: &PostgresTransaction, wanted: BTreeSet<String>) -> Result<BTreeSet<String>> {
    if wanted.is_empty() {
        return Ok(wanted);
    }
    let wanted: Vec<_> = wanted.into_iter().collect();
    let rows = t.all("SELECT id_hash FROM form_submit WHERE id_hash = ANY($1::TEXT[])", &[&wanted]).await?;
    rows.iter().map(|row| Reader::new(row, "form_submit").get(0)).collect()
}

/// Keeps submits.
pub async fn insert_submits(t: &PostgresTransaction, submits: &[FormSubmit]) -> Result<()> {
    if submits.is_empty() {
        return Ok(());
    }
    t.execute(
        "INSERT INTO form_submit (id_hash, merchant_id, mode, sealed, expires_at)
         SELECT * FROM UNNEST($1::TEXT[], $2::TEXT[], $3::TEXT[], $4::BYTEA[], $5::BIGINT[])",
        &[
            &column(submits, |submit| submit.id_hash.as_str()),
            &column(submits, |submit| submit.merchant.as_str()),
            &column(submits, |submit| submit.mode.as_str()),
            &column(submits, |submit| submit.sealed.as_slice()),
            &column(submits, |submit| submit.expires_at.millis()),
        ],
    )
    .await?;
    Ok(())
}
