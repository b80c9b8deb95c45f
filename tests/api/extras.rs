//! Fields that a merchant adds to a form, billing fields, extra data, labels and placeholders.

use serde_json::{Value, json};

use crate::app::{Endpoint, NUMBER, TestApp, text};
use crate::client::{Answer, Call};
use crate::plain_form::{FIELDS, fill, follow};

on_both_engines! {
    additional_and_billing_fields_are_stored_with_the_card,
    the_script_is_told_an_additional_field_by_its_name,
    values_are_refused_beside_their_field_and_kept,
    a_card_number_in_an_additional_field_is_refused,
    form_fields_win_over_extra_data_and_extra_data_over_the_link,
    fields_named_like_card_data_are_refused,
    labels_that_ask_for_card_data_are_refused,
    wrong_additions_are_refused_at_their_place,
    extra_data_holds_no_card_data,
    labels_placeholders_and_button_are_plain_text,
    a_masked_code_and_a_keypad_are_in_the_document,
    additional_fields_speak_the_language_of_the_page,
    its_owner_reads_the_additions,
}

async fn made(app: &TestApp, settings: Value) -> String {
    text(&app.merchant.post("/v1/capture/iframe", settings).await.ok()["id"])
}

async fn page(app: &TestApp, form: &str, endpoint: &Endpoint) -> String {
    let target = format!("/v1/capture/iframe/{form}?unique_id={}&secret={}", endpoint.id, endpoint.secret);
    app.anonymous.get(&target).await.is(200).text()
}

async fn by_script(app: &TestApp, form: &str, endpoint: &Endpoint, body: Value) -> Answer {
    let mut whole = json!({ "unique_id": endpoint.id, "card_number": NUMBER, "card_holder": "Ada King",
        "expiry": "06/31", "cvv": "737" });
    whole.as_object_mut().unwrap().extend(body.as_object().unwrap().clone());
    let call = Call::new("POST", &format!("/v1/capture/iframe/{form}"));
    app.anonymous.send(call.header("x-capture-secret", &endpoint.secret).json(&whole)).await
}

fn additions() -> Value {
    json!({
        "additional_fields": [
            { "name": "mail", "label": "E-mail", "type": "email", "required": true },
            { "name": "size", "label": "Size", "type": "select", "options": ["S", { "value": "L", "label": "Large" }] },
            { "name": "note", "label": "Note", "max_length": 10 },
        ],
        "field_options": { "postal_code": { "visible": true }, "billing_city": { "visible": true, "validate": false } },
    })
}

async fn additional_and_billing_fields_are_stored_with_the_card(app: TestApp) {
    let form = made(&app, additions()).await;
    let endpoint = app.endpoint("").await;
    let shown = page(&app, &form, &endpoint).await;
    for part in [
        "name=\"mail\" type=\"email\" autocomplete=\"email\"",
        "<option value=\"L\">Large</option>",
        "maxlength=\"10\"",
        "autocomplete=\"billing postal-code\"",
        "autocomplete=\"billing address-level2\"",
    ] {
        assert!(shown.contains(part), "{part}");
    }
    let mut fields = FIELDS.to_vec();
    fields.extend([("mail", " ada@king.example "), ("size", "L"), ("note", ""), ("postal_code", "10115")]);
    follow(&app, &fill(&app, &form, &endpoint, &fields).await).await.is(200);
    let stored = app.stored_cards("managed").await.remove(0);
    let object = app.read(&stored.token, &endpoint.id).await;
    assert_eq!(object["mail"], "ada@king.example");
    assert_eq!((&object["size"], &object["postal_code"]), (&json!("L"), &json!("10115")));
    assert!(object.get("note").is_none() && object.get("billing_city").is_none(), "empty ones are left out");
}

async fn the_script_is_told_an_additional_field_by_its_name(app: TestApp) {
    let form = made(&app, additions()).await;
    let endpoint = app.endpoint("").await;
    let body = json!({ "mail": "nowhere", "postal_code": "10115" });
    by_script(&app, &form, &endpoint, body).await.refused(400, "invalid").at("/mail", "format");
    let body = json!({ "mail": "a@b.example", "postal_code": "10115", "size": "XL" });
    by_script(&app, &form, &endpoint, body).await.refused(400, "invalid").at("/size", "format");
    let body = json!({ "mail": "a@b.example", "postal_code": "10115", "note": "more than ten" });
    by_script(&app, &form, &endpoint, body).await.refused(400, "invalid").at("/note", "too_long");
    by_script(&app, &form, &endpoint, json!({ "mail": "a@b.example" }))
        .await
        .refused(400, "invalid")
        .at("/postal_code", "missing");
    let body = json!({ "mail": "a@b.example", "postal_code": "10115" });
    let answer = by_script(&app, &form, &endpoint, body).await.ok();
    assert_eq!(answer["request"]["mail"], "a@b.example");
}

