//! The row of a card: read and written by calls of its owner and, many at once, by capture batches.

use std::collections::BTreeMap;

use shared::{Brand, Expiry};
use tokio_postgres::Row;

use super::rows::{Reader, column};
use super::transaction::PostgresTransaction;
use crate::model::{Card, CardId, KeyId, MerchantId, Patch, Shown};
use crate::storage::Result;
use crate::storage::plan::Identity;

/// The columns, in the order in which `read` takes them.
pub const COLUMNS: &str = "id, merchant_id, mode, key_id, key_version, token, reference, fingerprint, brand, \
                           first_six, last_four, digits, expiry_year, expiry_month, holder, version, last_patch, waiting, \
                           waiting_bytes, sealed, created_at, updated_at, network, owner_id";

/// A row as a record.
pub fn read(row: &Row) -> Result<Card> {
    let row = Reader::new(row, "card");
    let expiry = match (row.maybe(12)?, row.maybe(13)?) {
        (Some(year), Some(month)) => Some(Expiry::new(year, month).map_err(|_| row.wrong("expiry"))?),
        _ => None,
    };
    Ok(Card {
        id: CardId::stored(row.get(0)?),
        merchant: MerchantId::stored(row.get(1)?),
        mode: row.mode(2)?,
        key: KeyId::stored(row.get(3)?),
        key_version: row.number(4)?,
        token: row.get(5)?,
        reference: row.get(6)?,
        fingerprint: row.get(7)?,
        shown: Shown {
            brand: Brand::from_wire(row.get(8)?),
            network: row.get::<Option<&str>>(22)?.map(Brand::from_wire),
            first_six: row.get(9)?,
            last_four: row.get(10)?,
            digits: row.number(11)?,
            expiry,
            holder: row.get(14)?,
            owner_id: row.get(23)?,
        },
        version: row.number(15)?,
        last_patch: row.number(16)?,
        waiting: row.number(17)?,
        waiting_bytes: row.number(18)?,
        sealed: row.get(19)?,
        created_at: row.time(20)?,
        updated_at: row.time(21)?,
    })
}

/// Inserts cards in their order; answers how many there were room for: those whose identity is taken are
/// left out.
pub async fn insert(t: &PostgresTransaction, cards: &[Card]) -> Result<u64> {
    if cards.is_empty() {
        return Ok(0);
    }
    let sql = format!(
        "INSERT INTO card ({COLUMNS})
         SELECT * FROM UNNEST($1::TEXT[], $2::TEXT[], $3::TEXT[], $4::TEXT[], $5::BIGINT[], $6::TEXT[],
             $7::TEXT[], $8::TEXT[], $9::TEXT[], $10::TEXT[], $11::TEXT[], $12::BIGINT[], $13::BIGINT[],
             $14::BIGINT[], $15::TEXT[], $16::BIGINT[], $17::BIGINT[], $18::BIGINT[], $19::BIGINT[],
             $20::BYTEA[], $21::BIGINT[], $22::BIGINT[], $23::TEXT[], $24::TEXT[])
         ON CONFLICT (key_id, token, reference) DO NOTHING"
    );
    t.execute(
        &sql,
        &[
            &column(cards, |card| card.id.as_str()),
            &column(cards, |card| card.merchant.as_str()),
            &column(cards, |card| card.mode.as_str()),
            &column(cards, |card| card.key.as_str()),
            &column(cards, |card| i64::from(card.key_version)),
            &column(cards, |card| card.token.as_str()),
            &column(cards, |card| card.reference.as_str()),
            &column(cards, |card| card.fingerprint.as_str()),
            &column(cards, |card| card.shown.brand.wire()),
            &column(cards, |card| card.shown.first_six.as_str()),
            &column(cards, |card| card.shown.last_four.as_str()),
            &column(cards, |card| i64::from(card.shown.digits)),
            &column(cards, |card| year(&card.shown)),
            &column(cards, |card| month(&card.shown)),
            &column(cards, |card| card.shown.holder.as_str()),
            &column(cards, |card| i64::from(card.version)),
            &column(cards, |card| i64::from(card.last_patch)),
            &column(cards, |card| i64::from(card.waiting)),
            &column(cards, |card| i64::from(card.waiting_bytes)),
            &column(cards, |card| card.sealed.as_slice()),
            &column(cards, |card| card.created_at.millis()),
            &column(cards, |card| card.updated_at.millis()),
            &column(cards, |card| card.shown.network.map(Brand::wire)),
            &column(cards, |card| card.shown.owner_id.as_str()),
        ],
    )
    .await
}

