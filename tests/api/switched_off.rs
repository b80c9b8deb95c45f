//! A card that was switched off on one surface pays on none, and gets no other token.

use serde_json::{Value, json};

use crate::app::{TestApp, text};
use crate::client::Answer;
use crate::company::{Shop, code, refused};
use crate::invoices::{GOOD, card, local, make, order, refusal, sell, shown};

on_both_engines! {
    with local;
    a_card_whose_token_is_off_has_no_other_token,
    a_card_that_is_off_for_invoices_is_off_for_tokens,
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

/// An invoice that is paid by a vault token, nobody present. Refused when it is made, or when it is to be paid.
pub async fn paid_by(app: &TestApp, reference: &str, vault: &str) -> Answer {
    let more = json!({
        "token": vault, "customer": { "reference_id": "c1" },
        "gateway_options": { "cardgate": { "instant": true } },
    });
    let answer = app.account.post("/payment-invoices", order(reference, more)).await;
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
