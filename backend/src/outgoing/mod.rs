//! The one HTTP client for everything the server calls: style sheets now, webhooks later
//! (security rule 21).

mod address;
mod client;

pub use address::{Allowed, is_public};
pub use client::{Answer, Fault, Fetched, Outgoing, OutgoingError};
