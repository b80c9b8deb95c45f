//! What the payment page asks for: what it shows, the card that is sent from it, and the payer's way back from the
//! issuer. Who knows the page's address may pay; nothing else of the invoice is told.

use super::details::{CardFacts, Details, Returns};
use super::pay::{self, Attempt, By, Paid};
use super::{InvoiceError, Place, Whole};
use crate::core::Core;
use crate::gateways::{Answer, Challenge};
use crate::model::invoice::MOST_ATTEMPTS;
use crate::model::{
    Flow, Invoice, InvoiceStatus, MerchantId, Mode, Money, Operation, OperationId, OperationState, PageId,
};
use crate::operations::Operations;

/// How far the invoice of a page is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It can be paid.
    Open,
    /// The payer has to go to the issuer, by an HTML form. A reload leads there again.
    AtIssuer(Challenge),
    /// A payment is under way, and its end is not known yet: look again.
    Waiting,
    /// It is paid, reserved, or the card is verified.
    Paid,
    /// It cannot be paid any more: refused, given up, or out of time (`ProcessPending` until the sweeper comes).
    Over(InvoiceStatus),
}

/// What a page shows.
pub struct Facts {
    /// How far it is.
    pub standing: Standing,
    /// Whose it is.
    pub merchant: MerchantId,
    /// Whom the payer pays.
    pub merchant_name: String,
    /// The hosted form whose origins, look and words the page has.
    pub form: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// How much.
    pub amount: Money,
    /// Whether it is taken, reserved, or only the card checked.
    pub flow: Flow,
    /// Test or live.
    pub mode: Mode,
    /// The name of the payer, to begin the cardholder's name with; may be empty.
    pub payer_name: String,
    /// The stored card that can pay it.
    pub stored: Option<CardFacts>,
    /// Whether a typed card is kept if its payer agrees.
    pub offers_to_keep: bool,
    /// Why the last payment was refused, by the names of spec B.3.
    pub last_refusal: Option<String>,
    /// How often it can still be tried.
    pub attempts_left: u32,
    /// Where the payer goes now, if the merchant said so.
    pub return_url: Option<String>,
}

/// A filled page.
pub struct Sent {
    /// The card that was typed, or the stored one. The page never pays without its payer.
    pub by: By,
    /// The payer's address.
    pub address: String,
    /// Facts about the payer's browser, by the names of `browser_info`.
    pub browser: Vec<(String, String)>,
    /// The attempts that were left when the page was shown: an old page does nothing.
    pub attempts_left: Option<u32>,
}

/// What a page shows now.
pub async fn facts(core: &Core, page: &PageId) -> Result<Facts, InvoiceError> {
    let (Whole { invoice, details }, busy) = find(core, page).await?;
    let standing = standing(core, &invoice, busy.as_ref());
    let stored = details.stored.as_ref().filter(|_| !details.restrict_saved_cards);
    Ok(Facts {
        return_url: way_back(&details.returns, &standing),
        standing,
        merchant: invoice.merchant.clone(),
        merchant_name: details.merchant_name.clone(),
        form: details.form.clone(),
        description: details.description.clone(),
        amount: invoice.amount,
        flow: invoice.flow,
        mode: invoice.mode,
        payer_name: details.customer.as_ref().map(|person| person.name.clone()).unwrap_or_default(),
        stored: stored.map(|stored| stored.facts.clone()),
        offers_to_keep: details.tokenize,
        last_refusal: details.last_refusal.clone(),
        attempts_left: MOST_ATTEMPTS.saturating_sub(invoice.attempts),
    })
}

