//! The shared engine: PostgreSQL, or a database that speaks its protocol and dialect. Any number of nodes
//! use one database; none keeps state that another needs.
//!
//! SQL stays within what CockroachDB and YugabyteDB accept: no LISTEN/NOTIFY, no advisory locks, no sequences.

mod accounts;
mod address;
mod audits;
mod batch;
mod bins;
mod captures;
mod card_row;
mod cards;
mod chains;
mod codes;
mod connection;
mod endpoint_row;
mod forms;
mod installation;
mod invoices;
mod keys;
mod lane;
mod merchants;
mod migrations;
mod operations;
mod operators;
mod outbox;
mod proxies;
mod requests;
mod retrievals;
mod rows;
mod sandbox;
mod terms;
mod tokens;
mod transaction;
mod transactions;
mod wraps;

use std::sync::Arc;

use async_trait::async_trait;
use deadpool_postgres::Pool;
use tokio::sync::Notify;

use super::{CaptureSubmission, Result, Store, Transaction};
use crate::model::{AuditEntry, Refusal};
use lane::Lane;
pub use migrations::MIGRATIONS;
use transaction::{Access, PostgresTransaction};

/// Connections of a node for its use cases.
pub const POOL: usize = 16;

/// The PostgreSQL engine.
pub struct PostgresStore {
    pool: Pool,
    lane: Lane,
    appended: Arc<Notify>,
}

impl PostgresStore {
    /// Connects, brings the schema up to date, and starts the capture lane. Takes the usual connection URL.
    pub async fn connect(url: &str) -> Result<Self> {
        let address = connection::configure(url)?;
        let pool = connection::pool(&address, POOL)?;
        connection::check_durable(&pool).await?;
        migrations::run(&pool).await?;
        // The lane has connections of its own, so that many use cases cannot hold captures up.
        let lane = Lane::start(connection::pool(&address, lane::CONNECTIONS)?);
        Ok(Self { pool, lane, appended: Arc::default() })
    }
}

#[async_trait]
impl Store for PostgresStore {
    async fn begin(&self) -> Result<Box<dyn Transaction>> {
        let mut transaction = PostgresTransaction::begin(&self.pool, Access::Write).await?;
        transaction.bell = Some(Arc::clone(&self.appended));
        Ok(Box::new(transaction))
    }

    async fn read(&self) -> Result<Box<dyn Transaction>> {
        Ok(Box::new(PostgresTransaction::begin(&self.pool, Access::Read).await?))
    }

    async fn capture(
        &self,
        submission: CaptureSubmission,
    ) -> Result<std::result::Result<super::Stored, Refusal>> {
        let appends = submission.event.is_some();
        let stored = self.lane.capture(submission).await;
        if appends && matches!(stored, Ok(Ok(_))) {
            self.appended.notify_one();
        }
        stored
    }

    async fn record(&self, entry: AuditEntry) -> Result<()> {
        self.lane.record(entry).await
    }

    async fn scrub(&self) -> Result<()> {
        connection::vacuum(&self.pool).await
    }

    fn appended(&self) -> Arc<Notify> {
        Arc::clone(&self.appended)
    }

    async fn health(&self) -> Result<()> {
        self.pool.get().await?.batch_execute("SELECT 1").await?;
        Ok(())
    }
}
