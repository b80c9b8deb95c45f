//! Card requests: compare-and-set, history, lists, what the sweeper is given, templates.

use std::time::Duration;

use backend::model::{
    CardRequest, Channel, EventId, MessageTemplate, Mode, Passcode, RequestFilter, RequestId, RequestKind,
    Status, StatusChange,
};
use backend::storage::{Page, StoreError};

use crate::engines::{ALL, Db, NOW};
use crate::shop::Shop;

on_both_engines! {
    a_request_comes_back_as_stored,
    an_update_comes_back_as_written,
    a_foreign_request_is_unknown,
    of_two_writers_one_wins,
    codes_and_messages_are_unique,
    the_history_is_kept_in_order,
    lists_are_filtered_and_paged,
    the_sweeper_is_given_what_has_ended,
    what_ended_long_ago_is_swept_with_its_history,
    templates_are_replaced_listed_and_deleted,
    a_merchant_is_known_by_its_id,
}

/// A request for a security code.
pub fn request(shop: &Shop, code: &str) -> CardRequest {
    CardRequest {
        id: RequestId::new(NOW, &*shop.db.entropy),
        merchant: shop.merchant.clone(),
        mode: Mode::Test,
        kind: RequestKind::Code,
        channel: Channel::Sms,
        status: Status::MessageQueued,
        status_at: NOW,
        changes: 1,
        version: 1,
        reference: "booking 7".to_owned(),
        sealed: vec![1, 2, 3],
        code_hash: code.to_owned(),
        message: EventId::new(NOW, &*shop.db.entropy),
        card_token: None,
        refused: 0,
        passcode: Passcode::default(),
        asked: 0,
        asked_at: None,
        expires_at: NOW.plus(Duration::from_hours(1)),
        deleted_at: None,
        created_at: NOW,
    }
}

async fn stored(shop: &Shop, code: &str) -> CardRequest {
    let request = request(shop, code);
    let mut t = shop.db.begin().await;
    t.add_request(request.clone()).await.unwrap();
    t.commit().await.unwrap();
    request
}

async fn find(shop: &Shop, request: &CardRequest) -> Option<CardRequest> {
    let mut t = shop.db.read().await;
    t.find_request(shop.merchant.clone(), Mode::Test, request.id.clone()).await.unwrap()
}

async fn a_request_comes_back_as_stored(db: Db) {
    let shop = Shop::open(&db, "a").await;
    let request = stored(&shop, "c0de").await;
    let expected = format!("{request:?}");
    assert_eq!(format!("{:?}", find(&shop, &request).await.unwrap()), expected);
    let mut t = db.read().await;
    let by_code = t.find_request_by_secret_name("c0de".to_owned()).await.unwrap().unwrap();
    assert_eq!(format!("{by_code:?}"), expected);
    let by_message = t.find_request_by_message_secret_name(request.message).await.unwrap().unwrap();
    assert_eq!(format!("{by_message:?}"), expected);
    assert!(t.find_request_by_secret_name("other".to_owned()).await.unwrap().is_none());
}

async fn an_update_comes_back_as_written(db: Db) {
    let shop = Shop::open(&db, "a").await;
    let mut request = stored(&shop, "one").await;
    request.status = Status::CardStored;
    request.status_at = NOW.plus(Duration::from_secs(5));
    request.changes = 3;
    request.sealed = vec![9];
    request.code_hash = String::from("two");
    request.message = EventId::new(NOW, &*db.entropy);
    request.card_token = Some("token".to_owned());
    request.refused = 4;
    request.passcode =
        Passcode { digest: vec![1], ends_at: 2, tries: 3, sent: 1, ticket_hash: vec![5], ticket_ends_at: 6 };
    request.asked = 2;
    request.asked_at = Some(NOW);
    request.expires_at = NOW.plus(Duration::from_hours(2));
    request.deleted_at = Some(NOW);
    let mut t = db.begin().await;
    assert!(t.update_request(request.clone()).await.unwrap());
    t.commit().await.unwrap();
    request.version = 2;
    assert_eq!(format!("{:?}", find(&shop, &request).await.unwrap()), format!("{request:?}"));
}

async fn a_foreign_request_is_unknown(db: Db) {
    let (shop, other) = (Shop::open(&db, "a").await, Shop::open(&db, "b").await);
    let request = stored(&shop, "one").await;
    let mut t = db.begin().await;
    t.add_status(shop.merchant.clone(), change(&request, 1, Status::MessageQueued)).await.unwrap();
    assert!(t.find_request(other.merchant.clone(), Mode::Test, request.id.clone()).await.unwrap().is_none());
    assert!(t.find_request(shop.merchant.clone(), Mode::Live, request.id.clone()).await.unwrap().is_none());
    let theirs = CardRequest { merchant: other.merchant.clone(), ..request.clone() };
    assert!(!t.update_request(theirs).await.unwrap());
    assert!(t.statuses(other.merchant.clone(), request.id).await.unwrap().is_empty());
    let list = t.list_requests(other.merchant, Mode::Test, RequestFilter::default(), ALL).await.unwrap();
    assert!(list.is_empty());
}

