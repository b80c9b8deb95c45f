//! The one request that the form makes.

use gloo_net::http::{Request, Response};
use js_sys::{JSON, Object, Reflect};
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{AbortSignal, RequestCredentials};

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
    let response: Response = Request::post(&page.form.get_attribute("action")?)
        .header("content-type", "application/json")
        .header("x-capture-secret", &secret)
        .credentials(RequestCredentials::Omit)
        .abort_signal(Some(&AbortSignal::timeout_with_u32(PATIENCE)))
        .body(body)
        .ok()?
        .send()
        .await
        .ok()?;
    let text = response.text().await.ok()?;
    Some((response.status(), JSON::parse(&text).unwrap_or(JsValue::NULL)))
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
