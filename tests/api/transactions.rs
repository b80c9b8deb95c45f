//! Gateway transactions over their interface: envelope, signatures, parameters, charges and what follows them.

use backend::access::company::CompanyCredentials;
use backend::model::Scopes;
use backend::transactions::params::{Form, Need, Row, TABLE};
use serde_json::{Value, json};

use crate::app::{NUMBER, OTHER_NUMBER, TestApp, text};
use crate::client::Call;
use crate::company::{Shop, card, code, object, order, refused, stored_cards, vault_card};

on_both_engines! {
    the_seeds_requests_are_answered_member_by_member,
    the_seeds_tables_hold,
    every_row_of_the_table_is_told_by_its_name,
    unknown_types_are_told_before_the_signature,
    wrong_credentials_are_refused,
    what_is_no_json_is_answered_and_signed,
    a_request_is_taken_once,
    timestamps_have_a_window,
    quirks_of_clients_are_survived,
    an_order_is_authorised_once,
    two_at_once_make_one_authorisation,
    a_decline_leaves_nothing_behind,
    amounts_and_cards_are_checked,
    captures_refunds_and_voids_follow,
    a_card_of_the_vault_becomes_a_token,
    a_card_is_replaced_after_approval_only,
    merchants_have_their_own_tokens,
    queries_tell_what_became_of_things,
    addresses_can_be_listed,
}

fn without(mut answer: Value, names: &[&str]) -> Value {
    for name in names {
        answer.as_object_mut().unwrap().remove(*name);
    }
    answer
}

/// Seed 003, both requests as they stand there, with credentials, token, time and signature of ours.
#[expect(clippy::too_many_lines, reason = "the document's samples in their order")]
async fn the_seeds_requests_are_answered_member_by_member(app: TestApp) {
    let shop = Shop::of(&app);
    let token = shop.good_token(&app).await;
    let mut update = json!({
        "timestamp": "20201124154420",
        "company_id": 113,
        "company_pass": "password",
        "company_mid_id": 1045,
        "request_hash": "f0a18260b08a0bfacb.....",
        "transaction": {
            "merchant_order_id": "a9f0ce93-6f0d-4a15-a18b-45f1304b4bc0",
            "transaction_type": "SUBSCRIPTION_MANAGE",
            "subscription_type": "UPDATE_BILLING",
            "original_transaction_id": "123456"
        },
        "billing": {
            "billing_street": "Suite 2, 4th Floor",
            "billing_street2": "44 Baker Street",
            "billing_city": "London",
            "billing_zipcode": "W1U7AL",
            "billing_phone": "+44(0)2039826580",
            "billing_email": "support@acquired.com"
        }
    });
    let ours = shop.envelope(&app, json!({}), json!({}));
    for name in ["timestamp", "company_pass"] {
        update[name] = ours[name].clone();
    }
    // Numbers without quotes, as the seed has them.
    for name in ["company_id", "company_mid_id"] {
        update[name] = json!(text(&ours[name]).parse::<u64>().unwrap());
    }
    update["transaction"]["original_transaction_id"] = json!(token);
    shop.sign(&mut update);
    let answer = shop.post(&update).await;
    assert_eq!(text(&answer["timestamp"]).len(), 14);
    assert_eq!(text(&answer["transaction_id"]).len(), 10);
    assert_ne!(answer["transaction_id"], token);
    let varying = ["timestamp", "transaction_id", "response_hash"];
    let expected = |bank: &str| {
        json!({
            "response_code": "1",
            "response_message": "Transaction Success",
            "company_id": shop.id,
            "mid": shop.mid,
            "transaction_type": "SUBSCRIPTION_MANAGE",
            "bank_response_code": bank,
        })
    };
    assert_eq!(without(answer, &varying), expected("00"));
    for part in ["DISABLE", "DISABLE", "ENABLE", "ENABLE"] {
        let mut request = json!({
            "timestamp": "20170612200234",
            "company_id": "133",
            "company_pass": "password",
            "company_mid_id": "",
            "request_hash": "f0a18260b08a0bfacb...",
            "transaction": {
                "merchant_order_id": "20170612200234",
                "transaction_type": "SUBSCRIPTION_MANAGE",
                "original_transaction_id": "1234567",
                "subscription_type": part
            }
        });
        let ours = shop.envelope(&app, json!({}), json!({}));
        for name in ["timestamp", "company_id", "company_pass"] {
            request[name] = ours[name].clone();
        }
        request["transaction"]["original_transaction_id"] = json!(token);
        shop.sign(&mut request);
        assert_eq!(without(shop.post(&request).await, &varying), expected(""), "{part} is idempotent");
    }
    assert_eq!(code(&shop.rebill(&app, &token).await), "1");
    let audit = app.audit().await;
    let told = |action: &str| audit.iter().filter(|entry| entry.action == action).count();
    assert_eq!((told("token.update"), told("token.disable"), told("token.enable")), (1, 2, 2));
}

