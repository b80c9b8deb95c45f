//! Operations and the simulator's book: compare-and-set, what the inquirer is given, whose they are.

use std::time::Duration;

use backend::model::{
    CardId, LedgerEntry, Mode, Money, Operation, OperationId, OperationKind, OperationState, OwnerKind,
    Timestamp,
};
use backend::storage::{Page, StoreError};
use iso_currency::Currency;

use crate::engines::{Db, NOW};
use crate::shop::Shop;

on_both_engines! {
    an_operation_comes_back_as_stored,
    an_update_comes_back_as_written,
    a_foreign_operation_is_unknown,
    of_two_writers_one_wins,
    the_inquirer_is_given_what_is_open_and_due,
    the_operator_is_shown_what_is_open,
    operations_of_an_owner_are_listed,
    a_ledger_entry_comes_back_and_changes_once,
    a_card_is_found_by_its_identity,
}

/// An operation of an owner, by a card of its own.
pub fn operation(shop: &Shop, owner_id: &str) -> Operation {
    Operation {
        id: OperationId::new(NOW, &*shop.db.entropy),
        merchant: shop.merchant.clone(),
        mode: Mode::Test,
        owner: OwnerKind::Invoice,
        owner_id: owner_id.to_owned(),
        kind: OperationKind::Sale,
        parent: None,
        card: Some(CardId::new(NOW, &*shop.db.entropy)),
        gateway: "sandbox".to_owned(),
        amount: Money::of_minor(12_345_678_901, Currency::JPY),
        state: OperationState::Sent,
        answer: String::new(),
        version: 1,
        inquire_at: NOW.plus(Duration::from_secs(5)),
        called_at: None,
        created_at: NOW,
        settled_at: None,
        unheard_at: None,
        returned_at: None,
    }
}

async fn stored(shop: &Shop, owner_id: &str) -> Operation {
    let operation = operation(shop, owner_id);
    let mut t = shop.db.begin().await;
    t.add_operation(operation.clone()).await.unwrap();
    t.commit().await.unwrap();
    operation
}

async fn find(shop: &Shop, operation: &Operation) -> Option<Operation> {
    let mut t = shop.db.read().await;
    t.find_operation(shop.merchant.clone(), operation.id.clone()).await.unwrap()
}

async fn update(db: &Db, operation: &Operation) -> bool {
    let mut t = db.begin().await;
    let changed = t.update_operation(operation.clone()).await.unwrap();
    t.commit().await.unwrap();
    changed
}

async fn an_operation_comes_back_as_stored(db: Db) {
    let shop = Shop::open(&db, "a").await;
    let operation = stored(&shop, "inv").await;
    assert_eq!(format!("{:?}", find(&shop, &operation).await.unwrap()), format!("{operation:?}"));
    let again = db.begin().await.add_operation(operation).await;
    assert!(matches!(again, Err(StoreError::Conflict)));
}

async fn an_update_comes_back_as_written(db: Db) {
    let shop = Shop::open(&db, "a").await;
    let mut operation = stored(&shop, "inv").await;
    operation.state = OperationState::Approved;
    "{}".clone_into(&mut operation.answer);
    operation.inquire_at = NOW.plus(Duration::from_secs(9));
    operation.called_at = Some(NOW.plus(Duration::from_secs(1)));
    operation.settled_at = Some(NOW.plus(Duration::from_secs(2)));
    operation.unheard_at = Some(NOW.plus(Duration::from_secs(3)));
    operation.returned_at = Some(NOW.plus(Duration::from_secs(4)));
    assert!(update(&db, &operation).await);
    operation.version = 2;
    assert_eq!(format!("{:?}", find(&shop, &operation).await.unwrap()), format!("{operation:?}"));
}

async fn a_foreign_operation_is_unknown(db: Db) {
    let (shop, other) = (Shop::open(&db, "a").await, Shop::open(&db, "b").await);
    let operation = stored(&shop, "inv").await;
    assert!(find(&other, &operation).await.is_none());
    assert!(!update(&db, &Operation { merchant: other.merchant.clone(), ..operation }).await);
    let mut t = db.read().await;
    let list = t.list_operations(other.merchant, OwnerKind::Invoice, "inv".to_owned()).await.unwrap();
    assert!(list.is_empty());
}

async fn of_two_writers_one_wins(db: Db) {
    let shop = Shop::open(&db, "a").await;
    let operation = stored(&shop, "inv").await;
    let (first, second) = tokio::join!(update(&db, &operation), update(&db, &operation));
    assert!(first ^ second);
    assert_eq!(find(&shop, &operation).await.unwrap().version, 2);
}

async fn the_inquirer_is_given_what_is_open_and_due(db: Db) {
    let shop = Shop::open(&db, "a").await;
    let mut expected = Vec::new();
    for (seconds, settled) in [(3, None), (1, None), (2, Some(NOW)), (9, None)] {
        let row = Operation {
            inquire_at: NOW.plus(Duration::from_secs(seconds)),
            settled_at: settled,
            ..operation(&shop, "inv")
        };
        let mut t = db.begin().await;
        t.add_operation(row.clone()).await.unwrap();
        t.commit().await.unwrap();
        expected.push(row.id);
    }
    let due = async |at: Timestamp, limit| {
        let due = db.read().await.due_operations(at, limit).await.unwrap();
        due.into_iter().map(|operation| operation.id).collect::<Vec<_>>()
    };
    let soon = NOW.plus(Duration::from_secs(3));
    assert_eq!(due(soon, 10).await, [expected[1].clone(), expected[0].clone()]);
    assert_eq!(due(soon, 1).await, [expected[1].clone()]);
    assert!(due(NOW, 10).await.is_empty());
}

