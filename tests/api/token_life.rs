//! What happens to a token in its life: management, switching, the account updater, and all surfaces of one card.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use backend::core::Actor;
use backend::gateways::sandbox::Fault;
use backend::gateways::sandbox::SANDBOX;
use backend::gateways::sandbox::acs::Verdict;
use backend::gateways::{Credential, Order, Payer};
use backend::model::{
    Clock as _, GatewayToken, Mode, Money, OperationKind, OwnerKind, Timestamp, TransactionFilter,
    TransactionId, TransactionState, UpdateCause, UpdateState,
};
use backend::operations::is_switched_off;
use backend::operations::{self, CardSource, OperationError, Plan};
use backend::transactions::hash;
use backend::vault::VaultError;
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::app::{ALL, Endpoint, NUMBER, OTHER_NUMBER, TestApp, text};
use crate::client::Call;
use crate::company::{Shop, card, code, order, refused, stored_cards, vault_card};
use crate::invoices::{refusal, sell};
use crate::receiver::Receiver;
use crate::switched_off::{paid_by, paid_by_later};

/// The cards of the updater's table.
const VISA: &str = "4000011180138710";
const MASTERCARD: &str = "5100019221455924";

on_both_engines! {
    with local;
    one_card_lives_on_all_surfaces,
    a_disabled_token_is_refused_everywhere,
    personal_data_are_merged_and_sealed,
    card_data_have_another_way,
    no_charge_is_approved_after_a_token_was_switched_off,
    switching_off_waits_for_what_is_under_way,
    an_answer_that_was_lost_is_learnt_later,
    an_update_is_asked_for_and_told,
    a_refusal_because_of_the_card_asks_the_scheme,
    cards_that_end_this_month_are_asked_about_once,
    a_run_goes_page_by_page,
    a_deleted_card_takes_its_token_along,
    the_payer_is_sent_to_the_issuer_and_comes_back,
    the_card_of_a_disabled_token_pays_no_invoice,
}

/// Receivers run on loopback without TLS.
fn local(settings: &mut backend::config::Settings) {
    settings.http_callbacks = true;
    settings.allowed_networks = vec!["127.0.0.0/8".parse().unwrap()];
}

/// What the token's own query shows.
pub async fn shown(shop: &Shop, app: &TestApp, token: &str) -> Value {
    shop.query(app, "TRANSACTION_ID", "transaction_id", token).await["transactions"][0].clone()
}

pub async fn reuse(shop: &Shop, app: &TestApp, token: &str, billing: Value) -> Value {
    let reuse = json!({ "subscription_type": "REUSE", "original_transaction_id": token });
    shop.authorise(app, "AUTH_CAPTURE", reuse, billing).await
}

async fn replace(shop: &Shop, app: &TestApp, token: &str, number: &str, expiry: &str) -> Value {
    let update =
        json!({ "subscription_type": "UPDATE_BILLING", "original_transaction_id": token, "amount": "0" });
    shop.authorise(app, "AUTH_ONLY", update, card(number, expiry)).await
}

pub async fn ask(shop: &Shop, app: &TestApp, token: &str) -> Value {
    let transaction = json!({ "transaction_type": "ACCOUNT_UPDATER", "original_transaction_id": token });
    shop.transact(app, transaction, json!({})).await
}

async fn update(app: &TestApp) {
    app.app.updater.sweep().await.unwrap();
}

async fn find(app: &TestApp, token: &str) -> Option<GatewayToken> {
    let mut transaction = app.app.core.store.read().await.unwrap();
    transaction.find_token(app.id.clone(), Mode::Test, token.to_owned()).await.unwrap()
}

