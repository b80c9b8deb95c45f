//! Gateway transactions, companies, tokens and account updates in storage.

use std::time::Duration;

use backend::model::{
    AccountUpdate, CardId, Company, GatewayToken, GatewayTransaction, Mode, Money, Operation, OperationState,
    OwnerKind, Subscription, TransactionFilter, TransactionId, TransactionKind, TransactionState,
    UpdateCause, UpdateId, UpdateState,
};
use backend::storage::{Page, StoreError, Transaction};

use crate::engines::{ALL, Db, NOW};
use crate::operations::operation;
use crate::shop::Shop;

on_both_engines! {
    a_company_comes_back_as_stored,
    a_signed_request_is_new_once,
    a_transaction_comes_back_as_stored_and_settled,
    numbers_and_orders_are_unique,
    transactions_are_listed_by_what_they_are_about,
    a_token_comes_back_as_stored_and_changed,
    what_is_open_by_a_card_is_counted_for_its_tokens,
    a_deleted_card_takes_its_tokens_along,
    tokens_are_paged_by_month,
    updates_wait_and_are_finished_once,
}

/// A company of a shop.
pub fn company(shop: &Shop, id: &str) -> Company {
    Company {
        id: id.to_owned(),
        merchant: shop.merchant.clone(),
        mode: Mode::Test,
        mid: "1320".to_owned(),
        pass_hash: vec![1; 32],
        sealed: vec![2, 3],
        version: 1,
        created_at: NOW,
    }
}

fn transaction(shop: &Shop, number: &str) -> GatewayTransaction {
    GatewayTransaction {
        id: TransactionId::new(NOW, &*shop.db.entropy),
        number: number.to_owned(),
        merchant: shop.merchant.clone(),
        mode: Mode::Test,
        kind: TransactionKind::AuthCapture,
        subscription: Some(Subscription::Rebill),
        token: "token".to_owned(),
        original: String::new(),
        order_id: number.to_owned(),
        holds_order: true,
        amount: Some(Money::parse("10.50", "GBP").unwrap()),
        operation: None,
        card: Some(CardId::stored("card_1".to_owned())),
        owns_card: true,
        state: TransactionState::Open,
        code: 11,
        sealed: vec![7],
        waits: false,
        created_at: NOW,
        settled_at: None,
    }
}

fn token(shop: &Shop, number: &str, card: &CardId) -> GatewayToken {
    GatewayToken {
        id: TransactionId::new(NOW, &*shop.db.entropy),
        number: number.to_owned(),
        merchant: shop.merchant.clone(),
        mode: Mode::Test,
        card: card.clone(),
        owns_card: true,
        enabled: true,
        scheme_reference: Some("ref".to_owned()),
        sealed: vec![5],
        version: 1,
        created_at: NOW,
        updated_at: NOW,
    }
}

fn update(shop: &Shop, token: &str) -> AccountUpdate {
    AccountUpdate {
        id: UpdateId::new(NOW, &*shop.db.entropy),
        merchant: shop.merchant.clone(),
        mode: Mode::Test,
        token: token.to_owned(),
        asked_by: "1".to_owned(),
        cause: UpdateCause::Manual,
        state: UpdateState::Waiting,
        scheme_code: String::new(),
        new_number: false,
        new_expiry: false,
        created_at: NOW,
        finished_at: None,
    }
}

