//! Described gateways: an acquirer that is played by a server on loopback, and what holds for both files. The published
//! samples of the acquirers stand in files of their own.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

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
pub const NUMBER: &str = "4111111111111111";

/// A call as the acquirer got it.
#[derive(Clone)]
pub struct Got {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    /// The body as it came.
    pub body: String,
}

#[derive(Clone, Default)]
pub struct Acquirer {
    got: Arc<Mutex<Vec<Got>>>,
    answers: Arc<Mutex<VecDeque<(u16, String)>>>,
}

impl Acquirer {
    /// Plays an acquirer that a file describes.
    pub async fn play(file: &str) -> (Self, Described) {
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

    pub fn answers(&self, status: u16, body: &Value) {
        self.answers.lock().unwrap().push_back((status, body.to_string()));
    }

    /// The next answer; none before it is given any more.
    pub fn only_answers(&self, status: u16, body: &Value) {
        self.answers.lock().unwrap().clear();
        self.answers(status, body);
    }

    pub fn got(&self) -> Got {
        self.got.lock().unwrap().pop().unwrap()
    }

    /// Whether nothing came since the last look.
    pub fn is_quiet(&self) -> bool {
        self.got.lock().unwrap().is_empty()
    }

    /// Forgets what came.
    pub fn forget(&self) {
        self.got.lock().unwrap().clear();
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
    pub fn is(&self, method: &str, path: &str) {
        assert_eq!((self.method.as_str(), self.uri.path_and_query().unwrap().as_str()), (method, path));
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    pub fn form(&self) -> BTreeMap<String, String> {
        url::form_urlencoded::parse(self.body.as_bytes()).into_owned().collect()
    }
}

pub fn operation() -> OperationId {
    OperationId::stored("opn_01".to_owned())
}

pub fn dollars(cents: u64) -> Money {
    Money::of_minor(cents, Currency::USD)
}

pub fn order() -> Order {
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

pub async fn authorize(gateway: &Described, order: &Order) -> Result<Answer, Unknown> {
    given(NUMBER, "03/2030").lend(async |card| gateway.authorize(order, card).await).await
}

pub fn follow_up(cents: u64, reference: &str) -> FollowUp {
    FollowUp {
        operation: operation(),
        original: OperationId::stored("opn_00".to_owned()),
        original_reference: reference.to_owned(),
        amount: dollars(cents),
    }
}

pub fn known(kind: OperationKind, reference: Option<&str>) -> Known {
    Known {
        operation: operation(),
        kind,
        amount: dollars(1_000),
        reference: reference.map(str::to_owned),
        original_reference: Some("orig".to_owned()),
        age: Duration::from_mins(1),
        is_pending: false,
    }
}

/// The published answer to a card payment with unencrypted details.
pub fn authorised() -> Value {
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
async fn an_echoed_card_is_not_kept() {
    let (acquirer, gateway) = Acquirer::play("adyen.toml").await;
    for written in [NUMBER, "4111 1111 1111 1111", "4111-1111-1111-1111", "4111.1111.1111.1111"] {
        acquirer.answers(
            200,
            &json!({
                "resultCode": "Refused", "pspReference": written, "refusalReasonCode": "24",
                "refusalReason": format!("card {written}, code 123, refused"),
                "additionalData": { "cvcResultRaw": "123" }
            }),
        );
        let answer = authorize(&gateway, &order()).await;
        let Ok(Answer::Declined(decline)) = answer else { panic!("{answer:?}") };
        assert_eq!(decline.message, "card 411111••••••1111, code •••, refused");
        assert_eq!((decline.reference.as_str(), decline.checks.cvv.as_str()), ("", ""));
    }
}

#[tokio::test]
async fn a_payer_is_not_sent_with_the_card_or_to_a_strange_place() {
    let (acquirer, gateway) = Acquirer::play("adyen.toml").await;
    let wanted = |url: &str, data: Value| json!({ "resultCode": "RedirectShopper", "action": { "url": url, "method": "POST", "data": data } });
    let issuer = "https://acs.issuer.example/3ds";
    for (url, data) in [
        ("http://acs.issuer.example/3ds", json!({})),
        ("javascript:alert(1)", json!({})),
        ("https://localhost/3ds", json!({})),
        ("https://10.0.0.7/3ds", json!({})),
        ("https://user:word@acs.issuer.example/3ds", json!({})),
        ("https://acs.issuer.example/4111111111111111", json!({})),
        ("https://acs.issuer.example/3ds?pan=4111%201111%201111%201111", json!({})),
        (issuer, json!({ "MD": "4111 1111 1111 1111" })),
        (issuer, json!({ "cvc": "123" })),
    ] {
        acquirer.answers(200, &wanted(url, data.clone()));
        assert!(authorize(&gateway, &order()).await.is_err(), "{url} {data}");
    }
    acquirer.answers(200, &wanted(issuer, json!({ "MD": "123", "PaReq": "p" })));
    assert!(matches!(authorize(&gateway, &order()).await.unwrap(), Answer::Challenge(_)));
    // And the gateway is not told a way back that is none.
    for back in ["javascript:alert(1)", "http://shop.example/back", "https://shop.example/4111111111111111"] {
        acquirer.answers(200, &authorised());
        let order = Order { return_url: Some(back.to_owned()), ..order() };
        authorize(&gateway, &order).await.unwrap();
        assert!(acquirer.got().json()["returnUrl"].is_null(), "{back}");
    }
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
