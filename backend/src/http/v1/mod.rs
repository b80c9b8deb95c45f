//! The vault and capture surface (seed 002, spec/vault-and-links.md A).

pub mod account;
pub mod capture;
pub mod company;
pub mod delivery;
pub mod form;
pub mod key;
pub mod operator;
pub mod proxy;
pub mod retrieve;
pub mod rule;
pub mod vault;
pub mod wire;

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use url::Url;

use super::error::ApiError;
use super::params::Params;
use super::router::App;
use crate::invalid::Invalid;
use crate::storage::Page;

/// The header in which a list tells where its next page begins (spec A.1).
const NEXT: HeaderName = HeaderName::from_static("x-pcivault-next-token");
/// The largest page.
const LARGEST_PAGE: u32 = 1_000;

/// The page that a list call asks for: `limit` and `next_token`.
fn page(params: &Params) -> Result<Page, ApiError> {
    // The interface's own default is 65,536; a larger page is cut to ours and followed by the next.
    let limit = params.number("limit", 1..=65_536)?.unwrap_or(LARGEST_PAGE).min(LARGEST_PAGE);
    let after = params.find("next_token").map(str::to_owned);
    if after.as_ref().is_some_and(|after| after.len() > 512) {
        return Err(Invalid::new("/next_token", "unknown", "This is no next_token of ours.").into());
    }
    Ok(Page { after, limit })
}

/// The header that leads to the next page, where this one was full.
fn next(last: Option<String>, got: usize, page: &Page) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let full = u32::try_from(got).is_ok_and(|got| got >= page.limit);
    if let Some(value) = last.filter(|_| full).and_then(|last| HeaderValue::from_str(&last).ok()) {
        headers.insert(NEXT, value);
    }
    headers
}

/// Whether an address may be told events: what can be known before its name is resolved.
pub fn callback_url(app: &App, at: &str, url: &str) -> Result<Url, Invalid> {
    let parsed = Url::parse(url).map_err(|_| Invalid::new(at, "url", "This is no absolute address."))?;
    match app.callbacks.check(&parsed) {
        Ok(()) => Ok(parsed),
        Err(error) => Err(Invalid::new(at, "url", sentence(&error.to_string()))),
    }
}

/// A message of ours as a sentence.
fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| format!("{}{}.", first.to_uppercase(), chars.as_str()))
}

/// Percent-encodes a part of a page token, so that it can stand in a header and between separators.
fn encode(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

/// Reverses `encode`.
fn decode(text: &str) -> String {
    percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned()
}
