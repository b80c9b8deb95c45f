//! Outgoing events: appended, leased by compare-and-set, in order, settled, erased, swept.

use std::sync::Arc;
use std::time::Duration;

use backend::model::{
    Attempt, EventId, EventState, MerchantId, Mode, OutboxEvent, Schedule, Settlement, Timestamp,
    WebhookSecretRow,
};
use backend::storage::{Page, StoreError, Transaction};

use crate::engines::{ALL, Db, NOW};
use crate::shop::Shop;

on_both_engines! {
    an_event_comes_back_as_stored,
    events_are_listed_in_pages_for_their_owner,
    an_event_is_found_by_its_owner,
    an_event_is_leased_once,
    two_workers_at_once_share_what_is_due,
    a_lease_that_ended_is_taken_over,
    a_renewed_lease_is_kept,
    a_subject_keeps_its_order,
    a_given_up_event_holds_nobody_up,
    a_busy_merchant_waits,
    a_busy_receiver_waits_by_itself,
    what_came_of_an_attempt_is_written,
    an_event_is_sent_again,
    a_deleted_card_takes_its_events_content_along,
    a_deleted_key_takes_its_events_content_along,
    old_events_are_swept,
    signing_secrets_are_made_once_and_replaced_once,
    a_commit_with_events_rings_the_bell,
}

/// A lease that begins at `NOW`.
const UNTIL: Timestamp = Timestamp::from_millis(NOW.millis() + 6_000);

async fn add(db: &Db, events: &[&OutboxEvent]) {
    let mut t = db.begin().await;
    for event in events {
        t.add_event((*event).clone()).await.unwrap();
    }
    t.commit().await.unwrap();
}

/// The subjects of what is due.
async fn due(t: &mut dyn Transaction, now: Timestamp) -> Vec<OutboxEvent> {
    t.due_events(now, Vec::new(), false, 10).await.unwrap()
}

async fn subjects(db: &Db, now: Timestamp) -> Vec<String> {
    due(&mut *db.read().await, now).await.into_iter().map(|event| event.subject).collect()
}

async fn lease(db: &Db, seen: &OutboxEvent, until: Timestamp) -> Vec<EventId> {
    let mut t = db.begin().await;
    let leased = t.lease_events(vec![seen.clone()], until).await.unwrap();
    t.commit().await.unwrap();
    leased
}

fn settlement(event: &OutboxEvent, state: EventState) -> Settlement {
    let finished_at = (!state.is_open()).then_some(NOW);
    Settlement { event: event.id.clone(), lease: UNTIL, state, due_at: NOW, finished_at, erase: false }
}

async fn settle(db: &Db, settlement: Settlement) -> bool {
    let mut t = db.begin().await;
    let settled = t.settle_event(settlement).await.unwrap();
    t.commit().await.unwrap();
    settled
}

async fn stored(db: &Db, event: &OutboxEvent) -> OutboxEvent {
    let found = db.read().await.find_event(event.merchant.clone(), Mode::Test, event.id.to_string()).await;
    found.unwrap().unwrap()
}

async fn an_event_comes_back_as_stored(db: Db) {
    let shop = Shop::open(&db, "a").await;
    let event = OutboxEvent {
        channel: "sms".to_owned(),
        schedule: Schedule::MINUTES,
        erases: true,
        state: EventState::GivenUp,
        attempts: 7,
        finished_at: Some(NOW),
        ..shop.event("card_1")
    };
    let mut t = db.begin().await;
    t.add_event(event.clone()).await.unwrap();
    let found = t.list_events(shop.merchant, Mode::Test, ALL).await.unwrap();
    assert_eq!(format!("{found:?}"), format!("{:?}", [event]));
}

