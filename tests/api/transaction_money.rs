//! Captures, voids and refunds of gateway transactions: whatever gets lost, and however many come at once, no more is
//! taken than was reserved and no more given back than was taken.

use backend::gateways::sandbox::Fault;
use serde_json::{Value, json};

use crate::app::{NUMBER, TestApp, text};
use crate::company::{Shop, card, code, refused};

on_both_engines! {
    a_refund_whose_end_is_unknown_counts,
    a_capture_whose_end_is_unknown_counts,
    a_void_whose_end_is_unknown_counts,
    refunds_at_once_give_back_what_was_taken,
    captures_at_once_take_what_was_reserved,
    a_void_and_a_capture_at_once_are_one_of_them,
}

/// An approved authorisation over 10.00.
async fn authorised(shop: &Shop, app: &TestApp, kind: &str) -> String {
    let answer = shop.authorise(app, kind, json!({}), card(NUMBER, "062031")).await;
    assert_eq!(code(&answer), "1", "{answer}");
    text(&answer["transaction_id"])
}

/// Has the gateway's next call go wrong.
fn fault(app: &TestApp, fault: Fault) {
    app.app.sandbox.faults().order(fault);
}

/// Learns what became of everything whose end is unknown.
async fn learn(app: &TestApp) {
    app.clock.pass(10);
    app.app.operations.inquire_due().await;
}

async fn a_refund_whose_end_is_unknown_counts(app: TestApp) {
    let shop = Shop::of(&app);
    let id = authorised(&shop, &app, "AUTH_CAPTURE").await;
    fault(&app, Fault::NotHeard);
    assert_eq!(code(&shop.follow(&app, "REFUND", &id, "").await), "11");
    for amount in ["", "0.01"] {
        refused(&shop.follow(&app, "REFUND", &id, amount).await, "102", "amount");
    }
    refused(&shop.follow(&app, "VOID", &id, "").await, "102", "it has a capture or a refund");
    learn(&app).await;
    // It was not made: all is there again. This one is made, and only its answer gets lost.
    fault(&app, Fault::Lost);
    assert_eq!(code(&shop.follow(&app, "REFUND", &id, "6.00").await), "11");
    refused(&shop.follow(&app, "REFUND", &id, "4.01").await, "102", "amount");
    let rest = shop.follow(&app, "REFUND", &id, "").await;
    assert_eq!((code(&rest).as_str(), &rest["amount"]), ("1", &json!("4.00")));
    learn(&app).await;
    refused(&shop.follow(&app, "REFUND", &id, "0.01").await, "102", "amount");
}

async fn a_capture_whose_end_is_unknown_counts(app: TestApp) {
    let shop = Shop::of(&app);
    let id = authorised(&shop, &app, "AUTH_ONLY").await;
    fault(&app, Fault::NotHeard);
    assert_eq!(code(&shop.follow(&app, "CAPTURE", &id, "7.00").await), "11");
    refused(&shop.follow(&app, "CAPTURE", &id, "3.01").await, "102", "amount");
    refused(&shop.follow(&app, "VOID", &id, "").await, "102", "it has a capture or a refund");
    refused(&shop.follow(&app, "REFUND", &id, "0.01").await, "102", "amount");
    let rest = shop.follow(&app, "CAPTURE", &id, "").await;
    assert_eq!((code(&rest).as_str(), &rest["amount"]), ("1", &json!("3.00")));
    learn(&app).await;
    let rest = shop.follow(&app, "CAPTURE", &id, "").await;
    assert_eq!((code(&rest).as_str(), &rest["amount"]), ("1", &json!("7.00")), "it was not made");
    assert_eq!(code(&shop.follow(&app, "REFUND", &id, "10.00").await), "1");
    // A sale has taken everything.
    let sale = authorised(&shop, &app, "AUTH_CAPTURE").await;
    refused(&shop.follow(&app, "CAPTURE", &sale, "0.01").await, "102", "amount");
}

async fn a_void_whose_end_is_unknown_counts(app: TestApp) {
    let shop = Shop::of(&app);
    let id = authorised(&shop, &app, "AUTH_ONLY").await;
    fault(&app, Fault::NotHeard);
    assert_eq!(code(&shop.follow(&app, "VOID", &id, "").await), "11");
    for kind in ["CAPTURE", "VOID", "REFUND"] {
        refused(&shop.follow(&app, kind, &id, "").await, "102", "original_transaction_id (it is void)");
    }
    learn(&app).await;
    assert_eq!(code(&shop.follow(&app, "CAPTURE", &id, "").await), "1", "it was not made");
}

/// Sends all at once; answers the codes in their order.
async fn at_once(shop: &Shop, app: &TestApp, id: &str, calls: &[(&str, &str)]) -> Vec<String> {
    // Signed before the first one leaves, since time goes on with each.
    let bodies: Vec<Value> = calls
        .iter()
        .map(|(kind, amount)| {
            let transaction =
                json!({ "transaction_type": kind, "original_transaction_id": id, "amount": amount });
            let mut body = shop.envelope(app, transaction, json!({}));
            shop.sign(&mut body);
            body
        })
        .collect();
    let calls: Vec<_> = bodies
        .into_iter()
        .map(|body| {
            let shop = shop.clone();
            tokio::spawn(async move { shop.post(&body).await })
        })
        .collect();
    let mut codes = Vec::new();
    for call in calls {
        codes.push(code(&call.await.unwrap()));
    }
    codes.sort();
    codes
}

async fn refunds_at_once_give_back_what_was_taken(app: TestApp) {
    let shop = Shop::of(&app);
    let id = authorised(&shop, &app, "AUTH_CAPTURE").await;
    // Refused here, with 102, and not by the gateway's own book, with 101.
    let codes = at_once(&shop, &app, &id, &[("REFUND", "3.00"); 8]).await;
    assert_eq!(codes, ["1", "1", "1", "102", "102", "102", "102", "102"]);
}

async fn captures_at_once_take_what_was_reserved(app: TestApp) {
    let shop = Shop::of(&app);
    let id = authorised(&shop, &app, "AUTH_ONLY").await;
    let codes = at_once(&shop, &app, &id, &[("CAPTURE", "3.00"); 8]).await;
    assert_eq!(codes, ["1", "1", "1", "102", "102", "102", "102", "102"]);
}

async fn a_void_and_a_capture_at_once_are_one_of_them(app: TestApp) {
    let shop = Shop::of(&app);
    for calls in
        [[("VOID", ""), ("CAPTURE", ""), ("VOID", "")], [("CAPTURE", ""), ("VOID", ""), ("CAPTURE", "")]]
    {
        let id = authorised(&shop, &app, "AUTH_ONLY").await;
        assert_eq!(at_once(&shop, &app, &id, &calls).await, ["1", "102", "102"]);
    }
}
