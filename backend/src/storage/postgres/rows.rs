//! Reading rows with checks, and laying records out as columns for statements over many rows.

use tokio_postgres::Row;
use tokio_postgres::types::FromSql;

use crate::model::{Mode, Timestamp};
use crate::storage::{Result, StoreError};

/// A row of a table. Columns are taken by position.
pub struct Reader<'r> {
    row: &'r Row,
    table: &'static str,
}

impl<'r> Reader<'r> {
    /// A row and the table to name in errors.
    pub fn new(row: &'r Row, table: &'static str) -> Self {
        Self { row, table }
    }

    /// A column as it is: text, bytes, or either that may be missing.
    pub fn get<T: FromSql<'r>>(&self, column: usize) -> Result<T> {
        Ok(self.row.try_get(column)?)
    }

    /// A number; the database keeps all of them as 64 bits.
    pub fn number<T: TryFrom<i64>>(&self, column: usize) -> Result<T> {
        self.fit(self.get(column)?)
    }

    /// A number that may be missing.
    pub fn maybe<T: TryFrom<i64>>(&self, column: usize) -> Result<Option<T>> {
        self.get::<Option<i64>>(column)?.map(|number| self.fit(number)).transpose()
    }

    /// A yes or no.
    pub fn flag(&self, column: usize) -> Result<bool> {
        Ok(self.get::<i64>(column)? != 0)
    }

    /// A time.
    pub fn time(&self, column: usize) -> Result<Timestamp> {
        Ok(Timestamp::from_millis(self.get(column)?))
    }

    /// A time that may be missing.
    pub fn maybe_time(&self, column: usize) -> Result<Option<Timestamp>> {
        Ok(self.get::<Option<i64>>(column)?.map(Timestamp::from_millis))
    }

    /// A mode.
    pub fn mode(&self, column: usize) -> Result<Mode> {
        Mode::parse(self.get(column)?).ok_or_else(|| self.wrong("mode"))
    }

    /// The error of a row that holds what no version of this program wrote.
    pub fn wrong(&self, what: &'static str) -> StoreError {
        StoreError::Inconsistent { table: self.table, what }
    }

    fn fit<T: TryFrom<i64>>(&self, number: i64) -> Result<T> {
        T::try_from(number).map_err(|_| self.wrong("number out of range"))
    }
}

/// One column of many records, for `UNNEST`.
pub fn column<'a, R, T>(records: &'a [R], of: impl Fn(&'a R) -> T) -> Vec<T> {
    records.iter().map(of).collect()
}
