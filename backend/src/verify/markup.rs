//! The markup of a live page. No browser's parser is imitated: every `<` with a letter behind it is read as a
//! tag, wherever it stands, so that nothing can hide in a place that parsers understand differently. A page of
//! ours holds no such sign but in its tags.

use super::{Difference, integrity};
use crate::assets::Assets;
use crate::http::scripts::{self, Kind};

/// Elements that load or run something, or change what addresses mean; a card page has none of them.
const NEVER: [&str; 11] = [
    "iframe",
    "frame",
    "frameset",
    "object",
    "embed",
    "applet",
    "base",
    "portal",
    "fencedframe",
    "set",
    "animate",
];
/// Attributes that hold an address.
const ADDRESSES: [&str; 10] =
    ["href", "src", "action", "xlink:href", "data", "poster", "background", "ping", "srcset", "manifest"];

/// A start tag.
struct Tag<'d> {
    name: String,
    attributes: Vec<(String, String)>,
    /// What follows the tag.
    rest: &'d str,
}

/// Compares a document's scripts, and whatever else could run or load one, with the list.
pub fn compare(document: &str, assets: &Assets, nonce: Option<&str>, differences: &mut Vec<Difference>) {
    let mut wanted: Vec<_> = scripts::OF_CARD_PAGE
        .iter()
        .filter(|script| script.kind != Kind::Wasm)
        .filter_map(|script| Some((script, assets.entry(script.name).ok()?)))
        .collect();
    let mut has_data = false;
    for tag in tags(document) {
        check_attributes(&tag, differences);
        match tag.name.as_str() {
            "script" if tag.is_data() && !has_data => has_data = true,
            "script" => {
                let known = wanted.iter().position(|(script, entry)| {
                    tag.is(&[("src", &entry.url), ("integrity", &entry.integrity)])
                        && (tag.find("type") == Some("module")) == (script.kind == Kind::Module)
                });
                match known {
                    Some(known) => {
                        wanted.swap_remove(known);
                    }
                    None => {
                        differences.push(Difference::new("script", "none but those listed", tag.script()));
                    }
                }
            }
            "link" if !is_known_link(&tag, assets) => {
                differences.push(Difference::new("link", "none but those listed", tag.told()));
            }
            "style" if nonce.is_none() || tag.find("nonce") != nonce => {
                differences.push(Difference::new("style", "the nonce of the policy", tag.told()));
            }
            "meta" if tag.find("http-equiv").is_some() => {
                differences.push(Difference::new("meta", "no http-equiv", tag.told()));
            }
            name if NEVER.contains(&name) => {
                differences.push(Difference::new("element", format!("no {name}"), tag.told()));
            }
            _ => {}
        }
    }
    for (script, entry) in wanted.into_iter().filter(|(script, _)| script.always) {
        let expected = format!("{} with {}", entry.url, entry.integrity);
        differences.push(Difference::new(format!("script {}", script.name), expected, "nothing"));
    }
}

fn check_attributes(tag: &Tag<'_>, differences: &mut Vec<Difference>) {
    for (name, value) in &tag.attributes {
        let place = || format!("{} {name}", tag.name);
        if name.starts_with("on") || name == "srcdoc" || name == "formaction" {
            differences.push(Difference::new(place(), "no such attribute", short(value)));
        } else if ADDRESSES.contains(&name.as_str()) && !is_plain(tag, value) {
            differences.push(Difference::new(place(), "an address of the page's own site", short(value)));
        }
    }
}

/// An address of the same site, a part of the page, or an image in itself; links for people lead elsewhere too.
fn is_plain(tag: &Tag<'_>, value: &str) -> bool {
    (value.starts_with('/') && !value.starts_with("//") && !value.contains('\\'))
        || value.starts_with('#')
        || value == "data:,"
        || (value.starts_with("data:image/") && matches!(tag.name.as_str(), "img" | "link"))
        || (value.starts_with("https://") && tag.name == "a")
}

