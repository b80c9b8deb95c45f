//! kill -9 while invoices are paid: each of them ends in the state that the simulator's book shows. A few rounds
//! here; `./dev soak` runs more.
//!
//! In every other round the database refuses the result of the payment first, so that the node dies between the
//! gateway's answer and our commit; in the others it dies as soon as the book has an entry, wherever that is.

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

async fn pay_through_crashes(mut server: Server) {
    let rounds = environment("CARDAMOM_ROUNDS").map_or(5, |text| text.parse::<usize>().unwrap());
    let made = server.new_merchant(&["Shop"]).await;
    let account = |server: &Server| {
        server.anonymous().with_basic(&text(&made["account_id"]), &text(&made["account_key"]))
    };
    for round in 0..rounds {
        let refuses = round % 2 == 0;
        if refuses {
            execute(&server, refuse(&server)).await;
        }
        let client = account(&server);
        let flow = ["charge", "delayed_charge", "verify"][round % 3];
        let amount = if flow == "verify" { json!(0) } else { json!(10.5) };
        let body = order(&format!("o{round}"), json!({ "flow": flow, "amount": amount }));
        let invoice = client.post("/payment-invoices", body).await.is(201).json()["data"].clone();
        let sale = tokio::spawn(sale(server.anonymous(), invoice.clone()));
        let entries = entries_until(&server, round + 1).await;
        assert_eq!(entries.len(), round + 1);
        if refuses {
            sale.await.unwrap();
        }
        server = server.crash(&["--log".to_owned(), "debug".to_owned()]).await;
        if refuses {
            execute(&server, allow(&server)).await;
        }
        let status = settled(&account(&server), &invoice).await;
        let expected = match flow {
            "charge" => "processed",
            "delayed_charge" => "processing",
            _ => "verified",
        };
        assert_eq!(status, expected, "round {round}");
        let taken: i64 = entries_until(&server, round + 1).await.iter().sum();
        let charged = (0..=round).filter(|round| round % 3 == 0).count();
        assert_eq!(taken, 1050 * i64::try_from(charged).unwrap(), "charged once each");
    }
    server.stop().await;
    if let Some(database) = server.database.take() {
        database.delete().await;
    }
}

/// A direct sale whose answer may never come.
async fn sale(client: Client, invoice: Value) {
    let token = text(&invoice["attributes"]["flow_data"]["metadata"]["token"]);
    // What is not answered is what this test is about.
    let call = tokio::spawn(async move { sell_by(&client, &token, card(GOOD)).await.status });
    drop(call.await);
}

async fn settled(client: &Client, invoice: &Value) -> String {
    let target = format!("/payment-invoices/{}", text(&invoice["id"]));
    let look = async {
        loop {
            let status = text(&client.get(&target).await.ok()["data"]["attributes"]["status"]);
            if status != "process_pending" {
                return status;
            }
        }
    };
    tokio::time::timeout(PATIENCE, look).await.expect("the invoice is settled")
}

/// What was taken by each charge in the book, as soon as there are so many.
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
    let sql = "SELECT taken FROM sandbox_ledger ORDER BY operation_id";
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
