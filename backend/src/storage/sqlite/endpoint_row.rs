//! The row of a capture endpoint: read and written by calls of its owner and by capture batches.

use rusqlite::{Connection, OptionalExtension, Row, params};
use shared::YearMonth;

use super::merchants::mode;
use crate::model::{CaptureEndpoint, EndpointId, KeyId, Lock, MerchantId, Timestamp};
use crate::storage::{Result, StoreError};

/// The columns, in the order in which `read` takes them.
pub const COLUMNS: &str = "id, unique_id, merchant_id, mode, key_id, key_name, secret_hash, algorithm, lock_token, \
                           lock_reference, reference, return_card_metadata, webhook, expires_at, max_uses, \
                           max_per_minute, uses, window_minute, window_uses, refused, disabled_at, created_at, \
                           card_types, rules, min_expiry";

/// A row as a record.
pub fn read(row: &Row<'_>) -> Result<CaptureEndpoint> {
    let lock = match (row.get::<_, Option<String>>(8)?, row.get::<_, Option<String>>(9)?) {
        (Some(token), reference) => Some(Lock { token, reference: reference.unwrap_or_default() }),
        (None, _) => None,
    };
    Ok(CaptureEndpoint {
        id: EndpointId::stored(row.get(0)?),
        unique_id: row.get(1)?,
        merchant: MerchantId::stored(row.get(2)?),
        mode: mode(&row.get::<_, String>(3)?, "capture_endpoint")?,
        key: KeyId::stored(row.get(4)?),
        key_name: row.get(5)?,
        secret_hash: row.get(6)?,
        algorithm: row.get(7)?,
        lock,
        reference: row.get(10)?,
        return_card_metadata: row.get(11)?,
        webhook: row.get(12)?,
        expires_at: row.get::<_, Option<i64>>(13)?.map(Timestamp::from_millis),
        max_uses: row.get(14)?,
        max_per_minute: row.get(15)?,
        uses: row.get(16)?,
        minute: row.get(17)?,
        minute_uses: row.get(18)?,
        refused: row.get(19)?,
        disabled_at: row.get::<_, Option<i64>>(20)?.map(Timestamp::from_millis),
        created_at: Timestamp::from_millis(row.get(21)?),
        card_types: row.get::<_, String>(22)?.split_ascii_whitespace().map(str::to_owned).collect(),
        rules: row.get(23)?,
        min_expiry: row.get::<_, Option<String>>(24)?.map(|month| read_month(&month)).transpose()?,
    })
}

fn read_month(text: &str) -> Result<YearMonth> {
    YearMonth::read(text).ok_or(StoreError::Inconsistent { table: "capture_endpoint", what: "min_expiry" })
}

/// Adds a row.
pub fn insert(c: &Connection, endpoint: &CaptureEndpoint) -> Result<()> {
    let sql = format!(
        "INSERT INTO capture_endpoint ({COLUMNS})
         VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16,?17,?18,?19,?20,?21,?22,?23,?24,?25)"
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
            endpoint.algorithm,
            endpoint.lock.as_ref().map(|lock| &lock.token),
            endpoint.lock.as_ref().map(|lock| &lock.reference),
            endpoint.reference,
            endpoint.return_card_metadata,
            endpoint.webhook,
            endpoint.expires_at.map(Timestamp::millis),
            endpoint.max_uses,
            endpoint.max_per_minute,
            endpoint.uses,
            endpoint.minute,
            endpoint.minute_uses,
            endpoint.refused,
            endpoint.disabled_at.map(Timestamp::millis),
            endpoint.created_at.millis(),
            endpoint.card_types.join(" "),
            endpoint.rules,
            endpoint.min_expiry.map(YearMonth::written),
        ],
    )?;
    Ok(())
}

/// The endpoint of an incarnation.
pub fn lookup(c: &Connection, id: &EndpointId) -> Result<Option<CaptureEndpoint>> {
    let mut statement = c.prepare_cached(&format!("SELECT {COLUMNS} FROM capture_endpoint WHERE id = ?1"))?;
    statement.query_row([id.as_str()], |row| Ok(read(row))).optional()?.transpose()
}

/// Writes the counters of captures back.
pub fn write_counters(c: &Connection, endpoint: &CaptureEndpoint) -> Result<()> {
    c.prepare_cached(
        "UPDATE capture_endpoint SET uses = ?2, window_minute = ?3, window_uses = ?4 WHERE id = ?1",
    )?
    .execute(params![endpoint.id.as_str(), endpoint.uses, endpoint.minute, endpoint.minute_uses])?;
    Ok(())
}
