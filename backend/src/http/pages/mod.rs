//! The pages that cardholders see: the hosted form, what comes after it, and the policy that each is sent with.

mod answer;
mod custom;
mod done;
mod expiry;
mod filled;
pub mod form;
pub mod framed;
mod inline;
pub mod issuer;
mod language;
pub mod link;
mod logo;
pub mod payment;
pub mod policy;
mod result;
pub mod reveal;
mod submitted;

pub use answer::{PAGE_HEADERS, look};
pub use logo::logo;
pub use result::{done, result};
