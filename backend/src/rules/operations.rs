//! The operations that rules are made of (spec A.8), each with its arguments.

use std::collections::HashSet;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use sha2::{Digest as _, Sha256, Sha512};
use shared::CardNumber;

use super::{MAX_TEXT, Meaning};
use crate::card_data::meaning;
use crate::crypto::hex;
use crate::invalid::Invalid;
use crate::json::{Members, Value};
use crate::templates::{Escape, Template, Values};

/// What an operation does.
#[derive(Debug)]
pub enum Change {
    Noop,
    Stringify,
    Substr { start: usize, length: Option<usize> },
    ParseFloat,
    ParseJson,
    ConvertToInt,
    Replace { find: String, replace: String },
    Mask { first: Option<usize>, last: Option<usize> },
    Format { format: String },
    Template { template: Template },
    Hash { long: bool },
    Encode { encoding: Encoding },
}

#[derive(Clone, Copy, Debug)]
pub enum Encoding {
    Base64,
    Base64Url,
    Hex,
    Url,
}

/// A value that an operation cannot work with: why, never the value.
#[derive(Clone, Copy, Debug)]
pub struct Fit(pub &'static str);

/// An operation as it is told to whoever writes rules.
#[derive(Clone, Copy, Debug)]
pub struct Told {
    /// Its name.
    pub name: &'static str,
    /// What it does.
    pub does: &'static str,
    /// Its arguments.
    pub arguments: &'static [(&'static str, &'static str)],
}

/// All operations.
pub const fn told() -> &'static [Told] {
    OPERATIONS
}

const OPERATIONS: &[Told] = &[
    Told { name: "noop", does: "Copies the member as it is.", arguments: &[] },
    Told { name: "stringify", does: "Writes the member as JSON text.", arguments: &[] },
    Told {
        name: "substr",
        does: "Takes a part of the text, counted in characters.",
        arguments: &[("start", "From where; 0 is the first."), ("length", "How many; all where left out.")],
    },
    Told { name: "parse_float", does: "Reads a decimal number.", arguments: &[] },
    Told { name: "parse_json", does: "Reads JSON text.", arguments: &[] },
    Told { name: "convert_to_int", does: "Reads a number and drops its fraction.", arguments: &[] },
    Told {
        name: "replace",
        does: "Replaces a text wherever it stands.",
        arguments: &[("find", "The text."), ("replace", "What takes its place; empty where left out.")],
    },
    Told {
        name: "mask",
        does: "Hides the text but its ends. Of a card number at most six and four digits stay, of a code none.",
        arguments: &[
            ("first", "Characters that stay at the start."),
            ("last", "Characters that stay at the end."),
        ],
    },
    Told {
        name: "format",
        does: "Puts the text into another one.",
        arguments: &[("format", "The other text; {} stands for the member.")],
    },
    Told {
        name: "template",
        does: "Fills a template with the members of the object.",
        arguments: &[("template", "The template, as in a proxy call, without escaping.")],
    },
    Told {
        name: "hash",
        does: "The digest of the text in hexadecimal.",
        arguments: &[("algorithm", "sha256 (default) or sha512.")],
    },
    Told {
        name: "encode",
        does: "Encodes the text.",
        arguments: &[("encoding", "base64 (default), base64url, hex or url.")],
    },
];

