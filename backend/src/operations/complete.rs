//! The payer's way back from the issuer. Of several returns, a double click or a second tab, one is taken to the
//! gateway; the others find what is known.

use std::sync::Arc;

use super::run::{detached, in_time, is_switched_off, known, switched_off};
use super::settle::{Settled, TRIES, find, next_inquiry};
use super::{OperationError, Operations};
use crate::gateways::{Gateway, Known};
use crate::model::{Operation, OperationState};
use crate::storage::{self, StoreError, Transaction};

/// A return on its way.
enum Return {
    /// This run alone may take it to the gateway.
    Claimed(Operation, Known, Arc<dyn Gateway>),
    /// Nothing is to be done: it is not what the gateway needs, somebody else has taken one there, or it is over.
    Stored(Settled),
}

/// Why a payer comes back.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// To go on with the payment.
    On,
    /// To let go of it.
    Out,
}

impl Operations {
    /// Goes on after the payer has been with the issuer. A return without what the gateway needs leaves everything
    /// as it is; one while another is under way, or after it, gets what is known. Refused where the card, or what the
    /// payment is for, was switched off meanwhile: then the gateway hears nothing, and the payer can still be let go.
    pub async fn complete(
        &self,
        operation: Operation,
        returned: &[(String, String)],
    ) -> Result<Settled, OperationError> {
        self.come_back(operation, returned, Way::On).await
    }

    pub(super) async fn come_back(
        &self,
        operation: Operation,
        returned: &[(String, String)],
        way: Way,
    ) -> Result<Settled, OperationError> {
        let (this, returned, run) = (self.clone(), returned.to_vec(), operation.clone());
        detached(operation, async move { this.run_complete(run, &returned, way).await }).await
    }

    async fn run_complete(
        &self,
        seen: Operation,
        returned: &[(String, String)],
        way: Way,
    ) -> Result<Settled, OperationError> {
        let claim = || self.claim_return(&seen, returned, way);
        match storage::until_won(TRIES, OperationError::is_race, claim).await? {
            Return::Stored(settled) => Ok(settled),
            Return::Claimed(operation, known, gateway) => {
                if way == Way::On {
                    self.look_again(&operation).await?;
                }
                let call = gateway.complete_authentication(&known, returned);
                let answer = in_time(&*gateway, call).await;
                Ok(self.answered(operation, answer).await)
            }
        }
    }

    /// Claims an operation for a return, by compare-and-set. The claim ends with an answer: of the call, or of an
    /// inquiry after the call cannot be under way any more.
    async fn claim_return(
        &self,
        seen: &Operation,
        returned: &[(String, String)],
        way: Way,
    ) -> Result<Return, OperationError> {
        let mut transaction = self.core.store.begin().await?;
        let mut operation = find(&mut *transaction, seen).await?;
        if operation.state != OperationState::Challenged || operation.returned_at.is_some() {
            return Ok(Return::Stored(Settled::stored(operation)));
        }
        if way == Way::On && self.is_off(&mut *transaction, &operation).await? {
            return Err(switched_off());
        }
        let gateway = self.gateway(&operation)?;
        if !gateway.takes_return(returned) {
            return Ok(Return::Stored(Settled::stored(operation)));
        }
        let now = self.core.now();
        let known = known(&mut *transaction, &operation, now).await?;
        operation.returned_at = Some(now);
        // Should the answer be lost, it is asked for soon.
        operation.inquire_at = now.plus(gateway.patience().inquiry);
        if !transaction.update_operation(operation.clone()).await? {
            return Err(StoreError::Retry.into());
        }
        transaction.commit().await?;
        operation.version += 1;
        Ok(Return::Claimed(operation, known, gateway))
    }

    /// Looks once more whether a claimed return comes too late, after everybody can see the claim: whoever switches
    /// something off either is seen here, or sees the claim and waits for its end. A claim that comes too late is
    /// given back, so that nobody waits for it.
    async fn look_again(&self, claimed: &Operation) -> Result<(), OperationError> {
        let mut transaction = self.core.store.read().await?;
        let is_off = self.is_off(&mut *transaction, claimed).await;
        drop(transaction);
        if matches!(is_off, Ok(false)) {
            return Ok(());
        }
        let inquire_at = next_inquiry(claimed, self.core.now());
        let given_back = Operation { returned_at: None, inquire_at, ..claimed.clone() };
        let mut transaction = self.core.store.begin().await?;
        // Who has changed it meanwhile has learnt more.
        if transaction.update_operation(given_back).await? {
            transaction.commit().await?;
        }
        is_off?;
        Err(switched_off())
    }

    async fn is_off(
        &self,
        transaction: &mut dyn Transaction,
        operation: &Operation,
    ) -> Result<bool, OperationError> {
        if let Some(card) = &operation.card
            && is_switched_off(transaction, &operation.merchant, card).await?
        {
            return Ok(true);
        }
        Ok(self.owner(operation.owner)?.is_off(transaction, operation).await?)
    }
}
