//! `cardamom verify-page`: a page as the server sends it, and pages that somebody changed on the way.

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Request, Response};
use backend::outgoing::{Allowed, Outgoing};
use backend::verify::{self, Report};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use url::Url;

use crate::app::{TestApp, text};
use crate::client::Call;
use crate::process::{Server, folder, run};

/// What stands between the server and the browser, and may change what passes: status, headers, body, by path.
type Change = fn(&str, &mut u16, &mut HeaderMap, &mut String);

fn outgoing() -> Outgoing {
    Outgoing::new(Allowed { networks: vec!["127.0.0.0/8".parse().unwrap()], plain_http: true }).unwrap()
}

/// Starts what stands between; answers the address of a form's page behind it.
async fn between(app: &TestApp, change: Change) -> Url {
    let endpoint = app.endpoint("").await;
    let settings = json!({ "allowed_origins": ["https://shop.example"] });
    let form = text(&app.merchant.post("/v1/capture/iframe", settings).await.ok()["id"]);
    let client = app.anonymous.clone();
    let router = Router::new().fallback(move |request: Request<Body>| {
        let client = client.clone();
        async move {
            let target = request.uri().path_and_query().unwrap().to_string();
            let mut answer = client.send(Call::new("GET", &target)).await;
            // Scripts are text; the wasm is passed on as it is.
            if let Ok(mut body) = String::from_utf8(answer.body.clone()) {
                change(&target, &mut answer.status, &mut answer.headers, &mut body);
                answer.body = body.into_bytes();
            }
            answer.headers.remove("content-length");
            let mut response = Response::new(Body::from(answer.body));
            *response.status_mut() = answer.status.try_into().unwrap();
            *response.headers_mut() = answer.headers;
            response
        }
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    let (id, secret) = (&endpoint.id, &endpoint.secret);
    Url::parse(&format!("{base}/v1/capture/iframe/{form}?unique_id={id}&secret={secret}")).unwrap()
}

async fn verify(change: Change, origins: Option<&[String]>) -> Report {
    let app = TestApp::on_sqlite().await;
    let url = between(&app, change).await;
    verify::page(&outgoing(), &app.app.assets, &url, origins).await.unwrap()
}

async fn places(change: Change) -> Vec<String> {
    // The parts of a file's name that change with each build.
    let without_hash = |place: String| place.split('-').next().unwrap_or_default().to_owned();
    let report = verify(change, None).await;
    report.differences.into_iter().map(|difference| without_hash(difference.place)).collect()
}

fn is_page(path: &str) -> bool {
    path.starts_with("/v1/")
}

#[tokio::test]
async fn a_page_as_the_server_sends_it_is_the_same() {
    let report = verify(|_, _, _, _| (), None).await;
    assert_eq!(report.differences, []);
    assert_eq!(report.files.len(), 4);
    let report = verify(|_, _, _, _| (), Some(&["https://shop.example".to_owned()])).await;
    assert_eq!(report.differences, []);
    assert!(!report.as_text().contains("secret="), "{}", report.as_text());
}

#[tokio::test]
async fn a_further_script_is_found() {
    let inline: Change = |path, _, _, body| {
        if is_page(path) {
            *body = body.replace("</body>", "<script>new Image().src='//x'</script></body>");
        }
    };
    assert_eq!(places(inline).await, ["script"]);
    let external: Change = |path, _, _, body| {
        if is_page(path) {
            *body = body.replace("<title>", "<script src=\"/assets/x.js\"></script><title>");
        }
    };
    assert_eq!(places(external).await, ["script"]);
}

#[tokio::test]
async fn a_changed_script_is_found() {
    let named: Change = |path, _, _, body| {
        if is_page(path) {
            *body = body.replacen("integrity=\"sha384-", "integrity=\"sha384-A", 3);
        }
    };
    assert_eq!(places(named).await, ["link", "script", "script", "script page.js", "script frontend.js"]);
    let served: Change = |path, _, _, body| {
        if path.starts_with("/assets/page") {
            body.push(' ');
        }
    };
    assert_eq!(places(served).await, ["file /assets/page"]);
    // The line that starts the form names the wasm and its hash.
    let started: Change = |path, _, _, body| {
        if path.starts_with("/assets/frontend") {
            *body = body.replace("integrity:\"sha384", "integrity:\"\",was:\"sha384");
        }
    };
    assert_eq!(places(started).await, ["file /assets/frontend"]);
}

#[tokio::test]
async fn changed_headers_are_found() {
    let none: Change = |path, _, headers, _| {
        if is_page(path) {
            headers.remove("content-security-policy");
        }
    };
    let found = verify(none, None).await.differences;
    assert_eq!(found[0].place, "header content-security-policy");
    let weaker: Change = |path, _, headers, _| {
        if is_page(path) {
            let policy = headers["content-security-policy"].to_str().unwrap();
            let policy = policy.replace("script-src 'self'", "script-src 'self' 'unsafe-inline' https:");
            headers.insert("content-security-policy", policy.parse().unwrap());
        }
    };
    let found = verify(weaker, None).await.differences;
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].place, "content-security-policy: script-src");
    assert_eq!(found[0].expected, "'self' 'wasm-unsafe-eval'");
    let cookie: Change = |path, _, headers, _| {
        if is_page(path) {
            headers.insert("set-cookie", HeaderValue::from_static("a=b"));
        }
    };
    assert_eq!(places(cookie).await, ["header set"]);
}

