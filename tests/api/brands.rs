//! Card types: what a form takes, the choice that co-badged cards leave, and how both are stored and shown.

use serde_json::{Value, json};

use crate::app::{AMEX, Endpoint, NUMBER, OTHER_NUMBER, TestApp, text};
use crate::client::{Answer, Call};

on_both_engines! {
    a_card_of_a_type_that_is_not_listed_is_refused,
    card_types_are_refused_at_their_place,
    the_owner_reads_the_card_types,
    a_choice_without_scripts_is_asked_for_and_kept,
    a_choice_is_stored_and_shown,
    a_card_whose_second_brand_alone_is_taken_is_stored_under_it,
    a_brand_that_the_card_does_not_carry_is_refused,
    a_choice_can_be_changed_by_the_merchant,
    a_choice_through_a_locked_endpoint_is_shown,
    a_merchant_may_take_three_digits_for_american_express,
    odd_characters_are_refused_or_read_in_every_field,
    an_endpoint_that_takes_some_types_refuses_other_cards_however_they_come,
    an_endpoint_that_takes_the_second_brand_alone_stores_it,
    card_types_of_an_endpoint_are_refused_at_their_place,
}

/// Published test cards: Visa/Dankort, Visa/CB.
const DANKORT: &str = "4571000000000001";
const CB: &str = "4970100000000055";

async fn form(app: &TestApp, body: Value) -> String {
    text(&app.merchant.post("/v1/capture/iframe", body).await.ok()["id"])
}

fn members(number: &str, network: &str) -> Vec<(&'static str, String)> {
    let mut fields: Vec<_> = [("card_holder", "Ada King"), ("expiry", "06/31"), ("cvv", "737")]
        .map(|(name, value)| (name, value.to_owned()))
        .into();
    fields.push(("card_number", number.to_owned()));
    if !network.is_empty() {
        fields.push(("preferred_network", network.to_owned()));
    }
    fields
}

/// The page's script sends a form.
async fn send(app: &TestApp, form: &str, endpoint: &Endpoint, fields: &[(&str, String)]) -> Answer {
    let mut body = json!({ "unique_id": endpoint.id });
    for (name, value) in fields {
        body[*name] = value.clone().into();
    }
    let call = Call::new("POST", &format!("/v1/capture/iframe/{form}")).json(&body);
    app.anonymous.send(call.header("x-capture-secret", &endpoint.secret)).await
}

/// The plain form is sent, and its redirect followed.
async fn post(app: &TestApp, form: &str, endpoint: &Endpoint, fields: &[(&str, String)]) -> Answer {
    let mut all = vec![("unique_id", endpoint.id.as_str()), ("secret", endpoint.secret.as_str())];
    all.extend(fields.iter().map(|(name, value)| (*name, value.as_str())));
    let answer =
        app.anonymous.send(Call::new("POST", &format!("/v1/capture/iframe/{form}")).form(&all)).await;
    app.anonymous.get(answer.is(303).header("location")).await
}

async fn a_card_of_a_type_that_is_not_listed_is_refused(app: TestApp) {
    let form = form(&app, json!({ "card_types": ["visa", "amex"] })).await;
    let endpoint = app.endpoint("").await;
    let refused = send(&app, &form, &endpoint, &members(OTHER_NUMBER, "")).await;
    refused.refused(400, "invalid").at("/card_number", "not_accepted");
    let page = post(&app, &form, &endpoint, &members(OTHER_NUMBER, "")).await;
    let page = page.is(422).text();
    assert!(page.contains("This card type is not accepted here."));
    assert!(page.contains("Accepted cards: Visa, American Express"));
    assert!(app.stored_cards("managed").await.is_empty());
    send(&app, &form, &endpoint, &members(NUMBER, "")).await.ok();
    assert_eq!(app.stored_cards("managed").await.len(), 1);
}

async fn card_types_are_refused_at_their_place(app: TestApp) {
    for (body, pointer, code) in [
        (json!({ "card_types": ["visa", "vsia"] }), "/card_types/1", "unknown"),
        (json!({ "card_types": [7] }), "/card_types/0", "unknown"),
        (json!({ "card_types": ["visa", "visa"] }), "/card_types/1", "twice"),
        (json!({ "card_types": [] }), "/card_types", "empty"),
        (json!({ "card_types": "visa" }), "/card_types", "type"),
        (json!({ "cvv_lengths": ["amex"] }), "/cvv_lengths", "type"),
        (json!({ "cvv_lengths": { "amx": [3] } }), "/cvv_lengths/amx", "unknown"),
        (json!({ "cvv_lengths": { "amex": [3, 5] } }), "/cvv_lengths/amex", "range"),
        (json!({ "cvv_lengths": { "amex": [] } }), "/cvv_lengths/amex", "range"),
        (json!({ "auto_advance": "perhaps" }), "/auto_advance", "type"),
    ] {
        app.merchant.post("/v1/capture/iframe", body).await.refused(400, "invalid").at(pointer, code);
    }
}