async fn a_company_comes_back_as_stored(db: Db) {
    let (shop, other) = (Shop::open(&db, "a").await, Shop::open(&db, "b").await);
    let mut company = company(&shop, "133");
    let mut t = db.begin().await;
    t.add_company(company.clone()).await.unwrap();
    let taken = Company { merchant: other.merchant.clone(), ..company.clone() };
    assert!(matches!(t.add_company(taken).await, Err(StoreError::Conflict)));
    let found = t.find_company_by_secret_name("133".to_owned()).await.unwrap().unwrap();
    assert_eq!(format!("{found:?}"), format!("{company:?}"));
    assert!(t.find_company(shop.merchant.clone(), Mode::Live).await.unwrap().is_none());
    assert!(t.find_company(other.merchant.clone(), Mode::Test).await.unwrap().is_none());
    company.sealed = vec![9];
    company.pass_hash = vec![8; 32];
    assert!(t.update_company(company.clone()).await.unwrap());
    assert!(!t.update_company(company.clone()).await.unwrap(), "of two writers one wins");
    let found = t.find_company(shop.merchant.clone(), Mode::Test).await.unwrap().unwrap();
    company.version = 2;
    assert_eq!(format!("{found:?}"), format!("{company:?}"));
}

async fn a_signed_request_is_new_once(db: Db) {
    let mut t = db.begin().await;
    for (company, digest, is_new) in [("1", "a", true), ("1", "a", false), ("1", "b", true), ("2", "a", true)]
    {
        let taken = t.take_gateway_request(company.to_owned(), digest.to_owned(), NOW).await.unwrap();
        assert_eq!(taken, is_new, "{company} {digest}");
    }
    for (company, digest, is_known) in [("1", "b", true), ("2", "b", false), ("3", "a", false)] {
        let known = t.knows_gateway_request(company.to_owned(), digest.to_owned()).await.unwrap();
        assert_eq!(known, is_known, "{company} {digest}");
    }
    assert_eq!(t.sweep_gateway_requests(NOW).await.unwrap(), 0);
    assert_eq!(t.sweep_gateway_requests(NOW.plus(Duration::from_secs(1))).await.unwrap(), 3);
}

async fn a_transaction_comes_back_as_stored_and_settled(db: Db) {
    let (shop, other) = (Shop::open(&db, "a").await, Shop::open(&db, "b").await);
    let mut row = transaction(&shop, "1000000001");
    let mut t = db.begin().await;
    t.add_transaction(row.clone()).await.unwrap();
    let number = row.number.clone();
    let found = t.find_transaction(shop.merchant.clone(), Mode::Test, number.clone()).await.unwrap().unwrap();
    assert_eq!(format!("{found:?}"), format!("{row:?}"));
    assert!(t.find_transaction(other.merchant.clone(), Mode::Test, number.clone()).await.unwrap().is_none());
    assert!(t.find_transaction(shop.merchant.clone(), Mode::Live, number.clone()).await.unwrap().is_none());
    let locked = t.lock_transaction(shop.merchant.clone(), Mode::Test, number.clone()).await.unwrap();
    assert_eq!(format!("{:?}", locked.unwrap()), format!("{row:?}"));
    assert!(t.lock_transaction(other.merchant.clone(), Mode::Test, number.clone()).await.unwrap().is_none());
    assert!(t.lock_transaction(shop.merchant.clone(), Mode::Live, number.clone()).await.unwrap().is_none());
    assert!(t.await_transaction(shop.merchant.clone(), row.id.clone()).await.unwrap());
    assert!(!t.await_transaction(other.merchant.clone(), row.id.clone()).await.unwrap());
    row.waits = true;
    row.state = TransactionState::Refused;
    row.code = 101;
    row.holds_order = false;
    row.card = None;
    row.settled_at = Some(NOW);
    assert!(t.settle_transaction(row.clone()).await.unwrap());
    let late = GatewayTransaction { state: TransactionState::Approved, code: 1, ..row.clone() };
    assert!(!t.settle_transaction(late).await.unwrap(), "what has ended stays as it is");
    assert!(!t.await_transaction(shop.merchant.clone(), row.id.clone()).await.unwrap(), "nothing is to come");
    row.sealed = Vec::new();
    let found = t.find_transaction(shop.merchant.clone(), Mode::Test, number).await.unwrap().unwrap();
    assert_eq!(format!("{found:?}"), format!("{row:?}"));
}

