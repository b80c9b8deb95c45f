//! Payment invoices over their interface: the whole life of an invoice, what is refused, and what the merchant is told.
//! The seed's own requests and answers are in `invoice_seed`.

use std::time::Duration;

use backend::gateways::sandbox::Fault;
use backend::gateways::sandbox::acs::Verdict;
use backend::invoices::page;
use backend::model::{InvoiceStatus, PageId};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::app::{self, NUMBER, TestApp, text};
use crate::client::{Answer, Call, Client};
use crate::receiver::Receiver;

on_both_engines! {
    with local;
    both_paths_lead_to_the_same_invoices,
    every_change_is_told_and_signed,
    a_callback_is_accepted_by_200_alone,
    what_is_not_right_is_refused_with_its_place,
    a_reserved_amount_is_captured_once,
    a_reserved_amount_is_freed,
    money_goes_back_in_parts_until_nothing_is_left,
    an_issuer_that_wants_to_see_the_payer_gets_to,
    a_lost_answer_is_inquired_about_and_never_charged_twice,
    time_ends_an_invoice_without_a_look_at_it,
    an_invoice_is_given_up_before_it_is_paid,
    a_card_can_be_checked_for_nothing,
    invoices_are_listed_by_reference_and_page,
    merchants_see_their_own_invoices_only,
    what_a_description_hides_is_not_stored,
}

/// Receivers run on loopback without TLS.
pub fn local(settings: &mut backend::config::Settings) {
    settings.http_callbacks = true;
    settings.allowed_networks = vec!["127.0.0.0/8".parse().unwrap()];
}

/// A good card without a challenge, one with, and one that is always refused (spec B.9).
pub const GOOD: &str = "5519283812030000";
pub const CHALLENGED: &str = "5123817234060000";
pub const BAD: &str = "4302912837020000";

/// A test invoice's body with more attributes, which win.
pub fn order(reference: &str, more: Value) -> Value {
    let mut attributes = json!({
        "test_mode": true, "reference_id": reference, "currency": "USD", "amount": 10.5,
        "service": "payment_card_usd_hpp",
    });
    let Value::Object(more) = more else { panic!("attributes are an object") };
    attributes.as_object_mut().unwrap().extend(more);
    json!({ "data": { "type": "payment-invoices", "attributes": attributes } })
}

/// Makes an invoice; answers its resource.
pub async fn make(app: &TestApp, reference: &str, more: Value) -> Value {
    app.account.post("/payment-invoices", order(reference, more)).await.is(201).json()["data"].clone()
}

/// A card of a direct sale.
pub fn card(number: &str) -> Value {
    json!({ "card_number": number, "card_holder": "Ada King", "cvv": "123", "exp_month": "10", "exp_year": "30" })
}

/// A direct sale by an invoice's own token.
pub async fn sell(app: &TestApp, invoice: &Value, attributes: Value) -> Answer {
    let token = text(&invoice["attributes"]["flow_data"]["metadata"]["token"]);
    sell_by(&app.anonymous, &token, attributes).await
}

/// A direct sale by a token.
pub async fn sell_by(client: &Client, token: &str, attributes: Value) -> Answer {
    let body = json!({ "data": { "type": "sale-operation", "attributes": attributes } });
    let call =
        Call::new("POST", "/payment/sale").json(&body).header("authorization", &format!("Bearer {token}"));
    client.send(call).await
}

/// The attributes of an invoice as it stands.
pub async fn shown(app: &TestApp, invoice: &Value) -> Value {
    let target = format!("/payment-invoices/{}", text(&invoice["id"]));
    app.account.get(&target).await.ok()["data"]["attributes"].clone()
}

/// Captures, frees or gives back.
pub async fn act(app: &TestApp, invoice: &Value, what: &str, attributes: Value) -> Answer {
    let target = format!("/payment-invoices/{}/{what}", text(&invoice["id"]));
    app.account.post(&target, json!({ "data": { "type": what, "attributes": attributes } })).await
}