/// Seed 003, the tables of parameters: name, whether it is required, values within and out of format and length.
async fn the_seeds_tables_hold(app: TestApp) {
    let shop = Shop::of(&app);
    let long = |letter: &str, length: usize| letter.repeat(length);
    let words = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    let rows = [
        ("timestamp", true, words(&["20170612200234"]), words(&["201706122002341", "2017061220023a"])),
        ("company_id", true, words(&["1", &long("1", 11)]), words(&[&long("1", 12), "a"])),
        (
            "company_pass",
            true,
            words(&["azAZ091234", &long("a", 30)]),
            words(&[&long("a", 9), &long("a", 31), "password-1"]),
        ),
        ("company_mid_id", false, words(&["1", &long("1", 11)]), words(&[&long("1", 12), "a"])),
        (
            "request_hash",
            true,
            words(&[&long("0", 64), &format!("azAZ_-{}", long("0", 58))]),
            words(&[&long("0", 63), &long("0", 65), &format!("+{}", long("0", 63))]),
        ),
        (
            "merchant_order_id",
            false,
            words(&["a", &format!("azAZ09_-{}", long("a", 42))]),
            words(&[&long("a", 51), "a b"]),
        ),
        ("transaction_type", true, words(&["SUBSCRIPTION_MANAGE", "a", &long("a", 20)]), Vec::new()),
        ("original_transaction_id", true, words(&["1", &long("1", 10)]), words(&[&long("1", 11), "a"])),
        (
            "subscription_type",
            false,
            words(&["ENABLE", "DISABLE", "UPDATE_BILLING"]),
            words(&["abc", &long("a", 15), "ENABLE1"]),
        ),
    ];
    for (name, is_required, within, out) in rows {
        let sent = async |value: Value| {
            let transaction = json!({
                "merchant_order_id": order(), "transaction_type": "SUBSCRIPTION_MANAGE",
                "original_transaction_id": "1234567", "subscription_type": "DISABLE",
            });
            let mut body = shop.envelope(&app, transaction, json!({ "request_hash": "0".repeat(64) }));
            let place =
                if body["transaction"].get(name).is_some() { &mut body["transaction"] } else { &mut body };
            place[name] = value;
            app.anonymous.send(Call::new("POST", "/api.php").json(&body)).await.is(200).json()
        };
        for value in within {
            let answer = sent(json!(value)).await;
            // Read, and refused for what it says: no such company or type, not signed.
            assert!(["103", "104", "107"].contains(&code(&answer).as_str()), "{name} {value}: {answer}");
        }
        for value in out {
            refused(&sent(json!(value)).await, "102", name);
        }
        if is_required {
            refused(&sent(Value::Null).await, "102", name);
            refused(&sent(json!("")).await, "102", name);
        }
    }
}

/// A value of a row's form that is one character too long.
fn too_long(row: &Row) -> String {
    let letter = match row.form {
        Form::Digits | Form::Amount | Form::Card => "1",
        _ => "a",
    };
    letter.repeat(row.max + 1)
}

/// A request that needs every row that any request needs.
fn whole(shop: &Shop, app: &TestApp) -> Value {
    let transaction = json!({
        "merchant_order_id": order(),
        "transaction_type": "AUTH_CAPTURE",
        "subscription_type": "REBILL",
        "original_transaction_id": "1234567890",
        "amount": "10.00",
        "currency_code_iso3": "GBP",
    });
    shop.envelope(app, transaction, json!({}))
}

