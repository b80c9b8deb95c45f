//! Running operations: claimed, called, settled.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;
use tracing::Instrument as _;

use super::routes::Routes;
use super::settle::{Settled, TRIES, answer_of, find};
use super::{CardSource, GivenCard, OperationError, Owner, SWITCHED_OFF};
use crate::access::Caller;
use crate::core::{Actor, Core};
use crate::gateways::sandbox::SANDBOX;
use crate::gateways::{Answer, FollowUp, Gateway, Known, Order, Unknown};
use crate::invalid::Invalid;
use crate::model::{
    AuditEntry, CardId, DestinationKind, MerchantId, Mode, Operation, OperationKind, OperationState, Outcome,
    OwnerKind, Scopes, Timestamp, Use,
};
use crate::storage::{StoreError, Transaction, until_won};
use crate::vault::VaultError;
use crate::vault::within::{self, Managed};

/// An operation that this run alone may make, and its open card.
struct Claimed {
    gateway: Arc<dyn Gateway>,
    operation: Operation,
    card: GivenCard,
}

/// Runs operations on one node. Cheap to clone. A run goes on when its caller is gone: whoever closes the browser must
/// not make an answer get lost.
#[derive(Clone)]
pub struct Operations {
    pub(super) core: Core,
    gateways: Arc<BTreeMap<String, Arc<dyn Gateway>>>,
    routes: Arc<Routes>,
    owners: Arc<HashMap<OwnerKind, Arc<dyn Owner>>>,
}

impl Operations {
    /// With the gateways by name, what routes to them, and an owner for each kind of them.
    pub fn new(
        core: Core,
        gateways: BTreeMap<String, Arc<dyn Gateway>>,
        routes: Routes,
        owners: Vec<Arc<dyn Owner>>,
    ) -> Self {
        let owners = owners.into_iter().map(|owner| (owner.kind(), owner)).collect();
        Self { core, gateways: Arc::new(gateways), routes: Arc::new(routes), owners: Arc::new(owners) }
    }

    /// The gateway of a service; test mode is always the simulator.
    pub fn route(&self, mode: Mode, service: &str) -> Result<String, OperationError> {
        self.routes.gateway(mode, service)
    }

    /// Runs an authorisation, sale or check, whichever the operation is. The card is opened and its use audited in
    /// the transaction that claims the operation; it leaves only after that is committed, and only into the call.
    /// An answer `None` in what is returned means that the result is not known yet: an inquiry will settle it.
    pub async fn charge(
        &self,
        actor: &Actor,
        operation: Operation,
        order: Order,
        card: CardSource,
    ) -> Result<Settled, OperationError> {
        let (this, actor, run) = (self.clone(), actor.clone(), operation.clone());
        detached(operation, async move { this.run_charge(&actor, run, order, card).await }).await
    }

    /// Runs a capture, void or refund, whichever the operation is.
    pub async fn follow_up(&self, operation: Operation) -> Result<Settled, OperationError> {
        let (this, run) = (self.clone(), operation.clone());
        detached(operation, async move { this.run_follow_up(run).await }).await
    }

    async fn run_charge(
        &self,
        actor: &Actor,
        operation: Operation,
        order: Order,
        card: CardSource,
    ) -> Result<Settled, OperationError> {
        let authorises = matches!(operation.kind, OperationKind::Authorize | OperationKind::Sale);
        if !authorises && operation.kind != OperationKind::Verify {
            return Err(self.give_up(&operation, OperationError::Misfit("no charge")).await);
        }
        let Claimed { gateway, operation, card } = match self.claim_with_card(actor, &operation, card).await {
            Ok(Some(claimed)) => claimed,
            Ok(None) => return self.present(&operation).await,
            Err(error) => return Err(self.give_up(&operation, error).await),
        };
        if self.is_too_late(&operation, &*gateway) {
            return Ok(Settled { operation, answer: None });
        }
        let order = Order {
            operation: operation.id.clone(),
            amount: operation.amount,
            takes: operation.kind == OperationKind::Sale,
            ..order
        };
        let answer = card
            .lend(async |card| {
                let call =
                    if authorises { gateway.authorize(&order, card) } else { gateway.verify(&order, card) };
                in_time(&*gateway, call).await
            })
            .await;
        Ok(self.answered(operation, answer).await)
    }

