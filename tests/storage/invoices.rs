//! Payment invoices: compare-and-set, references, lists, what the sweeper is given; customers, owners of cards,
//! accounts, secrets and keys.

use std::time::Duration;

use backend::model::{
    Account, AccountId, CallbackSecretRow, CardId, CardOwner, Customer, CustomerId, Flow, Invoice, InvoiceId,
    InvoiceStatus, Mode, Money, OperationId, PageId, SaleKeyRow,
};
use backend::storage::{InvoiceFilter, StoreError};
use iso_currency::Currency;

use crate::engines::{Db, NOW};
use crate::shop::Shop;

on_both_engines! {
    an_invoice_comes_back_as_stored,
    an_update_comes_back_as_written,
    of_two_writers_one_wins,
    a_reference_is_unique_for_merchant_and_mode,
    a_foreign_invoice_is_unknown,
    lists_are_filtered_and_paged,
    the_sweeper_is_given_what_can_still_be_paid,
    a_customer_is_made_once,
    a_card_has_one_owner_and_takes_it_along,
    a_payment_that_ends_undoes_no_switch,
    accounts_and_secrets_come_back,
    sale_keys_are_retired_and_swept,
}

/// An invoice that waits for its payer.
pub fn invoice(shop: &Shop, reference: &str) -> Invoice {
    let entropy = &*shop.db.entropy;
    Invoice {
        id: InvoiceId::new(entropy),
        page: PageId::new(entropy),
        merchant: shop.merchant.clone(),
        mode: Mode::Test,
        reference: reference.to_owned(),
        service: "payment_card_eur_hpp".to_owned(),
        flow: Flow::DelayedCharge,
        amount: Money::of_minor(1234, Currency::EUR),
        status: InvoiceStatus::ProcessPending,
        resolution: "ok".to_owned(),
        taken: 0,
        refunded: 0,
        attempts: 0,
        busy: None,
        payment: None,
        customer: Some(CustomerId::new(entropy)),
        card: None,
        sealed: vec![1, 2, 3],
        processed_at: None,
        failed_at: None,
        refunded_at: None,
        expires_at: NOW.plus(Duration::from_hours(1)),
        created_at: NOW,
        updated_at: NOW,
        version: 1,
    }
}

/// A key pair that signs.
pub fn sale_key(id: &str) -> SaleKeyRow {
    SaleKeyRow {
        id: id.to_owned(),
        wrapped_private: vec![1],
        public: "{}".to_owned(),
        created_at: NOW,
        retired_at: None,
    }
}

async fn stored(shop: &Shop, reference: &str) -> Invoice {
    add(shop, invoice(shop, reference)).await
}

async fn add(shop: &Shop, invoice: Invoice) -> Invoice {
    let mut t = shop.db.begin().await;
    t.add_invoice(invoice.clone()).await.unwrap();
    t.commit().await.unwrap();
    invoice
}

async fn find(shop: &Shop, invoice: &Invoice) -> Option<Invoice> {
    shop.db.read().await.find_invoice(shop.merchant.clone(), invoice.id.clone()).await.unwrap()
}

async fn an_invoice_comes_back_as_stored(db: Db) {
    let shop = Shop::open(&db, "a").await;
    let invoice = stored(&shop, "o1").await;
    let expected = format!("{invoice:?}");
    assert_eq!(format!("{:?}", find(&shop, &invoice).await.unwrap()), expected);
    let mut t = db.read().await;
    let by_page = t.find_invoice_by_secret_name(invoice.page).await.unwrap().unwrap();
    assert_eq!(format!("{by_page:?}"), expected);
    assert!(t.find_invoice_by_secret_name(PageId::new(&*db.entropy)).await.unwrap().is_none());
}

