//! Rules over REST: made, listed, tried, deleted; what they may not do.

use backend::model::Scope;
use serde_json::{Value, json};

use crate::app::{NUMBER, TestApp, text};
use crate::client::Call;

on_both_engines! {
    a_rule_is_made_listed_and_deleted,
    a_rule_is_tried_on_a_sample,
    what_is_no_rule_is_refused,
    numbers_of_rules_are_limited,
    a_rule_of_a_capture_cannot_hide_a_number,
    a_rule_of_a_retrieval_shows_nothing_that_is_masked,
    rules_of_others_are_unknown,
}

fn one(name: &str, input: &str, output: &str, arguments: &Value) -> Value {
    json!({ "operations": [{ "name": name, "input_field": input, "output_field": output, "arguments": arguments }] })
}

async fn a_rule_is_made_listed_and_deleted(app: TestApp) {
    let rule = one("substr", "a", "b", &json!({ "start": 1 }));
    let made = app.merchant.post("/v1/rule/?id=cut", rule.clone()).await.ok();
    assert_eq!((&made["id"], &made["operations"]), (&json!("cut"), &rule["operations"]));
    let again = app.merchant.post("/v1/rule?id=cut", rule).await;
    again.refused(400, "invalid").at("/id", "taken");
    assert_eq!(app.merchant.get("/v1/rule").await.ok().as_array().unwrap().len(), 1);
    assert_eq!(app.merchant.get("/v1/rule?id=cut").await.ok(), made);
    app.merchant.delete("/v1/rule?id=cut").await.ok();
    app.merchant.delete("/v1/rule?id=cut").await.refused(404, "not_found");
    app.merchant.get("/v1/rule?id=cut").await.refused(404, "not_found");
    let operations = app.merchant.get("/v1/rule/operations").await.ok();
    let names: Vec<_> = operations.as_array().unwrap().iter().map(|told| text(&told["name"])).collect();
    for name in
        ["noop", "stringify", "substr", "parse_float", "parse_json", "convert_to_int", "replace", "mask"]
    {
        assert!(names.iter().any(|known| known == name), "{name}");
    }
    assert_eq!(names.len(), 12);
}

async fn a_rule_is_tried_on_a_sample(app: TestApp) {
    let mut body = one("mask", "card_number", "shown", &json!({}));
    body["sample"] = json!({ "card_number": NUMBER, "cvv": "737", "a": "x" });
    let made = app.merchant.post("/v1/rule/preview", body.clone()).await.ok();
    let dots = "•".repeat(8);
    assert_eq!(made, json!({ "card_number": dots, "cvv": dots, "a": "x", "shown": "411111••••••1111" }));
    app.merchant.post("/v1/rule?id=up", one("format", "a", "b", &json!({ "format": "{}!" }))).await.ok();
    let stored = json!({ "sample": { "a": "x" } });
    let made = app.merchant.post("/v1/rule/preview?rules=up", stored).await.ok();
    assert_eq!(made, json!({ "a": "x", "b": "x!" }));
    // A masked member stays masked, whatever a rule wants.
    for (name, output) in [("noop", "x"), ("encode", "x"), ("hash", "x"), ("stringify", "x"), ("substr", "a")]
    {
        let mut body = one(name, "card_number", output, &json!({}));
        body["sample"] = json!({ "card_number": NUMBER });
        app.merchant
            .post("/v1/rule/preview", body)
            .await
            .refused(400, "invalid")
            .at("/rules", "rule_refused");
    }
}

async fn what_is_no_rule_is_refused(app: TestApp) {
    for (body, at, code) in [
        (json!({}), "/operations", "missing"),
        (json!({ "operations": [] }), "/operations", "too_many"),
        (one("unmask", "a", "b", &json!({})), "/operations/0/name", "unknown"),
        (one("replace", "a", "b", &json!({})), "/operations/0/arguments/find", "missing"),
        (
            one("template", "*", "b", &json!({ "template": "{{a" })),
            "/operations/0/arguments/template",
            "template",
        ),
        (one("format", "a", "b", &json!({ "format": NUMBER })), "/operations", "holds_number"),
        (one("noop", NUMBER, "b", &json!({})), "/operations/0/input_field", "field"),
    ] {
        app.merchant.post("/v1/rule?id=x", body).await.refused(400, "invalid").at(at, code);
    }
    let rule = one("noop", "a", "b", &json!({}));
    app.merchant
        .post("/v1/rule?id=a%20b", rule.clone())
        .await
        .refused(400, "invalid")
        .at("/id", "characters");
    app.merchant.post("/v1/rule", rule).await.refused(400, "invalid").at("/id", "missing");
    // A text that doubles again and again ends the call, not the server.
    let double = one("template", "*", "a", &json!({ "template": "{{a}}{{a}}" }))["operations"][0].clone();
    let mut body = json!({ "operations": vec![double; 32] });
    body["sample"] = json!({ "a": "xxxxxxxx" });
    app.merchant.post("/v1/rule/preview", body).await.refused(400, "invalid").at("/rules", "unfit");
}