fn is_known_link(tag: &Tag<'_>, assets: &Assets) -> bool {
    let rel = tag.find("rel").unwrap_or_default();
    if rel == "icon" {
        return true;
    }
    scripts::OF_CARD_PAGE.iter().filter_map(|script| Some((script, assets.entry(script.name).ok()?))).any(
        |(script, entry)| match script.kind {
            Kind::Module => {
                rel == "modulepreload" && tag.is(&[("href", &entry.url), ("integrity", &entry.integrity)])
            }
            Kind::Wasm => rel == "preload" && tag.is(&[("href", &entry.url), ("as", "fetch")]),
            Kind::Classic => false,
        },
    )
}

impl Tag<'_> {
    /// The value of an attribute; of one that is named twice, browsers take the first.
    fn find(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(of, _)| of == name).map(|(_, value)| value.as_str())
    }

    fn is(&self, attributes: &[(&str, &str)]) -> bool {
        attributes.iter().all(|(name, value)| self.find(name) == Some(value))
    }

    /// Whether this is the element in which the page's data stand as JSON, which no browser runs.
    fn is_data(&self) -> bool {
        self.is(&[("type", "application/json"), ("id", "cardamom-config")])
            && self.find("src").is_none()
            && serde_json::from_str::<serde_json::Value>(self.content()).is_ok()
    }

    fn content(&self) -> &str {
        let end = self.rest.to_ascii_lowercase().find("</script").unwrap_or(self.rest.len());
        self.rest.get(..end).unwrap_or_default()
    }

    /// What is told of a script: where it comes from, or the hash of what stands in it.
    fn script(&self) -> String {
        match self.find("src") {
            Some(_) => self.told(),
            None => format!("inline, {}", integrity(self.content().as_bytes())),
        }
    }

    fn told(&self) -> String {
        let attributes = self.attributes.iter().filter(|(name, _)| name != "nonce");
        let parts: Vec<_> = attributes.map(|(name, value)| format!(" {name}={}", short(value))).collect();
        format!("<{}{}>", self.name, parts.concat())
    }
}

/// Queries may hold secrets.
fn short(value: &str) -> String {
    value.split('?').next().unwrap_or_default().chars().take(120).collect()
}

fn tags(document: &str) -> impl Iterator<Item = Tag<'_>> {
    document.match_indices('<').filter_map(|(at, _)| tag(document.get(at + 1..)?))
}

/// A start tag by the rules of HTML 13.2.5 (tokenisation), which do not depend on where it stands.
fn tag(text: &str) -> Option<Tag<'_>> {
    text.starts_with(|c: char| c.is_ascii_alphabetic()).then_some(())?;
    let (name, mut rest) = until(text, |c| c.is_ascii_whitespace() || matches!(c, '/' | '>'));
    let mut attributes = Vec::new();
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_ascii_whitespace() || c == '/');
        if let Some(rest) = rest.strip_prefix('>') {
            return Some(Tag { name: name.to_ascii_lowercase(), attributes, rest });
        }
        if rest.is_empty() {
            // Unfinished tags at the end of a document are dropped by browsers.
            return None;
        }
        let (name, value, after) = attribute(rest);
        attributes.push((name, value));
        rest = after;
    }
}

fn attribute(text: &str) -> (String, String, &str) {
    // An equals sign at the beginning is part of the name.
    let first = text.chars().next().map_or(0, char::len_utf8);
    let (tail, _) = until(text.get(first..).unwrap_or_default(), |c| {
        c.is_ascii_whitespace() || matches!(c, '/' | '>' | '=')
    });
    let (name, rest) = text.split_at_checked(first + tail.len()).unwrap_or((text, ""));
    let name = name.to_ascii_lowercase();
    let blank = |c: char| c.is_ascii_whitespace();
    let Some(value) = rest.trim_start_matches(blank).strip_prefix('=') else {
        return (name, String::new(), rest);
    };
    let value = value.trim_start_matches(blank);
    for quote in ['"', '\''] {
        if let Some(quoted) = value.strip_prefix(quote) {
            let (value, rest) = quoted.split_once(quote).unwrap_or((quoted, ""));
            return (name, decoded(value), rest);
        }
    }
    let (value, rest) = until(value, |c| c.is_ascii_whitespace() || c == '>');
    (name, decoded(value), rest)
}

