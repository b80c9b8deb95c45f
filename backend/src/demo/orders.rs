//! The demo's order page: pays by invoices, on Cardamom's page, by a new card or by the one that was stored with an
//! earlier order.

use std::sync::Arc;

use axum::Router;
use axum::body::to_bytes;
use axum::extract::{Path, Request, State};
use axum::http::{Method, StatusCode};
use axum::response::{Html, Redirect};
use axum::routing::get;
use maud::{Markup, html};
use serde_json::{Value, json};

use super::pages::{page, refreshing};
use super::{Client, SHOP};
use crate::crypto::secret;

/// The shop's one customer.
const CUSTOMER: (&str, &str) = ("customer-1", "Ada King");
/// How far back the shop looks for a stored card.
const LOOKS_BACK: &str = "/payment-invoices?page[size]=50";

/// The order's pages.
pub fn routes() -> Router<Arc<Client>> {
    Router::new().route("/order", get(order).post(pay)).route("/order/{reference}", get(follow))
}

async fn order(State(client): State<Arc<Client>>) -> Result<Html<String>, StatusCode> {
    let stored = stored(&client).await?;
    let body = html! {
        section.order.wide {
            h1 { "Your order" }
            ul {
                li { span { "Green cardamom, 250 g" } b { "€ 12.40" } }
                li { span { "Shipping" } b { "€ 3.90" } }
                li.sum { span { "Total" } b { "€ 16.30" } }
            }
            p { "The shop makes an invoice and sends you to Cardamom's page, where you pay. It learns how it ended, and never sees a card." }
            @if let Some(card) = &stored {
                (button(&format!("Pay with {}", card.shown), &card.token))
            }
            (button(if stored.is_some() { "Pay with another card" } else { "Pay by card" }, ""))
            p.hint {
                "Test cards: " code { "5519 2838 1203 0000" } " pays at once, " code { "5123 8172 3406 0000" }
                " is asked for by its bank, " code { "4302 9128 3702 0000" } " is declined. Any future date, any code."
            }
        }
    };
    Ok(Html(page("Your order", &body).into_string()))
}

fn button(words: &str, token: &str) -> Markup {
    html! {
        form method="post" action="/order" {
            input type="hidden" name="token" value=(token);
            p { button { (words) } }
        }
    }
}

async fn pay(State(client): State<Arc<Client>>, request: Request) -> Result<Redirect, StatusCode> {
    let body = to_bytes(request.into_body(), 16 * 1024).await.map_err(|_| StatusCode::BAD_REQUEST)?;
    let token = form_urlencoded::parse(&body).find(|(name, value)| name == "token" && !value.is_empty());
    let reference = format!("order-{}", secret::generate_name(&*client.core.entropy, 8));
    let mut attributes = json!({
        "test_mode": true,
        "reference_id": reference,
        "service": "payment_card_eur_hpp",
        "currency": "EUR",
        "amount": 16.30,
        "description": "Green cardamom, 250 g, and shipping",
        "return_url": format!("{SHOP}/order/{reference}"),
        "customer": { "reference_id": CUSTOMER.0, "name": CUSTOMER.1 },
    });
    // A card that is typed may be stored; one that is stored already is charged.
    let (member, value) = match token {
        Some((_, token)) => ("token", json!(token)),
        None => ("gateway_options", json!({ "cardgate": { "tokenize": true } })),
    };
    if let Some(members) = attributes.as_object_mut() {
        members.insert(member.to_owned(), value);
    }
    let invoice = json!({ "data": { "type": "payment-invoices", "attributes": attributes } });
    let made = client.call(Method::POST, "/payment-invoices", &invoice).await?;
    let action = text(&made, "/data/attributes/flow_data/action");
    if action.is_empty() { Err(StatusCode::BAD_GATEWAY) } else { Ok(Redirect::to(&action)) }
}

async fn follow(
    State(client): State<Arc<Client>>,
    Path(reference): Path<String>,
) -> Result<Html<String>, StatusCode> {
    if !reference.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
        return Err(StatusCode::NOT_FOUND);
    }
    let target = format!("/payment-invoices?filter[reference_id]={reference}");
    let found = client.call(Method::GET, &target, &Value::Null).await?;
    let invoice = found.pointer("/data/0/attributes").ok_or(StatusCode::NOT_FOUND)?;
    let status = text(invoice, "/status");
    let (heading, waits) = match status.as_str() {
        "processed" => ("Thank you for your order", false),
        "process_pending" => ("Your order waits for its payment", true),
        _ => ("Your order was not paid", false),
    };
    let body = html! {
        section.order.wide {
            h1 { (heading) }
            p { "This is all that the shop knows:" }
            dl {
                dt { "Order" } dd { code { (reference) } }
                dt { "Status" } dd { (status) " (" (text(invoice, "/resolution")) ")" }
                @if let Some(card) = card_of(invoice) {
                    dt { "Card" } dd { (card) }
                    dt { "Token" } dd { code.token { (shown_token(invoice)) } }
                }
            }
            @if waits { p { a href=(text(invoice, "/flow_data/action")) { "Pay" } } }
            p { a href="/order" { "Order again" } }
        }
    };
    let whole = if waits { refreshing(heading, &body) } else { page(heading, &body) };
    Ok(Html(whole.into_string()))
}

/// A card that the customer let the shop keep.
struct Stored {
    token: String,
    shown: String,
}

/// The newest one. A shop of its own would note the token when it is told of the payment.
async fn stored(client: &Client) -> Result<Option<Stored>, StatusCode> {
    let found = client.call(Method::GET, LOOKS_BACK, &Value::Null).await?;
    let invoices = found.get("data").and_then(Value::as_array).cloned().unwrap_or_default();
    Ok(invoices.iter().find_map(|invoice| {
        let attributes = invoice.get("attributes")?;
        let token = text(attributes, "/payload/token");
        let shown = card_of(attributes)?;
        (!token.is_empty()).then_some(Stored { token, shown })
    }))
}

fn card_of(attributes: &Value) -> Option<String> {
    let card = attributes.pointer("/payload/payment_card")?;
    Some(format!("{} •••• {}", text(card, "/brand"), text(card, "/last")))
}

fn shown_token(attributes: &Value) -> String {
    let token = text(attributes, "/payload/token");
    if token.is_empty() { "none: the customer did not want the card to be stored".to_owned() } else { token }
}

fn text(value: &Value, pointer: &str) -> String {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
}
