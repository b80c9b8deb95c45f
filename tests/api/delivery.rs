//! Delivery of outgoing events: what receivers get, when, in which order, and what merchants see of it.

use std::sync::Arc;
use std::time::Duration;

use backend::config::Settings;
use backend::model::{EventState, MerchantId, Mode, OutboxEvent, Schedule, Scopes};
use backend::outbox::{self, NewEvent, Parcel, WebhookCourier, Worker};
use backend::outgoing::{Allowed, Outgoing};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::app::{Endpoint, NUMBER, TestApp, card, text};
use crate::receiver::Receiver;

on_both_engines! {
    with local;
    a_capture_is_told_in_the_interfaces_shape,
    an_update_is_told_without_what_is_not_known,
    a_disabled_endpoint_is_told,
    a_failed_delivery_comes_again_by_the_schedule,
    a_delivery_is_given_up_at_its_last_attempt,
    gone_stops_a_delivery,
    a_receiver_says_when_to_come_again,
    a_redirect_is_not_followed,
    a_receiver_that_does_not_answer_is_given_up_for_now,
    events_of_one_order_leave_in_order,
    a_given_up_event_lets_the_next_one_through,
    a_delivery_can_be_sent_again,
    an_event_that_holds_a_link_is_erased,
    an_answer_is_kept_without_card_numbers,
    a_deleted_cards_event_never_leaves,
    a_rotated_secret_signs_beside_the_one_before,
    merchants_see_their_own_deliveries_only,
    a_crashed_delivery_is_taken_over,
    one_merchant_does_not_take_all_places,
}

/// Receivers run on loopback without TLS.
fn local(settings: &mut Settings) {
    settings.http_callbacks = true;
    settings.allowed_networks = vec!["127.0.0.0/8".parse().unwrap()];
}

async fn endpoint(app: &TestApp, url: &str, query: &str) -> Endpoint {
    let webhook = json!({ "url": url, "secret": "hook-secret", "metadata": { "order": 1.10, "big": 12_345_678_901_u64 } });
    let target = format!("/v1/capture?user=managed{query}");
    Endpoint::of(&app.merchant, &app.merchant.post(&target, json!({ "webhook": webhook })).await.ok())
}

