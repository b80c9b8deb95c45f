//! While a person types: formatting with the caret kept, the brand, and problems told when a field is left.

use leptos::prelude::{Update, WithUntracked};
use shared::ach::ACCOUNT_MAX;
use shared::edit::{self, Edited, Kind};
use shared::{Brand, Field, Networks, entry};
use wasm_bindgen::JsCast;
use web_sys::{Element, Event, HtmlInputElement, InputEvent};

use super::dom::{self, Page};
use super::networks;
use super::picture;
use crate::ui::Live;

/// What a control holds changed: format it, follow the brand, and stop complaining about the field.
pub(super) fn on_input(event: &Event, page: &Page, live: &Live) {
    let Some((control, field)) = source(event) else { return };
    let typed = event.dyn_ref::<InputEvent>();
    // An input method owns the text until it is done.
    if typed.is_some_and(InputEvent::is_composing) {
        return;
    }
    let kind = typed.map_or(Kind::Insert, |typed| Kind::of(&typed.input_type()));
    format(&control, field, page, live, kind);
    if live.with_untracked(|state| state.problem(field).is_some() || !state.alert.is_empty()) {
        live.update(|state| {
            state.set(field, None);
            state.alert.clear();
        });
    }
    if page.rules.auto_advance && typed.is_some_and(|typed| typed.input_type() == "insertText") {
        advance(&control, field, page, live);
    }
}

/// Goes on to the next field if this one is complete and right, and the caret at its end. A choice of brands is
/// not passed over.
fn advance(control: &Element, field: Field, page: &Page, live: &Live) {
    let Some(input) = control.dyn_ref::<HtmlInputElement>() else { return };
    let brand = live.with_untracked(|state| state.brand);
    let text = input.value();
    let digits = text.chars().filter(char::is_ascii_digit).count();
    let complete = match field {
        // Visa cards of 19 digits are rare, those of other brands are not.
        Field::CardNumber if brand == Brand::Visa => digits == 16,
        Field::CardNumber => digits == brand.max_length(),
        Field::Expiry => digits == 4,
        Field::Cvv => digits == page.rules.codes.longest(brand),
        _ => false,
    };
    let at_end = input.selection_start().ok().flatten().is_some_and(|caret| caret as usize == text.len());
    let right = || entry::check_field(&page.rules, &page.entry(), field, dom::today()).is_none();
    let next = page.rules.visible().skip_while(|&of| of != field).nth(1);
    if let Some(next) = next.filter(|_| complete && at_end && networks::chosen().is_none() && right()) {
        page.focus(next);
    }
}

/// A field was left: tell what is wrong with it, unless nothing was entered yet.
pub(super) fn on_leave(event: &Event, page: &Page, live: &Live) {
    let Some((control, field)) = source(event) else { return };
    format(&control, field, page, live, Kind::Insert);
    let entry = page.entry();
    if entry.value(field).trim().is_empty() {
        return;
    }
    // A problem that the server found stays until the text changes.
    if let Some(problem) = entry::check_field(&page.rules, &entry, field, dom::today()) {
        live.update(|state| state.set(field, Some(problem)));
    }
}

/// Formats what was in a field before anybody listened.
pub(super) fn settle(page: &Page, live: &Live, field: Field) {
    if let Some(control) = dom::control(field).filter(|control| !dom::text(control, "value").is_empty()) {
        format(&control, field, page, live, Kind::Insert);
    }
}

fn format(control: &Element, field: Field, page: &Page, live: &Live, kind: Kind) {
    let Some(input) = control.dyn_ref::<HtmlInputElement>() else {
        if let Some(list) = dom::control(field) {
            picture::show(field, &dom::value(field, &list), Brand::Other);
        }
        return;
    };
    let text = input.value();
    let caret = input.selection_start().ok().flatten().map_or(text.len(), |caret| caret as usize);
    let edited = match field {
        Field::CardNumber => {
            let edited = edit::number(&text, caret, kind);
            follow_brand(&edited.text, page, live);
            edited
        }
        Field::Expiry => edit::expiry(&text, caret, kind),
        Field::Cvv => {
            let brand = live.with_untracked(|state| state.brand);
            edit::run(&text, caret, page.rules.codes.longest(brand))
        }
        Field::RoutingNumber => edit::run(&text, caret, 9),
        Field::AccountNumber => edit::run(&text, caret, ACCOUNT_MAX),
        Field::CardHolder => {
            picture::show(field, &text, Brand::Other);
            return;
        }
        _ => return,
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

fn follow_brand(number: &str, page: &Page, live: &Live) {
    let digits: String = number.chars().filter(char::is_ascii_digit).collect();
    let brand = Brand::of(&digits);
    let carried = page.rules.accepted.networks(&digits);
    let offered = if carried.is_choice() { carried } else { Networks::NONE };
    if networks::offered() != offered {
        networks::offer(offered);
    }
    if live.with_untracked(|state| state.brand != brand) {
        live.update(|state| {
            state.brand = brand;
            // Another brand has another code: what was wrong with this one is unknown now.
            state.set(Field::Cvv, None);
        });
        networks::mark(brand);
    }
}

fn source(event: &Event) -> Option<(Element, Field)> {
    let control: Element = event.target()?.dyn_into().ok()?;
    let field = dom::field_of(&control)?;
    Some((control, field))
}
