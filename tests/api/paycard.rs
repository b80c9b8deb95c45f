//! Cards by their URI, and the terms of their security codes (spec B.2, B.5).

use aws_lc_rs::rsa::{Pkcs1PublicEncryptingKey, PublicEncryptingKey};
use backend::crypto::hex;
use backend::model::terms::LONGEST_LIFE;
use backend::model::{Scope, Scopes};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::app::{NUMBER, TestApp, card, text};
use crate::client::{Answer, Call, Client};

on_both_engines! {
    a_card_is_shown_masked,
    a_card_is_told_in_xml,
    a_token_with_several_cards_needs_a_reference,
    an_expiry_is_changed,
    a_card_is_duplicated_without_its_code,
    a_card_is_deleted,
    errors_have_the_interfaces_shape,
    a_foreign_card_is_unknown,
    terms_are_set_and_shown,
    terms_are_read_from_xml,
    terms_out_of_range_are_refused,
    terms_need_a_code,
    a_code_is_read_by_its_owner_only_within_the_terms,
    destinations_are_taken_back,
    a_code_is_cleared,
    a_card_goes_with_its_code_at_the_end_date,
    a_card_goes_with_its_code_at_the_last_use,
    a_session_token_opens_forms_only,
    a_card_form_opens_with_a_session_and_stores,
    the_endpoint_of_a_card_form_takes_what_its_form_takes,
    a_card_form_speaks_the_interfaces_words_and_language,
    a_card_form_refuses_digits_in_names_where_it_is_told_to,
    another_language_opens_the_card_form_anew,
    a_card_form_refuses_what_it_cannot_do,
    a_card_form_takes_types_and_looks,
    an_access_token_opens_forms_only,
}

/// A card of the managed key with a code; answers the path of its URI.
async fn stored(client: &Client) -> String {
    let mut body = card(NUMBER);
    body["cvv"] = json!("737");
    let stored = client.post("/v1/vault?user=managed&algorithm=random", body).await.ok();
    format!("/api/payments/paycard/{}", text(&stored["token"]))
}

async fn put(client: &Client, uri: &str, terms: Value) -> Answer {
    client.put(&format!("{uri}/cvv/Restriction"), terms).await
}

fn owner(quota: u32) -> Value {
    json!({ "CvvRetentionPolicyList": [{ "DestinationType": "Owner", "Quota": quota }] })
}

/// The code in the interface's error block.
#[track_caller]
fn block(answer: &Answer, status: u16, code: i64) -> Value {
    let body = answer.is(status).json();
    assert_eq!(body["code"], code, "{body}");
    assert!(!text(&body["message"]).is_empty() && body["moreInfo"].is_string(), "{body}");
    body
}

/// The code of a card by the call that counts a use.
async fn read(client: &Client, uri: &str) -> Value {
    let token = uri.rsplit('/').next().unwrap();
    client.get(&format!("/v1/vault?user=managed&token={token}")).await.ok()["cvv"].clone()
}

async fn a_card_is_shown_masked(app: TestApp) {
    let uri = stored(&app.merchant).await;
    let shown = app.merchant.get(&uri).await.ok();
    assert_eq!(shown["BankCard"]["Number"], "411111******1111");
    assert_eq!(shown["BankCard"]["ExpirationDate"], json!({ "Month": 6, "Year": 2031 }));
    assert_eq!(shown["BankCard"]["Type"], "visa");
    let address = format!("https://cards.example{uri}");
    let meta = app.merchant.get(&format!("{uri}/meta")).await.ok();
    assert_eq!((&meta["URI"], &meta["LastDigits"]), (&json!(address), &json!("1111")));
    assert_eq!((&meta["CvvExists"], &meta["CreateDate"]), (&json!(true), &json!("2027-01-15T08:00:00")));
    assert!(text(&meta["EndRetentionDate"]).starts_with("2027-01-15T09:00"));
    let named: String = url::form_urlencoded::byte_serialize(address.as_bytes()).collect();
    assert_eq!(app.merchant.get(&format!("/api/payments/paycard/meta?ref={named}")).await.ok(), meta);
}

