//! Query parameters with names in any case, as these clients write them.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use zeroize::Zeroizing;

use crate::http::error::ApiError;
use crate::http::params::Params;
use crate::invalid::Invalid;

/// The parameters of a call.
pub struct Query(Vec<(String, Zeroizing<String>)>);

impl Query {
    /// The value of a parameter, named in lower case; empty is missing.
    pub fn find(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    /// All parameters but one, as a page's address in another language has them. A value that could be a card number
    /// is left out.
    pub fn others(&self, name: &str) -> Vec<(String, String)> {
        let usable = |(known, value): &&(String, Zeroizing<String>)| {
            known != name && !shared::digits::holds_card_number(value)
        };
        self.0.iter().filter(usable).map(|(known, value)| (known.clone(), value.to_string())).collect()
    }

    /// A flag in any case; `default` where it is missing.
    pub fn flag(&self, name: &str, default: bool) -> Result<bool, ApiError> {
        match self.find(name).map(str::to_lowercase).as_deref() {
            None => Ok(default),
            Some("true" | "t" | "1") => Ok(true),
            Some("false" | "f" | "0") => Ok(false),
            Some(_) => {
                let detail = format!("{name} has to be true or false.");
                Err(Invalid::new(format!("/{name}"), "type", detail).into())
            }
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Query {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let params = Params::from_request_parts(parts, state).await?;
        let mut known: Vec<(String, Zeroizing<String>)> = Vec::new();
        for (name, value) in params.iter() {
            let name = name.to_lowercase();
            if known.iter().any(|(earlier, _)| *earlier == name) {
                return Err(Invalid::new("", "duplicate", "A parameter stands twice in the query.").into());
            }
            known.push((name, Zeroizing::new(value.to_owned())));
        }
        Ok(Self(known))
    }
}
