//! A form that is sent again because its answer was lost: one capture, the same answer.

use serde_json::json;

use crate::app::{Endpoint, NUMBER, TestApp, text};
use crate::client::{Answer, Call};

on_both_engines! {
    a_submit_that_is_sent_again_is_answered_alike_and_stored_once,
    a_plain_submit_that_is_sent_again_is_stored_once,
    a_changed_submit_is_another_one,
    two_at_once_are_one_capture,
    a_submit_is_remembered_when_its_endpoint_is_gone,
    a_submit_belongs_to_its_secret_and_form,
    a_submit_is_remembered_for_an_hour,
    a_page_gives_each_submit_its_number,
    a_locked_endpoint_takes_a_submit_once,
}

const ID: &str = "aPageGaveThisNumber-1";

async fn send(app: &TestApp, endpoint: &Endpoint, form: &str, change: &[(&str, &str)]) -> Answer {
    let mut body = json!({ "unique_id": endpoint.id, "submit_id": ID, "card_number": NUMBER,
        "card_holder": "Ada King", "expiry": "06/31", "cvv": "737" });
    for (name, value) in change {
        body[*name] = json!(value);
    }
    let call = Call::new("POST", &format!("/v1/capture/iframe/{form}"));
    app.anonymous.send(call.header("x-capture-secret", &endpoint.secret).json(&body)).await
}

/// How many captures the endpoint has taken.
async fn uses(app: &TestApp, endpoint: &Endpoint) -> u32 {
    let mut transaction = app.app.core.store.read().await.unwrap();
    transaction.find_endpoint_by_secret_name(endpoint.id.clone()).await.unwrap().unwrap().uses
}

async fn a_submit_that_is_sent_again_is_answered_alike_and_stored_once(app: TestApp) {
    let endpoint = app.endpoint("&max_uses=1").await;
    let first = send(&app, &endpoint, "pcd", &[]).await.ok();
    let second = send(&app, &endpoint, "pcd", &[]).await.ok();
    assert_eq!(first, second);
    assert_eq!(uses(&app, &endpoint).await, 1);
    let card = app.stored_cards("managed").await.remove(0);
    assert_eq!((card.last_patch, card.version), (0, 1), "nothing was added to the card");
    let stored = app.audit().await.into_iter().filter(|entry| &*entry.action == "capture.store").count();
    assert_eq!(stored, 1);
}

async fn a_plain_submit_that_is_sent_again_is_stored_once(app: TestApp) {
    let endpoint = app.endpoint("&max_uses=1").await;
    let fields = [
        ("unique_id", endpoint.id.as_str()),
        ("secret", &endpoint.secret),
        ("submit_id", ID),
        ("card_number", "4111 1111 1111 1111"),
        ("card_holder", "Ada King"),
        ("expiry", "06/31"),
        ("cvv", "737"),
    ];
    for _ in 0..2 {
        let answer = app.anonymous.send(Call::new("POST", "/v1/capture/iframe/pcd").form(&fields)).await;
        assert_eq!(answer.status, 303);
        let page = app.anonymous.get(answer.header("location")).await;
        assert!(page.is(200).text().contains("Card saved"));
    }
    assert_eq!(uses(&app, &endpoint).await, 1);
}

async fn a_changed_submit_is_another_one(app: TestApp) {
    let endpoint = app.endpoint("").await;
    send(&app, &endpoint, "pcd", &[]).await.ok();
    for change in
        [("card_number", "5555555555554444"), ("expiry", "07/31"), ("card_holder", "Ada"), ("order", "7")]
    {
        send(&app, &endpoint, "pcd", &[change]).await.ok();
    }
    assert_eq!((uses(&app, &endpoint).await, app.stored_cards("managed").await.len()), (5, 2));
    // Nothing that is kept is derived from a code, so a page whose code was changed takes a new number.
    send(&app, &endpoint, "pcd", &[("cvv", "738")]).await.ok();
    assert_eq!(uses(&app, &endpoint).await, 5);
    send(&app, &endpoint, "pcd", &[("cvv", "738"), ("submit_id", "anotherNumberOfThePage")]).await.ok();
    assert_eq!(uses(&app, &endpoint).await, 6);
}

