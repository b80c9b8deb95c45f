//! One fresh database for each test, on either engine.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use backend::crypto::entropy::SeededEntropy;
use backend::model::{Refusal, Timestamp};
use backend::storage::postgres::PostgresStore;
use backend::storage::sqlite::SqliteStore;
use backend::storage::{CaptureSubmission, Page, Result, Store, Stored, Transaction};
use tokio_postgres::NoTls;

/// The answer to a capture.
pub type Outcome = Result<std::result::Result<Stored, Refusal>>;

/// The time at which tests begin: a full hour.
pub const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);
/// A whole list.
pub const ALL: Page = Page { after: None, limit: 100 };

/// A store on a fresh database.
#[derive(Clone)]
pub struct Db {
    /// The store.
    pub store: Arc<dyn Store>,
    /// Where identities come from.
    pub entropy: Arc<SeededEntropy>,
}

impl Db {
    /// A store to test.
    pub fn over(store: impl Store + 'static) -> Self {
        Self { store: Arc::new(store), entropy: Arc::new(SeededEntropy::new(1)) }
    }

    /// A transaction that may write.
    pub async fn begin(&self) -> Box<dyn Transaction> {
        self.store.begin().await.unwrap()
    }

    /// A snapshot.
    pub async fn read(&self) -> Box<dyn Transaction> {
        self.store.read().await.unwrap()
    }

    /// One capture.
    pub async fn capture(&self, submission: CaptureSubmission) -> Outcome {
        self.store.capture(submission).await
    }

    /// Captures that wait at the same time, so that one batch carries them.
    pub async fn capture_together(&self, submissions: Vec<CaptureSubmission>) -> Vec<Outcome> {
        // SQLite's writer is busy with this transaction until all are in its line; PostgreSQL's lane runs on
        // this thread and comes to its turn after all of them.
        let busy = self.begin().await;
        let spawn = |submission| {
            let store = Arc::clone(&self.store);
            tokio::spawn(async move { store.capture(submission).await })
        };
        let waiting: Vec<_> = submissions.into_iter().map(spawn).collect();
        tokio::task::yield_now().await;
        busy.commit().await.unwrap();
        let mut outcomes = Vec::new();
        for capture in waiting {
            outcomes.push(capture.await.unwrap());
        }
        outcomes
    }
}

/// Runs a test on SQLite.
pub async fn run_on_sqlite<F: Future<Output = ()>>(test: impl FnOnce(Db) -> F) {
    let folder = tempfile::tempdir().unwrap();
    test(Db::over(SqliteStore::open(&folder.path().join("cardamom.db")).unwrap())).await;
}

/// Runs a test on PostgreSQL. The database of a failed test stays, to be looked at.
pub async fn run_on_postgres<F: Future<Output = ()>>(test: impl FnOnce(Db) -> F) {
    let database = Database::create().await;
    test(Db::over(PostgresStore::connect(&database.url).await.unwrap())).await;
    database.delete().await;
}

/// A database of its own on the server that the environment names.
pub struct Database {
    /// Its URL.
    pub url: String,
    name: String,
}

impl Database {
    /// Makes one that is empty.
    pub async fn create() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("cardamom_test_{}_{number}", std::process::id());
        execute(&format!("CREATE DATABASE {name}")).await;
        let mut url = url::Url::parse(&server()).unwrap();
        url.set_path(&name);
        Self { url: url.into(), name }
    }

    /// Deletes it, with what is still connected to it.
    pub async fn delete(self) {
        execute(&format!("DROP DATABASE {} WITH (FORCE)", self.name)).await;
    }
}

/// A connection of the test's own.
pub async fn connect(url: &str) -> tokio_postgres::Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

async fn execute(sql: &str) {
    connect(&server()).await.batch_execute(sql).await.unwrap();
}

#[expect(
    clippy::disallowed_methods,
    clippy::panic,
    reason = "a test has no configuration but its environment"
)]
fn server() -> String {
    std::env::var("CARDAMOM_TEST_DATABASE_URL").unwrap_or_else(|_| {
        panic!("set CARDAMOM_TEST_DATABASE_URL to a PostgreSQL server on which databases may be created")
    })
}
