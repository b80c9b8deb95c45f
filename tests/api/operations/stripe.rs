//! The file for Stripe against its published samples. It is not tried live. What the samples leave open, such as ids, is
//! invented here.

use std::time::Duration;

use backend::gateways::{Address, Answer, Gateway as _, Known, Order, Payer, Unknown};
use backend::model::OperationKind;
use serde_json::{Value, json};

use super::described::{Acquirer, NUMBER, authorize, follow_up, known, order};

/// The published payment intent, with a status.
fn intent(status: &str) -> Value {
    json!({
        "id": "pi_1MoS6fLgUG5tbmjca6AdBPsl", "object": "payment_intent", "amount": 1000, "amount_capturable": 0,
        "amount_received": 1000, "capture_method": "automatic", "confirmation_method": "automatic", "currency": "usd",
        "customer": null, "last_payment_error": null, "latest_charge": "ch_1MoS30LgUG5tbmjcjfsQqpHI",
        "livemode": false, "metadata": { "operation": "opn_01" }, "next_action": null, "status": status
    })
}

#[tokio::test]
async fn stripe_is_sent_a_confirmed_intent_and_its_answer_is_understood() {
    let (acquirer, gateway) = Acquirer::play("stripe.toml").await;
    acquirer.answers(200, &intent("succeeded"));
    let answer = authorize(&gateway, &order()).await.unwrap();
    let Answer::Approved(approval) = answer else { panic!("{answer:?}") };
    assert_eq!(
        (approval.reference.as_str(), approval.approval_code.as_str()),
        ("pi_1MoS6fLgUG5tbmjca6AdBPsl", "")
    );
    let got = acquirer.got();
    got.is("POST", "/v/payment_intents");
    assert_eq!((got.header("authorization"), got.header("idempotency-key")), ("Bearer s3cret", "opn_01"));
    let form = got.form();
    for (name, value) in [
        ("amount", "1000"),
        ("currency", "usd"),
        ("confirm", "true"),
        ("capture_method", "automatic"),
        ("payment_method_data[card][number]", NUMBER),
        ("payment_method_data[card][exp_month]", "03"),
        ("payment_method_data[card][exp_year]", "2030"),
        ("payment_method_data[card][cvc]", "123"),
        ("metadata[operation]", "opn_01"),
        ("metadata[order]", "order \"7\" & more"),
        ("return_url", "https://shop.example/back?a=1"),
    ] {
        assert_eq!(form.get(name).map(String::as_str), Some(value), "{name}");
    }
    assert!(!form.contains_key("off_session"));
    assert!(!form.keys().any(|name| name.contains("[address]")), "what is not known is left out");
}

#[tokio::test]
async fn stripe_is_told_where_bills_go() {
    let (acquirer, gateway) = Acquirer::play("stripe.toml").await;
    acquirer.answers(200, &intent("succeeded"));
    let address = Address {
        street: "44 Baker Street".to_owned(),
        city: "London".to_owned(),
        zip: "W1U7AL".to_owned(),
        country: "GB".to_owned(),
        ..Address::default()
    };
    let payer = Payer { address, ..Payer::default() };
    authorize(&gateway, &Order { payer, ..order() }).await.unwrap();
    let form = acquirer.got().form();
    let told: Vec<_> = form
        .iter()
        .filter_map(|(name, text)| {
            Some((name.strip_prefix("payment_method_data[billing_details][address]")?, text.as_str()))
        })
        .collect();
    assert_eq!(
        told,
        [
            ("[city]", "London"),
            ("[country]", "GB"),
            ("[line1]", "44 Baker Street"),
            ("[postal_code]", "W1U7AL")
        ]
    );
}

