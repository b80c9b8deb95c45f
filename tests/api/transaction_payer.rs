//! What a gateway is told of the payer: personal data that were merged into a token go with its later charges.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use backend::gateways::sandbox::SANDBOX;
use backend::gateways::sandbox::Sandbox;
use backend::gateways::{
    Address, Answer, CardInUse, FollowUp, Gateway, Known, Order, Patience, Payer, Unknown,
};
use backend::operations::{Operations, Routes};
use backend::transactions::TransactionOwner;
use serde_json::{Value, json};

use crate::app::{NUMBER, OTHER_NUMBER, TestApp, text};
use crate::company::{Shop, code, vault_card};

on_both_engines! {
    merged_personal_data_reach_the_gateway,
    what_a_charge_brings_itself_is_not_kept,
    a_replaced_card_brings_its_data_after_approval_only,
    a_renamed_holder_is_renamed_on_the_card,
    facts_about_the_browser_reach_the_gateway,
}

/// The simulator, and what it was told before it answered.
struct Recorder {
    simulator: Arc<Sandbox>,
    told: Mutex<Vec<Told>>,
}

/// What came with a charge.
struct Told {
    payer: Payer,
    holder: String,
    expiry: String,
}

impl Recorder {
    fn note(&self, order: &Order, card: &CardInUse<'_>) {
        let told =
            Told { payer: order.payer.clone(), holder: card.holder.to_owned(), expiry: card.expiry.short() };
        self.told.lock().unwrap().push(told);
    }

    /// What came with the newest charge.
    fn newest(&self) -> Told {
        self.told.lock().unwrap().pop().expect("a charge was made")
    }
}

#[async_trait]
impl Gateway for Recorder {
    fn host(&self) -> &str {
        self.simulator.host()
    }

    fn patience(&self) -> Patience {
        self.simulator.patience()
    }

    async fn authorize(&self, order: &Order, card: &CardInUse<'_>) -> Result<Answer, Unknown> {
        self.note(order, card);
        self.simulator.authorize(order, card).await
    }

    async fn verify(&self, order: &Order, card: &CardInUse<'_>) -> Result<Answer, Unknown> {
        self.note(order, card);
        self.simulator.verify(order, card).await
    }

    fn takes_return(&self, returned: &[(String, String)]) -> bool {
        self.simulator.takes_return(returned)
    }

    async fn complete_authentication(
        &self,
        known: &Known,
        returned: &[(String, String)],
    ) -> Result<Answer, Unknown> {
        self.simulator.complete_authentication(known, returned).await
    }

    async fn capture(&self, follow_up: &FollowUp) -> Result<Answer, Unknown> {
        self.simulator.capture(follow_up).await
    }

    async fn void(&self, follow_up: &FollowUp) -> Result<Answer, Unknown> {
        self.simulator.void(follow_up).await
    }

    async fn refund(&self, follow_up: &FollowUp) -> Result<Answer, Unknown> {
        self.simulator.refund(follow_up).await
    }

    fn can_inquire(&self, known: &Known) -> bool {
        self.simulator.can_inquire(known)
    }

    async fn inquire(&self, known: &Known) -> Result<Option<Answer>, Unknown> {
        self.simulator.inquire(known).await
    }
}

/// A shop whose charges are written down on their way.
fn open(app: &TestApp) -> (Shop, Arc<Recorder>) {
    let recorder = Arc::new(Recorder { simulator: Arc::clone(&app.app.sandbox), told: Mutex::default() });
    let gateways = [(SANDBOX.to_owned(), Arc::<Recorder>::clone(&recorder) as Arc<dyn Gateway>)].into();
    let client = app.node_with(|node| {
        let owners = vec![Arc::new(TransactionOwner) as Arc<_>];
        let operations = Operations::new(node.core.clone(), gateways, Routes::default(), owners);
        node.operations = Arc::new(operations);
    });
    (Shop { client: client.anonymous(), ..Shop::of(app) }, recorder)
}

/// A token of a card with everything that can be told of its payer.
async fn token(shop: &Shop, app: &TestApp) -> String {
    let transaction = json!({
        "merchant_order_id": crate::company::order(), "transaction_type": "AUTH_ONLY", "subscription_type": "INIT",
        "amount": "0", "currency_code_iso3": "GBP",
    });
    let more = json!({
        "billing": {
            "cardnumber": NUMBER, "cardexp": "062031", "cardholder_name": "Ada King",
            "billing_street": "152 Aldgate Drive", "billing_street2": "Flat 3", "billing_city": "London",
            "billing_state": "Greater London", "billing_zipcode": "E17RT", "billing_country_code_iso2": "GB",
            "billing_phone_code": "44", "billing_phone": "2039826580", "billing_email": "ada@example.com",
        },
        "customer": { "customer_fname": "Ada", "customer_lname": "King", "customer_ipaddress": "192.0.2.7" },
    });
    let answer = shop.transact(app, transaction, more).await;
    assert_eq!(code(&answer), "1", "{answer}");
    text(&answer["transaction_id"])
}