/// A card typed into the hosted form; answers its vault token and reference.
async fn captured(app: &TestApp, number: &str) -> (String, String) {
    let endpoint = Endpoint::create(&app.test_mode, "").await;
    let body = json!({
        "unique_id": endpoint.id, "card_number": number, "card_holder": "Ada King", "expiry": "06/31", "cvv": "737",
    });
    let call =
        Call::new("POST", "/v1/capture/iframe/pcd").header("x-capture-secret", &endpoint.secret).json(&body);
    let stored = app.anonymous.send(call).await.ok()["response"].clone();
    (text(&stored["token"]), text(&stored["reference"]))
}

async fn one_card_lives_on_all_surfaces(app: TestApp) {
    let shop = Shop::of(&app);
    // Captured by the hosted form, then given an INIT id.
    let (vault, reference) = captured(&app, NUMBER).await;
    let init = json!({ "subscription_type": "INIT", "amount": "0" });
    let made = shop.authorise(&app, "AUTH_ONLY", init, json!({ "card_token": vault })).await;
    assert_eq!(code(&made), "1", "{made}");
    let token = text(&made["transaction_id"]);
    assert_eq!(code(&shop.rebill(&app, &token).await), "1");
    // The same card pays an invoice, as long as its token is on.
    paid_by(&app, "on", &vault).await.is(201);
    assert_eq!(code(&shop.manage(&app, "DISABLE", &token, json!({})).await), "1");
    refused(&shop.rebill(&app, &token).await, "280", "Token Disabled");
    assert_eq!(refusal(&paid_by(&app, "off", &vault).await).1, "disabled");
    assert_eq!(code(&shop.manage(&app, "ENABLE", &token, json!({})).await), "1");
    paid_by(&app, "on again", &vault).await.is(201);
    // A new code and a new expiry through an endpoint that is locked to the card, used once by the cardholder.
    let locked = Endpoint::create(&app.test_mode, &format!("&token={vault}&reference={reference}")).await;
    locked.capture(json!({ "cvv": "123", "card_expiry": "07-2032" })).await.ok();
    let paid = reuse(&shop, &app, &token, json!({})).await;
    assert_eq!(
        (code(&paid).as_str(), &paid["cvvresult"]),
        ("1", &json!("M")),
        "the stored code was sent: {paid}"
    );
    assert_eq!(shown(&shop, &app, &token).await["cardexp"], "072032");
    let paid = reuse(&shop, &app, &token, json!({})).await;
    assert_eq!((code(&paid).as_str(), &paid["cvvresult"]), ("1", &json!("")), "and is gone");
    // Another card, with which the scheme has something newer soon.
    assert_eq!(code(&replace(&shop, &app, &token, VISA, "012017").await), "1");
    assert_eq!(code(&shop.rebill(&app, &token).await), "204");
    update(&app).await;
    assert_eq!(code(&shop.rebill(&app, &token).await), "1");
    let now = shown(&shop, &app, &token).await;
    let card = vault_card(&app, &text(&now["card_token"])).await;
    assert_eq!(card["card_number"], NUMBER, "the scheme's newer number");
    // Deleted in the vault: refused everywhere, what was begun before included.
    let last = text(&now["card_token"]);
    paid_by(&app, "renewed", &last).await.is(201);
    let early = paid_by_later(&app, "early", &last).await;
    let locked = Endpoint::create(&app.test_mode, &format!("&token={last}&reference=")).await;
    let target = format!("/v1/vault?user=managed&token={last}&reference=");
    app.test_mode.delete(&target).await.ok();
    app.test_mode.get(&target).await.refused(404, "not_found");
    locked.capture(json!({ "cvv": "123" })).await.refused(404, "not_found");
    let sold = sell(&app, &early, json!({})).await;
    assert_eq!(refusal(&sold).1, "unknown", "{}", sold.text());
    assert_ne!(crate::invoices::shown(&app, &early).await["status"], json!("processed"));
    assert_eq!(refusal(&paid_by(&app, "deleted", &last).await).1, "unknown");
    let init = json!({ "subscription_type": "INIT", "amount": "0" });
    let again = shop.authorise(&app, "AUTH_ONLY", init, json!({ "card_token": last })).await;
    refused(&again, "102", "card_token");
    refused(&shop.rebill(&app, &token).await, "102", "original_transaction_id");
    refused(&reuse(&shop, &app, &token, json!({})).await, "102", "original_transaction_id");
    refused(&replace(&shop, &app, &token, OTHER_NUMBER, "072032").await, "102", "original_transaction_id");
    refused(&ask(&shop, &app, &token).await, "102", "original_transaction_id");
    for part in ["ENABLE", "DISABLE", "UPDATE_BILLING"] {
        refused(&shop.manage(&app, part, &token, json!({})).await, "102", "original_transaction_id");
    }
    let audit = app.audit().await;
    assert!(audit.iter().filter(|entry| entry.action == "card.use").count() >= 7, "every use is told");
}

