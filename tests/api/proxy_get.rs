//! Cards fetched from other servers: stored, and the rest returned without them.

use serde_json::{Value, json};

use crate::acquirer::Acquirer;
use crate::app::{NUMBER, OTHER_NUMBER, TestApp, text};
use crate::client::Answer;
use crate::proxy::open;

on_both_engines! {
    with open;
    an_answer_of_json_is_stored_as_it_is,
    a_card_is_found_in_any_text,
    a_refusal_is_answered_and_nothing_stored,
    an_answer_without_a_card_is_not_stored,
    rules_change_the_card_before_it_is_stored,
    rules_that_cannot_be_applied_store_nothing,
    what_was_sent_is_shown,
}

async fn fetch(app: &TestApp, acquirer: &Acquirer, more: &str) -> Answer {
    let request =
        json!({ "method": "GET", "url": acquirer.url("/card/{{order}}"), "extra_data": { "order": "a7" } });
    app.merchant
        .post(&format!("/v1/proxy/get?user=managed&reference=r1{more}"), json!({ "request": request }))
        .await
}

async fn prepared(app: &TestApp) -> Acquirer {
    let acquirer = Acquirer::start().await;
    acquirer.allow(app).await;
    acquirer
}

async fn stored(app: &TestApp, answer: &Value) -> Value {
    app.read(&text(&answer["token_info"]["token"]), "r1").await
}

async fn an_answer_of_json_is_stored_as_it_is(app: TestApp) {
    let acquirer = prepared(&app).await;
    let card = json!({ "number": NUMBER, "card_holder": "Ada King", "x": [1] });
    acquirer.answers(200, &[("Content-Type", "application/json")], card.to_string().as_bytes());
    let answer = fetch(&app, &acquirer, "").await.ok();
    assert_eq!((&answer["status"], &answer["status_code"]), (&json!("200"), &json!(200)));
    assert_eq!((&answer["token_info"]["user"], answer.get("body")), (&json!("managed"), None));
    assert!(answer["token_info"]["stored_at"].is_string());
    assert_eq!(stored(&app, &answer).await, card);
    assert_eq!(acquirer.calls()[0].line(), "GET /card/a7 HTTP/1.1");
    assert!(!answer.to_string().contains(NUMBER));
}

async fn a_card_is_found_in_any_text(app: TestApp) {
    let acquirer = prepared(&app).await;
    let text = format!(
        "<card><pan>{NUMBER}</pan><cvv>737</cvv><expiry>06/31</expiry><id>17</id><o>{OTHER_NUMBER}</o></card>"
    );
    acquirer.answers(200, &[("Content-Type", "text/xml"), ("X-Pan", NUMBER)], text.as_bytes());
    let answer = fetch(&app, &acquirer, "&smart_parse=true").await.ok();
    let template = "<card><pan>{{card_number}}</pan><cvv>{{cvv}}</cvv><expiry>{{expiry}}</expiry><id>17</id><o>{{other_card_number}}</o></card>";
    assert_eq!(answer["body"], template);
    assert_eq!(stored(&app, &answer).await, json!({ "card_number": NUMBER, "expiry": "06/31" }));
    let id = app.stored_cards("managed").await[0].id.clone();
    let mut transaction = app.app.core.store.read().await.unwrap();
    assert!(transaction.find_cvv(app.id.clone(), id).await.unwrap().is_some(), "its code is kept apart");
    assert!(!answer.to_string().contains(NUMBER));
}

async fn a_refusal_is_answered_and_nothing_stored(app: TestApp) {
    let acquirer = prepared(&app).await;
    acquirer.answers(403, &[], format!("no: {NUMBER}").as_bytes());
    let answer = fetch(&app, &acquirer, "&smart_parse=true").await.ok();
    assert_eq!((&answer["status_code"], answer.get("token_info")), (&json!(403), None));
    assert_eq!(answer["body"], "no: 411111••••••1111");
    assert!(app.stored_cards("managed").await.is_empty());
}

