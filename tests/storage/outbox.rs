//! Outgoing events.

use backend::storage::Page;

use crate::engines::{ALL, Db};
use crate::shop::Shop;

on_both_engines! {
    an_event_comes_back_as_stored,
    events_are_listed_in_pages_for_their_owner,
}

async fn an_event_comes_back_as_stored(db: Db) {
    let shop = Shop::open(&db, "a").await;
    let event = shop.event("card_1");
    let mut t = db.begin().await;
    t.add_event(event.clone()).await.unwrap();
    let found = t.list_events(shop.merchant, ALL).await.unwrap();
    assert_eq!(format!("{found:?}"), format!("{:?}", [event]));
}

async fn events_are_listed_in_pages_for_their_owner(db: Db) {
    let (a, b) = (Shop::open(&db, "a").await, Shop::open(&db, "b").await);
    let mut t = db.begin().await;
    for subject in ["one", "two", "three"] {
        t.add_event(a.event(subject)).await.unwrap();
    }
    let all = t.list_events(a.merchant.clone(), ALL).await.unwrap();
    assert!(all.len() == 3 && all.is_sorted_by_key(|event| event.id.clone()));
    let page = Page { after: Some(all[1].id.to_string()), limit: 5 };
    let page = t.list_events(a.merchant, page).await.unwrap();
    assert_eq!(page.iter().map(|event| &event.id).collect::<Vec<_>>(), [&all[2].id]);
    assert!(t.list_events(b.merchant, ALL).await.unwrap().is_empty());
}
