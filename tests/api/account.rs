//! A merchant's own credentials: made, listed, ended, given another password; who calls, and what was used.

use serde_json::{Value, json};

use crate::app::{TestApp, text};
use crate::client::Client;

on_both_engines! {
    a_credential_does_what_its_scopes_say,
    a_credential_of_test_mode_sees_no_live_data,
    a_credential_ends_when_it_is_revoked_and_when_its_time_is_over,
    a_credential_makes_none_that_may_do_more,
    a_credential_of_test_mode_makes_and_sees_none_of_live_mode,
    a_credential_cannot_end_itself_or_what_is_foreign,
    what_cannot_be_a_credential_is_refused,
    its_last_use_is_told,
    a_generated_password_ends_the_one_before,
    a_chosen_password_works_until_the_next_one,
    wrong_chosen_passwords_are_limited,
    a_password_that_can_be_guessed_is_refused,
    who_calls_is_told,
    a_month_counts_keys_cards_and_calls,
}

async fn make(client: &Client, body: Value) -> Value {
    client.post("/v1/api-key", body).await.ok()
}

/// A client of a created credential.
fn of(app: &TestApp, created: &Value) -> Client {
    app.anonymous.with_basic(&text(&created["user"]), &text(&created["password"]))
}

async fn a_credential_does_what_its_scopes_say(app: TestApp) {
    let body = json!({ "name": "Till", "scopes": ["card:read", "capture:create"] });
    let created = make(&app.merchant, body).await;
    assert_eq!(created["state"], "active");
    assert_eq!(created["mode"], "live");
    let client = of(&app, &created);
    client.get("/v1/vault").await.ok();
    client.get("/v1/capture").await.ok();
    let refused = client.post("/v1/key", json!({ "user": "shop" })).await.refused(403, "forbidden");
    assert!(text(&refused.0["detail"]).contains("card:write"));
    let bearer = app.anonymous.with_authorization(&format!("Bearer {}", text(&created["api_key"])));
    bearer.get("/v1/vault").await.ok();

    let listed = app.merchant.get("/v1/api-key").await.ok();
    let listed = listed.as_array().unwrap().iter().find(|key| key["id"] == created["id"]).unwrap().clone();
    assert_eq!(
        (&listed["name"], &listed["scopes"]),
        (&json!("Till"), &json!(["capture:create", "card:read"]))
    );
    assert!(listed.get("password").is_none() && listed.get("api_key").is_none());
    let shown = app.merchant.get(&format!("/v1/api-key/{}", text(&created["id"]))).await.ok();
    assert_eq!(shown["name"], "Till");
    assert!(app.audit().await.iter().any(|entry| entry.action == "api_key.create"));
}

async fn a_credential_of_test_mode_sees_no_live_data(app: TestApp) {
    app.card().await;
    let created = make(&app.merchant, json!({ "scopes": "card:read", "mode": "test" })).await;
    assert!(text(&created["user"]).starts_with("test_"));
    let cards = of(&app, &created).get("/v1/vault").await.ok();
    assert_eq!(cards, json!({ "managed": [] }));
}

async fn a_credential_ends_when_it_is_revoked_and_when_its_time_is_over(app: TestApp) {
    let revoked = make(&app.merchant, json!({ "scopes": ["card:read"] })).await;
    let target = format!("/v1/api-key/{}", text(&revoked["id"]));
    of(&app, &revoked).get("/v1/vault").await.ok();
    assert_eq!(app.merchant.delete(&target).await.ok()["state"], "revoked");
    of(&app, &revoked).get("/v1/vault").await.refused(401, "unauthenticated");
    app.merchant.delete(&target).await.refused(409, "ended");

    let short = make(&app.merchant, json!({ "scopes": ["card:read"], "ttl": "PT10M" })).await;
    of(&app, &short).get("/v1/vault").await.ok();
    app.clock.pass(601);
    of(&app, &short).get("/v1/vault").await.refused(401, "unauthenticated");
    let shown = app.merchant.get(&format!("/v1/api-key/{}", text(&short["id"]))).await.ok();
    assert_eq!(shown["state"], "expired");
}

