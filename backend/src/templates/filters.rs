//! The filters of templates: what acquirers want written otherwise than it is stored.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use minijinja::{Environment, Error, ErrorKind, Value};
use shared::Expiry;

use super::Escape;

/// The widest that `pad` makes a value.
const WIDEST: usize = 64;
/// The longest value, in bytes, that a filter which makes values longer takes or leaves behind: filters in a row would
/// fill the memory otherwise.
const LONGEST: usize = 1 << 20;

/// Adds them.
pub fn add(environment: &mut Environment<'_>) {
    environment.add_filter("month", |text: String| month(&text).map(|month| format!("{month:02}")));
    environment.add_filter("month1", |text: String| month(&text).map(|month| month.to_string()));
    environment.add_filter("year2", |text: String| year(&text).map(|year| format!("{:02}", year % 100)));
    environment.add_filter("year4", |text: String| year(&text).map(|year| year.to_string()));
    environment
        .add_filter("digits", |text: String| text.chars().filter(char::is_ascii_digit).collect::<String>());
    environment.add_filter("last4", |text: String| last(&text, 4));
    environment.add_filter("first6", |text: String| text.chars().take(6).collect::<String>());
    environment.add_filter("upper", |text: String| text.to_uppercase());
    environment.add_filter("lower", |text: String| text.to_lowercase());
    environment.add_filter("trim", |text: String| text.trim().to_owned());
    environment.add_filter("substr", |text: String, from: usize, count: usize| {
        text.chars().skip(from).take(count).collect::<String>()
    });
    environment.add_filter("replace", |text: String, from: String, to: String| replace(&text, &from, &to));
    environment.add_filter("pad", |text: String, width: usize, with: String| pad(&text, width, &with));
    environment.add_filter("default", |value: Value, other: Value| {
        if value.is_undefined() || value.as_str() == Some("") { other } else { value }
    });
    environment.add_filter("base64", |text: String| bounded(text).map(|text| STANDARD.encode(text)));
    environment.add_filter("raw", |text: String| Value::from_safe_string(text));
    for (name, escape) in
        [("json", Escape::Json), ("form", Escape::Form), ("xml", Escape::Xml), ("url", Escape::Url)]
    {
        environment.add_filter(name, move |text: String| {
            let text = bounded(text)?;
            let mut out = String::with_capacity(text.len() + 8);
            escape.write(&text, &mut out);
            Ok::<_, Error>(Value::from_safe_string(out))
        });
    }
}

fn replace(text: &str, from: &str, to: &str) -> Result<String, Error> {
    if from.is_empty() || text.len() > LONGEST {
        return Err(unfit());
    }
    // Before it is built: one value can become very many.
    let added = text.matches(from).count().saturating_mul(to.len().saturating_sub(from.len()));
    if text.len().saturating_add(added) > LONGEST { Err(unfit()) } else { Ok(text.replace(from, to)) }
}

fn bounded(text: String) -> Result<String, Error> {
    if text.len() > LONGEST { Err(unfit()) } else { Ok(text) }
}

fn pad(text: &str, width: usize, with: &str) -> Result<String, Error> {
    let (Some(with), true) = (with.chars().next(), width <= WIDEST) else { return Err(unfit()) };
    let missing = width.saturating_sub(text.chars().count());
    Ok(std::iter::repeat_n(with, missing).chain(text.chars()).collect())
}

fn last(text: &str, count: usize) -> String {
    text.chars().skip(text.chars().count().saturating_sub(count)).collect()
}

/// The month of an expiry, or of a month.
fn month(text: &str) -> Result<u8, Error> {
    if let Ok(expiry) = Expiry::parse(text) {
        return Ok(expiry.month());
    }
    text.trim().parse().ok().filter(|month| (1..=12).contains(month)).ok_or_else(unfit)
}

/// The year of an expiry, or of a year of two or four digits.
fn year(text: &str) -> Result<u16, Error> {
    let text = text.trim();
    if let (2 | 4, Ok(year)) = (text.len(), text.parse::<u16>()) {
        let whole_expiry = text.len() == 4 && !(1900..2200).contains(&year);
        if !whole_expiry {
            return Ok(if year < 100 { 2000 + year } else { year });
        }
    }
    Expiry::parse(text).map(Expiry::year).map_err(|_| unfit())
}

fn unfit() -> Error {
    Error::new(ErrorKind::InvalidOperation, "the value does not fit the filter")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_and_years_come_out_of_every_spelling() {
        for text in ["06/31", "06-2031", "0631", "6/2031"] {
            assert_eq!((month(text).unwrap(), year(text).unwrap()), (6, 2031), "{text}");
        }
        assert_eq!((month("6").unwrap(), month("12").unwrap()), (6, 12));
        assert_eq!((year("31").unwrap(), year("2031").unwrap()), (2031, 2031));
        assert!(month("13").is_err() && month("x").is_err() && year("x").is_err());
    }

    #[test]
    fn widths_are_bounded() {
        assert_eq!(pad("7", 2, "0").unwrap(), "07");
        assert!(pad("7", 65, "0").is_err() && pad("7", 2, "").is_err());
        assert!(replace("a", "", "b").is_err());
        assert_eq!(replace("a-b", "-", "").unwrap(), "ab");
        let many = "a".repeat(LONGEST / 4);
        assert_eq!(replace(&many, "a", "aaaa").unwrap().len(), LONGEST);
        assert!(replace(&many, "a", "aaaaa").is_err());
        assert!(bounded("x".repeat(LONGEST)).is_ok() && bounded("x".repeat(LONGEST + 1)).is_err());
    }
}