async fn every_row_of_the_table_is_told_by_its_name(app: TestApp) {
    let shop = Shop::of(&app);
    for row in TABLE {
        // A type that is too long is an unknown one.
        let is_type = row.name == "transaction_type";
        let place = |body: &mut Value, value: Value| {
            if row.object.is_empty() {
                body[row.name] = value;
            } else {
                body[row.object][row.name] = value;
            }
        };
        let mut body = whole(&shop, &app);
        if row.need == Need::Manage {
            body["transaction"]["transaction_type"] = json!("SUBSCRIPTION_MANAGE");
        }
        if row.need != Need::Never {
            let mut missing = body.clone();
            place(&mut missing, Value::Null);
            if row.name != "request_hash" {
                shop.sign(&mut missing);
            }
            refused(&shop.post(&missing).await, "102", row.name);
        }
        place(&mut body, json!(too_long(row)));
        if row.name != "request_hash" {
            shop.sign(&mut body);
        }
        let expected = match row.name {
            "cardexp" => "204",
            "currency_code_iso3" => "105",
            "card_type" => "106",
            _ if is_type => "104",
            // A longer word is no known one.
            _ => "102",
        };
        refused(&shop.post(&body).await, expected, if is_type { "" } else { row.name });
        place(&mut body, json!(["a"]));
        refused(&shop.post(&body).await, if is_type { "102" } else { expected }, row.name);
    }
}

async fn unknown_types_are_told_before_the_signature(app: TestApp) {
    let shop = Shop::of(&app);
    for kind in [
        "SUBSCRIPTION",
        "UPDATE_BILLING",
        "auth_only",
        "CREDIT",
        "PAY_OUT",
        "BENEFICIARY_NEW",
        "X9",
        "4111111111111111",
    ] {
        let mut body = whole(&shop, &app);
        body["transaction"]["transaction_type"] = json!(kind);
        body["request_hash"] = json!("wrong");
        let answer = shop.post(&body).await;
        refused(&answer, "104", "Unsupported Transaction Type");
        let echo =
            if kind.bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b'_') { kind } else { "" };
        assert_eq!(answer["transaction_type"], echo, "what a signature could be made of is not repeated");
    }
    let mut body = whole(&shop, &app);
    for part in ["REFUND", "ENABLE", "init"] {
        body["transaction"]["subscription_type"] = json!(part);
        shop.sign(&mut body);
        refused(&shop.post(&body).await, "102", "subscription_type");
    }
}

async fn wrong_credentials_are_refused(app: TestApp) {
    let shop = Shop::of(&app);
    let other = app.new_merchant("Other", Scopes::usual()).await.test.company;
    let send = async |shop: &Shop| {
        let mut body = whole(shop, &app);
        shop.sign(&mut body);
        shop.post(&body).await
    };
    let unknown = Shop { id: "99999999999".to_owned(), ..shop.clone() };
    let wrong_pass = Shop { pass: other.pass.to_string(), ..shop.clone() };
    let wrong_mid = Shop { mid: other.mid.clone(), ..shop.clone() };
    let (pass, mid) = (send(&wrong_pass).await, send(&wrong_mid).await);
    refused(&pass, "103", "Invalid or Inactive MID Info");
    refused(&mid, "103", "");
    // Checked by its own id: its signature is that of nobody.
    let mut body = whole(&unknown, &app);
    unknown.sign(&mut body);
    let answer = app.anonymous.send(Call::new("POST", "/api.php").json(&body)).await.is(200).json();
    refused(&answer, "103", "");
    let names = |answer: &Value| object(answer.clone()).keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&answer), names(&pass), "an unknown company is answered like a known one");
    let wrong_hash = Shop { hash_code: other.hash_code.to_string(), ..shop.clone() };
    let mut body = whole(&shop, &app);
    wrong_hash.sign(&mut body);
    refused(&shop.post(&body).await, "107", "Incorrect Hash String");
    // Right for one order, and sent for another one.
    let mut body = whole(&shop, &app);
    shop.sign(&mut body);
    body["transaction"]["merchant_order_id"] = json!("another-order");
    refused(&shop.post(&body).await, "107", "");
    let nobody = app.app.core.store.read().await.unwrap();
    drop(nobody);
}

