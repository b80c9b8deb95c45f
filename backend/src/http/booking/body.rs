//! Bodies: a JSON object or an XML document, with names in any case.

use axum::extract::{FromRequest, Request};

use super::xml;
use crate::http::body::read;
use crate::http::error::ApiError;
use crate::json::{JsonError, Members, Value};

/// The members of a body, their names in lower case at every level. An empty body has none.
pub struct Document(pub Members);

impl<S: Send + Sync> FromRequest<S> for Document {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        Ok(Self::parse(&read(request.into_body()).await?)?)
    }
}

impl Document {
    fn parse(body: &[u8]) -> Result<Self, JsonError> {
        let is_xml = body.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'<');
        let members = if is_xml {
            xml::read(std::str::from_utf8(body).map_err(|_| JsonError::NotUtf8)?)?
        } else {
            Members::parse(body)?
        };
        fold(members).map(Self)
    }
}

/// The members with lower-case names; two that differ in case only are one name twice.
fn fold(members: Members) -> Result<Members, JsonError> {
    let mut folded = Members::default();
    for (name, value) in members {
        let name = name.to_lowercase();
        if folded.find(&name).is_some() {
            return Err(JsonError::Duplicate);
        }
        folded.set(&name, fold_value(value)?);
    }
    Ok(folded)
}

fn fold_value(value: Value) -> Result<Value, JsonError> {
    Ok(match value {
        Value::Object(members) => Value::Object(fold(members)?),
        Value::List(values) => Value::List(values.into_iter().map(fold_value).collect::<Result<_, _>>()?),
        other => other,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(body: &str) -> Result<String, JsonError> {
        Document::parse(body.as_bytes()).map(|document| document.0.to_json().to_string())
    }

    #[test]
    fn names_are_read_in_any_case() {
        let expected = r#"{"callbackurl":"x","list":[{"quota":1}]}"#;
        assert_eq!(json(r#"{"CallbackUrl":"x","LIST":[{"Quota":1}]}"#).unwrap(), expected);
        assert_eq!(json(" <Any><CallbackURL>x</CallbackURL></Any>").unwrap(), r#"{"callbackurl":"x"}"#);
        assert_eq!(json("").unwrap(), "{}");
    }

    #[test]
    fn one_name_twice_is_refused() {
        assert_eq!(json(r#"{"TTL":1,"ttl":2}"#), Err(JsonError::Duplicate));
        assert_eq!(json(r#"{"a":[{"B":1,"b":2}]}"#), Err(JsonError::Duplicate));
    }
}
