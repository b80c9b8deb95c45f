//! The API document tells what the server does.

use backend::model::{Scope, Scopes};
use serde_json::Value;

use crate::app::TestApp;
use crate::client::{Answer, Call};
use crate::operators::operator;

/// Every documented operation: method, path with its parameters filled in, and what is said of it.
fn operations(document: &Value) -> Vec<(&'static str, String, Value)> {
    let mut found = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in ["GET", "POST", "PUT", "DELETE"] {
            if let Some(operation) = item.get(method.to_lowercase()) {
                let path = path.split('/').map(|part| if part.starts_with('{') { "none" } else { part });
                found.push((method, path.collect::<Vec<_>>().join("/"), operation.clone()));
            }
        }
    }
    found
}

async fn document(app: &TestApp) -> Value {
    app.anonymous.get("/openapi.json").await.ok()
}

#[tokio::test]
async fn every_call_that_needs_credentials_refuses_without_them() {
    let app = TestApp::on_sqlite().await;
    let secured =
        operations(&document(&app).await).into_iter().filter(|(.., what)| what.get("security").is_some());
    let mut count = 0;
    for (method, path, operation) in secured {
        let answer = app.anonymous.send(Call::new(method, &path)).await;
        if path.starts_with("/payment-") {
            // Payment invoices: the shape of JSON:API.
            assert_eq!(answer.is(401).json()["errors"][0]["status"], "401", "{method} {path}");
        } else if path.starts_with("/api/") {
            // Cards over the phone: the shape that their clients parse.
            assert_eq!(answer.is(401).json()["code"], -1003, "{method} {path}");
        } else {
            answer.refused(401, "unauthenticated");
        }
        assert!(operation["responses"].get("401").is_some(), "{method} {path} does not tell of its 401");
        count += 1;
    }
    assert!(count >= 14, "the document is not the whole one");
}

/// Whether a call is for operators, who have no scopes and no merchant.
fn is_operators(operation: &Value) -> bool {
    operation["security"] == serde_json::json!([{ "operator": [] }])
}

/// Calls that any credential may make: they tell of it, or change it.
const WITHOUT_SCOPE: [&str; 2] = ["GET /v1/whoami", "POST /v1/change-password"];

/// The scope whose lack an answer tells, in whatever shape its surface has.
fn lacking(answer: &Answer) -> Option<Scope> {
    let text = answer.text();
    Scope::ALL.into_iter().find(|scope| text.contains(&format!("the scope {}.", scope.as_str())))
}

/// One call with a credential of these scopes.
async fn with_scopes(app: &TestApp, scopes: &[Scope], method: &'static str, path: &str) -> Answer {
    let name = format!("{} {method} {path}", scopes.len());
    let made = app.new_merchant(&name, Scopes::of(scopes)).await;
    app.anonymous.with_basic(&made.live.user, &made.live.password).send(Call::new(method, path)).await
}

#[tokio::test]
async fn every_call_that_needs_credentials_needs_a_scope_and_names_it() {
    let app = TestApp::on_sqlite().await;
    let mut count = 0;
    for (method, path, operation) in operations(&document(&app).await) {
        let call = format!("{method} {path}");
        if operation.get("security").is_none() || WITHOUT_SCOPE.contains(&call.as_str()) {
            continue;
        }
        if is_operators(&operation) {
            // No merchant's credential opens them, whatever its scopes.
            with_scopes(&app, &Scope::ALL, method, &path).await.refused(401, "unauthenticated");
            continue;
        }
        let refused = with_scopes(&app, &[], method, &path).await;
        let needed = lacking(refused.is(403)).unwrap_or_else(|| panic!("{call} names no scope"));
        let others: Vec<_> = Scope::ALL.into_iter().filter(|scope| *scope != needed).collect();
        let refused = with_scopes(&app, &others, method, &path).await;
        assert_eq!(lacking(refused.is(403)), Some(needed), "{call}");
        count += 1;
    }
    assert!(count >= 40, "the document is not the whole one: {count}");
}

#[tokio::test]
async fn every_call_that_makes_something_knows_idempotency_keys() {
    let app = TestApp::on_sqlite().await;
    let mut count = 0;
    for (method, path, operation) in operations(&document(&app).await) {
        if method != "POST" || operation.get("security").is_none() {
            continue;
        }
        let caller = if is_operators(&operation) { operator(&app).await } else { app.merchant.clone() };
        let answer = caller.send(Call::new(method, &path).header("idempotency-key", "two words")).await;
        assert!(
            answer.is(400).text().contains("An Idempotency-Key has"),
            "{method} {path}: {}",
            answer.text()
        );
        count += 1;
    }
    assert!(count >= 15, "the document is not the whole one: {count}");
}

#[tokio::test]
async fn every_documented_call_exists() {
    let app = TestApp::on_sqlite().await;
    for (method, path, _) in operations(&document(&app).await) {
        let answer = app.merchant.send(Call::new(method, &path)).await;
        let unknown = answer.status == 404 && app.merchant.get("/none").await.headers == answer.headers;
        assert!(
            answer.status != 405 && (!unknown || path.ends_with("/none")),
            "{method} {path}: {}",
            answer.status
        );
    }
}

#[tokio::test]
async fn the_calls_of_the_interface_are_all_documented() {
    let app = TestApp::on_sqlite().await;
    let operations = operations(&document(&app).await);
    for call in [
        "POST /v1/key",
        "GET /v1/key",
        "PUT /v1/key",
        "DELETE /v1/key",
        "POST /v1/key/rotate",
        "POST /v1/vault",
        "GET /v1/vault",
        "POST /v1/vault/update",
        "DELETE /v1/vault",
        "POST /v1/capture",
        "GET /v1/capture",
        "GET /v1/capture/none",
        "DELETE /v1/capture/none",
        "POST /v1/capture/none",
        "POST /v1/capture/iframe",
        "GET /v1/capture/iframe/none",
        "POST /v1/capture/iframe/none",
        "DELETE /v1/capture/iframe/none",
        "GET /v1/whoami",
        "GET /v1/usage",
        "POST /v1/change-password",
        "POST /v1/api-key",
        "GET /v1/api-key",
        "GET /v1/api-key/none",
        "DELETE /v1/api-key/none",
        "GET /health/live",
        "GET /health/ready",
    ] {
        assert!(operations.iter().any(|(method, path, _)| format!("{method} {path}") == call), "{call}");
    }
}

#[tokio::test]
async fn the_document_can_be_read_from_any_site() {
    let app = TestApp::on_sqlite().await;
    let answer = app.anonymous.get("/openapi.json").await;
    assert!(answer.ok()["openapi"].as_str().unwrap().starts_with("3.1"));
    assert_eq!(answer.header("access-control-allow-origin"), "*");
    assert_eq!(answer.text(), backend::http::document());
}

#[tokio::test]
async fn the_page_of_it_has_no_script() {
    let app = TestApp::on_sqlite().await;
    let page = app.anonymous.get("/docs/").await;
    assert!(page.is(200).text().contains("/v1/capture/{unique_id}"));
    assert!(!page.text().contains("<script"));
    assert!(!page.header("content-security-policy").contains("script-src"));
}
