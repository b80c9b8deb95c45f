//! Money is conserved: whatever is begun, captured, freed and given back in whatever order, with answers lost, calls
//! that never arrive or arrive twice, and runs that are cut off, our rows say what the simulator's book says.

use std::sync::Arc;

use backend::gateways::sandbox::Fault;
use backend::model::{Operation, OperationKind, OperationState, OwnerKind};
use backend::operations::CardSource;
use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use tokio::sync::Notify;

use super::till::{GOOD, REFUSED, Till, given, order};
use crate::app::{TestApp, on_postgres};

#[derive(Clone, Copy, Debug)]
enum Trouble {
    None,
    NotHeard,
    Lost,
    Twice,
    /// The run is cut off once the book has it.
    Crash,
}

#[derive(Clone, Debug)]
enum Step {
    Charge {
        takes: bool,
        cents: u64,
        refused: bool,
        trouble: Trouble,
    },
    FollowUp {
        kind: OperationKind,
        of: usize,
        cents: u64,
        trouble: Trouble,
    },
    /// Two at once, about the same authorisation.
    Race {
        of: usize,
        cents: [u64; 2],
        kinds: [OperationKind; 2],
    },
    Pass {
        seconds: u64,
    },
}

fn trouble() -> impl Strategy<Value = Trouble> {
    prop_oneof![
        4 => Just(Trouble::None),
        1 => Just(Trouble::NotHeard),
        1 => Just(Trouble::Lost),
        1 => Just(Trouble::Twice),
        1 => Just(Trouble::Crash),
    ]
}

