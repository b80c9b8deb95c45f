//! The one place where a request changes its state: row, history and callbacks in one transaction, one callback
//! for each state that is entered, in their order.

use super::RequestError;
use super::details::Details;
use super::events;
use crate::core::Core;
use crate::model::{CardRequest, Happening, StatusChange};
use crate::storage::{StoreError, Transaction};

/// Lets something happen to a request that was read in this transaction, and writes the row with all other changes
/// that the caller has made to it. Answers whether a state was entered. `Retry` where somebody else was faster.
pub async fn save(
    core: &Core,
    transaction: &mut dyn Transaction,
    request: &mut CardRequest,
    details: &Details,
    happening: Option<Happening>,
) -> Result<bool, RequestError> {
    let now = core.now();
    let entered = happening.map_or(&[][..], |happening| request.status.after(happening, request.channel));
    let first = request.changes + 1;
    if let Some(last) = entered.last() {
        request.status = *last;
        request.status_at = now;
        request.changes += u32::try_from(entered.len()).unwrap_or(u32::MAX);
    }
    // First, since it locks the row: of two that change a request at once, one is sent back here.
    if !transaction.update_request(request.clone()).await? {
        return Err(StoreError::Retry.into());
    }
    request.version += 1;
    for (number, status) in (first..).zip(entered) {
        let change = StatusChange { request: request.id.clone(), number, status: *status, at: now };
        transaction.add_status(request.merchant.clone(), change.clone()).await?;
        events::tell_status(core, transaction, request, details, &change).await?;
    }
    Ok(!entered.is_empty())
}

/// Writes a new request with its first state.
pub async fn begin(
    core: &Core,
    transaction: &mut dyn Transaction,
    request: &CardRequest,
    details: &Details,
) -> Result<(), RequestError> {
    transaction.add_request(request.clone()).await?;
    let change = StatusChange {
        request: request.id.clone(),
        number: request.changes,
        status: request.status,
        at: request.status_at,
    };
    transaction.add_status(request.merchant.clone(), change.clone()).await?;
    events::tell_status(core, transaction, request, details, &change).await
}
