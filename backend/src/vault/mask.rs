//! Masking a member of an opened card for an answer.

use zeroize::Zeroizing;

use crate::card_data::is_same;
use crate::json::{Members, Value};

/// Masks a member, and those that mean the same under another name or spelling, since whoever stores a card chooses its
/// names: a number by its ends, anything else altogether. `a.b` names a member of a member.
pub fn mask_member(object: &mut Members, field: &str) {
    let all = object.iter().map(|(name, _)| name);
    let names: Vec<String> = all.filter(|name| is_same(field, name)).map(str::to_owned).collect();
    for name in names {
        mask(object, &name);
    }
    let Some((outer, inner)) = field.split_once('.') else { return };
    object.retain(|name, value| {
        if let Value::Object(members) = value
            && is_same(outer, name)
        {
            mask_member(members, inner);
        }
        true
    });
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

    #[test]
    fn parts_other_spellings_and_members_of_members_are_masked() {
        let text = r#"{"expiry_month":"12","Exp Year":"2031","Front-Desk":"x","a":{"b":{"c":"y","d":"z"}}}"#;
        let mut object = Members::parse(text.as_bytes()).unwrap();
        for field in ["card_expiry", "front_desk", "a.B.c"] {
            mask_member(&mut object, field);
        }
        let masked =
            r#"{"expiry_month":"••","Exp Year":"••••","Front-Desk":"•","a":{"b":{"c":"•","d":"z"}}}"#;
        assert_eq!(object.to_json().as_str(), masked);
    }
}
