//! An open transaction on a connection of the pool. However it ends, the pool gets no half open connection.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use deadpool_postgres::{Object, Pool};
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use crate::storage::{Result, StoreError, Transaction};

/// No transaction lasts longer (security rule 12): a use case never waits for the network inside one.
const LONGEST: Duration = Duration::from_secs(5);

/// The parameters of a statement.
pub type Params<'p> = &'p [&'p (dyn ToSql + Sync)];

/// What a transaction may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Read one snapshot.
    Read,
    /// Read what is committed, and write.
    Write,
}

impl Access {
    const fn begin(self) -> &'static str {
        match self {
            Self::Read => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
            Self::Write => "BEGIN ISOLATION LEVEL READ COMMITTED",
        }
    }
}

/// An open transaction. Dropping it undoes it.
pub struct PostgresTransaction {
    access: Access,
    connection: Option<Object>,
    started: Instant,
    /// Whether it wrote events.
    pub appended: bool,
    /// Rung after its commit if it did.
    pub bell: Option<Arc<Notify>>,
}

impl PostgresTransaction {
    /// Opens a transaction.
    pub async fn begin(pool: &Pool, access: Access) -> Result<Self> {
        let connection = pool.get().await?;
        // Owned before the first statement: a call that is dropped while it waits leaves nothing in the pool.
        let transaction = Self {
            access,
            connection: Some(connection),
            started: Instant::now(),
            appended: false,
            bell: None,
        };
        transaction.connection()?.batch_execute(access.begin()).await?;
        Ok(transaction)
    }

    /// Runs a statement; answers how many rows it touched.
    pub async fn execute(&self, sql: &str, params: Params<'_>) -> Result<u64> {
        let connection = self.connection()?;
        let statement = connection.prepare_cached(sql).await?;
        Ok(connection.execute(&statement, params).await?)
    }

    /// The rows of a query.
    pub async fn all(&self, sql: &str, params: Params<'_>) -> Result<Vec<Row>> {
        let connection = self.connection()?;
        let statement = connection.prepare_cached(sql).await?;
        Ok(connection.query(&statement, params).await?)
    }

    /// The row of a query that has at most one.
    pub async fn one(&self, sql: &str, params: Params<'_>) -> Result<Option<Row>> {
        Ok(self.all(sql, params).await?.pop())
    }

    /// Whether a query has rows.
    pub async fn any(&self, sql: &str, params: Params<'_>) -> Result<bool> {
        Ok(!self.all(sql, params).await?.is_empty())
    }

    /// Adds a row by a statement that says `ON CONFLICT DO NOTHING`: so a conflict leaves the transaction as
    /// it was, as on the other engine, where PostgreSQL's own refusal would end it.
    pub async fn add(&self, sql: &str, params: Params<'_>) -> Result<()> {
        if self.execute(sql, params).await? == 1 { Ok(()) } else { Err(StoreError::Conflict) }
    }

    /// Makes all changes durable.
    pub async fn finish(mut self) -> Result<()> {
        self.connection()?.batch_execute("COMMIT").await?;
        // Only now is the connection as it came.
        drop(self.connection.take());
        if let Some(bell) = self.bell.take().filter(|_| self.appended) {
            bell.notify_one();
        }
        Ok(())
    }

    /// Undoes all changes and gives the connection back. For a transaction that has no statement under way and that
    /// will be tried again: a new connection would cost more than the batch.
    pub async fn undo(mut self) {
        if let Some(connection) = self.connection.take() {
            end(connection).await;
        }
    }

    fn connection(&self) -> Result<&Object> {
        if self.started.elapsed() > LONGEST {
            return Err(StoreError::Engine("the transaction lasted too long".to_owned()));
        }
        self.connection.as_ref().ok_or(StoreError::Closed)
    }
}

#[async_trait]
impl Transaction for PostgresTransaction {
    async fn commit(self: Box<Self>) -> Result<()> {
        self.finish().await
    }
}

impl Drop for PostgresTransaction {
    fn drop(&mut self) {
        let Some(connection) = self.connection.take() else { return };
        match (self.access, Handle::try_current()) {
            // Nothing hangs on a snapshot, and most end by being dropped: it is ended before the pool has
            // its connection again.
            (Access::Read, Ok(runtime)) => drop(runtime.spawn(end(connection))),
            _ => drop(Object::take(connection)),
        }
    }
}

async fn end(connection: Object) {
    let ended = tokio::time::timeout(LONGEST, connection.batch_execute("ROLLBACK")).await;
    if !matches!(ended, Ok(Ok(()))) {
        drop(Object::take(connection));
    }
}
