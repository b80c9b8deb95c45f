//! How card data are recognised in what others send: members by their names, numbers by their digits.

mod names;
pub mod scan;

pub use names::{Meaning, is_plain_name, is_same, meaning};