impl Change {
    pub fn parse(at: &str, name: &str, arguments: &Members) -> Result<Self, Invalid> {
        let Some(told) = OPERATIONS.iter().find(|told| told.name == name) else {
            return Err(Invalid::new(format!("{at}/name"), "unknown", "There is no operation of this name."));
        };
        let here = |name: &str| format!("{at}/arguments/{name}");
        for (given, _) in arguments.iter() {
            if !told.arguments.iter().any(|(known, _)| *known == given) {
                let detail = "The operation has no argument of this name.";
                return Err(Invalid::new(format!("{at}/arguments"), "unknown", detail));
            }
        }
        let arguments = Arguments { arguments, here: &here };
        Ok(match name {
            "stringify" => Self::Stringify,
            "substr" => Self::Substr {
                start: arguments.number("start")?.unwrap_or_default(),
                length: arguments.number("length")?,
            },
            "parse_float" => Self::ParseFloat,
            "parse_json" => Self::ParseJson,
            "convert_to_int" => Self::ConvertToInt,
            "replace" => Self::Replace {
                find: arguments.need("find")?,
                replace: arguments.text("replace")?.unwrap_or_default(),
            },
            "mask" => Self::Mask { first: arguments.number("first")?, last: arguments.number("last")? },
            "format" => Self::Format { format: arguments.need("format")? },
            "template" => {
                let template = Template::parse(&arguments.need("template")?)
                    .map_err(|error| Invalid::new(here("template"), error.code(), error.to_string()))?;
                Self::Template { template }
            }
            "hash" => {
                Self::Hash { long: arguments.one_of("algorithm", &[("sha256", false), ("sha512", true)])? }
            }
            "encode" => Self::Encode {
                encoding: arguments.one_of(
                    "encoding",
                    &[
                        ("base64", Encoding::Base64),
                        ("base64url", Encoding::Base64Url),
                        ("hex", Encoding::Hex),
                        ("url", Encoding::Url),
                    ],
                )?,
            },
            _ => Self::Noop,
        })
    }

    /// Whether it hides what it is given.
    pub const fn masks(&self) -> bool {
        matches!(self, Self::Mask { .. })
    }

    /// Whether it leaves what it is given as it is.
    pub const fn keeps(&self) -> bool {
        matches!(self, Self::Noop)
    }

    /// Whether it reads members by name, one of this meaning among them.
    pub fn reads(&self, sought: Meaning) -> bool {
        self.names().iter().any(|name| meaning(name) == sought)
    }

    /// The members that it reads by name.
    pub fn names(&self) -> HashSet<String> {
        if let Self::Template { template } = self { template.names() } else { HashSet::new() }
    }

    /// What comes of a value; `object` is what templates see.
    pub fn run(&self, value: &Value, object: &Members) -> Result<Value, Fit> {
        match self {
            Self::Noop => Ok(value.copy()),
            Self::Stringify => Ok(Value::Text(value.to_json())),
            Self::Substr { start, length } => {
                let text = typed(value)?.chars().skip(*start).take(length.unwrap_or(usize::MAX));
                Ok(Value::text(text.collect::<String>()))
            }
            Self::ParseFloat => number(typed(value)?),
            Self::ParseJson => parsed(typed(value)?),
            Self::ConvertToInt => whole(typed(value)?),
            Self::Replace { find, replace } => replaced(typed(value)?, find, replace),
            Self::Mask { first, last } => Ok(masked(typed(value)?, *first, *last)),
            Self::Format { format } => replaced(format, "{}", typed(value)?),
            Self::Template { template } => {
                let made = template.render(&Values::of(object), Escape::None, MAX_TEXT);
                made.map(Value::Text).map_err(|_| Fit("The template cannot be filled."))
            }
            Self::Hash { long } => {
                let text = typed(value)?.as_bytes();
                let digest = if *long { hex(&Sha512::digest(text)) } else { hex(&Sha256::digest(text)) };
                Ok(Value::text(digest))
            }
            Self::Encode { encoding } => Ok(Value::text(encoded(typed(value)?, *encoding))),
        }
    }
}

/// What a mask of a secret may show: of a card number its ends, of anything else nothing.
pub fn hidden(secret: &Value, made: &Value) -> Value {
    let text = secret.as_typed().unwrap_or_default();
    let number = CardNumber::parse(text, false).ok();
    let shown = |number: &CardNumber| {
        shared::mask::number(number.first_six(), number.last_four(), number.digits().len())
    };
    let whole = || "•".repeat(text.chars().count().min(8));
    // A narrower mask than ours is as good.
    match (number, made.as_typed()) {
        (Some(number), Some(made)) if made.chars().filter(char::is_ascii_digit).count() > 10 => {
            Value::text(shown(&number))
        }
        (Some(number), None) => Value::text(shown(&number)),
        (Some(_), Some(made)) => Value::text(made),
        (None, _) => Value::text(whole()),
    }
}

