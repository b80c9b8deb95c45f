//! Making an invoice: checked, its card and customer found, stored with its audit entry in one transaction.

use shared::FormKind;
use url::Url;

use super::details::{CardFacts, Details, StoredCard};
use super::input::{self, Asked};
use super::{InvoiceError, Place, Whole, sale_token, tokens};
use crate::access::Caller;
use crate::access::accounts::Trader;
use crate::capture::{CaptureError, forms};
use crate::core::Core;
use crate::invalid::Invalid;
use crate::json::Members;
use crate::model::{Invoice, InvoiceId, InvoiceStatus, Mode, Outcome, PageId, published};
use crate::operations::Operations;
use crate::outgoing::OutgoingError;
use crate::storage::{StoreError, Transaction};

/// Makes an invoice. Nothing of it exists unless all of it does.
pub async fn create(
    core: &Core,
    operations: &Operations,
    place: Place<'_>,
    trader: &Trader,
    body: &Members,
) -> Result<Whole, InvoiceError> {
    let mut asked = input::create(body, core.now()).map_err(InvoiceError::Invalid)?;
    let caller = in_mode(trader, asked.test_mode)?;
    operations.route(caller.mode, &asked.service)?;
    check_callback(place, &asked.details).await?;
    check_form(core, &caller, &asked.details).await?;
    let page = PageId::new(&*core.entropy);
    asked.details.sale = sale_token::issue(core, place.public_url, &page, caller.mode).await?;
    let mut transaction = core.store.begin().await?;
    let merchant = transaction.lookup_merchant(caller.merchant.clone()).await?;
    asked.details.merchant_name = merchant.map(|merchant| merchant.name).unwrap_or_default();
    let whole = build(core, &mut *transaction, &caller, page, asked).await?;
    transaction.add_invoice(whole.invoice.clone()).await.map_err(|error| match error {
        StoreError::Conflict => taken().into(),
        other => InvoiceError::from(other),
    })?;
    let entry = core.entry(&caller.actor(), "invoice.create", whole.invoice.id.as_str(), Outcome::Done);
    transaction.add_audit(entry).await?;
    transaction.commit().await?;
    Ok(whole)
}

fn taken() -> Invalid {
    let detail = "There is an invoice of this reference_id; look it up, or take another.";
    Invalid::new("/data/attributes/reference_id", "taken", detail)
}

/// An account takes the mode that the body says, live unless it says so; another credential has one of its own.
fn in_mode(trader: &Trader, test_mode: Option<bool>) -> Result<Caller, InvoiceError> {
    let mode = match (test_mode, trader.mode) {
        (Some(true), _) => Mode::Test,
        (Some(false), _) => Mode::Live,
        (None, own) => own.unwrap_or(Mode::Live),
    };
    let detail = "These credentials are of the other mode.";
    trader.caller(mode).ok_or_else(|| Invalid::new("/data/attributes/test_mode", "mode", detail).into())
}

/// An address that could never be called is refused now; a name is looked up again at each call.
async fn check_callback(place: Place<'_>, details: &Details) -> Result<(), Invalid> {
    let Some(text) = &details.callback else { return Ok(()) };
    let wrong = |detail: String| Invalid::new("/data/attributes/callback_url", "url", detail);
    let url = Url::parse(text).map_err(|_| wrong("callback_url has to be an https address.".to_owned()))?;
    match place.callbacks.vet(&url).await {
        Err(error @ (OutgoingError::Scheme | OutgoingError::Credentials | OutgoingError::Refused)) => {
            Err(wrong(format!("callback_url cannot be called: {error}.")))
        }
        _ => Ok(()),
    }
}

/// The page's form is one for cards, of the same merchant and mode.
async fn check_form(core: &Core, caller: &Caller, details: &Details) -> Result<(), InvoiceError> {
    let Some(id) = &details.form else { return Ok(()) };
    match forms::settings(core, &caller.merchant, caller.mode, id).await {
        Ok(settings) if settings.kind == FormKind::Card && !id.starts_with(forms::FLEETING) => Ok(()),
        Err(CaptureError::Vault(error)) => Err(error.into()),
        _ => {
            let detail = "There is no card form of this id in the invoice's mode.";
            Err(Invalid::new("/data/attributes/gateway_options/cardgate/form", "unknown", detail).into())
        }
    }
}

async fn build(
    core: &Core,
    transaction: &mut dyn Transaction,
    caller: &Caller,
    page: PageId,
    asked: Asked,
) -> Result<Whole, InvoiceError> {
    let Asked { reference, service, flow, amount, token, expires_at, mut details, .. } = asked;
    let customer = match &details.customer {
        None => None,
        Some(person) => Some(tokens::customer(core, transaction, caller, &person.reference).await?),
    };
    let mut card = None;
    if let (Some(token), Some(customer)) = (token, &customer) {
        let (found, owner) = tokens::resolve(core, transaction, caller, &token, customer).await?;
        card = Some(found.id.clone());
        let scheme_reference = owner.scheme_reference;
        details.stored = Some(StoredCard { token, facts: CardFacts::of(core, &found), scheme_reference });
    }
    let now = core.now();
    let id = InvoiceId::new(&*core.entropy);
    let invoice = Invoice {
        sealed: details.seal(core, &caller.merchant, caller.mode, &id)?,
        id,
        page,
        merchant: caller.merchant.clone(),
        mode: caller.mode,
        reference,
        service,
        flow,
        amount,
        status: InvoiceStatus::ProcessPending,
        resolution: published::OK.to_owned(),
        taken: 0,
        refunded: 0,
        attempts: 0,
        busy: None,
        payment: None,
        customer,
        card,
        processed_at: None,
        failed_at: None,
        refunded_at: None,
        expires_at,
        created_at: now,
        updated_at: now,
        version: 1,
    };
    Ok(Whole { invoice, details })
}
