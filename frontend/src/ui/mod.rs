//! The parts of the form that the server renders and the browser hydrates: the same functions, the same tree.

mod field;
mod fields;
mod state;

pub use fields::fields;
pub use state::{Live, Seed, State};

/// The id of the element whose content is hydrated.
pub const ROOT: &str = "cardamom-fields";
/// The id of the one `<form>`.
pub const FORM: &str = "cardamom-form";
/// The id of the live region that tells what is going on.
pub const STATUS: &str = "cardamom-status";
/// The id of the notice that takes the form's place after a success.
pub const SUCCESS: &str = "cardamom-success";
/// The id of the notice that takes the form's place when the link has ended.
pub const GONE: &str = "cardamom-gone";
/// The id of the picture of the card, where a form has one.
pub const PICTURE: &str = "cardamom-picture";
