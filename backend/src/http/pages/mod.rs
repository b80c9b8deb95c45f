//! The pages that cardholders see: the hosted form, what comes after it, and the policy that each is sent with.

mod answer;
mod done;
pub mod form;
mod policy;
mod result;

pub use result::{done, result};
