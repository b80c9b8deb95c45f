//! The parts of the form that the server renders and the browser hydrates: the same functions, the same tree.

mod face;
mod field;
mod fields;
mod state;

pub use face::Face;
pub use fields::fields;
pub use state::{Live, Seed, State, text};

/// The id of the element whose content is hydrated.
pub const ROOT: &str = "cardamom-fields";
/// The id of the one `<form>`.
pub const FORM: &str = "cardamom-form";
/// How the id of the second list of a field ends.
pub const SECOND: &str = "_year";
/// The form's attribute that holds the browser's texts, one a line.
pub const TEXTS: &str = "data-texts";
/// The id of the choice between the brands of a co-badged card.
pub const NETWORKS: &str = "cardamom-networks";
/// The name of its radio buttons, and of the stored member (`preferred_network`).
pub const NETWORK: &str = "preferred_network";
/// The id of the live region that tells what is going on.
pub const STATUS: &str = "cardamom-status";
/// The id of the notice that takes the form's place after a success.
pub const SUCCESS: &str = "cardamom-success";
/// The id of the notice that takes the form's place when the link has ended.
pub const GONE: &str = "cardamom-gone";
/// The id of the picture of the card, where a form has one.
pub const PICTURE: &str = "cardamom-picture";

/// The id of a radio button of the choice.
pub fn network_id(place: usize) -> String {
    let mut id = String::from("cardamom-network-");
    id.extend(char::from_digit(u32::try_from(place).unwrap_or(0), 10));
    id
}
