//! Issuers of numbers from the operator's table.

use std::io::Read;
use std::sync::atomic::{AtomicU64, Ordering};

use backend::bins::import::{self, ImportError};
use serde_json::{Value, json};

use crate::app::{NUMBER, TestApp, card, text};
use crate::company::{self, Shop};
use crate::process::{Server, folder};

on_both_engines! {
    the_issuer_is_told_with_stored_and_captured_cards,
    a_new_table_stands_in_place_of_the_old_one,
    gateway_transactions_tell_the_issuer,
    every_node_follows,
    a_file_that_cannot_be_read_changes_nothing,
    a_file_is_read_no_further_than_it_is_stored,
}

const TABLE: &str = "BIN,Brand,Issuing Bank,Country,Type,Level\n\
    411111,VISA,First Bank,Germany,DEBIT,CLASSIC\n\
    4111111111,VISA,\"Long, Bank\",France,CREDIT,GOLD\n\
    555555,MASTERCARD,Other Bank,Italy,CREDIT,WORLD\n";

async fn load(app: &TestApp, table: &str) -> Result<u64, ImportError> {
    let loaded = import::import(&app.app.core, table.as_bytes(), |_, _| ()).await;
    app.sweep().await;
    loaded
}

fn long_bank() -> Value {
    json!([{ "brand": "VISA", "issuing_bank": "Long, Bank", "country_name": "France", "card_type": "CREDIT",
        "card_level": "GOLD" }])
}

async fn the_issuer_is_told_with_stored_and_captured_cards(app: TestApp) {
    assert_eq!(load(&app, TABLE).await.unwrap(), 3);
    let target = "/v1/vault?user=managed&return_card_metadata=true";
    let stored = app.merchant.post(target, card(NUMBER)).await.ok();
    assert_eq!(stored["card_metadata"]["issuer"], long_bank());
    let token = text(&stored["token"]);
    let update = format!("/v1/vault/update?user=managed&return_card_metadata=true&token={token}");
    let updated = app.merchant.post(&update, json!({ "note": "x" })).await.ok();
    assert_eq!(updated["card_metadata"]["issuer"], long_bank());
    let captured = app.endpoint("&return_card_metadata=true").await.capture(card(NUMBER)).await.ok();
    assert_eq!(captured["card_metadata"]["issuer"], long_bank());
    // Not asked for, not told.
    assert!(
        app.merchant.post("/v1/vault?user=managed", card(NUMBER)).await.ok().get("card_metadata").is_none()
    );
    let american = app.merchant.post(target, card(crate::app::AMEX)).await.ok();
    assert!(american["card_metadata"].get("issuer").is_none());
    // A list knows six digits, which are not enough where longer ones differ.
    let other = app.merchant.post(target, card(crate::app::OTHER_NUMBER)).await.ok();
    let listed = app.merchant.get("/v1/vault?user=managed&return_card_metadata=true").await.ok();
    for entry in listed["managed"].as_array().unwrap() {
        let told = entry["card_metadata"].get("issuer").map(|issuer| text(&issuer[0]["issuing_bank"]));
        let expected = (entry["token"] == other["token"]).then(|| "Other Bank".to_owned());
        assert_eq!(told, expected);
    }
}

async fn a_new_table_stands_in_place_of_the_old_one(app: TestApp) {
    load(&app, TABLE).await.unwrap();
    load(&app, "bin,issuer\n555555,New Bank\n").await.unwrap();
    let issuer = |digits: &str| app.app.core.bins.issuer(digits).map(|issuer| issuer.bank);
    assert_eq!((issuer(NUMBER), issuer("5555555555554444")), (None, Some("New Bank".to_owned())));
    // Nothing is left of the old one.
    let mut t = app.app.core.store.begin().await.unwrap();
    assert_eq!(t.sweep_bins(i64::MAX, 100).await.unwrap(), 1);
}

async fn gateway_transactions_tell_the_issuer(app: TestApp) {
    let shop = Shop::of(&app);
    let alone = shop.query(&app, "BIN", "bin", "411111").await["bin"].clone();
    assert_eq!(alone, json!({ "bin": "411111", "card_type": "visa" }), "without a table the brand is all");
    load(&app, TABLE).await.unwrap();
    let known = shop.query(&app, "BIN", "bin", "411111").await["bin"].clone();
    let first = json!({
        "bin": "411111", "card_type": "visa", "issuing_bank": "First Bank", "card_category": "DEBIT",
        "card_level": "CLASSIC", "issuing_country": "Germany",
    });
    assert_eq!(known, first);
    assert_eq!(shop.query(&app, "BIN", "bin", "422222").await["bin"].get("issuing_bank"), None);
    // The whole number tells more than its first six digits.
    let sale = shop.authorise(&app, "AUTH_CAPTURE", json!({}), company::card(NUMBER, "062031")).await;
    let long = json!({
        "issuing_bank": "Long, Bank", "card_category": "CREDIT", "card_level": "GOLD", "issuing_country": "France",
    });
    assert_eq!(sale["bin"], long);
    let init = json!({ "subscription_type": "INIT" });
    let billing = company::card(crate::app::OTHER_NUMBER, "062031");
    let made = shop.authorise(&app, "AUTH_CAPTURE", init, billing).await;
    assert_eq!(made["bin"]["issuing_bank"], "Other Bank");
    let charged = shop.rebill(&app, &text(&made["transaction_id"])).await;
    assert_eq!(charged["bin"], made["bin"], "a stored card too");
    let mut american = company::card(crate::app::AMEX, "062031");
    american["cardcvv"] = json!("1234");
    let unknown = shop.authorise(&app, "AUTH_CAPTURE", json!({}), american).await;
    assert_eq!((&unknown["response_code"], unknown.get("bin")), (&json!("1"), None));
}

