//! Connections to PostgreSQL: their settings, the pool, and what its errors mean.

use std::error::Error;
use std::time::Duration;

use deadpool_postgres::{
    Manager, ManagerConfig, Object, Pool, PoolError, RecyclingMethod, Runtime, TimeoutType,
};
use tokio_postgres::error::SqlState;

use super::address::{self, Address};
use crate::storage::{Result, StoreError};

/// Nothing waits longer for a connection.
const PATIENCE: Duration = Duration::from_secs(5);
/// No statement runs longer and no transaction idles longer (security rule 12). Every statement has its index;
/// plans that were made while a table was empty must not go on reading it whole when it has grown.
const LIMITS: &str =
    "-c statement_timeout=5000 -c idle_in_transaction_session_timeout=5000 -c enable_seqscan=off";
/// The tables whose deleted rows must leave the files (security rule 12).
const VACUUM: [&str; 2] = ["VACUUM card_cvv", "VACUUM cvv_key"];

/// Where the database of a connection URL is, with our own settings.
pub fn configure(url: &str) -> Result<Address> {
    let mut address = address::parse(url)?;
    let options = match address.config.get_options() {
        Some(given) => format!("{given} {LIMITS}"),
        None => LIMITS.to_owned(),
    };
    address.config.options(options).connect_timeout(PATIENCE);
    if address.config.get_application_name().is_none() {
        address.config.application_name("cardamom");
    }
    Ok(address)
}

/// A pool of at most `size` connections; they are opened when they are needed.
pub fn pool(address: &Address, size: usize) -> Result<Pool> {
    let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
    Pool::builder(Manager::from_config(address.config.clone(), address.tls.clone(), recycling))
        .max_size(size)
        .runtime(Runtime::Tokio1)
        .wait_timeout(Some(PATIENCE))
        .create_timeout(Some(PATIENCE))
        .build()
        .map_err(|error| StoreError::Engine(format!("cannot build the connection pool: {error}")))
}

/// Refuses a database that answers a commit before it is durable.
pub async fn check_durable(pool: &Pool) -> Result<()> {
    let row = pool.get().await?.query_one("SHOW synchronous_commit", &[]).await?;
    if row.try_get::<_, String>(0)? == "off" {
        return Err(StoreError::Engine("the database has synchronous_commit=off; it must be on".to_owned()));
    }
    Ok(())
}

/// Vacuums the tables of security codes.
pub async fn vacuum(pool: &Pool) -> Result<()> {
    let connection = pool.get().await?;
    let done = vacuum_on(&connection).await;
    // It goes with its longer statement timeout.
    drop(Object::take(connection));
    done
}

async fn vacuum_on(connection: &Object) -> Result<()> {
    connection.batch_execute("SET statement_timeout = 60000").await?;
    for sql in VACUUM {
        match connection.batch_execute(sql).await {
            Err(error) if is_unknown(&error) => {
                tracing::warn!("the database knows no VACUUM: deleted codes stay until its own clean-up");
            }
            done => done?,
        }
    }
    Ok(())
}

fn is_unknown(error: &tokio_postgres::Error) -> bool {
    matches!(error.code(), Some(&SqlState::SYNTAX_ERROR | &SqlState::FEATURE_NOT_SUPPORTED))
}

/// Whether the connection is gone, as opposed to the statement having been refused.
fn is_lost(error: &tokio_postgres::Error) -> bool {
    error.is_closed() || error.source().is_some_and(<dyn Error>::is::<std::io::Error>)
}

impl From<tokio_postgres::Error> for StoreError {
    fn from(error: tokio_postgres::Error) -> Self {
        match error.as_db_error() {
            Some(refusal) => match *refusal.code() {
                SqlState::T_R_SERIALIZATION_FAILURE | SqlState::T_R_DEADLOCK_DETECTED => Self::Retry,
                SqlState::UNIQUE_VIOLATION => Self::Conflict,
                SqlState::CHARACTER_NOT_IN_REPERTOIRE => Self::Text,
                // The code says what a person needs; messages and details may quote values.
                ref code => Self::Engine(format!("SQLSTATE {} ({})", code.code(), refusal.severity())),
            },
            None if is_lost(&error) => {
                tracing::error!(%error, "the connection to the database is lost");
                Self::Closed
            }
            None => Self::Engine(error.to_string()),
        }
    }
}

impl From<PoolError> for StoreError {
    fn from(error: PoolError) -> Self {
        match error {
            PoolError::Backend(error) => match error.as_db_error() {
                Some(refusal) => Self::Engine(format!("cannot connect: SQLSTATE {}", refusal.code().code())),
                None => Self::Engine(format!("cannot connect: {error}")),
            },
            PoolError::Timeout(TimeoutType::Wait) => Self::Engine("no connection became free".to_owned()),
            PoolError::Timeout(_) => Self::Engine("cannot connect in time".to_owned()),
            _ => Self::Closed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_added_to_given_options() {
        let address = configure("postgres://localhost/cards?options=-c%20work_mem%3D8MB").unwrap();
        assert_eq!(address.config.get_options(), Some(format!("-c work_mem=8MB {LIMITS}").as_str()));
    }
}