async fn values_are_refused_beside_their_field_and_kept(app: TestApp) {
    let form = made(&app, additions()).await;
    let endpoint = app.endpoint("").await;
    let mut fields = FIELDS.to_vec();
    fields.extend([("mail", "no address"), ("size", "L"), ("note", "short"), ("postal_code", "10115")]);
    let page = follow(&app, &fill(&app, &form, &endpoint, &fields).await).await;
    let page = page.is(422).text();
    assert!(page.contains("id=\"cardamom-extra-0-error\" data-problem=\"format\""));
    assert!(page.contains("value=\"no address\"") && page.contains("<option value=\"L\" selected>"));
    assert_eq!(page.matches("name=\"note\"").count(), 1, "no hidden input beside the field");
}

async fn additional_fields_speak_the_language_of_the_page(app: TestApp) {
    let mut settings = additions();
    settings["translations"] = json!({
        "de": { "form": {
            "mail": { "label": "E-Mail-Adresse", "required": "Bitte die Adresse.", "invalid": "<b>Falsch</b>" },
            "size": "Größe", "shoe": { "label": "Schuh" } } },
        "ar": { "form": { "mail": { "label": "البريد" } } },
    });
    let made = app.merchant.post("/v1/capture/iframe", settings).await.ok();
    assert_eq!(made["ignored"], json!(["/translations/de/form/shoe/label"]));
    let form = text(&made["id"]);
    let endpoint = app.endpoint("").await;
    let shown = |locale: &str| {
        format!(
            "/v1/capture/iframe/{form}?unique_id={}&secret={}&locale={locale}",
            endpoint.id, endpoint.secret
        )
    };
    for (locale, label, list) in
        [("de-AT", "E-Mail-Adresse", "Größe"), ("ar", "البريد", "Size"), ("fr", "E-mail", "Size")]
    {
        let page = app.anonymous.get(&shown(locale)).await.is(200).text();
        for (place, label) in [(0, label), (1, list)] {
            assert!(
                page.contains(&format!("<label for=\"cardamom-extra-{place}\">{label}<")),
                "{locale} {label}"
            );
        }
        assert_eq!(
            page.contains("Bitte die Adresse.\n&lt;b&gt;Falsch"),
            locale == "de-AT",
            "handed to the script"
        );
    }
    let mut fields = FIELDS.to_vec();
    fields.extend([("mail", "no address"), ("locale", "de"), ("postal_code", "10115")]);
    let page = follow(&app, &fill(&app, &form, &endpoint, &fields).await).await.is(422).text();
    let error = page.split("id=\"cardamom-extra-0-error\"").nth(1).unwrap().split("</p>").next().unwrap();
    assert!(error.contains("&lt;b&gt;Falsch&lt;/b&gt;"), "{error}");
    let mut asking = additions();
    asking["translations"] = json!({ "de": { "form": { "note": { "label": "Your CVN" } } } });
    let refused = app.merchant.post("/v1/capture/iframe", asking).await;
    refused.refused(400, "invalid").at("/translations/de/form/note/label", "asks_for_card");
}

async fn a_card_number_in_an_additional_field_is_refused(app: TestApp) {
    let mut settings = additions();
    settings["additional_fields"][2]["max_length"] = 100.into();
    let form = made(&app, settings).await;
    let endpoint = app.endpoint("").await;
    let body = json!({ "mail": "a@b.example", "postal_code": "10115", "note": "4111 1111 1111 1111" });
    by_script(&app, &form, &endpoint, body).await.refused(400, "invalid").at("/note", "holds_number");
    let mut fields = FIELDS.to_vec();
    fields.extend([("mail", "a@b.example"), ("postal_code", "10115"), ("note", "4111 1111 1111 1111")]);
    let page = follow(&app, &fill(&app, &form, &endpoint, &fields).await).await;
    assert!(page.is(422).text().contains("data-problem=\"holds_number\""));
    assert!(!page.text().contains("1111 1111"), "it is not shown again");
    assert!(app.stored_cards("managed").await.is_empty());
}

