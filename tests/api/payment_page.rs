//! The payment page without scripts and with them, and what becomes of an invoice by it: pages are old, forms come twice,
//! payers leave and come back.

use backend::gateways::sandbox::Fault;
use serde_json::{Value, json};

use crate::app::{TestApp, text};
use crate::client::{Answer, Call};
use crate::invoices::{BAD, CHALLENGED, GOOD, card, make, sell, shown};

on_both_engines! {
    with asking;
    a_card_is_paid_with_and_the_payer_goes_back_to_the_shop,
    refused_fields_come_again_without_the_number,
    a_page_that_is_old_does_nothing,
    two_that_come_at_once_pay_once,
    the_issuer_is_named_by_the_one_page_that_leads_there,
    who_gives_up_at_the_issuer_may_take_another_card,
    a_lost_answer_is_waited_for,
    five_refusals_end_the_page,
    a_stored_card_needs_its_code_where_the_operator_says_so,
    a_page_that_is_over_says_so_and_an_unknown_one_tells_nothing,
    forms_of_other_sites_are_refused,
}

/// The operator asks for the codes of stored cards.
fn asking(settings: &mut backend::config::Settings) {
    settings.policy.ask_stored_cvv = true;
}

/// The path of an invoice's page.
pub fn page(invoice: &Value) -> String {
    format!("/hpp/{}", text(&invoice["attributes"]["flow_data"]["metadata"]["sid"]))
}

/// A page's form as it is sent with so many attempts left.
pub async fn fill(app: &TestApp, invoice: &Value, left: &str, number: &str) -> Answer {
    let fields = [
        ("attempts_left", left),
        ("card_number", number),
        ("card_holder", "Ada King"),
        ("expiry", "10/30"),
        ("cvv", "123"),
    ];
    send(app, &page(invoice), &fields).await
}

async fn send(app: &TestApp, target: &str, fields: &[(&str, &str)]) -> Answer {
    let call = Call::new("POST", target).form(fields);
    app.anonymous.send(call.header("sec-fetch-site", "same-origin")).await
}

/// Where a plain form leads: always a page of ours.
#[track_caller]
fn leads(answer: &Answer) -> String {
    assert_eq!(answer.status, 303, "{}", answer.text());
    assert!(answer.header("location").starts_with("/hpp/cgi_"), "{}", answer.header("location"));
    answer.header("location").to_owned()
}

/// Opens a page in a window of its own.
async fn window(app: &TestApp, target: &str) -> Answer {
    app.anonymous.send(Call::new("GET", target).header("sec-fetch-dest", "document")).await
}

async fn a_card_is_paid_with_and_the_payer_goes_back_to_the_shop(app: TestApp) {
    let more =
        json!({ "return_url": "https://shop.example/back?a=1", "description": "Two books & <i>a pen</i>" });
    let made = make(&app, "o1", more).await;
    let open = app.anonymous.get(&page(&made)).await.is(200).text();
    assert!(
        open.contains("Two books &amp; &lt;i&gt;a pen&lt;/i&gt;"),
        "what it is for stands on the open page"
    );
    assert!(open.contains("Pay USD\u{a0}10.50") && open.contains("name=\"attempts_left\" value=\"5\""));
    assert!(!open.contains("shop.example"), "nothing is paid yet");
    let done = leads(&fill(&app, &made, "5", GOOD).await);
    assert_eq!(done, format!("{}/done", page(&made)));
    assert_eq!(shown(&app, &made).await["status"], json!("processed"));
    let answer = window(&app, &done).await;
    assert_eq!(answer.header("refresh"), "0;url=https://shop.example/back?a=1");
    assert!(answer.text().contains("Payment accepted") && answer.header("cache-control") == "no-store");
    // In a frame the way back is the payer's own.
    let framed = app.anonymous.send(Call::new("GET", &done).header("sec-fetch-dest", "iframe")).await;
    assert_eq!(framed.header("refresh"), "");
    assert!(framed.text().contains("target=\"_top\""));
    assert_eq!(app.anonymous.get(&page(&made)).await.header("refresh"), "", "who comes later stays");
}

