//! Card requests over their interface: what is sent, what the page does, and what the merchant is told.

use std::collections::HashMap;

use aws_lc_rs::hmac;
use backend::config::messages::Sms;
use backend::model::{Scope, Timestamp};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::app::{AMEX, NUMBER, TestApp, text};
use crate::client::{Answer, Call, Client};
use crate::receiver::Receiver;

on_both_engines! {
    with local;
    a_card_is_asked_for_stored_and_told,
    a_code_is_asked_for_and_updates_its_card,
    a_code_can_make_a_new_card_of_the_stored_one,
    two_browsers_at_once_store_one_card,
    a_deleted_request_is_gone_for_everybody,
    a_filled_request_cannot_be_deleted,
    a_new_link_ends_the_one_before,
    time_ends_a_request_without_a_look_at_it,
    a_refused_form_can_be_sent_again,
    requests_are_listed_by_filter_and_page,
    merchants_see_their_own_requests_only,
    a_passcode_comes_before_the_form,
    a_recipient_can_ask_for_a_new_link,
    the_link_page_names_whom_to_turn_to,
}

/// Receivers run on loopback without TLS.
pub fn local(settings: &mut backend::config::Settings) {
    settings.http_callbacks = true;
    settings.allowed_networks = vec!["127.0.0.0/8".parse().unwrap()];
}

/// A request as its merchant holds it.
pub struct Made {
    pub location: String,
    pub id: String,
}

pub async fn make(app: &TestApp, path: &str, body: Value) -> Made {
    let answer = app.merchant.post(path, body).await;
    assert_eq!((answer.status, answer.text().as_str()), (201, ""));
    let location = answer.header("location").to_owned();
    let id = location.rsplit('/').next().unwrap().to_owned();
    assert_eq!(location, format!("https://cards.example/api/cardrequest/{id}"));
    Made { location, id }
}

pub async fn ask(app: &TestApp, more: Value) -> Made {
    let mut body = json!({ "RecipientEmail": "ada@example.com", "RecipientName": "Ada King" });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    make(app, "/api/cardrequest", body).await
}

pub async fn shown(app: &TestApp, made: &Made) -> Value {
    app.merchant.get(&format!("/api/cardrequest/{}", made.id)).await.ok()
}

pub async fn history(app: &TestApp, made: &Made) -> Vec<String> {
    let shown = shown(app, made).await;
    shown["StatusHistory"].as_array().unwrap().iter().map(|entry| text(&entry["Status"])).collect()
}

/// The messages that have left, oldest first.
pub fn messages(app: &TestApp) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(app.data_dir.join("outbox")) else { return Vec::new() };
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.iter().map(|file| std::fs::read_to_string(file).unwrap()).collect()
}

/// The path of the link in the newest message.
pub async fn link(app: &TestApp) -> String {
    app.deliver().await;
    let message = messages(app).pop().expect("a message");
    let at = message.find("https://cards.example/r/").expect("a link") + "https://cards.example".len();
    message[at..].chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '/').collect()
}

pub fn filled(number: &str, code: &str) -> Value {
    json!({ "card_number": number, "card_holder": "Ada King", "expiry": "06/31", "cvv": code })
}

pub async fn fill(client: &Client, link: &str, body: &Value) -> Answer {
    client.send(Call::new("POST", link).json(body).header("sec-fetch-site", "same-origin")).await
}

pub async fn press(client: &Client, target: &str, form: &str) -> Answer {
    let call = Call::new("POST", target).header("content-type", "application/x-www-form-urlencoded");
    client.send(call.header("sec-fetch-site", "same-origin").body(form)).await
}

fn told(receiver: &Receiver) -> Vec<String> {
    receiver.calls().iter().map(|call| text(&call.json()["LastNotifiedStatus"])).collect()
}

