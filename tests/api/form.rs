//! `/v1/capture/iframe`: hosted forms as their owner makes, reads and deletes them.

use backend::assets::integrity;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::app::{TestApp, text};
use crate::plain_form::{FIELDS, fill, follow};

const CALLBACK: &str =
    "function(responseData, requestData) { window.location.replace(`https://shop.example/ok`); }";

on_both_engines! {
    a_form_is_answered_as_in_the_seed,
    its_owner_reads_the_settings,
    the_type_is_read_from_query_or_body,
    a_chosen_id_is_taken_once,
    reserved_ids_are_refused,
    a_deleted_form_is_gone,
    wrong_settings_are_refused_at_their_place,
    a_form_without_a_visible_field_is_refused,
    members_that_nobody_knows_are_named,
    callbacks_that_need_a_document_run_on_the_done_page,
    the_done_page_names_its_scripts_one_by_one,
}

/// The seed's form: all fields hidden but the code.
fn code_only() -> Value {
    let hidden = json!({ "visible": false });
    json!({
        "success_callback": STANDARD.encode(CALLBACK),
        "field_options": { "reference": hidden, "card_holder": hidden, "expiry": hidden, "card_number": hidden },
    })
}

async fn a_form_is_answered_as_in_the_seed(app: TestApp) {
    let made = app.merchant.post("/v1/capture/iframe?form_type=pcd", code_only()).await.ok();
    let id = text(&made["id"]);
    assert_eq!(
        made,
        json!({
            "type": "pcd", "id": id, "link": format!("cards.example/v1/capture/iframe/{id}"),
            "callback_runner": "worker",
        })
    );
    assert!((21..=22).contains(&id.len()));
}

async fn its_owner_reads_the_settings(app: TestApp) {
    let mut settings = code_only();
    settings["allowed_origins"] = json!(["https://shop.example/"]);
    settings["single_use"] = true.into();
    settings["messages"] = "card_request".into();
    let id = text(&app.merchant.post("/v1/capture/iframe/", settings).await.ok()["id"]);
    let shown = app.merchant.get(&format!("/v1/capture/iframe/{id}")).await.ok();
    assert_eq!(shown["field_options"]["expiry"], json!({ "visible": false, "validate": true }));
    assert_eq!(shown["allowed_origins"], json!(["https://shop.example"]));
    assert_eq!((&shown["single_use"], &shown["callbacks"]), (&json!(true), &json!(true)));
    assert_eq!((&shown["messages"], &shown["submit_by_message"]), (&json!("card_request"), &json!(false)));
    assert_eq!(shown["created_at"], "2027-01-15T08:00:00Z");
}

async fn the_type_is_read_from_query_or_body(app: TestApp) {
    app.merchant.post("/v1/capture/iframe", json!({ "form_type": "pcd" })).await.ok();
    for (query, body) in [("?form_type=swipe", json!({})), ("", json!({ "form_type": "pan" }))] {
        let refused = app.merchant.post(&format!("/v1/capture/iframe{query}"), body).await;
        refused.refused(400, "invalid").at("/form_type", "unknown");
    }
}

async fn a_chosen_id_is_taken_once(app: TestApp) {
    let target = "/v1/capture/iframe?form_id=my-form";
    assert_eq!(app.merchant.post(target, json!({})).await.ok()["id"], "my-form");
    app.merchant.post(target, json!({})).await.refused(409, "id_taken");
    app.other_merchant().await.post(target, json!({})).await.refused(409, "id_taken");
}

async fn reserved_ids_are_refused(app: TestApp) {
    for id in ["iframe", "pcd", "ach", "custom"] {
        let refused = app.merchant.post("/v1/capture/iframe", json!({ "form_id": id })).await;
        refused.refused(400, "invalid").at("/form_id", "reserved");
    }
}

async fn a_deleted_form_is_gone(app: TestApp) {
    let id = text(&app.merchant.post("/v1/capture/iframe", code_only()).await.ok()["id"]);
    let target = format!("/v1/capture/iframe/{id}");
    assert_eq!(app.anonymous.get(&target).await.status, 200);
    assert_eq!(app.merchant.delete(&format!("{target}/")).await.ok(), json!({ "deleted": true }));
    app.merchant.delete(&target).await.refused(404, "not_found");
    app.merchant.get(&target).await.refused(404, "not_found");
    assert!(app.anonymous.get(&target).await.is(404).text().contains("Link expired"));
}