async fn a_card_is_told_in_xml(app: TestApp) {
    let uri = stored(&app.merchant).await;
    let answer = app.merchant.send(Call::new("GET", &uri).header("accept", "application/xml")).await;
    assert!(answer.header("content-type").starts_with("application/xml"));
    let body = answer.is(200).text();
    assert!(body.contains("<BankCardDetails><BankCard><Type>visa</Type>"), "{body}");
    let unknown = Call::new("GET", "/api/payments/paycard/none").header("accept", "text/xml");
    let body = app.merchant.send(unknown).await.is(404).text();
    assert!(body.contains("<ErrorBlock><code>-160</code>"), "{body}");
}

async fn a_token_with_several_cards_needs_a_reference(app: TestApp) {
    let mut uri = String::new();
    for reference in ["one", "two"] {
        let target = format!("/v1/vault?user=managed&reference={reference}");
        let stored = app.merchant.post(&target, card(NUMBER)).await.ok();
        uri = format!("/api/payments/paycard/{}", text(&stored["token"]));
    }
    block(&app.merchant.get(&format!("{uri}/meta")).await, 400, -125);
    let meta = app.merchant.get(&format!("{uri}/meta?reference=two")).await.ok();
    assert_eq!(meta["CreatorReference"], "two");
}

async fn an_expiry_is_changed(app: TestApp) {
    let uri = stored(&app.merchant).await;
    let changed =
        app.merchant.put(&uri, json!({ "expirationdate": { "month": "7", "Year": 32 } })).await.ok();
    assert_eq!(changed["BankCard"]["ExpirationDate"], json!({ "Month": 7, "Year": 2032 }));
    for body in [json!({}), json!({ "Month": 13, "Year": 2032 }), json!({ "Month": 1 })] {
        block(&app.merchant.put(&uri, body).await, 400, -125);
    }
}

async fn a_card_is_duplicated_without_its_code(app: TestApp) {
    let uri = stored(&app.merchant).await;
    let copied = app.merchant.post(&format!("{uri}/duplicate"), json!({ "CreatorReference": "r2" })).await;
    let copy = copied.is(201).header("location").strip_prefix("https://cards.example").unwrap().to_owned();
    assert_ne!(copy, uri);
    let meta = app.merchant.get(&format!("{copy}/meta")).await.ok();
    assert_eq!((&meta["CvvExists"], &meta["CreatorReference"]), (&json!(false), &json!("r2")));
    assert_eq!(app.merchant.get(&format!("{uri}/meta")).await.ok()["CvvExists"], true);
    let copied = app.merchant.post(&format!("{uri}/duplicate"), json!({ "CVV": "123" })).await;
    let copy = copied.is(201).header("location").strip_prefix("https://cards.example").unwrap().to_owned();
    assert_eq!(app.merchant.get(&format!("{copy}/meta")).await.ok()["CvvExists"], true);
    let token = copy.rsplit('/').next().unwrap();
    let object = app.merchant.get(&format!("/v1/vault?user=managed&token={token}")).await.ok();
    assert_eq!((&object["card_number"], &object["card_holder"]), (&json!(NUMBER), &json!("Ada King")));
    block(&app.merchant.post(&format!("{uri}/duplicate"), json!({ "CVV": "12" })).await, 400, -125);
}

async fn a_card_is_deleted(app: TestApp) {
    let uri = stored(&app.merchant).await;
    assert_eq!(app.merchant.delete(&uri).await.is(200).text(), "");
    block(&app.merchant.get(&uri).await, 404, -160);
    block(&app.merchant.delete(&uri).await, 404, -160);
}

async fn errors_have_the_interfaces_shape(app: TestApp) {
    let uri = stored(&app.merchant).await;
    block(&app.anonymous.get(&uri).await, 401, -1003);
    block(&app.anonymous.with_authorization("APIKEY none.x").get(&uri).await, 401, -1003);
    block(&app.with_scopes(&[Scope::CaptureCreate]).await.get(&uri).await, 403, -1003);
    let call = || Call::new("PUT", &uri);
    block(&app.merchant.send(call().body("{")).await, 400, -123);
    block(&app.merchant.send(call().body("<a><b></a>")).await, 400, -123);
    block(&app.merchant.send(call().body(" ".repeat(300_000))).await, 413, -123);
}

