//! A filled form as its page sends it: JSON by the page's script, or the fields of a plain form.

use std::sync::Arc;

use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, StatusCode, header};
use shared::Field;
use zeroize::Zeroizing;

use crate::capture::fill;
use crate::http::body::{FormBody, JsonBody};
use crate::http::error::ApiError;
use crate::http::router::App;

/// The inputs of a page, in the order that they were sent in.
pub struct FilledForm {
    /// Whether the page's script sent them: it is answered in JSON.
    pub by_script: bool,
    texts: Vec<(String, Zeroizing<String>)>,
}

impl FilledForm {
    /// The inputs by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.texts.iter().map(|(name, text)| (name.as_str(), text.as_str()))
    }

    /// The text of an input; empty is missing.
    pub fn find(&self, name: &str) -> Option<&str> {
        self.iter().find(|(known, _)| *known == name).map(|(_, text)| text).filter(|text| !text.is_empty())
    }

    /// All that was sent but secret and security code, to tell a repeated submit from a changed one.
    pub fn content(&self) -> Zeroizing<Vec<u8>> {
        let mut content = Zeroizing::new(Vec::new());
        for (name, text) in self.iter() {
            note(&mut content, name, text);
        }
        content
    }
}

impl FromRequest<Arc<App>> for FilledForm {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, ApiError> {
        check_same_origin(request.headers())?;
        let kind = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let by_script = kind.is_some_and(|kind| kind.starts_with("application/json"));
        let owned = |(name, text): (&str, &str)| (name.to_owned(), Zeroizing::new(text.to_owned()));
        let texts = if by_script {
            let JsonBody(body) = JsonBody::from_request(request, app).await?;
            body.iter().filter_map(|(name, value)| Some((name, value.as_typed()?))).map(owned).collect()
        } else {
            let FormBody(fields) = FormBody::from_request(request, app).await?;
            fields.iter().map(owned).collect()
        };
        Ok(Self { by_script, texts })
    }
}

/// Notes what was sent, so that what was changed can be told. Nothing is derived from a security code.
fn note(content: &mut Vec<u8>, name: &str, text: &str) {
    let plain =
        Field::from_name(name).map_or_else(|| crate::card_data::is_plain_name(name), |of| of != Field::Cvv);
    let listed = [fill::MONTH, fill::YEAR].contains(&name);
    if !(plain || listed) || (fill::OWN.contains(&name) && name != "reference") {
        return;
    }
    for part in [name, text] {
        content.extend_from_slice(&(part.len() as u64).to_be_bytes());
        content.extend_from_slice(part.as_bytes());
    }
}

/// Plain POSTs are checked by Sec-Fetch-Site; Origin is "null" under our referrer policy (security rule 17).
pub fn check_same_origin(headers: &HeaderMap) -> Result<(), ApiError> {
    match headers.get("sec-fetch-site").map(axum::http::HeaderValue::as_bytes) {
        None | Some(b"same-origin") => Ok(()),
        Some(_) => Err(ApiError::new(
            StatusCode::FORBIDDEN,
            "cross_site",
            "This form is sent from its own page only.",
        )),
    }
}