async fn numbers_and_orders_are_unique(db: Db) {
    let (shop, other) = (Shop::open(&db, "a").await, Shop::open(&db, "b").await);
    let row = transaction(&shop, "1000000001");
    let mut t = db.begin().await;
    t.add_transaction(row.clone()).await.unwrap();
    let fresh = |number: &str, order: &str| GatewayTransaction {
        order_id: order.to_owned(),
        ..transaction(&shop, number)
    };
    let foreign = GatewayTransaction { merchant: other.merchant.clone(), ..fresh("1000000001", "x") };
    assert!(
        matches!(t.add_transaction(foreign).await, Err(StoreError::Conflict)),
        "of the whole installation"
    );
    let same_order = fresh("1000000002", &row.order_id);
    assert!(matches!(t.add_transaction(same_order.clone()).await, Err(StoreError::Conflict)));
    // Another merchant's order, and one that is not held.
    let foreign = GatewayTransaction { merchant: other.merchant.clone(), ..same_order.clone() };
    t.add_transaction(foreign).await.unwrap();
    let free = GatewayTransaction { holds_order: false, ..fresh("1000000003", &row.order_id) };
    t.add_transaction(free).await.unwrap();
    let holder =
        t.find_order(shop.merchant.clone(), Mode::Test, row.order_id.clone()).await.unwrap().unwrap();
    assert_eq!(holder.number, row.number);
    // A refused authorisation lets its order go.
    let refused = GatewayTransaction { holds_order: false, state: TransactionState::Refused, ..row.clone() };
    assert!(t.settle_transaction(refused).await.unwrap());
    assert!(t.find_order(shop.merchant.clone(), Mode::Test, row.order_id.clone()).await.unwrap().is_none());
    t.add_transaction(fresh("1000000004", &row.order_id)).await.unwrap();
}

async fn transactions_are_listed_by_what_they_are_about(db: Db) {
    let shop = Shop::open(&db, "a").await;
    let mut t = db.begin().await;
    for (number, token, original, order) in
        [("1", "1", "", "o1"), ("2", "1", "", "o2"), ("3", "1", "", "o2"), ("4", "", "2", "o2")]
    {
        let row = GatewayTransaction {
            token: token.to_owned(),
            original: original.to_owned(),
            order_id: order.to_owned(),
            holds_order: false,
            ..transaction(&shop, number)
        };
        t.add_transaction(row).await.unwrap();
    }
    let mut list = async |filter: TransactionFilter, page: Page| {
        let rows = t.list_transactions(shop.merchant.clone(), Mode::Test, filter, page).await.unwrap();
        rows.into_iter().map(|row| row.number).collect::<std::collections::BTreeSet<_>>()
    };
    let set = |numbers: &[&str]| numbers.iter().map(|number| (*number).to_owned()).collect();
    assert_eq!(list(TransactionFilter::Order("o2".to_owned()), ALL).await, set(&["2", "3", "4"]));
    assert_eq!(list(TransactionFilter::ChildrenOf("1".to_owned()), ALL).await, set(&["2", "3"]));
    assert_eq!(list(TransactionFilter::FollowUps("2".to_owned()), ALL).await, set(&["4"]));
    let page = Page { after: None, limit: 1 };
    assert_eq!(list(TransactionFilter::Order("o2".to_owned()), page).await.len(), 1);
    assert_eq!(
        t.count_open(shop.merchant.clone(), Mode::Test, "1".to_owned()).await.unwrap(),
        0,
        "no operation"
    );
}

