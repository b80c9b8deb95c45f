//! Cards, patches and security codes, in PostgreSQL. Rows are read and written by `card_row` and `codes`.

use async_trait::async_trait;
use tokio_postgres::Row;

use super::rows::Reader;
use super::transaction::PostgresTransaction;
use super::{card_row, codes, outbox};
use crate::model::{Card, CardId, CvvKey, CvvKeyId, CvvRecord, KeyId, MerchantId, Patch, Timestamp};
use crate::storage::{Cards, Page, Result, StoreError};

#[async_trait]
impl Cards for PostgresTransaction {
    async fn find_card(
        &mut self,
        merchant: MerchantId,
        key: KeyId,
        token: String,
        reference: String,
    ) -> Result<Option<Card>> {
        let columns = card_row::COLUMNS;
        let sql = format!("SELECT {columns} FROM card WHERE key_id = $1 AND token = $2 AND reference = $3");
        let row = self.one(&sql, &[&key.as_str(), &token, &reference]).await?;
        let card = row.as_ref().map(card_row::read).transpose()?;
        Ok(card.filter(|card| card.merchant == merchant))
    }

    async fn lookup_card(&mut self, merchant: MerchantId, card: CardId) -> Result<Option<Card>> {
        let columns = card_row::COLUMNS;
        let sql = format!("SELECT {columns} FROM card WHERE id = $1 AND merchant_id = $2");
        self.one(&sql, &[&card.as_str(), &merchant.as_str()]).await?.as_ref().map(card_row::read).transpose()
    }

    async fn hold_card(&mut self, merchant: MerchantId, card: CardId) -> Result<bool> {
        let sql = "SELECT 1 FROM card WHERE id = $1 AND merchant_id = $2 FOR KEY SHARE";
        self.any(sql, &[&card.as_str(), &merchant.as_str()]).await
    }

    async fn find_cards_by_token(
        &mut self,
        merchant: MerchantId,
        key: KeyId,
        token: String,
        limit: u32,
    ) -> Result<Vec<Card>> {
        let columns = card_row::COLUMNS;
        let sql = format!(
            "SELECT {columns} FROM card WHERE key_id = $1 AND token = $2 AND merchant_id = $3
             ORDER BY reference LIMIT $4"
        );
        let rows = self.all(&sql, &[&key.as_str(), &token, &merchant.as_str(), &i64::from(limit)]).await?;
        rows.iter().map(card_row::read).collect()
    }

    async fn list_cards(&mut self, merchant: MerchantId, key: KeyId, page: Page) -> Result<Vec<Card>> {
        let columns = card_row::COLUMNS;
        let sql = format!(
            "SELECT {columns} FROM card WHERE key_id = $1 AND id > $2 AND merchant_id = $3 ORDER BY id LIMIT $4"
        );
        let after = page.after.unwrap_or_default();
        let rows =
            self.all(&sql, &[&key.as_str(), &after, &merchant.as_str(), &i64::from(page.limit)]).await?;
        rows.iter().map(card_row::read).collect()
    }

    async fn add_card(&mut self, card: Card) -> Result<()> {
        // A key that is being deleted must not leave cards behind: whoever adds holds the key's row.
        let held = "SELECT 1 FROM vault_key WHERE id = $1 FOR KEY SHARE";
        if !self.any(held, &[&card.key.as_str()]).await? {
            return Err(StoreError::Retry);
        }
        if card_row::insert(self, &[card]).await? == 1 { Ok(()) } else { Err(StoreError::Conflict) }
    }

    async fn patches(&mut self, merchant: MerchantId, card: CardId) -> Result<Vec<Patch>> {
        let sql = "SELECT p.card_id, p.number, p.key_version, p.sealed, p.created_at
                   FROM card_patch p JOIN card k ON k.id = p.card_id
                   WHERE p.card_id = $1 AND k.merchant_id = $2 ORDER BY p.number";
        self.all(sql, &[&card.as_str(), &merchant.as_str()]).await?.iter().map(patch).collect()
    }

    async fn fold_card(&mut self, card: Card) -> Result<bool> {
        fold(self, &card).await
    }