async fn a_card_is_asked_for_stored_and_told(app: TestApp) {
    let receiver = Receiver::start().await;
    let more = json!({ "CallbackUrl": receiver.url, "Amount": "12.40", "currency": "eur", "CREATORREFERENCE": "b7" });
    let made = ask(&app, more).await;
    let link = link(&app).await;
    let page = app.anonymous.get(&link).await;
    assert!(page.is(200).text().contains("€12.40") && page.text().contains("Shop"));
    assert!(page.header("content-security-policy").contains("frame-ancestors 'none'"));
    assert_eq!(history(&app, &made).await, ["MessageQueued"], "a look at the page is none of its reader");
    press(&app.anonymous, &format!("{link}/viewed"), "").await.is(204);
    fill(&app.anonymous, &link, &filled(NUMBER, "737")).await.is(200);
    app.deliver().await;
    assert_eq!(told(&receiver), ["MessageQueued", "FormViewed", "CardStored"]);
    let call = receiver.calls().pop().unwrap();
    let body = call.json();
    assert_eq!(body["RequestID"], json!(made.id));
    let time = text(&body["LastNotifiedTime"]);
    assert!(!time.ends_with('Z') && Timestamp::parse(&time).is_some(), "{time}");
    assert_eq!(body.as_object().unwrap().len(), 3);
    assert_eq!(call.header("content-length"), call.text.len().to_string());
    assert!(call.header("webhook-signature").starts_with("v1,"));

    let shown = shown(&app, &made).await;
    assert_eq!((&shown["Status"], &shown["CreatorReference"]), (&json!("CardStored"), &json!("b7")));
    assert_eq!((&shown["Amount"], &shown["Currency"]), (&json!("12.40"), &json!("EUR")));
    let token = text(&shown["CardUri"]).rsplit('/').next().unwrap().to_owned();
    let card = app.read(&token, "b7").await;
    assert_eq!((&card["card_number"], &card["card_holder"]), (&json!(NUMBER), &json!("Ada King")));
    // The link has done its work.
    assert!(app.anonymous.get(&link).await.is(404).text().contains("Link Expired"));
    fill(&app.anonymous, &link, &filled(NUMBER, "737")).await.is(404);
    assert_eq!(app.stored_cards("managed").await.len(), 1);
}

/// A stored card without a reference, and its address.
pub async fn stored(app: &TestApp, number: &str) -> (String, String) {
    let card = json!({ "card_number": number, "card_holder": "Ada King", "card_expiry": "06-2031" });
    let token = text(&app.merchant.post("/v1/vault?user=managed", card).await.ok()["token"]);
    let uri = format!("https://cards.example/api/payments/paycard/{token}");
    (token, uri)
}

async fn a_code_is_asked_for_and_updates_its_card(app: TestApp) {
    let (token, uri) = stored(&app, AMEX).await;
    let body = json!({ "CardUri": uri, "RecipientEmail": "ada@example.com" });
    let made = make(&app, "/api/cardrequest/csc", body).await;
    let link = link(&app).await;
    let page = app.anonymous.get(&link).await.is(200).text();
    assert!(page.contains("0005") && !page.contains(AMEX) && !page.contains("name=\"card_number\""));
    fill(&app.anonymous, &link, &json!({ "cvv": "123" }))
        .await
        .refused(400, "invalid")
        .at("/cvv", "code_length");
    fill(&app.anonymous, &link, &json!({ "cvv": "1234" })).await.is(200);
    assert_eq!(text(&shown(&app, &made).await["CardUri"]), uri);
    assert_eq!(history(&app, &made).await, ["MessageQueued", "FormViewed", "StoreFailed", "CardStored"]);
    let cards = app.stored_cards("managed").await;
    assert_eq!((cards.len(), &cards[0].token), (1, &token));
    let mut transaction = app.app.core.store.read().await.unwrap();
    assert!(transaction.find_cvv(app.id.clone(), cards[0].id.clone()).await.unwrap().is_some());
}

async fn a_code_can_make_a_new_card_of_the_stored_one(app: TestApp) {
    let (token, uri) = stored(&app, NUMBER).await;
    let body = json!({ "CardUri": uri, "RecipientEmail": "ada@example.com", "Mode": "duplicate" });
    let made = make(&app, "/api/cardrequest/csc", body).await;
    let link = link(&app).await;
    fill(&app.anonymous, &link, &json!({ "cvv": "123" })).await.is(200);
    let copy = text(&shown(&app, &made).await["CardUri"]).rsplit('/').next().unwrap().to_owned();
    assert_ne!(copy, token);
    assert_eq!(app.read(&copy, "").await, app.read(&token, "").await);
    let mut transaction = app.app.core.store.read().await.unwrap();
    for card in app.stored_cards("managed").await {
        let code = transaction.find_cvv(app.id.clone(), card.id).await.unwrap();
        assert_eq!(code.is_some(), card.token == copy, "the card itself stays as it is");
    }
}

