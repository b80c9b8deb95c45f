//! Issuers by leading digits, in SQLite.

use async_trait::async_trait;
use rusqlite::params;

use super::threads::SqliteTransaction;
use crate::model::{BinRange, Issuer};
use crate::storage::{Bins, Result};

#[async_trait]
impl Bins for SqliteTransaction {
    async fn add_bins(&mut self, generation: i64, ranges: Vec<BinRange>) -> Result<()> {
        self.run(move |c| {
            let mut statement = c.prepare_cached(
                "INSERT OR REPLACE INTO bin_range (generation, prefix, brand, bank, country, kind, level)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            )?;
            for BinRange { prefix, issuer } in ranges {
                statement.execute(params![
                    generation,
                    prefix,
                    issuer.brand,
                    issuer.bank,
                    issuer.country,
                    issuer.kind,
                    issuer.level
                ])?;
            }
            Ok(())
        })
        .await
    }

    async fn list_bins(&mut self, generation: i64, after: String, limit: u32) -> Result<Vec<BinRange>> {
        self.run(move |c| {
            let mut statement = c.prepare_cached(
                "SELECT prefix, brand, bank, country, kind, level FROM bin_range
                 WHERE generation = ?1 AND prefix > ?2 ORDER BY prefix LIMIT ?3",
            )?;
            let rows = statement.query_map(params![generation, after, limit], |row| {
                let issuer = Issuer {
                    brand: row.get(1)?,
                    bank: row.get(2)?,
                    country: row.get(3)?,
                    kind: row.get(4)?,
                    level: row.get(5)?,
                };
                Ok(BinRange { prefix: row.get(0)?, issuer })
            })?;
            Ok(rows.collect::<rusqlite::Result<_>>()?)
        })
        .await
    }

    async fn sweep_bins(&mut self, before: i64, limit: u32) -> Result<u64> {
        self.run(move |c| {
            let swept = c.execute(
                "DELETE FROM bin_range WHERE (generation, prefix) IN
                 (SELECT generation, prefix FROM bin_range WHERE generation < ?1 LIMIT ?2)",
                params![before, limit],
            )?;
            Ok(u64::try_from(swept).unwrap_or(u64::MAX))
        })
        .await
    }
}
