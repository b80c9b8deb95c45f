//! Invoices whose gateway answers late, with a failure, with what nobody can read, or not at all: they wait, are settled
//! by an inquiry, and are charged once. The first gateway is the simulator with little patience on our side; the second
//! is one that a file describes, played by a server on loopback that keeps a book of its own.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use backend::crypto::entropy::SeededEntropy;
use backend::gateways::described::{Described, Description};
use backend::gateways::sandbox::SANDBOX;
use backend::gateways::sandbox::acs::Verdict;
use backend::gateways::sandbox::{Fault, Sandbox};
use backend::gateways::{Answer, CardInUse, FollowUp, Gateway, Known, Order, Patience, Unknown};
use backend::http::App;
use backend::invoices::settle::InvoiceOwner;
use backend::operations::{Operations, Routes};
use backend::outgoing::{Allowed, Outgoing};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use url::Url;

use crate::app::{TestApp, text};
use crate::client::{Call, Client};
use crate::invoice_sales::{sid, typed};
use crate::invoices::{CHALLENGED, GOOD, card, come_back, local, make, order, pares, sell, sell_by, shown};
use crate::receiver::Receiver;

on_both_engines! {
    with local;
    an_answer_after_our_timeout_is_settled_by_an_inquiry_and_charged_once,
    a_refund_that_is_answered_after_our_timeout_gives_back_once,
    a_gateway_that_fails_is_inquired_about_and_charged_once,
    a_gateway_that_says_nothing_is_inquired_about_and_charged_once,
    a_gateway_that_failed_and_charged_nobody_is_paid_again,
    a_payer_waits_on_the_page_while_the_gateway_is_inquired_about,
    an_expiry_keeps_a_payment_pending_and_says_why,
}

/// So often is looked whether something has come to its end; minutes go by each time.
const LOOKS: usize = 40;

/// A shop on a node with a gateway of its own.
struct Shop<'a> {
    app: &'a TestApp,
    account: Client,
    operations: Arc<Operations>,
}

impl<'a> Shop<'a> {
    fn open(app: &'a TestApp, name: &str, gateway: Arc<dyn Gateway>) -> Self {
        let services = [("payment_card_usd_hpp".to_owned(), name.to_owned())];
        let routes = if name == SANDBOX { Routes::default() } else { Routes::new(services.into()) };
        let mut operations = None;
        let callbacks = Arc::clone(&app.app.callbacks);
        let account = app.node_with(|node: &mut App| {
            node.callbacks = callbacks;
            let owner = Arc::new(InvoiceOwner { public_url: node.public_url.clone() });
            let gateways = [(name.to_owned(), gateway)].into();
            let own = Arc::new(Operations::new(node.core.clone(), gateways, routes, vec![owner]));
            node.operations = Arc::clone(&own);
            operations = Some(own);
        });
        Self { app, account, operations: operations.unwrap() }
    }

    async fn make(&self, more: Value) -> Value {
        self.account.post("/payment-invoices", order("o1", more)).await.is(201).json()["data"].clone()
    }

    /// A direct sale by the invoice's own token; answers the status that it tells.
    async fn sell(&self, invoice: &Value) -> String {
        let token = text(&invoice["attributes"]["flow_data"]["metadata"]["token"]);
        let sold = sell_by(&self.account.anonymous(), &token, card(GOOD)).await;
        text(&sold.is(201).json()["data"]["attributes"]["status"])
    }

    /// Whether a payment of the invoice is under way.
    async fn is_busy(&self, invoice: &Value) -> bool {
        let sql = format!("SELECT COALESCE(busy, '') FROM invoice WHERE id = '{}'", text(&invoice["id"]));
        self.app.column(&sql).await != [""]
    }

    /// Lets time go by until nothing of an invoice is under way; answers its attributes.
    async fn settled(&self, invoice: &Value) -> Value {
        for _ in 0..LOOKS {
            if !self.is_busy(invoice).await {
                return shown(self.app, invoice).await;
            }
            self.app.clock.pass(61);
            self.operations.inquire_due().await;
        }
        panic!("the gateway's answer is never learnt");
    }
}

/// The simulator as an acquirer elsewhere: it goes on with a call when nobody waits for its answer any more, which is
/// soon.
struct Hasty(Arc<Sandbox>);

/// As short as a described gateway may have it.
const SHORT: Duration = Duration::from_millis(100);