async fn what_is_no_json_is_answered_and_signed(app: TestApp) {
    let shop = Shop::of(&app);
    let call =
        async |body: &str| app.anonymous.send(Call::new("POST", "/api.php").body(body)).await.is(200).json();
    for (body, name) in [
        ("{", "not valid JSON"),
        ("[]", "JSON object"),
        ("company_id=1", "not valid JSON"),
        ("", "transaction_type"),
        ("{}", "transaction_type"),
        ("{\"timestamp\":1,\"timestamp\":2}", "twice"),
    ] {
        let answer = call(body).await;
        refused(&answer, "102", name);
        assert_eq!(text(&answer["response_hash"]).len(), 64);
    }
    let deep = format!("{{\"a\":{}1{}}}", "[".repeat(40), "]".repeat(40));
    refused(&call(&deep).await, "102", "32 levels");
    let mut body = whole(&shop, &app);
    body["billing"] = json!("x");
    shop.sign(&mut body);
    refused(&shop.post(&body).await, "102", "billing");
}

async fn a_request_is_taken_once(app: TestApp) {
    let shop = Shop::of(&app);
    let token = shop.good_token(&app).await;
    let transaction = json!({
        "transaction_type": "SUBSCRIPTION_MANAGE", "subscription_type": "DISABLE", "original_transaction_id": token,
    });
    let mut body = shop.envelope(&app, transaction, json!({}));
    shop.sign(&mut body);
    assert_eq!(code(&shop.post(&body).await), "1");
    refused(&shop.post(&body).await, "102", "timestamp");
    // What is not signed can be changed by whoever repeats it: it is the same request all the same.
    body["transaction"]["subscription_type"] = json!("ENABLE");
    refused(&shop.post(&body).await, "102", "timestamp");
    assert_eq!(code(&shop.rebill(&app, &token).await), "280");
    // Forgotten only when its timestamp is refused anyway.
    app.clock.pass(40 * 60);
    app.sweep().await;
    refused(&shop.post(&body).await, "102", "timestamp");
    assert_eq!(code(&shop.manage(&app, "ENABLE", &token, json!({})).await), "1");
}

async fn timestamps_have_a_window(app: TestApp) {
    let shop = Shop::of(&app);
    for (timestamp, fits) in [
        ("20270115074600", true),
        ("20270115081400", true),
        ("20270115074400", false),
        ("20270115081700", false),
        ("20270115", false),
        ("20271315080000", false),
        ("20270115256000", false),
        // An hour of one digit, by a known client.
        ("2027011580010", true),
    ] {
        let mut body = shop.envelope(&app, json!({}), json!({}));
        body["timestamp"] = json!(timestamp);
        body["transaction"] = json!({
            "merchant_order_id": order(), "transaction_type": "AUTH_ONLY", "amount": 1, "currency_code_iso3": "GBP",
        });
        body["billing"] = card(NUMBER, "062031");
        shop.sign(&mut body);
        let answer = shop.post(&body).await;
        if fits {
            assert_eq!(code(&answer), "1", "{timestamp}: {answer}");
        } else {
            refused(&answer, "102", "timestamp");
        }
    }
}

async fn quirks_of_clients_are_survived(app: TestApp) {
    let shop = Shop::of(&app);
    let token = shop.good_token(&app).await;
    // Texts as numbers, the order id at the root, an empty MID, empty fields, empty lists for empty objects.
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
    // A capture without an amount, or with nothing, takes everything.
    for amount in [json!("0"), json!(0), Value::Null, json!("")] {
        let auth = shop.authorise(&app, "AUTH_ONLY", json!({}), card(NUMBER, "062031")).await;
        let transaction = json!({ "transaction_type": "CAPTURE", "original_transaction_id": auth["transaction_id"], "amount": amount });
        let answer = shop.transact(&app, transaction, json!({})).await;
        assert_eq!((code(&answer).as_str(), &answer["amount"]), ("1", &json!("10.00")));
    }
}