/// Status and code of a refusal with one error, and the place.
#[track_caller]
pub fn refusal(answer: &Answer) -> (u16, String, String) {
    assert_eq!(answer.header("content-type"), "application/vnd.api+json", "{}", answer.text());
    let body = answer.json();
    let errors = body["errors"].as_array().unwrap();
    assert_eq!(errors.len(), 1, "{body}");
    assert_eq!(errors[0]["status"], answer.status.to_string());
    let place = errors[0]["source"]["pointer"].as_str().unwrap_or_default().to_owned();
    (answer.status, text(&errors[0]["code"]), place)
}

async fn both_paths_lead_to_the_same_invoices(app: TestApp) {
    let made = app.account.post("/api/payment-invoices", order("o1", json!({}))).await.is(201).json();
    let target = text(&made["data"]["links"]["self"]);
    let [one, two] = [&target, target.strip_prefix("/api").unwrap()];
    assert_eq!(app.account.get(one).await.ok(), app.account.get(two).await.ok());
}

/// The signature of spec B.7, made apart from the product.
fn signature(secret: &str, body: &str) -> String {
    let text = format!("{secret}{body}{secret}");
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes());
    STANDARD.encode(digest)
}

async fn every_change_is_told_and_signed(app: TestApp) {
    let receiver = Receiver::start().await;
    let made = make(&app, "o1", json!({ "callback_url": receiver.url, "flow": "delayed_charge" })).await;
    app.deliver().await;
    assert_eq!(receiver.taken(), 0, "nothing has changed yet");
    sell(&app, &made, card(GOOD)).await.is(201);
    act(&app, &made, "capture", json!({})).await.is(200);
    act(&app, &made, "refund", json!({ "amount": 0.5 })).await.is(200);
    act(&app, &made, "refund", json!({})).await.is(200);
    app.deliver().await;
    let calls = receiver.calls();
    let told: Vec<_> = calls.iter().map(|call| text(&call.json()["data"]["attributes"]["status"])).collect();
    assert_eq!(told, ["processing", "processed", "partially_refunded", "refunded"]);
    let updated: Vec<_> =
        calls.iter().map(|call| call.json()["data"]["attributes"]["updated"].as_i64().unwrap()).collect();
    assert!(updated.windows(2).all(|pair| pair[0] < pair[1]), "{updated:?}");
    for call in &calls {
        assert_eq!(call.header("x-signature"), signature(&app.callback_secrets[1], &call.text));
        assert_ne!(call.header("x-signature"), signature(&app.callback_secrets[0], &call.text));
        assert!(call.header("webhook-signature").starts_with("v1,") && !call.text.contains("eyJ"));
    }
    let last = app.account.get(&format!("/payment-invoices/{}", text(&made["id"]))).await.ok();
    assert_eq!(calls[3].json(), last, "a callback is what a read answers");
}

async fn a_callback_is_accepted_by_200_alone(app: TestApp) {
    let receiver = Receiver::start().await;
    receiver.answers(&[204, 202, 410]);
    let made = make(&app, "o1", json!({ "callback_url": receiver.url })).await;
    sell(&app, &made, card(GOOD)).await.is(201);
    app.deliver().await;
    assert_eq!(receiver.taken(), 1);
    for (minutes, calls) in [(1, 2), (2, 3), (3, 4)] {
        // Retries may come up to a tenth later.
        app.clock.pass(minutes * 60 + minutes * 6);
        app.deliver().await;
        assert_eq!(receiver.taken(), calls);
    }
    app.clock.pass(24 * 3600);
    app.deliver().await;
    assert_eq!(receiver.taken(), 4, "200 is the end");
}

