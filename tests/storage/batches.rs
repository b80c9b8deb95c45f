//! The capture lane: many captures in one commit, each with its own answer (security rule 20).

use std::time::Duration;

use backend::model::card::{MAX_PATCH_BYTES, MAX_PATCHES};
use backend::model::{CaptureEndpoint, Card, FormSubmit, Lock, Mode, Refusal};
use backend::storage::{CaptureSubmission, StoreError, Stored};
use shared::Expiry;

use crate::engines::{ALL, Db, NOW};
use crate::shop::{Late, Shop, code_end, patch_of};

on_both_engines! {
    a_capture_is_stored_with_everything,
    distinct_cards_are_all_new,
    the_same_card_twice_at_once_is_merged,
    another_endpoint_adds_a_patch_and_a_code_only,
    a_shortened_token_of_another_number_is_taken,
    a_locked_endpoint_updates_its_card,
    a_locked_endpoint_without_its_card_refuses,
    a_code_alone_is_no_patch,
    patches_are_full_at_their_number,
    patches_are_full_at_their_bytes,
    a_capture_that_cannot_be_sealed_fails_alone,
    a_capture_that_the_engine_refuses_fails_alone,
    a_submit_of_a_form_is_stored_once,
    entries_are_recorded_with_the_batch,
    many_captures_at_once_are_all_stored,
}

async fn open(db: &Db) -> (Shop, CaptureEndpoint) {
    let shop = Shop::open(db, "a").await;
    let endpoint = shop.endpoint("e");
    let endpoint = CaptureEndpoint { max_uses: 5000, max_per_minute: 5000, ..endpoint };
    let endpoint = shop.add_endpoint(endpoint).await;
    (shop, endpoint)
}

async fn locked(shop: &Shop, token: &str) -> (CaptureEndpoint, Lock) {
    let lock = Lock { token: token.to_owned(), reference: "order".to_owned() };
    let endpoint = CaptureEndpoint { lock: Some(lock.clone()), ..shop.endpoint("locked") };
    (shop.add_endpoint(endpoint).await, lock)
}

fn late(late: Late, submission: CaptureSubmission) -> CaptureSubmission {
    CaptureSubmission { late: Box::new(late), ..submission }
}

async fn a_capture_is_stored_with_everything(db: Db) {
    let (shop, endpoint) = open(&db).await;
    let capture = CaptureSubmission { event: Some(shop.event("s")), ..shop.capture(&endpoint, "token") };
    let id = capture.card.as_ref().unwrap().row.id.clone();
    let stored = db.capture(capture).await.unwrap().unwrap();
    assert_eq!(stored, Stored { card: id.clone(), new: true });
    assert_eq!(format!("{:?}", shop.stored("token").await), {
        let card = Card { id: id.clone(), ..shop.card("token") };
        format!("{card:?}")
    });
    let log = shop.log().await;
    assert_eq!((log.len(), log[0].object.as_str(), &*log[0].action), (1, id.as_str(), "capture"));
    let mut t = db.read().await;
    assert_eq!(t.find_cvv(shop.merchant.clone(), id.clone()).await.unwrap().unwrap().uses_left, 2);
    assert_eq!(t.list_events(shop.merchant.clone(), Mode::Test, ALL).await.unwrap()[0].subject, id.as_str());
    assert_eq!(shop.find_endpoint("e").await.unwrap().uses, 1);
}

async fn distinct_cards_are_all_new(db: Db) {
    let (shop, endpoint) = open(&db).await;
    let captures = ["one", "two", "three"].map(|token| shop.capture(&endpoint, token));
    let outcomes = db.capture_together(captures.into()).await;
    assert!(outcomes.into_iter().all(|outcome| outcome.unwrap().unwrap().new));
    assert_eq!(shop.count_cards().await, 3);
    assert_eq!(shop.log().await.len(), 3);
    let found = shop.find_endpoint("e").await.unwrap();
    assert_eq!((found.uses, found.minute_uses), (3, 3));
}

async fn the_same_card_twice_at_once_is_merged(db: Db) {
    let (shop, endpoint) = open(&db).await;
    let captures = vec![shop.capture(&endpoint, "token"), shop.capture(&endpoint, "token")];
    let stored: Vec<_> =
        db.capture_together(captures).await.into_iter().map(|outcome| outcome.unwrap().unwrap()).collect();
    assert_eq!(stored[0].card, stored[1].card);
    assert_eq!((stored[0].new, stored[1].new), (true, false));
    let card = shop.stored("token").await;
    assert_eq!((card.sealed.as_slice(), card.last_patch, card.waiting), (b"token".as_slice(), 1, 1));
    assert_eq!(card.shown.expiry, Expiry::new(2033, 3).ok());
    let mut t = db.read().await;
    let patches = t.patches(shop.merchant.clone(), card.id.clone()).await.unwrap();
    assert_eq!(patches[0].sealed, patch_of(&card.id, 1));
    let cvv = t.find_cvv(shop.merchant, card.id).await.unwrap().unwrap();
    assert_eq!((cvv.expires_at, cvv.uses_left), (code_end(), 1));
}

