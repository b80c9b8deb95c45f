//! The API document tells what the server does, and all of it: each of its calls refuses whom it should, and no route
//! stands beside it unsaid.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use backend::gateways::sandbox::acs;
use backend::model::Scope;
use serde_json::{Value, json};

use crate::app::TestApp;
use crate::client::{Answer, Call, Client};
use crate::operators::operator;
use crate::proxy::open;
use crate::strangers::{self, BESIDE, OPEN};

/// A documented call.
pub struct Documented {
    /// Its method, in capitals.
    pub method: &'static str,
    /// Its path, with the names of its parameters.
    pub path: String,
    /// What the document says of it.
    pub what: Value,
}

/// All methods that a path of a document may have (OpenAPI 3.1, 4.8.9), and its members that are none.
const METHODS: [&str; 8] = ["GET", "PUT", "POST", "DELETE", "OPTIONS", "HEAD", "PATCH", "TRACE"];
const NO_METHODS: [&str; 5] = ["$ref", "summary", "description", "servers", "parameters"];

/// Calls that any credential of a merchant may make: they tell of it, or change it.
const WITHOUT_SCOPE: [&str; 2] = ["GET /v1/whoami", "POST /v1/change-password"];

/// Every call of the document.
pub fn documented() -> Vec<Documented> {
    let document: Value = serde_json::from_str(&backend::http::document()).unwrap();
    assert!(document.get("security").is_none(), "each call says for itself who is let in");
    let mut found = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (name, what) in item.as_object().unwrap() {
            if NO_METHODS.contains(&name.as_str()) {
                continue;
            }
            let method = METHODS.into_iter().find(|method| method.eq_ignore_ascii_case(name));
            let method = method.unwrap_or_else(|| panic!("{path} has the unknown member {name}"));
            found.push(Documented { method, path: path.clone(), what: what.clone() });
        }
    }
    assert!(found.len() >= 96, "the document is not the whole one: {}", found.len());
    found
}

impl Documented {
    /// `GET /v1/capture/{unique_id}`
    pub fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    /// Its path with parameters that name nothing.
    pub fn target(&self) -> String {
        let parts = self.path.split('/').map(|part| if part.starts_with('{') { "none" } else { part });
        parts.collect::<Vec<_>>().join("/")
    }

    /// The ways in, each with its scopes; none where nothing is needed.
    fn ways(&self) -> BTreeMap<String, Vec<String>> {
        let listed = self.what["security"].as_array().cloned().unwrap_or_default();
        if listed.iter().any(|way| way == &json!({})) {
            return BTreeMap::new();
        }
        let ways = listed.iter().flat_map(|way| {
            let way = way.as_object().unwrap();
            assert_eq!(way.len(), 1, "{}: one thing lets in", self.name());
            way.clone()
        });
        ways.map(|(scheme, scopes)| (scheme, serde_json::from_value(scopes).unwrap())).collect()
    }

    /// The scopes that a merchant's credential needs; `None` where no merchant's credential lets in.
    pub fn scopes(&self) -> Option<Vec<String>> {
        let ways = self.ways();
        assert_eq!(
            ways.get("basic"),
            ways.get("api_key"),
            "{}: both are credentials of a merchant",
            self.name()
        );
        ways.get("basic").cloned()
    }

    /// Whether operators are let in.
    pub fn is_operators(&self) -> bool {
        self.ways().contains_key("operator")
    }

    /// Whether somebody is let in who is neither merchant nor operator.
    fn lets_others_in(&self) -> bool {
        let ways = self.ways();
        ways.is_empty()
            || ways.keys().any(|scheme| !["basic", "api_key", "operator"].contains(&scheme.as_str()))
    }
}

/// Credentials of merchants that differ in their scopes.
struct Credentials {
    without: Client,
    /// All scopes but one.
    lacking: BTreeMap<&'static str, Client>,
    whole: Client,
}

impl Credentials {
    async fn make(app: &TestApp) -> Self {
        let mut lacking = BTreeMap::new();
        for scope in Scope::ALL {
            let others: Vec<_> = Scope::ALL.into_iter().filter(|other| *other != scope).collect();
            lacking.insert(scope.as_str(), app.with_scopes(&others).await);
        }
        Self { without: app.with_scopes(&[]).await, lacking, whole: app.with_scopes(&Scope::ALL).await }
    }
}

/// The scope whose lack an answer tells, in whatever shape its surface has.
pub fn lack_of(answer: &Answer) -> Option<&'static str> {
    let text = answer.text();
    let named = |scope: &&str| text.contains(&format!("the scope {scope}."));
    Scope::ALL.map(Scope::as_str).into_iter().find(named)
}

