//! Texts with placeholders, `$~name~$` (spec B.4), and how they become the parts of a message.
//!
//! The library's own language could do more than put values in. Nothing of it is let through: whatever stands
//! between the marks has to be one of the names, and its other marks are characters that no text may hold.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use minijinja::syntax::SyntaxConfig;
use minijinja::{AutoEscape, Environment, UndefinedBehavior};

/// The names that may stand between the marks.
pub const NAMES: [&str; 7] =
    ["booker_name", "recipient_name", "cs_phone", "cs_email", "cs_link", "amount", "link"];

/// The values of the names. Those that are missing are empty.
pub type Values = BTreeMap<&'static str, String>;

/// What a text is put into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Plain text.
    Text,
    /// HTML: values are escaped.
    Html,
}

/// A text that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WordsError {
    /// Not one of the names.
    #[error("{0} is no placeholder; there are {list}", list = NAMES.map(|name| format!("$~{name}~$")).join(", "))]
    Unknown(String),
    /// An opening mark without a closing one.
    #[error("a placeholder begins with $~ and does not end with ~$")]
    Unclosed,
    /// A control character.
    #[error("a text may hold no control characters but line ends and tabs")]
    Control,
}

/// Checks a text: known placeholders, no control characters.
pub fn check(text: &str) -> Result<(), WordsError> {
    if text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
        return Err(WordsError::Control);
    }
    names(text).map(drop)
}

/// The placeholders of a text, in order.
pub fn names(text: &str) -> Result<Vec<&'static str>, WordsError> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some((_, from)) = rest.split_once("$~") {
        let (name, after) = from.split_once("~$").ok_or(WordsError::Unclosed)?;
        let known = NAMES.into_iter().find(|known| *known == name);
        found.push(known.ok_or_else(|| WordsError::Unknown(name.chars().take(40).collect()))?);
        rest = after;
    }
    Ok(found)
}

/// Puts the values into a text that was checked; what is not a placeholder stays as it is.
pub fn render(text: &str, values: &Values, part: Part) -> String {
    // What was checked renders; a text that somehow was not is refused as a whole, never half rendered.
    if check(text).is_err() {
        return String::new();
    }
    let name = match part {
        Part::Text => "text",
        Part::Html => "html",
    };
    let full: BTreeMap<_, _> =
        NAMES.into_iter().map(|name| (name, values.get(name).cloned().unwrap_or_default())).collect();
    ENVIRONMENT.render_named_str(name, text, full).unwrap_or_default()
}

/// A text for one line of a header: rendered, without line ends.
pub fn render_line(text: &str, values: &Values) -> String {
    let line = render(text, values, Part::Text);
    line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect::<String>().trim().to_owned()
}

/// Text of people as HTML.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            _ => escaped.push(c),
        }
    }
    escaped
}

static ENVIRONMENT: LazyLock<Environment<'static>> =
    LazyLock::new(|| {
        let mut environment = Environment::empty();
        let syntax = SyntaxConfig::builder()
            .variable_delimiters("$~", "~$")
            .block_delimiters("\u{1}%", "%\u{1}")
            .comment_delimiters("\u{1}#", "#\u{1}")
            .keep_trailing_newline(true)
            .build();
        if let Ok(syntax) = syntax {
            environment.set_syntax(syntax);
        }
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_auto_escape_callback(|name| {
            if name == "html" { AutoEscape::Html } else { AutoEscape::None }
        });
        environment
    });

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn values() -> Values {
        [("booker_name", "Bed & <Breakfast>".to_owned()), ("link", "https://c.example/r/a".to_owned())].into()
    }

    #[test]
    fn values_are_put_in_and_escaped_for_their_part() {
        let text = "Dear guest,\n$~booker_name~$: $~link~$\n";
        assert_eq!(
            render(text, &values(), Part::Text),
            "Dear guest,\nBed & <Breakfast>: https://c.example/r/a\n"
        );
        let html = render("<b>$~booker_name~$</b>", &values(), Part::Html);
        assert_eq!(html, "<b>Bed &amp; &lt;Breakfast&gt;</b>");
        assert_eq!(render("[$~amount~$]", &values(), Part::Text), "[]");
    }

    #[test]
    fn values_are_not_rendered_again() {
        let nested = [("booker_name", "$~link~$".to_owned()), ("link", "secret".to_owned())].into();
        assert_eq!(render("$~booker_name~$", &nested, Part::Text), "$~link~$");
    }

    #[test]
    fn only_the_names_are_let_through() {
        for text in ["$~password~$", "$~ link ~$", "$~link|upper~$", "$~7*7~$", "$~~$", "$~Link~$"] {
            assert!(matches!(check(text), Err(WordsError::Unknown(_))), "{text}");
        }
        assert_eq!(check("$~link"), Err(WordsError::Unclosed));
        assert_eq!(check("a\u{1}% for x in y %\u{1}"), Err(WordsError::Control));
        for text in ["{{ 7*7 }} {% if %} {# x #}", "$ ~ ~$", "100 $", "\u{e9}\t\n"] {
            check(text).unwrap();
            assert_eq!(render(text, &values(), Part::Text), text);
        }
    }

    #[test]
    fn a_subject_stays_one_line() {
        let values = [("booker_name", "A\r\nBcc: x@example.com".to_owned())].into();
        assert_eq!(render_line("Hello $~booker_name~$", &values), "Hello A  Bcc: x@example.com");
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        // Whatever a merchant writes, a checked text is rendered whole, and without placeholders it is itself.
        #[test]
        fn checked_texts_always_render(text in r"(\$~|~\$|link|amount|[a-z{}%#$~ \n<&]){0,30}") {
            if let Ok(found) = names(&text) {
                let rendered = render(&text, &values(), Part::Text);
                prop_assert!(!found.is_empty() || rendered == text, "{:?} became {:?}", text, rendered);
                let expected = text.replace("$~link~$", "https://c.example/r/a").replace("$~amount~$", "");
                prop_assert_eq!(rendered, expected);
            }
        }
    }
}
