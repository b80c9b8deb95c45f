//! Filing how an operation of an invoice ended, in the transaction that writes the operation's own state. The one
//! place where money is counted, and where a token comes to be usable.

use async_trait::async_trait;
use url::Url;

use super::details::{Details, Payment};
use super::{InvoiceError, change, nobody, tokens};
use crate::core::Core;
use crate::gateways::{Answer, Approval};
use crate::model::invoice::{Event, MOST_ATTEMPTS};
use crate::model::{
    CardId, Invoice, InvoiceId, InvoiceStatus, Operation, OperationKind, OperationState, Outcome, OwnerKind,
    published,
};
use crate::operations::{OperationError, Owner};
use crate::storage::{StoreError, Transaction};

/// Files the operations of invoices.
pub struct InvoiceOwner {
    /// Where the world reaches this server; callbacks name it.
    pub public_url: Url,
}

#[async_trait]
impl Owner for InvoiceOwner {
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
        Ok(file(core, &self.public_url, transaction, operation, answer).await?)
    }
}

async fn file(
    core: &Core,
    public_url: &Url,
    transaction: &mut dyn Transaction,
    operation: &Operation,
    answer: Option<&Answer>,
) -> Result<(), InvoiceError> {
    let id = InvoiceId::stored(operation.owner_id.clone());
    let found = transaction.find_invoice(operation.merchant.clone(), id).await?;
    let mut invoice = found.ok_or(StoreError::Inconsistent { table: "invoice", what: "the row is gone" })?;
    let mut details = Details::open(core, &invoice)?;
    if invoice.busy.as_ref() != Some(&operation.id) {
        // No second one begins while the first is open, so this cannot be.
        return Err(StoreError::Inconsistent { table: "invoice", what: "busy with another operation" }.into());
    }
    let why = invoice.resolution.clone();
    let event = if operation.state.is_open() {
        waits(&mut invoice, operation, answer)
    } else {
        invoice.busy = None;
        match operation.kind {
            OperationKind::Capture | OperationKind::Void | OperationKind::Refund => {
                followed(&mut invoice, &mut details, operation)
            }
            _ => paid(core, transaction, &mut invoice, &mut details, (operation, answer)).await?,
        }
    };
    if operation.state.is_open() && event.is_none() && invoice.resolution == why {
        return Ok(());
    }
    change::save(core, public_url, transaction, &mut invoice, &details, event).await?;
    let outcome = if operation.state == OperationState::Approved { Outcome::Done } else { Outcome::Refused };
    if !operation.state.is_open() {
        let action = action(operation.kind);
        let actor = nobody(&invoice, &format!("gateway:{}", operation.gateway));
        transaction.add_audit(core.entry(&actor, action, invoice.id.as_str(), outcome)).await?;
    }
    Ok(())
}

/// A refund whose end is not known shows; a payment's page waits anyway, and a read tells why, where the gateway does.
fn waits(invoice: &mut Invoice, operation: &Operation, answer: Option<&Answer>) -> Option<Event> {
    if let Some(Answer::Pending { resolution, .. }) = answer
        && invoice.status.is_payable()
        && !resolution.is_empty()
    {
        invoice.resolution.clone_from(resolution);
    }
    let is_news = operation.kind == OperationKind::Refund && invoice.status != InvoiceStatus::RefundPending;
    is_news.then_some(Event::RefundWaits)
}

fn followed(invoice: &mut Invoice, details: &mut Details, operation: &Operation) -> Option<Event> {
    let amount = operation.amount.minor();
    if operation.state != OperationState::Approved {
        // Its name is free again.
        details.refunds.retain(|refund| refund.operation != operation.id.as_str());
    }
    match (operation.kind, operation.state) {
        (OperationKind::Capture, OperationState::Approved) => {
            invoice.taken = amount;
            Some(Event::Captured { all: amount == invoice.amount.minor() })
        }
        (OperationKind::Void, OperationState::Approved) => Some(Event::Voided),
        (OperationKind::Refund, OperationState::Approved) => {
            invoice.refunded += amount;
            Some(Event::Refunded { all: invoice.refunded >= invoice.taken })
        }
        (OperationKind::Refund, _) if invoice.status == InvoiceStatus::RefundPending => {
            let all = invoice.taken == invoice.amount.minor();
            Some(Event::RefundRefused { some: invoice.refunded > 0, all })
        }
        _ => None,
    }
}

async fn paid(
    core: &Core,
    transaction: &mut dyn Transaction,
    invoice: &mut Invoice,
    details: &mut Details,
    (operation, answer): (&Operation, Option<&Answer>),
) -> Result<Option<Event>, InvoiceError> {
    let payment = details.trying.take().unwrap_or_default();
    published::OK.clone_into(&mut invoice.resolution);
    if let (OperationState::Approved, Some(Answer::Approved(approval))) = (operation.state, answer) {
        keep(core, transaction, invoice, &payment, approval).await?;
        invoice.payment = Some(operation.id.clone());
        details.paid = Some(Payment {
            rrn: approval.rrn.clone(),
            approval_code: approval.approval_code.clone(),
            authenticated: approval.authenticated,
            kept: None,
            ..payment
        });
        return Ok(Some(match operation.kind {
            OperationKind::Sale => {
                invoice.taken = operation.amount.minor();
                Event::Paid
            }
            OperationKind::Authorize => Event::Reserved,
            _ => Event::Verified,
        }));
    }
    // No token without a successful payment.
    if let Some(kept) = payment.kept.map(CardId::stored) {
        transaction.delete_card(invoice.merchant.clone(), kept.clone()).await?;
        let actor = nobody(invoice, "invoices");
        transaction.add_audit(core.entry(&actor, "card.delete", kept.as_str(), Outcome::Done)).await?;
    }
    if operation.state == OperationState::NotMade {
        // Nobody at the issuer's has heard of it: it does not count.
        invoice.attempts = invoice.attempts.saturating_sub(1);
        return Ok(None);
    }
    let resolution = match answer {
        Some(Answer::Declined(decline)) if !decline.resolution.is_empty() => decline.resolution.clone(),
        _ => published::DECLINED.to_owned(),
    };
    details.last_refusal = Some(resolution.clone());
    if !payment.direct && invoice.attempts < MOST_ATTEMPTS {
        return Ok(None);
    }
    invoice.resolution = resolution;
    Ok(Some(Event::Failed))
}

/// The card that paid: a new one's token is usable from now on, and an old one may have learnt the scheme's name of
/// its first payment.
async fn keep(
    core: &Core,
    transaction: &mut dyn Transaction,
    invoice: &mut Invoice,
    payment: &Payment,
    approval: &Approval,
) -> Result<(), InvoiceError> {
    if let Some(kept) = &payment.kept {
        invoice.card = Some(CardId::stored(kept.clone()));
    } else if payment.token.is_none() {
        // Another card was typed than the one that the invoice came with.
        invoice.card = None;
    }
    let Some(card) = &invoice.card else { return Ok(()) };
    let scheme_reference = approval.scheme_reference.as_deref();
    tokens::confirm(transaction, &invoice.merchant, card, core.now(), scheme_reference).await
}

const fn action(kind: OperationKind) -> &'static str {
    match kind {
        OperationKind::Capture => "invoice.capture",
        OperationKind::Void => "invoice.void",
        OperationKind::Refund => "invoice.refund",
        OperationKind::Verify => "invoice.verify",
        OperationKind::Authorize | OperationKind::Sale => "invoice.pay",
    }
}