#[tokio::test]
async fn another_origin_around_the_frame_is_found() {
    let report = verify(|_, _, _, _| (), Some(&["https://other.example".to_owned()])).await;
    assert_eq!(report.differences[0].place, "content-security-policy: frame-ancestors");
    assert_eq!(report.differences[0].found, "https://shop.example");
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let away: Change = |path, status, headers, _| {
        if is_page(path) {
            *status = 302;
            headers.insert("location", HeaderValue::from_static("https://elsewhere.example/"));
        }
    };
    assert_eq!(places(away).await, ["status", "header location"]);
}

#[tokio::test]
async fn the_command_tells_by_its_end_what_it_found() {
    let mut server = Server::start(folder(), None, &[]).await;
    let base = format!("http://{}", server.address);
    let merchant = server.merchant().await;
    let endpoint = merchant.post("/v1/capture?user=managed", json!({})).await.ok();
    let (id, secret) = (text(&endpoint["unique_id"]), text(&endpoint["secret"]));
    let page = format!("{base}/v1/capture/iframe/pcd?unique_id={id}&secret={secret}");
    let good = run(&["verify-page", &page, "--json"], &[]).await;
    assert_eq!(good.code, Some(0), "{}{}", good.out, good.err);
    let report: Value = serde_json::from_str(&good.out).unwrap();
    assert_eq!((&report["same"], &report["differences"]), (&json!(true), &json!([])));
    assert!(!good.out.contains(&secret) && good.err.is_empty());
    let other = run(&["verify-page", &format!("{base}/docs")], &[]).await;
    assert_eq!(other.code, Some(1), "{}", other.err);
    assert!(other.out.contains("script page.js"), "{}", other.out);
    assert!(server.stop().await.0.success());
    let nobody = run(&["verify-page", &page], &[]).await;
    assert_eq!(nobody.code, Some(2));
    assert!(nobody.err.contains("could not be reached") && !nobody.err.contains(&secret), "{}", nobody.err);
}

#[tokio::test]
async fn the_list_of_scripts_is_the_pages() {
    let app = TestApp::on_sqlite().await;
    let answer = app.anonymous.get("/.well-known/cardamom/scripts.json").await;
    assert_eq!(answer.header("access-control-allow-origin"), "*");
    let list = answer.ok();
    let endpoint = app.endpoint("").await;
    let address = format!("/v1/capture/iframe/pcd?unique_id={}&secret={}", endpoint.id, endpoint.secret);
    let page = app.anonymous.get(&address).await.is(200).text();
    let scripts = list["scripts"].as_array().unwrap();
    assert_eq!(scripts.len(), 4);
    // The keypad's comes with the forms that ask for it.
    for script in scripts.iter().filter(|script| script["always"] == true) {
        assert!(text(&script["purpose"]).len() > 20);
        let (url, integrity) = (text(&script["url"]), text(&script["integrity"]));
        assert!(page.contains(&url), "{url}");
        let vouched = if script["type"] == "wasm" {
            app.anonymous.get(&text(&scripts[1]["url"])).await.text()
        } else {
            page.clone()
        };
        assert!(vouched.contains(&integrity), "{url}");
    }
    let reveal = &list["reveal_page"];
    let page = app.anonymous.get(&text(&reveal["page"])).await;
    let script = &reveal["scripts"][0];
    assert!(page.is(200).text().contains(&text(&script["url"])));
    assert!(page.text().contains(&text(&script["integrity"])));
    assert_eq!(page.text().matches("<script").count(), 1);
    let printed = run(&["scripts"], &[]).await;
    assert_eq!(serde_json::from_str::<Value>(&printed.out).unwrap()["scripts"], list["scripts"]);
}

#[tokio::test]
async fn the_script_for_shops_is_served_under_its_version_and_its_hash() {
    let app = TestApp::on_sqlite().await;
    let list = app.anonymous.get("/.well-known/cardamom/scripts.json").await.ok();
    let newest = list["embed"].as_array().unwrap().last().unwrap().clone();
    let version = text(&newest["version"]);
    for (kind, file) in [("script", "embed.js"), ("module", "embed.mjs")] {
        let versioned = app.anonymous.get(&format!("/embed/{version}/{file}")).await;
        let hashed = app.anonymous.get(&text(&newest[kind]["url"])).await;
        assert!(versioned.header("cache-control").contains("immutable"));
        assert_eq!(versioned.header("cross-origin-resource-policy"), "cross-origin");
        assert!(versioned.header("content-type").starts_with("text/javascript"));
        assert_eq!(versioned.is(200).text(), hashed.is(200).text());
    }
    for unknown in ["/embed/9.9.9/embed.js", "/embed/0.1.0/page.js", "/embed/0.1.0/..%2Fpage.js"] {
        assert_eq!(app.anonymous.get(unknown).await.status, 404, "{unknown}");
    }
}
