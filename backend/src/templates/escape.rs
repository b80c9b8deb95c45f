//! How a value is written so that it ends where its place ends: by the notation of the text around it.

use std::fmt::Write as _;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

/// The notation of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Escape {
    /// None: plain text.
    None,
    /// Inside a JSON string (RFC 8259, section 7).
    Json,
    /// A value of `application/x-www-form-urlencoded` (WHATWG URL, section 5).
    Form,
    /// Text or an attribute of XML (XML 1.0, section 2.4).
    Xml,
    /// A part of a URL (RFC 3986, section 2.1): no separator comes out of a value.
    Url,
}

impl Escape {
    /// The notation of a content type; JSON where none is given.
    pub fn of(content_type: Option<&str>) -> Self {
        let Some(kind) = content_type else { return Self::Json };
        let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        match kind.as_str() {
            "application/json" => Self::Json,
            "application/x-www-form-urlencoded" => Self::Form,
            "application/xml" | "text/xml" | "application/soap+xml" => Self::Xml,
            _ if kind.ends_with("+json") => Self::Json,
            _ if kind.ends_with("+xml") => Self::Xml,
            _ => Self::None,
        }
    }

    /// Writes a value.
    pub fn write(self, text: &str, out: &mut String) {
        match self {
            Self::None => out.push_str(text),
            Self::Json => json(text, out),
            Self::Form => out.extend(form_urlencoded::byte_serialize(text.as_bytes())),
            Self::Xml => xml(text, out),
            Self::Url => out.extend(utf8_percent_encode(text, NON_ALPHANUMERIC)),
        }
    }
}

fn json(text: &str, out: &mut String) {
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
}

fn xml(text: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            // XML 1.0 has no notation for other control characters.
            c if c.is_control() && !matches!(c, '\n' | '\r' | '\t') => {}
            c => out.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_content_type_decides() {
        for (kind, escape) in [
            (None, Escape::Json),
            (Some("Application/JSON; charset=utf-8"), Escape::Json),
            (Some("application/vnd.api+json"), Escape::Json),
            (Some("text/xml"), Escape::Xml),
            (Some("application/soap+xml; action=x"), Escape::Xml),
            (Some("application/x-www-form-urlencoded"), Escape::Form),
            (Some("text/plain"), Escape::None),
        ] {
            assert_eq!(Escape::of(kind), escape, "{kind:?}");
        }
    }

    #[test]
    fn control_characters_do_not_break_a_text() {
        let written = |escape: Escape| {
            let mut out = String::new();
            escape.write("a\u{1}\n\u{0}b", &mut out);
            out
        };
        assert_eq!(written(Escape::Json), "a\\u0001\\n\\u0000b");
        assert_eq!(written(Escape::Xml), "a\nb");
    }
}