async fn a_disabled_token_is_refused_everywhere(app: TestApp) {
    let shop = Shop::of(&app);
    let token = shop.good_token(&app).await;
    let id = find(&app, &token).await.unwrap().card;
    let off = async || {
        let mut transaction = app.app.core.store.read().await.unwrap();
        is_switched_off(&mut *transaction, &app.id, &id).await.unwrap()
    };
    assert!(!off().await);
    assert_eq!(code(&shop.manage(&app, "DISABLE", &token, json!({})).await), "1");
    assert!(off().await, "invoices ask this");
    assert_eq!(shown(&shop, &app, &token).await["subscription_status"], "DISABLED");
    refused(&shop.rebill(&app, &token).await, "280", "Token Disabled");
    refused(&reuse(&shop, &app, &token, json!({ "cardcvv": "737" })).await, "280", "");
    refused(&replace(&shop, &app, &token, OTHER_NUMBER, "072032").await, "280", "");
    refused(&ask(&shop, &app, &token).await, "280", "");
    let billing = json!({ "billing": { "billing_city": "London" } });
    refused(&shop.manage(&app, "UPDATE_BILLING", &token, billing.clone()).await, "280", "");
    assert_eq!(stored_cards(&app).await, 1, "a refused replacement stores nothing");
    assert_eq!(code(&shop.manage(&app, "ENABLE", &token, json!({})).await), "1");
    assert_eq!(code(&shop.manage(&app, "UPDATE_BILLING", &token, billing).await), "1");
    assert_eq!(code(&shop.rebill(&app, &token).await), "1");
}

