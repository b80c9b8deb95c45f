//! kill -9 while invoices are paid: each of them ends in the state that the simulator's book shows. A few rounds
//! here; `./dev soak` runs more.
//!
//! In every other round the database refuses the result of the payment, capture, void or refund first, so that the node
//! dies between the gateway's answer and our commit; in the others it dies as soon as the book has an entry, wherever
//! that is.

use std::time::Duration;

use serde_json::{Value, json};

use crate::app::text;
use crate::client::Client;
use crate::invoices::{GOOD, card, order, sell_by};
use crate::process::{Server, environment, on_postgres, on_sqlite};

/// So long is waited for what has to come; the end of this is a failure.
const PATIENCE: Duration = Duration::from_mins(1);

#[tokio::test]
async fn every_invoice_ends_as_the_book_says_on_sqlite() {
    on_sqlite(pay_through_crashes).await;
}

#[tokio::test]
async fn every_invoice_ends_as_the_book_says_on_postgres() {
    on_postgres(pay_through_crashes).await;
}

/// What is done when the node dies: the flow of the invoice, what is done with one that was paid, how it ends, and the
/// cents that stay taken.
const DEEDS: [(&str, Option<&str>, &str, i64); 6] = [
    ("charge", None, "processed", 1050),
    ("charge", Some("refund"), "refunded", 0),
    ("delayed_charge", None, "processing", 0),
    ("delayed_charge", Some("capture"), "processed", 1050),
    ("delayed_charge", Some("void"), "terminated", 0),
    ("verify", None, "verified", 0),
];

async fn pay_through_crashes(mut server: Server) {
    let rounds = environment("CARDAMOM_ROUNDS").map_or(5, |text| text.parse::<usize>().unwrap());
    let made = server.new_merchant(&["Shop"]).await;
    let account = |server: &Server| {
        server.anonymous().with_basic(&text(&made["account_id"]), &text(&made["account_key"]))
    };
    let (mut written, mut stays) = (0, 0);
    for round in 0..rounds {
        let (flow, deed, end, cents) = DEEDS[round % DEEDS.len()];
        // Each deed in both ways.
        let refuses = (round + round / DEEDS.len()).is_multiple_of(2);
        let client = account(&server);
        let amount = if flow == "verify" { json!(0) } else { json!(10.5) };
        let body = order(&format!("o{round}"), json!({ "flow": flow, "amount": amount }));
        let invoice = client.post("/payment-invoices", body).await.is(201).json()["data"].clone();
        if deed.is_some() {
            pay(server.anonymous(), invoice.clone()).await;
            let paid = if flow == "charge" { "processed" } else { "processing" };
            until(&client, &invoice, paid).await;
            written += 1;
        }
        if refuses {
            execute(&server, refuse(&server)).await;
        }
        let call = match deed {
            None => tokio::spawn(pay(server.anonymous(), invoice.clone())),
            Some(deed) => tokio::spawn(follow_up(client, invoice.clone(), deed)),
        };
        written += 1;
        assert_eq!(entries_until(&server, written).await.len(), written);
        if refuses {
            call.await.unwrap();
        }
        server = server.crash(&["--log".to_owned(), "debug".to_owned()]).await;
        if refuses {
            execute(&server, allow(&server)).await;
        }
        until(&account(&server), &invoice, end).await;
        stays += cents;
        let book = entries_until(&server, written).await;
        assert_eq!((book.len(), book.iter().sum()), (written, stays), "round {round}: done once each");
    }
    server.stop().await;
    if let Some(database) = server.database.take() {
        database.delete().await;
    }
}

/// A direct sale whose answer may never come.
async fn pay(client: Client, invoice: Value) {
    let token = text(&invoice["attributes"]["flow_data"]["metadata"]["token"]);
    // What is not answered is what this test is about.
    let call = tokio::spawn(async move { sell_by(&client, &token, card(GOOD)).await.status });
    drop(call.await);
}

/// A capture, void or refund of everything, whose answer may never come.
async fn follow_up(client: Client, invoice: Value, deed: &'static str) {
    let target = format!("/payment-invoices/{}/{deed}", text(&invoice["id"]));
    let call = tokio::spawn(async move { client.post(&target, json!({})).await.status });
    drop(call.await);
}

/// Waits until an invoice stands so.
async fn until(client: &Client, invoice: &Value, end: &str) {
    let target = format!("/payment-invoices/{}", text(&invoice["id"]));
    let look =
        async { while client.get(&target).await.ok()["data"]["attributes"]["status"] != json!(end) {} };
    assert!(tokio::time::timeout(PATIENCE, look).await.is_ok(), "the invoice is never {end}");
}

/// What stays taken by each entry of the book, as soon as there are so many.
async fn entries_until(server: &Server, count: usize) -> Vec<i64> {
    let look = async {
        loop {
            let taken = entries(server).await;
            if taken.len() >= count {
                return taken;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, look).await.expect("the payment is in the book")
}

async fn entries(server: &Server) -> Vec<i64> {
    let sql = "SELECT taken - refunded FROM sandbox_ledger ORDER BY operation_id";
    if let Some(database) = &server.database {
        return database.rows(sql).await.iter().map(|text| text.parse().unwrap()).collect();
    }
    let file = file(server);
    let mut statement = file.prepare(sql).unwrap();
    let rows = statement.query_map([], |row| row.get(0)).unwrap();
    rows.map(Result::unwrap).collect()
}

fn file(server: &Server) -> rusqlite::Connection {
    let file = rusqlite::Connection::open(server.data.path().join("cardamom.sqlite")).unwrap();
    file.busy_timeout(Duration::from_secs(10)).unwrap();
    file
}

async fn execute(server: &Server, sql: &str) {
    match &server.database {
        Some(database) => drop(database.rows(sql).await),
        None => file(server).execute_batch(sql).unwrap(),
    }
}

/// Lets no operation be approved.
const fn refuse(server: &Server) -> &'static str {
    if server.database.is_some() {
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no'; END $$;
         CREATE TRIGGER refuse BEFORE UPDATE ON operation FOR EACH ROW WHEN (NEW.state = 'approved')
         EXECUTE FUNCTION refuse()"
    } else {
        "CREATE TRIGGER refuse BEFORE UPDATE ON operation WHEN NEW.state = 'approved'
         BEGIN SELECT RAISE(ABORT, 'no'); END"
    }
}

const fn allow(server: &Server) -> &'static str {
    if server.database.is_some() {
        "DROP TRIGGER refuse ON operation; DROP FUNCTION refuse()"
    } else {
        "DROP TRIGGER refuse"
    }
}
