//! Cardamom's server: a vault for payment cards with hosted capture forms.
//!
//! `http` calls the use cases (`capture`, `vault`, `invoices` and their like), these call `outbox` and `storage`, and
//! everything speaks the records of `model`. `boot` puts the parts together. ARCHITECTURE.md draws the layers.

pub mod access;
pub mod addresses;
pub mod assets;
pub mod audit;
pub mod bins;
pub mod boot;
pub mod capture;
pub mod card_data;
pub mod cli;
pub mod config;
pub mod core;
pub mod crypto;
pub mod demo;
pub mod gateways;
pub mod http;
pub mod invalid;
pub mod invoices;
pub mod json;
pub mod languages;
pub mod model;
pub mod notify;
pub mod operations;
pub mod outbox;
pub mod outgoing;
pub mod proxy;
pub mod requests;
pub mod retrieve;
pub mod root_key;
pub mod rules;
pub mod storage;
pub mod sweep;
pub mod templates;
pub mod timed_cache;
pub mod tls;
pub mod transactions;
pub mod vault;
pub mod verify;
