//! Messages and answers that are none, and servers that do not behave: refused in time, with nothing of the card told.

use serde_json::{Value, json};

use crate::acquirer::Acquirer;
use crate::app::{NUMBER, TestApp, let_pass, text};
use crate::client::{Answer, Call};
use crate::proxy::{message, open, prepared, target};

on_both_engines! {
    with open;
    a_template_with_an_unknown_member_is_refused,
    a_template_with_an_unclosed_mark_is_refused,
    a_template_within_a_template_is_refused,
    a_template_of_a_megabyte_is_sent_and_a_larger_one_refused,
    a_message_that_becomes_large_is_sent_and_a_larger_one_is_not,
    a_compressed_bomb_is_refused,
    an_endless_answer_is_given_up,
    an_answer_that_breaks_off_is_refused,
    an_answer_of_a_megabyte_comes_back_whole,
    a_slow_server_is_given_up_and_not_called_again,
    a_server_that_stops_within_its_answer_is_given_up,
    a_redirecting_server_is_not_followed,
}

const MEGABYTE: usize = 1024 * 1024;

async fn send(app: &TestApp, token: &str, body: Value) -> Answer {
    app.merchant.post(&target(token, "&synchronous=true"), body).await
}

fn pan(acquirer: &Acquirer) -> Value {
    message(acquirer, "application/json", "{{card_number}}")
}

/// All of these templates are refused at the body with this code, at once and queued, and nothing leaves.
async fn refused(app: &TestApp, templates: &[String], code: &str) {
    let (acquirer, token) = prepared(app).await;
    for template in templates {
        for more in ["", "&synchronous=true"] {
            let body = message(&acquirer, "application/json", template);
            let answer = app.merchant.post(&target(&token, more), body).await;
            answer.refused(400, "invalid").at("/request/body", code);
        }
    }
    app.deliver().await;
    assert_eq!(acquirer.taken(), 0);
}

async fn a_template_with_an_unknown_member_is_refused(app: TestApp) {
    refused(&app, &["{{card_numbr}}".to_owned(), "{{card_number.x}}".to_owned()], "unknown_member").await;
}

async fn a_template_with_an_unclosed_mark_is_refused(app: TestApp) {
    let unclosed = ["{{card_number", "{{{card_number}}", "{{#cvv}}", "{{#cvv}}{{/card_number}}", "{{/cvv}}"];
    refused(&app, &unclosed.map(str::to_owned), "template").await;
}

/// Neither by the notation, nor by a member, nor by sections or marks without number.
async fn a_template_within_a_template_is_refused(app: TestApp) {
    let nested = ["{{#cvv}}".repeat(9), "{{/cvv}}".repeat(9)].concat();
    let many = "{{card_holder}}".repeat(2_001);
    refused(&app, &["{{> body}}".to_owned(), nested, many], "template").await;
    let acquirer = Acquirer::start().await;
    acquirer.allow(&app).await;
    let card = json!({ "card_number": NUMBER, "card_holder": "{{card_holder}}{{card_number}}" });
    let stored = app.merchant.post("/v1/vault?user=managed&reference=r2", card).await.ok();
    let body = message(&acquirer, "text/plain", "{{card_holder}}");
    let target = target(&text(&stored["token"]), "&synchronous=true").replace("r1", "r2");
    app.merchant.post(&target, body).await.ok();
    assert_eq!(acquirer.calls()[0].text(), "{{card_holder}}{{card_number}}");
}

async fn a_template_of_a_megabyte_is_sent_and_a_larger_one_refused(app: TestApp) {
    refused(&app, &["x".repeat(MEGABYTE + 1)], "too_long").await;
    let acquirer = Acquirer::start().await;
    acquirer.allow(&app).await;
    let token = app.card().await;
    let huge = message(&acquirer, "application/json", &"x".repeat(3 * MEGABYTE));
    send(&app, &token, huge).await.refused(413, "too_large");
    let most = format!("{}{{{{card_number}}}}", "x".repeat(MEGABYTE - 16));
    send(&app, &token, message(&acquirer, "text/plain", &most)).await.ok();
    app.merchant.post(&target(&token, ""), message(&acquirer, "text/plain", &most)).await.ok();
    app.deliver().await;
    let expected = format!("{}{NUMBER}", "x".repeat(MEGABYTE - 16));
    assert_eq!(acquirer.calls().iter().filter(|call| call.body == expected.as_bytes()).count(), 2);
    // One digit more than the values leave room for; that the card has one is not told.
    let over = format!("x{most}");
    send(&app, &token, message(&acquirer, "text/plain", &over)).await.refused(400, "invalid");
    assert_eq!(acquirer.taken(), 2);
}

