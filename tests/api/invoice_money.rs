//! Money is conserved: whatever is done with invoices in whatever order, with calls that are lost, late or doubled and
//! crashes between, what they say was taken and given back is what the simulator's book says, nobody is charged twice,
//! and the merchant's callbacks end with the same sums.
//!
//! A gateway that answers with a failure or with what nobody can read is to an invoice as one that does not answer; that
//! it is read so is a test of the gateways themselves. Nodes that die by kill -9 are in `invoice_crashes`.

use std::collections::BTreeSet;
use std::pin::pin;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use backend::gateways::sandbox::SANDBOX;
use backend::gateways::sandbox::acs::Verdict;
use backend::gateways::sandbox::{Fault, Sandbox};
use backend::gateways::{Answer, CardInUse, FollowUp, Gateway, Known, Order, Patience, Unknown};
use backend::invoices::page::{self, Standing};
use backend::invoices::settle::InvoiceOwner;
use backend::model::{EventState, Invoice, InvoiceId, Mode, OperationId, OperationKind, OwnerKind};
use backend::operations::{Operations, Routes};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::app::{ALL, TestApp, text};
use crate::client::{Answer as Reply, Call};
use crate::invoice_sales::sid;
use crate::invoices::{BAD, CHALLENGED, GOOD, act, card, local, order, sell, shown};
use crate::receiver::{Received, Receiver};

on_both_engines! {
    with local;
    what_invoices_say_is_what_the_book_says,
}

/// Stories that are played.
const STORIES: usize = 12;

/// What can happen to an invoice of a story.
#[derive(Clone, Debug)]
enum Deed {
    /// By a direct sale.
    Sell(&'static str),
    /// On the page.
    Pay(&'static str),
    /// The payer comes back from the issuer.
    Return(Verdict),
    /// The payer leaves the issuer, for another card.
    GiveUp,
    Capture(u32),
    Void,
    Refund(u32),
}

/// What can go wrong.
#[derive(Clone, Debug)]
enum Mishap {
    None,
    NotHeard,
    Lost,
    Twice,
    /// The answer comes when time has gone by and an inquiry was made.
    Late,
    /// Whoever served the call is gone after so many steps of it.
    Crash(usize),
}

#[derive(Clone, Debug)]
enum Step {
    /// One more invoice, asked for twice at once.
    Make(&'static str),
    One(usize, Deed, Mishap),
    /// Two at the same time, on one invoice.
    Two(usize, Deed, Deed),
    /// Time goes by, and what is open is inquired about.
    Later(u64),
    /// Callbacks leave; the first one is refused or not.
    Deliver(bool),
}

fn deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        2 => select(vec![GOOD, GOOD, BAD]).prop_map(Deed::Sell),
        4 => select(vec![GOOD, CHALLENGED, CHALLENGED, BAD]).prop_map(Deed::Pay),
        3 => select(vec![Verdict::Proven, Verdict::Proven, Verdict::Failed]).prop_map(Deed::Return),
        1 => Just(Deed::GiveUp),
        2 => (1..1100_u32).prop_map(Deed::Capture),
        1 => Just(Deed::Void),
        3 => (1..700_u32).prop_map(Deed::Refund),
    ]
}

fn mishap() -> impl Strategy<Value = Mishap> {
    prop_oneof![
        4 => Just(Mishap::None),
        1 => Just(Mishap::NotHeard),
        2 => Just(Mishap::Lost),
        1 => Just(Mishap::Twice),
        1 => Just(Mishap::Late),
        2 => (0..400_usize).prop_map(Mishap::Crash),
    ]
}

fn story() -> impl Strategy<Value = Vec<Step>> {
    let flows = || select(vec!["charge", "charge", "delayed_charge"]);
    let step = prop_oneof![
        1 => flows().prop_map(Step::Make),
        7 => (0..9_usize, deed(), mishap()).prop_map(|(at, deed, mishap)| Step::One(at, deed, mishap)),
        2 => (0..9_usize, deed(), deed()).prop_map(|(at, one, two)| Step::Two(at, one, two)),
        2 => select(vec![3_u64, 20, 600]).prop_map(Step::Later),
        1 => prop::bool::weighted(0.3).prop_map(Step::Deliver),
    ];
    let first = prop::collection::vec(flows().prop_map(Step::Make), 1..3);
    (first, prop::collection::vec(step, 8..28)).prop_map(|(first, rest)| [first, rest].concat())
}

/// The simulator, and what it is asked at the moment.
struct Watched {
    sandbox: Arc<Sandbox>,
    asked: Arc<Mutex<BTreeSet<OperationId>>>,
}

/// A call under way: one that is given up is none any more either.
struct Under<'w>(&'w Watched, OperationId);