async fn events_are_listed_in_pages_for_their_owner(db: Db) {
    let (a, b) = (Shop::open(&db, "a").await, Shop::open(&db, "b").await);
    let mut t = db.begin().await;
    for subject in ["one", "two", "three"] {
        t.add_event(a.event(subject)).await.unwrap();
    }
    let all = t.list_events(a.merchant.clone(), Mode::Test, ALL).await.unwrap();
    assert!(all.len() == 3 && all.is_sorted_by_key(|event| event.id.clone()));
    let page = Page { after: Some(all[1].id.to_string()), limit: 5 };
    let page = t.list_events(a.merchant.clone(), Mode::Test, page).await.unwrap();
    assert_eq!(page.iter().map(|event| &event.id).collect::<Vec<_>>(), [&all[2].id]);
    assert!(t.list_events(b.merchant, Mode::Test, ALL).await.unwrap().is_empty());
    assert!(t.list_events(a.merchant, Mode::Live, ALL).await.unwrap().is_empty());
}

async fn an_event_is_found_by_its_owner(db: Db) {
    let (a, b) = (Shop::open(&db, "a").await, Shop::open(&db, "b").await);
    let event = a.event("one");
    add(&db, &[&event]).await;
    let mut t = db.read().await;
    let mut find = async |merchant: &MerchantId, mode| {
        t.find_event(merchant.clone(), mode, event.id.to_string()).await.unwrap().is_some()
    };
    assert!(find(&a.merchant, Mode::Test).await);
    assert!(!find(&a.merchant, Mode::Live).await);
    assert!(!find(&b.merchant, Mode::Test).await);
}

async fn an_event_is_leased_once(db: Db) {
    let shop = Shop::open(&db, "a").await;
    let later = OutboxEvent { due_at: UNTIL, ..shop.event("later") };
    add(&db, &[&shop.event("one"), &later]).await;
    let seen = due(&mut *db.read().await, NOW).await;
    assert_eq!(seen.len(), 1);
    assert_eq!(lease(&db, &seen[0], UNTIL).await, [seen[0].id.clone()]);
    assert!(lease(&db, &seen[0], UNTIL.plus(Duration::from_secs(1))).await.is_empty());
    assert!(subjects(&db, NOW).await.is_empty());
    assert_eq!(stored(&db, &seen[0]).await.attempts, 1);
}

async fn two_workers_at_once_share_what_is_due(db: Db) {
    let shop = Shop::open(&db, "a").await;
    let events: Vec<_> = (0..20).map(|number| shop.event(&number.to_string())).collect();
    add(&db, &events.iter().collect::<Vec<_>>()).await;
    let worker = |number: u64| {
        let (store, seen) = (Arc::clone(&db.store), events.clone());
        let until = UNTIL.plus(Duration::from_millis(number));
        tokio::spawn(async move {
            let mut t = store.begin().await.unwrap();
            let leased = t.lease_events(seen, until).await.unwrap();
            t.commit().await.unwrap();
            leased
        })
    };
    let (one, two) = tokio::join!(worker(1), worker(2));
    let mut all = [one.unwrap(), two.unwrap()].concat();
    all.sort();
    all.dedup();
    assert_eq!(all.len(), 20, "each event is leased by exactly one");
    let attempts = db.read().await.list_events(shop.merchant, Mode::Test, ALL).await.unwrap();
    assert!(attempts.iter().all(|event| event.attempts == 1));
}

async fn a_lease_that_ended_is_taken_over(db: Db) {
    let shop = Shop::open(&db, "a").await;
    let event = shop.event("one");
    add(&db, &[&event]).await;
    lease(&db, &event, UNTIL).await;
    let seen = due(&mut *db.read().await, UNTIL).await;
    assert_eq!(lease(&db, &seen[0], UNTIL.plus(Duration::from_secs(6))).await.len(), 1);
    // Who held it before cannot write any more.
    assert!(!settle(&db, settlement(&event, EventState::Accepted)).await);
    let mut t = db.begin().await;
    assert!(!t.renew_lease(event.id.clone(), UNTIL, UNTIL.plus(Duration::from_secs(9))).await.unwrap());
    drop(t);
    assert_eq!(stored(&db, &event).await.state, EventState::Waiting);
}