async fn what_is_not_right_is_refused_with_its_place(app: TestApp) {
    let at = |pointer: &str, code: &str| {
        (
            422,
            code.to_owned(),
            if pointer.is_empty() { String::new() } else { format!("/data/attributes/{pointer}") },
        )
    };
    for (more, expected) in [
        (json!({ "reference_id": null }), at("reference_id", "missing")),
        (json!({ "amount": 0 }), at("amount", "range")),
        (json!({ "amount": -1 }), at("amount", "format")),
        (json!({ "amount": 1.234 }), at("amount", "precision")),
        (json!({ "amount": null }), at("amount", "missing")),
        (
            json!({ "currency": "JPY", "service": "payment_card_jpy_hpp", "amount": 1.5 }),
            at("amount", "precision"),
        ),
        (json!({ "currency": "XQZ" }), at("currency", "unknown")),
        (json!({ "service": "payment_card_xqz_hpp" }), at("service", "unknown")),
        (json!({ "service": "carrier_pigeon" }), at("service", "unknown")),
        (json!({ "flow": "later" }), at("flow", "unknown")),
        (json!({ "callback_url": "https://10.0.0.1/x" }), at("callback_url", "url")),
        (json!({ "description": format!("card {NUMBER}") }), at("description", "holds_number")),
    ] {
        let answer = app.account.post("/payment-invoices", order("o1", more.clone())).await;
        assert_eq!(refusal(&answer), expected, "{more}");
        assert!(!answer.text().contains(NUMBER));
    }
    // A live invoice needs a gateway that the operator has set up.
    let answer = app.account.post("/payment-invoices", order("o1", json!({ "test_mode": false }))).await;
    assert_eq!(refusal(&answer), at("service", "unknown"));
    make(&app, "o1", json!({})).await;
    let again = order("o1", json!({ "amount": 3, "currency": "EUR", "service": "payment_card_eur_hpp" }));
    let answer = app.account.post("/payment-invoices", again).await;
    assert_eq!(refusal(&answer), at("reference_id", "taken"));
    let wrong =
        app.anonymous.with_basic("coma_0000000000000000", "x").post("/payment-invoices", json!({})).await;
    assert_eq!(refusal(&wrong), (401, "unauthenticated".to_owned(), String::new()));
    assert_eq!(refusal(&app.account.get("/payment-invoices/cpi_none").await).0, 404);
    let list = app.account.get("/payment-invoices").await.ok();
    assert_eq!(list["data"].as_array().unwrap().len(), 1, "what was refused is not there");
}

async fn a_reserved_amount_is_captured_once(app: TestApp) {
    let made = make(&app, "o1", json!({ "flow": "delayed_charge" })).await;
    assert_eq!(refusal(&act(&app, &made, "capture", json!({})).await).1, "state");
    sell(&app, &made, card(GOOD)).await.is(201);
    assert_eq!(shown(&app, &made).await["status"], json!("processing"));
    assert_eq!(refusal(&act(&app, &made, "refund", json!({})).await).1, "state", "before it is taken");
    let much = act(&app, &made, "capture", json!({ "amount": 10.51 })).await;
    assert_eq!(refusal(&much).2, "/data/attributes/amount");
    let captured = act(&app, &made, "capture", json!({ "amount": 4.5 })).await.ok();
    assert_eq!(captured["data"]["attributes"]["status"], json!("partially_processed"));
    assert_eq!(captured["data"]["attributes"]["processed_amount"], json!(4.5));
    assert_eq!(refusal(&act(&app, &made, "capture", json!({ "amount": 1 })).await).1, "state");
    assert_eq!(refusal(&act(&app, &made, "void", json!({})).await).1, "state");
    act(&app, &made, "refund", json!({ "amount": 4.5 })).await.is(200);
    assert_eq!(shown(&app, &made).await["status"], json!("refunded"));
}

async fn a_reserved_amount_is_freed(app: TestApp) {
    let made = make(&app, "o1", json!({ "flow": "delayed_charge" })).await;
    sell(&app, &made, card(GOOD)).await.is(201);
    let freed = act(&app, &made, "void", json!({})).await.ok();
    assert_eq!(freed["data"]["attributes"]["status"], json!("terminated"));
    for what in ["capture", "void", "refund"] {
        assert_eq!(refusal(&act(&app, &made, what, json!({})).await).1, "state", "{what}");
    }
}

