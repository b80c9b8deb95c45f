//! Answers that do not come, come late, or come twice: each operation ends once, as the book says.

use std::sync::Arc;

use backend::gateways::sandbox::Fault;
use backend::model::{Mode, OperationKind, OperationState};
use backend::operations::{CardSource, OperationError};
use tokio::sync::Notify;

use super::till::{GOOD, Till, given, order};
use crate::app::TestApp;

on_both_engines! {
    an_operation_runs_once,
    a_lost_answer_is_settled_by_an_inquiry,
    a_call_that_did_not_arrive_was_not_made,
    an_answer_after_the_inquiry_changes_nothing,
    a_run_goes_on_when_its_caller_is_gone,
    a_run_that_broke_off_ends_as_the_book_says,
    live_cards_and_the_simulator_never_meet,
    a_call_that_arrives_twice_is_done_once,
    an_operation_that_nobody_runs_is_given_up,
    a_given_up_operation_is_not_run_any_more,
    a_lost_follow_up_is_settled_by_an_inquiry,
}

async fn an_operation_runs_once(app: TestApp) {
    let till = Till::open(app);
    let operation = till.begin(OperationKind::Sale, 100, None, None).await;
    let (one, two) =
        tokio::join!(till.charge(&operation, GOOD, "12/30"), till.charge(&operation, GOOD, "12/30"));
    assert!(one.answer.is_some() || two.answer.is_some());
    let later = till.charge(&operation, GOOD, "12/30").await;
    assert_eq!(later.operation.state, OperationState::Approved);
    assert_eq!(till.told(), [(operation.id.clone(), OperationState::Approved)]);
    assert_eq!(till.book(&operation).await.unwrap().taken, 100);
    let uses = till.app.audit().await.into_iter().filter(|entry| entry.action == "card.use").count();
    assert_eq!(uses, 1);
}

async fn a_lost_answer_is_settled_by_an_inquiry(app: TestApp) {
    let till = Till::open(app);
    till.app.app.sandbox.faults().order(Fault::Lost);
    let settled = till.sale(100, GOOD, "12/30").await;
    assert!(settled.answer.is_none());
    assert_eq!(settled.operation.state, OperationState::Sent);
    till.inquire_after(0).await;
    assert!(till.told().is_empty());
    for _ in 0..3 {
        till.inquire_after(2).await;
    }
    let stored = till.stored(&settled.operation).await;
    assert_eq!(stored.state, OperationState::Approved);
    assert_eq!(till.told(), [(stored.id, OperationState::Approved)]);
}

async fn a_call_that_did_not_arrive_was_not_made(app: TestApp) {
    let till = Till::open(app);
    till.app.app.sandbox.faults().order(Fault::NotHeard);
    let settled = till.sale(100, GOOD, "12/30").await;
    assert!(settled.answer.is_none());
    // The gateway might still hear of it.
    till.inquire_after(2).await;
    assert_eq!(till.stored(&settled.operation).await.state, OperationState::Sent);
    till.inquire_after(8).await;
    assert_eq!(till.stored(&settled.operation).await.state, OperationState::NotMade);
    assert_eq!(till.told(), [(settled.operation.id, OperationState::NotMade)]);
}

/// A sale whose answer is held, once the book has it.
async fn held(
    till: &Arc<Till>,
) -> (backend::model::Operation, tokio::task::JoinHandle<OperationState>, Arc<Notify>) {
    let bell = Arc::new(Notify::new());
    till.app.app.sandbox.faults().order(Fault::Held(Arc::clone(&bell)));
    let operation = till.begin(OperationKind::Sale, 100, None, None).await;
    let (clerk, sold) = (Arc::clone(till), operation.clone());
    let run = tokio::spawn(async move {
        let card = CardSource::Given(given(GOOD, "12/30"));
        let (actor, order) = (clerk.actor(), order(&sold));
        clerk.operations.charge(&actor, sold, order, card).await.unwrap().operation.state
    });
    while till.book(&operation).await.is_none() {
        tokio::task::yield_now().await;
    }
    (operation, run, bell)
}