#[tokio::test]
async fn stripe_sends_payers_to_their_issuer_and_back() {
    let (acquirer, gateway) = Acquirer::play("stripe.toml").await;
    let mut waiting = intent("requires_action");
    waiting["next_action"] = json!({
        "type": "redirect_to_url",
        "redirect_to_url": { "url": "https://hooks.stripe.com/3d_secure_2/x?client_secret=y", "return_url": "z" }
    });
    acquirer.answers(200, &waiting);
    let answer = authorize(&gateway, &order()).await.unwrap();
    let Answer::Challenge(challenge) = answer else { panic!("{answer:?}") };
    assert_eq!(
        (challenge.method.as_str(), challenge.action.as_str()),
        ("GET", "https://hooks.stripe.com/3d_secure_2/x")
    );
    acquirer.got();
    acquirer.answers(200, &intent("requires_capture"));
    let known = known(OperationKind::Authorize, Some("pi_1"));
    assert!(matches!(gateway.complete_authentication(&known, &[]).await.unwrap(), Answer::Approved(_)));
    let got = acquirer.got();
    got.is("GET", "/v/payment_intents/pi_1");
    assert_eq!((got.header("idempotency-key"), got.body.as_str()), ("", ""));
}

#[tokio::test]
async fn stripe_is_asked_for_captures_cancels_and_refunds() {
    let (acquirer, gateway) = Acquirer::play("stripe.toml").await;
    let asked = follow_up(500, "pi_1");
    acquirer.answers(200, &intent("succeeded"));
    assert!(matches!(gateway.capture(&asked).await.unwrap(), Answer::Approved(_)));
    let got = acquirer.got();
    got.is("POST", "/v/payment_intents/pi_1/capture");
    assert_eq!(got.body, "amount_to_capture=500&metadata%5Bcapture%5D=opn_01");
    acquirer.answers(200, &intent("canceled"));
    assert!(matches!(gateway.void(&asked).await.unwrap(), Answer::Approved(_)));
    acquirer.got().is("POST", "/v/payment_intents/pi_1/cancel");
    let refund = json!({
        "id": "re_1MoqxHLgUG5tbmjcYO7PFWn6", "object": "refund", "amount": 500, "currency": "usd", "status": "succeeded"
    });
    acquirer.answers(200, &refund);
    assert_eq!(gateway.refund(&asked).await.unwrap().reference(), Some("re_1MoqxHLgUG5tbmjcYO7PFWn6"));
    let got = acquirer.got();
    got.is("POST", "/v/refunds");
    assert_eq!(got.body, "amount=500&metadata%5Boperation%5D=opn_01&payment_intent=pi_1");
}

#[tokio::test]
async fn stripe_refusals_have_their_resolutions() {
    let (acquirer, gateway) = Acquirer::play("stripe.toml").await;
    let refused = |code: &str, reason: &str| json!({ "error": { "type": "card_error", "code": code, "decline_code": reason, "message": "no" } });
    for (code, reason, resolution) in [
        ("card_declined", "insufficient_funds", "insufficient_funds"),
        ("card_declined", "stolen_card", "lost_or_stolen_card"),
        ("card_declined", "generic_decline", "issuer_decline"),
        ("expired_card", "", "card_expired"),
    ] {
        acquirer.answers(402, &refused(code, reason));
        let answer = authorize(&gateway, &order()).await.unwrap();
        let Answer::Declined(decline) = answer else { panic!("{answer:?}") };
        assert_eq!((decline.resolution.as_str(), decline.message.as_str()), (resolution, "no"));
    }
}

#[tokio::test]
async fn stripe_is_asked_what_became_of_a_payment() {
    let (acquirer, gateway) = Acquirer::play("stripe.toml").await;
    let found = |data: Value| json!({ "object": "search_result", "data": data, "has_more": false });
    acquirer.answers(200, &found(json!([])));
    let sale = known(OperationKind::Sale, None);
    assert!(gateway.inquire(&sale).await.unwrap().is_none());
    acquirer.got().is("GET", "/v/payment_intents/search?query=metadata%5B%27operation%27%5D%3A%27opn_01%27");
    acquirer.answers(200, &found(json!([intent("succeeded")])));
    assert!(matches!(gateway.inquire(&sale).await.unwrap(), Some(Answer::Approved(_))));
}

