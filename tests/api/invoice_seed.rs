//! The seed's requests as they are, and its answers member by member and value by value. What cannot be the seed's own
//! value, such as ids, times and tokens, stands in a list with what it has to be.

use std::collections::BTreeSet;
use std::net::IpAddr;

use backend::bins;
use backend::gateways::sandbox::acs::Verdict;
use backend::model::Scopes;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::app::{self, TestApp, text};
use crate::client::{Call, Client};
use crate::invoices::{BAD, CHALLENGED, GOOD, card, come_back, local, make, order, pares, sell, shown};

on_both_engines! {
    with local;
    the_seeds_requests_are_answered_member_by_member,
    the_seeds_answer_is_given_to_the_request_that_it_answers,
    a_card_that_was_kept_is_told_as_in_the_seed,
    a_sale_is_answered_whole,
    a_sale_whose_payer_has_to_go_to_the_issuer_is_answered_whole,
    a_refused_sale_is_answered_whole,
    what_was_given_back_is_told_whole,
}

/// What a member has to be that cannot be the seed's.
#[derive(Clone)]
enum Must {
    /// This value.
    Be(Value),
    /// This prefix and sixteen letters or digits.
    Id(&'static str),
    /// Seconds since 1970 by the clock of the tests.
    Time,
    /// A token of a direct sale: three parts, the first of them RS512.
    Jwt,
    /// An address that ends with the id of a payment page or of an invoice.
    Leads(&'static str),
    /// The address of a payer on the network.
    Ip,
    /// At least this many letters or digits.
    Letters(usize),
}

impl Must {
    fn holds(&self, value: &Value) -> bool {
        let letters = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let id = |text: &str| text.len() == 16 && letters(text);
        let after = |prefix: &str| value.as_str().and_then(|text| text.strip_prefix(prefix));
        match self {
            Self::Be(known) => value == known,
            Self::Id(prefix) | Self::Leads(prefix) => after(prefix).is_some_and(id),
            Self::Time => {
                let start = app::NOW.millis() / 1000;
                value.as_i64().is_some_and(|seconds| (start..start + 60).contains(&seconds))
            }
            Self::Jwt => after("").is_some_and(|token| {
                let head = token.split('.').next().and_then(|part| URL_SAFE_NO_PAD.decode(part).ok());
                let head: Value = serde_json::from_slice(&head.unwrap_or_default()).unwrap_or_default();
                token.split('.').count() == 3
                    && head == json!({ "typ": "JWT", "alg": "RS512", "kid": head["kid"] })
            }),
            Self::Ip => value.as_str().is_some_and(|text| text.parse::<IpAddr>().is_ok()),
            Self::Letters(least) => after("").is_some_and(|text| text.len() >= *least && letters(text)),
        }
    }
}

/// What no two installations say alike.
const OWN: [(&str, Must); 9] = [
    ("/data/id", Must::Id("cpi_")),
    ("/data/attributes/serial_number", Must::Id("")),
    ("/data/attributes/flow_data/action", Must::Leads("https://cards.example/hpp/cgi_")),
    ("/data/attributes/flow_data/metadata/sid", Must::Id("cgi_")),
    ("/data/attributes/flow_data/metadata/token", Must::Jwt),
    ("/data/attributes/created", Must::Time),
    ("/data/attributes/updated", Must::Time),
    ("/data/relationships/customer/data/id", Must::Id("cus_")),
    ("/data/links/self", Must::Leads("/api/payment-invoices/cpi_")),
];

/// What we tell beyond the seed: members of spec B.2, and `expires` as it was asked for.
const MORE: [&str; 8] = [
    "/data/attributes/charged_back_amount",
    "/data/attributes/exchange_rate",
    "/data/attributes/expires",
    "/data/attributes/failed",
    "/data/attributes/payment_service_amount",
    "/data/attributes/refunded",
    "/data/attributes/refunded_fee",
    "/data/attributes/service_amount",
];

/// Walks through two documents; answers the places of ours that the seed has not.
struct Comparison<'c> {
    differs: &'c [(&'c str, Must)],
    met: BTreeSet<String>,
    more: BTreeSet<String>,
}

impl Comparison<'_> {
    #[track_caller]
    fn walk(&mut self, ours: &Value, seed: &Value, at: &str) {
        if let Some((_, must)) = self.differs.iter().find(|(place, _)| *place == at) {
            assert!(must.holds(ours), "{at} is {ours}");
            self.met.insert(at.to_owned());
            return;
        }
        match (ours, seed) {
            (Value::Object(ours), Value::Object(seed)) => {
                for (name, value) in seed {
                    let mine = ours.get(name).unwrap_or_else(|| panic!("{at}/{name} is missing"));
                    self.walk(mine, value, &format!("{at}/{name}"));
                }
                let more = ours.keys().filter(|name| !seed.contains_key(*name));
                self.more.extend(more.map(|name| format!("{at}/{name}")));
            }
            _ => assert_eq!(ours, seed, "{at}"),
        }
    }
}