impl Hasty {
    async fn follow_up(&self, asked: &FollowUp, refunds: bool) -> Result<Answer, Unknown> {
        let (sandbox, asked) = (Arc::clone(&self.0), asked.clone());
        let call =
            async move { if refunds { sandbox.refund(&asked).await } else { sandbox.capture(&asked).await } };
        tokio::spawn(call).await.unwrap()
    }
}

#[async_trait]
impl Gateway for Hasty {
    fn host(&self) -> &str {
        self.0.host()
    }

    fn patience(&self) -> Patience {
        Patience { call: SHORT, ..self.0.patience() }
    }

    async fn authorize(&self, order: &Order, card: &CardInUse<'_>) -> Result<Answer, Unknown> {
        let (sandbox, order, card) = (Arc::clone(&self.0), order.clone(), typed(card.number.digits()));
        let call = async move { card.lend(async |card| sandbox.authorize(&order, card).await).await };
        tokio::spawn(call).await.unwrap()
    }

    async fn verify(&self, order: &Order, card: &CardInUse<'_>) -> Result<Answer, Unknown> {
        self.0.verify(order, card).await
    }

    fn takes_return(&self, returned: &[(String, String)]) -> bool {
        self.0.takes_return(returned)
    }

    async fn complete_authentication(
        &self,
        known: &Known,
        returned: &[(String, String)],
    ) -> Result<Answer, Unknown> {
        self.0.complete_authentication(known, returned).await
    }

    async fn capture(&self, follow_up: &FollowUp) -> Result<Answer, Unknown> {
        self.follow_up(follow_up, false).await
    }

    async fn void(&self, follow_up: &FollowUp) -> Result<Answer, Unknown> {
        self.0.void(follow_up).await
    }

    async fn refund(&self, follow_up: &FollowUp) -> Result<Answer, Unknown> {
        self.follow_up(follow_up, true).await
    }

    fn can_inquire(&self, known: &Known) -> bool {
        self.0.can_inquire(known)
    }

    async fn inquire(&self, known: &Known) -> Result<Option<Answer>, Unknown> {
        self.0.inquire(known).await
    }
}

/// Taken and given back by each entry of the simulator's whole book that moved money.
async fn book(app: &TestApp) -> Vec<String> {
    app.column("SELECT taken || ' ' || refunded FROM sandbox_ledger WHERE taken > 0 ORDER BY operation_id")
        .await
}

/// Waits until the simulator's book has so many entries.
async fn entries(app: &TestApp, count: usize) {
    while app.column("SELECT operation_id FROM sandbox_ledger").await.len() < count {
        tokio::task::yield_now().await;
    }
}

async fn an_answer_after_our_timeout_is_settled_by_an_inquiry_and_charged_once(app: TestApp) {
    let receiver = Receiver::start().await;
    let sandbox = Arc::clone(&app.app.sandbox);
    let shop = Shop::open(&app, SANDBOX, Arc::new(Hasty(Arc::clone(&sandbox))));
    let made = shop.make(json!({ "callback_url": receiver.url })).await;
    let bell = Arc::new(Notify::new());
    sandbox.faults().order(Fault::Held(Arc::clone(&bell)));
    // The acquirer answers when the bell rings, which is after all of this.
    assert_eq!(shop.sell(&made).await, "process_pending");
    assert_eq!(shown(&app, &made).await["status"], json!("process_pending"));
    assert_eq!(sell(&app, &made, card(GOOD)).await.status, 401, "the token is used");
    entries(&app, 1).await;
    let paid = shop.settled(&made).await;
    assert_eq!((&paid["status"], &paid["processed_amount"]), (&json!("processed"), &json!(10.5)));
    bell.notify_one();
    app.sweep().await;
    app.deliver().await;
    assert_eq!(book(&app).await, ["1050 0"], "one charge");
    assert_eq!(app.column("SELECT state FROM operation").await, ["approved"]);
    let told: Vec<_> =
        receiver.calls().iter().map(|call| call.json()["data"]["attributes"].clone()).collect();
    assert_eq!(told.len(), 1);
    assert_eq!(told[0]["status"], json!("processed"));
}

