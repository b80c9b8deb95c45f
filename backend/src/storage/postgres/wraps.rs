//! What the root key wrapped, in PostgreSQL.

use async_trait::async_trait;
use tokio_postgres::Row;

use super::rows::{Reader, column};
use super::transaction::PostgresTransaction;
use crate::crypto::root::wrapped_version;
use crate::storage::Result;
use crate::storage::wraps::{Stretch, Wrap, WrapPlace, Wraps};

#[async_trait]
impl Wraps for PostgresTransaction {
    async fn count_wraps(&mut self, place: WrapPlace) -> Result<Vec<(u32, u64)>> {
        let (columns, wrapped) = (place.columns(), place.columns().wrapped);
        let sql = format!(
            "SELECT substring({wrapped} FROM 1 FOR 4), count(*) FROM {} WHERE length({wrapped}) > 0
             GROUP BY 1 ORDER BY 1",
            columns.table
        );
        let rows = self.all(&sql, &[]).await?;
        rows.iter()
            .map(|row| {
                let row = Reader::new(row, columns.table);
                let version = wrapped_version(row.get(0)?).map_err(|_| row.wrong(wrapped))?;
                Ok((version, row.number(1)?))
            })
            .collect()
    }

    async fn list_wraps(
        &mut self,
        place: WrapPlace,
        version: u32,
        after: String,
        rows: u32,
    ) -> Result<Option<Stretch>> {
        let columns = place.columns();
        let (id, wrapped) = (columns.id, columns.wrapped);
        let (source, merchant, mode) = columns.source();
        let end = format!(
            "SELECT max(id) FROM (SELECT {id} AS id FROM {} WHERE {id} > $1 ORDER BY {id} LIMIT $2) s",
            columns.table
        );
        let Some(row) = self.one(&end, &[&after, &i64::from(rows)]).await? else { return Ok(None) };
        let Some(end) = Reader::new(&row, columns.table).get::<Option<String>>(0)? else { return Ok(None) };
        let number = columns.number.map_or_else(|| "0::BIGINT".to_owned(), |number| format!("t.{number}"));
        let sql = format!(
            "SELECT t.{id}, {number}, {merchant}, {mode}, t.{wrapped} FROM {source}
             WHERE t.{id} > $1 AND t.{id} <= $2 AND length(t.{wrapped}) > 0
                 AND substring(t.{wrapped} FROM 1 FOR 4) < $3 ORDER BY 1, 2"
        );
        let old = self.all(&sql, &[&after, &end, &version.to_be_bytes().as_slice()]).await?;
        let old = old.iter().map(|row| wrap(row, columns.table)).collect::<Result<_>>()?;
        Ok(Some(Stretch { end, old }))
    }

    async fn replace_wraps(&mut self, place: WrapPlace, wraps: Vec<(Wrap, Vec<u8>)>) -> Result<u64> {
        let columns = place.columns();
        let number = columns.number.map(|number| format!("AND t.{number} = n.number")).unwrap_or_default();
        let sql = format!(
            "UPDATE {} t SET {wrapped} = n.new
             FROM UNNEST($1::TEXT[], $2::BIGINT[], $3::BYTEA[], $4::BYTEA[]) AS n (id, number, old, new)
             WHERE t.{} = n.id AND t.{wrapped} = n.old {number}",
            columns.table,
            columns.id,
            wrapped = columns.wrapped
        );
        self.execute(
            &sql,
            &[
                &column(&wraps, |(old, _)| old.record.as_str()),
                &column(&wraps, |(old, _)| i64::from(old.number)),
                &column(&wraps, |(old, _)| old.wrapped.as_slice()),
                &column(&wraps, |(_, new)| new.as_slice()),
            ],
        )
        .await
    }
}

fn wrap(row: &Row, table: &'static str) -> Result<Wrap> {
    let row = Reader::new(row, table);
    Ok(Wrap {
        record: row.get(0)?,
        number: row.number(1)?,
        merchant: row.get(2)?,
        mode: row.get(3)?,
        wrapped: row.get(4)?,
    })
}
