//! What `POST /api.php/status` tells: every kind of question, and what is wrong with one.

use serde_json::{Value, json};

use crate::app::{NUMBER, OTHER_NUMBER, TestApp, text};
use crate::client::Call;
use crate::company::{Shop, card, code, object, order, refused};

on_both_engines! {
    questions_about_an_order,
    questions_about_a_transaction,
    questions_about_what_was_done_with_a_token,
    a_question_about_leading_digits,
    what_is_asked_may_stand_at_the_root,
    a_question_may_be_asked_again,
    wrong_questions_are_refused,
    wrong_envelopes_are_refused,
    nobody_asks_about_others,
}

/// The numbers of what is listed, in order; `count` has to say how many.
async fn numbers(shop: &Shop, app: &TestApp, kind: &str, name: &str, value: &str) -> Vec<String> {
    let found = shop.query(app, kind, name, value).await;
    assert_eq!((code(&found).as_str(), &found["status_request_type"]), ("1", &json!(kind)), "{found}");
    let rows = found["transactions"].as_array().unwrap();
    assert_eq!(found["count"], rows.len().to_string());
    rows.iter().map(|row| text(&row["transaction_id"])).collect()
}

fn number(answer: &Value) -> String {
    text(&answer["transaction_id"])
}

async fn questions_about_an_order(app: TestApp) {
    let shop = Shop::of(&app);
    let id = order();
    let pay = async |number: &str, expiry: &str| {
        let more = json!({ "merchant_order_id": id });
        shop.authorise(&app, "AUTH_CAPTURE", more, card(number, expiry)).await
    };
    let ask = async |kind: &str| numbers(&shop, &app, kind, "merchant_order_id", &id).await;
    for kind in ["ORDER_ID_ALL", "ORDER_ID_FIRST", "ORDER_ID_LAST", "ORDER_ID_SUCCESS"] {
        assert_eq!(ask(kind).await, [""; 0], "{kind} of nothing");
    }
    let first = number(&pay("4302912837020000", "052029").await);
    let second = number(&pay("4302912837020000", "102034").await);
    assert_eq!(ask("ORDER_ID_SUCCESS").await, [""; 0], "none was approved yet");
    let paid = number(&pay(NUMBER, "062031").await);
    // What follows an authorisation is the order's too.
    let refund = number(&shop.follow(&app, "REFUND", &paid, "1.00").await);
    for (kind, expected) in [
        ("ORDER_ID_ALL", vec![&first, &second, &paid, &refund]),
        ("ORDER_ID_FIRST", vec![&first]),
        ("ORDER_ID_LAST", vec![&refund]),
        ("ORDER_ID_SUCCESS", vec![&paid, &refund]),
    ] {
        assert_eq!(ask(kind).await.iter().collect::<Vec<_>>(), expected, "{kind}");
    }
}

async fn questions_about_a_transaction(app: TestApp) {
    let shop = Shop::of(&app);
    let made = shop.authorise(&app, "AUTH_ONLY", json!({}), card(NUMBER, "062031")).await;
    let captured = shop.follow(&app, "CAPTURE", &number(&made), "4.00").await;
    let shown = async |number: &str| {
        assert_eq!(numbers(&shop, &app, "TRANSACTION_ID", "transaction_id", number).await, [number]);
        let found = shop.query(&app, "TRANSACTION_ID", "transaction_id", number).await;
        found["transactions"][0].clone()
    };
    // What was answered is told again, member by member.
    let told = shown(&number(&made)).await;
    for (name, value) in object(made.clone()) {
        if !["timestamp", "company_id", "mid", "response_hash"].contains(&name.as_str()) {
            assert_eq!(told[&name], value, "{name}");
        }
    }
    let told = shown(&number(&captured)).await;
    for (name, expected) in [
        ("transaction_type", "CAPTURE"),
        ("original_transaction_id", number(&made).as_str()),
        ("merchant_order_id", text(&made["merchant_order_id"]).as_str()),
        ("amount", "4.00"),
        ("response_code", "1"),
    ] {
        assert_eq!(told[name], expected, "{name}");
    }
    // A token is shown with its card, masked, and with its state.
    let token = shop.good_token(&app).await;
    let told = shown(&token).await;
    for (name, expected) in [
        ("subscription_type", "INIT"),
        ("subscription_status", "ENABLED"),
        ("cardnumber", "411111••••••1111"),
        ("cardexp", "062031"),
        ("card_type", "visa"),
    ] {
        assert_eq!(told[name], expected, "{name}");
    }
    assert_eq!(told["account_updates"], json!([]));
}