async fn a_refund_that_is_answered_after_our_timeout_gives_back_once(app: TestApp) {
    let sandbox = Arc::clone(&app.app.sandbox);
    let shop = Shop::open(&app, SANDBOX, Arc::new(Hasty(Arc::clone(&sandbox))));
    let made = shop.make(json!({})).await;
    shop.sell(&made).await;
    // On a slow machine even that may have taken longer than it was waited for.
    entries(&app, 1).await;
    assert_eq!(shop.settled(&made).await["status"], json!("processed"));
    let bell = Arc::new(Notify::new());
    sandbox.faults().order(Fault::Held(Arc::clone(&bell)));
    let target = format!("/payment-invoices/{}/refund", text(&made["id"]));
    let body = json!({ "data": { "type": "refund", "attributes": { "amount": 4 } } });
    let asked = shop.account.post(&target, body.clone()).await.ok();
    assert_eq!(asked["data"]["attributes"]["status"], json!("refund_pending"));
    assert_eq!(shop.account.post(&target, body).await.status, 409, "nothing else meanwhile");
    entries(&app, 2).await;
    let part = shop.settled(&made).await;
    assert_eq!((&part["status"], &part["refunded_amount"]), (&json!("partially_refunded"), &json!(4)));
    bell.notify_one();
    app.sweep().await;
    assert_eq!(book(&app).await, ["1050 400"], "given back once");
}

/// What the acquirer does with a call after it has written its book, or not.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Does {
    /// It answers so.
    Says(u16, &'static str),
    /// It closes the connection without a word.
    Closes,
    /// It answers a part of what it said it would.
    BreaksOff,
    /// It keeps the connection, and says nothing.
    KeepsSilent,
}

/// An acquirer on loopback.
#[derive(Clone, Default)]
struct Acquirer {
    /// What was charged, by the key of its call.
    charges: Arc<Mutex<BTreeMap<String, u64>>>,
    /// Calls for a charge that came.
    calls: Arc<Mutex<usize>>,
    /// What is done with calls to come, for a charge and otherwise; afterwards it answers as it should.
    faults: Arc<Mutex<VecDeque<Does>>>,
    /// Whether a call with a fault is in the book all the same.
    charges_all_the_same: bool,
}

const DESCRIPTION: &str = r#"
    base = "https://acquirer.example/v1/"
    timeout_ms = 15000
    certain_ms = 30000
    unheard_again_ms = 0
    [calls.authorize]
    path = "payments"
    headers = { idempotency-key = "{{ operation }}" }
    json = '{"card": {{ card.number }}, "code": {{ card.cvv }}, "minor": {{ minor }}}'
    answer = "payment"
    [calls.inquire_charge]
    method = "GET"
    path = "payments/{{ operation }}"
    answer = "payment"
    [answers.payment]
    unheard = "http == 404 and body.error == 'unknown'"
    approved = "http == 200 and body.state == 'paid'"
    declined = "http == 402"
    [answers.payment.values]
    reference = "{{ body.id }}"
"#;

impl Acquirer {
    /// Starts it, and the gateway that leads there, with what is wrong for a while.
    async fn play(faults: &[Does], charges_all_the_same: bool, timeout_ms: u64) -> (Self, Arc<dyn Gateway>) {
        let acquirer = Self {
            faults: Arc::new(Mutex::new(faults.iter().copied().collect())),
            charges_all_the_same,
            ..Self::default()
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base: Url = format!("http://{}/v1/", listener.local_addr().unwrap()).parse().unwrap();
        let serving = acquirer.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let acquirer = serving.clone();
                tokio::spawn(async move { acquirer.serve(stream).await });
            }
        });
        let text = DESCRIPTION.replace("timeout_ms = 15000", &format!("timeout_ms = {timeout_ms}"));
        let description = Description::parse(&text, BTreeMap::new()).unwrap().at(base);
        let networks = vec!["127.0.0.0/8".parse().unwrap()];
        let outgoing = Outgoing::new(Allowed { networks, plain_http: true }).unwrap();
        let entropy = Arc::new(SeededEntropy::new(1));
        (acquirer, Arc::new(Described::new(description, Arc::new(outgoing), entropy)))
    }

    async fn serve(&self, mut stream: TcpStream) {
        let Some((head, body)) = read(&mut stream).await else { return };
        let fault = self.faults.lock().unwrap().pop_front();
        let answer = self.answer(&head, &body, fault);
        let written = match fault {
            None => reply(answer.0, &answer.1),
            Some(Does::Says(status, body)) => reply(status, body),
            Some(Does::Closes) => String::new(),
            Some(Does::BreaksOff) => reply(200, "{\"state\":\"paid\",\"id\":\"x\"}").replace("\"id\"", ""),
            Some(Does::KeepsSilent) => {
                // For as long as the other side waits.
                drop(stream.read(&mut [0; 1]).await);
                String::new()
            }
        };
        drop(stream.write_all(written.as_bytes()).await);
    }

    fn answer(&self, head: &str, body: &str, fault: Option<Does>) -> (u16, String) {
        let mut charges = self.charges.lock().unwrap();
        let paid = |key: &str| (200, json!({ "id": format!("pay-{key}"), "state": "paid" }).to_string());
        if head.starts_with("POST /v1/payments ") {
            *self.calls.lock().unwrap() += 1;
            let key = header(head, "idempotency-key");
            let asked: Value = serde_json::from_str(body).unwrap();
            assert_eq!((&asked["card"], &asked["code"]), (&json!(GOOD), &json!("123")));
            if fault.is_none() || self.charges_all_the_same {
                charges.insert(key.clone(), asked["minor"].as_u64().unwrap());
            }
            return paid(&key);
        }
        let key = head.strip_prefix("GET /v1/payments/").and_then(|rest| rest.split(' ').next()).unwrap();
        if charges.contains_key(key) { paid(key) } else { (404, json!({ "error": "unknown" }).to_string()) }
    }

    /// The amounts that were charged.
    fn charged(&self) -> Vec<u64> {
        self.charges.lock().unwrap().values().copied().collect()
    }

    fn calls(&self) -> usize {
        *self.calls.lock().unwrap()
    }
}

