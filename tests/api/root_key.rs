//! Rotation of the root key: beside captures, on several nodes, to its end.

use std::path::PathBuf;

use backend::crypto::entropy::SeededEntropy;
use backend::crypto::root::{HeldRootKey, LocalRootKey};
use backend::root_key::{self, Done, VersionStatus};
use serde_json::json;

use crate::app::{AMEX, NUMBER, OTHER_NUMBER, PASSPHRASE, TestApp, card, text};
use crate::client::Call;

on_both_engines! {
    everything_opens_after_a_rotation_without_the_old_version,
    a_pass_that_was_cut_off_is_taken_up_again,
    captures_go_on_while_records_are_moved,
    a_node_with_the_older_file_says_so_and_follows,
    a_node_without_the_newest_version_does_not_start,
    digests_stay_the_same,
    two_nodes_move_records_at_once,
}

/// Adds a version to the file of the root key, as `cardamom root-key rotate` does.
fn rotate(app: &TestApp) {
    let entropy = SeededEntropy::new(77);
    let root = LocalRootKey::from_file(&app.root_key_file).unwrap();
    root.with_new_version(&entropy, false).unwrap().replace_file(&app.root_key_file).unwrap();
    assert!(app.app.core.root.refresh().unwrap());
}

async fn remaining(app: &TestApp, version: u32) -> u64 {
    let status = root_key::status(&app.app.core).await.unwrap();
    status.iter().find(|status| status.version == version).map_or(0, |status| status.records)
}

/// A file with the newest version alone, or with the oldest alone.
fn file_without(app: &TestApp, version: u32) -> PathBuf {
    let file = app.keys.path().join(format!("without-{version}.key"));
    std::fs::copy(&app.root_key_file, &file).unwrap();
    let lines = std::fs::read_to_string(&file).unwrap();
    let kept: Vec<&str> = lines.lines().filter(|line| !line.starts_with(&format!("{version} "))).collect();
    std::fs::write(&file, kept.join("\n")).unwrap();
    file
}

/// Fills each place that the root key wraps; answers tokens under the managed key and under the key `shop`.
async fn fill(app: &TestApp) -> (String, String) {
    let token = app.card().await;
    app.key().await;
    let target = format!("/v1/vault?user=shop&passphrase={PASSPHRASE}");
    let other = text(&app.merchant.post(&target, card(OTHER_NUMBER)).await.ok()["token"]);
    app.merchant.post("/v1/key/rotate", json!({ "user": "shop", "passphrase": PASSPHRASE })).await.ok();
    let webhook = json!({ "webhook": { "url": "https://shop.example/hook", "secret": "s" } });
    let created = app.merchant.post("/v1/capture?user=managed&unique_id=hooked", webhook).await.ok();
    let call = Call::new("POST", "/v1/capture/hooked").header("x-capture-secret", &text(&created["secret"]));
    let mut body = card(AMEX);
    body["cvv"] = "1234".into();
    app.anonymous.send(call.json(&body)).await.ok();
    (token, other)
}

async fn everything_opens_after_a_rotation_without_the_old_version(app: TestApp) {
    let (token, other) = fill(&app).await;
    let before = remaining(&app, 1).await;
    rotate(&app);
    let done = root_key::rewrap(&app.app.core).await.unwrap();
    assert_eq!(done, Done { moved: before, unreadable: 0 });
    let status = root_key::status(&app.app.core).await.unwrap();
    let expected = [(1, false, 0), (2, true, before)].map(|(version, wraps, records)| VersionStatus {
        version,
        at_hand: true,
        wraps,
        records,
    });
    assert_eq!(status, expected);
    assert_eq!(root_key::rewrap(&app.app.core).await.unwrap(), Done::default());

    let node = app.second_node(&file_without(&app, 1)).await;
    let target = format!("/v1/vault?user=managed&token={token}&reference=r1");
    assert_eq!(node.get(&target).await.ok()["card_number"], NUMBER);
    let target = format!("/v1/vault?user=shop&passphrase={PASSPHRASE}&token={other}");
    assert_eq!(node.get(&target).await.ok()["card_number"], OTHER_NUMBER);
    let again = node.post("/v1/vault?user=managed&reference=r1", card(NUMBER)).await.ok();
    assert_eq!(text(&again["token"]), token, "tokens are made by the same key");
}