    async fn run_follow_up(&self, operation: Operation) -> Result<Settled, OperationError> {
        let follow_up = match self.prepare(&operation).await {
            Ok(follow_up) => follow_up,
            Err(error) => return Err(self.give_up(&operation, error).await),
        };
        let gateway = match self.gateway(&operation) {
            Ok(gateway) => gateway,
            Err(error) => return Err(self.give_up(&operation, error).await),
        };
        let operation = match self.claim(&operation, &*gateway, None).await {
            Ok(Some(claimed)) => claimed,
            Ok(None) => return self.present(&operation).await,
            Err(error) => return Err(self.give_up(&operation, error).await),
        };
        if self.is_too_late(&operation, &*gateway) {
            return Ok(Settled { operation, answer: None });
        }
        let call = match operation.kind {
            OperationKind::Capture => gateway.capture(&follow_up),
            OperationKind::Void => gateway.void(&follow_up),
            _ => gateway.refund(&follow_up),
        };
        let answer = in_time(&*gateway, call).await;
        Ok(self.answered(operation, answer).await)
    }

    /// The gateway of an operation. The simulator takes no live cards, and nobody else takes test ones.
    pub(super) fn gateway(&self, operation: &Operation) -> Result<Arc<dyn Gateway>, OperationError> {
        let fits = (operation.mode == Mode::Test) == (operation.gateway == SANDBOX);
        let known = self.gateways.get(&operation.gateway).filter(|_| fits).cloned();
        known.ok_or_else(|| OperationError::UnknownGateway(operation.gateway.clone()))
    }

    /// Who files what becomes of operations of a kind.
    pub(super) fn owner(&self, kind: OwnerKind) -> Result<&dyn Owner, OperationError> {
        let owner = self.owners.get(&kind).ok_or_else(|| OperationError::Owner("nobody".to_owned()))?;
        Ok(&**owner)
    }

    /// The operation as it stands: somebody else has run it, or runs it.
    async fn present(&self, operation: &Operation) -> Result<Settled, OperationError> {
        let mut transaction = self.core.store.read().await?;
        Ok(Settled::stored(find(&mut *transaction, operation).await?))
    }

    /// Ends an operation that was not run, so that nobody waits for it.
    async fn give_up(&self, operation: &Operation, error: OperationError) -> OperationError {
        if let Err(error) = self.settle(operation, None).await {
            tracing::error!(%error, operation = %operation.id, "an operation could not be given up; the inquirer will");
        }
        match error {
            // Trying the whole call again would begin a second operation.
            error if error.is_race() => VaultError::Contended.into(),
            error => error,
        }
    }

    /// Files the answer of a call. What cannot be filed now is not lost: the gateway keeps it.
    pub(super) async fn answered(&self, operation: Operation, answer: Result<Answer, Unknown>) -> Settled {
        let settled = match answer {
            Ok(answer) => self.settle(&operation, Some(answer)).await,
            Err(unknown) => {
                tracing::warn!(operation = %operation.id, gateway = operation.gateway, %unknown, "no answer");
                return Settled { operation, answer: None };
            }
        };
        settled.unwrap_or_else(|error| {
            tracing::error!(%error, operation = %operation.id, "an answer could not be filed; the inquirer will");
            Settled { operation, answer: None }
        })
    }

    /// Whether so much time has gone by since the claim that an inquiry might count as the last word before the
    /// call could be answered. It is then not made.
    fn is_too_late(&self, operation: &Operation, gateway: &dyn Gateway) -> bool {
        let patience = gateway.patience();
        let latest = patience.certain.saturating_sub(patience.call);
        operation.called_at.is_none_or(|called_at| self.core.now() > called_at.plus(latest))
    }

