//! Beginning a payment: the invoice is marked busy in the transaction that writes the operation, so that of two that
//! pay at once one does. What comes of it is filed by `settle`.

use shared::{Cvv, Expiry};

use super::details::{CardFacts, Payment};
use super::{Details, InvoiceError, Place, Whole, again, change, payer, tokens, until_won};
use crate::core::Core;
use crate::gateways::{Answer, Credential, Order, Payer};
use crate::invalid::Invalid;
use crate::json::{Members, Value};
use crate::model::invoice::MOST_ATTEMPTS;
use crate::model::{Card, CardId, Flow, Invoice, Mode, Money, Operation, OperationKind, Outcome, OwnerKind};
use crate::operations::{self, CardSource, GivenCard, Operations, Plan};
use crate::storage::Transaction;
use crate::vault::VaultError;
use crate::vault::members::{self, Rules, Sorted};
use crate::vault::within::{self, Managed};

/// The reason of payments that the merchant starts by itself (the schemes' word).
const UNSCHEDULED: &str = "unscheduled";

/// How somebody pays.
pub enum By {
    /// By a card that was typed.
    Card {
        /// The card.
        card: GivenCard,
        /// Whether the payer agrees that it is kept, where the invoice asks for that.
        keep: bool,
    },
    /// By the invoice's stored card, its holder present.
    Stored {
        /// The code that was typed.
        cvv: Option<Cvv>,
    },
    /// By the invoice's stored card, nobody present.
    Instant,
}

/// One try to pay.
pub struct Attempt {
    /// Whether it is a direct sale: its refusal ends the invoice.
    pub direct: bool,
    /// How.
    pub by: By,
    /// The payer's address.
    pub address: String,
    /// Facts about the payer's browser.
    pub browser: Vec<(String, String)>,
    /// The attempts that were left when the payer was asked, where a page did that.
    pub attempts_left: Option<u32>,
}

/// What came of a try.
pub struct Paid {
    /// The invoice as it stands.
    pub whole: Whole,
    /// The operation.
    pub operation: Operation,
    /// What the gateway said; `None` where that is not known yet.
    pub answer: Option<Answer>,
}

/// Pays an invoice, or learns that it is refused, or that the issuer wants to see the payer, or nothing yet.
pub async fn pay(
    core: &Core,
    gateways: &Operations,
    place: Place<'_>,
    seen: &Invoice,
    attempt: Attempt,
) -> Result<Paid, InvoiceError> {
    let keeper = keeper(core, seen, &attempt).await?;
    let begun = || begin(core, gateways, place, seen, (&attempt, keeper.as_ref()));
    let Begun { operation, order, stored } = until_won(begun).await?;
    let source = match (attempt.by, stored) {
        (By::Card { card, .. }, None) => CardSource::Given(card),
        (By::Card { card: GivenCard { cvv, .. }, .. } | By::Stored { cvv }, Some(card)) => {
            CardSource::Stored { card, cvv }
        }
        (By::Instant, Some(card)) => CardSource::Stored { card, cvv: None },
        (By::Stored { .. } | By::Instant, None) => return Err(no_card().into()),
    };
    let actor = payer(seen, &attempt.address).actor();
    let settled = gateways.charge(&actor, operation, order, source).await?;
    let invoice = again(&mut *core.store.read().await?, seen).await?;
    let details = Details::open(core, &invoice)?;
    Ok(Paid { whole: Whole { invoice, details }, operation: settled.operation, answer: settled.answer })
}

/// What opens the vault for a card that is to be kept.
struct Keeper {
    managed: Managed,
    sorted: Sorted,
}

/// A payment that was written down.
struct Begun {
    operation: Operation,
    order: Order,
    /// The card in the vault, if it is there.
    stored: Option<CardId>,
}

