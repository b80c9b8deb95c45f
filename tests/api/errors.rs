//! Bad input: each kind with its status, stable code and place; and never a secret or a number in the answer.

use serde_json::{Value, json};

use crate::app::{AMEX, NUMBER, TestApp, card};
use crate::client::{Answer, Call};

on_both_engines! {
    a_number_that_fails_luhn,
    a_number_that_is_too_short,
    a_number_that_is_too_long,
    a_number_with_letters,
    a_number_that_is_no_text,
    a_missing_number,
    two_numbers,
    full_width_digits_are_normalised,
    spaces_and_dashes_are_normalised,
    a_code_of_the_wrong_length_for_the_brand,
    a_code_that_is_none,
    month_13,
    an_expiry_that_is_garbage,
    a_body_over_256_kb,
    a_body_that_is_not_json,
    a_body_that_is_no_object,
    a_deeply_nested_body,
    duplicate_keys,
    invalid_utf_8,
    an_empty_body_is_an_empty_object,
    numbers_in_other_members,
    numbers_as_names,
    numbers_in_the_query,
    track_data_and_pins,
    a_parameter_twice,
    a_key_name_that_is_none,
    a_webhook_that_is_none,
    an_unknown_address,
    a_method_that_an_address_does_not_take,
    a_reference_that_is_none,
}

/// A body is refused by both ways into the vault, and nothing is stored.
async fn refused_both_ways(app: &TestApp, body: &[u8], check: impl Fn(&Answer)) {
    let endpoint = app.endpoint("").await;
    check(&app.anonymous.send(endpoint.call("").body(body)).await);
    check(&app.merchant.send(Call::new("POST", "/v1/vault?user=managed").body(body)).await);
    assert!(app.stored_cards("managed").await.is_empty());
}

async fn invalid(app: &TestApp, body: Value, pointer: &str, code: &str) {
    let check = |answer: &Answer| answer.refused(400, "invalid").at(pointer, code);
    refused_both_ways(app, body.to_string().as_bytes(), check).await;
}

async fn malformed(app: &TestApp, body: &[u8]) {
    refused_both_ways(app, body, |answer| assert!(answer.refused(400, "malformed").0["errors"].is_null()))
        .await;
}

async fn a_number_that_fails_luhn(app: TestApp) {
    invalid(&app, card("4111111111111112"), "/card_number", "checksum").await;
}

async fn a_number_that_is_too_short(app: TestApp) {
    invalid(&app, card("41111111111"), "/card_number", "too_short").await;
}

async fn a_number_that_is_too_long(app: TestApp) {
    invalid(&app, json!({ "n": "41111111111111111111" }), "/n", "too_long").await;
}

async fn a_number_with_letters(app: TestApp) {
    invalid(&app, json!({ "number": "4111 1111 1111 111I" }), "/number", "characters").await;
}

async fn a_number_that_is_no_text(app: TestApp) {
    invalid(&app, json!({ "card_number": [NUMBER] }), "/card_number", "type").await;
}

async fn a_missing_number(app: TestApp) {
    for body in [json!({ "cvv": "737" }), json!({ "card_number": "" }), json!({ "card_number": null })] {
        invalid(&app, body, "/card_number", "missing").await;
    }
}

async fn two_numbers(app: TestApp) {
    invalid(&app, json!({ "card_number": NUMBER, "pan": NUMBER }), "/pan", "ambiguous").await;
}

async fn full_width_digits_are_normalised(app: TestApp) {
    let wide: String = NUMBER.chars().map(|c| char::from_u32(u32::from(c) + 0xFEE0).unwrap()).collect();
    let captured = app.endpoint("&reference=r1").await.capture(card(&wide)).await.ok();
    assert_eq!(captured["token"], app.card().await);
}

async fn spaces_and_dashes_are_normalised(app: TestApp) {
    let endpoint = app.endpoint("&reference=r1").await;
    for number in ["4111 1111 1111 1111", "4111-1111-1111-1111", " 4111\u{a0}11111111\u{2013}1111 "] {
        assert_eq!(endpoint.capture(card(number)).await.ok()["token"], app.card().await);
    }
}

