//! Strict JSON for bodies that hold card data: duplicate names and deep nesting are refused, numbers keep
//! their digits as written, texts are wiped when dropped.

use std::collections::HashSet;
use std::fmt::Write as _;

use serde::de::{Deserializer, Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;
use zeroize::Zeroizing;

/// The largest body, in bytes (spec A.1).
pub const MAX_BYTES: usize = 256 * 1024;
/// The deepest nesting (design.md).
pub const MAX_DEPTH: usize = 32;
/// The most members of one object.
const MAX_MEMBERS: usize = 10_000;

/// How much is read of a text that somebody sent.
const SENT: Limits = Limits { depth: MAX_DEPTH, members: MAX_MEMBERS };
/// What we sealed ourselves is read whatever its size: a card stands one level deeper there than it was sent,
/// and has grown with every change.
const OURS: Limits = Limits { depth: MAX_DEPTH + 1, members: usize::MAX };

/// How deep a text may nest below a level, and how many members an object may have.
#[derive(Clone, Copy)]
struct Limits {
    depth: usize,
    members: usize,
}

/// Why a body was refused. Never says what stood in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// More than `MAX_BYTES`.
    #[error("The body is larger than 256 KB.")]
    TooLarge,
    /// Not UTF-8.
    #[error("The body is not valid UTF-8.")]
    NotUtf8,
    /// Not JSON.
    #[error("The body is not valid JSON.")]
    NotJson,
    /// Not XML, or XML with a document type.
    #[error("The body is not valid XML.")]
    NotXml,
    /// JSON, but no object.
    #[error("The body has to be a JSON object.")]
    NotObject,
    /// A name stands twice in one object.
    #[error("The body names a member twice.")]
    Duplicate,
    /// Nested deeper than `MAX_DEPTH`.
    #[error("The body is nested deeper than 32 levels.")]
    TooDeep,
}

/// A JSON value. No Debug: it may hold card data.
pub enum Value {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number, as it was written.
    Number(Zeroizing<String>),
    /// A text.
    Text(Zeroizing<String>),
    /// A list.
    List(Vec<Self>),
    /// An object.
    Object(Members),
}

/// The members of an object in their order; names are unique.
#[derive(Default)]
pub struct Members(Vec<(String, Value)>);

impl Value {
    /// A text value.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(Zeroizing::new(text.into()))
    }

    /// A number, as it is to be written.
    pub fn number(digits: impl Into<String>) -> Self {
        Self::Number(Zeroizing::new(digits.into()))
    }

    /// As JSON text, wiped when dropped.
    pub fn to_json(&self) -> Zeroizing<String> {
        let mut out = Zeroizing::new(String::new());
        self.write(&mut out);
        out
    }

    /// The text of a text or a number: what a person would have typed.
    pub fn as_typed(&self) -> Option<&str> {
        match self {
            Self::Text(text) | Self::Number(text) => Some(text),
            _ => None,
        }
    }

    /// The text of a text.
    pub fn as_text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    /// The truth of a boolean, or of the words that clients send for one.
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(value) => Some(*value),
            Self::Text(text) => match text.as_str() {
                "true" | "t" | "1" => Some(true),
                "false" | "f" | "0" => Some(false),
                _ => None,
            },
            _ => None,
        }
    }

    /// A second copy. Not Clone, so that copies of card data are seen where they are made.
    #[must_use]
    pub fn copy(&self) -> Self {
        match self {
            Self::Null => Self::Null,
            Self::Bool(value) => Self::Bool(*value),
            Self::Number(digits) => Self::Number(digits.clone()),
            Self::Text(text) => Self::Text(text.clone()),
            Self::List(items) => Self::List(items.iter().map(Self::copy).collect()),
            Self::Object(members) => Self::Object(members.copy()),
        }
    }

    fn write(&self, out: &mut String) {
        match self {
            Self::Null => out.push_str("null"),
            Self::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
            Self::Number(digits) => out.push_str(digits),
            Self::Text(text) => write_text(text, out),
            Self::List(items) => {
                out.push('[');
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    item.write(out);
                }
                out.push(']');
            }
            Self::Object(members) => members.write(out),
        }
    }
}

impl Members {
    /// Reads a body. An empty one is an empty object (design.md).
    pub fn parse(body: &[u8]) -> Result<Self, JsonError> {
        Self::parse_within(body, MAX_BYTES)
    }

