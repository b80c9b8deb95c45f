//! Issuers by leading digits, in PostgreSQL.

use std::collections::BTreeMap;

use async_trait::async_trait;

use super::rows::{Reader, column};
use super::transaction::PostgresTransaction;
use crate::model::{BinRange, Issuer};
use crate::storage::{Bins, Result};

#[async_trait]
impl Bins for PostgresTransaction {
    async fn add_bins(&mut self, generation: i64, ranges: Vec<BinRange>) -> Result<()> {
        // One statement may not write a row twice.
        let ranges: BTreeMap<String, Issuer> =
            ranges.into_iter().map(|range| (range.prefix, range.issuer)).collect();
        let (prefixes, issuers): (Vec<_>, Vec<_>) = ranges.iter().unzip();
        self.execute(
            "INSERT INTO bin_range (generation, prefix, brand, bank, country, kind, level)
             SELECT $1, * FROM UNNEST($2::TEXT[], $3::TEXT[], $4::TEXT[], $5::TEXT[], $6::TEXT[], $7::TEXT[])
             ON CONFLICT (generation, prefix) DO UPDATE SET brand = excluded.brand, bank = excluded.bank,
                 country = excluded.country, kind = excluded.kind, level = excluded.level",
            &[
                &generation,
                &prefixes,
                &column(&issuers, |issuer| issuer.brand.as_str()),
                &column(&issuers, |issuer| issuer.bank.as_str()),
                &column(&issuers, |issuer| issuer.country.as_str()),
                &column(&issuers, |issuer| issuer.kind.as_str()),
                &column(&issuers, |issuer| issuer.level.as_str()),
            ],
        )
        .await
        .map(drop)
    }

    async fn list_bins(&mut self, generation: i64, after: String, limit: u32) -> Result<Vec<BinRange>> {
        // Digits alone: every collation sorts them alike.
        let sql = "SELECT prefix, brand, bank, country, kind, level FROM bin_range
                   WHERE generation = $1 AND prefix > $2 ORDER BY prefix LIMIT $3";
        let rows = self.all(sql, &[&generation, &after, &i64::from(limit)]).await?;
        rows.iter()
            .map(|row| {
                let row = Reader::new(row, "bin_range");
                let issuer = Issuer {
                    brand: row.get(1)?,
                    bank: row.get(2)?,
                    country: row.get(3)?,
                    kind: row.get(4)?,
                    level: row.get(5)?,
                };
                Ok(BinRange { prefix: row.get(0)?, issuer })
            })
            .collect()
    }

    async fn sweep_bins(&mut self, before: i64, limit: u32) -> Result<u64> {
        let sql = "DELETE FROM bin_range WHERE (generation, prefix) IN
                   (SELECT generation, prefix FROM bin_range WHERE generation < $1 LIMIT $2)";
        self.execute(sql, &[&before, &i64::from(limit)]).await
    }
}
