//! kill -9 while events are delivered: nothing that was acknowledged is lost, and a repetition keeps its id.
//! A few rounds here; `./dev soak` runs more.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::acquirer::Acquirer;
use crate::app::{Endpoint, NUMBER, card, text};
use crate::client::Client;
use crate::process::{Server, environment, on_postgres, on_sqlite};
use crate::proxy::message;
use crate::receiver::Receiver;

/// Captures in a round.
const CAPTURES: usize = 4;

#[tokio::test]
async fn every_event_arrives_after_crashes_on_sqlite() {
    on_sqlite(deliver_through_crashes).await;
}

#[tokio::test]
async fn every_event_arrives_after_crashes_on_postgres() {
    on_postgres(deliver_through_crashes).await;
}

#[tokio::test]
async fn every_queued_card_is_sent_after_crashes_on_sqlite() {
    on_sqlite(send_through_crashes).await;
}

#[tokio::test]
async fn every_queued_card_is_sent_after_crashes_on_postgres() {
    on_postgres(send_through_crashes).await;
}

#[tokio::test]
async fn a_server_ends_in_time_while_a_receiver_is_silent() {
    on_sqlite(async |server| {
        let receiver = Receiver::start().await;
        let (mut server, endpoint) = prepared(server, &receiver).await;
        receiver.hold();
        endpoint.of(&server).capture(card(NUMBER)).await.ok();
        receiver.wait_for(1).await;
        let (status, _) = server.stop().await;
        assert!(status.success());
        receiver.release();
    })
    .await;
}

async fn deliver_through_crashes(server: Server) {
    let rounds = environment("CARDAMOM_ROUNDS").map_or(5, |text| text.parse::<usize>().unwrap());
    let receiver = Receiver::start().await;
    let (mut server, endpoint) = prepared(server, &receiver).await;
    let mut captured = BTreeSet::new();
    for round in 0..rounds {
        receiver.hold();
        let client = endpoint.of(&server);
        for number in 0..CAPTURES {
            let target = format!("?reference=r{round}-{number}");
            let stored = server.anonymous().send(client.call(&target).json(&card(NUMBER))).await.ok();
            captured.insert(text(&stored["reference"]));
        }
        // Under way, not answered: now the node dies.
        receiver.wait_for(receiver.taken() + 1).await;
        let again = arguments(&server);
        server = server.crash(&again).await;
        receiver.release();
        receiver.wait_until_accepted(&captured).await;
    }
    let mut ids: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for call in receiver.calls() {
        let reference = text(&call.json()["token_info"]["reference"]);
        ids.entry(reference).or_default().insert(call.header("webhook-id").to_owned());
    }
    assert_eq!(ids.len(), rounds * CAPTURES);
    assert!(ids.values().all(|ids| ids.len() == 1), "a repetition keeps its id");
    server.stop().await;
    if let Some(database) = server.database.take() {
        database.delete().await;
    }
}

/// A destination may see a repetition, under the same key, and never a loss.
async fn send_through_crashes(server: Server) {
    let rounds = environment("CARDAMOM_ROUNDS").map_or(5, |text| text.parse::<usize>().unwrap());
    let acquirer = Acquirer::start().await;
    let mut server = open_to_loopback(server).await;
    let made = server.new_merchant(&["Shop"]).await;
    let authority = acquirer.folder.path().join("cert.pem");
    let allow = ["merchant", "allow-host", "Shop", &acquirer.host, "--ca", authority.to_str().unwrap()];
    assert!(server.beside(&allow).await.success);
    let login =
        |server: &Server| server.anonymous().with_basic(&text(&made["user"]), &text(&made["password"]));
    let stored = login(&server).post("/v1/vault?user=managed", card(NUMBER)).await.ok();
    let target = format!("/v1/proxy/post?user=managed&token={}", text(&stored["token"]));
    let mut queued = BTreeMap::new();
    for round in 0..rounds {
        acquirer.hold(true);
        let merchant = login(&server);
        for number in 0..CAPTURES {
            let order = format!("r{round}-{number}");
            let body = message(&acquirer, "text/plain", &format!("{order} {{{{card_number}}}}"));
            let id = text(&merchant.post(&target, body).await.ok()["id"]);
            queued.insert(format!("{order} {NUMBER}"), id);
        }
        // Under way, not answered: now the node dies.
        acquirer.wait_for(acquirer.taken() + 1).await;
        let again = arguments(&server);
        server = server.crash(&again).await;
        acquirer.hold(false);
        acquirer.wait_until_accepted(&queued.keys().cloned().collect()).await;
    }
    for call in acquirer.calls() {
        assert_eq!(call.header("idempotency-key"), queued[&call.text()], "a repetition keeps its key");
    }
    server.stop().await;
    if let Some(database) = server.database.take() {
        database.delete().await;
    }
}

/// How to find the endpoint again on a server that was started anew.
struct Made(Value);

impl Made {
    fn of(&self, server: &Server) -> Endpoint {
        Endpoint::of(&server.anonymous(), &self.0)
    }
}

/// The server with settings that let it call the receiver, and an endpoint that tells it.
async fn prepared(server: Server, receiver: &Receiver) -> (Server, Made) {
    let server = open_to_loopback(server).await;
    let merchant: Client = server.merchant().await;
    let webhook = json!({ "webhook": { "url": receiver.url }, "max_uses": 10_000 });
    let made = merchant.post("/v1/capture?user=managed", webhook).await.ok();
    (server, Made(made))
}

/// The server, started again with settings that let it call servers of the tests.
async fn open_to_loopback(server: Server) -> Server {
    std::fs::write(
        server.data.path().join("cardamom.toml"),
        "allow_http_callbacks = true\nallow_private_addresses = \"127.0.0.0/8\"\nlimits = false\n",
    )
    .unwrap();
    let again = arguments(&server);
    server.crash(&again).await
}

fn arguments(server: &Server) -> Vec<String> {
    let file = server.data.path().join("cardamom.toml");
    vec!["--log".into(), "debug".into(), "--config".into(), file.to_str().unwrap().into()]
}
