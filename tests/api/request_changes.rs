//! Changes of a request's state in the store, at random: only documented transitions, and one callback for each
//! entry of the history, in its order.

use backend::model::{Channel, Happening, Mode, OutboxEvent, RequestId, Status, StatusChange};
use backend::outbox::{self, Parcel};
use backend::requests::change;
use backend::requests::details::Details;
use backend::storage::Page;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use serde_json::{Value, json};

use crate::app::TestApp;
use crate::requests::{local, make};

/// What becomes of a change.
#[derive(Clone, Copy, Debug)]
enum Fate {
    /// It is written.
    Written,
    /// Its transaction breaks off.
    BrokenOff,
    /// It was made of a row that somebody else has changed since.
    Overtaken,
}

/// The transitions that docs/card-requests.md has in its picture.
fn documented(channel: Channel) -> Vec<(Status, Status)> {
    let docs = include_str!("../../docs/card-requests.md");
    let picture = docs.split("```text\n").find(|block| block.starts_with("MessageQueued ->")).unwrap();
    let states = |text: &str| -> Vec<Status> {
        let state = |name: &str| Status::parse(name.trim()).unwrap_or_else(|| panic!("no state: {name}"));
        match text.trim().strip_prefix("any but ") {
            Some(left_out) => {
                let left_out: Vec<_> = left_out.split(" and ").map(state).collect();
                Status::ALL.into_iter().filter(|status| !left_out.contains(status)).collect()
            }
            None => text.split('|').map(state).collect(),
        }
    };
    let mut transitions = Vec::new();
    for line in picture.split("```").next().unwrap().lines() {
        // Behind the longest gap stands a remark.
        let steps: Vec<_> = line.split("    ").next().unwrap().split("->").map(states).collect();
        for pair in steps.windows(2) {
            transitions.extend(pair[0].iter().flat_map(|from| pair[1].iter().map(move |to| (*from, *to))));
        }
    }
    let of_messages = [Status::MessageSent, Status::MessageDelivered, Status::MessageFailed];
    transitions.retain(|(from, to)| {
        channel == Channel::Sms || !(of_messages.contains(from) || of_messages.contains(to))
    });
    transitions
}

async fn new_request(app: &TestApp, channel: Channel) -> RequestId {
    let mut body =
        json!({ "SendMethod": channel.as_str(), "CallbackUrl": "https://127.0.0.1:9/never-called" });
    match channel {
        Channel::Email => body["RecipientEmail"] = json!("ada@example.com"),
        Channel::Sms => body["RecipientPhone"] = json!("+4915123456789"),
    }
    RequestId::stored(make(app, "/api/cardrequest", body).await.id)
}

/// Lets something happen to a request.
async fn happen(
    app: &TestApp,
    id: &RequestId,
    happening: Happening,
    fate: Fate,
) -> Result<(), TestCaseError> {
    let core = &app.app.core;
    let mut transaction = core.store.begin().await.unwrap();
    let found = transaction.find_request(app.id.clone(), Mode::Live, id.clone()).await.unwrap();
    let mut request = found.unwrap();
    let details = Details::open(core, &request).unwrap();
    if matches!(fate, Fate::Overtaken) {
        request.version -= 1;
    }
    let saved = change::save(core, &mut *transaction, &mut request, &details, Some(happening)).await;
    match (fate, saved) {
        (Fate::Written, Ok(_)) => transaction.commit().await.unwrap(),
        (Fate::BrokenOff, Ok(_)) => drop(transaction),
        (Fate::Overtaken, Err(error)) => prop_assert!(error.is_race(), "{error}"),
        (fate, result) => prop_assert!(false, "{fate:?}: {result:?}"),
    }
    Ok(())
}

async fn history(app: &TestApp, id: &RequestId) -> Vec<StatusChange> {
    app.app.core.store.read().await.unwrap().statuses(app.id.clone(), id.clone()).await.unwrap()
}

/// The callbacks of a request as they will leave, one after the other.
async fn callbacks(app: &TestApp, id: &RequestId) -> Vec<Value> {
    let core = &app.app.core;
    let all = Page { after: None, limit: 100_000 };
    let mut transaction = core.store.read().await.unwrap();
    let mut events = transaction.list_events(app.id.clone(), Mode::Live, all).await.unwrap();
    events.retain(|event| event.kind == "card_request.status" && event.subject == id.as_str());
    events.sort_by(|one, other| one.id.cmp(&other.id));
    let body = |event: &OutboxEvent| {
        let content = core.root.unwrap(&outbox::bind(event), &event.sealed).unwrap();
        let parcel: Parcel = serde_json::from_slice(&content).unwrap();
        serde_json::from_str(&parcel.body).unwrap()
    };
    events.iter().map(body).collect()
}

async fn every_change_is_documented_and_told_once(
    app: &TestApp,
    channel: Channel,
    steps: Vec<(Happening, Fate)>,
) -> Result<(), TestCaseError> {
    let id = new_request(app, channel).await;
    for (happening, fate) in steps {
        happen(app, &id, happening, fate).await?;
    }
    let history = history(app, &id).await;
    prop_assert!(history[0].status == Status::MessageQueued);
    let documented = documented(channel);
    for pair in history.windows(2) {
        let (from, to) = (pair[0].status, pair[1].status);
        prop_assert!(documented.contains(&(from, to)), "{:?} > {:?}", from, to);
    }
    let numbers: Vec<_> = history.iter().map(|change| change.number).collect();
    prop_assert!(numbers.iter().copied().eq((1..).take(numbers.len())), "{:?}", numbers);
    let mut transaction = app.app.core.store.read().await.unwrap();
    let request = transaction.find_request(app.id.clone(), Mode::Live, id.clone()).await.unwrap().unwrap();
    drop(transaction);
    let newest = history.last().unwrap();
    prop_assert!((request.status, request.changes) == (newest.status, newest.number));
    let expected: Vec<_> = history
        .iter()
        .map(|change| {
            json!({
                "RequestID": id.as_str(),
                "LastNotifiedStatus": change.status.as_str(),
                "LastNotifiedTime": change.at.zoneless(),
            })
        })
        .collect();
    prop_assert_eq!(callbacks(app, &id).await, expected);
    Ok(())
}

#[test]
fn every_change_in_the_store_is_documented_and_told_once_and_in_order() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let app = runtime.block_on(TestApp::on_sqlite_with(local));
    let fates = prop_oneof![
        6 => Just(Fate::Written),
        1 => Just(Fate::BrokenOff),
        1 => Just(Fate::Overtaken),
    ];
    let steps = prop::collection::vec((select(Happening::ALL.to_vec()), fates), 0..16);
    let channels = select(vec![Channel::Email, Channel::Sms]);
    let config = Config { failure_persistence: None, ..Config::with_cases(48) };
    TestRunner::new(config)
        .run(&(channels, steps), |(channel, steps)| {
            runtime.block_on(every_change_is_documented_and_told_once(&app, channel, steps))
        })
        .unwrap();
}