impl Drop for Under<'_> {
    fn drop(&mut self) {
        self.0.asked.lock().unwrap().remove(&self.1);
    }
}

impl Watched {
    async fn watch<T>(&self, operation: &OperationId, call: impl Future<Output = T>) -> T {
        self.asked.lock().unwrap().insert(operation.clone());
        let _under = Under(self, operation.clone());
        call.await
    }
}

#[async_trait]
impl Gateway for Watched {
    fn host(&self) -> &str {
        self.sandbox.host()
    }

    fn patience(&self) -> Patience {
        self.sandbox.patience()
    }

    async fn authorize(&self, order: &Order, card: &CardInUse<'_>) -> Result<Answer, Unknown> {
        self.watch(&order.operation, self.sandbox.authorize(order, card)).await
    }

    async fn verify(&self, order: &Order, card: &CardInUse<'_>) -> Result<Answer, Unknown> {
        self.watch(&order.operation, self.sandbox.verify(order, card)).await
    }

    fn takes_return(&self, returned: &[(String, String)]) -> bool {
        self.sandbox.takes_return(returned)
    }

    async fn complete_authentication(
        &self,
        known: &Known,
        returned: &[(String, String)],
    ) -> Result<Answer, Unknown> {
        self.watch(&known.operation, self.sandbox.complete_authentication(known, returned)).await
    }

    async fn capture(&self, follow_up: &FollowUp) -> Result<Answer, Unknown> {
        self.watch(&follow_up.operation, self.sandbox.capture(follow_up)).await
    }

    async fn void(&self, follow_up: &FollowUp) -> Result<Answer, Unknown> {
        self.watch(&follow_up.operation, self.sandbox.void(follow_up)).await
    }

    async fn refund(&self, follow_up: &FollowUp) -> Result<Answer, Unknown> {
        self.watch(&follow_up.operation, self.sandbox.refund(follow_up)).await
    }

    fn can_inquire(&self, known: &Known) -> bool {
        self.sandbox.can_inquire(known)
    }

    async fn inquire(&self, known: &Known) -> Result<Option<Answer>, Unknown> {
        self.sandbox.inquire(known).await
    }
}

/// A shop, its invoices and what it is told.
struct Shop {
    app: TestApp,
    receiver: Receiver,
    invoices: Vec<Value>,
    made: usize,
    asked: Arc<Mutex<BTreeSet<OperationId>>>,
}

impl Shop {
    /// On a node whose simulator is watched.
    async fn open(mut app: TestApp) -> Self {
        let asked = Arc::<Mutex<_>>::default();
        let watched = Watched { sandbox: Arc::clone(&app.app.sandbox), asked: Arc::clone(&asked) };
        let callbacks = Arc::clone(&app.app.callbacks);
        app.account = app.node_with(|node| {
            node.callbacks = callbacks;
            let gateways = [(SANDBOX.to_owned(), Arc::new(watched) as Arc<dyn Gateway>)].into();
            let owner = Arc::new(InvoiceOwner { public_url: node.public_url.clone() });
            let core = node.core.clone();
            node.operations = Arc::new(Operations::new(core, gateways, Routes::default(), vec![owner]));
        });
        app.anonymous = app.account.anonymous();
        Self { app, receiver: Receiver::start().await, invoices: Vec::new(), made: 0, asked }
    }
}

async fn what_invoices_say_is_what_the_book_says(app: TestApp) {
    let mut runner = TestRunner::default();
    let mut shop = Shop::open(app).await;
    for _ in 0..STORIES {
        let steps = story().new_tree(&mut runner).unwrap().current();
        shop.invoices.clear();
        for step in &steps {
            shop.play(step).await;
        }
        shop.come_to_rest().await;
        for invoice in &shop.invoices {
            shop.check(invoice, &steps).await;
        }
        shop.check_book(&steps).await;
    }
}

impl Shop {
    async fn play(&mut self, step: &Step) {
        match step {
            Step::Make(flow) => self.make(flow).await,
            Step::One(at, deed, mishap) => self.one(*at, deed, mishap).await,
            Step::Two(at, one, two) => {
                tokio::join!(self.run(*at, one), self.run(*at, two));
            }
            Step::Later(seconds) => self.later(*seconds).await,
            Step::Deliver(refused) => {
                if *refused {
                    self.receiver.answers(&[500]);
                }
                self.app.deliver().await;
            }
        }
    }

