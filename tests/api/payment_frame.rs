//! Who may frame a payment's pages, and what they look like: the hosted form decides that the invoice names.

use backend::gateways::sandbox::Fault;
use serde_json::{Value, json};

use crate::app::{TestApp, text};
use crate::client::{Call, Client};
use crate::invoices::{BAD, CHALLENGED, GOOD, make, order, refusal, shown};
use crate::payment_page::{fill, page};

on_both_engines! {
    nobody_frames_a_payment_unasked,
    every_page_of_a_payment_is_framed_by_the_forms_origins_alone,
    a_payment_looks_and_speaks_as_its_form_does,
    a_deleted_form_leaves_a_page_that_can_be_paid_on,
    a_form_has_to_be_a_card_form_of_the_same_mode,
}

const SHOP: &str = "https://shop.example";

async fn form(client: &Client, body: Value) -> String {
    text(&client.post("/v1/capture/iframe?form_type=pcd", body).await.ok()["id"])
}

fn by(form: &str) -> Value {
    json!({ "gateway_options": { "cardgate": { "form": form } } })
}

/// Who may frame a page.
async fn ancestors(app: &TestApp, target: &str) -> String {
    let answer = app.anonymous.get(target).await;
    let policy = answer.header("content-security-policy");
    let (_, list) = policy.split_once("frame-ancestors ").unwrap_or_else(|| panic!("{target}: {policy}"));
    assert!(!list.contains(';'), "{policy}");
    list.to_owned()
}

/// Sends a filled page; answers where it leads.
async fn pay(app: &TestApp, invoice: &Value, left: &str, number: &str) -> String {
    fill(app, invoice, left, number).await.is(303).header("location").to_owned()
}

async fn nobody_frames_a_payment_unasked(app: TestApp) {
    let made = make(&app, "o1", json!({})).await;
    assert_eq!(ancestors(&app, &page(&made)).await, "'none'");
    // The standard form names no origins. For a card that means any site, for a payment none.
    let made = make(&app, "o2", by("pcd")).await;
    assert_eq!(ancestors(&app, &page(&made)).await, "'none'");
    assert_eq!(ancestors(&app, "/hpp/cgi_0000000000000000").await, "'none'");
}

async fn every_page_of_a_payment_is_framed_by_the_forms_origins_alone(app: TestApp) {
    let origins = json!({ "allowed_origins": [SHOP, "https://pay.shop.example"] });
    let id = form(&app.test_mode, origins).await;
    let made = make(&app, "o1", by(&id)).await;
    let expected = format!("{SHOP} https://pay.shop.example");
    let check = async |target: &str| assert_eq!(ancestors(&app, target).await, expected, "{target}");
    check(&page(&made)).await;
    let told = app.anonymous.get(&page(&made)).await.text();
    assert!(told.contains("\"allowed_origins\":[\"https://shop.example\",\"https://pay.shop.example\"]"));
    check(&pay(&app, &made, "5", "4111111111111112").await).await;
    pay(&app, &made, "5", BAD).await;
    check(&page(&made)).await;
    // At the issuer, and then paid.
    check(&pay(&app, &made, "4", CHALLENGED).await).await;
    check(&page(&made)).await;
    let another =
        Call::new("POST", &format!("{}/another", page(&made))).header("sec-fetch-site", "same-origin");
    app.anonymous.send(another.form(&[])).await.is(303);
    check(&pay(&app, &made, "3", GOOD).await).await;
    // Waiting for a lost answer.
    let made = make(&app, "o2", by(&id)).await;
    app.app.sandbox.faults().order(Fault::Lost);
    pay(&app, &made, "5", GOOD).await;
    assert!(!app.anonymous.get(&page(&made)).await.header("refresh").is_empty());
    check(&page(&made)).await;
}

async fn a_payment_looks_and_speaks_as_its_form_does(app: TestApp) {
    let id = form(
        &app.test_mode,
        json!({
            "allowed_origins": [SHOP],
            "theme": { "primary_color": "rgb(10 60 120)", "radius": 3 },
            "labels": "floating",
            "locale": "de",
            "translations": { "de": { "form": { "card_number": { "label": "Nummer der Karte" } } } },
        }),
    )
    .await;
    let made = make(&app, "o1", by(&id)).await;
    let open = app.anonymous.get(&page(&made)).await.is(200).text();
    let plain = app.anonymous.get(&page(&make(&app, "o2", json!({})).await)).await.is(200).text();
    for part in [
        "--primary:#0a3c78;",
        "--radius:3px;",
        "data-labels=\"floating\"><head>",
        "lang=\"de\"",
        "Nummer der Karte",
    ] {
        assert!(open.contains(part), "{part}");
        assert!(!plain.contains(part), "{part}");
    }
    // The button says what it does, whatever the form's own says.
    assert!(open.contains("zahlen") && !open.contains("Karte speichern"));
    let done = pay(&app, &made, "5", GOOD).await;
    let paid = app.anonymous.get(&done).await.is(200).text();
    assert!(paid.contains("--primary:#0a3c78;") && paid.contains("lang=\"de\""));
}

async fn a_deleted_form_leaves_a_page_that_can_be_paid_on(app: TestApp) {
    let id = form(&app.test_mode, json!({ "allowed_origins": [SHOP], "theme": { "radius": 3 } })).await;
    let made = make(&app, "o1", by(&id)).await;
    app.test_mode.delete(&format!("/v1/capture/iframe/{id}")).await.ok();
    assert_eq!(ancestors(&app, &page(&made)).await, "'none'");
    assert!(!app.anonymous.get(&page(&made)).await.text().contains("--radius:3px;"));
    pay(&app, &made, "5", GOOD).await;
    assert_eq!(shown(&app, &made).await["status"], json!("processed"));
}

async fn a_form_has_to_be_a_card_form_of_the_same_mode(app: TestApp) {
    let at = "/data/attributes/gateway_options/cardgate/form";
    let live = form(&app.merchant, json!({})).await;
    let other = form(&app.other_merchant().await, json!({})).await;
    let ach = text(&app.test_mode.post("/v1/capture/iframe?form_type=ach", json!({})).await.ok()["id"]);
    for (value, code) in [
        (json!(live), "unknown"),
        (json!(other), "unknown"),
        (json!(ach), "unknown"),
        (json!("ach"), "unknown"),
        (json!("none"), "unknown"),
        (json!(["pcd"]), "type"),
    ] {
        let body = json!({ "gateway_options": { "cardgate": { "form": value } } });
        let answer = app.account.post("/payment-invoices", order("o1", body)).await;
        assert_eq!(refusal(&answer), (422, code.to_owned(), at.to_owned()), "{value}");
    }
}
