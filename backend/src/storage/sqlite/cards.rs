//! Cards, patches and security codes, in SQLite. The row functions serve the capture batches too.

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, Row, params};
use shared::{Brand, Expiry};

use super::merchants::mode;
use super::outbox;
use super::threads::SqliteTransaction;
use crate::model::{Card, CardId, CvvKey, CvvKeyId, CvvRecord, KeyId, MerchantId, Patch, Shown, Timestamp};
use crate::storage::{Cards, Page, Result, StoreError};

const COLUMNS: &str = "id, merchant_id, mode, key_id, key_version, token, reference, fingerprint, brand, first_six, \
                       last_four, digits, expiry_year, expiry_month, holder, version, last_patch, waiting, waiting_bytes, \
                       sealed, created_at, updated_at, network, owner_id";

#[async_trait]
impl Cards for SqliteTransaction {
    async fn find_card(
        &mut self,
        merchant: MerchantId,
        key: KeyId,
        token: String,
        reference: String,
    ) -> Result<Option<Card>> {
        self.run(move |c| {
            find(c, &key, &token, &reference).map(|card| card.filter(|found| found.merchant == merchant))
        })
        .await
    }

    async fn lookup_card(&mut self, merchant: MerchantId, id: CardId) -> Result<Option<Card>> {
        self.run(move |c| {
            let sql = format!("SELECT {COLUMNS} FROM card WHERE id = ?1 AND merchant_id = ?2");
            let mut statement = c.prepare_cached(&sql)?;
            let found = statement.query_row([id.as_str(), merchant.as_str()], |row| Ok(card(row)));
            found.optional()?.transpose()
        })
        .await
    }

    async fn hold_card(&mut self, merchant: MerchantId, id: CardId) -> Result<bool> {
        // There is one writer, so that nobody deletes it meanwhile.
        Ok(self.lookup_card(merchant, id).await?.is_some())
    }

    async fn find_cards_by_token(
        &mut self,
        merchant: MerchantId,
        key: KeyId,
        token: String,
        limit: u32,
    ) -> Result<Vec<Card>> {
        self.run(move |c| {
            let mut statement = c.prepare_cached(&format!(
                "SELECT {COLUMNS} FROM card WHERE key_id = ?1 AND token = ?2 AND merchant_id = ?3
                 ORDER BY reference LIMIT ?4"
            ))?;
            let parameters = params![key.as_str(), token, merchant.as_str(), limit];
            let rows = statement.query_map(parameters, |row| Ok(card(row)))?;
            rows.map(|row| row?).collect()
        })
        .await
    }

    async fn list_cards(&mut self, merchant: MerchantId, key: KeyId, page: Page) -> Result<Vec<Card>> {
        self.run(move |c| {
            let mut statement = c.prepare_cached(&format!(
                "SELECT {COLUMNS} FROM card WHERE key_id = ?1 AND id > ?2 AND merchant_id = ?3 ORDER BY id LIMIT ?4"
            ))?;
            let after = page.after.unwrap_or_default();
            let rows = statement
                .query_map(params![key.as_str(), after, merchant.as_str(), page.limit], |row| Ok(card(row)))?;
            rows.map(|row| row?).collect()
        })
        .await
    }

    async fn add_card(&mut self, card: Card) -> Result<()> {
        self.run(move |c| if insert(c, &card)? { Ok(()) } else { Err(StoreError::Conflict) }).await
    }

    async fn patches(&mut self, merchant: MerchantId, card: CardId) -> Result<Vec<Patch>> {
        self.run(move |c| {
            let mut statement = c.prepare_cached(
                "SELECT p.card_id, p.number, p.key_version, p.sealed, p.created_at
                 FROM card_patch p JOIN card k ON k.id = p.card_id
                 WHERE p.card_id = ?1 AND k.merchant_id = ?2 ORDER BY p.number",
            )?;
            let rows = statement.query_map(params![card.as_str(), merchant.as_str()], |row| {
                Ok(Patch {
                    card: CardId::stored(row.get(0)?),
                    number: row.get(1)?,
                    key_version: row.get(2)?,
                    sealed: row.get(3)?,
                    created_at: Timestamp::from_millis(row.get(4)?),
                })
            })?;
            Ok(rows.collect::<std::result::Result<_, _>>()?)
        })
        .await
    }

