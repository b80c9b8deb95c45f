//! The simulated issuer's page of 3-D Secure: two buttons, no scripts. It exists for payments on the simulator alone,
//! and is read by who tries Cardamom out; so it is in English.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use url::Url;

use super::answer;
use crate::gateways::Challenge;
use crate::gateways::sandbox::acs::{self, Verdict};
use crate::http::body::FormBody;
use crate::http::error::ApiError;
use crate::http::router::App;
use crate::model::{Money, OperationId};

/// `POST /sandbox/acs`: asks the payer. The way back is the one that the payment was begun with, whatever was sent.
/// Any site may bring its payers here, in a frame too, as real issuers allow.
pub async fn ask(State(app): State<Arc<App>>, FormBody(fields): FormBody) -> Result<Response, ApiError> {
    let request = fields.find("creq").or_else(|| fields.find("PaReq")).unwrap_or_default();
    let nonce = answer::nonce(&app);
    let asked = app.sandbox.challenge(request).await?;
    let found = asked.and_then(|(operation, challenge, amount)| {
        let back = Url::parse(&acs::way_back(&challenge)?).ok()?;
        Some((origin(&back)?, question(&app, &operation, &challenge, &back, amount)))
    });
    let Some((origin, question)) = found else {
        let text = html! { p { "This payment does not wait for anybody any more. Go back to the shop." } };
        let page = document(&nonce, &text);
        return Ok(answer::html(StatusCode::NOT_FOUND, page, &policy(&nonce, "'none'")));
    };
    Ok(answer::html(StatusCode::OK, document(&nonce, &question), &policy(&nonce, &origin)))
}

fn question(app: &App, operation: &OperationId, challenge: &Challenge, back: &Url, amount: Money) -> Markup {
    let button = |verdict, class: &str, words: &str| {
        html! {
            form method="post" action=(back) {
                @for (name, value) in app.sandbox.verdict(operation, challenge, verdict) {
                    input type="hidden" name=(name) value=(value);
                }
                button class=(class) { (words) }
            }
        }
    };
    html! {
        @if amount.is_zero() {
            p { "A shop asks whether this card is yours. No money is moved." }
        } @else {
            p { "A shop asks for" }
            p.amount { (amount) " " (amount.currency().code()) }
        }
        (button(Verdict::Proven, "yes", "Approve"))
        (button(Verdict::Failed, "no", "Refuse"))
    }
}

/// As a policy names it; `None` for what is no web address.
fn origin(back: &Url) -> Option<String> {
    matches!(back.scheme(), "https" | "http").then(|| back.origin().ascii_serialization())
}

fn policy(nonce: &str, origin: &str) -> String {
    format!("default-src 'none'; style-src 'nonce-{nonce}'; form-action {origin}; base-uri 'none'")
}

fn document(nonce: &str, content: &Markup) -> String {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { "Simulated issuer" }
                style nonce=(nonce) { (PreEscaped(STYLE)) }
            }
            body {
                main {
                    h1 { "Is it you?" }
                    (content)
                    footer { "This is Cardamom's simulated issuer. It moves no money." }
                }
            }
        }
    }
    .into_string()
}

const STYLE: &str = ":root{color-scheme:light dark}\
*{box-sizing:border-box}\
body{margin:0;min-height:100vh;display:grid;place-items:center;font:1rem/1.5 system-ui,sans-serif;\
background:light-dark(#eef1f5,#14171c);color:light-dark(#1c2430,#e8ecf2)}\
main{width:min(24rem,100vw - 2rem);padding:2rem;border-radius:1rem;background:light-dark(#fff,#20252d);\
box-shadow:0 .5rem 2rem #0003}\
h1{margin:0 0 1rem;font-size:1.35rem}p{margin:0 0 .5rem}\
.amount{font-size:2rem;font-weight:600;margin:0 0 1.5rem;font-variant-numeric:tabular-nums}\
form{margin:0 0 .75rem}\
button{width:100%;min-height:3rem;border-radius:.6rem;border:1px solid transparent;font:inherit;font-weight:600;cursor:pointer}\
button:focus-visible{outline:3px solid light-dark(#0b5cad,#7db7ff);outline-offset:2px}\
.yes{background:light-dark(#0b6b45,#2f9e6e);color:light-dark(#fff,#06120c)}\
.no{background:none;border-color:currentColor;color:inherit}\
footer{margin-top:1rem;font-size:.85rem;color:light-dark(#566173,#a4aebd)}";
