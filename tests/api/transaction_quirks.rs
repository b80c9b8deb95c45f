//! Habits of published clients that a compatible server has to survive (spec A.3), each alone.

use serde_json::{Value, json};

use crate::app::{NUMBER, TestApp, text};
use crate::company::{Shop, card, code, order, refused};

on_both_engines! {
    each_quirk_of_a_managing_client_is_survived,
    each_quirk_of_a_charging_client_is_survived,
    all_quirks_at_once_are_survived,
    a_short_timestamp_is_signed_as_it_was_written,
    a_capture_without_an_amount_takes_everything,
    a_refund_needs_no_mid,
}

/// What is done to a body before it is signed.
type Quirk = (&'static str, fn(&mut Value));

/// As a number without quotes.
fn plain(value: &mut Value) {
    *value = json!(text(value).parse::<u64>().unwrap());
}

/// The habits that do not depend on what is asked for.
const QUIRKS: [Quirk; 10] = [
    ("no quirk", |_| ()),
    ("an hour of one digit", |body| {
        // The tests' clock begins at eight.
        let whole = text(&body["timestamp"]);
        assert_eq!(&whole[8..9], "0");
        body["timestamp"] = json!(format!("{}{}", &whole[..8], &whole[9..]));
    }),
    ("a time without quotes", |body| plain(&mut body["timestamp"])),
    ("a company without quotes", |body| plain(&mut body["company_id"])),
    ("a MID without quotes", |body| plain(&mut body["company_mid_id"])),
    ("an original without quotes", |body| plain(&mut body["transaction"]["original_transaction_id"])),
    ("an empty MID", |body| body["company_mid_id"] = json!("")),
    ("no MID", |body| _ = body.as_object_mut().unwrap().remove("company_mid_id")),
    ("an order at the root", |body| {
        body["merchant_order_id"] = body["transaction"]["merchant_order_id"].take();
    }),
    ("empty objects and lists, and empty texts within", |body| {
        body["shipping"] = json!([]);
        body["customer"] = json!({});
        body["tds"] = json!("");
        body["billing"] =
            json!({ "cardnumber": "", "cardexp": "", "cardcvv": "", "billing_street": "", "card_type": "" });
    }),
];

async fn each_quirk_of_a_managing_client_is_survived(app: TestApp) {
    let shop = Shop::of(&app);
    let token = shop.good_token(&app).await;
    for part in ["UPDATE_BILLING", "DISABLE", "ENABLE"] {
        for (name, quirk) in QUIRKS {
            let mut body = shop.envelope(
                &app,
                json!({
                    "merchant_order_id": order(), "transaction_type": "SUBSCRIPTION_MANAGE",
                    "original_transaction_id": token, "subscription_type": part,
                }),
                json!({}),
            );
            quirk(&mut body);
            shop.sign(&mut body);
            let answer = shop.post(&body).await;
            assert_eq!((code(&answer).as_str(), &answer["mid"]), ("1", &json!(shop.mid)), "{name}: {answer}");
        }
    }
}

/// Habits of charges.
const MORE: [Quirk; 4] = [
    ("an order without quotes", |body| body["transaction"]["merchant_order_id"] = json!(20_270_115)),
    ("an amount without quotes", |body| body["transaction"]["amount"] = json!(10)),
    ("an amount with a place", |body| body["transaction"]["amount"] = json!(10.0)),
    ("a flag", |body| body["vt"] = json!(true)),
];

async fn each_quirk_of_a_charging_client_is_survived(app: TestApp) {
    let shop = Shop::of(&app);
    let token = shop.good_token(&app).await;
    for (name, quirk) in QUIRKS.into_iter().chain(MORE) {
        let id = order();
        let mut body = shop.envelope(
            &app,
            json!({
                "merchant_order_id": id, "transaction_type": "AUTH_CAPTURE", "subscription_type": "REBILL",
                "original_transaction_id": token, "amount": "10.00", "currency_code_iso3": "GBP",
            }),
            json!({}),
        );
        quirk(&mut body);
        shop.sign(&mut body);
        let answer = shop.post(&body).await;
        assert_eq!((code(&answer).as_str(), &answer["amount"]), ("1", &json!("10.00")), "{name}: {answer}");
        let expected = if name == "an order without quotes" { "20270115" } else { id.as_str() };
        assert_eq!(answer["merchant_order_id"], expected, "{name}");
    }
}

async fn all_quirks_at_once_are_survived(app: TestApp) {
    let shop = Shop::of(&app);
    let token = shop.good_token(&app).await;
    let mut body = shop.envelope(
        &app,
        json!({
            "transaction_type": "AUTH_CAPTURE", "subscription_type": "REBILL", "amount": 12.5,
            "original_transaction_id": token.parse::<u64>().unwrap(), "currency_code_iso3": "gbp",
            "subscription_reason": "R", "merchant_custom_1": "",
        }),
        json!({ "merchant_order_id": 20_270_115, "company_mid_id": "", "vt": 0, "shipping": [], "customer": {} }),
    );
    body["company_id"] = json!(shop.id.parse::<u64>().unwrap());
    body["billing"] = json!({ "cardnumber": "", "cardexp": "", "cardcvv": "", "billing_street": "" });
    shop.sign(&mut body);
    let answer = shop.post(&body).await;
    assert_eq!(code(&answer), "1", "{answer}");
    assert_eq!((&answer["merchant_order_id"], &answer["amount"]), (&json!("20270115"), &json!("12.50")));
    assert_eq!(answer["mid"], json!(shop.mid));
}

async fn a_short_timestamp_is_signed_as_it_was_written(app: TestApp) {
    let shop = Shop::of(&app);
    let token = shop.good_token(&app).await;
    let transaction = json!({
        "transaction_type": "SUBSCRIPTION_MANAGE", "original_transaction_id": token, "subscription_type": "DISABLE",
    });
    let mut body = shop.envelope(&app, transaction, json!({}));
    let whole = text(&body["timestamp"]);
    // Signed over fourteen digits, sent with thirteen, and the other way round.
    shop.sign(&mut body);
    body["timestamp"] = json!(format!("{}{}", &whole[..8], &whole[9..]));
    refused(&shop.post(&body).await, "107", "");
    shop.sign(&mut body);
    body["timestamp"] = json!(whole);
    refused(&shop.post(&body).await, "107", "");
}

async fn a_capture_without_an_amount_takes_everything(app: TestApp) {
    let shop = Shop::of(&app);
    for amount in [json!("0"), json!(0), Value::Null, json!("")] {
        let auth = shop.authorise(&app, "AUTH_ONLY", json!({}), card(NUMBER, "062031")).await;
        let transaction = json!({ "transaction_type": "CAPTURE", "original_transaction_id": auth["transaction_id"], "amount": amount });
        let answer = shop.transact(&app, transaction, json!({})).await;
        assert_eq!((code(&answer).as_str(), &answer["amount"]), ("1", &json!("10.00")));
    }
}

async fn a_refund_needs_no_mid(app: TestApp) {
    let shop = Shop::of(&app);
    let sale = shop.authorise(&app, "AUTH_CAPTURE", json!({}), card(NUMBER, "062031")).await;
    let transaction = json!({
        "transaction_type": "REFUND", "original_transaction_id": sale["transaction_id"], "amount": "10.00",
        "currency_code_iso3": "GBP",
    });
    let mut body = shop.envelope(&app, transaction, json!({}));
    body.as_object_mut().unwrap().remove("company_mid_id");
    shop.sign(&mut body);
    let answer = shop.post(&body).await;
    assert_eq!((code(&answer).as_str(), &answer["mid"]), ("1", &json!(shop.mid)));
}