async fn a_foreign_card_is_unknown(app: TestApp) {
    let uri = stored(&app.merchant).await;
    for stranger in [app.other_merchant().await, app.test_mode.clone()] {
        block(&stranger.get(&uri).await, 404, -160);
        block(&stranger.delete(&uri).await, 404, -160);
        block(&stranger.delete(&format!("{uri}/cvv")).await, 404, -160);
        block(&put(&stranger, &uri, owner(1)).await, 404, -160);
    }
    app.merchant.get(&uri).await.ok();
}

async fn terms_are_set_and_shown(app: TestApp) {
    let uri = stored(&app.merchant).await;
    let before = app.merchant.get(&format!("{uri}/cvv/Restriction")).await.ok();
    assert_eq!(before["CvvRetentionPolicyList"], json!([]));
    let terms = json!({
        "CvvEndRetentionDate": "2027-01-15T20:00:00", "DeleteCardUponCvvCleanup": true,
        "CvvRetentionPolicyList": [
            { "DestinationType": "HostName", "DestinationData": "https://PSP.example/pay", "Quota": 50 },
            { "DestinationType": "GeneralProperty", "DestinationData": 17, "Quota": 5 },
        ],
    });
    let set = put(&app.merchant, &uri, terms).await.ok();
    let expected = json!({
        "CvvEndRetentionDate": "2027-01-15T20:00:00", "DeleteCardUponCvvCleanup": true,
        "CvvRetentionPolicyList": [
            { "DestinationType": "HostName", "DestinationData": "psp.example", "Quota": 50, "Usage": 0 },
            { "DestinationType": "GeneralProperty", "DestinationData": "17", "Quota": 5, "Usage": 0 },
        ],
    });
    assert_eq!(set, expected);
    assert_eq!(app.merchant.get(&format!("{uri}/cvv/Restriction")).await.ok(), expected);
}

async fn terms_are_read_from_xml(app: TestApp) {
    let uri = stored(&app.merchant).await;
    let body = "<CardCvvRetentionPolicy><CvvEndRetentionDate>2027-01-15T10:00:00</CvvEndRetentionDate>\
        <DeleteCardUponCvvCleanup>True</DeleteCardUponCvvCleanup><CvvRetentionPolicyList>\
        <CvvRetentionPolicyDestination><DestinationType>HostName</DestinationType>\
        <DestinationData>psp.example</DestinationData><Quota>2</Quota></CvvRetentionPolicyDestination>\
        </CvvRetentionPolicyList></CardCvvRetentionPolicy>";
    let call = Call::new("PUT", &format!("{uri}/cvv/Restriction"));
    let set = app.merchant.send(call.header("content-type", "application/xml").body(body)).await.ok();
    assert_eq!(set["DeleteCardUponCvvCleanup"], true);
    assert_eq!(set["CvvRetentionPolicyList"][0]["Quota"], 2);
}

async fn terms_out_of_range_are_refused(app: TestApp) {
    let uri = stored(&app.merchant).await;
    let place = |kind: &str, data: &str, quota: u32| {
        let place = json!({ "DestinationType": kind, "DestinationData": data, "Quota": quota });
        json!({ "CvvRetentionPolicyList": [place] })
    };
    let end = |text: &str| json!({ "CvvEndRetentionDate": text });
    for (terms, code) in [
        (place("Owner", "", 0), -125),
        (place("Owner", "", 51), -125),
        (place("GeneralProperty", "1", 6), -125),
        (place("Mars", "", 1), -112),
        (place("HostName", "", 1), -112),
        (place("HostName", "a b", 1), -112),
        (place("OtherUser", NUMBER, 1), -112),
        (end("2027-01-15T07:59:59"), -125),
        (end("2027-01-16T08:00:30"), -125),
        (end("2032-01-15T08:00:00"), -125),
        (end("soon"), -125),
        (json!({ "CvvRetentionPolicyList": "x" }), -125),
        (json!({ "DeleteCardUponCvvCleanup": "maybe" }), -125),
    ] {
        block(&put(&app.merchant, &uri, terms.clone()).await, 400, code);
    }
    let many: Vec<_> = (0..51)
        .map(|n| json!({ "DestinationType": "OtherUser", "DestinationData": n, "Quota": 1 }))
        .collect();
    block(&put(&app.merchant, &uri, json!({ "CvvRetentionPolicyList": many })).await, 400, -174);
    let twice = json!({ "DestinationType": "Owner", "Quota": 1 });
    block(&put(&app.merchant, &uri, json!({ "CvvRetentionPolicyList": [twice, twice] })).await, 400, -125);
    let unchanged = app.merchant.get(&format!("{uri}/cvv/Restriction")).await.ok();
    assert_eq!(unchanged["CvvRetentionPolicyList"], json!([]));
}