/// A small call becomes a large message by what stands in the card.
async fn a_message_that_becomes_large_is_sent_and_a_larger_one_is_not(app: TestApp) {
    let acquirer = Acquirer::start().await;
    acquirer.allow(&app).await;
    let note = "n".repeat(100 * 1024);
    let card = json!({ "card_number": NUMBER, "card_expiry": "06-2031", "note": note });
    let stored = app.merchant.post("/v1/vault?user=managed&reference=r1", card).await.ok();
    let token = text(&stored["token"]);
    for more in ["", "&synchronous=true", "&synchronous=true&debug=true"] {
        let before = acquirer.taken();
        let body = message(&acquirer, "text/plain", &"{{note}}".repeat(10));
        let answer = app.merchant.post(&target(&token, more), body).await.ok();
        app.deliver().await;
        assert_eq!(acquirer.calls()[before].text(), note.repeat(10));
        let shown = answer["populated_template"]["body"].as_str().map(str::len);
        assert_eq!(shown, more.contains("debug").then_some(10 * note.len()));
        let body = message(&acquirer, "text/plain", &"{{note}}".repeat(11));
        app.merchant.post(&target(&token, more), body).await.refused(409, "card_unfit");
    }
    assert_eq!(acquirer.taken(), 3);
    // Without a card: what the call brings along.
    let request = json!({ "url": acquirer.url("/card"), "body": "{{a}}".repeat(20),
        "headers": [{ "Content-Type": "text/plain" }], "extra_data": { "a": "a".repeat(10 * 1024) } });
    acquirer.answers(200, &[], json!({ "card_number": NUMBER }).to_string().as_bytes());
    app.merchant.post("/v1/proxy/get?user=managed", json!({ "request": request })).await.ok();
    assert_eq!(acquirer.calls()[3].body.len(), 200 * 1024);
}

/// A kilobyte that would become a megabyte: what nobody can look through is not read.
async fn a_compressed_bomb_is_refused(app: TestApp) {
    let (acquirer, token) = prepared(&app).await;
    for coding in ["gzip", "br", "deflate", "zstd", "identity, gzip"] {
        let bomb = [&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3], [0xed_u8; 1014].as_slice()].concat();
        acquirer.answers(200, &[("Content-Encoding", coding)], &bomb);
        send(&app, &token, pan(&acquirer)).await.refused(502, "proxy_failed");
    }
}

async fn an_endless_answer_is_given_up(app: TestApp) {
    let (acquirer, token) = prepared(&app).await;
    for more in ["", "Content-Length: 99999999999\r\n", "Transfer-Encoding: chunked\r\n"] {
        let head = format!("HTTP/1.1 200 X\r\n{more}\r\n");
        let chunk = [b"8000\r\n".as_slice(), &vec![b'x'; 0x8000], b"\r\n"].concat();
        let body = if more.contains("chunked") { chunk.repeat(64) } else { vec![b'x'; 2 * MEGABYTE] };
        acquirer.answers_without_end([head.as_bytes(), &body].concat());
        send(&app, &token, pan(&acquirer)).await.refused(502, "proxy_failed");
    }
}

async fn an_answer_that_breaks_off_is_refused(app: TestApp) {
    let (acquirer, token) = prepared(&app).await;
    acquirer.answers_raw(b"HTTP/1.1 200 X\r\ncontent-length: 100\r\n\r\nbroken off".to_vec());
    send(&app, &token, pan(&acquirer)).await.refused(502, "proxy_failed");
}

async fn an_answer_of_a_megabyte_comes_back_whole(app: TestApp) {
    let (acquirer, token) = prepared(&app).await;
    acquirer.answers(200, &[], &vec![b'x'; MEGABYTE]);
    let answer = send(&app, &token, pan(&acquirer)).await.ok();
    assert_eq!(text(&answer["body"]), "x".repeat(MEGABYTE));
    acquirer.answers(200, &[], &vec![b'x'; MEGABYTE]);
    let id = text(&app.merchant.post(&target(&token, ""), pan(&acquirer)).await.ok()["id"]);
    app.deliver().await;
    let shown = app.merchant.get(&format!("/v1/proxy/{id}")).await.ok();
    assert_eq!(text(&shown["body"]), "x".repeat(MEGABYTE));
}

/// The message may have arrived: a call that is made again under its key does not send it again.
async fn a_slow_server_is_given_up_and_not_called_again(app: TestApp) {
    let (acquirer, token) = prepared(&app).await;
    acquirer.hold(true);
    let call = || {
        Call::new("POST", &target(&token, "&synchronous=true"))
            .header("idempotency-key", "once")
            .json(&pan(&acquirer))
    };
    let (answer, ()) = tokio::join!(app.merchant.send(call()), async {
        acquirer.wait_for(1).await;
        let_pass(20).await;
    });
    answer.refused(504, "proxy_timeout");
    let again = app.merchant.send(call()).await;
    again.refused(504, "proxy_timeout");
    assert_eq!((again.header("idempotent-replayed"), acquirer.taken()), ("true", 1));
    acquirer.hold(false);
}

async fn a_server_that_stops_within_its_answer_is_given_up(app: TestApp) {
    let (acquirer, token) = prepared(&app).await;
    acquirer.answers_without_end(b"HTTP/1.1 200 X\r\ncontent-length: 100\r\n\r\nand then".to_vec());
    let (answer, ()) = tokio::join!(send(&app, &token, pan(&acquirer)), async {
        acquirer.wait_for(1).await;
        let_pass(20).await;
    });
    answer.refused(504, "proxy_timeout");
}

async fn a_redirecting_server_is_not_followed(app: TestApp) {
    let (acquirer, token) = prepared(&app).await;
    for status in [301, 302, 303, 307, 308] {
        let before = acquirer.taken();
        acquirer.answers(status, &[("Location", &acquirer.url("/elsewhere"))], b"");
        let answer = send(&app, &token, pan(&acquirer)).await.ok();
        assert_eq!((&answer["status_code"], acquirer.taken()), (&json!(status), before + 1));
    }
}
