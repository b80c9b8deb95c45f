//! The hosted page as a browser gets it.

use serde_json::json;

use crate::app::{TestApp, text};
use crate::client::Answer;

on_both_engines! {
    the_standard_form_shows_the_fields_of_a_card,
    the_page_of_a_locked_endpoint_asks_for_no_number,
    hidden_fields_are_not_in_the_document,
    a_secret_in_the_fragment_is_never_on_the_page,
    what_cannot_be_used_is_one_page,
    further_parameters_become_bounded_hidden_inputs,
    a_form_and_an_endpoint_belong_to_one_merchant,
    the_pages_policy_lets_in_what_it_needs_alone,
    origins_decide_who_may_frame_the_page,
    data_cannot_break_out_of_their_script_element,
    hostile_css_reaches_nothing,
}

const TOKENS: [&str; 4] = ["cc-number", "cc-name", "cc-exp", "cc-csc"];

async fn page(app: &TestApp, query: &str) -> Answer {
    let endpoint = app.endpoint("").await;
    let target =
        format!("/v1/capture/iframe/pcd?unique_id={}&secret={}{query}", endpoint.id, endpoint.secret);
    app.anonymous.get(&target).await
}

fn autocompletes(page: &str) -> Vec<&str> {
    TOKENS.into_iter().filter(|token| page.contains(&format!("autocomplete=\"{token}\""))).collect()
}

async fn the_standard_form_shows_the_fields_of_a_card(app: TestApp) {
    let answer = page(&app, "").await;
    assert_eq!(answer.is(200).header("content-type"), "text/html; charset=utf-8");
    let page = answer.text();
    assert_eq!(autocompletes(&page), TOKENS);
    assert_eq!(page.matches("<form").count(), 1);
    assert!(page.contains("method=\"post\"") && page.contains("action=\"/v1/capture/iframe/pcd\""));
    assert!(!page.contains("src=\"http") && !page.contains("href=\"http"), "addresses are root-relative");
}

async fn the_page_of_a_locked_endpoint_asks_for_no_number(app: TestApp) {
    let (endpoint, _) = app.locked().await;
    let target = format!("/v1/capture/iframe/pcd/?unique_id={}&secret={}", endpoint.id, endpoint.secret);
    let page = app.anonymous.get(&target).await.is(200).text();
    assert_eq!(autocompletes(&page), TOKENS[1..]);
    assert!(!page.contains("card_number\""));
}

async fn hidden_fields_are_not_in_the_document(app: TestApp) {
    let (endpoint, _) = app.locked().await;
    let hidden = json!({ "visible": false });
    let options =
        json!({ "field_options": { "card_holder": hidden, "expiry": hidden, "card_number": hidden } });
    let form = text(&app.merchant.post("/v1/capture/iframe", options).await.ok()["id"]);
    let target = format!("/v1/capture/iframe/{form}?unique_id={}&secret={}", endpoint.id, endpoint.secret);
    let page = app.anonymous.get(&target).await.is(200).text();
    assert_eq!(autocompletes(&page), ["cc-csc"]);
    assert!(!page.contains("name=\"card_holder\"") && !page.contains("name=\"expiry\""));
}

async fn a_secret_in_the_fragment_is_never_on_the_page(app: TestApp) {
    let endpoint = app.endpoint("").await;
    let known = app.anonymous.get(&format!("/v1/capture/iframe/pcd?unique_id={}", endpoint.id)).await;
    let unknown = app.anonymous.get("/v1/capture/iframe/pcd?unique_id=none").await;
    assert_eq!((known.status, unknown.status), (200, 200), "the page tells nothing of the endpoint");
    assert!(known.text().contains("<noscript"), "it says that it needs scripts");
    assert!(!known.text().contains("name=\"secret\""));
}

async fn what_cannot_be_used_is_one_page(app: TestApp) {
    let endpoint = app.endpoint("&ttl=PT10M").await;
    let good = format!("/v1/capture/iframe/pcd?unique_id={}&secret={}", endpoint.id, endpoint.secret);
    let wrong = format!("/v1/capture/iframe/pcd?unique_id={}&secret=wrong", endpoint.id);
    let gone = |answer: Answer| {
        assert!(answer.is(404).text().contains("Link expired"));
        assert!(!answer.text().contains(&endpoint.secret));
    };
    gone(app.anonymous.get(&wrong).await);
    gone(app.anonymous.get("/v1/capture/iframe/pcd?unique_id=none&secret=wrong").await);
    gone(app.anonymous.get("/v1/capture/iframe/no-such-form").await);
    gone(app.anonymous.get(&good.replace("/pcd", "/no-such-form")).await);
    app.clock.pass(600);
    gone(app.anonymous.get(&good).await);
    app.merchant.delete(&format!("/v1/capture/{}", endpoint.id)).await.ok();
    gone(app.anonymous.get(&good).await);
    gone(app.anonymous.get("/v1/capture/result/none").await);
    gone(app.anonymous.get("/v1/capture/done/none").await);
}