async fn an_update_comes_back_as_written(db: Db) {
    let shop = Shop::open(&db, "a").await;
    let mut invoice = stored(&shop, "o1").await;
    invoice.status = InvoiceStatus::PartiallyRefunded;
    "declined".clone_into(&mut invoice.resolution);
    (invoice.taken, invoice.refunded, invoice.attempts) = (1000, 999, 3);
    invoice.busy = Some(OperationId::new(NOW, &*db.entropy));
    invoice.payment = Some(OperationId::new(NOW, &*db.entropy));
    invoice.card = Some(CardId::new(NOW, &*db.entropy));
    invoice.sealed = vec![9];
    invoice.processed_at = Some(NOW.plus(Duration::from_secs(1)));
    invoice.failed_at = Some(NOW.plus(Duration::from_secs(2)));
    invoice.refunded_at = Some(NOW.plus(Duration::from_secs(3)));
    invoice.updated_at = NOW.plus(Duration::from_secs(4));
    let mut t = db.begin().await;
    assert!(t.update_invoice(invoice.clone()).await.unwrap());
    t.commit().await.unwrap();
    invoice.version = 2;
    assert_eq!(format!("{:?}", find(&shop, &invoice).await.unwrap()), format!("{invoice:?}"));
}

async fn of_two_writers_one_wins(db: Db) {
    let shop = Shop::open(&db, "a").await;
    let read = stored(&shop, "o1").await;
    let write = |status| {
        let (db, invoice) = (db.clone(), Invoice { status, ..read.clone() });
        async move {
            let mut t = db.begin().await;
            let done = t.update_invoice(invoice).await.unwrap();
            t.commit().await.unwrap();
            done
        }
    };
    let (first, second) = tokio::join!(write(InvoiceStatus::Processed), write(InvoiceStatus::Expired));
    assert!(first != second);
    let expected = if first { InvoiceStatus::Processed } else { InvoiceStatus::Expired };
    assert_eq!(find(&shop, &read).await.unwrap().status, expected);
}

async fn a_reference_is_unique_for_merchant_and_mode(db: Db) {
    let (shop, other) = (Shop::open(&db, "a").await, Shop::open(&db, "b").await);
    stored(&shop, "o1").await;
    let mut t = db.begin().await;
    assert!(matches!(t.add_invoice(invoice(&shop, "o1")).await, Err(StoreError::Conflict)));
    drop(t);
    stored(&other, "o1").await;
    add(&shop, Invoice { mode: Mode::Live, ..invoice(&shop, "o1") }).await;
}

async fn a_foreign_invoice_is_unknown(db: Db) {
    let (shop, other) = (Shop::open(&db, "a").await, Shop::open(&db, "b").await);
    let invoice = stored(&shop, "o1").await;
    assert!(find(&other, &invoice).await.is_none());
    let mut t = db.begin().await;
    let theirs = Invoice { merchant: other.merchant.clone(), ..invoice };
    assert!(!t.update_invoice(theirs).await.unwrap());
    let filter = InvoiceFilter { limit: 9, ..InvoiceFilter::default() };
    assert!(t.list_invoices(other.merchant, filter).await.unwrap().is_empty());
}

async fn lists_are_filtered_and_paged(db: Db) {
    let shop = Shop::open(&db, "a").await;
    for number in 0..4_u64 {
        let created_at = NOW.plus(Duration::from_secs(number / 2));
        add(&shop, Invoice { created_at, ..invoice(&shop, &format!("o{number}")) }).await;
    }
    add(&shop, Invoice { mode: Mode::Live, ..invoice(&shop, "live") }).await;
    let list =
        async |filter| shop.db.read().await.list_invoices(shop.merchant.clone(), filter).await.unwrap();
    let test = InvoiceFilter { mode: Some(Mode::Test), limit: 3, ..InvoiceFilter::default() };
    let first = list(test.clone()).await;
    assert!(first[0].created_at == first[1].created_at && first[1].created_at > first[2].created_at);
    let last = &first[2];
    let after = Some((last.created_at.millis(), last.id.to_string()));
    let second = list(InvoiceFilter { after, ..test }).await;
    let mut seen: Vec<_> = first.iter().chain(&second).map(|invoice| invoice.reference.as_str()).collect();
    seen.sort_unstable();
    assert_eq!(seen, ["o0", "o1", "o2", "o3"]);
    let one = InvoiceFilter { reference: Some("live".to_owned()), limit: 9, ..InvoiceFilter::default() };
    assert_eq!(list(one).await[0].mode, Mode::Live);
}