/// The payer of `token`, with what a change makes of it.
fn payer(change: impl FnOnce(&mut Payer)) -> Payer {
    let text = str::to_owned;
    let mut payer = Payer {
        ip: text("192.0.2.7"),
        name: text("Ada King"),
        email: text("ada@example.com"),
        phone: text("44 2039826580"),
        address: Address {
            street: text("152 Aldgate Drive"),
            street2: text("Flat 3"),
            city: text("London"),
            state: text("Greater London"),
            zip: text("E17RT"),
            country: text("GB"),
        },
        browser: Vec::new(),
    };
    change(&mut payer);
    payer
}

#[track_caller]
fn is(told: &Told, expected: &Payer) {
    assert_eq!(format!("{:?}", told.payer), format!("{expected:?}"));
}

async fn reuse(shop: &Shop, app: &TestApp, token: &str) -> Value {
    let reuse = json!({ "subscription_type": "REUSE", "original_transaction_id": token });
    shop.authorise(app, "AUTH_CAPTURE", reuse, json!({ "cardcvv": "737" })).await
}

async fn merged_personal_data_reach_the_gateway(app: TestApp) {
    let (shop, recorder) = open(&app);
    let token = token(&shop, &app).await;
    is(&recorder.newest(), &payer(|_| ()));
    // The seed's change: she moves house. What is absent, and what is empty, stays.
    let moved = json!({
        "billing": {
            "billing_street": "Suite 2, 4th Floor", "billing_street2": "44 Baker Street", "billing_city": "London",
            "billing_zipcode": "W1U7AL", "billing_phone": "+44(0)2039826580", "billing_email": "support@acquired.com",
            "billing_state": "",
        },
        "customer": { "customer_lname": "Lovelace", "customer_fname": "" },
    });
    assert_eq!(code(&shop.manage(&app, "UPDATE_BILLING", &token, moved).await), "1");
    let expected = payer(|payer| {
        "Ada Lovelace".clone_into(&mut payer.name);
        "support@acquired.com".clone_into(&mut payer.email);
        "44 +44(0)2039826580".clone_into(&mut payer.phone);
        "Suite 2, 4th Floor".clone_into(&mut payer.address.street);
        "44 Baker Street".clone_into(&mut payer.address.street2);
        "W1U7AL".clone_into(&mut payer.address.zip);
    });
    assert_eq!(code(&shop.rebill(&app, &token).await), "1");
    is(&recorder.newest(), &expected);
    assert_eq!(code(&reuse(&shop, &app, &token).await), "1");
    is(&recorder.newest(), &expected);
    // A refused change changes nothing, and another token's payer is another one.
    let refused = json!({ "billing": { "billing_city": "Paris", "cardexp": "072032" } });
    assert_eq!(code(&shop.manage(&app, "UPDATE_BILLING", &token, refused).await), "102");
    assert_eq!(code(&shop.rebill(&app, &token).await), "1");
    let told = recorder.newest();
    is(&told, &expected);
    assert_eq!(told.expiry, "06/31", "number and expiry have another way");
    let other = shop.good_token(&app).await;
    assert_eq!(code(&shop.rebill(&app, &other).await), "1");
    is(&recorder.newest(), &Payer { name: "Ada King".to_owned(), ..Payer::default() });
}

async fn what_a_charge_brings_itself_is_not_kept(app: TestApp) {
    let (shop, recorder) = open(&app);
    let token = token(&shop, &app).await;
    let rebill = json!({ "subscription_type": "REBILL", "original_transaction_id": token });
    let billing = json!({ "billing_city": "Leeds", "billing_street": "" });
    assert_eq!(code(&shop.authorise(&app, "AUTH_CAPTURE", rebill, billing).await), "1");
    is(&recorder.newest(), &payer(|payer| "Leeds".clone_into(&mut payer.address.city)));
    assert_eq!(code(&shop.rebill(&app, &token).await), "1");
    is(&recorder.newest(), &payer(|_| ()));
}

