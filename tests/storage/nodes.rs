//! What only PostgreSQL has: several nodes on one database, and connections that are lost.

use std::sync::Arc;

use backend::model::{CaptureEndpoint, Card, Lock, Mode, Refusal};
use backend::storage::postgres::PostgresStore;
use backend::storage::{Store, StoreError};

use tokio::task::JoinHandle;

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

/// Waits until somebody waits for a lock, which has to be that task.
async fn until_it_waits<T>(database: &Database, task: &JoinHandle<T>) {
    let onlooker = connect(&database.url).await;
    let waits = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
                 AND wait_event_type = 'Lock'";
    while onlooker.query_one(waits, &[]).await.unwrap().get::<_, i64>(0) == 0 {
        assert!(!task.is_finished(), "it does not wait");
        tokio::task::yield_now().await;
    }
}

/// Begins to delete a card, as another node does.
fn delete(db: &Db, card: &Card) -> JoinHandle<()> {
    let (db, card) = (db.clone(), card.clone());
    tokio::spawn(async move {
        let mut t = db.begin().await;
        t.delete_card(card.merchant, card.id).await.unwrap();
        t.commit().await.unwrap();
    })
}

/// Or the endpoints would outlive the card, and keep its token, which is derived from its number.
#[tokio::test]
async fn a_card_is_not_deleted_under_endpoints_that_are_locked_to_it() {
    let database = Database::create().await;
    let db = Db::over(node(&database).await);
    let shop = Shop::open(&db, "a").await;
    let card = shop.add_card("token").await;
    let mut making = db.begin().await;
    assert!(making.hold_card(card.merchant.clone(), card.id.clone()).await.unwrap());
    let deleting = delete(&db, &card);
    until_it_waits(&database, &deleting).await;
    let mut of_card = shop.retrieval("of-card");
    of_card.lock_reference = Some(card.reference.clone());
    let mut other = shop.retrieval("other");
    other.lock_token = Some("another".to_owned());
    for endpoint in [shop.retrieval("of-token"), of_card, other] {
        making.add_retrieval(endpoint).await.unwrap();
    }
    let mut capture = shop.endpoint("capture");
    capture.lock = Some(Lock { token: card.token.clone(), reference: card.reference.clone() });
    making.add_endpoint(capture).await.unwrap();
    making.commit().await.unwrap();
    deleting.await.unwrap();
    let mut t = db.read().await;
    let mut left = Vec::new();
    for name in ["of-token", "of-card", "other"] {
        left.extend(t.find_retrieval_by_secret_name(name.to_owned()).await.unwrap().map(|e| e.unique_id));
    }
    assert_eq!(left, ["other"]);
    assert!(t.find_endpoint_by_secret_name("capture".to_owned()).await.unwrap().is_none());
    drop(t);
    database.delete().await;
}

#[tokio::test]
async fn nothing_is_locked_to_a_card_that_is_being_deleted() {
    let database = Database::create().await;
    let db = Db::over(node(&database).await);
    let shop = Shop::open(&db, "a").await;
    let card = shop.add_card("token").await;
    let mut deleting = db.begin().await;
    deleting.delete_card(card.merchant.clone(), card.id.clone()).await.unwrap();
    let (other, wanted) = (db.clone(), card.clone());
    let holding = tokio::spawn(async move {
        let mut t = other.begin().await;
        assert!(t.lookup_card(wanted.merchant.clone(), wanted.id.clone()).await.unwrap().is_some());
        t.hold_card(wanted.merchant, wanted.id).await.unwrap()
    });
    until_it_waits(&database, &holding).await;
    deleting.commit().await.unwrap();
    assert!(!holding.await.unwrap());
    database.delete().await;
}

/// Each of them sees the other one as long as both are under way.
#[tokio::test]
async fn two_cards_of_a_token_that_are_deleted_at_once_take_its_endpoint_along() {
    let database = Database::create().await;
    let db = Db::over(node(&database).await);
    let shop = Shop::open(&db, "a").await;
    let (first, mut second) = (shop.add_card("token").await, shop.card("token"));
    second.reference = "another".to_owned();
    let mut t = db.begin().await;
    t.add_card(second.clone()).await.unwrap();
    t.add_retrieval(shop.retrieval("r")).await.unwrap();
    t.commit().await.unwrap();
    let mut deleting = db.begin().await;
    deleting.delete_card(first.merchant.clone(), first.id.clone()).await.unwrap();
    let also = delete(&db, &second);
    until_it_waits(&database, &also).await;
    deleting.commit().await.unwrap();
    also.await.unwrap();
    assert!(db.read().await.find_retrieval_by_secret_name("r".to_owned()).await.unwrap().is_none());
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
