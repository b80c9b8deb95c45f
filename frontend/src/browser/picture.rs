//! The picture of the card, where a form has one: a mirror of what stands in the inputs, and of nothing more.
//! The security code is not mirrored.

use shared::{Brand, Field};
use web_sys::Element;

use super::dom;
use crate::ui;

/// Shows what a field holds.
pub(super) fn show(field: Field, text: &str, brand: Brand) {
    let Some(picture) = dom::by_id::<Element>(ui::PICTURE) else { return };
    match field {
        Field::CardNumber => {
            put(&picture, ".digits", &completed(text, brand.groups()));
            put(&picture, ".mark", brand.title());
            let _ = picture.set_attribute("data-brand", brand.wire());
        }
        Field::CardHolder => put(&picture, ".holder", text),
        Field::Expiry => put(&picture, ".until", if text.is_empty() { "•• / ••" } else { text }),
        _ => {}
    }
}

/// Empties it.
pub(super) fn clear() {
    for field in Field::ALL {
        show(field, "", Brand::Other);
    }
}

fn put(picture: &Element, part: &str, text: &str) {
    if let Ok(Some(part)) = picture.query_selector(part) {
        part.set_text_content(Some(text));
    }
}

/// The grouped digits, with a dot for each that is still to come.
fn completed(text: &str, groups: &[u8]) -> String {
    let mut shown = String::from(text);
    let mut digits = text.chars().filter(char::is_ascii_digit).count();
    let mut end = 0;
    for &group in groups {
        end += usize::from(group);
        while digits < end {
            shown.push('•');
            digits += 1;
        }
        if digits == end && !shown.ends_with(' ') {
            shown.push(' ');
        }
    }
    shown
}
