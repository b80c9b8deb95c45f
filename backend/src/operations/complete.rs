//! The payer's way back from the issuer. Of several returns, a double click or a second tab, one is taken to the
//! gateway; the others find what is known.

use std::sync::Arc;

use super::run::{detached, in_time, known};
use super::settle::{Settled, TRIES, find};
use super::{OperationError, Operations};
use crate::gateways::{Gateway, Known};
use crate::model::{Operation, OperationState};
use crate::storage::{self, StoreError};

/// A return on its way.
enum Return {
    /// This run alone may take it to the gateway.
    Claimed(Operation, Known, Arc<dyn Gateway>),
    /// Nothing is to be done: it is not what the gateway needs, somebody else has taken one there, or it is over.
    Stored(Settled),
}

impl Operations {
    /// Goes on after the payer has been with the issuer. A return without what the gateway needs leaves everything
    /// as it is; one while another is under way, or after it, gets what is known.
    pub async fn complete(
        &self,
        operation: Operation,
        returned: &[(String, String)],
    ) -> Result<Settled, OperationError> {
        let (this, returned, run) = (self.clone(), returned.to_vec(), operation.clone());
        detached(operation, async move { this.run_complete(run, &returned).await }).await
    }

    async fn run_complete(
        &self,
        seen: Operation,
        returned: &[(String, String)],
    ) -> Result<Settled, OperationError> {
        let claim = || self.claim_return(&seen, returned);
        match storage::until_won(TRIES, OperationError::is_race, claim).await? {
            Return::Stored(settled) => Ok(settled),
            Return::Claimed(operation, known, gateway) => {
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
    ) -> Result<Return, OperationError> {
        let mut transaction = self.core.store.begin().await?;
        let mut operation = find(&mut *transaction, seen).await?;
        if operation.state != OperationState::Challenged || operation.returned_at.is_some() {
            return Ok(Return::Stored(Settled::stored(operation)));
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
}
