//! Gateway transactions whose payer was with the issuer, against the switch of their token: none is approved after
//! DISABLE was answered, and nothing that is switched off is taken to the gateway.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use backend::gateways::sandbox::Fault;
use backend::gateways::sandbox::acs::Verdict;
use backend::model::{Clock as _, Mode, OperationId};
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::app::{NUMBER, TestApp, text};
use crate::company::{Shop, card, code, order, refused, vault_card};
use crate::token_life::approvals;

on_both_engines! {
    who_comes_back_to_a_disabled_token_pays_nothing,
    who_comes_back_to_a_deleted_token_pays_nothing,
    a_return_looks_at_the_token_and_not_at_its_card_alone,
    switching_off_waits_for_a_return_and_not_for_a_payer,
    no_return_is_approved_after_a_token_was_switched_off,
    an_unfit_way_back_is_refused_by_its_name,
}

/// A card whose payer the issuer wants to see.
const CHALLENGED: &str = "5123817234060000";

/// A payer at the issuer.
struct Waiting {
    number: String,
    operation: OperationId,
    pares: String,
}

/// An authorisation by a token that sends the payer to the issuer.
async fn begin(shop: &Shop, app: &TestApp, token: &str, part: &str) -> Waiting {
    let transaction = json!({
        "merchant_order_id": order(), "transaction_type": "AUTH_CAPTURE", "subscription_type": part,
        "original_transaction_id": token, "amount": "10.00", "currency_code_iso3": "GBP",
    });
    let billing = if part == "REUSE" { json!({ "cardcvv": "737" }) } else { card(CHALLENGED, "112031") };
    let tds = json!({ "action": "ENQUIRE", "merchant": { "challenge_url": "https://shop.example/back" } });
    let sent = shop.transact(app, transaction, json!({ "billing": billing, "tds": tds })).await;
    assert_eq!(code(&sent), "501", "{sent}");
    assert_eq!(sent["tds"]["termurl"], "https://shop.example/back");
    let found = app.app.sandbox.challenge(&text(&sent["tds"]["pareq"])).await.unwrap();
    let (operation, ..) = found.expect("the simulator knows what it asked");
    let pares = app.app.sandbox.pares(&operation, Verdict::Proven);
    Waiting { number: text(&sent["transaction_id"]), operation, pares }
}

/// The signed request with which a payer comes back.
fn completion(shop: &Shop, app: &TestApp, waiting: &Waiting) -> Value {
    let transaction =
        json!({ "transaction_type": "AUTH_CAPTURE", "original_transaction_id": waiting.number });
    let tds = json!({ "tds": { "action": "SETTLEMENT", "pares": waiting.pares } });
    let mut body = shop.envelope(app, transaction, tds);
    shop.sign(&mut body);
    body
}

async fn complete(shop: &Shop, app: &TestApp, waiting: &Waiting) -> Value {
    shop.post(&completion(shop, app, waiting)).await
}

/// What the simulator has taken for it.
async fn taken(app: &TestApp, waiting: &Waiting) -> u64 {
    app.app.sandbox.entry(&waiting.operation).await.unwrap().unwrap().taken
}

async fn switch(shop: &Shop, app: &TestApp, token: &str, part: &str) {
    assert_eq!(code(&shop.manage(app, part, token, json!({})).await), "1", "{part}");
}

/// The vault's token of the card behind a token.
async fn behind(shop: &Shop, app: &TestApp, token: &str) -> String {
    let shown = shop.query(app, "TRANSACTION_ID", "transaction_id", token).await;
    text(&shown["transactions"][0]["card_token"])
}

