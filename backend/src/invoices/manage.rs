//! What a merchant does with an invoice afterwards: looks at it, lists, captures, frees, gives back.

use super::details::{Details, Refund};
use super::input::{self, FollowUp};
use super::{InvoiceError, Place, Whole, again, change, until_won};
use crate::access::accounts::Trader;
use crate::core::Core;
use crate::gateways::Answer;
use crate::invalid::Invalid;
use crate::json::Members;
use crate::model::invoice::Event;
use crate::model::{
    Invoice, InvoiceId, InvoiceStatus, Money, Operation, OperationKind, OperationState, Outcome, OwnerKind,
};
use crate::operations::{self, Operations, Plan};
use crate::storage::{InvoiceFilter, StoreError, Transaction};
use crate::vault::VaultError;

/// The largest page of a list.
pub const LARGEST_PAGE: u32 = 100;

/// An invoice of a merchant. With credentials of one mode those of the other are unknown.
pub async fn find(core: &Core, trader: &Trader, id: &str) -> Result<Whole, InvoiceError> {
    let id = InvoiceId::stored(id.to_owned());
    let found = core.store.read().await?.find_invoice(trader.merchant.clone(), id).await?;
    let invoice = found.filter(|invoice| trader.mode.is_none_or(|mode| mode == invoice.mode));
    let invoice = invoice.ok_or(InvoiceError::Unknown)?;
    let details = Details::open(core, &invoice)?;
    Ok(Whole { invoice, details })
}

/// A page of a merchant's invoices, newest first, and the cursor of the one after it.
pub async fn list(
    core: &Core,
    trader: &Trader,
    reference: Option<String>,
    cursor: Option<&str>,
    limit: u32,
) -> Result<(Vec<Whole>, Option<String>), InvoiceError> {
    let after = match cursor {
        None => None,
        Some(text) => {
            let parts = text.split_once('.').and_then(|(at, id)| Some((at.parse().ok()?, id.to_owned())));
            let unknown = || Invalid::new("/page[cursor]", "unknown", "This is no cursor of ours.");
            Some(parts.ok_or_else(unknown)?)
        }
    };
    let filter = InvoiceFilter { mode: trader.mode, reference, after, limit };
    let rows = core.store.read().await?.list_invoices(trader.merchant.clone(), filter).await?;
    let full = u32::try_from(rows.len()).is_ok_and(|got| got >= limit);
    let last = rows.last().filter(|_| full);
    let next = last.map(|last| format!("{}.{}", last.created_at.millis(), last.id));
    let open = |invoice| Ok(Whole { details: Details::open(core, &invoice)?, invoice });
    Ok((rows.into_iter().map(open).collect::<Result<_, InvoiceError>>()?, next))
}

/// Takes what was reserved, or a part of it; the rest is free then.
pub async fn capture(
    core: &Core,
    gateways: &Operations,
    place: Place<'_>,
    trader: &Trader,
    (id, body): (&str, &Members),
) -> Result<Whole, InvoiceError> {
    let whole = find(core, trader, id).await?;
    let asked = read(body, "capture", &whole.invoice)?;
    let amount = asked.amount.unwrap_or(whole.invoice.amount);
    if amount.minor() > whole.invoice.amount.minor() {
        return Err(too_much("The amount is more than what was reserved."));
    }
    let asked = FollowUp { amount: Some(amount), ..asked };
    run(core, gateways, place, trader, &whole.invoice, (OperationKind::Capture, asked)).await
}

/// Frees what was reserved. An invoice that nobody has paid is given up.
pub async fn void(
    core: &Core,
    gateways: &Operations,
    place: Place<'_>,
    trader: &Trader,
    id: &str,
) -> Result<Whole, InvoiceError> {
    let whole = find(core, trader, id).await?;
    if whole.invoice.status.is_payable() {
        return until_won(|| give_up(core, place, trader, &whole.invoice)).await;
    }
    let asked = FollowUp { amount: Some(whole.invoice.amount), reference: None };
    run(core, gateways, place, trader, &whole.invoice, (OperationKind::Void, asked)).await
}

/// Gives back what was taken, or a part of it, as often as something is left.
pub async fn refund(
    core: &Core,
    gateways: &Operations,
    place: Place<'_>,
    trader: &Trader,
    (id, body): (&str, &Members),
) -> Result<Whole, InvoiceError> {
    let whole = find(core, trader, id).await?;
    let asked = read(body, "refund", &whole.invoice)?;
    run(core, gateways, place, trader, &whole.invoice, (OperationKind::Refund, asked)).await
}

fn read(body: &Members, kind: &str, invoice: &Invoice) -> Result<FollowUp, InvoiceError> {
    input::follow_up(body, kind, invoice.amount.currency()).map_err(InvoiceError::Invalid)
}

fn too_much(detail: &str) -> InvoiceError {
    Invalid::new("/data/attributes/amount", "range", detail).into()
}

async fn give_up(
    core: &Core,
    place: Place<'_>,
    trader: &Trader,
    seen: &Invoice,
) -> Result<Whole, InvoiceError> {
    let mut transaction = core.store.begin().await?;
    let mut invoice = again(&mut *transaction, seen).await?;
    if invoice.busy.is_some() {
        return Err(InvoiceError::Busy);
    }
    let details = Details::open(core, &invoice)?;
    let event = Some(Event::Voided);
    change::save(core, place.public_url, &mut *transaction, &mut invoice, &details, event).await?;
    audit(core, &mut *transaction, trader, &invoice, "invoice.void").await?;
    transaction.commit().await?;
    Ok(Whole { invoice, details })
}