async fn a_replaced_card_brings_its_data_after_approval_only(app: TestApp) {
    let (shop, recorder) = open(&app);
    let token = token(&shop, &app).await;
    let replace = async |number: &str, expiry: &str, city: &str| {
        let update = json!({ "subscription_type": "UPDATE_BILLING", "original_transaction_id": token });
        let billing = json!({
            "cardnumber": number, "cardexp": expiry, "cardholder_name": "Ada Lovelace", "billing_city": city,
        });
        code(&shop.authorise(&app, "AUTH_CAPTURE", update, billing).await)
    };
    assert_eq!(replace("4302912837020000", "052029", "Paris").await, "101");
    is(&recorder.newest(), &payer(|payer| "Paris".clone_into(&mut payer.address.city)));
    assert_eq!(code(&shop.rebill(&app, &token).await), "1");
    let told = recorder.newest();
    is(&told, &payer(|_| ()));
    assert_eq!((told.holder.as_str(), told.expiry.as_str()), ("Ada King", "06/31"));
    assert_eq!(replace(OTHER_NUMBER, "072032", "Leeds").await, "1");
    assert_eq!(code(&shop.rebill(&app, &token).await), "1");
    let told = recorder.newest();
    is(&told, &payer(|payer| "Leeds".clone_into(&mut payer.address.city)));
    assert_eq!((told.holder.as_str(), told.expiry.as_str()), ("Ada Lovelace", "07/32"));
}

async fn a_renamed_holder_is_renamed_on_the_card(app: TestApp) {
    let (shop, recorder) = open(&app);
    let token = token(&shop, &app).await;
    let renamed = json!({ "billing": { "cardholder_name": "Ada Lovelace" } });
    assert_eq!(code(&shop.manage(&app, "UPDATE_BILLING", &token, renamed).await), "1");
    for answer in [shop.rebill(&app, &token).await, reuse(&shop, &app, &token).await] {
        assert_eq!(code(&answer), "1");
        assert_eq!(recorder.newest().holder, "Ada Lovelace");
    }
    let shown = shop.query(&app, "TRANSACTION_ID", "transaction_id", &token).await["transactions"][0].clone();
    let card = vault_card(&app, &text(&shown["card_token"])).await;
    assert_eq!((&card["card_holder"], &card["card_number"]), (&json!("Ada Lovelace"), &json!(NUMBER)));
    assert_eq!(shown["cardexp"], "062031");
    // Whoever changes the name in the vault later changes it for charges too.
    let vault = text(&shown["card_token"]);
    let changed = json!({ "card_holder": "Augusta King" });
    let target = format!("/v1/vault/update?user=managed&token={vault}&reference=");
    app.test_mode.post(&target, changed).await.ok();
    assert_eq!(code(&shop.rebill(&app, &token).await), "1");
    assert_eq!(recorder.newest().holder, "Augusta King");
}

async fn facts_about_the_browser_reach_the_gateway(app: TestApp) {
    let (shop, recorder) = open(&app);
    let send = async |browser: Value| {
        let transaction = json!({
            "merchant_order_id": crate::company::order(), "transaction_type": "AUTH_CAPTURE", "amount": "10.00",
            "currency_code_iso3": "GBP",
        });
        let billing = json!({ "cardnumber": NUMBER, "cardexp": "062031" });
        let tds = json!({ "action": "SCA", "browser_data": browser });
        shop.transact(&app, transaction, json!({ "billing": billing, "tds": tds })).await
    };
    let whole = json!({
        "accept_header": "text/html", "ip": "192.0.2.9", "java_enabled": false, "javascript_enabled": "TRUE",
        "language": "en-GB", "screen_height": "1080", "screen_width": 1920,
        "challenge_window_size": "WINDOWED_600X400", "timezone": -120, "user_agent": "Mozilla/5.0 (X11)",
        "color_depth": "TWENTY_FOUR_BITS",
    });
    assert_eq!(code(&send(whole.clone()).await), "1");
    let told = recorder.newest().payer;
    assert_eq!(told.ip, "192.0.2.9");
    let facts: Vec<_> = told.browser.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    assert_eq!(
        facts,
        [
            ("browser_accept_header", "text/html"),
            ("browser_color_depth", "24"),
            ("browser_java_enabled", "false"),
            ("browser_javascript_enabled", "true"),
            ("browser_language", "en-GB"),
            ("browser_screen_height", "1080"),
            ("browser_screen_width", "1920"),
            ("browser_tz", "-120"),
            ("browser_user_agent", "Mozilla/5.0 (X11)"),
            ("window_width", "600"),
            ("window_height", "400"),
        ]
    );
    for (name, unfit) in [("screen_width", json!("wide")), ("user_agent", json!(NUMBER)), ("ip", json!({}))] {
        let mut browser = whole.clone();
        browser[name] = unfit;
        crate::company::refused(&send(browser).await, "102", name);
    }
    assert_eq!(code(&send(json!("")).await), "1");
    assert!(recorder.newest().payer.browser.is_empty());
}
