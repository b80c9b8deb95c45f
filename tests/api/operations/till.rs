//! What the tests of operations share: a merchant in test mode with operations of its own, whose owner writes down
//! what it is told.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use backend::core::{Actor, Core};
use backend::gateways::sandbox::SANDBOX;
use backend::gateways::{Answer, Credential, Gateway, Order, Payer};
use backend::model::{
    Card, CardId, LedgerEntry, Mode, Money, Operation, OperationId, OperationKind, OperationState, OwnerKind,
};
use backend::operations::{
    self, CardSource, GivenCard, OperationError, Operations, Owner, Plan, Routes, Settled,
};
use backend::storage::{StoreError, Transaction};
use iso_currency::Currency;
use serde_json::{Value, json};
use shared::{CardNumber, Cvv, Expiry};
use zeroize::Zeroizing;

use crate::app::{ALL, NUMBER, TestApp, text};

/// A test card that is approved without a challenge.
pub const GOOD: &str = NUMBER;
/// A test card that is approved after a challenge.
pub const CHALLENGED: &str = "5123817234060000";
/// A test card whose expiry chooses the refusal.
pub const REFUSED: &str = "4302912837020000";

/// The name of a gateway for live payments.
pub const MAIN: &str = "main";

/// What an owner was told, in order.
pub type Told = Vec<(OperationId, OperationState)>;

/// A merchant that charges cards.
pub struct Till {
    /// The server.
    pub app: TestApp,
    /// What runs operations.
    pub operations: Arc<Operations>,
    told: Arc<Mutex<Told>>,
    off: Looks,
}

/// What the owner says to each look for a switch, in order; then that nothing is off.
type Looks = Arc<Mutex<VecDeque<bool>>>;

struct Notes(Arc<Mutex<Told>>, Looks);

#[async_trait]
impl Owner for Notes {
    fn kind(&self) -> OwnerKind {
        OwnerKind::Invoice
    }

    async fn settled(
        &self,
        core: &Core,
        transaction: &mut dyn Transaction,
        operation: &Operation,
        answer: Option<&Answer>,
    ) -> Result<(), OperationError> {
        assert_eq!(answer.is_none(), operation.state == OperationState::NotMade);
        // The transaction is the one that writes the new state.
        let row =
            transaction.find_operation(operation.merchant.clone(), operation.id.clone()).await?.unwrap();
        assert_eq!((row.state, row.version), (operation.state, operation.version));
        assert!(operation.created_at < core.now());
        self.0.lock().unwrap().push((operation.id.clone(), operation.state));
        Ok(())
    }

    async fn is_off(&self, _: &mut dyn Transaction, _: &Operation) -> Result<bool, StoreError> {
        Ok(self.1.lock().unwrap().pop_front().unwrap_or(false))
    }
}

impl Till {
    /// Over a server.
    pub fn open(app: TestApp) -> Self {
        Self::open_with(app, None)
    }

    /// Over a server with a gateway for live payments, [`MAIN`].
    pub fn open_with(app: TestApp, main: Option<Arc<dyn Gateway>>) -> Self {
        let told = Arc::new(Mutex::new(Told::new()));
        let off = Looks::default();
        let owners: Vec<Arc<dyn Owner>> = vec![Arc::new(Notes(Arc::clone(&told), Arc::clone(&off)))];
        let mut gateways: BTreeMap<String, Arc<dyn Gateway>> =
            [(SANDBOX.to_owned(), Arc::<_>::clone(&app.app.sandbox) as Arc<_>)].into();
        gateways.extend(main.map(|main| (MAIN.to_owned(), main)));
        let operations = Operations::new(app.app.core.clone(), gateways, Routes::default(), owners);
        Self { app, operations: Arc::new(operations), told, off }
    }

    /// What the owner will say to the next looks for a switch.
    pub fn looks(&self, off: &[bool]) {
        self.off.lock().unwrap().extend(off);
    }

    /// What the owner was told.
    pub fn told(&self) -> Told {
        self.told.lock().unwrap().clone()
    }

    /// A new operation in cents of euros.
    pub async fn begin(
        &self,
        kind: OperationKind,
        cents: u64,
        parent: Option<&Operation>,
        card: Option<&CardId>,
    ) -> Operation {
        let gateway = self.operations.route(Mode::Test, "payment_card_eur_hpp").unwrap();
        self.begun(Plan {
            parent: parent.map(|parent| parent.id.clone()),
            card: card.cloned(),
            gateway,
            amount: euros(cents),
            ..self.plan(kind)
        })
        .await
    }

    /// A new operation of a mode by a gateway of this name.
    pub async fn begin_by(&self, kind: OperationKind, mode: Mode, gateway: &str) -> Operation {
        self.begun(Plan { mode, gateway: gateway.to_owned(), ..self.plan(kind) }).await
    }

    /// A live sale by [`MAIN`] with a card that is not stored.
    pub async fn live_sale(&self) -> Settled {
        let operation = self.begin_by(OperationKind::Sale, Mode::Live, MAIN).await;
        self.charge(&operation, GOOD, "12/30").await
    }

