//! What an endpoint admits, decided in the transaction that would store the capture (security rule 8).

use std::time::Duration;

use backend::model::{CaptureEndpoint, EndpointId, Mode, Refusal};
use backend::storage::{CaptureSubmission, Limits};

use crate::engines::{Db, NOW, Outcome};
use crate::shop::Shop;

on_both_engines! {
    an_unknown_endpoint_refuses,
    a_foreign_endpoint_refuses,
    an_ended_endpoint_refuses,
    a_disabled_endpoint_refuses,
    a_life_has_so_many_captures,
    a_minute_has_so_many_captures,
    one_batch_cannot_pass_the_limit,
    a_form_for_one_use_takes_one,
    an_address_has_a_limit,
    a_merchant_has_a_limit,
    a_late_capture_does_not_begin_the_window_anew,
    limits_can_be_off,
    a_refused_capture_leaves_nothing,
}

async fn refusal(db: &Db, submission: CaptureSubmission) -> Refusal {
    db.capture(submission).await.unwrap().unwrap_err()
}

/// How the captures of a batch ended: `None` where they were stored.
fn refusals(outcomes: Vec<Outcome>) -> Vec<Option<Refusal>> {
    outcomes.into_iter().map(|outcome| outcome.unwrap().err()).collect()
}

async fn an_unknown_endpoint_refuses(db: Db) {
    let shop = Shop::open(&db, "a").await;
    let nowhere = CaptureEndpoint { id: EndpointId::stored("cep_none".to_owned()), ..shop.endpoint("e") };
    assert_eq!(refusal(&db, shop.capture(&nowhere, "token")).await, Refusal::Unknown);
}

async fn a_foreign_endpoint_refuses(db: Db) {
    let (a, b) = (Shop::open(&db, "a").await, Shop::open(&db, "b").await);
    let endpoint = a.add_endpoint(a.endpoint("e")).await;
    assert_eq!(refusal(&db, b.capture(&endpoint, "token")).await, Refusal::Unknown);
}

async fn an_ended_endpoint_refuses(db: Db) {
    let shop = Shop::open(&db, "a").await;
    let endpoint = shop.add_endpoint(CaptureEndpoint { expires_at: Some(NOW), ..shop.endpoint("e") }).await;
    assert_eq!(refusal(&db, shop.capture(&endpoint, "token")).await, Refusal::Expired);
}

async fn a_disabled_endpoint_refuses(db: Db) {
    let shop = Shop::open(&db, "a").await;
    let endpoint = shop.add_endpoint(shop.endpoint("e")).await;
    let mut t = db.begin().await;
    for _ in 0..20 {
        t.count_refused(shop.merchant.clone(), endpoint.id.clone(), NOW).await.unwrap();
    }
    t.commit().await.unwrap();
    assert_eq!(refusal(&db, shop.capture(&endpoint, "token")).await, Refusal::Disabled);
}

async fn a_life_has_so_many_captures(db: Db) {
    let shop = Shop::open(&db, "a").await;
    let endpoint = shop.add_endpoint(CaptureEndpoint { max_uses: 2, ..shop.endpoint("e") }).await;
    for token in ["one", "two"] {
        db.capture(shop.capture(&endpoint, token)).await.unwrap().unwrap();
    }
    let later =
        CaptureSubmission { at: NOW.plus(Duration::from_mins(5)), ..shop.capture(&endpoint, "three") };
    assert_eq!(refusal(&db, later).await, Refusal::UsedUp);
    assert_eq!(shop.find_endpoint("e").await.unwrap().uses, 2);
}

async fn a_minute_has_so_many_captures(db: Db) {
    let shop = Shop::open(&db, "a").await;
    let endpoint = shop.add_endpoint(CaptureEndpoint { max_per_minute: 1, ..shop.endpoint("e") }).await;
    db.capture(shop.capture(&endpoint, "one")).await.unwrap().unwrap();
    assert_eq!(refusal(&db, shop.capture(&endpoint, "two")).await, Refusal::TooMany);
    let later = CaptureSubmission { at: NOW.plus(Duration::from_mins(1)), ..shop.capture(&endpoint, "two") };
    db.capture(later).await.unwrap().unwrap();
    let found = shop.find_endpoint("e").await.unwrap();
    assert_eq!((found.uses, found.minute, found.minute_uses), (2, NOW.minute() + 1, 1));
}