async fn refused_fields_come_again_without_the_number(app: TestApp) {
    let made = make(&app, "o1", json!({})).await;
    let result = leads(&fill(&app, &made, "5", "5519283812030001").await);
    let again = app.anonymous.get(&result).await.is(422).text();
    assert!(again.contains("data-problem=\"checksum\"") && again.contains("value=\"Ada King\""));
    assert!(!again.contains("5519283812030001") && !again.contains("value=\"123\""));
    assert_eq!(shown(&app, &made).await["status"], json!("process_pending"));
    let body =
        json!({ "attempts_left": "5", "card_number": "1", "card_holder": "", "expiry": "13/30", "cvv": "" });
    let call = Call::new("POST", &page(&made)).json(&body).header("sec-fetch-site", "same-origin");
    let errors = app.anonymous.send(call).await.is(400).json()["errors"].clone();
    assert_eq!(errors.as_array().unwrap().len(), 4, "{errors}");
}

async fn a_page_that_is_old_does_nothing(app: TestApp) {
    let made = make(&app, "o1", json!({})).await;
    fill(&app, &made, "5", BAD).await;
    assert_eq!(leads(&fill(&app, &made, "5", GOOD).await), format!("{}/done", page(&made)));
    assert_eq!(shown(&app, &made).await["status"], json!("process_pending"));
    let again = app.anonymous.get(&page(&made)).await.is(422).text();
    assert!(again.contains("was declined") && again.contains("name=\"attempts_left\" value=\"4\""));
    fill(&app, &made, "4", GOOD).await;
    assert_eq!(shown(&app, &made).await["status"], json!("processed"));
    fill(&app, &made, "4", GOOD).await;
    fill(&app, &made, "3", GOOD).await;
    assert_eq!(taken(&app, &made).await, 1050);
}

/// What the acquirer has taken for an invoice, in cents.
pub async fn taken(app: &TestApp, invoice: &Value) -> u64 {
    let operation = crate::invoices::payment(app, invoice).await;
    app.app.sandbox.entry(&operation).await.unwrap().unwrap().taken
}

async fn two_that_come_at_once_pay_once(app: TestApp) {
    let made = make(&app, "o1", json!({})).await;
    let answers = tokio::join!(
        fill(&app, &made, "5", GOOD),
        fill(&app, &made, "5", GOOD),
        fill(&app, &made, "5", GOOD)
    );
    for answer in [answers.0, answers.1, answers.2] {
        assert_eq!(leads(&answer), format!("{}/done", page(&made)));
    }
    let other = make(&app, "o2", json!({})).await;
    tokio::join!(fill(&app, &other, "5", BAD), fill(&app, &other, "5", BAD));
    let open = app.anonymous.get(&page(&other)).await.text();
    assert!(open.contains("name=\"attempts_left\" value=\"4\""), "one attempt");
    assert_eq!(
        (taken(&app, &made).await, shown(&app, &made).await["processed_amount"].clone()),
        (1050, json!(10.5))
    );
}

async fn the_issuer_is_named_by_the_one_page_that_leads_there(app: TestApp) {
    let made = make(&app, "o1", json!({})).await;
    let policy = |answer: &Answer| answer.header("content-security-policy").to_owned();
    let open = app.anonymous.get(&page(&made)).await;
    assert!(policy(&open).contains("form-action 'self';"));
    let done = leads(&fill(&app, &made, "5", CHALLENGED).await);
    // Who has just paid is sent on by the page; who opens it once more chooses.
    for (target, goes_on) in [(&done, true), (&page(&made), false)] {
        let issuer = window(&app, target).await;
        assert!(policy(&issuer).contains("form-action 'self' https://cards.example;"), "{}", policy(&issuer));
        let html = issuer.is(200).text();
        assert!(html.contains("action=\"https://cards.example/sandbox/acs\""));
        assert!(html.contains("name=\"PaReq\"") && html.contains("Use another card"));
        assert!(!html.contains(CHALLENGED) && issuer.header("refresh").is_empty());
        assert!(html.contains(&format!("\"to_issuer\":{goes_on}")), "{target}");
    }
}

async fn who_gives_up_at_the_issuer_may_take_another_card(app: TestApp) {
    let made = make(&app, "o1", json!({})).await;
    fill(&app, &made, "5", CHALLENGED).await;
    // A second tab with the form does nothing meanwhile.
    fill(&app, &made, "4", GOOD).await;
    fill(&app, &made, "5", GOOD).await;
    assert_eq!(shown(&app, &made).await["status"], json!("process_pending"));
    let another = format!("{}/another", page(&made));
    assert_eq!(leads(&send(&app, &another, &[]).await), format!("{}/done", page(&made)));
    // Pressed twice.
    leads(&send(&app, &another, &[]).await);
    fill(&app, &made, "4", GOOD).await;
    assert_eq!(shown(&app, &made).await["status"], json!("processed"));
    assert_eq!(taken(&app, &made).await, 1050);
}

