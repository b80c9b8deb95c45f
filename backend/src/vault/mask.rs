//! Masking a member of an opened card for an answer.

use zeroize::Zeroizing;

use crate::json::{Members, Value};

/// Masks a member: a number by its ends, anything else altogether.
pub fn mask_member(object: &mut Members, field: &str) {
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
