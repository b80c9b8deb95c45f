//! The embedded engine: one SQLite file, one writer thread, a few reader threads.
//!
//! WAL with synchronous=FULL (acknowledged means durable), `secure_delete` on (security rule 12).

mod accounts;
mod audits;
mod batch;
mod bins;
mod captures;
mod cards;
mod chains;
mod endpoint_row;
mod forms;
mod installation;
mod invoices;
mod keys;
mod merchants;
mod operations;
mod operators;
mod outbox;
mod proxies;
mod requests;
mod retrievals;
mod sandbox;
mod terms;
mod threads;
mod tokens;
mod transactions;
mod wraps;

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use rusqlite::{Connection, OpenFlags};
use tokio::sync::{Notify, oneshot};

use super::{CaptureSubmission, Result, Store, StoreError, Stored, Transaction};
use crate::model::{AuditEntry, Refusal};
use threads::{Message, Threads};

/// Migrations in order; a number is never edited after a release.
pub const MIGRATIONS: &[(i64, &str)] = &[
    (1, include_str!("../../../migrations/sqlite/0001_initial.sql")),
    (2, include_str!("../../../migrations/sqlite/0002_form_submit.sql")),
    (3, include_str!("../../../migrations/sqlite/0003_outbox_delivery.sql")),
    (4, include_str!("../../../migrations/sqlite/0004_preferred_network.sql")),
    (5, include_str!("../../../migrations/sqlite/0005_cvv_terms.sql")),
    (6, include_str!("../../../migrations/sqlite/0006_card_requests.sql")),
    (7, include_str!("../../../migrations/sqlite/0007_operations.sql")),
    (8, include_str!("../../../migrations/sqlite/0008_invoices.sql")),
    (9, include_str!("../../../migrations/sqlite/0009_transactions.sql")),
    (10, include_str!("../../../migrations/sqlite/0010_proxy.sql")),
    (11, include_str!("../../../migrations/sqlite/0011_account.sql")),
    (12, include_str!("../../../migrations/sqlite/0012_phone.sql")),
    (14, include_str!("../../../migrations/sqlite/0014_retrieve.sql")),
    (15, include_str!("../../../migrations/sqlite/0015_endpoint_card_types.sql")),
    (16, include_str!("../../../migrations/sqlite/0016_retrieve_rules.sql")),
    (17, include_str!("../../../migrations/sqlite/0017_audit_chain.sql")),
    (18, include_str!("../../../migrations/sqlite/0018_operation_waits.sql")),
    (19, include_str!("../../../migrations/sqlite/0019_waiting_transactions.sql")),
    (21, include_str!("../../../migrations/sqlite/0021_operator_keys.sql")),
    (22, include_str!("../../../migrations/sqlite/0022_card_form.sql")),
];

/// How long a statement waits for another process that writes.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(5);

/// The SQLite engine.
pub struct SqliteStore {
    threads: Threads,
    appended: Arc<Notify>,
}

impl SqliteStore {
    /// Opens or creates the file, brings its schema up to date, and starts the threads.
    pub fn open(path: &Path) -> Result<Self> {
        let mut writer = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE)?;
        restrict(path)?;
        migrate(&mut writer)?;
        let readers = (0..threads::READERS)
            .map(|_| {
                let reader = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
                reader.pragma_update(None, "query_only", true)?;
                Ok(reader)
            })
            .collect::<Result<Vec<_>>>()?;
        Ok(Self { threads: Threads::start(writer, readers)?, appended: Arc::default() })
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn begin(&self) -> Result<Box<dyn Transaction>> {
        self.threads.write(&self.appended)
    }

    async fn read(&self) -> Result<Box<dyn Transaction>> {
        self.threads.read(&self.appended)
    }

    async fn capture(&self, submission: CaptureSubmission) -> Result<std::result::Result<Stored, Refusal>> {
        let (reply, answer) = oneshot::channel();
        let appends = submission.event.is_some();
        self.threads.send(Message::Capture(Box::new(submission), reply))?;
        let stored = answer.await.map_err(|_| StoreError::Closed)?;
        if appends && matches!(stored, Ok(Ok(_))) {
            self.appended.notify_one();
        }
        stored
    }

    async fn record(&self, entry: AuditEntry) -> Result<()> {
        let (reply, answer) = oneshot::channel();
        self.threads.send(Message::Record(Box::new(entry), reply))?;
        answer.await.map_err(|_| StoreError::Closed)?
    }

    async fn scrub(&self) -> Result<()> {
        let (reply, answer) = oneshot::channel();
        self.threads.send(Message::Scrub(reply))?;
        answer.await.map_err(|_| StoreError::Closed)?
    }

    fn appended(&self) -> Arc<Notify> {
        Arc::clone(&self.appended)
    }

    async fn health(&self) -> Result<()> {
        self.read().await?.fact("schema").await.map(drop)
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        match &error {
            rusqlite::Error::SqliteFailure(failure, _)
                if matches!(
                    failure.extended_code,
                    rusqlite::ffi::SQLITE_CONSTRAINT_UNIQUE | rusqlite::ffi::SQLITE_CONSTRAINT_PRIMARYKEY
                ) =>
            {
                Self::Conflict
            }
            // The extended code says what a person needs; messages may quote values.
            rusqlite::Error::SqliteFailure(failure, _) => {
                Self::Engine(format!("SQLite code {}", failure.extended_code))
            }
            _ => Self::Engine(error.to_string()),
        }
    }
}

fn connect(path: &Path, flags: OpenFlags) -> Result<Connection> {
    let connection = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(PATIENCE)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "secure_delete", true)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    // Each commit walks the table of cached pages, so a larger cache makes small batches dearer.
    connection.pragma_update(None, "cache_size", -16_384)?;
    connection.set_prepared_statement_cache_capacity(128);
    Ok(connection)
}

/// The file holds sealed cards only, but nobody else has any business in it.
fn restrict(path: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))
        .map_err(|error| StoreError::Engine(format!("cannot restrict the database file: {error}")))
}

fn migrate(connection: &mut Connection) -> Result<()> {
    let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    let done: i64 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
    for (number, sql) in MIGRATIONS.iter().filter(|(number, _)| *number > done) {
        transaction.execute_batch(sql)?;
        transaction.pragma_update(None, "user_version", number)?;
    }
    transaction.commit()?;
    Ok(())
}
