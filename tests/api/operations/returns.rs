//! The payer's way back from the issuer: one return is taken to the gateway, whatever else comes.

use std::sync::Arc;

use backend::gateways::sandbox::Fault;
use backend::gateways::sandbox::acs::Verdict;
use backend::gateways::{Answer, Gateway as _};
use backend::model::{Operation, OperationKind, OperationState};
use tokio::sync::Notify;

use super::described::Acquirer;
use super::till::{CHALLENGED, Till};
use crate::app::TestApp;

on_both_engines! {
    of_two_returns_one_is_taken_to_the_gateway,
    a_return_that_was_lost_can_be_made_again,
    an_inquiry_does_not_send_a_payer_back_whose_return_is_under_way,
    a_gateway_may_ask_for_the_payer_again,
    a_return_that_comes_too_late_is_not_taken_to_the_gateway,
    a_payer_can_be_let_go_of_what_is_off,
}

/// A sale whose payer is at the issuer, and what the issuer sends back.
async fn challenged(till: &Till) -> (Operation, Vec<(String, String)>) {
    let operation = till.sale(900, CHALLENGED, "12/30").await.operation;
    assert_eq!(operation.state, OperationState::Challenged);
    let pares = till.app.app.sandbox.pares(&operation.id, Verdict::Proven);
    (operation, vec![("PaRes".to_owned(), pares)])
}

async fn of_two_returns_one_is_taken_to_the_gateway(app: TestApp) {
    let till = Arc::new(Till::open(app));
    let (operation, returned) = challenged(&till).await;
    let bell = Arc::new(Notify::new());
    till.app.app.sandbox.faults().order(Fault::Held(Arc::clone(&bell)));
    let (clerk, first, fields) = (Arc::clone(&till), operation.clone(), returned.clone());
    let first = tokio::spawn(async move { clerk.operations.complete(first, &fields).await.unwrap() });
    while till.book(&operation).await.unwrap().taken == 0 {
        tokio::task::yield_now().await;
    }
    // The gateway would answer this one at once.
    let second = till.operations.complete(operation.clone(), &returned).await.unwrap();
    assert!(second.answer.is_none(), "{:?}", second.answer);
    assert_eq!(second.operation.state, OperationState::Challenged);
    assert_eq!(till.stored(&operation).await.state, OperationState::Challenged);
    bell.notify_one();
    assert!(matches!(first.await.unwrap().answer, Some(Answer::Approved(_))));
    let (one, two) = tokio::join!(
        till.operations.complete(operation.clone(), &returned),
        till.operations.complete(operation.clone(), &[])
    );
    assert_eq!(one.unwrap().operation.state, OperationState::Approved);
    assert_eq!(two.unwrap().operation.state, OperationState::Approved);
    assert_eq!(till.stored(&operation).await.returned_at, None);
}

async fn a_return_that_was_lost_can_be_made_again(app: TestApp) {
    let till = Till::open(app);
    let (operation, returned) = challenged(&till).await;
    till.app.app.sandbox.faults().order(Fault::NotHeard);
    let settled = till.operations.complete(operation.clone(), &returned).await.unwrap();
    assert!(settled.answer.is_none());
    // Asked for soon, and not believed before the call can have no effect any more.
    till.inquire_after(2).await;
    assert!(till.stored(&operation).await.returned_at.is_some());
    for _ in 0..3 {
        till.inquire_after(20).await;
    }
    assert_eq!(till.stored(&operation).await.returned_at, None);
    let settled = till.operations.complete(operation.clone(), &returned).await.unwrap();
    assert!(matches!(settled.answer, Some(Answer::Approved(_))));
    assert_eq!(till.book(&operation).await.unwrap().taken, 900);
}

