//! Facts about the installation.

use crate::engines::Db;
use crate::shop::Shop;

on_both_engines! {
    the_first_fact_stands,
    vault_keys_are_noticed,
}

async fn the_first_fact_stands(db: Db) {
    let mut t = db.begin().await;
    assert_eq!(t.fact("root").await.unwrap(), None);
    assert_eq!(t.add_fact("root", "one".to_owned()).await.unwrap(), "one");
    assert_eq!(t.add_fact("root", "two".to_owned()).await.unwrap(), "one");
    t.commit().await.unwrap();
    assert_eq!(db.read().await.fact("root").await.unwrap(), Some("one".to_owned()));
}

async fn vault_keys_are_noticed(db: Db) {
    assert!(!db.read().await.has_vault_keys().await.unwrap());
    Shop::open(&db, "a").await;
    assert!(db.read().await.has_vault_keys().await.unwrap());
}
