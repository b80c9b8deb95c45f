//! Gateway transactions under other settings of the operator than the usual ones.

use backend::config::Settings;
use backend::core::TransactionPolicy;
use serde_json::json;

use crate::app::{NUMBER, TestApp, text};
use crate::company::{Shop, card, code, order, refused};

on_both_engines! {
    with other;
    what_the_operator_sets_holds,
}

fn other(settings: &mut Settings) {
    settings.policy.transactions = TransactionPolicy {
        window: None,
        replay_check: false,
        short_timestamps: false,
        disabled_code: 299,
        duplicate_code: 555,
    };
}

async fn what_the_operator_sets_holds(app: TestApp) {
    let shop = Shop::of(&app);
    let id = order();
    let sale = json!({
        "transaction_type": "AUTH_CAPTURE", "subscription_type": "INIT", "merchant_order_id": id, "amount": "1.00",
        "currency_code_iso3": "GBP",
    });
    let mut body = shop.envelope(&app, sale, json!({ "billing": card(NUMBER, "062031") }));
    for (timestamp, is_read) in [("2001011580010", false), ("20010115080010", true)] {
        body["timestamp"] = json!(timestamp);
        shop.sign(&mut body);
        let answer = shop.post(&body).await;
        assert_eq!(code(&answer), if is_read { "1" } else { "102" }, "{answer}");
    }
    // The same bytes again are a second authorisation of the order, and nothing else.
    refused(&shop.post(&body).await, "555", "merchant_order_id");
    let made = shop.query(&app, "ORDER_ID_SUCCESS", "merchant_order_id", &id).await;
    let token = text(&made["transactions"][0]["transaction_id"]);
    let disable = json!({
        "transaction_type": "SUBSCRIPTION_MANAGE", "subscription_type": "DISABLE", "original_transaction_id": token,
    });
    let mut body = shop.envelope(&app, disable, json!({}));
    shop.sign(&mut body);
    for _ in 0..2 {
        assert_eq!(code(&shop.post(&body).await), "1");
    }
    refused(&shop.rebill(&app, &token).await, "299", "");
}
