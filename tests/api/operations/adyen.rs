//! The file for Adyen against its published samples. It is not tried live. What the samples leave open, such as ids, is
//! invented here.

use std::time::Duration;

use backend::gateways::{Answer, Gateway as _, Known};
use backend::model::OperationKind;
use serde_json::json;

use super::described::{Acquirer, NUMBER, authorised, authorize, follow_up, known, order};
use super::till::given;

#[tokio::test]
async fn adyen_is_sent_the_published_payment_and_its_answer_is_understood() {
    let (acquirer, gateway) = Acquirer::play("adyen.toml").await;
    acquirer.answers(200, &authorised());
    let answer = authorize(&gateway, &order()).await.unwrap();
    let Answer::Approved(approval) = answer else { panic!("{answer:?}") };
    assert_eq!(
        (approval.reference.as_str(), approval.approval_code.as_str(), approval.rrn.as_str()),
        ("993617895204576J", "044925", "8PQMP9VEP3H")
    );
    assert_eq!((approval.checks.cvv.as_str(), approval.authenticated), ("M", false));
    let got = acquirer.got();
    got.is("POST", "/v/payments");
    assert_eq!((got.header("x-api-key"), got.header("idempotency-key")), ("s3cret", "opn_01"));
    assert_eq!(got.header("content-type"), "application/json");
    // The published request, with our reference, taken at once, and the cardholder there.
    assert_eq!(
        got.json(),
        json!({
            "amount": { "currency": "USD", "value": 1000 },
            "reference": "opn_01",
            "paymentMethod": {
                "type": "scheme", "number": NUMBER, "expiryMonth": "03", "expiryYear": "2030",
                "holderName": "Ada King", "cvc": "123"
            },
            "returnUrl": "https://shop.example/back?a=1",
            "merchantAccount": "YOUR_MERCHANT_ACCOUNT",
            "captureDelayHours": 0,
            "shopperInteraction": "Ecommerce"
        })
    );
}

#[tokio::test]
async fn adyen_sends_payers_to_their_issuer_and_back() {
    let (acquirer, gateway) = Acquirer::play("adyen.toml").await;
    acquirer.answers(
        200,
        &json!({
            "pspReference": "JLCMPCQ8HXSKGK82", "resultCode": "RedirectShopper",
            "action": {
                "paymentMethodType": "scheme", "method": "GET", "type": "redirect",
                "url": "https://checkoutshopper-test.adyen.com/checkoutshopper/threeDS/redirect?MD=m&PaReq=p%2Bq"
            }
        }),
    );
    let mut order = order();
    order.payer.browser = vec![("browser_user_agent".to_owned(), "Firefox".to_owned())];
    let answer = authorize(&gateway, &order).await.unwrap();
    let Answer::Challenge(challenge) = answer else { panic!("{answer:?}") };
    assert_eq!(challenge.action, "https://checkoutshopper-test.adyen.com/checkoutshopper/threeDS/redirect");
    let params = [("MD".to_owned(), "m".to_owned()), ("PaReq".to_owned(), "p+q".to_owned())];
    assert_eq!((challenge.method.as_str(), challenge.params.as_slice()), ("GET", params.as_slice()));
    assert_eq!(acquirer.got().json()["browserInfo"]["userAgent"], "Firefox");

    acquirer.answers(200, &authorised());
    let returned = [("redirectResult".to_owned(), "X\"Y".to_owned())];
    let known = known(OperationKind::Sale, Some("JLCMPCQ8HXSKGK82"));
    let answer = gateway.complete_authentication(&known, &returned).await.unwrap();
    assert!(matches!(answer, Answer::Approved(_)));
    let got = acquirer.got();
    got.is("POST", "/v/payments/details");
    assert_eq!(got.json(), json!({ "details": { "redirectResult": "X\"Y" } }));
}