async fn a_renewed_lease_is_kept(db: Db) {
    let shop = Shop::open(&db, "a").await;
    let event = shop.event("one");
    add(&db, &[&event]).await;
    lease(&db, &event, UNTIL).await;
    let renewed = UNTIL.plus(Duration::from_secs(2));
    let mut t = db.begin().await;
    assert!(t.renew_lease(event.id.clone(), UNTIL, renewed).await.unwrap());
    t.commit().await.unwrap();
    assert!(subjects(&db, UNTIL).await.is_empty());
    assert!(settle(&db, Settlement { lease: renewed, ..settlement(&event, EventState::Accepted) }).await);
}

async fn a_subject_keeps_its_order(db: Db) {
    let shop = Shop::open(&db, "a").await;
    let mut events = [shop.event("x"), shop.event("x"), shop.event("y")];
    events[..2].sort_by_key(|event| event.id.clone());
    add(&db, &events.iter().collect::<Vec<_>>()).await;
    let mut first = subjects(&db, NOW).await;
    first.sort();
    assert_eq!(first, ["x", "y"]);
    let mut t = db.read().await;
    let newest = t.newest_waiting(shop.merchant.clone(), "x".to_owned()).await.unwrap();
    assert_eq!(newest, Some(events[1].created_at));
    drop(t);
    // Leased, or waiting for its next attempt: the second still waits.
    lease(&db, &events[0], UNTIL).await;
    assert_eq!(subjects(&db, NOW).await, ["y"]);
    let later = Settlement { due_at: UNTIL, ..settlement(&events[0], EventState::Waiting) };
    settle(&db, later).await;
    assert_eq!(subjects(&db, NOW).await, ["y"]);
    lease(&db, &OutboxEvent { due_at: UNTIL, ..events[0].clone() }, UNTIL).await;
    settle(&db, settlement(&events[0], EventState::Accepted)).await;
    let due = due(&mut *db.read().await, NOW).await;
    assert!(due.iter().any(|event| event.id == events[1].id));
}

async fn a_given_up_event_holds_nobody_up(db: Db) {
    let shop = Shop::open(&db, "a").await;
    let mut events = [shop.event("x"), shop.event("x")];
    events.sort_by_key(|event| event.id.clone());
    add(&db, &events.iter().collect::<Vec<_>>()).await;
    lease(&db, &events[0], UNTIL).await;
    settle(&db, settlement(&events[0], EventState::GivenUp)).await;
    let due = due(&mut *db.read().await, NOW).await;
    assert_eq!(due.iter().map(|event| &event.id).collect::<Vec<_>>(), [&events[1].id]);
}

async fn a_busy_merchant_waits(db: Db) {
    let (a, b) = (Shop::open(&db, "a").await, Shop::open(&db, "b").await);
    add(&db, &[&a.event("a"), &b.event("b")]).await;
    let busy = vec![a.merchant.to_string(), "none".to_owned()];
    let due = db.read().await.due_events(NOW, busy, false, 10).await.unwrap();
    assert_eq!(due.iter().map(|event| event.subject.as_str()).collect::<Vec<_>>(), ["b"]);
}

async fn a_busy_receiver_waits_by_itself(db: Db) {
    let shop = Shop::open(&db, "a").await;
    let to =
        |subject: &str, channel: &str| OutboxEvent { channel: channel.to_owned(), ..shop.event(subject) };
    let [slow, other, told] = [to("slow", "proxy:a:1"), to("other", "proxy:b"), to("told", "webhook")];
    add(&db, &[&slow, &other, &told]).await;
    let due = async |busy: Vec<String>, unbounded: bool| {
        let due = db.read().await.due_events(NOW, busy, unbounded, 10).await.unwrap();
        let mut subjects: Vec<_> = due.into_iter().map(|event| event.subject).collect();
        subjects.sort();
        subjects
    };
    assert_eq!(due(vec![slow.lane()], false).await, ["other", "told"]);
    assert_eq!(due(vec![told.lane()], false).await, ["other", "slow"]);
    assert_eq!(due(Vec::new(), true).await, ["told"]);
    assert_eq!((slow.courier(), told.courier()), ("proxy", "webhook"));
}