async fn numbers_of_rules_are_limited(app: TestApp) {
    let rule = one("noop", "a", "b", &json!({}));
    let many = json!({ "operations": vec![rule["operations"][0].clone(); 33] });
    app.merchant.post("/v1/rule?id=x", many).await.refused(400, "invalid").at("/operations", "too_many");
    for number in 0..100 {
        app.merchant.post(&format!("/v1/rule?id=r{number}"), rule.clone()).await.ok();
    }
    app.merchant.post("/v1/rule?id=r100", rule).await.refused(400, "invalid").at("/id", "too_many");
    let named = (0..9).map(|number| format!("r{number}")).collect::<Vec<_>>().join(",");
    let capture = |rules: &str| format!("/v1/capture?user=managed&rules={rules}");
    app.merchant.post(&capture(&named), json!({})).await.refused(400, "invalid").at("/rules", "too_many");
    app.merchant.post(&capture("r1,r1"), json!({})).await.refused(400, "invalid").at("/rules", "duplicate");
    app.merchant.post(&capture("none"), json!({})).await.refused(400, "invalid").at("/rules", "unknown");
}

async fn a_rule_of_a_capture_cannot_hide_a_number(app: TestApp) {
    app.merchant.post("/v1/rule?id=hide", one("encode", "card_number", "note", &json!({}))).await.ok();
    let endpoint = app.endpoint("&rules=hide").await;
    let refused = endpoint.capture(json!({ "card_number": NUMBER })).await;
    refused.refused(400, "invalid").at("/rules", "rule_refused");
    // Nor bring one together out of parts.
    let join = one("template", "*", "note", &json!({ "template": "{{a}}{{b}}" }));
    app.merchant.post("/v1/rule?id=join", join).await.ok();
    let endpoint = app.endpoint("&rules=join").await;
    let parts = json!({ "card_number": NUMBER, "a": &NUMBER[..8], "b": &NUMBER[8..] });
    endpoint.capture(parts).await.refused(400, "invalid").at("/note", "holds_number");
}

async fn a_rule_of_a_retrieval_shows_nothing_that_is_masked(app: TestApp) {
    let token = app.card().await;
    for (id, rule) in [
        ("year", one("substr", "card_expiry", "year", &json!({ "start": 3 }))),
        ("show", one("mask", "card_number", "shown", &json!({}))),
        ("copy", one("noop", "card_number", "x", &json!({}))),
        ("name", one("noop", "card_holder", "x", &json!({}))),
        ("all", one("stringify", "*", "x", &json!({}))),
    ] {
        app.merchant.post(&format!("/v1/rule?id={id}"), rule).await.ok();
    }
    let read = async |rules: &str| {
        let target = format!(
            "/v1/retrieve?user=managed&token={token}&reference=r1&mask_fields=card_holder&rules={rules}"
        );
        let made = app.merchant.post(&target, json!({})).await.ok();
        let target = format!("/v1/retrieve/{}", text(&made["unique_id"]));
        app.anonymous
            .send(Call::new("GET", &target).header("x-retrieve-secret", &text(&made["secret"])))
            .await
    };
    let read_back = read("year,show").await.ok();
    assert_eq!((&read_back["year"], &read_back["shown"]), (&json!("2031"), &json!("411111••••••1111")));
    let all = read("all").await.ok();
    assert_eq!(all["x"], json!({ "card_expiry": "06-2031" }).to_string());
    for rule in ["copy", "name"] {
        read(rule).await.refused(400, "invalid").at("/rules", "rule_refused");
    }
}

async fn rules_of_others_are_unknown(app: TestApp) {
    app.merchant.post("/v1/rule?id=mine", one("noop", "a", "b", &json!({}))).await.ok();
    for stranger in [app.other_merchant().await, app.test_mode.clone()] {
        assert_eq!(stranger.get("/v1/rule").await.ok(), json!([]));
        stranger.get("/v1/rule?id=mine").await.refused(404, "not_found");
        stranger.delete("/v1/rule?id=mine").await.refused(404, "not_found");
        let capture = stranger.post("/v1/capture?user=managed&rules=mine", json!({})).await;
        capture.refused(400, "invalid").at("/rules", "unknown");
    }
    let reader = app.with_scopes(&[Scope::CardRead]).await;
    reader.post("/v1/rule?id=x", json!({})).await.refused(403, "forbidden");
    reader.delete("/v1/rule?id=x").await.refused(403, "forbidden");
}
