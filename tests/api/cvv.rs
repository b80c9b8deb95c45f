//! Security codes: apart from the card, for a short time, counted, and gone from the database afterwards.

use serde_json::json;

use crate::app::{Endpoint, NUMBER, TestApp, text};
use crate::client::Client;

on_both_engines! {
    a_code_is_not_read_without_its_scope,
    a_code_is_read_once,
    a_newer_code_replaces_the_older,
    a_code_ends_by_the_clock_before_any_sweep,
    the_sweeper_takes_ended_codes_and_their_hourly_keys,
    codes_under_any_name_and_at_any_depth_leave_the_card,
    a_code_survives_a_rotation,
}

async fn stored(client: &Client) -> String {
    let body = json!({ "card_number": NUMBER, "cvv": "737" });
    let token = text(&client.post("/v1/vault?user=managed", body).await.ok()["token"]);
    format!("/v1/vault?user=managed&token={token}")
}

async fn a_code_is_not_read_without_its_scope(app: TestApp) {
    let card = stored(&app.merchant).await;
    assert_eq!(app.merchant.get(&card).await.ok(), json!({ "card_number": NUMBER }));
    let mut transaction = app.app.core.store.read().await.unwrap();
    let id = app.stored_cards("managed").await[0].id.clone();
    assert!(
        transaction.find_cvv(app.id.clone(), id).await.unwrap().is_some(),
        "reading without it is no use of it"
    );
}

async fn a_code_is_read_once(app: TestApp) {
    let reader = app.code_reader().await;
    let card = stored(&reader).await;
    assert_eq!(reader.get(&card).await.ok(), json!({ "card_number": NUMBER, "cvv": "737" }));
    assert_eq!(reader.get(&card).await.ok(), json!({ "card_number": NUMBER }));
}

async fn a_newer_code_replaces_the_older(app: TestApp) {
    let reader = app.code_reader().await;
    let card = stored(&reader).await;
    let token = card.split("token=").nth(1).unwrap();
    let endpoint = Endpoint::create(&reader, &format!("&token={token}")).await;
    endpoint.capture(json!({ "cvv": "145" })).await.ok();
    assert_eq!(reader.get(&card).await.ok()["cvv"], "145");
    assert!(reader.get(&card).await.ok().get("cvv").is_none());
}

async fn a_code_ends_by_the_clock_before_any_sweep(app: TestApp) {
    let reader = app.code_reader().await;
    let card = stored(&reader).await;
    app.clock.pass(3600);
    assert_eq!(reader.get(&card).await.ok(), json!({ "card_number": NUMBER }));
}

async fn the_sweeper_takes_ended_codes_and_their_hourly_keys(app: TestApp) {
    stored(&app.merchant).await;
    let id = app.stored_cards("managed").await[0].id.clone();
    let hour = crate::app::NOW.hour();
    app.sweep().await;
    let mut before = app.app.core.store.read().await.unwrap();
    assert!(before.find_cvv(app.id.clone(), id.clone()).await.unwrap().is_some());
    drop(before);
    app.clock.pass(2 * 3600);
    app.sweep().await;
    let mut after = app.app.core.store.read().await.unwrap();
    assert!(after.find_cvv(app.id.clone(), id).await.unwrap().is_none());
    assert!(after.find_cvv_key(hour).await.unwrap().is_none());
}

async fn codes_under_any_name_and_at_any_depth_leave_the_card(app: TestApp) {
    let reader = app.code_reader().await;
    for name in ["cvv", "card_cvv", "CVC", "cvc2", "cvv2", "csc", "cid", "security_code"] {
        let body = json!({ "card_number": NUMBER, "inner": [{ name: "737" }] });
        let stored = reader.post(&format!("/v1/vault?user=managed&reference={name}"), body).await.ok();
        let card = format!("/v1/vault?user=managed&token={}&reference={name}", text(&stored["token"]));
        let expected = json!({ "card_number": NUMBER, "inner": [{}], "cvv": "737" });
        assert_eq!(reader.get(&card).await.ok(), expected, "{name}");
    }
}

async fn a_code_survives_a_rotation(app: TestApp) {
    let reader = app.code_reader().await;
    let card = stored(&reader).await;
    reader.post("/v1/key/rotate", json!({ "user": "managed" })).await.ok();
    assert_eq!(reader.get(&card).await.ok()["cvv"], "737");
}

mod on_sqlite {
    use super::{NUMBER, TestApp, json};

    fn holds(bytes: &[u8], part: &[u8]) -> bool {
        bytes.windows(part.len()).any(|window| window == part)
    }

    /// Both halves of a code's custody: the sealed code and the hourly key around it.
    async fn sealed_code(app: &TestApp) -> (Vec<u8>, Vec<u8>) {
        let id = app.stored_cards("managed").await[0].id.clone();
        let mut transaction = app.app.core.store.read().await.unwrap();
        let code = transaction.find_cvv(app.id.clone(), id).await.unwrap().unwrap();
        let hour = transaction.lookup_cvv_key(code.cvv_key).await.unwrap().unwrap();
        (code.sealed, hour.wrapped)
    }

    #[tokio::test]
    async fn a_swept_code_is_gone_from_the_file_and_its_log() {
        let app = TestApp::on_sqlite().await;
        app.merchant
            .post("/v1/vault?user=managed", json!({ "card_number": NUMBER, "cvv": "737" }))
            .await
            .ok();
        let (code, hour_key) = sealed_code(&app).await;
        assert!(holds(&app.bytes_on_disk(), &code) && holds(&app.bytes_on_disk(), &hour_key));
        app.clock.pass(2 * 3600);
        app.sweep().await;
        assert!(!holds(&app.bytes_on_disk(), &code), "the sealed code");
        assert!(!holds(&app.bytes_on_disk(), &hour_key), "the hourly key");
    }

    #[tokio::test]
    async fn a_used_code_is_gone_from_the_file_after_the_next_sweep() {
        let app = TestApp::on_sqlite().await;
        let token = app.card().await;
        let endpoint = app.endpoint(&format!("&token={token}&reference=r1")).await;
        endpoint.capture(json!({ "cvv": "737" })).await.ok();
        let (code, _) = sealed_code(&app).await;
        app.merchant.delete(&format!("/v1/vault?user=managed&token={token}&reference=r1")).await.ok();
        app.sweep().await;
        assert!(!holds(&app.bytes_on_disk(), &code));
    }
}
