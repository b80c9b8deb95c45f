//! Tables of parameters: the seed's, row by row as the document has them, and the program's own.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use backend::transactions::params::{Form, Need, Row, TABLE};
use serde_json::{Value, json};

use crate::app::{TestApp, text};
use crate::client::Call;
use crate::company::{Shop, code, object, order, refused};

on_both_engines! {
    every_row_of_the_seeds_requests_holds,
    every_row_of_the_seeds_answers_holds,
    every_row_of_the_table_is_told_by_its_name,
}

/// A row of the document.
struct Published {
    name: &'static str,
    is_required: bool,
    format: &'static str,
    lengths: RangeInclusive<usize>,
    characters: Vec<char>,
}

/// The document's tables by their names.
fn published() -> BTreeMap<&'static str, Vec<Published>> {
    let mut tables: BTreeMap<_, Vec<_>> = BTreeMap::new();
    let mut table = "";
    for line in include_str!("seeds/manage-parameters.txt").lines() {
        if let Some(name) = line.strip_prefix('[') {
            table = name.trim_end_matches(']');
        } else if !line.is_empty() && !line.starts_with('#') {
            tables.entry(table).or_default().push(row_of(line));
        }
    }
    tables
}

fn row_of(line: &'static str) -> Published {
    let cells: Vec<&str> = line.split('|').map(str::trim).collect();
    let [name, required, format, length] = cells[..4] else { panic!("{line}") };
    let characters = cells.get(4).copied().unwrap_or_default();
    assert!(matches!(required, "" | "required"), "{line}");
    let lengths = match length.split_once('-') {
        Some((least, most)) => least.trim().parse().unwrap()..=most.trim().parse().unwrap(),
        None if length.is_empty() => 0..=0,
        None => length.parse().unwrap()..=length.parse().unwrap(),
    };
    let characters = characters.split_whitespace().flat_map(|part| match part {
        "0-9" => ('0'..='9').collect(),
        // As it is written there, with and without capitals.
        "a-z" | "a-Z" => ('a'..='z').collect(),
        "A-z" | "A-Z" => ('A'..='Z').collect(),
        one => one.chars().collect::<Vec<_>>(),
    });
    Published { name, is_required: required == "required", format, lengths, characters: characters.collect() }
}

/// Nothing of the document is left out.
#[test]
fn all_rows_of_the_document_are_there() {
    let counts: Vec<_> = published().into_iter().map(|(name, rows)| (name, rows.len())).collect();
    assert_eq!(
        counts,
        [
            ("ENABLE and DISABLE, answer", 9),
            ("ENABLE and DISABLE, request", 10),
            ("UPDATE_BILLING, answer", 9),
            ("UPDATE_BILLING, request", 1),
        ]
    );
}

impl Published {
    /// A value of so many characters, with each kind of acceptable ones as far as there is room.
    fn value(&self, length: usize) -> String {
        let kinds: Vec<char> =
            self.characters.iter().copied().filter(|c| matches!(c, '9' | 'z' | 'Z' | '_' | '-')).collect();
        kinds.iter().cycle().take(length).collect()
    }

    /// Values that are within, and values that are too short, too long, or have other characters.
    fn borders(&self) -> (Vec<String>, Vec<String>) {
        let (least, most) = (*self.lengths.start(), *self.lengths.end());
        let within = vec![self.value(least), self.value(most)];
        let mut out = vec![self.value(most + 1)];
        if least > 1 {
            out.push(self.value(least - 1));
        }
        for strange in ['+', ' ', 'é', '_', 'a'] {
            if !self.characters.contains(&strange) {
                out.push(format!("{}{strange}", self.value(most - 1)));
            }
        }
        (within, out)
    }
}

/// A request of a part of `SUBSCRIPTION_MANAGE`, unsigned.
fn request(shop: &Shop, app: &TestApp, part: &str) -> Value {
    let transaction = json!({
        "merchant_order_id": order(), "transaction_type": "SUBSCRIPTION_MANAGE",
        "original_transaction_id": "1234567", "subscription_type": part,
    });
    shop.envelope(app, transaction, json!({ "request_hash": "0".repeat(64) }))
}

/// The answer to a request in which a value stands in a row's place.
async fn sent(shop: &Shop, app: &TestApp, part: &str, name: &str, value: Value) -> Value {
    let mut body = request(shop, app, part);
    let place = if body["transaction"].get(name).is_some() { &mut body["transaction"] } else { &mut body };
    place[name] = value;
    app.anonymous.send(Call::new("POST", "/api.php").json(&body)).await.is(200).json()
}