    /// Claims an operation for this run. `None` where somebody else has it, or had it.
    async fn claim(
        &self,
        operation: &Operation,
        gateway: &dyn Gateway,
        entry: Option<AuditEntry>,
    ) -> Result<Option<Operation>, OperationError> {
        let mut transaction = self.core.store.begin().await?;
        let claimed = self.claimed(operation, gateway);
        if !transaction.update_operation(claimed.clone()).await? {
            return Ok(None);
        }
        if let Some(entry) = entry {
            transaction.add_audit(entry).await?;
        }
        transaction.commit().await?;
        Ok(Some(Operation { version: claimed.version + 1, ..claimed }))
    }

    fn claimed(&self, operation: &Operation, gateway: &dyn Gateway) -> Operation {
        let now = self.core.now();
        let inquire_at = now.plus(gateway.patience().inquiry);
        Operation { called_at: Some(now), inquire_at, ..operation.clone() }
    }

    /// Claims an operation and opens its card.
    async fn claim_with_card(
        &self,
        actor: &Actor,
        operation: &Operation,
        card: CardSource,
    ) -> Result<Option<Claimed>, OperationError> {
        let gateway = self.gateway(operation)?;
        let (card, typed) = match card {
            CardSource::Given(card) => {
                let entry = self.core.entry(actor, "card.use", operation.id.as_str(), Outcome::Done);
                let claimed = self.claim(operation, &*gateway, Some(entry)).await?;
                return Ok(claimed.map(|operation| Claimed { gateway, operation, card }));
            }
            CardSource::Stored { card, cvv } => (card, cvv),
        };
        let key = within::open(&self.core, &caller_of(actor, operation), false).await?;
        let spends = typed.is_none();
        let claim = || self.claim_stored(actor, operation, &*gateway, (&key, &card, spends));
        let claimed = until_won(TRIES, OperationError::is_race, claim).await?;
        Ok(claimed.map(|(operation, card)| {
            let cvv = typed.or(card.cvv);
            Claimed { gateway, operation, card: GivenCard { cvv, ..card } }
        }))
    }

    /// Claims an operation and opens its card in one transaction, with the audit entry of its use.
    async fn claim_stored(
        &self,
        actor: &Actor,
        operation: &Operation,
        gateway: &dyn Gateway,
        (key, card, spends): (&Managed, &CardId, bool),
    ) -> Result<Option<(Operation, GivenCard)>, OperationError> {
        let mut transaction = self.core.store.begin().await?;
        let claimed = self.claimed(operation, gateway);
        if !transaction.update_operation(claimed.clone()).await? {
            return Ok(None);
        }
        refuse_switched_off(&mut *transaction, operation, card).await?;
        let at = Use { kind: DestinationKind::HostName, data: gateway.host() };
        let spent = spends.then_some(at);
        let opened = key.open_for_use(&self.core, &mut *transaction, card, spent, actor).await?;
        let entry = self.core.entry(actor, "card.use", card.as_str(), Outcome::Done);
        transaction.add_audit(entry).await?;
        transaction.commit().await?;
        Ok(Some((Operation { version: claimed.version + 1, ..claimed }, opened)))
    }

    /// What is sent of a capture, void or refund: its parent has to be approved.
    async fn prepare(&self, operation: &Operation) -> Result<FollowUp, OperationError> {
        use OperationKind::{Authorize, Capture, Refund, Sale, Void};
        if !matches!(operation.kind, Capture | Void | Refund) {
            return Err(OperationError::Misfit("no follow-up"));
        }
        let Some(original) = operation.parent.clone() else {
            return Err(OperationError::Misfit("no parent"));
        };
        let mut transaction = self.core.store.read().await?;
        let parent = transaction.find_operation(operation.merchant.clone(), original.clone()).await?;
        let fits = |parent: &Operation| {
            parent.state == OperationState::Approved
                && parent.gateway == operation.gateway
                && parent.mode == operation.mode
                && matches!(parent.kind, Authorize | Sale)
        };
        let parent = parent.filter(fits).ok_or(OperationError::Misfit("the parent was not approved"))?;
        let Some(Answer::Approved(approval)) = answer_of(&parent) else {
            return Err(OperationError::Misfit("the parent was not approved"));
        };
        Ok(FollowUp {
            operation: operation.id.clone(),
            original,
            original_reference: approval.reference,
            amount: operation.amount,
        })
    }
}

