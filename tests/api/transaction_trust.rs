//! Who is trusted on the gateway interface: nobody has a request signed who cannot sign it, and an `Idempotency-Key`
//! gives whoever can the first answer again.

use backend::access::idempotency::{self, AfterCrash, Asked, Begun};
use backend::json::Members;
use backend::transactions::{hash, prove};
use serde_json::{Value, json};

use crate::app::{NUMBER, TestApp, text};
use crate::client::{Answer, Call};
use crate::company::{Shop, card, code, order, refused};

on_both_engines! {
    nobody_has_a_request_signed_by_being_refused,
    nobody_has_a_request_signed_by_sending_one_again,
    nobody_has_a_query_signed,
    an_unknown_company_is_answered_like_a_known_one,
    a_key_gives_the_first_answer_again,
    a_key_does_not_change_what_is_refused,
    a_call_that_did_not_end_is_not_run_again,
}

/// A charge by a token.
fn charge(token: &str) -> Value {
    json!({
        "transaction_type": "AUTH_CAPTURE", "subscription_type": "REBILL", "merchant_order_id": order(),
        "original_transaction_id": token, "amount": "10.00", "currency_code_iso3": "GBP",
    })
}

/// Sends a charge that is signed by an answer: with its time, an order that ends it, and its signature.
async fn sent_with(shop: &Shop, app: &TestApp, token: &str, answer: &Value) -> Value {
    let transaction = text(&answer["transaction_id"]);
    let mut body = shop.envelope(app, charge(token), json!({}));
    body["timestamp"] = answer["timestamp"].clone();
    body["transaction"]["merchant_order_id"] = json!(format!("{transaction}{}", code(answer)));
    body["request_hash"] = answer["response_hash"].clone();
    shop.post(&body).await
}

async fn nobody_has_a_request_signed_by_being_refused(app: TestApp) {
    let shop = Shop::of(&app);
    let token = shop.good_token(&app).await;
    let set = |object: &str, name: &str, value: &str| {
        let mut body = shop.envelope(&app, charge(&token), json!({ "billing": {} }));
        body["request_hash"] = json!("0".repeat(64));
        match object {
            "" => body[name] = json!(value),
            object => body[object][name] = json!(value),
        }
        body
    };
    let mut old = shop.envelope(&app, charge(&token), json!({ "timestamp": "20260115080000" }));
    shop.sign(&mut old);
    for (body, expected) in [
        (set("", "user_agent", "x"), "107"),
        (set("", "company_pass", "0123456789"), "103"),
        (set("", "company_mid_id", "1"), "103"),
        (set("transaction", "amount", "x"), "102"),
        (set("transaction", "currency_code_iso3", "X"), "105"),
        (set("billing", "card_type", "1"), "106"),
        (set("billing", "cardexp", "1"), "204"),
        (old, "102"),
    ] {
        let answer = shop.post(&body).await;
        refused(&answer, expected, "");
        assert_eq!(answer["transaction_type"], "", "{answer}");
        refused(&sent_with(&shop, &app, &token, &answer).await, "107", "");
    }
    // What is no authorisation is about a transaction of ours, which no code is.
    for kind in ["CAPTURE", "VOID", "REFUND", "SUBSCRIPTION_MANAGE", "ACCOUNT_UPDATER"] {
        let mut body = set("transaction", "transaction_type", kind);
        body["transaction"]["subscription_type"] =
            if kind == "SUBSCRIPTION_MANAGE" { json!("DISABLE") } else { Value::Null };
        let answer = shop.post(&body).await;
        refused(&answer, "107", "");
        assert_eq!(answer["transaction_type"], kind);
        body["timestamp"] = answer["timestamp"].clone();
        body["transaction"]["original_transaction_id"] = answer["response_code"].clone();
        body["request_hash"] = answer["response_hash"].clone();
        refused(&shop.post(&body).await, "102", "original_transaction_id");
    }
    // Let in, a company is repeated what it sent; and what an approval was signed with is no order.
    let paid = shop.rebill(&app, &token).await;
    assert_eq!((code(&paid).as_str(), &paid["transaction_type"]), ("1", &json!("AUTH_CAPTURE")));
    refused(&sent_with(&shop, &app, &token, &paid).await, "102", "merchant_order_id");
}

