//! The memory of the proxy is bounded, however many calls of a megabyte there are: the program itself, measured.

use std::path::Path;

use serde_json::Value;

use crate::acquirer::Acquirer;
use crate::app::{NUMBER, card, text};
use crate::client::Client;
use crate::process::{Server, on_sqlite};
use crate::proxy::message;

/// The most that large calls and large answers add to the server, in MB (docs/proxy.md, "Load").
const BOUND: usize = 400;
/// Six times as many as have a place: held all at once they would take about three times the bound.
const CALLS: usize = 96;
const MEGABYTE: usize = 1024 * 1024;

/// Calls of a megabyte that are answered by a megabyte, all at once.
#[tokio::test]
async fn a_hundred_calls_of_a_megabyte_take_no_more_memory_than_is_bounded() {
    on_sqlite(async |server| {
        let acquirer = Acquirer::start().await;
        let server = open_to_loopback(server).await;
        let made = server.new_merchant(&["Shop"]).await;
        let authority = acquirer.folder.path().join("cert.pem");
        let allow = ["merchant", "allow-host", "Shop", &acquirer.host, "--ca", authority.to_str().unwrap()];
        assert!(server.beside(&allow).await.success);
        let merchant = server.anonymous().with_basic(&text(&made["user"]), &text(&made["password"]));
        let stored = merchant.post("/v1/vault?user=managed", card(NUMBER)).await.ok();
        let target = format!("/v1/proxy/post?user=managed&synchronous=true&token={}", text(&stored["token"]));
        let template = format!("{{{{card_number}}}}{}", "x".repeat(MEGABYTE - 16));
        let body = message(&acquirer, "text/plain", &template);
        let before = peak(&server);
        acquirer.answers_always(&vec![b'y'; MEGABYTE]);
        let calls: Vec<_> = (0..CALLS)
            .map(|_| tokio::spawn(answered(merchant.clone(), target.clone(), body.clone())))
            .collect();
        for call in calls {
            call.await.unwrap();
        }
        assert!(acquirer.taken() >= CALLS);
        assert_eq!(acquirer.calls()[0].text(), format!("{NUMBER}{}", "x".repeat(MEGABYTE - 16)));
        let grown = peak(&server) - before;
        assert!(grown < BOUND, "{grown} MB more");
        // What it took is not less than a single call: the measure measures.
        assert!(grown > 2, "{grown} MB more");
    })
    .await;
}

/// Makes the call until it is answered: on a slow machine some find no room in time, or no answer.
async fn answered(merchant: Client, target: String, body: Value) {
    loop {
        let answer = merchant.post(&target, body.clone()).await;
        match answer.status {
            503 | 504 => {}
            _ => return assert_eq!(text(&answer.ok()["body"]).len(), MEGABYTE),
        }
    }
}

/// The most memory that the server had so far, in MB.
fn peak(server: &Server) -> usize {
    let status = std::fs::read_to_string(Path::new("/proc").join(server.id()).join("status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() / 1024
}

async fn open_to_loopback(server: Server) -> Server {
    let file = server.data.path().join("cardamom.toml");
    std::fs::write(&file, "allow_private_addresses = \"127.0.0.0/8\"\nlimits = false\n").unwrap();
    server.crash(&["--config".to_owned(), file.to_str().unwrap().to_owned()]).await
}
