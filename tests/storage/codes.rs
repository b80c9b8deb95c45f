//! Security codes: stored apart, counted, swept with their hourly keys (security rule 12).

use std::time::Duration;

use backend::model::{CvvDestination, CvvRecord, CvvTerms, DestinationKind};

use crate::engines::{Db, NOW};
use crate::shop::{Shop, cvv};

on_both_engines! {
    a_code_comes_back_as_stored,
    a_newer_code_takes_the_place,
    terms_come_back_as_set_and_go_with_the_code,
    a_foreign_code_is_unknown,
    an_hour_has_one_key,
    the_sweep_takes_what_ended,
    a_key_stays_while_it_holds_codes,
    a_code_without_its_key_is_swept,
    scrubbing_works_beside_readers,
}

async fn a_code_comes_back_as_stored(db: Db) {
    let shop = Shop::open(&db, "a").await;
    let card = shop.add_card("token").await;
    let key = shop.cvv_key(NOW.hour());
    let mut t = db.begin().await;
    t.add_cvv_key(key.clone()).await.unwrap();
    let code = cvv(&card.id, &key.id);
    t.put_cvv(code.clone()).await.unwrap();
    let found = t.find_cvv(shop.merchant, card.id).await.unwrap().unwrap();
    assert_eq!(format!("{found:?}"), format!("{code:?}"));
}

async fn a_newer_code_takes_the_place(db: Db) {
    let shop = Shop::open(&db, "a").await;
    let card = shop.add_card("token").await;
    let mut code = cvv(&card.id, &shop.cvv_key(1).id);
    let mut t = db.begin().await;
    t.put_cvv(code.clone()).await.unwrap();
    code.sealed = vec![21; 40];
    code.uses_left = 5;
    t.put_cvv(code).await.unwrap();
    let found = t.find_cvv(shop.merchant, card.id).await.unwrap().unwrap();
    assert_eq!((found.sealed, found.uses_left), (vec![21; 40], 5));
}

async fn terms_come_back_as_set_and_go_with_the_code(db: Db) {
    let shop = Shop::open(&db, "a").await;
    let card = shop.add_card("token").await;
    let code = cvv(&card.id, &shop.cvv_key(1).id);
    let mut t = db.begin().await;
    assert!(t.find_cvv_terms(shop.merchant.clone(), card.id.clone()).await.unwrap().is_none());
    t.put_cvv(code.clone()).await.unwrap();
    let usual = t.find_cvv_terms(shop.merchant.clone(), card.id.clone()).await.unwrap().unwrap();
    assert_eq!((usual.uses_left, usual.expires_at), (2, code.expires_at));
    let place =
        CvvDestination { kind: DestinationKind::HostName, data: "a.example".to_owned(), quota: 5, used: 2 };
    let terms = CvvTerms { destinations: vec![place], deletes_card: true, uses_left: 3, ..usual.clone() };
    assert!(t.set_cvv_terms(shop.merchant.clone(), card.id.clone(), terms.clone()).await.unwrap());
    let found = t.lock_cvv_terms(shop.merchant.clone(), card.id.clone()).await.unwrap();
    assert_eq!(found, Some(terms));
    let ended = t.cards_that_end(code.expires_at, 10).await.unwrap();
    assert_eq!(ended, [(shop.merchant.clone(), card.id.clone())]);
    assert!(t.cards_that_end(NOW, 10).await.unwrap().is_empty());
    t.put_cvv(code).await.unwrap();
    assert_eq!(t.find_cvv_terms(shop.merchant.clone(), card.id.clone()).await.unwrap(), Some(usual));
    assert!(t.delete_cvv(shop.merchant.clone(), card.id.clone()).await.unwrap());
    assert!(!t.delete_cvv(shop.merchant, card.id).await.unwrap());
}

async fn a_foreign_code_is_unknown(db: Db) {
    let (a, b) = (Shop::open(&db, "a").await, Shop::open(&db, "b").await);
    let card = a.add_card("token").await;
    let mut t = db.begin().await;
    t.put_cvv(cvv(&card.id, &a.cvv_key(1).id)).await.unwrap();
    assert!(t.find_cvv(b.merchant.clone(), card.id.clone()).await.unwrap().is_none());
    assert!(t.find_cvv_terms(b.merchant.clone(), card.id.clone()).await.unwrap().is_none());
    assert!(!t.delete_cvv(b.merchant, card.id.clone()).await.unwrap());
    assert_eq!(t.find_cvv(a.merchant, card.id).await.unwrap().unwrap().uses_left, 2);
}