/// The refusal of somebody without credentials, or with wrong ones, in the shape of its surface.
pub fn unauthenticated(answer: &Answer, path: &str) {
    if path.trim_start_matches("/api").starts_with("/payment-") {
        // Payment invoices: the shape of JSON:API.
        assert_eq!(answer.is(401).json()["errors"][0]["status"], "401", "{path}");
    } else if path.starts_with("/api/") {
        // Cards over the phone: the shape that their clients parse.
        assert_eq!(answer.is(401).json()["code"], -1003, "{path}");
    } else {
        answer.refused(401, "unauthenticated");
    }
}

async fn nobody_is_let_in(app: &TestApp, call: &Documented) {
    for client in [app.anonymous.clone(), app.anonymous.with_basic("nobody", "nothing")] {
        unauthenticated(&client.send(Call::new(call.method, &call.target())).await, &call.path);
    }
    assert!(call.what["responses"].get("401").is_some(), "{} does not tell of its 401", call.name());
}

async fn merchants_need_their_scopes(credentials: &Credentials, call: &Documented, needed: &[String]) {
    let (name, target) = (call.name(), call.target());
    let send = async |client: &Client| client.send(Call::new(call.method, &target)).await;
    if WITHOUT_SCOPE.contains(&name.as_str()) {
        assert!(needed.is_empty(), "{name} is said to need no scope");
        return;
    }
    assert!(!needed.is_empty(), "{name} is documented without a scope");
    assert!(call.what["responses"].get("403").is_some(), "{name} does not tell of its 403");
    let told = lack_of(send(&credentials.without).await.is(403));
    assert!(told.is_some_and(|scope| needed.iter().any(|known| known == scope)), "{name}: {told:?}");
    for scope in Scope::ALL.map(Scope::as_str) {
        let answer = send(&credentials.lacking[scope]).await;
        if needed.iter().any(|known| known == scope) {
            assert_eq!(lack_of(answer.is(403)), Some(scope), "{name}");
        } else {
            assert_eq!(lack_of(&answer), None, "{name} needs a scope that the document does not name");
        }
    }
}

#[tokio::test]
async fn every_call_refuses_strangers_and_names_the_scope_that_it_needs() {
    let app = TestApp::on_sqlite_with(open).await;
    let credentials = Credentials::make(&app).await;
    let mut let_others_in = BTreeSet::new();
    for call in documented() {
        let name = call.name();
        if let Some(scopes) = call.scopes() {
            nobody_is_let_in(&app, &call).await;
            merchants_need_their_scopes(&credentials, &call, &scopes).await;
        }
        if call.is_operators() {
            nobody_is_let_in(&app, &call).await;
            // No merchant's credential opens them, whatever its scopes.
            let answer = credentials.whole.send(Call::new(call.method, &call.target())).await;
            unauthenticated(&answer, &call.path);
        }
        if call.lets_others_in() {
            let said = OPEN.iter().any(|(known, why)| *known == name && !why.is_empty());
            assert!(said, "{name} lets in who is no merchant: list why, and whom it refuses");
            strangers::are_refused(&app, &name).await;
            let_others_in.insert(name);
        }
    }
    let listed: BTreeSet<_> = OPEN.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(let_others_in, listed, "calls that let others in, and the list of them");
}

/// The routes that a source adds by hand, such as `GET /docs`. What `routes!` adds stands in the document.
fn routes(source: &str) -> Vec<String> {
    let mut found = Vec::new();
    for rest in source.split(".route(").skip(1) {
        let rest = rest.trim_start();
        let (path, rest) = match rest.strip_prefix('"') {
            Some(rest) => rest.split_once('"').unwrap(),
            None => rest.split_once(',').unwrap(),
        };
        let path = if path == "acs::PATH" { acs::PATH } else { path };
        let mut depth = 1;
        let end = rest.find(|c| {
            depth += match c {
                '(' => 1,
                ')' => -1,
                _ => 0,
            };
            depth == 0
        });
        let handlers = &rest[..end.unwrap()];
        let words = |word: &str| {
            let word = format!("{word}(");
            handlers
                .match_indices(&word)
                .any(|(at, _)| !handlers[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_'))
        };
        let before = found.len();
        found.extend(
            METHODS
                .iter()
                .filter(|method| words(&method.to_lowercase()))
                .map(|method| format!("{method} {path}")),
        );
        assert!(found.len() > before, "{path}: its methods are not written out");
    }
    found
}

fn sources(folder: &Path, into: &mut Vec<(String, String)>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, into);
        } else if path.extension().is_some_and(|kind| kind == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            // Unit tests serve what they like.
            let text = text.split("#[cfg(test)]\nmod tests").next().unwrap().to_owned();
            into.push((path.display().to_string(), text));
        }
    }
}

