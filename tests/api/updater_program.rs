//! `cardamom updater run` beside a running server.

use backend::model::{Clock as _, SystemClock};
use backend::transactions::hash;
use serde_json::{Value, json};

use crate::app::text;
use crate::client::{Call, Client};
use crate::process::{Server, folder, path, run};

async fn token(client: &Client, made: &Value, expiry: &str, order: &str) {
    let answer = init(client, made, expiry, order).await;
    assert_eq!(answer["response_code"], "1", "{answer}");
}

async fn init(client: &Client, made: &Value, expiry: &str, order: &str) -> Value {
    let now = SystemClock.now().rfc3339();
    let timestamp: String = now.chars().filter(char::is_ascii_digit).take(14).collect();
    let (id, hash_code) = (text(&made["company_id"]), text(&made["company_hashcode"]));
    let body = json!({
        "timestamp": timestamp, "company_id": id, "company_pass": made["company_pass"],
        "request_hash": hash::signed(&[&timestamp, "AUTH_ONLY", &id, order], &hash_code),
        "transaction": {
            "transaction_type": "AUTH_ONLY", "subscription_type": "INIT", "merchant_order_id": order, "amount": 0,
            "currency_code_iso3": "GBP",
        },
        "billing": { "cardnumber": "4000011180138710", "cardexp": expiry },
    });
    client.send(Call::new("POST", "/api.php").json(&body)).await.is(200).json()
}

#[tokio::test]
async fn a_run_tells_its_progress_and_its_result() {
    let mut server = Server::start(folder(), None, &[]).await;
    let made = server.new_merchant(&["Shop"]).await;
    let client = server.anonymous();
    for (expiry, order) in [("012017", "a"), ("022017", "b"), ("032017", "c")] {
        token(&client, &made, expiry, order).await;
    }
    let ended =
        run(&["updater", "run", "--expiring", "2017-01", "--json", "--data-dir", path(&server.data)], &[])
            .await;
    assert!(ended.success, "{}", ended.err);
    let result: Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!(result, json!({ "looked_at": 1, "updated": 1 }));
    let ended = run(&["updater", "run", "--data-dir", path(&server.data)], &[]).await;
    assert_eq!(ended.out, "3 tokens looked at, 1 updated\n");
    assert!(ended.err.contains("3 looked at, 1 updated"), "{}", ended.err);
    // New credentials: the old ones end, the tokens stay.
    let renewed =
        run(&["merchant", "company", "Shop", "--json", "--data-dir", path(&server.data)], &[]).await;
    let renewed: Value = serde_json::from_str(&renewed.out).unwrap();
    assert_eq!(renewed["company_id"], made["company_id"]);
    assert_eq!(renewed["live_company"]["company_id"], made["live_company"]["company_id"]);
    for name in ["company_pass", "company_hashcode"] {
        assert_ne!(renewed[name], made[name]);
    }
    token(&client, &renewed, "042017", "d").await;
    let old = json!({ "company_id": made["company_id"], "company_hashcode": renewed["company_hashcode"], "company_pass": made["company_pass"] });
    assert_eq!(init(&client, &old, "052017", "e").await["response_code"], "103");
    let unknown = run(&["merchant", "company", "Nobody", "--data-dir", path(&server.data)], &[]).await;
    assert!(!unknown.success);
    let wrong = run(&["updater", "run", "--expiring", "2017", "--data-dir", path(&server.data)], &[]).await;
    assert!(!wrong.success && wrong.err.contains("YYYY-MM"));
    server.stop().await;
}
