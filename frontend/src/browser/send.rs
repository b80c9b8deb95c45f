//! The one request that the form makes.

use js_sys::futures::JsFuture;
use js_sys::{JSON, Object, Reflect};
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{AbortSignal, RequestCredentials, RequestInit, Response};

use super::dom::{self, Page};

/// After this many milliseconds the person may try again.
const PATIENCE: u32 = 60_000;

/// How the server answered. Status 0 and a null body: it did not.
pub(super) struct Answer {
    pub status: u16,
    pub body: JsValue,
}

/// Posts what stands in the form to the form's own address. Nothing is kept of it here.
pub(super) async fn send(page: &Page) -> Answer {
    match exchange(page).await {
        Some((status, body)) => Answer { status, body },
        None => Answer { status: 0, body: JsValue::NULL },
    }
}

async fn exchange(page: &Page) -> Option<(u16, JsValue)> {
    let (body, secret) = message(page)?;
    let headers = Object::new();
    for (name, value) in [("content-type", "application/json"), ("x-capture-secret", &*secret)] {
        Reflect::set(&headers, &name.into(), &value.into()).ok()?;
    }
    let init = RequestInit::new();
    init.set_method("POST");
    init.set_headers(&headers);
    init.set_credentials(RequestCredentials::Omit);
    init.set_signal(Some(&AbortSignal::timeout_with_u32(PATIENCE)));
    init.set_body(&body);
    let action = page.form.get_attribute("action")?;
    let sent = web_sys::window()?.fetch_with_str_and_init(&action, &init);
    let response: Response = JsFuture::from(sent).await.ok()?.unchecked_into();
    let text = JsFuture::from(response.text().ok()?).await.ok()?;
    let body = JSON::parse(&text.as_string()?).unwrap_or(JsValue::NULL);
    Some((response.status(), body))
}

/// The JSON body, and the secret that travels in a header instead.
fn message(page: &Page) -> Option<(JsValue, String)> {
    let body = Object::new();
    let mut secret = String::new();
    for control in page.controls().filter(dom::counts) {
        let (name, value) = (dom::text(&control, "name"), dom::text(&control, "value"));
        if name == "secret" {
            secret = value;
        } else {
            Reflect::set(&body, &name.into(), &value.into()).ok()?;
        }
    }
    Some((JSON::stringify(body.unchecked_ref()).ok()?.into(), secret))
}
