//! Custom forms: scripts of the merchant's that are kept when the form is made, and the page in which they run.

use backend::assets::integrity;
use backend::capture::{CaptureError, custom};
use backend::json::Members;
use backend::outgoing::{Allowed, Outgoing};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::app::{Endpoint, TestApp, card, text};
use crate::client::Answer;
use crate::plain_form::{FIELDS, fill};
use crate::receiver::Receiver;

on_both_engines! {
    a_custom_form_is_made_shown_and_listed_with_its_scripts,
    the_page_hands_over_what_the_form_and_the_link_say,
    the_page_can_send_to_its_endpoint_alone,
    nothing_is_filed_at_a_custom_forms_page,
    the_page_is_there_for_its_own_endpoints_alone,
    wrong_settings_are_refused_at_their_place,
}

const SCRIPT: &str = "window.custom_form = (element, settings) => { element.textContent = '</script>'; };";
const TARGET: &str = "/v1/capture/iframe?form_type=custom";

fn settings() -> Value {
    json!({
        "embedded_js": STANDARD.encode(SCRIPT),
        "success_callback": STANDARD.encode("(response) => response.token"),
        "embedded_css": STANDARD.encode("p { color: red }"),
        "allowed_origins": ["https://shop.example"],
        "field_options": { "shoe": { "visible": true } },
        "extra_data": { "plan": "gold", "price": 12.50 },
        "theme": { "primary_color": "#009844" },
        "mine": "own",
    })
}

async fn made(app: &TestApp) -> String {
    text(&app.merchant.post(TARGET, settings()).await.ok()["id"])
}

async fn open(app: &TestApp, form: &str, endpoint: &Endpoint, query: &str) -> Answer {
    let target =
        format!("/v1/capture/iframe/{form}?unique_id={}&secret={}{query}", endpoint.id, endpoint.secret);
    app.anonymous.get(&target).await
}

/// What the page hands to the scripts.
fn handed(page: &str) -> Value {
    let line = page.lines().find_map(|line| line.trim().strip_prefix("const settings = "));
    serde_json::from_str(line.unwrap().strip_suffix(';').unwrap()).unwrap()
}

async fn a_custom_form_is_made_shown_and_listed_with_its_scripts(app: TestApp) {
    let made = app.merchant.post(TARGET, settings()).await.ok();
    assert_eq!((&made["type"], &made["callback_runner"]), (&json!("custom"), &json!("custom_form")));
    assert!(made.get("ignored").is_none());
    let shown = app.merchant.get(&format!("/v1/capture/iframe/{}", text(&made["id"]))).await.ok();
    assert_eq!(
        shown["scripts"],
        json!([{ "from": "embedded_js", "integrity": integrity(SCRIPT.as_bytes()) }])
    );
    assert_eq!(shown["settings"]["field_options"], settings()["field_options"]);
    assert_eq!(shown["allowed_origins"], settings()["allowed_origins"]);
    let target = format!("/v1/capture/iframe/{}", text(&made["id"]));
    assert_eq!(app.merchant.delete(&target).await.ok(), json!({ "deleted": true }));
    app.anonymous.get(&target).await.is(404);
}

async fn the_page_hands_over_what_the_form_and_the_link_say(app: TestApp) {
    let (form, endpoint) = (made(&app).await, app.endpoint("").await);
    let query = "&reference=r-7&campaign=spring&plan=link&title=Pay&number=4111111111111111&cvv=737";
    let page = open(&app, &form, &endpoint, query).await.is(200).text();
    assert!(page.contains("<title>Pay</title>") && !page.contains("4111111111111111"));
    let handed = handed(&page);
    assert_eq!(handed["submit_url"], format!("https://cards.example/v1/capture/{}", endpoint.id));
    assert_eq!((&handed["submit_secret"], &handed["reference"]), (&json!(endpoint.secret), &json!("r-7")));
    assert_eq!(handed["extra_data"], json!({ "plan": "gold", "price": 12.50, "campaign": "spring" }));
    assert_eq!((&handed["mine"], &handed["theme"]), (&json!("own"), &settings()["theme"]));
    // The secret in the fragment: the same page for every endpoint.
    let other = app.anonymous.get(&format!("/v1/capture/iframe/{form}?unique_id={}", endpoint.id)).await;
    assert_eq!(self::handed(&other.is(200).text())["submit_secret"], "");
}

