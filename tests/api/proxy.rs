//! Stored cards sent to other servers at once: to the byte, only where the operator allows, and nothing of a number
//! in what comes back.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use backend::config::Settings;
use backend::model::Scope;
use backend::outgoing::{Allowed, Dedicated, Lookup, Outgoing};
use backend::proxy::{Proxy, hosts};
use serde_json::{Value, json};

use crate::acquirer::Acquirer;
use crate::app::{Endpoint, NUMBER, OTHER_NUMBER, PASSPHRASE, TestApp, text};
use crate::client::{Answer, Call, Client};

on_both_engines! {
    with open;
    a_card_arrives_to_the_byte,
    address_and_headers_are_templates_too,
    a_code_is_used_once_and_gone,
    a_code_stays_where_its_terms_do_not_let_it_go,
    a_name_that_the_card_does_not_have_uses_no_code,
    what_does_not_fit_is_told_without_opening_the_card,
    a_card_that_does_not_fit_tells_nothing_and_keeps_its_use,
    questions_about_a_card_are_counted,
    a_number_that_comes_back_is_replaced_by_its_token,
    the_number_of_another_stored_card_is_masked,
    a_code_that_comes_back_is_hidden,
    what_is_shown_of_a_message_is_masked,
    rules_change_what_is_sent,
    only_allowed_hosts_are_called,
    the_host_does_not_come_out_of_a_member,
    what_rules_make_of_a_secret_does_not_stand_in_an_address,
    a_member_stays_in_its_part_of_the_address,
    a_line_break_does_not_reach_a_header,
    no_member_has_a_say_in_the_notation_of_the_body,
    a_key_with_a_passphrase_needs_it,
    the_scope_is_needed_and_cards_of_others_are_unknown,
    every_use_is_audited_before_it_leaves,
    a_call_with_a_key_sends_once,
}

/// The acquirer stands on loopback, and so do webhooks.
pub fn open(settings: &mut Settings) {
    settings.allowed_networks = vec!["127.0.0.0/8".parse().unwrap()];
    settings.http_callbacks = true;
}

/// An acquirer that is allowed, and the token of a card `r1` of the managed key.
pub async fn prepared(app: &TestApp) -> (Acquirer, String) {
    let acquirer = Acquirer::start().await;
    acquirer.allow(app).await;
    (acquirer, app.card().await)
}

/// The target of a call for that card; `more` begins with `&` or is empty.
pub fn target(token: &str, more: &str) -> String {
    format!("/v1/proxy/post?user=managed&token={token}&reference=r1{more}")
}

/// A call's body.
pub fn message(acquirer: &Acquirer, kind: &str, body: &str) -> Value {
    let headers = json!([{ "Content-Type": kind }, { "X-Api-Key": "k" }]);
    json!({ "request": { "method": "POST", "url": acquirer.url("/pay"), "headers": headers, "body": body } })
}

async fn now(app: &TestApp, token: &str, body: Value) -> Answer {
    app.merchant.post(&target(token, "&synchronous=true"), body).await
}

/// A card whose members have to be escaped in every notation; answers its token.
async fn awkward(app: &TestApp) -> String {
    let card =
        json!({ "card_number": NUMBER, "card_holder": "Ada \"A\" <King> & Co/ü", "card_expiry": "06-2031" });
    text(&app.merchant.post("/v1/vault?user=managed&reference=r1", card).await.ok()["token"])
}

async fn a_card_arrives_to_the_byte(app: TestApp) {
    let acquirer = Acquirer::start().await;
    acquirer.allow(&app).await;
    let token = awkward(&app).await;
    for (kind, template, expected) in [
        (
            "application/json",
            r#"{"pan":"{{card_number}}","m":{{expiry|month1}},"y":"{{expiry|year2}}","n":"{{card_holder}}"}"#,
            r#"{"pan":"4111111111111111","m":6,"y":"31","n":"Ada \"A\" <King> & Co/ü"}"#,
        ),
        (
            "application/x-www-form-urlencoded",
            "card[number]={{card_number}}&exp={{expiry|month}}{{expiry|year4}}&name={{card_holder}}",
            "card[number]=4111111111111111&exp=062031&name=Ada+%22A%22+%3CKing%3E+%26+Co%2F%C3%BC",
        ),
        (
            "text/xml; charset=utf-8",
            "<pay><pan>{{number}}</pan><name>{{card_holder}}</name></pay>",
            "<pay><pan>4111111111111111</pan><name>Ada &quot;A&quot; &lt;King&gt; &amp; Co/ü</name></pay>",
        ),
    ] {
        let before = acquirer.taken();
        let sent = now(&app, &token, message(&acquirer, kind, template)).await.ok();
        assert_eq!((&sent["status"], &sent["status_code"]), (&json!("200"), &json!(200)));
        assert_eq!((&sent["body"], &sent["state"]), (&json!("ok"), &json!("answered")));
        let queued = app.merchant.post(&target(&token, ""), message(&acquirer, kind, template)).await.ok();
        app.deliver().await;
        let calls = acquirer.calls().split_off(before);
        assert_eq!(calls.len(), 2, "at once, and queued");
        for (call, answer) in calls.into_iter().zip([sent, queued]) {
            assert_eq!(call.body, expected.as_bytes());
            let id = text(&answer["id"]);
            assert!(id.starts_with("snd_"));
            assert_eq!(call.line(), "POST /pay HTTP/1.1");
            assert_eq!(call.headers(), head(&acquirer, kind, &id, expected.len()));
        }
    }
}

