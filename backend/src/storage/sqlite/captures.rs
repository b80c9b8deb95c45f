//! Capture endpoints and limit windows, in SQLite.

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::endpoint_row;
use super::threads::SqliteTransaction;
use crate::model::capture::MAX_REFUSED;
use crate::model::{CaptureEndpoint, EndpointId, MerchantId, Mode, Timestamp};
use crate::storage::plan::{Subject, Window};
use crate::storage::{Captures, Page, Result};

#[async_trait]
impl Captures for SqliteTransaction {
    async fn add_endpoint(&mut self, endpoint: CaptureEndpoint) -> Result<()> {
        self.run(move |c| endpoint_row::insert(c, &endpoint)).await
    }

    async fn find_endpoint(
        &mut self,
        merchant: MerchantId,
        mode: Mode,
        unique_id: String,
    ) -> Result<Option<CaptureEndpoint>> {
        let found = self.find_endpoint_by_secret_name(unique_id).await?;
        Ok(found.filter(|endpoint| endpoint.merchant == merchant && endpoint.mode == mode))
    }

    async fn find_endpoint_by_secret_name(&mut self, unique_id: String) -> Result<Option<CaptureEndpoint>> {
        self.run(move |c| {
            let columns = endpoint_row::COLUMNS;
            let mut statement =
                c.prepare_cached(&format!("SELECT {columns} FROM capture_endpoint WHERE unique_id = ?1"))?;
            statement.query_row([unique_id], |row| Ok(endpoint_row::read(row))).optional()?.transpose()
        })
        .await
    }

    async fn list_endpoints(
        &mut self,
        merchant: MerchantId,
        mode: Mode,
        page: Page,
    ) -> Result<Vec<CaptureEndpoint>> {
        self.run(move |c| {
            let columns = endpoint_row::COLUMNS;
            let mut statement = c.prepare_cached(&format!(
                "SELECT {columns} FROM capture_endpoint
                 WHERE merchant_id = ?1 AND mode = ?2 AND id > ?3 ORDER BY id LIMIT ?4"
            ))?;
            let after = page.after.unwrap_or_default();
            let rows = statement
                .query_map(params![merchant.as_str(), mode.as_str(), after, page.limit], |row| {
                    Ok(endpoint_row::read(row))
                })?;
            rows.map(|row| row?).collect()
        })
        .await
    }

    async fn delete_endpoint(&mut self, merchant: MerchantId, endpoint: EndpointId) -> Result<()> {
        self.run(move |c| {
            c.execute(
                "DELETE FROM capture_endpoint WHERE id = ?1 AND merchant_id = ?2",
                [endpoint.as_str(), merchant.as_str()],
            )?;
            Ok(())
        })
        .await
    }

    async fn count_refused(
        &mut self,
        merchant: MerchantId,
        endpoint: EndpointId,
        now: Timestamp,
    ) -> Result<bool> {
        self.run(move |c| {
            c.execute(
                "UPDATE capture_endpoint SET refused = refused + 1 WHERE id = ?1 AND merchant_id = ?2",
                [endpoint.as_str(), merchant.as_str()],
            )?;
            let disabled = c.execute(
                "UPDATE capture_endpoint SET disabled_at = ?2
                 WHERE id = ?1 AND merchant_id = ?3 AND refused >= ?4 AND disabled_at IS NULL",
                params![endpoint.as_str(), now.millis(), merchant.as_str(), MAX_REFUSED],
            )?;
            Ok(disabled == 1)
        })
        .await
    }

    async fn sweep_endpoints(&mut self, before: Timestamp, now: Timestamp) -> Result<u64> {
        self.run(move |c| {
            let swept = c.execute("DELETE FROM capture_endpoint WHERE expires_at < ?1", [before.millis()])?;
            c.execute("DELETE FROM rate_window WHERE minute < ?1", [now.minute()])?;
            Ok(u64::try_from(swept).unwrap_or(u64::MAX))
        })
        .await
    }

    async fn hits(&mut self, scope: &'static str, subject: String, minute: i64) -> Result<u32> {
        self.run(move |c| {
            let found = window(c, &(scope, subject))?.filter(|window| window.minute == minute);
            Ok(found.map_or(0, |window| window.hits))
        })
        .await
    }

    async fn hit(&mut self, scope: &'static str, subject: String, minute: i64) -> Result<u32> {
        self.run(move |c| add_hit(c, scope, &subject, minute)).await
    }
}

fn add_hit(c: &Connection, scope: &str, subject: &str, minute: i64) -> Result<u32> {
    let mut statement = c.prepare_cached(
        "INSERT INTO rate_window (scope, subject, minute, hits) VALUES (?1, ?2, ?3, 1)
         ON CONFLICT (scope, subject) DO UPDATE SET
             hits = CASE WHEN rate_window.minute = excluded.minute THEN rate_window.hits + 1 ELSE 1 END,
             minute = excluded.minute
         RETURNING hits",
    )?;
    Ok(statement.query_row(params![scope, subject, minute], |row| row.get(0))?)
}

/// The newest window of a subject.
pub fn window(c: &Connection, (scope, subject): &Subject) -> Result<Option<Window>> {
    let mut statement =
        c.prepare_cached("SELECT minute, hits FROM rate_window WHERE scope = ?1 AND subject = ?2")?;
    let window = |row: &Row<'_>| Ok(Window { minute: row.get(0)?, hits: row.get(1)? });
    Ok(statement.query_row(params![scope, subject], window).optional()?)
}

/// Writes the window of a subject.
pub fn put_window(c: &Connection, (scope, subject): &Subject, window: Window) -> Result<()> {
    c.prepare_cached(
        "INSERT OR REPLACE INTO rate_window (scope, subject, minute, hits) VALUES (?1, ?2, ?3, ?4)",
    )?
    .execute(params![scope, subject, window.minute, window.hits])?;
    Ok(())
}