fn header(head: &str, name: &str) -> String {
    let mut lines = head.lines().filter_map(|line| line.split_once(": "));
    let found = lines.find(|(known, _)| known.eq_ignore_ascii_case(name));
    found.map(|(_, value)| value.to_owned()).unwrap_or_default()
}

/// Head and body of a request; `None` where the other side went away.
async fn read(stream: &mut TcpStream) -> Option<(String, String)> {
    let mut text = String::new();
    let mut bytes = [0; 4096];
    loop {
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = header(head, "content-length").parse().unwrap_or(0);
            if body.len() >= length {
                return Some((head.to_owned(), body.to_owned()));
            }
        }
        match stream.read(&mut bytes).await {
            Ok(count) if count > 0 => text.push_str(std::str::from_utf8(&bytes[..count]).unwrap()),
            _ => return None,
        }
    }
}

fn reply(status: u16, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status} x\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}")
}

/// Long enough for every machine.
const PATIENT: u64 = 15_000;

async fn a_gateway_that_fails_is_inquired_about_and_charged_once(app: TestApp) {
    for (number, fault) in [
        Does::Says(500, "{\"error\":\"internal\"}"),
        Does::Says(502, "<html>Bad gateway</html>"),
        Does::Says(200, "\u{1}\u{2} no JSON at all"),
        Does::Says(200, "{\"state\":\"perhaps\"}"),
        Does::Says(200, ""),
        Does::Says(302, "{\"state\":\"paid\"}"),
        Does::Closes,
        Does::BreaksOff,
    ]
    .into_iter()
    .enumerate()
    {
        // The first inquiry gets no better answer.
        let (acquirer, gateway) = Acquirer::play(&[fault, fault], true, PATIENT).await;
        let shop = Shop::open(&app, "main", gateway);
        let more = json!({ "test_mode": false, "reference_id": format!("f{number}") });
        let made = shop.make(more).await;
        assert_eq!(shop.sell(&made).await, "process_pending", "{fault:?}");
        app.clock.pass(61);
        shop.operations.inquire_due().await;
        assert_eq!(shown(&app, &made).await["status"], json!("process_pending"), "{fault:?}");
        let paid = shop.settled(&made).await;
        assert_eq!(
            (&paid["status"], &paid["resolution"], &paid["processed_amount"]),
            (&json!("processed"), &json!("ok"), &json!(10.5)),
            "{fault:?}"
        );
        assert_eq!((acquirer.charged(), acquirer.calls()), (vec![1050], 1), "{fault:?}");
    }
}

