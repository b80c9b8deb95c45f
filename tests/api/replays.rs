//! Every documented `POST` under an `Idempotency-Key`: sent again it is answered as before; or it is listed why a key is
//! of no use to it, and that nothing happens twice all the same.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::acquirer::Acquirer;
use crate::app::{NUMBER, TestApp, card, text};
use crate::client::{Call, Client};
use crate::company::{self, Shop, code};
use crate::invoices::{self, GOOD, sell};
use crate::openapi::{Documented, documented};
use crate::operators::operator;
use crate::payment_page;
use crate::proxy::{self, open};
use crate::receiver::Receiver;
use crate::requests::{ask, fill, filled, link, stored};

/// Documented `POST`s that take no key, and what keeps them from making something twice.
const WITHOUT_KEY: [(&str, &str); 8] = [
    ("POST /api.php/status", "a query makes nothing"),
    ("POST /api/cardrequest/report/{message}", "a report that comes again changes nothing"),
    ("POST /payment/sale", "its token is good once"),
    ("POST /v1/change-password", "the credential that the answer would be sealed under ends with the call"),
    ("POST /v1/capture/iframe/{form}", "the page gave its submit a number (ADR 9)"),
    ("POST /r/{code}", "the page gave its submit a number, and the link has one use (ADR 9)"),
    ("POST /hpp/{page}", "the page says how many attempts were left when it was shown (ADR 9)"),
    ("POST /v1/retrieve/iframe/pcd", "a read; each is one, and is counted"),
];

/// A call that can be sent more than once.
struct Sent {
    client: Client,
    target: String,
    headers: Vec<(&'static str, String)>,
    body: Value,
}

impl Sent {
    fn new(client: &Client, target: impl Into<String>, body: Value) -> Self {
        Self { client: client.clone(), target: target.into(), headers: Vec::new(), body }
    }

