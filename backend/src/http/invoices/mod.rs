//! The invoice interface (seed 004): merchants under `/payment-invoices` and `/api/payment-invoices`, direct sales
//! under `/payment`. Bodies are JSON:API documents, and so are errors.

mod caller;
pub mod errors;
pub mod invoice;
mod once;
pub mod sale;
pub mod token;

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use zeroize::Zeroizing;

use super::router::App;
use crate::invoices::{Place, Whole, document};

pub use caller::Trade;
pub use errors::dress;
pub use once::once;

/// A JSON:API error document, for the API's description.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "documents a body that is written by hand")]
pub struct ErrorDocument {
    /// Each refused value, or the one refusal.
    errors: Vec<ErrorEntry>,
}

/// One error of a document.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "documents a body that is written by hand")]
pub struct ErrorEntry {
    /// The status as a text.
    status: String,
    /// Stable name of the problem.
    code: String,
    /// The status in words.
    title: String,
    /// One sentence for a person.
    detail: String,
    /// `pointer`: the refused value (RFC 6901).
    #[schema(value_type = Option<Object>)]
    source: Option<()>,
}

fn place(app: &App) -> Place<'_> {
    Place { public_url: &app.public_url, callbacks: &app.callbacks }
}

fn json(status: StatusCode, text: &Zeroizing<String>) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], text.as_bytes().to_vec()).into_response()
}

fn shown(app: &App, status: StatusCode, whole: &Whole) -> Response {
    json(status, &document::whole(&app.public_url, &whole.invoice, &whole.details, app.core.now()))
}
