//! Authorisations, sales and checks: what the simulator answers, what is stored of it, and what becomes of the card.

use backend::gateways::{Answer, Credential, Order};
use backend::model::{Operation, OperationKind, OperationState, Outcome};
use backend::operations::{CardSource, OperationError};
use backend::vault::VaultError;
use serde_json::json;

use super::till::{CHALLENGED, GOOD, REFUSED, Till, given, order};
use crate::app::{PASSPHRASE, TestApp, text};

on_both_engines! {
    a_sale_is_approved_filed_and_written_in_the_book,
    an_expiry_chooses_the_refusal,
    a_payment_can_stay_pending,
    a_challenge_is_completed_by_its_payer,
    a_refused_or_forged_challenge_is_declined,
    a_challenge_that_nobody_answers_ends,
    a_merchant_initiated_charge_is_not_challenged,
    a_stored_card_is_opened_audited_and_its_code_erased,
    a_code_with_more_uses_is_erased_once_answered,
    a_code_stored_after_the_call_is_kept,
    a_card_that_cannot_be_opened_ends_the_operation,
    what_is_no_charge_is_not_charged,
}

async fn a_sale_is_approved_filed_and_written_in_the_book(app: TestApp) {
    let till = Till::open(app);
    let settled = till.sale(1_250, GOOD, "12/30").await;
    let Some(Answer::Approved(approval)) = &settled.answer else { panic!("{:?}", settled.answer) };
    assert_eq!((approval.bank_code.as_str(), approval.checks.cvv.as_str()), ("00", "M"));
    assert_eq!((approval.approval_code.len(), approval.rrn.len(), approval.authenticated), (6, 12, false));
    let stored = till.stored(&settled.operation).await;
    assert_eq!(format!("{stored:?}"), format!("{:?}", settled.operation));
    assert_eq!(stored.state, OperationState::Approved);
    assert!(stored.settled_at.is_some() && !stored.answer.contains(GOOD));
    assert_eq!(till.told(), [(stored.id.clone(), OperationState::Approved)]);
    let entry = till.book(&stored).await.unwrap();
    assert_eq!((entry.kind, entry.taken, entry.refunded), (OperationKind::Sale, 1_250, 0));
    let authorised = till.authorised(700).await;
    assert_eq!(till.book(&authorised).await.unwrap().taken, 0);
}

async fn an_expiry_chooses_the_refusal(app: TestApp) {
    let till = Till::open(app);
    for (expiry, resolution, code) in [
        ("05/29", "insufficient_funds", "51"),
        ("10/34", "lost_or_stolen_card", "43"),
        ("01/31", "general_fatal_error", "96"),
    ] {
        let settled = till.sale(100, REFUSED, expiry).await;
        let Some(Answer::Declined(decline)) = &settled.answer else { panic!("{:?}", settled.answer) };
        assert_eq!((decline.resolution.as_str(), decline.bank_code.as_str()), (resolution, code));
        assert_eq!(settled.operation.state, OperationState::Declined);
        assert_eq!(till.book(&settled.operation).await.unwrap().taken, 0);
    }
}

async fn a_payment_can_stay_pending(app: TestApp) {
    let till = Till::open(app);
    let settled = till.sale(100, "5519283812030000", "07/77").await;
    assert_eq!(settled.operation.state, OperationState::Pending);
    for _ in 0..3 {
        till.inquire_after(10_000).await;
    }
    let stored = till.stored(&settled.operation).await;
    assert_eq!((stored.state, stored.settled_at), (OperationState::Pending, None));
    assert_eq!(till.told().len(), 1);
    // Asked less and less often, and at least once an hour.
    let pause = stored.inquire_at.millis() - till.app.app.core.now().millis();
    assert!((3_500_000..=3_600_000).contains(&pause), "{pause}");
}

/// An operation whose payer is at the issuer, and the fields of the issuer's page.
async fn challenged(till: &Till) -> (Operation, Vec<(String, String)>) {
    let settled = till.sale(900, CHALLENGED, "12/30").await;
    let Some(Answer::Challenge(challenge)) = settled.answer else { panic!("{:?}", settled.answer) };
    assert_eq!(challenge.action, "https://cards.example/sandbox/acs");
    let names: Vec<_> = challenge.params.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["MD", "PaReq", "TermUrl"]);
    assert_eq!(challenge.params[2].1, "https://cards.example/back");
    assert_eq!(settled.operation.state, OperationState::Challenged);
    assert_eq!(till.book(&settled.operation).await.unwrap().taken, 0);
    (settled.operation, challenge.params)
}

