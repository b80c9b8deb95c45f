//! The hosted form without scripts: plain POSTs, redirects to pages of ours; and the same form sent by the
//! page's own script.

use serde_json::json;

use crate::app::{Endpoint, NUMBER, TestApp, card, text};
use crate::client::{Answer, Call};

on_both_engines! {
    a_filled_form_is_stored_and_answered_by_a_redirect,
    the_fields_of_a_link_are_stored_with_the_card,
    refused_fields_are_shown_beside_their_message,
    a_result_is_told_once,
    a_result_ends_after_five_minutes,
    forms_are_sent_from_their_own_page_alone,
    an_ended_endpoint_leads_to_a_page_that_says_so,
    a_refusal_of_the_endpoint_is_shown_on_the_form,
    a_number_in_the_holders_field_is_not_shown_again,
    the_script_gets_the_answer_and_the_members_that_callbacks_may_see,
    the_script_is_told_which_fields_were_refused,
    the_done_page_has_an_origin_of_its_own,
    a_foreign_form_stores_nothing,
    an_expiry_in_the_past_is_refused_by_the_form,
}

/// A card as it is typed.
pub const FIELDS: [(&str, &str); 4] = [
    ("card_number", "4111 1111 1111 1111"),
    ("card_holder", "Ada King"),
    ("expiry", "06/31"),
    ("cvv", "737"),
];

/// Sends a plain form as its own page does.
pub async fn fill(app: &TestApp, form: &str, endpoint: &Endpoint, fields: &[(&str, &str)]) -> Answer {
    let mut all = vec![("unique_id", endpoint.id.as_str()), ("secret", &endpoint.secret)];
    all.extend_from_slice(fields);
    let call = Call::new("POST", &format!("/v1/capture/iframe/{form}")).form(&all);
    app.anonymous.send(call.header("sec-fetch-site", "same-origin")).await
}

/// Follows the redirect of a plain form.
pub async fn follow(app: &TestApp, answer: &Answer) -> Answer {
    assert_eq!(answer.status, 303, "{}", answer.text());
    let target = answer.header("location");
    assert!(target.starts_with("/v1/capture/"), "our own origin");
    app.anonymous.get(target).await
}

async fn a_filled_form_is_stored_and_answered_by_a_redirect(app: TestApp) {
    let endpoint = app.endpoint("").await;
    let answer = fill(&app, "pcd", &endpoint, &FIELDS).await;
    let page = follow(&app, &answer).await;
    assert!(page.is(200).text().contains("Card saved"));
    let stored = app.stored_cards("managed").await.remove(0);
    assert_eq!(
        app.read(&stored.token, &endpoint.id).await,
        json!({
            "card_number": NUMBER, "card_type": "visa", "last_four": "1111", "card_holder": "Ada King",
            "expiry": "06/31", "expiry_month": "06", "expiry_year": "2031", "expiry_year_short": "31",
        })
    );
}

async fn the_fields_of_a_link_are_stored_with_the_card(app: TestApp) {
    let endpoint = app.endpoint("").await;
    let mut fields = FIELDS.to_vec();
    fields.extend([("reference", "order-7"), ("order", "17"), ("title", "x"), ("pin", "1234")]);
    follow(&app, &fill(&app, "pcd", &endpoint, &fields).await).await.is(200);
    let stored = app.stored_cards("managed").await.remove(0);
    let object = app.read(&stored.token, "order-7").await;
    assert_eq!(object["order"], "17");
    assert!(object.get("title").is_none() && object.get("pin").is_none() && object.get("secret").is_none());
}

async fn refused_fields_are_shown_beside_their_message(app: TestApp) {
    let endpoint = app.endpoint("").await;
    let fields =
        [("card_number", "4111111111111112"), ("card_holder", "Ada King"), ("expiry", "13/31"), ("cvv", "7")];
    let page = follow(&app, &fill(&app, "pcd", &endpoint, &fields).await).await;
    let page = page.is(422).text();
    assert!(
        page.contains("This number is not valid.") && page.contains("The month must be between 01 and 12.")
    );
    assert!(
        page.contains("value=\"Ada King\"") && page.contains("value=\"13/31\""),
        "what is no secret is kept"
    );
    assert!(!page.contains("4111111111111112") && !page.contains("value=\"7\""), "number and code are not");
    assert!(page.contains("aria-invalid=\"true\"") && app.stored_cards("managed").await.is_empty());
}

async fn a_result_is_told_once(app: TestApp) {
    let endpoint = app.endpoint("").await;
    let answer = fill(&app, "pcd", &endpoint, &FIELDS).await;
    let first = follow(&app, &answer).await;
    let token = app.stored_cards("managed").await.remove(0).token;
    assert!(first.text().contains(&token), "the page's script tells it to the parent");
    let second = follow(&app, &answer).await;
    assert!(second.is(200).text().contains("Card saved") && !second.text().contains(&token));
}

async fn a_result_ends_after_five_minutes(app: TestApp) {
    let endpoint = app.endpoint("").await;
    let answer = fill(&app, "pcd", &endpoint, &FIELDS).await;
    app.clock.pass(301);
    assert!(follow(&app, &answer).await.is(404).text().contains("Link expired"));
    app.sweep().await;
    assert!(follow(&app, &answer).await.is(404).text().contains("Link expired"));
}

