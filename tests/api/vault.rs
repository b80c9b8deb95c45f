//! `/v1/vault`: cards by authenticated calls.

use serde_json::json;

use crate::app::{NUMBER, OTHER_NUMBER, PASSPHRASE, TestApp, card, text};
use crate::client::Call;

on_both_engines! {
    a_stored_card_is_answered_by_its_name_alone,
    a_stored_card_comes_back_as_it_was,
    a_number_of_the_query_is_used_where_the_body_has_none,
    metadata_shows_no_more_than_may_be_shown,
    members_are_masked_on_request,
    the_reference_is_part_of_the_identity,
    storing_again_merges,
    an_update_merges_at_first_level,
    an_update_cannot_change_the_number,
    aliases_of_the_expiry_are_one_field,
    cards_are_listed_by_key,
    cards_are_listed_page_by_page,
    a_deleted_card_is_gone,
    an_expired_card_is_stored_and_shows_as_expired,
    every_use_of_a_card_is_audited,
}

async fn a_stored_card_is_answered_by_its_name_alone(app: TestApp) {
    let stored = app.merchant.post("/v1/vault/?user=managed", card(NUMBER)).await.ok();
    assert_eq!(stored.as_object().unwrap().keys().collect::<Vec<_>>(), ["reference", "token", "user"]);
    assert_eq!(stored["reference"], "");
    let stored = app.merchant.post("/v1/vault?user=managed&reference=r1", card(NUMBER)).await.ok();
    let token = text(&stored["token"]);
    assert_eq!(stored, json!({ "user": "managed", "token": token, "reference": "r1" }));
    assert!(token.len() == 64 && token.chars().all(|c| c.is_ascii_hexdigit()));
}

async fn a_stored_card_comes_back_as_it_was(app: TestApp) {
    app.key().await;
    let object = json!({
        "n": "4111 1111-1111 1111", "card_holder": "Ada King", "note": { "a": [1, 2.50, null, true] }, "amount": 10,
    });
    let target = format!("/v1/vault?user=shop&passphrase={PASSPHRASE}");
    let token = text(&app.merchant.post(&target, object.clone()).await.ok()["token"]);
    let mut expected = object;
    expected["n"] = NUMBER.into();
    let call = Call::new("GET", &format!("/v1/vault/?user=shop&token={token}"));
    assert_eq!(app.merchant.send(call.header("x-vault-passphrase", PASSPHRASE)).await.ok(), expected);
}

async fn a_number_of_the_query_is_used_where_the_body_has_none(app: TestApp) {
    let target = format!("/v1/vault?user=managed&number={NUMBER}");
    let token = text(&app.merchant.post(&target, json!({ "note": "x" })).await.ok()["token"]);
    assert_eq!(token, app.card().await);
    assert_eq!(app.read(&token, "").await, json!({ "note": "x" }), "a number of the query is not stored");
    let both = app.merchant.post(&target, card(OTHER_NUMBER)).await.ok();
    assert_ne!(both["token"], token, "the body's number counts");
}

async fn metadata_shows_no_more_than_may_be_shown(app: TestApp) {
    let target = "/v1/vault?user=managed&return_card_metadata=true";
    let answer = app.merchant.post(target, card(NUMBER)).await;
    assert_eq!(
        answer.ok()["card_metadata"],
        json!({
            "brand": "visa", "first_six": "411111", "last_four": "1111", "masked": "411111••••••1111",
            "expiry": "06/31", "expired": false, "card_holder": "A•• K•••",
        })
    );
    assert!(!answer.text().contains(NUMBER));
}

async fn members_are_masked_on_request(app: TestApp) {
    let token = app.card().await;
    let target =
        format!("/v1/vault?user=managed&token={token}&reference=r1&mask_fields=card_number,card_holder,x");
    let answer = app.merchant.get(&target).await;
    let object = answer.ok();
    assert!(text(&object["card_number"]).ends_with("1111") && !answer.text().contains(NUMBER));
    assert!(!answer.text().contains("Ada"));
    assert_eq!(object["card_expiry"], "06-2031");
}