async fn nobody_has_a_request_signed_by_sending_one_again(app: TestApp) {
    let shop = Shop::of(&app);
    let token = shop.good_token(&app).await;
    let mut body = shop.envelope(&app, charge(&token), json!({}));
    shop.sign(&mut body);
    assert_eq!(code(&shop.post(&body).await), "1");
    let mut changed = body.clone();
    changed["transaction"]["amount"] = json!("0");
    for again in [body, changed] {
        let answer = shop.post(&again).await;
        refused(&answer, "102", "timestamp");
        assert_eq!(answer["transaction_type"], "");
        refused(&sent_with(&shop, &app, &token, &answer).await, "107", "");
    }
}

async fn nobody_has_a_query_signed(app: TestApp) {
    let shop = Shop::of(&app);
    let ask = async |body: &Value| {
        app.anonymous.send(Call::new("POST", "/api.php/status").json(body)).await.is(200).json()
    };
    let question = json!({ "status_request_type": "ORDER_ID_ALL", "merchant_order_id": "107" });
    let mut body = shop.envelope(&app, question, json!({ "request_hash": "0".repeat(64) }));
    let refusal = ask(&body).await;
    assert_eq!((code(&refusal).as_str(), &refusal["status_request_type"]), ("107", &json!("")));
    let mut named = body.clone();
    named["transaction"] = json!({ "transaction_type": "ORDER_ID_ALL" });
    let unknown = shop.post(&named).await;
    assert_eq!((code(&unknown).as_str(), &unknown["transaction_type"]), ("104", &json!("")));
    for answer in [refusal, unknown] {
        body["timestamp"] = answer["timestamp"].clone();
        body["transaction"]["merchant_order_id"] = answer["response_code"].clone();
        body["request_hash"] = answer["response_hash"].clone();
        assert_eq!(code(&ask(&body).await), "107");
    }
}

async fn an_unknown_company_is_answered_like_a_known_one(app: TestApp) {
    let shop = Shop::of(&app);
    let unknown = Shop { id: "99999999999".to_owned(), ..shop.clone() };
    let mut answers = Vec::new();
    for sender in [&shop, &unknown] {
        let more =
            json!({ "company_pass": "0123456789", "company_mid_id": "", "request_hash": "0".repeat(64) });
        let body = sender.envelope(&app, charge("1234567890"), more);
        let mut answer = app.anonymous.send(Call::new("POST", "/api.php").json(&body)).await.is(200).json();
        for varying in ["timestamp", "company_id", "response_hash"] {
            answer[varying] = Value::Null;
        }
        answers.push(answer);
    }
    assert_eq!(answers[0], answers[1]);
}

/// Sends a body under a key.
async fn under(app: &TestApp, key: &str, body: &Value) -> Answer {
    app.anonymous.send(Call::new("POST", "/api.php").header("idempotency-key", key).json(body)).await
}

fn sale(id: &str, amount: &str) -> Value {
    json!({
        "transaction_type": "AUTH_CAPTURE", "merchant_order_id": id, "amount": amount, "currency_code_iso3": "GBP",
    })
}

/// A signed request.
fn signed(shop: &Shop, app: &TestApp, transaction: Value, billing: &Value) -> Value {
    let mut body = shop.envelope(app, transaction, json!({ "billing": billing }));
    shop.sign(&mut body);
    body
}