async fn a_token_comes_back_as_stored_and_changed(db: Db) {
    let (shop, other) = (Shop::open(&db, "a").await, Shop::open(&db, "b").await);
    let card = shop.add_card("token").await;
    let mut stored = token(&shop, "1", &card.id);
    let mut t = db.begin().await;
    t.add_token(stored.clone()).await.unwrap();
    assert!(matches!(t.add_token(token(&other, "1", &card.id)).await, Err(StoreError::Conflict)));
    let found = t.find_token(shop.merchant.clone(), Mode::Test, "1".to_owned()).await.unwrap().unwrap();
    assert_eq!(format!("{found:?}"), format!("{stored:?}"));
    assert!(t.find_token(other.merchant.clone(), Mode::Test, "1".to_owned()).await.unwrap().is_none());
    assert!(t.lock_token(shop.merchant.clone(), Mode::Live, "1".to_owned()).await.unwrap().is_none());
    stored.enabled = false;
    stored.owns_card = false;
    stored.card = CardId::stored("card_2".to_owned());
    stored.sealed = Vec::new();
    stored.scheme_reference = None;
    stored.updated_at = NOW.plus(Duration::from_secs(1));
    assert!(t.update_token(stored.clone()).await.unwrap());
    assert!(!t.update_token(stored.clone()).await.unwrap(), "of two writers one wins");
    stored.version = 2;
    let found = t.lock_token(shop.merchant.clone(), Mode::Test, "1".to_owned()).await.unwrap().unwrap();
    assert_eq!(format!("{found:?}"), format!("{stored:?}"));
    assert_eq!(t.list_card_tokens(shop.merchant.clone(), stored.card.clone()).await.unwrap().len(), 1);
    assert_eq!(t.list_card_tokens(other.merchant.clone(), stored.card).await.unwrap().len(), 0);
    assert_eq!(t.list_card_tokens(shop.merchant.clone(), card.id).await.unwrap().len(), 0);
}

async fn what_is_open_by_a_card_is_counted_for_its_tokens(db: Db) {
    let (shop, other) = (Shop::open(&db, "a").await, Shop::open(&db, "b").await);
    let (card, kept) = (shop.add_card("token").await, shop.add_card("kept").await);
    let mut t = db.begin().await;
    for (number, card) in [("1", &card.id), ("2", &card.id), ("3", &kept.id)] {
        t.add_token(token(&shop, number, card)).await.unwrap();
    }
    let open = async |t: &mut dyn Transaction| {
        let mut counts = Vec::new();
        for number in ["1", "2", "3"] {
            counts.push(t.count_open(shop.merchant.clone(), Mode::Test, number.to_owned()).await.unwrap());
        }
        counts
    };
    assert_eq!(open(&mut *t).await, [0, 0, 0]);
    // By the card of two tokens, for an invoice; and for a third one, with a card that is to be its own.
    let by_card = Operation { card: Some(card.id.clone()), ..operation(&shop, "cpi_1") };
    let by_number = Operation { owner: OwnerKind::Transaction, ..operation(&shop, "1000000009") };
    for operation in [&by_card, &by_number] {
        t.add_operation(operation.clone()).await.unwrap();
    }
    let row = GatewayTransaction { token: "3".to_owned(), ..transaction(&shop, "1000000009") };
    t.add_transaction(row).await.unwrap();
    assert_eq!(open(&mut *t).await, [1, 1, 1]);
    assert_eq!(t.count_open(other.merchant.clone(), Mode::Test, "1".to_owned()).await.unwrap(), 0);
    assert_eq!(t.count_open(shop.merchant.clone(), Mode::Live, "1".to_owned()).await.unwrap(), 0);
    // The payer is away, then back, then it is over.
    for (version, state, returned_at, settled_at, counts) in [
        (1, OperationState::Challenged, None, None, 0),
        (2, OperationState::Challenged, Some(NOW), None, 1),
        (3, OperationState::Approved, None, Some(NOW), 0),
    ] {
        let changed = Operation { state, returned_at, settled_at, version, ..by_card.clone() };
        assert!(t.update_operation(changed).await.unwrap());
        assert_eq!(open(&mut *t).await, [counts, counts, 1]);
    }
}

