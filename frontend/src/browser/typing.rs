//! While a person types: formatting with the caret kept, the brand, and problems told when a field is left.

use leptos::prelude::{Update, WithUntracked};
use shared::edit::{self, Edited, Kind};
use shared::{Brand, Field, entry};
use wasm_bindgen::JsCast;
use web_sys::{Event, HtmlInputElement, InputEvent};

use super::dom::{self, Page};
use super::picture;
use crate::ui::Live;

/// An input's text changed: format it, follow the brand, and stop complaining about the field.
pub(super) fn on_input(event: &Event, live: &Live) {
    let Some((input, field)) = source(event) else { return };
    let typed = event.dyn_ref::<InputEvent>();
    // An input method owns the text until it is done; the field is formatted when it is left.
    if typed.is_some_and(InputEvent::is_composing) {
        return;
    }
    let kind = typed.map_or(Kind::Insert, |typed| Kind::of(&typed.input_type()));
    format(&input, field, live, kind);
    if live.with_untracked(|state| state.problem(field).is_some() || !state.alert.is_empty()) {
        live.update(|state| {
            state.set(field, None);
            state.alert.clear();
        });
    }
}

/// A field was left: tell what is wrong with it, unless nothing was entered yet.
pub(super) fn on_leave(event: &Event, page: &Page, live: &Live) {
    let Some((input, field)) = source(event) else { return };
    format(&input, field, live, Kind::Insert);
    if input.value().trim().is_empty() {
        return;
    }
    // A problem that the server found stays until the text changes.
    if let Some(problem) = entry::check_field(&page.rules, &page.entry(), field, dom::today()) {
        live.update(|state| state.set(field, Some(problem)));
    }
}

/// Formats what was in a field before anybody listened.
pub(super) fn settle(live: &Live, field: Field) {
    if let Some(input) = dom::input(field).filter(|input| !input.value().is_empty()) {
        format(&input, field, live, Kind::Insert);
    }
}

fn format(input: &HtmlInputElement, field: Field, live: &Live, kind: Kind) {
    let text = input.value();
    let caret = input.selection_start().ok().flatten().map_or(text.len(), |caret| caret as usize);
    let edited = match field {
        Field::CardNumber => {
            let edited = edit::number(&text, caret, kind);
            follow_brand(&edited.text, live);
            edited
        }
        Field::Expiry => edit::expiry(&text, caret, kind),
        Field::Cvv => {
            let longest = live.with_untracked(|state| state.brand).cvv_lengths().last().copied();
            edit::cvv(&text, caret, usize::from(longest.unwrap_or(4)))
        }
        Field::CardHolder | Field::Reference => {
            picture::show(field, &text, Brand::Other);
            return;
        }
    };
    if edited.text != text {
        write(input, &edited);
    }
    picture::show(field, &edited.text, live.with_untracked(|state| state.brand));
}

fn write(input: &HtmlInputElement, edited: &Edited) {
    input.set_value(&edited.text);
    let caret = u32::try_from(edited.caret).ok();
    let _ = input.set_selection_start(caret);
    let _ = input.set_selection_end(caret);
}

fn follow_brand(number: &str, live: &Live) {
    let digits: String = number.chars().filter(char::is_ascii_digit).collect();
    let brand = Brand::of(&digits);
    if live.with_untracked(|state| state.brand != brand) {
        live.update(|state| {
            state.brand = brand;
            // Another brand has another code: what was wrong with this one is unknown now.
            state.set(Field::Cvv, None);
        });
    }
}

fn source(event: &Event) -> Option<(HtmlInputElement, Field)> {
    let input: HtmlInputElement = event.target()?.dyn_into().ok()?;
    let field = Field::from_name(&input.name())?;
    Some((input, field))
}
