//! Queued sends: repeated under one key until an answer comes, kept sealed, told once, gone when they end.

use serde_json::{Value, json};

use crate::acquirer::Acquirer;
use crate::app::{Endpoint, NUMBER, TestApp, card, text};
use crate::delivery::signature;
use crate::proxy::{message, open, prepared, target};
use crate::receiver::Receiver;

on_both_engines! {
    with open;
    a_busy_server_is_asked_again_under_the_same_key,
    a_refusal_is_an_answer,
    attempts_end,
    eight_attempts_are_made_by_the_schedule_unless_others_are_asked_for,
    too_many_requests_and_failures_of_the_server_are_tried_again_and_nothing_else_is,
    the_server_says_when_to_come_again,
    the_result_is_told_by_a_signed_webhook,
    a_code_waits_with_its_send_and_is_gone_with_it,
    a_code_does_not_wait_longer_than_with_its_card,
    a_deleted_card_is_not_sent,
    a_host_that_is_forbidden_meanwhile_is_not_called,
    an_answer_is_kept_for_a_day,
}

async fn queue(app: &TestApp, token: &str, more: &str, body: Value) -> String {
    let answer = app.merchant.post(&target(token, more), body).await.ok();
    assert_eq!(answer["state"], "queued");
    text(&answer["id"])
}

async fn show(app: &TestApp, id: &str) -> Value {
    app.merchant.get(&format!("/v1/proxy/{id}")).await.ok()
}