async fn an_answer_without_a_card_is_not_stored(app: TestApp) {
    let acquirer = prepared(&app).await;
    for (body, more) in [
        ("no card here", "&smart_parse=true"),
        ("no card here", ""),
        (r#"{"a":1}"#, ""),
        (r#"{"number":"4111111111111112"}"#, ""),
    ] {
        acquirer.answers(200, &[], body.as_bytes());
        fetch(&app, &acquirer, more).await.refused(502, "unstorable");
    }
    assert!(app.stored_cards("managed").await.is_empty());
}

/// A rule of this name with one operation.
async fn rule(app: &TestApp, name: &str, operation: Value) {
    let body = json!({ "operations": [operation] });
    app.merchant.post(&format!("/v1/rule?id={name}"), body).await.ok();
}

async fn rules_change_the_card_before_it_is_stored(app: TestApp) {
    let acquirer = prepared(&app).await;
    let angle = json!({ "name": "format", "input_field": "note", "arguments": { "format": "<{}>" } });
    rule(&app, "angle", angle).await;
    rule(&app, "copy", json!({ "name": "noop", "input_field": "note", "output_field": "other" })).await;
    rule(&app, "valid", json!({ "name": "noop", "input_field": "expiry", "output_field": "valid" })).await;
    let card = json!({ "card_number": NUMBER, "note": "x" });
    acquirer.answers(200, &[], card.to_string().as_bytes());
    // In the order in which the call names them.
    let answer = fetch(&app, &acquirer, "&rules=copy,angle").await.ok();
    let kept = json!({ "card_number": NUMBER, "note": "<x>", "other": "x" });
    assert_eq!(stored(&app, &answer).await, kept);
    let text = format!("pan={NUMBER}&expiry=06/31");
    acquirer.answers(200, &[], text.as_bytes());
    let answer = fetch(&app, &acquirer, "&smart_parse=true&rules=valid").await.ok();
    assert_eq!(answer["body"], "pan={{card_number}}&expiry={{expiry}}");
    assert_eq!(stored(&app, &answer).await["valid"], "06/31");
}

async fn rules_that_cannot_be_applied_store_nothing(app: TestApp) {
    let acquirer = prepared(&app).await;
    let parse = json!({ "name": "parse_json", "input_field": "note", "output_field": "other" });
    rule(&app, "parse", parse).await;
    // A rule carries no number into another member.
    let copy = json!({ "name": "noop", "input_field": "card_number", "output_field": "other" });
    rule(&app, "copy", copy).await;
    let card = json!({ "card_number": NUMBER, "note": "no JSON" });
    for name in ["parse", "copy"] {
        acquirer.answers(200, &[], card.to_string().as_bytes());
        let answer = fetch(&app, &acquirer, &format!("&rules={name}")).await;
        assert_eq!(answer.refused(502, "unstorable").0["errors"][0]["pointer"], "/rules");
    }
    // One that does not exist is told before anything is fetched.
    let before = acquirer.taken();
    let answer = fetch(&app, &acquirer, "&rules=parse,none").await;
    answer.refused(400, "invalid").at("/rules", "unknown");
    assert_eq!(acquirer.taken(), before);
    assert!(app.stored_cards("managed").await.is_empty());
}

async fn what_was_sent_is_shown(app: TestApp) {
    let acquirer = prepared(&app).await;
    for (status, body) in [(200, json!({ "card_number": NUMBER })), (404, json!({}))] {
        acquirer.answers(status, &[], body.to_string().as_bytes());
        let answer = fetch(&app, &acquirer, "&debug=true").await.ok();
        let shown = json!({ "method": "GET", "url": acquirer.url("/card/a7"), "headers": [], "body": "" });
        assert_eq!(answer["populated_template"], shown);
        acquirer.answers(status, &[], body.to_string().as_bytes());
        assert_eq!(fetch(&app, &acquirer, "").await.ok().get("populated_template"), None);
    }
}
