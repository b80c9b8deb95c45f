//! The HTTP surfaces: routes, extractors, errors and pages. A handler extracts, authorises, calls one use case
//! and converts; it knows neither SQL nor keys.

mod again;
mod asked;
mod assets;
mod body;
pub mod booking;
mod caller;
mod docs;
mod error;
mod gateway;
pub(crate) mod headers;
mod health;
pub mod idempotency;
mod invoices;
mod openapi;
pub(crate) mod pages;
mod params;
mod paycard;
mod proxies;
mod router;
pub mod scripts;
mod sending;
mod v1;

pub use openapi::document;
pub use pages::look;
pub use proxies::Proxies;
pub use router::{App, router};