async fn another_endpoint_adds_a_patch_and_a_code_only(db: Db) {
    let (shop, first) = open(&db).await;
    let second = shop.add_endpoint(shop.endpoint("f")).await;
    db.capture(shop.capture(&first, "token")).await.unwrap().unwrap();
    let before = shop.stored("token").await;
    let mut other = shop.capture(&second, "token");
    other.card.as_mut().unwrap().row.sealed = b"other".to_vec();
    assert!(!db.capture(other).await.unwrap().unwrap().new);
    let after = shop.stored("token").await;
    assert_eq!((&after.sealed, after.version), (&before.sealed, before.version));
    assert_eq!((after.last_patch, after.waiting), (1, 1));
    assert_eq!(after.waiting_bytes as usize, patch_of(&after.id, 1).len());
    let objects: Vec<_> = shop.log().await.into_iter().map(|entry| entry.object).collect();
    assert_eq!(objects, [after.id.as_str(), after.id.as_str()]);
}

async fn a_shortened_token_of_another_number_is_taken(db: Db) {
    let (shop, endpoint) = open(&db).await;
    let capture = |fingerprint: &str| {
        let mut capture = shop.capture(&endpoint, "token");
        fingerprint.clone_into(&mut capture.card.as_mut().unwrap().row.fingerprint);
        capture
    };
    let outcomes = db.capture_together(vec![capture("one"), capture("two"), capture("one")]).await;
    let ends: Vec<_> =
        outcomes.into_iter().map(|outcome| outcome.unwrap().map(|stored| stored.new)).collect();
    assert_eq!(ends, [Ok(true), Err(Refusal::TokenTaken), Ok(false)]);
}

async fn a_submit_of_a_form_is_stored_once(db: Db) {
    let (shop, endpoint) = open(&db).await;
    let submit = |id_hash: &str| FormSubmit {
        id_hash: id_hash.to_owned(),
        merchant: shop.merchant.clone(),
        mode: Mode::Test,
        sealed: b"answer".to_vec(),
        expires_at: NOW.plus(Duration::from_hours(1)),
    };
    let capture = |token, id| CaptureSubmission { once: Some(submit(id)), ..shop.capture(&endpoint, token) };
    let together = vec![capture("one", "a"), capture("two", "a"), capture("three", "b")];
    let outcomes = db.capture_together(together).await;
    let ends: Vec<_> = outcomes.into_iter().map(|outcome| outcome.unwrap().err()).collect();
    assert_eq!(ends, [None, Some(Refusal::Repeated), None]);
    // Later, too, and though the endpoint is gone.
    let mut t = db.begin().await;
    t.delete_endpoint(shop.merchant.clone(), endpoint.id.clone()).await.unwrap();
    t.commit().await.unwrap();
    assert_eq!(db.capture(capture("two", "a")).await.unwrap(), Err(Refusal::Repeated));
    assert_eq!(db.capture(capture("two", "c")).await.unwrap(), Err(Refusal::Unknown));
    assert_eq!(shop.count_cards().await, 2);
    let mut t = db.begin().await;
    let found = t.find_submit_by_secret_name("a".to_owned()).await.unwrap().unwrap();
    assert_eq!(format!("{found:?}"), format!("{:?}", submit("a")));
    assert!(t.find_submit_by_secret_name("c".to_owned()).await.unwrap().is_none());
    assert_eq!(t.sweep_results(submit("a").expires_at).await.unwrap(), 2);
    assert!(t.find_submit_by_secret_name("a".to_owned()).await.unwrap().is_none());
}

async fn a_locked_endpoint_updates_its_card(db: Db) {
    let shop = Shop::open(&db, "a").await;
    let card = shop.add_card("token").await;
    let (endpoint, lock) = locked(&shop, "token").await;
    let stored = db.capture(shop.update(&endpoint, Some(lock))).await.unwrap().unwrap();
    assert_eq!(stored, Stored { card: card.id.clone(), new: false });
    let mut t = db.read().await;
    assert_eq!(t.patches(shop.merchant.clone(), card.id.clone()).await.unwrap().len(), 1);
    assert!(t.find_cvv(shop.merchant, card.id).await.unwrap().is_some());
}