async fn wrong_settings_are_refused_at_their_place(app: TestApp) {
    for (body, pointer, code) in [
        (json!({ "success_callback": "function() {}" }), "/success_callback", "base64"),
        (json!({ "error_callback": "====" }), "/error_callback", "base64"),
        (json!({ "embedded_css": STANDARD.encode([0xff, 0xfe]) }), "/embedded_css", "base64"),
        (json!({ "success_callback": 7 }), "/success_callback", "type"),
        (json!({ "field_options": [] }), "/field_options", "type"),
        (json!({ "field_options": { "card_colour": {} } }), "/field_options/card_colour", "unknown"),
        (json!({ "field_options": { "cvv": { "shown": true } } }), "/field_options/cvv/shown", "unknown"),
        (json!({ "field_options": { "cvv": { "visible": "maybe" } } }), "/field_options/cvv/visible", "type"),
        (json!({ "allowed_origins": ["https://shop.example/path"] }), "/allowed_origins/0", "origin"),
        (
            json!({ "allowed_origins": ["https://a.example", "http://b.example"] }),
            "/allowed_origins/1",
            "origin",
        ),
        (json!({ "css_links": ["http://shop.example/a.css"] }), "/css_links/0", "url"),
        (json!({ "css_links": ["https://127.0.0.1/a.css"] }), "/css_links/0", "unreachable"),
        (json!({ "js_links": "https://shop.example/a.js" }), "/js_links", "type"),
        (json!({ "disable_luhn": "perhaps" }), "/disable_luhn", "type"),
    ] {
        app.merchant.post("/v1/capture/iframe", body).await.refused(400, "invalid").at(pointer, code);
    }
}

async fn a_form_without_a_visible_field_is_refused(app: TestApp) {
    let mut body = code_only();
    body["field_options"]["cvv"] = json!({ "visible": false });
    let refused = app.merchant.post("/v1/capture/iframe", body).await;
    refused.refused(400, "invalid").at("/field_options", "nothing_visible");
}

async fn members_that_nobody_knows_are_named(app: TestApp) {
    let made =
        app.merchant.post("/v1/capture/iframe", json!({ "weather": {}, "colour": "green" })).await.ok();
    assert_eq!(made["ignored"], json!(["colour", "weather"]));
    assert_eq!(made["callback_runner"], "none");
}

async fn callbacks_that_need_a_document_run_on_the_done_page(app: TestApp) {
    let code = STANDARD.encode("function(r) { document.title = r.token; }");
    let made = app.merchant.post("/v1/capture/iframe", json!({ "success_callback": code })).await.ok();
    assert_eq!(made["callback_runner"], "done_page");
}

async fn the_done_page_names_its_scripts_one_by_one(app: TestApp) {
    let settings = json!({
        "success_callback": STANDARD.encode("function(r) { document.title = r.token; }"),
        "embedded_js": STANDARD.encode("window.shop = 1;\r\nwindow.card = '</script>';"),
        "js_links": ["https://cdn.example/a.js?v=1"],
    });
    let form = text(&app.merchant.post("/v1/capture/iframe", settings).await.ok()["id"]);
    let endpoint = app.endpoint("").await;
    let done = fill(&app, &form, &endpoint, &FIELDS).await;
    assert!(done.header("location").starts_with("/v1/capture/done/"));
    let page = follow(&app, &done).await;
    let (policy, html) = (page.is(200).header("content-security-policy"), page.text());
    let allowed = policy.split("script-src ").nth(1).unwrap().split(';').next().unwrap();
    let inline = html.split("<script>").skip(1).map(|rest| rest.split("</script>").next().unwrap());
    let hashes: Vec<_> = inline.map(|code| format!("'{}'", integrity(code.as_bytes()))).collect();
    assert_eq!(hashes.len(), 2);
    assert_eq!(allowed, format!("{} {} https://cdn.example/a.js", hashes[0], hashes[1]));
}
