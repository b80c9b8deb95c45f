//! Merchants and credentials.

use backend::model::{ApiKey, ApiKeyId, Merchant, MerchantId, Mode, Scope, Scopes};
use backend::storage::StoreError;

use crate::engines::{Db, NOW};
use crate::shop::Shop;

on_both_engines! {
    a_merchant_is_found_by_name,
    a_taken_name_is_a_conflict,
    a_credential_comes_back_as_stored,
    a_taken_login_is_a_conflict,
}

fn credential(db: &Db, shop: &Shop) -> ApiKey {
    ApiKey {
        id: ApiKeyId::new(NOW, &*db.entropy),
        merchant: shop.merchant.clone(),
        mode: Mode::Live,
        login: "login".to_owned(),
        secret_hash: vec![1, 2, 3],
        scopes: Scopes::usual().with(Scope::CvvRead),
        created_at: NOW,
        revoked_at: Some(NOW),
    }
}

async fn a_merchant_is_found_by_name(db: Db) {
    let shop = Shop::open(&db, "a").await;
    let mut t = db.read().await;
    let found = t.find_merchant_by_name("a".to_owned()).await.unwrap().unwrap();
    assert_eq!((found.id, found.created_at), (shop.merchant, NOW));
    assert!(t.find_merchant_by_name("b".to_owned()).await.unwrap().is_none());
}

async fn a_taken_name_is_a_conflict(db: Db) {
    Shop::open(&db, "a").await;
    let mut t = db.begin().await;
    let id = MerchantId::new(NOW, &*db.entropy);
    let second = t.add_merchant(Merchant { id, name: "a".to_owned(), created_at: NOW }).await;
    assert!(matches!(second, Err(StoreError::Conflict)));
    // A conflict ends nothing: the caller can look at what stands.
    assert!(t.find_merchant_by_name("a".to_owned()).await.unwrap().is_some());
}

async fn a_credential_comes_back_as_stored(db: Db) {
    let shop = Shop::open(&db, "a").await;
    let key = credential(&db, &shop);
    let mut t = db.begin().await;
    t.add_api_key(key.clone()).await.unwrap();
    let found = t.find_api_key_by_secret_name("login".to_owned()).await.unwrap().unwrap();
    assert_eq!((found.id, found.merchant, found.mode), (key.id, key.merchant, key.mode));
    assert_eq!((found.secret_hash, found.scopes), (key.secret_hash, key.scopes));
    assert_eq!(found.revoked_at, Some(NOW));
    assert!(t.find_api_key_by_secret_name("other".to_owned()).await.unwrap().is_none());
}

async fn a_taken_login_is_a_conflict(db: Db) {
    let (a, b) = (Shop::open(&db, "a").await, Shop::open(&db, "b").await);
    let mut t = db.begin().await;
    t.add_api_key(credential(&db, &a)).await.unwrap();
    assert!(matches!(t.add_api_key(credential(&db, &b)).await, Err(StoreError::Conflict)));
}