async fn a_locked_endpoint_without_its_card_refuses(db: Db) {
    let shop = Shop::open(&db, "a").await;
    let (endpoint, lock) = locked(&shop, "token").await;
    let outcome = db.capture(shop.update(&endpoint, Some(lock))).await.unwrap();
    assert_eq!(outcome, Err(Refusal::NoCard));
    assert_eq!(shop.find_endpoint("locked").await.unwrap().uses, 0);
}

async fn a_code_alone_is_no_patch(db: Db) {
    let shop = Shop::open(&db, "a").await;
    let card = shop.add_card("token").await;
    let (endpoint, lock) = locked(&shop, "token").await;
    db.capture(late(Late::Code, shop.update(&endpoint, Some(lock)))).await.unwrap().unwrap();
    assert_eq!(format!("{:?}", shop.stored("token").await), format!("{card:?}"));
    assert!(db.read().await.find_cvv(shop.merchant, card.id).await.unwrap().is_some());
}

async fn patches_are_full_at_their_number(db: Db) {
    let (shop, endpoint) = open(&db).await;
    let captures = (0..MAX_PATCHES + 2).map(|_| shop.capture(&endpoint, "token")).collect();
    let outcomes = db.capture_together(captures).await;
    let refused: Vec<_> = outcomes.into_iter().filter_map(|outcome| outcome.unwrap().err()).collect();
    assert_eq!(refused, [Refusal::PatchesFull]);
    assert_eq!(shop.stored("token").await.waiting, MAX_PATCHES);
    assert_eq!(shop.find_endpoint("e").await.unwrap().uses, MAX_PATCHES + 1);
}

async fn patches_are_full_at_their_bytes(db: Db) {
    let (shop, endpoint) = open(&db).await;
    let bytes = MAX_PATCH_BYTES as usize;
    let capture = |bytes| late(Late::Bytes(bytes), shop.capture(&endpoint, "token"));
    db.capture(capture(0)).await.unwrap().unwrap();
    db.capture(capture(bytes)).await.unwrap().unwrap();
    assert_eq!(db.capture(capture(1)).await.unwrap(), Err(Refusal::PatchesFull));
    assert_eq!(shop.stored("token").await.waiting_bytes, MAX_PATCH_BYTES);
}

async fn a_capture_that_cannot_be_sealed_fails_alone(db: Db) {
    let (shop, endpoint) = open(&db).await;
    shop.add_card("token").await;
    let bad = late(Late::Fails, shop.capture(&endpoint, "token"));
    let batch = vec![shop.capture(&endpoint, "one"), bad, shop.capture(&endpoint, "two")];
    let outcomes = db.capture_together(batch).await;
    assert!(outcomes[0].as_ref().unwrap().is_ok() && outcomes[2].as_ref().unwrap().is_ok());
    assert!(matches!(outcomes[1], Err(StoreError::Engine(_))));
    assert_eq!((shop.count_cards().await, shop.stored("token").await.waiting), (3, 0));
    assert_eq!(shop.find_endpoint("e").await.unwrap().uses, 2);
}

async fn a_capture_that_the_engine_refuses_fails_alone(db: Db) {
    let (shop, endpoint) = open(&db).await;
    let mut batch: Vec<_> = ["one", "two", "three"].map(|token| shop.capture(&endpoint, token)).into();
    batch[1].audit.id = batch[0].audit.id.clone();
    let outcomes = db.capture_together(batch).await;
    assert!(outcomes[0].as_ref().unwrap().is_ok() && outcomes[2].as_ref().unwrap().is_ok());
    assert!(matches!(outcomes[1], Err(StoreError::Conflict)));
    assert_eq!((shop.count_cards().await, shop.log().await.len()), (2, 2));
    assert!(shop.find_card(&mut *db.read().await, "two").await.is_none());
}

async fn entries_are_recorded_with_the_batch(db: Db) {
    let shop = Shop::open(&db, "a").await;
    let entry = shop.entry("login.refused");
    db.store.record(entry.clone()).await.unwrap();
    assert!(matches!(db.store.record(entry).await, Err(StoreError::Conflict)));
    assert_eq!(shop.log().await.len(), 1);
}

async fn many_captures_at_once_are_all_stored(db: Db) {
    let (shop, endpoint) = open(&db).await;
    // More than one batch; every card comes twice.
    let capture = |number| {
        let capture = shop.capture(&endpoint, &format!("token{}", number % 600));
        CaptureSubmission { limits: None, ..capture }
    };
    let captures = (0..1200).map(capture).collect();
    let outcomes = db.capture_together(captures).await;
    let new = outcomes.into_iter().filter(|outcome| outcome.as_ref().unwrap().as_ref().unwrap().new).count();
    assert_eq!(new, 600);
    assert_eq!(shop.find_endpoint("e").await.unwrap().uses, 1200);
}
