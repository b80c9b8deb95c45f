//! `Idempotency-Key`: the rules that Stripe gives for it, on every interface.

use backend::access::idempotency::{self, AfterCrash, Asked, Begun, Holder, IdempotencyError, Keys};
use backend::json::Members;
use backend::model::Mode;
use serde_json::{Value, json};

use crate::app::{AMEX, NUMBER, OTHER_NUMBER, TestApp, card, text};
use crate::client::{Answer, Call, Client};

on_both_engines! {
    the_first_answer_is_given_again,
    a_failure_is_given_again,
    other_parameters_are_refused,
    a_key_is_ones_own,
    a_call_that_still_runs_is_not_run_twice,
    two_at_once_store_one_card,
    nothing_is_kept_of_a_call_that_was_refused_before_it_began,
    an_answer_is_kept_for_a_day,
    a_code_does_not_count,
    an_answer_is_sealed_under_the_callers_own_credential,
    a_key_has_its_form,
    a_capture_is_stored_once,
    who_holds_an_endpoints_secret_takes_no_key_of_the_merchants,
    a_card_request_is_made_once,
    refusals_have_the_interfaces_shape,
}

/// A store whose token is another one each time.
const STORE: &str = "/v1/vault?user=managed&algorithm=random";

async fn post(client: &Client, target: &str, key: &str, body: &Value) -> Answer {
    client.send(Call::new("POST", target).header("idempotency-key", key).json(body)).await
}

async fn count(app: &TestApp) -> usize {
    app.stored_cards("managed").await.len()
}

async fn the_first_answer_is_given_again(app: TestApp) {
    let first = post(&app.merchant, STORE, "order-1", &card(NUMBER)).await;
    assert_eq!(first.header("idempotent-replayed"), "");
    let second = post(&app.merchant, STORE, "order-1", &card(NUMBER)).await;
    assert_eq!((first.ok(), second.header("idempotent-replayed")), (second.ok(), "true"));
    assert_eq!(second.header("content-type"), first.header("content-type"));
    assert_eq!(count(&app).await, 1);
    let other = post(&app.merchant, STORE, "order-2", &card(NUMBER)).await;
    assert_ne!(other.ok()["token"], first.ok()["token"]);
    assert_eq!(count(&app).await, 2);
}

async fn a_failure_is_given_again(app: TestApp) {
    app.key().await;
    let body = json!({ "user": "shop" });
    post(&app.merchant, "/v1/key", "k", &body).await.refused(409, "key_exists");
    app.merchant.delete("/v1/key?user=shop").await.ok();
    let again = post(&app.merchant, "/v1/key", "k", &body).await;
    again.refused(409, "key_exists");
    assert_eq!(again.header("idempotent-replayed"), "true");
    post(&app.merchant, "/v1/key", "other", &body).await.ok();
}

async fn other_parameters_are_refused(app: TestApp) {
    post(&app.merchant, STORE, "k", &card(NUMBER)).await.ok();
    let more = format!("{STORE}&reference=r");
    for (target, body) in [
        (STORE, card(OTHER_NUMBER)),
        (STORE, json!({ "card_number": NUMBER })),
        (&more, card(NUMBER)),
        ("/v1/key", json!({ "user": "shop" })),
    ] {
        post(&app.merchant, target, "k", &body).await.refused(422, "idempotency_key_reused");
    }
    let scopes = json!({ "scopes": ["card:write"] });
    let made = app.merchant.post("/v1/api-key", scopes).await.ok();
    let other = app.anonymous.with_basic(&text(&made["user"]), &text(&made["password"]));
    post(&other, STORE, "k", &card(NUMBER)).await.refused(422, "idempotency_key_reused");
    assert_eq!(count(&app).await, 1);
}

async fn a_key_is_ones_own(app: TestApp) {
    let first = post(&app.merchant, STORE, "k", &card(NUMBER)).await.ok();
    for client in [app.test_mode.clone(), app.other_merchant().await] {
        let answer = post(&client, STORE, "k", &card(OTHER_NUMBER)).await;
        assert_ne!(answer.ok()["token"], first["token"]);
        assert_eq!(answer.header("idempotent-replayed"), "");
    }
    post(&app.anonymous, STORE, "k", &card(NUMBER)).await.refused(401, "unauthenticated");
}

