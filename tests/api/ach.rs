//! Bank accounts: the form without configuration, configured ones, plain and by script; captures without a form.

use serde_json::{Value, json};

use crate::app::{Endpoint, TestApp, text};
use crate::client::{Answer, Call};
use crate::plain_form::{fill, follow};

on_both_engines! {
    the_standard_form_stores_an_account,
    its_page_asks_for_an_account,
    the_script_stores_an_account_and_callbacks_learn_little,
    wrong_accounts_are_refused_beside_their_field,
    an_account_number_that_passes_luhn_is_taken,
    a_capture_without_a_form_takes_accounts,
    a_locked_endpoint_takes_no_account_number,
    an_account_is_masked_and_shown_by_its_end,
    its_fields_are_hidden_and_relaxed_as_those_of_a_card,
    a_form_without_any_field_is_refused,
}

const ACCOUNT: [(&str, &str); 4] = [
    ("routing_number", "021000021"),
    ("account_number", "0001 2345 6789"),
    ("account_holder", "Ada King"),
    ("account_type", "Business Checking"),
];

async fn by_script(app: &TestApp, form: &str, endpoint: &Endpoint, changed: &[(&str, &str)]) -> Answer {
    let mut body = json!({ "unique_id": endpoint.id });
    for (name, value) in ACCOUNT.iter().chain(changed) {
        body[*name] = (*value).into();
    }
    let call = Call::new("POST", &format!("/v1/capture/iframe/{form}"));
    app.anonymous.send(call.header("x-capture-secret", &endpoint.secret).json(&body)).await
}

async fn form(app: &TestApp, settings: Value) -> String {
    text(&app.merchant.post("/v1/capture/iframe?form_type=ach", settings).await.ok()["id"])
}

fn whole() -> Value {
    json!({
        "account_number": "000123456789", "routing_number": "021000021", "account_holder": "Ada King",
        "account_type": "Business Checking", "last_four": "6789",
    })
}

async fn the_standard_form_stores_an_account(app: TestApp) {
    let endpoint = app.endpoint("").await;
    let page = follow(&app, &fill(&app, "ach", &endpoint, &ACCOUNT).await).await;
    assert!(page.is(200).text().contains("Account saved"));
    let stored = app.stored_cards("managed").await.remove(0);
    assert_eq!(app.read(&stored.token, &endpoint.id).await, whole());
    assert_eq!(stored.shown.last_four, "6789");
    assert_eq!((stored.shown.first_six.as_str(), stored.shown.holder.as_str()), ("", "A•• K•••"));
}

async fn its_page_asks_for_an_account(app: TestApp) {
    let endpoint = app.endpoint("").await;
    let target = format!("/v1/capture/iframe/ach?unique_id={}&secret={}", endpoint.id, endpoint.secret);
    let page = app.anonymous.get(&target).await.is(200).text();
    for part in [
        "Bank account</h1>",
        "name=\"routing_number\"",
        "Save account",
        "<option value=\"Individual Savings\">",
    ] {
        assert!(page.contains(part), "{part}");
    }
    assert!(!page.contains("name=\"card_number\"") && !page.contains("cc-"));
}

async fn the_script_stores_an_account_and_callbacks_learn_little(app: TestApp) {
    let form = form(&app, json!({})).await;
    let endpoint = app.endpoint("").await;
    let answer = by_script(&app, &form, &endpoint, &[]).await.ok();
    assert_eq!(
        answer["request"],
        json!({ "account_holder": "Ada King", "account_type": "Business Checking", "last_four": "6789" })
    );
    let shown = app.merchant.get(&format!("/v1/capture/iframe/{form}")).await.ok();
    assert_eq!(shown["type"], "ach");
}

async fn wrong_accounts_are_refused_beside_their_field(app: TestApp) {
    let endpoint = app.endpoint("").await;
    for (name, value, code) in [
        ("routing_number", "021000022", "checksum"),
        ("routing_number", "02100002", "too_short"),
        ("account_number", "123", "too_short"),
        ("account_number", "123456789012345678", "too_long"),
        ("account_number", "12a4", "characters"),
        ("account_number", "0001\u{202E}23456789", "characters"),
        ("routing_number", "02100😀0021", "characters"),
        ("account_holder", "Ada\u{202E}King", "characters"),
        ("account_holder", "4111 1111 1111 1111", "holds_number"),
        ("account_type", "Gold", "format"),
        ("account_type", "", "missing"),
    ] {
        let refused = by_script(&app, "ach", &endpoint, &[(name, value)]).await;
        refused.refused(400, "invalid").at(&format!("/{name}"), code);
    }
    let mut fields = ACCOUNT.to_vec();
    fields[0].1 = "021000022";
    let page = follow(&app, &fill(&app, "ach", &endpoint, &fields).await).await.is(422).text();
    assert!(page.contains("id=\"cardamom-routing_number-error\" data-problem=\"checksum\""));
    assert!(
        page.contains("value=\"Ada King\"") && page.contains("<option value=\"Business Checking\" selected>")
    );
    assert!(
        !page.contains("12345678") && !page.contains("2345 6789"),
        "the account's number is not shown again"
    );
}