async fn an_hour_has_one_key(db: Db) {
    let shop = Shop::open(&db, "a").await;
    let (first, second) = (shop.cvv_key(7), shop.cvv_key(7));
    let mut t = db.begin().await;
    assert!(t.find_cvv_key(7).await.unwrap().is_none());
    assert_eq!(t.add_cvv_key(first.clone()).await.unwrap().id, first.id);
    assert_eq!(t.add_cvv_key(second.clone()).await.unwrap().id, first.id);
    assert_eq!(t.find_cvv_key(7).await.unwrap().unwrap().id, first.id);
    assert_eq!(t.lookup_cvv_key(first.id.clone()).await.unwrap().unwrap().wrapped, first.wrapped);
    assert!(t.lookup_cvv_key(second.id).await.unwrap().is_none());
}

async fn the_sweep_takes_what_ended(db: Db) {
    let shop = Shop::open(&db, "a").await;
    let (old, new) = (shop.add_card("old").await, shop.add_card("new").await);
    let (key, young) = (shop.cvv_key(NOW.hour() - 1), shop.cvv_key(NOW.hour()));
    let mut t = db.begin().await;
    t.add_cvv_key(key.clone()).await.unwrap();
    t.add_cvv_key(young.clone()).await.unwrap();
    t.put_cvv(CvvRecord { expires_at: NOW, ..cvv(&old.id, &key.id) }).await.unwrap();
    t.put_cvv(cvv(&new.id, &young.id)).await.unwrap();
    assert_eq!(t.sweep_cvvs(NOW, NOW.hour()).await.unwrap(), 1);
    assert!(t.find_cvv(shop.merchant.clone(), old.id).await.unwrap().is_none());
    assert!(t.find_cvv(shop.merchant, new.id).await.unwrap().is_some());
    assert!(t.lookup_cvv_key(key.id).await.unwrap().is_none());
    assert!(t.lookup_cvv_key(young.id).await.unwrap().is_some());
}

async fn a_key_stays_while_it_holds_codes(db: Db) {
    let shop = Shop::open(&db, "a").await;
    let card = shop.add_card("token").await;
    let key = shop.cvv_key(NOW.hour() - 1);
    let mut t = db.begin().await;
    t.add_cvv_key(key.clone()).await.unwrap();
    t.put_cvv(cvv(&card.id, &key.id)).await.unwrap();
    assert_eq!(t.sweep_cvvs(NOW, NOW.hour()).await.unwrap(), 0);
    assert!(t.lookup_cvv_key(key.id.clone()).await.unwrap().is_some());
    let later = NOW.plus(Duration::from_mins(1));
    assert_eq!(t.sweep_cvvs(later, later.hour()).await.unwrap(), 1);
    assert!(t.lookup_cvv_key(key.id).await.unwrap().is_none());
}

async fn a_code_without_its_key_is_swept(db: Db) {
    let shop = Shop::open(&db, "a").await;
    let mut t = db.begin().await;
    let kept = shop.cvv_key(NOW.hour());
    t.add_cvv_key(kept.clone()).await.unwrap();
    let mut cards = Vec::new();
    for (token, key) in [("lost", shop.cvv_key(1).id), ("kept", kept.id), ("lost too", shop.cvv_key(2).id)] {
        let card = shop.card(token);
        t.add_card(card.clone()).await.unwrap();
        t.put_cvv(cvv(&card.id, &key)).await.unwrap();
        cards.push(card.id);
    }
    assert_eq!(t.sweep_cvvs(NOW, NOW.hour()).await.unwrap(), 2);
    let mut left = Vec::new();
    for card in cards {
        left.push(t.find_cvv(shop.merchant.clone(), card).await.unwrap().is_some());
    }
    assert_eq!(left, [false, true, false]);
}

async fn scrubbing_works_beside_readers(db: Db) {
    let mut reader = db.read().await;
    reader.fact("none").await.unwrap();
    db.store.scrub().await.unwrap();
    drop(reader);
    db.store.scrub().await.unwrap();
    db.store.health().await.unwrap();
}
