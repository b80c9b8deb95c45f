//! What belongs to another merchant, or to the other mode, answers byte for byte as if it were not there.

use serde_json::json;

use crate::app::{Endpoint, NUMBER, PASSPHRASE, TestApp, card, text};
use crate::client::{Call, Client};

on_both_engines! {
    a_foreign_card_is_unknown,
    a_foreign_key_is_unknown,
    a_foreign_endpoint_is_unknown,
    a_foreign_form_is_unknown,
    a_wrong_secret_is_as_an_unknown_endpoint,
    lists_hold_ones_own_alone,
}

/// Another merchant, and the same merchant's other mode.
async fn strangers(app: &TestApp) -> [Client; 2] {
    [app.other_merchant().await, app.test_mode.clone()]
}

/// Both calls are answered alike, to the byte.
async fn alike(client: &Client, foreign: Call, unknown: Call) {
    let (mut foreign, mut unknown) = (client.send(foreign).await, client.send(unknown).await);
    foreign.refused(404, "not_found");
    // Each request has an id of its own.
    assert!(
        foreign.headers.remove("x-request-id").is_some() && unknown.headers.remove("x-request-id").is_some()
    );
    assert_eq!((foreign.headers, foreign.body), (unknown.headers, unknown.body));
}

async fn a_foreign_card_is_unknown(app: TestApp) {
    let token = app.card().await;
    let none = "0".repeat(64);
    for client in strangers(&app).await {
        for (method, path) in [
            ("GET", "/v1/vault"),
            ("DELETE", "/v1/vault"),
            ("POST", "/v1/vault/update"),
            ("POST", "/v1/capture"),
        ] {
            let call = |token: &str| {
                let target = format!("{path}?user=managed&token={token}&reference=r1");
                Call::new(method, &target).json(&json!({ "note": "x" }))
            };
            alike(&client, call(&token), call(&none)).await;
        }
    }
    assert_eq!(app.read(&token, "r1").await, card(NUMBER));
}

async fn a_foreign_key_is_unknown(app: TestApp) {
    app.key().await;
    for client in strangers(&app).await {
        for (method, path) in [
            ("POST", "/v1/vault"),
            ("GET", "/v1/vault"),
            ("POST", "/v1/capture"),
            ("POST", "/v1/key/rotate"),
            ("DELETE", "/v1/key"),
        ] {
            let call = |user: &str| {
                let target = format!("{path}?user={user}&passphrase={PASSPHRASE}&token=t");
                let target = if path == "/v1/vault" && method == "POST" {
                    target.replace("&token=t", "")
                } else {
                    target
                };
                Call::new(method, &target).json(&card(NUMBER))
            };
            alike(&client, call("shop"), call("none")).await;
        }
    }
}

async fn a_foreign_endpoint_is_unknown(app: TestApp) {
    let endpoint = app.endpoint("").await;
    for client in strangers(&app).await {
        for method in ["GET", "DELETE"] {
            let call = |id: &str| Call::new(method, &format!("/v1/capture/{id}"));
            alike(&client, call(&endpoint.id), call("none")).await;
        }
    }
    endpoint.capture(card(NUMBER)).await.ok();
}

async fn a_foreign_form_is_unknown(app: TestApp) {
    let form = text(&app.merchant.post("/v1/capture/iframe", json!({})).await.ok()["id"]);
    for client in strangers(&app).await {
        for method in ["GET", "DELETE"] {
            let call = |id: &str| Call::new(method, &format!("/v1/capture/iframe/{id}"));
            alike(&client, call(&form), call("none")).await;
        }
    }
    app.merchant.get(&format!("/v1/capture/iframe/{form}")).await.ok();
}

async fn a_wrong_secret_is_as_an_unknown_endpoint(app: TestApp) {
    let (endpoint, other) = (app.endpoint("").await, Endpoint::create(&app.other_merchant().await, "").await);
    let ended = app.endpoint("").await;
    app.merchant.delete(&format!("/v1/capture/{}", ended.id)).await.ok();
    let call = |id: &str, secret: Option<&str>| {
        let call = Call::new("POST", &format!("/v1/capture/{id}")).json(&card(NUMBER));
        if let Some(secret) = secret { call.header("x-capture-secret", secret) } else { call }
    };
    for foreign in [
        call(&endpoint.id, None),
        call(&endpoint.id, Some("wrong-secret")),
        call(&endpoint.id, Some(&other.secret)),
        call(&endpoint.id, Some(&endpoint.secret[1..])),
        call(&ended.id, Some(&ended.secret)),
    ] {
        alike(&app.anonymous, foreign, call("none", Some("wrong-secret"))).await;
    }
    assert!(app.stored_cards("managed").await.is_empty());
    let refused = app.audit().await.into_iter().filter(|entry| entry.action == "capture.secret").count();
    assert_eq!(refused, 4, "audited with the endpoint's merchant, where it is known");
}

async fn lists_hold_ones_own_alone(app: TestApp) {
    app.card().await;
    app.endpoint("").await;
    app.key().await;
    for client in strangers(&app).await {
        assert_eq!(client.get("/v1/vault").await.ok(), json!({ "managed": [] }));
        assert_eq!(client.get("/v1/capture").await.ok(), json!([]));
        assert_eq!(client.get("/v1/key").await.ok(), json!(["managed"]));
    }
}
