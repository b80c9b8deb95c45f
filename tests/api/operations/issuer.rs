//! The simulated issuer's page: what it shows, where it leads, and whom it does not ask.

use backend::gateways::Answer;
use backend::model::{OperationKind, OperationState};
use backend::operations::CardSource;

use super::till::{CHALLENGED, Till, given, order};
use crate::app::TestApp;
use crate::client::Call;

on_both_engines! {
    a_payer_approves_on_the_page,
    the_page_knows_its_own_payments_alone,
    a_way_back_that_is_no_web_address_is_not_offered,
}

/// A sale that waits for its payer, and the `PaReq` of its page.
async fn waiting(till: &Till, back: &str) -> (backend::model::Operation, String) {
    let operation = till.begin(OperationKind::Sale, 123_456, None, None).await;
    let mut order = order(&operation);
    order.return_url = Some(back.to_owned());
    let card = CardSource::Given(given(CHALLENGED, "12/30"));
    let settled = till.operations.charge(&till.actor(), operation, order, card).await.unwrap();
    let Some(Answer::Challenge(challenge)) = settled.answer else { panic!("{:?}", settled.answer) };
    (settled.operation, challenge.params[1].1.clone())
}

fn page(pareq: &str) -> Call {
    let fields = [("PaReq", pareq), ("MD", "other"), ("TermUrl", "https://evil.example/")];
    Call::new("POST", "/sandbox/acs").form(&fields)
}

async fn a_payer_approves_on_the_page(app: TestApp) {
    let till = Till::open(app);
    let (operation, pareq) = waiting(&till, "https://shop.example:8443/back?a=1&b=2").await;
    let answer = till.app.anonymous.send(page(&pareq)).await;
    let policy = answer.is(200).header("content-security-policy").to_owned();
    assert!(policy.contains("form-action https://shop.example:8443;"), "{policy}");
    assert!(policy.starts_with("default-src 'none'; style-src 'nonce-") && !policy.contains("script-src"));
    let text = answer.text();
    assert!(text.contains("1234.56 EUR") && !text.contains("evil.example") && !text.contains("<script"));
    assert_eq!(text.matches("action=\"https://shop.example:8443/back?a=1&amp;b=2\"").count(), 2);
    let pares: Vec<_> =
        text.split("name=\"PaRes\" value=\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    let returned = [("PaRes".to_owned(), pares[0].to_owned())];
    let settled = till.operations.complete(operation, &returned).await.unwrap();
    assert_eq!(settled.operation.state, OperationState::Approved);
    let over = till.app.anonymous.send(page(&pareq)).await;
    assert!(over.is(404).text().contains("does not wait"));
}

async fn the_page_knows_its_own_payments_alone(app: TestApp) {
    let till = Till::open(app);
    let (operation, pareq) = waiting(&till, "https://shop.example/").await;
    let mut forged = pareq.clone().into_bytes();
    let last = forged.len() - 3;
    forged[last] = if forged[last] == b'A' { b'B' } else { b'A' };
    let forged = String::from_utf8(forged).unwrap();
    for pareq in ["", "x", operation.id.as_str(), &forged] {
        let answer = till.app.anonymous.send(page(pareq)).await;
        assert!(answer.is(404).header("content-security-policy").contains("form-action 'none'"));
    }
    till.app.anonymous.get("/sandbox/acs").await.is(405);
}

async fn a_way_back_that_is_no_web_address_is_not_offered(app: TestApp) {
    let till = Till::open(app);
    for back in ["javascript:alert(1)", "data:text/html,x", "nowhere"] {
        let (_, pareq) = waiting(&till, back).await;
        let answer = till.app.anonymous.send(page(&pareq)).await;
        assert!(!answer.is(404).text().contains("<form"));
    }
}