async fn money_goes_back_in_parts_until_nothing_is_left(app: TestApp) {
    let made = make(&app, "o1", json!({})).await;
    assert_eq!(refusal(&act(&app, &made, "refund", json!({})).await).1, "state", "nothing is paid");
    sell(&app, &made, card(GOOD)).await.is(201);
    let first = json!({ "amount": 4.25, "reference_id": "r1" });
    let part = act(&app, &made, "refund", first.clone()).await.ok();
    let part = &part["data"]["attributes"];
    assert_eq!((&part["status"], &part["refunded_amount"]), (&json!("partially_refunded"), &json!(4.25)));
    assert_eq!(refusal(&act(&app, &made, "refund", first).await).2, "/data/attributes/reference_id");
    let much = act(&app, &made, "refund", json!({ "amount": 6.26 })).await;
    assert_eq!(refusal(&much), (422, "range".to_owned(), "/data/attributes/amount".to_owned()));
    let all = act(&app, &made, "refund", json!({})).await.ok();
    let all = &all["data"]["attributes"];
    assert_eq!((&all["status"], &all["refunded_amount"]), (&json!("refunded"), &json!(10.5)));
    assert_eq!(refusal(&act(&app, &made, "refund", json!({ "amount": 0.01 })).await).1, "state");
    let operation = payment(&app, &made).await;
    let entry = app.app.sandbox.entry(&operation).await.unwrap().unwrap();
    assert_eq!((entry.taken, entry.refunded), (1050, 1050));
}

/// The operation that paid an invoice.
pub async fn payment(app: &TestApp, invoice: &Value) -> backend::model::OperationId {
    let id = backend::model::InvoiceId::stored(text(&invoice["id"]));
    let found = app.app.core.store.read().await.unwrap().find_invoice(app.id.clone(), id).await.unwrap();
    found.unwrap().payment.unwrap()
}

/// What the issuer's page would send back.
pub async fn pares(app: &TestApp, sold: &Value, verdict: Verdict) -> Vec<(String, String)> {
    let params = &sold["auth_payload"]["params"];
    let (operation, ..) = app.app.sandbox.challenge(&text(&params["PaReq"])).await.unwrap().unwrap();
    vec![
        ("MD".to_owned(), text(&params["MD"])),
        ("PaRes".to_owned(), app.app.sandbox.pares(&operation, verdict)),
    ]
}

/// The payer comes back from the issuer with fields.
pub async fn come_back(app: &TestApp, sold: &Value, fields: &[(String, String)]) -> Answer {
    let back = text(&sold["auth_payload"]["params"]["TermUrl"]);
    let target = back.strip_prefix("https://cards.example").unwrap().to_owned();
    let fields: Vec<_> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    app.anonymous.send(Call::new("POST", &target).form(&fields)).await
}

async fn an_issuer_that_wants_to_see_the_payer_gets_to(app: TestApp) {
    for (reference, verdict, status) in
        [("o1", Verdict::Proven, "processed"), ("o2", Verdict::Failed, "process_failed")]
    {
        let made = make(&app, reference, json!({})).await;
        let sold = sell(&app, &made, card(CHALLENGED)).await.is(201).json();
        assert_eq!((&sold["auth_mode"], &sold["auth_payload"]["method"]), (&json!("3ds"), &json!("POST")));
        assert_eq!(sold["data"]["attributes"]["active_payment"]["status"], json!("authorize_required"));
        assert_eq!(shown(&app, &made).await["status"], json!("process_pending"));
        let sid = PageId::stored(text(&made["attributes"]["flow_data"]["metadata"]["sid"]));
        let facts = page::facts(&app.app.core, &sid).await.unwrap();
        assert!(matches!(facts.standing, page::Standing::AtIssuer(_)), "a reload leads there again");
        // Nothing that comes back without the issuer counts.
        come_back(&app, &sold, &[]).await.is(303);
        assert_eq!(shown(&app, &made).await["status"], json!("process_pending"));
        let fields = pares(&app, &sold, verdict).await;
        let back = come_back(&app, &sold, &fields).await;
        assert_eq!(
            (back.status, back.header("location")),
            (303, format!("/hpp/{}/done", sid.as_str()).as_str())
        );
        // The payer goes back and sends the form once more.
        come_back(&app, &sold, &fields).await.is(303);
        let shown = shown(&app, &made).await;
        assert_eq!(shown["status"], json!(status));
        let resolution = if verdict == Verdict::Proven { "ok" } else { "client_auth_failed" };
        assert_eq!(shown["resolution"], json!(resolution));
    }
}

