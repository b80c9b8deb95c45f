//! A client of the gateway interface: signs what it sends, and checks the signature of every answer.

use std::sync::atomic::{AtomicU64, Ordering};

use backend::access::company::CompanyCredentials;
use backend::model::{Clock as _, Mode};
use backend::transactions::hash;
use serde_json::{Map, Value, json};

use crate::app::{NUMBER, TestApp, text};
use crate::client::{Call, Client};

/// A shop that calls with a company's credentials.
#[derive(Clone)]
pub struct Shop {
    /// What it calls through.
    pub client: Client,
    /// `company_id`.
    pub id: String,
    /// `company_pass`.
    pub pass: String,
    /// `company_mid_id`.
    pub mid: String,
    /// What is signed with.
    pub hash_code: String,
}

/// Numbers orders, over all tests of the process.
static ORDERS: AtomicU64 = AtomicU64::new(1);

impl Shop {
    /// The first merchant's, in test mode.
    pub fn of(app: &TestApp) -> Self {
        Self::with(&app.anonymous, &app.company)
    }

    /// Of other credentials.
    pub fn with(client: &Client, company: &CompanyCredentials) -> Self {
        Self {
            client: client.clone(),
            id: company.id.clone(),
            pass: company.pass.to_string(),
            mid: company.mid.clone(),
            hash_code: company.hash_code.to_string(),
        }
    }

    /// The same from another address.
    pub fn at(&self, address: [u8; 4]) -> Self {
        Self { client: self.client.at(address), ..self.clone() }
    }

    /// A request with its envelope, unsigned. Time goes on with each, so that none is taken for a repetition.
    pub fn envelope(&self, app: &TestApp, transaction: Value, more: Value) -> Value {
        app.clock.pass(1);
        let now = app.clock.now().rfc3339();
        let timestamp: String = now.chars().filter(char::is_ascii_digit).take(14).collect();
        let mut body = json!({
            "timestamp": timestamp,
            "company_id": self.id,
            "company_pass": self.pass,
            "company_mid_id": self.mid,
        });
        body["transaction"] = transaction;
        body.as_object_mut().unwrap().extend(object(more));
        body
    }

