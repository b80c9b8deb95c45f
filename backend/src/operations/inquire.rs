//! Asking gateways what became of operations whose answer never came, or that they said they would tell later.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use super::run::{in_time, known};
use super::settle::next_inquiry;
use super::{OperationError, Operations, START};
use crate::gateways::{Answer, Known};
use crate::model::{Operation, OperationState};

/// So many in one go; the next one goes on.
const MOST: u32 = 200;
/// Inquiries under way at once, so that one gateway that does not answer does not hold all up.
const SLOTS: usize = 16;
/// How often a node looks.
const POLL: Duration = Duration::from_millis(500);

impl Operations {
    /// Asks about everything that is due, and files what is learnt. Part of a sweep.
    pub async fn inquire_due(self: &Arc<Self>) {
        let due = match self.due().await {
            Ok(due) => due,
            Err(error) => return tracing::error!(%error, "open operations could not be looked for"),
        };
        let mut tasks = JoinSet::new();
        for operation in due {
            if tasks.len() >= SLOTS {
                tasks.join_next().await;
            }
            let operations = Arc::clone(self);
            tasks.spawn(async move {
                let id = operation.id.clone();
                if let Err(error) = operations.inquire(operation).await {
                    tracing::error!(%error, operation = %id, "an operation could not be inquired about");
                }
            });
        }
        while tasks.join_next().await.is_some() {}
    }

    /// Inquires for as long as the node serves: twice a second, so that a lost answer is known within seconds.
    pub async fn inquire_for_ever(self: Arc<Self>) {
        loop {
            self.inquire_due().await;
            tokio::time::sleep(POLL).await;
        }
    }

    async fn due(&self) -> Result<Vec<Operation>, OperationError> {
        Ok(self.core.store.read().await?.due_operations(self.core.now(), MOST).await?)
    }

    async fn inquire(&self, seen: Operation) -> Result<(), OperationError> {
        let now = self.core.now();
        let Some(called_at) = seen.called_at else {
            // Never called, since every call is claimed first. Whoever claims it now is faster, or comes too late.
            return if seen.created_at.plus(START) <= now {
                self.settle(&seen, None).await.map(drop)
            } else {
                Ok(())
            };
        };
        let Some((operation, known)) = self.lease(seen).await? else { return Ok(()) };
        let gateway = self.gateway(&operation)?;
        if !gateway.can_inquire(&known) {
            // Who is with the issuer may come back.
            if operation.state != OperationState::Challenged || operation.returned_at.is_some() {
                tracing::error!(
                    operation = %operation.id,
                    gateway = operation.gateway,
                    "the gateway cannot be asked what became of an operation; it has to be settled by hand"
                );
            }
            return Ok(());
        }
        let certain = gateway.patience().certain;
        let returns = operation.returned_at.is_some_and(|at| at.plus(certain) > now);
        match in_time(&*gateway, gateway.inquire(&known)).await {
            // What was asked for by the payer's return may still come; until then nobody goes to the issuer again.
            Ok(Some(Answer::Challenge(_))) if returns => Ok(()),
            Ok(Some(answer)) => self.settle(&operation, Some(answer)).await.map(drop),
            Ok(None) if operation.state != OperationState::Sent => {
                tracing::error!(operation = %operation.id, "the gateway has forgotten an operation that it answered");
                Ok(())
            }
            Ok(None) if called_at.plus(certain) > now => Ok(()),
            Ok(None) => self.unheard(operation, gateway.patience().again).await,
            Err(unknown) => {
                tracing::warn!(operation = %operation.id, %unknown, "an inquiry was not answered");
                Ok(())
            }
        }
    }

    /// The gateway has not heard of an operation that cannot be under way any more. That counts at once, or when it
    /// says so a second time: what finds operations at a gateway can be behind.
    async fn unheard(&self, mut operation: Operation, again: Duration) -> Result<(), OperationError> {
        let now = self.core.now();
        let counts = operation.unheard_at.is_some_and(|first| first.plus(again) <= now);
        if counts || again.is_zero() {
            return self.settle(&operation, None).await.map(drop);
        }
        if operation.unheard_at.is_none() {
            operation.unheard_at = Some(now);
            operation.inquire_at = now.plus(again);
            let mut transaction = self.core.store.begin().await?;
            // Who has changed it meanwhile has learnt more.
            if transaction.update_operation(operation).await? {
                transaction.commit().await?;
            }
        }
        Ok(())
    }

    /// Puts the next inquiry off, so that of several nodes one asks now. `None` where somebody else was faster.
    async fn lease(&self, mut operation: Operation) -> Result<Option<(Operation, Known)>, OperationError> {
        operation.inquire_at = next_inquiry(&operation, self.core.now());
        let mut transaction = self.core.store.begin().await?;
        if !transaction.update_operation(operation.clone()).await? {
            return Ok(None);
        }
        let known = known(&mut *transaction, &operation, self.core.now()).await?;
        transaction.commit().await?;
        operation.version += 1;
        Ok(Some((operation, known)))
    }
}
