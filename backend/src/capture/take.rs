//! Taking the members that make a form out of its body: switches, texts, scripts, links, origins. Each is refused
//! where it stands.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use url::Url;

use super::css;
use crate::addresses::allowed_scheme;
use crate::invalid::Invalid;
use crate::json::{Members, Value};

/// The longest decoded script or stylesheet.
const MAX_TEXT: usize = 64 * 1024;
/// The most links and origins.
const MAX_LINKS: usize = 16;

pub fn switch(option: &mut Members, at: &str, name: &str) -> Result<Option<bool>, Invalid> {
    let Some(value) = option.take(name) else { return Ok(None) };
    let switch = value.as_bool();
    switch
        .map(Some)
        .ok_or_else(|| Invalid::new(format!("{at}/{name}"), "type", "This has to be true or false."))
}

pub fn bool(body: &mut Members, name: &str) -> Result<bool, Invalid> {
    Ok(switch(body, "", name)?.unwrap_or(false))
}

pub fn text(body: &mut Members, name: &str) -> Result<Option<String>, Invalid> {
    match body.take(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Text(text)) => Ok(Some(text.to_string())),
        Some(_) => Err(Invalid::new(format!("/{name}"), "type", "This has to be a text.")),
    }
}

/// A base64 text, in either alphabet, with or without padding.
pub fn script(body: &mut Members, name: &str) -> Result<Option<String>, Invalid> {
    let Some(text) = text(body, name)?.filter(|text| !text.trim().is_empty()) else { return Ok(None) };
    let problem = |detail| Invalid::new(format!("/{name}"), "base64", detail);
    let compact: String = text.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    let alphabet = if compact.contains(['-', '_']) { alphabet::URL_SAFE } else { alphabet::STANDARD };
    let lenient = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let bytes = GeneralPurpose::new(&alphabet, lenient)
        .decode(compact)
        .map_err(|_| problem("This has to be base64 text."))?;
    if bytes.len() > MAX_TEXT {
        return Err(problem("This is longer than 64 KB."));
    }
    String::from_utf8(bytes).map(Some).map_err(|_| problem("The decoded text is not UTF-8."))
}

pub fn list(body: &mut Members, name: &str) -> Result<Vec<String>, Invalid> {
    let wrong = || Invalid::new(format!("/{name}"), "type", "This has to be a list of texts.");
    match body.take(name) {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::List(items)) if items.len() <= MAX_LINKS => {
            items.iter().map(|item| item.as_text().map(str::to_owned).ok_or_else(wrong)).collect()
        }
        Some(_) => Err(wrong()),
    }
}

pub fn links(body: &mut Members, name: &str) -> Result<Vec<Url>, Invalid> {
    let mut links = Vec::new();
    for (index, text) in list(body, name)?.iter().enumerate() {
        let url = Url::parse(text)
            .ok()
            .filter(|url| allowed_scheme(url) && !url.as_str().contains(['\'', ';', ',']));
        let at = format!("/{name}/{index}");
        links.push(url.ok_or_else(|| Invalid::new(at, "url", "This has to be an https address."))?);
    }
    Ok(links)
}

/// Exact origins: scheme, host and port, nothing more, so that they can stand in a policy and be compared.
pub fn origins(body: &mut Members) -> Result<Vec<String>, Invalid> {
    let mut origins = Vec::new();
    for (index, text) in list(body, "allowed_origins")?.iter().enumerate() {
        // A host may hold these, and in the policy they would begin another directive or name many hosts.
        let plain = !text.contains(['\'', '"', ';', ',', '*']);
        let url = Url::parse(text).ok().filter(|url| {
            plain
                && allowed_scheme(url)
                && matches!(url.path(), "" | "/")
                && url.query().is_none()
                && url.fragment().is_none()
                && url.username().is_empty()
                && url.password().is_none()
        });
        let Some(url) = url else {
            let detail = "This has to be an origin, such as https://shop.example.";
            return Err(Invalid::new(format!("/allowed_origins/{index}"), "origin", detail));
        };
        origins.push(url.origin().ascii_serialization());
    }
    Ok(origins)
}

pub fn clean(at: &str, sheet: &str) -> Result<String, Invalid> {
    css::clean(sheet).map_err(|error| Invalid::new(at, "css", error.to_string()))
}