/// Pays. Of two that come at once, a double click or a second tab, one pays; the other is `Busy` or `State`, and the
/// page's facts show what became of the first.
pub async fn submit(
    core: &Core,
    gateways: &Operations,
    place: Place<'_>,
    page: &PageId,
    sent: Sent,
) -> Result<Paid, InvoiceError> {
    let (Whole { invoice, details }, _) = find(core, page).await?;
    let Sent { by, address, browser, attempts_left } = sent;
    if details.restrict_saved_cards && !matches!(by, By::Card { .. }) {
        return Err(pay::no_card().into());
    }
    let by = if matches!(by, By::Instant) { By::Stored { cvv: None } } else { by };
    pay::pay(core, gateways, place, &invoice, Attempt { direct: false, by, address, browser, attempts_left })
        .await
}

/// The payer is back from the issuer, with the fields that came along. A second time changes nothing. Answers whether
/// the issuer still waits for the payer.
pub async fn returned(
    core: &Core,
    gateways: &Operations,
    page: &PageId,
    fields: &[(String, String)],
) -> Result<bool, InvoiceError> {
    let (_, busy) = find(core, page).await?;
    let Some(operation) = at_issuer(busy) else { return Ok(false) };
    let settled = match gateways.complete(operation.clone(), fields).await {
        // Its card was switched off while the payer was away: it is let go of, and can be paid otherwise.
        Err(error) if error.is_switched_off() => gateways.withdraw(operation).await?,
        settled => settled?,
    };
    Ok(settled.operation.state == OperationState::Challenged)
}

/// The payer does not go on at the issuer, and wants to pay otherwise. Answers whether the issuer still waits: nothing
/// else is charged before the gateway has let go of the first payment.
pub async fn given_up(core: &Core, gateways: &Operations, page: &PageId) -> Result<bool, InvoiceError> {
    let (_, busy) = find(core, page).await?;
    let Some(operation) = at_issuer(busy) else { return Ok(false) };
    let settled = gateways.withdraw(operation).await?;
    Ok(settled.operation.state == OperationState::Challenged)
}

fn at_issuer(busy: Option<Operation>) -> Option<Operation> {
    busy.filter(|operation| operation.state == OperationState::Challenged)
}

/// The invoice of a page, and the operation that is under way.
async fn find(core: &Core, page: &PageId) -> Result<(Whole, Option<Operation>), InvoiceError> {
    let mut transaction = core.store.read().await?;
    let found = transaction.find_invoice_by_secret_name(page.clone()).await?;
    let invoice = found.ok_or(InvoiceError::Unknown)?;
    let busy = match invoice.busy.clone() {
        None => None,
        Some(busy) => transaction.find_operation(invoice.merchant.clone(), OperationId::clone(&busy)).await?,
    };
    drop(transaction);
    let details = Details::open(core, &invoice)?;
    Ok((Whole { invoice, details }, busy))
}

fn standing(core: &Core, invoice: &Invoice, busy: Option<&Operation>) -> Standing {
    match (invoice.status, busy) {
        (InvoiceStatus::ProcessPending, Some(operation)) => {
            match serde_json::from_str(&operation.answer)
                .ok()
                .filter(|_| operation.state == OperationState::Challenged && operation.returned_at.is_none())
            {
                Some(Answer::Challenge(challenge)) => Standing::AtIssuer(challenge),
                _ => Standing::Waiting,
            }
        }
        (InvoiceStatus::ProcessPending, None) if invoice.expires_at > core.now() => Standing::Open,
        (
            InvoiceStatus::ProcessPending
            | InvoiceStatus::Expired
            | InvoiceStatus::Terminated
            | InvoiceStatus::ProcessFailed
            | InvoiceStatus::VerifyFailed,
            _,
        ) => Standing::Over(invoice.status),
        _ => Standing::Paid,
    }
}

fn way_back(returns: &Returns, standing: &Standing) -> Option<String> {
    let special = match standing {
        Standing::Paid => &returns.success,
        Standing::Over(_) => &returns.fail,
        Standing::Open | Standing::AtIssuer(_) | Standing::Waiting => &returns.pending,
    };
    special.clone().or_else(|| returns.any.clone())
}
