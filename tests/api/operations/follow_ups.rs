//! Captures, voids and refunds: the book lets nothing be taken or given back twice.

use backend::gateways::Answer;
use backend::model::{
    OperationKind::{Authorize, Capture, Refund, Sale, Void},
    OperationState,
};
use backend::operations::{OperationError, Settled};

use super::till::{GOOD, REFUSED, Till};
use crate::app::TestApp;

on_both_engines! {
    what_was_reserved_is_taken_and_given_back_in_parts,
    more_than_there_is_is_refused,
    what_is_void_stays_void,
    a_follow_up_needs_an_approved_parent,
    captures_at_the_same_time_take_no_more_than_was_reserved,
}

fn resolution(settled: &Settled) -> &str {
    match &settled.answer {
        Some(Answer::Approved(_)) => "ok",
        Some(Answer::Declined(decline)) => &decline.resolution,
        other => panic!("{other:?}"),
    }
}

async fn what_was_reserved_is_taken_and_given_back_in_parts(app: TestApp) {
    let till = Till::open(app);
    let authorised = till.authorised(1_000).await;
    for (kind, cents) in [(Capture, 600), (Capture, 400), (Refund, 300), (Refund, 700)] {
        assert_eq!(resolution(&till.follow_up(kind, cents, &authorised).await), "ok", "{kind:?} {cents}");
    }
    let entry = till.book(&authorised).await.unwrap();
    assert_eq!((entry.taken, entry.refunded), (1_000, 1_000));
    assert_eq!(till.told().len(), 5);
}

async fn more_than_there_is_is_refused(app: TestApp) {
    let till = Till::open(app);
    let authorised = till.authorised(1_000).await;
    for (kind, cents, expected) in [
        (Refund, 1, "functionality_is_not_permitted"),
        (Capture, 1_001, "invalid_amount"),
        (Capture, 0, "invalid_amount"),
        (Capture, 900, "ok"),
        (Capture, 101, "invalid_amount"),
        (Void, 0, "functionality_is_not_permitted"),
        (Refund, 901, "invalid_amount"),
        (Refund, 900, "ok"),
        (Refund, 1, "invalid_amount"),
    ] {
        assert_eq!(resolution(&till.follow_up(kind, cents, &authorised).await), expected, "{kind:?} {cents}");
    }
    let entry = till.book(&authorised).await.unwrap();
    assert_eq!((entry.taken, entry.refunded), (900, 900));
}

async fn what_is_void_stays_void(app: TestApp) {
    let till = Till::open(app);
    let authorised = till.authorised(1_000).await;
    assert_eq!(resolution(&till.follow_up(Void, 1_000, &authorised).await), "ok");
    for kind in [Void, Capture, Refund] {
        assert_eq!(
            resolution(&till.follow_up(kind, 10, &authorised).await),
            "functionality_is_not_permitted"
        );
    }
    let sold = till.sale(500, GOOD, "12/30").await.operation;
    assert_eq!(resolution(&till.follow_up(Void, 500, &sold).await), "functionality_is_not_permitted");
}

async fn a_follow_up_needs_an_approved_parent(app: TestApp) {
    let till = Till::open(app);
    let declined = till.sale(100, REFUSED, "05/29").await.operation;
    let never_run = till.begin(Authorize, 100, None, None).await;
    let authorised = till.authorised(100).await;
    let captured = till.follow_up(Capture, 100, &authorised).await.operation;
    for (kind, parent) in [
        (Refund, Some(&declined)),
        (Capture, Some(&never_run)),
        (Refund, Some(&captured)),
        (Void, None),
        (Sale, Some(&authorised)),
    ] {
        let operation = till.begin(kind, 100, parent, None).await;
        let refused = till.operations.follow_up(operation.clone()).await;
        assert!(matches!(refused, Err(OperationError::Misfit(_))), "{kind:?}");
        assert_eq!(till.stored(&operation).await.state, OperationState::NotMade);
        assert!(till.book(&operation).await.is_none());
    }
}

async fn captures_at_the_same_time_take_no_more_than_was_reserved(app: TestApp) {
    let till = Till::open(app);
    let authorised = till.authorised(1_000).await;
    let (one, two, three) = tokio::join!(
        till.follow_up(Capture, 600, &authorised),
        till.follow_up(Capture, 600, &authorised),
        till.follow_up(Capture, 400, &authorised),
    );
    let mut results = [resolution(&one), resolution(&two), resolution(&three)];
    results.sort_unstable();
    assert_eq!(results, ["invalid_amount", "ok", "ok"]);
    assert_eq!(till.book(&authorised).await.unwrap().taken, 1_000);
}