async fn personal_data_are_merged_and_sealed(app: TestApp) {
    let shop = Shop::of(&app);
    let token = shop.good_token(&app).await;
    let change = async |more: Value| shop.manage(&app, "UPDATE_BILLING", &token, more).await;
    let first = json!({
        "billing": { "billing_street": "44 Baker Street", "billing_city": "London", "billing_zipcode": "W1U7AL" },
        "customer": { "customer_lname": "King" },
    });
    assert_eq!(code(&change(first).await), "1");
    let sealed = find(&app, &token).await.unwrap().sealed;
    assert!(!sealed.is_empty() && !contains(&sealed, b"Baker"));
    // Absent and empty fields stay: what category 6012 needs is whole with what is known already.
    let account = |dob: &str| {
        json!({
            "mcc6012": { "account_number": "12345678" },
            "customer": { "customer_dob": dob, "customer_lname": "" }, "billing": { "billing_zipcode": "" },
        })
    };
    refused(&change(account("")).await, "102", "customer_dob");
    refused(&change(account("1990-13-31")).await, "102", "customer_dob");
    assert_eq!(code(&change(account("1990-12-31")).await), "1");
    let unchanged = find(&app, &token).await.unwrap();
    assert_eq!(shown(&shop, &app, &token).await["cardexp"], "062031", "neither number nor expiry moves");
    // Sealed for this token: the data of one do not open behind another.
    let other = shop.good_token(&app).await;
    let mut moved = find(&app, &other).await.unwrap();
    moved.sealed = unchanged.sealed;
    let mut transaction = app.app.core.store.begin().await.unwrap();
    assert!(transaction.update_token(moved).await.unwrap());
    transaction.commit().await.unwrap();
    let mut body = shop.envelope(
        &app,
        json!({
            "transaction_type": "SUBSCRIPTION_MANAGE", "subscription_type": "UPDATE_BILLING",
            "original_transaction_id": other,
        }),
        json!({}),
    );
    shop.sign(&mut body);
    let failed = app.anonymous.send(Call::new("POST", "/api.php").json(&body)).await.is(500).json();
    assert_eq!(code(&failed), "999");
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

async fn card_data_have_another_way(app: TestApp) {
    let shop = Shop::of(&app);
    let token = shop.good_token(&app).await;
    let before = format!("{:?}", find(&app, &token).await);
    for (name, value) in [("cardnumber", OTHER_NUMBER), ("cardexp", "072032"), ("cardcvv", "123")] {
        let more = json!({ "billing": { name: value, "billing_city": "Paris" } });
        refused(&shop.manage(&app, "UPDATE_BILLING", &token, more).await, "102", name);
        let mut billing = json!({ name: value });
        if name != "cardcvv" {
            refused(&reuse(&shop, &app, &token, billing.take()).await, "102", name);
        }
        let rebill = json!({ "subscription_type": "REBILL", "original_transaction_id": token });
        refused(&shop.authorise(&app, "AUTH_CAPTURE", rebill, json!({ name: value })).await, "102", name);
    }
    assert_eq!(format!("{:?}", find(&app, &token).await), before, "a refused change changes nothing");
}

/// When the charges by a token that were approved came to their end.
pub async fn approvals(app: &TestApp, token: &str) -> Vec<Timestamp> {
    let mut transaction = app.app.core.store.read().await.unwrap();
    let filter = TransactionFilter::ChildrenOf(token.to_owned());
    let rows = transaction.list_transactions(app.id.clone(), Mode::Test, filter, ALL).await.unwrap();
    let approved =
        rows.iter().filter(|row| row.operation.is_some() && row.state == TransactionState::Approved);
    approved.map(|row| row.settled_at.unwrap()).collect()
}

async fn no_charge_is_approved_after_a_token_was_switched_off(app: TestApp) {
    let shop = Shop::of(&app);
    let token = shop.good_token(&app).await;
    let app = Arc::new(app);
    let is_off = Arc::new(AtomicBool::new(false));
    let mut clients = Vec::new();
    for _ in 0..64 {
        let (app, shop, token, is_off) = (Arc::clone(&app), shop.clone(), token.clone(), Arc::clone(&is_off));
        clients.push(tokio::spawn(async move {
            let mut codes = vec![code(&shop.rebill(&app, &token).await)];
            // At least one of each client comes after the answer.
            while !is_off.load(Ordering::SeqCst) {
                tokio::task::yield_now().await;
            }
            codes.push(code(&shop.rebill(&app, &token).await));
            codes
        }));
    }
    while approvals(&app, &token).await.is_empty() {
        tokio::task::yield_now().await;
    }
    assert_eq!(code(&shop.manage(&app, "DISABLE", &token, json!({})).await), "1");
    let answered = app.clock.now();
    is_off.store(true, Ordering::SeqCst);
    let mut codes = Vec::new();
    for client in clients {
        codes.extend(client.await.unwrap());
    }
    let approvals = approvals(&app, &token).await;
    assert!(approvals.iter().all(|at| *at < answered), "a charge was approved after the answer");
    assert_eq!(codes.iter().filter(|code| *code == "1").count(), approvals.len());
    assert!(codes.iter().all(|code| code == "1" || code == "280"));
    assert!(codes.iter().filter(|code| *code == "280").count() >= 64);
}

async fn switching_off_waits_for_what_is_under_way(app: TestApp) {
    let shop = Shop::of(&app);
    let token = shop.good_token(&app).await;
    let (app, bell) = (Arc::new(app), Arc::new(Notify::new()));
    app.app.sandbox.faults().order(Fault::Held(Arc::clone(&bell)));
    let spawn = |work: &'static str| {
        let (app, shop, token) = (Arc::clone(&app), shop.clone(), token.clone());
        tokio::spawn(async move {
            let answer = match work {
                "REBILL" => shop.rebill(&app, &token).await,
                part => shop.manage(&app, part, &token, json!({})).await,
            };
            (answer, app.clock.now())
        })
    };
    let charge = spawn("REBILL");
    // Begun is not enough, since a charge that has not left is refused: the gateway's book has it.
    let has_left = async || {
        let mut transaction = app.app.core.store.read().await.unwrap();
        let filter = TransactionFilter::ChildrenOf(token.clone());
        let rows = transaction.list_transactions(app.id.clone(), Mode::Test, filter, ALL).await.unwrap();
        drop(transaction);
        match rows.first().and_then(|row| row.operation.clone()) {
            Some(id) => app.app.sandbox.entry(&id).await.unwrap().is_some(),
            None => false,
        }
    };
    while !has_left().await {
        tokio::task::yield_now().await;
    }
    let switch = spawn("DISABLE");
    while find(&app, &token).await.unwrap().enabled {
        tokio::task::yield_now().await;
    }
    assert!(!switch.is_finished(), "answered while a charge was under way");
    bell.notify_one();
    let (charged, _) = charge.await.unwrap();
    let (switched, at) = switch.await.unwrap();
    assert_eq!((code(&charged).as_str(), code(&switched).as_str()), ("1", "1"));
    assert!(approvals(&app, &token).await.iter().all(|settled| *settled < at));
    refused(&shop.rebill(&app, &token).await, "280", "");
}

