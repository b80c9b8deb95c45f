//! Direct sales and the page's own calls: tokens that are not good, two at once, attempts, and what they leave.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    RSA_PKCS1_2048_8192_SHA512, RSA_PKCS1_SHA512, RsaKeyPair, RsaPublicKeyComponents,
};
use aws_lc_rs::{hmac, signature::KeyPair as _};
use backend::bins;
use backend::gateways::sandbox::Fault;
use backend::invoices::pay::By;
use backend::invoices::{InvoiceError, Place, page, sale_keys};
use backend::model::PageId;
use backend::operations::GivenCard;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use shared::{CardNumber, Cvv, Expiry};
use std::sync::Arc;
use tokio::sync::Notify;

use crate::app::{ALL, NUMBER, TestApp, text};
use crate::client::Call;
use crate::invoices::{
    BAD, CHALLENGED, GOOD, card, local, make, order, payment, refusal, sell, sell_by, shown,
};

on_both_engines! {
    with local;
    tokens_of_sales_are_of_one_kind_alone,
    a_token_that_we_signed_is_good_for_its_own_invoice_alone,
    a_rotated_key_signs_no_more_and_checks_for_an_hour,
    two_sales_at_once_charge_once,
    a_refused_sale_ends_the_invoice,
    the_page_refuses_five_times,
    two_clicks_pay_once,
    a_payer_who_leaves_at_the_issuer_can_pay_again_later,
    a_card_is_checked_before_it_is_sent,
    a_late_answer_settles_once,
    a_repeated_call_is_answered_again_and_done_once,
}

fn token_of(invoice: &Value) -> String {
    text(&invoice["attributes"]["flow_data"]["metadata"]["token"])
}

pub fn sid(invoice: &Value) -> PageId {
    PageId::stored(text(&invoice["attributes"]["flow_data"]["metadata"]["sid"]))
}

fn part(token: &str, number: usize) -> Value {
    let bytes = URL_SAFE_NO_PAD.decode(token.split('.').nth(number).unwrap()).unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

fn encoded(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

#[expect(clippy::too_many_lines, reason = "one list of forged tokens")]
async fn tokens_of_sales_are_of_one_kind_alone(app: TestApp) {
    let [made, other] = [make(&app, "o1", json!({})).await, make(&app, "o2", json!({})).await];
    let good = token_of(&made);
    let (header, claims) = (part(&good, 0), part(&good, 1));
    assert_eq!((&header["typ"], &header["alg"]), (&json!("JWT"), &json!("RS512")));
    assert_eq!(
        (&claims["sid"], &claims["aud"], &claims["mode"], &claims["iss"]),
        (&json!(sid(&made).as_str()), &json!("cardgate"), &json!("test"), &json!("https://cards.example/"))
    );
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 3600);
    // The published key checks it.
    let keys = app.anonymous.get("/.well-known/jwks.json").await.ok();
    let key = &keys["keys"][0];
    assert_eq!((&key["kid"], &key["alg"]), (&header["kid"], &json!("RS512")));
    let [n, e] = ["n", "e"].map(|name| URL_SAFE_NO_PAD.decode(text(&key[name])).unwrap());
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let published = RsaPublicKeyComponents { n: &n, e: &e };
    let signature_bytes = URL_SAFE_NO_PAD.decode(signature).unwrap();
    published.verify(&RSA_PKCS1_2048_8192_SHA512, signed.as_bytes(), &signature_bytes).unwrap();

    let with = |member: &str, value: Value| {
        let mut changed = claims.clone();
        changed[member] = value;
        changed
    };
    let none = encoded(&json!({ "typ": "JWT", "alg": "none", "kid": header["kid"] }));
    let symmetric = encoded(&json!({ "typ": "JWT", "alg": "HS256", "kid": header["kid"] }));
    let hmac_of = |text: &str| {
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &n), text.as_bytes());
        URL_SAFE_NO_PAD.encode(tag)
    };
    let symmetric = format!("{symmetric}.{}", encoded(&claims));
    let own = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
    let by_own_key = |claims: &Value| {
        let text = format!("{}.{}", encoded(&header), encoded(claims));
        let mut signature = vec![0; own.public_modulus_len()];
        own.sign(&RSA_PKCS1_SHA512, &SystemRandom::new(), text.as_bytes(), &mut signature).unwrap();
        format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))
    };
    assert!(own.public_key().as_ref().len() > 200);
    let other_sid = with("sid", json!(sid(&other).as_str()));
    for bad in [
        String::new(),
        "x".to_owned(),
        format!("{none}.{}.", encoded(&claims)),
        format!("{none}.{}.{signature}", encoded(&claims)),
        format!("{symmetric}.{}", hmac_of(&symmetric)),
        by_own_key(&claims),
        format!("{}.{}.{signature}", encoded(&header), encoded(&other_sid)),
        format!("{signed}.{}", &signature[..signature.len() - 8]),
        format!("{good}.x"),
    ] {
        let answer = sell_by(&app.anonymous, &bad, card(GOOD)).await;
        assert_eq!(refusal(&answer), (401, "sale_token".to_owned(), String::new()), "{bad}");
        assert!(answer.header("www-authenticate").starts_with("Bearer"));
    }
    // A body that names another payment than its token.
    let body =
        json!({ "data": { "type": "sale-operation", "id": sid(&other).as_str(), "attributes": card(GOOD) } });
    let call =
        Call::new("POST", "/payment/sale").json(&body).header("authorization", &format!("Bearer {good}"));
    assert_eq!(app.anonymous.send(call).await.status, 401);
    // Merchants' credentials are none.
    assert_eq!(app.account.post("/payment/sale", json!({})).await.status, 401);

    sell(&app, &made, card(GOOD)).await.is(201);
    assert_eq!(sell(&app, &made, card(GOOD)).await.status, 401, "used");
    assert!(shown(&app, &made).await["flow_data"]["metadata"].get("token").is_none());
    app.clock.pass(3600);
    assert_eq!(sell(&app, &other, card(GOOD)).await.status, 401, "expired");
}