async fn a_credential_makes_none_that_may_do_more(app: TestApp) {
    let admin = of(&app, &make(&app.merchant, json!({ "scopes": ["admin", "card:read"] })).await);
    make(&admin, json!({ "scopes": ["card:read"] })).await;
    for scope in ["card:write", "cvv:read"] {
        let refused = admin
            .post("/v1/api-key", json!({ "scopes": ["card:read", scope] }))
            .await
            .refused(403, "forbidden");
        assert!(text(&refused.0["detail"]).contains(scope));
    }
    let refused = app.audit().await.into_iter().filter(|entry| entry.action == "access.scope").count();
    assert_eq!(refused, 2);
}

async fn a_credential_of_test_mode_makes_and_sees_none_of_live_mode(app: TestApp) {
    let body = json!({ "scopes": ["card:read"], "mode": "live" });
    app.test_mode.post("/v1/api-key", body).await.refused(400, "invalid");
    let live = make(&app.merchant, json!({ "scopes": ["card:read"] })).await;
    let target = format!("/v1/api-key/{}", text(&live["id"]));
    app.test_mode.get(&target).await.refused(404, "not_found");
    app.test_mode.delete(&target).await.refused(404, "not_found");
    let listed = app.test_mode.get("/v1/api-key").await.ok();
    assert!(listed.as_array().unwrap().iter().all(|key| key["mode"] == "test"));
    assert_eq!(listed.as_array().unwrap().len(), 2);
}

async fn a_credential_cannot_end_itself_or_what_is_foreign(app: TestApp) {
    let user = text(&app.merchant.get("/v1/whoami").await.ok()["user"]);
    let listed = app.merchant.get("/v1/api-key").await.ok();
    let own =
        listed.as_array().unwrap().iter().find(|key| key["user"] == user.as_str()).unwrap()["id"].clone();
    let target = format!("/v1/api-key/{}", text(&own));
    app.merchant.delete(&target).await.refused(409, "own_credential");
    let other = app.other_merchant().await;
    other.get(&target).await.refused(404, "not_found");
    other.delete(&target).await.refused(404, "not_found");
    app.merchant.get("/v1/vault").await.ok();
}

async fn what_cannot_be_a_credential_is_refused(app: TestApp) {
    for (body, at) in [
        (json!({}), "/scopes"),
        (json!({ "scopes": [] }), "/scopes"),
        (json!({ "scopes": ["card:fly"] }), "/scopes"),
        (json!({ "scopes": [1] }), "/scopes"),
        (json!({ "scopes": ["card:read"], "mode": "prod" }), "/mode"),
        (json!({ "scopes": ["card:read"], "name": "x".repeat(101) }), "/name"),
        (json!({ "scopes": ["card:read"], "name": "4111 1111 1111 1111" }), "/name"),
        (json!({ "scopes": ["card:read"], "name": 7 }), "/name"),
        (json!({ "scopes": ["card:read"], "expires_at": "2020-01-01T00:00:00Z" }), "/expires_at"),
        (json!({ "scopes": ["card:read"], "expires_at": "soon" }), "/expires_at"),
        (json!({ "scopes": ["card:read"], "ttl": "soon" }), "/ttl"),
    ] {
        let refused = app.merchant.post("/v1/api-key", body.clone()).await.refused(400, "invalid");
        assert_eq!(refused.0["errors"][0]["pointer"], at, "{body}");
    }
}

async fn its_last_use_is_told(app: TestApp) {
    let created = make(&app.merchant, json!({ "scopes": ["card:read"] })).await;
    let target = format!("/v1/api-key/{}", text(&created["id"]));
    assert!(app.merchant.get(&target).await.ok()["last_used_at"].is_null());
    of(&app, &created).get("/v1/vault").await.ok();
    app.sweep().await;
    assert_eq!(app.merchant.get(&target).await.ok()["last_used_at"], "2027-01-15T08:00:00Z");
}

async fn a_generated_password_ends_the_one_before(app: TestApp) {
    let created = make(&app.merchant, json!({ "scopes": ["card:read"] })).await;
    let old = of(&app, &created);
    let changed = old.post("/v1/change-password", json!({})).await.ok();
    assert_eq!(changed["user"], created["user"]);
    old.get("/v1/whoami").await.refused(401, "unauthenticated");
    of(&app, &changed).get("/v1/whoami").await.ok();
    assert!(app.audit().await.iter().any(|entry| entry.action == "api_key.password"));
}