async fn the_sweeper_is_given_what_can_still_be_paid(db: Db) {
    let shop = Shop::open(&db, "a").await;
    let over = stored(&shop, "over").await;
    let mut paid = stored(&shop, "paid").await;
    add(&shop, Invoice { expires_at: NOW.plus(Duration::from_hours(9)), ..invoice(&shop, "later") }).await;
    paid.status = InvoiceStatus::Processed;
    let mut t = db.begin().await;
    assert!(t.update_invoice(paid).await.unwrap());
    let found = t.list_over_invoices(NOW.plus(Duration::from_hours(2)), 9).await.unwrap();
    assert_eq!(found.iter().map(|invoice| &invoice.id).collect::<Vec<_>>(), [&over.id]);
}

async fn a_customer_is_made_once(db: Db) {
    let shop = Shop::open(&db, "a").await;
    let customer = |digest: &str, mode| Customer {
        id: CustomerId::new(&*db.entropy),
        merchant: shop.merchant.clone(),
        mode,
        reference_digest: digest.to_owned(),
        created_at: NOW,
    };
    let mut t = db.begin().await;
    let first = t.add_customer(customer("d1", Mode::Test)).await.unwrap();
    assert_eq!(t.add_customer(customer("d1", Mode::Test)).await.unwrap().id, first.id);
    for other in [customer("d2", Mode::Test), customer("d1", Mode::Live)] {
        assert_ne!(t.add_customer(other).await.unwrap().id, first.id);
    }
}

async fn a_card_has_one_owner_and_takes_it_along(db: Db) {
    let (shop, other) = (Shop::open(&db, "a").await, Shop::open(&db, "b").await);
    let card = shop.card("token");
    let owner = CardOwner {
        card: card.id.clone(),
        merchant: shop.merchant.clone(),
        mode: Mode::Test,
        customer: CustomerId::new(&*db.entropy),
        usable_at: None,
        disabled_at: None,
        scheme_reference: None,
    };
    let mut t = db.begin().await;
    t.add_card(card.clone()).await.unwrap();
    t.add_card_owner(owner.clone()).await.unwrap();
    let second = CardOwner { customer: CustomerId::new(&*db.entropy), ..owner.clone() };
    assert_eq!(t.add_card_owner(second).await.unwrap(), owner, "the first stands");
    let of = |shop: &Shop| (shop.merchant.clone(), card.id.clone());
    let later = NOW.plus(Duration::from_secs(1));
    let (merchant, id) = of(&shop);
    assert!(!t.switch_card_owner(merchant, id, Some(NOW)).await.unwrap(), "nothing has been paid by it yet");
    for (shop, at, scheme, done) in
        [(&other, NOW, "x", false), (&shop, NOW, "s", true), (&shop, later, "y", true)]
    {
        let (merchant, id) = of(shop);
        assert_eq!(t.confirm_card_owner(merchant, id, at, Some(scheme.to_owned())).await.unwrap(), done);
    }
    for (shop, at, done) in [(&other, NOW, false), (&shop, NOW, true), (&shop, later, true)] {
        let (merchant, id) = of(shop);
        assert_eq!(t.switch_card_owner(merchant, id, Some(at)).await.unwrap(), done);
    }
    let changed = CardOwner {
        usable_at: Some(NOW),
        disabled_at: Some(NOW),
        scheme_reference: Some("s".to_owned()),
        ..owner.clone()
    };
    let found = t.find_card_owner(shop.merchant.clone(), card.id.clone()).await.unwrap();
    assert_eq!(found, Some(changed.clone()), "the first of each stands");
    let (merchant, id) = of(&shop);
    assert!(t.switch_card_owner(merchant, id, None).await.unwrap());
    let found = t.find_card_owner(shop.merchant.clone(), card.id.clone()).await.unwrap();
    assert_eq!(found, Some(CardOwner { disabled_at: None, ..changed }));
    assert_eq!(t.find_card_owner(other.merchant, card.id.clone()).await.unwrap(), None);
    t.delete_card(shop.merchant.clone(), card.id.clone()).await.unwrap();
    assert_eq!(t.find_card_owner(shop.merchant.clone(), card.id).await.unwrap(), None);
}

