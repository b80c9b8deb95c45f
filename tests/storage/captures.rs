//! Capture endpoints as their owners see them.

use std::time::Duration;

use backend::model::{Lock, Mode};
use backend::storage::{Page, StoreError};

use crate::engines::{ALL, Db, NOW};
use crate::shop::Shop;

on_both_engines! {
    an_endpoint_comes_back_as_stored,
    a_taken_name_is_a_conflict,
    a_foreign_endpoint_is_unknown,
    endpoints_are_listed_in_pages,
    a_name_is_free_after_deletion,
    a_foreign_deletion_does_nothing,
    twenty_refused_numbers_disable,
    ended_endpoints_are_swept,
    hits_are_counted_by_minute,
}

async fn an_endpoint_comes_back_as_stored(db: Db) {
    let shop = Shop::open(&db, "a").await;
    let mut endpoint = shop.endpoint("e");
    endpoint.lock = Some(Lock { token: "token".to_owned(), reference: String::new() });
    endpoint.webhook = Some(vec![1, 2]);
    let plain = shop.endpoint("plain");
    for endpoint in [endpoint, plain] {
        shop.add_endpoint(endpoint.clone()).await;
        let mut t = db.read().await;
        let found = t.find_endpoint_by_secret_name(endpoint.unique_id.clone()).await.unwrap().unwrap();
        assert_eq!(format!("{found:?}"), format!("{endpoint:?}"));
    }
}

async fn a_taken_name_is_a_conflict(db: Db) {
    let (a, b) = (Shop::open(&db, "a").await, Shop::open(&db, "b").await);
    a.add_endpoint(a.endpoint("e")).await;
    let mut t = db.begin().await;
    assert!(matches!(t.add_endpoint(b.endpoint("e")).await, Err(StoreError::Conflict)));
    t.add_endpoint(b.endpoint("f")).await.unwrap();
}

async fn a_foreign_endpoint_is_unknown(db: Db) {
    let (a, b) = (Shop::open(&db, "a").await, Shop::open(&db, "b").await);
    a.add_endpoint(a.endpoint("e")).await;
    assert!(b.find_endpoint("e").await.is_none());
    assert!(a.find_endpoint("e").await.is_some());
    let mut t = db.read().await;
    assert!(t.find_endpoint(a.merchant, Mode::Live, "e".to_owned()).await.unwrap().is_none());
    assert!(t.list_endpoints(b.merchant, Mode::Test, ALL).await.unwrap().is_empty());
}

async fn endpoints_are_listed_in_pages(db: Db) {
    let shop = Shop::open(&db, "a").await;
    for name in ["e", "f", "g"] {
        shop.add_endpoint(shop.endpoint(name)).await;
    }
    let mut t = db.read().await;
    let all = t.list_endpoints(shop.merchant.clone(), Mode::Test, ALL).await.unwrap();
    assert!(all.is_sorted_by_key(|endpoint| endpoint.id.clone()));
    let page = Page { after: Some(all[0].id.to_string()), limit: 1 };
    let page = t.list_endpoints(shop.merchant, Mode::Test, page).await.unwrap();
    assert_eq!(page.iter().map(|endpoint| &endpoint.id).collect::<Vec<_>>(), [&all[1].id]);
}

async fn a_name_is_free_after_deletion(db: Db) {
    let shop = Shop::open(&db, "a").await;
    let endpoint = shop.add_endpoint(shop.endpoint("e")).await;
    let mut t = db.begin().await;
    t.delete_endpoint(shop.merchant.clone(), endpoint.id.clone()).await.unwrap();
    t.add_endpoint(shop.endpoint("e")).await.unwrap();
    t.commit().await.unwrap();
    assert_ne!(shop.find_endpoint("e").await.unwrap().id, endpoint.id);
}

async fn a_foreign_deletion_does_nothing(db: Db) {
    let (a, b) = (Shop::open(&db, "a").await, Shop::open(&db, "b").await);
    let endpoint = a.add_endpoint(a.endpoint("e")).await;
    let mut t = db.begin().await;
    t.delete_endpoint(b.merchant.clone(), endpoint.id.clone()).await.unwrap();
    assert!(!t.count_refused(b.merchant, endpoint.id, NOW).await.unwrap());
    t.commit().await.unwrap();
    assert_eq!(a.find_endpoint("e").await.unwrap().refused, 0);
}

async fn twenty_refused_numbers_disable(db: Db) {
    let shop = Shop::open(&db, "a").await;
    let endpoint = shop.add_endpoint(shop.endpoint("e")).await;
    let mut t = db.begin().await;
    for number in 1..=22 {
        let disabled = t.count_refused(shop.merchant.clone(), endpoint.id.clone(), NOW).await.unwrap();
        assert_eq!(disabled, number == 20);
    }
    t.commit().await.unwrap();
    let found = shop.find_endpoint("e").await.unwrap();
    assert_eq!((found.refused, found.disabled_at), (22, Some(NOW)));
}

async fn ended_endpoints_are_swept(db: Db) {
    let shop = Shop::open(&db, "a").await;
    let mut endless = shop.endpoint("endless");
    endless.expires_at = None;
    shop.add_endpoint(endless).await;
    shop.add_endpoint(shop.endpoint("e")).await;
    let end = NOW.plus(Duration::from_hours(1));
    let mut t = db.begin().await;
    assert_eq!(t.sweep_endpoints(end, NOW).await.unwrap(), 0);
    assert_eq!(t.sweep_endpoints(end.plus(Duration::from_millis(1)), NOW).await.unwrap(), 1);
    t.commit().await.unwrap();
    assert!(shop.find_endpoint("endless").await.is_some());
}

async fn hits_are_counted_by_minute(db: Db) {
    let mut t = db.begin().await;
    for (subject, minute, count) in [("a", 5, 1), ("a", 5, 2), ("b", 5, 1), ("a", 6, 1)] {
        assert_eq!(t.hit("test", subject.to_owned(), minute).await.unwrap(), count);
        assert_eq!(t.hits("test", subject.to_owned(), minute).await.unwrap(), count);
    }
    assert_eq!(t.hits("test", "a".to_owned(), 5).await.unwrap(), 0);
    assert_eq!(t.hits("other", "b".to_owned(), 5).await.unwrap(), 0);
    // A sweep takes old windows and leaves the present one.
    let minute_six = backend::model::Timestamp::from_millis(6 * 60_000);
    t.sweep_endpoints(NOW, minute_six).await.unwrap();
    assert_eq!(t.hits("test", "b".to_owned(), 5).await.unwrap(), 0);
    assert_eq!(t.hits("test", "a".to_owned(), 6).await.unwrap(), 1);
}