/// What the signature lets through, the claims do not.
async fn a_token_that_we_signed_is_good_for_its_own_invoice_alone(app: TestApp) {
    let [made, other] = [make(&app, "o1", json!({})).await, make(&app, "o2", json!({})).await];
    let signer = sale_keys::signer(&app.app.core).await.unwrap();
    let (header, claims) = (part(&token_of(&made), 0), part(&token_of(&made), 1));
    let signed = |header: &Value, claims: &Value| {
        let text = format!("{}.{}", encoded(header), encoded(claims));
        let signature = signer.sign(text.as_bytes()).unwrap();
        format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))
    };
    let now = claims["iat"].as_i64().unwrap();
    for (member, value) in [
        ("sid", json!(sid(&other).as_str())),
        ("sid", json!("cgi_0000000000000000")),
        ("sid", made["id"].clone()),
        ("jti", part(&token_of(&other), 1)["jti"].clone()),
        ("aud", json!("shop")),
        ("iss", json!("https://other.example/")),
        ("mode", json!("live")),
        ("exp", json!(now - 1)),
        ("exp", Value::Null),
    ] {
        let mut changed = claims.clone();
        changed[member] = value.clone();
        let answer = sell_by(&app.anonymous, &signed(&header, &changed), card(GOOD)).await;
        assert_eq!(refusal(&answer), (401, "sale_token".to_owned(), String::new()), "{member}: {value}");
    }
    for (member, value) in [("alg", json!("RS256")), ("alg", json!("none")), ("kid", json!("other"))] {
        let mut changed = header.clone();
        changed[member] = value.clone();
        let answer = sell_by(&app.anonymous, &signed(&changed, &claims), card(GOOD)).await;
        assert_eq!(refusal(&answer).1, "sale_token", "{member}: {value}");
    }
    assert!(operations(&app, &made).await.is_empty() && operations(&app, &other).await.is_empty());
    // Signed so, and not changed, it pays.
    sell_by(&app.anonymous, &signed(&header, &claims), card(GOOD)).await.is(201);
    assert_eq!(shown(&app, &made).await["status"], json!("processed"));
}

async fn a_rotated_key_signs_no_more_and_checks_for_an_hour(app: TestApp) {
    let old = make(&app, "o1", json!({})).await;
    let fresh = sale_keys::rotate(&app.app.core).await.unwrap();
    let new = make(&app, "o2", json!({})).await;
    assert_eq!(part(&token_of(&new), 0)["kid"], json!(fresh));
    assert_ne!(part(&token_of(&old), 0)["kid"], json!(fresh));
    sell(&app, &old, card(GOOD)).await.is(201);
    let keys =
        async || app.anonymous.get("/.well-known/jwks.json").await.ok()["keys"].as_array().unwrap().len();
    assert_eq!(keys().await, 2);
    app.clock.pass(2 * 3600 + 60);
    assert_eq!(keys().await, 1);
    app.sweep().await;
    let rows = app.app.core.store.read().await.unwrap().list_sale_keys().await.unwrap();
    assert_eq!(rows.len(), 1, "a key that checks nothing any more is gone");
}

async fn two_sales_at_once_charge_once(app: TestApp) {
    let made = make(&app, "o1", json!({})).await;
    let sale = || sell(&app, &made, card(GOOD));
    let (one, two, three) = tokio::join!(sale(), sale(), sale());
    let mut statuses = [one.status, two.status, three.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 401, 401]);
    let operations = operations(&app, &made).await;
    assert_eq!(operations.len(), 1, "one charge");
    let entry = app.app.sandbox.entry(&payment(&app, &made).await).await.unwrap().unwrap();
    assert_eq!(entry.taken, 1050);
}

