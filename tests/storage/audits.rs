//! The audit log.

use backend::model::{AuditEntry, Outcome};
use backend::storage::{Page, StoreError};

use crate::engines::Db;
use crate::shop::Shop;

on_both_engines! {
    an_entry_comes_back_as_stored,
    an_identity_is_used_once,
    an_entry_of_nobody_is_kept,
    a_log_is_read_in_pages_by_its_owner,
}

async fn an_entry_comes_back_as_stored(db: Db) {
    let shop = Shop::open(&db, "a").await;
    let entry = AuditEntry { outcome: Outcome::Refused, ..shop.entry("card.read") };
    let mut t = db.begin().await;
    t.add_audit(entry.clone()).await.unwrap();
    t.commit().await.unwrap();
    assert_eq!(format!("{:?}", shop.log().await), format!("{:?}", [entry]));
}

async fn an_identity_is_used_once(db: Db) {
    let shop = Shop::open(&db, "a").await;
    let entry = shop.entry("card.read");
    let mut t = db.begin().await;
    t.add_audit(entry.clone()).await.unwrap();
    assert!(matches!(t.add_audit(entry).await, Err(StoreError::Conflict)));
}

async fn an_entry_of_nobody_is_kept(db: Db) {
    let shop = Shop::open(&db, "a").await;
    let entry = AuditEntry { merchant: None, mode: None, ..shop.entry("login.refused") };
    db.store.record(entry).await.unwrap();
    assert!(shop.log().await.is_empty());
}

async fn a_log_is_read_in_pages_by_its_owner(db: Db) {
    let (a, b) = (Shop::open(&db, "a").await, Shop::open(&db, "b").await);
    for action in ["one", "two", "three"] {
        db.store.record(a.entry(action)).await.unwrap();
    }
    let all = a.log().await;
    assert!(all.len() == 3 && all.is_sorted_by_key(|entry| entry.id.clone()));
    let page = Page { after: Some(all[0].id.to_string()), limit: 1 };
    let page = db.read().await.list_audit(a.merchant, page).await.unwrap();
    assert_eq!(page.iter().map(|entry| &entry.id).collect::<Vec<_>>(), [&all[1].id]);
    assert!(b.log().await.is_empty());
}