async fn the_operator_is_shown_what_is_open(db: Db) {
    let (shop, other) = (Shop::open(&db, "a").await, Shop::open(&db, "b").await);
    let mut open = Vec::new();
    for (shop, called, settled) in [
        (&shop, Some(NOW), None),
        (&other, Some(NOW), None),
        (&shop, None, None),
        (&shop, Some(NOW), Some(NOW)),
        (&shop, Some(NOW), None),
    ] {
        let row = Operation { called_at: called, settled_at: settled, ..operation(shop, "inv") };
        let mut t = db.begin().await;
        t.add_operation(row.clone()).await.unwrap();
        t.commit().await.unwrap();
        if called.is_some() && settled.is_none() {
            open.push(row);
        }
    }
    open.sort_by_key(|row| row.id.to_string());
    let ids = |rows: &[Operation]| rows.iter().map(|row| row.id.to_string()).collect::<Vec<_>>();
    let mut t = db.read().await;
    let all = t.open_operations(None, Page { after: None, limit: 10 }).await.unwrap();
    assert_eq!(ids(&all), ids(&open));
    let after = Some(open[0].id.to_string());
    let next = t.open_operations(None, Page { after, limit: 1 }).await.unwrap();
    assert_eq!(ids(&next), ids(&open[1..2]));
    let mine =
        t.open_operations(Some(other.merchant.clone()), Page { after: None, limit: 10 }).await.unwrap();
    assert_eq!((mine.len(), mine[0].merchant.as_str()), (1, other.merchant.as_str()));
    let found = t.lookup_operation(open[0].id.clone()).await.unwrap().unwrap();
    assert_eq!(format!("{found:?}"), format!("{:?}", open[0]));
    let strange = OperationId::new(NOW, &*db.entropy);
    assert!(t.lookup_operation(strange).await.unwrap().is_none());
}

async fn operations_of_an_owner_are_listed(db: Db) {
    let shop = Shop::open(&db, "a").await;
    let mine = [stored(&shop, "one").await.id, stored(&shop, "one").await.id];
    stored(&shop, "two").await;
    let mut t = db.read().await;
    let list = |owner, id: &str| (shop.merchant.clone(), owner, id.to_owned());
    let (merchant, owner, id) = list(OwnerKind::Invoice, "one");
    let mut found: Vec<_> =
        t.list_operations(merchant, owner, id).await.unwrap().into_iter().map(|o| o.id).collect();
    assert!(found.is_sorted());
    found.sort();
    let mut mine = mine.to_vec();
    mine.sort();
    assert_eq!(found, mine);
    let (merchant, owner, id) = list(OwnerKind::Transaction, "one");
    assert!(t.list_operations(merchant, owner, id).await.unwrap().is_empty());
}

async fn a_ledger_entry_comes_back_and_changes_once(db: Db) {
    let entry = LedgerEntry {
        operation: OperationId::new(NOW, &*db.entropy),
        kind: OperationKind::Capture,
        original: Some(OperationId::new(NOW, &*db.entropy)),
        amount: Money::of_minor(5, Currency::EUR),
        taken: 0,
        refunded: 0,
        voided: false,
        answer: "a".to_owned(),
        follows: "b".to_owned(),
        follows_at: Some(NOW),
        version: 1,
        created_at: NOW,
    };
    let mut t = db.begin().await;
    t.add_ledger_entry(entry.clone()).await.unwrap();
    assert!(matches!(t.add_ledger_entry(entry.clone()).await, Err(StoreError::Conflict)));
    let found = t.lock_ledger_entry(entry.operation.clone()).await.unwrap().unwrap();
    assert_eq!(format!("{found:?}"), format!("{entry:?}"));
    let changed = LedgerEntry {
        taken: 5,
        refunded: 3,
        voided: true,
        answer: "c".to_owned(),
        follows: String::new(),
        follows_at: None,
        ..entry.clone()
    };
    assert!(t.update_ledger_entry(changed.clone()).await.unwrap());
    assert!(!t.update_ledger_entry(changed.clone()).await.unwrap());
    t.commit().await.unwrap();
    let found = db.read().await.lookup_ledger_entry(entry.operation).await.unwrap().unwrap();
    assert_eq!(format!("{found:?}"), format!("{:?}", LedgerEntry { version: 2, ..changed }));
}

async fn a_card_is_found_by_its_identity(db: Db) {
    let (shop, other) = (Shop::open(&db, "a").await, Shop::open(&db, "b").await);
    let card = shop.add_card("token").await;
    let mut t = db.read().await;
    let found = t.lookup_card(shop.merchant.clone(), card.id.clone()).await.unwrap().unwrap();
    assert_eq!(format!("{found:?}"), format!("{card:?}"));
    assert!(t.lookup_card(other.merchant, card.id).await.unwrap().is_none());
}