async fn who_comes_back_to_a_disabled_token_pays_nothing(app: TestApp) {
    let shop = Shop::of(&app);
    let token = shop.token(&app, CHALLENGED, "122030").await;
    let waits =
        [begin(&shop, &app, &token, "REUSE").await, begin(&shop, &app, &token, "UPDATE_BILLING").await];
    let before = behind(&shop, &app, &token).await;
    switch(&shop, &app, &token, "DISABLE").await;
    for waiting in &waits {
        for _ in 0..2 {
            refused(&complete(&shop, &app, waiting).await, "280", "Token Disabled");
        }
        assert_eq!(taken(&app, waiting).await, 0, "the gateway heard nothing");
    }
    assert_eq!(behind(&shop, &app, &token).await, before, "no other card behind a disabled token");
    // Nothing was lost by that: once it is on again, the payer's answer counts.
    switch(&shop, &app, &token, "ENABLE").await;
    for waiting in &waits {
        let answer = complete(&shop, &app, waiting).await;
        assert_eq!((code(&answer).as_str(), &answer["transaction_id"]), ("1", &json!(waiting.number)));
        assert_eq!(taken(&app, waiting).await, 1_000);
    }
    let now = vault_card(&app, &behind(&shop, &app, &token).await).await;
    assert_eq!((&now["card_number"], &now["expiry"]), (&json!(CHALLENGED), &json!("11/31")));
}

async fn who_comes_back_to_a_deleted_token_pays_nothing(app: TestApp) {
    let shop = Shop::of(&app);
    let token = shop.token(&app, CHALLENGED, "122030").await;
    let waits =
        [begin(&shop, &app, &token, "REUSE").await, begin(&shop, &app, &token, "UPDATE_BILLING").await];
    let vault = behind(&shop, &app, &token).await;
    app.test_mode.delete(&format!("/v1/vault?user=managed&token={vault}&reference=")).await.ok();
    for waiting in &waits {
        refused(&complete(&shop, &app, waiting).await, "102", "original_transaction_id");
        assert_eq!(taken(&app, waiting).await, 0);
    }
}

async fn a_return_looks_at_the_token_and_not_at_its_card_alone(app: TestApp) {
    let shop = Shop::of(&app);
    let token = shop.token(&app, CHALLENGED, "122030").await;
    let waiting = begin(&shop, &app, &token, "REUSE").await;
    // The card that the payer was sent for is not the token's any more.
    let update =
        json!({ "subscription_type": "UPDATE_BILLING", "original_transaction_id": token, "amount": "0" });
    assert_eq!(code(&shop.authorise(&app, "AUTH_ONLY", update, card(NUMBER, "062031")).await), "1");
    switch(&shop, &app, &token, "DISABLE").await;
    refused(&complete(&shop, &app, &waiting).await, "280", "Token Disabled");
    assert_eq!(taken(&app, &waiting).await, 0);
}

async fn is_enabled(app: &TestApp, token: &str) -> bool {
    let mut transaction = app.app.core.store.read().await.unwrap();
    transaction.find_token(app.id.clone(), Mode::Test, token.to_owned()).await.unwrap().unwrap().enabled
}

async fn switching_off_waits_for_a_return_and_not_for_a_payer(app: TestApp) {
    let shop = Shop::of(&app);
    let token = shop.token(&app, CHALLENGED, "122030").await;
    let (stays, returns) =
        (begin(&shop, &app, &token, "REUSE").await, begin(&shop, &app, &token, "REUSE").await);
    let (app, bell) = (Arc::new(app), Arc::new(Notify::new()));
    app.app.sandbox.faults().order(Fault::Held(Arc::clone(&bell)));
    let body = completion(&shop, &app, &returns);
    let client = shop.clone();
    let charge = tokio::spawn(async move { client.post(&body).await });
    while taken(&app, &returns).await == 0 {
        tokio::task::yield_now().await;
    }
    let (clerk, client, of) = (Arc::clone(&app), shop.clone(), token.clone());
    let switch =
        tokio::spawn(
            async move { (client.manage(&clerk, "DISABLE", &of, json!({})).await, clerk.clock.now()) },
        );
    while is_enabled(&app, &token).await {
        tokio::task::yield_now().await;
    }
    assert!(!switch.is_finished(), "answered while a return was under way");
    bell.notify_one();
    assert_eq!(code(&charge.await.unwrap()), "1");
    // The other payer is still away: nobody waits for that.
    let (switched, at) = switch.await.unwrap();
    assert_eq!(code(&switched), "1");
    let approvals = approvals(&app, &token).await;
    assert!(approvals.len() == 1 && approvals[0] < at, "approved before the answer");
    refused(&complete(&shop, &app, &stays).await, "280", "");
}