async fn two_at_once_are_one_capture(app: TestApp) {
    let endpoint = app.endpoint("&max_uses=1").await;
    let send = || send(&app, &endpoint, "pcd", &[]);
    let (one, two, three) = tokio::join!(send(), send(), send());
    let one = one.ok();
    assert_eq!((&two.ok(), &three.ok()), (&one, &one));
    assert_eq!((uses(&app, &endpoint).await, app.stored_cards("managed").await.len()), (1, 1));
}

async fn a_submit_is_remembered_when_its_endpoint_is_gone(app: TestApp) {
    let endpoint = app.endpoint("&ttl=PT10M").await;
    let first = send(&app, &endpoint, "pcd", &[]).await.ok();
    // Time for what this node knows of the endpoint to be forgotten.
    app.clock.pass(30);
    app.merchant.delete(&format!("/v1/capture/{}", endpoint.id)).await.ok();
    assert_eq!(send(&app, &endpoint, "pcd", &[]).await.ok(), first);
    send(&app, &endpoint, "pcd", &[("expiry", "07/31")]).await.refused(404, "not_found");
}

async fn a_submit_belongs_to_its_secret_and_form(app: TestApp) {
    let (endpoint, mut other) = (app.endpoint("").await, app.endpoint("").await);
    send(&app, &endpoint, "pcd", &[]).await.ok();
    send(&app, &other, "pcd", &[]).await.ok();
    assert_eq!(uses(&app, &other).await, 1, "the same number from another page");
    other.secret = "wrong".into();
    send(&app, &other, "pcd", &[]).await.refused(404, "not_found");
    let form = text(&app.merchant.post("/v1/capture/iframe", json!({})).await.ok()["id"]);
    send(&app, &endpoint, &form, &[]).await.ok();
    assert_eq!(uses(&app, &endpoint).await, 2);
}

async fn a_submit_is_remembered_for_an_hour(app: TestApp) {
    let endpoint = app.endpoint("&ttl=PT12H").await;
    send(&app, &endpoint, "pcd", &[]).await.ok();
    app.clock.pass(3540);
    app.sweep().await;
    send(&app, &endpoint, "pcd", &[]).await.ok();
    assert_eq!(uses(&app, &endpoint).await, 1);
    app.clock.pass(120);
    app.sweep().await;
    send(&app, &endpoint, "pcd", &[]).await.ok();
    assert_eq!(uses(&app, &endpoint).await, 2);
}

async fn a_page_gives_each_submit_its_number(app: TestApp) {
    let endpoint = app.endpoint("").await;
    let address =
        format!("/v1/capture/iframe/pcd?unique_id={}&secret={}&submit_id=x", endpoint.id, endpoint.secret);
    let mut seen = Vec::new();
    for _ in 0..2 {
        let page = app.anonymous.get(&address).await.is(200).text();
        let input = page.split("name=\"submit_id\" value=\"").nth(1).unwrap();
        seen.push(input.split('"').next().unwrap().to_owned());
    }
    assert!(seen[0] != seen[1] && seen[0].len() == 22, "{seen:?}");
}

async fn a_locked_endpoint_takes_a_submit_once(app: TestApp) {
    let (endpoint, token) = app.locked().await;
    let body = json!({ "unique_id": endpoint.id, "submit_id": ID, "expiry": "09/33", "cvv": "145", "card_holder": "Ada" });
    let form = text(
        &app.merchant
            .post("/v1/capture/iframe", json!({ "field_options": { "card_number": { "visible": false } } }))
            .await
            .ok()["id"],
    );
    for _ in 0..2 {
        let call = Call::new("POST", &format!("/v1/capture/iframe/{form}"));
        let call = call.header("x-capture-secret", &endpoint.secret).json(&body);
        assert_eq!(app.anonymous.send(call).await.ok()["response"]["token"], token);
    }
    assert_eq!(uses(&app, &endpoint).await, 1);
    assert_eq!(app.stored_cards("managed").await.remove(0).last_patch, 1);
}