async fn every_node_follows(app: TestApp) {
    let second = app.second_app(&app.root_key_file).await;
    load(&app, TABLE).await.unwrap();
    assert!(second.core.bins.issuer(NUMBER).is_none());
    backend::sweep::once(&second).await.unwrap();
    assert_eq!(second.core.bins.issuer(NUMBER).unwrap().bank, "Long, Bank");
}

async fn a_file_that_cannot_be_read_changes_nothing(app: TestApp) {
    load(&app, TABLE).await.unwrap();
    for (table, told) in [
        ("", "names no column bin"),
        ("issuer,country\nA,B\n", "names no column bin"),
        ("bin\n411111\n", "names no column issuer"),
        ("bin,issuer\n", "has no lines"),
        ("bin,issuer\n411111,A\n41111,B\n", "line 3: the column bin"),
        ("bin,issuer\n411111111111,B\n", "line 2: the column bin"),
        ("bin,issuer\n41111a,B\n", "line 2: the column bin"),
        (&format!("bin,issuer\n411111,{}\n", "x".repeat(121)), "line 2: a text"),
    ] {
        let error = load(&app, table).await.unwrap_err().to_string();
        assert!(error.contains(told), "{error}");
    }
    assert_eq!(app.app.core.bins.issuer(NUMBER).unwrap().bank, "Long, Bank");
}

/// A table that is written while it is read, and counts what was read of it.
struct Endless<'c> {
    line: u32,
    lines: u32,
    rest: Vec<u8>,
    read: &'c AtomicU64,
}

impl Read for Endless<'_> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        if self.rest.is_empty() && self.line < self.lines {
            let number = 48_000_000 + self.line;
            self.rest = match self.line {
                0 => b"bin,issuer\n".to_vec(),
                _ => format!("{number},Bank {number}\n").into_bytes(),
            };
            self.line += 1;
        }
        let length = self.rest.len().min(into.len());
        into[..length].copy_from_slice(&self.rest[..length]);
        self.rest.drain(..length);
        self.read.fetch_add(length as u64, Ordering::Relaxed);
        Ok(length)
    }
}

async fn a_file_is_read_no_further_than_it_is_stored(app: TestApp) {
    let read = AtomicU64::new(0);
    let file = Endless { line: 0, lines: 20_001, rest: Vec::new(), read: &read };
    let (mut told, mut ahead) = (Vec::new(), 0);
    let progress = |lines: u64, bytes: u64| {
        told.push(lines);
        // What is stored when this is told is behind the place up to which the file was read.
        ahead = ahead.max(read.load(Ordering::Relaxed) - bytes);
    };
    assert_eq!(import::import(&app.app.core, file, progress).await.unwrap(), 20_000);
    assert_eq!(told[..3], [2_000, 4_000, 6_000], "after each part");
    assert_eq!(told.last(), Some(&20_000));
    assert!(ahead <= 64 * 1024, "{ahead} bytes were read before they were wanted");
}

#[tokio::test]
async fn the_command_loads_a_table_shows_its_progress_and_refuses_what_is_none() {
    let mut server = Server::start(folder(), None, &[]).await;
    let file = |name: &str| server.data.path().join(name).to_str().unwrap().to_owned();
    let mut table = String::from(TABLE);
    for prefix in 0..20_000 {
        use std::fmt::Write as _;
        writeln!(table, "{},VISA,Bank {prefix},Norway,CREDIT,GOLD", 48_000_000 + prefix).unwrap();
    }
    std::fs::write(file("bins.csv"), table).unwrap();
    std::fs::write(file("wrong.csv"), "bin,issuer\n4111,A\n").unwrap();
    let loaded = server.beside(&["bins", "import", &file("bins.csv")]).await;
    assert!(loaded.success && loaded.out.contains("Loaded 20003 lines."), "{} {}", loaded.out, loaded.err);
    let told: Vec<_> = loaded.err.lines().filter(|line| line.contains(" %, ")).collect();
    assert!(told.len() > 1 && told.last().unwrap().contains("100 %"), "{}", loaded.err);
    for (name, why) in [("wrong.csv", "line 2"), ("none.csv", "cannot be read")] {
        let refused = server.beside(&["bins", "import", &file(name)]).await;
        assert!(!refused.success && refused.out.is_empty() && refused.err.contains(why), "{}", refused.err);
    }
    // The table that was refused changed nothing: a server that starts now has the first one.
    let merchant = server.new_merchant(&["Shop"]).await;
    server = server.crash(&[]).await;
    let shop = server.anonymous().with_basic(&text(&merchant["user"]), &text(&merchant["password"]));
    let target = "/v1/vault?user=managed&return_card_metadata=true";
    // A server reads the table in its first sweep.
    let issuer = async {
        loop {
            let stored = shop.post(target, card(NUMBER)).await.ok();
            if let Some(issuer) = stored["card_metadata"].get("issuer") {
                return issuer.clone();
            }
        }
    };
    let told = tokio::time::timeout(std::time::Duration::from_mins(1), issuer).await;
    assert_eq!(told.expect("the table is read"), long_bank());
    server.stop().await;
}