async fn two_browsers_at_once_store_one_card(app: TestApp) {
    let made = ask(&app, json!({})).await;
    let link = link(&app).await;
    let (one, other) = (filled(NUMBER, "737"), filled("5555555555554444", "737"));
    let (one, other) = tokio::join!(fill(&app.anonymous, &link, &one), fill(&app.anonymous, &link, &other));
    let mut statuses = [one.status, other.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 404]);
    assert_eq!(app.stored_cards("managed").await.len(), 1);
    assert_eq!(history(&app, &made).await, ["MessageQueued", "FormViewed", "CardStored"]);
}

async fn a_deleted_request_is_gone_for_everybody(app: TestApp) {
    let receiver = Receiver::start().await;
    let made = ask(&app, json!({ "CallbackUrl": receiver.url })).await;
    let link = link(&app).await;
    app.anonymous.get(&link).await.is(200);
    app.merchant.delete(&format!("/api/cardrequest/{}", made.id)).await.is(200);
    // Also for a page that is open already.
    fill(&app.anonymous, &link, &filled(NUMBER, "737")).await.is(404);
    assert!(app.anonymous.get(&link).await.is(404).text().contains("Link Expired"));
    let gone = app.merchant.get(&format!("/api/cardrequest/{}", made.id)).await;
    assert_eq!(gone.is(404).json()["code"], -160);
    assert_eq!(app.merchant.delete(&format!("/api/cardrequest/{}", made.id)).await.status, 404);
    assert!(app.stored_cards("managed").await.is_empty());
    app.deliver().await;
    assert_eq!(told(&receiver), ["MessageQueued", "LinkExpired"]);
}

async fn a_filled_request_cannot_be_deleted(app: TestApp) {
    let made = ask(&app, json!({})).await;
    let link = link(&app).await;
    fill(&app.anonymous, &link, &filled(NUMBER, "737")).await.is(200);
    let refused = app.merchant.delete(&format!("/api/cardrequest/{}", made.id)).await;
    assert_eq!(refused.is(409).json()["code"], -168);
    let refused = app.merchant.post(&format!("/api/cardrequest/{}/resend", made.id), json!({})).await;
    assert_eq!(refused.is(409).json()["code"], -168);
    assert_eq!(shown(&app, &made).await["Status"], "CardStored");
}

async fn a_new_link_ends_the_one_before(app: TestApp) {
    let made = ask(&app, json!({ "TTL": 600 })).await;
    let first = link(&app).await;
    press(&app.anonymous, &format!("{first}/viewed"), "").await.is(204);
    app.clock.pass(300);
    app.merchant.post(&format!("/api/cardrequest/{}/resend", made.id), json!({})).await.is(200);
    let second = link(&app).await;
    assert_ne!(first, second);
    app.anonymous.get(&first).await.is(404);
    fill(&app.anonymous, &first, &filled(NUMBER, "737")).await.is(404);
    // It lives as long as the first one did, from its own beginning.
    app.clock.pass(400);
    app.anonymous.get(&second).await.is(200);
    assert_eq!(history(&app, &made).await, ["MessageQueued", "FormViewed", "MessageQueued"]);
}

async fn time_ends_a_request_without_a_look_at_it(app: TestApp) {
    let receiver = Receiver::start().await;
    let made = ask(&app, json!({ "TTL": "300", "CallbackUrl": receiver.url })).await;
    let link = link(&app).await;
    app.clock.pass(301);
    fill(&app.anonymous, &link, &filled(NUMBER, "737")).await.is(404);
    app.sweep().await;
    app.sweep().await;
    app.deliver().await;
    assert_eq!(told(&receiver), ["MessageQueued", "LinkExpired"]);
    assert_eq!(shown(&app, &made).await["Status"], "LinkExpired");
}

