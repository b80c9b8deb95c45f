//! Gateway transactions over their interface: envelope, signatures, parameters, charges and what follows them.

use backend::access::company::CompanyCredentials;
use backend::model::Scopes;
use serde_json::{Value, json};

use crate::app::{NUMBER, OTHER_NUMBER, TestApp, text};
use crate::client::Call;
use crate::company::{Shop, card, code, object, order, refused, stored_cards, vault_card};
use crate::transaction_tables::whole;

on_both_engines! {
    the_seeds_requests_are_answered_member_by_member,
    unknown_types_are_told_before_the_signature,
    wrong_credentials_are_refused,
    what_is_no_json_is_answered_and_signed,
    a_request_is_taken_once,
    timestamps_have_a_window,
    an_order_is_authorised_once,
    two_at_once_make_one_authorisation,
    a_decline_leaves_nothing_behind,
    amounts_and_cards_are_checked,
    captures_refunds_and_voids_follow,
    a_card_of_the_vault_becomes_a_token,
    a_card_is_replaced_after_approval_only,
    merchants_have_their_own_tokens,
    addresses_can_be_listed,
    every_action_has_a_number_of_its_own,
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

async fn every_action_has_a_number_of_its_own(app: TestApp) {
    let shop = Shop::of(&app);
    let token = shop.good_token(&app).await;
    let mut numbers = vec![token.clone()];
    for _ in 0..8 {
        for part in ["UPDATE_BILLING", "DISABLE", "ENABLE"] {
            numbers.push(text(&shop.manage(&app, part, &token, json!({})).await["transaction_id"]));
        }
        numbers.push(text(&shop.rebill(&app, &token).await["transaction_id"]));
    }
    for number in &numbers {
        // A client that writes it as a number loses nothing of it.
        assert!(number.len() == 10 && number.parse::<u64>().unwrap() >= 1_000_000_000, "{number}");
    }
    let mut sorted = numbers.clone();
    sorted.sort();
    assert_ne!(sorted, numbers, "no counter");
    sorted.dedup();
    assert_eq!(sorted.len(), numbers.len());
    let near =
        sorted.windows(2).filter(|two| two[1].parse::<u64>().unwrap() - two[0].parse::<u64>().unwrap() == 1);
    assert_eq!(near.count(), 0);
}