async fn form_fields_win_over_extra_data_and_extra_data_over_the_link(app: TestApp) {
    let form = made(
        &app,
        json!({
            "additional_fields": [{ "name": "note", "label": "Note" }],
            "extra_data": { "note": "merchant", "plan": "gold", "price": 12.50, "card_holder": "Nobody", "nested": { "a": [1] } },
        }),
    )
    .await;
    let endpoint = app.endpoint("").await;
    let body = json!({ "note": "person", "plan": "link", "campaign": "link" });
    by_script(&app, &form, &endpoint, body).await.ok();
    let stored = app.stored_cards("managed").await.remove(0);
    let object = app.read(&stored.token, &endpoint.id).await;
    assert_eq!((&object["note"], &object["plan"]), (&json!("person"), &json!("gold")));
    assert_eq!((&object["card_holder"], &object["campaign"]), (&json!("Ada King"), &json!("link")));
    assert_eq!((&object["price"], &object["nested"]), (&json!(12.50), &json!({ "a": [1] })));
    let left = made(&app, json!({ "extra_data": { "note": "merchant" } })).await;
    let endpoint = app.endpoint("").await;
    by_script(&app, &left, &endpoint, json!({})).await.ok();
    assert_eq!(app.read(&stored.token, &endpoint.id).await["note"], "merchant");
}

async fn fields_named_like_card_data_are_refused(app: TestApp) {
    for (name, code) in [
        ("card_number", "card_field"),
        ("number", "card_field"),
        ("PAN", "card_field"),
        ("cardNumber", "card_field"),
        ("account_number", "card_field"),
        ("cvv", "card_field"),
        ("security-code", "card_field"),
        ("card_no", "card_field"),
        ("kartennummer", "card_field"),
        ("expiry", "card_field"),
        ("card_holder", "card_field"),
        ("pin", "card_field"),
        ("track2", "card_field"),
        ("reference", "reserved"),
        ("secret", "reserved"),
        ("consent", "reserved"),
        ("postal_code", "reserved"),
        ("extra-3", "reserved"),
        ("2nd", "name"),
        ("a b", "name"),
        ("__proto__", "name"),
        ("\u{ff43}vv", "name"),
    ] {
        let body = json!({ "additional_fields": [{ "name": name, "label": "Note" }] });
        let refused = app.merchant.post("/v1/capture/iframe", body).await;
        refused.refused(400, "invalid").at("/additional_fields/0/name", code);
    }
}

async fn labels_that_ask_for_card_data_are_refused(app: TestApp) {
    for label in [
        "Ihre Kartennummer",
        "カード番号",
        "Numéro de carte",
        "رقم البطاقة",
        "Security code",
        "セキュリティコード",
        "CVV",
    ] {
        for (body, pointer) in [
            (json!({ "additional_fields": [{ "name": "a", "label": label }] }), "/additional_fields/0/label"),
            (
                json!({ "additional_fields": [{ "name": "a", "label": "A", "placeholder": label }] }),
                "/additional_fields/0/placeholder",
            ),
            (json!({ "field_labels": { "card_holder": label } }), "/field_labels/card_holder"),
            (json!({ "placeholders": { "reference": label } }), "/placeholders/reference"),
        ] {
            let refused = app.merchant.post("/v1/capture/iframe", body).await;
            refused.refused(400, "invalid").at(pointer, "card_field");
        }
    }
    // Where a number belongs its label may say so.
    made(&app, json!({ "field_labels": { "card_number": "Kartennummer", "cvv": "CVC" } })).await;
}

async fn wrong_additions_are_refused_at_their_place(app: TestApp) {
    let field = |more: Value| {
        let mut field = json!({ "name": "a", "label": "A" });
        field.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({ "additional_fields": [field] })
    };
    let many: Vec<_> = (0..11).map(|n| json!({ "name": format!("a{n}"), "label": "A" })).collect();
    for (body, pointer, code) in [
        (json!({ "additional_fields": {} }), "/additional_fields", "type"),
        (json!({ "additional_fields": [7] }), "/additional_fields/0", "type"),
        (json!({ "additional_fields": many }), "/additional_fields", "too_many"),
        (json!({ "additional_fields": [{ "name": "a" }] }), "/additional_fields/0/label", "missing"),
        (json!({ "additional_fields": [{ "label": "A" }] }), "/additional_fields/0/name", "missing"),
        (
            json!({ "additional_fields": [{ "name": "a", "label": "A" }, { "name": "a", "label": "B" }] }),
            "/additional_fields/1/name",
            "duplicate",
        ),
        (field(json!({ "label": "A".repeat(81) })), "/additional_fields/0/label", "too_long"),
        (field(json!({ "label": "A\u{202e}" })), "/additional_fields/0/label", "characters"),
        (field(json!({ "label": "4111 1111 1111 1111" })), "/additional_fields/0/label", "holds_number"),
        (field(json!({ "type": "password" })), "/additional_fields/0/type", "unknown"),
        (field(json!({ "autocomplete": "cc-number" })), "/additional_fields/0/autocomplete", "unknown"),
        (
            field(json!({ "autocomplete": "current-password" })),
            "/additional_fields/0/autocomplete",
            "unknown",
        ),
        (field(json!({ "max_length": 501 })), "/additional_fields/0/max_length", "range"),
        (field(json!({ "max_length": "many" })), "/additional_fields/0/max_length", "range"),
        (field(json!({ "required": "perhaps" })), "/additional_fields/0/required", "type"),
        (field(json!({ "type": "select" })), "/additional_fields/0/options", "type"),
        (field(json!({ "options": ["a"] })), "/additional_fields/0/options", "type"),
        (
            field(json!({ "type": "select", "options": ["a", "a"] })),
            "/additional_fields/0/options/1",
            "duplicate",
        ),
        (field(json!({ "pattern": ".*" })), "/additional_fields/0/pattern", "unknown"),
        (json!({ "field_labels": { "card_colour": "Colour" } }), "/field_labels/card_colour", "unknown"),
        (
            json!({ "field_labels": { "routing_number": "Routing" } }),
            "/field_labels/routing_number",
            "unknown",
        ),
        (json!({ "field_labels": "none" }), "/field_labels", "type"),
        (json!({ "placeholders": { "cvv": 123 } }), "/placeholders/cvv", "type"),
        (json!({ "submit": "S".repeat(41) }), "/submit", "too_long"),
        (json!({ "mask_cvv": "perhaps" }), "/mask_cvv", "type"),
        (json!({ "force_keypad": 2 }), "/force_keypad", "type"),
        (
            json!({ "field_options": { "routing_number": { "visible": true } } }),
            "/field_options/routing_number",
            "unknown",
        ),
    ] {
        app.merchant.post("/v1/capture/iframe", body).await.refused(400, "invalid").at(pointer, code);
    }
}