async fn an_order_is_authorised_once(app: TestApp) {
    let shop = Shop::of(&app);
    let id = order();
    let again = async |number: &str, expiry: &str| {
        let more = json!({ "merchant_order_id": id });
        shop.authorise(&app, "AUTH_CAPTURE", more, card(number, expiry)).await
    };
    assert_eq!(code(&again("4302912837020000", "052029").await), "101", "a refused order can be tried again");
    assert_eq!(code(&again(NUMBER, "062031").await), "1");
    refused(&again(NUMBER, "062031").await, "102", "merchant_order_id");
    refused(&again("4302912837020000", "052029").await, "102", "merchant_order_id");
}

async fn two_at_once_make_one_authorisation(app: TestApp) {
    let shop = Shop::of(&app);
    let id = order();
    let mut calls = Vec::new();
    for _ in 0..8 {
        let transaction = json!({
            "merchant_order_id": id, "transaction_type": "AUTH_CAPTURE", "amount": "1.00", "currency_code_iso3": "GBP",
        });
        let mut body = shop.envelope(&app, transaction, json!({ "billing": card(NUMBER, "062031") }));
        shop.sign(&mut body);
        let shop = shop.clone();
        calls.push(tokio::spawn(async move { shop.post(&body).await }));
    }
    let mut codes = Vec::new();
    for call in calls {
        codes.push(code(&call.await.unwrap()));
    }
    codes.sort();
    assert_eq!(codes, ["1", "102", "102", "102", "102", "102", "102", "102"]);
    let found = shop.query(&app, "ORDER_ID_ALL", "merchant_order_id", &id).await;
    assert_eq!(found["count"], "1");
}

async fn a_decline_leaves_nothing_behind(app: TestApp) {
    let shop = Shop::of(&app);
    for (expiry, expected, bank) in
        [("052029", "101", "51"), ("102034", "402", "43"), ("042028", "325", "54")]
    {
        let init = json!({ "subscription_type": "INIT" });
        let answer = shop.authorise(&app, "AUTH_CAPTURE", init, card("4302912837020000", expiry)).await;
        assert_eq!((code(&answer).as_str(), &answer["bank_response_code"]), (expected, &json!(bank)));
        let id = text(&answer["transaction_id"]);
        assert_eq!(id.len(), 10, "a refused authorisation is a transaction");
        refused(&shop.rebill(&app, &id).await, "102", "original_transaction_id");
    }
    assert_eq!(stored_cards(&app).await, 0);
}

async fn amounts_and_cards_are_checked(app: TestApp) {
    let shop = Shop::of(&app);
    let good = card(NUMBER, "062031");
    let with = |name: &str, value: &str| {
        let mut card = good.clone();
        card[name] = json!(value);
        card
    };
    for (more, billing, expected, name) in [
        (json!({ "amount": "1.234" }), good.clone(), "102", "amount"),
        (json!({ "amount": "0" }), good.clone(), "102", "amount"),
        (json!({ "amount": Value::Null }), good.clone(), "102", "amount"),
        (json!({ "amount": "1.2.3" }), good.clone(), "102", "amount"),
        (json!({ "amount": "-1" }), good.clone(), "102", "amount"),
        (json!({ "currency_code_iso3": "XYZ" }), good.clone(), "105", "Currency"),
        (json!({ "currency_code_iso3": "" }), good.clone(), "102", "currency_code_iso3"),
        (json!({}), with("cardnumber", "4111111111111112"), "102", "cardnumber"),
        (json!({}), with("cardnumber", ""), "102", "cardnumber"),
        (json!({}), with("cardexp", "132031"), "204", "cardexp"),
        (json!({}), with("cardexp", "122026"), "204", "cardexp"),
        (json!({}), with("cardexp", "1231"), "204", "cardexp"),
        (json!({}), with("cardexp", ""), "102", "cardexp"),
        (json!({}), with("cardcvv", "12"), "102", "cardcvv"),
        (json!({}), with("cardcvv", "1234"), "102", "cardcvv"),
        (json!({}), with("card_type", "PAPER"), "106", "Card Type"),
        (json!({}), with("cardholder_name", "4111 1111 1111 1111"), "102", "cardholder_name"),
        (json!({ "merchant_order_id": NUMBER }), good.clone(), "102", "merchant_order_id"),
        (json!({ "merchant_custom_1": NUMBER }), good.clone(), "102", "merchant_custom_1"),
    ] {
        refused(&shop.authorise(&app, "AUTH_CAPTURE", more, billing).await, expected, name);
    }
    let answer = shop.authorise(&app, "AUTH_ONLY", json!({ "amount": "0.00" }), good).await;
    assert_eq!(
        (code(&answer).as_str(), &answer["amount"]),
        ("1", &json!("0.00")),
        "a card is only looked at"
    );
    assert_eq!(text(&answer["cvvresult"]), "M");
    assert_eq!(stored_cards(&app).await, 0, "one-off payments keep no card");
}

