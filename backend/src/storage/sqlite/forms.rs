//! Hosted forms, page results and submits, in SQLite.

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::merchants::mode;
use super::threads::SqliteTransaction;
use crate::model::{FormSubmit, HostedForm, MerchantId, Mode, PageResult, Timestamp};
use crate::storage::{Forms, Result};

#[async_trait]
impl Forms for SqliteTransaction {
    async fn add_form(&mut self, form: HostedForm) -> Result<()> {
        self.run(move |c| {
            c.execute(
                "INSERT INTO hosted_form (id, merchant_id, mode, form_type, settings, created_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                params![
                    form.id,
                    form.merchant.as_str(),
                    form.mode.as_str(),
                    form.form_type,
                    form.settings,
                    form.created_at.millis()
                ],
            )?;
            Ok(())
        })
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
        self.run(move |c| {
            let mut statement = c.prepare_cached(
                "SELECT id, merchant_id, mode, form_type, settings, created_at FROM hosted_form WHERE id = ?1",
            )?;
            statement.query_row([id], |row| Ok(form(row))).optional()?.transpose()
        })
        .await
    }

    async fn delete_form(&mut self, merchant: MerchantId, mode: Mode, id: String) -> Result<bool> {
        self.run(move |c| {
            let deleted = c.execute(
                "DELETE FROM hosted_form WHERE id = ?1 AND merchant_id = ?2 AND mode = ?3",
                params![id, merchant.as_str(), mode.as_str()],
            )?;
            Ok(deleted == 1)
        })
        .await
    }

    async fn sweep_forms(&mut self, prefix: char, before: Timestamp) -> Result<u64> {
        self.run(move |c| {
            let swept = c.execute(
                "DELETE FROM hosted_form WHERE substr(id, 1, 1) = ?1 AND created_at < ?2",
                params![prefix.to_string(), before.millis()],
            )?;
            Ok(u64::try_from(swept).unwrap_or(u64::MAX))
        })
        .await
    }

    async fn add_result(&mut self, result: PageResult) -> Result<()> {
        self.run(move |c| {
            c.execute(
                "INSERT INTO page_result (id_hash, merchant_id, mode, sealed, was_read, expires_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                params![
                    result.id_hash,
                    result.merchant.as_str(),
                    result.mode.as_str(),
                    result.sealed,
                    result.was_read,
                    result.expires_at.millis()
                ],
            )?;
            Ok(())
        })
        .await
    }

    async fn has_result_by_secret_name(&mut self, id_hash: String) -> Result<bool> {
        self.run(move |c| {
            let sql = "SELECT EXISTS (SELECT 1 FROM page_result WHERE id_hash = ?1)";
            Ok(c.query_row(sql, [id_hash], |row| row.get(0))?)
        })
        .await
    }

    async fn read_result_by_secret_name(&mut self, id_hash: String) -> Result<Option<PageResult>> {
        self.run(move |c| {
            let sql =
                "SELECT merchant_id, mode, sealed, was_read, expires_at FROM page_result WHERE id_hash = ?1";
            let found = c
                .query_row(sql, [&id_hash], |row| {
                    Ok((
                        row.get::<_, String>(0)?,
                        row.get::<_, String>(1)?,
                        row.get::<_, Vec<u8>>(2)?,
                        row.get::<_, bool>(3)?,
                        row.get::<_, i64>(4)?,
                    ))
                })
                .optional()?;
            let Some((merchant, mode_name, sealed, was_read, expires_at)) = found else { return Ok(None) };
            c.execute("UPDATE page_result SET was_read = 1 WHERE id_hash = ?1", [&id_hash])?;
            Ok(Some(PageResult {
                id_hash,
                merchant: MerchantId::stored(merchant),
                mode: mode(&mode_name, "page_result")?,
                sealed,
                was_read,
                expires_at: Timestamp::from_millis(expires_at),
            }))
        })
        .await
    }

    async fn add_submit(&mut self, submit: FormSubmit) -> Result<()> {
        self.run(move |c| add_submit(c, &submit)).await
    }

    async fn find_submit_by_secret_name(&mut self, id_hash: String) -> Result<Option<FormSubmit>> {
        self.run(move |c| {
            let sql = "SELECT merchant_id, mode, sealed, expires_at FROM form_submit WHERE id_hash = ?1";
            let mut statement = c.prepare_cached(sql)?;
            statement.query_row([&id_hash], |row| Ok(submit(&id_hash, row))).optional()?.transpose()
        })
        .await
    }

    async fn sweep_results(&mut self, now: Timestamp) -> Result<u64> {
        self.run(move |c| {
            let mut swept = c.execute("DELETE FROM page_result WHERE expires_at <= ?1", [now.millis()])?;
            swept += c.execute("DELETE FROM form_submit WHERE expires_at <= ?1", [now.millis()])?;
            Ok(u64::try_from(swept).unwrap_or(u64::MAX))
        })
        .await
    }
}

/// Whether a submit was stored before.
pub fn has_submit(c: &Connection, id_hash: &str) -> Result<bool> {
    let mut statement = c.prepare_cached("SELECT EXISTS (SELECT 1 FROM form_submit WHERE id_hash = ?1)")?;
    Ok(statement.query_row([id_hash], |row| row.get(0))?)
}

/// Keeps a submit.
pub fn add_submit(c: &Connection, submit: &FormSubmit) -> Result<()> {
    c.prepare_cached(
        "INSERT INTO form_submit (id_hash, merchant_id, mode, sealed, expires_at) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?
    .execute(params![
        submit.id_hash,
        submit.merchant.as_str(),
        submit.mode.as_str(),
        submit.sealed,
        submit.expires_at.millis()
    ])?;
    Ok(())
}

fn submit(id_hash: &str, row: &Row<'_>) -> Result<FormSubmit> {
    Ok(FormSubmit {
        id_hash: id_hash.to_owned(),
        merchant: MerchantId::stored(row.get(0)?),
        mode: mode(&row.get::<_, String>(1)?, "form_submit")?,
        sealed: row.get(2)?,
        expires_at: Timestamp::from_millis(row.get(3)?),
    })
}

fn form(row: &Row<'_>) -> Result<HostedForm> {
    Ok(HostedForm {
        id: row.get(0)?,
        merchant: MerchantId::stored(row.get(1)?),
        mode: mode(&row.get::<_, String>(2)?, "hosted_form")?,
        form_type: row.get(3)?,
        settings: row.get(4)?,
        created_at: Timestamp::from_millis(row.get(5)?),
    })
}
