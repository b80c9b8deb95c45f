//! The gallery: every state of the form side by side, rendered by the form's own code. Only beside the demo shop,
//! on its site: the documents here are pictures of a form, without a script and without an endpoint.

use axum::extract::{Path, Query};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use frontend::{
    Asset, Assets, Bill, Face, FormPage, KeptCard, Look, Notice, NoticePage, Payment, PaymentPage,
    PaymentState, form_page, notice_page, payment_page,
};
use maud::{DOCTYPE, PreEscaped, html};
use serde::Deserialize;
use shared::{Brand, Field, FieldError, FieldOptions, FormRules, Networks, Problem, Text, Wording};

use crate::capture::theme;
use crate::http;
use crate::json::Members;
use crate::languages;

/// What is shown, in this order: the name in the address, the caption, the settings of the form.
const FRAMES: [(&str, &str, &str); 15] = [
    ("empty", "Empty", "{}"),
    ("focus", "With the focus", "{}"),
    ("invalid", "Refused", "{}"),
    ("submitting", "Under way", "{}"),
    ("error", "The server failed", "{}"),
    ("success", "Stored", "{}"),
    ("expired", "Expired", "{}"),
    ("payment", "A payment", "{}"),
    ("stored", "A payment by a stored card", "{}"),
    ("paid", "Paid", "{}"),
    ("floating", "Floating labels", r#"{"labels":"floating"}"#),
    ("picture", "With the card", r#"{"show_card":true}"#),
    ("compact", "Compact", r#"{"layout":"compact","labels":"floating"}"#),
    (
        "navy",
        "A theme: navy, square, serif",
        r##"{"theme":{"primary_color":"#12355b","radius":0,"font":"serif","surface":"#fffdf8","background":"#ece7dc"}}"##,
    ),
    (
        "plum",
        "A theme: plum, round, spacious",
        r##"{"show_card":true,"theme":{"primary_color":"#7a2e62","card_primary_color":"#7a2e62","radius":22,
            "font":"rounded","density":"spacious"}}"##,
    ),
];

/// How all frames are shown.
#[derive(Deserialize)]
pub struct Shown {
    scheme: Option<String>,
    dir: Option<String>,
}

impl Shown {
    fn scheme(&self) -> &'static str {
        if self.scheme.as_deref() == Some("dark") { "dark" } else { "light" }
    }

    fn direction(&self) -> &'static str {
        if self.dir.as_deref() == Some("rtl") { "rtl" } else { "ltr" }
    }
}

/// `GET /gallery`
pub async fn gallery(Query(shown): Query<Shown>) -> impl IntoResponse {
    let (scheme, dir) = (shown.scheme(), shown.direction());
    let page = html! {
        (DOCTYPE)
        html lang="en" data-scheme=(scheme) {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { "Gallery of the card form" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header {
                    h1 { "The card form, state by state" }
                    nav {
                        @for (scheme, dir) in [("light", "ltr"), ("dark", "ltr"), ("light", "rtl"), ("dark", "rtl")] {
                            a href={ "/gallery?scheme=" (scheme) "&dir=" (dir) } { (scheme) ", " (dir) }
                        }
                    }
                }
                main {
                    @for (name, caption, _) in FRAMES {
                        figure {
                            figcaption { (caption) }
                            iframe title=(caption) src={ "/gallery/" (name) "?scheme=" (scheme) "&dir=" (dir) } {}
                        }
                    }
                }
            }
        }
    };
    axum::response::Html(page.into_string())
}

/// `GET /gallery/{state}`: one document, with a policy of its own.
pub async fn frame(Path(name): Path<String>, Query(shown): Query<Shown>) -> Response {
    let Some((state, _, settings)) = FRAMES.iter().find(|(state, _, _)| *state == name) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let document = document(state, look(settings)).replace(
        "<html ",
        &format!("<html dir=\"{}\" data-scheme=\"{}\" ", shown.direction(), shown.scheme()),
    );
    let mut response = axum::response::Html(document).into_response();
    let policy = HeaderValue::from_static(
        "default-src 'none'; style-src 'nonce-gallery'; img-src data:; frame-ancestors 'self'; sandbox",
    );
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
    response
}

fn look(settings: &str) -> Look {
    let mut settings = Members::parse(settings.as_bytes()).unwrap_or_default();
    let (look, _) = theme::take(&mut settings).unwrap_or_default();
    http::look(&look)
}

fn document(state: &str, look: Look) -> String {
    let notice = |kind| {
        let (title, nonce) = ("Card details".to_owned(), "gallery".to_owned());
        notice_page(&NoticePage {
            title,
            wording: english(),
            kind,
            look: look.clone(),
            css: None,
            nonce,
            config: None,
            page_js: None,
        })
    };
    match state {
        "success" => notice(Notice::Success),
        "expired" => notice(Notice::Gone),
        "paid" => paid(look),
        _ => form(state, look),
    }
}

fn paid(look: Look) -> String {
    payment_page(&PaymentPage {
        wording: english(),
        bill: Some(bill()),
        state: PaymentState::Paid,
        back: Some("#".to_owned()),
        steps: Vec::new(),
        look,
        css: None,
        config: "{}".to_owned(),
        nonce: "gallery".to_owned(),
        page_js: none(),
    })
}