/// Begins an operation about the invoice's payment and runs it.
async fn run(
    core: &Core,
    gateways: &Operations,
    place: Place<'_>,
    trader: &Trader,
    seen: &Invoice,
    (kind, asked): (OperationKind, FollowUp),
) -> Result<Whole, InvoiceError> {
    let operation = until_won(|| begin(core, place, trader, seen, (kind, &asked))).await?;
    let settled = gateways.follow_up(operation).await?;
    if let (OperationState::Declined, Some(Answer::Declined(decline))) =
        (settled.operation.state, &settled.answer)
    {
        return Err(InvoiceError::Declined(decline.resolution.clone()));
    }
    if settled.operation.state == OperationState::NotMade {
        // Given up before it was called: nothing has happened, and the caller can try again.
        return Err(VaultError::Contended.into());
    }
    if kind == OperationKind::Refund && settled.operation.state.is_open() {
        until_won(|| wait(core, place, seen, &settled.operation)).await?;
    }
    let invoice = again(&mut *core.store.read().await?, seen).await?;
    let details = Details::open(core, &invoice)?;
    Ok(Whole { invoice, details })
}

/// Shows that the end of a refund is not known, unless it is by now.
async fn wait(
    core: &Core,
    place: Place<'_>,
    seen: &Invoice,
    operation: &Operation,
) -> Result<(), InvoiceError> {
    let mut transaction = core.store.begin().await?;
    let mut invoice = again(&mut *transaction, seen).await?;
    if invoice.busy.as_ref() != Some(&operation.id) || invoice.status == InvoiceStatus::RefundPending {
        return Ok(());
    }
    let details = Details::open(core, &invoice)?;
    let event = Some(Event::RefundWaits);
    change::save(core, place.public_url, &mut *transaction, &mut invoice, &details, event).await?;
    Ok(transaction.commit().await?)
}

async fn begin(
    core: &Core,
    place: Place<'_>,
    trader: &Trader,
    seen: &Invoice,
    (kind, asked): (OperationKind, &FollowUp),
) -> Result<Operation, InvoiceError> {
    let mut transaction = core.store.begin().await?;
    let mut invoice = again(&mut *transaction, seen).await?;
    let mut details = Details::open(core, &invoice)?;
    let amount = allowed(&invoice, &details, kind, asked)?;
    let payment = invoice.payment.clone().ok_or(InvoiceError::State("Nothing has been paid."))?;
    let parent = transaction.find_operation(invoice.merchant.clone(), payment.clone()).await?;
    let parent = parent.ok_or(StoreError::Inconsistent { table: "operation", what: "the row is gone" })?;
    let plan = Plan {
        merchant: invoice.merchant.clone(),
        mode: invoice.mode,
        owner: OwnerKind::Invoice,
        owner_id: invoice.id.as_str(),
        kind,
        parent: Some(payment),
        card: None,
        gateway: parent.gateway,
        amount,
    };
    let operation = operations::begin(core, &mut *transaction, plan).await?;
    invoice.busy = Some(operation.id.clone());
    if kind == OperationKind::Refund {
        let (operation, reference) = (operation.id.to_string(), asked.reference.clone());
        details.refunds.push(Refund { operation, reference });
    }
    change::save(core, place.public_url, &mut *transaction, &mut invoice, &details, None).await?;
    let action = match kind {
        OperationKind::Capture => "invoice.capture.ask",
        OperationKind::Void => "invoice.void.ask",
        _ => "invoice.refund.ask",
    };
    audit(core, &mut *transaction, trader, &invoice, action).await?;
    transaction.commit().await?;
    Ok(operation)
}

/// Whether the invoice's state allows it, and how much it is about.
fn allowed(
    invoice: &Invoice,
    details: &Details,
    kind: OperationKind,
    asked: &FollowUp,
) -> Result<Money, InvoiceError> {
    let busy = invoice.busy.is_some();
    let fits = match kind {
        OperationKind::Refund => invoice.status.is_refundable(),
        _ => invoice.status == InvoiceStatus::Processing,
    };
    let refunds = busy && invoice.status == InvoiceStatus::RefundPending;
    if !(fits || refunds) {
        return Err(InvoiceError::State(match kind {
            OperationKind::Refund => "Nothing of this invoice can be given back: it is not paid, or all was.",
            OperationKind::Capture => "Nothing of this invoice waits for a capture.",
            _ => "Nothing of this invoice is reserved.",
        }));
    }
    if busy {
        return Err(InvoiceError::Busy);
    }
    if kind != OperationKind::Refund {
        return Ok(asked.amount.unwrap_or(invoice.amount));
    }
    let known = |reference: &String| {
        details.refunds.iter().any(|refund| refund.reference.as_ref() == Some(reference))
    };
    if asked.reference.as_ref().is_some_and(known) {
        let detail = "A refund of this reference_id was asked for already.";
        return Err(Invalid::new("/data/attributes/reference_id", "taken", detail).into());
    }
    let amount = asked.amount.unwrap_or(invoice.rest());
    if amount.minor() > invoice.rest().minor() {
        return Err(too_much("The amount is more than what is left to give back."));
    }
    Ok(amount)
}

async fn audit(
    core: &Core,
    transaction: &mut dyn Transaction,
    trader: &Trader,
    invoice: &Invoice,
    action: &'static str,
) -> Result<(), InvoiceError> {
    if let Some(caller) = trader.caller(invoice.mode) {
        let entry = core.entry(&caller.actor(), action, invoice.id.as_str(), Outcome::Done);
        transaction.add_audit(entry).await?;
    }
    Ok(())
}
