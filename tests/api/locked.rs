//! Endpoints that are locked to a stored card: they update it and never learn or compare its number.

use serde_json::json;

use crate::app::{NUMBER, OTHER_NUMBER, TestApp, text};

on_both_engines! {
    an_update_merges_into_the_card,
    the_expiry_is_kept_under_the_name_that_it_was_stored_with,
    any_member_that_names_a_number_is_refused_alike,
    the_code_has_the_length_of_the_cards_brand,
    a_card_that_is_not_there_cannot_be_locked,
    a_deleted_card_ends_its_endpoints,
    thirty_two_updates_may_wait_on_a_card,
    an_empty_update_is_refused,
    an_expiry_in_the_past_is_taken,
}

async fn an_update_merges_into_the_card(app: TestApp) {
    let (endpoint, token) = app.locked().await;
    let body = json!({ "cvv": "737", "card_holder": "Ada Lovelace", "note": "new" });
    let answer = endpoint.capture(body).await.ok();
    assert_eq!(answer, json!({ "user": "managed", "token": token, "reference": "r1" }));
    assert_eq!(
        app.read(&token, "r1").await,
        json!({ "card_number": NUMBER, "card_holder": "Ada Lovelace", "card_expiry": "06-2031", "note": "new" })
    );
}

async fn the_expiry_is_kept_under_the_name_that_it_was_stored_with(app: TestApp) {
    let (endpoint, token) = app.locked().await;
    endpoint.capture(json!({ "expiry_month": "09", "expiry_year": "2033" })).await.ok();
    let object = app.read(&token, "r1").await;
    assert_eq!(object["card_expiry"], "09-2033");
    let target = "/v1/vault?user=managed&return_card_metadata=true";
    let listed = app.merchant.get(target).await.ok();
    assert_eq!(listed["managed"][0]["card_metadata"]["expiry"], "09/33");
}

async fn any_member_that_names_a_number_is_refused_alike(app: TestApp) {
    let (endpoint, token) = app.locked().await;
    let before = app.stored_cards("managed").await.remove(0);
    let mut answers = Vec::new();
    for body in [
        json!({ "card_number": NUMBER, "cvv": "737" }),
        json!({ "number": OTHER_NUMBER, "cvv": "737" }),
        json!({ "N": "", "cvv": "737" }),
        json!({ "account_number": null, "cvv": "737" }),
        json!({ "cvv": "737", "a": [{ "b": { "PAN": 1 } }] }),
    ] {
        let refused = endpoint.capture(body).await;
        refused.refused(400, "invalid").at("", "immutable");
        answers.push(refused.text());
    }
    answers.dedup();
    assert_eq!(answers.len(), 1);
    assert_eq!(app.stored_cards("managed").await[0].updated_at, before.updated_at);
    assert!(app.read(&token, "r1").await.get("cvv").is_none());
}

async fn the_code_has_the_length_of_the_cards_brand(app: TestApp) {
    let (endpoint, _) = app.locked().await;
    endpoint.capture(json!({ "cvv": "7377" })).await.refused(400, "invalid").at("/cvv", "code_length");
}

async fn a_card_that_is_not_there_cannot_be_locked(app: TestApp) {
    let token = app.card().await;
    for query in [format!("token={token}"), format!("token={token}&reference=r2"), "token=none".into()] {
        let answer = app.merchant.post(&format!("/v1/capture?user=managed&{query}"), json!({})).await;
        answer.refused(404, "not_found");
    }
}

async fn a_deleted_card_ends_its_endpoints(app: TestApp) {
    let (endpoint, token) = app.locked().await;
    endpoint.capture(json!({ "cvv": "737" })).await.ok();
    app.merchant.delete(&format!("/v1/vault?user=managed&token={token}&reference=r1")).await.ok();
    endpoint.capture(json!({ "cvv": "737" })).await.refused(404, "not_found");
    app.merchant.get(&format!("/v1/capture/{}", endpoint.id)).await.refused(404, "not_found");
}

async fn thirty_two_updates_may_wait_on_a_card(app: TestApp) {
    let (endpoint, token) = app.locked().await;
    for count in 0..32 {
        if count == 30 {
            app.clock.pass(60);
        }
        endpoint.capture(json!({ "note": count })).await.ok();
    }
    endpoint.capture(json!({ "note": "one more" })).await.refused(409, "patches_full");
    assert_eq!(app.read(&token, "r1").await["note"], 31);
    endpoint.capture(json!({ "note": "room again" })).await.ok();
    assert_eq!(app.read(&token, "r1").await["note"], "room again");
}

async fn an_empty_update_is_refused(app: TestApp) {
    let (endpoint, _) = app.locked().await;
    endpoint.capture(json!({})).await.refused(400, "invalid").at("", "missing");
    endpoint.capture(json!({ "cvv": "" })).await.refused(400, "invalid").at("", "missing");
}

async fn an_expiry_in_the_past_is_taken(app: TestApp) {
    let (endpoint, token) = app.locked().await;
    endpoint.capture(json!({ "card_expiry": "06-2025", "cvv": "145" })).await.ok();
    assert_eq!(text(&app.read(&token, "r1").await["card_expiry"]), "06-2025");
}
