//! How it stands with the form, for the page that frames it: brand, completeness, validity. Words only, of which
//! nothing that was entered can be found again.

use std::cell::RefCell;

use leptos::prelude::WithUntracked;
use shared::{Field, entry};
use wasm_bindgen::JsValue;

use super::dom::{self, Page};
use crate::ui::Live;

thread_local! {
    static TOLD: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Tells `page.js` how it stands, if that has changed: `brand complete valid field=word …`.
pub(super) fn tell(page: &Page, live: &Live) {
    let state = describe(page, live);
    let changed = TOLD.with_borrow_mut(|told| {
        let changed = *told != state;
        if changed {
            told.clone_from(&state);
        }
        changed
    });
    if changed {
        dom::announce("cardamom:change", &JsValue::from_str(&state));
    }
}

fn describe(page: &Page, live: &Live) -> String {
    let (entry, today) = (page.entry(), dom::today());
    let (brand, valid) = live.with_untracked(|state| {
        let typed = !entry.value(Field::CardNumber).is_empty();
        (if typed { state.brand.wire() } else { "" }, state.first_problem().is_none())
    });
    let complete = shared::check(&page.rules, &entry, today).is_ok();
    let mut text = String::from(brand);
    for flag in [complete, valid] {
        text.push_str(if flag { " true" } else { " false" });
    }
    for field in page.rules.visible() {
        let word = if live.with_untracked(|state| state.problem(field).is_some()) {
            "invalid"
        } else if entry.value(field).trim().is_empty() {
            "empty"
        } else if entry::check_field(&page.rules, &entry, field, today).is_none() {
            "complete"
        } else {
            "partial"
        };
        for part in [" ", field.name(), "=", word] {
            text.push_str(part);
        }
    }
    text
}
