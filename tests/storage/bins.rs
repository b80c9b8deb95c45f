//! Issuers by leading digits.

use backend::model::{BinRange, Issuer};

use crate::engines::Db;

on_both_engines! {
    a_generation_is_read_in_order_and_in_pages,
    the_later_of_two_lines_stays,
    older_generations_are_swept_a_little_at_a_time,
}

fn range(prefix: &str, bank: &str) -> BinRange {
    let text = |name: &str| format!("{name} of {bank}");
    let issuer = Issuer {
        brand: text("brand"),
        bank: bank.to_owned(),
        country: text("country"),
        kind: text("kind"),
        level: text("level"),
    };
    BinRange { prefix: prefix.to_owned(), issuer }
}

async fn add(db: &Db, generation: i64, ranges: &[BinRange]) {
    let mut t = db.begin().await;
    t.add_bins(generation, ranges.to_vec()).await.unwrap();
    t.commit().await.unwrap();
}

async fn a_generation_is_read_in_order_and_in_pages(db: Db) {
    let ranges =
        [range("411111", "a"), range("41111111", "b"), range("41111112222", "c"), range("500000", "d")];
    add(&db, 7, &ranges).await;
    add(&db, 8, &[range("600000", "other")]).await;
    let mut t = db.read().await;
    let first = t.list_bins(7, String::new(), 3).await.unwrap();
    assert_eq!(first, ranges[..3]);
    assert_eq!(t.list_bins(7, "41111112222".to_owned(), 3).await.unwrap(), ranges[3..]);
    assert!(t.list_bins(9, String::new(), 3).await.unwrap().is_empty());
}

async fn the_later_of_two_lines_stays(db: Db) {
    add(&db, 7, &[range("411111", "a"), range("411111", "b")]).await;
    assert_eq!(db.read().await.list_bins(7, String::new(), 9).await.unwrap(), [range("411111", "b")]);
    add(&db, 7, &[range("411111", "c")]).await;
    assert_eq!(db.read().await.list_bins(7, String::new(), 9).await.unwrap(), [range("411111", "c")]);
}

async fn older_generations_are_swept_a_little_at_a_time(db: Db) {
    add(&db, 7, &[range("411111", "a"), range("422222", "b"), range("433333", "c")]).await;
    add(&db, 8, &[range("411111", "a")]).await;
    let mut t = db.begin().await;
    for swept in [2, 1, 0] {
        assert_eq!(t.sweep_bins(8, 2).await.unwrap(), swept);
    }
    assert_eq!(t.list_bins(8, String::new(), 9).await.unwrap().len(), 1);
}
