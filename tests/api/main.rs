//! API tests: the whole server, driven over its HTTP surface, on both storage engines. The tree follows the
//! API. The PostgreSQL half needs `CARDAMOM_TEST_DATABASE_URL` and fails without it; tests of the command line
//! run the program itself (`CARDAMOM_BIN`, else the one beside these tests).

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "what is missing fails the test"
)]

/// Runs each named test, `async fn(TestApp)`, once on each engine.
macro_rules! on_both_engines {
    ($($test:ident,)*) => {
        mod sqlite {
            $(#[tokio::test]
            async fn $test() {
                Box::pin(super::$test($crate::app::TestApp::on_sqlite().await)).await;
            })*
        }

        mod postgres {
            $(#[tokio::test]
            async fn $test() {
                $crate::app::on_postgres(super::$test).await;
            })*
        }
    };
    // The same with settings of the operator.
    (with $change:ident; $($test:ident,)*) => {
        mod sqlite {
            $(#[tokio::test]
            async fn $test() {
                Box::pin(super::$test($crate::app::TestApp::on_sqlite_with(super::$change).await)).await;
            })*
        }

        mod postgres {
            $(#[tokio::test]
            async fn $test() {
                $crate::app::on_postgres_with(super::$change, super::$test).await;
            })*
        }
    };
}

mod access;
mod account;
mod ach;
mod acquirer;
mod app;
mod audit;
mod audit_program;
mod bins;
mod brands;
mod canary;
mod capture;
mod card_form;
mod cli;
mod client;
mod company;
mod consent;
mod crashes;
mod custody;
mod custom;
mod cvv;
mod database;
mod delivery;
mod errors;
mod extras;
mod form;
mod headers;
mod idempotency;
mod invoice_crashes;
mod invoice_gateways;
mod invoice_money;
mod invoice_sales;
mod invoice_seed;
mod invoice_tokens;
mod invoices;
mod isolation;
mod key;
mod languages;
mod limits;
mod links;
mod locked;
mod openapi;
mod operation_program;
mod operations;
mod operators;
mod pages;
mod paycard;
mod payment_frame;
mod payment_issuer;
mod payment_page;
mod plain_form;
mod process;
mod proxy;
mod proxy_bad;
mod proxy_get;
mod proxy_memory;
mod proxy_queue;
mod proxy_time;
mod receiver;
mod replays;
mod request_changes;
mod requests;
mod resend;
mod retrieve;
mod root_key;
mod root_key_program;
mod rules;
mod seeds;
mod strangers;
mod switched_off;
mod theme;
mod token_life;
mod tokens;
mod transaction_ends;
mod transaction_money;
mod transaction_payer;
mod transaction_queries;
mod transaction_quirks;
mod transaction_returns;
mod transaction_settings;
mod transaction_tables;
mod transaction_trust;
mod transactions;
mod updater;
mod updater_program;
mod vault;
mod verify;
