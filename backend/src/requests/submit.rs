//! A filled form behind a link: checked, and stored with the request's state in one transaction, so that of two
//! browsers one stores a card and a crash leaves both or neither.

use shared::{Checked, Entry, Field, FieldError, Networks, Problem};

use super::link::{self, Found, Lookup};
use super::{RequestError, change, passcode};
use crate::access::Caller;
use crate::capture::fill;
use crate::core::Core;
use crate::json::Members;
use crate::model::{CardRequest, Happening, Outcome, RequestKind, Scopes};
use crate::storage::Transaction;
use crate::vault::members::{self, Rules, Sorted};
use crate::vault::within::{self, Managed};
use crate::vault::{Invalid, VaultError};

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
}

/// Why a form was not stored.
pub enum SubmitError {
    /// Fields were refused; the form is shown again.
    Fields(Vec<FieldError>, Networks),
    /// The form as a whole was refused, in words for its reader.
    Form(&'static str),
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

/// Words for the two refusals that no field is at fault for.
const OTHER_BRAND: &str = "This kind of card is not taken here. Please use another card.";
const NO_CARD: &str =
    "The card that this code belongs to is not stored any more. Please turn to the merchant.";

/// Stores a filled form.
pub async fn submit(core: &Core, sent: &Sent) -> Result<(), SubmitError> {
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
        Ok(sorted) => store(core, &found, sorted, &sent.address).await,
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
    if let Some(number) = &checked.number {
        let taken = &found.details.card_types;
        if !taken.is_empty() && !taken.iter().any(|name| name == number.brand().wire()) {
            return Err(SubmitError::Form(OTHER_BRAND));
        }
    }
    let brand = match found.request.kind {
        RequestKind::Card => None,
        RequestKind::Code => match link::stored_card(core, found).await? {
            Some(card) => Some(card.shown.brand),
            None => return Err(SubmitError::Form(NO_CARD)),
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
        SubmitError::Form("The card was not accepted. Please check what you entered, or use another card.")
    } else {
        SubmitError::Fields(errors, Networks::NONE)
    }
}

async fn store(core: &Core, found: &Found, sorted: Sorted, address: &str) -> Result<(), SubmitError> {
    let caller = caller(&found.request, address);
    let managed = within::open(core, &caller, sorted.cvv.is_some()).await?;
    for _ in 1..super::TRIES {
        match store_once(core, found, &managed, &sorted, &caller).await {
            Err(SubmitError::Failed(error)) if error.is_race() => {}
            done => return done,
        }
    }
    store_once(core, found, &managed, &sorted, &caller).await
}

async fn store_once(
    core: &Core,
    found: &Found,
    managed: &Managed,
    sorted: &Sorted,
    caller: &Caller,
) -> Result<(), SubmitError> {
    let mut transaction = core.store.begin().await?;
    let Some(mut request) = link::again(core, &mut *transaction, found).await? else {
        return Err(SubmitError::Gone);
    };
    let (token, action, object) = match card(core, &mut *transaction, found, managed, sorted).await {
        Ok(card) => card,
        Err(VaultError::UnknownCard) => {
            // Deleted since it was looked at.
            drop(transaction);
            not_stored(core, found, &caller.address).await?;
            return Err(SubmitError::Form(NO_CARD));
        }
        Err(error) => return Err(error.into()),
    };
    request.card_token = Some(token);
    // The ticket has done its work (security rule 23).
    request.passcode.ticket_hash = Vec::new();
    change::save(core, &mut *transaction, &mut request, &found.details, Some(Happening::Stored)).await?;
    transaction.add_audit(core.entry(&caller.actor(), action, &object, Outcome::Done)).await?;
    transaction.commit().await?;
    Ok(())
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
        (None, _) => (managed.add(core, transaction, sorted).await?, "card.store"),
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