/// Begins a call as a node does that goes away before its end.
async fn begin(
    app: &TestApp,
    user: &str,
    password: &str,
    after: AfterCrash,
) -> Result<Begun, IdempotencyError> {
    let holder = Holder {
        merchant: app.id.clone(),
        mode: Mode::Live,
        keys: Keys::Merchant,
        name: user.to_owned(),
        secret: password.to_owned().into(),
    };
    let query = Members::parse(br#"{"user":"managed","algorithm":"random"}"#).unwrap();
    let body = Members::parse(card(NUMBER).to_string().as_bytes()).unwrap();
    let asked = Asked { method: "POST", path: "/v1/vault", query: &query, body: Some(&body), raw: b"" };
    idempotency::begin(&app.app.core, &holder, "k", &asked, after).await
}

async fn a_call_that_still_runs_is_not_run_twice(app: TestApp) {
    let made = app.merchant.post("/v1/api-key", json!({ "scopes": ["card:write"] })).await.ok();
    let (user, password) = (text(&made["user"]), text(&made["password"]));
    let client = app.anonymous.with_basic(&user, &password);
    assert!(matches!(begin(&app, &user, &password, AfterCrash::Refuse).await, Ok(Begun::Run(_))));
    post(&client, STORE, "k", &card(NUMBER)).await.refused(409, "in_progress");
    assert_eq!(count(&app).await, 0);
    // The node that ran it went away: what may be run again is, what may not is refused.
    app.clock.pass(121);
    let refused = begin(&app, &user, &password, AfterCrash::Refuse).await;
    assert!(matches!(refused, Err(IdempotencyError::Unfinished)));
    let first = post(&client, STORE, "k", &card(NUMBER)).await.ok();
    assert_eq!(post(&client, STORE, "k", &card(NUMBER)).await.ok(), first);
    assert_eq!(count(&app).await, 1);
}

async fn two_at_once_store_one_card(app: TestApp) {
    let body = card(NUMBER);
    let call = || post(&app.merchant, STORE, "k", &body);
    let (a, b, c) = tokio::join!(call(), call(), call());
    for answer in [a, b, c] {
        if answer.status != 200 {
            answer.refused(409, "in_progress");
        }
    }
    assert_eq!(post(&app.merchant, STORE, "k", &body).await.header("idempotent-replayed"), "true");
    assert_eq!(count(&app).await, 1);
}

async fn nothing_is_kept_of_a_call_that_was_refused_before_it_began(app: TestApp) {
    post(&app.merchant, STORE, "k", &json!({ "card_number": "4111111111111112" }))
        .await
        .refused(400, "invalid");
    post(&app.merchant, "/v1/vault?user=none", "k", &card(NUMBER)).await.refused(404, "not_found");
    let reader = app.with_scopes(&[backend::model::Scope::CardRead]).await;
    post(&reader, STORE, "k", &card(NUMBER)).await.refused(403, "forbidden");
    let call = Call::new("POST", STORE).header("idempotency-key", "k").body("{\"card_number\":");
    app.merchant.send(call).await.refused(400, "malformed");
    let first = post(&app.merchant, STORE, "k", &card(NUMBER)).await;
    assert_eq!((first.is(200).header("idempotent-replayed"), count(&app).await), ("", 1));
}

async fn an_answer_is_kept_for_a_day(app: TestApp) {
    let first = post(&app.merchant, STORE, "k", &card(NUMBER)).await.ok();
    app.clock.pass(24 * 3600 - 60);
    app.sweep().await;
    assert_eq!(post(&app.merchant, STORE, "k", &card(NUMBER)).await.ok(), first);
    app.clock.pass(61);
    let next = post(&app.merchant, STORE, "k", &card(AMEX)).await;
    assert_ne!(next.ok()["token"], first["token"]);
    app.clock.pass(24 * 3600);
    app.sweep().await;
    post(&app.merchant, STORE, "k", &card(NUMBER)).await.ok();
    assert_eq!(count(&app).await, 3);
}

async fn a_code_does_not_count(app: TestApp) {
    let body = |number: &str, cvv: &str| json!({ "card_number": number, "cvv": cvv });
    let first = post(&app.merchant, STORE, "k", &body(NUMBER, "123")).await.ok();
    let again = post(&app.merchant, STORE, "k", &body("4111 1111 1111 1111", "321")).await;
    assert_eq!((again.ok(), again.header("idempotent-replayed")), (first, "true"));
}

async fn an_answer_is_sealed_under_the_callers_own_credential(app: TestApp) {
    let made = app.merchant.post("/v1/api-key", json!({ "scopes": ["capture:create"] })).await.ok();
    let client = app.anonymous.with_basic(&text(&made["user"]), &text(&made["password"]));
    let target = "/v1/capture?user=managed";
    let created = post(&client, target, "k", &json!({})).await.ok();
    let again = post(&client, target, "k", &json!({})).await.ok();
    assert_eq!(created["secret"], again["secret"]);
    let changed = client.post("/v1/change-password", json!({})).await.ok();
    let client = app.anonymous.with_basic(&text(&changed["user"]), &text(&changed["password"]));
    post(&client, target, "k", &json!({})).await.refused(422, "idempotency_key_reused");
}

#[tokio::test]
async fn a_kept_answer_does_not_stand_in_the_file() {
    let app = TestApp::on_sqlite().await;
    let created = post(&app.merchant, "/v1/capture?user=managed", "secret-key-name", &json!({})).await.ok();
    let bytes = app.bytes_on_disk();
    for text in [text(&created["secret"]), "secret-key-name".to_owned()] {
        assert!(!bytes.windows(text.len()).any(|window| window == text.as_bytes()), "{text}");
    }
}

async fn a_key_has_its_form(app: TestApp) {
    for key in ["", "two words", &"x".repeat(256)] {
        post(&app.merchant, STORE, key, &card(NUMBER)).await.refused(400, "idempotency_key");
    }
    post(&app.merchant, STORE, &"x".repeat(255), &card(NUMBER)).await.ok();
}

async fn a_capture_is_stored_once(app: TestApp) {
    let endpoint = app.endpoint("&algorithm=random&max_uses=1").await;
    let call = || endpoint.call("").header("idempotency-key", "k").json(&card(NUMBER));
    let first = app.anonymous.send(call()).await.ok();
    let again = app.anonymous.send(call()).await;
    assert_eq!((again.ok(), again.header("idempotent-replayed")), (first, "true"));
    assert_eq!(count(&app).await, 1);
    let mut wrong = endpoint.clone();
    "wrong".clone_into(&mut wrong.secret);
    let call = wrong.call("").header("idempotency-key", "k").json(&card(NUMBER));
    app.anonymous.send(call).await.refused(404, "not_found");
    let other = endpoint.call("").header("idempotency-key", "k").json(&card(OTHER_NUMBER));
    app.anonymous.send(other).await.refused(422, "idempotency_key_reused");
    let preflight = Call::new("OPTIONS", &format!("/v1/capture/{}", endpoint.id))
        .header("origin", "https://shop.example")
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "idempotency-key");
    let allowed = app.anonymous.send(preflight).await;
    assert!(allowed.header("access-control-allow-headers").contains("idempotency-key"));
}

