//! A filled form behind a link: checked, and stored with the request's state in one transaction, so that of two
//! browsers one stores a card and a crash leaves both or neither.

use shared::{Checked, Entry, Field, FieldError, Networks, Problem};
use zeroize::Zeroizing;

use super::link::{self, Found, Lookup};
use super::{RequestError, change, passcode};
use crate::access::Caller;
use crate::capture::fill;
use crate::capture::once::{self, Ticket};
use crate::capture::submit::Captured;
use crate::core::Core;
use crate::crypto::CryptoError;
use crate::invalid::Invalid;
use crate::json::Members;
use crate::model::{CardRequest, FormSubmit, Happening, Outcome, RequestKind, Scopes};
use crate::storage::Transaction;
use crate::vault::VaultError;
use crate::vault::members::{self, Rules, Sorted};
use crate::vault::within::{self, Managed};

/// So many refused forms end a link (security rule 8: it must not tell numbers apart for long).
const MOST_REFUSED: u32 = 20;

/// A filled form.
pub struct Sent {
    /// The code of the link.
    pub code: String,
    /// The ticket of a passcode.
    pub ticket: Option<String>,
    /// What was typed.
    pub entry: Entry,
    /// The client's address.
    pub address: String,
    /// The random number of the page's submit; the same when it is sent again.
    pub submit_id: String,
    /// All that was sent but secret and security code, to tell a repeated submit from a changed one.
    pub content: Zeroizing<Vec<u8>>,
}

/// Why a form was not stored.
pub enum SubmitError {
    /// Fields were refused; the form is shown again.
    Fields(Vec<FieldError>, Networks),
    /// The form as a whole was refused.
    Form(NotTaken),
    /// The link is over, or was never one.
    Gone,
    /// The passcode has to be entered again.
    Passcode,
    /// Something failed.
    Failed(RequestError),
}

impl<E: Into<RequestError>> From<E> for SubmitError {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

/// Why a form was refused that no field is at fault for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotTaken {
    /// The card that the code belongs to is not stored any more.
    NoCard,
    /// The vault refused what has no place in the form.
    Values,
}

/// The form's name in the digests of submits.
const FORM: &str = "request";

/// Stores a filled form. One that was stored before and is sent again, because its answer was lost, is answered as it
/// was then.
pub async fn submit(core: &Core, sent: &Sent) -> Result<(), SubmitError> {
    let id_hash = once::digest(core, &sent.submit_id, "", &sent.code, FORM, &sent.content);
    let error = match submit_new(core, sent, id_hash.clone()).await {
        Err(error @ SubmitError::Gone) => error,
        done => return done,
    };
    let Some(id_hash) = id_hash else { return Err(error) };
    let kept = core.store.read().await?.find_submit_by_secret_name(id_hash).await?;
    if kept.is_some_and(|kept| kept.expires_at > core.now()) { Ok(()) } else { Err(error) }
}

async fn submit_new(core: &Core, sent: &Sent, id_hash: Option<String>) -> Result<(), SubmitError> {
    let Lookup::Found(found) = link::find(core, &sent.code, &sent.address).await? else {
        return Err(SubmitError::Gone);
    };
    if !found.request.is_open(core.now()) {
        return Err(SubmitError::Gone);
    }
    let needs_ticket = passcode::is_needed(&found.details);
    if needs_ticket && !passcode::holds(&found.request, sent.ticket.as_deref(), core.now()) {
        return Err(SubmitError::Passcode);
    }
    match check(core, &found, sent).await {
        Ok(sorted) => store(core, &Form { found: &found, sorted, id_hash }, &sent.address).await,
        Err(error @ (SubmitError::Fields(..) | SubmitError::Form(_))) => {
            not_stored(core, &found, &sent.address).await?;
            Err(error)
        }
        Err(error) => Err(error),
    }
}

/// The members to store, by the form's rules and the vault's.
async fn check(core: &Core, found: &Found, sent: &Sent) -> Result<Sorted, SubmitError> {
    let rules = link::rules(found);
    let checked = shared::check(&rules, &sent.entry, core.now().year_month())
        .map_err(|errors| SubmitError::Fields(errors, fill::choice(&rules, &sent.entry)))?;
    let brand = match found.request.kind {
        RequestKind::Card => None,
        RequestKind::Code => match link::stored_card(core, found).await? {
            Some(card) => Some(card.shown.brand),
            None => return Err(SubmitError::Form(NotTaken::NoCard)),
        },
    };
    let locked = found.request.kind == RequestKind::Code;
    let rules = Rules { luhn: true, account: false, locked, brand, code_checked: false };
    members::sort(body(checked), rules).map_err(|problems| refused_fields(&problems))
}

fn body(checked: Checked) -> Members {
    fill::card_members(checked, Members::default())
}

