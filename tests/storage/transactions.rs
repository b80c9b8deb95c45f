//! Transactions: all or nothing, and what a dropped one leaves behind.

use backend::storage::postgres::POOL;

use crate::engines::Db;
use crate::shop::Shop;

on_both_engines! {
    a_dropped_transaction_leaves_nothing,
    many_dropped_transactions_leave_the_store_healthy,
    a_snapshot_refuses_to_write,
    a_snapshot_does_not_move,
}

async fn a_dropped_transaction_leaves_nothing(db: Db) {
    let shop = Shop::open(&db, "a").await;
    let mut t = db.begin().await;
    t.add_card(shop.card("token")).await.unwrap();
    drop(t);
    assert_eq!(shop.count_cards().await, 0);
    // What the dropped one held is free again.
    shop.add_card("token").await;
}

async fn many_dropped_transactions_leave_the_store_healthy(db: Db) {
    let shop = Shop::open(&db, "a").await;
    for number in 0..3 * POOL {
        let mut t = db.begin().await;
        t.add_card(shop.card(&format!("token{number}"))).await.unwrap();
        drop(t);
        let mut t = db.read().await;
        t.fact("none").await.unwrap();
    }
    db.store.health().await.unwrap();
    shop.add_card("token0").await;
    assert_eq!(shop.count_cards().await, 1);
}

async fn a_snapshot_refuses_to_write(db: Db) {
    let shop = Shop::open(&db, "a").await;
    let mut t = db.read().await;
    assert!(t.add_event(shop.event("x")).await.is_err());
    drop(t);
    shop.add_card("token").await;
}

async fn a_snapshot_does_not_move(db: Db) {
    let shop = Shop::open(&db, "a").await;
    let mut t = db.read().await;
    assert!(shop.find_card(&mut *t, "token").await.is_none());
    shop.add_card("token").await;
    assert!(shop.find_card(&mut *t, "token").await.is_none());
    assert!(shop.find_card(&mut *db.read().await, "token").await.is_some());
}
