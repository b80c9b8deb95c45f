//! What may stand in no member of an invoice: card numbers, security codes, track data, PINs (security rule 10).

use shared::Brand;

use crate::card_data::{Meaning, meaning};
use crate::invalid::Invalid;
use crate::json::{Members, Value};
use crate::vault::members::holds_number;

/// Where the attributes of a body stand.
pub const ATTRIBUTES: &str = "/data/attributes";

/// Refuses what may not be there, wherever it stands. Tokens are checked by what they name.
pub fn look(at: &str, members: &Members, problems: &mut Vec<Invalid>) {
    for (name, value) in members.iter() {
        if shared::digits::holds_card_number(name) {
            problems.push(hidden(format!("{at}/…")));
            continue;
        }
        let pointer = format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"));
        if at != ATTRIBUTES || name != "token" {
            look_at(&pointer, name, value, problems);
        }
    }
}

fn look_at(at: &str, name: &str, value: &Value, problems: &mut Vec<Invalid>) {
    match value {
        Value::Object(inner) => return look(at, inner, problems),
        Value::List(items) => {
            for (index, item) in items.iter().enumerate() {
                look_at(&format!("{at}/{index}"), "", item, problems);
            }
            return;
        }
        _ => {}
    }
    let Some(text) = value.as_typed() else { return };
    let is_code = meaning(name) == Meaning::Code && matches!(text.trim().len(), 3 | 4);
    if is_code && text.trim().bytes().all(|byte| byte.is_ascii_digit()) {
        problems.push(Invalid::new(at, "forbidden", "A security code cannot stand here."));
    } else if meaning(name) == Meaning::Forbidden && !text.is_empty() {
        problems.push(Invalid::new(at, "forbidden", "Track data and PINs are never accepted."));
    } else if holds_number(value) && !(name == "phone" && is_phone(text)) {
        problems.push(hidden(at.to_owned()));
    }
}

/// Whether a text is a telephone number with its country code, and no card number of a brand behind a plus sign.
fn is_phone(text: &str) -> bool {
    let Some(rest) = text.trim().strip_prefix('+') else { return false };
    let digits: String = rest.chars().filter(char::is_ascii_digit).collect();
    let brand = Brand::of(&digits);
    let is_card = brand != Brand::Other && (brand.min_length()..=brand.max_length()).contains(&digits.len());
    digits.len() <= 15 && !is_card
}

fn hidden(at: String) -> Invalid {
    Invalid::new(at, "holds_number", "This member holds what looks like a card number.")
}