async fn a_refused_form_can_be_sent_again(app: TestApp) {
    let receiver = Receiver::start().await;
    let made = ask(&app, json!({ "CallbackUrl": receiver.url, "CardTypes": "MasterCard" })).await;
    let link = link(&app).await;
    for _ in 0..2 {
        let refused = fill(&app.anonymous, &link, &filled("4111111111111112", "737")).await;
        refused.refused(400, "invalid").at("/card_number", "checksum");
    }
    fill(&app.anonymous, &link, &filled(NUMBER, "737"))
        .await
        .refused(400, "invalid")
        .at("/card_number", "not_accepted");
    // Without scripts: the form again, with what may be kept of it.
    let form = "card_number=4111111111111112&card_holder=Ada+King&expiry=06%2F31&cvv=737";
    let answer = press(&app.anonymous, &link, form).await;
    let target = answer.is(303).header("location").to_owned();
    let page = app.anonymous.get(&target).await.is(422).text();
    assert!(
        page.contains("value=\"Ada King\"") && !page.contains("4111111111111112") && !page.contains("737")
    );
    let form = "card_number=5555555555554444&card_holder=Ada+King&expiry=06%2F31&cvv=737";
    let target = press(&app.anonymous, &link, form).await.is(303).header("location").to_owned();
    app.anonymous.get(&target).await.is(200);
    app.deliver().await;
    let refused = ["StoreFailed"; 4];
    let expected = [&["MessageQueued", "FormViewed"][..], &refused, &["CardStored"]].concat();
    assert_eq!(told(&receiver), expected, "each refused form is told");
    assert_eq!(history(&app, &made).await, expected);
}

async fn requests_are_listed_by_filter_and_page(app: TestApp) {
    let mut made = Vec::new();
    for reference in ["a", "b", "a"] {
        made.push(ask(&app, json!({ "CreatorReference": reference })).await.id);
    }
    let list = async |query: &str| {
        let answer = app.merchant.get(&format!("/api/cardrequest{query}")).await.ok();
        let ids = answer["Items"].as_array().unwrap().iter().map(|item| text(&item["RequestID"]));
        (ids.collect::<Vec<_>>(), answer["NextCursor"].as_str().map(str::to_owned))
    };
    let newest_first = [made[2].clone(), made[1].clone(), made[0].clone()];
    assert_eq!(list("").await, (newest_first.to_vec(), None));
    let (first, cursor) = list("?LIMIT=2").await;
    assert_eq!(first, newest_first[..2]);
    assert_eq!(list(&format!("?limit=2&cursor={}", cursor.unwrap())).await.0, newest_first[2..]);
    assert_eq!(list("?creatorReference=b").await.0, [made[1].clone()]);
    assert_eq!(list("?status=cardstored").await.0, Vec::<String>::new());
    assert_eq!(list("?from=2027-01-16").await.0, Vec::<String>::new());
    assert_eq!(list("?to=2027-01-16T00:00:00").await.0.len(), 3);
    for query in ["?status=Nothing", "?limit=0", "?limit=101", "?from=tomorrow", "?cursor=x"] {
        assert_eq!(app.merchant.get(&format!("/api/cardrequest{query}")).await.status, 400, "{query}");
    }
}

async fn merchants_see_their_own_requests_only(app: TestApp) {
    let made = ask(&app, json!({})).await;
    let (_, uri) = stored(&app, NUMBER).await;
    let other = app.other_merchant().await;
    for client in [&other, &app.test_mode] {
        let at = format!("/api/cardrequest/{}", made.id);
        assert_eq!(client.get(&at).await.is(404).json()["code"], -160);
        assert_eq!(client.delete(&at).await.status, 404);
        assert_eq!(client.post(&format!("{at}/resend"), json!({})).await.status, 404);
        assert_eq!(client.get("/api/cardrequest").await.ok()["Items"], json!([]));
        let body = json!({ "CardUri": uri, "RecipientEmail": "eve@example.com" });
        assert_eq!(client.post("/api/cardrequest/csc", body).await.is(404).json()["code"], -160);
    }
    assert!(made.location.contains(&made.id));
}

