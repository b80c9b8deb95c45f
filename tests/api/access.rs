//! Who is let in: credentials of every kind, scopes, and the audit of who was not.

use serde_json::json;

use crate::app::{NUMBER, TestApp, card};
use crate::client::Call;
use backend::model::{Scope, Scopes};

on_both_engines! {
    wrong_credentials_are_refused_alike,
    an_api_key_is_as_good_as_a_password,
    a_call_needs_its_scope,
    the_body_is_not_looked_at_before_the_credentials,
}

async fn wrong_credentials_are_refused_alike(app: TestApp) {
    let made = app.new_merchant("Named", Scopes::usual()).await.live;
    let basic = |user: &str, password: &str| app.anonymous.with_basic(user, password);
    let mut bodies = Vec::new();
    for client in [
        app.anonymous.clone(),
        basic(&made.user, "wrong-password"),
        basic("unknown-user", &made.password),
        basic(&made.user, ""),
        basic("", ""),
        app.anonymous.with_authorization("Basic ???"),
        app.anonymous.with_authorization("Basic bm9jb2xvbg=="),
        app.anonymous.with_authorization("Bearer no-dot"),
        app.anonymous.with_authorization("Digest x"),
    ] {
        let refused = client.get("/v1/vault").await;
        refused.refused(401, "unauthenticated");
        assert!(refused.header("www-authenticate").starts_with("Basic "));
        bodies.push(refused.text());
    }
    bodies.dedup();
    assert_eq!(bodies.len(), 1);
}

async fn an_api_key_is_as_good_as_a_password(app: TestApp) {
    let made = app.new_merchant("Named", Scopes::usual()).await.test;
    for scheme in ["Bearer", "APIKEY", "apikey"] {
        let client = app.anonymous.with_authorization(&format!("{scheme} {}", made.api_key.as_str()));
        client.get("/v1/vault").await.ok();
        let client = app.anonymous.with_authorization(&format!("{scheme} {}x", made.api_key.as_str()));
        client.get("/v1/vault").await.refused(401, "unauthenticated");
    }
}

async fn a_call_needs_its_scope(app: TestApp) {
    let reader = app.with_scopes(&[Scope::CardRead]).await;
    reader.get("/v1/vault").await.ok();
    for call in [
        Call::new("POST", "/v1/vault?user=managed").json(&card(NUMBER)),
        Call::new("POST", "/v1/vault/update?user=managed&token=t"),
        Call::new("DELETE", "/v1/vault?user=managed&token=t"),
        Call::new("POST", "/v1/key").json(&json!({ "user": "shop" })),
        Call::new("POST", "/v1/key/rotate").json(&json!({ "user": "managed" })),
        Call::new("POST", "/v1/capture?user=managed"),
        Call::new("GET", "/v1/capture"),
        Call::new("POST", "/v1/capture/iframe"),
    ] {
        reader.send(call).await.refused(403, "forbidden");
    }
}

async fn the_body_is_not_looked_at_before_the_credentials(app: TestApp) {
    let call = Call::new("POST", "/v1/vault?user=managed").body("not json");
    app.anonymous.send(call).await.refused(401, "unauthenticated");
}