async fn extra_data_holds_no_card_data(app: TestApp) {
    let long: Vec<_> = (0..51).map(|n| (format!("m{n}"), Value::from(n))).collect();
    let long = Value::Object(long.into_iter().collect());
    for (data, pointer, code) in [
        (json!([]), "/extra_data", "type"),
        (json!({ "number": "4111111111111111" }), "/extra_data", "card_field"),
        (json!({ "card_number": "" }), "/extra_data", "card_field"),
        (json!({ "a": { "cvc": "123" } }), "/extra_data", "card_field"),
        (json!({ "a": ["x 4111111111111111"] }), "/extra_data/a/0", "holds_number"),
        (json!({ "track2": "x" }), "/extra_data/track2", "forbidden"),
        (json!({ "Consent": true }), "/extra_data/Consent", "reserved"),
        (long, "/extra_data", "too_large"),
        (json!({ "a": "x".repeat(9000) }), "/extra_data", "too_large"),
    ] {
        let refused = app.merchant.post("/v1/capture/iframe", json!({ "extra_data": data })).await;
        refused.refused(400, "invalid").at(pointer, code);
    }
}

async fn labels_placeholders_and_button_are_plain_text(app: TestApp) {
    let settings = json!({
        "field_labels": { "card_holder": "<b>Name</b> & more" },
        "placeholders": { "card_holder": "\"Ada\"" },
        "submit": "Save <now>",
        "additional_fields": [{ "name": "a", "label": "<script>", "type": "select", "options": ["\"><b>"] }],
    });
    let form = made(&app, settings).await;
    let endpoint = app.endpoint("").await;
    let shown = page(&app, &form, &endpoint).await;
    for part in [
        "&lt;b&gt;Name&lt;/b&gt; &amp; more",
        "placeholder=\"&quot;Ada&quot;\"",
        "Save &lt;now&gt;",
        "&lt;script&gt;",
        "<option value=\"&quot;&gt;&lt;b&gt;\">",
    ] {
        assert!(shown.contains(part), "{part}");
    }
    assert!(!shown.contains("<b>"));
}

async fn a_masked_code_and_a_keypad_are_in_the_document(app: TestApp) {
    let endpoint = app.endpoint("").await;
    let plain = page(&app, "pcd", &endpoint).await;
    assert!(!plain.contains("class=\"masked\"") && !plain.contains("keypad-"));
    let form = made(&app, json!({ "mask_cvv": true, "force_keypad": true })).await;
    let shown = page(&app, &form, &endpoint).await;
    assert!(shown.contains("class=\"masked\""));
    assert!(shown.contains("<template id=\"cardamom-keypad\"") && shown.contains("/assets/keypad-"));
}

async fn its_owner_reads_the_additions(app: TestApp) {
    let mut settings = additions();
    settings["extra_data"] = json!({ "price": 12.5 });
    settings["field_labels"] = json!({ "cvv": "Code" });
    let form = made(&app, settings).await;
    let shown = app.merchant.get(&format!("/v1/capture/iframe/{form}")).await.ok();
    assert_eq!(shown["additional_fields"][0]["type"], "email");
    assert_eq!(shown["extra_data"], json!({ "price": 12.5 }));
    assert_eq!((&shown["field_labels"]["cvv"], &shown["mask_cvv"]), (&json!("Code"), &json!(false)));
}
