//! The one place where an invoice changes: its row and the callback that tells of it in one transaction, one callback
//! for each change.

use std::time::Duration;

use url::Url;

use super::{Details, InvoiceError, document, secrets};
use crate::core::Core;
use crate::model::invoice::Event;
use crate::model::{Invoice, Schedule, Timestamp, published};
use crate::outbox::{self, NewEvent, Parcel, WEBHOOK};
use crate::storage::{StoreError, Transaction};

/// The kind of an event that tells of an invoice.
pub const CHANGED: &str = "payment_invoice.changed";

/// Lets something happen to an invoice that was read in this transaction, and writes the row with all other changes
/// that the caller has made to it. `Retry` where somebody else was faster.
pub async fn save(
    core: &Core,
    public_url: &Url,
    transaction: &mut dyn Transaction,
    invoice: &mut Invoice,
    details: &Details,
    event: Option<Event>,
) -> Result<(), InvoiceError> {
    if let Some(event) = event {
        let next = invoice.status.after(event, invoice.flow);
        invoice.status = next.ok_or(InvoiceError::State("This cannot happen to the invoice any more."))?;
        enter(invoice, event, core.now());
    }
    invoice.sealed = details.seal(core, &invoice.merchant, invoice.mode, &invoice.id)?;
    // First, since it locks the row: of two that change an invoice at once, one is sent back here.
    if !transaction.update_invoice(invoice.clone()).await? {
        return Err(StoreError::Retry.into());
    }
    invoice.version += 1;
    if event.is_some() {
        tell(core, public_url, transaction, invoice, details).await?;
    }
    Ok(())
}

fn enter(invoice: &mut Invoice, event: Event, now: Timestamp) {
    match event {
        Event::Paid | Event::Reserved | Event::Verified | Event::Captured { .. } => {
            invoice.processed_at = Some(now);
        }
        Event::Failed => invoice.failed_at = Some(now),
        Event::Expired | Event::Voided => {
            invoice.failed_at = Some(now);
            // `ok` stands in transitional and successful states alone (spec B.3). Nobody refused anything here.
            let why = if event == Event::Expired { published::EXPIRED } else { published::GIVEN_UP };
            why.clone_into(&mut invoice.resolution);
        }
        Event::Refunded { .. } => invoice.refunded_at = Some(now),
        Event::RefundWaits | Event::RefundRefused { .. } => {}
    }
    // Receivers order callbacks by the second of the change, which is all that they see of it (spec B.7).
    let next = whole_second(invoice.updated_at).plus(Duration::from_secs(1));
    invoice.updated_at = whole_second(now).max(next);
}

const fn whole_second(time: Timestamp) -> Timestamp {
    Timestamp::from_millis(time.millis() - time.millis().rem_euclid(1000))
}

async fn tell(
    core: &Core,
    public_url: &Url,
    transaction: &mut dyn Transaction,
    invoice: &Invoice,
    details: &Details,
) -> Result<(), InvoiceError> {
    let Some(url) = &details.callback else { return Ok(()) };
    let body = document::whole(public_url, invoice, details, core.now());
    let signature = secrets::sign(core, transaction, &invoice.merchant, invoice.mode, &body).await?;
    let event = NewEvent {
        merchant: &invoice.merchant,
        mode: invoice.mode,
        kind: CHANGED,
        order: invoice.id.as_str(),
        channel: WEBHOOK,
        parcel: Parcel {
            to: url.clone(),
            headers: vec![("x-signature".to_owned(), signature)],
            body: body.to_string(),
        },
        schedule: Schedule::MINUTES,
        erases: false,
    };
    outbox::append(core, transaction, event).await?;
    Ok(())
}