/// Runs to the end, even if whoever waits for it is gone.
pub(super) async fn detached(
    operation: Operation,
    run: impl Future<Output = Result<Settled, OperationError>> + Send + 'static,
) -> Result<Settled, OperationError> {
    match tokio::spawn(run.in_current_span()).await {
        Ok(settled) => settled,
        Err(error) => {
            tracing::error!(%error, operation = %operation.id, "a run broke off; the inquirer will settle it");
            Ok(Settled { operation, answer: None })
        }
    }
}

/// What a gateway is told of an operation that was made before.
pub(super) async fn known(
    transaction: &mut dyn Transaction,
    operation: &Operation,
    now: Timestamp,
) -> Result<Known, OperationError> {
    let reference_of = |operation: &Operation| answer_of(operation)?.reference().map(str::to_owned);
    let original = match &operation.parent {
        Some(parent) => transaction.find_operation(operation.merchant.clone(), parent.clone()).await?,
        None => None,
    };
    // One that was never called for, or by another clock, counts as old: what is old is not repeated.
    let age = operation.called_at.and_then(|at| u64::try_from(now.millis().checked_sub(at.millis())?).ok());
    Ok(Known {
        operation: operation.id.clone(),
        kind: operation.kind,
        amount: operation.amount,
        reference: reference_of(operation),
        original_reference: original.as_ref().and_then(reference_of),
        age: age.map_or(Duration::MAX, Duration::from_millis),
        is_pending: operation.state == OperationState::Pending,
    })
}

/// A card that was switched off pays nothing. It is looked at in the transaction that claims the operation: whoever
/// switches a card off afterwards finds the operation under way, and can wait for it.
async fn refuse_switched_off(
    transaction: &mut dyn Transaction,
    operation: &Operation,
    card: &CardId,
) -> Result<(), OperationError> {
    if is_switched_off(transaction, &operation.merchant, card).await? { Err(switched_off()) } else { Ok(()) }
}

/// The refusal of a card, or of a token, that was switched off.
pub(super) fn switched_off() -> OperationError {
    let detail = "The token of this card was switched off.";
    VaultError::from(Invalid::new("/token", SWITCHED_OFF, detail)).into()
}

/// Whether a card was switched off, by one of its tokens or as its customer's: then it pays for nothing, on no surface.
pub async fn is_switched_off(
    transaction: &mut dyn Transaction,
    merchant: &MerchantId,
    card: &CardId,
) -> Result<bool, StoreError> {
    let owner = transaction.find_card_owner(merchant.clone(), card.clone()).await?;
    if owner.is_some_and(|owner| owner.disabled_at.is_some()) {
        return Ok(true);
    }
    let tokens = transaction.list_card_tokens(merchant.clone(), card.clone()).await?;
    Ok(tokens.iter().any(|token| !token.enabled))
}

/// Waits for a call as long as its gateway is worth it.
pub(super) async fn in_time<T>(
    gateway: &dyn Gateway,
    call: impl Future<Output = Result<T, Unknown>>,
) -> Result<T, Unknown> {
    timeout(gateway.patience().call, call)
        .await
        .unwrap_or_else(|_| Err(Unknown("no answer in time".to_owned())))
}

/// Opens the merchant's own managed key; nothing else is done for this caller.
fn caller_of(actor: &Actor, operation: &Operation) -> Caller {
    Caller {
        merchant: operation.merchant.clone(),
        mode: operation.mode,
        login: actor.name.clone(),
        scopes: Scopes::of(&[]),
        address: actor.address.clone(),
    }
}
