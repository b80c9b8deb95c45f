//! Time and room of proxy calls: large ones have so many places on a node and wait no longer than the call may last,
//! and nobody has a place who may not send.

use backend::model::Scope;
use serde_json::Value;
use tokio::task::JoinHandle;

use crate::acquirer::Acquirer;
use crate::app::{Endpoint, NUMBER, TestApp, card, let_pass, text};
use crate::client::{Answer, Call, Client};
use crate::proxy::{message, open, prepared, target};

on_both_engines! {
    with open;
    a_large_call_without_room_is_refused_in_time_and_captures_go_on,
    a_large_call_has_its_turn_when_another_ends,
    small_calls_and_their_results_need_no_room,
    who_may_not_send_has_no_place,
    a_large_answer_keeps_its_place_until_it_is_taken,
    a_large_answer_without_a_place_is_given_up_in_time,
}

/// The places on a node.
const PLACES: usize = 16;

/// Bodies of more than 32 KB are large.
fn large(acquirer: &Acquirer) -> Value {
    message(acquirer, "text/plain", &format!("{{{{card_number}}}}{}", "x".repeat(40 * 1024)))
}

fn small(acquirer: &Acquirer) -> Value {
    message(acquirer, "text/plain", "{{card_number}}")
}

/// Sends it at once, beside the test.
fn start(app: &TestApp, token: &str, body: Value) -> JoinHandle<Answer> {
    let (merchant, target) = (app.merchant.clone(), target(token, "&synchronous=true"));
    tokio::spawn(async move { merchant.post(&target, body).await })
}

/// All places taken by calls to an acquirer that does not answer yet.
async fn full(app: &TestApp) -> (Acquirer, String, Vec<JoinHandle<Answer>>) {
    let (acquirer, token) = prepared(app).await;
    acquirer.hold(true);
    let calls = (0..PLACES).map(|_| start(app, &token, large(&acquirer))).collect();
    acquirer.wait_for(PLACES).await;
    (acquirer, token, calls)
}

/// Lets others work until they have come to where they wait.
async fn settle() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

async fn a_large_call_without_room_is_refused_in_time_and_captures_go_on(app: TestApp) {
    let (acquirer, token, calls) = full(&app).await;
    let waiting = start(&app, &token, large(&acquirer));
    let queued = {
        let (merchant, target, body) = (app.merchant.clone(), target(&token, ""), large(&acquirer));
        tokio::spawn(async move { merchant.post(&target, body).await })
    };
    let endpoint: Endpoint = app.endpoint("").await;
    endpoint.capture(card(NUMBER)).await.ok();
    app.anonymous.post(&target(&token, ""), large(&acquirer)).await.refused(401, "unauthenticated");
    assert!(!waiting.is_finished() && !queued.is_finished() && acquirer.taken() == PLACES);
    let_pass(20).await;
    for call in [waiting, queued] {
        let answer = call.await.unwrap();
        answer.refused(503, "busy");
        assert_eq!(answer.header("retry-after"), "5");
    }
    for call in calls {
        call.await.unwrap().refused(504, "proxy_timeout");
    }
    // Nothing of those that waited has left, and the next one has room again.
    assert_eq!(acquirer.taken(), PLACES);
    acquirer.hold(false);
    start(&app, &token, large(&acquirer)).await.unwrap().ok();
}

async fn a_large_call_has_its_turn_when_another_ends(app: TestApp) {
    let (acquirer, token, calls) = full(&app).await;
    let waiting = start(&app, &token, large(&acquirer));
    settle().await;
    assert_eq!(acquirer.taken(), PLACES);
    acquirer.hold(false);
    assert_eq!(waiting.await.unwrap().ok()["status_code"], 200);
    for call in calls {
        // The acquirer refuses what it let wait.
        assert_eq!(call.await.unwrap().ok()["status_code"], 503);
    }
}

async fn small_calls_and_their_results_need_no_room(app: TestApp) {
    let (acquirer, token, calls) = full(&app).await;
    let queued = text(&app.merchant.post(&target(&token, ""), small(&acquirer)).await.ok()["id"]);
    assert_eq!(app.merchant.get(&format!("/v1/proxy/{queued}")).await.ok()["state"], "queued");
    let at_once = start(&app, &token, small(&acquirer));
    acquirer.wait_for(PLACES + 1).await;
    acquirer.hold(false);
    at_once.await.unwrap().ok();
    for call in calls {
        call.await.unwrap().ok();
    }
}

async fn who_may_not_send_has_no_place(app: TestApp) {
    let (acquirer, token) = prepared(&app).await;
    let reader: Client = app.with_scopes(&[Scope::CardRead, Scope::CardWrite]).await;
    let wrong = app.anonymous.with_basic("nobody", "wrong");
    for path in
        [target(&token, ""), target(&token, "&synchronous=true"), "/v1/proxy/get?user=managed".to_owned()]
    {
        for key in ["", "once"] {
            // They are refused before a body has come: this one never comes.
            let call = || {
                let call = Call::new("POST", &path);
                if key.is_empty() { call } else { call.header("idempotency-key", key) }
            };
            assert_eq!(app.anonymous.open_without_body(call()).await, 401);
            assert_eq!(wrong.open_without_body(call()).await, 401);
            assert_eq!(reader.open_without_body(call()).await, 403);
        }
    }
    assert_eq!(acquirer.taken(), 0);
}

/// A small call whose answer is large: its head is there, its body is not taken.
async fn answered(app: &TestApp, acquirer: &Acquirer, token: &str) -> axum::response::Response {
    acquirer.answers(200, &[], &vec![b'x'; 100 * 1024]);
    let call = Call::new("POST", &target(token, "&synchronous=true")).json(&small(acquirer));
    app.merchant.open(call).await
}

async fn a_large_answer_keeps_its_place_until_it_is_taken(app: TestApp) {
    let (acquirer, token) = prepared(&app).await;
    let mut untaken = Vec::new();
    for _ in 0..PLACES {
        let response = answered(&app, &acquirer, &token).await;
        assert_eq!(response.status(), 200);
        untaken.push(response);
    }
    acquirer.answers(200, &[], &vec![b'x'; 100 * 1024]);
    let waiting = start(&app, &token, small(&acquirer));
    acquirer.wait_for(PLACES + 1).await;
    settle().await;
    assert!(!waiting.is_finished());
    // A small answer needs none.
    start(&app, &token, small(&acquirer)).await.unwrap().ok();
    let body = untaken.pop().unwrap().into_body();
    let bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    let first: Value = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(text(&first["body"]).len(), 100 * 1024);
    assert_eq!(text(&waiting.await.unwrap().ok()["body"]).len(), 100 * 1024);
}

async fn a_large_answer_without_a_place_is_given_up_in_time(app: TestApp) {
    let (acquirer, token) = prepared(&app).await;
    let mut untaken = Vec::new();
    for _ in 0..PLACES {
        untaken.push(answered(&app, &acquirer, &token).await);
    }
    acquirer.answers(200, &[], &vec![b'x'; 100 * 1024]);
    let waiting = start(&app, &token, small(&acquirer));
    acquirer.wait_for(PLACES + 1).await;
    let_pass(20).await;
    // It has left, so that it is not to be sent again.
    waiting.await.unwrap().refused(504, "proxy_timeout");
    drop(untaken);
    acquirer.answers(200, &[], &vec![b'x'; 100 * 1024]);
    start(&app, &token, small(&acquirer)).await.unwrap().ok();
}