async fn no_return_is_approved_after_a_token_was_switched_off(app: TestApp) {
    let shop = Shop::of(&app);
    let token = shop.token(&app, CHALLENGED, "122030").await;
    let mut bodies = Vec::new();
    for _ in 0..64 {
        let waiting = begin(&shop, &app, &token, "REUSE").await;
        bodies.push((completion(&shop, &app, &waiting), completion(&shop, &app, &waiting)));
    }
    let app = Arc::new(app);
    let is_off = Arc::new(AtomicBool::new(false));
    let mut clients = Vec::new();
    for (first, again) in bodies {
        let (shop, is_off) = (shop.clone(), Arc::clone(&is_off));
        clients.push(tokio::spawn(async move {
            let first = code(&shop.post(&first).await);
            while !is_off.load(Ordering::SeqCst) {
                tokio::task::yield_now().await;
            }
            (first, code(&shop.post(&again).await))
        }));
    }
    while approvals(&app, &token).await.is_empty() {
        tokio::task::yield_now().await;
    }
    switch(&shop, &app, &token, "DISABLE").await;
    let answered = app.clock.now();
    is_off.store(true, Ordering::SeqCst);
    let mut paid = 0;
    for client in clients {
        let (first, again) = client.await.unwrap();
        // Who was paid learns so again; nobody else is.
        assert!(matches!((first.as_str(), again.as_str()), ("1", "1") | ("280", "280")), "{first} {again}");
        paid += usize::from(first == "1");
    }
    let approvals = approvals(&app, &token).await;
    assert!(approvals.iter().all(|at| *at < answered), "a return was approved after the answer");
    assert_eq!(approvals.len(), paid);
}

async fn an_unfit_way_back_is_refused_by_its_name(app: TestApp) {
    let shop = Shop::of(&app);
    let send = async |merchant: Value, action: &str| {
        let transaction = json!({
            "merchant_order_id": order(), "transaction_type": "AUTH_CAPTURE", "amount": "10.00",
            "currency_code_iso3": "GBP",
        });
        let tds = json!({ "action": action, "merchant": merchant });
        let more = json!({ "billing": card(CHALLENGED, "122030"), "tds": tds });
        shop.transact(&app, transaction, more).await
    };
    let long = format!("https://shop.example/{}", "a".repeat(2_000));
    let holds = format!("https://shop.example/{NUMBER}");
    for url in [
        json!("back"),
        json!("javascript:alert(1)"),
        json!("http://shop.example/back"),
        json!("https://user:secret@shop.example/back"),
        json!("https://shop.example/a b"),
        json!("https://"),
        json!(long),
        json!(holds),
        json!(7),
        json!(["https://shop.example/back"]),
    ] {
        // Whether anybody is to be sent anywhere makes no difference.
        for action in ["ENQUIRE", "SCA", ""] {
            let answer = send(json!({ "challenge_url": url }), action).await;
            refused(&answer, "102", "challenge_url");
        }
    }
    refused(&send(json!("https://shop.example/back"), "ENQUIRE").await, "102", "tds.merchant");
    // Nobody has to name one: the form that sends the payer does it then.
    for merchant in [json!({}), json!([]), json!({ "challenge_url": "" }), Value::Null] {
        let answer = send(merchant, "ENQUIRE").await;
        assert_eq!(code(&answer), "501", "{answer}");
        assert!(answer["tds"].get("termurl").is_none(), "{answer}");
    }
    for url in ["https://shop.example/back?a=1", "http://localhost:8081/back"] {
        let answer = send(json!({ "challenge_url": url }), "SCA").await;
        assert_eq!((code(&answer).as_str(), &answer["tds"]["termurl"]), ("501", &json!(url)));
    }
}