/// The cards of these identities, locked until the transaction ends.
pub async fn lock(t: &PostgresTransaction, identities: &[Identity]) -> Result<BTreeMap<Identity, Card>> {
    if identities.is_empty() {
        return Ok(BTreeMap::new());
    }
    let columns = COLUMNS.split(", ").map(|name| format!("card.{name}")).collect::<Vec<_>>().join(", ");
    let sql = format!(
        "SELECT {columns} FROM card
         JOIN UNNEST($1::TEXT[], $2::TEXT[], $3::TEXT[]) AS wanted (key_id, token, reference)
             ON card.key_id = wanted.key_id AND card.token = wanted.token AND card.reference = wanted.reference
         ORDER BY card.id FOR UPDATE OF card"
    );
    let rows = t
        .all(
            &sql,
            &[
                &column(identities, |identity| identity.key.as_str()),
                &column(identities, |identity| identity.token.as_str()),
                &column(identities, |identity| identity.reference.as_str()),
            ],
        )
        .await?;
    rows.iter().map(|row| read(row).map(|card| (Identity::of(&card), card))).collect()
}

/// Writes what waiting patches change on the rows of cards.
pub async fn update_counters(t: &PostgresTransaction, cards: &[Card]) -> Result<()> {
    if cards.is_empty() {
        return Ok(());
    }
    t.execute(
        "UPDATE card SET last_patch = n.last_patch, waiting = n.waiting, waiting_bytes = n.waiting_bytes,
             expiry_year = n.expiry_year, expiry_month = n.expiry_month, holder = n.holder,
             updated_at = n.updated_at, network = n.network, owner_id = n.owner_id
         FROM UNNEST($1::TEXT[], $2::BIGINT[], $3::BIGINT[], $4::BIGINT[], $5::BIGINT[], $6::BIGINT[],
             $7::TEXT[], $8::BIGINT[], $9::TEXT[], $10::TEXT[])
             AS n (id, last_patch, waiting, waiting_bytes, expiry_year, expiry_month, holder, updated_at, network, owner_id)
         WHERE card.id = n.id",
        &[
            &column(cards, |card| card.id.as_str()),
            &column(cards, |card| i64::from(card.last_patch)),
            &column(cards, |card| i64::from(card.waiting)),
            &column(cards, |card| i64::from(card.waiting_bytes)),
            &column(cards, |card| year(&card.shown)),
            &column(cards, |card| month(&card.shown)),
            &column(cards, |card| card.shown.holder.as_str()),
            &column(cards, |card| card.updated_at.millis()),
            &column(cards, |card| card.shown.network.map(Brand::wire)),
            &column(cards, |card| card.shown.owner_id.as_str()),
        ],
    )
    .await?;
    Ok(())
}

/// Stores patches; what they change on the rows of cards is written by `update_counters`.
pub async fn add_patches(t: &PostgresTransaction, patches: &[Patch]) -> Result<()> {
    if patches.is_empty() {
        return Ok(());
    }
    t.execute(
        "INSERT INTO card_patch (card_id, number, key_version, sealed, created_at)
         SELECT * FROM UNNEST($1::TEXT[], $2::BIGINT[], $3::BIGINT[], $4::BYTEA[], $5::BIGINT[])",
        &[
            &column(patches, |patch| patch.card.as_str()),
            &column(patches, |patch| i64::from(patch.number)),
            &column(patches, |patch| i64::from(patch.key_version)),
            &column(patches, |patch| patch.sealed.as_slice()),
            &column(patches, |patch| patch.created_at.millis()),
        ],
    )
    .await?;
    Ok(())
}

/// The year of what is shown, as a column.
pub fn year(shown: &Shown) -> Option<i64> {
    shown.expiry.map(|expiry| i64::from(expiry.year()))
}

/// The month of what is shown, as a column.
pub fn month(shown: &Shown) -> Option<i64> {
    shown.expiry.map(|expiry| i64::from(expiry.month()))
}
