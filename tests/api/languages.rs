//! Languages of the hosted form: which one a page is in, a merchant's own words, and the choice of a language.

use serde_json::json;

use crate::app::{TestApp, text};
use crate::client::{Answer, Call};

on_both_engines! {
    the_create_answer_tells_which_language_is_used,
    a_page_is_in_the_language_that_is_asked_for,
    a_language_from_right_to_left_turns_the_page,
    a_merchants_words_are_shown_as_text,
    wrong_words_are_refused_at_their_place,
    the_pages_after_a_submit_keep_the_language,
    a_choice_of_languages_keeps_the_address,
    a_page_that_ended_speaks_the_browsers_language,
}

async fn open(app: &TestApp, target: &str, accept: &str) -> Answer {
    app.anonymous.send(Call::new("GET", target).header("accept-language", accept)).await
}

async fn page(app: &TestApp, form: serde_json::Value, query: &str) -> String {
    let id = text(&app.merchant.post("/v1/capture/iframe", form).await.ok()["id"]);
    let endpoint = app.endpoint("").await;
    format!("/v1/capture/iframe/{id}?unique_id={}&secret={}{query}", endpoint.id, endpoint.secret)
}

async fn the_create_answer_tells_which_language_is_used(app: TestApp) {
    for (asked, used) in [("de-AT", "de"), ("zh-TW", "zh-Hant"), ("tlh", "en"), ("<script>", "en")] {
        let made = app.merchant.post("/v1/capture/iframe", json!({ "locale": asked })).await.ok();
        assert_eq!(made["locale"], json!({ "requested": asked, "used": used }));
        let shown = app.merchant.get(&format!("/v1/capture/iframe/{}", text(&made["id"]))).await.ok();
        assert_eq!(shown["locale"], used);
    }
    let made = app.merchant.post("/v1/capture/iframe", json!({})).await.ok();
    assert!(made.get("locale").is_none());
}

async fn a_page_is_in_the_language_that_is_asked_for(app: TestApp) {
    for (form, query, accept, lang, label) in [
        (json!({}), "", "fr-CA, en;q=0.5", "fr", "Numéro de carte"),
        (json!({ "locale": "de" }), "", "fr", "de", "Kartennummer"),
        (json!({ "locale": "de" }), "&locale=ja", "fr", "ja", "カード番号"),
        (json!({ "locale": "de" }), "&locale=nonsense", "fr", "de", "Kartennummer"),
        (json!({}), "", "tlh", "en", "Card number"),
    ] {
        let html = open(&app, &page(&app, form, query).await, accept).await.is(200).text();
        assert!(html.contains(&format!("<html lang=\"{lang}\" ")), "{lang}");
        assert!(html.contains(label), "{label}");
    }
}

async fn a_language_from_right_to_left_turns_the_page(app: TestApp) {
    let html = open(&app, &page(&app, json!({ "locale": "ar" }), "").await, "en").await.text();
    assert!(html.contains("<html lang=\"ar\" dir=\"rtl\" ") && html.contains("رقم البطاقة"));
    let body = html.split("<body>").nth(1).unwrap();
    assert_eq!(body.matches("dir=\"ltr\"").count(), 3, "number, expiry and code");
}

async fn a_merchants_words_are_shown_as_text(app: TestApp) {
    let markup = "<img src=x onerror=alert(1)>\"'";
    let form = json!({
        "locale": "af", "translations": { "af": { "form": {
            "card_number": { "label": "Kaartnommer", "required": markup },
            "submit": { "label": markup, "success": markup } } } },
    });
    let html = open(&app, &page(&app, form, "").await, "de").await.is(200).text();
    assert!(html.contains("<html lang=\"af\" ") && html.contains("Kaartnommer"));
    assert!(!html.contains("<img") && html.contains("&lt;img src=x"));
    let handed = html.split("data-texts=\"").nth(1).unwrap().split('"').next().unwrap();
    assert!(handed.contains("onerror=alert(1)&gt;&quot;"), "no text leaves its attribute");
    assert!(html.contains("Security code"), "English where a language lacks a text");
}

async fn wrong_words_are_refused_at_their_place(app: TestApp) {
    let long = "x".repeat(401);
    for (body, pointer, code) in [
        (json!({ "locale": 7 }), "/locale", "type"),
        (json!({ "showLanguageSelector": "perhaps" }), "/showLanguageSelector", "type"),
        (json!({ "translations": [] }), "/translations", "type"),
        (json!({ "translations": { "de": "x" } }), "/translations/de", "type"),
        (json!({ "translations": { "??": {} } }), "/translations/??", "locale"),
        (
            json!({ "translations": { "de": { "form": { "cvv": { "label": [] } } } } }),
            "/translations/de/form/cvv/label",
            "type",
        ),
        (
            json!({ "translations": { "de": { "submit": { "error": long } } } }),
            "/translations/de/submit/error",
            "too_long",
        ),
        (
            json!({ "translations": { "de": { "form": { "reference": { "label": "Kartennummer" } } } } }),
            "/translations/de/form/reference/label",
            "asks_for_card",
        ),
    ] {
        let answer = app.merchant.post("/v1/capture/iframe", body).await;
        answer.refused(400, "invalid").at(pointer, code);
    }
}

async fn the_pages_after_a_submit_keep_the_language(app: TestApp) {
    let endpoint = app.endpoint("").await;
    let send = |number: &'static str| {
        let fields = [
            ("unique_id", endpoint.id.as_str()),
            ("secret", endpoint.secret.as_str()),
            ("locale", "de"),
            ("card_number", number),
            ("card_holder", "Ada King"),
            ("expiry", "06/31"),
            ("cvv", "737"),
        ];
        let call = Call::new("POST", "/v1/capture/iframe/pcd").form(&fields);
        app.anonymous.send(call.header("sec-fetch-site", "same-origin"))
    };
    for (number, expected) in
        [("4111111111111112", "Prüfen Sie sie Ziffer für Ziffer."), ("4111111111111111", "Karte gespeichert")]
    {
        let answer = send(number).await;
        assert_eq!(answer.status, 303);
        let html = open(&app, answer.header("location"), "fr").await.text();
        assert!(html.contains("<html lang=\"de\" ") && html.contains(expected), "{expected}");
    }
    let stored = app.stored_cards("managed").await.remove(0);
    let object = app.read(&stored.token, &endpoint.id).await;
    assert!(object.get("locale").is_none(), "the language is the page's own");
}

async fn a_choice_of_languages_keeps_the_address(app: TestApp) {
    let form = json!({ "translations": { "de": {} } });
    let target = page(&app, form, "&order=7%22&locale=de").await;
    let html = open(&app, &target, "en").await.is(200).text();
    let choice = html.split("id=\"cardamom-language\"").nth(1).unwrap().split("</form>").next().unwrap();
    assert!(
        choice.contains("value=\"de\" lang=\"de\" selected") && choice.contains("value=\"en\" lang=\"en\">")
    );
    assert!(choice.contains("name=\"order\" value=\"7&quot;\"") && choice.contains("name=\"secret\""));
    assert_eq!(choice.matches("name=\"locale\"").count(), 1);

    let without = open(&app, &page(&app, json!({}), "").await, "en").await.text();
    assert!(!without.contains("cardamom-language"));
}

async fn a_page_that_ended_speaks_the_browsers_language(app: TestApp) {
    let target = "/v1/capture/iframe/pcd?unique_id=nothing&secret=nothing";
    let html = open(&app, target, "he").await.is(404).text();
    assert!(html.contains("<html lang=\"he\" dir=\"rtl\" ") && html.contains("תוקף הקישור פג"));
}