async fn the_owner_reads_the_card_types(app: TestApp) {
    let settings = json!({ "card_types": ["cartes_bancaires", "visa"], "cvv_lengths": { "amex": [4, 3] },
        "auto_advance": true });
    let made = app.merchant.post("/v1/capture/iframe", settings).await.ok();
    assert!(made.get("ignored").is_none());
    let shown = app.merchant.get(&format!("/v1/capture/iframe/{}", text(&made["id"]))).await.ok();
    assert_eq!(shown["card_types"], json!(["cartes_bancaires", "visa"]));
    assert_eq!(shown["cvv_lengths"], json!({ "amex": [3, 4] }));
    assert_eq!(shown["auto_advance"], true);
}

async fn a_choice_without_scripts_is_asked_for_and_kept(app: TestApp) {
    let form = form(&app, json!({ "card_types": ["cartes_bancaires", "visa"] })).await;
    let endpoint = app.endpoint("").await;
    let page = post(&app, &form, &endpoint, &members(CB, "")).await;
    let page = page.is(422).text();
    assert!(page.contains("Your card carries two brands."), "{page}");
    let (first, second) = (page.find("value=\"cartes_bancaires\""), page.find("value=\"visa\""));
    assert!(first < second && first.is_some(), "the merchant's preference comes first");
    assert!(!page.contains(CB) && app.stored_cards("managed").await.is_empty());

    // With something else wrong, what was chosen stays chosen.
    let mut fields = members(CB, "visa");
    "13/31".clone_into(&mut fields[1].1);
    let page = post(&app, &form, &endpoint, &fields).await.text();
    assert!(page.find("value=\"visa\"") < page.find("value=\"cartes_bancaires\""));

    post(&app, &form, &endpoint, &members(CB, "visa")).await.is(200);
    let card = app.stored_cards("managed").await.remove(0);
    assert_eq!(app.read(&card.token, &endpoint.id).await["preferred_network"], "visa");
}

async fn a_choice_is_stored_and_shown(app: TestApp) {
    let endpoint = app.endpoint("").await;
    let refused = send(&app, "pcd", &endpoint, &members(DANKORT, "")).await;
    refused.refused(400, "invalid").at("/card_number", "choice");
    let refused = send(&app, "pcd", &endpoint, &members(DANKORT, "mastercard")).await;
    refused.refused(400, "invalid").at("/card_number", "choice");
    let answer = send(&app, "pcd", &endpoint, &members(DANKORT, "dankort")).await.ok();
    assert_eq!(answer["request"]["preferred_network"], "dankort");
    assert_eq!(answer["request"]["card_type"], "visa");
    let token = text(&answer["response"]["token"]);
    let object = app.read(&token, &endpoint.id).await;
    assert_eq!((&object["card_type"], &object["preferred_network"]), (&json!("visa"), &json!("dankort")));
    let listed = app.merchant.get("/v1/vault?user=managed&return_card_metadata=true").await.ok();
    let metadata = &listed["managed"][0]["card_metadata"];
    assert_eq!((&metadata["brand"], &metadata["preferred_network"]), (&json!("visa"), &json!("dankort")));
}

async fn a_card_whose_second_brand_alone_is_taken_is_stored_under_it(app: TestApp) {
    let form = form(&app, json!({ "card_types": ["dankort"] })).await;
    let endpoint = app.endpoint("").await;
    let answer = send(&app, &form, &endpoint, &members(DANKORT, "")).await.ok();
    assert_eq!(answer["request"]["preferred_network"], "dankort");
    // A card with one brand has nothing to choose, whatever the page says.
    let answer = send(&app, "pcd", &endpoint, &members(NUMBER, "mastercard")).await.ok();
    assert!(answer["request"].get("preferred_network").is_none());
}

async fn a_brand_that_the_card_does_not_carry_is_refused(app: TestApp) {
    let endpoint = app.endpoint("").await;
    for (number, network) in [(NUMBER, "dankort"), (DANKORT, "mastercard"), (DANKORT, "nobody")] {
        let body = json!({ "card_number": number, "preferred_network": network });
        let refused = endpoint.capture(body.clone()).await;
        refused.refused(400, "invalid").at("/preferred_network", "unknown");
        let refused = app.merchant.post("/v1/vault?user=managed", body).await;
        refused.refused(400, "invalid").at("/preferred_network", "unknown");
    }
    let target = format!("/v1/vault?user=managed&number={NUMBER}");
    let refused = app.merchant.post(&target, json!({ "preferred_network": "dankort" })).await;
    refused.refused(400, "invalid").at("/preferred_network", "unknown");
}