async fn the_reference_is_part_of_the_identity(app: TestApp) {
    let token = app.card().await;
    let other = app.merchant.post("/v1/vault?user=managed&reference=r2", card(NUMBER)).await.ok();
    assert_eq!(other["token"], token);
    assert_eq!(app.stored_cards("managed").await.len(), 2);
    app.merchant.get(&format!("/v1/vault?user=managed&token={token}")).await.refused(404, "not_found");
}

async fn storing_again_merges(app: TestApp) {
    let token = app.card().await;
    let again = json!({ "card_number": NUMBER, "note": "second" });
    app.merchant.post("/v1/vault?user=managed&reference=r1", again).await.ok();
    let object = app.read(&token, "r1").await;
    assert_eq!((&object["note"], &object["card_holder"]), (&json!("second"), &json!("Ada King")));
    assert_eq!(app.stored_cards("managed").await.len(), 1);
}

async fn an_update_merges_at_first_level(app: TestApp) {
    let token = app.card().await;
    let target = format!("/v1/vault/update?user=managed&token={token}&reference=r1");
    let updated = app.merchant.post(&target, json!({ "address": { "a": 1, "b": 2 } })).await.ok();
    assert_eq!(updated, json!({ "user": "managed", "token": token, "reference": "r1" }));
    app.merchant.post(&target, json!({ "address": { "b": 3 } })).await.ok();
    let object = app.read(&token, "r1").await;
    assert_eq!(object["address"], json!({ "b": 3 }));
    assert_eq!(object["card_number"], NUMBER);
}

async fn an_update_cannot_change_the_number(app: TestApp) {
    let token = app.card().await;
    let target = format!("/v1/vault/update?user=managed&token={token}&reference=r1");
    for number in [NUMBER, OTHER_NUMBER] {
        let refused = app.merchant.post(&target, json!({ "card_number": number })).await;
        refused.refused(400, "invalid").at("", "immutable");
    }
    let unknown = app.merchant.post("/v1/vault/update?user=managed&token=none", json!({ "a": 1 })).await;
    unknown.refused(404, "not_found");
}

async fn aliases_of_the_expiry_are_one_field(app: TestApp) {
    let token = app.card().await;
    let target = format!("/v1/vault/update?user=managed&token={token}&reference=r1");
    app.merchant.post(&target, json!({ "expiry": "07/32" })).await.ok();
    let object = app.read(&token, "r1").await;
    assert_eq!(object["card_expiry"], "07-2032");
    assert!(object.get("expiry").is_none());
}

async fn cards_are_listed_by_key(app: TestApp) {
    app.key().await;
    let token = app.card().await;
    let listed = app.merchant.get("/v1/vault").await;
    assert_eq!(listed.ok(), json!({ "managed": [{ "token": token, "reference": "r1" }], "shop": [] }));
    let one = app.merchant.get("/v1/vault?user=managed&return_card_metadata=t").await;
    let entry = &one.ok()["managed"][0];
    assert_eq!(entry["created_at"], "2027-01-15T08:00:00Z");
    assert_eq!(entry["card_metadata"]["last_four"], "1111");
    assert!(!one.text().contains(NUMBER));
}

async fn cards_are_listed_page_by_page(app: TestApp) {
    app.key().await;
    for (key, number) in [("managed", NUMBER), ("managed", OTHER_NUMBER), ("shop", NUMBER)] {
        let target = format!("/v1/vault?user={key}&passphrase={PASSPHRASE}");
        app.merchant.post(&target, card(number)).await.ok();
    }
    let (mut seen, mut next) = (Vec::new(), String::new());
    loop {
        let page = app.merchant.get(&format!("/v1/vault?limit=1&next_token={next}")).await;
        let lists = page.ok();
        seen.extend(lists.as_object().unwrap().values().flat_map(|list| list.as_array().unwrap().clone()));
        page.header("x-pcivault-next-token").clone_into(&mut next);
        if next.is_empty() {
            break;
        }
    }
    assert_eq!(seen.len(), 3);
}