/// The characters that our pages escape. What else is escaped stays as it is, and so equals nothing of ours.
fn decoded(value: &str) -> String {
    value
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&#39;", "'")
        .replace("&amp;", "&")
}

fn until(text: &str, end: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at_checked(text.find(end).unwrap_or(text.len())).unwrap_or((text, ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONCE: &str = "00112233445566778899aabbccddeeff";

    fn places(document: &str) -> Vec<String> {
        let mut differences = Vec::new();
        compare(document, &Assets::load().unwrap(), Some(NONCE), &mut differences);
        differences.into_iter().map(|difference| difference.place).collect()
    }

    /// A document with the right scripts and something more.
    fn with(more: &str) -> String {
        let assets = Assets::load().unwrap();
        let (page, glue) = (assets.entry("page.js").unwrap(), assets.entry("frontend.js").unwrap());
        format!(
            "<!DOCTYPE html><html><body>{more}<script type=\"application/json\" id=\"cardamom-config\">{{}}</script>\
             <script defer src=\"{}\" integrity=\"{}\"></script>\
             <script type=\"module\" src=\"{}\" integrity=\"{}\"></script></body></html>",
            page.url, page.integrity, glue.url, glue.integrity
        )
    }

    #[test]
    fn whatever_runs_or_loads_a_script_is_found_wherever_it_hides() {
        for (more, place) in [
            ("<script>1</script>", "script"),
            ("<SCRIPT/src=/x.js></SCRIPT>", "script"),
            ("<svg><style nonce=00112233445566778899aabbccddeeff><script>1</script></style></svg>", "script"),
            ("<noscript><p title=\"</noscript><script src=/x.js></script>\"></noscript>", "script"),
            ("<!-- --!><script>1</script>-->", "script"),
            ("<script type=\"application/json\" id=\"cardamom-config\" src=/x.js></script>", "script"),
            ("<script type=\"application/json\" id=\"cardamom-config\">alert(1)</script>", "script"),
            ("<img src=data:image/png;base64,AA onerror=alert(1)>", "img onerror"),
            ("<p\tid=x onclick='1'>", "p onclick"),
            ("<p/ONCLICK=1>", "p onclick"),
            ("<a href=\"javascript:1\">", "a href"),
            ("<a href=\"java&#115;cript:1\">", "a href"),
            ("<form action=https://x.example>", "form action"),
            ("<form action=//x.example>", "form action"),
            ("<button formaction=/x>", "button formaction"),
            ("<iframe title=x></iframe>", "element"),
            ("<base target=x>", "element"),
            ("<meta http-equiv=refresh content=0>", "meta"),
            ("<link rel=modulepreload href=/x.js>", "link"),
            ("<link rel=stylesheet href=/x.css>", "link"),
            ("<style>p{}</style>", "style"),
            ("<style nonce=11112233445566778899aabbccddeeff>p{}</style>", "style"),
        ] {
            assert_eq!(places(&with(more)), [place], "{more}");
        }
    }

    #[test]
    fn what_runs_nothing_is_left_alone() {
        for more in [
            "<p id=one>1 < 2 & \"<3\"</p>",
            "<a href=#x class='on'>x</a><a href=\"https://shop.example/terms?x=1\">terms</a>",
            "<link rel=icon href=\"data:,\"><img src=data:image/svg+xml;base64,AA alt>",
            "<style nonce=00112233445566778899aabbccddeeff>p{}</style>",
        ] {
            assert_eq!(places(&with(more)), Vec::<String>::new(), "{more}");
        }
    }

    #[test]
    fn a_changed_or_missing_script_is_found() {
        let good = with("");
        assert_eq!(places(&good.replacen("sha384-", "sha384-A", 1)), ["script", "script page.js"]);
        assert_eq!(
            places(&good.replace("/assets/frontend", "/elsewhere/frontend")),
            ["script", "script frontend.js"]
        );
        assert_eq!(places(&good.replace(" type=\"module\"", "")), ["script", "script frontend.js"]);
        assert_eq!(places(""), ["script page.js", "script frontend.js"]);
        assert_eq!(
            places(&good.replace("</body>", "<script defer src=\"/assets/page.js\"></script>")),
            ["script"]
        );
    }
}