async fn who_holds_an_endpoints_secret_takes_no_key_of_the_merchants(app: TestApp) {
    let (one, two) = (app.endpoint("&algorithm=random").await, app.endpoint("&algorithm=random").await);
    let capture = async |endpoint: &crate::app::Endpoint, key: &str| {
        let call = endpoint.call("").header("idempotency-key", key).json(&card(NUMBER));
        app.anonymous.send(call).await
    };
    // The cardholder is first: the merchant's call under the same key is run all the same.
    capture(&one, "order-1").await.ok();
    let stored = post(&app.merchant, STORE, "order-1", &card(OTHER_NUMBER)).await;
    assert_eq!((stored.is(200).header("idempotent-replayed"), count(&app).await), ("", 2));
    // The merchant is first: the cardholder neither gets the answer nor learns that the key was used.
    post(&app.merchant, STORE, "order-2", &card(NUMBER)).await.ok();
    let mine = capture(&one, "order-2").await;
    assert_eq!((mine.is(200).header("idempotent-replayed"), count(&app).await), ("", 4));
    // Holders of two endpoints are strangers to each other too.
    let theirs = capture(&two, "order-1").await;
    assert_eq!((theirs.is(200).header("idempotent-replayed"), count(&app).await), ("", 5));
    assert_eq!(capture(&two, "order-1").await.header("idempotent-replayed"), "true");
}

async fn a_card_request_is_made_once(app: TestApp) {
    let body = json!({ "RecipientEmail": "ada@example.com" });
    let first = post(&app.merchant, "/api/cardrequest", "k", &body).await;
    let again = post(&app.merchant, "/api/cardrequest", "k", &body).await;
    assert_eq!(
        (first.is(201).header("location"), again.is(201).header("location")),
        (again.header("location"), first.header("location"))
    );
    assert_eq!(again.header("idempotent-replayed"), "true");
    let mails = app.events().await.iter().filter(|event| event.channel == "mail").count();
    assert_eq!(mails, 1);
}

async fn refusals_have_the_interfaces_shape(app: TestApp) {
    let body = json!({ "RecipientEmail": "ada@example.com" });
    post(&app.merchant, "/api/cardrequest", "k", &body).await.is(201);
    let other = json!({ "RecipientEmail": "bob@example.com" });
    let refused = post(&app.merchant, "/api/cardrequest", "k", &other).await;
    assert_eq!(refused.is(422).json()["code"], -168);
    let xml = "<CardRequest><RecipientEmail>bob@example.com</RecipientEmail></CardRequest>";
    let call =
        Call::new("POST", "/api/cardrequest").header("idempotency-key", "k").header("accept", "text/xml");
    let refused = app.merchant.send(call.body(xml)).await;
    assert!(refused.is(422).text().contains("<code>-168</code>"));
    let wrong = app.anonymous.with_basic("nobody", "x");
    assert_eq!(post(&wrong, "/api/cardrequest", "k", &body).await.is(401).json()["code"], -1003);
}