async fn a_deleted_card_takes_its_tokens_along(db: Db) {
    let (shop, other) = (Shop::open(&db, "a").await, Shop::open(&db, "b").await);
    let (card, kept) = (shop.add_card("token").await, shop.add_card("kept").await);
    let mut t = db.begin().await;
    for (number, card) in [("1", &card.id), ("2", &card.id), ("3", &kept.id)] {
        t.add_token(token(&shop, number, card)).await.unwrap();
    }
    t.delete_card(other.merchant.clone(), card.id.clone()).await.unwrap();
    assert_eq!(t.list_card_tokens(shop.merchant.clone(), card.id.clone()).await.unwrap().len(), 2);
    t.delete_card(shop.merchant.clone(), card.id.clone()).await.unwrap();
    assert_eq!(t.list_card_tokens(shop.merchant.clone(), card.id).await.unwrap().len(), 0);
    assert!(t.find_token(shop.merchant.clone(), Mode::Test, "3".to_owned()).await.unwrap().is_some());
}

async fn tokens_are_paged_by_month(db: Db) {
    let shop = Shop::open(&db, "a").await;
    let card = shop.add_card("token").await;
    let expiry = card.shown.expiry.unwrap();
    let mut t = db.begin().await;
    let mut tokens: Vec<_> = ["1", "2", "3"].iter().map(|number| token(&shop, number, &card.id)).collect();
    tokens.sort_by(|one, other| one.id.cmp(&other.id));
    for token in &tokens {
        t.add_token(token.clone()).await.unwrap();
    }
    let gone = token(&shop, "4", &CardId::stored("gone".to_owned()));
    t.add_token(gone).await.unwrap();
    let ends = Some((expiry.year(), expiry.month()));
    let first = t.list_tokens(Mode::Test, ends, None, 2).await.unwrap();
    let numbers =
        |tokens: &[GatewayToken]| tokens.iter().map(|token| token.number.clone()).collect::<Vec<_>>();
    assert_eq!(numbers(&first), numbers(&tokens[..2]));
    let rest = t.list_tokens(Mode::Test, ends, Some(first[1].id.clone()), 2).await.unwrap();
    assert_eq!(numbers(&rest), numbers(&tokens[2..]));
    assert_eq!(t.list_tokens(Mode::Test, Some((expiry.year() + 1, 1)), None, 9).await.unwrap().len(), 0);
    assert_eq!(t.list_tokens(Mode::Test, None, None, 9).await.unwrap().len(), 4);
    assert_eq!(t.list_tokens(Mode::Live, None, None, 9).await.unwrap().len(), 0);
}

async fn updates_wait_and_are_finished_once(db: Db) {
    let (shop, other) = (Shop::open(&db, "a").await, Shop::open(&db, "b").await);
    let mut t = db.begin().await;
    let mut asked = update(&shop, "1");
    t.add_update(asked.clone()).await.unwrap();
    t.add_update(update(&other, "1")).await.unwrap();
    let waiting = t.waiting_updates(None, 9).await.unwrap();
    assert_eq!(waiting.len(), 2);
    assert_eq!(t.waiting_updates(Some(waiting[0].id.clone()), 9).await.unwrap().len(), 1);
    asked.state = UpdateState::Updated;
    "A".clone_into(&mut asked.scheme_code);
    asked.new_number = true;
    asked.new_expiry = true;
    asked.finished_at = Some(NOW);
    assert!(t.finish_update(asked.clone()).await.unwrap());
    assert!(!t.finish_update(asked.clone()).await.unwrap(), "once");
    assert_eq!(t.waiting_updates(None, 9).await.unwrap().len(), 1);
    let history = t.list_updates(shop.merchant.clone(), Mode::Test, "1".to_owned(), 9).await.unwrap();
    assert_eq!(
        history.iter().map(|update| format!("{update:?}")).collect::<Vec<_>>(),
        [format!("{asked:?}")]
    );
}
