//! Retrieve endpoints.

use std::time::Duration;

use backend::model::{Mode, RetrieveEndpoint, RetrieveId};
use backend::storage::StoreError;

use crate::engines::{ALL, Db, NOW};
use crate::shop::Shop;

on_both_engines! {
    an_endpoint_comes_back_as_stored,
    an_endpoint_is_its_owners,
    a_use_is_counted_up_to_the_last_one,
    a_changed_key_ends_its_endpoints,
    a_key_is_held_in_its_version,
    ended_endpoints_are_swept,
}

async fn add(db: &Db, endpoint: &RetrieveEndpoint) {
    let mut t = db.begin().await;
    t.add_retrieval(endpoint.clone()).await.unwrap();
    t.commit().await.unwrap();
}

async fn stored(db: &Db, unique_id: &str) -> Option<RetrieveEndpoint> {
    db.read().await.find_retrieval_by_secret_name(unique_id.to_owned()).await.unwrap()
}

async fn an_endpoint_comes_back_as_stored(db: Db) {
    let endpoint = Shop::open(&db, "a").await.retrieval("r");
    add(&db, &endpoint).await;
    let found = stored(&db, "r").await.unwrap();
    assert_eq!(format!("{found:?}"), format!("{endpoint:?}"));
    let mut t = db.begin().await;
    let again = RetrieveEndpoint { id: RetrieveId::new(NOW, &*db.entropy), ..endpoint.clone() };
    assert!(matches!(t.add_retrieval(again).await, Err(StoreError::Conflict)));
    t.delete_retrieval(endpoint.merchant, endpoint.id).await.unwrap();
    t.commit().await.unwrap();
    assert!(stored(&db, "r").await.is_none());
}

async fn an_endpoint_is_its_owners(db: Db) {
    let (a, b) = (Shop::open(&db, "a").await, Shop::open(&db, "b").await);
    add(&db, &a.retrieval("r")).await;
    let mut t = db.begin().await;
    let name = || "r".to_owned();
    assert!(t.find_retrieval(a.merchant.clone(), Mode::Test, name()).await.unwrap().is_some());
    assert!(t.find_retrieval(a.merchant.clone(), Mode::Live, name()).await.unwrap().is_none());
    assert!(t.find_retrieval(b.merchant.clone(), Mode::Test, name()).await.unwrap().is_none());
    assert_eq!(t.list_retrievals(a.merchant.clone(), Mode::Test, ALL).await.unwrap().len(), 1);
    assert!(t.list_retrievals(b.merchant.clone(), Mode::Test, ALL).await.unwrap().is_empty());
    let id = stored(&db, "r").await.unwrap().id;
    t.delete_retrieval(b.merchant.clone(), id.clone()).await.unwrap();
    assert!(!t.use_retrieval(b.merchant, id.clone(), false).await.unwrap());
    assert!(t.use_retrieval(a.merchant, id, false).await.unwrap());
}

async fn a_use_is_counted_up_to_the_last_one(db: Db) {
    let endpoint = Shop::open(&db, "a").await.retrieval("r");
    add(&db, &endpoint).await;
    let mut t = db.begin().await;
    for (reveal, used) in [(true, true), (true, false), (false, true), (false, true), (false, false)] {
        let done = t.use_retrieval(endpoint.merchant.clone(), endpoint.id.clone(), reveal).await.unwrap();
        assert_eq!(done, used);
    }
    t.commit().await.unwrap();
    let found = stored(&db, "r").await.unwrap();
    assert_eq!((found.uses, found.reveals), (3, 1));
}

async fn a_key_is_held_in_its_version(db: Db) {
    let (shop, other) = (Shop::open(&db, "a").await, Shop::open(&db, "b").await);
    let mut t = db.begin().await;
    let key = t.find_key(shop.merchant.clone(), Mode::Test, "main".to_owned()).await.unwrap().unwrap();
    let (id, version) = (key.id.clone(), key.row_version);
    assert!(t.hold_key(shop.merchant.clone(), id.clone(), version).await.unwrap());
    assert!(!t.hold_key(shop.merchant.clone(), id.clone(), version + 1).await.unwrap());
    assert!(!t.hold_key(other.merchant, id.clone(), version).await.unwrap());
    assert!(t.update_key(key).await.unwrap());
    assert!(!t.hold_key(shop.merchant, id, version).await.unwrap());
}

async fn a_changed_key_ends_its_endpoints(db: Db) {
    let shop = Shop::open(&db, "a").await;
    let endpoint = shop.retrieval("r");
    add(&db, &endpoint).await;
    let mut t = db.begin().await;
    t.end_key_retrievals(shop.merchant.clone(), shop.key.clone()).await.unwrap();
    assert!(!t.use_retrieval(endpoint.merchant, endpoint.id, false).await.unwrap());
    t.commit().await.unwrap();
    assert!(stored(&db, "r").await.unwrap().wrapped.is_empty());
}

async fn ended_endpoints_are_swept(db: Db) {
    let shop = Shop::open(&db, "a").await;
    add(&db, &shop.retrieval("r")).await;
    add(&db, &RetrieveEndpoint { expires_at: None, ..shop.retrieval("endless") }).await;
    let mut t = db.begin().await;
    let end = NOW.plus(Duration::from_hours(1));
    assert_eq!(t.sweep_retrievals(end).await.unwrap(), 0);
    assert_eq!(t.sweep_retrievals(end.plus(Duration::from_secs(1))).await.unwrap(), 1);
}