    async fn make(&mut self, flow: &str) {
        self.made += 1;
        let body =
            order(&format!("s{}", self.made), json!({ "flow": flow, "callback_url": self.receiver.url }));
        let call = || self.app.account.post("/payment-invoices", body.clone());
        let (one, two) = tokio::join!(call(), call());
        let made: Vec<_> = [one, two].into_iter().filter(|answer| answer.status == 201).collect();
        assert_eq!(made.len(), 1, "a reference is one invoice");
        self.invoices.push(made[0].json()["data"].clone());
    }

    async fn one(&self, at: usize, deed: &Deed, mishap: &Mishap) {
        let faults = self.app.app.sandbox.faults();
        match mishap {
            Mishap::NotHeard => faults.order(Fault::NotHeard),
            Mishap::Lost => faults.order(Fault::Lost),
            Mishap::Twice => faults.order(Fault::Twice),
            Mishap::None | Mishap::Late | Mishap::Crash(_) => {}
        }
        match mishap {
            Mishap::Crash(steps) => {
                tokio::select! { biased; () = patience(*steps) => {}, () = self.run(at, deed) => {} }
            }
            Mishap::Late => {
                let bell = Arc::new(Notify::new());
                faults.order(Fault::Held(Arc::clone(&bell)));
                let mut run = pin!(self.run(at, deed));
                tokio::select! { () = &mut run => return faults.clear(), () = self.until_asked() => {} }
                self.later(600).await;
                bell.notify_one();
                run.await;
            }
            _ => self.run(at, deed).await,
        }
        // Not every deed gets as far as the gateway.
        faults.clear();
    }

    async fn until_asked(&self) {
        while self.asked().is_empty() {
            tokio::task::yield_now().await;
        }
    }

    fn asked(&self) -> BTreeSet<OperationId> {
        self.asked.lock().unwrap().clone()
    }

    /// Lets time go by, but not under a call that is on its way to the book: by our clock it would have taken longer
    /// than any call may take.
    async fn later(&self, seconds: u64) {
        loop {
            let asked = self.asked();
            let mut written = BTreeSet::new();
            for operation in &asked {
                if self.app.app.sandbox.entry(operation).await.unwrap().is_some() {
                    written.insert(operation.clone());
                }
            }
            if self.asked().is_subset(&written) {
                break;
            }
            tokio::task::yield_now().await;
        }
        self.app.clock.pass(seconds);
        self.app.sweep().await;
    }

    /// Whatever the answer is, but for a failure of ours.
    async fn run(&self, at: usize, deed: &Deed) {
        let (app, invoice) = (&self.app, &self.invoices[at % self.invoices.len()]);
        let decimal = |minor: u32| json!(format!("{}.{:02}", minor / 100, minor % 100));
        let answer = match deed {
            Deed::Sell(number) => sell(app, invoice, card(number)).await,
            Deed::Pay(number) => {
                let fields =
                    [("card_number", *number), ("card_holder", "Ada"), ("expiry", "10/30"), ("cvv", "123")];
                self.form(&format!("/hpp/{}", sid(invoice)), &fields).await
            }
            Deed::Return(verdict) => {
                let Some(pares) = self.pares(invoice, *verdict).await else { return };
                self.form(&format!("/payment/complete-auth/{}", sid(invoice)), &[("PaRes", &pares)]).await
            }
            Deed::GiveUp => self.form(&format!("/hpp/{}/another", sid(invoice)), &[]).await,
            Deed::Capture(minor) => act(app, invoice, "capture", json!({ "amount": decimal(*minor) })).await,
            Deed::Void => act(app, invoice, "void", json!({})).await,
            Deed::Refund(minor) => act(app, invoice, "refund", json!({ "amount": decimal(*minor) })).await,
        };
        assert!(answer.status < 500, "{deed:?}: {}", answer.text());
    }

    async fn form(&self, target: &str, fields: &[(&str, &str)]) -> Reply {
        let call = Call::new("POST", target).form(fields).header("sec-fetch-site", "same-origin");
        self.app.anonymous.send(call).await
    }

    /// What the issuer would send back, where the payer is there.
    async fn pares(&self, invoice: &Value, verdict: Verdict) -> Option<String> {
        let app = &self.app.app;
        let standing = page::facts(&app.core, &sid(invoice)).await.unwrap().standing;
        let Standing::AtIssuer(challenge) = standing else { return None };
        let (_, pareq) = challenge.params.iter().find(|(name, _)| name == "PaReq")?;
        let (operation, ..) = app.sandbox.challenge(pareq).await.unwrap()?;
        Some(app.sandbox.pares(&operation, verdict))
    }