fn typed(value: &Value) -> Result<&str, Fit> {
    value.as_typed().ok_or(Fit("This operation works on texts and numbers."))
}

fn number(text: &str) -> Result<Value, Fit> {
    let value: f64 = text.trim().parse().map_err(|_| Fit("The text is no number."))?;
    if value.is_finite() { Ok(Value::number(value.to_string())) } else { Err(Fit("The text is no number.")) }
}

fn whole(text: &str) -> Result<Value, Fit> {
    let text = text.trim();
    let digits = text.split('.').next().unwrap_or_default();
    let value: i64 = digits.parse().map_err(|_| Fit("The text is no whole number."))?;
    Ok(Value::number(value.to_string()))
}

fn parsed(text: &str) -> Result<Value, Fit> {
    let wrapped = zeroize::Zeroizing::new(format!("{{\"v\":{text}}}"));
    let mut object = Members::parse(wrapped.as_bytes()).map_err(|_| Fit("The text is no JSON."))?;
    if object.len() == 1 {
        object.take("v").ok_or(Fit("The text is no JSON."))
    } else {
        Err(Fit("The text is no JSON."))
    }
}

fn replaced(text: &str, find: &str, with: &str) -> Result<Value, Fit> {
    let times = text.matches(find).count();
    if text.len() + times * with.len() > MAX_TEXT {
        return Err(Fit("The text becomes longer than 64 KB."));
    }
    Ok(Value::text(text.replace(find, with)))
}

/// The ends as asked for; without a wish those of a card number, or nothing.
fn masked(text: &str, first: Option<usize>, last: Option<usize>) -> Value {
    let number = CardNumber::parse(text, false).ok();
    let compact = number.as_ref().map_or(text, |number| number.digits());
    let (most_first, most_last) = if number.is_some() { (6, 4) } else { (usize::MAX, usize::MAX) };
    let usual = |shown: usize| if number.is_some() { shown } else { 0 };
    let (first, last) = (first.unwrap_or(usual(6)).min(most_first), last.unwrap_or(usual(4)).min(most_last));
    let count = compact.chars().count();
    // Too short to hide anything: all of it is hidden.
    let (first, last) = if first.saturating_add(last) >= count { (0, 0) } else { (first, last) };
    let shown = compact.chars().enumerate();
    Value::text(
        shown.map(|(at, c)| if at < first || at + last >= count { c } else { '•' }).collect::<String>(),
    )
}

fn encoded(text: &str, encoding: Encoding) -> String {
    match encoding {
        Encoding::Base64 => STANDARD.encode(text),
        Encoding::Base64Url => URL_SAFE_NO_PAD.encode(text),
        Encoding::Hex => hex(text.as_bytes()),
        Encoding::Url => {
            let mut out = String::with_capacity(text.len() + 8);
            Escape::Url.write(text, &mut out);
            out
        }
    }
}

struct Arguments<'a> {
    arguments: &'a Members,
    here: &'a dyn Fn(&str) -> String,
}

