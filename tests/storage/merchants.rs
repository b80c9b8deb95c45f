//! Merchants and credentials.

use backend::model::{ApiKey, ApiKeyId, Merchant, MerchantId, Mode, Scope, Scopes, Timestamp};
use backend::storage::{Calls, StoreError};

use crate::engines::{ALL, Db, NOW};
use crate::shop::Shop;

on_both_engines! {
    a_merchant_is_found_by_name,
    a_taken_name_is_a_conflict,
    a_credential_comes_back_as_stored,
    a_taken_login_is_a_conflict,
    credentials_are_listed_ended_and_changed,
    calls_of_a_month_add_up_and_the_last_use_never_goes_back,
    cards_are_counted_by_the_time_they_were_stored,
}

fn credential(db: &Db, shop: &Shop) -> ApiKey {
    ApiKey {
        id: ApiKeyId::new(NOW, &*db.entropy),
        merchant: shop.merchant.clone(),
        mode: Mode::Live,
        name: "name".to_owned(),
        login: "login".to_owned(),
        secret_hash: vec![1, 2, 3],
        salt: vec![4; 16],
        kdf: "m=8".to_owned(),
        scopes: Scopes::usual().with(Scope::CvvRead),
        created_at: NOW,
        expires_at: Some(NOW),
        revoked_at: Some(NOW),
        used_at: None,
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
    assert_eq!((found.name, found.salt, found.kdf), (key.name, key.salt, key.kdf));
    assert_eq!((found.expires_at, found.revoked_at, found.used_at), (Some(NOW), Some(NOW), None));
    assert!(t.find_api_key_by_secret_name("other".to_owned()).await.unwrap().is_none());
}

async fn a_taken_login_is_a_conflict(db: Db) {
    let (a, b) = (Shop::open(&db, "a").await, Shop::open(&db, "b").await);
    let mut t = db.begin().await;
    t.add_api_key(credential(&db, &a)).await.unwrap();
    assert!(matches!(t.add_api_key(credential(&db, &b)).await, Err(StoreError::Conflict)));
}

async fn credentials_are_listed_ended_and_changed(db: Db) {
    let (a, b) = (Shop::open(&db, "a").await, Shop::open(&db, "b").await);
    let standing = |shop: &Shop, login: &str, mode| ApiKey {
        login: login.to_owned(),
        mode,
        expires_at: None,
        revoked_at: None,
        ..credential(&db, shop)
    };
    let (live, test) = (standing(&a, "live", Mode::Live), standing(&a, "test", Mode::Test));
    let mut t = db.begin().await;
    for key in [&live, &test, &standing(&b, "foreign", Mode::Live)] {
        t.add_api_key(key.clone()).await.unwrap();
    }
    assert_eq!(t.list_api_keys(a.merchant.clone(), None, ALL).await.unwrap().len(), 2);
    let listed = t.list_api_keys(a.merchant.clone(), Some(Mode::Test), ALL).await.unwrap();
    assert_eq!((listed.len(), &listed[0].id), (1, &test.id));

    assert!(t.find_api_key(b.merchant.clone(), live.id.clone()).await.unwrap().is_none());
    assert!(!t.revoke_api_key(b.merchant.clone(), live.id.clone(), NOW).await.unwrap());
    assert!(t.revoke_api_key(a.merchant.clone(), live.id.clone(), NOW).await.unwrap());
    assert!(!t.revoke_api_key(a.merchant.clone(), live.id.clone(), NOW).await.unwrap());
    let changed = ApiKey { secret_hash: vec![9], salt: vec![8], kdf: "m=9".to_owned(), ..live.clone() };
    assert!(!t.set_api_key_secret(ApiKey { merchant: b.merchant, ..changed.clone() }).await.unwrap());
    assert!(t.set_api_key_secret(changed).await.unwrap());
    let found = t.find_api_key(a.merchant, live.id).await.unwrap().unwrap();
    assert_eq!((found.secret_hash, found.salt, found.kdf), (vec![9], vec![8], "m=9".to_owned()));
    assert_eq!(found.revoked_at, Some(NOW));
}

async fn calls_of_a_month_add_up_and_the_last_use_never_goes_back(db: Db) {
    let shop = Shop::open(&db, "a").await;
    let key = credential(&db, &shop);
    let of = |calls, last| Calls {
        key: key.id.clone(),
        merchant: shop.merchant.clone(),
        mode: Mode::Live,
        month: "2027-01".to_owned(),
        calls,
        last,
    };
    let later = NOW.plus(std::time::Duration::from_secs(5));
    let mut t = db.begin().await;
    t.add_api_key(key.clone()).await.unwrap();
    t.add_calls(vec![of(2, later)]).await.unwrap();
    t.add_calls(vec![of(3, NOW)]).await.unwrap();
    let month = |month: &str| (shop.merchant.clone(), Mode::Live, month.to_owned());
    let (merchant, mode, january) = month("2027-01");
    assert_eq!(t.calls(merchant, mode, january).await.unwrap(), 5);
    let (merchant, mode, february) = month("2027-02");
    assert_eq!(t.calls(merchant, mode, february).await.unwrap(), 0);
    let found = t.find_api_key(shop.merchant.clone(), key.id.clone()).await.unwrap().unwrap();
    assert_eq!(found.used_at, Some(later));
}

async fn cards_are_counted_by_the_time_they_were_stored(db: Db) {
    let shop = Shop::open(&db, "a").await;
    shop.add_card("one").await;
    shop.add_card("two").await;
    let later = NOW.plus(std::time::Duration::from_secs(1));
    let mut t = db.read().await;
    for (from, before, cards) in [(NOW, later, 2), (later, later, 0), (Timestamp::from_millis(0), NOW, 0)] {
        let count = t.count_cards(shop.merchant.clone(), Mode::Test, from, before).await.unwrap();
        assert_eq!(count, cards);
    }
    assert_eq!(t.count_cards(shop.merchant.clone(), Mode::Live, NOW, later).await.unwrap(), 0);
    assert_eq!(t.count_keys(shop.merchant.clone(), Mode::Test, later).await.unwrap(), 1);
    assert_eq!(t.count_keys(shop.merchant.clone(), Mode::Test, NOW).await.unwrap(), 0);
}