async fn a_lost_answer_is_inquired_about_and_never_charged_twice(app: TestApp) {
    let made = make(&app, "o1", json!({})).await;
    app.app.sandbox.faults().order(Fault::Lost);
    let sold = sell(&app, &made, card(GOOD)).await.is(201).json();
    assert_eq!(sold["data"]["attributes"]["status"], json!("process_pending"));
    assert_eq!(sell(&app, &made, card(GOOD)).await.status, 401, "the token is used");
    app.clock.pass(120);
    app.sweep().await;
    let paid = shown(&app, &made).await;
    assert_eq!((&paid["status"], &paid["processed_amount"]), (&json!("processed"), &json!(10.5)));
    app.app.sandbox.faults().order(Fault::Lost);
    let asked = act(&app, &made, "refund", json!({ "amount": 1 })).await.ok();
    assert_eq!(asked["data"]["attributes"]["status"], json!("refund_pending"));
    assert_eq!(act(&app, &made, "refund", json!({ "amount": 1 })).await.status, 409);
    app.clock.pass(120);
    app.sweep().await;
    let part = shown(&app, &made).await;
    assert_eq!((&part["status"], &part["refunded_amount"]), (&json!("partially_refunded"), &json!(1)));
    // A call that never arrived has charged nobody, and the same token pays.
    let made = make(&app, "o2", json!({})).await;
    app.app.sandbox.faults().order(Fault::NotHeard);
    sell(&app, &made, card(GOOD)).await.is(201);
    app.clock.pass(600);
    app.sweep().await;
    assert_eq!(shown(&app, &made).await["status"], json!("process_pending"));
    sell(&app, &made, card(GOOD)).await.is(201);
    assert_eq!(shown(&app, &made).await["status"], json!("processed"));
}

async fn time_ends_an_invoice_without_a_look_at_it(app: TestApp) {
    let receiver = Receiver::start().await;
    let made = make(&app, "o1", json!({ "callback_url": receiver.url })).await;
    app.clock.pass(Duration::from_hours(24).as_secs());
    app.sweep().await;
    app.deliver().await;
    let told = receiver.calls()[0].json()["data"]["attributes"].clone();
    assert_eq!((&told["status"], &told["resolution"]), (&json!("expired"), &json!("transaction_expired")));
    let sold = sell(&app, &made, card(GOOD)).await;
    assert_eq!(refusal(&sold).1, "sale_token");
    let sid = PageId::stored(text(&made["attributes"]["flow_data"]["metadata"]["sid"]));
    let facts = page::facts(&app.app.core, &sid).await.unwrap();
    assert_eq!(facts.standing, page::Standing::Over(InvoiceStatus::Expired));
}

async fn an_invoice_is_given_up_before_it_is_paid(app: TestApp) {
    let made = make(&app, "o1", json!({})).await;
    let given_up = act(&app, &made, "void", json!({})).await.ok();
    let told = &given_up["data"]["attributes"];
    assert_eq!((&told["status"], &told["resolution"]), (&json!("terminated"), &json!("general_decline")));
    assert_eq!(sell(&app, &made, card(GOOD)).await.status, 401);
    assert_eq!(refusal(&act(&app, &made, "void", json!({})).await).1, "state");
}

async fn a_card_can_be_checked_for_nothing(app: TestApp) {
    let made = make(&app, "o1", json!({ "flow": "verify", "amount": 0 })).await;
    sell(&app, &made, card(GOOD)).await.is(201);
    let checked = shown(&app, &made).await;
    assert_eq!((&checked["status"], &checked["processed_amount"]), (&json!("verified"), &Value::Null));
    assert_eq!(refusal(&act(&app, &made, "refund", json!({})).await).1, "state");
    let made = make(&app, "o2", json!({ "flow": "verify", "amount": 0 })).await;
    sell(&app, &made, card(BAD)).await.is(201);
    assert_eq!(shown(&app, &made).await["status"], json!("verify_failed"));
}