    async fn fold_card(&mut self, card: Card) -> Result<bool> {
        self.run(move |c| fold(c, &card)).await
    }

    async fn delete_card(&mut self, merchant: MerchantId, card: CardId) -> Result<()> {
        self.run(move |c| {
            // What the gateway interface calls the card, and the personal data beside it.
            c.execute(
                "DELETE FROM gateway_token WHERE card_id = ?1 AND merchant_id = ?2",
                [card.as_str(), merchant.as_str()],
            )?;
            // Endpoints locked to the card keep its token, which is derived from its number.
            c.execute(
                "DELETE FROM capture_endpoint WHERE merchant_id = ?2 AND (key_id, lock_token, lock_reference) IN
                 (SELECT key_id, token, reference FROM card WHERE id = ?1 AND merchant_id = ?2)",
                [card.as_str(), merchant.as_str()],
            )?;
            c.execute(
                "DELETE FROM retrieve_endpoint WHERE id IN
                 (SELECT r.id FROM retrieve_endpoint r JOIN card k ON k.key_id = r.key_id AND k.token = r.lock_token
                  WHERE k.id = ?1 AND k.merchant_id = ?2 AND (r.lock_reference = k.reference
                     OR (r.lock_reference IS NULL AND NOT EXISTS (SELECT 1 FROM card o
                         WHERE o.key_id = k.key_id AND o.token = k.token AND o.id <> k.id))))",
                [card.as_str(), merchant.as_str()],
            )?;
            let deleted = c.execute(
                "DELETE FROM card WHERE id = ?1 AND merchant_id = ?2",
                [card.as_str(), merchant.as_str()],
            )?;
            if deleted == 1 {
                c.execute("DELETE FROM card_patch WHERE card_id = ?1", [card.as_str()])?;
                c.execute("DELETE FROM card_cvv WHERE card_id = ?1", [card.as_str()])?;
                c.execute("DELETE FROM card_owner WHERE card_id = ?1", [card.as_str()])?;
                c.execute("DELETE FROM proxy_send WHERE card_id = ?1", [card.as_str()])?;
                outbox::erase(c, card.as_str())?;
            }
            Ok(())
        })
        .await
    }

    async fn find_cvv(&mut self, merchant: MerchantId, card: CardId) -> Result<Option<CvvRecord>> {
        self.run(move |c| {
            let mut statement = c.prepare_cached(
                "SELECT v.card_id, v.cvv_key_id, v.key_version, v.sealed, v.expires_at, v.uses_left, v.created_at
                 FROM card_cvv v JOIN card k ON k.id = v.card_id WHERE v.card_id = ?1 AND k.merchant_id = ?2",
            )?;
            Ok(statement.query_row([card.as_str(), merchant.as_str()], cvv).optional()?)
        })
        .await
    }

    async fn put_cvv(&mut self, cvv: CvvRecord) -> Result<()> {
        self.run(move |c| put_cvv(c, &cvv)).await
    }

    async fn find_cvv_key(&mut self, hour: i64) -> Result<Option<CvvKey>> {
        self.run(move |c| find_cvv_key(c, hour)).await
    }

    async fn lookup_cvv_key(&mut self, id: CvvKeyId) -> Result<Option<CvvKey>> {
        self.run(move |c| {
            let sql = "SELECT id, hour, wrapped, created_at FROM cvv_key WHERE id = ?1";
            Ok(c.query_row(sql, [id.as_str()], cvv_key).optional()?)
        })
        .await
    }

    async fn add_cvv_key(&mut self, key: CvvKey) -> Result<CvvKey> {
        self.run(move |c| {
            c.execute(
                "INSERT INTO cvv_key (id, hour, wrapped, created_at) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING",
                params![key.id.as_str(), key.hour, key.wrapped, key.created_at.millis()],
            )?;
            find_cvv_key(c, key.hour)?.ok_or(StoreError::Inconsistent { table: "cvv_key", what: "hour" })
        })
        .await
    }

