//! Tokens of stored cards: whose they are, when they come to be, and when they pay nothing.

use backend::invoices::pay::By;
use serde_json::{Value, json};

use crate::app::{NUMBER, PASSPHRASE, TestApp, text};
use crate::client::Client;
use crate::invoice_sales::{submit, typed};
use crate::invoices::{BAD, GOOD, card, local, make, order, refusal, sell, shown};

on_both_engines! {
    with local;
    a_token_comes_with_success_alone,
    a_token_is_its_customers,
    a_token_of_the_vault_is_bound_at_its_first_use,
    a_token_under_a_passphrase_says_why_it_cannot_be_charged,
    a_token_ends_with_its_card,
    a_token_can_be_switched_off_and_on,
    a_card_that_goes_after_its_invoice_was_made_pays_nothing,
    a_payer_who_does_not_agree_leaves_no_card,
    a_stored_card_is_charged_without_its_payer_only_where_the_invoice_says_so,
}

/// What an invoice with `tokenize` for a customer has more.
fn tokenize(customer: &str) -> Value {
    json!({ "customer": { "reference_id": customer }, "gateway_options": { "cardgate": { "tokenize": true } } })
}

/// What an invoice by a token has more.
fn by(token: &str, customer: &str, instant: bool) -> Value {
    json!({
        "token": token, "customer": { "reference_id": customer },
        "gateway_options": { "cardgate": { "instant": instant } },
    })
}

async fn token(app: &TestApp, reference: &str, customer: &str) -> String {
    let made = make(app, reference, tokenize(customer)).await;
    sell(app, &made, card(GOOD)).await.is(201);
    text(&shown(app, &made).await["payload"]["token"])
}

/// The cards under the test mode's managed key.
async fn cards(client: &Client) -> usize {
    client.get("/v1/vault").await.ok()["managed"].as_array().unwrap().len()
}

const AT_TOKEN: &str = "/data/attributes/token";

async fn refused(app: &TestApp, more: Value) -> (u16, String, String) {
    refusal(&app.account.post("/payment-invoices", order("refused", more)).await)
}

async fn a_token_comes_with_success_alone(app: TestApp) {
    let made = make(&app, "o1", tokenize("c1")).await;
    for _ in 0..4 {
        submit(&app, &made, By::Card { card: typed(BAD), keep: true }).await.unwrap();
        assert_eq!(cards(&app.test_mode).await, 0, "a refused card is not kept");
    }
    assert!(shown(&app, &made).await["payload"].is_null());
    submit(&app, &made, By::Card { card: typed(GOOD), keep: true }).await.unwrap();
    assert_eq!(cards(&app.test_mode).await, 1);
    let token = text(&shown(&app, &made).await["payload"]["token"]);
    let target = format!("/v1/vault?user=managed&token={token}");
    let stored = app.test_mode.get(&target).await.ok();
    assert_eq!((&stored["card_number"], stored.get("cvv")), (&json!(GOOD), None));
    // While a payment is under way its card's token is not to be used.
    let made = make(&app, "o2", tokenize("c2")).await;
    app.app.sandbox.faults().order(backend::gateways::sandbox::Fault::Lost);
    submit(&app, &made, By::Card { card: typed(GOOD), keep: true }).await.unwrap();
    let known = app.test_mode.get("/v1/vault").await.ok();
    let fresh = known["managed"].as_array().unwrap().iter().map(|card| text(&card["token"]));
    let fresh = fresh.into_iter().find(|known| *known != token).unwrap();
    assert_eq!(refused(&app, by(&fresh, "c2", false)).await.1, "unknown");
    app.clock.pass(120);
    app.sweep().await;
    make(&app, "o3", by(&fresh, "c2", false)).await;
}

