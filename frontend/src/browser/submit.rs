//! Submitting without leaving the page: check, send once, and show how it ended.

use js_sys::{Array, Object, Reflect};
use leptos::prelude::{Update, WithUntracked};
use leptos::task::{spawn_local, tick};
use shared::{FieldError, Problem, Text};
use wasm_bindgen::{JsCast, JsValue};

use super::dom::{self, Page};
use super::send::{Answer, send};
use super::{change, refuse};
use crate::ui::{self, Live, State, text};

/// Checks what was entered and sends it, unless that is under way already.
pub(super) fn submit(page: &Page, live: &Live) {
    if live.with_untracked(|state| state.busy) {
        return;
    }
    live.update(|state| state.alert.clear());
    if !check(page, live) {
        dom::announce("cardamom:refused", &JsValue::NULL);
        return;
    }
    dom::announce("cardamom:submit", &JsValue::NULL);
    live.update(|state| {
        state.refuse(&[]);
        state.busy = true;
    });
    dom::say(&text(live, Text::Submitting));
    let (page, live) = (page.clone(), live.clone());
    spawn_local(async move {
        let answer = send(&page).await;
        finish(&page, &live, &answer).await;
    });
}

/// Checks what was entered and shows what is wrong, without sending.
pub(super) fn check_only(page: &Page, live: &Live) {
    let right = check(page, live);
    dom::announce("cardamom:checked", &JsValue::from_bool(right));
}

/// After the inputs were emptied: no message of before stays. While a submit is under way nothing changes: it
/// ends by itself.
pub(super) fn start_again(page: &Page, live: &Live) {
    live.update(State::start_again);
    let (page, live) = (page.clone(), live.clone());
    // The event comes before the inputs are emptied.
    spawn_local(async move {
        tick().await;
        change::tell(&page, &live);
    });
}

fn check(page: &Page, live: &Live) -> bool {
    match shared::check(&page.rules, &page.entry(), dom::today()) {
        Ok(_) => true,
        Err(errors) => {
            show(page, live, &errors);
            false
        }
    }
}

async fn finish(page: &Page, live: &Live, answer: &Answer) {
    let success = get(&answer.body, "response");
    if (200..300).contains(&answer.status) && success.is_object() {
        // Nothing that runs from here on may find a number in this document.
        page.wipe();
        succeed(page, live, &success, &answer.body);
    } else {
        fail(page, live, answer).await;
    }
}

fn succeed(page: &Page, live: &Live, response: &JsValue, body: &JsValue) {
    let next = get(body, "next").as_string();
    if let Some(next) = next.filter(|next| next.starts_with('/') && !next.starts_with("//")) {
        dom::say(&text(live, Text::Saved));
        // The page around the frame is told here: the next page's origin is nobody's.
        announce_success(response, body);
        // The form stays busy: the next page is on its way.
        if let Some(window) = web_sys::window() {
            let _ = window.location().assign(&next);
        }
        return;
    }
    page.end(ui::SUCCESS);
    announce_success(response, body);
}

fn announce_success(response: &JsValue, body: &JsValue) {
    let (request, fallback) = (get(body, "request"), get(body, "fallback"));
    let detail = object(&[("response", response), ("request", &request), ("fallback", &fallback)]);
    dom::announce("cardamom:success", &detail);
}

async fn fail(page: &Page, live: &Live, answer: &Answer) {
    live.update(|state| state.busy = false);
    dom::say("");
    let errors = field_errors(page, &answer.body);
    if answer.status == 404 {
        page.wipe();
        page.end(ui::GONE);
    } else if errors.is_empty() {
        let message = text(live, general_message(answer.status));
        live.update(|state| state.alert = message);
        // The message is on the screen once the effects have run.
        tick().await;
        page.show_alert();
    } else {
        show(page, live, &errors);
    }
    let status = JsValue::from(answer.status);
    let detail = object(&[("code", &status), ("status", &status), ("data", &answer.body)]);
    dom::announce("cardamom:error", &detail);
}

fn show(page: &Page, live: &Live, errors: &[FieldError]) {
    if let Some(field) = refuse(live, errors) {
        page.focus(field);
    }
    change::tell(page, live);
}

/// The problems that have a place in this form.
fn field_errors(page: &Page, body: &JsValue) -> Vec<FieldError> {
    let Ok(listed) = get(body, "errors").dyn_into::<Array>() else { return Vec::new() };
    listed
        .iter()
        .filter_map(|error| {
            let field = page.named(&get(&error, "field").as_string()?)?;
            let problem = Problem::from_code(&get(&error, "code").as_string()?)?;
            Some(FieldError { field, problem })
        })
        .collect()
}

/// What is told where no field is at fault. The server's own words are for programs, and English.
const fn general_message(status: u16) -> Text {
    match status {
        0 => Text::AlertOffline,
        429 => Text::AlertBusy,
        500.. => Text::AlertFailed,
        _ => Text::AlertRefused,
    }
}

fn get(object: &JsValue, name: &str) -> JsValue {
    Reflect::get(object, &JsValue::from_str(name)).unwrap_or(JsValue::UNDEFINED)
}

fn object(members: &[(&str, &JsValue)]) -> JsValue {
    let object = Object::new();
    for (name, value) in members {
        let _ = Reflect::set(&object, &JsValue::from_str(name), value);
    }
    object.into()
}
