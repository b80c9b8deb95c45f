//! The schema's migrations, safe when several nodes start at once: one row tells the number that is reached,
//! and whoever has locked it goes on.

use std::time::Duration;

use deadpool_postgres::{Object, Pool};
use tokio_postgres::error::SqlState;

use crate::storage::{Result, StoreError};

/// Migrations in order; a number is never edited after a release.
pub const MIGRATIONS: &[(i64, &str)] = &[
    (1, include_str!("../../../migrations/postgres/0001_initial.sql")),
    (2, include_str!("../../../migrations/postgres/0002_form_submit.sql")),
    (3, include_str!("../../../migrations/postgres/0003_outbox_delivery.sql")),
    (4, include_str!("../../../migrations/postgres/0004_preferred_network.sql")),
    (5, include_str!("../../../migrations/postgres/0005_cvv_terms.sql")),
    (6, include_str!("../../../migrations/postgres/0006_card_requests.sql")),
    (7, include_str!("../../../migrations/postgres/0007_operations.sql")),
    (8, include_str!("../../../migrations/postgres/0008_invoices.sql")),
    (9, include_str!("../../../migrations/postgres/0009_transactions.sql")),
    (10, include_str!("../../../migrations/postgres/0010_proxy.sql")),
    (11, include_str!("../../../migrations/postgres/0011_account.sql")),
    (12, include_str!("../../../migrations/postgres/0012_phone.sql")),
    (14, include_str!("../../../migrations/postgres/0014_retrieve.sql")),
    (15, include_str!("../../../migrations/postgres/0015_endpoint_card_types.sql")),
    (16, include_str!("../../../migrations/postgres/0016_retrieve_rules.sql")),
    (17, include_str!("../../../migrations/postgres/0017_audit_chain.sql")),
    (18, include_str!("../../../migrations/postgres/0018_operation_waits.sql")),
    (19, include_str!("../../../migrations/postgres/0019_waiting_transactions.sql")),
    (21, include_str!("../../../migrations/postgres/0021_operator_keys.sql")),
    (22, include_str!("../../../migrations/postgres/0022_card_form.sql")),
];

const ATTEMPTS: u32 = 20;

/// `IF NOT EXISTS` is no lock: of several nodes that create at once, all but one can be refused.
const CREATE: &str =
    "CREATE TABLE IF NOT EXISTS schema_migration (id BIGINT PRIMARY KEY, number BIGINT NOT NULL)";
const FIRST: &str = "INSERT INTO schema_migration (id, number) VALUES (1, 0) ON CONFLICT DO NOTHING";

/// Brings the schema up to date.
pub async fn run(pool: &Pool) -> Result<()> {
    for attempt in 1..=ATTEMPTS {
        let connection = pool.get().await?;
        let result = migrate(&connection).await;
        // It goes with its settings, and with what a refusal left open.
        drop(Object::take(connection));
        match result {
            Err(error) if is_race(&error) => {
                tracing::info!(attempt, "another node migrates the schema");
                tokio::time::sleep(Duration::from_millis(50) * attempt).await;
            }
            Err(error) => return Err(error.into()),
            Ok(()) => return Ok(()),
        }
    }
    Err(StoreError::Retry)
}

async fn migrate(connection: &Object) -> std::result::Result<(), tokio_postgres::Error> {
    connection.batch_execute("SET statement_timeout = 0").await?;
    connection.batch_execute(CREATE).await?;
    connection.batch_execute(FIRST).await?;
    connection.batch_execute("BEGIN").await?;
    let row =
        connection.query_one("SELECT number FROM schema_migration WHERE id = 1 FOR UPDATE", &[]).await?;
    let done: i64 = row.try_get(0)?;
    for (number, sql) in MIGRATIONS.iter().filter(|(number, _)| *number > done) {
        connection.batch_execute(sql).await?;
        connection.execute("UPDATE schema_migration SET number = $1 WHERE id = 1", &[number]).await?;
        tracing::info!(number, "migrated the schema");
    }
    connection.batch_execute("COMMIT").await
}

fn is_race(error: &tokio_postgres::Error) -> bool {
    matches!(
        error.code(),
        Some(
            &SqlState::T_R_SERIALIZATION_FAILURE
                | &SqlState::T_R_DEADLOCK_DETECTED
                | &SqlState::UNIQUE_VIOLATION
                | &SqlState::DUPLICATE_TABLE
                | &SqlState::DUPLICATE_OBJECT
        )
    )
}