fn bill() -> Bill {
    let [payee, amount, purpose] = ["Spice & Co", "€12.40", "Green cardamom, 250 g"].map(str::to_owned);
    Bill { payee, amount, purpose, is_test: false }
}

/// What is paid by the form of a state, if it is a payment's.
fn payment(state: &str) -> Option<Payment> {
    let card = KeptCard { brand: Brand::Visa, last: "1111".to_owned(), until: "05 / 31".to_owned() };
    match state {
        "payment" => Some(Payment { bill: bill(), ..Payment::default() }),
        "stored" => {
            let other = Some(("#".to_owned(), Text::PayAnother));
            Some(Payment { bill: bill(), card: Some(card), other })
        }
        _ => None,
    }
}

/// A file that a picture does not load.
const fn none() -> Asset {
    Asset { url: String::new(), integrity: String::new() }
}

fn form(state: &str, look: Look) -> String {
    let mut rules = if state == "stored" { FormRules::hidden() } else { FormRules::default() };
    rules.set(Field::Reference, FieldOptions { visible: state == "floating", validate: false });
    let invalid = state == "invalid";
    let error = |field, problem| FieldError { field, problem };
    let errors = [error(Field::CardNumber, Problem::Checksum), error(Field::Expiry, Problem::Past)];
    let filled = !matches!(state, "empty" | "focus" | "navy" | "payment");
    let page = FormPage {
        title: "Card details".to_owned(),
        faces: rules.visible().map(|field| (field, Face::of(field, &english().texts))).collect(),
        keypad: false,
        networks: Networks::NONE,
        card_types: Vec::new(),
        codes: String::new(),
        wording: english(),
        rules,
        action: String::new(),
        hidden: Vec::new(),
        values: if filled { values(if invalid { "05 / 24" } else { "05 / 31" }) } else { Vec::new() },
        errors: if invalid { errors.to_vec() } else { Vec::new() },
        alert: (state == "error").then(|| FAILED.to_owned()),
        needs_fragment: false,
        config: "{}".to_owned(),
        look,
        css: None,
        languages: None,
        about: None,
        payment: payment(state),
        nonce: "gallery".to_owned(),
        assets: Assets { glue: none(), wasm: none(), page_js: none(), keypad: none() },
    };
    let document = form_page(&page);
    match state {
        // Only one frame can have the focus: here an attribute stands for it.
        "focus" => {
            document.replace(":focus", "[data-focus]").replacen("<input id=", "<input data-focus id=", 1)
        }
        "submitting" => document
            .replace("aria-disabled=\"false\"", "aria-disabled=\"true\"")
            .replace("Save card", "Saving your card…"),
        "payment" | "stored" => document.replace("Save card", "Pay €12.40"),
        _ => document,
    }
}

fn english() -> Wording {
    Wording { lang: "en".to_owned(), rtl: false, texts: languages::english() }
}

fn values(expiry: &str) -> Vec<(Field, String)> {
    vec![(Field::CardHolder, "Ada Lovelace".to_owned()), (Field::Expiry, expiry.to_owned())]
}

const FAILED: &str = "Your card could not be saved because of a problem on our side. Please try again.";

const STYLE: &str = "body{margin:0;font:14px/1.4 system-ui,sans-serif;background:#dfe3e8;color:#14202b}\
[data-scheme=dark] body{background:#05070a;color:#dfe6ec}header{display:flex;flex-wrap:wrap;gap:1rem 2rem;\
align-items:baseline;padding:1.5rem 2rem 0}h1{margin:0;font-size:1.25rem}nav{display:flex;gap:1rem}a{color:inherit}\
main{display:grid;grid-template-columns:repeat(auto-fill,24rem);gap:1.5rem;padding:1.5rem 2rem 2rem}figure{margin:0}\
figcaption{margin-bottom:.5rem;font-weight:600}iframe{width:100%;height:44rem;border:0;border-radius:12px;background:#fff}\
[data-scheme=dark] iframe{background:#161b21}";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_frame_shows_what_it_says() {
        for (state, _, settings) in FRAMES {
            let mut members = Members::parse(settings.as_bytes()).unwrap();
            assert!(theme::take(&mut members).is_ok() && members.is_empty(), "{state}");
            let document = document(state, look(settings));
            assert!(!document.contains("4111"), "{state}");
            let (sign, count) = match state {
                "focus" => ("<input data-focus", 1),
                "invalid" => ("aria-invalid=\"true\"", 2),
                "submitting" => ("aria-disabled=\"true\"", 1),
                // The alert, and the text among those that the browser is handed.
                "error" => (FAILED, 2),
                "success" => ("notice good", 1),
                "expired" => ("Link expired", 1),
                "payment" => ("€12.40</span>", 1),
                "stored" => ("class=\"brand\">Visa", 1),
                "paid" => ("Payment accepted", 1),
                "picture" | "plum" => ("id=\"cardamom-picture\"", 1),
                _ => ("id=\"cardamom-form\"", 1),
            };
            assert_eq!(
                document.split("<body>").nth(1).unwrap().matches(sign).count(),
                count,
                "{state} {document}"
            );
        }
    }
}
