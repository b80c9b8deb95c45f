//! The language that a call for a page asks for.

use axum::extract::FromRequestParts;
use axum::http::header;
use axum::http::request::Parts;

use super::params::Params;
pub use crate::languages::Asked;

/// The name of the parameter that names the language. It is the page's own and not stored with the card.
pub const LOCALE: &str = "locale";

impl<S: Send + Sync> FromRequestParts<S> for Asked {
    type Rejection = std::convert::Infallible;

    /// A query that cannot be read asks for nothing; who needs it will refuse it.
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let query = Params::parse(parts.uri.query().unwrap_or_default().as_bytes()).ok();
        let accept = parts.headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
        Ok(Self {
            locale: query.and_then(|query| query.find(LOCALE).map(str::to_owned)),
            accept: accept.map(str::to_owned),
        })
    }
}
