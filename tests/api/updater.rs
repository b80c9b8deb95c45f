//! The account updater on the tests' clock: what makes it run, when, and what is kept of it.

use backend::model::{Clock as _, Mode, UpdateCause, UpdateState};
use serde_json::{Value, json};

use crate::app::{NUMBER, OTHER_NUMBER, TestApp, text};
use crate::company::{Shop, card, code, refused};
use crate::invoices::local;
use crate::receiver::Receiver;
use crate::token_life::{ask, bad_token, history, reuse, shown};

on_both_engines! {
    with local;
    each_refusal_because_of_the_card_runs_the_updater,
    a_card_is_asked_about_in_the_month_that_it_ends_in,
    a_missed_fifteenth_is_made_up_for_within_the_month,
    two_nodes_ask_about_a_month_once,
    disabled_and_deleted_tokens_are_not_asked_about,
    the_history_is_kept,
}

const VISA: &str = "4000011180138710";
const DAY: u64 = 24 * 3600;

async fn sweep(app: &TestApp) {
    app.app.updater.sweep().await.unwrap();
}

/// What was told to a receiver of a token, in the order in which it came.
async fn told(app: &TestApp, receiver: &Receiver, token: &str) -> Vec<Value> {
    app.deliver().await;
    let bodies = receiver.calls().into_iter().map(|call| call.json());
    bodies.filter(|body| body["original_transaction_id"] == *token).collect()
}

async fn each_refusal_because_of_the_card_runs_the_updater(app: TestApp) {
    let (shop, receiver) = (Shop::of(&app), Receiver::start().await);
    app.test_mode.put("/v1/gateway/company", json!({ "webhook_url": receiver.url })).await.ok();
    let charge = async |token: &str, part: &str| match part {
        "REBILL" => shop.rebill(&app, token).await,
        _ => reuse(&shop, &app, token, json!({ "cardcvv": "737" })).await,
    };
    for part in ["REBILL", "REUSE"] {
        // The issuer says so: lost or stolen, and over.
        for (expiry, expected) in [("10-2034", "402"), ("04-2028", "325")] {
            let token = bad_token(&app, expiry).await;
            sweep(&app).await;
            assert_eq!(history(&app, &token).await, [], "{expected} has not happened yet");
            assert_eq!(code(&charge(&token, part).await), expected);
            sweep(&app).await;
            assert_eq!(history(&app, &token).await, [(UpdateCause::Refusal, UpdateState::NotUpdated)]);
            let told = told(&app, &receiver, &token).await;
            assert_eq!(told.len(), 1, "{expected} of {part}");
            // Nobody asked for it: there is no transaction of it.
            assert_eq!(
                (&told[0]["event"], &told[0]["transaction_id"], &told[0]["status"]),
                (&json!("account_updater"), &json!(""), &json!("2"))
            );
        }
        // It is over by what is known here, and the scheme has a newer one.
        let token = shop.token(&app, VISA, "012017").await;
        refused(&charge(&token, part).await, "204", "");
        sweep(&app).await;
        assert_eq!(history(&app, &token).await, [(UpdateCause::Refusal, UpdateState::Updated)]);
        let told = told(&app, &receiver, &token).await;
        assert_eq!(
            (told.len(), &told[0]["status"], &told[0]["new_number"], &told[0]["cardexp"]),
            (1, &json!("1"), &json!("1"), &json!("012030"))
        );
        assert_eq!(code(&charge(&token, part).await), "1", "the same token charges the newer card");
    }
    // What is refused for other reasons, or by a card that is not kept, asks for nothing.
    let poor = bad_token(&app, "05-2029").await;
    assert_eq!(code(&shop.rebill(&app, &poor).await), "101");
    let lost = shop.authorise(&app, "AUTH_CAPTURE", json!({}), card("4302912837020000", "102034")).await;
    assert_eq!(code(&lost), "402");
    sweep(&app).await;
    assert_eq!(history(&app, &poor).await, []);
    assert!(app.app.core.store.read().await.unwrap().waiting_updates(None, 9).await.unwrap().is_empty());
}

/// The date of the tests' clock.
fn date(app: &TestApp) -> String {
    app.clock.now().rfc3339()[..10].to_owned()
}

async fn a_card_is_asked_about_in_the_month_that_it_ends_in(app: TestApp) {
    let shop = Shop::of(&app);
    let mut tokens = Vec::new();
    for expiry in ["012027", "022027", "032027", "042027"] {
        tokens.push(shop.token(&app, NUMBER, expiry).await);
    }
    let mut asked: [Option<String>; 4] = [const { None }; 4];
    // From the fifteenth of January on, several times a day, until the end of March.
    for _ in 0..150 {
        sweep(&app).await;
        for (token, day) in tokens.iter().zip(&mut asked) {
            let history = history(&app, token).await;
            if day.is_none() && !history.is_empty() {
                *day = Some(date(&app));
            }
            let expected = usize::from(day.is_some());
            assert_eq!(history.len(), expected, "once a month");
            assert!(history.iter().all(|(cause, _)| *cause == UpdateCause::Schedule));
        }
        app.clock.pass(DAY / 2);
    }
    assert_eq!(date(&app), "2027-03-31");
    let days = asked.each_ref().map(Option::as_deref);
    assert_eq!(days, [Some("2027-01-15"), Some("2027-02-15"), Some("2027-03-15"), None]);
}