async fn a_code_of_the_wrong_length_for_the_brand(app: TestApp) {
    invalid(&app, json!({ "number": AMEX, "cvv": "737" }), "/cvv", "code_length").await;
    invalid(&app, json!({ "number": NUMBER, "cvc": "7377" }), "/cvc", "code_length").await;
}

async fn a_code_that_is_none(app: TestApp) {
    invalid(&app, json!({ "number": NUMBER, "cvv": "7a7" }), "/cvv", "characters").await;
    invalid(&app, json!({ "number": NUMBER, "a": { "cvv": ["737"] } }), "/a/cvv", "characters").await;
}

async fn month_13(app: TestApp) {
    invalid(&app, json!({ "number": NUMBER, "card_expiry": "13-2031" }), "/card_expiry", "month").await;
}

async fn an_expiry_that_is_garbage(app: TestApp) {
    invalid(&app, json!({ "number": NUMBER, "expiry": "soon" }), "/expiry", "characters").await;
    invalid(&app, json!({ "number": NUMBER, "expiry_month": "06" }), "/expiry_month", "format").await;
}

async fn a_body_over_256_kb(app: TestApp) {
    let fits = json!({ "number": NUMBER, "note": "x".repeat(256 * 1024 - 39) }).to_string();
    assert_eq!(fits.len(), 256 * 1024);
    app.merchant
        .send(Call::new("POST", "/v1/vault?user=managed&reference=big").body(fits.clone()))
        .await
        .ok();
    let endpoint = app.endpoint("").await;
    for call in [endpoint.call(""), Call::new("POST", "/v1/vault?user=managed")] {
        let refused = app.merchant.send(call.body(format!("{fits} "))).await;
        refused.refused(413, "too_large");
    }
}

async fn a_body_that_is_not_json(app: TestApp) {
    for body in
        ["{", "number=4111111111111111", "{\"a\":01}", "{\"a\":NaN}", "{\"a\":1}{}", "{'a':1}", "\u{feff}{}"]
    {
        malformed(&app, body.as_bytes()).await;
    }
}

async fn a_body_that_is_no_object(app: TestApp) {
    for body in ["[]", "null", "7", "\"4111111111111111\"", "[{\"number\":\"4111111111111111\"}]"] {
        malformed(&app, body.as_bytes()).await;
    }
}

async fn a_deeply_nested_body(app: TestApp) {
    let nested = |levels: usize| {
        format!("{{\"number\":\"{NUMBER}\",\"a\":{}{}}}", "[".repeat(levels), "]".repeat(levels))
    };
    malformed(&app, nested(33).as_bytes()).await;
    malformed(&app, nested(100_000).as_bytes()).await;
    app.merchant.send(Call::new("POST", "/v1/vault?user=managed").body(nested(32))).await.ok();
}

async fn duplicate_keys(app: TestApp) {
    malformed(&app, format!("{{\"number\":\"{NUMBER}\",\"number\":\"{AMEX}\"}}").as_bytes()).await;
    malformed(&app, format!("{{\"number\":\"{NUMBER}\",\"a\":{{\"b\":1,\"\\u0062\":2}}}}").as_bytes()).await;
}

async fn invalid_utf_8(app: TestApp) {
    malformed(&app, b"{\"number\":\"4111111111111111\",\"a\":\"\xff\"}").await;
    malformed(&app, b"{\"number\":\"4111111111111111\",\"a\":\"\\ud800\"}").await;
}

async fn an_empty_body_is_an_empty_object(app: TestApp) {
    let check = |answer: &Answer| answer.refused(400, "invalid").at("/card_number", "missing");
    refused_both_ways(&app, b"", check).await;
    refused_both_ways(&app, b" \n", check).await;
}

async fn numbers_in_other_members(app: TestApp) {
    for (body, pointer) in [
        (json!({ "number": NUMBER, "note": format!("it is {AMEX}!") }), "/note"),
        (json!({ "number": NUMBER, "meta": { "order id": [1, "3782 822463 10005"] } }), "/meta/order id/1"),
        (json!({ "number": NUMBER, "card_holder": "4111-1111-1111-1111" }), "/card_holder"),
        (json!({ "number": NUMBER, "a/b": 378_282_246_310_005_u64 }), "/a~1b"),
    ] {
        invalid(&app, body, pointer, "holds_number").await;
    }
}