/// What was refused, in the interface's error block.
async fn refusal(client: &Client, uri: &str, end: &str) -> String {
    let answer = put(client, uri, json!({ "CvvEndRetentionDate": end })).await;
    text(&block(&answer, 400, -125)["moreInfo"])
}

#[tokio::test]
async fn a_code_is_kept_48_months_at_most_whatever_the_operator_allows() {
    let app = TestApp::on_sqlite().await;
    let uri = stored(&app.merchant).await;
    // The operator's cap of a day, from the code on.
    let told = refusal(&app.merchant, &uri, "2027-01-16T08:01:00").await;
    assert!(told.contains("operator allows"), "{told}");
    let day = json!({ "CvvEndRetentionDate": "2027-01-16T08:00:00" });
    put(&app.merchant, &uri, day).await.ok();

    // The longest that can be configured. A newer code of the card moves the operator's limit, and not this one.
    let app = TestApp::on_sqlite_with(|settings| settings.policy.cvv_cap = LONGEST_LIFE).await;
    let uri = stored(&app.merchant).await;
    app.clock.pass(3600);
    let token = uri.rsplit('/').next().unwrap();
    let update = format!("/v1/vault/update?user=managed&token={token}");
    app.merchant.post(&update, json!({ "cvv": "737" })).await.ok();
    let told = refusal(&app.merchant, &uri, "2031-01-15T08:01:00").await;
    assert!(told.contains("48 months"), "{told}");
    let told = refusal(&app.merchant, &uri, "2031-01-15T09:01:00").await;
    assert!(told.contains("operator allows"), "{told}");
    put(&app.merchant, &uri, json!({ "CvvEndRetentionDate": "2031-01-15T08:00:00" })).await.ok();
    let shown = app.merchant.get(&format!("{uri}/cvv/Restriction")).await.ok();
    assert!(text(&shown["CvvEndRetentionDate"]).starts_with("2031-01-15T08:00:00"), "{shown}");
}

async fn terms_need_a_code(app: TestApp) {
    let token = app.card().await;
    block(&put(&app.merchant, &format!("/api/payments/paycard/{token}"), owner(1)).await, 409, -168);
}

async fn a_code_is_read_by_its_owner_only_within_the_terms(app: TestApp) {
    let reader = app.code_reader().await;
    let uri = stored(&reader).await;
    let host = json!({ "CvvRetentionPolicyList": [
        { "DestinationType": "HostName", "DestinationData": "psp.example", "Quota": 1 } ] });
    put(&reader, &uri, host).await.ok();
    assert_eq!(read(&reader, &uri).await, Value::Null, "the owner is no destination of it");
    put(&reader, &uri, owner(3)).await.ok();
    assert_eq!(read(&reader, &uri).await, "737");
    let shown = reader.get(&format!("{uri}/cvv/Restriction")).await.ok();
    assert_eq!(shown["CvvRetentionPolicyList"][0]["Usage"], 1);
    // Setting the same again gives no use back.
    put(&reader, &uri, owner(2)).await.ok();
    assert_eq!(read(&reader, &uri).await, "737");
    assert_eq!(read(&reader, &uri).await, Value::Null);
    assert_eq!(reader.get(&format!("{uri}/meta")).await.ok()["CvvExists"], false);
}

async fn destinations_are_taken_back(app: TestApp) {
    let uri = stored(&app.merchant).await;
    let place =
        |kind: &str, data: &str| json!({ "DestinationType": kind, "DestinationData": data, "Quota": 1 });
    let all = [place("HostName", "a.example"), place("HostName", "b.example"), place("Owner", "")];
    put(
        &app.merchant,
        &uri,
        json!({ "CvvRetentionPolicyList": all, "CvvEndRetentionDate": "2027-01-15T20:00:00" }),
    )
    .await
    .ok();
    let target = format!("{uri}/cvv/Restriction");
    let count = |shown: &Value| shown["CvvRetentionPolicyList"].as_array().unwrap().len();
    let left = app.merchant.delete(&format!("{target}/HostName/https%3A%2F%2Fa.example")).await.ok();
    assert_eq!(count(&left), 2);
    block(&app.merchant.delete(&format!("{target}/HostName/a.example")).await, 404, -160);
    block(&app.merchant.delete(&format!("{target}/Mars")).await, 404, -160);
    assert_eq!(count(&app.merchant.delete(&format!("{target}/hostname")).await.ok()), 1);
    let usual = app.merchant.delete(&target).await.ok();
    assert_eq!(count(&usual), 0);
    assert!(text(&usual["CvvEndRetentionDate"]).starts_with("2027-01-15T09:00"), "the operator's life again");
}