async fn a_missed_fifteenth_is_made_up_for_within_the_month(app: TestApp) {
    let shop = Shop::of(&app);
    let (february, march) =
        (shop.token(&app, NUMBER, "022027").await, shop.token(&app, OTHER_NUMBER, "032027").await);
    // No server ran until the 26th of February, and none in March.
    app.clock.pass(42 * DAY);
    assert_eq!(date(&app), "2027-02-26");
    sweep(&app).await;
    assert_eq!(history(&app, &february).await, [(UpdateCause::Schedule, UpdateState::NotUpdated)]);
    app.clock.pass(40 * DAY);
    assert_eq!(date(&app), "2027-04-07");
    sweep(&app).await;
    assert_eq!(history(&app, &march).await, []);
    // It is over by now, and asked about with its next charge.
    refused(&shop.rebill(&app, &march).await, "204", "");
    sweep(&app).await;
    assert_eq!(history(&app, &march).await, [(UpdateCause::Refusal, UpdateState::NotUpdated)]);
}

async fn two_nodes_ask_about_a_month_once(app: TestApp) {
    let shop = Shop::of(&app);
    let mut tokens = Vec::new();
    for _ in 0..5 {
        tokens.push(shop.token(&app, NUMBER, "012027").await);
    }
    let other = app.second_app(&app.root_key_file).await;
    for _ in 0..2 {
        let (one, two) = tokio::join!(app.app.updater.sweep(), other.updater.sweep());
        // One that comes second may have to leave it to the first one.
        assert!(one.is_ok() || two.is_ok());
    }
    sweep(&app).await;
    for token in &tokens {
        assert_eq!(history(&app, token).await, [(UpdateCause::Schedule, UpdateState::NotUpdated)]);
    }
}

async fn disabled_and_deleted_tokens_are_not_asked_about(app: TestApp) {
    let shop = Shop::of(&app);
    let (off, gone) = (shop.token(&app, NUMBER, "012027").await, shop.token(&app, VISA, "012017").await);
    assert_eq!(code(&shop.manage(&app, "DISABLE", &off, json!({})).await), "1");
    // Asked about, and deleted before the scheme is.
    assert_eq!(code(&ask(&shop, &app, &gone).await), "11");
    let vault = text(&shown(&shop, &app, &gone).await["card_token"]);
    app.test_mode.delete(&format!("/v1/vault?user=managed&token={vault}&reference=")).await.ok();
    sweep(&app).await;
    assert_eq!(history(&app, &off).await, []);
    let done = app.app.updater.run(Mode::Test, None, |_| ()).await.unwrap();
    assert_eq!(done.updated, 0);
    assert_eq!(history(&app, &off).await, []);
    assert_eq!(crate::company::stored_cards(&app).await, 1, "no newer card of a deleted one is stored");
}

async fn the_history_is_kept(app: TestApp) {
    let shop = Shop::of(&app);
    let token = shop.token(&app, VISA, "032017").await;
    // The expiry is over: a charge asks, and gets a newer one.
    refused(&shop.rebill(&app, &token).await, "204", "");
    sweep(&app).await;
    app.clock.pass(60);
    let asked = text(&ask(&shop, &app, &token).await["transaction_id"]);
    sweep(&app).await;
    app.clock.pass(60);
    app.app.updater.run(Mode::Test, None, |_| ()).await.unwrap();
    // Years later, in the month that the newer one ends in.
    app.clock.pass(3 * 365 * DAY + 60 * DAY);
    assert_eq!(date(&app), "2030-03-15");
    sweep(&app).await;
    let kept = shown(&shop, &app, &token).await["account_updates"].clone();
    let kept: Vec<_> = kept
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| ["cause", "status", "scheme_code", "transaction_id"].map(|name| text(&entry[name])))
        .collect();
    let entry =
        |cause: &str, status: &str, scheme: &str, by: &str| [cause, status, scheme, by].map(str::to_owned);
    // The newest first.
    assert_eq!(
        kept,
        [
            entry("schedule", "2", "V", ""),
            entry("operator", "2", "V", ""),
            entry("manual", "2", "V", &asked),
            entry("refusal", "1", "E", ""),
        ]
    );
    let audit = app.audit().await;
    assert_eq!(audit.iter().filter(|entry| entry.action == "token.renew").count(), 4);
}