async fn an_inquiry_does_not_send_a_payer_back_whose_return_is_under_way(app: TestApp) {
    let till = Till::open(app);
    let (operation, returned) = challenged(&till).await;
    till.app.app.sandbox.faults().order(Fault::Lost);
    let settled = till.operations.complete(operation.clone(), &returned).await.unwrap();
    assert!(settled.answer.is_none());
    till.inquire_after(2).await;
    assert_eq!(till.stored(&operation).await.state, OperationState::Approved);
    let states: Vec<_> = till.told().into_iter().map(|(_, state)| state).collect();
    assert_eq!(states, [OperationState::Challenged, OperationState::Approved]);
}

/// What an acquirer says that wants to see the payer.
fn wanted(id: &str) -> serde_json::Value {
    serde_json::json!({
        "pspReference": "JLCMPCQ8HXSKGK82", "resultCode": "RedirectShopper",
        "action": { "method": "GET", "type": "redirect", "url": format!("https://acs.issuer.example/3ds?id={id}") }
    })
}

async fn a_gateway_may_ask_for_the_payer_again(app: TestApp) {
    let (acquirer, gateway) = Acquirer::play("adyen.toml").await;
    assert!(!gateway.takes_return(&[("other".to_owned(), "x".to_owned())]));
    let till = Till::open_with(app, Some(Arc::new(gateway)));
    let operation = till.begin_by(OperationKind::Sale, backend::model::Mode::Live, "main").await;
    acquirer.answers(200, &wanted("one"));
    let settled = till.charge(&operation, CHALLENGED, "12/30").await;
    assert!(matches!(settled.answer, Some(Answer::Challenge(_))));
    // What is not from the issuer is not taken there.
    acquirer.got();
    let strange = [("other".to_owned(), "x".to_owned())];
    let settled = till.operations.complete(operation.clone(), &strange).await.unwrap();
    assert!(matches!(settled.answer, Some(Answer::Challenge(_))) && acquirer.is_quiet());
    let returned = [("redirectResult".to_owned(), "r".to_owned())];
    acquirer.answers(200, &wanted("two"));
    let settled = till.operations.complete(operation.clone(), &returned).await.unwrap();
    let Some(Answer::Challenge(challenge)) = settled.answer else { panic!("{:?}", settled.answer) };
    assert_eq!(challenge.params, [("id".to_owned(), "two".to_owned())]);
    acquirer.answers(200, &serde_json::json!({ "resultCode": "Authorised", "pspReference": "X" }));
    let settled = till.operations.complete(operation, &returned).await.unwrap();
    assert!(matches!(settled.answer, Some(Answer::Approved(_))));
}

async fn a_return_that_comes_too_late_is_not_taken_to_the_gateway(app: TestApp) {
    let till = Till::open(app);
    let (operation, returned) = challenged(&till).await;
    // Off already; and switched off between the claim and the second look, which is what the second one is for.
    for looks in [&[true][..], &[false, true]] {
        till.looks(looks);
        let refused = till.operations.complete(operation.clone(), &returned).await.unwrap_err();
        assert!(refused.is_switched_off(), "{refused}");
        let stored = till.stored(&operation).await;
        assert_eq!(
            (stored.state, stored.returned_at),
            (OperationState::Challenged, None),
            "nobody waits for it"
        );
        assert_eq!(till.book(&operation).await.unwrap().taken, 0);
    }
    till.looks(&[false, false]);
    let settled = till.operations.complete(operation.clone(), &returned).await.unwrap();
    assert!(matches!(settled.answer, Some(Answer::Approved(_))));
    // What has ended is told, whatever is off by then.
    till.looks(&[true, true]);
    let known = till.operations.complete(operation, &returned).await.unwrap();
    assert_eq!(known.operation.state, OperationState::Approved);
}

async fn a_payer_can_be_let_go_of_what_is_off(app: TestApp) {
    let till = Till::open(app);
    let (operation, returned) = challenged(&till).await;
    till.looks(&[true, true, true]);
    assert!(till.operations.complete(operation.clone(), &returned).await.is_err());
    let settled = till.operations.withdraw(operation.clone()).await.unwrap();
    assert_eq!(settled.operation.state, OperationState::Declined);
    assert_eq!(till.book(&operation).await.unwrap().taken, 0);
}
