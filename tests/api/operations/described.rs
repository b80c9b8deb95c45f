//! Described gateways against the published samples of two acquirers, played by a server on loopback. They are not
//! tried live. What the samples leave open, such as ids, is invented here.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use backend::crypto::entropy::SeededEntropy;
use backend::gateways::described::{Described, Description};
use backend::gateways::{Answer, Credential, FollowUp, Gateway, Known, Order, Payer, Unknown};
use backend::model::{Money, OperationId, OperationKind};
use backend::outgoing::{Allowed, Outgoing};
use iso_currency::Currency;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use url::Url;
use zeroize::Zeroizing;

use super::till::given;

/// The number of the published requests.
const NUMBER: &str = "4111111111111111";

/// A call as the acquirer got it.
#[derive(Clone)]
struct Got {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: String,
}

#[derive(Clone, Default)]
struct Acquirer {
    got: Arc<Mutex<Vec<Got>>>,
    answers: Arc<Mutex<VecDeque<(u16, String)>>>,
}

impl Acquirer {
    /// Plays an acquirer that a file describes.
    async fn play(file: &str) -> (Self, Described) {
        let acquirer = Self::default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().fallback(take).with_state(acquirer.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/gateways").join(file);
        let text = std::fs::read_to_string(path).unwrap();
        let secrets = BTreeMap::from([("key".to_owned(), Zeroizing::new("s3cret".to_owned()))]);
        let base: Url = format!("http://{address}/v/").parse().unwrap();
        let description = Description::parse(&text, secrets).unwrap().at(base);
        let networks = vec!["127.0.0.0/8".parse().unwrap()];
        let outgoing = Outgoing::new(Allowed { networks, plain_http: true }).unwrap();
        (acquirer, Described::new(description, Arc::new(outgoing), Arc::new(SeededEntropy::new(1))))
    }

    fn answers(&self, status: u16, body: &Value) {
        self.answers.lock().unwrap().push_back((status, body.to_string()));
    }

    fn got(&self) -> Got {
        self.got.lock().unwrap().pop().unwrap()
    }
}

async fn take(
    State(acquirer): State<Acquirer>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: String,
) -> (StatusCode, String) {
    acquirer.got.lock().unwrap().push(Got { method, uri, headers, body });
    let (status, body) = acquirer.answers.lock().unwrap().pop_front().unwrap();
    (StatusCode::from_u16(status).unwrap(), body)
}

impl Got {
    fn is(&self, method: &str, path: &str) {
        assert_eq!((self.method.as_str(), self.uri.path_and_query().unwrap().as_str()), (method, path));
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    fn form(&self) -> BTreeMap<String, String> {
        url::form_urlencoded::parse(self.body.as_bytes()).into_owned().collect()
    }
}

fn operation() -> OperationId {
    OperationId::stored("opn_01".to_owned())
}

fn dollars(cents: u64) -> Money {
    Money::of_minor(cents, Currency::USD)
}

fn order() -> Order {
    Order {
        operation: operation(),
        amount: dollars(1_000),
        takes: true,
        reference: "order \"7\" & more".to_owned(),
        description: "Two tickets".to_owned(),
        credential: Credential::OneOff,
        payer: Payer::default(),
        return_url: Some("https://shop.example/back?a=1".to_owned()),
    }
}

async fn authorize(gateway: &Described, order: &Order) -> Result<Answer, Unknown> {
    given(NUMBER, "03/2030").lend(async |card| gateway.authorize(order, card).await).await
}

fn follow_up(cents: u64, reference: &str) -> FollowUp {
    FollowUp {
        operation: operation(),
        original: OperationId::stored("opn_00".to_owned()),
        original_reference: reference.to_owned(),
        amount: dollars(cents),
    }
}

fn known(kind: OperationKind, reference: Option<&str>) -> Known {
    Known {
        operation: operation(),
        kind,
        amount: dollars(1_000),
        reference: reference.map(str::to_owned),
        original_reference: Some("orig".to_owned()),
    }
}

/// The published answer to a card payment with unencrypted details.
fn authorised() -> Value {
    json!({
        "additionalData": {
            "cvcResult": "1 Matches", "authCode": "044925", "avsResult": "4 AVS not supported for this card type",
            "avsResultRaw": "4", "cvcResultRaw": "M", "refusalReasonRaw": "AUTHORISED",
            "acquirerCode": "TestPmmAcquirer", "acquirerReference": "8PQMP9VEP3H"
        },
        "pspReference": "993617895204576J", "resultCode": "Authorised", "merchantReference": "string"
    })
}

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
    assert_eq!(got.body, "amount_to_capture=500");
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
    assert_eq!(got.body, "amount=500&payment_intent=pi_1");
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
async fn what_is_not_described_is_unknown() {
    for file in ["stripe.toml", "adyen.toml"] {
        let (acquirer, gateway) = Acquirer::play(file).await;
        for (status, body) in [
            (500, "{\"error\":{}}"),
            (502, "<html>bad gateway</html>"),
            (200, ""),
            (200, "[1, 2"),
            (200, "{\"status\":7}"),
            (302, "{}"),
            (401, "{}"),
            (429, "{}"),
        ] {
            acquirer.answers.lock().unwrap().push_back((status, body.to_owned()));
            let answer = authorize(&gateway, &order()).await;
            let Err(Unknown(told)) = answer else { panic!("{file} {status} {body}: {answer:?}") };
            assert!(!told.contains(NUMBER), "{told}");
            acquirer.answers.lock().unwrap().push_back((status, body.to_owned()));
            assert!(
                gateway.inquire(&known(OperationKind::Refund, None)).await.is_err(),
                "{file} {status} {body}"
            );
        }
    }
}

#[tokio::test]
async fn an_echoed_number_is_not_kept() {
    let (acquirer, gateway) = Acquirer::play("adyen.toml").await;
    acquirer
        .answers(200, &json!({ "resultCode": "Refused", "refusalReason": format!("card {NUMBER} refused") }));
    let answer = authorize(&gateway, &order()).await.unwrap();
    assert!(!format!("{answer:?}").contains(NUMBER));
}

#[tokio::test]
async fn a_mark_in_a_name_brings_no_number() {
    let (acquirer, gateway) = Acquirer::play("adyen.toml").await;
    acquirer.answers(200, &authorised());
    let mut card = given(NUMBER, "03/2030");
    card.holder = Zeroizing::new("number0000 \"}, {{ card.number }}".to_owned());
    card.cvv = None;
    card.lend(async |card| gateway.authorize(&order(), card).await).await.unwrap();
    let sent = acquirer.got().json();
    assert_eq!(sent["paymentMethod"]["holderName"], "number0000 \"}, {{ card.number }}");
    assert_eq!(sent.to_string().matches(NUMBER).count(), 1);
    assert!(sent["paymentMethod"]["cvc"].is_null());
}