async fn a_deleted_card_is_gone(app: TestApp) {
    let token = app.card().await;
    let target = format!("/v1/vault?user=managed&token={token}&reference=r1");
    let deleted = app.merchant.delete(&target).await.ok();
    assert_eq!(deleted, json!({ "user": "managed", "token": token, "reference": "r1" }));
    app.merchant.get(&target).await.refused(404, "not_found");
    app.merchant.delete(&target).await.refused(404, "not_found");
}

async fn an_expired_card_is_stored_and_shows_as_expired(app: TestApp) {
    let old = json!({ "number": NUMBER, "card_expiry": "06-2025" });
    let stored = app.merchant.post("/v1/vault?user=managed&return_card_metadata=1", old).await.ok();
    assert_eq!(stored["card_metadata"]["expiry"], "06/25");
    assert_eq!(stored["card_metadata"]["expired"], true);
}

async fn every_use_of_a_card_is_audited(app: TestApp) {
    let token = app.card().await;
    app.read(&token, "r1").await;
    app.anonymous.get("/v1/vault").await.refused(401, "unauthenticated");
    let target = format!("/v1/vault?user=managed&token={token}&reference=r1");
    app.merchant.delete(&target).await.ok();
    let audit = app.audit().await;
    let actions: Vec<_> = audit.iter().map(|entry| entry.action.as_ref()).collect();
    assert_eq!(actions, ["merchant.create", "card.store", "card.read", "card.delete"]);
    assert_eq!(audit[2].address, "127.0.0.1");
}

mod on_sqlite {
    use std::fmt::Write as _;

    use rusqlite::types::ValueRef;

    use super::{NUMBER, TestApp, card, json, text};

    /// Everything that a database still holds, as text.
    fn rows(app: &TestApp) -> String {
        let connection = rusqlite::Connection::open(app.file()).unwrap();
        let mut tables = connection.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").unwrap();
        let names: Vec<String> =
            tables.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
        let mut text = String::new();
        for name in names {
            let mut all = connection.prepare(&format!("SELECT * FROM {name}")).unwrap();
            let columns = all.column_count();
            let mut found = all.query([]).unwrap();
            while let Some(row) = found.next().unwrap() {
                for column in 0..columns {
                    let value = match row.get_ref(column).unwrap() {
                        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => {
                            String::from_utf8_lossy(bytes).into_owned()
                        }
                        other => format!("{other:?}"),
                    };
                    writeln!(text, "{name} {}", value.escape_debug()).unwrap();
                }
            }
        }
        text
    }

    #[tokio::test]
    async fn a_deleted_card_leaves_nothing_derived_from_it() {
        let app = TestApp::on_sqlite().await;
        let stored = app.merchant.post("/v1/vault?user=managed&algorithm=luhn", card(NUMBER)).await.ok();
        let token = text(&stored["token"]);
        let target = format!("/v1/vault?user=managed&token={token}");
        let locked = app.endpoint(&format!("&token={token}")).await;
        locked.capture(json!({ "cvv": "737", "card_expiry": "07-2032" })).await.ok();
        let stored = app.stored_cards("managed").await.remove(0);
        assert!(rows(&app).contains(&stored.fingerprint) && rows(&app).contains(&token));
        app.merchant.delete(&target).await.ok();
        let left = rows(&app);
        for (what, value) in [("token", &token), ("fingerprint", &stored.fingerprint)] {
            let line = left.lines().find(|line| line.contains(value.as_str()));
            assert!(line.is_none(), "the {what} is left in {}", line.unwrap_or_default());
        }
        let tables: Vec<_> = left.lines().filter_map(|line| line.split(' ').next()).collect();
        assert!(!tables.iter().any(|table| matches!(*table, "card" | "card_patch" | "card_cvv")));
    }
}