async fn an_answer_that_was_lost_is_learnt_later(app: TestApp) {
    let shop = Shop::of(&app);
    app.app.sandbox.faults().order(Fault::Lost);
    let id = order();
    let init = json!({ "subscription_type": "INIT", "merchant_order_id": id });
    let pending = shop.authorise(&app, "AUTH_CAPTURE", init.clone(), card(NUMBER, "062031")).await;
    assert_eq!(code(&pending), "11", "{pending}");
    let token = text(&pending["transaction_id"]);
    refused(&shop.rebill(&app, &token).await, "102", "original_transaction_id");
    refused(
        &shop.authorise(&app, "AUTH_CAPTURE", init, card(NUMBER, "062031")).await,
        "102",
        "merchant_order_id",
    );
    app.clock.pass(10);
    app.app.operations.inquire_due().await;
    let known = shown(&shop, &app, &token).await;
    assert_eq!((&known["response_code"], &known["subscription_status"]), (&json!("1"), &json!("ENABLED")));
    assert_eq!(code(&shop.rebill(&app, &token).await), "1");
}

async fn an_update_is_asked_for_and_told(app: TestApp) {
    let shop = Shop::of(&app);
    let receiver = Receiver::start().await;
    app.test_mode.put("/v1/gateway/company", json!({ "webhook_url": receiver.url })).await.ok();
    for (number, expiry, scheme_code, status, new_number, new_expiry) in [
        (VISA, "012017", "A", "1", "1", "1"),
        (VISA, "022017", "C", "2", "0", "0"),
        (VISA, "032017", "E", "1", "0", "1"),
        (MASTERCARD, "022016", "UPDATE/B", "1", "1", "1"),
        (MASTERCARD, "042016", "EXPIRY/E", "1", "0", "1"),
        (MASTERCARD, "072016", "UNKNWN/N", "2", "0", "0"),
    ] {
        let token = shop.token(&app, number, expiry).await;
        let asked = ask(&shop, &app, &token).await;
        assert_eq!((code(&asked).as_str(), &asked["response_message"]), ("11", &json!("Pending")));
        update(&app).await;
        app.deliver().await;
        // Events of other tokens come beside it in any order: the refusal below asks for an update too.
        let calls = receiver.calls();
        let call = calls.iter().rfind(|call| text(&call.json()["original_transaction_id"]) == token).unwrap();
        let told = call.json();
        let values = ["id", "timestamp", "company_id", "event"].map(|name| text(&told[name]));
        assert_eq!((values[0].len(), values[1].len(), values[3].as_str()), (36, 14, "account_updater"));
        let values = values.each_ref().map(String::as_str);
        assert_eq!(text(&told["hash"]), hash::signed_twice(&values, &shop.hash_code));
        assert!(call.header("webhook-signature").starts_with("v1,"));
        for (name, expected) in [
            ("transaction_id", text(&asked["transaction_id"]).as_str()),
            ("original_transaction_id", &token),
            ("status", status),
            ("scheme_code", scheme_code),
            ("new_number", new_number),
            ("new_expiry", new_expiry),
            ("response_code", "1"),
            ("transaction_type", "ACCOUNT_UPDATER"),
        ] {
            assert_eq!(told[name], expected, "{name} of {scheme_code}");
        }
        assert_eq!(told["cardexp"].as_str().unwrap().is_empty(), status == "2");
        let shown = shown(&shop, &app, &token).await;
        let history = &shown["account_updates"][0];
        assert_eq!((&history["scheme_code"], &history["cause"]), (&json!(scheme_code), &json!("manual")));
        let expected = if status == "1" { "1" } else { "204" };
        assert_eq!(code(&shop.rebill(&app, &token).await), expected, "{scheme_code}");
        update(&app).await;
    }
    let asked = shop.query(&app, "ORDER_ID_ALL", "merchant_order_id", "none").await;
    assert_eq!(asked["count"], "0");
}