async fn every_row_of_the_seeds_requests_holds(app: TestApp) {
    let shop = Shop::of(&app);
    for (table, rows) in published().into_iter().filter(|(name, _)| name.ends_with("request")) {
        let part = if table.starts_with("UPDATE") { "UPDATE_BILLING" } else { "DISABLE" };
        for row in rows {
            let name = row.name;
            let (within, out) = match name {
                // A point in time. One of 13 digits is a known client's.
                "timestamp" => {
                    let (_, mut out) = row.borders();
                    out.retain(|text| text.len() != 13);
                    out.push("20170612".to_owned());
                    (vec![text(&request(&shop, &app, part)["timestamp"])], out)
                }
                // Set to one value. The row of UPDATE_BILLING allows 14 characters at most, and that value has 19.
                "transaction_type" => (vec!["SUBSCRIPTION_MANAGE".to_owned()], Vec::new()),
                "subscription_type" => {
                    let (mut within, out) = row.borders();
                    within.clear();
                    (["ENABLE", "DISABLE"].map(str::to_owned).to_vec(), out)
                }
                "transaction" => (Vec::new(), vec!["x".to_owned()]),
                _ => row.borders(),
            };
            for value in within {
                let answer = sent(&shop, &app, part, name, json!(value)).await;
                // Read, and refused for what it says: no such company, pass or MID, or not signed.
                assert!(["103", "107"].contains(&code(&answer).as_str()), "{name} {value}: {answer}");
            }
            for value in out {
                refused(&sent(&shop, &app, part, name, json!(value)).await, "102", name);
            }
            if name == "transaction_type" {
                let (within, out) = row.borders();
                for value in within.into_iter().chain(out) {
                    refused(&sent(&shop, &app, part, name, json!(value)).await, "104", "");
                }
            }
            let (missing, told) = match name {
                // Without it there is no type.
                "transaction" => (true, "transaction_type"),
                // The document asks for it in its words.
                "subscription_type" => (true, name),
                _ => (row.is_required || part == "UPDATE_BILLING", name),
            };
            if missing {
                refused(&sent(&shop, &app, part, name, Value::Null).await, "102", told);
                refused(&sent(&shop, &app, part, name, json!("")).await, "102", told);
            } else {
                let answer = sent(&shop, &app, part, name, json!("")).await;
                assert_eq!(code(&answer), "107", "{name} can be left out: {answer}");
            }
        }
    }
}

async fn every_row_of_the_seeds_answers_holds(app: TestApp) {
    let shop = Shop::of(&app);
    let token = shop.good_token(&app).await;
    let tables = published();
    for (part, table) in [
        ("UPDATE_BILLING", "UPDATE_BILLING, answer"),
        ("DISABLE", "ENABLE and DISABLE, answer"),
        ("ENABLE", "ENABLE and DISABLE, answer"),
    ] {
        let answer = shop.manage(&app, part, &token, json!({})).await;
        let names: Vec<_> = tables[table].iter().map(|row| row.name).collect();
        let found: Vec<_> = object(answer.clone()).keys().cloned().collect();
        let sorted = |mut names: Vec<String>| {
            names.sort();
            names
        };
        let expected = names.iter().map(|name| (*name).to_owned()).collect();
        assert_eq!(sorted(found), sorted(expected), "no member more and none less");
        for row in &tables[table] {
            // Texts all of them, as in the samples.
            let value = text(&answer[row.name]);
            // The sample of DISABLE has an empty one: no bank was asked.
            let lengths = if row.name == "bank_response_code" && part != "UPDATE_BILLING" {
                0..=0
            } else {
                row.lengths.clone()
            };
            assert!(lengths.contains(&value.len()), "{} of {answer}", row.name);
            if matches!(row.format, "int" | "date") {
                assert!(value.bytes().all(|byte| byte.is_ascii_digit()), "{} of {answer}", row.name);
            }
        }
    }
}

/// A value of a row's form that is one character too long.
fn too_long(row: &Row) -> String {
    let letter = match row.form {
        Form::Digits | Form::Amount | Form::Card => "1",
        Form::Page => return format!("https://shop.example/{}", "a".repeat(row.max - 20)),
        _ => "a",
    };
    letter.repeat(row.max + 1)
}

/// A request that needs every row that any request needs.
pub fn whole(shop: &Shop, app: &TestApp) -> Value {
    let transaction = json!({
        "merchant_order_id": order(),
        "transaction_type": "AUTH_CAPTURE",
        "subscription_type": "REBILL",
        "original_transaction_id": "1234567890",
        "amount": "10.00",
        "currency_code_iso3": "GBP",
    });
    shop.envelope(app, transaction, json!({}))
}

/// Puts a value into a row's place.
fn place(body: &mut Value, row: &Row, value: Value) {
    let objects = row.object.split('.').filter(|name| !name.is_empty());
    objects.fold(body, |inner, name| &mut inner[name])[row.name] = value;
}

async fn every_row_of_the_table_is_told_by_its_name(app: TestApp) {
    let shop = Shop::of(&app);
    for row in TABLE {
        // A type that is too long is an unknown one.
        let is_type = row.name == "transaction_type";
        let mut body = whole(&shop, &app);
        if row.need == Need::Manage {
            body["transaction"]["transaction_type"] = json!("SUBSCRIPTION_MANAGE");
        }
        if row.need != Need::Never {
            let mut missing = body.clone();
            place(&mut missing, row, Value::Null);
            if row.name != "request_hash" {
                shop.sign(&mut missing);
            }
            refused(&shop.post(&missing).await, "102", row.name);
        }
        place(&mut body, row, json!(too_long(row)));
        if row.name != "request_hash" {
            shop.sign(&mut body);
        }
        let expected = match row.name {
            "cardexp" => "204",
            "currency_code_iso3" => "105",
            "card_type" => "106",
            _ if is_type => "104",
            // A longer word is no known one.
            _ => "102",
        };
        refused(&shop.post(&body).await, expected, if is_type { "" } else { row.name });
        place(&mut body, row, json!(["a"]));
        refused(&shop.post(&body).await, if is_type { "102" } else { expected }, row.name);
    }
}