/// What can be asked of what was done with a token.
const KINDS: [&str; 4] = [
    "TRANSACTION_ID_CHILDREN_ALL",
    "TRANSACTION_ID_CHILDREN_FIRST",
    "TRANSACTION_ID_CHILDREN_LAST",
    "TRANSACTION_ID_CHILDREN_SUCCESS",
];

async fn questions_about_what_was_done_with_a_token(app: TestApp) {
    let shop = Shop::of(&app);
    let (token, other) = (shop.good_token(&app).await, shop.good_token(&app).await);
    let ask = async |kind: &str| numbers(&shop, &app, kind, "transaction_id", &token).await;
    for kind in KINDS {
        assert_eq!(ask(kind).await, [""; 0], "{kind} of a token that nothing was done with");
    }
    let first = number(&shop.rebill(&app, &token).await);
    let update = json!({ "subscription_type": "UPDATE_BILLING", "original_transaction_id": token });
    let declined = shop.authorise(&app, "AUTH_CAPTURE", update, card("4302912837020000", "052029")).await;
    assert_eq!(code(&declined), "101");
    let declined = number(&declined);
    let switched = number(&shop.manage(&app, "DISABLE", &token, json!({})).await);
    // What is refused before it begins is no transaction.
    refused(&shop.rebill(&app, &token).await, "280", "");
    shop.rebill(&app, &other).await;
    let again = number(&shop.manage(&app, "ENABLE", &token, json!({})).await);
    let last = number(&shop.rebill(&app, &token).await);
    for (kind, expected) in [
        (KINDS[0], vec![&first, &declined, &switched, &again, &last]),
        (KINDS[1], vec![&first]),
        (KINDS[2], vec![&last]),
        (KINDS[3], vec![&first, &switched, &again, &last]),
    ] {
        assert_eq!(ask(kind).await.iter().collect::<Vec<_>>(), expected, "{kind}");
    }
    let all = shop.query(&app, KINDS[0], "transaction_id", &token).await;
    for row in all["transactions"].as_array().unwrap() {
        assert_eq!(row["original_transaction_id"], json!(token), "{row}");
    }
}

async fn a_question_about_leading_digits(app: TestApp) {
    let shop = Shop::of(&app);
    for (digits, brand) in [("411111", "visa"), ("5555555", "mastercard"), ("37828224", "amex")] {
        let found = shop.query(&app, "BIN", "bin", digits).await;
        assert_eq!((code(&found).as_str(), &found["bin"]["bin"]), ("1", &json!(digits)));
        assert_eq!(found["bin"]["card_type"], json!(brand));
    }
    for digits in ["", "41111", "411111111", "41111a", NUMBER, OTHER_NUMBER] {
        refused(&shop.query(&app, "BIN", "bin", digits).await, "102", "bin");
    }
}

/// Signs and sends a question.
async fn ask(shop: &Shop, mut body: Value, kind: &str, value: &str) -> Value {
    let values = [text(&body["timestamp"]), kind.to_owned(), shop.id.clone(), value.to_owned()];
    let values: Vec<&str> = values.iter().map(String::as_str).collect();
    body["request_hash"] = json!(backend::transactions::hash::signed(&values, &shop.hash_code));
    send(shop, &body).await
}

async fn send(shop: &Shop, body: &Value) -> Value {
    shop.client.send(Call::new("POST", "/api.php/status").json(body)).await.is(200).json()
}

async fn what_is_asked_may_stand_at_the_root(app: TestApp) {
    let shop = Shop::of(&app);
    let token = shop.good_token(&app).await;
    let at_root =
        json!({ "status_request_type": "TRANSACTION_ID", "transaction_id": token, "company_mid_id": "" });
    let body = shop.envelope(&app, Value::Null, at_root);
    let found = ask(&shop, body, "TRANSACTION_ID", &token).await;
    assert_eq!((code(&found).as_str(), &found["count"]), ("1", &json!("1")));
    // A number without quotes is signed as it is written.
    let plain: u64 = token.parse().unwrap();
    let within = json!({ "status_request_type": "TRANSACTION_ID", "transaction_id": plain });
    let found =
        ask(&shop, shop.envelope(&app, within, json!({})), "TRANSACTION_ID", &plain.to_string()).await;
    assert_eq!(found["count"], "1", "{found}");
}

async fn a_question_may_be_asked_again(app: TestApp) {
    let shop = Shop::of(&app);
    let token = shop.good_token(&app).await;
    let question = json!({ "status_request_type": "TRANSACTION_ID", "transaction_id": token });
    let body = shop.envelope(&app, question, json!({}));
    for _ in 0..2 {
        let found = ask(&shop, body.clone(), "TRANSACTION_ID", &token).await;
        assert_eq!(code(&found), "1", "nothing is done by it");
    }
    app.clock.pass(40 * 60);
    refused(&ask(&shop, body, "TRANSACTION_ID", &token).await, "102", "timestamp");
}