    /// The signature of a request: over the order id of an authorisation, else over the original transaction.
    pub fn sign(&self, body: &mut Value) {
        let plain = |value: &Value| match value {
            Value::Null => String::new(),
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let transaction = &body["transaction"];
        let kind = plain(&transaction["transaction_type"]);
        let fourth = if kind.starts_with("AUTH_") {
            let inside = plain(&transaction["merchant_order_id"]);
            if inside.is_empty() { plain(&body["merchant_order_id"]) } else { inside }
        } else {
            plain(&transaction["original_transaction_id"])
        };
        let values = [plain(&body["timestamp"]), kind, plain(&body["company_id"]), fourth];
        let values: Vec<&str> = values.iter().map(String::as_str).collect();
        body["request_hash"] = json!(hash::signed(&values, &self.hash_code));
    }

    /// Sends a body as it is.
    pub async fn post(&self, body: &Value) -> Value {
        self.raw(&body.to_string()).await
    }

    /// Sends a text; checks the form and the signature of the answer.
    pub async fn raw(&self, body: &str) -> Value {
        let call = Call::new("POST", "/api.php").header("content-type", "application/json").body(body);
        let answer = self.client.send(call).await.is(200).json();
        self.check(&answer, "transaction_type");
        answer
    }

    fn check(&self, answer: &Value, kind: &str) {
        let members =
            ["timestamp", "response_code", "response_message", "company_id", "mid", "transaction_id"];
        for name in members.into_iter().chain([kind, "bank_response_code", "response_hash"]) {
            assert!(answer[name].is_string(), "{name} of {answer}");
        }
        // The lengths of the seed's tables of answers; a refusal has no transaction, and no bank saw it.
        for (name, lengths) in [
            ("response_code", 1..=3),
            ("response_message", 1..=100),
            ("timestamp", 14..=14),
            ("transaction_id", 0..=10),
            ("bank_response_code", 0..=2),
            ("response_hash", 64..=64),
        ] {
            assert!(lengths.contains(&text(&answer[name]).chars().count()), "{name} of {answer}");
        }
        let values = ["timestamp", kind, "company_id", "transaction_id", "response_code"]
            .map(|name| text(&answer[name]));
        if values[2] == self.id {
            let values = values.each_ref().map(String::as_str);
            assert_eq!(text(&answer["response_hash"]), hash::signed(&values, &self.hash_code), "{answer}");
        }
    }

    /// Signs and sends a transaction.
    pub async fn transact(&self, app: &TestApp, transaction: Value, more: Value) -> Value {
        let mut body = self.envelope(app, transaction, more);
        self.sign(&mut body);
        self.post(&body).await
    }

    /// Signs and sends a query.
    pub async fn query(&self, app: &TestApp, kind: &str, name: &str, value: &str) -> Value {
        let mut body = self.envelope(app, json!({ "status_request_type": kind, name: value }), json!({}));
        let timestamp = text(&body["timestamp"]);
        body["request_hash"] = json!(hash::signed(&[&timestamp, kind, &self.id, value], &self.hash_code));
        let answer = self.client.send(Call::new("POST", "/api.php/status").json(&body)).await.is(200).json();
        self.check(&answer, "status_request_type");
        answer
    }

    /// An authorisation of an order of its own.
    pub async fn authorise(&self, app: &TestApp, kind: &str, more: Value, billing: Value) -> Value {
        let mut transaction = json!({
            "merchant_order_id": order(),
            "transaction_type": kind,
            "amount": "10.00",
            "currency_code_iso3": "GBP",
        });
        transaction.as_object_mut().unwrap().extend(object(more));
        self.transact(app, transaction, json!({ "billing": billing })).await
    }

    /// A token of a card, without a charge.
    pub async fn token(&self, app: &TestApp, number: &str, expiry: &str) -> String {
        let init = json!({ "subscription_type": "INIT", "amount": "0" });
        let answer = self.authorise(app, "AUTH_ONLY", init, card(number, expiry)).await;
        assert_eq!(code(&answer), "1", "{answer}");
        text(&answer["transaction_id"])
    }

    /// A token of a card that does what it should.
    pub async fn good_token(&self, app: &TestApp) -> String {
        self.token(app, NUMBER, "062031").await
    }

    /// A charge by a token.
    pub async fn rebill(&self, app: &TestApp, token: &str) -> Value {
        let rebill = json!({ "subscription_type": "REBILL", "original_transaction_id": token });
        self.authorise(app, "AUTH_CAPTURE", rebill, json!({})).await
    }

    /// `SUBSCRIPTION_MANAGE`.
    pub async fn manage(&self, app: &TestApp, part: &str, token: &str, more: Value) -> Value {
        let transaction = json!({
            "transaction_type": "SUBSCRIPTION_MANAGE",
            "subscription_type": part,
            "original_transaction_id": token,
        });
        self.transact(app, transaction, more).await
    }

    /// A capture, void or refund.
    pub async fn follow(&self, app: &TestApp, kind: &str, original: &str, amount: &str) -> Value {
        let transaction =
            json!({ "transaction_type": kind, "original_transaction_id": original, "amount": amount });
        self.transact(app, transaction, json!({})).await
    }
}

/// A whole card.
pub fn card(number: &str, expiry: &str) -> Value {
    json!({ "cardnumber": number, "cardexp": expiry, "cardcvv": "737", "cardholder_name": "Ada King" })
}

/// An order id that nothing else has.
pub fn order() -> String {
    format!("order-{}", ORDERS.fetch_add(1, Ordering::Relaxed))
}

/// `response_code`.
pub fn code(answer: &Value) -> String {
    text(&answer["response_code"])
}

/// Whether an answer refuses, names this, and made no transaction.
#[track_caller]
pub fn refused(answer: &Value, code: &str, name: &str) {
    assert_eq!(text(&answer["response_code"]), code, "{answer}");
    assert!(text(&answer["response_message"]).contains(name), "{name}: {answer}");
    assert_eq!(answer["transaction_id"], "", "{answer}");
}

/// The members of an object.
pub fn object(value: Value) -> Map<String, Value> {
    let Value::Object(members) = value else { panic!("no object: {value}") };
    members
}

/// The card under the managed key of test mode that a vault token names.
pub async fn vault_card(app: &TestApp, token: &str) -> Value {
    app.test_mode.get(&format!("/v1/vault?user=managed&token={token}&reference=")).await.ok()
}

/// How many cards are stored in test mode.
pub async fn stored_cards(app: &TestApp) -> usize {
    let mut transaction = app.app.core.store.read().await.unwrap();
    let key = transaction.find_key(app.id.clone(), Mode::Test, "managed".to_owned()).await.unwrap().unwrap();
    transaction.list_cards(app.id.clone(), key.id, crate::app::ALL).await.unwrap().len()
}