async fn a_token_is_its_customers(app: TestApp) {
    let token = token(&app, "o1", "c1").await;
    let unknown = refused(&app, by("none", "c1", false)).await;
    assert_eq!(unknown, (422, "unknown".to_owned(), AT_TOKEN.to_owned()));
    let foreign = app.account.post("/payment-invoices", order("o", by(&token, "c2", false))).await;
    let none = app.account.post("/payment-invoices", order("o", by("none", "c2", false))).await;
    assert_eq!((foreign.status, foreign.text()), (none.status, none.text()), "byte for byte alike");
    let other = app.new_merchant("Other", backend::model::Scopes::usual()).await;
    let other = crate::app::account(&app.anonymous, &other);
    let theirs = other.post("/payment-invoices", order("o", by(&token, "c1", false))).await;
    assert_eq!((theirs.status, theirs.text()), (none.status, none.text()));
    // Another mode knows no token of this one.
    let live = app.card().await;
    assert_eq!(refused(&app, by(&live, "c1", false)).await, unknown);
    make(&app, "o2", by(&token, "c1", false)).await;
}

async fn a_token_of_the_vault_is_bound_at_its_first_use(app: TestApp) {
    let body =
        json!({ "card_number": GOOD, "card_holder": "Ada King", "card_expiry": "06-2031", "cvv": "123" });
    let token = text(&app.test_mode.post("/v1/vault?user=managed", body).await.ok()["token"]);
    let made = make(&app, "o1", by(&token, "c1", true)).await;
    assert_eq!(refused(&app, by(&token, "c2", true)).await.1, "unknown");
    sell(&app, &made, json!({})).await.is(201);
    let paid = shown(&app, &made).await;
    assert_eq!((&paid["status"], &paid["payload"]["token"]), (&json!("processed"), &json!(token)));
    assert_eq!(paid["payload"]["payment_card"]["last"], json!("0000"));
    // Deleted in the vault, it pays nothing.
    app.test_mode.delete(&format!("/v1/vault?user=managed&token={token}")).await.ok();
    assert_eq!(refused(&app, by(&token, "c1", true)).await.1, "unknown");
}

async fn a_token_under_a_passphrase_says_why_it_cannot_be_charged(app: TestApp) {
    app.test_mode.post("/v1/key", json!({ "user": "shop", "passphrase": PASSPHRASE })).await.ok();
    let body = json!({ "card_number": NUMBER, "card_expiry": "06-2031" });
    let target = format!("/v1/vault?user=shop&passphrase={PASSPHRASE}");
    let token = text(&app.test_mode.post(&target, body).await.ok()["token"]);
    let answer = app.account.post("/payment-invoices", order("o1", by(&token, "c1", false))).await;
    assert_eq!(refusal(&answer), (422, "passphrase_key".to_owned(), AT_TOKEN.to_owned()));
    assert!(text(&answer.json()["errors"][0]["detail"]).contains("passphrase"));
}

async fn a_token_ends_with_its_card(app: TestApp) {
    let token = token(&app, "o1", "c1").await;
    let far = |reference: &str| {
        let now = app.app.core.now().millis() / 1000;
        (reference.to_owned(), json!({ "expires": now + 20 * 24 * 3600 }))
    };
    // Until the last second of October 2030.
    app.clock.pass(3 * 365 * 24 * 3600 + 280 * 24 * 3600);
    let (reference, mut more) = far("o2");
    more.as_object_mut().unwrap().extend(by(&token, "c1", true).as_object().unwrap().clone());
    let made = make(&app, &reference, more).await;
    app.clock.pass(15 * 24 * 3600);
    assert_eq!(refused(&app, by(&token, "c1", true)).await, (422, "expired".to_owned(), AT_TOKEN.to_owned()));
    assert_eq!(refused(&app, by(&token, "c2", true)).await.1, "unknown", "only its customer learns why");
    let late = submit(&app, &made, By::Stored { cvv: None }).await;
    assert!(late.is_err(), "an invoice that was made before pays nothing either");
}