async fn a_lost_answer_is_waited_for(app: TestApp) {
    let made = make(&app, "o1", json!({ "return_url": "https://shop.example/back" })).await;
    app.app.sandbox.faults().order(Fault::Lost);
    let done = leads(&fill(&app, &made, "5", GOOD).await);
    leads(&window(&app, &done).await);
    let waits = app.anonymous.get(&page(&made)).await;
    assert_eq!(waits.status, 200);
    assert_eq!(waits.header("refresh"), format!("2;url={done}"));
    assert!(waits.text().contains("being processed") && !waits.text().contains("<form"));
    fill(&app, &made, "4", GOOD).await;
    app.clock.pass(60);
    app.app.operations.inquire_due().await;
    assert_eq!(window(&app, &done).await.header("refresh"), "0;url=https://shop.example/back");
    assert_eq!(taken(&app, &made).await, 1050);
}

async fn five_refusals_end_the_page(app: TestApp) {
    let made = make(&app, "o1", json!({ "return_urls": { "fail": "https://shop.example/failed" } })).await;
    for left in ["5", "4", "3", "2", "1"] {
        assert_eq!(shown(&app, &made).await["status"], json!("process_pending"));
        fill(&app, &made, left, BAD).await;
    }
    assert_eq!(shown(&app, &made).await["status"], json!("process_failed"));
    let over = window(&app, &format!("{}/done", page(&made))).await;
    assert!(over.text().contains("too many attempts") && !over.text().contains("<form"));
    assert_eq!(over.header("refresh"), "0;url=https://shop.example/failed");
    fill(&app, &made, "0", GOOD).await;
    assert_eq!(shown(&app, &made).await["status"], json!("process_failed"));
}

async fn a_stored_card_needs_its_code_where_the_operator_says_so(app: TestApp) {
    let customer = json!({ "reference_id": "c1" });
    let keeps = json!({ "customer": customer, "gateway_options": { "cardgate": { "tokenize": true } } });
    let first = make(&app, "o1", keeps).await;
    sell(&app, &first, card(GOOD)).await.is(201);
    let token = text(&shown(&app, &first).await["payload"]["token"]);
    let made = make(&app, "o2", json!({ "customer": customer, "token": token })).await;
    let open = app.anonymous.get(&page(&made)).await.is(200).text();
    assert!(open.contains("0000</span>"), "{open}");
    assert!(open.contains("name=\"cvv\"") && !open.contains("name=\"card_number\""));
    let stored = [("attempts_left", "5"), ("pay_by", "stored")];
    let result = leads(&send(&app, &page(&made), &stored).await);
    assert!(app.anonymous.get(&result).await.is(422).text().contains("data-problem=\"missing\""));
    assert_eq!(shown(&app, &made).await["status"], json!("process_pending"));
    // The page beside it takes a card.
    let other = app.anonymous.get(&format!("{}?card=new", page(&made))).await.is(200).text();
    assert!(other.contains("name=\"card_number\"") && other.contains("Use your saved card"));
    send(&app, &page(&made), &[("attempts_left", "5"), ("pay_by", "stored"), ("cvv", "123")]).await;
    assert_eq!(shown(&app, &made).await["status"], json!("processed"));
}

async fn a_page_that_is_over_says_so_and_an_unknown_one_tells_nothing(app: TestApp) {
    let made = make(&app, "o1", json!({ "description": "Saffron" })).await;
    app.clock.pass(31 * 24 * 60 * 60);
    let over = app.anonymous.get(&page(&made)).await.is(200).text();
    assert!(over.contains("Link expired") && over.contains("Saffron") && !over.contains("<form"));
    leads(&fill(&app, &made, "5", GOOD).await);
    let unknown = app.anonymous.get("/hpp/cgi_0000000000000000").await.is(404).text();
    assert!(unknown.contains("Link expired") && !unknown.contains("Saffron"));
    leads(&send(&app, "/hpp/cgi_0000000000000000", &[("card_number", GOOD)]).await);
    assert_eq!(app.anonymous.get("/hpp/cgi_0000000000000000/done").await.status, 404);
}

async fn forms_of_other_sites_are_refused(app: TestApp) {
    let made = make(&app, "o1", json!({})).await;
    for path in ["", "/another"] {
        let call = Call::new("POST", &format!("{}{path}", page(&made))).form(&[("attempts_left", "5")]);
        let answer = app.anonymous.send(call.header("sec-fetch-site", "cross-site")).await;
        assert_eq!(answer.status, 403, "{path}");
    }
}
