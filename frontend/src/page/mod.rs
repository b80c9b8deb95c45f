//! Whole HTML documents, rendered on the server: data in, text out. Nothing here is asynchronous, sets a
//! cookie or knows the store.

mod brand_choice;
mod brand_marks;
mod form;
mod keypad;
mod language;
mod link;
mod logo;
mod notice;
mod pay;
mod picture;
mod shell;

use crate::ui::Face;
use shared::{Field, FieldError, FormRules, Networks, Wording};

pub use form::form_page;
pub use link::{About, Contact, LinkForm, LinkPage, link_page};
pub use notice::{Notice, notice_page};
pub use pay::{Bill, KeptCard, Payment, PaymentPage, PaymentState, Step, payment_page};
pub(crate) use shell::escape;

/// A file that a document loads.
#[derive(Clone, Debug)]
pub struct Asset {
    /// Root-relative address.
    pub url: String,
    /// Subresource integrity, `sha384-…`.
    pub integrity: String,
}

/// The files of the form's document.
#[derive(Clone, Debug)]
pub struct Assets {
    /// The JavaScript side of the wasm, an ES module.
    pub glue: Asset,
    /// The wasm.
    pub wasm: Asset,
    /// `static/page.js`.
    pub page_js: Asset,
    /// `static/keypad.js`.
    pub keypad: Asset,
}

/// How a document looks.
#[derive(Clone, Debug, Default)]
pub struct Look {
    /// The stylesheet of the custom properties that `static/form.css` is written in.
    pub css: String,
    /// `stacked` or `compact`.
    pub layout: String,
    /// `above` or `floating`.
    pub labels: String,
    /// Whether the form shows the picture of the card.
    pub picture: bool,
    /// The merchant's logo.
    pub logo: Option<Logo>,
    /// Whether our own style is left out, so that the merchant's decides alone.
    pub bare: bool,
}

/// A merchant's logo, served by us.
#[derive(Clone, Debug)]
pub struct Logo {
    /// Root-relative address.
    pub url: String,
    /// CSS pixels.
    pub width: u32,
    /// CSS pixels.
    pub height: u32,
    /// Alternative text; empty where the page says it in words.
    pub alt: String,
}

/// The languages among which a person may choose, and what the page's address has besides.
#[derive(Clone, Debug)]
pub struct Choices {
    /// In the order of the list.
    pub choices: Vec<Choice>,
    /// Parameters that the address keeps.
    pub query: Vec<(String, String)>,
}

/// A language to choose.
#[derive(Clone, Debug)]
pub struct Choice {
    /// BCP 47 tag.
    pub tag: String,
    /// What its speakers call it.
    pub name: String,
    /// Whether the page is in it.
    pub chosen: bool,
}

/// Everything that the document of a hosted form shows.
#[derive(Debug)]
pub struct FormPage {
    /// Heading and title.
    pub title: String,
    /// The language of the document.
    pub wording: Wording,
    /// The languages among which the person may choose.
    pub languages: Option<Choices>,
    /// Which fields there are and how they are checked.
    pub rules: FormRules,
    /// Root-relative path that the form posts to.
    pub action: String,
    /// Hidden inputs: endpoint, secret (absent when it is in the fragment), extra members.
    pub hidden: Vec<(String, String)>,
    /// What the visible fields look like.
    pub faces: Vec<(Field, Face)>,
    /// Values kept after a refused plain POST; those of numbers and codes are ignored.
    pub values: Vec<(Field, String)>,
    /// Whether a keypad is shown for number and code.
    pub keypad: bool,
    /// What was refused, per field.
    pub errors: Vec<FieldError>,
    /// The brands to choose between, after a refused plain POST; the chosen one first.
    pub networks: Networks,
    /// The card types that are taken, as their wire names; empty for all.
    pub card_types: Vec<String>,
    /// The lengths of security codes, as `CodeLengths::from_markup` reads them.
    pub codes: String,
    /// A general message above the fields.
    pub alert: Option<String>,
    /// Whether the secret is in the fragment, where only a script can read it (security rule 18).
    pub needs_fragment: bool,
    /// JSON for the scripts, with `<`, U+2028 and U+2029 escaped (security rule 15).
    pub config: String,
    /// How the form looks.
    pub look: Look,
    /// The merchant's CSS, cleaned (security rule 14).
    pub css: Option<String>,
    /// What is told beside the form, where it stands behind a link that was sent.
    pub about: Option<About>,
    /// What is paid by the form, where it is a payment's.
    pub payment: Option<Payment>,
    /// The nonce of the response's policy; hexadecimal.
    pub nonce: String,
    /// The files to load.
    pub assets: Assets,
}

/// Everything that the document of a notice shows.
#[derive(Debug)]
pub struct NoticePage {
    /// Title of the document; the heading is the notice's own.
    pub title: String,
    /// The language of the document.
    pub wording: Wording,
    /// What is told.
    pub kind: Notice,
    /// How the form looks.
    pub look: Look,
    /// The merchant's CSS, cleaned (security rule 14).
    pub css: Option<String>,
    /// The nonce of the response's policy; hexadecimal.
    pub nonce: String,
    /// JSON for `page.js`, escaped as in `FormPage`.
    pub config: Option<String>,
    /// `static/page.js`, where callbacks or messages are to be run.
    pub page_js: Option<Asset>,
}