async fn a_token_can_be_switched_off_and_on(app: TestApp) {
    let token = token(&app, "o1", "c1").await;
    let switch = async |client: &Client, what: &str| {
        client.post(&format!("/payment-tokens/{token}/{what}?test_mode=true"), json!({})).await.status
    };
    assert_eq!(switch(&app.account, "disable").await, 204);
    assert_eq!(
        refused(&app, by(&token, "c1", true)).await,
        (422, "disabled".to_owned(), AT_TOKEN.to_owned())
    );
    assert_eq!(refused(&app, by(&token, "c2", true)).await.1, "unknown");
    assert_eq!(switch(&app.account, "enable").await, 204);
    make(&app, "o2", by(&token, "c1", true)).await;
    assert_eq!(
        app.account.post(&format!("/payment-tokens/{token}/disable"), json!({})).await.status,
        404,
        "live"
    );
    assert_eq!(switch(&app.merchant, "disable").await, 404, "live credentials");
}

async fn a_card_that_goes_after_its_invoice_was_made_pays_nothing(app: TestApp) {
    let token = token(&app, "o1", "c1").await;
    let booked = app.column("SELECT operation_id FROM sandbox_ledger").await;
    let direct = make(&app, "o2", by(&token, "c1", true)).await;
    let on_page = make(&app, "o3", by(&token, "c1", false)).await;
    let switch = async |what: &str| {
        let target = format!("/payment-tokens/{token}/{what}?test_mode=true");
        assert_eq!(app.account.post(&target, json!({})).await.status, 204);
    };
    let refused = |code: &str| (422, code.to_owned(), AT_TOKEN.to_owned());
    switch("disable").await;
    assert_eq!(refusal(&sell(&app, &direct, json!({})).await), refused("disabled"));
    assert!(submit(&app, &on_page, By::Stored { cvv: None }).await.is_err());
    switch("enable").await;
    app.test_mode.delete(&format!("/v1/vault?user=managed&token={token}")).await.ok();
    assert_eq!(refusal(&sell(&app, &direct, json!({})).await), refused("unknown"));
    assert!(submit(&app, &on_page, By::Stored { cvv: None }).await.is_err());
    assert_eq!(app.column("SELECT operation_id FROM sandbox_ledger").await, booked, "nothing was asked for");
    // The payer may still bring a card.
    for invoice in [&direct, &on_page] {
        assert_eq!(shown(&app, invoice).await["status"], json!("process_pending"));
    }
    sell(&app, &direct, card(GOOD)).await.is(201);
    assert_eq!(shown(&app, &direct).await["status"], json!("processed"));
}

async fn a_payer_who_does_not_agree_leaves_no_card(app: TestApp) {
    let made = make(&app, "o1", tokenize("c1")).await;
    submit(&app, &made, By::Card { card: typed(GOOD), keep: false }).await.unwrap();
    let paid = shown(&app, &made).await;
    assert_eq!((&paid["status"], &paid["payload"]["token"]), (&json!("processed"), &Value::Null));
    assert_eq!(cards(&app.test_mode).await, 0);
}

async fn a_stored_card_is_charged_without_its_payer_only_where_the_invoice_says_so(app: TestApp) {
    let token = token(&app, "o1", "c1").await;
    let made = make(&app, "o2", by(&token, "c1", false)).await;
    assert_eq!(refusal(&sell(&app, &made, json!({})).await).2, "/data/attributes/card_number");
    // A typed card wins over the stored one, and its number is not kept unasked.
    sell(&app, &made, card(GOOD)).await.is(201);
    assert_eq!(shown(&app, &made).await["payload"]["token"], Value::Null);
    let made = make(&app, "o3", by(&token, "c1", false)).await;
    submit(&app, &made, By::Stored { cvv: None }).await.unwrap();
    assert_eq!(shown(&app, &made).await["payload"]["token"], json!(token));
    assert_eq!(cards(&app.test_mode).await, 1);
}
