//! Finding a card in what a server answered, whatever its notation: numbers by their digits, codes and expiries by
//! the names before them (spec A.3, smart parse).

use shared::Expiry;
use zeroize::Zeroizing;

use super::codes;
use crate::card_data::{Meaning, meaning, scan};
use crate::json::{Members, Value};

/// The longest value behind a name, in characters.
const LONGEST: usize = 40;
/// What may stand between a name and its value, in characters.
const WIDEST: usize = 6;

/// What was found.
pub struct Found {
    /// The card: its number, and its code and expiry where they stand beside it.
    pub card: Members,
    /// The text with marks in the places of what was found.
    pub template: String,
}

/// Looks through a text; `None` where it holds no card number.
pub fn read(text: &str) -> Option<Found> {
    let mut number: Option<Zeroizing<String>> = None;
    let template = scan::numbers(text, |digits| match &number {
        Some(first) if first.as_str() != digits => "{{other_card_number}}".to_owned(),
        _ => {
            number = Some(Zeroizing::new(digits.to_owned()));
            "{{card_number}}".to_owned()
        }
    });
    let mut card: Members = [("card_number".to_owned(), Value::Text(number?))].into_iter().collect();
    let template = named(&template, &mut card);
    let template = codes::hide(&scan::clean(&template, "", ""), None);
    Some(Found { card, template })
}

/// Takes the values out that stand behind names of codes and expiries.
fn named(text: &str, card: &mut Members) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(is_name) {
        let (before, from) = rest.split_at(start);
        out.push_str(before);
        let end = from.find(|c| !is_name(c)).unwrap_or(from.len());
        let (name, after) = from.split_at(end);
        out.push_str(name);
        rest = after;
        let Some((gap, value)) = value_behind(after) else { continue };
        let Some((key, kept)) = member(name, value) else { continue };
        // Another code is hidden with what is left.
        if card.find(key).is_some_and(|known| known.as_typed() != Some(&kept)) {
            continue;
        }
        card.set(key, Value::text(kept));
        out.push_str(gap);
        out.push_str("{{");
        out.push_str(key);
        out.push_str("}}");
        rest = after.get(gap.len() + value.len()..).unwrap_or_default();
    }
    out.push_str(rest);
    out
}

/// What separates a name from its value, and the value, in JSON, XML, a form or plain text.
fn value_behind(text: &str) -> Option<(&str, &str)> {
    let separates = |c: &char| matches!(c, '"' | '\'' | ':' | '=' | '>' | ' ');
    // All of them are of one byte.
    let start = text.chars().take(WIDEST).take_while(separates).count();
    let gap = text.get(..start).filter(|gap| !gap.is_empty())?;
    let from = text.get(start..).filter(|from| from.starts_with(|c: char| c.is_ascii_digit()))?;
    let end = from.find(|c: char| !(c.is_ascii_digit() || matches!(c, '/' | '-'))).unwrap_or(from.len());
    from.get(..end.min(LONGEST)).map(|value| (gap, value))
}

fn member(name: &str, value: &str) -> Option<(&'static str, String)> {
    let fits = |range: std::ops::RangeInclusive<usize>| {
        range.contains(&value.len()) && value.bytes().all(|b| b.is_ascii_digit())
    };
    match meaning(name) {
        Meaning::Code if fits(3..=4) => Some(("cvv", value.to_owned())),
        Meaning::Expiry => Expiry::parse(value).ok().map(|_| ("expiry", value.to_owned())),
        Meaning::ExpiryMonth if fits(1..=2) => Some(("expiry_month", value.to_owned())),
        Meaning::ExpiryYear if fits(2..=4) => Some(("expiry_year", value.to_owned())),
        _ => None,
    }
}

fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-')
}

#[cfg(test)]
mod tests {
    use super::read;

    #[test]
    fn a_card_is_found_in_every_notation() {
        for (text, template) in [
            (
                r#"{"pan":"4111 1111 1111 1111","cvc":"737","exp_month":6,"exp_year":2031,"id":17}"#,
                r#"{"pan":"{{card_number}}","cvc":"{{cvv}}","exp_month":{{expiry_month}},"exp_year":{{expiry_year}},"id":17}"#,
            ),
            (
                "<c><n>4111111111111111</n><cvv>737</cvv><expiry>06/31</expiry></c>",
                "<c><n>{{card_number}}</n><cvv>{{cvv}}</cvv><expiry>{{expiry}}</expiry></c>",
            ),
            ("pan=4111111111111111&cvv2=737&x=737", "pan={{card_number}}&cvv2={{cvv}}&x=737"),
            ("Card: 4111-1111-1111-1111, CVV 737", "Card: {{card_number}}, CVV {{cvv}}"),
        ] {
            let found = read(text).unwrap();
            assert_eq!(found.template, template);
            assert_eq!(found.card.find("card_number").unwrap().as_text(), Some("4111111111111111"));
            assert!(!found.template.contains("4111"));
        }
    }

    #[test]
    fn a_second_card_is_hidden_too() {
        let found = read("4111111111111111 and 5555555555554444 and 4111111111111111").unwrap();
        assert_eq!(found.template, "{{card_number}} and {{other_card_number}} and {{card_number}}");
    }

    #[test]
    fn a_second_code_is_hidden_too() {
        let found = read(r#"{"pan":"4111111111111111","cvv":"737","cvv":"123","cvc":999}"#).unwrap();
        assert_eq!(found.template, r#"{"pan":"{{card_number}}","cvv":"{{cvv}}","cvv":"•••","cvc":"•••"}"#);
        assert_eq!(found.card.find("cvv").unwrap().as_text(), Some("737"));
    }

    #[test]
    fn a_long_answer_is_gone_through_once() {
        let text = format!("{}4111111111111111", "a ".repeat(500_000));
        assert!(read(&text).unwrap().template.ends_with("a {{card_number}}"));
    }

    #[test]
    fn without_a_number_there_is_no_card() {
        assert!(read(r#"{"cvv":"737","id":"1234567890123456"}"#).is_none());
    }
}