async fn a_choice_can_be_changed_by_the_merchant(app: TestApp) {
    let body = json!({ "card_number": DANKORT, "preferred_network": "visa" });
    let target = "/v1/vault?user=managed&return_card_metadata=true";
    let stored = app.merchant.post(target, body).await.ok();
    assert_eq!(stored["card_metadata"]["preferred_network"], "visa");
    let target = format!("/v1/vault/update?user=managed&token={}", text(&stored["token"]));
    let refused = app.merchant.post(&target, json!({ "preferred_network": "jcb" })).await;
    refused.refused(400, "invalid").at("/preferred_network", "unknown");
    app.merchant.post(&target, json!({ "preferred_network": "dankort" })).await.ok();
    let card = app.stored_cards("managed").await.remove(0);
    assert_eq!(card.shown.network.map(shared::Brand::wire), Some("dankort"));
    assert_eq!(app.read(&card.token, "").await["preferred_network"], "dankort");
}

async fn a_choice_through_a_locked_endpoint_is_shown(app: TestApp) {
    let stored = app.merchant.post("/v1/vault?user=managed", json!({ "card_number": DANKORT })).await.ok();
    let endpoint = app.endpoint(&format!("&token={}", text(&stored["token"]))).await;
    endpoint.capture(json!({ "preferred_network": "nobody" })).await.refused(400, "invalid");
    endpoint.capture(json!({ "preferred_network": "dankort" })).await.ok();
    let card = app.stored_cards("managed").await.remove(0);
    assert_eq!(card.shown.network.map(shared::Brand::wire), Some("dankort"));
}

async fn a_merchant_may_take_three_digits_for_american_express(app: TestApp) {
    let endpoint = app.endpoint("").await;
    let refused = send(&app, "pcd", &endpoint, &members(AMEX, "")).await;
    refused.refused(400, "invalid").at("/cvv", "code_length");
    let form = form(&app, json!({ "cvv_lengths": { "amex": [3, 4] } })).await;
    send(&app, &form, &endpoint, &members(AMEX, "")).await.ok();
}

/// A form with every field that takes a text.
fn with_every_field() -> Value {
    let visible = json!({ "visible": true });
    json!({
        "field_options": {
            "reference": { "visible": true, "validate": true }, "postal_code": visible,
            "billing_address": visible, "billing_city": visible, "billing_country": visible,
        },
        "additional_fields": [{ "name": "nickname", "label": "Nickname", "type": "text" }],
    })
}

/// Emoji, a bidi control, full-width digits: in every field of the form.
async fn odd_characters_are_refused_or_read_in_every_field(app: TestApp) {
    let form = form(&app, with_every_field()).await;
    let endpoint = app.endpoint("").await;
    let usual = |name: &str, value: &str| {
        let mut fields = members(NUMBER, "");
        fields.push(("reference", "order-7".to_owned()));
        for name in ["postal_code", "billing_address", "billing_city", "billing_country", "nickname"] {
            fields.push((name, "10115".to_owned()));
        }
        for field in &mut fields {
            if field.0 == name {
                value.clone_into(&mut field.1);
            }
        }
        fields
    };
    for (name, value, code) in [
        ("card_number", "4111😀111111111111", "characters"),
        ("card_number", "4111\u{202E}111111111111", "characters"),
        ("card_holder", "Ada\u{202E}King", "characters"),
        ("card_holder", "Ada\u{2066}King", "characters"),
        ("card_holder", "４１１１１１１１１１１１１１１１", "holds_number"),
        ("expiry", "05/😀", "characters"),
        ("expiry", "05\u{202E}/31", "characters"),
        ("cvv", "1😀3", "characters"),
        ("cvv", "1\u{202E}23", "characters"),
        ("reference", "a\u{202E}b", "characters"),
        ("reference", "４１１１ １１１１ １１１１ １１１１", "holds_number"),
        ("reference", &"r".repeat(10_000), "too_long"),
        ("postal_code", "101\u{202E}15", "characters"),
        ("billing_address", "Main\u{202E}Street", "characters"),
        ("billing_address", "４１１１ １１１１ １１１１ １１１１", "holds_number"),
        ("billing_city", "Ber\u{2066}lin", "characters"),
        ("billing_country", "D\u{202E}E", "characters"),
        ("nickname", "Ada\u{202E}", "characters"),
        ("nickname", "４１１１１１１１１１１１１１１１", "holds_number"),
    ] {
        let refused = send(&app, &form, &endpoint, &usual(name, value)).await;
        refused.refused(400, "invalid").at(&format!("/{name}"), code);
    }
    for (name, value) in [
        ("card_number", "４１１１ １１１１ １１１１ １１１１"),
        ("expiry", "０６／３１"),
        ("cvv", "７３７"),
        ("card_holder", "Ada 😀 King"),
        ("reference", "order 😀 ７"),
        ("postal_code", "１０１１５"),
        ("billing_address", "Main Street 😀 １２"),
        ("billing_city", "Berlin 😀"),
        ("nickname", "😀 ７"),
    ] {
        send(&app, &form, &endpoint, &usual(name, value)).await.ok();
    }
    let cards = app.stored_cards("managed").await;
    assert!(cards.iter().all(|card| (card.shown.first_six.as_str(), card.shown.digits) == ("411111", 16)));
    assert_eq!(cards.len(), 2, "one for each reference");
}