/// Twilio's signature, by its published rule.
pub fn signature(token: &str, address: &str, params: &[(&str, &str)]) -> String {
    let mut sorted = params.to_vec();
    sorted.sort_unstable();
    let message = sorted.iter().fold(address.to_owned(), |text, (name, value)| text + name + value);
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, token.as_bytes());
    STANDARD.encode(hmac::sign(&key, message.as_bytes()))
}

#[tokio::test]
async fn a_text_message_leaves_by_its_provider_and_is_followed_by_reports() {
    let (provider, receiver) = (Receiver::start().await, Receiver::start().await);
    let app = TestApp::on_sqlite_with(|settings| {
        local(settings);
        settings.messages.sms = Some(Sms {
            url: provider.url.trim_end_matches("hook").parse().unwrap(),
            account: "AC1".to_owned(),
            token: "report-token".to_owned().into(),
            from: "+15005550006".to_owned(),
        });
    })
    .await;
    let body =
        json!({ "SendMethod": "SMS", "RecipientPhone": "+4915123456789", "CallbackUrl": receiver.url });
    let made = make(&app, "/api/cardrequest", body).await;
    provider.answers(&[500]);
    app.deliver().await;
    assert_eq!(history(&app, &made).await, ["MessageQueued"], "the provider has not taken it");
    app.clock.pass(10);
    app.deliver().await;
    assert_eq!(history(&app, &made).await, ["MessageQueued", "MessageSent"]);
    let calls = provider.calls();
    assert_eq!(calls.len(), 2);
    let sent: HashMap<_, _> = url::form_urlencoded::parse(calls[1].text.as_bytes()).into_owned().collect();
    assert_eq!((sent["To"].as_str(), sent["From"].as_str()), ("+4915123456789", "+15005550006"));
    assert_eq!(calls[1].header("authorization"), format!("Basic {}", STANDARD.encode("AC1:report-token")));
    let link = sent["Body"].split("https://cards.example").nth(1).unwrap().trim().to_owned();
    let address = sent["StatusCallback"].clone();
    let target = address.strip_prefix("https://cards.example").unwrap().to_owned();

    let report = async |status: &str, token: &str| {
        let signature = signature(token, &address, &[("MessageStatus", status), ("MessageSid", "SM1")]);
        let form = format!("MessageStatus={status}&MessageSid=SM1");
        let call = Call::new("POST", &target).header("content-type", "application/x-www-form-urlencoded");
        app.anonymous.send(call.header("x-twilio-signature", &signature).body(form)).await.status
    };
    // Nobody but the provider reports.
    assert_eq!(report("delivered", "wrong").await, 403);
    assert_eq!(press(&app.anonymous, &target, "MessageStatus=delivered").await.status, 403);
    assert_eq!(report("delivered", "report-token").await, 204);
    assert_eq!(report("delivered", "report-token").await, 204);
    press(&app.anonymous, &format!("{link}/viewed"), "").await.is(204);
    // What comes late moves nothing back.
    assert_eq!(report("undelivered", "report-token").await, 204);
    assert_eq!(report("sent", "report-token").await, 204);
    app.deliver().await;
    let expected = ["MessageQueued", "MessageSent", "MessageDelivered", "FormViewed"];
    assert_eq!(history(&app, &made).await, expected);
    assert_eq!(told(&receiver), expected);
}

