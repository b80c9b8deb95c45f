//! `/v1/key`: vault keys.

use serde_json::json;

use crate::app::{ALL, Endpoint, PASSPHRASE, TestApp, card, text};
use crate::app::{NUMBER, OTHER_NUMBER};
use crate::client::Call;

on_both_engines! {
    a_key_without_a_passphrase_gets_one,
    a_chosen_passphrase_is_answered_once,
    names_are_listed_page_by_page,
    a_name_is_taken_once,
    a_changed_passphrase_breaks_no_endpoint,
    old_cards_open_after_a_rotation_and_are_sealed_anew,
    a_safe_deletion_is_refused_while_there_are_cards,
    an_unsafe_deletion_takes_cards_and_endpoints_with_it,
    the_managed_key_stays,
    the_managed_key_rotates,
    a_rotation_makes_a_new_custody_key,
    a_wrong_passphrase_opens_nothing,
    ten_wrong_passphrases_lock_the_key_for_a_minute,
}

async fn a_key_without_a_passphrase_gets_one(app: TestApp) {
    let made = app.merchant.post("/v1/key", json!({ "user": "shop" })).await.ok();
    assert_eq!(made.as_object().unwrap().keys().collect::<Vec<_>>(), ["passphrase", "user"]);
    let passphrase = text(&made["passphrase"]);
    assert!(passphrase.len() >= 32);
    let call = Call::new("POST", "/v1/vault?user=shop").header("x-vault-passphrase", &passphrase);
    app.merchant.send(call.json(&card(NUMBER))).await.ok();
}

async fn a_chosen_passphrase_is_answered_once(app: TestApp) {
    let made = app.merchant.post("/v1/key/", json!({ "user": "shop", "passphrase": PASSPHRASE })).await.ok();
    assert_eq!(made, json!({ "user": "shop", "passphrase": PASSPHRASE }));
    assert!(!app.merchant.get("/v1/key").await.text().contains(PASSPHRASE));
}

async fn names_are_listed_page_by_page(app: TestApp) {
    app.key().await;
    let first = app.merchant.get("/v1/key?limit=1").await;
    assert_eq!(first.ok(), json!(["managed"]));
    let next = first.header("x-pcivault-next-token");
    let second = app.merchant.get(&format!("/v1/key?limit=1&next_token={next}")).await;
    assert_eq!(second.ok(), json!(["shop"]));
    let all = app.merchant.get("/v1/key/").await;
    assert_eq!(all.ok(), json!(["managed", "shop"]));
    assert_eq!(all.header("x-pcivault-next-token"), "");
}

async fn a_name_is_taken_once(app: TestApp) {
    app.key().await;
    app.merchant.post("/v1/key", json!({ "user": "shop" })).await.refused(409, "key_exists");
    let reserved = app.merchant.post("/v1/key", json!({ "user": "managed" })).await;
    reserved.refused(400, "invalid").at("/user", "reserved");
    let other_mode = app.test_mode.post("/v1/key", json!({ "user": "shop" })).await;
    other_mode.ok();
}

async fn a_changed_passphrase_breaks_no_endpoint(app: TestApp) {
    app.key().await;
    let created = format!("/v1/capture?user=shop&passphrase={PASSPHRASE}");
    let created = app.merchant.post(&created, json!({})).await.ok();
    let change = json!({ "user": "shop", "passphrase": PASSPHRASE, "new_passphrase": "another one" });
    assert_eq!(app.merchant.put("/v1/key", change).await.ok(), json!({ "user": "shop" }));

    let call = Call::new("POST", created["url"].as_str().unwrap());
    let call = call.header("x-capture-secret", created["secret"].as_str().unwrap()).json(&card(NUMBER));
    let captured = app.anonymous.send(call).await.ok();
    let target = format!("/v1/vault?user=shop&token={}&reference=", text(&captured["token"]));
    let target = target + created["unique_id"].as_str().unwrap();
    let old = app.merchant.send(Call::new("GET", &target).header("x-vault-passphrase", PASSPHRASE)).await;
    old.refused(403, "wrong_passphrase");
    let new = app.merchant.send(Call::new("GET", &target).header("x-vault-passphrase", "another one")).await;
    assert_eq!(new.ok()["card_number"], NUMBER);
}

async fn old_cards_open_after_a_rotation_and_are_sealed_anew(app: TestApp) {
    app.key().await;
    let target = format!("/v1/vault?user=shop&passphrase={PASSPHRASE}");
    let token = text(&app.merchant.post(&target, card(NUMBER)).await.ok()["token"]);
    let rotated =
        app.merchant.post("/v1/key/rotate", json!({ "user": "shop", "passphrase": PASSPHRASE })).await;
    assert_eq!(rotated.ok(), json!({ "user": "shop", "version": 2 }));
    assert_eq!(app.stored_cards("shop").await[0].key_version, 1);

    let before = app.stored_cards("shop").await[0].sealed.clone();
    assert_eq!(app.merchant.get(&format!("{target}&token={token}")).await.ok()["card_number"], NUMBER);
    let after = app.stored_cards("shop").await.remove(0);
    assert_eq!(after.key_version, 2);
    assert_ne!(after.sealed, before);
    assert_eq!(app.merchant.get(&format!("{target}&token={token}")).await.ok()["card_number"], NUMBER);
}