async fn operations(app: &TestApp, invoice: &Value) -> Vec<backend::model::Operation> {
    let kind = backend::model::OwnerKind::Invoice;
    let mut transaction = app.app.core.store.read().await.unwrap();
    transaction.list_operations(app.id.clone(), kind, text(&invoice["id"])).await.unwrap()
}

async fn a_refused_sale_ends_the_invoice(app: TestApp) {
    let made = make(&app, "o1", json!({})).await;
    let mut refused = card(BAD);
    refused["exp_month"] = json!("05");
    refused["exp_year"] = json!("29");
    let sold = sell(&app, &made, refused).await.is(201).json();
    assert_eq!(sold["data"]["attributes"]["status"], json!("process_failed"));
    let failed = shown(&app, &made).await;
    assert_eq!(
        (&failed["status"], &failed["resolution"]),
        (&json!("process_failed"), &json!("insufficient_funds"))
    );
    assert!(failed["failed"].is_i64() && failed["payload"].is_null());
    assert_eq!(sell(&app, &made, card(GOOD)).await.status, 401);
}

fn place(app: &TestApp) -> Place<'_> {
    Place { public_url: &app.app.public_url, callbacks: &app.app.callbacks }
}

pub fn typed(number: &str) -> GivenCard {
    GivenCard {
        number: CardNumber::parse(number, true).unwrap(),
        expiry: Expiry::new(2030, 10).unwrap(),
        holder: "Ada King".to_owned().into(),
        cvv: Some(Cvv::parse("123", None).unwrap()),
    }
}

/// A card sent from the payment page.
pub async fn submit(app: &TestApp, invoice: &Value, by: By) -> Result<(), InvoiceError> {
    let sent = page::Sent { by, address: "192.0.2.1".to_owned(), browser: Vec::new(), attempts_left: None };
    page::submit(&app.app.core, &app.app.operations, place(app), &sid(invoice), sent).await.map(drop)
}

async fn the_page_refuses_five_times(app: TestApp) {
    let made = make(&app, "o1", json!({})).await;
    for left in (0..5).rev() {
        assert_eq!(shown(&app, &made).await["status"], json!("process_pending"));
        submit(&app, &made, By::Card { card: typed(BAD), keep: false }).await.unwrap();
        let facts = page::facts(&app.app.core, &sid(&made)).await.unwrap();
        assert_eq!((facts.attempts_left, facts.last_refusal.as_deref()), (left, Some("general_fatal_error")));
    }
    let failed = shown(&app, &made).await;
    assert_eq!(
        (&failed["status"], &failed["resolution"]),
        (&json!("process_failed"), &json!("general_fatal_error"))
    );
    let sixth = submit(&app, &made, By::Card { card: typed(GOOD), keep: false }).await;
    assert!(matches!(sixth, Err(InvoiceError::State(_))));
    // One that was refused before can still be paid.
    let made = make(&app, "o2", json!({})).await;
    submit(&app, &made, By::Card { card: typed(BAD), keep: false }).await.unwrap();
    submit(&app, &made, By::Card { card: typed(GOOD), keep: false }).await.unwrap();
    let paid = shown(&app, &made).await;
    assert_eq!((&paid["status"], &paid["resolution"]), (&json!("processed"), &json!("ok")));
    assert_eq!(paid["payload"]["client_ip"], json!("192.0.2.1"));
}

async fn two_clicks_pay_once(app: TestApp) {
    let made = make(&app, "o1", json!({})).await;
    let click = || submit(&app, &made, By::Card { card: typed(GOOD), keep: false });
    let (one, two) = tokio::join!(click(), click());
    assert!(one.is_ok() != two.is_ok());
    assert!(matches!(click().await, Err(InvoiceError::State(_))));
    assert_eq!(operations(&app, &made).await.len(), 1);
    assert_eq!(page::facts(&app.app.core, &sid(&made)).await.unwrap().standing, page::Standing::Paid);
}

async fn a_payer_who_leaves_at_the_issuer_can_pay_again_later(app: TestApp) {
    let made = make(&app, "o1", json!({ "callback_url": "https://shop.example/callback" })).await;
    submit(&app, &made, By::Card { card: typed(CHALLENGED), keep: false }).await.unwrap();
    let standing = async || page::facts(&app.app.core, &sid(&made)).await.unwrap().standing;
    assert!(matches!(standing().await, page::Standing::AtIssuer(_)));
    let meanwhile = submit(&app, &made, By::Card { card: typed(GOOD), keep: false }).await;
    assert!(matches!(meanwhile, Err(InvoiceError::Busy)), "the first payment is still open");
    app.clock.pass(31 * 60);
    app.sweep().await;
    assert_eq!(standing().await, page::Standing::Open);
    submit(&app, &made, By::Card { card: typed(GOOD), keep: false }).await.unwrap();
    assert_eq!(standing().await, page::Standing::Paid);
    // The n-th retry comes n minutes later, a hundred of them.
    let mut transaction = app.app.core.store.read().await.unwrap();
    let events = transaction.list_events(app.id.clone(), backend::model::Mode::Test, ALL).await.unwrap();
    let schedules: Vec<_> = events.iter().map(|event| event.schedule).collect();
    assert_eq!(schedules, [backend::model::Schedule::MINUTES]);
}