async fn a_passcode_comes_before_the_form(app: TestApp) {
    let made = ask(&app, json!({ "OtpPhone": "+4915123456789" })).await;
    let link = link(&app).await;
    let page = app.anonymous.get(&link).await.is(200).text();
    assert!(!page.contains("card_number") && page.contains("•••789") && !page.contains("4915123456789"));
    fill(&app.anonymous, &link, &filled(NUMBER, "737")).await.is(404);
    let code = async || {
        press(&app.anonymous, &format!("{link}/passcode"), "").await.is(303);
        app.deliver().await;
        let texts = messages(&app);
        let newest = texts.iter().rev().find(|text| text.contains("+4915123456789")).unwrap();
        let message: Value = serde_json::from_str(newest).unwrap();
        text(&message["body"]).chars().take(6).collect::<String>()
    };
    let enter = async |code: &str| {
        let answer = press(&app.anonymous, &format!("{link}/enter"), &format!("passcode={code}")).await;
        answer.is(303).header("location").to_owned()
    };
    let first = code().await;
    assert!(first.len() == 6 && first.bytes().all(|byte| byte.is_ascii_digit()), "{first}");
    let wrong = if first == "000000" { "000001" } else { "000000" };
    assert_eq!(enter(wrong).await, format!("{link}?wrong"));
    app.clock.pass(601);
    assert_eq!(enter(&first).await, format!("{link}?wrong"), "it holds ten minutes");
    let second = code().await;
    let form = enter(&second).await;
    assert!(form.starts_with(&format!("{link}/form/")), "{form}");
    assert_eq!(enter(&second).await, format!("{link}?wrong"), "it opens the form once");
    app.anonymous.get(&form).await.is(200);
    app.anonymous.get(&format!("{link}/form/other")).await.is(200);
    let ticket = form.rsplit('/').next().unwrap();
    let mut body = filled(NUMBER, "737");
    body["ticket"] = json!(ticket);
    fill(&app.anonymous, &link, &body).await.is(200);
    assert_eq!(shown(&app, &made).await["Status"], "CardStored");
}

async fn the_link_page_names_whom_to_turn_to(app: TestApp) {
    let support = json!({
        "CustomerSupportLink": "https://shop.example/help?a=1",
        "CustomerSupportLinkText": "Our <help> pages",
        "CustomerSupportEmail": "help@shop.example",
        "CustomerSupportPhone": "+44 20 7946 0958",
    });
    ask(&app, support).await;
    let page = app.anonymous.get(&link(&app).await).await.is(200).text();
    let body = page.split_once("</head>").unwrap().1;
    for shown in [
        "href=\"https://shop.example/help?a=1\"",
        "Our &lt;help&gt; pages",
        "href=\"mailto:help@shop.example\"",
        "+44 20 7946 0958",
    ] {
        assert!(body.contains(shown), "{shown}: {body}");
    }
    ask(&app, json!({})).await;
    let page = app.anonymous.get(&link(&app).await).await.is(200).text();
    assert!(!page.contains("mailto:") && !page.contains("href=\"tel:"), "nobody where nobody was named");
}

async fn a_recipient_can_ask_for_a_new_link(app: TestApp) {
    let receiver = Receiver::start().await;
    let made = ask(&app, json!({ "TTL": 300, "CallbackUrl": receiver.url })).await;
    let link = link(&app).await;
    app.clock.pass(301);
    app.sweep().await;
    for _ in 0..3 {
        let answer = press(&app.anonymous, &format!("{link}/ask"), "").await;
        app.anonymous.get(answer.is(303).header("location")).await.is(200);
    }
    let unknown = press(&app.anonymous, "/r/00000000000000000000000000000000/ask", "").await;
    unknown.is(303);
    app.deliver().await;
    assert_eq!(told(&receiver), ["MessageQueued", "LinkExpired", "LinkExpired"]);
    assert!(receiver.calls()[2].json()["NewLinkRequestedTime"].is_string());
    assert!(shown(&app, &made).await["NewLinkRequestedTime"].is_string());
    app.clock.pass(3601);
    press(&app.anonymous, &format!("{link}/ask"), "").await.is(303);
    app.deliver().await;
    assert_eq!(receiver.calls().len(), 4);
}

#[tokio::test]
async fn a_body_is_answered_where_it_is_asked_for() {
    let app = TestApp::on_sqlite().await;
    let body = json!({ "RecipientEmail": "ada@example.com" });
    let call = Call::new("POST", "/api/cardrequest").header("prefer", "return=representation").json(&body);
    let answer = app.merchant.send(call).await;
    assert_eq!(answer.is(201).json()["Status"], "MessageQueued");
    assert!(answer.header("location").ends_with(answer.json()["RequestID"].as_str().unwrap()));
    let xml = "<CardRequest><RecipientEmail>ada@example.com</RecipientEmail></CardRequest>";
    let call = Call::new("POST", "/api/cardrequest").header("accept", "application/xml").body(xml);
    app.merchant.send(call.header("prefer", "return=representation")).await.is(201);
}