async fn wrong_questions_are_refused(app: TestApp) {
    let shop = Shop::of(&app);
    for (kind, name, value, expected, told) in [
        ("", "merchant_order_id", "a", "102", "status_request_type"),
        ("ORDER_ID", "merchant_order_id", "a", "104", ""),
        ("order_id_all", "merchant_order_id", "a", "104", ""),
        ("TRANSACTION_ID_CHILDREN", "transaction_id", "1234567890", "104", ""),
        ("SDK", "company_mid_id", "1", "104", ""),
        ("ORDER_ID_ALL", "merchant_order_id", "", "102", "merchant_order_id"),
        ("ORDER_ID_ALL", "merchant_order_id", &"a".repeat(51), "102", "merchant_order_id"),
        ("ORDER_ID_ALL", "merchant_order_id", "a b", "102", "merchant_order_id"),
        ("ORDER_ID_ALL", "transaction_id", "1234567890", "102", "merchant_order_id"),
        ("TRANSACTION_ID", "transaction_id", "", "102", "transaction_id"),
        ("TRANSACTION_ID", "transaction_id", "x", "102", "transaction_id"),
        ("TRANSACTION_ID", "transaction_id", "12345678901", "102", "transaction_id"),
        ("TRANSACTION_ID", "transaction_id", "1234567890", "102", "transaction_id"),
        ("TRANSACTION_ID_CHILDREN_ALL", "transaction_id", "x", "102", "transaction_id"),
    ] {
        refused(&shop.query(&app, kind, name, value).await, expected, told);
    }
}

async fn wrong_envelopes_are_refused(app: TestApp) {
    let shop = Shop::of(&app);
    let question = json!({ "status_request_type": "BIN", "bin": "411111" });
    let whole = || shop.envelope(&app, question.clone(), json!({}));
    for (name, out) in [
        ("timestamp", "2027"),
        ("company_id", "123456789012"),
        ("company_pass", "short"),
        ("company_mid_id", "123456789012"),
    ] {
        for value in [json!(out), json!([out])] {
            let mut body = whole();
            body[name] = value;
            body["request_hash"] = json!("0".repeat(64));
            refused(&send(&shop, &body).await, "102", name);
        }
        if name != "company_mid_id" {
            let mut body = whole();
            body[name] = Value::Null;
            body["request_hash"] = json!("0".repeat(64));
            refused(&send(&shop, &body).await, "102", name);
        }
    }
    for (hash, expected) in
        [(json!("0".repeat(64)), "107"), (json!("0".repeat(63)), "102"), (Value::Null, "102")]
    {
        let mut body = whole();
        body["request_hash"] = hash;
        refused(&send(&shop, &body).await, expected, "");
    }
    let wrong = Shop { pass: "0123456789".to_owned(), ..shop.clone() };
    refused(&wrong.query(&app, "BIN", "bin", "411111").await, "103", "");
    let wrong = Shop { mid: "1".to_owned(), ..shop.clone() };
    refused(&wrong.query(&app, "BIN", "bin", "411111").await, "103", "");
    let unknown = Shop { id: "99999999999".to_owned(), ..shop.clone() };
    let body = unknown.envelope(&app, question.clone(), json!({}));
    refused(&ask(&unknown, body, "BIN", "411111").await, "103", "");
    for body in ["{", "[]", "company_id=1", ""] {
        let call = Call::new("POST", "/api.php/status").body(body);
        refused(&app.anonymous.send(call).await.is(200).json(), "102", "");
    }
}

async fn nobody_asks_about_others(app: TestApp) {
    let shop = Shop::of(&app);
    let made = app.new_merchant("Other", backend::model::Scopes::usual()).await;
    let token = shop.good_token(&app).await;
    let rebill = shop.rebill(&app, &token).await;
    for company in [&made.test.company, &made.live.company] {
        let other = Shop::with(&app.anonymous, company);
        refused(
            &other.query(&app, "TRANSACTION_ID", "transaction_id", &token).await,
            "102",
            "transaction_id",
        );
        let order = text(&rebill["merchant_order_id"]);
        assert_eq!(numbers(&other, &app, "ORDER_ID_ALL", "merchant_order_id", &order).await, [""; 0]);
        let kind = "TRANSACTION_ID_CHILDREN_ALL";
        assert_eq!(numbers(&other, &app, kind, "transaction_id", &token).await, [""; 0]);
    }
}
