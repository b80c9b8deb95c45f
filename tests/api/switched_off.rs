//! A card that was switched off on one surface pays on none, and gets no other token.

use backend::gateways::sandbox::acs::Verdict;
use backend::invoices::page::{self, Standing};
use backend::model::PageId;
use serde_json::{Value, json};

use crate::app::{TestApp, text};
use crate::client::{Answer, Call};
use crate::company::{Shop, code, refused};
use crate::invoices::{CHALLENGED, GOOD, card, local, make, order, refusal, sell, shown};
use crate::payment_page;

on_both_engines! {
    with local;
    a_card_whose_token_is_off_has_no_other_token,
    a_card_that_is_off_for_invoices_is_off_for_tokens,
    who_comes_back_for_a_card_that_was_switched_off_pays_otherwise,
}

/// A card in the vault; answers its token.
async fn stored(app: &TestApp) -> String {
    let body = json!({ "card_number": GOOD, "card_holder": "Ada King", "card_expiry": "06-2031" });
    text(&app.test_mode.post("/v1/vault?user=managed", body).await.ok()["token"])
}

/// `INIT` by a vault token.
async fn init(shop: &Shop, app: &TestApp, vault: &str) -> Value {
    let init = json!({ "subscription_type": "INIT", "amount": "0" });
    shop.authorise(app, "AUTH_ONLY", init, json!({ "card_token": vault })).await
}

/// The body of an invoice that is to be paid by a vault token, nobody present.
fn instant(reference: &str, vault: &str) -> Value {
    let more = json!({
        "token": vault, "customer": { "reference_id": "c1" },
        "gateway_options": { "cardgate": { "instant": true } },
    });
    order(reference, more)
}

/// An invoice that is made and not paid yet.
pub async fn paid_by_later(app: &TestApp, reference: &str, vault: &str) -> Value {
    app.account.post("/payment-invoices", instant(reference, vault)).await.is(201).json()["data"].clone()
}

/// An invoice that is paid by a vault token, nobody present. Refused when it is made, or when it is to be paid.
pub async fn paid_by(app: &TestApp, reference: &str, vault: &str) -> Answer {
    let answer = app.account.post("/payment-invoices", instant(reference, vault)).await;
    if answer.status == 201 { sell(app, &answer.json()["data"], json!({})).await } else { answer }
}

/// What is done with a token that needs its card, each with its answer.
async fn uses(shop: &Shop, app: &TestApp, token: &str) -> Vec<Value> {
    let part = |name: &str, amount: &str| json!({ "subscription_type": name, "original_transaction_id": token, "amount": amount });
    let ask = json!({ "transaction_type": "ACCOUNT_UPDATER", "original_transaction_id": token });
    vec![
        shop.rebill(app, token).await,
        shop.authorise(app, "AUTH_CAPTURE", part("REUSE", "1.00"), json!({ "cardcvv": "737" })).await,
        shop.manage(app, "UPDATE_BILLING", token, json!({ "billing": { "billing_city": "Paris" } })).await,
        shop.transact(app, ask, json!({})).await,
        // Last, since it puts another card behind the token.
        shop.authorise(app, "AUTH_ONLY", part("UPDATE_BILLING", "0"), crate::company::card(GOOD, "072032"))
            .await,
    ]
}

async fn a_card_whose_token_is_off_has_no_other_token(app: TestApp) {
    let shop = Shop::of(&app);
    let vault = stored(&app).await;
    let first = text(&init(&shop, &app, &vault).await["transaction_id"]);
    let second = text(&init(&shop, &app, &vault).await["transaction_id"]);
    assert_eq!(code(&shop.manage(&app, "DISABLE", &first, json!({})).await), "1");
    refused(&init(&shop, &app, &vault).await, "280", "Token Disabled");
    for answer in uses(&shop, &app, &second).await {
        refused(&answer, "280", "Token Disabled");
    }
    assert_eq!(refusal(&paid_by(&app, "o1", &vault).await).1, "disabled");
    assert_eq!(code(&shop.manage(&app, "ENABLE", &first, json!({})).await), "1");
    paid_by(&app, "o2", &vault).await.is(201);
    assert_eq!(code(&init(&shop, &app, &vault).await), "1");
    for answer in uses(&shop, &app, &second).await {
        assert!(matches!(code(&answer).as_str(), "1" | "11"), "{answer}");
    }
}

