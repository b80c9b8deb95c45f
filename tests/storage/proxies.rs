//! Hosts that cards may be sent to, cards on their way, and rules.

use std::time::Duration;

use backend::model::{
    CardId, HostId, Mode, ProxyHost, ProxySend, RuleRow, SendId, SendState, Timestamp, WaitingCode,
};
use backend::storage::StoreError;

use crate::engines::{Db, NOW};
use crate::shop::Shop;

on_both_engines! {
    hosts_are_replaced_listed_and_deleted,
    a_send_comes_back_as_stored,
    a_send_ends_once,
    what_has_ended_is_swept,
    an_hourly_key_stays_while_a_code_waits,
    a_send_goes_with_its_card,
    rules_are_listed_by_name_and_deleted,
}

/// A host without settings.
pub fn host(shop: &Shop, name: &str) -> ProxyHost {
    ProxyHost {
        id: HostId::new(NOW, &*shop.db.entropy),
        merchant: shop.merchant.clone(),
        mode: Mode::Test,
        host: name.to_owned(),
        sealed: Vec::new(),
        created_at: NOW,
    }
}

/// A queued send of a card that is gone already.
pub fn send(shop: &Shop) -> ProxySend {
    ProxySend {
        id: SendId::new(NOW, &*shop.db.entropy),
        merchant: shop.merchant.clone(),
        mode: Mode::Test,
        card: CardId::stored(String::new()),
        state: SendState::Queued,
        attempts: 0,
        sealed: vec![1, 2],
        code: None,
        result: Vec::new(),
        created_at: NOW,
        finished_at: None,
    }
}

async fn add(db: &Db, send: &ProxySend) {
    let mut t = db.begin().await;
    t.add_send(send.clone()).await.unwrap();
    t.commit().await.unwrap();
}

async fn find(db: &Db, send: &ProxySend) -> Option<ProxySend> {
    db.read().await.find_send(send.merchant.clone(), Mode::Test, send.id.clone()).await.unwrap()
}

async fn hosts_are_replaced_listed_and_deleted(db: Db) {
    let (shop, other) = (Shop::open(&db, "a").await, Shop::open(&db, "b").await);
    let mut t = db.begin().await;
    for name in ["b.example", "a.example:8443"] {
        t.put_proxy_host(host(&shop, name)).await.unwrap();
    }
    t.put_proxy_host(ProxyHost { sealed: vec![7], ..host(&shop, "b.example") }).await.unwrap();
    t.commit().await.unwrap();
    let mut t = db.begin().await;
    let merchant = shop.merchant.clone();
    let listed = t.list_proxy_hosts(merchant.clone(), Mode::Test).await.unwrap();
    let listed: Vec<_> = listed.into_iter().map(|host| (host.host, host.sealed)).collect();
    assert_eq!(listed, [("a.example:8443".to_owned(), vec![]), ("b.example".to_owned(), vec![7])]);
    let find = async |t: &mut Box<dyn backend::storage::Transaction>, merchant, mode| {
        t.find_proxy_host(merchant, mode, "b.example".to_owned()).await.unwrap().is_some()
    };
    assert!(find(&mut t, merchant.clone(), Mode::Test).await);
    assert!(!find(&mut t, merchant.clone(), Mode::Live).await);
    assert!(!find(&mut t, other.merchant.clone(), Mode::Test).await);
    assert!(!t.delete_proxy_host(other.merchant, Mode::Test, "b.example".to_owned()).await.unwrap());
    assert!(t.delete_proxy_host(merchant.clone(), Mode::Test, "b.example".to_owned()).await.unwrap());
    assert!(!find(&mut t, merchant, Mode::Test).await);
}

async fn a_send_comes_back_as_stored(db: Db) {
    let (shop, other) = (Shop::open(&db, "a").await, Shop::open(&db, "b").await);
    let key = shop.cvv_key(7);
    let code = WaitingCode { cvv_key: key.id.clone(), sealed: vec![9], ends_at: NOW };
    let stored = ProxySend { code: Some(code), ..send(&shop) };
    add(&db, &stored).await;
    assert_eq!(format!("{:?}", find(&db, &stored).await.unwrap()), format!("{stored:?}"));
    let foreign = ProxySend { merchant: other.merchant, ..stored.clone() };
    assert!(find(&db, &foreign).await.is_none());
    let mut t = db.read().await;
    assert!(t.find_send(shop.merchant.clone(), Mode::Live, stored.id).await.unwrap().is_none());
}

async fn a_send_ends_once(db: Db) {
    let shop = Shop::open(&db, "a").await;
    let queued = send(&shop);
    add(&db, &queued).await;
    let ended = ProxySend {
        state: SendState::Answered,
        attempts: 2,
        sealed: Vec::new(),
        result: vec![5],
        finished_at: Some(NOW),
        ..queued.clone()
    };
    let mut t = db.begin().await;
    assert!(t.update_send(ended.clone()).await.unwrap());
    let late = ProxySend { state: SendState::Failed, result: vec![6], ..ended.clone() };
    assert!(!t.update_send(late).await.unwrap());
    t.commit().await.unwrap();
    assert_eq!(format!("{:?}", find(&db, &queued).await.unwrap()), format!("{ended:?}"));
}