    async fn sweep_cvvs(&mut self, now: Timestamp, hour: i64) -> Result<u64> {
        self.run(move |c| {
            let ended = c.execute(
                "DELETE FROM card_cvv WHERE expires_at <= ?1 AND cvv_key_id IN (SELECT id FROM cvv_key)",
                [now.millis()],
            )?;
            let orphans = sweep_orphans(c)?;
            c.execute(
                "DELETE FROM cvv_key WHERE hour < ?1
                 AND NOT EXISTS (SELECT 1 FROM card_cvv v WHERE v.cvv_key_id = cvv_key.id)
                 AND NOT EXISTS (SELECT 1 FROM proxy_send s WHERE s.cvv_key_id = cvv_key.id)",
                [hour],
            )?;
            Ok(u64::try_from(ended + orphans).unwrap_or(u64::MAX))
        })
        .await
    }
}

/// Deletes codes whose hourly key is not there: nobody can open them. Goes from key to key by the index, since
/// there are many codes and few keys.
fn sweep_orphans(c: &Connection) -> Result<usize> {
    let mut held = c.prepare_cached("SELECT min(cvv_key_id) FROM card_cvv WHERE cvv_key_id > ?1")?;
    let mut orphans = c.prepare_cached(
        "DELETE FROM card_cvv WHERE cvv_key_id = ?1 AND NOT EXISTS (SELECT 1 FROM cvv_key WHERE id = ?1)",
    )?;
    let (mut after, mut deleted) = (String::new(), 0);
    while let Some(key) = held.query_row([&after], |row| row.get::<_, Option<String>>(0))? {
        deleted += orphans.execute([&key])?;
        after = key;
    }
    Ok(deleted)
}

/// The card of an identity.
pub fn find(c: &Connection, key: &KeyId, token: &str, reference: &str) -> Result<Option<Card>> {
    let mut statement = c.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM card WHERE key_id = ?1 AND token = ?2 AND reference = ?3"
    ))?;
    statement.query_row([key.as_str(), token, reference], |row| Ok(card(row))).optional()?.transpose()
}

/// Inserts a card; false where its identity is taken.
pub fn insert(c: &Connection, card: &Card) -> Result<bool> {
    let mut statement = c.prepare_cached(&format!(
        "INSERT INTO card ({COLUMNS})
         VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16,?17,?18,?19,?20,?21,?22,?23,?24)
         ON CONFLICT (key_id, token, reference) DO NOTHING"
    ))?;
    let added = statement.execute(params![
        card.id.as_str(),
        card.merchant.as_str(),
        card.mode.as_str(),
        card.key.as_str(),
        card.key_version,
        card.token,
        card.reference,
        card.fingerprint,
        card.shown.brand.wire(),
        card.shown.first_six,
        card.shown.last_four,
        card.shown.digits,
        card.shown.expiry.map(Expiry::year),
        card.shown.expiry.map(Expiry::month),
        card.shown.holder,
        card.version,
        card.last_patch,
        card.waiting,
        card.waiting_bytes,
        card.sealed,
        card.created_at.millis(),
        card.updated_at.millis(),
        card.shown.network.map(Brand::wire),
        card.shown.owner_id,
    ])?;
    Ok(added == 1)
}