async fn invoices_are_listed_by_reference_and_page(app: TestApp) {
    for number in 1..=5 {
        make(&app, &format!("o{number}"), json!({})).await;
    }
    let references = |list: &Value| -> Vec<String> {
        list["data"].as_array().unwrap().iter().map(|one| text(&one["attributes"]["reference_id"])).collect()
    };
    let one = app.account.get("/payment-invoices?filter[reference_id]=o3").await.ok();
    assert_eq!(references(&one), ["o3"]);
    let first = app.account.get("/payment-invoices?page[size]=3").await.ok();
    assert_eq!(references(&first), ["o5", "o4", "o3"]);
    let cursor = text(&first["meta"]["next_cursor"]);
    let second = app.account.get(&format!("/payment-invoices?page[size]=3&page[cursor]={cursor}")).await.ok();
    assert_eq!(
        (references(&second), &second["links"]["next"]),
        (vec!["o2".to_owned(), "o1".to_owned()], &Value::Null)
    );
    assert_eq!(app.account.get("/payment-invoices?page[cursor]=x").await.status, 422);
    assert_eq!(app.account.get("/payment-invoices?page[size]=0").await.status, 422);
}

async fn merchants_see_their_own_invoices_only(app: TestApp) {
    let made = make(&app, "o1", json!({})).await;
    let other = app.new_merchant("Other", backend::model::Scopes::usual()).await;
    let other = app::account(&app.anonymous, &other);
    let id = text(&made["id"]);
    for target in [format!("/payment-invoices/{id}"), format!("/payment-invoices/{id}/refund")] {
        let method = if target.ends_with("refund") { "POST" } else { "GET" };
        assert_eq!(other.send(Call::new(method, &target)).await.status, 404);
        // The same merchant's credentials of the other mode.
        assert_eq!(app.merchant.send(Call::new(method, &target)).await.status, 404);
    }
    assert_eq!(other.get("/payment-invoices").await.ok()["data"], json!([]));
    assert_eq!(app.merchant.get("/payment-invoices").await.ok()["data"], json!([]));
    assert_eq!(app.test_mode.get(&format!("/payment-invoices/{id}")).await.status, 200);
    // A reference is one's own.
    other.post("/payment-invoices", order("o1", json!({}))).await.is(201);
    let without = app.with_scopes(&[backend::model::Scope::CardRead]).await;
    assert_eq!(refusal(&without.get("/payment-invoices").await).1, "forbidden");
}

async fn what_a_description_hides_is_not_stored(app: TestApp) {
    let spaced = format!("{} {} {} {}", &NUMBER[..4], &NUMBER[4..8], &NUMBER[8..12], &NUMBER[12..]);
    for (number, (place, hidden)) in [
        ("description", json!({ "description": format!("my card {NUMBER}") })),
        ("description", json!({ "description": format!("my card {spaced}, 12/31") })),
        ("metadata/note", json!({ "metadata": { "note": format!("{NUMBER} 12/31") } })),
    ]
    .into_iter()
    .enumerate()
    {
        let call = Call::new("POST", "/payment-invoices").json(&order("o1", hidden));
        let answer = app.account.send(call.header("idempotency-key", &format!("k{number}"))).await;
        let expected = (422, "holds_number".to_owned(), format!("/data/attributes/{place}"));
        assert_eq!(refusal(&answer), expected);
    }
    // No row, sealed or not; and what is kept in clear has no number.
    assert_eq!(app.column("SELECT id FROM invoice").await, [""; 0]);
    let kept = app.everything_kept().await;
    for hidden in [NUMBER, &spaced] {
        assert!(!kept.windows(hidden.len()).any(|window| window == hidden.as_bytes()));
    }
    let spoken = order("o1", json!({ "customer": { "reference_id": "c1", "name": "Grace Hopper" } }));
    app.account.post("/payment-invoices", spoken).await.is(201);
    assert_eq!(app.column("SELECT reference FROM invoice").await, ["o1"]);
    let kept = app.everything_kept().await;
    let named = |text: &str| kept.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(named("payment_card_usd_hpp") && !named("Grace Hopper"), "who pays is sealed");
}