async fn a_code_is_cleared(app: TestApp) {
    let reader = app.code_reader().await;
    let uri = stored(&reader).await;
    reader.delete(&format!("{uri}/cvv")).await.is(200);
    assert_eq!(read(&reader, &uri).await, Value::Null);
    assert_eq!(reader.get(&format!("{uri}/meta")).await.ok()["CvvExists"], false);
}

async fn a_card_goes_with_its_code_at_the_end_date(app: TestApp) {
    let (goes, stays) = (stored(&app.merchant).await, stored(&app.merchant).await);
    let terms = |deletes| json!({ "CvvEndRetentionDate": "2027-01-15T10:00:00", "DeleteCardUponCvvCleanup": deletes });
    put(&app.merchant, &goes, terms(true)).await.ok();
    put(&app.merchant, &stays, terms(false)).await.ok();
    app.clock.pass(7100);
    app.sweep().await;
    app.merchant.get(&goes).await.ok();
    app.clock.pass(101);
    app.sweep().await;
    block(&app.merchant.get(&goes).await, 404, -160);
    assert_eq!(app.merchant.get(&format!("{stays}/meta")).await.ok()["CvvExists"], false);
}

async fn a_card_goes_with_its_code_at_the_last_use(app: TestApp) {
    let reader = app.code_reader().await;
    let uri = stored(&reader).await;
    let mut terms = owner(1);
    terms["DeleteCardUponCvvCleanup"] = json!(true);
    put(&reader, &uri, terms).await.ok();
    assert_eq!(read(&reader, &uri).await, "737");
    block(&reader.get(&uri).await, 404, -160);
}

async fn a_session_token_opens_forms_only(app: TestApp) {
    let uri = stored(&app.merchant).await;
    let made = app.new_merchant("Named", Scopes::usual()).await.live;
    let client = app.anonymous.with_authorization(&format!("APIKEY {}", made.api_key.as_str()));
    let answer = client.post("/api/payments/paycard/tempsession", json!({})).await;
    let token = text(&answer.ok());
    let with = |token: &str| format!("{uri}?SessionToken={token}");
    block(&app.anonymous.get(&with(&token)).await, 403, -1003);
    block(&app.anonymous.delete(&with(&token)).await, 403, -1003);
    block(&app.anonymous.get(&with(&format!("{token}x"))).await, 401, -1003);
    block(&app.anonymous.get(&with("none")).await, 401, -1003);
    app.clock.pass(300);
    block(&app.anonymous.get(&with(&token)).await, 401, -1003);
}

