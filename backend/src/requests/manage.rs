//! What a merchant does with its requests: looks at them, lists them, takes them back, has a new link sent.

use std::time::Duration;

use super::RequestError;
use super::change;
use super::create::{self, Place};
use super::details::Details;
use crate::access::Caller;
use crate::core::Core;
use crate::model::{CardRequest, Happening, Outcome, Passcode, RequestFilter, RequestId, StatusChange};
use crate::storage::{Page, Transaction};

/// A request with everything that its merchant may see.
pub struct Whole {
    /// The request.
    pub request: CardRequest,
    /// What was asked for.
    pub details: Details,
    /// Its states, oldest first.
    pub history: Vec<StatusChange>,
}

/// One request of the caller's merchant and mode. Deleted ones are unknown.
pub async fn find(core: &Core, caller: &Caller, id: &str) -> Result<Whole, RequestError> {
    let mut transaction = core.store.read().await?;
    let request = lookup(&mut *transaction, caller, id).await?;
    let history = transaction.statuses(caller.merchant.clone(), request.id.clone()).await?;
    Ok(Whole { details: Details::open(core, &request)?, request, history })
}

/// A page of requests, newest first, without their histories.
pub async fn list(
    core: &Core,
    caller: &Caller,
    filter: RequestFilter,
    page: Page,
) -> Result<Vec<Whole>, RequestError> {
    let mut transaction = core.store.read().await?;
    let found = transaction.list_requests(caller.merchant.clone(), caller.mode, filter, page).await?;
    let whole = |request: CardRequest| -> Result<Whole, RequestError> {
        Ok(Whole { details: Details::open(core, &request)?, request, history: Vec::new() })
    };
    found.into_iter().map(whole).collect()
}

/// Takes a request back: its link is dead at once, also for a page that is open already. `Over` once the form
/// was filled.
pub async fn delete(core: &Core, caller: &Caller, id: &str) -> Result<(), RequestError> {
    let mut transaction = core.store.begin().await?;
    let mut request = lookup(&mut *transaction, caller, id).await?;
    if request.card_token.is_some() {
        return Err(RequestError::Over);
    }
    let details = Details::open(core, &request)?;
    request.deleted_at = Some(core.now());
    request.passcode = Passcode::default();
    change::save(core, &mut *transaction, &mut request, &details, Some(Happening::Ended)).await?;
    let entry = core.entry(&caller.actor(), "request.delete", request.id.as_str(), Outcome::Done);
    transaction.add_audit(entry).await?;
    transaction.commit().await?;
    Ok(())
}

/// Sends a new link, which ends the one before it and lives as long anew.
pub async fn resend(core: &Core, place: &Place<'_>, caller: &Caller, id: &str) -> Result<(), RequestError> {
    let mut transaction = core.store.begin().await?;
    let mut request = lookup(&mut *transaction, caller, id).await?;
    if !request.is_open(core.now()) {
        return Err(RequestError::Over);
    }
    let details = Details::open(core, &request)?;
    let code = create::new_code(core);
    request.code_hash = create::code_hash(&code);
    request.expires_at = core.now().plus(Duration::from_secs(details.ttl));
    // What was proved for the old link proves nothing for the new one; the counts stay (security rule 23).
    request.passcode.digest = Vec::new();
    request.passcode.ticket_hash = Vec::new();
    request.message = create::queue(core, place, &mut *transaction, &request, &details, &code).await?;
    change::save(core, &mut *transaction, &mut request, &details, Some(Happening::Resent)).await?;
    let entry = core.entry(&caller.actor(), "request.resend", request.id.as_str(), Outcome::Done);
    transaction.add_audit(entry).await?;
    transaction.commit().await?;
    Ok(())
}

async fn lookup(
    transaction: &mut dyn Transaction,
    caller: &Caller,
    id: &str,
) -> Result<CardRequest, RequestError> {
    let id = RequestId::stored(id.to_owned());
    let found = transaction.find_request(caller.merchant.clone(), caller.mode, id).await?;
    found.filter(|request| request.deleted_at.is_none()).ok_or(RequestError::Unknown)
}
