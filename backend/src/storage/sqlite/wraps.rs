//! What the root key wrapped, in SQLite.

use async_trait::async_trait;
use rusqlite::{Row, params};

use super::threads::SqliteTransaction;
use crate::crypto::root::wrapped_version;
use crate::storage::wraps::{Stretch, Wrap, WrapPlace, Wraps};
use crate::storage::{Result, StoreError};

#[async_trait]
impl Wraps for SqliteTransaction {
    async fn count_wraps(&mut self, place: WrapPlace) -> Result<Vec<(u32, u64)>> {
        self.run(move |c| {
            let (columns, wrapped) = (place.columns(), place.columns().wrapped);
            let mut statement = c.prepare(&format!(
                "SELECT substr({wrapped}, 1, 4), count(*) FROM {} WHERE length({wrapped}) > 0 GROUP BY 1 ORDER BY 1",
                columns.table
            ))?;
            let rows = statement.query_map([], |row| Ok((row.get::<_, Vec<u8>>(0)?, row.get::<_, i64>(1)?)))?;
            rows.map(|row| {
                let (version, count) = row?;
                let wrong = StoreError::Inconsistent { table: columns.table, what: wrapped };
                let version = wrapped_version(&version).map_err(|_| wrong)?;
                Ok((version, u64::try_from(count).unwrap_or_default()))
            })
            .collect()
        })
        .await
    }

    async fn list_wraps(
        &mut self,
        place: WrapPlace,
        version: u32,
        after: String,
        rows: u32,
    ) -> Result<Option<Stretch>> {
        self.run(move |c| {
            let columns = place.columns();
            let (id, wrapped) = (columns.id, columns.wrapped);
            let (source, merchant, mode) = columns.source();
            let end = format!(
                "SELECT max({id}) FROM (SELECT {id} FROM {} WHERE {id} > ?1 ORDER BY {id} LIMIT ?2)",
                columns.table
            );
            let end = c
                .prepare_cached(&end)?
                .query_row(params![after, rows], |row| row.get::<_, Option<String>>(0))?;
            let Some(end) = end else { return Ok(None) };
            let number = columns.number.map_or_else(|| "0".to_owned(), |number| format!("t.{number}"));
            let mut statement = c.prepare_cached(&format!(
                "SELECT t.{id}, {number}, {merchant}, {mode}, t.{wrapped} FROM {source}
                 WHERE t.{id} > ?1 AND t.{id} <= ?2 AND length(t.{wrapped}) > 0
                     AND substr(t.{wrapped}, 1, 4) < ?3 ORDER BY 1, 2"
            ))?;
            let old = statement.query_map(params![after, end, version.to_be_bytes()], wrap)?;
            Ok(Some(Stretch { old: old.collect::<std::result::Result<_, _>>()?, end }))
        })
        .await
    }

    async fn replace_wraps(&mut self, place: WrapPlace, wraps: Vec<(Wrap, Vec<u8>)>) -> Result<u64> {
        self.run(move |c| {
            let columns = place.columns();
            let number = columns.number.map(|number| format!("AND {number} = ?4")).unwrap_or_default();
            let mut statement = c.prepare_cached(&format!(
                "UPDATE {} SET {wrapped} = ?1 WHERE {} = ?2 AND {wrapped} = ?3 {number}",
                columns.table,
                columns.id,
                wrapped = columns.wrapped
            ))?;
            let mut replaced = 0;
            for (old, new) in wraps {
                let changed = match columns.number {
                    None => statement.execute(params![new, old.record, old.wrapped])?,
                    Some(_) => statement.execute(params![new, old.record, old.wrapped, old.number])?,
                };
                replaced += changed as u64;
            }
            Ok(replaced)
        })
        .await
    }
}

fn wrap(row: &Row<'_>) -> rusqlite::Result<Wrap> {
    Ok(Wrap {
        record: row.get(0)?,
        number: row.get(1)?,
        merchant: row.get(2)?,
        mode: row.get(3)?,
        wrapped: row.get(4)?,
    })
}