async fn what_came_of_an_attempt_is_written(db: Db) {
    let (shop, other) = (Shop::open(&db, "a").await, Shop::open(&db, "b").await);
    let event = shop.event("one");
    add(&db, &[&event]).await;
    lease(&db, &event, UNTIL).await;
    let attempt = Attempt {
        event: event.id.clone(),
        at: NOW,
        number: 1,
        status: Some(200),
        result: "accepted".to_owned(),
        answer: "ok".to_owned(),
    };
    let mut t = db.begin().await;
    let accepted = Settlement { erase: true, ..settlement(&event, EventState::Accepted) };
    assert!(t.settle_event(accepted.clone()).await.unwrap());
    assert!(!t.settle_event(accepted).await.unwrap());
    t.add_attempt(attempt.clone()).await.unwrap();
    t.commit().await.unwrap();
    let found = stored(&db, &event).await;
    assert_eq!((found.state, found.finished_at), (EventState::Accepted, Some(NOW)));
    assert!(found.sealed.is_empty());
    let mut t = db.read().await;
    let log = t.attempts(shop.merchant, event.id.clone()).await.unwrap();
    assert_eq!(format!("{log:?}"), format!("{:?}", [attempt]));
    assert!(t.attempts(other.merchant, event.id).await.unwrap().is_empty());
}

async fn an_event_is_sent_again(db: Db) {
    let (shop, other) = (Shop::open(&db, "a").await, Shop::open(&db, "b").await);
    let mut events = [shop.event("x"), shop.event("x")];
    events.sort_by_key(|event| event.id.clone());
    add(&db, &events.iter().collect::<Vec<_>>()).await;
    lease(&db, &events[0], UNTIL).await;
    settle(&db, settlement(&events[0], EventState::GivenUp)).await;
    let mut t = db.begin().await;
    let mut reopen = async |merchant: &MerchantId, event: &OutboxEvent| {
        t.reopen_event(merchant.clone(), event.id.clone(), NOW).await.unwrap()
    };
    assert!(!reopen(&other.merchant, &events[0]).await);
    assert!(!reopen(&shop.merchant, &events[1]).await, "it still waits");
    assert!(reopen(&shop.merchant, &events[0]).await);
    t.commit().await.unwrap();
    let found = stored(&db, &events[0]).await;
    assert_eq!((found.state, found.attempts, found.finished_at), (EventState::Resent, 0, None));
    // It holds the later one not up.
    assert_eq!(subjects(&db, NOW).await.len(), 2);
}

async fn a_deleted_card_takes_its_events_content_along(db: Db) {
    let shop = Shop::open(&db, "a").await;
    let card = shop.add_card("token").await;
    let (waits, done, other) = (shop.event(card.id.as_str()), shop.event(card.id.as_str()), shop.event("x"));
    let done = OutboxEvent { state: EventState::Accepted, ..done };
    add(&db, &[&waits, &done, &other]).await;
    let answer = |event: &OutboxEvent| Attempt {
        event: event.id.clone(),
        at: NOW,
        number: 1,
        status: None,
        result: "r".to_owned(),
        answer: "token".to_owned(),
    };
    let mut t = db.begin().await;
    t.add_attempt(answer(&done)).await.unwrap();
    t.delete_card(shop.merchant.clone(), card.id).await.unwrap();
    t.commit().await.unwrap();
    let states = [stored(&db, &waits).await, stored(&db, &done).await, stored(&db, &other).await];
    assert_eq!(states.each_ref().map(|event| event.sealed.len()), [0, 0, 50]);
    let expected = [EventState::Dropped, EventState::Accepted, EventState::Waiting];
    assert_eq!(states.each_ref().map(|event| event.state), expected);
    assert_eq!(db.read().await.attempts(shop.merchant, done.id).await.unwrap()[0].answer, "");
}

