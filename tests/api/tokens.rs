//! Token algorithms: what a token shows and when two are equal.

use crate::app::{AMEX, NUMBER, OTHER_NUMBER, TestApp, card, text};

on_both_engines! {
    full_tokens_are_the_same_for_the_same_number,
    full_tokens_differ_between_keys,
    partial_tokens_keep_the_ends_that_were_asked_for,
    partial_tokens_that_show_too_much_become_full,
    luhn_tokens_are_no_card_numbers,
    random_tokens_are_never_the_same,
    an_endpoint_captures_with_its_algorithm,
    unknown_algorithms_are_refused,
}

async fn token(app: &TestApp, algorithm: &str, number: &str) -> String {
    let target = format!("/v1/vault?user=managed&algorithm={algorithm}");
    text(&app.merchant.post(&target, card(number)).await.ok()["token"])
}

async fn full_tokens_are_the_same_for_the_same_number(app: TestApp) {
    let first = token(&app, "full", NUMBER).await;
    assert_eq!(first, token(&app, "full", "4111-1111 1111 1111").await);
    assert_eq!(first, token(&app, "", NUMBER).await);
    assert_ne!(first, token(&app, "full", OTHER_NUMBER).await);
}

async fn full_tokens_differ_between_keys(app: TestApp) {
    let live = app.merchant.post("/v1/vault?user=managed", card(NUMBER)).await.ok();
    let test = app.test_mode.post("/v1/vault?user=managed", card(NUMBER)).await.ok();
    let other = app.other_merchant().await.post("/v1/vault?user=managed", card(NUMBER)).await.ok();
    assert!(
        live["token"] != test["token"] && live["token"] != other["token"] && test["token"] != other["token"]
    );
}

async fn partial_tokens_keep_the_ends_that_were_asked_for(app: TestApp) {
    let start = token(&app, "partial_12_start", NUMBER).await;
    assert!(start.len() == 16 && start.ends_with("1111") && start.contains(|c: char| c.is_ascii_lowercase()));
    assert!(token(&app, "partial_10_end", OTHER_NUMBER).await.starts_with("555555"));
    let middle = token(&app, "partial_middle_6_4", OTHER_NUMBER).await;
    assert!(middle.starts_with("555555") && middle.ends_with("4444") && middle.len() == 16);
    assert_eq!(middle, token(&app, "partial_middle_6_4", OTHER_NUMBER).await);
}

async fn partial_tokens_that_show_too_much_become_full(app: TestApp) {
    let full = token(&app, "full", AMEX).await;
    for algorithm in ["partial_8_start", "partial_8_end", "partial_middle_7_4", "partial_middle_6_5"] {
        assert_eq!(token(&app, algorithm, AMEX).await, full, "{algorithm}");
    }
}

async fn luhn_tokens_are_no_card_numbers(app: TestApp) {
    let luhn = token(&app, "luhn", NUMBER).await;
    assert!(luhn.len() == 16 && luhn.starts_with('0') && shared::digits::luhn(&luhn));
    assert_eq!(luhn, token(&app, "luhn", NUMBER).await);
    // A token of ours may stand where card numbers may not.
    let noted = serde_json::json!({ "card_number": OTHER_NUMBER, "instead_of": luhn });
    app.merchant.post("/v1/vault?user=managed", noted).await.ok();
}

async fn random_tokens_are_never_the_same(app: TestApp) {
    assert_ne!(token(&app, "random", NUMBER).await, token(&app, "random", NUMBER).await);
    assert!(app.stored_cards("managed").await.iter().all(|card| card.fingerprint.is_empty()));
}

async fn an_endpoint_captures_with_its_algorithm(app: TestApp) {
    let endpoint = app.endpoint("&algorithm=partial_middle_6_4").await;
    let captured = text(&endpoint.capture(card(NUMBER)).await.ok()["token"]);
    assert_eq!(captured, token(&app, "partial_middle_6_4", NUMBER).await);
}

async fn unknown_algorithms_are_refused(app: TestApp) {
    for algorithm in ["sha256", "partial_7_start", "partial_17_end", "partial_middle_6", "LUHN"] {
        let target = format!("/v1/vault?user=managed&algorithm={algorithm}");
        app.merchant.post(&target, card(NUMBER)).await.refused(400, "invalid").at("/algorithm", "unknown");
    }
}
