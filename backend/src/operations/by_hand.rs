//! Operations that the operator settles: those whose gateway cannot be asked what became of them. The operator has
//! looked at the acquirer's own records, and says what they say.

use super::run::known;
use super::settle::Settled;
use super::{OperationError, Operations};
use crate::core::Actor;
use crate::gateways::{Answer, Known};
use crate::model::{MerchantId, Operation, OperationId, OperationState};
use crate::storage::{Page, StoreError};

/// Operations that are read at once.
const CHUNK: u32 = 500;

/// An open operation, and what can be done about it.
pub struct OpenOperation {
    /// The operation.
    pub operation: Operation,
    /// What the gateway called it, where it has said so.
    pub reference: Option<String>,
    /// What the gateway called the original of a capture, void or refund.
    pub original_reference: Option<String>,
    /// Who learns what became of it.
    pub outlook: Outlook,
}

/// Who learns what became of an open operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outlook {
    /// The server: it asks the gateway until that says an end.
    Asked,
    /// The payer is with the issuer.
    Payer,
    /// Nobody: the gateway's description has no way to ask.
    ByHand,
    /// Nobody: the gateway is not configured any more.
    NoGateway,
}

/// Why an operation was not settled by hand.
#[derive(Debug, thiserror::Error)]
pub enum ByHandError {
    /// No such operation.
    #[error("there is no operation of this id")]
    Unknown,
    /// It has ended already.
    #[error("this operation has ended already: {0}")]
    Ended(&'static str),
    /// It was not called for, so nothing can have become of it.
    #[error("the gateway was not called for this operation; the server gives it up by itself")]
    NotCalled,
    /// Its call may still be answered.
    #[error("the gateway's answer may still be under way; wait, or use --force")]
    UnderWay,
    /// The server can learn it by itself.
    #[error("the server can ask the gateway itself, and does; --force settles it all the same")]
    Asked,
    /// Whether the gateway can be asked is not known here.
    #[error("the gateway {0} is not configured here; name the server's settings by --config, or use --force")]
    NoGateway(String),
    /// Somebody learnt otherwise at the same time.
    #[error("something else became of it meanwhile: {0}")]
    Otherwise(&'static str),
    /// It could not be filed.
    #[error(transparent)]
    Operation(#[from] OperationError),
    /// Storage failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Operations {
    /// Open operations, of one merchant or of all, oldest first.
    pub async fn open(&self, merchant: Option<&MerchantId>) -> Result<Vec<OpenOperation>, OperationError> {
        let mut all = Vec::new();
        let mut transaction = self.core.store.read().await?;
        let mut after = None;
        loop {
            let page = Page { after, limit: CHUNK };
            let rows = transaction.open_operations(merchant.cloned(), page).await?;
            after = rows.last().map(|row| row.id.to_string());
            let is_last = rows.len() < CHUNK as usize;
            for operation in rows {
                let known = known(&mut *transaction, &operation, self.core.now()).await?;
                let outlook = self.outlook(&operation, &known);
                let (reference, original_reference) = (known.reference, known.original_reference);
                all.push(OpenOperation { operation, reference, original_reference, outlook });
            }
            if is_last {
                return Ok(all);
            }
        }
    }

    /// Files what the operator says became of an operation, with an audit entry in the same transaction. Refused where
    /// the server learns it by itself, unless it is forced.
    pub async fn settle_by_hand(
        &self,
        id: &OperationId,
        answer: Answer,
        force: bool,
    ) -> Result<Settled, ByHandError> {
        let mut transaction = self.core.store.read().await?;
        let operation = transaction.lookup_operation(id.clone()).await?.ok_or(ByHandError::Unknown)?;
        let known = known(&mut *transaction, &operation, self.core.now()).await?;
        drop(transaction);
        self.check(&operation, &known, force)?;
        let operator = Actor::operator(Some(operation.merchant.clone()), Some(operation.mode));
        let settled = self.settle_as(&operation, Some(answer.clone()), Some(&operator)).await?;
        if settled.answer.as_ref() != Some(&answer) {
            return Err(ByHandError::Otherwise(settled.operation.state.as_str()));
        }
        Ok(settled)
    }

    fn check(&self, operation: &Operation, known: &Known, force: bool) -> Result<(), ByHandError> {
        if !operation.state.is_open() {
            return Err(ByHandError::Ended(operation.state.as_str()));
        }
        let Some(called_at) = operation.called_at else { return Err(ByHandError::NotCalled) };
        if force {
            return Ok(());
        }
        let Ok(gateway) = self.gateway(operation) else {
            return Err(ByHandError::NoGateway(operation.gateway.clone()));
        };
        let certain = gateway.patience().certain;
        let last = operation.returned_at.map_or(called_at, |at| at.max(called_at));
        if last.plus(certain) > self.core.now() {
            return Err(ByHandError::UnderWay);
        }
        if gateway.can_inquire(known) { Err(ByHandError::Asked) } else { Ok(()) }
    }

    fn outlook(&self, operation: &Operation, known: &Known) -> Outlook {
        match self.gateway(operation) {
            Err(_) => Outlook::NoGateway,
            Ok(gateway) if gateway.can_inquire(known) => Outlook::Asked,
            Ok(_) if operation.state == OperationState::Challenged && operation.returned_at.is_none() => {
                Outlook::Payer
            }
            Ok(_) => Outlook::ByHand,
        }
    }
}