    /// Lets everything come to its end: payers who left, lost answers, refused callbacks.
    async fn come_to_rest(&self) {
        for _ in 0..60 {
            self.later(7200).await;
            self.app.deliver().await;
            let mut transaction = self.app.app.core.store.read().await.unwrap();
            let events = transaction.list_events(self.app.id.clone(), Mode::Test, ALL).await.unwrap();
            let mut open = false;
            for invoice in &self.invoices {
                let id = InvoiceId::stored(text(&invoice["id"]));
                let row = transaction.find_invoice(self.app.id.clone(), id).await.unwrap().unwrap();
                open |= row.busy.is_some();
            }
            if !open && events.iter().all(|event| event.state == EventState::Accepted) {
                return;
            }
        }
        panic!("something never came to its end");
    }

    async fn check(&self, invoice: &Value, steps: &[Step]) {
        let app = &self.app;
        let id = InvoiceId::stored(text(&invoice["id"]));
        let mut transaction = app.app.core.store.read().await.unwrap();
        let row: Invoice = transaction.find_invoice(app.id.clone(), id.clone()).await.unwrap().unwrap();
        let all =
            transaction.list_operations(app.id.clone(), OwnerKind::Invoice, id.to_string()).await.unwrap();
        let (mut taken, mut refunded, mut charges, mut approved) = (0, 0, 0, 0);
        for operation in
            all.iter().filter(|one| matches!(one.kind, OperationKind::Sale | OperationKind::Authorize))
        {
            let Some(entry) = transaction.lookup_ledger_entry(operation.id.clone()).await.unwrap() else {
                continue;
            };
            taken += entry.taken;
            refunded += entry.refunded;
            charges += usize::from(entry.taken > 0);
            let answer: Answer = serde_json::from_str(&entry.answer).unwrap();
            approved += usize::from(matches!(answer, Answer::Approved(_)));
        }
        drop(transaction);
        let told = format!("{row:?}\n{all:?}\n{steps:?}");
        assert!(row.busy.is_none() && all.iter().all(|operation| !operation.state.is_open()), "{told}");
        assert_eq!((row.taken, row.refunded), (taken, refunded), "{told}");
        assert!(charges <= 1 && approved <= 1, "paid twice: {told}");
        assert!(row.refunded <= row.taken && row.taken <= row.amount.minor(), "{told}");
        self.check_callbacks(invoice, &told).await;
    }

    /// The whole book, with whatever nobody asked for: each entry that took something is the payment of one invoice,
    /// and what the entries took and gave back is what the invoices of all stories say.
    async fn check_book(&self, steps: &[Step]) {
        let moved = |table: &str, name: &str| {
            format!(
                "SELECT {name} || ' ' || taken || ' ' || refunded FROM {table} WHERE taken > 0 ORDER BY {name}"
            )
        };
        let booked = self.app.column(&moved("sandbox_ledger", "operation_id")).await;
        let told = self.app.column(&moved("invoice", "payment")).await;
        assert_eq!(booked, told, "{steps:?}");
        let sum =
            |table: &str| format!("SELECT CAST(COALESCE(SUM(taken - refunded), 0) AS TEXT) FROM {table}");
        let (book, invoices) =
            (self.app.column(&sum("sandbox_ledger")).await, self.app.column(&sum("invoice")).await);
        assert_eq!(book, invoices, "{steps:?}");
    }

    /// Each change came once and in order, and the last one says how the invoice stands.
    async fn check_callbacks(&self, invoice: &Value, told: &str) {
        let calls = self.receiver.calls();
        let of =
            |call: &Received| Some(call.json()["data"].clone()).filter(|data| data["id"] == invoice["id"]);
        let mut documents: Vec<_> =
            calls.iter().filter_map(of).map(|data| data["attributes"].clone()).collect();
        // One that was refused comes again as it was.
        documents.dedup();
        let updated: Vec<_> =
            documents.iter().map(|document| document["updated"].as_i64().unwrap()).collect();
        assert!(updated.windows(2).all(|pair| pair[0] < pair[1]), "one for each change: {updated:?} {told}");
        let now = shown(&self.app, invoice).await;
        match documents.last() {
            None => assert_eq!(now["status"], json!("process_pending"), "{told}"),
            Some(last) => {
                for member in ["status", "resolution", "processed_amount", "refunded_amount", "updated"] {
                    assert_eq!(last[member], now[member], "{member}: {told}");
                }
            }
        }
    }
}

async fn patience(steps: usize) {
    for _ in 0..steps {
        tokio::task::yield_now().await;
    }
}