async fn a_chosen_password_works_until_the_next_one(app: TestApp) {
    let created = make(&app.merchant, json!({ "scopes": ["card:read"] })).await;
    let chosen = json!({ "password": "one two three four five" });
    let changed = of(&app, &created).post("/v1/change-password", chosen).await.ok();
    let client = of(&app, &changed);
    client.get("/v1/whoami").await.ok();
    client.get("/v1/whoami").await.ok();
    let user = text(&created["user"]);
    app.anonymous
        .with_basic(&user, "one two three four six")
        .get("/v1/whoami")
        .await
        .refused(401, "unauthenticated");
    let next = client.post("/v1/change-password", json!({ "password": "six seven eight nine" })).await.ok();
    client.get("/v1/whoami").await.refused(401, "unauthenticated");
    of(&app, &next).get("/v1/whoami").await.ok();
}

async fn wrong_chosen_passwords_are_limited(app: TestApp) {
    let created = make(&app.merchant, json!({ "scopes": ["card:read"] })).await;
    let chosen = json!({ "password": "one two three four five" });
    let client = of(&app, &of(&app, &created).post("/v1/change-password", chosen).await.ok());
    let wrong = app.anonymous.with_basic(&text(&created["user"]), "wrong");
    for _ in 0..10 {
        wrong.get("/v1/whoami").await.refused(401, "unauthenticated");
    }
    wrong.get("/v1/whoami").await.refused(429, "too_many_tries");
    // Others are not kept out by it.
    client.at([192, 0, 2, 7]).get("/v1/whoami").await.ok();
    app.clock.pass(60);
    wrong.get("/v1/whoami").await.refused(401, "unauthenticated");
}

async fn a_password_that_can_be_guessed_is_refused(app: TestApp) {
    for password in [json!("short"), json!("x".repeat(201)), json!("with a line\nbreak in it"), json!(7)] {
        let refused = app.merchant.post("/v1/change-password", json!({ "password": password })).await;
        refused.refused(400, "invalid");
    }
    app.merchant.get("/v1/whoami").await.ok();
}

async fn who_calls_is_told(app: TestApp) {
    let who = app.merchant.get("/v1/whoami").await.ok();
    assert_eq!((&who["environment"], &who["merchant"]), (&json!("live"), &json!(app.id.as_str())));
    let scopes: Vec<_> = who["scopes"].as_array().unwrap().iter().map(text).collect();
    assert!(scopes.contains(&"admin".to_owned()) && !scopes.contains(&"cvv:read".to_owned()), "{scopes:?}");
    let who = app.test_mode.get("/v1/whoami").await.ok();
    assert!(text(&who["user"]).starts_with("test_"));
    assert_eq!((&who["environment"], &who["api_version"]), (&json!("test"), &json!("v1")));
    assert_eq!(who["backwards_compatibility"], "v1");
    assert_eq!(who["merchant"], app.id.as_str());
}

async fn a_month_counts_keys_cards_and_calls(app: TestApp) {
    app.key().await;
    app.card().await;
    let used = app.merchant.get("/v1/usage?month=2027-01").await.ok();
    assert_eq!((&used["keys"], &used["tokens"], &used["new_tokens"]), (&json!(2), &json!(1), &json!(1)));
    assert_eq!(used["api_requests"], 3);
    app.clock.pass(31 * 24 * 3600);
    let used = app.merchant.get("/v1/usage").await.ok();
    assert_eq!(used["month"], "2027-02");
    assert_eq!(
        (&used["tokens"], &used["new_tokens"], &used["api_requests"]),
        (&json!(1), &json!(0), &json!(1))
    );
    let before = app.merchant.get("/v1/usage?month=2026-12").await.ok();
    assert_eq!((&before["keys"], &before["tokens"]), (&json!(0), &json!(0)));
    assert_eq!(app.test_mode.get("/v1/usage").await.ok()["tokens"], 0);
    app.merchant.get("/v1/usage?month=never").await.refused(400, "invalid");
}
