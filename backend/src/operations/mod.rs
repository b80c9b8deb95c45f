//! Calls to gateways, each written down before it is made: routed, made once, answered or inquired about, and
//! settled together with what it was for.
//!
//! A caller begins an operation in its own transaction, then has it run. Before the gateway is called the operation
//! is claimed by compare-and-set, so that of several that want to run it one does; its answer is written by
//! compare-and-set too, by whoever learns it first: the call, an inquiry, or the operator.

mod by_hand;
mod complete;
mod inquire;
mod routes;
mod run;
mod settle;
mod withdraw;

use async_trait::async_trait;

pub use crate::vault::charge::GivenCard;
pub use by_hand::{ByHandError, OpenOperation, Outlook};
pub use routes::{GATEWAY_TRANSACTIONS, Routes};
pub use run::{Operations, is_switched_off};
pub use settle::Settled;

use crate::core::Core;
use crate::gateways::Answer;
use crate::model::{
    CardId, MerchantId, Mode, Money, Operation, OperationId, OperationKind, OperationState, OwnerKind,
};
use crate::storage::{StoreError, Transaction};
use crate::vault::VaultError;
use shared::Cvv;

/// An operation that begins and was not run is given up after so long: whoever began it is gone.
const START: std::time::Duration = std::time::Duration::from_secs(5);

/// The code of the refusal of a card that was switched off.
const SWITCHED_OFF: &str = "disabled";

/// What an operation is to do.
pub struct Plan<'p> {
    /// Whose it is.
    pub merchant: MerchantId,
    /// Test or live.
    pub mode: Mode,
    /// What it is for.
    pub owner: OwnerKind,
    /// The id of what it is for.
    pub owner_id: &'p str,
    /// What it does.
    pub kind: OperationKind,
    /// The authorisation or sale that a capture, void or refund is about.
    pub parent: Option<OperationId>,
    /// The stored card, where it uses one.
    pub card: Option<CardId>,
    /// The gateway, by [`Operations::route`]; of a follow-up that of its parent.
    pub gateway: String,
    /// The amount; zero for a check.
    pub amount: Money,
}

/// Where the card of a charge comes from.
pub enum CardSource {
    /// A card under the merchant's managed key. Without a typed code the stored one is spent, where there is one
    /// whose terms allow it.
    Stored {
        /// The card.
        card: CardId,
        /// The code that the payer typed.
        cvv: Option<Cvv>,
    },
    /// A card that is not stored.
    Given(GivenCard),
}

/// Why an operation was not begun or not run. None of them leaves a doubt: a call whose result is unknown is no error.
#[derive(Debug, thiserror::Error)]
pub enum OperationError {
    /// No gateway is configured for a service of this name.
    #[error("unknown service")]
    UnknownService,
    /// The operation's gateway is not configured any more.
    #[error("the gateway {0} is not configured")]
    UnknownGateway(String),
    /// The operation does not do what it was run for, or its parent was not approved.
    #[error("the operation does not fit: {0}")]
    Misfit(&'static str),
    /// What the operation was for could not take its result.
    #[error("the result could not be filed: {0}")]
    Owner(String),
    /// The card could not be opened.
    #[error(transparent)]
    Vault(#[from] VaultError),
}

impl From<StoreError> for OperationError {
    fn from(error: StoreError) -> Self {
        Self::Vault(error.into())
    }
}

impl OperationError {
    /// Whether the card was switched off.
    pub fn is_switched_off(&self) -> bool {
        matches!(self, Self::Vault(VaultError::Invalid(problems)) if problems.iter().any(|problem| problem.code == SWITCHED_OFF))
    }

    /// Whether somebody else changed the same thing at the same time, so that trying again helps.
    const fn is_race(&self) -> bool {
        matches!(self, Self::Vault(error) if error.is_race())
    }
}

/// What operations are for. One for each kind, given to [`Operations`] at start.
#[async_trait]
pub trait Owner: Send + Sync {
    /// Which kind it is.
    fn kind(&self) -> OwnerKind;

    /// Files a new state of an operation, in the transaction that writes it. `None` is an operation that was not
    /// made. Called once for each state; states only go forward.
    async fn settled(
        &self,
        core: &Core,
        transaction: &mut dyn Transaction,
        operation: &Operation,
        answer: Option<&Answer>,
    ) -> Result<(), OperationError>;

    /// Whether what an operation is for was switched off, beside the operation's card. Asked when a payer comes back
    /// from the issuer, which can be long after the operation was begun.
    async fn is_off(
        &self,
        _transaction: &mut dyn Transaction,
        _operation: &Operation,
    ) -> Result<bool, StoreError> {
        Ok(false)
    }
}

/// Writes a new operation in the caller's transaction. It is run after that is committed.
pub async fn begin(
    core: &Core,
    transaction: &mut dyn Transaction,
    plan: Plan<'_>,
) -> Result<Operation, OperationError> {
    let now = core.now();
    let operation = Operation {
        id: OperationId::new(now, &*core.entropy),
        merchant: plan.merchant,
        mode: plan.mode,
        owner: plan.owner,
        owner_id: plan.owner_id.to_owned(),
        kind: plan.kind,
        parent: plan.parent,
        card: plan.card,
        gateway: plan.gateway,
        amount: plan.amount,
        state: OperationState::Sent,
        answer: String::new(),
        version: 1,
        inquire_at: now.plus(START),
        called_at: None,
        created_at: now,
        settled_at: None,
        unheard_at: None,
        returned_at: None,
    };
    transaction.add_operation(operation.clone()).await?;
    Ok(operation)
}
