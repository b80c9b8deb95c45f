//! Money is conserved: whatever is done with invoices in whatever order, with lost calls and crashes between, what
//! they say was taken and given back is what the simulator's book says, and nobody is charged twice.

use backend::gateways::sandbox::Fault;
use backend::model::{Invoice, InvoiceId, OperationKind, OwnerKind};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

use crate::app::{TestApp, text};
use crate::invoices::{BAD, GOOD, act, card, local, make, sell};

on_both_engines! {
    with local;
    what_invoices_say_is_what_the_book_says,
}

/// Stories that are played.
const STORIES: usize = 12;
/// The invoices of a story: their flows.
const FLOWS: [&str; 3] = ["charge", "delayed_charge", "charge"];

/// What can happen to an invoice of a story.
#[derive(Clone, Debug)]
enum Deed {
    Pay { good: bool },
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
    /// The node dies after so many steps of the call.
    Crash(usize),
}

#[derive(Clone, Debug)]
enum Step {
    One(usize, Deed, Mishap),
    /// Two at the same time, on one invoice.
    Two(usize, Deed, Deed),
    /// Time goes by, and what is open is inquired about.
    Later(u64),
    /// Callbacks leave.
    Deliver,
}

fn deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        3 => prop::bool::weighted(0.8).prop_map(|good| Deed::Pay { good }),
        2 => (1..1100_u32).prop_map(Deed::Capture),
        1 => Just(Deed::Void),
        3 => (1..700_u32).prop_map(Deed::Refund),
    ]
}

fn story() -> impl Strategy<Value = Vec<Step>> {
    let mishap = prop_oneof![
        4 => Just(Mishap::None),
        1 => Just(Mishap::NotHeard),
        2 => Just(Mishap::Lost),
        1 => Just(Mishap::Twice),
        2 => (0..400_usize).prop_map(Mishap::Crash),
    ];
    let step = prop_oneof![
        6 => (0..FLOWS.len(), deed(), mishap).prop_map(|(at, deed, mishap)| Step::One(at, deed, mishap)),
        2 => (0..FLOWS.len(), deed(), deed()).prop_map(|(at, one, two)| Step::Two(at, one, two)),
        2 => select(vec![3_u64, 20, 600]).prop_map(Step::Later),
        1 => Just(Step::Deliver),
    ];
    prop::collection::vec(step, 8..24)
}

async fn what_invoices_say_is_what_the_book_says(app: TestApp) {
    let mut runner = TestRunner::default();
    for number in 0..STORIES {
        let steps = story().new_tree(&mut runner).unwrap().current();
        let mut invoices = Vec::new();
        for (at, flow) in FLOWS.iter().enumerate() {
            invoices.push(make(&app, &format!("s{number}-{at}"), json!({ "flow": flow })).await);
        }
        for step in &steps {
            play(&app, &invoices, step).await;
        }
        for _ in 0..6 {
            app.clock.pass(7200);
            app.sweep().await;
        }
        for invoice in &invoices {
            check(&app, invoice, &steps).await;
        }
    }
}

async fn play(app: &TestApp, invoices: &[Value], step: &Step) {
    match step {
        Step::One(at, deed, mishap) => {
            let faults = app.app.sandbox.faults();
            match mishap {
                Mishap::None | Mishap::Crash(_) => {}
                Mishap::NotHeard => faults.order(Fault::NotHeard),
                Mishap::Lost => faults.order(Fault::Lost),
                Mishap::Twice => faults.order(Fault::Twice),
            }
            let done = run(app, &invoices[*at], deed);
            if let Mishap::Crash(steps) = mishap {
                // Whoever served the call is gone in the midst of it.
                tokio::select! { biased; () = patience(*steps) => {}, () = done => {} }
            } else {
                done.await;
            }
        }
        Step::Two(at, one, two) => {
            tokio::join!(run(app, &invoices[*at], one), run(app, &invoices[*at], two));
        }
        Step::Later(seconds) => {
            app.clock.pass(*seconds);
            app.sweep().await;
        }
        Step::Deliver => drop(app.deliver().await),
    }
}

async fn patience(steps: usize) {
    for _ in 0..steps {
        tokio::task::yield_now().await;
    }
}

/// Whatever the answer is, but for a failure of ours.
async fn run(app: &TestApp, invoice: &Value, deed: &Deed) {
    let decimal = |minor: u32| json!(format!("{}.{:02}", minor / 100, minor % 100));
    let answer = match deed {
        Deed::Pay { good } => sell(app, invoice, card(if *good { GOOD } else { BAD })).await,
        Deed::Capture(minor) => act(app, invoice, "capture", json!({ "amount": decimal(*minor) })).await,
        Deed::Void => act(app, invoice, "void", json!({})).await,
        Deed::Refund(minor) => act(app, invoice, "refund", json!({ "amount": decimal(*minor) })).await,
    };
    assert!(answer.status < 500, "{deed:?}: {}", answer.text());
}

async fn check(app: &TestApp, invoice: &Value, steps: &[Step]) {
    let id = InvoiceId::stored(text(&invoice["id"]));
    let mut transaction = app.app.core.store.read().await.unwrap();
    let row: Invoice = transaction.find_invoice(app.id.clone(), id.clone()).await.unwrap().unwrap();
    let all = transaction.list_operations(app.id.clone(), OwnerKind::Invoice, id.to_string()).await.unwrap();
    let (mut taken, mut refunded, mut charges) = (0, 0, 0);
    for operation in
        all.iter().filter(|one| matches!(one.kind, OperationKind::Sale | OperationKind::Authorize))
    {
        let Some(entry) = transaction.lookup_ledger_entry(operation.id.clone()).await.unwrap() else {
            continue;
        };
        taken += entry.taken;
        refunded += entry.refunded;
        charges += usize::from(entry.taken > 0);
    }
    let told = format!("{row:?}\n{all:?}\n{steps:?}");
    assert!(row.busy.is_none() && all.iter().all(|operation| !operation.state.is_open()), "{told}");
    assert_eq!((row.taken, row.refunded), (taken, refunded), "{told}");
    assert!(charges <= 1 && row.refunded <= row.taken && row.taken <= row.amount.minor(), "{told}");
}