#[tokio::test]
async fn no_route_stands_beside_the_document_unsaid() {
    let mut files = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../backend/src/http"), &mut files);
    let mut found = BTreeSet::new();
    for (file, text) in &files {
        for other in [".nest(", ".nest_service(", ".route_service(", ".fallback_service(", "any("] {
            let stands =
                text.match_indices(other).any(|(at, _)| other != "any(" || text[..at].ends_with("routing::"));
            assert!(!stands, "{file}: {other} adds routes that nobody lists");
        }
        let here = routes(text);
        assert!(here.is_empty() || file.ends_with("http/router.rs"), "{file}: routes stand in the router");
        found.extend(here);
    }
    let listed: BTreeSet<_> = BESIDE
        .iter()
        .map(|(name, why)| {
            assert!(!why.is_empty());
            (*name).to_owned()
        })
        .collect();
    assert_eq!(found, listed, "routes that the router adds by hand, and the list of them");
    let documented: BTreeSet<_> = documented().iter().map(Documented::name).collect();
    assert!(found.is_disjoint(&documented));

    let app = TestApp::on_sqlite_with(open).await;
    for name in found {
        strangers::are_refused(&app, &name).await;
    }
}

#[tokio::test]
async fn every_scope_opens_something() {
    let asked: BTreeSet<_> = documented().iter().filter_map(Documented::scopes).flatten().collect();
    let never: Vec<_> =
        Scope::ALL.map(Scope::as_str).into_iter().filter(|scope| !asked.contains(*scope)).collect();
    // The one widens what `card:read` opens, the other is the companies', whose credentials stand in the body.
    assert_eq!(never, ["cvv:read", "gateway"]);
}

#[tokio::test]
async fn every_call_that_makes_something_knows_idempotency_keys() {
    let app = TestApp::on_sqlite().await;
    let operator = operator(&app).await;
    for call in documented().into_iter().filter(|call| call.method == "POST") {
        let caller = match call.scopes() {
            Some(_) => &app.merchant,
            None if call.is_operators() => &operator,
            None => continue,
        };
        let sent = Call::new("POST", &call.target()).header("idempotency-key", "two words");
        let answer = caller.send(sent).await;
        assert!(
            answer.is(400).text().contains("An Idempotency-Key has"),
            "{}: {}",
            call.name(),
            answer.text()
        );
    }
}

#[tokio::test]
async fn the_calls_of_the_vaults_interface_are_all_documented() {
    let names: BTreeSet<_> = documented().iter().map(Documented::name).collect();
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
        "GET /v1/capture/{unique_id}",
        "DELETE /v1/capture/{unique_id}",
        "POST /v1/capture/{unique_id}",
        "POST /v1/capture/iframe",
        "GET /v1/capture/iframe/{form}",
        "POST /v1/capture/iframe/{form}",
        "DELETE /v1/capture/iframe/{form}",
        "POST /v1/retrieve",
        "GET /v1/retrieve/{unique_id}",
        "DELETE /v1/retrieve/{unique_id}",
        "GET /v1/retrieve/iframe/pcd",
        "POST /v1/proxy/post",
        "POST /v1/proxy/get",
        "POST /v1/rule",
        "GET /v1/rule",
        "DELETE /v1/rule",
        "GET /v1/rule/operations",
        "GET /v1/whoami",
        "GET /v1/usage",
        "POST /v1/change-password",
        "POST /v1/api-key",
        "GET /v1/api-key",
        "GET /v1/api-key/{id}",
        "DELETE /v1/api-key/{id}",
        "GET /health/live",
        "GET /health/ready",
    ] {
        assert!(names.contains(call), "{call}");
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
async fn the_page_of_it_has_no_script_and_tells_the_scopes() {
    let app = TestApp::on_sqlite().await;
    let page = app.anonymous.get("/docs/").await;
    assert!(page.is(200).text().contains("/v1/capture/{unique_id}"));
    assert!(page.text().contains("Needs a credential with the scopes card:write and proxy."));
    assert!(
        page.text().contains("Needs the endpoint&#39;s secret, or a credential with the scope card:read.")
            || page.text().contains("Needs the endpoint's secret, or a credential with the scope card:read.")
    );
    assert!(!page.text().contains("<script"));
    assert!(!page.header("content-security-policy").contains("script-src"));
}