/// All headers of a message of `message`, sorted.
fn head(acquirer: &Acquirer, kind: &str, id: &str, length: usize) -> Vec<String> {
    let mut lines = vec![
        format!("content-type: {kind}"),
        "x-api-key: k".to_owned(),
        format!("idempotency-key: {id}"),
        format!("user-agent: Cardamom/{}", env!("CARGO_PKG_VERSION")),
        "accept: */*".to_owned(),
        format!("host: {}", acquirer.host),
        format!("content-length: {length}"),
    ];
    lines.sort();
    lines
}

async fn address_and_headers_are_templates_too(app: TestApp) {
    let (acquirer, token) = prepared(&app).await;
    let url = acquirer.url("/cards/{{token|first6}}?order={{order}}&d={{extra_data.deep.a}}");
    let request = json!({
        "method": "put", "url": url, "headers": [{ "X-Last": "{{card_number|last4}}" }, { "Idempotency-Key": "mine" }],
        "body": { "pan": "{{card_number}}" }, "extra_data": { "order": "a b/c", "deep": { "a": 7 } }
    });
    now(&app, &token, json!({ "request": request })).await.ok();
    let call = acquirer.calls().remove(0);
    assert_eq!(call.line(), format!("PUT /cards/{}?order=a%20b%2Fc&d=7 HTTP/1.1", &token[..6]));
    assert_eq!((call.header("x-last"), call.header("idempotency-key")), ("1111", "mine"));
    assert_eq!(call.header("content-type"), "application/json");
    assert_eq!(call.text(), r#"{"pan":"4111111111111111"}"#);
}

async fn a_code_is_used_once_and_gone(app: TestApp) {
    let (acquirer, token) = prepared(&app).await;
    // The form asks for nothing but the code.
    let hidden = json!({ "visible": false });
    let fields = json!({ "card_number": hidden, "card_holder": hidden, "expiry": hidden });
    let form = app.merchant.post("/v1/capture/iframe", json!({ "field_options": fields })).await.ok();
    let endpoint = app.endpoint(&format!("&token={token}&reference=r1")).await;
    let submit = Call::new("POST", &format!("/v1/capture/iframe/{}", text(&form["id"])))
        .header("x-capture-secret", &endpoint.secret)
        .json(&json!({ "unique_id": endpoint.id, "cvv": "737" }));
    app.anonymous.send(submit).await.ok();

    let body = message(&acquirer, "application/json", r#"{"cvc":"{{cvv}}","pan":"{{card_number}}"}"#);
    now(&app, &token, body.clone()).await.ok();
    assert_eq!(acquirer.calls()[0].text(), r#"{"cvc":"737","pan":"4111111111111111"}"#);
    now(&app, &token, body).await.refused(409, "no_code");
    assert_eq!(acquirer.taken(), 1);
    let mut transaction = app.app.core.store.read().await.unwrap();
    let card = app.stored_cards("managed").await[0].id.clone();
    assert!(transaction.find_cvv(app.id.clone(), card).await.unwrap().is_none());
}

/// The card with a code.
async fn with_code(app: &TestApp, token: &str) {
    let endpoint = app.endpoint(&format!("&token={token}&reference=r1")).await;
    endpoint.capture(json!({ "cvv": "737" })).await.ok();
}

async fn a_code_stays_where_its_terms_do_not_let_it_go(app: TestApp) {
    let (acquirer, token) = prepared(&app).await;
    with_code(&app, &token).await;
    let terms = |host: &str| json!({ "CvvRetentionPolicyList": [{ "DestinationType": "HostName", "DestinationData": host, "Quota": 1 }] });
    let policy = format!("/api/payments/paycard/{token}/cvv/Restriction?ref=r1");
    app.merchant.put(&policy, terms("elsewhere.example")).await.is(200);
    let body = message(&acquirer, "application/json", "{{cvv}}");
    now(&app, &token, body.clone()).await.refused(409, "no_code");
    // Without a place for the code the card may go there all the same.
    now(&app, &token, message(&acquirer, "application/json", "{{card_number}}")).await.ok();
    app.merchant.put(&policy, terms("127.0.0.1")).await.is(200);
    now(&app, &token, body.clone()).await.ok();
    assert_eq!(acquirer.calls()[1].text(), "737");
    now(&app, &token, body).await.refused(409, "no_code");
}

async fn a_name_that_the_card_does_not_have_uses_no_code(app: TestApp) {
    let (acquirer, token) = prepared(&app).await;
    with_code(&app, &token).await;
    let wrong = message(&acquirer, "application/json", "{{cvv}}{{nothing}}");
    now(&app, &token, wrong.clone()).await.refused(400, "invalid").at("/request/body", "unknown_member");
    let queued = app.merchant.post(&target(&token, ""), wrong).await;
    queued.refused(400, "invalid").at("/request/body", "unknown_member");
    now(&app, &token, message(&acquirer, "application/json", "{{#cvv}}{{cvv}}{{/cvv}}")).await.ok();
    assert_eq!(acquirer.calls()[0].text(), "737");
}

/// How often the card was opened, or tried to be.
async fn openings(app: &TestApp) -> usize {
    let opens = |action: &str| matches!(action, "proxy.send" | "proxy.queue" | "proxy.unfit");
    app.audit().await.iter().filter(|entry| opens(&entry.action)).count()
}

async fn what_does_not_fit_is_told_without_opening_the_card(app: TestApp) {
    let (acquirer, token) = prepared(&app).await;
    with_code(&app, &token).await;
    let operation = json!([{ "name": "parse_json", "input_field": "card_number", "output_field": "x" },
        { "name": "replace", "input_field": "x", "arguments": { "find": "1" } }]);
    app.merchant.post("/v1/rule?id=wrong", json!({ "operations": operation })).await.ok();
    for (template, code) in [
        // Of the made-up cards one has no digit that is a month: which one stands there in the real one is not told.
        ("{{cvv}}{{card_number|substr(1, 1)|month}}", "filter"),
        ("{{cvv}}{{#card_holder}}{{cvv|month}}{{/card_holder}}", "filter"),
        ("{{cvv}}{{note|nothing}}", "unknown_filter"),
    ] {
        for more in ["", "&synchronous=true"] {
            let body = message(&acquirer, "application/json", template);
            let answer = app.merchant.post(&target(&token, more), body).await;
            answer.refused(400, "invalid").at("/request/body", code);
        }
    }
    let body = message(&acquirer, "application/json", "{{cvv}}");
    let answer = app.merchant.post(&target(&token, "&synchronous=true&rules=wrong"), body.clone()).await;
    answer.refused(400, "invalid").at("/rules", "unfit");
    assert_eq!((openings(&app).await, acquirer.taken()), (0, 0));
    // The code is still there.
    now(&app, &token, body).await.ok();
}

/// A message that does not fit numbers with a 5; the made-up cards have none.
fn question(acquirer: &Acquirer, template: &str) -> Value {
    let mut body = message(acquirer, "application/json", template);
    body["request"]["headers"] = json!([{ "X-Digits": "{{card_number|replace('5', '\n')}}" }]);
    body
}

async fn a_card_that_does_not_fit_tells_nothing_and_keeps_its_use(app: TestApp) {
    let acquirer = Acquirer::start().await;
    acquirer.allow(&app).await;
    let card = json!({ "card_number": OTHER_NUMBER, "card_expiry": "06-2031", "note": "a\r\nX-Evil: 1" });
    let stored = app.merchant.post("/v1/vault?user=managed&reference=r1", card).await.ok();
    let token = text(&stored["token"]);
    let operations = json!([{ "name": "replace", "input_field": "card_number", "output_field": "x",
        "arguments": { "find": "5", "replace": "x" } }, { "name": "convert_to_int", "input_field": "x" }]);
    app.merchant.post("/v1/rule?id=int", json!({ "operations": operations })).await.ok();
    let mut answers = Vec::new();
    let plain = message(&acquirer, "application/json", "{{cvv}}");
    let mut noted = plain.clone();
    noted["request"]["headers"] = json!([{ "X-Note": "{{note}}" }]);
    for (body, more) in [(question(&acquirer, "{{cvv}}"), ""), (plain, "&rules=int"), (noted, "")] {
        with_code(&app, &token).await;
        let answer = app.merchant.post(&target(&token, &format!("&synchronous=true{more}")), body).await;
        answer.refused(409, "card_unfit");
        answers.push(answer.text());
        // The code was used for the question.
        now(&app, &token, message(&acquirer, "application/json", "{{cvv}}")).await.refused(409, "no_code");
    }
    answers.dedup();
    assert_eq!((answers.len(), acquirer.taken()), (1, 0));
    assert!(!answers[0].contains("pointer") && !answers[0].contains("X-"));
    let audited = app.audit().await.iter().filter(|entry| entry.action == "proxy.unfit").count();
    assert_eq!(audited, 3);
}

async fn questions_about_a_card_are_counted(app: TestApp) {
    let acquirer = Acquirer::start().await;
    acquirer.allow(&app).await;
    let card = json!({ "card_number": OTHER_NUMBER });
    let stored = app.merchant.post("/v1/vault?user=managed&reference=r1", card).await.ok();
    let token = text(&stored["token"]);
    let ask = || question(&acquirer, "{{token}}");
    for round in 0..5 {
        let more = if round % 2 == 0 { "" } else { "&synchronous=true" };
        app.merchant.post(&target(&token, more), ask()).await.refused(409, "card_unfit");
    }
    let fitting = || message(&acquirer, "application/json", "{{card_number}}");
    for body in [ask(), fitting()] {
        now(&app, &token, body.clone()).await.refused(429, "too_many_tries");
        app.merchant.post(&target(&token, ""), body).await.refused(429, "too_many_tries");
    }
    app.clock.pass(60);
    now(&app, &token, fitting()).await.ok();
    assert_eq!(acquirer.taken(), 1);
}

async fn a_number_that_comes_back_is_replaced_by_its_token(app: TestApp) {
    let (acquirer, token) = prepared(&app).await;
    let back = format!("{{\"pan\":\"{NUMBER}\",\"as\":\"4111 1111 1111 1111\",\"new\":\"{OTHER_NUMBER}\"}}");
    for queued in [false, true] {
        acquirer.answers(402, &[("X-Pan", NUMBER)], back.as_bytes());
        let body = message(&acquirer, "application/json", "{{card_number}}");
        let answer = if queued {
            let id = text(&app.merchant.post(&target(&token, ""), body).await.ok()["id"]);
            app.deliver().await;
            app.merchant.get(&format!("/v1/proxy/{id}")).await.ok()
        } else {
            now(&app, &token, body).await.ok()
        };
        let expected = format!("{{\"pan\":\"{token}\",\"as\":\"{token}\",\"new\":\"555555••••••4444\"}}");
        assert_eq!(
            (&answer["status_code"], &answer["body"]),
            (&json!(402), &json!(expected)),
            "queued {queued}"
        );
        assert!(answer["headers"].as_array().unwrap().contains(&json!({ "x-pan": token })));
        assert!(!answer.to_string().contains(NUMBER));
    }
}

/// Which cards are stored is not told by an answer, which whoever has a host of his own can write himself.
async fn the_number_of_another_stored_card_is_masked(app: TestApp) {
    let (acquirer, token) = prepared(&app).await;
    let other = json!({ "card_number": OTHER_NUMBER });
    let other = text(&app.merchant.post("/v1/vault?user=managed&reference=r2", other).await.ok()["token"]);
    acquirer.answers(200, &[("X-New", OTHER_NUMBER)], format!("{NUMBER} {OTHER_NUMBER}").as_bytes());
    let body = message(&acquirer, "text/plain", "{{card_number}}");
    let answer = now(&app, &token, body).await.ok();
    assert_eq!(answer["body"], format!("{token} 555555••••••4444"));
    assert!(answer["headers"].as_array().unwrap().contains(&json!({ "x-new": "555555••••••4444" })));
    assert!(!answer.to_string().contains(&other));
}

async fn a_code_that_comes_back_is_hidden(app: TestApp) {
    let (acquirer, token) = prepared(&app).await;
    let back =
        json!({ "cvv": "737", "field55": "737", "other": { "cvc": 999 }, "amount": 737, "number": NUMBER });
    for queued in [false, true] {
        with_code(&app, &token).await;
        acquirer.answers(402, &[("X-Field55", "737")], back.to_string().as_bytes());
        let body = message(&acquirer, "application/json", r#"{"field55":"{{cvv}}","amount":737}"#);
        let answer = if queued {
            let id = text(&app.merchant.post(&target(&token, ""), body).await.ok()["id"]);
            app.deliver().await;
            app.merchant.get(&format!("/v1/proxy/{id}")).await.ok()
        } else {
            now(&app, &token, body).await.ok()
        };
        let dots = "•••";
        let expected =
            json!({ "cvv": dots, "field55": dots, "other": { "cvc": dots }, "amount": 737, "number": token });
        let came: Value = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap();
        assert_eq!((&answer["status_code"], came), (&json!(402), expected), "queued {queued}");
        assert!(answer["headers"].as_array().unwrap().contains(&json!({ "x-field55": dots })));
    }
}

async fn what_is_shown_of_a_message_is_masked(app: TestApp) {
    let (acquirer, token) = prepared(&app).await;
    with_code(&app, &token).await;
    let body = r#"{"pan":"{{card_number}}","cvc":"{{cvv}}","name":"{{card_holder}}","exp":"{{expiry}}"}"#;
    let body = message(&acquirer, "application/json", body);
    let answer = app.merchant.post(&target(&token, "&synchronous=true&debug=true"), body).await.ok();
    let shown = &answer["populated_template"];
    let expected = r#"{"pan":"411111••••••1111","cvc":"•••","name":"A•• K•••","exp":"06/31"}"#;
    assert_eq!((&shown["body"], &shown["url"]), (&json!(expected), &json!(acquirer.url("/pay"))));
    assert!(acquirer.calls()[0].text().contains(NUMBER), "it is sent all the same");
}

async fn rules_change_what_is_sent(app: TestApp) {
    let (acquirer, token) = prepared(&app).await;
    let encode = json!({ "operations": [
        { "name": "encode", "input_field": "pan64", "order_position": 2 },
        { "name": "noop", "input_field": "card_number", "output_field": "pan64", "order_position": 1 }] });
    app.merchant.post("/v1/rule?id=b64", encode).await.ok();
    let body = message(&acquirer, "application/json", "{{pan64}}");
    let answer =
        app.merchant.post(&target(&token, "&synchronous=true&rules=b64&debug=true"), body.clone()).await.ok();
    assert!(!answer.to_string().contains("NDExMTExMTEx"), "{answer}");
    app.merchant.post(&target(&token, "&rules=b64"), body.clone()).await.ok();
    // What is queued keeps the rule as it was.
    app.merchant.delete("/v1/rule?id=b64").await.ok();
    app.deliver().await;
    assert!(acquirer.calls().iter().all(|call| call.text() == "NDExMTExMTExMTExMTExMQ=="));
    assert_eq!(acquirer.taken(), 2);
    let unknown = app.merchant.post(&target(&token, "&rules=b64"), body).await;
    unknown.refused(400, "invalid").at("/rules", "unknown");
}

async fn only_allowed_hosts_are_called(app: TestApp) {
    let token = app.card().await;
    let acquirer = Acquirer::start().await;
    let body = message(&acquirer, "application/json", "{{card_number}}");
    now(&app, &token, body.clone()).await.refused(403, "host_not_allowed");
    app.merchant.post(&target(&token, ""), body.clone()).await.refused(403, "host_not_allowed");
    acquirer.allow(&app).await;
    // Another port is another server.
    let mut elsewhere = body.clone();
    elsewhere["request"]["url"] = json!("https://127.0.0.1/pay");
    now(&app, &token, elsewhere).await.refused(403, "host_not_allowed");
    now(&app, &token, body.clone()).await.ok();
    let listed = app.merchant.get("/v1/proxy/hosts").await.ok();
    assert_eq!((&listed[0]["host"], &listed[0]["own_tls"]), (&json!(acquirer.host), &json!(true)));
    assert_eq!(app.other_merchant().await.get("/v1/proxy/hosts").await.ok(), json!([]));
    let modes = [backend::model::Mode::Live];
    assert!(hosts::forbid(&app.app.core, "Shop", &modes, &acquirer.host).await.unwrap());
    now(&app, &token, body).await.refused(403, "host_not_allowed");
    assert_eq!(acquirer.taken(), 1);
    let refused = app.audit().await.into_iter().filter(|entry| entry.action == "proxy.host").count();
    assert_eq!(refused, 4);
}

async fn the_host_does_not_come_out_of_a_member(app: TestApp) {
    let (acquirer, token) = prepared(&app).await;
    let mut body = message(&acquirer, "application/json", "{{card_number}}");
    for (url, code) in [
        ("https://{{extra_data.host}}/pay".to_owned(), "host"),
        (format!("https://{}{{{{token}}}}", acquirer.host), "host"),
        (format!("https://{}@evil.example/", acquirer.host), "url"),
        (acquirer.url("/{{cvv}}"), "secret"),
        (acquirer.url("/{{card_number}}"), "secret"),
        (acquirer.url("/?last={{pan|last4}}"), "secret"),
        (acquirer.url("/{{{reference}}}"), "raw"),
        (acquirer.url("/{{reference|raw}}"), "raw"),
        ("http://127.0.0.1/".to_owned(), "url"),
    ] {
        body["request"]["url"] = json!(url);
        now(&app, &token, body.clone()).await.refused(400, "invalid").at("/request/url", code);
    }
    assert_eq!(acquirer.taken(), 0);
}

async fn what_rules_make_of_a_secret_does_not_stand_in_an_address(app: TestApp) {
    let (acquirer, token) = prepared(&app).await;
    with_code(&app, &token).await;
    for (id, input, output, template) in [
        ("copy", "card_number", "x", "{{x}}"),
        ("code", "cvv", "x", "{{x}}"),
        ("whole", "*", "x", "{{x}}"),
        ("expiry", "card_number", "expiry", "{{expiry_month}}"),
        ("token", "card_number", "token", "{{token}}"),
    ] {
        let operation = json!({ "name": "stringify", "input_field": input, "output_field": output });
        app.merchant.post(&format!("/v1/rule?id={id}"), json!({ "operations": [operation] })).await.ok();
        let mut body = message(&acquirer, "application/json", "{{card_number}}");
        body["request"]["url"] = json!(acquirer.url(&format!("/{template}")));
        for more in [format!("&rules={id}"), format!("&synchronous=true&rules={id}")] {
            let answer = app.merchant.post(&target(&token, &more), body.clone()).await;
            answer.refused(400, "invalid").at("/request/url", "secret");
        }
    }
    let template = json!({ "name": "template", "input_field": "card_holder", "output_field": "x",
        "arguments": { "template": "{{card_number}}" } });
    app.merchant.post("/v1/rule?id=template", json!({ "operations": [template] })).await.ok();
    let mut body = message(&acquirer, "application/json", "{{x}}");
    body["request"]["url"] = json!(acquirer.url("/{{#x}}a{{/x}}"));
    let answer = app.merchant.post(&target(&token, "&rules=template"), body.clone()).await;
    answer.refused(400, "invalid").at("/request/url", "secret");
    // What is made of other members may stand there, and in the body everything may.
    let upper = json!({ "name": "encode", "input_field": "card_holder", "output_field": "y" });
    app.merchant.post("/v1/rule?id=other", json!({ "operations": [upper] })).await.ok();
    body["request"]["url"] = json!(acquirer.url("/{{y}}"));
    app.merchant.post(&target(&token, "&synchronous=true&rules=template,other"), body).await.ok();
    let call = acquirer.calls().remove(0);
    assert_eq!((call.line(), call.text()), ("POST /QWRhIEtpbmc%3D HTTP/1.1", NUMBER.to_owned()));
    assert_eq!((openings(&app).await, acquirer.taken()), (1, 1));
}

async fn a_member_stays_in_its_part_of_the_address(app: TestApp) {
    let acquirer = Acquirer::start().await;
    acquirer.allow(&app).await;
    let stored = async |note: &str| {
        let card = json!({ "card_number": NUMBER, "note": note });
        text(&app.merchant.post("/v1/vault?user=managed&reference=r1", card).await.ok()["token"])
    };
    let mut body = message(&acquirer, "application/json", "");
    body["request"]["url"] = json!(acquirer.url("/a/{{note}}/pay"));
    now(&app, &stored("x/../y?z#@evil.example").await, body.clone()).await.ok();
    let line = acquirer.calls()[0].line().to_owned();
    assert_eq!(line, "POST /a/x%2F%2E%2E%2Fy%3Fz%23%40evil%2Eexample/pay HTTP/1.1");
    now(&app, &stored("..").await, body).await.refused(409, "card_unfit");
    assert_eq!(acquirer.taken(), 1);
}

async fn a_line_break_does_not_reach_a_header(app: TestApp) {
    let (acquirer, token) = prepared(&app).await;
    let mut body = message(&acquirer, "application/json", "{{note}}");
    body["request"]["headers"] = json!([{ "X-Note": "{{extra_data.note}}" }]);
    body["request"]["extra_data"] = json!({ "note": "a\r\nX-Evil: 1" });
    now(&app, &token, body.clone()).await.refused(400, "invalid").at("/request/headers/0", "header");
    let card = json!({ "card_number": NUMBER, "note": "a\r\nX-Evil: 1", "reference": "r2" });
    let stored = app.merchant.post("/v1/vault?user=managed&reference=r1", card).await.ok();
    body["request"]["headers"] = json!([{ "X-Note": "{{note}}" }]);
    body["request"]["extra_data"] = json!({});
    now(&app, &text(&stored["token"]), body).await.refused(409, "card_unfit");
    assert_eq!(acquirer.taken(), 0);
}

async fn no_member_has_a_say_in_the_notation_of_the_body(app: TestApp) {
    let (acquirer, token) = prepared(&app).await;
    let mut body = message(&acquirer, "application/json", "{{card_holder}}");
    body["request"]["extra_data"] = json!({ "kind": "application/json" });
    for (headers, place) in [
        (json!([{ "Content-Type": "{{extra_data.kind}}" }]), "/request/headers/0"),
        (
            json!([{ "X-Note": "a" }, { "content-type": "application/{{extra_data.kind}}" }]),
            "/request/headers/1",
        ),
        (
            json!([{ "Content-Type": "text/plain" }, { "content-type": "application/json" }]),
            "/request/headers/1",
        ),
    ] {
        body["request"]["headers"] = headers;
        now(&app, &token, body.clone()).await.refused(400, "invalid").at(place, "content_type");
    }
    assert_eq!(acquirer.taken(), 0);
}

async fn a_key_with_a_passphrase_needs_it(app: TestApp) {
    let acquirer = Acquirer::start().await;
    acquirer.allow(&app).await;
    app.key().await;
    let card = json!({ "card_number": NUMBER });
    let stored = app.merchant.post(&format!("/v1/vault?user=shop&passphrase={PASSPHRASE}"), card).await.ok();
    let call = |passphrase: &str, more: &str| {
        let target = format!("/v1/proxy/post?user=shop&token={}{more}", text(&stored["token"]));
        let body = message(&acquirer, "application/json", "{{card_number}}");
        Call::new("POST", &target).header("x-vault-passphrase", passphrase).json(&body)
    };
    app.merchant.send(call("another-passphrase", "&synchronous=true")).await.refused(403, "wrong_passphrase");
    app.merchant.send(call("another-passphrase", "")).await.refused(403, "wrong_passphrase");
    app.merchant.send(call(PASSPHRASE, "&synchronous=true")).await.ok();
    app.merchant.send(call(PASSPHRASE, "")).await.ok();
    app.deliver().await;
    assert_eq!(acquirer.calls().iter().map(crate::acquirer::Got::text).collect::<Vec<_>>(), [NUMBER, NUMBER]);
}

async fn the_scope_is_needed_and_cards_of_others_are_unknown(app: TestApp) {
    let (acquirer, token) = prepared(&app).await;
    let body = message(&acquirer, "application/json", "{{card_number}}");
    let reader: Client = app.with_scopes(&[Scope::CardRead, Scope::CardWrite]).await;
    for path in [target(&token, ""), "/v1/proxy/get?user=managed".to_owned()] {
        let refused = reader.post(&path, body.clone()).await;
        assert!(refused.refused(403, "forbidden").0["detail"].as_str().unwrap().contains("proxy"));
    }
    reader.get("/v1/proxy/snd_none").await.refused(403, "forbidden");
    reader.get("/v1/proxy/hosts").await.refused(403, "forbidden");
    // The other mode has the host and not the card; the other merchant has neither.
    app.test_mode.post(&target(&token, "&synchronous=true"), body.clone()).await.refused(404, "not_found");
    let other = app.other_merchant().await;
    other.post(&target(&token, ""), body.clone()).await.refused(403, "host_not_allowed");
    let id = text(&app.merchant.post(&target(&token, ""), body).await.ok()["id"]);
    for stranger in [&other, &app.test_mode] {
        stranger.get(&format!("/v1/proxy/{id}")).await.refused(404, "not_found");
    }
    assert_eq!(app.merchant.get(&format!("/v1/proxy/{id}")).await.ok()["state"], "queued");
}

async fn every_use_is_audited_before_it_leaves(app: TestApp) {
    let (acquirer, token) = prepared(&app).await;
    let body = message(&acquirer, "application/json", "{{card_number}}");
    now(&app, &token, body.clone()).await.ok();
    app.merchant.post(&target(&token, ""), body).await.ok();
    app.deliver().await;
    let card = app.stored_cards("managed").await[0].id.to_string();
    let entries = app.audit().await.into_iter().filter(|entry| entry.object == card);
    let actions: Vec<_> = entries.map(|entry| entry.action.to_string()).collect();
    assert_eq!(actions, ["card.store", "proxy.send", "proxy.queue", "proxy.send"]);
}

async fn a_call_with_a_key_sends_once(app: TestApp) {
    let (acquirer, token) = prepared(&app).await;
    // As large as a call may be: the layer reads no less than the handler.
    let long = format!("{{{{card_number}}}}{}", "x".repeat(700 * 1024));
    for (more, body) in [
        ("&synchronous=true", "{{card_number}}"),
        ("", "{{card_number}}"),
        ("&synchronous=true", long.as_str()),
    ] {
        let key = format!("key{more}{}", body.len());
        let before = acquirer.taken();
        let call = |body: &str| {
            let body = message(&acquirer, "text/plain", body);
            Call::new("POST", &target(&token, more)).header("idempotency-key", &key).json(&body)
        };
        let first = app.merchant.send(call(body)).await.ok();
        let again = app.merchant.send(call(body)).await;
        assert_eq!((again.header("idempotent-replayed"), again.ok()), ("true", first));
        app.merchant.send(call("other {{card_number}}")).await.refused(422, "idempotency_key_reused");
        app.deliver().await;
        assert_eq!(acquirer.taken(), before + 1);
    }
}

#[tokio::test]
async fn a_client_certificate_is_shown_to_whoever_asks_for_it() {
    let app = TestApp::on_sqlite_with(open).await;
    let acquirer = Acquirer::that_asks_for_a_certificate().await;
    let token = app.card().await;
    let body = message(&acquirer, "application/json", "{{card_number}}");
    acquirer.allow(&app).await;
    now(&app, &token, body.clone()).await.refused(502, "proxy_failed");
    acquirer.allow_with(&app, Some(acquirer.pem("client.pem"))).await;
    now(&app, &token, body).await.ok();
    assert_eq!(acquirer.calls()[0].text(), NUMBER);
    let key = acquirer.pem("client-key.pem");
    let inner = key.lines().nth(1).unwrap().as_bytes().to_vec();
    assert!(!app.bytes_on_disk().windows(inner.len()).any(|window| window == inner), "the key is sealed");
}

#[tokio::test]
async fn an_unknown_authority_is_not_trusted() {
    let app = TestApp::on_sqlite_with(open).await;
    let (acquirer, token) = (Acquirer::start().await, app.card().await);
    let modes = [backend::model::Mode::Live];
    hosts::allow(&app.app.core, "Shop", &modes, &acquirer.host, &Dedicated::default()).await.unwrap();
    let body = message(&acquirer, "application/json", "{{card_number}}");
    now(&app, &token, body).await.refused(502, "proxy_failed");
    assert_eq!(acquirer.taken(), 0);
}

/// The address is checked at each call, whatever it was when the host was allowed or the send was queued.
#[tokio::test]
async fn a_host_that_leads_to_a_private_address_is_not_called() {
    let app = TestApp::on_sqlite().await;
    let (acquirer, token) = (Acquirer::start().await, app.card().await);
    acquirer.allow(&app).await;
    let localhost = acquirer.host.replace("127.0.0.1", "localhost");
    let settings = Dedicated { client: None, authority: Some(acquirer.pem("cert.pem")) };
    let modes = [backend::model::Mode::Live];
    hosts::allow(&app.app.core, "Shop", &modes, &localhost, &settings).await.unwrap();
    for host in [&acquirer.host, &localhost] {
        let mut body = message(&acquirer, "application/json", "{{card_number}}");
        body["request"]["url"] = json!(format!("https://{host}/pay"));
        now(&app, &token, body.clone()).await.refused(502, "proxy_refused");
        app.merchant.post(&target(&token, "&max_attempts=1"), body).await.ok();
    }
    app.deliver().await;
    assert_eq!(acquirer.taken(), 0);
}

/// Names that lead elsewhere at each look-up.
#[derive(Debug)]
struct Changing(Mutex<VecDeque<IpAddr>>);

#[async_trait]
impl Lookup for Changing {
    async fn lookup(&self, _: &str) -> std::io::Result<Vec<IpAddr>> {
        Ok(self.0.lock().unwrap().pop_front().into_iter().collect())
    }
}

#[tokio::test]
async fn a_host_that_leads_to_a_private_address_on_the_second_look_up_is_not_called() {
    let app = TestApp::on_sqlite_with(open).await;
    let (acquirer, token) = (Acquirer::start().await, app.card().await);
    let host = acquirer.host.replace("127.0.0.1", "localhost");
    let settings = Dedicated { client: None, authority: Some(acquirer.pem("cert.pem")) };
    hosts::allow(&app.app.core, "Shop", &[backend::model::Mode::Live], &host, &settings).await.unwrap();
    // The acquirer's address is the one that this operator allows; the others are private.
    let allowed = Allowed { networks: vec!["127.0.0.1/32".parse().unwrap()], plain_http: false };
    let answers = ["127.0.0.1", "169.254.169.254", "127.0.0.2", "10.0.0.1"];
    let names = Arc::new(Changing(Mutex::new(answers.map(|text| text.parse().unwrap()).into())));
    let client = Outgoing::looking_up(allowed, Arc::<Changing>::clone(&names)).unwrap();
    let merchant = app.merchant_at(|app| app.proxy = Arc::new(Proxy::new(client)));
    let mut body = message(&acquirer, "application/json", "{{card_number}}");
    body["request"]["url"] = json!(format!("https://{host}/pay"));
    let target = target(&token, "&synchronous=true");
    let send = || merchant.post(&target, body.clone());
    send().await.ok();
    for _ in 1..answers.len() {
        send().await.refused(502, "proxy_refused");
    }
    assert_eq!((acquirer.taken(), names.0.lock().unwrap().len()), (1, 0));
}

/// Captures go on by their own way; only what is needed here.
#[tokio::test]
async fn captures_are_changed_by_the_rules_of_their_endpoint() {
    let app = TestApp::on_sqlite().await;
    let upper = json!({ "operations": [{ "name": "format", "input_field": "note", "arguments": { "format": "<{}>" } }] });
    app.merchant.post("/v1/rule?id=angle", upper).await.ok();
    let endpoint: Endpoint = app.endpoint("&rules=angle").await;
    app.merchant.delete("/v1/rule?id=angle").await.ok();
    let stored = endpoint.capture(json!({ "card_number": NUMBER, "note": "x" })).await.ok();
    let read = app.read(&text(&stored["token"]), &text(&stored["reference"])).await;
    assert_eq!(read["note"], "<x>");
}