    /// The same for a call that may send more bytes.
    pub fn parse_within(body: &[u8], most: usize) -> Result<Self, JsonError> {
        if body.len() > most {
            return Err(JsonError::TooLarge);
        }
        let text = std::str::from_utf8(body).map_err(|_| JsonError::NotUtf8)?;
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        object(text.trim(), SENT)
    }

    /// Reads what `to_json` wrote and we sealed. A card that was stored has to open, so only its form counts.
    pub fn parse_sealed(plaintext: &[u8]) -> Result<Self, JsonError> {
        object(std::str::from_utf8(plaintext).map_err(|_| JsonError::NotUtf8)?, OURS)
    }

    /// The value of a name.
    pub fn find(&self, name: &str) -> Option<&Value> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    /// Takes the value of a name out.
    pub fn take(&mut self, name: &str) -> Option<Value> {
        let place = self.0.iter().position(|(known, _)| known == name)?;
        Some(self.0.remove(place).1)
    }

    /// Sets a value: in place where the name is known, else at the end.
    pub fn set(&mut self, name: &str, value: Value) {
        match self.0.iter_mut().find(|(known, _)| known == name) {
            Some((_, old)) => *old = value,
            None => self.0.push((name.to_owned(), value)),
        }
    }

    /// Keeps the members that a test likes.
    pub fn retain(&mut self, mut keep: impl FnMut(&str, &mut Value) -> bool) {
        self.0.retain_mut(|(name, value)| keep(name, value));
    }

    /// The members in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// A second copy, made where it is needed.
    #[must_use]
    pub fn copy(&self) -> Self {
        self.iter().map(|(name, value)| (name.to_owned(), value.copy())).collect()
    }

    /// As JSON text, wiped when dropped.
    pub fn to_json(&self) -> Zeroizing<String> {
        let mut out = Zeroizing::new(String::with_capacity(256));
        self.write(&mut out);
        out
    }

    fn write(&self, out: &mut String) {
        out.push('{');
        for (index, (name, value)) in self.0.iter().enumerate() {
            if index > 0 {
                out.push(',');
            }
            write_text(name, out);
            out.push(':');
            value.write(out);
        }
        out.push('}');
    }
}