async fn a_card_is_checked_before_it_is_sent(app: TestApp) {
    let made = make(&app, "o1", json!({})).await;
    for (name, value, place) in [
        ("card_number", json!("4111111111111112"), "card_number"),
        ("cvv", json!("12"), "cvv"),
        ("cvv", Value::Null, "cvv"),
        ("exp_month", json!("13"), "exp_month"),
        ("exp_year", json!("x"), "exp_month"),
        ("card_holder", json!(NUMBER), "card_holder"),
        ("card_number", Value::Null, "card_number"),
    ] {
        let mut body = card(GOOD);
        body[name] = value;
        let answer = sell(&app, &made, body).await;
        let (status, _, pointer) = refusal(&answer);
        assert_eq!((status, pointer), (422, format!("/data/attributes/{place}")));
        assert!(!answer.text().contains(NUMBER));
    }
    assert!(operations(&app, &made).await.is_empty());
    let mut nameless = card(GOOD);
    nameless["card_holder"] = Value::Null;
    let table = "bin,bank,country\n551928,First Bank,US\n";
    bins::import::import(&app.app.core, table.as_bytes(), |_, _| ()).await.unwrap();
    bins::reload(&app.app.core).await.unwrap();
    nameless["browser_info"] =
        json!({ "browser_ip": "192.0.2.7", "browser_java_enabled": false, "browser_tz": "-120" });
    sell(&app, &made, nameless).await.is(201);
    let payload = &shown(&app, &made).await["payload"];
    assert_eq!(
        (&payload["payment_card"]["holder"], &payload["client_ip"]),
        (&json!("CARD HOLDER"), &json!("192.0.2.7"))
    );
    let issuer = &payload["payment_card"];
    assert_eq!((&issuer["issuer_name"], &issuer["issuer_country"]), (&json!("First Bank"), &json!("US")));
}

async fn a_repeated_call_is_answered_again_and_done_once(app: TestApp) {
    let keyed = async |target: &str, key: &str, body: &Value| {
        app.account.send(Call::new("POST", target).json(body).header("idempotency-key", key)).await
    };
    let body = order("o1", json!({}));
    let made = keyed("/payment-invoices", "k1", &body).await.is(201).json();
    let again = keyed("/payment-invoices", "k1", &body).await;
    assert_eq!((again.is(201).json(), again.header("idempotent-replayed")), (made.clone(), "true"));
    assert_eq!(refusal(&keyed("/payment-invoices", "k2", &body).await).1, "taken");
    let other = keyed("/payment-invoices", "k1", &order("o2", json!({}))).await;
    assert_eq!(refusal(&other).1, "idempotency_key_reused");
    sell(&app, &made["data"], card(GOOD)).await.is(201);
    let target = format!("/payment-invoices/{}/refund", text(&made["data"]["id"]));
    let part = json!({ "data": { "type": "refund", "attributes": { "amount": 1 } } });
    for _ in 0..3 {
        keyed(&target, "k3", &part).await.is(200);
    }
    assert_eq!(shown(&app, &made["data"]).await["refunded_amount"], json!(1));
}

/// The acquirer answers after we have stopped waiting, and after an inquiry has settled the payment.
async fn a_late_answer_settles_once(app: TestApp) {
    let made = make(&app, "o1", json!({})).await;
    let bell = Arc::new(Notify::new());
    app.app.sandbox.faults().order(Fault::Held(Arc::clone(&bell)));
    let sale = sell(&app, &made, card(GOOD));
    let inquiry = async {
        // Held only once the simulator has written its book: before that a later time would end the call unmade.
        loop {
            if let Some(operation) = operations(&app, &made).await.first()
                && app.app.sandbox.entry(&operation.id).await.unwrap().is_some()
            {
                break;
            }
            tokio::task::yield_now().await;
        }
        app.clock.pass(600);
        app.sweep().await;
        assert_eq!(shown(&app, &made).await["status"], json!("processed"), "settled by the inquiry");
        bell.notify_one();
    };
    let (sold, ()) = tokio::join!(sale, inquiry);
    sold.is(201);
    let entry = app.app.sandbox.entry(&payment(&app, &made).await).await.unwrap().unwrap();
    assert_eq!((entry.taken, operations(&app, &made).await.len()), (1050, 1));
}
