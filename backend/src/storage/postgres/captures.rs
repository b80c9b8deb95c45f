//! Capture endpoints and limit windows, in PostgreSQL.

use std::collections::{BTreeMap, HashMap};

use async_trait::async_trait;

use super::endpoint_row;
use super::rows::{Reader, column};
use super::transaction::PostgresTransaction;
use crate::model::capture::MAX_REFUSED;
use crate::model::{CaptureEndpoint, EndpointId, MerchantId, Mode, Timestamp};
use crate::storage::plan::{Subject, Window};
use crate::storage::{Captures, Page, Result, StoreError};

#[async_trait]
impl Captures for PostgresTransaction {
    async fn add_endpoint(&mut self, endpoint: CaptureEndpoint) -> Result<()> {
        endpoint_row::insert(self, &endpoint).await
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
        let columns = endpoint_row::COLUMNS;
        let sql = format!("SELECT {columns} FROM capture_endpoint WHERE unique_id = $1");
        self.one(&sql, &[&unique_id]).await?.as_ref().map(endpoint_row::read).transpose()
    }

    async fn list_endpoints(
        &mut self,
        merchant: MerchantId,
        mode: Mode,
        page: Page,
    ) -> Result<Vec<CaptureEndpoint>> {
        let columns = endpoint_row::COLUMNS;
        let sql = format!(
            "SELECT {columns} FROM capture_endpoint
             WHERE merchant_id = $1 AND mode = $2 AND id > $3 ORDER BY id LIMIT $4"
        );
        let after = page.after.unwrap_or_default();
        let rows =
            self.all(&sql, &[&merchant.as_str(), &mode.as_str(), &after, &i64::from(page.limit)]).await?;
        rows.iter().map(endpoint_row::read).collect()
    }

    async fn delete_endpoint(&mut self, merchant: MerchantId, endpoint: EndpointId) -> Result<()> {
        let sql = "DELETE FROM capture_endpoint WHERE id = $1 AND merchant_id = $2";
        self.execute(sql, &[&endpoint.as_str(), &merchant.as_str()]).await?;
        Ok(())
    }

    async fn count_refused(
        &mut self,
        merchant: MerchantId,
        endpoint: EndpointId,
        now: Timestamp,
    ) -> Result<bool> {
        self.execute(
            "UPDATE capture_endpoint SET refused = refused + 1 WHERE id = $1 AND merchant_id = $2",
            &[&endpoint.as_str(), &merchant.as_str()],
        )
        .await?;
        let disabled = self
            .execute(
                "UPDATE capture_endpoint SET disabled_at = $2
                 WHERE id = $1 AND merchant_id = $3 AND refused >= $4 AND disabled_at IS NULL",
                &[&endpoint.as_str(), &now.millis(), &merchant.as_str(), &i64::from(MAX_REFUSED)],
            )
            .await?;
        Ok(disabled == 1)
    }

    async fn sweep_endpoints(&mut self, before: Timestamp, now: Timestamp) -> Result<u64> {
        let swept =
            self.execute("DELETE FROM capture_endpoint WHERE expires_at < $1", &[&before.millis()]).await?;
        self.execute("DELETE FROM rate_window WHERE minute < $1", &[&now.minute()]).await?;
        Ok(swept)
    }

    async fn hits(&mut self, scope: &'static str, subject: String, minute: i64) -> Result<u32> {
        let sql = "SELECT hits FROM rate_window WHERE scope = $1 AND subject = $2 AND minute = $3";
        let row = self.one(sql, &[&scope, &subject, &minute]).await?;
        row.map_or(Ok(0), |row| Reader::new(&row, "rate_window").number(0))
    }

    async fn hit(&mut self, scope: &'static str, subject: String, minute: i64) -> Result<u32> {
        let sql = "INSERT INTO rate_window (scope, subject, minute, hits) VALUES ($1, $2, $3, 1)
                   ON CONFLICT (scope, subject) DO UPDATE SET
                       hits = CASE WHEN rate_window.minute = excluded.minute THEN rate_window.hits + 1 ELSE 1 END,
                       minute = excluded.minute
                   RETURNING hits";
        let row = self.one(sql, &[&scope, &subject, &minute]).await?;
        let row = row.ok_or(StoreError::Inconsistent { table: "rate_window", what: "no row" })?;
        Reader::new(&row, "rate_window").number(0)
    }
}

/// The newest windows of subjects, locked until the transaction ends, so that limits hold across nodes. Where
/// there is none, one begins with the minute and no hits.
pub async fn lock_windows(
    t: &PostgresTransaction,
    wanted: &BTreeMap<Subject, i64>,
) -> Result<HashMap<Subject, Window>> {
    let mut windows = HashMap::new();
    if wanted.is_empty() {
        return Ok(windows);
    }
    let subjects: Vec<_> = wanted.keys().collect();
    let minutes: Vec<i64> = wanted.values().copied().collect();
    // The sorted map gives all batches of all nodes one order of locking.
    let sql = "INSERT INTO rate_window (scope, subject, minute, hits)
               SELECT scope, subject, minute, 0
               FROM UNNEST($1::TEXT[], $2::TEXT[], $3::BIGINT[]) AS n (scope, subject, minute)
               ON CONFLICT (scope, subject) DO UPDATE SET hits = rate_window.hits
               RETURNING scope, subject, minute, hits";
    let scopes = column(&subjects, |(scope, _)| *scope);
    let names = column(&subjects, |(_, subject)| subject.as_str());
    for row in t.all(sql, &[&scopes, &names, &minutes]).await? {
        let row = Reader::new(&row, "rate_window");
        let scope = row.get::<&str>(0)?;
        let scope = scopes.iter().find(|wanted| **wanted == scope).ok_or_else(|| row.wrong("scope"))?;
        windows.insert((*scope, row.get(1)?), Window { minute: row.get(2)?, hits: row.number(3)? });
    }
    Ok(windows)
}

/// Writes locked windows back.
pub async fn put_windows(t: &PostgresTransaction, windows: &[(Subject, Window)]) -> Result<()> {
    if windows.is_empty() {
        return Ok(());
    }
    t.execute(
        "UPDATE rate_window SET minute = n.minute, hits = n.hits
         FROM UNNEST($1::TEXT[], $2::TEXT[], $3::BIGINT[], $4::BIGINT[]) AS n (scope, subject, minute, hits)
         WHERE rate_window.scope = n.scope AND rate_window.subject = n.subject",
        &[
            &column(windows, |((scope, _), _)| *scope),
            &column(windows, |((_, subject), _)| subject.as_str()),
            &column(windows, |(_, window)| window.minute),
            &column(windows, |(_, window)| i64::from(window.hits)),
        ],
    )
    .await?;
    Ok(())
}
