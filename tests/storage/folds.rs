//! Folding waiting patches into a card: a compare-and-set that loses nothing (security rule 3).

use backend::model::Card;

use crate::engines::Db;
use crate::shop::{Shop, patch_of};

on_both_engines! {
    a_fold_deletes_what_it_folded,
    a_lost_race_changes_nothing,
    a_patch_stored_in_between_survives,
    a_foreign_fold_does_nothing,
}

/// A card with so many patches waiting.
async fn patched(db: &Db, shop: &Shop, count: usize) -> Card {
    let endpoint = shop.add_endpoint(shop.endpoint("e")).await;
    for _ in 0..=count {
        db.capture(shop.capture(&endpoint, "token")).await.unwrap().unwrap();
    }
    shop.stored("token").await
}

fn folded(card: &Card) -> Card {
    Card { sealed: b"folded".to_vec(), key_version: 2, ..card.clone() }
}

async fn a_fold_deletes_what_it_folded(db: Db) {
    let shop = Shop::open(&db, "a").await;
    let card = patched(&db, &shop, 2).await;
    assert_eq!((card.version, card.last_patch, card.waiting), (1, 2, 2));
    let mut t = db.begin().await;
    assert!(t.fold_card(folded(&card)).await.unwrap());
    t.commit().await.unwrap();
    let after = shop.stored("token").await;
    assert_eq!((after.version, after.last_patch, after.waiting, after.waiting_bytes), (2, 2, 0, 0));
    assert_eq!((after.sealed, after.key_version), (b"folded".to_vec(), 2));
    assert!(db.read().await.patches(shop.merchant, card.id).await.unwrap().is_empty());
}

async fn a_lost_race_changes_nothing(db: Db) {
    let shop = Shop::open(&db, "a").await;
    let card = patched(&db, &shop, 1).await;
    let mut t = db.begin().await;
    assert!(t.fold_card(folded(&card)).await.unwrap());
    t.commit().await.unwrap();
    let mut t = db.begin().await;
    let late = Card { sealed: b"late".to_vec(), ..card };
    assert!(!t.fold_card(late).await.unwrap());
    assert_eq!(shop.find_card(&mut *t, "token").await.unwrap().sealed, b"folded");
}

async fn a_patch_stored_in_between_survives(db: Db) {
    let shop = Shop::open(&db, "a").await;
    let card = patched(&db, &shop, 1).await;
    let endpoint = shop.find_endpoint("e").await.unwrap();
    db.capture(shop.capture(&endpoint, "token")).await.unwrap().unwrap();
    let mut t = db.begin().await;
    assert!(!t.fold_card(folded(&card)).await.unwrap());
    let patches = t.patches(shop.merchant.clone(), card.id.clone()).await.unwrap();
    assert_eq!(patches.len(), 2);
    assert_eq!(patches[1].sealed, patch_of(&card.id, 2));
    // Read again, the fold succeeds.
    let now = shop.find_card(&mut *t, "token").await.unwrap();
    assert!(t.fold_card(folded(&now)).await.unwrap());
}

async fn a_foreign_fold_does_nothing(db: Db) {
    let (a, b) = (Shop::open(&db, "a").await, Shop::open(&db, "b").await);
    let card = patched(&db, &a, 1).await;
    let mut t = db.begin().await;
    assert!(!t.fold_card(Card { merchant: b.merchant.clone(), ..folded(&card) }).await.unwrap());
    assert!(t.patches(b.merchant, card.id).await.unwrap().is_empty());
}