async fn numbers_as_names(app: TestApp) {
    invalid(&app, json!({ "number": NUMBER, AMEX: 1 }), "/…", "holds_number").await;
}

async fn numbers_in_the_query(app: TestApp) {
    let endpoint = app.endpoint("").await;
    let refused = app.anonymous.send(endpoint.call(&format!("?reference={AMEX}")).json(&card(NUMBER))).await;
    refused.refused(400, "invalid").at("/reference", "holds_number");
    let refused = app.merchant.post(&format!("/v1/vault?user=managed&reference=a{AMEX}"), card(NUMBER)).await;
    refused.refused(400, "invalid").at("/reference", "holds_number");
    let refused = app.merchant.post("/v1/vault?user=managed&number=4111111111111112", json!({})).await;
    refused.refused(400, "invalid").at("/number", "checksum");
    let refused = app.merchant.post(&format!("/v1/capture?user=managed&unique_id={AMEX}"), json!({})).await;
    refused.refused(400, "invalid").at("/unique_id", "characters");
}

async fn track_data_and_pins(app: TestApp) {
    for name in ["track1", "track2", "Track-Data", "pin", "pin_block"] {
        invalid(&app, json!({ "number": NUMBER, "a": { name: "x" } }), &format!("/a/{name}"), "forbidden")
            .await;
    }
}

async fn a_parameter_twice(app: TestApp) {
    let refused = app.merchant.post("/v1/vault?user=managed&user=other", card(NUMBER)).await;
    refused.refused(400, "invalid").at("", "duplicate");
}

async fn a_key_name_that_is_none(app: TestApp) {
    for (user, code) in [("", "missing"), ("a\u{7}b", "characters"), (NUMBER, "holds_number")] {
        let refused = app.merchant.post("/v1/key", json!({ "user": user })).await;
        refused.refused(400, "invalid").at("/user", code);
    }
    app.merchant.post("/v1/key", json!({ "user": 7 })).await.refused(400, "invalid").at("/user", "type");
    let long = json!({ "user": "shop", "passphrase": "x".repeat(201) });
    app.merchant.post("/v1/key", long).await.refused(400, "invalid").at("/passphrase", "too_long");
}

async fn a_webhook_that_is_none(app: TestApp) {
    for (webhook, pointer, code) in [
        (json!("https://shop.example"), "/webhook", "type"),
        (json!({ "url": "http://shop.example" }), "/webhook/url", "url"),
        (json!({ "url": "https://user@shop.example" }), "/webhook/url", "url"),
        (json!({ "url": "https://shop.example", "max_attempts": 17 }), "/webhook/max_attempts", "range"),
        (json!({ "url": "https://shop.example", "metadata": [] }), "/webhook/metadata", "type"),
        (json!({ "url": "https://shop.example", "metadata": { "a": AMEX } }), "/webhook", "holds_number"),
    ] {
        let refused = app.merchant.post("/v1/capture?user=managed", json!({ "webhook": webhook })).await;
        refused.refused(400, "invalid").at(pointer, code);
    }
}

async fn an_unknown_address(app: TestApp) {
    for target in ["/", "/v1", "/v1/vaults", "/v2/vault", "/admin"] {
        app.merchant.get(target).await.refused(404, "not_found");
    }
}

async fn a_method_that_an_address_does_not_take(app: TestApp) {
    for (method, target) in
        [("PUT", "/v1/vault"), ("PATCH", "/v1/key"), ("GET", "/v1/vault/update"), ("PUT", "/v1/capture/x")]
    {
        let refused = app.merchant.send(Call::new(method, target)).await;
        refused.refused(405, "method");
        assert!(!refused.header("allow").is_empty(), "{method} {target}");
    }
}

async fn a_reference_that_is_none(app: TestApp) {
    let long = "x".repeat(256);
    for (reference, code) in [("a%07b", "characters"), (long.as_str(), "too_long"), ("%20", "missing")] {
        let refused =
            app.merchant.post(&format!("/v1/vault?user=managed&reference={reference}"), card(NUMBER)).await;
        refused.refused(400, "invalid").at("/reference", code);
    }
}