async fn a_payment_that_ends_undoes_no_switch(db: Db) {
    let shop = Shop::open(&db, "a").await;
    for round in 0..12 {
        let card = shop.card(&format!("token {round}"));
        let owner = CardOwner {
            card: card.id.clone(),
            merchant: shop.merchant.clone(),
            mode: Mode::Test,
            customer: CustomerId::new(&*db.entropy),
            usable_at: Some(NOW),
            disabled_at: None,
            scheme_reference: None,
        };
        let mut t = db.begin().await;
        t.add_card(card.clone()).await.unwrap();
        t.add_card_owner(owner.clone()).await.unwrap();
        t.commit().await.unwrap();
        let pay = async {
            let mut t = db.begin().await;
            t.find_card_owner(shop.merchant.clone(), card.id.clone()).await.unwrap();
            tokio::task::yield_now().await;
            let (merchant, id, scheme) = (shop.merchant.clone(), card.id.clone(), Some("s".to_owned()));
            t.confirm_card_owner(merchant, id, NOW, scheme).await.unwrap();
            t.commit().await.unwrap();
        };
        let switch = async {
            let mut t = db.begin().await;
            let (merchant, id) = (shop.merchant.clone(), card.id.clone());
            assert!(t.switch_card_owner(merchant, id, Some(NOW)).await.unwrap());
            t.commit().await.unwrap();
        };
        tokio::join!(pay, switch);
        let found = db.read().await.find_card_owner(shop.merchant.clone(), card.id.clone()).await.unwrap();
        let both = CardOwner { disabled_at: Some(NOW), scheme_reference: Some("s".to_owned()), ..owner };
        assert_eq!(found, Some(both), "round {round}");
    }
}

async fn accounts_and_secrets_come_back(db: Db) {
    let shop = Shop::open(&db, "a").await;
    let account = Account {
        id: AccountId::new(&*db.entropy),
        merchant: shop.merchant.clone(),
        key_hash: vec![7; 32],
        created_at: NOW,
        revoked_at: Some(NOW.plus(Duration::from_secs(1))),
    };
    let secret = |sealed: u8| CallbackSecretRow {
        merchant: shop.merchant.clone(),
        mode: Mode::Live,
        sealed: vec![sealed],
        created_at: NOW,
    };
    let mut t = db.begin().await;
    t.add_account(account.clone()).await.unwrap();
    let found = t.find_account_by_secret_name(account.id.clone()).await.unwrap().unwrap();
    assert_eq!(format!("{found:?}"), format!("{account:?}"));
    assert!(t.find_account_by_secret_name(AccountId::new(&*db.entropy)).await.unwrap().is_none());
    t.add_callback_secret(secret(1)).await.unwrap();
    assert_eq!(t.add_callback_secret(secret(2)).await.unwrap().sealed, [1], "the first stands");
    assert!(t.find_callback_secret(shop.merchant.clone(), Mode::Test).await.unwrap().is_none());
}

async fn sale_keys_are_retired_and_swept(db: Db) {
    let mut t = db.begin().await;
    t.add_sale_key(sale_key("one")).await.unwrap();
    t.add_sale_key(SaleKeyRow { created_at: NOW.plus(Duration::from_secs(1)), ..sale_key("two") })
        .await
        .unwrap();
    t.retire_sale_key("one".to_owned(), NOW).await.unwrap();
    t.retire_sale_key("one".to_owned(), NOW.plus(Duration::from_hours(5))).await.unwrap();
    let keys = t.list_sale_keys().await.unwrap();
    let seen: Vec<_> = keys.iter().map(|key| (key.id.as_str(), key.retired_at)).collect();
    assert_eq!(seen, [("one", Some(NOW)), ("two", None)]);
    assert_eq!(t.sweep_sale_keys(NOW).await.unwrap(), 0);
    assert_eq!(t.sweep_sale_keys(NOW.plus(Duration::from_secs(1))).await.unwrap(), 1);
    assert_eq!(t.list_sale_keys().await.unwrap().len(), 1);
}