impl IntoIterator for Members {
    type Item = (String, Value);
    type IntoIter = std::vec::IntoIter<Self::Item>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl FromIterator<(String, Value)> for Members {
    fn from_iter<I: IntoIterator<Item = (String, Value)>>(iter: I) -> Self {
        Self(iter.into_iter().collect())
    }
}

fn object(text: &str, limits: Limits) -> Result<Members, JsonError> {
    match parse_value(text, limits)? {
        Value::Object(members) => Ok(members),
        _ => Err(JsonError::NotObject),
    }
}

/// One level at a time: the value's own level is read by serde_json, what is inside stays raw until its turn.
fn parse_value(raw: &str, limits: Limits) -> Result<Value, JsonError> {
    match raw.as_bytes().first() {
        Some(b'{') => parse_object(raw, limits).map(Value::Object),
        Some(b'[') => {
            let items: Vec<&RawValue> = serde_json::from_str(raw).map_err(|_| JsonError::NotJson)?;
            items
                .into_iter()
                .map(|item| parse_value(item.get(), limits.below()?))
                .collect::<Result<_, _>>()
                .map(Value::List)
        }
        Some(b'"') => {
            serde_json::from_str(raw).map(|text: String| Value::text(text)).map_err(|_| JsonError::NotJson)
        }
        _ => match raw {
            "null" => Ok(Value::Null),
            "true" => Ok(Value::Bool(true)),
            "false" => Ok(Value::Bool(false)),
            _ => {
                serde_json::from_str::<serde_json::Number>(raw).map_err(|_| JsonError::NotJson)?;
                Ok(Value::Number(Zeroizing::new(raw.to_owned())))
            }
        },
    }
}

impl Limits {
    fn below(self) -> Result<Self, JsonError> {
        let depth = self.depth.checked_sub(1).ok_or(JsonError::TooDeep)?;
        Ok(Self { depth, ..self })
    }
}

fn parse_object(raw: &str, limits: Limits) -> Result<Members, JsonError> {
    let mut input = serde_json::Deserializer::from_str(raw);
    let pairs = input.deserialize_map(Pairs { most: limits.members }).map_err(|_| JsonError::NotJson)?;
    input.end().map_err(|_| JsonError::NotJson)?;
    let mut seen = HashSet::with_capacity(pairs.len());
    if !pairs.iter().all(|(name, _)| seen.insert(name.as_str())) {
        return Err(JsonError::Duplicate);
    }
    let mut members = Members(Vec::with_capacity(pairs.len()));
    for (name, raw) in &pairs {
        members.0.push((name.clone(), parse_value(raw.get(), limits.below()?)?));
    }
    Ok(members)
}

struct Pairs {
    most: usize,
}

impl<'de> Visitor<'de> for Pairs {
    type Value = Vec<(String, &'de RawValue)>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut pairs = Vec::with_capacity(8);
        while let Some(pair) = map.next_entry::<String, &RawValue>()? {
            if pairs.len() == self.most {
                return Err(A::Error::custom("too many members"));
            }
            pairs.push(pair);
        }
        Ok(pairs)
    }
}

/// Writes a JSON string (RFC 8259, section 7).
fn write_text(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            // Writing to a String cannot fail.
            c if u32::from(c) < 0x20 => drop(write!(out, "\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
}

/// A member's name as it is told again, in a pointer or a list: its beginning, and nothing of one that holds a number.
pub fn told(name: &str) -> String {
    if shared::digits::holds_card_number(name) { "…".to_owned() } else { name.chars().take(60).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(body: &str) -> JsonError {
        Members::parse(body.as_bytes()).err().unwrap()
    }

    #[test]
    fn what_is_written_is_what_was_read() {
        let text = r#"{"a":"x\"\\\nü","n":1.10,"big":4111111111111111,"l":[true,null,{"b":-0.5e3}],"e":{}}"#;
        assert_eq!(Members::parse(text.as_bytes()).unwrap().to_json().as_str(), text);
    }

    #[test]
    fn an_empty_body_is_an_empty_object() {
        assert!(Members::parse(b"").unwrap().is_empty());
        assert!(Members::parse(b" \n").unwrap().is_empty());
    }

    #[test]
    fn what_is_no_strict_object_is_refused() {
        assert_eq!(error("[1]"), JsonError::NotObject);
        assert_eq!(error("\"x\""), JsonError::NotObject);
        assert_eq!(error("{"), JsonError::NotJson);
        assert_eq!(error("{}x"), JsonError::NotJson);
        assert_eq!(error("{\"a\":01}"), JsonError::NotJson);
        assert_eq!(error("{\"a\":1,\"a\":2}"), JsonError::Duplicate);
        assert_eq!(error("{\"o\":{\"a\":1,\"\\u0061\":2}}"), JsonError::Duplicate);
        assert_eq!(Members::parse(b"{\"a\":\"\xff\"}").err(), Some(JsonError::NotUtf8));
        assert_eq!(Members::parse(&vec![b' '; MAX_BYTES + 1]).err(), Some(JsonError::TooLarge));
    }

    #[test]
    fn nesting_ends_at_thirty_two() {
        let nested = |levels: usize| format!("{{\"a\":{}1{}}}", "[".repeat(levels), "]".repeat(levels));
        assert!(Members::parse(nested(MAX_DEPTH - 1).as_bytes()).is_ok());
        assert_eq!(error(&nested(MAX_DEPTH)), JsonError::TooDeep);
        assert_eq!(error(&nested(100_000)), JsonError::TooDeep);
    }

    #[test]
    fn what_was_sealed_is_read_whatever_its_size() {
        let long = format!("{{\"m\":{{\"a\":\"{}\"}}}}", "x".repeat(2 * MAX_BYTES));
        assert!(Members::parse_sealed(long.as_bytes()).is_ok());
        let deep = format!("{{\"m\":{{\"a\":{}1{}}}}}", "[".repeat(MAX_DEPTH - 1), "]".repeat(MAX_DEPTH - 1));
        assert!(Members::parse_sealed(deep.as_bytes()).is_ok());
        let many: Vec<_> = (0..=MAX_MEMBERS).map(|number| format!("\"{number}\":1")).collect();
        let many = format!("{{{}}}", many.join(","));
        assert!(Members::parse_sealed(many.as_bytes()).is_ok());
        assert_eq!(error(&many), JsonError::NotJson);
    }
}
