//! What the surfaces of cards over the phone share (seeds 000 and 001, spec B.1): who calls, bodies in JSON or
//! XML with names in any case, answers and errors in the notation that was asked for.
//!
//! Handlers answer with [`Answer`] and refuse with the `ApiError` of every other surface; [`dress`], a layer
//! around them, gives both the shape that these clients parse.

mod answer;
mod body;
mod caller;
pub mod cardrequest;
mod query;
pub mod report;
pub mod template;
mod uri;
mod xml;

pub use answer::{Answer, ErrorBlock, Node, dress, refusal};
pub use body::Document;
pub use caller::{Booker, session_token};
pub use query::Query;
pub use uri::{card_of_uri, card_uri};
pub use xml::read as read_xml;