/// A token of a card whose charges are refused, which no INIT would make.
pub async fn bad_token(app: &TestApp, expiry: &str) -> String {
    let body = json!({ "card_number": "4302912837020000", "card_expiry": expiry });
    let vault = text(&app.test_mode.post("/v1/vault?user=managed", body).await.ok()["token"]);
    let mut transaction = app.app.core.store.begin().await.unwrap();
    let key = transaction.find_key(app.id.clone(), Mode::Test, "managed".to_owned()).await.unwrap().unwrap();
    let card = transaction.find_card(app.id.clone(), key.id, vault, String::new()).await.unwrap().unwrap();
    let now = app.clock.now();
    let number = format!("9{:09}", now.millis() % 1_000_000_000);
    transaction.add_token(token_of(app, &number, card.id)).await.unwrap();
    transaction.commit().await.unwrap();
    number
}

fn token_of(app: &TestApp, number: &str, card: backend::model::CardId) -> GatewayToken {
    let now = app.clock.now();
    GatewayToken {
        id: TransactionId::new(now, &*app.app.core.entropy),
        number: number.to_owned(),
        merchant: app.id.clone(),
        mode: Mode::Test,
        card,
        owns_card: false,
        enabled: true,
        scheme_reference: None,
        sealed: Vec::new(),
        version: 1,
        created_at: now,
        updated_at: now,
    }
}

pub async fn history(app: &TestApp, token: &str) -> Vec<(UpdateCause, UpdateState)> {
    let mut transaction = app.app.core.store.read().await.unwrap();
    let updates = transaction.list_updates(app.id.clone(), Mode::Test, token.to_owned(), 100).await.unwrap();
    updates.iter().map(|update| (update.cause, update.state)).collect()
}