async fn one_batch_cannot_pass_the_limit(db: Db) {
    let shop = Shop::open(&db, "a").await;
    let endpoint = shop.add_endpoint(CaptureEndpoint { max_uses: 2, ..shop.endpoint("e") }).await;
    let captures = ["one", "two", "three"].map(|token| shop.capture(&endpoint, token));
    let outcomes = db.capture_together(captures.into()).await;
    assert_eq!(refusals(outcomes), [None, None, Some(Refusal::UsedUp)]);
    assert_eq!(shop.count_cards().await, 2);
}

async fn a_form_for_one_use_takes_one(db: Db) {
    let shop = Shop::open(&db, "a").await;
    let endpoint = shop.add_endpoint(shop.endpoint("e")).await;
    let single = |token| CaptureSubmission { single_use: true, ..shop.capture(&endpoint, token) };
    let outcomes = db.capture_together(vec![single("one"), single("two")]).await;
    assert_eq!(refusals(outcomes), [None, Some(Refusal::UsedUp)]);
}

async fn an_address_has_a_limit(db: Db) {
    let shop = Shop::open(&db, "a").await;
    let endpoint = shop.add_endpoint(shop.endpoint("e")).await;
    let limits = Some(Limits { per_address: 2, per_merchant: 1000 });
    let from = |address: &str, token| {
        let address = address.to_owned();
        CaptureSubmission { address, limits, ..shop.capture(&endpoint, token) }
    };
    db.capture(from("192.0.2.1", "one")).await.unwrap().unwrap();
    let batch = vec![from("192.0.2.1", "two"), from("192.0.2.1", "three"), from("192.0.2.2", "four")];
    assert_eq!(refusals(db.capture_together(batch).await), [None, Some(Refusal::TooMany), None]);
    assert_eq!(refusal(&db, from("192.0.2.1", "five")).await, Refusal::TooMany);
    let later = CaptureSubmission { at: NOW.plus(Duration::from_mins(1)), ..from("192.0.2.1", "five") };
    db.capture(later).await.unwrap().unwrap();
}

async fn a_merchant_has_a_limit(db: Db) {
    let (a, b) = (Shop::open(&db, "a").await, Shop::open(&db, "b").await);
    let limits = Some(Limits { per_address: 1000, per_merchant: 1 });
    for shop in [&a, &b] {
        let endpoint = shop.add_endpoint(shop.endpoint(shop.merchant.as_str())).await;
        let capture = |token| CaptureSubmission { limits, ..shop.capture(&endpoint, token) };
        db.capture(capture("one")).await.unwrap().unwrap();
        assert_eq!(refusal(&db, capture("two")).await, Refusal::TooMany);
    }
}

async fn a_late_capture_does_not_begin_the_window_anew(db: Db) {
    let shop = Shop::open(&db, "a").await;
    let endpoint = shop.add_endpoint(shop.endpoint("e")).await;
    let limits = Some(Limits { per_address: 1, per_merchant: 1000 });
    let next = NOW.plus(Duration::from_mins(1));
    let at = |at, token| CaptureSubmission { at, limits, ..shop.capture(&endpoint, token) };
    // The first one arrived a moment before the full minute and was overtaken.
    let outcomes = db.capture_together(vec![at(next, "one"), at(NOW, "two"), at(next, "three")]).await;
    assert_eq!(refusals(outcomes), [None, Some(Refusal::TooMany), Some(Refusal::TooMany)]);
}

async fn limits_can_be_off(db: Db) {
    let shop = Shop::open(&db, "a").await;
    let endpoint = shop.endpoint("e");
    let endpoint = shop.add_endpoint(CaptureEndpoint { max_uses: 1, max_per_minute: 1, ..endpoint }).await;
    for token in ["one", "two", "three"] {
        let capture = CaptureSubmission { limits: None, ..shop.capture(&endpoint, token) };
        db.capture(capture).await.unwrap().unwrap();
    }
    assert_eq!(shop.find_endpoint("e").await.unwrap().uses, 3);
}

async fn a_refused_capture_leaves_nothing(db: Db) {
    let shop = Shop::open(&db, "a").await;
    let endpoint = shop.add_endpoint(CaptureEndpoint { max_uses: 0, ..shop.endpoint("e") }).await;
    let capture = CaptureSubmission { event: Some(shop.event("x")), ..shop.capture(&endpoint, "token") };
    assert_eq!(refusal(&db, capture).await, Refusal::UsedUp);
    assert_eq!(shop.count_cards().await, 0);
    assert!(shop.log().await.is_empty());
    assert_eq!(shop.find_endpoint("e").await.unwrap().uses, 0);
    let page = crate::engines::ALL;
    assert!(db.read().await.list_events(shop.merchant, Mode::Test, page).await.unwrap().is_empty());
}