async fn a_key_gives_the_first_answer_again(app: TestApp) {
    let shop = Shop::of(&app);
    let id = order();
    let body = signed(&shop, &app, sale(&id, "10.00"), &card(NUMBER, "062031"));
    let first = under(&app, "k", &body).await;
    assert_eq!((code(&first.is(200).json()).as_str(), first.header("idempotent-replayed")), ("1", ""));
    // The same bytes, and the same once more with a time and a signature of its own.
    let later = signed(&shop, &app, sale(&id, "10.00"), &card(NUMBER, "062031"));
    assert_ne!(later["request_hash"], body["request_hash"]);
    for body in [&body, &later] {
        let again = under(&app, "k", body).await;
        assert_eq!((again.is(200).text(), again.header("idempotent-replayed")), (first.text(), "true"));
    }
    // Without the key it is a request that was taken before.
    refused(&shop.post(&body).await, "102", "timestamp");
    refused(&under(&app, "other", &body).await.is(200).json(), "102", "timestamp");
    let found = shop.query(&app, "ORDER_ID_ALL", "merchant_order_id", &id).await;
    assert_eq!(found["count"], "1");
    // A second refund is given back again, and not made again.
    let sale = text(&first.json()["transaction_id"]);
    let refund = json!({ "transaction_type": "REFUND", "original_transaction_id": sale, "amount": "4.00" });
    let body = signed(&shop, &app, refund.clone(), &json!({}));
    let first = under(&app, "refund", &body).await;
    assert_eq!(code(&first.is(200).json()), "1");
    assert_eq!(under(&app, "refund", &signed(&shop, &app, refund, &json!({}))).await.text(), first.text());
    assert_eq!(shop.follow(&app, "REFUND", &sale, "").await["amount"], "6.00");
    // What an issuer refused is done too.
    let bad = |id: &str| signed(&shop, &app, sale_of(id), &card("4302912837020000", "052029"));
    let id = order();
    let declined = under(&app, "declined", &bad(&id)).await.is(200).json();
    assert_eq!(code(&declined), "101");
    assert_eq!(under(&app, "declined", &bad(&id)).await.json(), declined);
}

fn sale_of(id: &str) -> Value {
    sale(id, "10.00")
}

async fn a_key_does_not_change_what_is_refused(app: TestApp) {
    let shop = Shop::of(&app);
    let id = order();
    let good = || signed(&shop, &app, sale(&id, "10.00"), &card(NUMBER, "062031"));
    // What was refused before it began is not kept.
    let early = signed(&shop, &app, sale(&id, "10.00"), &card(NUMBER, "122026"));
    refused(&under(&app, "k", &early).await.is(200).json(), "204", "");
    let first = under(&app, "k", &good()).await.is(200).json();
    assert_eq!(code(&first), "1");
    // Other parameters, in the interface's shape and signed.
    let mut other = signed(&shop, &app, sale(&id, "10.01"), &card(NUMBER, "062031"));
    let answer = under(&app, "k", &other).await.is(422).json();
    refused(&answer, "102", "Idempotency-Key (idempotency_key_reused)");
    let values = ["timestamp", "transaction_type", "company_id", "transaction_id", "response_code"]
        .map(|name| text(&answer[name]));
    let values = values.each_ref().map(String::as_str);
    assert_eq!(text(&answer["response_hash"]), hash::signed(&values, &shop.hash_code));
    for key in ["two words", ""] {
        refused(&under(&app, key, &good()).await.is(400).json(), "102", "Idempotency-Key (idempotency_key)");
    }
    // Who is not let in learns nothing of what is kept.
    other["company_pass"] = json!("0123456789");
    refused(&under(&app, "k", &other).await.is(200).json(), "103", "");
    let mut unsigned = good();
    unsigned["request_hash"] = json!("0".repeat(64));
    refused(&under(&app, "k", &unsigned).await.is(200).json(), "107", "");
    assert_eq!(under(&app, "k", &good()).await.json(), first);
}

async fn a_call_that_did_not_end_is_not_run_again(app: TestApp) {
    let shop = Shop::of(&app);
    let id = order();
    let body = || signed(&shop, &app, sale(&id, "10.00"), &card(NUMBER, "062031"));
    let begun = body();
    let proven = prove(&app.app.core, begun.to_string().as_bytes(), "").await.unwrap();
    let mut members = Members::parse(begun.to_string().as_bytes()).unwrap();
    members.retain(|name, _| !["timestamp", "request_hash"].contains(&name));
    let query = Members::default();
    let asked = Asked { method: "POST", path: "/api.php", query: &query, body: Some(&members), raw: b"" };
    let ticket = idempotency::begin(&app.app.core, &proven.holder, "k", &asked, AfterCrash::Refuse).await;
    assert!(matches!(ticket, Ok(Begun::Run(_))));
    refused(&under(&app, "k", &body()).await.is(409).json(), "102", "Idempotency-Key (in_progress)");
    app.clock.pass(121);
    refused(&under(&app, "k", &body()).await.is(409).json(), "102", "Idempotency-Key (unfinished)");
    let found = shop.query(&app, "ORDER_ID_ALL", "merchant_order_id", &id).await;
    assert_eq!(found["count"], "0", "it may have been done, and was not done again");
}