    async fn under(&self, key: &str) -> crate::client::Answer {
        let mut call = Call::new("POST", &self.target).json(&self.body).header("idempotency-key", key);
        for (name, value) in &self.headers {
            call = call.header(name, value);
        }
        self.client.send(call).await
    }
}

/// A call that works, for each documented `POST` that takes a key.
async fn that_works(app: &TestApp, acquirer: &Acquirer, name: &str) -> Sent {
    let merchant = |target: &str, body: Value| Sent::new(&app.merchant, target, body);
    let (path, none) = (name.split_once(' ').unwrap().1, || json!({}));
    match name {
        "POST /v1/key" => merchant(path, json!({ "user": "replayed" })),
        "POST /v1/key/rotate" => merchant("/v1/key/rotate?user=managed", none()),
        "POST /v1/vault" => merchant("/v1/vault?user=managed&algorithm=random", card(NUMBER)),
        "POST /v1/vault/update" => {
            let token = app.card().await;
            merchant(&format!("{path}?user=managed&token={token}&reference=r1"), json!({ "note": "x" }))
        }
        "POST /v1/capture" => merchant("/v1/capture?user=managed", none()),
        "POST /v1/capture/iframe" | "POST /v1/webhook/secret/rotate" => merchant(path, none()),
        "POST /v1/capture/{unique_id}" => {
            let endpoint = app.endpoint("&algorithm=random").await;
            let sent = Sent::new(&app.anonymous, format!("/v1/capture/{}", endpoint.id), card(NUMBER));
            Sent { headers: vec![("x-capture-secret", endpoint.secret)], ..sent }
        }
        "POST /v1/api-key" => merchant(path, json!({ "scopes": ["card:read"] })),
        "POST /v1/rule" => merchant("/v1/rule?id=replayed", rule()),
        "POST /v1/rule/preview" => {
            let mut body = rule();
            body["sample"] = json!({ "a": "x" });
            merchant(path, body)
        }
        "POST /v1/retrieve" => merchant("/v1/retrieve?user=managed", none()),
        "POST /v1/delivery/{id}/resend" => {
            merchant(&format!("/v1/delivery/{}/resend", delivered(app).await), none())
        }
        "POST /v1/operator/merchants/{id}/hosts" => {
            let target = format!("/v1/operator/merchants/{}/hosts", app.id);
            Sent::new(&operator(app).await, target, json!({ "host": "a.example" }))
        }
        "POST /v1/proxy/post" => {
            let message = proxy::message(acquirer, "application/json", "{\"pan\":\"{{card_number}}\"}");
            merchant(&proxy::target(&app.card().await, "&synchronous=true"), message)
        }
        "POST /v1/proxy/get" => {
            acquirer.answers(
                200,
                &[("Content-Type", "application/json")],
                card(NUMBER).to_string().as_bytes(),
            );
            let request = json!({ "method": "GET", "url": acquirer.url("/card"), "extra_data": {} });
            merchant("/v1/proxy/get?user=managed", json!({ "request": request }))
        }
        "POST /api.php" => a_transaction(app),
        _ if path.starts_with("/payment-") => an_invoices(app, path).await,
        _ if path.starts_with("/api/") => a_bookings(app, path).await,
        _ => panic!("{name} takes a key and has no call here, or takes none and is not listed"),
    }
}

fn rule() -> Value {
    json!({ "operations": [{ "name": "noop", "input_field": "a", "output_field": "b" }] })
}

fn a_transaction(app: &TestApp) -> Sent {
    let shop = Shop::of(app);
    let transaction = json!({
        "transaction_type": "AUTH_CAPTURE", "merchant_order_id": company::order(), "amount": "10.00",
        "currency_code_iso3": "GBP",
    });
    let mut body = shop.envelope(app, transaction, json!({ "billing": company::card(NUMBER, "062031") }));
    shop.sign(&mut body);
    Sent::new(&app.anonymous, "/api.php", body)
}

async fn an_invoices(app: &TestApp, path: &str) -> Sent {
    let account = |target: String, body: Value| Sent::new(&app.account, target, body);
    let act = |invoice: &Value, what: &str| {
        let target = format!("/payment-invoices/{}/{what}", text(&invoice["id"]));
        account(target, json!({ "data": { "type": what, "attributes": {} } }))
    };
    let reserved = json!({ "flow": "delayed_charge" });
    match path {
        "/payment-invoices" => account(path.to_owned(), invoices::order("replayed", json!({}))),
        "/payment-invoices/{id}/capture" => act(&paid(app, "captured", reserved).await, "capture"),
        "/payment-invoices/{id}/void" => act(&paid(app, "freed", reserved).await, "void"),
        "/payment-invoices/{id}/refund" => act(&paid(app, "refunded", json!({})).await, "refund"),
        "/payment-tokens/{token}/disable" | "/payment-tokens/{token}/enable" => {
            let more = json!({
                "customer": { "reference_id": "c1" }, "gateway_options": { "cardgate": { "tokenize": true } },
            });
            let made = paid(app, path, more).await;
            let token = text(&invoices::shown(app, &made).await["payload"]["token"]);
            account(format!("{}?test_mode=true", path.replace("{token}", &token)), json!({}))
        }
        _ => panic!("POST {path} takes a key and has no call here"),
    }
}

/// An invoice that was paid by a direct sale.
async fn paid(app: &TestApp, reference: &str, more: Value) -> Value {
    let made = invoices::make(app, &reference.replace(['/', '{', '}'], "-"), more).await;
    sell(app, &made, invoices::card(GOOD)).await.is(201);
    made
}

async fn a_bookings(app: &TestApp, path: &str) -> Sent {
    let merchant = |target: &str, body: Value| Sent::new(&app.merchant, target, body);
    let address = json!({ "RecipientEmail": "ada@example.com" });
    match path {
        "/api/cardrequest" => merchant(path, address),
        "/api/cardrequest/csc" => {
            let uri = stored(app, crate::app::AMEX).await.1;
            merchant(path, json!({ "CardUri": uri, "RecipientEmail": "ada@example.com" }))
        }
        "/api/cardrequest/{id}/resend" => {
            let made = ask(app, json!({})).await;
            app.deliver().await;
            merchant(&path.replace("{id}", &made.id), json!({}))
        }
        "/api/cardrequest/templates/preview" => {
            let template = json!({ "Name": "a", "Channel": "Email", "Language": "en", "Subject": "Card",
                "Body": "Please use $~link~$" });
            merchant(path, template)
        }
        "/api/payments/paycard/tempsession" => merchant(path, json!({})),
        "/api/payments/paycard/{token}/duplicate" | "/api/payments/paycard/{token}/cvv/Restriction" => {
            let mut body = card(NUMBER);
            body["cvv"] = json!("737");
            let kept = app.merchant.post("/v1/vault?user=managed&algorithm=random", body).await.ok();
            let terms = json!({ "CvvRetentionPolicyList": [{ "DestinationType": "Owner", "Quota": 1 }] });
            merchant(&path.replace("{token}", &text(&kept["token"])), terms)
        }
        _ => panic!("POST {path} takes a key and has no call here"),
    }
}

/// The id of an event that was accepted.
async fn delivered(app: &TestApp) -> String {
    let receiver = Receiver::start().await;
    let webhook = json!({ "webhook": { "url": receiver.url, "secret": "hook-secret" } });
    let made = app.merchant.post("/v1/capture?user=managed", webhook).await.ok();
    let captured = crate::app::Endpoint::of(&app.merchant, &made).capture(card(NUMBER)).await.ok();
    app.deliver().await;
    let id = receiver.calls().pop().expect("a call").header("webhook-id").to_owned();
    assert!(!id.is_empty() && captured["token"].is_string());
    id
}

#[tokio::test]
async fn every_call_that_makes_something_is_answered_again_under_its_key() {
    let app = TestApp::on_sqlite_with(open).await;
    let acquirer = Acquirer::start().await;
    acquirer.allow(&app).await;
    let posts: Vec<_> = documented().into_iter().filter(|call| call.method == "POST").collect();
    let names: BTreeSet<_> = posts.iter().map(Documented::name).collect();
    for (name, why) in WITHOUT_KEY {
        assert!(names.contains(name) && !why.is_empty(), "{name} is listed and not documented");
    }
    let keyed = names.iter().filter(|name| !WITHOUT_KEY.iter().any(|(known, _)| known == name));
    let mut problems = Vec::new();
    for (index, name) in keyed.enumerate() {
        let (sent, key) = (Box::pin(that_works(&app, &acquirer, name)).await, format!("key-{index}"));
        let before = acquirer.taken();
        let first = sent.under(&key).await;
        let left = acquirer.taken() - before;
        let again = sent.under(&key).await;
        let worked = (200..300).contains(&first.status) && first.header("idempotent-replayed").is_empty();
        let replayed = again.header("idempotent-replayed") == "true"
            && (again.status, &again.body) == (first.status, &first.body)
            && acquirer.taken() - before == left;
        if !worked || !replayed {
            problems.push(format!(
                "{name}: {} {}; {} {}",
                first.status,
                first.text(),
                again.status,
                again.text()
            ));
        }
    }
    // The second path of invoices stands behind the same layer.
    let second = Sent::new(&app.account, "/api/payment-invoices", invoices::order("second", json!({})));
    let (first, again) = (second.under("second").await, second.under("second").await);
    assert_eq!((first.is(201).text(), again.header("idempotent-replayed")), (again.text(), "true"));
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[tokio::test]
async fn what_takes_no_key_happens_once_all_the_same() {
    let app = TestApp::on_sqlite_with(open).await;
    let count = async || app.stored_cards("managed").await.len();
    let keyed = |call: Call| call.header("idempotency-key", "k").header("sec-fetch-site", "same-origin");

    // A hosted form: the number that its page gave the submit.
    let endpoint = app.endpoint("&algorithm=random").await;
    let form = json!({ "unique_id": endpoint.id, "submit_id": "aPageGaveThisNumber-1", "card_number": NUMBER,
        "card_holder": "Ada King", "expiry": "06/31", "cvv": "737" });
    let file = || {
        Call::new("POST", "/v1/capture/iframe/pcd").header("x-capture-secret", &endpoint.secret).json(&form)
    };
    let (one, two) = tokio::join!(app.anonymous.send(keyed(file())), app.anonymous.send(keyed(file())));
    assert_eq!((one.ok(), count().await), (two.ok(), 1));

    // A link's form.
    ask(&app, json!({})).await;
    let link = link(&app).await;
    let mut body = filled(NUMBER, "737");
    body["submit_id"] = json!("aPageGaveThisNumber-2");
    let (one, two) = tokio::join!(fill(&app.anonymous, &link, &body), fill(&app.anonymous, &link, &body));
    assert_eq!((one.ok(), count().await), (two.ok(), 2));

    // A payment page: the attempts that were left when it was shown.
    let made = invoices::make(&app, "twice", json!({})).await;
    let pay = || payment_page::fill(&app, &made, "5", GOOD);
    let (one, two) = tokio::join!(pay(), pay());
    assert_eq!((one.status, two.status), (303, 303));
    assert_eq!(payment_page::taken(&app, &made).await, 1050);

    // A direct sale, its token.
    let made = invoices::make(&app, "sold", json!({})).await;
    sell(&app, &made, invoices::card(GOOD)).await.is(201);
    sell(&app, &made, invoices::card(GOOD)).await.is(401);
    assert_eq!(payment_page::taken(&app, &made).await, 1050);

    // A changed password ends the credential that would have to send it again.
    let made = app.merchant.post("/v1/api-key", json!({ "scopes": ["card:read"] })).await.ok();
    let client = app.anonymous.with_basic(&text(&made["user"]), &text(&made["password"]));
    let change = || Call::new("POST", "/v1/change-password").header("idempotency-key", "k");
    client.send(change()).await.ok();
    client.send(change()).await.refused(401, "unauthenticated");

    // A query makes nothing.
    let shop = Shop::of(&app);
    let (one, two) =
        (shop.query(&app, "BIN", "bin", "411111").await, shop.query(&app, "BIN", "bin", "411111").await);
    assert_eq!((code(&one), &one["bin"]), (code(&two), &two["bin"]));
}