async fn a_card_that_is_off_for_invoices_is_off_for_tokens(app: TestApp) {
    let shop = Shop::of(&app);
    let more = json!({ "customer": { "reference_id": "c1" }, "gateway_options": { "cardgate": { "tokenize": true } } });
    let made = make(&app, "o1", more).await;
    sell(&app, &made, card(GOOD)).await.is(201);
    let vault = text(&shown(&app, &made).await["payload"]["token"]);
    let token = text(&init(&shop, &app, &vault).await["transaction_id"]);
    assert_eq!(code(&shop.rebill(&app, &token).await), "1");
    let switch = async |what: &str| {
        let target = format!("/payment-tokens/{vault}/{what}?test_mode=true");
        assert_eq!(app.account.post(&target, json!({})).await.status, 204);
    };
    switch("disable").await;
    refused(&init(&shop, &app, &vault).await, "280", "Token Disabled");
    for answer in uses(&shop, &app, &token).await {
        refused(&answer, "280", "Token Disabled");
    }
    switch("enable").await;
    for answer in uses(&shop, &app, &token).await {
        assert!(matches!(code(&answer).as_str(), "1" | "11"), "{answer}");
    }
    assert_eq!(code(&init(&shop, &app, &vault).await), "1");
}

/// What the issuer sends back with the payer of an invoice; empty where no payer is there.
async fn proof(app: &TestApp, invoice: &Value) -> Vec<(String, String)> {
    let Standing::AtIssuer(challenge) = standing(app, invoice).await else { return Vec::new() };
    let (_, pareq) = challenge.params.iter().find(|(name, _)| name == "PaReq").unwrap();
    let (operation, ..) = app.app.sandbox.challenge(pareq).await.unwrap().unwrap();
    vec![("PaRes".to_owned(), app.app.sandbox.pares(&operation, Verdict::Proven))]
}

async fn standing(app: &TestApp, invoice: &Value) -> Standing {
    let sid = PageId::stored(text(&invoice["attributes"]["flow_data"]["metadata"]["sid"]));
    page::facts(&app.app.core, &sid).await.unwrap().standing
}

/// The payer's browser sends a form to a path.
async fn send(app: &TestApp, path: &str, fields: &[(String, String)]) {
    let fields: Vec<_> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let call = Call::new("POST", path).form(&fields).header("sec-fetch-site", "same-origin");
    app.anonymous.send(call).await.is(303);
}

async fn who_comes_back_for_a_card_that_was_switched_off_pays_otherwise(app: TestApp) {
    let shop = Shop::of(&app);
    let customer = json!({ "reference_id": "c1" });
    let back = |invoice: &Value| payment_page::page(invoice).replace("/hpp/", "/payment/complete-auth/");
    let more = json!({ "customer": customer, "gateway_options": { "cardgate": { "tokenize": true } } });
    let made = make(&app, "o1", more).await;
    sell(&app, &made, card(CHALLENGED)).await.is(201);
    send(&app, &back(&made), &proof(&app, &made).await).await;
    let vault = text(&shown(&app, &made).await["payload"]["token"]);
    let token = text(&init(&shop, &app, &vault).await["transaction_id"]);
    let made = make(&app, "o2", json!({ "customer": customer, "token": vault })).await;
    let stored = [("attempts_left", "5"), ("pay_by", "stored")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
    send(&app, &payment_page::page(&made), &stored).await;
    let proven = proof(&app, &made).await;
    assert_eq!(code(&shop.manage(&app, "DISABLE", &token, json!({})).await), "1");
    send(&app, &back(&made), &proven).await;
    // Not paid, and free to be paid by another card.
    assert_eq!(shown(&app, &made).await["status"], json!("process_pending"));
    assert!(matches!(standing(&app, &made).await, Standing::Open));
    payment_page::fill(&app, &made, "4", GOOD).await.is(303);
    assert_eq!(shown(&app, &made).await["status"], json!("processed"));
}
