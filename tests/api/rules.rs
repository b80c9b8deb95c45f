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
    sizes_of_rules_are_limited,
    what_rules_make_is_limited,
    rules_do_not_loop,
    a_rule_of_a_capture_changes_what_is_stored,
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
    // As many as there may be.
    let named = (0..8).map(|number| format!("r{number}")).collect::<Vec<_>>().join(",");
    app.merchant.post(&capture(&named), json!({})).await.ok();
    app.merchant.delete("/v1/rule?id=r0").await.ok();
    let whole = json!({ "operations": vec![one("noop", "a", "b", &json!({}))["operations"][0].clone(); 32] });
    app.merchant.post("/v1/rule?id=whole", whole).await.ok();
}

async fn sizes_of_rules_are_limited(app: TestApp) {
    let make = async |id: &str, rule: Value| app.merchant.post(&format!("/v1/rule?id={id}"), rule).await;
    let (long, longer) = ("x".repeat(16_384), "x".repeat(16_385));
    for (name, argument) in
        [("format", "format"), ("template", "template"), ("replace", "find"), ("replace", "replace")]
    {
        let with = |text: &str| {
            let mut arguments = json!({ "find": "y" });
            if name != "replace" {
                arguments = json!({});
            }
            arguments[argument] = json!(text);
            one(name, "a", "b", &arguments)
        };
        make(&format!("{name}-{argument}"), with(&long)).await.ok();
        let at = format!("/operations/0/arguments/{argument}");
        make("longer", with(&longer)).await.refused(400, "invalid").at(&at, "too_long");
    }
    make("name", one("noop", &"n".repeat(100), &"m".repeat(100), &json!({}))).await.ok();
    for (input, output, at) in
        [("n".repeat(101), "m".to_owned(), "input_field"), ("n".to_owned(), "m".repeat(101), "output_field")]
    {
        let refused = make("longer", one("noop", &input, &output, &json!({}))).await;
        refused.refused(400, "invalid").at(&format!("/operations/0/{at}"), "field");
    }
    make(&"i".repeat(64), one("noop", "a", "b", &json!({}))).await.ok();
    make(&"i".repeat(65), one("noop", "a", "b", &json!({})))
        .await
        .refused(400, "invalid")
        .at("/id", "characters");
    for (start, fits) in [(65_536, true), (65_537, false)] {
        let answer = make(&format!("s{start}"), one("substr", "a", "b", &json!({ "start": start }))).await;
        if fits {
            answer.ok();
        } else {
            answer.refused(400, "invalid").at("/operations/0/arguments/start", "type");
        }
    }
    // All of a rule together is one body, of 256 KB at most.
    let operation = one("format", "a", "b", &json!({ "format": long }))["operations"][0].clone();
    make("whole", json!({ "operations": vec![operation.clone(); 15] })).await.ok();
    make("longer", json!({ "operations": vec![operation; 16] })).await.refused(413, "too_large");
    assert!(app.merchant.get("/v1/rule?id=longer").await.status == 404);
}

async fn what_rules_make_is_limited(app: TestApp) {
    let preview = async |operations: Vec<Value>, sample: Value| {
        let body = json!({ "operations": operations, "sample": sample });
        app.merchant.post("/v1/rule/preview", body).await
    };
    let copies = |count: usize| {
        one("format", "a", "b", &json!({ "format": "{}".repeat(count) }))["operations"][0].clone()
    };
    let sample = json!({ "a": "x".repeat(8_190) });
    let made = preview(vec![copies(8)], sample.clone()).await.ok();
    assert_eq!(text(&made["b"]).len(), 65_520, "a text has 64 KB at most");
    preview(vec![copies(9)], sample.clone()).await.refused(400, "invalid").at("/rules", "unfit");
    let into = |output: &str| {
        let mut operation = copies(7);
        operation["output_field"] = json!(output);
        operation
    };
    let all = |count: usize| (0..count).map(|number| into(&format!("m{number}"))).collect::<Vec<_>>();
    preview(all(4), sample.clone()).await.ok();
    preview(all(5), sample).await.refused(400, "invalid").at("/rules", "rule_refused");
}

async fn rules_do_not_loop(app: TestApp) {
    // Each operation runs once, in its order, whatever it reads.
    let step = |input: &str, output: &str| {
        one("format", input, output, &json!({ "format": "{}+" }))["operations"][0].clone()
    };
    let operations: Vec<_> = (0..16).flat_map(|_| [step("a", "b"), step("b", "a")]).collect();
    let body = json!({ "operations": operations, "sample": { "a": "" } });
    let made = app.merchant.post("/v1/rule/preview", body).await.ok();
    assert_eq!((text(&made["a"]).len(), text(&made["b"]).len()), (32, 31));
    // No rule runs another one, nor itself.
    app.merchant.post("/v1/rule?id=own", one("noop", "a", "b", &json!({}))).await.ok();
    for name in ["own", "rule"] {
        let refused = app.merchant.post("/v1/rule?id=next", one(name, "a", "b", &json!({}))).await;
        refused.refused(400, "invalid").at("/operations/0/name", "unknown");
    }
    for name in ["rules", "rule", "id"] {
        let refused =
            app.merchant.post("/v1/rule?id=next", one("noop", "a", "b", &json!({ name: "own" }))).await;
        refused.refused(400, "invalid").at("/operations/0/arguments", "unknown");
    }
    let twice = json!({ "sample": { "a": "x" } });
    let refused = app.merchant.post("/v1/rule/preview?rules=own,own", twice).await;
    refused.refused(400, "invalid").at("/rules", "duplicate");
}

async fn a_rule_of_a_capture_changes_what_is_stored(app: TestApp) {
    let mark = |mark: &str| one("format", "order", "mark", &json!({ "format": mark }));
    app.merchant.post("/v1/rule?id=mark", mark("<{}>")).await.ok();
    app.merchant
        .post("/v1/rule?id=more", one("replace", "mark", "mark", &json!({ "find": "<", "replace": "[" })))
        .await
        .ok();
    let endpoint = app.endpoint("&rules=mark,more").await;
    // The endpoint keeps the rules that it was made with.
    app.merchant.delete("/v1/rule?id=mark").await.ok();
    app.merchant.post("/v1/rule?id=mark", mark("other")).await.ok();
    let body = json!({ "card_number": NUMBER, "card_holder": "Ada King", "order": "7" });
    let token = text(&endpoint.capture(body).await.ok()["token"]);
    let stored = app.read(&token, &endpoint.id).await;
    assert_eq!(
        (&stored["order"], &stored["mark"], &stored["card_number"]),
        (&json!("7"), &json!("[7>"), &json!(NUMBER))
    );
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