async fn a_deleted_key_takes_its_events_content_along(db: Db) {
    let shop = Shop::open(&db, "a").await;
    let card = shop.add_card("token").await;
    let event = shop.event(card.id.as_str());
    add(&db, &[&event]).await;
    let mut t = db.begin().await;
    t.delete_key(shop.merchant.clone(), shop.key.clone()).await.unwrap();
    t.commit().await.unwrap();
    let found = stored(&db, &event).await;
    assert_eq!((found.state, found.sealed.len()), (EventState::Dropped, 0));
}

async fn old_events_are_swept(db: Db) {
    let shop = Shop::open(&db, "a").await;
    let old = OutboxEvent { state: EventState::Accepted, ..shop.event("old") };
    let waits = shop.event("waits");
    let id = EventId::new(UNTIL, &*db.entropy);
    let young = OutboxEvent { id, state: EventState::GivenUp, ..shop.event("young") };
    add(&db, &[&old, &waits, &young]).await;
    let mut t = db.begin().await;
    assert_eq!(t.sweep_events(NOW, 10).await.unwrap(), 0);
    assert_eq!(t.sweep_events(UNTIL, 10).await.unwrap(), 1);
    let left = t.list_events(shop.merchant, Mode::Test, ALL).await.unwrap();
    assert_eq!(left.iter().map(|event| event.subject.as_str()).collect::<Vec<_>>(), ["waits", "young"]);
}

async fn signing_secrets_are_made_once_and_replaced_once(db: Db) {
    let shop = Shop::open(&db, "a").await;
    let row = |sealed: u8, created_at| WebhookSecretRow {
        merchant: shop.merchant.clone(),
        mode: Mode::Test,
        sealed: vec![sealed],
        created_at,
    };
    let mut t = db.begin().await;
    assert!(t.find_webhook_secret(shop.merchant.clone(), Mode::Test).await.unwrap().is_none());
    assert_eq!(t.add_webhook_secret(row(1, NOW)).await.unwrap().sealed, [1]);
    assert_eq!(t.add_webhook_secret(row(2, NOW)).await.unwrap().sealed, [1]);
    assert!(t.replace_webhook_secret(row(3, UNTIL), NOW).await.unwrap());
    assert!(!t.replace_webhook_secret(row(4, UNTIL), NOW).await.unwrap());
    let stands = t.find_webhook_secret(shop.merchant.clone(), Mode::Test).await.unwrap().unwrap();
    assert_eq!((stands.sealed, stands.created_at), (vec![3], UNTIL));
    assert!(t.find_webhook_secret(shop.merchant, Mode::Live).await.unwrap().is_none());
}

async fn a_commit_with_events_rings_the_bell(db: Db) {
    let shop = Shop::open(&db, "a").await;
    let bell = db.store.appended();
    let mut t = db.begin().await;
    t.add_event(shop.event("undone")).await.unwrap();
    drop(t);
    assert!(!rung(&bell).await, "what was undone is not told");
    add(&db, &[&shop.event("one")]).await;
    assert!(rung(&bell).await);
    let endpoint = shop.add_endpoint(shop.endpoint("e")).await;
    assert!(!rung(&bell).await);
    let mut capture = shop.capture(&endpoint, "token");
    capture.event = Some(shop.event(""));
    db.capture(capture).await.unwrap().unwrap();
    assert!(rung(&bell).await);
    let silent: Result<_, StoreError> = db.capture(shop.capture(&endpoint, "token2")).await;
    silent.unwrap().unwrap();
    assert!(!rung(&bell).await);
}

/// Whether the bell was rung since the last look.
async fn rung(bell: &tokio::sync::Notify) -> bool {
    tokio::select! { biased; () = bell.notified() => true, () = std::future::ready(()) => false }
}