#[tokio::test]
async fn adyen_is_asked_for_captures_cancels_and_refunds() {
    let (acquirer, gateway) = Acquirer::play("adyen.toml").await;
    let received = json!({
        "merchantAccount": "YOUR_MERCHANT_ACCOUNT", "paymentPspReference": "993617894903480A",
        "reference": "YOUR_UNIQUE_REFERENCE", "pspReference": "993617894906488A", "status": "received",
        "amount": { "value": 2000, "currency": "USD" }
    });
    let asked = follow_up(2_000, "993617894903480A");
    let modified = json!({
        "merchantAccount": "YOUR_MERCHANT_ACCOUNT", "reference": "opn_01",
        "amount": { "value": 2000, "currency": "USD" }
    });
    let cancelled = json!({ "merchantAccount": "YOUR_MERCHANT_ACCOUNT", "reference": "opn_01" });
    for (path, sent) in [("captures", &modified), ("cancels", &cancelled), ("refunds", &modified)] {
        acquirer.answers(201, &received);
        let answer = match path {
            "captures" => gateway.capture(&asked).await,
            "cancels" => gateway.void(&asked).await,
            _ => gateway.refund(&asked).await,
        };
        assert_eq!(answer.unwrap().reference(), Some("993617894906488A"));
        let got = acquirer.got();
        got.is("POST", &format!("/v/payments/993617894903480A/{path}"));
        assert_eq!(&got.json(), sent);
    }
    // An unanswered capture is sent again with its key; a payment cannot be asked for.
    acquirer.answers(201, &received);
    let again = gateway.inquire(&known(OperationKind::Capture, None)).await.unwrap();
    assert!(matches!(again, Some(Answer::Approved(_))));
    let got = acquirer.got();
    got.is("POST", "/v/payments/orig/captures");
    assert_eq!(got.header("idempotency-key"), "opn_01");
    assert!(gateway.inquire(&known(OperationKind::Sale, None)).await.is_err());
    // What is old, or said to be under way, is not sent again.
    let capture = known(OperationKind::Capture, None);
    let old = Known { age: Duration::from_hours(12), ..capture.clone() };
    let pending = Known { is_pending: true, ..capture };
    for known in [old, pending] {
        assert!(!gateway.can_inquire(&known) && gateway.inquire(&known).await.is_err());
        assert!(acquirer.is_quiet());
    }
}

#[tokio::test]
async fn adyen_says_no_by_422_but_not_that_it_is_under_way() {
    let (acquirer, gateway) = Acquirer::play("adyen.toml").await;
    let unprocessable = |code: &str, kind: &str| json!({ "status": 422, "errorCode": code, "errorType": kind, "message": "request already processed or in progress" });
    for (status, code, kind) in [
        (422, "704", "validation"),
        (422, "703", "validation"),
        (422, "905", "internal"),
        (409, "704", "validation"),
        (403, "901", "security"),
    ] {
        for _ in 0..3 {
            acquirer.answers(status, &unprocessable(code, kind));
        }
        assert!(authorize(&gateway, &order()).await.is_err(), "{status} {code} {kind}");
        assert!(gateway.refund(&follow_up(1, "p")).await.is_err(), "{status} {code} {kind}");
        let again = gateway.inquire(&known(OperationKind::Refund, None)).await;
        assert!(again.is_err(), "{status} {code} {kind}");
    }
    acquirer.answers(422, &unprocessable("167", "validation"));
    assert!(matches!(gateway.refund(&follow_up(1, "p")).await.unwrap(), Answer::Declined(_)));
}

#[tokio::test]
async fn adyen_refusals_have_their_resolutions() {
    let (acquirer, gateway) = Acquirer::play("adyen.toml").await;
    let refused =
        |code: &str| json!({ "resultCode": "Refused", "refusalReasonCode": code, "refusalReason": "no" });
    let unprocessable = json!({
        "status": 422, "errorCode": "14_030", "message": "Return URL is missing.", "errorType": "validation",
        "pspReference": "8816118280275544"
    });
    for (status, body, resolution) in [
        (200, refused("12"), "insufficient_funds"),
        (200, refused("24"), "invalid_cvv"),
        (200, refused("99"), "declined"),
        (422, unprocessable, "declined"),
    ] {
        acquirer.answers(status, &body);
        let answer = authorize(&gateway, &order()).await.unwrap();
        let Answer::Declined(decline) = answer else { panic!("{answer:?}") };
        assert_eq!(decline.resolution, resolution);
    }
    let check =
        given(NUMBER, "03/2030").lend(async |card| gateway.verify(&order(), card).await).await.unwrap();
    assert!(matches!(check, Answer::Declined(_)));
}