async fn forms_are_sent_from_their_own_page_alone(app: TestApp) {
    let endpoint = app.endpoint("").await;
    let mut all = vec![("unique_id", endpoint.id.as_str()), ("secret", &endpoint.secret)];
    all.extend_from_slice(&FIELDS);
    for site in ["cross-site", "same-site", "none"] {
        let call = Call::new("POST", "/v1/capture/iframe/pcd").form(&all).header("sec-fetch-site", site);
        app.anonymous.send(call).await.refused(403, "cross_site");
    }
    assert!(app.stored_cards("managed").await.is_empty());
}

async fn an_ended_endpoint_leads_to_a_page_that_says_so(app: TestApp) {
    let endpoint = app.endpoint("&ttl=PT10M").await;
    let mut wrong = endpoint.clone();
    wrong.secret = "wrong".into();
    let page = follow(&app, &fill(&app, "pcd", &wrong, &FIELDS).await).await;
    assert!(page.is(404).text().contains("Link expired"));
    app.clock.pass(600);
    let page = follow(&app, &fill(&app, "pcd", &endpoint, &FIELDS).await).await;
    assert!(page.is(404).text().contains("Link expired"));
}

async fn a_refusal_of_the_endpoint_is_shown_on_the_form(app: TestApp) {
    let endpoint = app.endpoint("").await;
    for _ in 0..30 {
        endpoint.capture(card(NUMBER)).await.ok();
    }
    let page = follow(&app, &fill(&app, "pcd", &endpoint, &FIELDS).await).await;
    assert!(page.is(422).text().contains("Too many captures; wait a minute."));
    assert!(!page.text().contains(NUMBER) && page.text().contains("value=\"Ada King\""));
}

async fn a_number_in_the_holders_field_is_not_shown_again(app: TestApp) {
    let endpoint = app.endpoint("").await;
    let fields = [("card_number", ""), ("card_holder", NUMBER), ("expiry", "06/31"), ("cvv", "737")];
    let page = follow(&app, &fill(&app, "pcd", &endpoint, &fields).await).await;
    assert!(page.is(422).text().contains("Enter the name, not the number."));
    assert!(!page.text().contains(NUMBER));
}

async fn the_script_gets_the_answer_and_the_members_that_callbacks_may_see(app: TestApp) {
    let endpoint = app.endpoint("").await;
    let body = json!({ "unique_id": endpoint.id, "card_number": NUMBER, "card_holder": "Ada King", "expiry": "06/31",
        "cvv": "737", "order": "17" });
    let call =
        Call::new("POST", "/v1/capture/iframe/pcd").header("x-capture-secret", &endpoint.secret).json(&body);
    let answer = app.anonymous.send(call).await;
    let token = app.stored_cards("managed").await.remove(0).token;
    assert_eq!(
        answer.ok(),
        json!({
            "response": { "user": "managed", "token": token, "reference": endpoint.id },
            "request": {
                "card_type": "visa", "last_four": "1111", "card_holder": "Ada King", "expiry": "06/31",
                "expiry_month": "06", "expiry_year": "2031", "expiry_year_short": "31", "order": "17",
            },
            "next": null, "fallback": null,
        })
    );
}

async fn the_script_is_told_which_fields_were_refused(app: TestApp) {
    let endpoint = app.endpoint("").await;
    let body = json!({ "unique_id": endpoint.id, "card_number": "4111111111111112", "card_holder": "Ada King",
        "expiry": "06/31", "cvv": "737" });
    let call =
        Call::new("POST", "/v1/capture/iframe/pcd").header("x-capture-secret", &endpoint.secret).json(&body);
    app.anonymous.send(call).await.refused(400, "invalid").at("/card_number", "checksum");
}

async fn the_done_page_has_an_origin_of_its_own(app: TestApp) {
    use base64::Engine as _;
    let code = base64::engine::general_purpose::STANDARD.encode("function(r) { document.title = r.token; }");
    let form =
        text(&app.merchant.post("/v1/capture/iframe", json!({ "success_callback": code })).await.ok()["id"]);
    let endpoint = app.endpoint("").await;
    let answer = fill(&app, &form, &endpoint, &FIELDS).await;
    let page = follow(&app, &answer).await;
    let policy = page.is(200).header("content-security-policy");
    assert!(
        policy.starts_with("sandbox allow-scripts ") && !policy.contains("allow-same-origin"),
        "{policy}"
    );
    assert!(page.text().contains("document.title = r.token") && !page.text().contains(NUMBER));
    assert!(!follow(&app, &answer).await.text().contains("document.title"), "once");
}

async fn a_foreign_form_stores_nothing(app: TestApp) {
    let endpoint = app.endpoint("").await;
    let other = app.other_merchant().await;
    let form = text(&other.post("/v1/capture/iframe", json!({})).await.ok()["id"]);
    for id in [form.as_str(), "no-such-form"] {
        let page = follow(&app, &fill(&app, id, &endpoint, &FIELDS).await).await;
        assert!(page.is(404).text().contains("Link expired"));
    }
    assert!(app.stored_cards("managed").await.is_empty());
}

async fn an_expiry_in_the_past_is_refused_by_the_form(app: TestApp) {
    let endpoint = app.endpoint("").await;
    let fields = [("card_number", NUMBER), ("card_holder", "Ada"), ("expiry", "12/26"), ("cvv", "737")];
    let page = follow(&app, &fill(&app, "pcd", &endpoint, &fields).await).await;
    assert!(page.is(422).text().contains("This card has expired. Use another card."));
}
