//! The plaintext of a sealed card and of a patch, and how patches are folded into a card.

use shared::Expiry;
use zeroize::Zeroizing;

use super::members::expiry_of;
use super::number::Number;
use crate::card_data::{Meaning, meaning};
use crate::crypto::CryptoError;
use crate::json::{Members, Value};

/// What is inside a sealed card. The number stands in one place, whatever its member was called.
pub struct Content {
    /// The normalised digits.
    pub number: Zeroizing<String>,
    /// The name under which the number came; empty where it came outside the object.
    pub name: String,
    /// All other members.
    pub members: Members,
}

impl Content {
    /// A new card's content.
    pub fn new(number: &Number, name: &str, members: Members) -> Self {
        Self { number: Zeroizing::new(number.digits().to_owned()), name: name.to_owned(), members }
    }

    /// A second copy, made where it is needed.
    #[must_use]
    pub fn copy(&self) -> Self {
        Self { number: self.number.clone(), name: self.name.clone(), members: self.members.copy() }
    }

    /// The plaintext to seal.
    pub fn encode(self) -> Zeroizing<String> {
        let object: Members = [
            ("n".to_owned(), Value::Text(self.number)),
            ("name".to_owned(), Value::text(self.name)),
            ("m".to_owned(), Value::Object(self.members)),
        ]
        .into_iter()
        .collect();
        object.to_json()
    }

    /// The content of an opened plaintext.
    pub fn decode(plaintext: &[u8]) -> Result<Self, CryptoError> {
        let mut object = Members::parse_sealed(plaintext).map_err(|_| CryptoError::Open)?;
        match (object.take("n"), object.take("name"), object.take("m")) {
            (Some(Value::Text(number)), Some(Value::Text(name)), Some(Value::Object(members))) => {
                Ok(Self { number, name: name.to_string(), members })
            }
            _ => Err(CryptoError::Open),
        }
    }

    /// Merges members at first level. A new expiry replaces the stored one under the names and in the formats
    /// that it was stored with (design.md, semantics).
    pub fn merge(&mut self, changes: Members) {
        let expiry = expiry_of(&changes).and_then(Result::ok);
        let known = expiry.is_some_and(|expiry| self.replace_expiry(expiry));
        for (name, value) in changes {
            let is_expiry =
                matches!(meaning(&name), Meaning::Expiry | Meaning::ExpiryMonth | Meaning::ExpiryYear);
            if known && is_expiry {
                continue;
            }
            let stored = self.stored_name(&name);
            self.members.set(stored.as_deref().unwrap_or(&name), value);
        }
    }

    /// The stored object as it is read back: the number under its own name, first where it was given.
    pub fn into_object(self) -> Members {
        let number = (!self.name.is_empty()).then(|| (self.name.clone(), Value::Text(self.number.clone())));
        number.into_iter().chain(self.members).collect()
    }

    /// Rewrites every stored expiry member; false where there is none.
    fn replace_expiry(&mut self, expiry: Expiry) -> bool {
        let mut found = false;
        self.members.retain(|name, value| {
            let old = value.as_typed().unwrap_or_default();
            let new = match meaning(name) {
                Meaning::Expiry => reformat(old, expiry),
                Meaning::ExpiryMonth if old.len() == 1 => expiry.month().to_string(),
                Meaning::ExpiryMonth => format!("{:02}", expiry.month()),
                Meaning::ExpiryYear if old.len() == 2 => format!("{:02}", expiry.year() % 100),
                Meaning::ExpiryYear => expiry.year().to_string(),
                _ => return true,
            };
            found = true;
            *value = Value::text(new);
            true
        });
        found
    }

    /// The name under which a holder is stored already, so that an alias does not make a second one.
    fn stored_name(&self, name: &str) -> Option<String> {
        if meaning(name) != Meaning::Holder {
            return None;
        }
        self.members
            .iter()
            .find(|(known, _)| meaning(known) == Meaning::Holder)
            .map(|(known, _)| known.to_owned())
    }
}

/// Writes an expiry in the format of an older text: order, widths and separator.
fn reformat(old: &str, expiry: Expiry) -> String {
    let (month, year) = (expiry.month(), expiry.year());
    let first: String = old.chars().take_while(char::is_ascii_digit).collect();
    let separator: String = old.chars().skip(first.len()).take_while(|c| !c.is_ascii_digit()).collect();
    let second = old.len().saturating_sub(first.len() + separator.len());
    match (first.len(), second) {
        (4, 1 | 2) => format!("{year}{separator}{month:02}"),
        (1 | 2, 4) => format!("{month:02}{separator}{year}"),
        (4, 0) => format!("{month:02}{:02}", year % 100),
        (6, 0) => format!("{month:02}{year}"),
        (1 | 2, 2) => format!("{month:02}{separator}{:02}", year % 100),
        _ => expiry.short(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(members: &str) -> Content {
        let number = shared::CardNumber::parse("4111111111111111", true).unwrap();
        Content::new(&Number::Card(number), "card_number", Members::parse(members.as_bytes()).unwrap())
    }

    fn merged(stored: &str, changes: &str) -> String {
        let mut content = content(stored);
        content.merge(Members::parse(changes.as_bytes()).unwrap());
        content.members.to_json().to_string()
    }

    #[test]
    fn the_object_comes_back_as_it_was() {
        let sealed = content(r#"{"card_holder":"Ada","x":1.50}"#).encode();
        let opened = Content::decode(sealed.as_bytes()).unwrap();
        assert_eq!(
            opened.into_object().to_json().as_str(),
            r#"{"card_number":"4111111111111111","card_holder":"Ada","x":1.50}"#
        );
        assert!(Content::decode(b"{}").is_err());
    }

    #[test]
    fn an_expiry_keeps_its_stored_name_and_format() {
        assert_eq!(
            merged(r#"{"card_expiry":"06-2025"}"#, r#"{"expiry":"07/31"}"#),
            r#"{"card_expiry":"07-2031"}"#
        );
        assert_eq!(merged(r#"{"expiry":"06/25"}"#, r#"{"card_expiry":"07-2031"}"#), r#"{"expiry":"07/31"}"#);
        assert_eq!(merged(r#"{"exp":"2025-06"}"#, r#"{"expiry":"0731"}"#), r#"{"exp":"2031-07"}"#);
        assert_eq!(
            merged(
                r#"{"expiry":"06/25","expiry_year":"2025","expiry_year_short":"25","expiry_month":"06"}"#,
                r#"{"card_expiry":"07-2031"}"#
            ),
            r#"{"expiry":"07/31","expiry_year":"2031","expiry_year_short":"31","expiry_month":"07"}"#
        );
        assert_eq!(merged("{}", r#"{"card_expiry":"06-2025"}"#), r#"{"card_expiry":"06-2025"}"#);
    }

    #[test]
    fn merging_is_at_first_level() {
        assert_eq!(
            merged(r#"{"a":{"x":1},"b":2,"card_holder":"Ada"}"#, r#"{"a":{"y":2},"holder":"Bob"}"#),
            r#"{"a":{"y":2},"b":2,"card_holder":"Bob"}"#
        );
    }
}