async fn the_page_can_send_to_its_endpoint_alone(app: TestApp) {
    let (form, endpoint) = (made(&app).await, app.endpoint("").await);
    let answer = open(&app, &form, &endpoint, "").await;
    let page = answer.text();
    let inline: Vec<_> =
        page.split("<script>").skip(1).map(|rest| rest.split("</script>").next().unwrap()).collect();
    assert!(inline[0].contains("'\\x3c/script>'"), "a script cannot end its element");
    let hashes: Vec<_> = inline.iter().map(|code| format!("'{}'", integrity(code.as_bytes()))).collect();
    assert_eq!(hashes.len(), 3);
    let expected = format!(
        "sandbox allow-scripts allow-forms allow-top-navigation-by-user-activation; default-src 'none'; \
         script-src {}; style-src 'unsafe-inline'; img-src data:; \
         connect-src https://cards.example/v1/capture/{}; form-action 'none'; base-uri 'none'; \
         frame-ancestors https://shop.example",
        hashes.join(" "),
        endpoint.id
    );
    assert_eq!(answer.header("content-security-policy"), expected);
    assert_eq!(answer.header("cache-control"), "no-store");
}

async fn nothing_is_filed_at_a_custom_forms_page(app: TestApp) {
    let (form, endpoint) = (made(&app).await, app.endpoint("").await);
    let answer = fill(&app, &form, &endpoint, &FIELDS).await;
    assert_eq!(answer.is(303).header("location"), "/v1/capture/result/ended");
    assert!(app.stored_cards("managed").await.is_empty());
    endpoint.capture(card("4111111111111111")).await.ok();
}

async fn the_page_is_there_for_its_own_endpoints_alone(app: TestApp) {
    let (form, endpoint) = (made(&app).await, app.endpoint("").await);
    let other = Endpoint::create(&app.other_merchant().await, "").await;
    open(&app, &form, &other, "").await.is(404);
    let used = app.endpoint("&max_uses=1").await;
    used.capture(card("4111111111111111")).await.ok();
    open(&app, &form, &used, "").await.is(404);
    let mut wrong = endpoint.clone();
    wrong.secret.clone_from(&other.secret);
    open(&app, &form, &wrong, "").await.is(404);
    for id in ["", "a%3Bscript-src%20*", "a%20b"] {
        app.anonymous.get(&format!("/v1/capture/iframe/{form}?unique_id={id}")).await.is(404);
    }
    open(&app, "custom", &endpoint, "").await.is(404);
    open(&app, &form, &endpoint, "").await.is(200);
}

async fn wrong_settings_are_refused_at_their_place(app: TestApp) {
    for (change, pointer, code) in [
        (json!({ "embedded_js": null }), "/embedded_js", "missing"),
        (json!({ "embedded_js": "%%%" }), "/embedded_js", "base64"),
        (json!({ "js_links": ["http://shop.example/a.js"] }), "/js_links/0", "url"),
        (json!({ "js_links": ["https://127.0.0.1/a.js"] }), "/js_links/0", "unreachable"),
        (json!({ "submit_url": "https://elsewhere.example" }), "/submit_url", "reserved"),
        (json!({ "submit_secret": "x" }), "/submit_secret", "reserved"),
        (json!({ "note": { "deep": ["4111 1111 1111 1111"] } }), "/note", "holds_number"),
        (json!({ "extra_data": { "cvv": "737" } }), "/extra_data", "card_field"),
        (json!({ "single_use": true }), "/single_use", "unsupported"),
        (json!({ "mine": "x".repeat(64 * 1024) }), "", "too_large"),
        (json!({ "allowed_origins": ["https://a;script-src-elem"] }), "/allowed_origins/0", "origin"),
    ] {
        let mut body = settings();
        body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        app.merchant.post(TARGET, body).await.refused(400, "invalid").at(pointer, code);
    }
}

#[tokio::test]
async fn linked_scripts_are_fetched_once_and_kept_in_their_order() {
    let networks = vec!["127.0.0.0/8".parse().unwrap()];
    let outgoing = Outgoing::new(Allowed { networks, plain_http: true }).unwrap();
    let shop = Receiver::start().await;
    shop.answers_with(200, ("content-type", "text/javascript"), "window.first = 1;");
    shop.answers_with(200, ("content-type", "text/css"), "p { background: url(https://a.example/x) }");
    let body =
        json!({ "js_links": [shop.url], "css_links": [shop.url], "embedded_js": STANDARD.encode(SCRIPT) });
    let form = custom::read(&outgoing, Members::parse(body.to_string().as_bytes()).unwrap()).await.unwrap();
    let scripts: Vec<_> = form.scripts.iter().map(|s| (s.from.as_str(), s.code.as_str())).collect();
    assert_eq!(scripts, [(shop.url.as_str(), "window.first = 1;"), ("embedded_js", SCRIPT)]);
    assert!(!form.css.contains("a.example"), "{}", form.css);
    assert_eq!(shop.calls().len(), 2);
    let large = format!("//{}", "x".repeat(512 * 1024));
    shop.answers_with(200, ("content-type", "text/javascript"), &large);
    let refused = custom::read(&outgoing, Members::parse(body.to_string().as_bytes()).unwrap()).await;
    let Err(CaptureError::Invalid(problems)) = refused else { panic!("it is too large") };
    assert_eq!((problems[0].pointer.as_str(), problems[0].code), ("/js_links/0", "unreachable"));
}
