//! What a gateway cannot be asked about, or says that it never heard of: not repeated, not given up early, and settled
//! by the operator.

use std::sync::Arc;

use backend::gateways::{Answer, Approval, Decline};
use backend::model::{OperationId, OperationKind, OperationState};
use backend::operations::{ByHandError, Outlook};
use serde_json::json;

use super::described::Acquirer;
use super::till::{GOOD, Till};
use crate::app::TestApp;

on_both_engines! {
    never_heard_of_it_counts_when_it_is_said_twice,
    a_lost_refund_is_repeated_for_half_a_day_at_most,
    what_cannot_be_asked_for_is_settled_by_the_operator,
    what_the_server_learns_by_itself_is_not_settled_by_hand,
}

fn approved(reference: &str) -> Answer {
    Answer::Approved(Approval { reference: reference.to_owned(), ..Approval::default() })
}

async fn never_heard_of_it_counts_when_it_is_said_twice(app: TestApp) {
    let (acquirer, gateway) = Acquirer::play("stripe.toml").await;
    let till = Till::open_with(app, Some(Arc::new(gateway)));
    acquirer.answers(500, &json!({}));
    let operation = till.live_sale().await.operation;
    let nothing = json!({ "object": "search_result", "data": [], "has_more": false });
    // Within three minutes it says nothing; then it counts once, and once more ten minutes later.
    for (seconds, state) in [
        (20, OperationState::Sent),
        (180, OperationState::Sent),
        (300, OperationState::Sent),
        (310, OperationState::NotMade),
    ] {
        acquirer.only_answers(200, &nothing);
        till.inquire_after(seconds).await;
        assert_eq!(till.stored(&operation).await.state, state, "{seconds}");
    }
    assert_eq!(till.told(), [(operation.id, OperationState::NotMade)]);

    // One that was found between the two looks is what it is.
    acquirer.answers(500, &json!({}));
    let operation = till.live_sale().await.operation;
    acquirer.only_answers(200, &nothing);
    till.inquire_after(200).await;
    let found = json!({ "data": [{ "id": "pi_1", "status": "succeeded" }], "has_more": false });
    acquirer.only_answers(200, &found);
    till.inquire_after(610).await;
    assert_eq!(till.stored(&operation).await.state, OperationState::Approved);
}

async fn a_lost_refund_is_repeated_for_half_a_day_at_most(app: TestApp) {
    let (acquirer, gateway) = Acquirer::play("adyen.toml").await;
    let till = Till::open_with(app, Some(Arc::new(gateway)));
    acquirer.answers(200, &json!({ "resultCode": "Authorised", "pspReference": "A1" }));
    let sold = till.live_sale().await.operation;
    acquirer.answers(500, &json!({}));
    let refund = till.live_follow_up(OperationKind::Refund, &sold).await.operation;
    assert_eq!(refund.state, OperationState::Sent);
    acquirer.forget();
    acquirer.only_answers(500, &json!({}));
    till.inquire_after(60).await;
    let again = acquirer.got();
    assert_eq!(again.header("idempotency-key"), refund.id.as_str());
    // The next day the acquirer may have forgotten the key: nothing is sent, however long it takes.
    for _ in 0..4 {
        acquirer.only_answers(201, &json!({ "status": "received", "pspReference": "A2" }));
        till.inquire_after(13 * 3_600).await;
        assert!(acquirer.is_quiet());
    }
    assert_eq!(till.stored(&refund).await.state, OperationState::Sent);
    let open = till.operations.open(None).await.unwrap();
    assert_eq!((open.len(), open[0].outlook), (1, Outlook::ByHand));
    assert_eq!(open[0].original_reference.as_deref(), Some("A1"));
}

async fn what_cannot_be_asked_for_is_settled_by_the_operator(app: TestApp) {
    let (acquirer, gateway) = Acquirer::play("adyen.toml").await;
    let till = Till::open_with(app, Some(Arc::new(gateway)));
    for (answer, state, action) in [
        (approved("A1"), OperationState::Approved, "operation.approve"),
        (
            Answer::Declined(Decline { resolution: "declined".to_owned(), ..Decline::default() }),
            OperationState::Declined,
            "operation.decline",
        ),
    ] {
        acquirer.answers(500, &json!({}));
        let operation = till.live_sale().await.operation;
        let settle = async |answer: &Answer| {
            till.operations.settle_by_hand(&operation.id, answer.clone(), false).await
        };
        assert!(matches!(settle(&answer).await, Err(ByHandError::UnderWay)));
        till.inquire_after(200).await;
        assert_eq!(till.stored(&operation).await.state, OperationState::Sent);
        let settled = settle(&answer).await.unwrap();
        assert_eq!((settled.operation.state, settled.answer.as_ref()), (state, Some(&answer)));
        assert_eq!(till.told().pop().unwrap(), (operation.id.clone(), state));
        assert!(till.stored(&operation).await.settled_at.is_some());
        assert!(matches!(settle(&answer).await, Err(ByHandError::Ended(_))));
        let audit = till.app.audit().await;
        let entries: Vec<_> = audit.iter().filter(|entry| entry.object == operation.id.as_str()).collect();
        let entry = entries.iter().find(|entry| entry.action == action).unwrap();
        assert_eq!(entry.actor, "operator");
        assert_eq!(entries.iter().filter(|entry| entry.action.starts_with("operation.")).count(), 1);
    }
    // What was approved by hand can be given back.
    let sold = till.told().into_iter().find(|(_, state)| *state == OperationState::Approved).unwrap().0;
    let sold = till.by_id(&sold).await;
    acquirer.forget();
    acquirer.answers(201, &json!({ "status": "received", "pspReference": "A3" }));
    let refund = till.live_follow_up(OperationKind::Refund, &sold).await;
    assert_eq!(refund.operation.state, OperationState::Approved);
    acquirer.got().is("POST", "/v/payments/A1/refunds");
}

async fn what_the_server_learns_by_itself_is_not_settled_by_hand(app: TestApp) {
    use backend::gateways::sandbox::Fault;
    let till = Till::open(app);
    till.app.app.sandbox.faults().order(Fault::Lost);
    let operation = till.sale(100, GOOD, "12/30").await.operation;
    let unrun = till.begin(OperationKind::Sale, 100, None, None).await;
    till.app.clock.pass(60);
    let open = till.operations.open(Some(&till.app.id)).await.unwrap();
    assert_eq!((open.len(), open[0].outlook), (1, Outlook::Asked));
    let settle =
        async |id: &OperationId, force| till.operations.settle_by_hand(id, approved("x"), force).await;
    assert!(matches!(settle(&operation.id, false).await, Err(ByHandError::Asked)));
    assert!(matches!(settle(&unrun.id, true).await, Err(ByHandError::NotCalled)));
    let unknown = OperationId::stored("opn_unknown".to_owned());
    assert!(matches!(settle(&unknown, true).await, Err(ByHandError::Unknown)));
    assert_eq!(till.stored(&operation).await.state, OperationState::Sent);
    assert_eq!(settle(&operation.id, true).await.unwrap().operation.state, OperationState::Approved);
}