fn pan(acquirer: &Acquirer) -> Value {
    message(acquirer, "application/json", r#"{"pan":"{{card_number}}"}"#)
}

async fn a_busy_server_is_asked_again_under_the_same_key(app: TestApp) {
    let (acquirer, token) = prepared(&app).await;
    acquirer.answers(429, &[("Retry-After", "3600")], b"");
    acquirer.answers(503, &[], b"");
    let id = queue(&app, &token, "", pan(&acquirer)).await;
    app.deliver().await;
    app.clock.pass(60);
    app.deliver().await;
    assert_eq!((acquirer.taken(), &show(&app, &id).await["attempts"]), (1, &json!(1)));
    for wait in [3600, 600] {
        app.clock.pass(wait);
        app.deliver().await;
    }
    let shown = show(&app, &id).await;
    assert_eq!(
        (&shown["state"], &shown["status_code"], &shown["attempts"]),
        (&json!("answered"), &json!(200), &json!(3))
    );
    let calls = acquirer.calls();
    assert_eq!(calls.len(), 3);
    assert!(calls.iter().all(|call| call.header("idempotency-key") == id && call.body == calls[0].body));
}

async fn a_refusal_is_an_answer(app: TestApp) {
    let (acquirer, token) = prepared(&app).await;
    acquirer.answers(402, &[], b"declined");
    let id = queue(&app, &token, "", pan(&acquirer)).await;
    app.deliver().await;
    app.clock.pass(7200);
    app.deliver().await;
    let shown = show(&app, &id).await;
    assert_eq!((&shown["status"], &shown["body"], acquirer.taken()), (&json!("402"), &json!("declined"), 1));
}

async fn attempts_end(app: TestApp) {
    let (acquirer, token) = prepared(&app).await;
    for _ in 0..2 {
        acquirer.answers(500, &[], b"down");
    }
    let id = queue(&app, &token, "&max_attempts=2", pan(&acquirer)).await;
    for _ in 0..3 {
        app.deliver().await;
        app.clock.pass(3600);
    }
    let shown = show(&app, &id).await;
    assert_eq!(
        (&shown["state"], &shown["status_code"], acquirer.taken()),
        (&json!("failed"), &json!(500), 2)
    );
    for attempts in ["0", "17", "x"] {
        let answer =
            app.merchant.post(&target(&token, &format!("&max_attempts={attempts}")), pan(&acquirer)).await;
        answer.refused(400, "invalid").at("/max_attempts", "range");
    }
}

/// The seconds before each attempt but the first; the last wait is repeated.
const WAITS: [u64; 9] = [5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400];

async fn eight_attempts_are_made_by_the_schedule_unless_others_are_asked_for(app: TestApp) {
    let (acquirer, token) = prepared(&app).await;
    for (more, most) in [("", 8), ("&max_attempts=1", 1), ("&max_attempts=16", 16)] {
        for _ in 0..most {
            acquirer.answers(500, &[], b"down");
        }
        let before = acquirer.taken();
        let id = queue(&app, &token, more, pan(&acquirer)).await;
        app.deliver().await;
        for attempt in 1..most {
            assert_eq!(acquirer.taken(), before + attempt);
            let wait = WAITS[(attempt - 1).min(WAITS.len() - 1)];
            // A wait is up to a tenth longer, never shorter.
            app.clock.pass(wait - 3);
            assert_eq!(app.deliver().await, 0, "before the wait of attempt {attempt}");
            app.clock.pass(3 + wait / 10 + 1);
            assert_eq!(app.deliver().await, 1, "after the wait of attempt {attempt}");
        }
        app.clock.pass(48 * 3600);
        app.deliver().await;
        let shown = show(&app, &id).await;
        assert_eq!((&shown["state"], &shown["attempts"]), (&json!("failed"), &json!(most)));
        assert_eq!((&shown["status_code"], acquirer.taken()), (&json!(500), before + most));
    }
}

async fn too_many_requests_and_failures_of_the_server_are_tried_again_and_nothing_else_is(app: TestApp) {
    let (acquirer, token) = prepared(&app).await;
    for (status, attempts) in
        [(429, 2), (500, 2), (502, 2), (503, 2), (504, 2), (301, 1), (400, 1), (404, 1), (409, 1), (422, 1)]
    {
        let before = acquirer.taken();
        acquirer.answers(status, &[], b"");
        let id = queue(&app, &token, "", pan(&acquirer)).await;
        app.deliver().await;
        app.clock.pass(7);
        app.deliver().await;
        let shown = show(&app, &id).await;
        let last = if attempts == 2 { 200 } else { status };
        assert_eq!((&shown["state"], &shown["status_code"]), (&json!("answered"), &json!(last)));
        assert_eq!(acquirer.taken() - before, attempts, "{status}");
    }
}

async fn the_server_says_when_to_come_again(app: TestApp) {
    let (acquirer, token) = prepared(&app).await;
    // The clock of the tests begins at 08:00; seconds come after the date's four hours.
    let date = "Fri, 15 Jan 2027 12:00:00 GMT";
    for (status, later, seconds) in [(503, date, 4 * 3600), (429, "900", 900), (503, "7200", 7200)] {
        let before = acquirer.taken();
        acquirer.answers(status, &[("Retry-After", later)], b"");
        queue(&app, &token, "", pan(&acquirer)).await;
        app.deliver().await;
        app.clock.pass(seconds - 60);
        assert_eq!((app.deliver().await, acquirer.taken()), (0, before + 1), "{status} {later}");
        app.clock.pass(61);
        assert_eq!((app.deliver().await, acquirer.taken()), (1, before + 2), "{status} {later}");
    }
    // Sooner than the schedule is no reason to hurry.
    let before = acquirer.taken();
    acquirer.answers(429, &[("Retry-After", "0")], b"");
    queue(&app, &token, "", pan(&acquirer)).await;
    app.deliver().await;
    app.clock.pass(2);
    assert_eq!((app.deliver().await, acquirer.taken()), (0, before + 1));
}

async fn the_result_is_told_by_a_signed_webhook(app: TestApp) {
    let (acquirer, token) = prepared(&app).await;
    let receiver = Receiver::start().await;
    acquirer.answers(201, &[("X-Id", "7")], NUMBER.as_bytes());
    let mut body = pan(&acquirer);
    body["webhook"] = json!({ "url": receiver.url, "secret": "shared" });
    let id = queue(&app, &token, "", body).await;
    app.deliver().await;
    let call = receiver.calls().remove(0);
    let told = call.json();
    assert_eq!((&told["type"], &told["id"]), (&json!("proxy.result"), &json!(id)));
    assert_eq!((&told["status"], &told["status_code"]), (&json!("201"), &json!(201)));
    assert_eq!((&told["body"], &told["token"]), (&json!(token), &json!(token)));
    assert!(told["headers"].as_array().unwrap().contains(&json!({ "x-id": "7" })));
    assert_eq!(call.header("x-pcivault-webhook-secret"), "shared");
    let shown = app.merchant.get("/v1/webhook/secret").await.ok();
    assert_eq!(call.header("webhook-signature"), signature(&text(&shown["secret"]), &call));
}

/// The card's code, captured anew.
async fn code(app: &TestApp, token: &str) {
    let endpoint = app.endpoint(&format!("&token={token}&reference=r1")).await;
    endpoint.capture(json!({ "cvv": "737" })).await.ok();
}

async fn a_code_waits_with_its_send_and_is_gone_with_it(app: TestApp) {
    let (acquirer, token) = prepared(&app).await;
    code(&app, &token).await;
    acquirer.answers(503, &[], b"");
    let body = message(&acquirer, "application/json", "{{cvv}}");
    let id = queue(&app, &token, "", body.clone()).await;
    app.merchant.post(&target(&token, ""), body).await.refused(409, "no_code");
    app.deliver().await;
    app.clock.pass(10);
    app.deliver().await;
    assert_eq!(acquirer.calls().iter().map(crate::acquirer::Got::text).collect::<Vec<_>>(), ["737", "737"]);
    let send = stored(&app, &id).await;
    assert!(send.code.is_none() && send.sealed.is_empty());
}

async fn stored(app: &TestApp, id: &str) -> backend::model::ProxySend {
    let id = backend::model::SendId::stored(id.to_owned());
    let mut transaction = app.app.core.store.read().await.unwrap();
    transaction.find_send(app.id.clone(), backend::model::Mode::Live, id).await.unwrap().unwrap()
}

async fn a_code_does_not_wait_longer_than_with_its_card(app: TestApp) {
    let (acquirer, token) = prepared(&app).await;
    code(&app, &token).await;
    acquirer.answers(503, &[("Retry-After", "7200")], b"");
    let id = queue(&app, &token, "", message(&acquirer, "application/json", "{{cvv}}")).await;
    app.deliver().await;
    assert!(stored(&app, &id).await.code.is_some());
    app.clock.pass(3600);
    app.sweep().await;
    assert!(stored(&app, &id).await.code.is_none());
    app.clock.pass(3600);
    app.deliver().await;
    let shown = show(&app, &id).await;
    assert_eq!((&shown["state"], acquirer.taken()), (&json!("failed"), 1));
    assert!(text(&shown["error"]).contains("security code"));
}

async fn a_deleted_card_is_not_sent(app: TestApp) {
    let (acquirer, token) = prepared(&app).await;
    let id = queue(&app, &token, "", pan(&acquirer)).await;
    app.merchant.delete(&format!("/v1/vault?user=managed&token={token}&reference=r1")).await.ok();
    app.deliver().await;
    assert_eq!(acquirer.taken(), 0);
    app.merchant.get(&format!("/v1/proxy/{id}")).await.refused(404, "not_found");
}

async fn a_host_that_is_forbidden_meanwhile_is_not_called(app: TestApp) {
    let (acquirer, token) = prepared(&app).await;
    let id = queue(&app, &token, "", pan(&acquirer)).await;
    let modes = [backend::model::Mode::Live];
    backend::proxy::hosts::forbid(&app.app.core, "Shop", &modes, &acquirer.host).await.unwrap();
    app.deliver().await;
    assert_eq!((acquirer.taken(), &show(&app, &id).await["state"]), (0, &json!("failed")));
}

async fn an_answer_is_kept_for_a_day(app: TestApp) {
    let (acquirer, token) = prepared(&app).await;
    let id = queue(&app, &token, "", pan(&acquirer)).await;
    app.deliver().await;
    app.clock.pass(23 * 3600);
    app.sweep().await;
    show(&app, &id).await;
    app.clock.pass(2 * 3600);
    app.sweep().await;
    app.merchant.get(&format!("/v1/proxy/{id}")).await.refused(404, "not_found");
}

/// A destination that does not answer holds some places, and webhooks have others.
#[tokio::test]
async fn slow_destinations_do_not_hold_webhooks_back() {
    let app = TestApp::on_sqlite_with(open).await;
    let (acquirer, token) = prepared(&app).await;
    let receiver = Receiver::start().await;
    acquirer.hold(true);
    for _ in 0..40 {
        queue(&app, &token, "", pan(&acquirer)).await;
    }
    let (ending, stop) = tokio::sync::watch::channel(false);
    let worker = tokio::spawn(std::sync::Arc::clone(&app.app.worker).run(stop));
    acquirer.wait_for(8).await;
    let webhook = json!({ "webhook": { "url": receiver.url } });
    let endpoint =
        Endpoint::of(&app.anonymous, &app.merchant.post("/v1/capture?user=managed", webhook).await.ok());
    endpoint.capture(card(NUMBER)).await.ok();
    receiver.wait_for(1).await;
    // Eight of them waited then, or on a slow machine their successors too; never the whole queue.
    assert!(acquirer.taken() < 32, "{}", acquirer.taken());
    acquirer.hold(false);
    ending.send(true).unwrap();
    worker.await.unwrap();
}

#[tokio::test]
async fn what_waits_is_sealed() {
    let app = TestApp::on_sqlite_with(open).await;
    let (acquirer, token) = prepared(&app).await;
    code(&app, &token).await;
    let mut body = message(&acquirer, "application/json", "{{cvv}}{{card_number}}");
    body["request"]["headers"] = json!([{ "Authorization": "Bearer very-secret-of-the-acquirer" }]);
    queue(&app, &token, "", body).await;
    let disk = app.bytes_on_disk();
    for secret in [NUMBER, "very-secret-of-the-acquirer"] {
        assert!(!disk.windows(secret.len()).any(|window| window == secret.as_bytes()), "{secret}");
    }
}
