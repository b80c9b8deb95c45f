//! Ends invoices that nobody paid in time. One with a payment under way waits for its end.

use std::time::Duration;

use url::Url;

use super::{Details, InvoiceError, again, change, nobody, sale_keys, until_won};
use crate::core::Core;
use crate::model::invoice::Event;
use crate::model::{Invoice, Outcome};

/// So many in one sweep; the next one goes on.
const MOST: u32 = 500;
/// Tokens of a retired key pair are refused after their life; the pair is kept a little longer, for clocks that
/// differ.
const GRACE: Duration = Duration::from_hours(1);

/// Ends what is over. Answers how many invoices were ended by this call.
pub async fn sweep(core: &Core, public_url: &Url) -> Result<usize, InvoiceError> {
    let over = core.store.read().await?.list_over_invoices(core.now(), MOST).await?;
    let mut ended = 0;
    for invoice in &over {
        // One that cannot be ended must not keep the others.
        match until_won(|| end(core, public_url, invoice)).await {
            Ok(was_ended) => ended += usize::from(was_ended),
            Err(error) => tracing::error!(%error, invoice = %invoice.id, "an invoice could not be ended"),
        }
    }
    let mut transaction = core.store.begin().await?;
    transaction.sweep_sale_keys(core.now().minus(sale_keys::LIFE + GRACE)).await?;
    transaction.commit().await?;
    Ok(ended)
}

async fn end(core: &Core, public_url: &Url, seen: &Invoice) -> Result<bool, InvoiceError> {
    let mut transaction = core.store.begin().await?;
    let mut invoice = again(&mut *transaction, seen).await?;
    let is_over = invoice.open_until().is_some_and(|end| end <= core.now());
    // Paid, being paid, given up, or ended by another node in the meantime.
    if !is_over {
        return Ok(false);
    }
    let details = Details::open(core, &invoice)?;
    change::save(core, public_url, &mut *transaction, &mut invoice, &details, Some(Event::Expired)).await?;
    let sweeper = nobody(&invoice, "sweeper");
    transaction.add_audit(core.entry(&sweeper, "invoice.expire", invoice.id.as_str(), Outcome::Done)).await?;
    transaction.commit().await?;
    Ok(true)
}
