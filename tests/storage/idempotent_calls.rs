//! Calls that are run once.

use std::time::Duration;

use backend::model::{IdempotentCall, Mode, Timestamp};

use crate::engines::{Db, NOW};
use crate::shop::Shop;

on_both_engines! {
    a_call_begins_once,
    an_answer_is_kept_by_whoever_has_the_lease,
    a_call_is_forgotten_unless_it_was_answered,
    a_call_that_ended_makes_room,
}

fn call(shop: &Shop) -> IdempotentCall {
    IdempotentCall {
        id: "id".to_owned(),
        merchant: shop.merchant.clone(),
        mode: Mode::Test,
        fingerprint: vec![1, 2],
        answer: None,
        lease_ends_at: later(1),
        expires_at: later(10),
    }
}

fn later(seconds: u64) -> Timestamp {
    NOW.plus(Duration::from_secs(seconds))
}

async fn begin(db: &Db, call: &IdempotentCall, now: Timestamp) -> Option<IdempotentCall> {
    let mut t = db.begin().await;
    let known = t.begin_call(call.clone(), now).await.unwrap();
    t.commit().await.unwrap();
    known
}

async fn a_call_begins_once(db: Db) {
    let call = call(&Shop::open(&db, "a").await);
    assert!(begin(&db, &call, NOW).await.is_none());
    let other = IdempotentCall { fingerprint: vec![3], lease_ends_at: later(5), ..call.clone() };
    let known = begin(&db, &other, NOW).await.unwrap();
    assert_eq!((known.fingerprint, known.lease_ends_at, known.answer), (vec![1, 2], later(1), None));
    assert_eq!((known.mode, known.expires_at), (Mode::Test, later(10)));
}

async fn an_answer_is_kept_by_whoever_has_the_lease(db: Db) {
    let call = call(&Shop::open(&db, "a").await);
    begin(&db, &call, NOW).await;
    let mut t = db.begin().await;
    assert!(t.take_over_call(call.clone(), later(5)).await.unwrap());
    assert!(!t.take_over_call(call.clone(), later(6)).await.unwrap());
    let answered = IdempotentCall { answer: Some(vec![7]), ..call.clone() };
    assert!(!t.keep_answer(answered.clone()).await.unwrap());
    assert!(t.keep_answer(IdempotentCall { lease_ends_at: later(5), ..answered }).await.unwrap());
    t.commit().await.unwrap();
    assert_eq!(begin(&db, &call, NOW).await.unwrap().answer, Some(vec![7]));
}

async fn a_call_is_forgotten_unless_it_was_answered(db: Db) {
    let call = call(&Shop::open(&db, "a").await);
    begin(&db, &call, NOW).await;
    let mut t = db.begin().await;
    t.forget_call(call.clone()).await.unwrap();
    t.commit().await.unwrap();
    assert!(begin(&db, &call, NOW).await.is_none());
    let mut t = db.begin().await;
    t.keep_answer(IdempotentCall { answer: Some(vec![7]), ..call.clone() }).await.unwrap();
    t.forget_call(call.clone()).await.unwrap();
    t.commit().await.unwrap();
    assert!(begin(&db, &call, NOW).await.is_some());
}

async fn a_call_that_ended_makes_room(db: Db) {
    let call = call(&Shop::open(&db, "a").await);
    begin(&db, &call, NOW).await;
    let next = IdempotentCall { expires_at: later(30), ..call.clone() };
    assert!(begin(&db, &next, later(10)).await.is_none());
    let mut t = db.begin().await;
    assert_eq!(t.sweep_calls(later(29)).await.unwrap(), 0);
    assert_eq!(t.sweep_calls(later(30)).await.unwrap(), 1);
}