/// Before the transaction, since opening a key may take a while.
async fn keeper(core: &Core, seen: &Invoice, attempt: &Attempt) -> Result<Option<Keeper>, InvoiceError> {
    let By::Card { card, keep: true } = &attempt.by else { return Ok(None) };
    if !Details::open(core, seen)?.tokenize || seen.customer.is_none() {
        return Ok(None);
    }
    let managed = within::open(core, &payer(seen, &attempt.address), false).await?;
    // Without the code: it goes to the gateway and is stored nowhere.
    let body: Members = [
        ("card_number".to_owned(), Value::text(card.number.digits())),
        ("card_holder".to_owned(), Value::text(card.holder.as_str())),
        ("expiry_month".to_owned(), Value::text(format!("{:02}", card.expiry.month()))),
        ("expiry_year".to_owned(), Value::text(card.expiry.year().to_string())),
    ]
    .into_iter()
    .collect();
    let rules = Rules { luhn: true, account: false, locked: false, brand: None, code_checked: false };
    let sorted = members::sort(body, rules).map_err(VaultError::Invalid)?;
    Ok(Some(Keeper { managed, sorted }))
}

async fn begin(
    core: &Core,
    gateways: &Operations,
    place: Place<'_>,
    seen: &Invoice,
    (attempt, keeper): (&Attempt, Option<&Keeper>),
) -> Result<Begun, InvoiceError> {
    let mut transaction = core.store.begin().await?;
    let mut invoice = again(&mut *transaction, seen).await?;
    let mut details = Details::open(core, &invoice)?;
    check_open(core, &invoice, attempt)?;
    let (stored, payment) = card(core, &mut *transaction, &invoice, &mut details, (attempt, keeper)).await?;
    let plan = Plan {
        merchant: invoice.merchant.clone(),
        mode: invoice.mode,
        owner: OwnerKind::Invoice,
        owner_id: invoice.id.as_str(),
        kind: kind(invoice.flow),
        parent: None,
        card: stored.clone(),
        gateway: gateways.route(invoice.mode, &invoice.service)?,
        amount: to_take(&invoice),
    };
    let operation = operations::begin(core, &mut *transaction, plan).await?;
    invoice.busy = Some(operation.id.clone());
    invoice.attempts += 1;
    details.trying = Some(payment);
    details.last_refusal = None;
    change::save(core, place.public_url, &mut *transaction, &mut invoice, &details, None).await?;
    transaction.commit().await?;
    let order = order(place, &invoice, &details, &operation, attempt);
    Ok(Begun { operation, order, stored })
}

fn check_open(core: &Core, invoice: &Invoice, attempt: &Attempt) -> Result<(), InvoiceError> {
    if !invoice.status.is_payable() || invoice.expires_at <= core.now() {
        return Err(InvoiceError::State("The invoice does not wait for a payment."));
    }
    if invoice.busy.is_some() {
        return Err(InvoiceError::Busy);
    }
    let left = MOST_ATTEMPTS.saturating_sub(invoice.attempts);
    if attempt.attempts_left.is_some_and(|shown| shown != left) {
        return Err(InvoiceError::State("The invoice was tried since the page was shown."));
    }
    if !attempt.direct && left == 0 {
        return Err(InvoiceError::State("The invoice has been tried too often."));
    }
    Ok(())
}

/// The card in the vault, if it is one of the vault, and what may be shown of the payment.
async fn card(
    core: &Core,
    transaction: &mut dyn Transaction,
    invoice: &Invoice,
    details: &mut Details,
    (attempt, keeper): (&Attempt, Option<&Keeper>),
) -> Result<(Option<CardId>, Payment), InvoiceError> {
    let payment = Payment { direct: attempt.direct, ip: attempt.address.clone(), ..Payment::default() };
    let By::Card { card, .. } = &attempt.by else {
        let found = stored(core, transaction, invoice, details, &attempt.address).await?;
        let token = details.stored.as_ref().map(|stored| stored.token.clone());
        return Ok((Some(found.id.clone()), Payment { card: CardFacts::of(core, &found), token, ..payment }));
    };
    check_expiry(invoice.mode, card.expiry, core)?;
    let facts = facts(core, card);
    let (Some(keeper), Some(customer)) = (keeper, &invoice.customer) else {
        return Ok((None, Payment { card: facts, ..payment }));
    };
    let kept = keeper.managed.add(core, transaction, &keeper.sorted, "").await?;
    tokens::reserve(transaction, &invoice.merchant, invoice.mode, &kept.id, customer).await?;
    let actor = payer(invoice, &attempt.address).actor();
    transaction.add_audit(core.entry(&actor, "card.store", kept.id.as_str(), Outcome::Done)).await?;
    let kept_id = Some(kept.id.to_string());
    Ok((Some(kept.id), Payment { card: facts, kept: kept_id, token: Some(kept.token), ..payment }))
}

