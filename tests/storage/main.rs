//! Storage tests, written once and run on both engines. The PostgreSQL half needs `CARDAMOM_TEST_DATABASE_URL`
//! and fails without it: an engine that was not tested must not look tested.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "what is missing fails the test")]

/// Runs each named test, `async fn(Db)`, once on each engine.
macro_rules! on_both_engines {
    ($($test:ident,)*) => {
        mod sqlite {
            $(#[tokio::test]
            async fn $test() {
                $crate::engines::run_on_sqlite(super::$test).await;
            })*
        }

        mod postgres {
            $(#[tokio::test]
            async fn $test() {
                $crate::engines::run_on_postgres(super::$test).await;
            })*
        }
    };
}

mod audits;
mod batches;
mod bins;
mod captures;
mod cards;
mod codes;
mod engines;
mod folds;
mod forms;
mod gateway;
mod idempotent_calls;
mod installation;
mod invoices;
mod keys;
mod limits;
mod merchants;
mod nodes;
mod operations;
mod outbox;
mod proxies;
mod requests;
mod retrievals;
mod schema;
mod shop;
mod tls;
mod transactions;
mod wraps;
