//! What a merchant wants to be sent (spec A.7): read and checked before any card is opened.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};
use url::Url;
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::{hosts, template_problem};
use crate::card_data::{Meaning, meaning};
use crate::invalid::Invalid;
use crate::json::{Members, Value};
use crate::templates::{Escape, Template};

/// The largest body of a message, in bytes, before and after the values stand in it.
pub const MAX_BODY: usize = 1024 * 1024;
/// The largest call: a megabyte of template can double when it is written as a JSON text.
pub const MAX_CALL: usize = 2 * MAX_BODY + 64 * 1024;
const MAX_URL: usize = 4_096;
const MAX_HEADER: usize = 8_192;
const MAX_HEADERS: usize = 50;
const METHODS: [&str; 5] = ["POST", "PUT", "PATCH", "GET", "DELETE"];

/// A message with its templates.
pub struct Wish {
    /// The method.
    pub method: String,
    /// The address; its host stands in it as it is.
    pub url: Template,
    /// The host, as permissions name it.
    pub host: String,
    /// The headers.
    pub headers: Vec<(String, Template)>,
    /// The body.
    pub body: Option<Template>,
    /// How values are written in the body.
    pub escape: Escape,
    /// Whether a content type was given.
    pub typed: bool,
    /// Further values for the templates.
    pub extra: Members,
    /// Where a queued send is told.
    pub webhook: Option<Hook>,
    /// All of it as it came, to be kept with a queued send.
    pub source: Source,
}

/// Where the result of a queued send is told.
#[derive(Clone, Deserialize, Serialize, Zeroize, ZeroizeOnDrop)]
pub struct Hook {
    /// The address.
    pub url: String,
    /// Sent in a header.
    pub secret: Option<String>,
}

/// The texts of a message.
#[derive(Clone, Deserialize, Serialize, Zeroize, ZeroizeOnDrop)]
pub struct Source {
    method: String,
    url: String,
    headers: Vec<(String, String)>,
    body: Option<String>,
    extra: String,
    webhook: Option<Hook>,
}

impl Wish {
    /// Reads a call's body.
    pub fn parse(mut call: Members) -> Result<Self, Vec<Invalid>> {
        let Some(Value::Object(mut request)) = call.take("request") else {
            return Err(vec![Invalid::new("/request", "missing", "request has to be an object.")]);
        };
        let webhook = call.take("webhook").map(hook).transpose().map_err(|problem| vec![problem])?.flatten();
        let text = |value: Option<Value>| value.as_ref().and_then(Value::as_text).map(str::to_owned);
        let source = Source {
            method: text(request.take("method")).unwrap_or_else(|| "POST".to_owned()).to_ascii_uppercase(),
            url: text(request.take("url")).unwrap_or_default(),
            headers: headers(request.take("headers")).map_err(|problem| vec![problem])?,
            body: match request.take("body") {
                None | Some(Value::Null) => None,
                Some(Value::Text(text)) => Some(text.to_string()),
                // A message of JSON may be written as JSON.
                Some(value) => Some(value.to_json().to_string()),
            },
            extra: match request.take("extra_data") {
                None | Some(Value::Null) => "{}".to_owned(),
                Some(Value::Object(extra)) => extra.to_json().to_string(),
                Some(_) => {
                    let detail = "extra_data has to be an object.";
                    return Err(vec![Invalid::new("/request/extra_data", "type", detail)]);
                }
            },
            webhook,
        };
        Self::of(source)
    }

    /// Reads texts that were read before.
    pub fn of(source: Source) -> Result<Self, Vec<Invalid>> {
        let mut problems = Vec::new();
        if !METHODS.contains(&source.method.as_str()) {
            let detail = format!("The method has to be one of {}.", METHODS.join(", "));
            problems.push(Invalid::new("/request/method", "unknown", detail));
        }
        let url = checked("/request/url", &source.url, MAX_URL, &mut problems);
        let host = url.as_ref().and_then(|url| match host(url) {
            Ok(host) => Some(host),
            Err(problem) => {
                problems.push(problem);
                None
            }
        });
        let read = header_templates(&source.headers, &mut problems);
        let body =
            source.body.as_ref().and_then(|body| checked("/request/body", body, MAX_BODY, &mut problems));
        let extra = Members::parse_sealed(source.extra.as_bytes()).unwrap_or_default();
        check_extra(&extra, &mut problems);
        let kind = content_type(&source.headers, &mut problems);
        let escape = Escape::of(kind);
        let typed = kind.is_some();
        let (Some(url), Some(host), true) = (url, host, problems.is_empty()) else { return Err(problems) };
        let (method, webhook) = (source.method.clone(), source.webhook.clone());
        Ok(Self { method, url, host, headers: read, body, escape, typed, extra, webhook, source })
    }