    async fn delete_card(&mut self, merchant: MerchantId, card: CardId) -> Result<()> {
        // What the gateway interface calls the card, and the personal data beside it: before all others, as where a
        // token gets another card.
        let tokens = "DELETE FROM gateway_token WHERE card_id = $1 AND merchant_id = $2";
        self.execute(tokens, &[&card.as_str(), &merchant.as_str()]).await?;
        // Endpoints locked to the card keep its token, which is derived from its number. They come first, as in a
        // batch of captures, so that the two never wait for each other.
        let locked =
            "DELETE FROM capture_endpoint WHERE merchant_id = $2 AND (key_id, lock_token, lock_reference) IN
             (SELECT key_id, token, reference FROM card WHERE id = $1 AND merchant_id = $2)";
        self.execute(locked, &[&card.as_str(), &merchant.as_str()]).await?;
        let sql = "DELETE FROM card WHERE id = $1 AND merchant_id = $2 RETURNING key_id, token, reference";
        if let Some(row) = self.one(sql, &[&card.as_str(), &merchant.as_str()]).await? {
            end_locked(self, &row).await?;
            self.execute("DELETE FROM card_patch WHERE card_id = $1", &[&card.as_str()]).await?;
            self.execute("DELETE FROM card_cvv WHERE card_id = $1", &[&card.as_str()]).await?;
            self.execute("DELETE FROM card_owner WHERE card_id = $1", &[&card.as_str()]).await?;
            self.execute("DELETE FROM proxy_send WHERE card_id = $1", &[&card.as_str()]).await?;
            outbox::erase(self, card.as_str()).await?;
        }
        Ok(())
    }

    async fn find_cvv(&mut self, merchant: MerchantId, card: CardId) -> Result<Option<CvvRecord>> {
        codes::find(self, &merchant, &card).await
    }

    async fn put_cvv(&mut self, cvv: CvvRecord) -> Result<()> {
        // As in `add_card`: a card that is being deleted must not leave its code behind.
        let held = "SELECT 1 FROM card WHERE id = $1 FOR KEY SHARE";
        if !self.any(held, &[&cvv.card.as_str()]).await? {
            return Err(StoreError::Retry);
        }
        codes::put(self, &[cvv]).await
    }

    async fn find_cvv_key(&mut self, hour: i64) -> Result<Option<CvvKey>> {
        codes::find_key(self, hour).await
    }

    async fn lookup_cvv_key(&mut self, id: CvvKeyId) -> Result<Option<CvvKey>> {
        codes::lookup_key(self, &id).await
    }

    async fn add_cvv_key(&mut self, key: CvvKey) -> Result<CvvKey> {
        codes::add_key(self, &key).await
    }

    async fn sweep_cvvs(&mut self, now: Timestamp, hour: i64) -> Result<u64> {
        codes::sweep(self, now, hour).await
    }
}

/// Deletes the endpoints that were locked to a deleted card, those too that were made while it was still held. One that
/// is locked to a token alone goes with the last card of it: its row is waited for, so that of two cards that are
/// deleted at once the second sees that the first is gone.
async fn end_locked(t: &PostgresTransaction, card: &Row) -> Result<()> {
    let row = Reader::new(card, "card");
    let (key, token, reference): (&str, &str, &str) = (row.get(0)?, row.get(1)?, row.get(2)?);
    t.execute(
        "DELETE FROM capture_endpoint WHERE key_id = $1 AND lock_token = $2 AND lock_reference = $3",
        &[&key, &token, &reference],
    )
    .await?;
    t.all(
        "SELECT 1 FROM retrieve_endpoint WHERE key_id = $1 AND lock_token = $2 AND lock_reference IS NULL
         ORDER BY id FOR UPDATE",
        &[&key, &token],
    )
    .await?;
    t.execute(
        "DELETE FROM retrieve_endpoint WHERE key_id = $1 AND lock_token = $2 AND (lock_reference = $3
            OR (lock_reference IS NULL AND NOT EXISTS (SELECT 1 FROM card WHERE key_id = $1 AND token = $2)))",
        &[&key, &token, &reference],
    )
    .await?;
    Ok(())
}

async fn fold(t: &PostgresTransaction, card: &Card) -> Result<bool> {
    let changed = t
        .execute(
            "UPDATE card SET sealed = $1, key_version = $2, expiry_year = $3, expiry_month = $4, holder = $5,
                 version = version + 1, waiting = 0, waiting_bytes = 0, updated_at = $6, network = $11, owner_id = $12
             WHERE id = $7 AND merchant_id = $8 AND version = $9 AND last_patch = $10",
            &[
                &card.sealed,
                &i64::from(card.key_version),
                &card_row::year(&card.shown),
                &card_row::month(&card.shown),
                &card.shown.holder,
                &card.updated_at.millis(),
                &card.id.as_str(),
                &card.merchant.as_str(),
                &i64::from(card.version),
                &i64::from(card.last_patch),
                &card.shown.network.map(shared::Brand::wire),
                &card.shown.owner_id,
            ],
        )
        .await?;
    if changed == 1 {
        t.execute(
            "DELETE FROM card_patch WHERE card_id = $1 AND number <= $2",
            &[&card.id.as_str(), &i64::from(card.last_patch)],
        )
        .await?;
    }
    Ok(changed == 1)
}

fn patch(row: &Row) -> Result<Patch> {
    let row = Reader::new(row, "card_patch");
    Ok(Patch {
        card: CardId::stored(row.get(0)?),
        number: row.number(1)?,
        key_version: row.number(2)?,
        sealed: row.get(3)?,
        created_at: row.time(4)?,
    })
}
