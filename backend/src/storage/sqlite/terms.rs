//! Terms of security codes, in SQLite.

use async_trait::async_trait;
use rusqlite::{OptionalExtension, params};

use super::threads::SqliteTransaction;
use crate::model::{CardId, CvvTerms, MerchantId, Timestamp};
use crate::storage::{Result, StoreError, Terms, destinations};

#[async_trait]
impl Terms for SqliteTransaction {
    async fn find_cvv_terms(&mut self, merchant: MerchantId, card: CardId) -> Result<Option<CvvTerms>> {
        self.run(move |c| {
            let mut statement = c.prepare_cached(
                "SELECT v.expires_at, v.uses_left, v.destinations, v.deletes_card, v.created_at
                 FROM card_cvv v JOIN card k ON k.id = v.card_id WHERE v.card_id = ?1 AND k.merchant_id = ?2",
            )?;
            let found = statement.query_row([card.as_str(), merchant.as_str()], |row| {
                let terms = CvvTerms {
                    expires_at: Timestamp::from_millis(row.get(0)?),
                    uses_left: row.get(1)?,
                    destinations: Vec::new(),
                    deletes_card: row.get(3)?,
                    created_at: Timestamp::from_millis(row.get(4)?),
                };
                Ok((terms, row.get::<_, String>(2)?))
            });
            let Some((terms, destinations)) = found.optional()? else { return Ok(None) };
            if destinations.is_empty() {
                return Ok(Some(terms));
            }
            let destinations = serde_json::from_str(&destinations);
            let wrong = |_| StoreError::Inconsistent { table: "card_cvv", what: "destinations" };
            Ok(Some(CvvTerms { destinations: destinations.map_err(wrong)?, ..terms }))
        })
        .await
    }

    async fn lock_cvv_terms(&mut self, merchant: MerchantId, card: CardId) -> Result<Option<CvvTerms>> {
        // There is one writer.
        self.find_cvv_terms(merchant, card).await
    }

    async fn set_cvv_terms(&mut self, merchant: MerchantId, card: CardId, terms: CvvTerms) -> Result<bool> {
        self.run(move |c| {
            let set = c.execute(
                "UPDATE card_cvv SET expires_at = ?3, uses_left = ?4, destinations = ?5, deletes_card = ?6
                 WHERE card_id = ?1 AND EXISTS (SELECT 1 FROM card WHERE id = ?1 AND merchant_id = ?2)",
                params![
                    card.as_str(),
                    merchant.as_str(),
                    terms.expires_at.millis(),
                    terms.uses_left,
                    destinations(&terms),
                    terms.deletes_card
                ],
            )?;
            Ok(set == 1)
        })
        .await
    }

    async fn delete_cvv(&mut self, merchant: MerchantId, card: CardId) -> Result<bool> {
        self.run(move |c| {
            let deleted = c.execute(
                "DELETE FROM card_cvv
                 WHERE card_id = ?1 AND EXISTS (SELECT 1 FROM card WHERE id = ?1 AND merchant_id = ?2)",
                [card.as_str(), merchant.as_str()],
            )?;
            Ok(deleted == 1)
        })
        .await
    }

    async fn cards_that_end(&mut self, now: Timestamp, limit: u32) -> Result<Vec<(MerchantId, CardId)>> {
        self.run(move |c| {
            let mut statement = c.prepare_cached(
                "SELECT k.merchant_id, k.id FROM card_cvv v JOIN card k ON k.id = v.card_id
                 WHERE v.deletes_card = 1 AND v.expires_at <= ?1 LIMIT ?2",
            )?;
            let rows = statement.query_map(params![now.millis(), limit], |row| {
                Ok((MerchantId::stored(row.get(0)?), CardId::stored(row.get(1)?)))
            })?;
            Ok(rows.collect::<rusqlite::Result<_>>()?)
        })
        .await
    }
}