async fn what_has_ended_is_swept(db: Db) {
    let shop = Shop::open(&db, "a").await;
    let key = shop.cvv_key(7);
    let mut t = db.begin().await;
    t.add_cvv_key(key.clone()).await.unwrap();
    t.commit().await.unwrap();
    let code = |ends_at: Timestamp| WaitingCode { cvv_key: key.id.clone(), sealed: vec![9], ends_at };
    let ended = ProxySend { code: Some(code(NOW)), ..send(&shop) };
    let waiting = ProxySend { code: Some(code(NOW.plus(Duration::from_secs(1)))), ..send(&shop) };
    let finished = ProxySend { finished_at: Some(NOW), state: SendState::Failed, ..send(&shop) };
    for send in [&ended, &waiting, &finished] {
        add(&db, send).await;
    }
    let sweep = async |before: Timestamp| {
        let mut t = db.begin().await;
        let codes = t.sweep_sends(NOW, before, 10).await.unwrap();
        t.commit().await.unwrap();
        codes
    };
    assert_eq!(sweep(NOW).await, 1);
    assert!(find(&db, &ended).await.unwrap().code.is_none());
    assert!(find(&db, &waiting).await.unwrap().code.is_some() && find(&db, &finished).await.is_some());
    assert_eq!(sweep(NOW.plus(Duration::from_millis(1))).await, 0);
    assert!(find(&db, &finished).await.is_none() && find(&db, &ended).await.is_some());
}

async fn an_hourly_key_stays_while_a_code_waits(db: Db) {
    let shop = Shop::open(&db, "a").await;
    let key = shop.cvv_key(7);
    let mut t = db.begin().await;
    t.add_cvv_key(key.clone()).await.unwrap();
    t.commit().await.unwrap();
    let ends_at = NOW.plus(Duration::from_secs(1));
    let code = Some(WaitingCode { cvv_key: key.id.clone(), sealed: vec![9], ends_at });
    let waiting = ProxySend { code, ..send(&shop) };
    add(&db, &waiting).await;
    for (now, stays) in [(NOW, true), (ends_at, false)] {
        let mut t = db.begin().await;
        t.sweep_sends(now, NOW, 10).await.unwrap();
        t.sweep_cvvs(now, 8).await.unwrap();
        t.commit().await.unwrap();
        assert_eq!(db.read().await.lookup_cvv_key(key.id.clone()).await.unwrap().is_some(), stays);
    }
}

async fn a_send_goes_with_its_card(db: Db) {
    let shop = Shop::open(&db, "a").await;
    let card = shop.add_card("token").await;
    let queued = ProxySend { card: card.id.clone(), ..send(&shop) };
    add(&db, &queued).await;
    let mut t = db.begin().await;
    t.delete_card(shop.merchant.clone(), card.id).await.unwrap();
    t.commit().await.unwrap();
    assert!(find(&db, &queued).await.is_none());
}

async fn rules_are_listed_by_name_and_deleted(db: Db) {
    let (shop, other) = (Shop::open(&db, "a").await, Shop::open(&db, "b").await);
    let rule = |name: &str| RuleRow {
        merchant: shop.merchant.clone(),
        mode: Mode::Test,
        name: name.to_owned(),
        operations: "{}".to_owned(),
        created_at: NOW,
    };
    let mut t = db.begin().await;
    t.add_rule(rule("b")).await.unwrap();
    t.add_rule(rule("a")).await.unwrap();
    t.commit().await.unwrap();
    let mut t = db.begin().await;
    assert!(matches!(t.add_rule(rule("a")).await, Err(StoreError::Conflict)));
    drop(t);
    let mut t = db.begin().await;
    let listed = t.list_rules(shop.merchant.clone(), Mode::Test).await.unwrap();
    assert_eq!(listed.iter().map(|rule| rule.name.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    let found = t.find_rule(shop.merchant.clone(), Mode::Test, "a".to_owned()).await.unwrap().unwrap();
    assert_eq!(format!("{found:?}"), format!("{:?}", rule("a")));
    assert!(t.find_rule(other.merchant.clone(), Mode::Test, "a".to_owned()).await.unwrap().is_none());
    assert!(!t.delete_rule(other.merchant, Mode::Test, "a".to_owned()).await.unwrap());
    assert!(t.delete_rule(shop.merchant.clone(), Mode::Test, "a".to_owned()).await.unwrap());
    assert!(t.find_rule(shop.merchant, Mode::Test, "a".to_owned()).await.unwrap().is_none());
}