/// Each member of the seed is in ours with its value, but for those of the list; and what ours has beyond is `more`.
#[track_caller]
fn is_as_in_the_seed(ours: &Value, seed: &Value, differs: &[(&str, Must)], more: &[&str]) {
    let mut comparison = Comparison { differs, met: BTreeSet::new(), more: BTreeSet::new() };
    comparison.walk(ours, seed, "");
    assert_eq!(comparison.met.len(), differs.len(), "the list names what is not there: {:?}", comparison.met);
    assert_eq!(comparison.more.iter().map(String::as_str).collect::<Vec<_>>(), more);
}

/// An invoice's answer: what it says of itself, and what was asked for otherwise than in the request that the seed's
/// answer answers.
#[track_caller]
fn is_the_answer(ours: &Value, asked: &[(&'static str, Value)]) {
    let asked = asked.iter().map(|(place, value)| (*place, Must::Be(value.clone())));
    let differs: Vec<_> = OWN.into_iter().chain(asked).collect();
    is_as_in_the_seed(ours, &seed("answer"), &differs, &MORE);
    let data = &ours["data"];
    let (id, sid) = (text(&data["id"]), text(&data["attributes"]["flow_data"]["metadata"]["sid"]));
    assert_eq!(data["attributes"]["serial_number"], json!(id[4..]));
    assert_eq!(data["links"]["self"], json!(format!("/api/payment-invoices/{id}")));
    let action = &data["attributes"]["flow_data"]["action"];
    assert_eq!(*action, json!(format!("https://cards.example/hpp/{sid}")));
    let attributes = &data["attributes"];
    assert!(attributes["updated"].as_i64() >= attributes["created"].as_i64());
    for (name, value) in [
        ("service_amount", &attributes["amount"]),
        ("payment_service_amount", &attributes["amount"]),
        ("exchange_rate", &json!(1)),
        ("refunded", &Value::Null),
        ("refunded_fee", &Value::Null),
        ("charged_back_amount", &Value::Null),
        ("failed", &Value::Null),
    ] {
        assert_eq!(&attributes[name], value, "{name}");
    }
    let life = attributes["expires"].as_i64().unwrap() - attributes["created"].as_i64().unwrap();
    assert!((life - 24 * 3600).abs() <= 1, "{life}");
}

fn seed(name: &str) -> Value {
    let text = match name {
        "tokenise" => include_str!("seeds/invoice-tokenise.json"),
        "predefined" => include_str!("seeds/invoice-predefined.json"),
        "instant" => include_str!("seeds/invoice-instant.json"),
        "sale" => include_str!("seeds/invoice-sale.json"),
        "answer" => include_str!("seeds/invoice-answer.json"),
        _ => include_str!("seeds/invoice-payload.json"),
    };
    serde_json::from_str(text).unwrap()
}

const AMOUNT: &str = "/data/attributes/amount";
const PAYMENT_AMOUNT: &str = "/data/attributes/payment_amount";
const DEPOSIT: &str = "/data/attributes/deposit";
const REFERENCE: &str = "/data/attributes/reference_id";
const DESCRIPTION: &str = "/data/attributes/description";
const DESCRIPTOR: &str = "/data/attributes/descriptor";
const CALLBACK: &str = "/data/attributes/callback_url";
const RETURN: &str = "/data/attributes/return_url";

async fn the_seeds_requests_are_answered_member_by_member(app: TestApp) {
    let made = app.account.post("/payment-invoices", seed("tokenise")).await.is(201).json();
    is_the_answer(
        &made,
        &[
            (REFERENCE, json!("ORDER1233")),
            (DESCRIPTION, json!("TEST")),
            (DESCRIPTOR, json!("Shop:Order №:ORDER1233")),
            (CALLBACK, Value::Null),
            (RETURN, Value::Null),
        ],
    );
    sell(&app, &made["data"], card(GOOD)).await.is(201);
    // The seed's tokens are another installation's.
    let token = shown(&app, &made["data"]).await["payload"]["token"].clone();

    let mut body = seed("predefined");
    body["data"]["attributes"]["token"] = token.clone();
    let predefined = app.account.post("/payment-invoices", body).await.is(201).json();
    is_the_answer(
        &predefined,
        &[
            (AMOUNT, json!(100)),
            (PAYMENT_AMOUNT, json!(100)),
            (DEPOSIT, json!(100)),
            (DESCRIPTION, json!("Invoice by Token Example")),
            (DESCRIPTOR, json!("Shop:Order №:test_live_recurrent_11")),
            // It stands beside the attributes there.
            (CALLBACK, json!("https://example.com")),
            (RETURN, Value::Null),
        ],
    );

    let mut body = seed("instant");
    body["data"]["attributes"]["token"] = token;
    // The seed's two samples have one reference.
    body["data"]["attributes"]["reference_id"] = json!("ORDER1234");
    let instant = app.account.post("/payment-invoices", body).await.is(201).json();
    is_the_answer(
        &instant,
        &[
            (REFERENCE, json!("ORDER1234")),
            (DESCRIPTOR, json!("Shop:Order №:ORDER1234")),
            (CALLBACK, Value::Null),
            (RETURN, Value::Null),
        ],
    );
    let jwt = text(&instant["data"]["attributes"]["flow_data"]["metadata"]["token"]);
    let call = Call::new("POST", "/payment/sale").json(&seed("sale"));
    let sold =
        app.anonymous.send(call.header("authorization", &format!("Bearer {jwt}"))).await.is(201).json();
    assert_eq!(sold["data"]["attributes"]["status"], json!("processed"));
    let paid = shown(&app, &instant["data"]).await;
    assert_eq!((&paid["status"], &paid["processed_amount"]), (&json!("processed"), &json!(1)));
}

/// The seed's answer is that to another request than its own: this one.
async fn the_seeds_answer_is_given_to_the_request_that_it_answers(app: TestApp) {
    let merchant = app.new_merchant("DEMO ACC", Scopes::usual()).await;
    let account = app::account(&app.anonymous, &merchant);
    let mut body = seed("predefined");
    let data = body["data"].as_object_mut().unwrap();
    data.remove("callback_url");
    let attributes = data["attributes"].as_object_mut().unwrap();
    attributes.remove("description");
    attributes["amount"] = json!(1);
    attributes["token"] = json!(token_of(&app, &account, "my_customer_1").await);
    let answer = seed("answer")["data"]["attributes"].clone();
    for name in ["callback_url", "return_url"] {
        attributes.insert(name.to_owned(), answer[name].clone());
    }
    let made = account.post("/payment-invoices", body).await.is(201).json();
    is_the_answer(&made, &[]);
}

/// The token of a card that a customer of an account has paid with.
async fn token_of(app: &TestApp, account: &Client, customer: &str) -> String {
    let more = json!({
        "customer": { "reference_id": customer }, "gateway_options": { "cardgate": { "tokenize": true } },
    });
    let made = account.post("/payment-invoices", order("first", more)).await.is(201).json()["data"].clone();
    sell(app, &made, card(GOOD)).await.is(201);
    let target = format!("/payment-invoices/{}", text(&made["id"]));
    text(&account.get(&target).await.ok()["data"]["attributes"]["payload"]["token"])
}

async fn a_card_that_was_kept_is_told_as_in_the_seed(app: TestApp) {
    let table = "bin,bank,country\n512381,FIRST DATA CORPORATION,US\n";
    bins::import::import(&app.app.core, table.as_bytes(), |_, _| ()).await.unwrap();
    bins::reload(&app.app.core).await.unwrap();
    let made = app.account.post("/payment-invoices", seed("tokenise")).await.is(201).json()["data"].clone();
    // The seed's card is the published one whose issuer asks.
    let typed = json!({
        "card_number": CHALLENGED, "card_holder": "John Doe", "cvv": "123", "exp_month": "12", "exp_year": "32",
    });
    let sold = sell(&app, &made, typed).await.is(201).json();
    assert!(shown(&app, &made).await["payload"].is_null(), "no token before success");
    come_back(&app, &sold, &pares(&app, &sold, Verdict::Proven).await).await.is(303);
    let payload = shown(&app, &made).await["payload"].clone();
    let differs = [("/payload/client_ip", Must::Ip), ("/payload/token", Must::Letters(20))];
    let ours = json!({ "payload": payload });
    is_as_in_the_seed(&ours, &seed("payload"), &differs, &["/payload/auth_type"]);
    assert_eq!(payload["auth_type"], json!("3ds"));
}

/// The attributes of an answer to a sale of an invoice of 10.50 dollars without more, with a status.
fn told(status: &str, resolution: &str) -> Value {
    let state = json!({ "status": status, "resolution": resolution });
    json!({
        "amount": 10.5,
        "currency": "USD",
        "description": null,
        "service": "payment_card_usd_hpp",
        "options": { "tokenize": false, "instant": false },
        "customer": null,
        "repeatable": false,
        "flow": "charge",
        "status": status,
        "resolution": resolution,
        "active_request": state,
        "active_payment": state,
        "auto_repay": false,
        "metadata": [],
        "form_data": [],
    })
}

/// A document of a sale with such attributes.
fn document(invoice: &Value, attributes: &Value) -> Value {
    let sid = &invoice["attributes"]["flow_data"]["metadata"]["sid"];
    json!({ "data": { "type": "sale-operation", "id": sid, "attributes": attributes } })
}

async fn a_sale_is_answered_whole(app: TestApp) {
    let made = make(&app, "o1", json!({})).await;
    let sold = sell(&app, &made, card(GOOD)).await.is(201).json();
    assert_eq!(sold, document(&made, &told("processed", "ok")));
    // With everything that an invoice can have.
    let metadata = json!({ "order": { "lines": [1, 2.5, "three"] }, "gift": true });
    let more = json!({
        "description": "Two books", "metadata": metadata, "flow": "delayed_charge",
        "customer": { "reference_id": "c1", "name": "Ada King" },
        "gateway_options": { "cardgate": { "tokenize": true } },
    });
    let made = make(&app, "o2", more).await;
    assert_eq!(made["attributes"]["metadata"], metadata);
    let sold = sell(&app, &made, card(GOOD)).await.is(201).json();
    let mut expected = told("processing", "ok");
    expected["description"] = json!("Two books");
    expected["metadata"] = metadata;
    expected["flow"] = json!("delayed_charge");
    expected["customer"] = json!({ "reference_id": "c1" });
    expected["repeatable"] = json!(true);
    expected["options"]["tokenize"] = json!(true);
    assert_eq!(sold, document(&made, &expected));
    // By its token, without its payer.
    let token = shown(&app, &made).await["payload"]["token"].clone();
    let more = json!({
        "token": token, "customer": { "reference_id": "c1" },
        "gateway_options": { "cardgate": { "instant": true } },
    });
    let made = make(&app, "o3", more).await;
    let sold = sell(&app, &made, json!({})).await.is(201).json();
    let mut expected = told("processed", "ok");
    expected["customer"] = json!({ "reference_id": "c1" });
    expected["options"]["instant"] = json!(true);
    assert_eq!(sold, document(&made, &expected));
}

async fn a_sale_whose_payer_has_to_go_to_the_issuer_is_answered_whole(app: TestApp) {
    let described =
        json!({ "browser_screen_height": 900, "browser_screen_width": "1440", "browser_tz": "-120" });
    for (reference, browser) in [("o1", Value::Null), ("o2", described)] {
        let made = make(&app, reference, json!({ "metadata": { "a": 1 } })).await;
        let mut typed = card(CHALLENGED);
        typed["browser_info"] = browser.clone();
        let sold = sell(&app, &made, typed).await.is(201).json();
        let mut expected = told("process_pending", "ok");
        expected["metadata"] = json!({ "a": 1 });
        expected["active_payment"]["status"] = json!("authorize_required");
        let mut expected = document(&made, &expected);
        expected["auth_mode"] = json!("3ds");
        let params = &sold["auth_payload"]["params"];
        let asks = |name: &str| {
            assert!(text(&params[name]).len() > 40, "{params}");
            params[name].clone()
        };
        let sid = text(&made["attributes"]["flow_data"]["metadata"]["sid"]);
        let params = if browser.is_null() {
            let back = format!("https://cards.example/payment/complete-auth/{sid}");
            assert!(text(&params["MD"]).starts_with("sbx_"));
            json!({ "MD": params["MD"], "PaReq": asks("PaReq"), "TermUrl": back })
        } else {
            json!({ "creq": asks("creq") })
        };
        expected["auth_payload"] = json!({
            "action": "https://cards.example/sandbox/acs", "method": "POST", "params": params,
        });
        assert_eq!(sold, expected);
    }
}

async fn a_refused_sale_is_answered_whole(app: TestApp) {
    let made = make(&app, "o1", json!({})).await;
    let mut typed = card(BAD);
    typed["exp_month"] = json!("05");
    typed["exp_year"] = json!("29");
    let sold = sell(&app, &made, typed).await.is(201).json();
    assert_eq!(sold, document(&made, &told("process_failed", "insufficient_funds")));
}

async fn what_was_given_back_is_told_whole(app: TestApp) {
    let made = make(&app, "o1", json!({})).await;
    sell(&app, &made, card(GOOD)).await.is(201);
    let paid = shown(&app, &made).await;
    let given_back = |attributes: &Value| {
        ["refunded_amount", "refunded_fee", "charged_back_amount"].map(|name| attributes[name].clone())
    };
    assert_eq!(given_back(&paid), [Value::Null, Value::Null, Value::Null]);
    assert!(paid["refunded"].is_null() && paid["processed"].is_i64());
    let part = crate::invoices::act(&app, &made, "refund", json!({ "amount": 4 })).await.ok();
    let part = &part["data"]["attributes"];
    assert_eq!(given_back(part), [json!(4), json!(0), Value::Null]);
    assert!(part["refunded"].as_i64() >= paid["processed"].as_i64());
}