async fn of_two_writers_one_wins(db: Db) {
    let shop = Shop::open(&db, "a").await;
    let read = stored(&shop, "one").await;
    let write = |status| {
        let (db, request) = (db.clone(), CardRequest { status, ..read.clone() });
        async move {
            let mut t = db.begin().await;
            let done = t.update_request(request).await.unwrap();
            t.commit().await.unwrap();
            done
        }
    };
    let (first, second) = tokio::join!(write(Status::CardStored), write(Status::LinkExpired));
    assert!(first != second);
    let expected = if first { Status::CardStored } else { Status::LinkExpired };
    assert_eq!(find(&shop, &read).await.unwrap().status, expected);
}

async fn codes_and_messages_are_unique(db: Db) {
    let shop = Shop::open(&db, "a").await;
    let known = stored(&shop, "one").await;
    let mut t = db.begin().await;
    assert!(matches!(t.add_request(request(&shop, "one")).await, Err(StoreError::Conflict)));
    let same = CardRequest { message: known.message.clone(), ..request(&shop, "two") };
    assert!(matches!(t.add_request(same).await, Err(StoreError::Conflict)));
}

fn change(request: &CardRequest, number: u32, status: Status) -> StatusChange {
    StatusChange { request: request.id.clone(), number, status, at: NOW }
}

async fn the_history_is_kept_in_order(db: Db) {
    let shop = Shop::open(&db, "a").await;
    let request = stored(&shop, "one").await;
    let changes = [
        change(&request, 1, Status::MessageQueued),
        change(&request, 2, Status::FormViewed),
        change(&request, 10, Status::LinkExpired),
    ];
    let mut t = db.begin().await;
    for change in changes.iter().rev() {
        t.add_status(shop.merchant.clone(), change.clone()).await.unwrap();
    }
    let again = t.add_status(shop.merchant.clone(), changes[1].clone()).await;
    assert!(matches!(again, Err(StoreError::Conflict)));
    assert_eq!(t.statuses(shop.merchant.clone(), request.id).await.unwrap(), changes);
}

async fn lists_are_filtered_and_paged(db: Db) {
    let shop = Shop::open(&db, "a").await;
    let mut t = db.begin().await;
    let mut ids = Vec::new();
    for (index, code) in ["a", "b", "c", "d"].into_iter().enumerate() {
        let at = NOW.plus(Duration::from_secs(u64::try_from(index).unwrap()));
        let mut one = request(&shop, code);
        one.id = RequestId::new(at, &*db.entropy);
        one.created_at = at;
        if code == "b" {
            one.status = Status::FormViewed;
            one.reference = String::from("other");
        }
        if code == "d" {
            one.deleted_at = Some(NOW);
        }
        ids.push(one.id.clone());
        t.add_request(one).await.unwrap();
    }
    let mut list = async |filter: RequestFilter, page: Page| {
        let found = t.list_requests(shop.merchant.clone(), Mode::Test, filter, page).await.unwrap();
        found.into_iter().map(|request| request.id).collect::<Vec<_>>()
    };
    let all = RequestFilter::default;
    assert_eq!(list(all(), ALL).await, [ids[2].clone(), ids[1].clone(), ids[0].clone()]);
    let first = list(all(), Page { after: None, limit: 2 }).await;
    assert_eq!(first, [ids[2].clone(), ids[1].clone()]);
    let rest = list(all(), Page { after: Some(first[1].to_string()), limit: 2 }).await;
    assert_eq!(rest, [ids[0].clone()]);
    let viewed = RequestFilter { status: Some(Status::FormViewed), ..all() };
    assert_eq!(list(viewed, ALL).await, [ids[1].clone()]);
    let named = RequestFilter { reference: Some("other".to_owned()), ..all() };
    assert_eq!(list(named, ALL).await, [ids[1].clone()]);
    let from = RequestFilter { from: Some(NOW.plus(Duration::from_secs(2))), ..all() };
    assert_eq!(list(from, ALL).await, [ids[2].clone()]);
    let to = RequestFilter { to: Some(NOW.plus(Duration::from_secs(1))), ..all() };
    assert_eq!(list(to, ALL).await, [ids[0].clone()]);
}

