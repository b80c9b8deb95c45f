//! What all pages share: their data for scripts, their headers, the plain notices.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use frontend::{Logo, Look, Notice, NoticePage, notice_page};
use maud::{DOCTYPE, Markup, html};
use serde_json::{Value, json};
use shared::{Text, Wording};
use url::Url;

use super::policy;
use crate::addresses::is_loopback;
use crate::capture::forms::{Runner, Settings};
use crate::capture::theme;
use crate::crypto::{entropy, hex};
use crate::http::router::App;

/// What every page carries besides its policy. Parents that are isolated from other origins frame only documents
/// that ask for the same and say that they may be framed.
pub const PAGE_HEADERS: [(&str, &str); 5] = [
    ("content-type", "text/html; charset=utf-8"),
    ("cache-control", "no-store"),
    ("cross-origin-resource-policy", "cross-origin"),
    ("cross-origin-embedder-policy", "require-corp"),
    ("permissions-policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
];

/// What a page's script is told (`#cardamom-config`).
pub struct Config<'a> {
    /// The form's id.
    pub form: &'a str,
    /// The endpoint's name.
    pub unique_id: &'a str,
    /// Whether the secret comes in the fragment.
    pub fragment: bool,
    /// What was stored: the endpoint's answer, the allowed members of the request, the done page.
    pub result: Option<(&'a Value, &'a Value, Option<&'a str>)>,
    /// What was refused: status and message.
    pub failure: Option<(u16, &'a str)>,
    /// Whether the endpoint cannot be used, or not any more.
    pub ended: bool,
}

/// A nonce; hexadecimal, because minifiers drop quotes.
pub fn nonce(app: &App) -> String {
    hex(&entropy::bytes::<16>(&*app.core.entropy))
}

/// The data of a page's script as JSON that can stand in a script element (security rule 15).
pub fn config(app: &App, settings: &Settings, wording: &Wording, config: &Config<'_>) -> String {
    let runner = settings.runner();
    let callback = |code: &Option<String>| code.clone().filter(|_| runner == Runner::Worker);
    let value = json!({
        "form": config.form,
        "unique_id": config.unique_id,
        "fragment": config.fragment,
        "callbacks": {
            "runner": runner.as_str(),
            "success": callback(&settings.success_callback),
            "error": callback(&settings.error_callback),
        },
        "allowed_origins": settings.allowed_origins,
        "texts": { "continue": wording.get(Text::Continue) },
        "messages": settings.messages.as_str(),
        "submit_by_message": settings.submit_by_message,
        "auto_focus": settings.auto_focus,
        "asks_around": settings.asks_around.then(|| json!({
            "waits": wording.get(Text::Submitting), "failed": wording.get(Text::AlertCheck),
        })),
        "ended": config.ended,
        "insecure_navigation": is_at_home(&app.public_url),
        "result": config.result.map(|(response, request, fallback)| {
            json!({ "response": response, "request": request, "fallback": fallback })
        }),
        "failure": config.failure.map(|(status, message)| json!({
            "code": status, "status": status, "data": { "error": message, "status": status },
        })),
    });
    for_script(&value)
}

/// Whether this server is reached over plain http on its own machine: a trial or a test, where callbacks may
/// lead to http on this machine too (security rule 15). Anywhere else the public address is https.
fn is_at_home(public_url: &Url) -> bool {
    public_url.scheme() == "http" && is_loopback(public_url)
}

/// A page apart from the hosted form: what all of them begin with, and what each has beside it.
pub fn document(wording: &Wording, title: &str, head: &Markup, body: &Markup) -> String {
    html! {
        (DOCTYPE)
        html lang=(wording.lang) dir=[wording.rtl.then_some("rtl")] {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) }
                (head)
            }
            body { (body) }
        }
    }
    .into_string()
}

/// JSON that cannot end a script element or a line of one.
pub fn for_script(value: &Value) -> String {
    in_script(&value.to_string())
}

/// The same of JSON that is text already.
pub fn in_script(json: &str) -> String {
    json.replace('<', "\\u003c").replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029")
}

/// How the pages of a form look.
pub fn look(look: &theme::Look) -> Look {
    Look {
        css: look.css(),
        layout: look.layout.clone(),
        labels: look.labels.clone(),
        picture: look.picture,
        bare: look.bare,
        logo: look.logo.as_ref().map(|logo| Logo {
            url: format!("/v1/capture/logo/{}?v={}", logo.form, logo.hash),
            width: logo.width,
            height: logo.height,
            alt: logo.alt.clone(),
        }),
    }
}

/// A notice that belongs to a form.
pub fn notice(
    app: &App,
    status: StatusCode,
    kind: Notice,
    settings: &Settings,
    wording: Wording,
    config: Option<String>,
) -> Response {
    let nonce = nonce(app);
    let page = NoticePage {
        title: wording.get(Text::Title).to_owned(),
        wording,
        kind,
        look: look(&settings.look),
        css: Some(settings.css.clone()).filter(|css| !css.is_empty()),
        nonce: nonce.clone(),
        page_js: config.is_some().then(|| app.page_assets.page_js.clone()),
        config,
    };
    html(status, notice_page(&page), &policy::card_page(&nonce, settings))
}

/// The page for everything that is not there, or not any more: one page, whatever the reason.
pub fn gone(app: &App, wording: Wording) -> Response {
    ended(app, &Settings::default(), wording)
}

/// The page for an endpoint that cannot be used any more: it tells the page around the frame, and names nothing.
pub fn ended(app: &App, settings: &Settings, wording: Wording) -> Response {
    let told = Config { form: "", unique_id: "", fragment: false, result: None, failure: None, ended: true };
    let told = config(app, settings, &wording, &told);
    notice(app, StatusCode::NOT_FOUND, Notice::Gone, settings, wording, Some(told))
}

/// Adds what every page carries. A redirect to a page carries it too: around an isolated page's frame the browser
/// asks it of both.
pub fn complete(response: &mut Response) {
    for (name, value) in PAGE_HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
}

/// A document with its policy.
pub fn html(status: StatusCode, document: String, policy: &str) -> Response {
    let mut response = (status, document).into_response();
    let headers = response.headers_mut();
    // The parts were checked when the form was made, so the policy is a valid header.
    if let Ok(policy) = HeaderValue::from_str(policy) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    complete(&mut response);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_cannot_leave_their_script_element() {
        let text = for_script(&json!({ "a": "</script><!--\u{2028}" }));
        assert_eq!(text, "{\"a\":\"\\u003c/script>\\u003c!--\\u2028\"}");
    }

    #[test]
    fn plain_http_is_for_this_machine_alone() {
        for (url, expected) in [
            ("http://127.0.0.1:8080", true),
            ("http://localhost", true),
            ("http://[::1]:8080", true),
            ("https://127.0.0.1:8080", false),
            ("https://cards.example", false),
            ("http://localhost.example", false),
        ] {
            assert_eq!(is_at_home(&Url::parse(url).unwrap()), expected, "{url}");
        }
    }
}
