//! `/v1/retrieve/iframe/pcd`: the page that shows a stored card to whoever holds a retrieve endpoint's secret (spec A.5).
//! The document holds nothing of the card; our own script fetches what may be shown, and the card itself after a click.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use maud::{PreEscaped, html};
use serde_json::json;
use shared::{Text, Wording};
use zeroize::Zeroizing;

use super::filled::check_same_origin;
use super::{answer, policy};
use crate::capture::theme;
use crate::card_data::{Meaning, meaning};
use crate::http::asked::Asked;
use crate::http::body::JsonBody;
use crate::http::caller::Address;
use crate::http::error::{ApiError, Problem};
use crate::http::router::App;
use crate::http::v1::retrieve::secret;
use crate::json::{Members, Value};
use crate::retrieve::{self, Reading};

/// How long a card stands in clear.
const SECONDS: u32 = 30;
/// The path of the page.
pub const PATH: &str = "/v1/retrieve/iframe/pcd";
/// The script, by its name among the embedded files.
pub const SCRIPT: &str = "reveal.js";

/// The page that shows a stored card to a person.
///
/// It is the same for every endpoint and every card, and holds nothing of either: its script reads the secret from the
/// address, and sends it.
#[utoipa::path(get, path = "/v1/retrieve/iframe/pcd", tag = "pages",
    params(("unique_id" = Option<String>, Query, description = "The endpoint's name."),
        ("secret" = Option<String>, Query, description = "The endpoint's secret or its page's; better as `#secret=…` behind the address."),
        ("token" = Option<String>, Query, description = "The card; may be left out where the endpoint is locked to one."),
        ("reference" = Option<String>, Query, description = "Its reference."),
        ("locale" = Option<String>, Query, description = "The page's language, such as `de`; before the browser's.")),
    responses((status = 200, content_type = "text/html", description = "The page.")))]
pub async fn open(State(app): State<Arc<App>>, asked: Asked) -> Result<Response, ApiError> {
    let script = app.assets.entry(SCRIPT).map_err(|_| ApiError::unreadable())?;
    let (nonce, wording) = (answer::nonce(&app), asked.wording());
    let page = document(&nonce, &wording, &script.url, &script.integrity);
    Ok(answer::html(StatusCode::OK, page, &policy::reveal_page(&nonce)))
}

/// What may be shown of the card, or with `reveal` the card. Asked by the page's script.
#[utoipa::path(post, path = "/v1/retrieve/iframe/pcd", tag = "pages",
    request_body(content = Object, description = "`unique_id`, `token`, `reference`, `reveal`."),
    responses((status = 200, content_type = "application/json", description = "`rows`: names and values in the page's order."),
        (status = 403, body = Problem, description = "Not sent by the page."),
        (status = 404, body = Problem, description = "No such endpoint, the wrong secret, or a card that it does not read: alike. Or it has ended.")),
    security(("retrieve_secret" = [])))]
pub async fn show(
    State(app): State<Arc<App>>,
    Address(address): Address,
    headers: HeaderMap,
    JsonBody(body): JsonBody,
) -> Result<Json<serde_json::Value>, ApiError> {
    check_same_origin(&headers)?;
    let text = |name: &str| body.find(name).and_then(Value::as_text).filter(|text| !text.is_empty());
    let secret = secret(&headers).unwrap_or_default();
    let reveal = body.find("reveal").and_then(Value::as_bool).unwrap_or(false);
    let reading = Reading {
        unique_id: text("unique_id").unwrap_or_default(),
        secret: &secret,
        token: text("token"),
        reference: text("reference"),
        address: &address,
        reveal: true,
    };
    let rows = if reveal {
        opened(&retrieve::open(&app.core, &reading).await?)
    } else {
        let peeked = retrieve::peek(&app.core, &reading).await?;
        rows(&peeked.number, &peeked.holder, &peeked.expiry)
    };
    Ok(Json(json!({ "rows": rows })))
}