#[tokio::test]
async fn bad_values_are_refused_and_nothing_is_sent() {
    let app = TestApp::on_sqlite().await;
    for (body, named) in [
        (json!({}), "/RecipientEmail"),
        (json!({ "RecipientEmail": "a@b.example", "RecipientPhone": "+4915123456789" }), "/RecipientPhone"),
        (json!({ "RecipientEmail": "ada" }), "/RecipientEmail"),
        (json!({ "RecipientPhone": "+49" }), "/RecipientPhone"),
        (json!({ "RecipientEmail": "a@b.example", "TTL": 299 }), "/TTL"),
        (json!({ "RecipientEmail": "a@b.example", "TTL": 604_801 }), "/TTL"),
        (json!({ "RecipientEmail": "a@b.example", "TemplateName": "none" }), "/TemplateName"),
        (json!({ "RecipientEmail": "a@b.example", "HeaderText": "$~unknown~$" }), "/HeaderText"),
        (
            json!({ "RecipientEmail": "a@b.example", "RecipientName": "A\r\nBcc: e@b.example" }),
            "/RecipientName",
        ),
        (
            json!({ "RecipientEmail": "a@b.example", "RecipientName": "4111 1111 1111 1111" }),
            "/RecipientName",
        ),
    ] {
        let answer = app.merchant.post("/api/cardrequest", body).await;
        assert_eq!(answer.is(400).json()["code"], -125);
        let more = text(&answer.json()["moreInfo"]);
        assert!(more.contains(named), "{named}: {more}");
    }
    for url in [
        "http://shop.example/hook",
        "https://127.0.0.1/hook",
        "https://[::1]/hook",
        "https://169.254.169.254/latest",
        "https://localhost/hook",
        "https://[::ffff:10.0.0.1]/hook",
    ] {
        let body = json!({ "RecipientEmail": "a@b.example", "CallbackUrl": url });
        let answer = app.merchant.post("/api/cardrequest", body).await;
        assert!(text(&answer.is(400).json()["moreInfo"]).contains("/CallbackUrl"), "{url}");
    }
    let anonymous = app.anonymous.with_authorization("APIKEY test_none.secret");
    let answer = anonymous.post("/api/cardrequest", json!({ "RecipientEmail": "a@b.example" })).await;
    assert_eq!(answer.is(401).json()["code"], -1003);
    assert_eq!(app.deliver().await, 0);
    assert!(messages(&app).is_empty());
}

#[tokio::test]
async fn codes_are_not_guessed() {
    let app = TestApp::on_sqlite().await;
    ask(&app, json!({})).await;
    let link = link(&app).await;
    let stranger = app.anonymous.at([203, 0, 113, 9]);
    let unknown = "/r/00000000000000000000000000000000";
    // The head differs in its nonces alone, the body in the link that its own form names.
    let body = |answer: &Answer, path: &str| {
        let text = answer.text();
        let (_, body) = text.split_once("</head>").unwrap();
        assert!(body.contains(path), "{body}");
        body.replace(path.rsplit('/').next().unwrap(), "")
    };
    let first = stranger.get(unknown).await;
    assert!(first.is(404).text().contains("Link Expired"));
    for _ in 0..19 {
        stranger.get(unknown).await.is(404);
    }
    // One page whatever the reason; and a right code is not looked for any more.
    let limited = stranger.get(&link).await;
    assert_eq!(body(limited.is(429), &link), body(&first, unknown));
    fill(&stranger, &link, &filled(NUMBER, "737")).await.is(404);
    app.anonymous.get(&link).await.is(200);
    app.clock.pass(60);
    stranger.get(&link).await.is(200);
}