/// What the vault refuses beyond the form's rules has its place in the form too.
fn refused_fields(problems: &[Invalid]) -> SubmitError {
    let placed = |problem: &Invalid| {
        let name = problem.pointer.trim_start_matches('/');
        Some(FieldError { field: Field::from_name(name)?, problem: Problem::from_code(problem.code)? })
    };
    let errors: Vec<_> = problems.iter().filter_map(placed).collect();
    if errors.is_empty() {
        SubmitError::Form(NotTaken::Values)
    } else {
        SubmitError::Fields(errors, Networks::NONE)
    }
}

/// A form that was checked.
struct Form<'f> {
    found: &'f Found,
    sorted: Sorted,
    id_hash: Option<String>,
}

async fn store(core: &Core, form: &Form<'_>, address: &str) -> Result<(), SubmitError> {
    let caller = caller(&form.found.request, address);
    let managed = within::open(core, &caller, form.sorted.cvv.is_some()).await?;
    for _ in 1..super::TRIES {
        match store_once(core, form, &managed, &caller).await {
            Err(SubmitError::Failed(error)) if error.is_race() => {}
            done => return done,
        }
    }
    store_once(core, form, &managed, &caller).await
}

async fn store_once(
    core: &Core,
    form: &Form<'_>,
    managed: &Managed,
    caller: &Caller,
) -> Result<(), SubmitError> {
    let found = form.found;
    let mut transaction = core.store.begin().await?;
    let Some(mut request) = link::again(core, &mut *transaction, found).await? else {
        return Err(SubmitError::Gone);
    };
    let (token, action, object) = match card(core, &mut *transaction, found, managed, &form.sorted).await {
        Ok(card) => card,
        Err(VaultError::UnknownCard) => {
            // Deleted since it was looked at.
            drop(transaction);
            not_stored(core, found, &caller.address).await?;
            return Err(SubmitError::Form(NotTaken::NoCard));
        }
        Err(error) => return Err(error.into()),
    };
    request.card_token = Some(token);
    // The ticket has done its work (security rule 23).
    request.passcode.ticket_hash = Vec::new();
    change::save(core, &mut *transaction, &mut request, &found.details, Some(Happening::Stored)).await?;
    if let Some(id_hash) = &form.id_hash {
        transaction.add_submit(kept(core, &request, id_hash)?).await?;
    }
    transaction.add_audit(core.entry(&caller.actor(), action, &object, Outcome::Done)).await?;
    transaction.commit().await?;
    Ok(())
}

/// What is kept of a stored submit: its answer holds nothing of the card.
fn kept(core: &Core, request: &CardRequest, id_hash: &str) -> Result<FormSubmit, CryptoError> {
    let nothing = Captured {
        user: String::new(),
        token: String::new(),
        reference: String::new(),
        metadata: None,
        issuer: None,
    };
    Ticket::new(id_hash.to_owned(), &Members::default()).seal(core, &request.merchant, request.mode, &nothing)
}

/// Stores what was asked for; answers the token, and action and object for the audit log.
async fn card(
    core: &Core,
    transaction: &mut dyn Transaction,
    found: &Found,
    managed: &Managed,
    sorted: &Sorted,
) -> Result<(String, &'static str, String), VaultError> {
    let stored = match (&found.details.card, found.details.duplicate) {
        (None, _) => (managed.add(core, transaction, sorted, &found.request.reference).await?, "card.store"),
        (Some(token), false) => (managed.put_code(core, transaction, token, sorted).await?, "card.update"),
        (Some(token), true) => (managed.duplicate(core, transaction, token, sorted).await?, "card.duplicate"),
    };
    Ok((stored.0.token, stored.1, stored.0.id.to_string()))
}

/// Counts a refused form and tells the merchant; after many the link is over.
async fn not_stored(core: &Core, found: &Found, address: &str) -> Result<(), RequestError> {
    super::until_won(|| async {
        let mut transaction = core.store.begin().await?;
        let Some(mut request) = link::again(core, &mut *transaction, found).await? else { return Ok(()) };
        request.refused += 1;
        let details = &found.details;
        change::save(core, &mut *transaction, &mut request, details, Some(Happening::NotStored)).await?;
        if core.policy.limits.is_some() && request.refused >= MOST_REFUSED {
            change::save(core, &mut *transaction, &mut request, details, Some(Happening::Ended)).await?;
        }
        let actor = link::actor(&request, address);
        let entry = core.entry(&actor, "request.submit", request.id.as_str(), Outcome::Refused);
        transaction.add_audit(entry).await?;
        transaction.commit().await?;
        Ok(())
    })
    .await
}

/// Whoever fills a form acts for the merchant in this one thing.
fn caller(request: &CardRequest, address: &str) -> Caller {
    Caller {
        merchant: request.merchant.clone(),
        mode: request.mode,
        login: format!("request:{}", request.id),
        scopes: Scopes::of(&[]),
        address: address.to_owned(),
    }
}