async fn further_parameters_become_bounded_hidden_inputs(app: TestApp) {
    let long = "x".repeat(257);
    let number = crate::app::NUMBER;
    let query =
        format!("&order=17&note={number}&long={long}&cvv=737&title=Pay%20here&reference=r9&testing=true");
    let page = page(&app, &query).await.is(200).text();
    assert!(page.contains("name=\"order\"") && page.contains("value=\"17\""));
    assert!(page.contains("name=\"reference\"") && page.contains("value=\"r9\""));
    assert!(page.contains("<title>Pay here</title>"));
    for absent in [number, long.as_str(), "value=\"737\"", "name=\"testing\""] {
        assert!(!page.contains(absent));
    }
}

async fn a_form_and_an_endpoint_belong_to_one_merchant(app: TestApp) {
    let form = text(&app.merchant.post("/v1/capture/iframe", json!({})).await.ok()["id"]);
    let endpoint = app.endpoint("").await;
    for client in [app.other_merchant().await, app.test_mode.clone()] {
        let foreign = text(&client.post("/v1/capture/iframe", json!({})).await.ok()["id"]);
        let target =
            format!("/v1/capture/iframe/{foreign}?unique_id={}&secret={}", endpoint.id, endpoint.secret);
        assert!(app.anonymous.get(&target).await.is(404).text().contains("Link expired"));
    }
    let target = format!("/v1/capture/iframe/{form}?unique_id={}&secret={}", endpoint.id, endpoint.secret);
    app.anonymous.get(&target).await.is(200);
}

async fn the_pages_policy_lets_in_what_it_needs_alone(app: TestApp) {
    let (first, second) = (page(&app, "").await, page(&app, "").await);
    let policy = first.header("content-security-policy");
    for part in [
        "default-src 'none'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "worker-src data:",
    ] {
        assert!(policy.contains(part), "{part} in {policy}");
    }
    assert!(!policy.contains("unsafe-inline") && !policy.contains("frame-ancestors"), "{policy}");
    assert_ne!(policy, second.header("content-security-policy"), "a nonce is used once");
    assert_eq!(first.header("referrer-policy"), "no-referrer");
    assert_eq!(first.header("cache-control"), "no-store");
}

async fn origins_decide_who_may_frame_the_page(app: TestApp) {
    let origins = json!({ "allowed_origins": ["https://shop.example", "https://shop.example:8443"] });
    let form = text(&app.merchant.post("/v1/capture/iframe", origins).await.ok()["id"]);
    let answer = app.anonymous.get(&format!("/v1/capture/iframe/{form}")).await;
    let policy = answer.header("content-security-policy");
    assert!(policy.ends_with("; frame-ancestors https://shop.example https://shop.example:8443"), "{policy}");
}

async fn data_cannot_break_out_of_their_script_element(app: TestApp) {
    use base64::Engine as _;
    let code = "function() { return '</script><script>alert(1)</script>'; }";
    let code = base64::engine::general_purpose::STANDARD.encode(code);
    let form = app.merchant.post("/v1/capture/iframe", json!({ "success_callback": code })).await.ok();
    let target = format!("/v1/capture/iframe/{}?title=</title><script>alert(1)</script>", text(&form["id"]));
    let page = app.anonymous.get(&target.replace('<', "%3C").replace('>', "%3E")).await.is(200).text();
    assert!(!page.contains("<script>alert") && !page.contains("</title><script>"));
    assert!(page.contains("\\u003c/script>"));
}

async fn hostile_css_reaches_nothing(app: TestApp) {
    use base64::Engine as _;
    let css = "@import url(https://evil.example/a.css); input{color:red;background:url(https://evil.example/b)} \
               @font-face{font-family:x;src:url(https://evil.example/c)} </style><script>alert(1)</script>";
    let css = base64::engine::general_purpose::STANDARD.encode(css);
    let made = app.merchant.post("/v1/capture/iframe", json!({ "embedded_css": css })).await;
    if made.status == 200 {
        let page =
            app.anonymous.get(&format!("/v1/capture/iframe/{}", text(&made.json()["id"]))).await.text();
        assert!(!page.contains("evil.example") && !page.contains("<script>alert"));
    } else {
        made.refused(400, "invalid").at("/embedded_css", "css");
    }
}
