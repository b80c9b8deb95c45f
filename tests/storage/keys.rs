//! Vault keys and their pairs.

use backend::model::{KeyId, Mode};
use backend::storage::{Page, StoreError};

use crate::engines::{ALL, Db, NOW};
use crate::shop::Shop;

on_both_engines! {
    a_key_comes_back_as_stored,
    a_taken_name_is_a_conflict,
    a_foreign_key_is_unknown,
    keys_are_listed_in_pages,
    an_update_is_a_compare_and_set,
    pairs_are_listed_oldest_first,
    a_foreign_pair_is_refused,
    a_private_half_is_replaced_for_its_owner_alone,
    a_deleted_key_takes_everything_along,
    a_foreign_deletion_does_nothing,
}

async fn a_key_comes_back_as_stored(db: Db) {
    let shop = Shop::open(&db, "a").await;
    let mut t = db.read().await;
    let found = t.find_key(shop.merchant.clone(), Mode::Test, "main".to_owned()).await.unwrap().unwrap();
    assert_eq!(format!("{found:?}"), format!("{:?}", shop.vault_key("main")));
    assert!(t.find_key(shop.merchant.clone(), Mode::Live, "main".to_owned()).await.unwrap().is_none());
    assert!(!t.key_has_cards(shop.merchant, shop.key).await.unwrap());
}

async fn a_taken_name_is_a_conflict(db: Db) {
    let mut shop = Shop::open(&db, "a").await;
    shop.key = KeyId::new(NOW, &*db.entropy);
    let mut t = db.begin().await;
    let second = t.add_key(shop.vault_key("main"), shop.pair(1)).await;
    assert!(matches!(second, Err(StoreError::Conflict)));
    t.add_key(shop.vault_key("other"), shop.pair(1)).await.unwrap();
}

async fn a_foreign_key_is_unknown(db: Db) {
    let (a, b) = (Shop::open(&db, "a").await, Shop::open(&db, "b").await);
    a.add_card("token").await;
    let mut t = db.read().await;
    assert!(t.pairs(b.merchant.clone(), a.key.clone()).await.unwrap().is_empty());
    assert!(!t.key_has_cards(b.merchant, a.key.clone()).await.unwrap());
    assert!(t.key_has_cards(a.merchant, a.key).await.unwrap());
}

async fn keys_are_listed_in_pages(db: Db) {
    let mut shop = Shop::open(&db, "a").await;
    let other = Shop::open(&db, "b").await;
    let mut t = db.begin().await;
    for name in ["zinc", "iron"] {
        shop.key = KeyId::new(NOW, &*db.entropy);
        t.add_key(shop.vault_key(name), shop.pair(1)).await.unwrap();
    }
    let first = Page { after: None, limit: 2 };
    let page = t.list_keys(shop.merchant.clone(), Mode::Test, first).await.unwrap();
    assert_eq!(page.iter().map(|key| key.name.as_str()).collect::<Vec<_>>(), ["iron", "main"]);
    let next = Page { after: Some("main".to_owned()), limit: 2 };
    let page = t.list_keys(shop.merchant, Mode::Test, next).await.unwrap();
    assert_eq!(page.iter().map(|key| key.name.as_str()).collect::<Vec<_>>(), ["zinc"]);
    assert_eq!(t.list_keys(other.merchant, Mode::Test, ALL).await.unwrap().len(), 1);
}

async fn an_update_is_a_compare_and_set(db: Db) {
    let (shop, other) = (Shop::open(&db, "a").await, Shop::open(&db, "b").await);
    let mut key = shop.vault_key("main");
    key.wrapped_custody = vec![20; 60];
    let mut t = db.begin().await;
    assert!(t.update_key(key.clone()).await.unwrap());
    assert!(!t.update_key(key.clone()).await.unwrap());
    let found = t.find_key(shop.merchant, Mode::Test, "main".to_owned()).await.unwrap().unwrap();
    assert_eq!((found.wrapped_custody, found.row_version), (vec![20; 60], 2));
    key.row_version = 2;
    key.merchant = other.merchant;
    assert!(!t.update_key(key).await.unwrap());
}

async fn pairs_are_listed_oldest_first(db: Db) {
    let shop = Shop::open(&db, "a").await;
    let mut t = db.begin().await;
    t.add_pair(shop.merchant.clone(), shop.pair(2)).await.unwrap();
    assert!(matches!(t.add_pair(shop.merchant.clone(), shop.pair(2)).await, Err(StoreError::Conflict)));
    let pairs = t.pairs(shop.merchant.clone(), shop.key.clone()).await.unwrap();
    assert_eq!(pairs.iter().map(|pair| pair.version).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(format!("{:?}", pairs[1]), format!("{:?}", shop.pair(2)));
}

async fn a_foreign_pair_is_refused(db: Db) {
    let (a, b) = (Shop::open(&db, "a").await, Shop::open(&db, "b").await);
    let mut t = db.begin().await;
    let refused = t.add_pair(b.merchant, a.pair(2)).await;
    assert!(matches!(refused, Err(StoreError::Inconsistent { table: "vault_key", .. })));
}

async fn a_private_half_is_replaced_for_its_owner_alone(db: Db) {
    let (a, b) = (Shop::open(&db, "a").await, Shop::open(&db, "b").await);
    let mut t = db.begin().await;
    t.add_pair(a.merchant.clone(), a.pair(2)).await.unwrap();
    let mut pair = a.pair(1);
    pair.wrapped_private = vec![30; 70];
    assert!(!t.update_pair(b.merchant, pair.clone()).await.unwrap());
    assert!(t.update_pair(a.merchant.clone(), pair.clone()).await.unwrap());
    let pairs = t.pairs(a.merchant.clone(), a.key.clone()).await.unwrap();
    assert_eq!(format!("{pairs:?}"), format!("{:?}", [pair, a.pair(2)]));
    assert!(!t.update_pair(a.merchant.clone(), a.pair(3)).await.unwrap());
}

async fn a_deleted_key_takes_everything_along(db: Db) {
    let (shop, other) = (Shop::open(&db, "a").await, Shop::open(&db, "b").await);
    let endpoint = shop.add_endpoint(shop.endpoint("e")).await;
    let captured = db.capture(shop.capture(&endpoint, "token")).await.unwrap().unwrap();
    other.add_card("token").await;
    let mut t = db.begin().await;
    t.delete_key(shop.merchant.clone(), shop.key.clone()).await.unwrap();
    t.commit().await.unwrap();
    assert_eq!(shop.count_cards().await, 0);
    assert!(shop.find_endpoint("e").await.is_none());
    let mut t = db.read().await;
    assert!(t.find_cvv(shop.merchant.clone(), captured.card).await.unwrap().is_none());
    assert!(t.find_key(shop.merchant, Mode::Test, "main".to_owned()).await.unwrap().is_none());
    assert_eq!(other.count_cards().await, 1);
}

async fn a_foreign_deletion_does_nothing(db: Db) {
    let (a, b) = (Shop::open(&db, "a").await, Shop::open(&db, "b").await);
    a.add_card("token").await;
    let mut t = db.begin().await;
    t.delete_key(b.merchant, a.key.clone()).await.unwrap();
    t.commit().await.unwrap();
    assert_eq!(a.count_cards().await, 1);
}
