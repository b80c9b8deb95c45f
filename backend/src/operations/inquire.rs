//! Asking gateways what became of operations whose answer never came, or that they said they would tell later.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use super::run::{in_time, known};
use super::settle::next_inquiry;
use super::{OperationError, Operations, START};
use crate::gateways::Known;
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
        match in_time(&*gateway, gateway.inquire(&known)).await {
            Ok(Some(answer)) => self.settle(&operation, Some(answer)).await.map(drop),
            Ok(None) if operation.state != OperationState::Sent => {
                tracing::error!(operation = %operation.id, "the gateway has forgotten an operation that it answered");
                Ok(())
            }
            Ok(None) if called_at.plus(gateway.patience().certain) <= now => {
                self.settle(&operation, None).await.map(drop)
            }
            Ok(None) => Ok(()),
            Err(unknown) => {
                tracing::warn!(operation = %operation.id, %unknown, "an inquiry was not answered");
                Ok(())
            }
        }
    }

    /// Puts the next inquiry off, so that of several nodes one asks now. `None` where somebody else was faster.
    async fn lease(&self, mut operation: Operation) -> Result<Option<(Operation, Known)>, OperationError> {
        operation.inquire_at = next_inquiry(&operation, self.core.now());
        let mut transaction = self.core.store.begin().await?;
        if !transaction.update_operation(operation.clone()).await? {
            return Ok(None);
        }
        let known = known(&mut *transaction, &operation).await?;
        transaction.commit().await?;
        operation.version += 1;
        Ok(Some((operation, known)))
    }
}