#[tokio::test]
async fn stripe_is_asked_what_became_of_a_refund() {
    let (acquirer, gateway) = Acquirer::play("stripe.toml").await;
    let refund = |operation: &str, status: &str| {
        json!({
            "id": format!("re_{operation}"), "object": "refund", "amount": 500, "currency": "usd", "status": status,
            "metadata": { "operation": operation }, "failure_reason": "expired_or_canceled_card"
        })
    };
    let list =
        |data: Value| json!({ "object": "list", "url": "/v1/refunds", "has_more": false, "data": data });
    // However old it is, it is asked for and never sent again.
    let asked =
        Known { age: Duration::from_hours(100), is_pending: true, ..known(OperationKind::Refund, None) };
    for (data, expected) in [
        (json!([]), "unheard"),
        (json!([refund("opn_02", "succeeded")]), "unheard"),
        (json!([{ "id": "re_by_hand", "status": "succeeded", "metadata": {} }]), "unheard"),
        (json!([refund("opn_02", "failed"), refund("opn_01", "succeeded")]), "re_opn_01"),
        (json!([refund("opn_01", "pending")]), "pending"),
        (json!([refund("opn_01", "failed"), refund("opn_02", "succeeded")]), "declined"),
    ] {
        acquirer.answers(200, &list(data.clone()));
        let told = match gateway.inquire(&asked).await.unwrap() {
            None => "unheard".to_owned(),
            Some(Answer::Approved(approval)) => approval.reference,
            Some(Answer::Pending { .. }) => "pending".to_owned(),
            Some(Answer::Declined(_)) => "declined".to_owned(),
            Some(other) => panic!("{other:?}"),
        };
        assert_eq!(told, expected, "{data}");
        let got = acquirer.got();
        got.is("GET", "/v/refunds?payment_intent=orig&limit=100");
        assert_eq!((got.header("idempotency-key"), got.body.as_str()), ("", ""));
    }
    // A list that goes on, and no list, tell nothing.
    for body in [json!({ "object": "list", "has_more": true, "data": [] }), json!({}), json!({ "data": [] })]
    {
        acquirer.answers(200, &body);
        assert!(gateway.inquire(&asked).await.is_err(), "{body}");
    }
}

#[tokio::test]
async fn stripe_is_asked_what_became_of_captures_and_cancels() {
    let (acquirer, gateway) = Acquirer::play("stripe.toml").await;
    let captured = |status: &str, by: &str| {
        let mut intent = intent(status);
        intent["metadata"]["capture"] = json!(by);
        intent
    };
    for (kind, body, expected) in [
        (OperationKind::Capture, intent("requires_capture"), "unheard"),
        (OperationKind::Capture, captured("succeeded", "opn_01"), "approved"),
        (OperationKind::Capture, captured("succeeded", "opn_02"), "declined"),
        (OperationKind::Capture, intent("canceled"), "declined"),
        (OperationKind::Void, intent("requires_capture"), "unheard"),
        (OperationKind::Void, intent("canceled"), "approved"),
        (OperationKind::Void, intent("succeeded"), "declined"),
    ] {
        acquirer.answers(200, &body);
        let told = match gateway.inquire(&known(kind, None)).await.unwrap() {
            None => "unheard",
            Some(Answer::Approved(_)) => "approved",
            Some(Answer::Declined(_)) => "declined",
            Some(other) => panic!("{other:?}"),
        };
        assert_eq!(told, expected, "{kind:?} {body}");
        acquirer.got().is("GET", "/v/payment_intents/orig");
    }
}

#[tokio::test]
async fn stripe_says_no_by_its_own_errors_alone() {
    let (acquirer, gateway) = Acquirer::play("stripe.toml").await;
    let error = |kind: &str| json!({ "error": { "type": kind, "message": "no" } });
    for (status, kind, declined) in [
        (402, "card_error", true),
        (400, "invalid_request_error", true),
        (404, "invalid_request_error", true),
        (409, "invalid_request_error", false),
        (409, "idempotency_error", false),
        (400, "idempotency_error", false),
        (429, "invalid_request_error", false),
        (402, "", false),
        (400, "api_error", false),
    ] {
        let says_no = |answer: Result<Answer, Unknown>| matches!(answer, Ok(Answer::Declined(_)));
        for _ in 0..3 {
            acquirer.answers(status, &error(kind));
        }
        assert_eq!(says_no(authorize(&gateway, &order()).await), declined, "{status} {kind}");
        assert_eq!(says_no(gateway.refund(&follow_up(1, "p")).await), declined, "{status} {kind}");
        let void = says_no(gateway.void(&follow_up(1, "p")).await);
        assert_eq!(void, declined && status != 402, "{status} {kind}");
    }
}