async fn an_account_number_that_passes_luhn_is_taken(app: TestApp) {
    let endpoint = app.endpoint("").await;
    let answer = by_script(&app, "ach", &endpoint, &[("account_number", "4111111111111111")]).await.ok();
    let token = text(&answer["response"]["token"]);
    assert_eq!(app.read(&token, &endpoint.id).await["account_number"], "4111111111111111");
}

async fn a_capture_without_a_form_takes_accounts(app: TestApp) {
    let endpoint = app.endpoint("&return_card_metadata=true").await;
    let answer = endpoint.capture(whole()).await.ok();
    let token = text(&answer["token"]);
    assert_eq!(app.read(&token, &endpoint.id).await, whole());
    assert_eq!(
        (&answer["card_metadata"]["brand"], &answer["card_metadata"]["first_six"]),
        (&json!("other"), &json!(""))
    );
    let mut wrong = whole();
    wrong["routing_number"] = "021000022".into();
    endpoint.capture(wrong).await.refused(400, "invalid").at("/routing_number", "checksum");
    // Said by the form's type alone, as the interface's own form does.
    let call = endpoint.call("?form_type=ach").json(&json!({ "account_number": "000123456789" }));
    assert_eq!(
        text(&app.anonymous.send(call).await.ok()["token"]),
        token,
        "the token is the account number's"
    );
}

async fn a_locked_endpoint_takes_no_account_number(app: TestApp) {
    let open = app.endpoint("").await;
    let token = text(&open.capture(whole()).await.ok()["token"]);
    let locked = app.endpoint(&format!("&token={token}&reference={}", open.id)).await;
    by_script(&app, "ach", &locked, &[]).await.refused(400, "invalid").at("", "immutable");
    by_script(&app, "ach", &locked, &[("account_number", ""), ("account_holder", "Ada Lovelace")]).await.ok();
    let object = app.read(&token, &open.id).await;
    assert_eq!(
        (&object["account_holder"], &object["account_number"]),
        (&json!("Ada Lovelace"), &json!("000123456789"))
    );
}

async fn an_account_is_masked_and_shown_by_its_end(app: TestApp) {
    let endpoint = app.endpoint("").await;
    let token = text(&endpoint.capture(whole()).await.ok()["token"]);
    let target =
        format!("/v1/vault?user=managed&token={token}&reference={}&mask_fields=account_number", endpoint.id);
    assert_eq!(app.merchant.get(&target).await.ok()["account_number"], "••••••••6789");
    let short = app.endpoint("").await;
    by_script(&app, "ach", &short, &[("account_number", "1234")]).await.ok();
    let stored = app.stored_cards("managed").await;
    let stored = stored.iter().find(|card| card.reference == short.id).unwrap();
    assert_eq!(stored.shown.last_four, "", "four digits are the whole number");
    assert!(app.read(&stored.token, &short.id).await.get("last_four").is_none());
}

async fn its_fields_are_hidden_and_relaxed_as_those_of_a_card(app: TestApp) {
    let settings = json!({ "field_options": {
        "routing_number": { "validate": false }, "account_type": { "visible": false },
        "account_holder": { "validate": false }, "extra_data": { "visible": true },
    }});
    let form = form(&app, settings).await;
    let endpoint = app.endpoint("").await;
    let changed = [("routing_number", "021000022"), ("account_holder", ""), ("account_type", "Gold")];
    let answer = by_script(&app, &form, &endpoint, &changed).await.ok();
    let object = app.read(&text(&answer["response"]["token"]), &endpoint.id).await;
    assert_eq!((&object["routing_number"], object.get("account_holder")), (&json!("021000022"), None));
}

async fn a_form_without_any_field_is_refused(app: TestApp) {
    let hidden = json!({ "visible": false });
    let body = json!({ "field_options": { "routing_number": hidden, "account_number": hidden,
        "account_holder": hidden, "account_type": hidden } });
    let refused = app.merchant.post("/v1/capture/iframe?form_type=ach", body).await;
    refused.refused(400, "invalid").at("/field_options", "nothing_visible");
    let body = json!({ "field_options": { "card_number": { "visible": true } } });
    let refused = app.merchant.post("/v1/capture/iframe?form_type=ach", body).await;
    refused.refused(400, "invalid").at("/field_options/card_number", "unknown");
}
