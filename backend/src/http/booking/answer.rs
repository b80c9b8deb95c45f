//! Answers and errors in JSON or XML, from one description of both.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::xml;
use crate::http::error::{ApiError, Internal, Refused};

/// A value with what JSON and XML need to know of it.
#[derive(Clone, Debug)]
pub enum Node {
    /// Left out in XML, `null` in JSON.
    Nothing,
    /// A text.
    Text(String),
    /// A whole number.
    Number(i64),
    /// Yes or no.
    Flag(bool),
    /// Named members in their order.
    Members(Vec<(&'static str, Self)>),
    /// A list, and the name of its elements in XML.
    List(&'static str, Vec<Self>),
}

/// The body of an error (spec B.1).
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "documents a body that is written from nodes")]
pub struct ErrorBlock {
    /// The interface's number of the kind of error.
    code: i64,
    /// One sentence for a person.
    message: String,
    /// Which values were refused, each with its place.
    more_info: String,
}

/// A successful answer: a status, headers, and a document with the name of its root in XML.
pub struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    document: Option<(&'static str, Node)>,
}

/// The document of an answer, for the layer that knows which notation was asked for.
#[derive(Clone)]
struct Dressed(Arc<(&'static str, Node)>);

impl Node {
    /// A text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// A text that may be missing.
    pub fn maybe(text: Option<String>) -> Self {
        text.map_or(Self::Nothing, Self::Text)
    }

    fn json(&self) -> Value {
        match self {
            Self::Nothing => Value::Null,
            Self::Text(text) => Value::from(text.as_str()),
            Self::Number(number) => Value::from(*number),
            Self::Flag(flag) => Value::from(*flag),
            Self::Members(members) => {
                let members = members.iter().map(|(name, node)| ((*name).to_owned(), node.json()));
                Value::Object(members.collect::<Map<_, _>>())
            }
            Self::List(_, nodes) => Value::Array(nodes.iter().map(Self::json).collect()),
        }
    }
}

impl Answer {
    /// 200 with a document.
    pub fn ok(root: &'static str, node: Node) -> Self {
        Self { status: StatusCode::OK, headers: HeaderMap::new(), document: Some((root, node)) }
    }

    /// A status without a body.
    pub fn empty(status: StatusCode) -> Self {
        Self { status, headers: HeaderMap::new(), document: None }
    }

    /// With another status.
    #[must_use]
    pub fn status(self, status: StatusCode) -> Self {
        Self { status, ..self }
    }

    /// With a header; a value that cannot stand in one is left out.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.insert(name, value);
        }
        self
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let mut response = (self.status, self.headers).into_response();
        if let Some(document) = self.document {
            response.extensions_mut().insert(Dressed(Arc::new(document)));
        }
        response
    }
}

/// Writes answers and errors in the notation that the call accepts: JSON, unless it names XML first.
pub async fn dress(request: Request, next: Next) -> Response {
    let as_xml = prefers_xml(request.headers());
    let response = next.run(request).await;
    if let Some(Dressed(document)) = response.extensions().get::<Dressed>().cloned() {
        return written(response, as_xml, document.0, &document.1);
    }
    let Some(refused) = response.extensions().get::<Refused>().cloned() else { return response };
    let mut response = written(response, as_xml, "ErrorBlock", &error(&refused));
    // The error is whole: without an id in its body, which stands in the header.
    response.extensions_mut().remove::<Internal>();
    response
}

/// A refusal of a layer around these calls, in the notation that the call accepts.
pub fn refusal(headers: &HeaderMap, error: ApiError) -> Response {
    let response = error.into_response();
    let Some(refused) = response.extensions().get::<Refused>().cloned() else { return response };
    let mut response = written(response, prefers_xml(headers), "ErrorBlock", &self::error(&refused));
    response.extensions_mut().remove::<Internal>();
    response
}

fn written(response: Response, as_xml: bool, root: &'static str, node: &Node) -> Response {
    let (mut parts, _) = response.into_parts();
    let (kind, body) = if as_xml {
        ("application/xml; charset=utf-8", xml::write(root, node))
    } else {
        ("application/json", node.json().to_string())
    };
    parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    parts.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(parts, Body::from(body))
}

fn prefers_xml(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kinds = accept.split(',').map(|kind| kind.split(';').next().unwrap_or_default().trim());
    let known = kinds.filter(|kind| {
        ["application/json", "text/json", "application/xml", "text/xml", "*/*"].contains(kind)
    });
    known.map(|kind| kind.ends_with("/xml")).next().unwrap_or(false)
}

/// The error block of the interface (spec B.1, return codes).
fn error(refused: &Refused) -> Node {
    let more: Vec<_> =
        refused.errors.iter().map(|error| format!("{}: {}", error.pointer, error.detail)).collect();
    let reason = refused.errors.first().map_or(refused.code, |error| error.code);
    Node::Members(vec![
        ("code", Node::Number(code(refused.status, reason))),
        ("message", Node::text(&*refused.detail)),
        ("moreInfo", Node::Text(more.join(" "))),
    ])
}

fn code(status: StatusCode, code: &str) -> i64 {
    match (status.as_u16(), code) {
        (400, "malformed") | (413, _) => -123,
        (400, "destination") => -112,
        (400, "too_many") => -174,
        (400, _) => -125,
        (401 | 403, _) => -1003,
        (404, _) => -160,
        (405, _) => -179,
        (408, _) => -175,
        (409 | 422, _) => -168,
        (426 | 429, _) => -180,
        _ => -150,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_known_notation_wins() {
        for (accept, xml) in [
            ("", false),
            ("*/*", false),
            ("application/xml", true),
            ("text/html, text/xml;q=0.9, application/json", true),
            ("application/json, application/xml", false),
            ("image/png", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, HeaderValue::from_str(accept).unwrap());
            assert_eq!(prefers_xml(&headers), xml, "{accept}");
        }
    }
}
