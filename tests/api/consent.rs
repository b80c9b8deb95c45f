//! The box that agrees to saving: never ticked beforehand, required where the form says so, kept with the card.

use serde_json::{Value, json};

use crate::app::{Endpoint, NUMBER, TestApp, card, text};
use crate::client::{Answer, Call};
use crate::plain_form::{FIELDS, fill, follow};

on_both_engines! {
    a_required_consent_is_needed_by_script_and_by_plain_post,
    text_version_and_time_are_stored_with_the_card,
    an_optional_consent_is_told_as_not_given,
    a_consent_to_another_text_is_none,
    the_box_is_never_ticked,
    nobody_brings_a_consent_along,
    a_card_that_is_stored_again_gets_the_new_consent,
    wrong_boxes_are_refused_at_their_place,
    a_box_alone_is_no_form,
}

const TEXT: &str = "I agree that Shop stores my card for later payments.";

async fn form(app: &TestApp, required: bool) -> String {
    let consent = json!({ "text": TEXT, "version": "2027-01", "required": required });
    text(&app.merchant.post("/v1/capture/iframe", json!({ "consent": consent })).await.ok()["id"])
}

async fn by_script(app: &TestApp, form: &str, endpoint: &Endpoint, consent: Option<&str>) -> Answer {
    let mut body = json!({ "unique_id": endpoint.id, "card_number": NUMBER, "card_holder": "Ada King",
        "expiry": "06/31", "cvv": "737" });
    if let Some(consent) = consent {
        body["consent"] = consent.into();
    }
    let call = Call::new("POST", &format!("/v1/capture/iframe/{form}"));
    app.anonymous.send(call.header("x-capture-secret", &endpoint.secret).json(&body)).await
}

async fn stored(app: &TestApp, endpoint: &Endpoint) -> Value {
    let token = app.stored_cards("managed").await.remove(0).token;
    app.read(&token, &endpoint.id).await
}

async fn a_required_consent_is_needed_by_script_and_by_plain_post(app: TestApp) {
    let (form, endpoint) = (form(&app, true).await, app.endpoint("").await);
    for consent in [None, Some("")] {
        by_script(&app, &form, &endpoint, consent).await.refused(400, "invalid").at("/consent", "missing");
    }
    let page = follow(&app, &fill(&app, &form, &endpoint, &FIELDS).await).await;
    assert!(page.is(422).text().contains("id=\"cardamom-consent-error\" data-problem=\"missing\""));
    assert!(app.stored_cards("managed").await.is_empty());
    let mut fields = FIELDS.to_vec();
    fields.push(("consent", "2027-01"));
    follow(&app, &fill(&app, &form, &endpoint, &fields).await).await.is(200);
    assert_eq!(stored(&app, &endpoint).await["consent"]["given"], true);
}

async fn text_version_and_time_are_stored_with_the_card(app: TestApp) {
    let (form, endpoint) = (form(&app, true).await, app.endpoint("").await);
    let answer = by_script(&app, &form, &endpoint, Some("2027-01")).await.ok();
    let consent = json!({ "given": true, "version": "2027-01", "text": TEXT, "at": "2027-01-15T08:00:00Z" });
    assert_eq!(stored(&app, &endpoint).await["consent"], consent);
    assert_eq!(answer["request"]["consent"], consent, "callbacks learn of it");
    assert!(
        !String::from_utf8_lossy(&app.stored_cards("managed").await[0].sealed).contains("later payments")
    );
}

async fn an_optional_consent_is_told_as_not_given(app: TestApp) {
    let (form, endpoint) = (form(&app, false).await, app.endpoint("").await);
    by_script(&app, &form, &endpoint, None).await.ok();
    let object = stored(&app, &endpoint).await;
    assert_eq!(
        (&object["consent"]["given"], &object["consent"]["version"]),
        (&json!(false), &json!("2027-01"))
    );
}

async fn a_consent_to_another_text_is_none(app: TestApp) {
    for required in [true, false] {
        let (form, endpoint) = (form(&app, required).await, app.endpoint("").await);
        let refused = by_script(&app, &form, &endpoint, Some("2026-01")).await;
        refused.refused(400, "invalid").at("/consent", "missing");
    }
}

async fn the_box_is_never_ticked(app: TestApp) {
    let (form, endpoint) = (form(&app, true).await, app.endpoint("").await);
    let target = format!(
        "/v1/capture/iframe/{form}?unique_id={}&secret={}&consent=2027-01",
        endpoint.id, endpoint.secret
    );
    let fresh = app.anonymous.get(&target).await.is(200).text();
    let fields = [("card_number", "4111"), ("consent", "2027-01")];
    let again = follow(&app, &fill(&app, &form, &endpoint, &fields).await).await.is(422).text();
    for page in [fresh, again] {
        assert!(page.contains(TEXT) && page.contains("name=\"consent\" type=\"checkbox\""));
        assert_eq!(page.matches("name=\"consent\"").count(), 1, "no hidden input ticks it");
        let (_, behind) = page.split_once("name=\"consent\"").unwrap();
        assert!(!behind.split('>').next().unwrap().contains("checked"));
    }
}

async fn nobody_brings_a_consent_along(app: TestApp) {
    let endpoint = app.endpoint("").await;
    let mut body = card(NUMBER);
    body["Consent"] = json!({ "given": true });
    endpoint.capture(body).await.refused(400, "invalid").at("/consent", "reserved");
    // A form without a box ignores one in its link.
    let mut fields = FIELDS.to_vec();
    fields.push(("consent", "yes"));
    follow(&app, &fill(&app, "pcd", &endpoint, &fields).await).await.is(200);
    assert!(stored(&app, &endpoint).await.get("consent").is_none());
}

async fn a_card_that_is_stored_again_gets_the_new_consent(app: TestApp) {
    let (form, endpoint) = (form(&app, true).await, app.endpoint("").await);
    endpoint.capture(card(NUMBER)).await.ok();
    assert!(stored(&app, &endpoint).await.get("consent").is_none());
    by_script(&app, &form, &endpoint, Some("2027-01")).await.ok();
    assert_eq!(stored(&app, &endpoint).await["consent"]["version"], "2027-01");
}

async fn wrong_boxes_are_refused_at_their_place(app: TestApp) {
    for (consent, pointer, code) in [
        (json!(true), "/consent", "type"),
        (json!({ "version": "1" }), "/consent/text", "missing"),
        (json!({ "text": "I agree" }), "/consent/version", "missing"),
        (json!({ "text": "x".repeat(1001), "version": "1" }), "/consent/text", "too_long"),
        (json!({ "text": "I agree", "version": "v".repeat(41) }), "/consent/version", "too_long"),
        (json!({ "text": "I agree", "version": "1", "required": "very" }), "/consent/required", "type"),
        (json!({ "text": "I agree", "version": "1", "checked": true }), "/consent/checked", "unknown"),
    ] {
        let refused = app.merchant.post("/v1/capture/iframe", json!({ "consent": consent })).await;
        refused.refused(400, "invalid").at(pointer, code);
    }
}

async fn a_box_alone_is_no_form(app: TestApp) {
    let hidden = json!({ "visible": false });
    let body = json!({
        "consent": { "text": "I agree", "version": "1" },
        "field_options": { "card_holder": hidden, "expiry": hidden, "card_number": hidden, "cvv": hidden },
    });
    let refused = app.merchant.post("/v1/capture/iframe", body).await;
    refused.refused(400, "invalid").at("/field_options", "nothing_visible");
}