/// Names that the page has words for, with their values; what is empty is left out.
fn rows(number: &str, holder: &str, expiry: &str) -> Vec<(String, String)> {
    let all = [("number", number), ("holder", holder), ("expiry", expiry)];
    let full = all.into_iter().filter(|(_, value)| !value.is_empty());
    full.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// The card's members in the page's order: number, holder, expiry, and after them the others by their own names.
fn opened(members: &Members) -> Vec<(String, String)> {
    let typed: Vec<_> = members.iter().filter_map(|(name, value)| Some((name, value.as_typed()?))).collect();
    let first = |wanted: fn(Meaning) -> bool| {
        typed.iter().find(|(name, _)| wanted(meaning(name))).map_or("", |(_, value)| *value)
    };
    let number = Zeroizing::new(first(|of| matches!(of, Meaning::Number(_))).to_owned());
    let holder = first(|of| of == Meaning::Holder);
    let mut all = rows(&number, holder, first(|of| of == Meaning::Expiry));
    let rest = typed.iter().filter(|(name, _)| matches!(meaning(name), Meaning::Other | Meaning::Routing));
    all.extend(rest.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    all
}

fn document(nonce: &str, wording: &Wording, script: &str, integrity: &str) -> String {
    let word = |text| wording.get(text);
    let head = html! {
        meta name="robots" content="noindex";
        style nonce=(nonce) { (PreEscaped(theme::Look::default().css())) (PreEscaped(STYLE)) }
        script src=(script) integrity=(integrity) defer {}
    };
    let body = html! {
        main data-open="false" data-seconds=(SECONDS) data-number=(word(Text::CardNumber))
            data-holder=(word(Text::CardHolder)) data-expiry=(word(Text::Expiry))
            data-show=(word(Text::RevealShow)) data-hide=(word(Text::RevealHide))
            data-copy=(word(Text::RevealCopy)) data-copied=(word(Text::RevealCopied))
            data-ended=(word(Text::RevealEnded)) data-failed=(word(Text::Failed))
            data-incomplete=(word(Text::LinkIncomplete))
        {
            h1 { (word(Text::RevealTitle)) }
            noscript { p { (word(Text::NeedsScripts)) } }
            dl #others {}
            p #status role="status" {}
            button #show type="button" hidden { (word(Text::RevealShow)) }
        }
    };
    answer::document(wording, word(Text::RevealTitle), &head, &body)
}

const STYLE: &str = "*{box-sizing:border-box}[hidden]{display:none!important}\
html{background:var(--surface);color:var(--text);font:calc(100%*var(--scale))/1.5 var(--font)}body{margin:0}\
main{max-width:27rem;margin:0 auto;padding:1.25rem 16px 1.5rem}\
h1{margin:0 0 1.25rem;font-size:1.375rem;line-height:1.25}\
dl{margin:0 0 1rem;min-height:9rem}dt{color:var(--muted);font-size:.875rem}\
dd{margin:0 0 .75rem;display:flex;gap:.75rem;align-items:center;justify-content:space-between;min-height:2.75rem;\
border-bottom:1px solid var(--hairline);font-variant-numeric:tabular-nums;overflow-wrap:anywhere}\
button{font:inherit;font-weight:600;min-height:2.75rem;border-radius:var(--radius);cursor:pointer;\
border:1px solid transparent;background:var(--primary);color:var(--primary-text);padding:.5rem 1rem}\
#show{width:100%}.copy{flex:none;background:transparent;color:inherit;border-color:var(--border);font-weight:400}\
button:focus-visible{outline:3px solid var(--focus);outline-offset:2px}button:disabled{opacity:.6;cursor:default}\
#status{margin:0 0 1rem;min-height:1.5rem}textarea{position:fixed;opacity:0}";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_stand_in_the_pages_order_and_codes_nowhere() {
        let text = r#"{"note":"a <b>","card_expiry":"06-2031","cvv":"123","card_number":"4111111111111111","deep":{"a":1}}"#;
        let members = Members::parse(text.as_bytes()).unwrap();
        let expected = [("number", "4111111111111111"), ("expiry", "06-2031"), ("note", "a <b>")];
        assert_eq!(opened(&members), expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
        assert!(matches!(members.find("cvv"), Some(Value::Text(_))));
    }
}
