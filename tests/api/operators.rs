//! Operators: credentials of their own, and where merchants' cards may go.

use backend::access::operators;
use backend::model::{Mode, Scope};
use backend::proxy::hosts::{self, Whose};
use serde_json::{Value, json};

use crate::acquirer::Acquirer;
use crate::app::{TestApp, text};
use crate::client::{Call, Client};
use crate::process::{Ended, Server, folder};
use crate::proxy::{message, open, target};

on_both_engines! {
    with open;
    a_host_is_allowed_listed_and_forbidden,
    a_client_certificate_is_kept_sealed,
    nobody_else_is_let_in,
    what_is_no_permission_is_refused,
    an_operators_call_is_run_once,
}

/// The client of a new operator.
pub async fn operator(app: &TestApp) -> Client {
    let made = operators::create(&app.app.core, "tests").await.unwrap();
    app.anonymous.with_authorization(&format!("Bearer {}", made.secret.as_str()))
}

fn address(app: &TestApp) -> String {
    format!("/v1/operator/merchants/{}/hosts", app.id)
}

async fn a_host_is_allowed_listed_and_forbidden(app: TestApp) {
    let (operator, address, token) = (operator(&app).await, address(&app), app.card().await);
    let acquirer = Acquirer::start().await;
    let body =
        json!({ "host": acquirer.host.to_uppercase(), "mode": "live", "ca": acquirer.pem("cert.pem") });
    let listed = operator.post(&address, body).await.ok();
    assert_eq!(listed, operator.get(&address).await.ok());
    assert_eq!((listed.as_array().unwrap().len(), &listed[0]["host"]), (1, &json!(acquirer.host)));
    assert_eq!((&listed[0]["mode"], &listed[0]["own_tls"]), (&json!("live"), &json!(true)));
    let send = message(&acquirer, "application/json", "{{token}}");
    app.merchant.post(&target(&token, "&synchronous=true"), send.clone()).await.ok();
    operator.post(&address, json!({ "host": "b.example" })).await.ok();
    assert_eq!(operator.get(&address).await.ok().as_array().unwrap().len(), 3);
    let gone = format!("{address}?host={}", acquirer.host);
    operator.delete(&format!("{gone}&mode=test")).await.refused(404, "not_found");
    operator.delete(&gone).await.ok();
    operator.delete(&gone).await.refused(404, "not_found");
    let refused = app.merchant.post(&target(&token, "&synchronous=true"), send).await;
    refused.refused(403, "host_not_allowed");
    let log = app.audit().await;
    let of = |action: &str| log.iter().filter(|entry| entry.action == action).collect::<Vec<_>>();
    assert_eq!((of("proxy.host.allow").len(), of("proxy.host.forbid").len()), (3, 1));
    assert!(of("proxy.host.allow")[0].actor.starts_with("operator:opk_"));
}

async fn a_client_certificate_is_kept_sealed(app: TestApp) {
    let (operator, address) = (operator(&app).await, address(&app));
    let acquirer = Acquirer::that_asks_for_a_certificate().await;
    let (client, authority) = (acquirer.pem("client.pem"), acquirer.pem("cert.pem"));
    let body = json!({ "host": acquirer.host, "client_cert": client, "ca": authority });
    let listed = operator.post(&address, body).await.ok();
    assert!(!listed.to_string().contains("BEGIN"), "no certificate is answered");
    let token = app.card().await;
    let send = message(&acquirer, "application/json", "{{token}}");
    app.merchant.post(&target(&token, "&synchronous=true"), send).await.ok();
}