async fn an_answer_after_the_inquiry_changes_nothing(app: TestApp) {
    let till = Arc::new(Till::open(app));
    let (operation, run, bell) = held(&till).await;
    till.inquire_after(2).await;
    assert_eq!(till.stored(&operation).await.state, OperationState::Approved);
    bell.notify_one();
    assert_eq!(run.await.unwrap(), OperationState::Approved);
    assert_eq!(till.told(), [(operation.id.clone(), OperationState::Approved)]);
    assert_eq!(till.book(&operation).await.unwrap().taken, 100);
}

async fn a_run_goes_on_when_its_caller_is_gone(app: TestApp) {
    let till = Arc::new(Till::open(app));
    let (operation, run, bell) = held(&till).await;
    run.abort();
    assert!(run.await.unwrap_err().is_cancelled());
    assert_eq!(till.stored(&operation).await.state, OperationState::Sent);
    bell.notify_one();
    while till.stored(&operation).await.state == OperationState::Sent {
        tokio::task::yield_now().await;
    }
    assert_eq!(till.told(), [(operation.id, OperationState::Approved)]);
}

async fn a_run_that_broke_off_ends_as_the_book_says(app: TestApp) {
    let till = Arc::new(Till::open(app));
    // The answer is never told, as if the process had ended after the book was written.
    let (operation, run, _bell) = held(&till).await;
    run.abort();
    till.inquire_after(2).await;
    assert_eq!(till.stored(&operation).await.state, OperationState::Approved);
    assert_eq!(till.told(), [(operation.id, OperationState::Approved)]);
}

async fn live_cards_and_the_simulator_never_meet(app: TestApp) {
    let till = Till::open(app);
    for (mode, gateway) in [(Mode::Live, "sandbox"), (Mode::Test, "main")] {
        let operation = till.begin_by(OperationKind::Sale, mode, gateway).await;
        let card = CardSource::Given(given(GOOD, "12/30"));
        let refused = till.operations.charge(&till.actor(), operation.clone(), order(&operation), card).await;
        assert!(matches!(refused, Err(OperationError::UnknownGateway(_))));
        assert_eq!(till.stored(&operation).await.state, OperationState::NotMade);
        assert!(till.book(&operation).await.is_none());
    }
}

async fn a_call_that_arrives_twice_is_done_once(app: TestApp) {
    let till = Till::open(app);
    let authorised = till.authorised(100).await;
    till.app.app.sandbox.faults().order(Fault::Twice);
    let captured = till.follow_up(OperationKind::Capture, 50, &authorised).await;
    assert_eq!(captured.operation.state, OperationState::Approved);
    assert_eq!(till.book(&authorised).await.unwrap().taken, 50);
    till.app.app.sandbox.faults().order(Fault::Twice);
    let sold = till.sale(100, GOOD, "12/30").await.operation;
    assert_eq!(till.book(&sold).await.unwrap().taken, 100);
}

async fn an_operation_that_nobody_runs_is_given_up(app: TestApp) {
    let till = Till::open(app);
    let operation = till.begin(OperationKind::Sale, 100, None, None).await;
    till.inquire_after(3).await;
    assert_eq!(till.stored(&operation).await.state, OperationState::Sent);
    till.inquire_after(3).await;
    assert_eq!(till.stored(&operation).await.state, OperationState::NotMade);
    assert_eq!(till.told(), [(operation.id, OperationState::NotMade)]);
}

async fn a_given_up_operation_is_not_run_any_more(app: TestApp) {
    let till = Till::open(app);
    let operation = till.begin(OperationKind::Sale, 100, None, None).await;
    till.inquire_after(6).await;
    let settled = till.charge(&operation, GOOD, "12/30").await;
    assert_eq!(settled.operation.state, OperationState::NotMade);
    assert!(till.book(&operation).await.is_none());
}

async fn a_lost_follow_up_is_settled_by_an_inquiry(app: TestApp) {
    let till = Till::open(app);
    let sold = till.sale(100, GOOD, "12/30").await.operation;
    till.app.app.sandbox.faults().order(Fault::Lost);
    let refund = till.follow_up(OperationKind::Refund, 40, &sold).await;
    assert!(refund.answer.is_none());
    till.inquire_after(2).await;
    assert_eq!(till.stored(&refund.operation).await.state, OperationState::Approved);
    assert_eq!(till.book(&sold).await.unwrap().refunded, 40);
}
