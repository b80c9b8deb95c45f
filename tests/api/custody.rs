//! What somebody who can write the database, and no more, cannot do (security rules 1 to 4). On SQLite, whose
//! file a test can write.

use rusqlite::Connection;

use crate::app::{NUMBER, OTHER_NUMBER, TestApp, card, text};
use crate::client::Answer;

/// Two cards under the managed key; answers their tokens.
async fn two_cards(app: &TestApp) -> [String; 2] {
    let mut tokens = [NUMBER, OTHER_NUMBER].map(String::from);
    for token in &mut tokens {
        let stored = app.merchant.post("/v1/vault?user=managed", card(token)).await.ok();
        *token = text(&stored["token"]);
    }
    tokens
}

async fn read(app: &TestApp, token: &str) -> Answer {
    app.merchant.get(&format!("/v1/vault?user=managed&token={token}")).await
}

#[tokio::test]
async fn a_row_copied_over_another_does_not_open() {
    let app = TestApp::on_sqlite().await;
    let [first, second] = two_cards(&app).await;
    let sql = "UPDATE card SET sealed = (SELECT sealed FROM card WHERE token = ?2) WHERE token = ?1";
    assert_eq!(Connection::open(app.file()).unwrap().execute(sql, [&first, &second]).unwrap(), 1);
    let refused = read(&app, &first).await;
    refused.refused(500, "internal");
    assert!(!refused.text().contains(OTHER_NUMBER));
    read(&app, &second).await.ok();
}

#[tokio::test]
async fn a_renamed_row_does_not_open() {
    let app = TestApp::on_sqlite().await;
    let [first, second] = two_cards(&app).await;
    let connection = Connection::open(app.file()).unwrap();
    connection.execute("DELETE FROM card WHERE token = ?1", [&first]).unwrap();
    connection.execute("UPDATE card SET id = 'card_x' WHERE token = ?1", [&second]).unwrap();
    read(&app, &second).await.refused(500, "internal");
}

#[tokio::test]
async fn a_row_given_to_another_merchant_does_not_open() {
    let app = TestApp::on_sqlite().await;
    let [first, _] = two_cards(&app).await;
    let other = app.other_merchant().await;
    let sql = "UPDATE card SET (merchant_id, key_id) = (SELECT merchant_id, id FROM vault_key
               WHERE merchant_id != card.merchant_id AND mode = 'live') WHERE token = ?1";
    assert_eq!(Connection::open(app.file()).unwrap().execute(sql, [&first]).unwrap(), 1);
    other.get(&format!("/v1/vault?user=managed&token={first}")).await.refused(500, "internal");
}

#[tokio::test]
async fn a_truncated_row_is_refused_at_every_length() {
    let app = TestApp::on_sqlite().await;
    let [first, _] = two_cards(&app).await;
    let connection = Connection::open(app.file()).unwrap();
    let whole: Vec<u8> =
        connection.query_row("SELECT sealed FROM card WHERE token = ?1", [&first], |r| r.get(0)).unwrap();
    for length in 0..whole.len() {
        let cut = rusqlite::params![&whole[..length], &first];
        connection.execute("UPDATE card SET sealed = ?1 WHERE token = ?2", cut).unwrap();
        assert_eq!(read(&app, &first).await.status, 500, "{length} bytes");
    }
}
