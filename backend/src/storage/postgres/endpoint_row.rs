//! The row of a capture endpoint: read and written by calls of its owner and, many at once, by capture batches.

use std::collections::HashMap;

use shared::YearMonth;
use tokio_postgres::Row;

use super::rows::{Reader, column};
use super::transaction::PostgresTransaction;
use crate::model::{CaptureEndpoint, EndpointId, KeyId, Lock, MerchantId, Timestamp};
use crate::storage::Result;

/// The columns, in the order in which `read` takes them.
pub const COLUMNS: &str = "id, unique_id, merchant_id, mode, key_id, key_name, secret_hash, algorithm, lock_token, \
                           lock_reference, reference, return_card_metadata, webhook, expires_at, max_uses, \
                           max_per_minute, uses, window_minute, window_uses, refused, disabled_at, created_at, \
                           card_types, rules, min_expiry";

/// A row as a record.
pub fn read(row: &Row) -> Result<CaptureEndpoint> {
    let row = Reader::new(row, "capture_endpoint");
    let reference = row.get::<Option<String>>(9)?.unwrap_or_default();
    Ok(CaptureEndpoint {
        id: EndpointId::stored(row.get(0)?),
        unique_id: row.get(1)?,
        merchant: MerchantId::stored(row.get(2)?),
        mode: row.mode(3)?,
        key: KeyId::stored(row.get(4)?),
        key_name: row.get(5)?,
        secret_hash: row.get(6)?,
        algorithm: row.get(7)?,
        lock: row.get::<Option<String>>(8)?.map(|token| Lock { token, reference }),
        reference: row.get(10)?,
        return_card_metadata: row.flag(11)?,
        webhook: row.get(12)?,
        expires_at: row.maybe_time(13)?,
        max_uses: row.number(14)?,
        max_per_minute: row.number(15)?,
        uses: row.number(16)?,
        minute: row.get(17)?,
        minute_uses: row.number(18)?,
        refused: row.number(19)?,
        disabled_at: row.maybe_time(20)?,
        created_at: row.time(21)?,
        card_types: row.get::<String>(22)?.split_ascii_whitespace().map(str::to_owned).collect(),
        rules: row.get(23)?,
        min_expiry: match row.get::<Option<&str>>(24)? {
            Some(month) => Some(YearMonth::read(month).ok_or_else(|| row.wrong("min_expiry"))?),
            None => None,
        },
    })
}

/// Adds a row; `Conflict` where its `unique_id` is taken.
pub async fn insert(t: &PostgresTransaction, endpoint: &CaptureEndpoint) -> Result<()> {
    let sql = format!(
        "INSERT INTO capture_endpoint ({COLUMNS})
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21,
             $22, $23, $24, $25)
         ON CONFLICT DO NOTHING"
    );
    t.add(
        &sql,
        &[
            &endpoint.id.as_str(),
            &endpoint.unique_id,
            &endpoint.merchant.as_str(),
            &endpoint.mode.as_str(),
            &endpoint.key.as_str(),
            &endpoint.key_name,
            &endpoint.secret_hash,
            &endpoint.algorithm,
            &endpoint.lock.as_ref().map(|lock| &lock.token),
            &endpoint.lock.as_ref().map(|lock| &lock.reference),
            &endpoint.reference,
            &i64::from(endpoint.return_card_metadata),
            &endpoint.webhook,
            &endpoint.expires_at.map(Timestamp::millis),
            &i64::from(endpoint.max_uses),
            &i64::from(endpoint.max_per_minute),
            &i64::from(endpoint.uses),
            &endpoint.minute,
            &i64::from(endpoint.minute_uses),
            &i64::from(endpoint.refused),
            &endpoint.disabled_at.map(Timestamp::millis),
            &endpoint.created_at.millis(),
            &endpoint.card_types.join(" "),
            &endpoint.rules,
            &endpoint.min_expiry.map(YearMonth::written),
        ],
    )
    .await
}

/// The endpoints of these incarnations, locked until the transaction ends.
pub async fn lock(
    t: &PostgresTransaction,
    ids: impl Iterator<Item = &EndpointId>,
) -> Result<HashMap<EndpointId, CaptureEndpoint>> {
    let ids: Vec<_> = ids.map(EndpointId::as_str).collect();
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let sql = format!("SELECT {COLUMNS} FROM capture_endpoint WHERE id = ANY($1) ORDER BY id FOR UPDATE");
    let rows = t.all(&sql, &[&ids]).await?;
    rows.iter().map(|row| read(row).map(|endpoint| (endpoint.id.clone(), endpoint))).collect()
}

/// Writes the counters of captures back.
pub async fn write_counters(t: &PostgresTransaction, endpoints: &[CaptureEndpoint]) -> Result<()> {
    if endpoints.is_empty() {
        return Ok(());
    }
    t.execute(
        "UPDATE capture_endpoint SET uses = n.uses, window_minute = n.minute, window_uses = n.minute_uses
         FROM UNNEST($1::TEXT[], $2::BIGINT[], $3::BIGINT[], $4::BIGINT[]) AS n (id, uses, minute, minute_uses)
         WHERE capture_endpoint.id = n.id",
        &[
            &column(endpoints, |endpoint| endpoint.id.as_str()),
            &column(endpoints, |endpoint| i64::from(endpoint.uses)),
            &column(endpoints, |endpoint| endpoint.minute),
            &column(endpoints, |endpoint| i64::from(endpoint.minute_uses)),
        ],
    )
    .await?;
    Ok(())
}