    /// The names that its templates ask for.
    pub fn names(&self) -> HashSet<String> {
        let headers = self.headers.iter().map(|(_, template)| template);
        headers.chain(self.body.as_ref()).chain([&self.url]).flat_map(Template::names).collect()
    }

    /// Whether a template asks for a member of this meaning.
    pub fn asks_for(&self, sought: Meaning) -> bool {
        self.names().iter().any(|name| meaning(name) == sought)
    }
}

fn checked(at: &str, text: &str, most: usize, problems: &mut Vec<Invalid>) -> Option<Template> {
    if text.len() > most {
        problems.push(Invalid::new(at, "too_long", format!("This has at most {most} bytes.")));
        return None;
    }
    if shared::digits::holds_card_number(text) {
        problems.push(Invalid::new(at, "holds_number", "This holds what looks like a card number."));
        return None;
    }
    match Template::parse(text) {
        Ok(template) => Some(template),
        Err(error) => {
            problems.push(template_problem(at, &error));
            None
        }
    }
}

/// The host has to stand in the text itself, with something behind it, so that no member can change it.
fn host(url: &Template) -> Result<String, Invalid> {
    let wrong = |code, detail: &str| Err(Invalid::new("/request/url", code, detail));
    let head = url.head();
    let Some(rest) = head.strip_prefix("https://") else {
        return wrong("url", "The address has to begin with https:// and a host.");
    };
    let ended = rest.contains(['/', '?', '#']);
    if !ended && !url.is_plain() {
        return wrong("host", "The host of the address cannot come out of a member.");
    }
    if url.names().iter().any(|name| matches!(meaning(name), Meaning::Number(_) | Meaning::Code)) {
        return wrong(
            "secret",
            "A number or a code cannot stand in an address: addresses are logged on their way.",
        );
    }
    if url.is_unescaped() {
        return wrong("raw", "In an address every value is encoded; this one would be put in as it is.");
    }
    let parsed =
        Url::parse(head).ok().filter(|parsed| parsed.username().is_empty() && parsed.password().is_none());
    match parsed.as_ref().and_then(hosts::name_of) {
        Some(host) => Ok(host),
        None => wrong("url", "This is no address of a server."),
    }
}

fn header_templates(headers: &[(String, String)], problems: &mut Vec<Invalid>) -> Vec<(String, Template)> {
    if headers.len() > MAX_HEADERS {
        let detail = format!("There are at most {MAX_HEADERS} headers.");
        problems.push(Invalid::new("/request/headers", "too_many", detail));
    }
    let mut read = Vec::with_capacity(headers.len());
    for (index, (name, value)) in headers.iter().enumerate() {
        let at = format!("/request/headers/{index}");
        if !crate::outgoing::is_header(name) {
            problems.push(Invalid::new(at, "header", "A header of this name cannot be sent."));
        } else if let Some(template) = checked(&at, value, MAX_HEADER, problems) {
            read.push((name.clone(), template));
        }
    }
    read
}

/// The type of the body. The notation follows from it, so that there is one, and no member has a say in it.
fn content_type<'h>(headers: &'h [(String, String)], problems: &mut Vec<Invalid>) -> Option<&'h str> {
    let is_type = |(_, (name, _)): &(usize, &(String, String))| name.eq_ignore_ascii_case("content-type");
    let mut types = headers.iter().enumerate().filter(is_type);
    let mut refuse = |index: usize, detail| {
        problems.push(Invalid::new(format!("/request/headers/{index}"), "content_type", detail));
    };
    let (index, (_, value)) = types.next()?;
    if value.contains("{{") {
        refuse(index, "A content type holds no marks.");
    }
    for (index, _) in types {
        refuse(index, "There is one content type at most.");
    }
    Some(value)
}

/// A list of objects with one member each; one object with all of them says the same.
fn headers(value: Option<Value>) -> Result<Vec<(String, String)>, Invalid> {
    let wrong = || {
        Invalid::new("/request/headers", "type", "headers has to be a list of objects with one member each.")
    };
    let objects = match value {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Object(one)) => vec![one],
        Some(Value::List(items)) => items
            .into_iter()
            .map(|item| if let Value::Object(object) = item { Ok(object) } else { Err(wrong()) })
            .collect::<Result<_, _>>()?,
        Some(_) => return Err(wrong()),
    };
    let pairs = objects.into_iter().flatten();
    pairs.map(|(name, value)| Ok((name, value.as_typed().ok_or_else(wrong)?.to_owned()))).collect()
}