async fn captures_refunds_and_voids_follow(app: TestApp) {
    let shop = Shop::of(&app);
    let auth = shop.authorise(&app, "AUTH_ONLY", json!({}), card(NUMBER, "062031")).await;
    let id = text(&auth["transaction_id"]);
    for name in ["authorization_code", "acquirer_reference_number"] {
        assert!(!text(&auth[name]).is_empty(), "{auth}");
    }
    refused(&shop.follow(&app, "REFUND", &id, "1.00").await, "102", "amount");
    refused(&shop.follow(&app, "CAPTURE", &id, "10.01").await, "102", "amount");
    refused(&shop.follow(&app, "CAPTURE", &id, "1.001").await, "102", "amount");
    let captured = shop.follow(&app, "CAPTURE", &id, "6.00").await;
    assert_eq!(code(&captured), "1");
    assert_eq!(
        (&captured["amount"], &captured["merchant_order_id"]),
        (&json!("6.00"), &auth["merchant_order_id"])
    );
    refused(&shop.follow(&app, "VOID", &id, "").await, "102", "it has a capture");
    let refunded = shop.follow(&app, "REFUND", &text(&captured["transaction_id"]), "2.00").await;
    assert_eq!(code(&refunded), "1", "a capture stands for its authorisation");
    refused(&shop.follow(&app, "REFUND", &id, "4.01").await, "102", "amount");
    assert_eq!(shop.follow(&app, "REFUND", &id, "").await["amount"], "4.00", "the rest");
    refused(&shop.follow(&app, "REFUND", &id, "0.01").await, "102", "amount");
    let auth =
        text(&shop.authorise(&app, "AUTH_ONLY", json!({}), card(NUMBER, "062031")).await["transaction_id"]);
    assert_eq!(code(&shop.follow(&app, "VOID", &auth, "").await), "1");
    for kind in ["CAPTURE", "REFUND", "VOID"] {
        refused(&shop.follow(&app, kind, &auth, "").await, "102", "original_transaction_id (it is void)");
    }
    for kind in ["CAPTURE", "VOID", "REFUND"] {
        refused(&shop.follow(&app, kind, "1234567890", "1.00").await, "102", "original_transaction_id");
    }
}

async fn a_card_of_the_vault_becomes_a_token(app: TestApp) {
    let shop = Shop::of(&app);
    let stored = json!({ "card_number": NUMBER, "card_holder": "Ada King", "card_expiry": "06-2031" });
    let vault = text(&app.test_mode.post("/v1/vault?user=managed&reference=r1", stored).await.ok()["token"]);
    let init = |amount: &str| json!({ "subscription_type": "INIT", "amount": amount });
    let by_token = |reference: &str| json!({ "card_token": vault, "card_reference": reference });
    refused(&shop.authorise(&app, "AUTH_ONLY", init("1.00"), by_token("r1")).await, "102", "amount");
    refused(&shop.authorise(&app, "AUTH_ONLY", init("0"), by_token("r2")).await, "102", "card_token");
    let made = shop.authorise(&app, "AUTH_ONLY", init("0"), by_token("r1")).await;
    assert_eq!((code(&made).as_str(), &made["card_token"]), ("1", &json!(vault)));
    let token = text(&made["transaction_id"]);
    assert_eq!(code(&shop.rebill(&app, &token).await), "1");
    // Live cards are not those of test mode.
    let live = text(
        &app.merchant
            .post("/v1/vault?user=managed", json!({ "card_number": OTHER_NUMBER, "card_expiry": "06-2031" }))
            .await
            .ok()["token"],
    );
    refused(
        &shop.authorise(&app, "AUTH_ONLY", init("0"), json!({ "card_token": live })).await,
        "102",
        "card_token",
    );
    // Another card behind the token: the one that the merchant stored stays in the vault.
    let update = json!({ "subscription_type": "UPDATE_BILLING", "original_transaction_id": token });
    let replaced = shop.authorise(&app, "AUTH_CAPTURE", update, card(OTHER_NUMBER, "072032")).await;
    assert_eq!(code(&replaced), "1");
    assert_ne!(replaced["card_token"], json!(vault));
    assert_eq!(vault_card(&app, &text(&replaced["card_token"])).await["card_number"], OTHER_NUMBER);
    assert_eq!(stored_cards(&app).await, 2);
    let kept = app.test_mode.get(&format!("/v1/vault?user=managed&token={vault}&reference=r1")).await.ok();
    assert_eq!(kept["card_number"], NUMBER);
}

