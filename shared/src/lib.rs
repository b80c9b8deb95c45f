//! What the form in the browser and the server must agree on: card types, the rules for them, the
//! keys of what is read, and the description of a hosted form. No I/O, no clock, no randomness; small enough for wasm.

pub mod ach;
pub mod brand;
pub mod cvv;
pub mod digits;
pub mod edit;
pub mod entry;
pub mod expiry;
pub mod field;
pub mod holder;
pub mod mask;
pub mod networks;
pub mod number;
pub mod plain;
mod ranges;
pub mod reference;
pub mod texts;

pub use ach::AccountNumber;
pub use brand::Brand;
pub use cvv::{CodeLengths, Cvv};
pub use entry::{Checked, Entry, FieldError, check};
pub use expiry::{Expiry, YearMonth};
pub use field::{ExtraKind, ExtraRule, Field, FieldOptions, FormKind, FormRules};
pub use networks::{Accepted, Networks};
pub use number::{CardNumber, Problem};
pub use texts::{Text, Texts, Wording};