async fn a_refusal_because_of_the_card_asks_the_scheme(app: TestApp) {
    let shop = Shop::of(&app);
    for (expiry, expected) in [("10-2034", "402"), ("04-2028", "325")] {
        let token = bad_token(&app, expiry).await;
        assert_eq!(code(&shop.rebill(&app, &token).await), expected);
        assert_eq!(code(&shop.rebill(&app, &token).await), expected);
        assert_eq!(history(&app, &token).await, [(UpdateCause::Refusal, UpdateState::Waiting)], "one waits");
        update(&app).await;
        assert_eq!(history(&app, &token).await, [(UpdateCause::Refusal, UpdateState::NotUpdated)]);
    }
    let poor = bad_token(&app, "05-2029").await;
    assert_eq!(code(&shop.rebill(&app, &poor).await), "101");
    assert_eq!(history(&app, &poor).await, [], "no money is no matter of the card");
    // Over by now, and refused before a gateway is asked.
    let token = shop.token(&app, VISA, "032017").await;
    assert_eq!(code(&shop.rebill(&app, &token).await), "204");
    update(&app).await;
    assert_eq!(history(&app, &token).await, [(UpdateCause::Refusal, UpdateState::Updated)]);
    assert_eq!(code(&shop.rebill(&app, &token).await), "1");
    // The failing card, whose vault token is made of its number, and the other one.
    assert_eq!(stored_cards(&app).await, 2);
}

async fn cards_that_end_this_month_are_asked_about_once(app: TestApp) {
    let shop = Shop::of(&app);
    let (ends, stays) = (shop.token(&app, NUMBER, "012027").await, shop.good_token(&app).await);
    for _ in 0..2 {
        update(&app).await;
        assert_eq!(history(&app, &ends).await, [(UpdateCause::Schedule, UpdateState::NotUpdated)]);
    }
    assert_eq!(history(&app, &stays).await, []);
    // In the next month it is over; before the fifteenth nothing is asked.
    let next = shop.token(&app, OTHER_NUMBER, "022027").await;
    app.clock.pass(20 * 24 * 3600);
    update(&app).await;
    assert_eq!(history(&app, &next).await, []);
    app.clock.pass(12 * 24 * 3600);
    update(&app).await;
    assert_eq!(history(&app, &next).await, [(UpdateCause::Schedule, UpdateState::NotUpdated)]);
    assert_eq!(history(&app, &ends).await.len(), 1);
}

async fn a_run_goes_page_by_page(app: TestApp) {
    let shop = Shop::of(&app);
    let first = shop.token(&app, VISA, "032017").await;
    let card = find(&app, &first).await.unwrap().card;
    let mut transaction = app.app.core.store.begin().await.unwrap();
    for number in 0..249 {
        let token = token_of(&app, &format!("8{number:09}"), card.clone());
        transaction.add_token(token).await.unwrap();
    }
    transaction.commit().await.unwrap();
    let mut told = Vec::new();
    let done = app.app.updater.run(Mode::Test, None, |progress| told.push(progress.looked_at)).await.unwrap();
    assert_eq!(told, [100, 200, 250]);
    // The card of all of them: newer after the first page, and as it was for those that came later.
    assert_eq!((done.looked_at, done.updated), (250, 100));
    assert_eq!(shown(&shop, &app, &first).await["cardexp"], "032030");
    let none = app.app.updater.run(Mode::Test, Some((2031, 6)), |_| ()).await.unwrap();
    assert_eq!(none.looked_at, 0);
}

async fn a_deleted_card_takes_its_token_along(app: TestApp) {
    let shop = Shop::of(&app);
    let token = shop.good_token(&app).await;
    let found = find(&app, &token).await.unwrap();
    let mut transaction = app.app.core.store.begin().await.unwrap();
    transaction.delete_card(app.id.clone(), found.card).await.unwrap();
    transaction.commit().await.unwrap();
    assert!(find(&app, &token).await.is_none(), "and with it the personal data");
    refused(&shop.rebill(&app, &token).await, "102", "original_transaction_id");
    let known = shown(&shop, &app, &token).await;
    assert!(known.get("card_token").is_none() && known["response_code"] == "1", "what was done was done");
}