async fn a_challenge_is_completed_by_its_payer(app: TestApp) {
    use backend::gateways::sandbox::acs::Verdict;
    let till = Till::open(app);
    let (operation, params) = challenged(&till).await;
    let (asked, ..) = till.app.app.sandbox.challenge(&params[1].1).await.unwrap().unwrap();
    assert_eq!(asked, operation.id);
    // Back without an answer of the issuer: still open.
    let settled = till.operations.complete(operation.clone(), &[]).await.unwrap();
    assert_eq!(settled.operation.state, OperationState::Challenged);
    let pares = till.app.app.sandbox.pares(&asked, Verdict::Proven);
    let returned = [("MD".to_owned(), params[0].1.clone()), ("PaRes".to_owned(), pares)];
    for _ in 0..2 {
        let settled = till.operations.complete(operation.clone(), &returned).await.unwrap();
        let Some(Answer::Approved(approval)) = &settled.answer else { panic!("{:?}", settled.answer) };
        assert!(approval.authenticated);
    }
    assert_eq!(till.book(&operation).await.unwrap().taken, 900);
    let states: Vec<_> = till.told().into_iter().map(|(_, state)| state).collect();
    assert_eq!(states, [OperationState::Challenged, OperationState::Approved]);
}

async fn a_refused_or_forged_challenge_is_declined(app: TestApp) {
    use backend::gateways::sandbox::acs::Verdict;
    let till = Till::open(app);
    let (other, _) = challenged(&till).await;
    let sandbox = &till.app.app.sandbox;
    let refused = |operation: &Operation| sandbox.pares(&operation.id, Verdict::Failed);
    let of_another = |_: &Operation| sandbox.pares(&other.id, Verdict::Proven);
    let nonsense = |_: &Operation| "WS5vcG4".to_owned();
    for pares in [&refused as &dyn Fn(&Operation) -> String, &of_another, &nonsense] {
        let (operation, _) = challenged(&till).await;
        let returned = [("PaRes".to_owned(), pares(&operation))];
        let settled = till.operations.complete(operation.clone(), &returned).await.unwrap();
        let Some(Answer::Declined(decline)) = &settled.answer else { panic!("{:?}", settled.answer) };
        assert_eq!(decline.resolution, "client_auth_failed");
        assert_eq!(till.book(&operation).await.unwrap().taken, 0);
    }
}

async fn a_challenge_that_nobody_answers_ends(app: TestApp) {
    let till = Till::open(app);
    let (operation, _) = challenged(&till).await;
    till.inquire_after(1_700).await;
    assert_eq!(till.stored(&operation).await.state, OperationState::Challenged);
    till.inquire_after(1_800).await;
    assert_eq!(till.stored(&operation).await.state, OperationState::Declined);
}

async fn a_merchant_initiated_charge_is_not_challenged(app: TestApp) {
    let till = Till::open(app);
    let credential =
        Credential::StoredByMerchant { reason: "R".to_owned(), scheme_reference: Some("SBX1".to_owned()) };
    let operation = till.begin(OperationKind::Sale, 100, None, None).await;
    let order = Order { credential, ..order(&operation) };
    let card = CardSource::Given(given(CHALLENGED, "12/30"));
    let settled = till.operations.charge(&till.actor(), operation, order, card).await.unwrap();
    let Some(Answer::Approved(approval)) = settled.answer else { panic!("{:?}", settled.answer) };
    assert_eq!(approval.scheme_reference.as_deref(), Some("SBX1"));
}

async fn a_stored_card_is_opened_audited_and_its_code_erased(app: TestApp) {
    let till = Till::open(app);
    let card = till.card(GOOD).await;
    let operation = till.begin(OperationKind::Sale, 100, None, Some(&card.id)).await;
    let source = CardSource::Stored { card: card.id.clone(), cvv: None };
    let settled =
        till.operations.charge(&till.actor(), operation.clone(), order(&operation), source).await.unwrap();
    let Some(Answer::Approved(approval)) = settled.answer else { panic!("{:?}", settled.answer) };
    assert_eq!(approval.checks.cvv, "M");
    assert!(code(&till, &card.id).await.is_none());
    let audit = till.app.audit().await;
    let used = audit.iter().find(|entry| entry.action == "card.use").unwrap();
    assert_eq!(
        (used.object.as_str(), used.actor.as_str(), used.outcome),
        (card.id.as_str(), "till", Outcome::Done)
    );
    assert!(used.at <= till.stored(&operation).await.settled_at.unwrap());
    // Once more: there is no code any more.
    let operation = till.begin(OperationKind::Sale, 100, None, Some(&card.id)).await;
    let source = CardSource::Stored { card: card.id.clone(), cvv: None };
    let settled =
        till.operations.charge(&till.actor(), operation.clone(), order(&operation), source).await.unwrap();
    let Some(Answer::Approved(approval)) = settled.answer else { panic!("{:?}", settled.answer) };
    assert_eq!(approval.checks.cvv, "");
}

async fn code(till: &Till, card: &backend::model::CardId) -> Option<backend::model::CvvTerms> {
    let mut transaction = till.app.app.core.store.read().await.unwrap();
    transaction.find_cvv_terms(till.app.id.clone(), card.clone()).await.unwrap()
}

