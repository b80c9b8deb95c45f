//! Masking a member of an opened card for an answer.

use zeroize::Zeroizing;

use super::{Meaning, meaning};
use crate::json::{Members, Value};

/// Masks a member, and those that mean the same under another name, since whoever stores a card chooses its names: a
/// number by its ends, anything else altogether.
pub fn mask_member(object: &mut Members, field: &str) {
    let alike = |name: &str| match (meaning(field), meaning(name)) {
        (Meaning::Other, _) => false,
        (Meaning::Number(_), Meaning::Number(_)) => true,
        (meant, named) => meant == named,
    };
    let names: Vec<String> = object
        .iter()
        .map(|(name, _)| name)
        .filter(|name| *name == field || alike(name))
        .map(str::to_owned)
        .collect();
    for name in names {
        mask(object, &name);
    }
}

fn mask(object: &mut Members, field: &str) {
    let Some(text) = object.find(field).map(|value| value.as_typed().unwrap_or("••••").to_owned())
    else {
        return;
    };
    let text = Zeroizing::new(text);
    let is_account = field == "account_number" && object.find("routing_number").is_some();
    let account = is_account.then(|| shared::AccountNumber::parse(&text).ok()).flatten();
    let card = shared::CardNumber::parse(&text, false).ok().filter(|_| !is_account);
    let masked = match (account, card) {
        (Some(number), _) => shared::mask::number("", number.last_four(), number.digits().len()),
        (_, Some(number)) => {
            shared::mask::number(number.first_six(), number.last_four(), number.digits().len())
        }
        (None, None) => "•".repeat(text.chars().count().min(8)),
    };
    object.set(field, Value::text(masked));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_is_masked_whatever_it_is_called() {
        for name in ["card_number", "pan", "number", "N"] {
            let text = format!("{{\"{name}\":\"4111111111111111\",\"expiry\":\"12-2031\",\"note\":\"x\"}}");
            let mut object = Members::parse(text.as_bytes()).unwrap();
            mask_member(&mut object, "card_number");
            let masked = object.to_json().to_string();
            assert!(!masked.contains("4111111111111111") && masked.contains("12-2031"), "{masked}");
            mask_member(&mut object, "card_expiry");
            assert!(!object.to_json().contains("12-2031") && object.to_json().contains("\"x\""));
        }
    }
}
