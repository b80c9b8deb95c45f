//! Letting go of a payment that waits for its payer at the issuer, so that the payer can pay otherwise.

use tracing::Instrument as _;

use super::complete::Way;
use super::run::in_time;
use super::settle::Settled;
use super::{OperationError, Operations};
use crate::gateways::{Answer, Decline, FollowUp};
use crate::model::{Operation, OperationId, OperationState, published};

/// What issuers send back with a payer whom they do not know; a gateway that reads it refuses the payment.
const NOTHING: [&str; 2] = ["PaRes", "cres"];

impl Operations {
    /// The payer does not go on at the issuer. The gateway is told that authentication failed; one that goes on
    /// waiting is asked to free the payment. Answers how it stands then: refused, so that another payment can begin;
    /// approved, where the payer was faster; or as before, where the gateway did not let go.
    pub async fn withdraw(&self, operation: Operation) -> Result<Settled, OperationError> {
        let nothing = NOTHING.map(|name| (name.to_owned(), String::new()));
        let told = self.come_back(operation, &nothing, Way::Out).await?;
        let Some(Answer::Challenge(challenge)) = &told.answer else { return Ok(told) };
        if told.operation.state != OperationState::Challenged {
            return Ok(told);
        }
        let (this, seen, reference) = (self.clone(), told.operation.clone(), challenge.reference.clone());
        let run = async move { this.free(seen, reference).await };
        // To its end, even if the payer closes the window.
        match tokio::spawn(run.in_current_span()).await {
            Ok(settled) => settled,
            Err(error) => {
                tracing::error!(%error, operation = %told.operation.id, "a withdrawal broke off; the inquirer goes on");
                Ok(told)
            }
        }
    }

    async fn free(&self, mut operation: Operation, reference: String) -> Result<Settled, OperationError> {
        let gateway = self.gateway(&operation)?;
        let now = self.core.now();
        // Who has changed it since is asking the gateway about it just now: then nothing is freed. And who comes back
        // from the issuer from here on comes too late, until the gateway has answered.
        operation.inquire_at = now.plus(gateway.patience().inquiry);
        operation.returned_at = Some(now);
        let mut transaction = self.core.store.begin().await?;
        if !transaction.update_operation(operation.clone()).await? {
            return Ok(Settled::stored(operation));
        }
        transaction.commit().await?;
        operation.version += 1;
        let follow_up = FollowUp {
            operation: OperationId::new(self.core.now(), &*self.core.entropy),
            original: operation.id.clone(),
            original_reference: reference.clone(),
            amount: operation.amount,
        };
        let known = super::run::known(&mut *self.core.store.read().await?, &operation, now).await?;
        let answer = match in_time(&*gateway, gateway.void(&follow_up)).await {
            Ok(Answer::Approved(_)) => {
                let resolution = published::CLIENT_AUTH_FAILED.to_owned();
                Some(Answer::Declined(Decline { reference, resolution, ..Decline::default() }))
            }
            // Not freed, or not known: what the gateway says of the payment itself counts.
            _ => in_time(&*gateway, gateway.inquire(&known)).await.ok().flatten(),
        };
        match answer {
            Some(answer) => self.settle(&operation, Some(answer)).await,
            None => Ok(Settled::stored(operation)),
        }
    }
}