fn kind() -> impl Strategy<Value = OperationKind> {
    prop_oneof![
        3 => Just(OperationKind::Capture),
        1 => Just(OperationKind::Void),
        2 => Just(OperationKind::Refund),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let charge = (any::<bool>(), 1_u64..500, 0_u8..8, trouble())
        .prop_map(|(takes, cents, luck, trouble)| Step::Charge { takes, cents, refused: luck == 0, trouble });
    let follow_up = (kind(), 0_usize..8, 0_u64..600, trouble())
        .prop_map(|(kind, of, cents, trouble)| Step::FollowUp { kind, of, cents, trouble });
    let race = (0_usize..8, [1_u64..400, 1_u64..400], [kind(), kind()])
        .prop_map(|(of, cents, kinds)| Step::Race { of, cents, kinds });
    let pass = (0_u64..12).prop_map(|seconds| Step::Pass { seconds });
    prop_oneof![3 => charge, 5 => follow_up, 2 => race, 2 => pass]
}

/// Runs what was begun, with its trouble. Errors are refusals, which are looked at in the rows.
async fn run(till: &Till, operation: Operation, number: &str, trouble: Trouble) {
    let faults = till.app.app.sandbox.faults();
    match trouble {
        Trouble::None => {}
        Trouble::NotHeard => faults.order(Fault::NotHeard),
        Trouble::Lost => faults.order(Fault::Lost),
        Trouble::Twice => faults.order(Fault::Twice),
        Trouble::Crash => faults.order(Fault::Held(Arc::new(Notify::new()))),
    }
    let booked = async {
        while till.book(&operation).await.is_none() {
            tokio::task::yield_now().await;
        }
    };
    let call = async {
        if matches!(operation.kind, OperationKind::Authorize | OperationKind::Sale) {
            let (actor, order) = (till.actor(), order(&operation));
            let card = CardSource::Given(given(number, "05/29"));
            drop(till.operations.charge(&actor, operation.clone(), order, card).await);
        } else {
            drop(till.operations.follow_up(operation.clone()).await);
        }
    };
    match trouble {
        Trouble::Crash => tokio::select! { () = call => {}, () = booked => {} },
        _ => call.await,
    }
    // A follow-up that was refused before the call has left its fault behind.
    faults.clear();
}

async fn play(till: &Till, steps: &[Step]) {
    let mut charges: Vec<Operation> = Vec::new();
    for step in steps {
        match step {
            Step::Charge { takes, cents, refused, trouble } => {
                let kind = if *takes { OperationKind::Sale } else { OperationKind::Authorize };
                let operation = till.begin(kind, *cents, None, None).await;
                charges.push(operation.clone());
                run(till, operation, if *refused { REFUSED } else { GOOD }, *trouble).await;
            }
            Step::FollowUp { kind, of, cents, trouble } => {
                let Some(parent) = charges.get(of % charges.len().max(1)) else { continue };
                let operation = till.begin(*kind, *cents, Some(parent), None).await;
                run(till, operation, GOOD, *trouble).await;
            }
            Step::Race { of, cents, kinds } => {
                let Some(parent) = charges.get(of % charges.len().max(1)) else { continue };
                let one = till.begin(kinds[0], cents[0], Some(parent), None).await;
                let two = till.begin(kinds[1], cents[1], Some(parent), None).await;
                let again = one.clone();
                tokio::join!(
                    run(till, one, GOOD, Trouble::None),
                    run(till, two, GOOD, Trouble::None),
                    run(till, again, GOOD, Trouble::None),
                );
            }
            Step::Pass { seconds } => till.inquire_after(*seconds).await,
        }
    }
    for _ in 0..8 {
        till.inquire_after(60).await;
    }
}

async fn rows(till: &Till) -> Vec<Operation> {
    let mut transaction = till.app.app.core.store.read().await.unwrap();
    transaction.list_operations(till.app.id.clone(), OwnerKind::Invoice, "cpi_1".to_owned()).await.unwrap()
}

/// What must hold once everything has come to its end.
async fn check(till: &Till) -> Result<(), String> {
    let rows = rows(till).await;
    let told = till.told();
    let sum = |parent: &Operation, kind| -> u64 {
        let of = |row: &&Operation| {
            row.parent.as_ref() == Some(&parent.id)
                && row.kind == kind
                && row.state == OperationState::Approved
        };
        rows.iter().filter(of).map(|row| row.amount.minor()).sum()
    };
    for row in &rows {
        let entry = till.book(row).await;
        let name = format!("{} {:?} {:?}", row.id, row.kind, row.state);
        let ends = told.iter().filter(|(id, state)| *id == row.id && !state.is_open()).count();
        if row.state.is_open() || ends != 1 {
            return Err(format!("{name} ended {ends} times"));
        }
        if entry.is_none() != (row.state == OperationState::NotMade) {
            return Err(format!("{name}: the book says otherwise"));
        }
        let Some(entry) = entry.filter(|_| row.parent.is_none()) else { continue };
        let sold = row.kind == OperationKind::Sale && row.state == OperationState::Approved;
        let taken = if sold { row.amount.minor() } else { 0 } + sum(row, OperationKind::Capture);
        let refunded = sum(row, OperationKind::Refund);
        if (taken, refunded) != (entry.taken, entry.refunded)
            || refunded > taken
            || taken > row.amount.minor()
        {
            return Err(format!(
                "{name}: {taken} - {refunded} here, {} - {} there",
                entry.taken, entry.refunded
            ));
        }
    }
    Ok(())
}

#[test]
fn on_sqlite_our_rows_say_what_the_book_says() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut runner = TestRunner::new(Config { cases: 32, failure_persistence: None, ..Config::default() });
    let result = runner.run(&vec(step(), 1..30), |steps| {
        runtime.block_on(async {
            let till = Till::open(TestApp::on_sqlite().await);
            Box::pin(play(&till, &steps)).await;
            check(&till).await.map_err(TestCaseError::fail)
        })
    });
    result.unwrap();
}

#[test]
fn on_postgres_our_rows_say_what_the_book_says() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut runner = TestRunner::new(Config { cases: 6, failure_persistence: None, ..Config::default() });
    let result = runner.run(&vec(step(), 10..30), |steps| {
        let mut checked = Ok(());
        let told = &mut checked;
        runtime.block_on(on_postgres(|app| async move {
            let till = Till::open(app);
            Box::pin(play(&till, &steps)).await;
            *told = check(&till).await;
        }));
        checked.map_err(TestCaseError::fail)
    });
    result.unwrap();
}
