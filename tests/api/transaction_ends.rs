//! Gateway transactions whose end is learnt after they were answered: told by a webhook, once.

use backend::gateways::sandbox::Fault;
use backend::model::{EventState, Mode, Schedule};
use backend::storage::Page;
use backend::transactions::hash;
use serde_json::{Value, json};

use crate::app::{NUMBER, OTHER_NUMBER, TestApp, text};
use crate::company::{Shop, card, code, stored_cards, vault_card};
use crate::invoices::{BAD, local};
use crate::receiver::Receiver;

on_both_engines! {
    with local;
    what_was_not_known_is_told_when_it_is,
    what_was_answered_is_not_told_again,
    what_is_not_taken_is_told_every_ten_minutes_for_an_hour,
    what_is_taken_late_is_told_no_more,
    a_card_is_replaced_when_the_approval_is_learnt,
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

/// A transaction whose end is told now; answers its number.
async fn ended(app: &TestApp, shop: &Shop) -> String {
    app.app.sandbox.faults().order(Fault::Lost);
    let lost = shop.authorise(app, "AUTH_CAPTURE", json!({}), card(NUMBER, "062031")).await;
    assert_eq!(code(&lost), "11");
    app.clock.pass(10);
    app.app.operations.inquire_due().await;
    text(&lost["transaction_id"])
}

/// Just under ten minutes; and as long as it takes until they, and the tenth that is added by chance, are over.
const NEARLY: u64 = 590;
const REST: u64 = 75;

async fn what_is_not_taken_is_told_every_ten_minutes_for_an_hour(app: TestApp) {
    let (shop, receiver) = (Shop::of(&app), Receiver::start().await);
    app.test_mode.put("/v1/gateway/company", json!({ "webhook_url": receiver.url })).await.ok();
    // 200 alone takes it; no answer ends it early.
    receiver.answers(&[500, 204, 410, 404, 301, 429, 503]);
    let number = ended(&app, &shop).await;
    assert_eq!(app.deliver().await, 1);
    for attempts in 1..7 {
        app.clock.pass(NEARLY);
        assert_eq!(app.deliver().await, 0, "too early after {attempts}");
        app.clock.pass(REST);
        assert_eq!((app.deliver().await, receiver.calls().len()), (1, attempts + 1));
    }
    // An hour is over.
    app.clock.pass(24 * 3600);
    assert_eq!(app.deliver().await, 0);
    let calls = receiver.calls();
    assert_eq!(calls.len(), 7);
    // The same each time, to the byte; and so is its id, by which a receiver knows it again.
    for call in &calls {
        assert_eq!((&call.text, call.header("webhook-id")), (&calls[0].text, calls[0].header("webhook-id")));
        assert_eq!(call.json()["transaction_id"], json!(number));
    }
    let mut transaction = app.app.core.store.read().await.unwrap();
    let all = Page { after: None, limit: 100 };
    let events = transaction.list_events(app.id.clone(), Mode::Test, all).await.unwrap();
    assert_eq!(events.iter().map(|event| event.state).collect::<Vec<_>>(), [EventState::GivenUp]);
}

async fn what_is_taken_late_is_told_no_more(app: TestApp) {
    let (shop, receiver) = (Shop::of(&app), Receiver::start().await);
    app.test_mode.put("/v1/gateway/company", json!({ "webhook_url": receiver.url })).await.ok();
    receiver.answers(&[500, 500]);
    ended(&app, &shop).await;
    assert_eq!(app.deliver().await, 1);
    for (attempts, comes) in [(2, 1), (3, 1), (3, 0), (3, 0)] {
        app.clock.pass(NEARLY + REST);
        assert_eq!((app.deliver().await, receiver.calls().len()), (comes, attempts));
    }
}

async fn a_card_is_replaced_when_the_approval_is_learnt(app: TestApp) {
    let shop = Shop::of(&app);
    let token = shop.good_token(&app).await;
    let behind = async || {
        let found = shop.query(&app, "TRANSACTION_ID", "transaction_id", &token).await;
        text(&found["transactions"][0]["card_token"])
    };
    let first = behind().await;
    let update = json!({ "subscription_type": "UPDATE_BILLING", "original_transaction_id": token });
    // Never heard of; refused, which is learnt later; approved, which is learnt later.
    for (fault, number, expiry, is_replaced) in [
        (Fault::NotHeard, OTHER_NUMBER, "072032", false),
        (Fault::Lost, BAD, "052029", false),
        (Fault::Lost, OTHER_NUMBER, "072032", true),
    ] {
        app.app.sandbox.faults().order(fault);
        let pending = shop.authorise(&app, "AUTH_CAPTURE", update.clone(), card(number, expiry)).await;
        assert_eq!(code(&pending), "11", "{pending}");
        assert_eq!(behind().await, first, "nothing is known yet");
        assert_eq!(stored_cards(&app).await, 2, "the new one waits beside it");
        app.clock.pass(10);
        app.app.operations.inquire_due().await;
        assert_eq!(behind().await != first, is_replaced);
        assert_eq!(stored_cards(&app).await, 1, "one of both is gone");
        assert_eq!(code(&shop.rebill(&app, &token).await), "1");
    }
    assert_eq!(vault_card(&app, &behind().await).await["card_number"], OTHER_NUMBER);
}
