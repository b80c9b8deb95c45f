//! Cards: found by identity, listed, deleted, each for its owner only.

use backend::model::Card;
use backend::storage::{Page, StoreError};

use crate::engines::{ALL, Db};
use crate::shop::Shop;

on_both_engines! {
    a_card_comes_back_as_stored,
    a_card_without_expiry_comes_back,
    a_taken_identity_is_a_conflict,
    a_foreign_card_is_unknown,
    cards_are_listed_in_pages,
    a_deleted_card_leaves_nothing,
    a_foreign_deletion_does_nothing,
}

async fn a_card_comes_back_as_stored(db: Db) {
    let shop = Shop::open(&db, "a").await;
    let card = shop.add_card("token").await;
    assert_eq!(format!("{:?}", shop.stored("token").await), format!("{card:?}"));
}

async fn a_card_without_expiry_comes_back(db: Db) {
    let shop = Shop::open(&db, "a").await;
    let mut card = shop.card("token");
    card.shown.expiry = None;
    let mut t = db.begin().await;
    t.add_card(card).await.unwrap();
    assert_eq!(shop.find_card(&mut *t, "token").await.unwrap().shown.expiry, None);
}

async fn a_taken_identity_is_a_conflict(db: Db) {
    let shop = Shop::open(&db, "a").await;
    let first = shop.add_card("token").await;
    let mut t = db.begin().await;
    assert!(matches!(t.add_card(shop.card("token")).await, Err(StoreError::Conflict)));
    // The caller goes on in the same transaction, with the card that stands.
    assert_eq!(shop.find_card(&mut *t, "token").await.unwrap().id, first.id);
    let other = Card { reference: "another order".to_owned(), ..shop.card("token") };
    t.add_card(other).await.unwrap();
    t.commit().await.unwrap();
    assert_eq!(shop.count_cards().await, 2);
}

async fn a_foreign_card_is_unknown(db: Db) {
    let (a, b) = (Shop::open(&db, "a").await, Shop::open(&db, "b").await);
    a.add_card("token").await;
    let thief = Shop { key: a.key.clone(), ..b };
    assert!(thief.find_card(&mut *db.read().await, "token").await.is_none());
    assert_eq!(thief.count_cards().await, 0);
}

async fn cards_are_listed_in_pages(db: Db) {
    let shop = Shop::open(&db, "a").await;
    for token in ["one", "two", "three"] {
        shop.add_card(token).await;
    }
    let mut t = db.read().await;
    let all = t.list_cards(shop.merchant.clone(), shop.key.clone(), ALL).await.unwrap();
    assert!(all.is_sorted_by_key(|card| card.id.clone()));
    let page = Page { after: Some(all[0].id.to_string()), limit: 1 };
    let page = t.list_cards(shop.merchant, shop.key, page).await.unwrap();
    assert_eq!(page.iter().map(|card| &card.id).collect::<Vec<_>>(), [&all[1].id]);
}

async fn a_deleted_card_leaves_nothing(db: Db) {
    let shop = Shop::open(&db, "a").await;
    let endpoint = shop.add_endpoint(shop.endpoint("e")).await;
    db.capture(shop.capture(&endpoint, "token")).await.unwrap().unwrap();
    db.capture(shop.capture(&endpoint, "token")).await.unwrap().unwrap();
    let card = shop.stored("token").await;
    let mut t = db.begin().await;
    t.delete_card(shop.merchant.clone(), card.id.clone()).await.unwrap();
    // The same identity of a card finds nothing of the one before.
    t.add_card(Card { id: card.id.clone(), ..shop.card("token") }).await.unwrap();
    assert!(t.patches(shop.merchant.clone(), card.id.clone()).await.unwrap().is_empty());
    assert!(t.find_cvv(shop.merchant, card.id).await.unwrap().is_none());
}

async fn a_foreign_deletion_does_nothing(db: Db) {
    let (a, b) = (Shop::open(&db, "a").await, Shop::open(&db, "b").await);
    let card = a.add_card("token").await;
    let mut t = db.begin().await;
    t.delete_card(b.merchant, card.id).await.unwrap();
    t.commit().await.unwrap();
    assert_eq!(a.count_cards().await, 1);
}
