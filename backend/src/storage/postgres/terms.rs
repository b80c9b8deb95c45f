//! Terms of security codes, in PostgreSQL.

use async_trait::async_trait;
use tokio_postgres::Row;

use super::rows::Reader;
use super::transaction::PostgresTransaction;
use crate::model::{CardId, CvvTerms, MerchantId, Timestamp};
use crate::storage::{Result, Terms, destinations};

const FIND: &str = "SELECT v.expires_at, v.uses_left, v.destinations, v.deletes_card, v.created_at
                    FROM card_cvv v JOIN card k ON k.id = v.card_id
                    WHERE v.card_id = $1 AND k.merchant_id = $2";

#[async_trait]
impl Terms for PostgresTransaction {
    async fn find_cvv_terms(&mut self, merchant: MerchantId, card: CardId) -> Result<Option<CvvTerms>> {
        self.one(FIND, &[&card.as_str(), &merchant.as_str()]).await?.as_ref().map(terms).transpose()
    }

    async fn lock_cvv_terms(&mut self, merchant: MerchantId, card: CardId) -> Result<Option<CvvTerms>> {
        let sql = format!("{FIND} FOR UPDATE OF v");
        self.one(&sql, &[&card.as_str(), &merchant.as_str()]).await?.as_ref().map(terms).transpose()
    }

    async fn set_cvv_terms(&mut self, merchant: MerchantId, card: CardId, terms: CvvTerms) -> Result<bool> {
        let sql = "UPDATE card_cvv SET expires_at = $3, uses_left = $4, destinations = $5, deletes_card = $6
                   WHERE card_id = $1 AND EXISTS (SELECT 1 FROM card WHERE id = $1 AND merchant_id = $2)";
        let set = self
            .execute(
                sql,
                &[
                    &card.as_str(),
                    &merchant.as_str(),
                    &terms.expires_at.millis(),
                    &i64::from(terms.uses_left),
                    &destinations(&terms),
                    &i64::from(terms.deletes_card),
                ],
            )
            .await?;
        Ok(set == 1)
    }

    async fn delete_cvv(&mut self, merchant: MerchantId, card: CardId) -> Result<bool> {
        let sql = "DELETE FROM card_cvv
                   WHERE card_id = $1 AND EXISTS (SELECT 1 FROM card WHERE id = $1 AND merchant_id = $2)";
        Ok(self.execute(sql, &[&card.as_str(), &merchant.as_str()]).await? == 1)
    }

    async fn cards_that_end(&mut self, now: Timestamp, limit: u32) -> Result<Vec<(MerchantId, CardId)>> {
        let sql = "SELECT k.merchant_id, k.id FROM card_cvv v JOIN card k ON k.id = v.card_id
                   WHERE v.deletes_card = 1 AND v.expires_at <= $1 LIMIT $2";
        let rows = self.all(sql, &[&now.millis(), &i64::from(limit)]).await?;
        let ids = |row: &Row| {
            let row = Reader::new(row, "card");
            Ok((MerchantId::stored(row.get(0)?), CardId::stored(row.get(1)?)))
        };
        rows.iter().map(ids).collect()
    }
}

fn terms(row: &Row) -> Result<CvvTerms> {
    let row = Reader::new(row, "card_cvv");
    let destinations: &str = row.get(2)?;
    Ok(CvvTerms {
        expires_at: row.time(0)?,
        uses_left: row.number(1)?,
        destinations: if destinations.is_empty() {
            Vec::new()
        } else {
            serde_json::from_str(destinations).map_err(|_| row.wrong("destinations"))?
        },
        deletes_card: row.flag(3)?,
        created_at: row.time(4)?,
    })
}