async fn a_pass_that_was_cut_off_is_taken_up_again(app: TestApp) {
    fill(&app).await;
    for number in 0..20 {
        app.endpoint(&format!("&unique_id=more-{number}")).await;
    }
    let before = remaining(&app, 1).await;
    rotate(&app);
    // Dropped later and later: what was committed stays, and nothing else happened.
    let mut cut_off = 0;
    for polls in (0..20).map(|power| 1 << power) {
        let core = app.app.core.clone();
        if run_for(polls, root_key::rewrap(&core)).await.is_some() {
            break;
        }
        cut_off += 1;
        // One look: what the cut-off pass has sent to the writer may still be committed meanwhile.
        let status = root_key::status(&app.app.core).await.unwrap();
        assert_eq!(status.iter().map(|status| status.records).sum::<u64>(), before);
    }
    assert!(cut_off > 2, "{cut_off}");
    assert_eq!((remaining(&app, 1).await, remaining(&app, 2).await), (0, before));
}

/// Drops a future after so many polls that did not finish it.
async fn run_for<T>(polls: u32, work: impl Future<Output = T>) -> Option<T> {
    let mut work = std::pin::pin!(work);
    let mut left = polls;
    std::future::poll_fn(move |context| match work.as_mut().poll(context) {
        std::task::Poll::Ready(done) => std::task::Poll::Ready(Some(done)),
        std::task::Poll::Pending if left == 0 => std::task::Poll::Ready(None),
        std::task::Poll::Pending => {
            left -= 1;
            std::task::Poll::Pending
        }
    })
    .await
}

async fn captures_go_on_while_records_are_moved(app: TestApp) {
    let endpoint = app.endpoint("&max_uses=100").await;
    let early = text(&endpoint.capture(card(NUMBER)).await.ok()["token"]);
    rotate(&app);
    let core = app.app.core.clone();
    let mover = tokio::spawn(async move { root_key::rewrap(&core).await.unwrap() });
    let mut tokens = vec![early];
    for number in [OTHER_NUMBER, AMEX] {
        for _ in 0..5 {
            tokens.push(text(&endpoint.capture(card(number)).await.ok()["token"]));
        }
    }
    mover.await.unwrap();
    root_key::rewrap(&app.app.core).await.unwrap();
    assert_eq!(remaining(&app, 1).await, 0);
    let node = app.second_node(&file_without(&app, 1)).await;
    for token in tokens {
        let target = format!("/v1/vault?user=managed&token={token}&reference={}", endpoint.id);
        node.get(&target).await.ok();
    }
}

async fn a_node_with_the_older_file_says_so_and_follows(app: TestApp) {
    let (token, _) = fill(&app).await;
    let copy = app.keys.path().join("copy.key");
    std::fs::copy(&app.root_key_file, &copy).unwrap();
    let behind = app.second_node(&copy).await;
    rotate(&app);
    root_key::rewrap(&app.app.core).await.unwrap();
    let target = format!("/v1/vault?user=managed&token={token}&reference=r1");
    behind.get(&target).await.refused(503, "root_key");
    // It does not move anything back either, and reads the file as soon as it is there.
    assert_eq!(remaining(&app, 1).await, 0);
    std::fs::copy(&app.root_key_file, &copy).unwrap();
    assert_eq!(behind.get(&target).await.ok()["card_number"], NUMBER);
}

async fn a_node_without_the_newest_version_does_not_start(app: TestApp) {
    rotate(&app);
    let old = file_without(&app, 2);
    let fits = async || {
        let core = &app.app.core;
        let root = HeldRootKey::of_file(old.clone(), None).unwrap();
        root_key::fit(&*core.store, &root, &*core.entropy).await.map(drop).map_err(|error| error.to_string())
    };
    assert_eq!(fits().await, Ok(()));
    root_key::rewrap(&app.app.core).await.unwrap();
    assert_eq!(fits().await, Err("version 2 of the root key is not at hand".to_owned()));
}

async fn digests_stay_the_same(app: TestApp) {
    let before = app.app.core.subkey("codes");
    rotate(&app);
    root_key::rewrap(&app.app.core).await.unwrap();
    let core = &app.app.core;
    let root = HeldRootKey::of_file(file_without(&app, 1), None).unwrap();
    let digests = root_key::fit(&*core.store, &root, &*core.entropy).await.unwrap();
    assert!(digests.subkey("codes").ct_eq(&before));
}

async fn two_nodes_move_records_at_once(app: TestApp) {
    let (token, _) = fill(&app).await;
    let before = remaining(&app, 1).await;
    rotate(&app);
    let (one, two) = (app.app.core.clone(), app.app.core.clone());
    let (one, two) = tokio::join!(root_key::rewrap(&one), root_key::rewrap(&two));
    assert_eq!(one.unwrap().moved + two.unwrap().moved, before);
    assert_eq!((remaining(&app, 1).await, remaining(&app, 2).await), (0, before));
    assert_eq!(app.read(&token, "r1").await["card_number"], NUMBER);
}