fn hook(value: Value) -> Result<Option<Hook>, Invalid> {
    let mut hook = match value {
        Value::Null => return Ok(None),
        Value::Object(hook) => hook,
        _ => return Err(Invalid::new("/webhook", "type", "webhook has to be an object.")),
    };
    let mut text = |name: &str| hook.take(name).and_then(|value| value.as_text().map(str::to_owned));
    let (url, secret) = (text("url").unwrap_or_default(), text("secret"));
    if shared::digits::holds_card_number(&url) {
        let detail = "The webhook holds what looks like a card number.";
        return Err(Invalid::new("/webhook/url", "holds_number", detail));
    }
    Ok(Some(Hook { url, secret }))
}

/// Card data come out of the vault, not out of the call (security rule 10).
fn check_extra(extra: &Members, problems: &mut Vec<Invalid>) {
    for (name, value) in extra.iter() {
        if names_card_data(name, value) || shared::digits::holds_card_number(name) {
            let detail = "Card data come out of the vault; they cannot be sent along.";
            problems.push(Invalid::new("/request/extra_data", "forbidden", detail));
        } else if shared::digits::holds_card_number(&value.to_json()) {
            let detail = "This member holds what looks like a card number.";
            problems.push(Invalid::new(format!("/request/extra_data/{name}"), "holds_number", detail));
        }
    }
}

/// Whether a member, or one inside it at any depth, is named like card data.
fn names_card_data(name: &str, value: &Value) -> bool {
    matches!(meaning(name), Meaning::Number(_) | Meaning::Code | Meaning::Forbidden)
        || match value {
            Value::List(items) => items.iter().any(|item| names_card_data("", item)),
            Value::Object(members) => members.iter().any(|(name, value)| names_card_data(name, value)),
            _ => false,
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(request: &str) -> (String, &'static str) {
        let body = format!("{{\"request\":{request}}}");
        let mut problems = Wish::parse(Members::parse(body.as_bytes()).unwrap()).err().unwrap();
        let first = problems.remove(0);
        (first.pointer, first.code)
    }

    fn host_of(url: &str) -> Result<String, &'static str> {
        host(&Template::parse(url).unwrap()).map_err(|problem| problem.code)
    }

    #[test]
    fn the_host_stands_in_the_text() {
        assert_eq!(host_of("https://a.example/{{token}}").as_deref(), Ok("a.example"));
        assert_eq!(host_of("https://A.example:8443?x={{token}}").as_deref(), Ok("a.example:8443"));
        assert_eq!(host_of("https://a.example").as_deref(), Ok("a.example"));
        for (url, code) in [
            ("https://{{host}}/x", "host"),
            ("https://a.example{{token}}", "host"),
            ("https://a.example:{{token}}/", "host"),
            ("https://a.example.{{token}}/", "host"),
            ("{{url}}", "url"),
            ("http://a.example/", "url"),
            ("https://u:p@a.example/", "url"),
            ("https://a.example/{{cvv}}", "secret"),
            ("https://a.example/{{pan|last4}}", "secret"),
            ("https://a.example/{{#number}}x{{/number}}", "secret"),
            ("https://a.example/{{{note}}}", "raw"),
            ("https://a.example/?a={{note|raw}}", "raw"),
        ] {
            assert_eq!(host_of(url).err(), Some(code), "{url}");
        }
    }

    #[test]
    fn what_cannot_be_sent_is_told() {
        let at = |pointer: &str, code| (pointer.to_owned(), code);
        let with = |more: &str| problem(&format!("{{\"url\":\"https://a.example/\",{more}}}"));
        assert_eq!(problem("{}"), at("/request/url", "url"));
        assert_eq!(with(r#""method":"TRACE""#), at("/request/method", "unknown"));
        assert_eq!(with(r#""body":"{{x""#), at("/request/body", "template"));
        assert_eq!(with(r#""body":"4111111111111111""#), at("/request/body", "holds_number"));
        assert_eq!(with(r#""headers":[{"Host":"b.example"}]"#), at("/request/headers/0", "header"));
        assert_eq!(with(r#""headers":[{"X-A":"1"},{"a b":"1"}]"#), at("/request/headers/1", "header"));
        assert_eq!(with(r#""headers":[1]"#), at("/request/headers", "type"));
        assert_eq!(with(r#""extra_data":{"cvv":"737"}"#), at("/request/extra_data", "forbidden"));
        assert_eq!(with(r#""extra_data":{"card":[{"CVC":"737"}]}"#), at("/request/extra_data", "forbidden"));
        assert_eq!(
            with(r#""extra_data":{"a":["4111 1111 1111 1111"]}"#),
            at("/request/extra_data/a", "holds_number")
        );
    }
}