async fn the_sweeper_is_given_what_has_ended(db: Db) {
    let shop = Shop::open(&db, "a").await;
    let over = stored(&shop, "over").await;
    let mut t = db.begin().await;
    let filled = CardRequest { status: Status::CardStored, ..request(&shop, "filled") };
    t.add_request(filled).await.unwrap();
    let longer = CardRequest { expires_at: NOW.plus(Duration::from_hours(9)), ..request(&shop, "longer") };
    t.add_request(longer).await.unwrap();
    let end = over.expires_at;
    assert!(t.list_ended_requests(end.minus(Duration::from_secs(1)), 10).await.unwrap().is_empty());
    let ended = t.list_ended_requests(end, 10).await.unwrap();
    assert_eq!(ended.iter().map(|request| &request.id).collect::<Vec<_>>(), [&over.id]);
    let done = CardRequest { status: Status::LinkExpired, ..over };
    assert!(t.update_request(done).await.unwrap());
    assert!(t.list_ended_requests(end, 10).await.unwrap().is_empty());
}

async fn what_ended_long_ago_is_swept_with_its_history(db: Db) {
    let shop = Shop::open(&db, "a").await;
    let long_ago = NOW.minus(Duration::from_hours(48));
    let mut t = db.begin().await;
    for (code, status, at) in [
        ("a", Status::CardStored, long_ago),
        ("b", Status::LinkExpired, long_ago.plus(Duration::from_secs(1))),
        ("c", Status::LinkExpired, NOW),
        ("d", Status::FormViewed, long_ago),
    ] {
        let ended = CardRequest { status, status_at: at, ..request(&shop, code) };
        let change = StatusChange { request: ended.id.clone(), number: 1, status, at };
        t.add_request(ended).await.unwrap();
        t.add_status(shop.merchant.clone(), change).await.unwrap();
    }
    let found = async |t: &mut dyn backend::storage::Transaction, code: &str| {
        t.find_request_by_secret_name(code.to_owned()).await.unwrap()
    };
    let oldest = found(&mut *t, "a").await.unwrap();
    assert_eq!(t.sweep_requests(long_ago, 10).await.unwrap(), 0);
    assert_eq!(t.sweep_requests(NOW, 1).await.unwrap(), 1, "the oldest first");
    assert!(found(&mut *t, "a").await.is_none());
    assert_eq!(t.statuses(shop.merchant.clone(), oldest.id).await.unwrap(), []);
    assert_eq!(t.sweep_requests(NOW, 10).await.unwrap(), 1);
    for (code, stays) in [("b", false), ("c", true), ("d", true)] {
        let Some(request) = found(&mut *t, code).await else {
            assert!(!stays, "{code}");
            continue;
        };
        assert!(stays, "{code}");
        assert_eq!(t.statuses(shop.merchant.clone(), request.id).await.unwrap().len(), 1);
    }
}

async fn templates_are_replaced_listed_and_deleted(db: Db) {
    let (shop, other) = (Shop::open(&db, "a").await, Shop::open(&db, "b").await);
    let template = MessageTemplate {
        merchant: shop.merchant.clone(),
        mode: Mode::Test,
        name: "welcome".to_owned(),
        channel: Channel::Email,
        language: "de".to_owned(),
        subject: "Ihre Karte".to_owned(),
        body: "$~link~$".to_owned(),
        html: Some("<p>$~link~$</p>".to_owned()),
        updated_at: NOW,
    };
    let mut t = db.begin().await;
    t.put_template(MessageTemplate { subject: "alt".to_owned(), html: None, ..template.clone() })
        .await
        .unwrap();
    t.put_template(template.clone()).await.unwrap();
    let english = MessageTemplate { language: "en".to_owned(), ..template.clone() };
    t.put_template(english.clone()).await.unwrap();
    let listed = t.list_templates(shop.merchant.clone(), Mode::Test).await.unwrap();
    assert_eq!(listed, [template, english]);
    assert!(t.list_templates(other.merchant.clone(), Mode::Test).await.unwrap().is_empty());
    assert!(t.list_templates(shop.merchant.clone(), Mode::Live).await.unwrap().is_empty());
    let name = || "welcome".to_owned();
    let mut delete = async |merchant| {
        t.delete_template(merchant, Mode::Test, name(), Channel::Email, "de".to_owned()).await.unwrap()
    };
    assert!(!delete(other.merchant).await);
    assert!(delete(shop.merchant.clone()).await);
    assert!(!delete(shop.merchant.clone()).await);
}

async fn a_merchant_is_known_by_its_id(db: Db) {
    let shop = Shop::open(&db, "Spice").await;
    let mut t = db.read().await;
    assert_eq!(t.lookup_merchant(shop.merchant).await.unwrap().unwrap().name, "Spice");
}