async fn a_card_is_replaced_after_approval_only(app: TestApp) {
    let shop = Shop::of(&app);
    let token = shop.good_token(&app).await;
    let update = |amount: &str| json!({ "subscription_type": "UPDATE_BILLING", "original_transaction_id": token, "amount": amount });
    let behind = async || {
        let found = shop.query(&app, "TRANSACTION_ID", "transaction_id", &token).await;
        found["transactions"][0].clone()
    };
    let before = behind().await;
    let declined =
        shop.authorise(&app, "AUTH_CAPTURE", update("1.00"), card("4302912837020000", "052029")).await;
    assert_eq!(code(&declined), "101");
    assert_eq!(behind().await, before, "the old card stays");
    refused(&shop.authorise(&app, "AUTH_ONLY", update("0"), json!({})).await, "102", "cardnumber");
    let replaced = shop.authorise(&app, "AUTH_ONLY", update("0"), card(OTHER_NUMBER, "072032")).await;
    assert_eq!(code(&replaced), "1");
    let after = behind().await;
    assert_eq!((&after["cardexp"], &after["transaction_id"]), (&json!("072032"), &json!(token)));
    assert_eq!(after["card_token"], replaced["card_token"]);
    assert_eq!(stored_cards(&app).await, 1, "the old card was there for the token alone");
    assert_eq!(code(&shop.rebill(&app, &token).await), "1");
}

async fn merchants_have_their_own_tokens(app: TestApp) {
    let shop = Shop::of(&app);
    let token = shop.good_token(&app).await;
    let made = app.new_merchant("Other", Scopes::usual()).await;
    let other = Shop::with(&app.anonymous, &made.test.company);
    let live = Shop::with(&app.anonymous, &made.live.company);
    for part in ["DISABLE", "ENABLE", "UPDATE_BILLING"] {
        let foreign = other.manage(&app, part, &token, json!({})).await;
        let unknown = other.manage(&app, part, "1234567890", json!({})).await;
        refused(&foreign, "102", "original_transaction_id");
        assert_eq!(
            foreign["response_message"], unknown["response_message"],
            "a foreign token is an unknown one"
        );
    }
    refused(&other.rebill(&app, &token).await, "102", "original_transaction_id");
    refused(&other.query(&app, "TRANSACTION_ID", "transaction_id", &token).await, "102", "transaction_id");
    assert_eq!(code(&shop.rebill(&app, &token).await), "1", "nothing has happened to it");
    // A transaction that is no token.
    let sale = shop.authorise(&app, "AUTH_CAPTURE", json!({}), card(NUMBER, "062031")).await;
    for part in ["DISABLE", "ENABLE", "UPDATE_BILLING"] {
        let answer = shop.manage(&app, part, &text(&sale["transaction_id"]), json!({})).await;
        refused(&answer, "102", "original_transaction_id");
    }
    // Live mode has no gateway as long as none is configured, and says so before a card is stored.
    let init = json!({ "subscription_type": "INIT", "amount": "0" });
    refused(&live.authorise(&app, "AUTH_ONLY", init, card(NUMBER, "062031")).await, "103", "");
}

