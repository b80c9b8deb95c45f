//! Limits of capture endpoints: they are no oracle for numbers (security rule 8).

use serde_json::json;

use crate::app::{Endpoint, NUMBER, OTHER_NUMBER, TestApp, card, text};
use crate::client::Call;

on_both_engines! {
    thirty_captures_a_minute,
    a_hundred_captures_in_a_life,
    a_creation_may_say_how_many,
    a_creation_may_not_say_more_than_the_operator,
    twenty_refused_numbers_switch_an_endpoint_off,
    sixty_captures_a_minute_from_one_address,
    an_expired_endpoint_tells_only_who_knows_its_secret,
    a_form_of_a_single_use_ends_with_it,
}

async fn thirty_captures_a_minute(app: TestApp) {
    let endpoint = app.endpoint("").await;
    for _ in 0..30 {
        endpoint.capture(card(NUMBER)).await.ok();
    }
    let refused = endpoint.capture(card(NUMBER)).await;
    refused.refused(429, "too_many");
    assert_eq!(refused.header("retry-after"), "60");
    app.clock.pass(60);
    endpoint.capture(card(NUMBER)).await.ok();
}

async fn a_hundred_captures_in_a_life(app: TestApp) {
    let endpoint = app.endpoint("").await;
    for count in 0..100 {
        if count % 30 == 0 {
            app.clock.pass(60);
        }
        endpoint.capture(json!({ "number": NUMBER })).await.ok();
    }
    app.clock.pass(60);
    endpoint.capture(json!({ "number": NUMBER })).await.refused(404, "used");
}

async fn a_creation_may_say_how_many(app: TestApp) {
    let once = app.endpoint("&max_uses=1").await;
    once.capture(card(NUMBER)).await.ok();
    once.capture(card(NUMBER)).await.refused(404, "used");
    let body = app.merchant.post("/v1/capture?user=managed", json!({ "max_uses": 7 })).await.ok();
    let shown = app.merchant.get(&text(&body["url"])).await.ok();
    assert_eq!(shown["max_uses"], 7);
}

async fn a_creation_may_not_say_more_than_the_operator(app: TestApp) {
    for uses in [0, 10_001] {
        let refused = app.merchant.post("/v1/capture?user=managed", json!({ "max_uses": uses })).await;
        refused.refused(400, "invalid").at("/max_uses", "range");
    }
    let refused = app.merchant.post("/v1/capture?user=managed", json!({ "max_uses": "many" })).await;
    refused.refused(400, "invalid").at("/max_uses", "type");
}

async fn twenty_refused_numbers_switch_an_endpoint_off(app: TestApp) {
    let webhook = json!({ "webhook": { "url": "https://shop.example/hook" } });
    let created = app.merchant.post("/v1/capture?user=managed", webhook).await.ok();
    let endpoint = Endpoint::of(&app.merchant, &created);
    endpoint.capture(card(NUMBER)).await.ok();
    for _ in 0..20 {
        endpoint.capture(card("4111111111111112")).await.refused(400, "invalid");
    }
    endpoint.capture(card(NUMBER)).await.refused(404, "disabled");
    assert_eq!(app.merchant.get(&format!("/v1/capture/{}", endpoint.id)).await.ok()["disabled"], true);
    let events = app.events().await;
    let kinds: Vec<_> = events.iter().map(|event| event.kind.as_str()).collect();
    assert_eq!(kinds, ["card.captured", "capture_endpoint.disabled"]);
}

async fn sixty_captures_a_minute_from_one_address(app: TestApp) {
    let endpoints = [app.endpoint("").await, app.endpoint("").await, app.endpoint("").await];
    for endpoint in &endpoints[..2] {
        for _ in 0..30 {
            endpoint.capture_from([192, 0, 2, 1], card(NUMBER)).await.ok();
        }
    }
    endpoints[2].capture_from([192, 0, 2, 1], card(NUMBER)).await.refused(429, "too_many");
    endpoints[2].capture_from([192, 0, 2, 2], card(NUMBER)).await.ok();
}

async fn an_expired_endpoint_tells_only_who_knows_its_secret(app: TestApp) {
    let endpoint = app.endpoint("&ttl=PT10M").await;
    app.clock.pass(599);
    endpoint.capture(card(NUMBER)).await.ok();
    app.clock.pass(1);
    endpoint.capture(card(NUMBER)).await.refused(404, "expired");
    let call =
        Call::new("POST", &format!("/v1/capture/{}", endpoint.id)).header("x-capture-secret", "wrong-secret");
    app.anonymous.send(call.json(&card(NUMBER))).await.refused(404, "not_found");
}

async fn a_form_of_a_single_use_ends_with_it(app: TestApp) {
    let form = text(&app.merchant.post("/v1/capture/iframe", json!({ "single_use": true })).await.ok()["id"]);
    let endpoint = app.endpoint("").await;
    let fill = |number: &str| {
        let body = json!({ "unique_id": endpoint.id, "card_number": number, "card_holder": "Ada", "expiry": "06/31",
            "cvv": "737" });
        let call = Call::new("POST", &format!("/v1/capture/iframe/{form}"));
        call.header("x-capture-secret", &endpoint.secret).json(&body)
    };
    app.anonymous.send(fill(NUMBER)).await.ok();
    app.anonymous.send(fill(OTHER_NUMBER)).await.refused(404, "used");
}

mod on_sqlite {
    use super::{NUMBER, TestApp, card, json};

    #[tokio::test]
    async fn benchmarks_may_lift_the_limits() {
        let app = TestApp::on_sqlite_with(|settings| settings.policy.limits = None).await;
        let endpoint = app.endpoint("&max_uses=1").await;
        for _ in 0..70 {
            endpoint.capture(json!({ "number": NUMBER })).await.ok();
        }
    }

    #[tokio::test]
    async fn the_operator_may_allow_endpoints_without_an_end() {
        let app = TestApp::on_sqlite_with(|settings| settings.policy.endless_endpoints = true).await;
        let endpoint = app.endpoint("&ttl=0").await;
        assert!(endpoint.created["expires_at"].is_null());
        app.clock.pass(3_000 * 86_400);
        app.sweep().await;
        endpoint.capture(card(NUMBER)).await.ok();
    }
}
