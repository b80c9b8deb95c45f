//! Brings the server's form to life: reads it from the document, hydrates it, and attaches the listeners.

mod change;
mod dom;
mod networks;
mod picture;
mod send;
mod submit;
mod typing;

use leptos::mount::hydrate_from;
use leptos::prelude::{ArcRwSignal, GetUntracked, Update};
use shared::Field;
use wasm_bindgen::prelude::wasm_bindgen;
use web_sys::{Event, HtmlElement};

use crate::ui::{self, Live, Seed, State};
use dom::Page;

/// Runs once, when the module has been loaded. A document without a form is left alone.
#[wasm_bindgen(start)]
pub fn start() {
    let Some(page) = Page::find() else { return };
    let Some(root) = dom::by_id::<HtmlElement>(ui::ROOT) else { return };
    let live = ArcRwSignal::new(page.state());
    let (rules, shown) = (page.rules, live.clone());
    hydrate_from(root, move || ui::fields(&rules, &Seed::default(), &shown)).forget();

    // What was typed before is formatted like what will be.
    for field in page.rules.visible() {
        typing::settle(&page, &live, field);
    }
    // From here on the fields are checked here, in words of our own.
    page.form.set_no_validate(true);
    attach(page, &live);
}

fn attach(page: Page, live: &Live) {
    let form = page.form.clone();
    // An input method ends its composition without an input event of its own.
    for name in ["input", "compositionend"] {
        let (page, live) = (page.clone(), live.clone());
        dom::listen(&form, name, move |event| {
            typing::on_input(&event, &page, &live);
            change::tell(&page, &live);
        });
    }
    dom::listen(&form, "focusout", {
        let (page, live) = (page.clone(), live.clone());
        move |event| {
            typing::on_leave(&event, &page, &live);
            change::tell(&page, &live);
        }
    });
    dom::listen(&form, "cardamom:check", {
        let (page, live) = (page.clone(), live.clone());
        move |_| submit::check_only(&page, &live)
    });
    dom::listen(&form, "reset", {
        let (page, live) = (page.clone(), live.clone());
        move |_| submit::start_again(&page, &live)
    });
    dom::listen(&form, "click", {
        let page = page.clone();
        move |event| follow_summary(&event, &page)
    });
    if let Some(button) = dom::by_id::<HtmlElement>("cardamom-submit") {
        // Pressing the button must not leave the field: the problem that this would show moves the button
        // away from under the pointer, and the click is lost.
        dom::listen(&button, "mousedown", |event: Event| event.prevent_default());
    }
    change::tell(&page, live);
    let live = live.clone();
    dom::listen(&form, "submit", move |event: Event| {
        event.prevent_default();
        submit::submit(&page, &live);
    });
}

/// A link of the summary leads to its input. The browser's own jump would put the field's name into the
/// address, and a frame's parent could scroll.
fn follow_summary(event: &Event, page: &Page) {
    if let Some(field) = dom::link_target(event).and_then(|name| Field::from_name(&name)) {
        event.prevent_default();
        page.focus(field);
    }
}

/// Changes the state and answers its first problem.
fn refuse(live: &Live, errors: &[shared::FieldError]) -> Option<Field> {
    live.update(|state: &mut State| state.refuse(errors));
    live.get_untracked().first_problem()
}
