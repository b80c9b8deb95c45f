//! The one HTTP client for everything the server calls: style sheets, webhooks, messages that merchants write
//! (security rule 21).

mod address;
mod client;
mod dedicated;
mod lookup;
mod relay;

pub use address::{Allowed, is_public};
pub use client::{Answer, Fault, Fetched, Outgoing, OutgoingError, is_header};
pub use dedicated::Dedicated;
pub use lookup::{Lookup, SystemLookup};
pub use relay::{Relayed, Reply, SMALL};
