//! What only PostgreSQL has: several nodes on one database, and connections that are lost.

use std::sync::Arc;

use backend::model::{CaptureEndpoint, Mode, Refusal};
use backend::storage::postgres::PostgresStore;
use backend::storage::{Store, StoreError};

use crate::engines::{Database, Db, connect};
use crate::shop::Shop;

async fn node(database: &Database) -> PostgresStore {
    PostgresStore::connect(&database.url).await.unwrap()
}

#[tokio::test]
async fn nodes_that_start_at_once_migrate_once() {
    let database = Database::create().await;
    let nodes = tokio::join!(node(&database), node(&database), node(&database));
    for node in [nodes.0, nodes.1, nodes.2] {
        node.health().await.unwrap();
    }
    database.delete().await;
}

#[tokio::test]
async fn limits_and_identities_hold_across_nodes() {
    let database = Database::create().await;
    let here = Db::over(node(&database).await);
    let there: Arc<dyn Store> = Arc::new(node(&database).await);
    let shop = Shop::open(&here, "a").await;
    let endpoint = CaptureEndpoint { max_uses: 150, max_per_minute: 200, ..shop.endpoint("e") };
    let endpoint = shop.add_endpoint(endpoint).await;
    let captures = (0..200).map(|number| {
        let node = Arc::clone(if number % 2 == 0 { &here.store } else { &there });
        let capture = shop.capture(&endpoint, &format!("token{}", number % 50));
        tokio::spawn(async move { node.capture(capture).await })
    });
    let captures: Vec<_> = captures.collect();
    let (mut new, mut merged, mut refused) = (0, 0, 0);
    for capture in captures {
        match capture.await.unwrap().unwrap() {
            Ok(stored) if stored.new => new += 1,
            Ok(_) => merged += 1,
            Err(refusal) => {
                assert_eq!(refusal, Refusal::UsedUp);
                refused += 1;
            }
        }
    }
    assert_eq!((new + merged, refused), (150, 50));
    assert_eq!(shop.count_cards().await, new);
    database.delete().await;
}

/// Or the endpoint would outlive the passphrase that it was made by.
#[tokio::test]
async fn a_key_does_not_change_under_an_endpoint_that_is_being_made() {
    let database = Database::create().await;
    let db = Db::over(node(&database).await);
    let shop = Shop::open(&db, "a").await;
    let endpoint = shop.retrieval("r");
    let mut making = db.begin().await;
    let key = making.find_key(shop.merchant.clone(), Mode::Test, "main".to_owned()).await.unwrap().unwrap();
    let (merchant, id, version) = (shop.merchant.clone(), key.id.clone(), key.row_version);
    assert!(making.hold_key(merchant.clone(), id.clone(), version).await.unwrap());
    let mut change = db.begin().await;
    let changing = tokio::spawn(async move {
        assert!(change.update_key(key).await.unwrap());
        change.end_key_retrievals(merchant, id).await.unwrap();
        change.commit().await.unwrap();
    });
    let onlooker = connect(&database.url).await;
    let waits = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
                 AND wait_event_type = 'Lock'";
    while onlooker.query_one(waits, &[]).await.unwrap().get::<_, i64>(0) == 0 && !changing.is_finished() {
        tokio::task::yield_now().await;
    }
    making.add_retrieval(endpoint).await.unwrap();
    making.commit().await.unwrap();
    changing.await.unwrap();
    let mut t = db.read().await;
    let found = t.find_retrieval_by_secret_name("r".to_owned()).await.unwrap().unwrap();
    assert!(found.wrapped.is_empty());
    drop(t);
    database.delete().await;
}

#[tokio::test]
async fn a_batch_waits_for_a_card_that_another_node_is_storing() {
    let database = Database::create().await;
    let db = Db::over(node(&database).await);
    let shop = Shop::open(&db, "a").await;
    let endpoint = shop.add_endpoint(shop.endpoint("e")).await;
    let mut t = db.begin().await;
    let card = shop.card("token");
    t.add_card(card.clone()).await.unwrap();
    let store = Arc::clone(&db.store);
    let capture = shop.capture(&endpoint, "token");
    let capture = tokio::spawn(async move { store.capture(capture).await });
    // The batch looked before the commit, so it finds the card only when it stores its own.
    let observer = connect(&database.url).await;
    let waits = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
                 AND wait_event_type = 'Lock'";
    while observer.query_one(waits, &[]).await.unwrap().get::<_, i64>(0) == 0 {
        assert!(!capture.is_finished());
    }
    t.commit().await.unwrap();
    let stored = capture.await.unwrap().unwrap().unwrap();
    assert_eq!((stored.card, stored.new), (card.id, false));
    database.delete().await;
}

#[tokio::test]
async fn a_dropped_transaction_takes_its_connection_along() {
    let database = Database::create().await;
    let db = Db::over(node(&database).await);
    let mut t = db.begin().await;
    t.add_fact("held", "x".to_owned()).await.unwrap();
    let observer = connect(&database.url).await;
    let open = "SELECT pid FROM pg_stat_activity WHERE datname = current_database()
                AND state = 'idle in transaction'";
    let open: Vec<i32> = observer.query(open, &[]).await.unwrap().iter().map(|row| row.get(0)).collect();
    assert_eq!(open.len(), 1);
    drop(t);
    // Whoever needs the fact's row waits until the server has ended the dropped transaction.
    let mut t = db.begin().await;
    assert_eq!(t.add_fact("held", "y".to_owned()).await.unwrap(), "y");
    t.commit().await.unwrap();
    let gone = "SELECT count(*) FROM pg_stat_activity WHERE pid = ANY($1)";
    while observer.query_one(gone, &[&open]).await.unwrap().get::<_, i64>(0) > 0 {}
    database.delete().await;
}

#[tokio::test]
async fn a_node_recovers_from_lost_connections() {
    let database = Database::create().await;
    let db = Db::over(node(&database).await);
    let shop = Shop::open(&db, "a").await;
    let endpoint = shop.add_endpoint(shop.endpoint("e")).await;
    db.capture(shop.capture(&endpoint, "one")).await.unwrap().unwrap();
    let mut open = db.begin().await;
    open.fact("none").await.unwrap();
    let kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                WHERE datname = current_database() AND pid <> pg_backend_pid()";
    connect(&database.url).await.batch_execute(kill).await.unwrap();
    assert!(open.commit().await.is_err());
    // Each of the lane's two connections can be found lost once, by the capture that uses it.
    let mut lost = 0;
    while db.capture(shop.capture(&endpoint, "two")).await.is_err() {
        lost += 1;
        assert!(lost <= 2);
    }
    db.store.health().await.unwrap();
    assert_eq!(shop.count_cards().await, 2);
    database.delete().await;
}

#[tokio::test]
async fn a_refusal_quotes_no_values_and_fails_alone() {
    let database = Database::create().await;
    let db = Db::over(node(&database).await);
    let shop = Shop::open(&db, "a").await;
    let endpoint = shop.add_endpoint(shop.endpoint("e")).await;
    let tokens = ["one", "canary\0", "two"];
    let mut outcomes = db.capture_together(tokens.map(|token| shop.capture(&endpoint, token)).into()).await;
    let Err(refusal) = outcomes.remove(1) else { unreachable!("text with a NUL is stored") };
    assert!(matches!(refusal, StoreError::Text) && !refusal.to_string().contains("canary"), "{refusal}");
    assert!(outcomes.into_iter().all(|outcome| outcome.unwrap().unwrap().new));
    database.delete().await;
}