    fn plan(&self, kind: OperationKind) -> Plan<'static> {
        Plan {
            merchant: self.app.id.clone(),
            mode: Mode::Test,
            owner: OwnerKind::Invoice,
            owner_id: "cpi_1",
            kind,
            parent: None,
            card: None,
            gateway: SANDBOX.to_owned(),
            amount: euros(100),
        }
    }

    async fn begun(&self, plan: Plan<'_>) -> Operation {
        let core = &self.app.app.core;
        let mut transaction = core.store.begin().await.unwrap();
        let operation = operations::begin(core, &mut *transaction, plan).await.unwrap();
        transaction.commit().await.unwrap();
        operation
    }

    /// Charges a card that is not stored.
    pub async fn charge(&self, operation: &Operation, number: &str, expiry: &str) -> Settled {
        let card = CardSource::Given(given(number, expiry));
        self.operations.charge(&self.actor(), operation.clone(), order(operation), card).await.unwrap()
    }

    /// A sale with a card that is not stored.
    pub async fn sale(&self, cents: u64, number: &str, expiry: &str) -> Settled {
        let operation = self.begin(OperationKind::Sale, cents, None, None).await;
        self.charge(&operation, number, expiry).await
    }

    /// An approved authorisation.
    pub async fn authorised(&self, cents: u64) -> Operation {
        let operation = self.begin(OperationKind::Authorize, cents, None, None).await;
        let settled = self.charge(&operation, GOOD, "12/30").await;
        assert_eq!(settled.operation.state, OperationState::Approved);
        settled.operation
    }

    /// A capture, void or refund.
    pub async fn follow_up(&self, kind: OperationKind, cents: u64, parent: &Operation) -> Settled {
        let operation = self.begin(kind, cents, Some(parent), None).await;
        self.operations.follow_up(operation).await.unwrap()
    }

    /// A capture, void or refund of a live payment.
    pub async fn live_follow_up(&self, kind: OperationKind, parent: &Operation) -> Settled {
        let parent = Some(parent.id.clone());
        let plan = Plan { mode: Mode::Live, gateway: MAIN.to_owned(), parent, ..self.plan(kind) };
        self.operations.follow_up(self.begun(plan).await).await.unwrap()
    }

    /// The operation of an id.
    pub async fn by_id(&self, id: &OperationId) -> Operation {
        let mut transaction = self.app.app.core.store.read().await.unwrap();
        transaction.find_operation(self.app.id.clone(), id.clone()).await.unwrap().unwrap()
    }

    /// A stored card of the merchant in test mode, with a code.
    pub async fn card(&self, number: &str) -> Card {
        let body = json!({ "card_number": number, "card_holder": "Ada King", "card_expiry": "06-2031", "cvv": "123" });
        self.store(body).await
    }

    /// A stored card of this body.
    pub async fn store(&self, body: Value) -> Card {
        let token =
            text(&self.app.test_mode.post("/v1/vault?user=managed&reference=r1", body).await.ok()["token"]);
        let mut transaction = self.app.app.core.store.read().await.unwrap();
        let key = transaction
            .find_key(self.app.id.clone(), Mode::Test, "managed".to_owned())
            .await
            .unwrap()
            .unwrap();
        let cards = transaction.list_cards(self.app.id.clone(), key.id, ALL).await.unwrap();
        cards.into_iter().find(|card| card.token == token).unwrap()
    }

    /// The operation as it is stored.
    pub async fn stored(&self, operation: &Operation) -> Operation {
        self.by_id(&operation.id).await
    }

    /// What the simulator's book says.
    pub async fn book(&self, operation: &Operation) -> Option<LedgerEntry> {
        self.app.app.sandbox.entry(&operation.id).await.unwrap()
    }

    /// Lets time pass, and inquires about what is due.
    pub async fn inquire_after(&self, seconds: u64) {
        self.app.clock.pass(seconds);
        self.operations.inquire_due().await;
    }

    /// Whoever charges.
    pub fn actor(&self) -> Actor {
        Actor {
            merchant: Some(self.app.id.clone()),
            mode: Some(Mode::Test),
            name: "till".to_owned(),
            address: "192.0.2.7".to_owned(),
        }
    }
}

/// An order for an operation, with a way back.
pub fn order(operation: &Operation) -> Order {
    Order {
        operation: operation.id.clone(),
        amount: operation.amount,
        takes: false,
        reference: "order 7".to_owned(),
        description: String::new(),
        credential: Credential::OneOff,
        payer: Payer::default(),
        return_url: Some("https://cards.example/back".to_owned()),
    }
}

/// A card with a code.
pub fn given(number: &str, expiry: &str) -> GivenCard {
    GivenCard {
        number: CardNumber::parse(number, true).unwrap(),
        expiry: Expiry::parse(expiry).unwrap(),
        holder: Zeroizing::new("Ada King".to_owned()),
        cvv: Cvv::parse("123", None).ok(),
    }
}

/// Cents of euros.
pub fn euros(cents: u64) -> Money {
    Money::of_minor(cents, Currency::EUR)
}
