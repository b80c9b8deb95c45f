//! Writing what became of an operation: row, security code and owner in one transaction, by compare-and-set, so
//! that of the call's answer and an inquiry's exactly one counts.

use std::time::Duration;

use super::{OperationError, Operations};
use crate::core::Actor;
use crate::gateways::Answer;
use crate::model::{Operation, OperationKind, OperationState, Outcome, Timestamp};
use crate::storage::{self, StoreError, Transaction};

/// Tries in all where somebody else changes the same operation.
pub const TRIES: usize = 8;
/// The longest pause between two inquiries.
const LONGEST_PAUSE: Duration = Duration::from_hours(1);

/// An operation after it was run, as it stands.
#[derive(Debug)]
pub struct Settled {
    /// The operation with its new state.
    pub operation: Operation,
    /// What the gateway said; `None` where that is not known yet, or where it was not made.
    pub answer: Option<Answer>,
}

impl Settled {
    /// An operation as it is stored. A challenge from which the payer is back is no answer any more.
    pub fn stored(operation: Operation) -> Self {
        let answer = answer_of(&operation).filter(|_| operation.returned_at.is_none());
        Self { operation, answer }
    }
}

impl Operations {
    /// Writes an answer and has the owner file it; `None` says that the operation was not made, which counts only
    /// where nobody has changed it since `seen` was read. Answers the operation as it stands then: somebody else
    /// may have been faster.
    pub(super) async fn settle(
        &self,
        seen: &Operation,
        answer: Option<Answer>,
    ) -> Result<Settled, OperationError> {
        self.settle_as(seen, answer, None).await
    }

    /// The same with an audit entry of somebody who says so, in the transaction that writes it.
    pub(super) async fn settle_as(
        &self,
        seen: &Operation,
        answer: Option<Answer>,
        actor: Option<&Actor>,
    ) -> Result<Settled, OperationError> {
        let settle = || self.try_to_settle(seen, answer.as_ref(), actor);
        storage::until_won(TRIES, OperationError::is_race, settle).await
    }

    async fn try_to_settle(
        &self,
        seen: &Operation,
        answer: Option<&Answer>,
        actor: Option<&Actor>,
    ) -> Result<Settled, OperationError> {
        let mut transaction = self.core.store.begin().await?;
        let mut operation = find(&mut *transaction, seen).await?;
        let state = answer.map_or(OperationState::NotMade, state_of);
        let outdated = answer.is_none() && operation.version != seen.version;
        // Only who knows of a return can say that the payer has to go to the issuer again.
        let outdated = outdated
            || (state == OperationState::Challenged
                && operation.returned_at.is_some()
                && seen.returned_at.is_none());
        if outdated || !operation.state.is_open() || rank(state) < rank(operation.state) {
            contradiction(&operation, state);
            return Ok(Settled::stored(operation));
        }
        let text = answer.map(serde_json::to_string).transpose().unwrap_or_default().unwrap_or_default();
        let is_news = state != operation.state || text != operation.answer;
        let now = self.core.now();
        operation.state = state;
        operation.answer = text;
        operation.inquire_at = next_inquiry(&operation, now);
        operation.settled_at = (!state.is_open()).then_some(now);
        operation.returned_at = None;
        operation.unheard_at = None;
        if !transaction.update_operation(operation.clone()).await? {
            return Err(StoreError::Retry.into());
        }
        operation.version += 1;
        if let Some(actor) = actor {
            let action =
                if state == OperationState::Approved { "operation.approve" } else { "operation.decline" };
            let entry = self.core.entry(actor, action, operation.id.as_str(), Outcome::Done);
            transaction.add_audit(entry).await?;
        }
        if is_news {
            self.erase_code(&mut *transaction, &operation).await?;
            self.owner(operation.owner)?.settled(&self.core, &mut *transaction, &operation, answer).await?;
        }
        transaction.commit().await?;
        Ok(Settled { operation, answer: answer.cloned() })
    }

    /// A security code must not outlive the answer to the authorisation that it was there for (PCI DSS, 3.3.1). One
    /// that was stored after the call began is there for another.
    async fn erase_code(
        &self,
        transaction: &mut dyn Transaction,
        operation: &Operation,
    ) -> Result<(), StoreError> {
        let authorises =
            matches!(operation.kind, OperationKind::Authorize | OperationKind::Sale | OperationKind::Verify);
        let answered = matches!(
            operation.state,
            OperationState::Pending | OperationState::Approved | OperationState::Declined
        );
        let (Some(card), Some(called_at)) = (&operation.card, operation.called_at) else { return Ok(()) };
        if !authorises || !answered {
            return Ok(());
        }
        let (merchant, card) = (operation.merchant.clone(), card.clone());
        let terms = transaction.lock_cvv_terms(merchant.clone(), card.clone()).await?;
        let Some(terms) = terms.filter(|terms| terms.created_at <= called_at) else { return Ok(()) };
        transaction.delete_cvv(merchant.clone(), card.clone()).await?;
        if terms.deletes_card {
            let actor = Actor {
                merchant: Some(merchant.clone()),
                mode: Some(operation.mode),
                name: "gateway".to_owned(),
                address: String::new(),
            };
            transaction
                .add_audit(self.core.entry(&actor, "card.delete", card.as_str(), Outcome::Done))
                .await?;
            transaction.delete_card(merchant, card).await?;
        }
        Ok(())
    }
}

/// The operation as it is stored now.
pub async fn find(transaction: &mut dyn Transaction, seen: &Operation) -> Result<Operation, OperationError> {
    let found = transaction.find_operation(seen.merchant.clone(), seen.id.clone()).await?;
    found.ok_or_else(|| StoreError::Inconsistent { table: "operation", what: "the row is gone" }.into())
}

/// What the gateway said of a stored operation.
pub fn answer_of(operation: &Operation) -> Option<Answer> {
    serde_json::from_str(&operation.answer).ok()
}

/// When the next inquiry is due: after as long as the operation is old, so that each pause is twice the last one.
pub fn next_inquiry(operation: &Operation, now: Timestamp) -> Timestamp {
    let age = u64::try_from(now.millis().saturating_sub(operation.created_at.millis())).unwrap_or(0);
    now.plus(Duration::from_millis(age).clamp(Duration::from_secs(1), LONGEST_PAUSE))
}

const fn state_of(answer: &Answer) -> OperationState {
    match answer {
        Answer::Approved(_) => OperationState::Approved,
        Answer::Declined(_) => OperationState::Declined,
        Answer::Challenge(_) => OperationState::Challenged,
        Answer::Pending { .. } => OperationState::Pending,
    }
}

/// States only go forward: an answer that was under way for long must not take anything back.
const fn rank(state: OperationState) -> u8 {
    match state {
        OperationState::Sent => 0,
        OperationState::Challenged => 1,
        OperationState::Pending => 2,
        OperationState::Approved | OperationState::Declined | OperationState::NotMade => 3,
    }
}

/// A gateway that answers otherwise than before has moved money that nobody here knows of: the operator's matter.
fn contradiction(operation: &Operation, state: OperationState) {
    if !operation.state.is_open() && !state.is_open() && state != operation.state {
        tracing::error!(
            operation = %operation.id,
            gateway = operation.gateway,
            stored = operation.state.as_str(),
            answered = state.as_str(),
            "a gateway contradicts what is stored; the payment has to be looked at"
        );
    }
}