async fn the_payer_is_sent_to_the_issuer_and_comes_back(app: TestApp) {
    let shop = Shop::of(&app);
    let asks = |id: &str| {
        json!({
            "merchant_order_id": id, "transaction_type": "AUTH_CAPTURE", "subscription_type": "INIT",
            "amount": "10.00", "currency_code_iso3": "GBP",
        })
    };
    let more = json!({ "billing": card("5123817234060000", "122030"), "tds": { "action": "ENQUIRE" } });
    let comes_back = async |transaction: &str, pares: &str| {
        let transaction =
            json!({ "transaction_type": "AUTH_CAPTURE", "original_transaction_id": transaction });
        shop.transact(&app, transaction, json!({ "tds": { "action": "SETTLEMENT", "pares": pares } })).await
    };
    for (verdict, expected) in [(Verdict::Failed, "101"), (Verdict::Proven, "1")] {
        let id = order();
        let sent = shop.transact(&app, asks(&id), more.clone()).await;
        assert_eq!(code(&sent), "501", "{sent}");
        assert_eq!(sent["tds"]["url"], "https://cards.example/sandbox/acs");
        let number = text(&sent["transaction_id"]);
        let waiting = app.app.sandbox.challenge(&text(&sent["tds"]["pareq"])).await.unwrap();
        let (operation, ..) = waiting.expect("the simulator knows what it asked");
        let pares = app.app.sandbox.pares(&operation, verdict);
        refused(&comes_back("1234567890", &pares).await, "102", "original_transaction_id");
        for _ in 0..2 {
            let answer = comes_back(&number, &pares).await;
            assert_eq!((code(&answer).as_str(), &answer["transaction_id"]), (expected, &json!(number)));
        }
        let rebill = shop.rebill(&app, &number).await;
        if expected == "1" {
            assert_eq!(code(&rebill), "1");
        } else {
            refused(&rebill, "102", "original_transaction_id");
        }
    }
    refused(&comes_back("", "x").await, "102", "original_transaction_id");
}

async fn the_card_of_a_disabled_token_pays_no_invoice(app: TestApp) {
    let shop = Shop::of(&app);
    let token = shop.good_token(&app).await;
    let found = find(&app, &token).await.unwrap().card;
    assert_eq!(code(&shop.manage(&app, "DISABLE", &token, json!({})).await), "1");
    let core = &app.app.core;
    let plan = Plan {
        merchant: app.id.clone(),
        mode: Mode::Test,
        owner: OwnerKind::Invoice,
        owner_id: "cpi_1",
        kind: OperationKind::Sale,
        parent: None,
        card: Some(found.clone()),
        gateway: SANDBOX.to_owned(),
        amount: Money::parse("1.00", "GBP").unwrap(),
    };
    let mut transaction = core.store.begin().await.unwrap();
    let operation = operations::begin(core, &mut *transaction, plan).await.unwrap();
    transaction.commit().await.unwrap();
    let order = Order {
        operation: operation.id.clone(),
        amount: operation.amount,
        takes: true,
        reference: "r".to_owned(),
        description: String::new(),
        credential: Credential::StoredByMerchant { reason: "recurring".to_owned(), scheme_reference: None },
        payer: Payer::default(),
        return_url: None,
    };
    let actor = Actor {
        merchant: Some(app.id.clone()),
        mode: Some(Mode::Test),
        name: "x".into(),
        address: String::new(),
    };
    let source = CardSource::Stored { card: found, cvv: None };
    let id = operation.id.clone();
    let charged = app.app.operations.charge(&actor, operation, order, source).await;
    let Err(OperationError::Vault(VaultError::Invalid(problems))) = charged else { panic!("it was charged") };
    assert_eq!((problems[0].pointer.as_str(), problems[0].code), ("/token", "disabled"));
    assert!(app.app.sandbox.entry(&id).await.unwrap().is_none(), "the gateway never heard of it");
}