/// The invoice's stored card, if it can still be charged: much may have happened to it since the invoice was made.
async fn stored(
    core: &Core,
    transaction: &mut dyn Transaction,
    invoice: &Invoice,
    details: &mut Details,
    address: &str,
) -> Result<Card, InvoiceError> {
    let (Some(stored), Some(customer)) = (&mut details.stored, &invoice.customer) else {
        return Err(no_card().into());
    };
    let caller = payer(invoice, address);
    let (card, owner) = tokens::resolve(core, transaction, &caller, &stored.token, customer).await?;
    stored.scheme_reference = owner.scheme_reference;
    Ok(card)
}

/// The refusal of a payment that brings no card where none is stored, or none is offered.
pub(super) fn no_card() -> Invalid {
    Invalid::new(
        "/data/attributes/card_number",
        "missing",
        "The invoice has no stored card; a card is needed.",
    )
}

/// Test cards choose their result by expiries of long ago (spec B.9), so that test mode takes any.
fn check_expiry(mode: Mode, expiry: Expiry, core: &Core) -> Result<(), Invalid> {
    if mode == Mode::Live && expiry.is_past(core.now().year_month()) {
        return Err(Invalid::new("/data/attributes/exp_year", "expired", "The card has expired."));
    }
    Ok(())
}

fn facts(core: &Core, card: &GivenCard) -> CardFacts {
    let issuer = core.bins.issuer(card.number.digits()).unwrap_or_default();
    CardFacts {
        first: card.number.first_six().to_owned(),
        last: card.number.last_four().to_owned(),
        digits: u8::try_from(card.number.digits().len()).unwrap_or(0),
        brand: card.number.brand().wire().to_owned(),
        holder: card.holder.to_string(),
        expiry: (card.expiry.year(), card.expiry.month()),
        bank: issuer.bank,
        country: issuer.country,
    }
}

const fn kind(flow: Flow) -> OperationKind {
    match flow {
        Flow::Charge => OperationKind::Sale,
        Flow::DelayedCharge => OperationKind::Authorize,
        Flow::Verify => OperationKind::Verify,
    }
}

const fn to_take(invoice: &Invoice) -> Money {
    match invoice.flow {
        Flow::Verify => Money::of_minor(0, invoice.amount.currency()),
        _ => invoice.amount,
    }
}

fn order(
    place: Place<'_>,
    invoice: &Invoice,
    details: &Details,
    operation: &Operation,
    attempt: &Attempt,
) -> Order {
    let scheme_reference = details.stored.as_ref().and_then(|stored| stored.scheme_reference.clone());
    let kept = details.trying.as_ref().is_some_and(|trying| trying.kept.is_some());
    let credential = match &attempt.by {
        By::Card { .. } if kept => Credential::First,
        By::Card { .. } => Credential::OneOff,
        By::Stored { .. } => Credential::StoredByPayer { scheme_reference },
        By::Instant => Credential::StoredByMerchant { reason: UNSCHEDULED.to_owned(), scheme_reference },
    };
    let person = details.customer.clone().unwrap_or_default();
    let present = !matches!(attempt.by, By::Instant);
    Order {
        operation: operation.id.clone(),
        amount: operation.amount,
        takes: operation.kind == OperationKind::Sale,
        reference: invoice.reference.clone(),
        description: details.description.clone().unwrap_or_default(),
        credential,
        payer: Payer {
            ip: attempt.address.clone(),
            name: person.name,
            email: person.email,
            browser: attempt.browser.clone(),
            ..Payer::default()
        },
        return_url: present.then(|| place.address(&format!("/payment/complete-auth/{}", invoice.page))),
    }
}