/// Gives a card's code uses at a host.
async fn allow(till: &Till, token: &str, host: &str) {
    let terms = json!({ "CvvRetentionPolicyList": [{ "DestinationType": "HostName", "DestinationData": host, "Quota": 5 }] });
    let target = format!("/api/payments/paycard/{token}/cvv/Restriction?reference=r1");
    let answer = till.app.test_mode.put(&target, terms).await;
    assert!((200..300).contains(&answer.status), "{}", answer.text());
}

async fn a_code_with_more_uses_is_erased_once_answered(app: TestApp) {
    let till = Till::open(app);
    let card = till.card(GOOD).await;
    allow(&till, &card.token, "sandbox").await;
    assert_eq!(code(&till, &card.id).await.unwrap().uses_left, 5);
    let operation = till.begin(OperationKind::Verify, 0, None, Some(&card.id)).await;
    let source = CardSource::Stored { card: card.id.clone(), cvv: None };
    let settled =
        till.operations.charge(&till.actor(), operation.clone(), order(&operation), source).await.unwrap();
    assert_eq!(settled.operation.state, OperationState::Approved);
    assert!(code(&till, &card.id).await.is_none());

    // Terms that name another place: the code is not sent, and is erased all the same.
    let card = till
        .store(json!({ "card_number": "5555555555554444", "card_expiry": "06-2031", "cvv": "123" }))
        .await;
    allow(&till, &card.token, "hotel.example").await;
    let operation = till.begin(OperationKind::Sale, 100, None, Some(&card.id)).await;
    let source = CardSource::Stored { card: card.id.clone(), cvv: None };
    let settled =
        till.operations.charge(&till.actor(), operation.clone(), order(&operation), source).await.unwrap();
    let Some(Answer::Approved(approval)) = settled.answer else { panic!("{:?}", settled.answer) };
    assert_eq!(approval.checks.cvv, "");
    assert!(code(&till, &card.id).await.is_none());
}

async fn a_code_stored_after_the_call_is_kept(app: TestApp) {
    use backend::gateways::sandbox::Fault;
    let till = Till::open(app);
    let card = till.card(GOOD).await;
    let operation = till.begin(OperationKind::Sale, 100, None, Some(&card.id)).await;
    till.app.app.sandbox.faults().order(Fault::Lost);
    let source = CardSource::Stored { card: card.id.clone(), cvv: None };
    let settled =
        till.operations.charge(&till.actor(), operation.clone(), order(&operation), source).await.unwrap();
    assert!(settled.answer.is_none());
    till.card(GOOD).await;
    till.inquire_after(2).await;
    assert_eq!(till.stored(&operation).await.state, OperationState::Approved);
    assert!(code(&till, &card.id).await.is_some());
}

async fn a_card_that_cannot_be_opened_ends_the_operation(app: TestApp) {
    let till = Till::open(app);
    let card = till.card(GOOD).await;
    let body = json!({ "user": "shop", "passphrase": PASSPHRASE });
    till.app.test_mode.post("/v1/key", body).await.ok();
    let target = format!("/v1/vault?user=shop&passphrase={PASSPHRASE}&reference=r1");
    let body = json!({ "card_number": GOOD, "card_expiry": "06-2031" });
    let theirs = text(&till.app.test_mode.post(&target, body).await.ok()["token"]);
    let mut transaction = till.app.app.core.store.read().await.unwrap();
    let key = transaction.find_key(till.app.id.clone(), card.mode, "shop".to_owned()).await.unwrap().unwrap();
    let found = transaction.find_cards_by_token(till.app.id.clone(), key.id, theirs, 1).await.unwrap();
    drop(transaction);
    let gone = till.store(json!({ "card_number": "5555555555554444", "card_expiry": "06-2031" })).await;
    till.app
        .test_mode
        .delete(&format!("/v1/vault?user=managed&token={}&reference=r1", gone.token))
        .await
        .ok();
    for card in [&found[0].id, &gone.id] {
        let operation = till.begin(OperationKind::Sale, 100, None, Some(card)).await;
        let source = CardSource::Stored { card: card.clone(), cvv: None };
        let refused =
            till.operations.charge(&till.actor(), operation.clone(), order(&operation), source).await;
        assert!(matches!(refused, Err(OperationError::Vault(VaultError::UnknownCard))));
        assert_eq!(till.stored(&operation).await.state, OperationState::NotMade);
        assert!(till.book(&operation).await.is_none());
        assert_eq!(till.told().pop().unwrap(), (operation.id, OperationState::NotMade));
    }
}

async fn what_is_no_charge_is_not_charged(app: TestApp) {
    let till = Till::open(app);
    let operation = till.begin(OperationKind::Refund, 100, None, None).await;
    let card = CardSource::Given(given(GOOD, "12/30"));
    let refused = till.operations.charge(&till.actor(), operation.clone(), order(&operation), card).await;
    assert!(matches!(refused, Err(OperationError::Misfit(_))));
    assert_eq!(till.stored(&operation).await.state, OperationState::NotMade);
}