async fn nobody_else_is_let_in(app: TestApp) {
    let address = address(&app);
    let made = operators::create(&app.app.core, "ended").await.unwrap();
    let bearer = |secret: &str| app.anonymous.with_authorization(&format!("Bearer {secret}"));
    let ended = bearer(&made.secret);
    ended.get(&address).await.ok();
    operators::revoke(&app.app.core, made.key.id.as_str()).await.unwrap();
    assert!(operators::revoke(&app.app.core, made.key.id.as_str()).await.is_err());
    let strangers = [
        app.anonymous.clone(),
        ended,
        bearer(&format!("{}.wrong", made.key.login)),
        bearer("none.none"),
        app.merchant.clone(),
        app.with_scopes(&Scope::ALL).await,
    ];
    for stranger in &strangers {
        stranger.get(&address).await.refused(401, "unauthenticated");
        stranger.post(&address, json!({ "host": "a.example" })).await.refused(401, "unauthenticated");
        stranger.delete(&format!("{address}?host=a.example")).await.refused(401, "unauthenticated");
    }
    let listed = hosts::list_of(&app.app.core, Whose::Id(&app.id), Mode::Live).await.unwrap();
    assert!(listed.is_empty());
    // And an operator's credential opens nothing of a merchant's.
    let operator = operator(&app).await;
    operator.get("/v1/vault").await.refused(401, "unauthenticated");
    operator.get("/v1/proxy/hosts").await.refused(401, "unauthenticated");
}

async fn what_is_no_permission_is_refused(app: TestApp) {
    let (operator, address) = (operator(&app).await, address(&app));
    for (body, at, code) in [
        (json!({}), "/host", "host"),
        (json!({ "host": "https://a.example/x" }), "/host", "host"),
        (json!({ "host": "*.example" }), "/host", "host"),
        (json!({ "host": "a.example", "mode": "both" }), "/mode", "unknown"),
        (json!({ "host": "a.example", "ca": 1 }), "/ca", "type"),
        (json!({ "host": "a.example", "client_cert": "x" }), "/client_cert", "certificate"),
    ] {
        operator.post(&address, body).await.refused(400, "invalid").at(at, code);
    }
    operator.delete(&address).await.refused(400, "invalid").at("/host", "missing");
    let unknown = "/v1/operator/merchants/mer_none/hosts";
    operator.get(unknown).await.refused(404, "not_found");
    operator.post(unknown, json!({ "host": "a.example" })).await.refused(404, "not_found");
}

async fn an_operators_call_is_run_once(app: TestApp) {
    let (operator, address) = (operator(&app).await, address(&app));
    let call = |host: &str| {
        Call::new("POST", &address).header("idempotency-key", "k").json(&json!({ "host": host }))
    };
    let first = operator.send(call("a.example")).await.ok();
    let again = operator.send(call("a.example")).await;
    assert_eq!((again.header("idempotent-replayed"), again.ok()), ("true", first));
    operator.send(call("b.example")).await.refused(422, "idempotency_key_reused");
}

#[tokio::test]
async fn operator_keys_are_made_listed_and_ended_beside_a_running_server() {
    let mut server = Server::start(folder(), None, &[]).await;
    let merchant = server.new_merchant(&["Shop"]).await;
    let made = server.beside(&["operator-key", "create", "--json", "back office"]).await;
    let made: Value = serde_json::from_str(&made.out).unwrap();
    let bearer = format!("Bearer {}", text(&made["operator_key"]));
    let operator = server.anonymous().with_authorization(&bearer);
    let address = format!("/v1/operator/merchants/{}/hosts", text(&merchant["merchant"]));
    assert_eq!(operator.get(&address).await.ok(), json!([]));
    let list = server.beside(&["operator-key", "list"]).await;
    assert!(list.out.contains(&text(&made["id"])) && list.out.contains("back office"), "{}", list.out);
    let secret = text(&made["operator_key"]);
    assert!(!list.out.contains(secret.split_once('.').unwrap().1), "it is shown once");
    let revoke: Ended = server.beside(&["operator-key", "revoke", &text(&made["id"])]).await;
    assert!(revoke.success, "{}", revoke.err);
    operator.get(&address).await.refused(401, "unauthenticated");
    let again = server.beside(&["operator-key", "revoke", &text(&made["id"])]).await;
    assert!(!again.success && again.err.contains("revoked before"), "{}", again.err);
    let unnamed = server.beside(&["operator-key", "create", " "]).await;
    assert!(!unnamed.success && unnamed.out.is_empty(), "{}", unnamed.out);
    let (_, log) = server.stop().await;
    assert!(!log.contains(secret.split_once('.').unwrap().1));
}
