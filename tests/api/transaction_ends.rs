//! Gateway transactions whose end is learnt after they were answered: told by a webhook, once.

use backend::gateways::sandbox::Fault;
use backend::model::{Mode, Schedule};
use backend::storage::Page;
use backend::transactions::hash;
use serde_json::{Value, json};

use crate::app::{NUMBER, TestApp, text};
use crate::company::{Shop, card, code};
use crate::invoices::{BAD, local};
use crate::receiver::Receiver;

on_both_engines! {
    with local;
    what_was_not_known_is_told_when_it_is,
    what_was_answered_is_not_told_again,
}

async fn learn(app: &TestApp) {
    app.clock.pass(10);
    app.app.operations.inquire_due().await;
    app.deliver().await;
}

/// What was told of a transaction.
fn told(receiver: &Receiver, transaction: &Value) -> Vec<Value> {
    let calls = receiver.calls();
    let bodies = calls.iter().map(|call| {
        assert!(call.header("webhook-signature").starts_with("v1,"));
        call.json()
    });
    bodies.filter(|body| body["transaction_id"] == *transaction).collect()
}

async fn what_was_not_known_is_told_when_it_is(app: TestApp) {
    let (shop, receiver) = (Shop::of(&app), Receiver::start().await);
    app.test_mode.put("/v1/gateway/company", json!({ "webhook_url": receiver.url })).await.ok();
    let sale = shop.authorise(&app, "AUTH_CAPTURE", json!({}), card(NUMBER, "062031")).await;
    let sale = text(&sale["transaction_id"]);
    let init = json!({ "subscription_type": "INIT" });
    for (fault, number, expiry, expected, bank) in [
        (Fault::Lost, NUMBER, "062031", "1", "00"),
        (Fault::Lost, BAD, "052029", "101", "51"),
        (Fault::NotHeard, NUMBER, "062031", "999", ""),
    ] {
        app.app.sandbox.faults().order(fault);
        let pending = shop.authorise(&app, "AUTH_CAPTURE", init.clone(), card(number, expiry)).await;
        assert_eq!(code(&pending), "11", "{pending}");
        learn(&app).await;
        let told = told(&receiver, &pending["transaction_id"]);
        assert_eq!(told.len(), 1, "{told:?}");
        let body = &told[0];
        let values = ["id", "timestamp", "company_id", "event"].map(|name| text(&body[name]));
        let values = values.each_ref().map(String::as_str);
        assert_eq!((values[0].len(), values[1].len(), values[2]), (36, 14, shop.id.as_str()));
        assert_eq!(text(&body["hash"]), hash::signed_twice(&values, &shop.hash_code));
        for (name, expected) in [
            ("event", "transaction_update"),
            ("response_code", expected),
            ("bank_response_code", bank),
            ("mid_id", &shop.mid),
            ("transaction_type", "AUTH_CAPTURE"),
            ("subscription_type", "INIT"),
            ("merchant_order_id", text(&pending["merchant_order_id"]).as_str()),
            ("amount", "10.00"),
            ("currency_code_iso3", "GBP"),
        ] {
            assert_eq!(body[name], expected, "{name} of {body}");
        }
    }
    app.app.sandbox.faults().order(Fault::Lost);
    let refund = shop.follow(&app, "REFUND", &sale, "2.00").await;
    assert_eq!(code(&refund), "11");
    learn(&app).await;
    let told = told(&receiver, &refund["transaction_id"]);
    assert_eq!(
        (told.len(), &told[0]["original_transaction_id"], &told[0]["amount"]),
        (1, &json!(sale), &json!("2.00"))
    );
    learn(&app).await;
    assert_eq!(receiver.calls().len(), 4, "each once");
    // Every ten minutes for an hour.
    let mut transaction = app.app.core.store.read().await.unwrap();
    let all = Page { after: None, limit: 100 };
    let events = transaction.list_events(app.id.clone(), Mode::Test, all).await.unwrap();
    assert!(events.len() == 4 && events.iter().all(|event| event.schedule == Schedule::TEN_MINUTES));
}

async fn what_was_answered_is_not_told_again(app: TestApp) {
    let (shop, receiver) = (Shop::of(&app), Receiver::start().await);
    app.test_mode.put("/v1/gateway/company", json!({ "webhook_url": receiver.url })).await.ok();
    for (number, expiry, expected) in [(NUMBER, "062031", "1"), (BAD, "052029", "101")] {
        let answer = shop.authorise(&app, "AUTH_CAPTURE", json!({}), card(number, expiry)).await;
        assert_eq!(code(&answer), expected);
    }
    learn(&app).await;
    // Without an address nobody is told.
    app.test_mode.put("/v1/gateway/company", json!({})).await.ok();
    app.app.sandbox.faults().order(Fault::Lost);
    let lost = shop.authorise(&app, "AUTH_CAPTURE", json!({}), card(NUMBER, "062031")).await;
    assert_eq!(code(&lost), "11");
    learn(&app).await;
    assert!(receiver.calls().is_empty());
    let known = shop.query(&app, "TRANSACTION_ID", "transaction_id", &text(&lost["transaction_id"])).await;
    assert_eq!(known["transactions"][0]["response_code"], "1");
}