/// An event of our own making.
async fn append(
    app: &TestApp,
    order: &str,
    url: &str,
    change: impl FnOnce(&mut NewEvent<'_>),
) -> OutboxEvent {
    append_for(app, &app.id, order, url, change).await
}

async fn append_for(
    app: &TestApp,
    merchant: &MerchantId,
    order: &str,
    url: &str,
    change: impl FnOnce(&mut NewEvent<'_>),
) -> OutboxEvent {
    let core = &app.app.core;
    let parcel =
        Parcel { to: url.to_owned(), headers: Vec::new(), body: json!({ "order": order }).to_string() };
    let mut event = NewEvent {
        merchant,
        mode: Mode::Live,
        kind: "test.happened",
        order,
        channel: outbox::WEBHOOK,
        parcel,
        schedule: Schedule::STANDARD,
        erases: false,
    };
    change(&mut event);
    let mut transaction = core.store.begin().await.unwrap();
    let id = outbox::append(core, &mut *transaction, event).await.unwrap();
    let found = transaction.find_event(merchant.clone(), Mode::Live, id.to_string()).await.unwrap();
    transaction.commit().await.unwrap();
    found.unwrap()
}

async fn shown(app: &TestApp, id: &str) -> Value {
    app.merchant.get(&format!("/v1/delivery/{id}")).await.ok()
}

/// `v1,` and the signature that a secret makes of what came.
pub fn signature(secret: &str, call: &crate::receiver::Received) -> String {
    let key = STANDARD.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
    let key = backend::crypto::Key32::from_slice(&key).unwrap();
    let signed = format!("{}.{}.{}", call.header("webhook-id"), call.header("webhook-timestamp"), call.text);
    format!("v1,{}", STANDARD.encode(backend::crypto::secret::mac(&key, signed.as_bytes())))
}

async fn secret(app: &TestApp) -> String {
    text(&app.merchant.get("/v1/webhook/secret").await.ok()["secret"])
}

async fn a_capture_is_told_in_the_interfaces_shape(app: TestApp) {
    let receiver = Receiver::start().await;
    let endpoint = endpoint(&app, &receiver.url, "&reference=r7").await;
    let mut body = card(NUMBER);
    body["cvv"] = json!("737");
    let token = text(&endpoint.capture(body).await.ok()["token"]);
    assert_eq!(app.deliver().await, 1);
    let [call] = receiver.calls().try_into().unwrap_or_else(|_| panic!("one call"));
    assert_eq!(call.header("x-pcivault-webhook-secret"), "hook-secret");
    assert_eq!(call.header("content-type"), "application/json");
    assert_eq!(call.header("content-length"), call.text.len().to_string());
    assert_eq!(call.header("webhook-signature"), signature(&secret(&app).await, &call));
    assert!(call.header("webhook-id").starts_with("evt_"));
    assert!(call.text.contains(r#""metadata":{"big":12345678901,"order":1.1}"#), "{}", call.text);
    let told = call.json();
    let info = &told["token_info"];
    assert_eq!((&told["type"], &info["token"]), (&json!("card.captured"), &json!(token)));
    assert_eq!((&info["user"], &info["reference"]), (&json!("managed"), &json!("r7")));
    assert_eq!(info["card_metadata"]["issuer"][0]["brand"], "visa");
    let safe: Value = serde_json::from_str(info["safe_data"].as_str().unwrap()).unwrap();
    assert_eq!((&safe["last_four"], &safe["expiry"]), (&json!("1111"), &json!("06/31")));
    assert!(!call.text.contains(NUMBER) && !call.text.contains("737"));
    assert_eq!(app.deliver().await, 0, "what was accepted does not leave again");
}

async fn an_update_is_told_without_what_is_not_known(app: TestApp) {
    let receiver = Receiver::start().await;
    let token = app.card().await;
    let endpoint = endpoint(&app, &receiver.url, &format!("&token={token}&reference=r1")).await;
    endpoint.capture(json!({ "expiry": "07/32" })).await.ok();
    app.deliver().await;
    let told = receiver.calls()[0].json();
    let safe: Value = serde_json::from_str(told["token_info"]["safe_data"].as_str().unwrap()).unwrap();
    assert_eq!((&safe["last_four"], &safe["expiry"]), (&json!(""), &json!("07/32")));
}

async fn a_disabled_endpoint_is_told(app: TestApp) {
    let receiver = Receiver::start().await;
    let endpoint = endpoint(&app, &receiver.url, "").await;
    for _ in 0..20 {
        endpoint.capture(card("4111111111111112")).await.refused(400, "invalid");
    }
    app.deliver().await;
    let told = receiver.calls()[0].json();
    assert_eq!(
        (&told["type"], &told["unique_id"]),
        (&json!("capture_endpoint.disabled"), &json!(endpoint.id))
    );
}

async fn a_failed_delivery_comes_again_by_the_schedule(app: TestApp) {
    let receiver = Receiver::start().await;
    receiver.answers(&[500, 503, 404, 429, 500, 500, 500, 500, 500]);
    let event = append(&app, "a", &receiver.url, |_| ()).await;
    assert_eq!(app.deliver().await, 1);
    for wait in [5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400] {
        app.clock.pass(wait - 1);
        assert_eq!(app.deliver().await, 0, "not before {wait} s");
        app.clock.pass(1 + wait / 10 + 1);
        assert_eq!(app.deliver().await, 1, "after {wait} s and a tenth");
    }
    let calls = receiver.calls();
    assert_eq!(calls.len(), 10);
    assert!(calls.iter().all(|call| call.header("webhook-id") == event.id.as_str()), "the id is stable");
    let times: Vec<_> = calls.iter().map(|call| call.header("webhook-timestamp").to_owned()).collect();
    assert!(times.is_sorted() && times[0] != times[9]);
    let shown = shown(&app, event.id.as_str()).await;
    assert_eq!((&shown["state"], &shown["attempts"]), (&json!("accepted"), &json!(10)));
    let statuses: Vec<_> = shown["log"].as_array().unwrap().iter().map(|one| one["status"].clone()).collect();
    assert_eq!(statuses, [500, 503, 404, 429, 500, 500, 500, 500, 500, 200].map(|status| json!(status)));
}

async fn a_delivery_is_given_up_at_its_last_attempt(app: TestApp) {
    let receiver = Receiver::start().await;
    receiver.answers(&[500; 2]);
    let event =
        append(&app, "a", &receiver.url, |event| event.schedule = Schedule::STANDARD.attempts(2)).await;
    app.deliver().await;
    app.clock.pass(6);
    assert_eq!(app.deliver().await, 1);
    let shown = shown(&app, event.id.as_str()).await;
    assert_eq!((&shown["state"], &shown["next_attempt_at"]), (&json!("given_up"), &Value::Null));
    app.clock.pass(1_000_000);
    assert_eq!(app.deliver().await, 0);
}

async fn a_receiver_that_does_not_answer_is_given_up_for_now(app: TestApp) {
    let receiver = Receiver::start().await;
    receiver.hold();
    let event = append(&app, "a", &receiver.url, |_| ()).await;
    let allowed = Allowed { networks: vec!["127.0.0.0/8".parse().unwrap()], plain_http: true };
    let client = Arc::new(Outgoing::patient(allowed, Duration::from_millis(100)).unwrap());
    let core = app.app.core.clone();
    let courier = Arc::new(WebhookCourier::new(core.clone(), client));
    assert_eq!(Arc::new(Worker::new(core, vec![courier])).step().await.unwrap(), 1);
    let shown = shown(&app, event.id.as_str()).await;
    assert_eq!((&shown["state"], &shown["attempts"]), (&json!("waiting"), &json!(1)));
    assert_eq!(shown["log"][0]["result"], "the server did not answer in time");
    // It comes again.
    receiver.release();
    app.clock.pass(6);
    assert_eq!(app.deliver().await, 1);
}

async fn gone_stops_a_delivery(app: TestApp) {
    let receiver = Receiver::start().await;
    receiver.answers(&[410]);
    let event = append(&app, "a", &receiver.url, |_| ()).await;
    app.deliver().await;
    assert_eq!(shown(&app, event.id.as_str()).await["state"], "given_up");
}

async fn a_receiver_says_when_to_come_again(app: TestApp) {
    let receiver = Receiver::start().await;
    receiver.answers_with(503, ("retry-after", "90"), "");
    append(&app, "a", &receiver.url, |_| ()).await;
    app.deliver().await;
    app.clock.pass(88);
    assert_eq!(app.deliver().await, 0);
    app.clock.pass(2);
    assert_eq!(app.deliver().await, 1);
}

async fn a_redirect_is_not_followed(app: TestApp) {
    let (receiver, elsewhere) = (Receiver::start().await, Receiver::start().await);
    receiver.answers_with(307, ("location", &elsewhere.url), "");
    let event = append(&app, "a", &receiver.url, |_| ()).await;
    app.deliver().await;
    assert_eq!((receiver.calls().len(), elsewhere.calls().len()), (1, 0));
    let shown = shown(&app, event.id.as_str()).await;
    assert_eq!((&shown["state"], &shown["log"][0]["status"]), (&json!("waiting"), &json!(307)));
}

async fn events_of_one_order_leave_in_order(app: TestApp) {
    let receiver = Receiver::start().await;
    receiver.answers(&[500]);
    let mut ids = Vec::new();
    for order in ["a", "a", "a"] {
        ids.push(append(&app, order, &receiver.url, |_| ()).await.id.to_string());
    }
    assert!(ids.is_sorted());
    assert_eq!(app.deliver().await, 1, "the later ones wait behind the failed one");
    append(&app, "b", &receiver.url, |_| ()).await;
    assert_eq!(app.deliver().await, 1, "another order does not");
    app.clock.pass(6);
    assert_eq!(app.deliver().await, 3);
    let told: Vec<_> = receiver.calls().iter().map(|call| call.header("webhook-id").to_owned()).collect();
    assert_eq!((&told[0], &told[2..]), (&ids[0], &ids[..]));
}

async fn a_given_up_event_lets_the_next_one_through(app: TestApp) {
    let receiver = Receiver::start().await;
    receiver.answers(&[410]);
    append(&app, "a", &receiver.url, |_| ()).await;
    let next = append(&app, "a", &receiver.url, |_| ()).await;
    assert_eq!(app.deliver().await, 2);
    assert_eq!(receiver.calls()[1].header("webhook-id"), next.id.as_str());
}

async fn a_delivery_can_be_sent_again(app: TestApp) {
    let receiver = Receiver::start().await;
    let event = append(&app, "a", &receiver.url, |_| ()).await;
    let target = format!("/v1/delivery/{}/resend", event.id);
    app.merchant.post(&target, json!({})).await.refused(409, "waits");
    app.deliver().await;
    app.merchant.post(&target, json!({})).await.ok();
    app.deliver().await;
    let calls = receiver.calls();
    assert_eq!(
        calls.iter().map(|call| call.header("webhook-id")).collect::<Vec<_>>(),
        [event.id.as_str(); 2]
    );
    assert_eq!(shown(&app, event.id.as_str()).await["log"].as_array().unwrap().len(), 2);
}

async fn an_event_that_holds_a_link_is_erased(app: TestApp) {
    let receiver = Receiver::start().await;
    receiver.answers(&[500]);
    let event = append(&app, "a", &receiver.url, |event| event.erases = true).await;
    app.deliver().await;
    assert!(!app.events().await[0].sealed.is_empty());
    app.clock.pass(6);
    app.deliver().await;
    let stored = app.events().await.remove(0);
    assert_eq!((stored.state, stored.sealed.len()), (EventState::Accepted, 0));
    let target = format!("/v1/delivery/{}/resend", event.id);
    app.merchant.post(&target, json!({})).await.refused(409, "erased");
}

async fn an_answer_is_kept_without_card_numbers(app: TestApp) {
    let receiver = Receiver::start().await;
    receiver.answers_with(200, ("x-a", "b"), &format!("thanks for {NUMBER}\n{}", "x".repeat(3000)));
    let event = append(&app, "a", &receiver.url, |_| ()).await;
    app.deliver().await;
    let answer = text(&shown(&app, event.id.as_str()).await["log"][0]["answer"]);
    assert!(answer.starts_with("thanks for **************** xxx") && answer.len() == 1024, "{answer}");
}

async fn a_deleted_cards_event_never_leaves(app: TestApp) {
    let receiver = Receiver::start().await;
    let endpoint = endpoint(&app, &receiver.url, "&reference=r1").await;
    let token = text(&endpoint.capture(card(NUMBER)).await.ok()["token"]);
    app.merchant.delete(&format!("/v1/vault?user=managed&token={token}&reference=r1")).await.ok();
    assert_eq!(app.deliver().await, 0);
    let stored = app.events().await.remove(0);
    assert_eq!((stored.state, stored.sealed.len()), (EventState::Dropped, 0));
    let target = format!("/v1/delivery/{}/resend", stored.id);
    app.merchant.post(&target, json!({})).await.refused(409, "erased");
    assert!(receiver.calls().is_empty());
}

async fn a_rotated_secret_signs_beside_the_one_before(app: TestApp) {
    let receiver = Receiver::start().await;
    let before = secret(&app).await;
    let rotated = app.merchant.post("/v1/webhook/secret/rotate", json!({})).await.ok();
    let after = text(&rotated["secret"]);
    assert!(before != after && rotated["previous_until"].is_string());
    append(&app, "a", &receiver.url, |_| ()).await;
    app.deliver().await;
    let call = receiver.calls().remove(0);
    let both = format!("{} {}", signature(&after, &call), signature(&before, &call));
    assert_eq!(call.header("webhook-signature"), both);
    app.clock.pass(24 * 3600);
    append(&app, "a", &receiver.url, |_| ()).await;
    app.deliver().await;
    let call = receiver.calls().remove(1);
    assert_eq!(call.header("webhook-signature"), signature(&after, &call));
    let of_test = text(&app.test_mode.get("/v1/webhook/secret").await.ok()["secret"]);
    assert!(of_test != after && of_test != before);
}

async fn merchants_see_their_own_deliveries_only(app: TestApp) {
    let receiver = Receiver::start().await;
    let event = append(&app, "a", &receiver.url, |_| ()).await;
    let listed = app.merchant.get("/v1/delivery").await;
    assert_eq!(listed.ok()[0]["id"], event.id.as_str());
    assert!(!listed.text().contains("127.0.0.1"), "a list shows no address");
    let other = app.other_merchant().await;
    for stranger in [&other, &app.test_mode] {
        assert_eq!(stranger.get("/v1/delivery").await.ok(), json!([]));
        stranger.get(&format!("/v1/delivery/{}", event.id)).await.refused(404, "not_found");
        stranger
            .post(&format!("/v1/delivery/{}/resend", event.id), json!({}))
            .await
            .refused(404, "not_found");
    }
    assert_ne!(text(&other.get("/v1/webhook/secret").await.ok()["secret"]), secret(&app).await);
}

async fn a_crashed_delivery_is_taken_over(app: TestApp) {
    let receiver = Receiver::start().await;
    let event = append(&app, "a", &receiver.url, |_| ()).await;
    // A node that leased it and died.
    let until = app.app.core.now().plus(Duration::from_secs(6));
    let mut transaction = app.app.core.store.begin().await.unwrap();
    assert_eq!(transaction.lease_events(vec![event.clone()], until).await.unwrap().len(), 1);
    transaction.commit().await.unwrap();
    assert_eq!(app.deliver().await, 0, "two nodes do not hold one lease");
    app.clock.pass(6);
    assert_eq!(app.deliver().await, 1);
    assert_eq!(receiver.calls()[0].header("webhook-id"), event.id.as_str());
}

async fn one_merchant_does_not_take_all_places(app: TestApp) {
    let receiver = Receiver::start().await;
    for number in 0..20 {
        append(&app, &number.to_string(), &receiver.url, |_| ()).await;
    }
    let other = app.new_merchant("Other", Scopes::usual()).await.id;
    append_for(&app, &other, "x", &receiver.url, |_| ()).await;
    assert_eq!(app.app.worker.step().await.unwrap(), 17, "16 of the first, and the other's one");
}

#[tokio::test]
async fn private_addresses_are_refused_at_creation_and_at_delivery() {
    let app = TestApp::on_sqlite_with(|settings| settings.http_callbacks = true).await;
    let receiver = Receiver::start().await;
    let port = receiver.url.rsplit(':').next().unwrap().to_owned();
    for host in ["127.0.0.1", "[::1]", "169.254.169.254", "10.0.0.7", "[::ffff:127.0.0.1]", "2130706433"] {
        let webhook = json!({ "webhook": { "url": format!("http://{host}:{port}") } });
        let refused = app.merchant.post("/v1/capture?user=managed", webhook).await;
        refused.refused(400, "invalid").at("/webhook/url", "url");
    }
    // A name is looked at when it is called, by what it resolves to then.
    let event = append(&app, "a", &format!("http://localhost:{port}"), |_| ()).await;
    assert_eq!(app.deliver().await, 1);
    assert!(receiver.calls().is_empty());
    let shown = shown(&app, event.id.as_str()).await;
    let result = text(&shown["log"][0]["result"]);
    assert!(result.contains("private network") && shown["state"] == "waiting", "{result}");
}

#[tokio::test]
async fn plain_http_needs_the_operators_word() {
    let app = TestApp::on_sqlite_with(|settings| {
        settings.allowed_networks = vec!["127.0.0.0/8".parse().unwrap()];
    })
    .await;
    let receiver = Receiver::start().await;
    let webhook = json!({ "webhook": { "url": receiver.url } });
    let refused = app.merchant.post("/v1/capture?user=managed", webhook).await;
    refused.refused(400, "invalid").at("/webhook/url", "url");
    let event = append(&app, "a", &receiver.url, |_| ()).await;
    app.deliver().await;
    assert!(receiver.calls().is_empty());
    assert_eq!(shown(&app, event.id.as_str()).await["state"], "given_up");
}

#[tokio::test]
async fn two_workers_deliver_each_event_once() {
    let app = TestApp::on_sqlite_with(local).await;
    let receiver = Receiver::start().await;
    for number in 0..12 {
        append(&app, &number.to_string(), &receiver.url, |_| ()).await;
    }
    let step = || {
        let worker = Arc::clone(&app.app.worker);
        tokio::spawn(async move { worker.step().await.unwrap() })
    };
    let (one, two) = tokio::join!(step(), step());
    assert_eq!(one.unwrap() + two.unwrap(), 12);
    let mut ids: Vec<_> = receiver.calls().iter().map(|call| call.header("webhook-id").to_owned()).collect();
    ids.sort();
    ids.dedup();
    assert_eq!((ids.len(), receiver.calls().len()), (12, 12));
}

#[tokio::test]
async fn the_log_is_swept_after_thirty_days() {
    let app = TestApp::on_sqlite_with(local).await;
    let receiver = Receiver::start().await;
    append(&app, "a", &receiver.url, |_| ()).await;
    app.deliver().await;
    app.clock.pass(29 * 24 * 3600);
    app.sweep().await;
    assert_eq!(app.events().await.len(), 1);
    app.clock.pass(24 * 3600 + 60);
    app.sweep().await;
    assert!(app.events().await.is_empty());
}