async fn queries_tell_what_became_of_things(app: TestApp) {
    let shop = Shop::of(&app);
    let id = order();
    let more = |number: &str, expiry: &str| {
        (json!({ "merchant_order_id": id, "subscription_type": "INIT" }), card(number, expiry))
    };
    let (fields, bad) = more("4302912837020000", "052029");
    shop.authorise(&app, "AUTH_CAPTURE", fields, bad).await;
    let (fields, good) = more(NUMBER, "062031");
    let made = shop.authorise(&app, "AUTH_CAPTURE", fields, good).await;
    let token = text(&made["transaction_id"]);
    let rebill = shop.rebill(&app, &token).await;
    let numbers = async |kind: &str, name: &str, value: &str| {
        let found = shop.query(&app, kind, name, value).await;
        let rows = found["transactions"].as_array().unwrap();
        assert_eq!(found["count"], rows.len().to_string());
        rows.iter()
            .map(|row| (text(&row["response_code"]), text(&row["transaction_type"])))
            .collect::<Vec<_>>()
    };
    let row = |code: &str| (code.to_owned(), "AUTH_CAPTURE".to_owned());
    assert_eq!(numbers("ORDER_ID_ALL", "merchant_order_id", &id).await, [row("101"), row("1")]);
    assert_eq!(numbers("ORDER_ID_FIRST", "merchant_order_id", &id).await, [row("101")]);
    assert_eq!(numbers("ORDER_ID_LAST", "merchant_order_id", &id).await, [row("1")]);
    assert_eq!(numbers("ORDER_ID_SUCCESS", "merchant_order_id", &id).await, [row("1")]);
    assert_eq!(numbers("ORDER_ID_ALL", "merchant_order_id", "none").await, []);
    assert_eq!(numbers("TRANSACTION_ID_CHILDREN_ALL", "transaction_id", &token).await, [row("1")]);
    let one = shop.query(&app, "TRANSACTION_ID", "transaction_id", &text(&rebill["transaction_id"])).await;
    let shown = &one["transactions"][0];
    assert_eq!(
        (&shown["original_transaction_id"], &shown["subscription_type"]),
        (&json!(token), &json!("REBILL"))
    );
    assert_eq!(shown["authorization_code"], rebill["authorization_code"]);
    let bin = shop.query(&app, "BIN", "bin", "411111").await;
    assert_eq!(bin["bin"]["card_type"], "visa");
    refused(&shop.query(&app, "ORDER_ID_SOME", "merchant_order_id", &id).await, "104", "");
    refused(&shop.query(&app, "TRANSACTION_ID", "transaction_id", "x").await, "102", "transaction_id");
    refused(&shop.query(&app, "BIN", "bin", "41").await, "102", "bin");
    let wrong = Shop { hash_code: "wrong".to_owned(), ..shop.clone() };
    let body = wrong.envelope(
        &app,
        json!({ "status_request_type": "BIN", "bin": "411111" }),
        json!({ "request_hash": "0".repeat(64) }),
    );
    let answer = app.anonymous.send(Call::new("POST", "/api.php/status").json(&body)).await.is(200).json();
    refused(&answer, "107", "");
}

async fn addresses_can_be_listed(app: TestApp) {
    let shop = Shop::of(&app);
    let token = shop.good_token(&app).await;
    let set = async |body: Value| app.test_mode.put("/v1/gateway/company", body).await;
    set(json!({ "addresses": ["x"] })).await.refused(400, "invalid");
    set(json!({ "webhook_url": "ftp://shop.example" })).await.refused(400, "invalid");
    let shown = set(json!({ "addresses": ["192.0.2.0/24"] })).await.ok();
    assert_eq!((&shown["company_id"], &shown["addresses"]), (&json!(shop.id), &json!(["192.0.2.0/24"])));
    refused(&shop.rebill(&app, &token).await, "103", "");
    assert_eq!(code(&shop.at([192, 0, 2, 7]).rebill(&app, &token).await), "1");
    assert_eq!(app.test_mode.get("/v1/gateway/company").await.ok(), shown);
    let live: CompanyCredentials = app.new_merchant("Other", Scopes::usual()).await.live.company;
    assert_ne!(live.id, shop.id);
}