async fn an_endpoint_that_takes_some_types_refuses_other_cards_however_they_come(app: TestApp) {
    let body = json!({ "card_types": ["visa", "amex"] });
    let created = app.merchant.post("/v1/capture?user=managed", body).await.ok();
    let endpoint = Endpoint::of(&app.merchant, &created);
    let shown = app.merchant.get(&format!("/v1/capture/{}", endpoint.id)).await.ok();
    assert_eq!(shown["card_types"], json!(["visa", "amex"]));
    for name in ["card_number", "number"] {
        let refused = endpoint.capture(json!({ name: OTHER_NUMBER })).await;
        refused.refused(400, "invalid").at(&format!("/{name}"), "not_accepted");
    }
    let account = json!({ "account_number": "000123456789", "routing_number": "021000021" });
    endpoint.capture(account).await.refused(400, "invalid").at("/account_number", "not_accepted");
    let cb = json!({ "card_number": CB, "preferred_network": "cartes_bancaires" });
    endpoint.capture(cb).await.refused(400, "invalid").at("/preferred_network", "not_accepted");
    // A form that takes all types, and one whose own list is another.
    let refused = send(&app, "pcd", &endpoint, &members(OTHER_NUMBER, "")).await;
    refused.refused(400, "invalid").at("/card_number", "not_accepted");
    let form = form(&app, json!({ "card_types": ["mastercard", "visa"] })).await;
    let page = post(&app, &form, &endpoint, &members(OTHER_NUMBER, "")).await;
    let page = page.is(422).text();
    assert!(page.contains("This card type is not accepted here.") && page.contains("data-cards=\"visa\""));
    let page = format!("/v1/capture/iframe/pcd?unique_id={}&secret={}", endpoint.id, endpoint.secret);
    assert!(app.anonymous.get(&page).await.text().contains("data-cards=\"visa amex\""));
    assert!(app.stored_cards("managed").await.is_empty());
    endpoint.capture(json!({ "card_number": NUMBER })).await.ok();
    send(&app, &form, &endpoint, &members(NUMBER, "")).await.ok();
    let other = self::form(&app, json!({ "card_types": ["jcb"] })).await;
    send(&app, &other, &endpoint, &members(NUMBER, "")).await.refused(400, "invalid");
}

async fn an_endpoint_that_takes_the_second_brand_alone_stores_it(app: TestApp) {
    let endpoint = app.endpoint("&card_types=cartes_bancaires").await;
    let stored = endpoint.capture(json!({ "card_number": CB })).await.ok();
    let object = app.read(&text(&stored["token"]), &endpoint.id).await;
    assert_eq!(
        (&object["preferred_network"], &object["card_number"]),
        (&json!("cartes_bancaires"), &json!(CB))
    );
    endpoint
        .capture(json!({ "card_number": NUMBER }))
        .await
        .refused(400, "invalid")
        .at("/card_number", "not_accepted");
}

async fn card_types_of_an_endpoint_are_refused_at_their_place(app: TestApp) {
    for (body, pointer, code) in [
        (json!({ "card_types": ["vsia"] }), "/card_types/0", "unknown"),
        (json!({ "card_types": [] }), "/card_types", "empty"),
        (json!({ "card_types": "visa" }), "/card_types", "type"),
    ] {
        let refused = app.merchant.post("/v1/capture?user=managed", body).await;
        refused.refused(400, "invalid").at(pointer, code);
    }
    let token = app.card().await;
    let query = format!("/v1/capture?user=managed&token={token}&reference=r1&card_types=visa");
    app.merchant.post(&query, json!({})).await.refused(400, "invalid").at("/card_types", "locked");
}