impl Arguments<'_> {
    fn text(&self, name: &str) -> Result<Option<String>, Invalid> {
        match self.arguments.find(name) {
            None => Ok(None),
            Some(value) => match value.as_text() {
                Some(text) if text.len() <= 16_384 => Ok(Some(text.to_owned())),
                Some(_) => Err(Invalid::new((self.here)(name), "too_long", "This text is too long.")),
                None => Err(Invalid::new((self.here)(name), "type", "This has to be a text.")),
            },
        }
    }

    fn need(&self, name: &str) -> Result<String, Invalid> {
        let missing = || Invalid::new((self.here)(name), "missing", format!("{name} is needed."));
        self.text(name)?.filter(|text| !text.is_empty()).ok_or_else(missing)
    }

    fn number(&self, name: &str) -> Result<Option<usize>, Invalid> {
        let Some(value) = self.arguments.find(name) else { return Ok(None) };
        let number = value.as_typed().and_then(|text| text.parse().ok()).filter(|number| *number <= MAX_TEXT);
        let wrong = || Invalid::new((self.here)(name), "type", "This has to be a whole number.");
        number.map(Some).ok_or_else(wrong)
    }

    fn one_of<T: Copy>(&self, name: &str, choices: &[(&'static str, T)]) -> Result<T, Invalid> {
        let given = self.text(name)?;
        let found = match &given {
            None => choices.first(),
            Some(given) => choices.iter().find(|(known, _)| known == given),
        };
        let names = || choices.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
        found.map(|(_, choice)| *choice).ok_or_else(|| {
            Invalid::new((self.here)(name), "unknown", format!("This has to be one of {}.", names()))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(name: &str, arguments: &str, value: &str) -> Result<String, &'static str> {
        let arguments = Members::parse(arguments.as_bytes()).unwrap();
        let change = Change::parse("", name, &arguments).map_err(|problem| problem.code)?;
        let object = Members::parse(format!("{{\"v\":{value}}}").as_bytes()).unwrap();
        let made = change.run(object.find("v").unwrap(), &object).map_err(|fit| fit.0)?;
        Ok(made.to_json().to_string())
    }

    #[test]
    fn each_operation_does_what_it_says() {
        for (name, arguments, value, made) in [
            ("noop", "{}", "[1]", "[1]"),
            ("stringify", "{}", r#"{"a":1}"#, r#""{\"a\":1}""#),
            ("substr", r#"{"start":1,"length":2}"#, "\"äbcd\"", "\"bc\""),
            ("substr", r#"{"start":3}"#, "\"äbcd\"", "\"d\""),
            ("parse_float", "{}", "\"12.50\"", "12.5"),
            ("parse_json", "{}", r#""{\"a\":[1]}""#, r#"{"a":[1]}"#),
            ("convert_to_int", "{}", "\"12.9\"", "12"),
            ("replace", r#"{"find":"-","replace":"/"}"#, "\"1-2-3\"", "\"1/2/3\""),
            ("mask", r#"{"last":2}"#, "\"abcdef\"", "\"••••ef\""),
            ("mask", r#"{"first":9,"last":9}"#, "\"abc\"", "\"•••\""),
            ("format", r#"{"format":"<{}>"}"#, "7", "\"<7>\""),
            ("template", r#"{"template":"{{v|upper}}!"}"#, "\"a\"", "\"A!\""),
            ("hash", "{}", "\"abc\"", "\"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\""),
            ("encode", r#"{"encoding":"hex"}"#, "\"ab\"", "\"6162\""),
            ("encode", r#"{"encoding":"url"}"#, "\"a b\"", "\"a%20b\""),
        ] {
            assert_eq!(run(name, arguments, value).as_deref(), Ok(made), "{name} {arguments} {value}");
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        assert_eq!(run("unmask", "{}", "1"), Err("unknown"));
        assert_eq!(run("replace", "{}", "1"), Err("missing"));
        assert_eq!(run("noop", r#"{"x":1}"#, "1"), Err("unknown"));
        assert_eq!(run("hash", r#"{"algorithm":"md5"}"#, "1"), Err("unknown"));
        assert_eq!(run("template", r#"{"template":"{{"}"#, "1"), Err("template"));
        assert!(run("parse_float", "{}", "\"x\"").is_err() && run("substr", "{}", "[1]").is_err());
        assert!(run("parse_json", "{}", r#""1,\"w\":2""#).is_err());
    }
}