async fn a_safe_deletion_is_refused_while_there_are_cards(app: TestApp) {
    app.key().await;
    let target = format!("/v1/vault?user=shop&passphrase={PASSPHRASE}");
    let token = text(&app.merchant.post(&target, card(NUMBER)).await.ok()["token"]);
    app.merchant.delete("/v1/key?user=shop").await.refused(409, "key_has_cards");
    app.merchant.delete(&format!("/v1/vault?user=shop&token={token}")).await.ok();
    assert_eq!(app.merchant.delete("/v1/key?user=shop").await.ok(), json!({ "user": "shop" }));
    app.merchant.delete("/v1/key?user=shop").await.refused(404, "not_found");
}

async fn an_unsafe_deletion_takes_cards_and_endpoints_with_it(app: TestApp) {
    app.key().await;
    let created =
        app.merchant.post(&format!("/v1/capture?user=shop&passphrase={PASSPHRASE}"), json!({})).await;
    let url = text(&created.ok()["url"]);
    let id = app.stored_key("shop").await.id;
    app.merchant.post(&format!("/v1/vault?user=shop&passphrase={PASSPHRASE}"), card(NUMBER)).await.ok();
    app.merchant.delete("/v1/key?user=shop&safe=f").await.ok();
    let mut transaction = app.app.core.store.read().await.unwrap();
    assert!(transaction.list_cards(app.id.clone(), id, ALL).await.unwrap().is_empty());
    app.merchant.get(&url).await.refused(404, "not_found");
}

async fn the_managed_key_stays(app: TestApp) {
    app.merchant.delete("/v1/key?user=managed&safe=false").await.refused(409, "key_is_managed");
    let change = json!({ "user": "managed", "passphrase": "", "new_passphrase": "mine now" });
    app.merchant.put("/v1/key", change).await.refused(409, "key_is_managed");
}

async fn the_managed_key_rotates(app: TestApp) {
    let endpoint = Endpoint::create(&app.merchant, "").await;
    let old = text(&endpoint.capture(card(NUMBER)).await.ok()["token"]);
    app.merchant.post("/v1/key/rotate", json!({ "user": "managed" })).await.ok();
    // The endpoint follows within the life of what is known of it.
    app.clock.pass(6);
    endpoint.capture(card(OTHER_NUMBER)).await.ok();
    let versions: Vec<_> = app.stored_cards("managed").await.iter().map(|card| card.key_version).collect();
    assert_eq!(versions, [1, 2]);
    assert_eq!(app.read(&old, &endpoint.id).await["card_number"], NUMBER);
}

async fn a_rotation_makes_a_new_custody_key(app: TestApp) {
    app.key().await;
    let target = format!("/v1/vault?user=shop&passphrase={PASSPHRASE}");
    let token = text(&app.merchant.post(&target, card(NUMBER)).await.ok()["token"]);
    let custody = app.custody("shop", PASSPHRASE).await;
    app.merchant.post("/v1/key/rotate", json!({ "user": "shop", "passphrase": PASSPHRASE })).await.ok();
    assert!(!app.custody("shop", PASSPHRASE).await.ct_eq(&custody));
    // Sealed to the first pair still, whose private half the new custody key opens.
    assert_eq!(app.stored_cards("shop").await[0].key_version, 1);
    assert_eq!(app.merchant.get(&format!("{target}&token={token}")).await.ok()["card_number"], NUMBER);

    let managed = app.custody("managed", "").await;
    app.merchant.post("/v1/key/rotate", json!({ "user": "managed" })).await.ok();
    assert!(!app.custody("managed", "").await.ct_eq(&managed));
}

async fn a_wrong_passphrase_opens_nothing(app: TestApp) {
    app.key().await;
    for call in [
        Call::new("POST", "/v1/vault?user=shop&passphrase=not-the-right-one").json(&card(NUMBER)),
        Call::new("POST", "/v1/capture?user=shop&passphrase=not-the-right-one"),
        Call::new("PUT", "/v1/key")
            .json(&json!({ "user": "shop", "passphrase": "not-the-right-one", "new_passphrase": "new-one" })),
    ] {
        app.merchant.send(call).await.refused(403, "wrong_passphrase");
    }
    assert!(app.stored_cards("shop").await.is_empty());
}

async fn ten_wrong_passphrases_lock_the_key_for_a_minute(app: TestApp) {
    app.key().await;
    let right = format!("/v1/vault?user=shop&token=none&passphrase={PASSPHRASE}");
    let wrong = "/v1/vault?user=shop&token=none&passphrase=not-the-right-one";
    for _ in 0..10 {
        app.merchant.get(wrong).await.refused(403, "wrong_passphrase");
    }
    let locked = app.merchant.get(&right).await;
    locked.refused(429, "too_many_tries");
    assert_eq!(locked.header("retry-after"), "60");
    app.clock.pass(60);
    app.merchant.get(&right).await.refused(404, "not_found");
}