#[tokio::test]
async fn wrong_passcodes_and_codes_sent_are_few() {
    let app = TestApp::on_sqlite().await;
    ask(&app, json!({ "OtpPhone": "+4915123456789" })).await;
    let link = link(&app).await;
    for _ in 0..5 {
        press(&app.anonymous, &format!("{link}/passcode"), "").await.is(303);
    }
    app.deliver().await;
    assert_eq!(messages(&app).iter().filter(|text| text.contains("+4915123456789")).count(), 3);
    let newest = messages(&app).into_iter().rfind(|text| text.contains("+4915123456789")).unwrap();
    let message: Value = serde_json::from_str(&newest).unwrap();
    let code: String = text(&message["body"]).chars().take(6).collect();
    let wrong = if code == "000000" { "000001" } else { "000000" };
    for _ in 0..5 {
        press(&app.anonymous, &format!("{link}/enter"), &format!("passcode={wrong}")).await.is(303);
    }
    let answer = press(&app.anonymous, &format!("{link}/enter"), &format!("passcode={code}")).await;
    assert_eq!(answer.header("location"), format!("{link}?wrong"), "five wrong ones end it");
    assert!(app.anonymous.get(&link).await.is(200).text().contains("No more codes"));
}

#[tokio::test]
async fn a_link_leaves_no_trace_once_its_message_is_taken() {
    let app = TestApp::on_sqlite().await;
    ask(&app, json!({ "RecipientName": "Canary Kanarienvogel" })).await;
    let link = link(&app).await;
    let code = link.rsplit('/').next().unwrap();
    app.sweep().await;
    let disk = app.bytes_on_disk();
    for needle in [code, "Kanarienvogel", "ada@example.com"] {
        assert!(!disk.windows(needle.len()).any(|window| window == needle.as_bytes()), "{needle}");
    }
    let events = app.events().await;
    let message = events.iter().find(|event| event.kind == "card_request.message").unwrap();
    assert!(message.sealed.is_empty());
}

#[tokio::test]
async fn templates_are_written_looked_at_and_used() {
    let app = TestApp::on_sqlite().await;
    let template = json!({
        "Name": "welcome", "Channel": "Email", "Language": "de", "Subject": "Hallo $~recipient_name~$",
        "Body": "Bitte hier: $~link~$ bis morgen.", "HtmlBody": "<a href=\"$~link~$\">$~booker_name~$</a>",
    });
    app.merchant.put("/api/cardrequest/templates", template.clone()).await.ok();
    let preview = app.merchant.post("/api/cardrequest/templates/preview", template.clone()).await.ok();
    assert_eq!(preview["Subject"], "Hallo Ada King");
    assert!(text(&preview["Html"]).contains("Example &amp; Co"));
    for (name, value, code) in [
        ("Body", "$~nobody~$", "placeholder"),
        ("Subject", "a\r\nBcc: x@y.example", "characters"),
        ("Subject", "$~link~$", "link"),
        ("HtmlBody", "<b>no link</b>", "link"),
        ("Language", "german", "too_long"),
        ("Channel", "Fax", "unknown"),
    ] {
        let mut bad = template.clone();
        bad[name] = json!(value);
        let answer = app.merchant.put("/api/cardrequest/templates", bad).await;
        assert!(text(&answer.is(400).json()["moreInfo"]).contains(&format!("/{name}")), "{code}");
    }
    ask(&app, json!({ "TemplateName": "welcome", "Language": "DE" })).await;
    app.deliver().await;
    let mail = messages(&app).pop().unwrap();
    assert!(mail.contains("Subject: Hallo Ada King\r\n"), "{mail}");
    let lines: Vec<_> = mail.lines().collect();
    assert!(lines.iter().any(|line| line.starts_with("https://cards.example/r/")), "{mail}");
    assert_eq!(app.merchant.get("/api/cardrequest/templates").await.ok()["Items"][0]["Name"], "welcome");
    let other = app.other_merchant().await;
    assert_eq!(other.get("/api/cardrequest/templates").await.ok()["Items"], json!([]));
    let at = "/api/cardrequest/templates/welcome/email/de";
    assert_eq!(other.delete(at).await.status, 404);
    app.merchant.delete(at).await.is(200);
    assert_eq!(app.merchant.delete(at).await.status, 404);
}

#[tokio::test]
async fn requests_need_their_scopes() {
    let app = TestApp::on_sqlite().await;
    let limited = app.with_scopes(&[Scope::CardRead]).await;
    let body = json!({ "RecipientEmail": "a@b.example" });
    assert_eq!(limited.post("/api/cardrequest", body.clone()).await.status, 403);
    assert_eq!(limited.get("/api/cardrequest").await.status, 403);
    assert_eq!(limited.get("/api/cardrequest/templates").await.status, 403);
}