/// Stores a patch; what it changes on the card's row is written by `update_counters`.
pub fn add_patch(c: &Connection, patch: &Patch) -> Result<()> {
    c.prepare_cached(
        "INSERT INTO card_patch (card_id, number, key_version, sealed, created_at) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?
    .execute(params![
        patch.card.as_str(),
        patch.number,
        patch.key_version,
        patch.sealed,
        patch.created_at.millis()
    ])?;
    Ok(())
}

/// Writes what waiting patches change on a card's row.
pub fn update_counters(c: &Connection, card: &Card) -> Result<()> {
    c.prepare_cached(
        "UPDATE card SET last_patch = ?2, waiting = ?3, waiting_bytes = ?4, expiry_year = ?5, expiry_month = ?6,
             holder = ?7, updated_at = ?8, network = ?9, owner_id = ?10 WHERE id = ?1",
    )?
    .execute(params![
        card.id.as_str(),
        card.last_patch,
        card.waiting,
        card.waiting_bytes,
        card.shown.expiry.map(Expiry::year),
        card.shown.expiry.map(Expiry::month),
        card.shown.holder,
        card.updated_at.millis(),
        card.shown.network.map(Brand::wire),
        card.shown.owner_id,
    ])?;
    Ok(())
}

/// Stores a code in place of any older one.
pub fn put_cvv(c: &Connection, cvv: &CvvRecord) -> Result<()> {
    c.prepare_cached(
        "INSERT OR REPLACE INTO card_cvv (card_id, cvv_key_id, key_version, sealed, expires_at, uses_left, created_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?
    .execute(params![
        cvv.card.as_str(),
        cvv.cvv_key.as_str(),
        cvv.key_version,
        cvv.sealed,
        cvv.expires_at.millis(),
        cvv.uses_left,
        cvv.created_at.millis()
    ])?;
    Ok(())
}

fn fold(c: &Connection, card: &Card) -> Result<bool> {
    let changed = c.execute(
        "UPDATE card SET sealed = ?1, key_version = ?2, expiry_year = ?3, expiry_month = ?4, holder = ?5,
             version = version + 1, waiting = 0, waiting_bytes = 0, updated_at = ?6, network = ?11, owner_id = ?12
         WHERE id = ?7 AND merchant_id = ?8 AND version = ?9 AND last_patch = ?10",
        params![
            card.sealed,
            card.key_version,
            card.shown.expiry.map(Expiry::year),
            card.shown.expiry.map(Expiry::month),
            card.shown.holder,
            card.updated_at.millis(),
            card.id.as_str(),
            card.merchant.as_str(),
            card.version,
            card.last_patch,
            card.shown.network.map(Brand::wire),
            card.shown.owner_id,
        ],
    )?;
    if changed == 1 {
        c.execute(
            "DELETE FROM card_patch WHERE card_id = ?1 AND number <= ?2",
            params![card.id.as_str(), card.last_patch],
        )?;
    }
    Ok(changed == 1)
}

fn find_cvv_key(c: &Connection, hour: i64) -> Result<Option<CvvKey>> {
    let sql = "SELECT id, hour, wrapped, created_at FROM cvv_key WHERE hour = ?1";
    Ok(c.query_row(sql, [hour], cvv_key).optional()?)
}

fn cvv_key(row: &Row<'_>) -> rusqlite::Result<CvvKey> {
    Ok(CvvKey {
        id: CvvKeyId::stored(row.get(0)?),
        hour: row.get(1)?,
        wrapped: row.get(2)?,
        created_at: Timestamp::from_millis(row.get(3)?),
    })
}

fn cvv(row: &Row<'_>) -> rusqlite::Result<CvvRecord> {
    Ok(CvvRecord {
        card: CardId::stored(row.get(0)?),
        cvv_key: CvvKeyId::stored(row.get(1)?),
        key_version: row.get(2)?,
        sealed: row.get(3)?,
        expires_at: Timestamp::from_millis(row.get(4)?),
        uses_left: row.get(5)?,
        created_at: Timestamp::from_millis(row.get(6)?),
    })
}

fn card(row: &Row<'_>) -> Result<Card> {
    let expiry = match (row.get::<_, Option<u16>>(12)?, row.get::<_, Option<u8>>(13)?) {
        (Some(year), Some(month)) => Some(
            Expiry::new(year, month)
                .map_err(|_| StoreError::Inconsistent { table: "card", what: "expiry" })?,
        ),
        _ => None,
    };
    Ok(Card {
        id: CardId::stored(row.get(0)?),
        merchant: MerchantId::stored(row.get(1)?),
        mode: mode(&row.get::<_, String>(2)?, "card")?,
        key: KeyId::stored(row.get(3)?),
        key_version: row.get(4)?,
        token: row.get(5)?,
        reference: row.get(6)?,
        fingerprint: row.get(7)?,
        shown: Shown {
            brand: Brand::from_wire(&row.get::<_, String>(8)?),
            network: row.get::<_, Option<String>>(22)?.map(|name| Brand::from_wire(&name)),
            first_six: row.get(9)?,
            last_four: row.get(10)?,
            digits: row.get(11)?,
            expiry,
            holder: row.get(14)?,
            owner_id: row.get(23)?,
        },
        version: row.get(15)?,
        last_patch: row.get(16)?,
        waiting: row.get(17)?,
        waiting_bytes: row.get(18)?,
        sealed: row.get(19)?,
        created_at: Timestamp::from_millis(row.get(20)?),
        updated_at: Timestamp::from_millis(row.get(21)?),
    })
}
