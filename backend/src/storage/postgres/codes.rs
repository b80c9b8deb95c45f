//! Security codes and the hourly keys around them, in PostgreSQL.

use tokio_postgres::Row;

use super::rows::{Reader, column};
use super::transaction::PostgresTransaction;
use crate::model::{CardId, CvvKey, CvvKeyId, CvvRecord, MerchantId, Timestamp};
use crate::storage::{Result, StoreError};

/// The code of a merchant's card.
pub async fn find(
    t: &PostgresTransaction,
    merchant: &MerchantId,
    card: &CardId,
) -> Result<Option<CvvRecord>> {
    let sql =
        "SELECT v.card_id, v.cvv_key_id, v.key_version, v.sealed, v.expires_at, v.uses_left, v.created_at
               FROM card_cvv v JOIN card k ON k.id = v.card_id WHERE v.card_id = $1 AND k.merchant_id = $2";
    t.one(sql, &[&card.as_str(), &merchant.as_str()]).await?.as_ref().map(cvv).transpose()
}

/// Stores codes of different cards, each in place of any older one.
pub async fn put(t: &PostgresTransaction, cvvs: &[CvvRecord]) -> Result<()> {
    if cvvs.is_empty() {
        return Ok(());
    }
    t.execute(
        "INSERT INTO card_cvv (card_id, cvv_key_id, key_version, sealed, expires_at, uses_left, created_at)
         SELECT * FROM UNNEST($1::TEXT[], $2::TEXT[], $3::BIGINT[], $4::BYTEA[], $5::BIGINT[], $6::BIGINT[],
             $7::BIGINT[])
         ON CONFLICT (card_id) DO UPDATE SET cvv_key_id = excluded.cvv_key_id,
             key_version = excluded.key_version, sealed = excluded.sealed, expires_at = excluded.expires_at,
             uses_left = excluded.uses_left, created_at = excluded.created_at,
             destinations = '', deletes_card = 0",
        &[
            &column(cvvs, |cvv| cvv.card.as_str()),
            &column(cvvs, |cvv| cvv.cvv_key.as_str()),
            &column(cvvs, |cvv| i64::from(cvv.key_version)),
            &column(cvvs, |cvv| cvv.sealed.as_slice()),
            &column(cvvs, |cvv| cvv.expires_at.millis()),
            &column(cvvs, |cvv| i64::from(cvv.uses_left)),
            &column(cvvs, |cvv| cvv.created_at.millis()),
        ],
    )
    .await?;
    Ok(())
}

/// The key of an hour.
pub async fn find_key(t: &PostgresTransaction, hour: i64) -> Result<Option<CvvKey>> {
    let sql = "SELECT id, hour, wrapped, created_at FROM cvv_key WHERE hour = $1";
    t.one(sql, &[&hour]).await?.as_ref().map(cvv_key).transpose()
}

/// An hourly key by its id.
pub async fn lookup_key(t: &PostgresTransaction, id: &CvvKeyId) -> Result<Option<CvvKey>> {
    let sql = "SELECT id, hour, wrapped, created_at FROM cvv_key WHERE id = $1";
    t.one(sql, &[&id.as_str()]).await?.as_ref().map(cvv_key).transpose()
}

/// Adds an hourly key if its hour has none; answers the one that stands.
pub async fn add_key(t: &PostgresTransaction, key: &CvvKey) -> Result<CvvKey> {
    t.execute(
        "INSERT INTO cvv_key (id, hour, wrapped, created_at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
        &[&key.id.as_str(), &key.hour, &key.wrapped, &key.created_at.millis()],
    )
    .await?;
    find_key(t, key.hour).await?.ok_or(StoreError::Inconsistent { table: "cvv_key", what: "hour" })
}

/// Deletes codes that ended, codes without their hourly key, and empty keys of hours before `hour`. Answers how
/// many codes.
pub async fn sweep(t: &PostgresTransaction, now: Timestamp, hour: i64) -> Result<u64> {
    let ended = t
        .execute(
            "DELETE FROM card_cvv WHERE expires_at <= $1 AND cvv_key_id IN (SELECT id FROM cvv_key)",
            &[&now.millis()],
        )
        .await?;
    let orphans = sweep_orphans(t).await?;
    t.execute(
        "DELETE FROM cvv_key WHERE hour < $1
         AND NOT EXISTS (SELECT 1 FROM card_cvv v WHERE v.cvv_key_id = cvv_key.id)
         AND NOT EXISTS (SELECT 1 FROM proxy_send s WHERE s.cvv_key_id = cvv_key.id)",
        &[&hour],
    )
    .await?;
    Ok(ended + orphans)
}

/// Deletes codes whose hourly key is not there: nobody can open them. Goes from key to key by the index, since
/// there are many codes and few keys.
async fn sweep_orphans(t: &PostgresTransaction) -> Result<u64> {
    let (mut after, mut deleted) = (String::new(), 0);
    while let Some(key) = next_held(t, &after).await? {
        let sql = "DELETE FROM card_cvv WHERE cvv_key_id = $1
                   AND NOT EXISTS (SELECT 1 FROM cvv_key WHERE id = $1)";
        deleted += t.execute(sql, &[&key]).await?;
        after = key;
    }
    Ok(deleted)
}

/// The next hourly key, by id, that codes name.
async fn next_held(t: &PostgresTransaction, after: &str) -> Result<Option<String>> {
    let sql = "SELECT min(cvv_key_id) FROM card_cvv WHERE cvv_key_id > $1";
    let Some(row) = t.one(sql, &[&after]).await? else { return Ok(None) };
    Reader::new(&row, "card_cvv").get(0)
}

fn cvv(row: &Row) -> Result<CvvRecord> {
    let row = Reader::new(row, "card_cvv");
    Ok(CvvRecord {
        card: CardId::stored(row.get(0)?),
        cvv_key: CvvKeyId::stored(row.get(1)?),
        key_version: row.number(2)?,
        sealed: row.get(3)?,
        expires_at: row.time(4)?,
        uses_left: row.number(5)?,
        created_at: row.time(6)?,
    })
}

fn cvv_key(row: &Row) -> Result<CvvKey> {
    let row = Reader::new(row, "cvv_key");
    Ok(CvvKey {
        id: CvvKeyId::stored(row.get(0)?),
        hour: row.get(1)?,
        wrapped: row.get(2)?,
        created_at: row.time(3)?,
    })
}