/// The value of a hidden input of a page.
fn hidden(page: &str, name: &str) -> String {
    let input = page.split("<input").find(|input| input.contains(&format!("name=\"{name}\""))).unwrap();
    input.split("value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned()
}

async fn a_card_form_opens_with_a_session_and_stores(app: TestApp) {
    let token = text(&app.merchant.post("/api/payments/paycard/tempsession", json!({})).await.ok());
    let success = "https%3A%2F%2Fshop.example%2Fok%3Fcard%3D%7BcardToken%7D%26cvv%3D%7Bcvv%7D";
    let target = format!(
        "/api/payments/capturecard?sessionToken={token}&brand=x&language=en&CVV=True&creatorReference=r9&Success={success}"
    );
    let opened = app.anonymous.get(&target).await;
    let page = opened.is(200).text();
    assert!(opened.header("content-type").starts_with("text/html") && page.contains("name=\"cvv\""));
    assert!(page.contains("shop.example"), "the callback that goes there");
    let (id, secret) = (hidden(&page, "unique_id"), hidden(&page, "secret"));
    let action = page.split("action=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let fields = [
        ("unique_id", id.as_str()),
        ("secret", secret.as_str()),
        ("card_number", NUMBER),
        ("card_holder", "Ada King"),
        ("expiry", "06/31"),
        ("cvv", "737"),
    ];
    app.anonymous.send(Call::new("POST", &action).form(&fields)).await.is(303);
    let stored = app.stored_cards("managed").await.remove(0);
    assert_eq!(stored.reference, "r9");
    let meta = app.merchant.get(&format!("/api/payments/paycard/{}/meta", stored.token)).await.ok();
    assert_eq!((&meta["CvvExists"], &meta["LastDigits"]), (&json!(true), &json!("1111")));
    // The same page again is the same form, with an endpoint of its own; after days the form is swept.
    let again = app.anonymous.get(&target).await.text();
    assert!(again.contains(&action) && hidden(&again, "unique_id") != id);
    app.clock.pass(3 * 86_400);
    app.sweep().await;
    app.anonymous.get(&format!("{action}?unique_id={id}&secret={secret}")).await.is(404);
}

async fn the_endpoint_of_a_card_form_takes_what_its_form_takes(app: TestApp) {
    let target = "/api/payments/capturecard?cardTypes=Visa,%20American%20Express";
    let page = app.merchant.get(target).await.is(200).text();
    assert!(page.contains("data-cards=\"visa amex\""));
    let (id, secret) = (hidden(&page, "unique_id"), hidden(&page, "secret"));
    let direct = |number: &str| {
        let call = Call::new("POST", &format!("/v1/capture/{id}")).header("x-capture-secret", &secret);
        call.json(&json!({ "card_number": number }))
    };
    let refused = app.anonymous.send(direct("5555555555554444")).await;
    refused.refused(400, "invalid").at("/card_number", "not_accepted");
    app.anonymous.send(direct(NUMBER)).await.ok();
}

async fn a_card_form_speaks_the_interfaces_words_and_language(app: TestApp) {
    let host = "postMessageHost=http%3A%2F%2Flocalhost%3A1";
    let at = |query: &str| format!("/api/payments/capturecard?{host}&{query}");
    let page = app.merchant.get(&at("SubmitWithPostMessage=True")).await.is(200).text();
    assert!(page.contains(r#""messages":"card_request""#) && page.contains(r#""submit_by_message":true"#));
    let page = app.merchant.get(&at("language=de")).await.is(200).text();
    assert!(page.contains(r#""messages":"card_request""#) && page.contains(r#""submit_by_message":false"#));
    assert!(page.contains("lang=\"de\""));
    block(&app.merchant.get(&at("submitWithPostMessage=maybe")).await, 400, -125);
    // The pages that follow speak it too, also those without scripts.
    let action = page.split("action=\"").nth(1).unwrap().split('"').next().unwrap();
    let (id, secret, locale) = (hidden(&page, "unique_id"), hidden(&page, "secret"), hidden(&page, "locale"));
    let mut fields = vec![("unique_id", id.as_str()), ("secret", &secret), ("locale", &locale)];
    fields.extend([("card_number", "4111111111111112"), ("card_holder", "Ada King"), ("expiry", "06/31")]);
    let answer = app.anonymous.send(Call::new("POST", action).form(&fields)).await;
    let refused = app.anonymous.get(answer.is(303).header("location")).await.is(422).text();
    assert!(refused.contains("lang=\"de\"") && refused.contains(r#""submit_by_message":false"#));
    fields[3].1 = NUMBER;
    let answer = app.anonymous.send(Call::new("POST", action).form(&fields)).await;
    let saved = app.anonymous.get(answer.is(303).header("location")).await.is(200).text();
    assert!(saved.contains("lang=\"de\"") && saved.contains(r#""messages":"card_request""#));
}

async fn a_card_form_refuses_digits_in_names_where_it_is_told_to(app: TestApp) {
    for (rule, refuses) in [("No_Digits", true), ("", false)] {
        let target = format!("/api/payments/capturecard?nameOnCardValidation={rule}&cvv=true");
        let page = app.merchant.get(&target).await.is(200).text();
        let action = page.split("action=\"").nth(1).unwrap().split('"').next().unwrap();
        let mut body = card(NUMBER);
        body["expiry"] = json!("06/31");
        body["card_holder"] = json!("Ada King 2");
        body["cvv"] = json!("737");
        body["unique_id"] = json!(hidden(&page, "unique_id"));
        let secret = hidden(&page, "secret");
        let send = async |body: &Value| {
            app.anonymous.send(Call::new("POST", action).header("x-capture-secret", &secret).json(body)).await
        };
        if refuses {
            send(&body).await.refused(400, "invalid").at("/card_holder", "characters");
            body["card_holder"] = json!("Ada King");
        }
        send(&body).await.ok();
    }
}

async fn another_language_opens_the_card_form_anew(app: TestApp) {
    let words = json!({ "form_id": "spoken", "locale": "de", "translations": { "it": { "submit": { "label": "Salva" } } } });
    app.merchant.post("/v1/capture/iframe?form_type=pcd", words).await.ok();
    let target = "/api/payments/capturecard?brand=spoken&language=de&cvv=true";
    let page = app.merchant.get(target).await.is(200).text();
    let choice = page.split("id=\"cardamom-language\"").nth(1).expect("a choice");
    let choice = choice.split("</form>").next().unwrap();
    // The page's own address, in which no secret stands.
    assert_eq!(hidden(choice, "brand"), "spoken");
    assert_eq!(hidden(choice, "cvv"), "true");
    assert!(!choice.contains("secret") && !choice.contains("unique_id"));
    let chosen = app.merchant.get(&format!("{target}&locale=it")).await.is(200).text();
    assert!(chosen.contains("lang=\"it\""), "{chosen}");
}

async fn a_card_form_refuses_what_it_cannot_do(app: TestApp) {
    block(&app.anonymous.get("/api/payments/capturecard?brand=x").await, 401, -1003);
    for query in [
        "success=http%3A%2F%2Fshop.example",
        "failure=x",
        "ThreeDS=true",
        "cvv=maybe",
        "cardTypes=Visa,Nonsense",
        "autoDetectCardType=False",
        "defaultCardType=Nonsense",
        "nameOnCardValidation=LETTERS",
        "autoFocus=perhaps",
        "cardTypes=Visa&defaultCardType=Maestro",
    ] {
        block(&app.merchant.get(&format!("/api/payments/capturecard?{query}")).await, 400, -125);
    }
    let page = app.merchant.get("/api/payments/capturecard").await.is(200).text();
    assert!(!page.contains("name=\"cvv\""));
}

async fn a_card_form_takes_types_and_looks(app: TestApp) {
    let css = "Ym9keSB7IGNvbG9yOiByZWQ7IH0=";
    let form = json!({ "form_id": "winter", "embedded_css": css, "locale": "it" });
    app.merchant.post("/v1/capture/iframe?form_type=pcd", form).await.ok();
    let at = |query: &str| format!("/api/payments/capturecard?brand=somebody&{query}");
    let plain = app.merchant.get(&at("css=nothing")).await.is(200).text();
    assert!(!plain.contains("color: red") && !plain.contains("color:red") && !plain.contains("data-cards"));
    let worn = app.merchant.get(&at("css=winter&cardTypes=Master+Card,VISA,visa&defaultCardType=Visa")).await;
    let page = worn.is(200).text();
    assert!(page.contains("data-cards=\"visa mastercard\""), "{page}");
    assert!(page.contains("color: red") || page.contains("color:red"), "{page}");
    assert!(page.contains("lang=\"en\""), "css brings no language");
    let page = app.merchant.get("/api/payments/capturecard?brand=winter").await.is(200).text();
    assert!(page.contains("lang=\"it\"") && !page.contains("color: red") && !page.contains("color:red"));
    // A preferred type alone leaves the others in.
    let page = app.merchant.get(&at("defaultCardType=dankort&autoDetectCardType=True")).await.is(200).text();
    let cards = page.split("data-cards=\"").nth(1).unwrap().split('"').next().unwrap();
    assert!(
        cards.starts_with("dankort ") && cards.ends_with(" other") && cards.contains(" visa "),
        "{cards}"
    );
}

/// A text as clients encrypt it to the published key.
fn encrypted(pem: &str, text: &str) -> String {
    let lines: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
    let key = PublicEncryptingKey::from_der(&STANDARD.decode(lines).unwrap()).unwrap();
    let key = Pkcs1PublicEncryptingKey::new(key).unwrap();
    let mut sealed = vec![0; key.ciphertext_size()];
    key.encrypt(text.as_bytes(), &mut sealed).unwrap();
    hex(&sealed).to_uppercase()
}

async fn an_access_token_opens_forms_only(app: TestApp) {
    let made = app.new_merchant("Named", Scopes::usual()).await.live;
    let client = app.anonymous.with_authorization(&format!("APIKEY {}", made.api_key.as_str()));
    let published = client.get("/api/payments/accesstoken/key").await;
    let pem = published.is(200).text();
    assert_eq!(client.get("/api/payments/accesstoken/key").await.text(), pem, "one key for all");
    block(&app.anonymous.get("/api/payments/accesstoken/key").await, 401, -1003);
    let token = |end: &str| encrypted(&pem, &format!("{}#2f1c-77#{end}", made.api_key.as_str()));
    let form = |token: &str| format!("/api/payments/capturecard?brand=x&AccessToken={token}");
    let right = token("2027-01-15T08:30:00");
    assert!(app.anonymous.get(&form(&right)).await.is(200).text().contains("name=\"card_number\""));
    // The session token counts first.
    block(&app.anonymous.get(&format!("{}&sessionToken=none", form(&right))).await, 401, -1003);
    let uri = stored(&app.merchant).await;
    block(&app.anonymous.get(&format!("{uri}?accessToken={right}")).await, 403, -1003);
    let unknown = encrypted(&pem, "key_1.nothing#2f1c-77#2027-01-15T08:30:00");
    let wrong =
        [token("2027-01-15T09:00:01"), token("2027-01-15T07:59:59"), unknown, "00".repeat(384), "x".into()];
    let mut answers = Vec::new();
    for token in &wrong {
        let answer = app.anonymous.get(&form(token)).await;
        block(&answer, 401, -1003);
        answers.push(answer.text());
    }
    assert!(answers.windows(2).all(|pair| pair[0] == pair[1]), "what is wrong is not told");
    app.clock.pass(1801);
    block(&app.anonymous.get(&form(&right)).await, 401, -1003);
}

#[tokio::test]
async fn refused_access_tokens_are_few() {
    let app = TestApp::on_sqlite().await;
    let pem = app.merchant.get("/api/payments/accesstoken/key").await.is(200).text();
    let made = app.new_merchant("Named", Scopes::usual()).await.live;
    let right = encrypted(&pem, &format!("{}#1#2027-01-15T08:30:00", made.api_key.as_str()));
    let form = |token: &str| format!("/api/payments/capturecard?accessToken={token}");
    app.anonymous.get(&form(&right)).await.is(200);
    for _ in 0..20 {
        app.anonymous.get(&form(&"00".repeat(384))).await.is(401);
    }
    app.anonymous.get(&form(&right)).await.is(401);
    app.clock.pass(60);
    app.anonymous.get(&form(&right)).await.is(200);
}

#[tokio::test]
async fn the_key_of_a_code_is_gone_from_the_file_after_quota_and_date() {
    let app = TestApp::on_sqlite().await;
    let holds = |part: &[u8]| app.bytes_on_disk().windows(part.len()).any(|window| window == part);
    let reader = app.code_reader().await;
    let (used, ended) = (stored(&reader).await, stored(&app.merchant).await);
    put(&reader, &used, owner(1)).await.ok();
    put(&app.merchant, &ended, json!({ "CvvEndRetentionDate": "2027-01-15T09:30:00" })).await.ok();
    let file = rusqlite::Connection::open(app.file()).unwrap();
    let sealed = |uri: &str| -> Vec<u8> {
        let code = "SELECT v.sealed FROM card_cvv v JOIN card c ON c.id = v.card_id WHERE c.token = ?1";
        file.query_row(code, [uri.rsplit('/').next().unwrap()], |row| row.get(0)).unwrap()
    };
    // The sealed codes, with the wrapped keys inside.
    let (used_code, ended_code) = (sealed(&used), sealed(&ended));
    drop(file);
    assert!(used_code != ended_code && holds(&used_code) && holds(&ended_code));
    assert_eq!(read(&reader, &used).await, "737");
    app.sweep().await;
    assert!(!holds(&used_code), "it is gone by its last use, long before its time");
    assert!(holds(&ended_code));
    assert_eq!(read(&reader, &used).await, Value::Null);
    app.clock.pass(5401);
    app.sweep().await;
    assert!(!holds(&ended_code));
    assert_eq!(app.merchant.get(&format!("{ended}/meta")).await.ok()["CvvExists"], false);
}
