//! The query string: parsed once, strictly. It can hold secrets, so it has no Debug and is never logged.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use zeroize::Zeroizing;

use super::error::ApiError;
use crate::invalid::Invalid;

/// The parameters of a query.
pub struct Params(Vec<(String, Zeroizing<String>)>);

/// The most parameters that are read.
const MOST: usize = 100;

impl Params {
    /// The value of a parameter; empty ones count as absent.
    pub fn find(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
        found.filter(|value| !value.is_empty())
    }

    /// A value that has to be there.
    pub fn need(&self, name: &str) -> Result<&str, ApiError> {
        self.find(name)
            .ok_or_else(|| Invalid::new(format!("/{name}"), "missing", format!("{name} is needed.")).into())
    }

    /// A flag: `true`, `t`, `1` and their opposites.
    pub fn flag(&self, name: &str, default: bool) -> Result<bool, ApiError> {
        match self.find(name) {
            None => Ok(default),
            Some("true" | "t" | "1") => Ok(true),
            Some("false" | "f" | "0") => Ok(false),
            Some(_) => {
                Err(Invalid::new(format!("/{name}"), "type", format!("{name} has to be true or false."))
                    .into())
            }
        }
    }

    /// A whole number within bounds.
    pub fn number(&self, name: &str, bounds: std::ops::RangeInclusive<u32>) -> Result<Option<u32>, ApiError> {
        let Some(text) = self.find(name) else { return Ok(None) };
        let number = text.parse().ok().filter(|number| bounds.contains(number));
        let detail = format!("{name} has to be a whole number from {} to {}.", bounds.start(), bounds.end());
        number.map(Some).ok_or_else(|| Invalid::new(format!("/{name}"), "range", detail).into())
    }

    /// All parameters in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Reads a query string, or a body in the same notation.
    pub fn parse(text: &[u8]) -> Result<Self, ApiError> {
        let mut known: Vec<(String, Zeroizing<String>)> = Vec::new();
        for (name, value) in form_urlencoded::parse(text) {
            if known.len() == MOST {
                return Err(Invalid::new("", "too_many", "The query has too many parameters.").into());
            }
            if name.contains('\0') || value.contains('\0') {
                return Err(Invalid::new("", "characters", "The query holds a NUL character.").into());
            }
            if known.iter().any(|(earlier, _)| *earlier == name) {
                return Err(Invalid::new("", "duplicate", "A parameter stands twice in the query.").into());
            }
            known.push((name.into_owned(), Zeroizing::new(value.into_owned())));
        }
        Ok(Self(known))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Params {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        Self::parse(parts.uri.query().unwrap_or_default().as_bytes())
    }
}
