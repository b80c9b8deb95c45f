//! The demo's telephone desk: sends a card request, shows the message that the customer would get, and follows
//! what becomes of it.

use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::body::to_bytes;
use axum::extract::{Path as PathOf, Request, State};
use axum::http::{Method, StatusCode};
use axum::response::{Html, Redirect};
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use maud::{Markup, html};
use serde_json::{Value, json};

use super::Client;
use super::pages::{page, refreshing};
use crate::boot::MESSAGES;
use crate::languages::LANGUAGES;

/// The desk's pages.
pub fn routes() -> Router<Arc<Client>> {
    Router::new().route("/request", get(desk).post(send)).route("/request/{id}", get(follow))
}

async fn desk() -> Html<String> {
    let body = html! {
        section.order.wide {
            h1 { "Ask for a card" }
            p { "A customer is on the phone. Instead of taking the number down, the shop sends a link." }
            form method="post" action="/request" {
                label { "Name" input name="name" value="Ada King" maxlength="100"; }
                label { "E-mail" input name="email" type="email" value="ada@example.com" required; }
                label { "Amount in euros" input name="amount" value="16.30" inputmode="decimal"; }
                label { "Language" select name="language" {
                    @for language in &LANGUAGES { option value=(language.tag) { (language.name) } }
                } }
                button { "Send the link" }
            }
            p.hint { "Nothing is sent out: messages are written to the folder " code { "outbox" } " of the data folder, and shown here." }
        }
    };
    Html(page("Ask for a card", &body).into_string())
}

async fn send(State(client): State<Arc<Client>>, request: Request) -> Result<Redirect, StatusCode> {
    let body = to_bytes(request.into_body(), 16 * 1024).await.map_err(|_| StatusCode::BAD_REQUEST)?;
    let find = |name: &str| {
        let found = form_urlencoded::parse(&body).find(|(known, _)| known == name);
        found.map(|(_, value)| value.into_owned()).filter(|value| !value.is_empty())
    };
    let amount = find("amount");
    let asked = json!({
        "RecipientName": find("name"),
        "RecipientEmail": find("email"),
        "Language": find("language"),
        "Currency": amount.as_ref().map(|_| "EUR"),
        "Amount": amount,
        "MerchantName": "Spice & Co",
        "CustomerSupportEmail": "help@spice.example",
    });
    let made = client.call(Method::POST, "/api/cardrequest", &asked).await?;
    let id = made.get("RequestID").and_then(Value::as_str).ok_or(StatusCode::BAD_GATEWAY)?;
    Ok(Redirect::to(&format!("/request/{id}")))
}

async fn follow(
    State(client): State<Arc<Client>>,
    PathOf(id): PathOf<String>,
) -> Result<Html<String>, StatusCode> {
    if !id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
        return Err(StatusCode::NOT_FOUND);
    }
    let request = client.call(Method::GET, &format!("/api/cardrequest/{id}"), &Value::Null).await?;
    let message = message(&client, &id).await?;
    let ended = matches!(text(&request, "Status").as_str(), "CardStored" | "LinkExpired");
    let body = html! {
        section.order.wide {
            h1 { "Card request" }
            (states(&request))
            @if let Some(uri) = request.get("CardUri").and_then(Value::as_str) {
                p { "The shop holds the card's address: " code.token { (uri) } }
            }
            h2 { "The message" }
            @match message { Some(text) => (shown(&text, &client.base)), None => p.hint { "It is on its way." } }
            p { a href="/request" { "Send another one" } " · " a href="/" { "To the checkout" } }
        }
    };
    let title = text(&request, "Status");
    let whole = if ended { page(&title, &body) } else { refreshing(&title, &body) };
    Ok(Html(whole.into_string()))
}

fn states(request: &Value) -> Markup {
    let history = request.get("StatusHistory").and_then(Value::as_array).cloned().unwrap_or_default();
    html! {
        ul { @for change in &history { li { b { (text(change, "Status")) } span { (text(change, "Time")) " UTC" } } } }
    }
}

/// Line by line, with the link to press.
fn shown(message: &str, base: &str) -> Markup {
    let link = format!("{base}/r/");
    html! {
        div.message {
            @for line in message.lines() {
                @if line.starts_with(&link) { p { a href=(line) target="_blank" rel="noreferrer" { (line) } } }
                @else { p { (line) } }
            }
        }
    }
}

/// The newest message of a request that has been written to the folder.
async fn message(client: &Client, id: &str) -> Result<Option<String>, StatusCode> {
    let events = client.call(Method::GET, "/v1/delivery?limit=1000", &Value::Null).await?;
    let subject = format!("{id}.message");
    let event = events.as_array().and_then(|events| {
        let mut mine =
            events.iter().filter(|event| event.get("subject").and_then(Value::as_str) == Some(&subject));
        mine.next_back().map(|event| text(event, "id"))
    });
    let Some(event) = event else { return Ok(None) };
    Ok(read(&client.data_dir.join(MESSAGES).join(format!("{event}.eml"))))
}

/// Subject and plain part of an e-mail that we wrote ourselves.
fn read(file: &Path) -> Option<String> {
    let mail = std::fs::read_to_string(file).ok()?;
    let (_, part) = mail.split_once("Content-Type: text/plain")?;
    let (head, rest) = part.split_once("\r\n\r\n")?;
    let content = rest.split_once("\r\n--").map_or(rest, |(content, _)| content);
    let bytes = if head.contains("quoted-printable") {
        quoted_printable::decode(content, quoted_printable::ParseMode::Robust).ok()?
    } else if head.contains("base64") {
        STANDARD.decode(content.split_whitespace().collect::<String>()).ok()?
    } else {
        content.as_bytes().to_vec()
    };
    String::from_utf8(bytes).ok()
}

fn text(value: &Value, name: &str) -> String {
    value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
}