async fn a_gateway_that_says_nothing_is_inquired_about_and_charged_once(app: TestApp) {
    let (acquirer, gateway) = Acquirer::play(&[Does::KeepsSilent], true, 1_000).await;
    let shop = Shop::open(&app, "main", gateway);
    let made = shop.make(json!({ "test_mode": false })).await;
    let mut tries = 0;
    let paid = loop {
        assert_eq!(shop.sell(&made).await, "process_pending");
        tries += 1;
        let shown = shop.settled(&made).await;
        // A call that did not get as far as the acquirer in its second, on a busy machine, has charged nobody.
        if shown["status"] != json!("process_pending") {
            break shown;
        }
        assert!(acquirer.charged().is_empty() && tries < 8);
    };
    assert_eq!((&paid["status"], &paid["processed_amount"]), (&json!("processed"), &json!(10.5)));
    assert_eq!((acquirer.charged(), acquirer.calls()), (vec![1050], 1));
}

async fn a_gateway_that_failed_and_charged_nobody_is_paid_again(app: TestApp) {
    let (acquirer, gateway) = Acquirer::play(&[Does::Says(500, "")], false, PATIENT).await;
    let shop = Shop::open(&app, "main", gateway);
    let made = shop.make(json!({ "test_mode": false })).await;
    assert_eq!(shop.sell(&made).await, "process_pending");
    assert_eq!(shop.settled(&made).await["status"], json!("process_pending"));
    assert_eq!(acquirer.charged(), [0; 0]);
    // The same token is good again, since no payment was made with it.
    assert_eq!(shop.sell(&made).await, "processed");
    assert_eq!((acquirer.charged(), acquirer.calls()), (vec![1050], 2));
}

async fn a_payer_waits_on_the_page_while_the_gateway_is_inquired_about(app: TestApp) {
    let (acquirer, gateway) = Acquirer::play(&[Does::Says(500, "")], true, PATIENT).await;
    let shop = Shop::open(&app, "main", gateway);
    let made = shop.make(json!({ "test_mode": false })).await;
    let (payer, page) = (shop.account.anonymous(), format!("/hpp/{}", sid(&made)));
    let fields = [
        ("attempts_left", "5"),
        ("card_number", GOOD),
        ("card_holder", "Ada King"),
        ("expiry", "10/30"),
        ("cvv", "123"),
    ];
    // The payer sends the form again while it waits.
    for _ in 0..2 {
        let call = Call::new("POST", &page).form(&fields).header("sec-fetch-site", "same-origin");
        assert_eq!(payer.send(call).await.is(303).header("location"), format!("{page}/done"));
        let waits = payer.get(&page).await.is(200).text();
        assert!(waits.contains("being processed") && !waits.contains("<form"));
    }
    assert_eq!(shop.settled(&made).await["status"], json!("processed"));
    assert!(payer.get(&page).await.is(200).text().contains("Payment accepted"));
    assert_eq!((acquirer.charged(), acquirer.calls()), (vec![1050], 1));
}

async fn an_expiry_keeps_a_payment_pending_and_says_why(app: TestApp) {
    let typed = |number: &str| {
        let mut typed = card(number);
        typed["exp_month"] = json!("07");
        typed["exp_year"] = json!("77");
        typed
    };
    let plain = make(&app, "o1", json!({})).await;
    let sold = sell(&app, &plain, typed(GOOD)).await.is(201).json();
    assert_eq!(sold["data"]["attributes"]["status"], json!("process_pending"));
    let asked = make(&app, "o2", json!({})).await;
    let sold = sell(&app, &asked, typed(CHALLENGED)).await.is(201).json();
    assert_eq!(sold["auth_mode"], json!("3ds"));
    come_back(&app, &sold, &pares(&app, &sold, Verdict::Proven).await).await.is(303);
    for _ in 0..3 {
        for (invoice, resolution) in [(&plain, "ok"), (&asked, "auth_3ds_required")] {
            let waits = shown(&app, invoice).await;
            assert_eq!(
                (&waits["status"], &waits["resolution"], &waits["processed_amount"]),
                (&json!("process_pending"), &json!(resolution), &Value::Null)
            );
        }
        app.clock.pass(3 * 3600);
        app.sweep().await;
    }
    assert_eq!(book(&app).await, [""; 0]);
    // One that proved nothing is refused as ever.
    let refused = make(&app, "o3", json!({})).await;
    let sold = sell(&app, &refused, typed(CHALLENGED)).await.is(201).json();
    come_back(&app, &sold, &pares(&app, &sold, Verdict::Failed).await).await.is(303);
    let refused = shown(&app, &refused).await;
    assert_eq!(
        (&refused["status"], &refused["resolution"]),
        (&json!("process_failed"), &json!("client_auth_failed"))
    );
}
