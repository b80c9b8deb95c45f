//! The simulated issuer's page: what it shows, where it leads, and whom it does not ask.

use backend::gateways::Answer;
use backend::model::{OperationKind, OperationState};
use backend::operations::CardSource;

use super::till::{CHALLENGED, Till, given, order};
use crate::app::TestApp;
use crate::client::Call;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

on_both_engines! {
    a_payer_approves_on_the_page,
    a_described_browser_is_asked_by_the_newer_form,
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
    let returned = [("PaRes".to_owned(), inputs(&text, "PaRes")[0].clone())];
    assert_eq!(inputs(&text, "MD").len(), 2);
    let settled = till.operations.complete(operation, &returned).await.unwrap();
    assert_eq!(settled.operation.state, OperationState::Approved);
    let over = till.app.anonymous.send(page(&pareq)).await;
    assert!(over.is(404).text().contains("does not wait"));
}

/// What was signed stands in a message of 3-D Secure 2.
fn message(text: &str) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).unwrap()).unwrap()
}

/// The values of an input of the page's forms, approving first.
fn inputs(page: &str, name: &str) -> Vec<String> {
    let rest =
        page.split(&format!("name=\"{name}\" value=\"")).skip(1).map(str::to_owned).collect::<Vec<_>>();
    rest.iter().map(|rest| rest.split('"').next().unwrap().to_owned()).collect()
}

async fn a_described_browser_is_asked_by_the_newer_form(app: TestApp) {
    let till = Till::open(app);
    for (verdict, state) in [(0, OperationState::Approved), (1, OperationState::Declined)] {
        let operation = till.begin(OperationKind::Sale, 500, None, None).await;
        let mut order = order(&operation);
        order.return_url = Some("https://shop.example/back".to_owned());
        let screen = [("browser_screen_height", "900"), ("browser_screen_width", "1440")];
        order.payer.browser = screen.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let card = CardSource::Given(given(CHALLENGED, "12/30"));
        let settled = till.operations.charge(&till.actor(), operation, order, card).await.unwrap();
        let Some(Answer::Challenge(challenge)) = settled.answer else { panic!("{:?}", settled.answer) };
        assert_eq!(challenge.method, "POST");
        let [(name, creq)] = challenge.params.as_slice() else { panic!("{:?}", challenge.params) };
        assert_eq!((name.as_str(), &message(creq)["messageType"]), ("creq", &json!("CReq")));

        // A message that leads elsewhere is asked about all the same: the way back is the book's.
        let mut led = message(creq);
        led["notificationURL"] = json!("https://evil.example/");
        let led = URL_SAFE_NO_PAD.encode(led.to_string());
        for sent in [creq, &led] {
            let answer =
                till.app.anonymous.send(Call::new("POST", "/sandbox/acs").form(&[("creq", sent)])).await;
            let policy = answer.is(200).header("content-security-policy").to_owned();
            assert!(policy.contains("form-action https://shop.example;") && !answer.text().contains("evil"));
            assert!(inputs(&answer.text(), "PaRes").is_empty());
        }
        let page =
            till.app.anonymous.send(Call::new("POST", "/sandbox/acs").form(&[("creq", creq)])).await.text();
        let cres = inputs(&page, "cres");
        let said: Vec<_> = cres.iter().map(|cres| message(cres)["transStatus"].clone()).collect();
        assert_eq!(said, ["Y", "N"]);

        // Nobody approves by changing what the issuer said, or by sending back what it was asked.
        let mut forged = message(&cres[1]);
        forged["transStatus"] = json!("Y");
        let forged = URL_SAFE_NO_PAD.encode(forged.to_string());
        let back = if verdict == 0 { &cres[0] } else { &forged };
        let returned = [("cres".to_owned(), back.clone())];
        let settled = till.operations.complete(settled.operation, &returned).await.unwrap();
        assert_eq!(settled.operation.state, state);
        let taken = if verdict == 0 { 500 } else { 0 };
        assert_eq!(till.book(&settled.operation).await.unwrap().taken, taken);
    }
    for nothing in ["", "e30", "x"] {
        let answer =
            till.app.anonymous.send(Call::new("POST", "/sandbox/acs").form(&[("creq", nothing)])).await;
        answer.is(404);
    }
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
