//! Hosted forms, and results that are shown once.

use std::time::Duration;

use backend::model::{HostedForm, Mode, PageResult};
use backend::storage::StoreError;

use crate::engines::{Db, NOW};
use crate::shop::Shop;

on_both_engines! {
    a_form_comes_back_as_stored,
    a_taken_id_is_a_conflict,
    a_foreign_form_is_unknown,
    a_form_is_deleted_once,
    a_result_is_read_first_only_once,
    ended_results_are_swept,
}

fn form(shop: &Shop) -> HostedForm {
    HostedForm {
        id: "form".to_owned(),
        merchant: shop.merchant.clone(),
        mode: Mode::Test,
        form_type: "pcd".to_owned(),
        settings: r#"{"fields":[]}"#.to_owned(),
        created_at: NOW,
    }
}

fn result(shop: &Shop) -> PageResult {
    PageResult {
        id_hash: "00ff".to_owned(),
        merchant: shop.merchant.clone(),
        mode: Mode::Test,
        sealed: vec![1, 2, 3],
        was_read: false,
        expires_at: NOW.plus(Duration::from_mins(5)),
    }
}

async fn a_form_comes_back_as_stored(db: Db) {
    let shop = Shop::open(&db, "a").await;
    let mut t = db.begin().await;
    t.add_form(form(&shop)).await.unwrap();
    let found = t.find_form(shop.merchant.clone(), Mode::Test, "form".to_owned()).await.unwrap().unwrap();
    assert_eq!(format!("{found:?}"), format!("{:?}", form(&shop)));
    let found = t.find_form_by_secret_name("form".to_owned()).await.unwrap().unwrap();
    assert_eq!(format!("{found:?}"), format!("{:?}", form(&shop)));
    assert!(t.find_form_by_secret_name("other".to_owned()).await.unwrap().is_none());
}

async fn a_taken_id_is_a_conflict(db: Db) {
    let (a, b) = (Shop::open(&db, "a").await, Shop::open(&db, "b").await);
    let mut t = db.begin().await;
    t.add_form(form(&a)).await.unwrap();
    assert!(matches!(t.add_form(form(&b)).await, Err(StoreError::Conflict)));
}

async fn a_foreign_form_is_unknown(db: Db) {
    let (a, b) = (Shop::open(&db, "a").await, Shop::open(&db, "b").await);
    let mut t = db.begin().await;
    t.add_form(form(&a)).await.unwrap();
    assert!(t.find_form(b.merchant.clone(), Mode::Test, "form".to_owned()).await.unwrap().is_none());
    assert!(t.find_form(a.merchant, Mode::Live, "form".to_owned()).await.unwrap().is_none());
    assert!(!t.delete_form(b.merchant, Mode::Test, "form".to_owned()).await.unwrap());
}

async fn a_form_is_deleted_once(db: Db) {
    let shop = Shop::open(&db, "a").await;
    let mut t = db.begin().await;
    t.add_form(form(&shop)).await.unwrap();
    for there in [true, false] {
        let deleted = t.delete_form(shop.merchant.clone(), Mode::Test, "form".to_owned()).await.unwrap();
        assert_eq!(deleted, there);
    }
}

async fn a_result_is_read_first_only_once(db: Db) {
    let shop = Shop::open(&db, "a").await;
    let mut t = db.begin().await;
    t.add_result(result(&shop)).await.unwrap();
    assert!(matches!(t.add_result(result(&shop)).await, Err(StoreError::Conflict)));
    let first = t.read_result_by_secret_name("00ff".to_owned()).await.unwrap().unwrap();
    assert_eq!(format!("{first:?}"), format!("{:?}", result(&shop)));
    let second = t.read_result_by_secret_name("00ff".to_owned()).await.unwrap().unwrap();
    assert!(second.was_read);
    assert!(t.read_result_by_secret_name("ff00".to_owned()).await.unwrap().is_none());
}

async fn ended_results_are_swept(db: Db) {
    let shop = Shop::open(&db, "a").await;
    let mut t = db.begin().await;
    t.add_result(result(&shop)).await.unwrap();
    assert_eq!(t.sweep_results(NOW).await.unwrap(), 0);
    assert_eq!(t.sweep_results(result(&shop).expires_at).await.unwrap(), 1);
    assert!(t.read_result_by_secret_name("00ff".to_owned()).await.unwrap().is_none());
}
