//! Ends requests whose time is over, so that nothing waits for somebody to look (spec B.4), and deletes those that
//! ended long ago with everything that they say of a person.

use super::details::Details;
use super::{RequestError, change, until_won};
use crate::core::{Actor, Core};
use crate::model::{CardRequest, Happening, Outcome};

/// So many in one sweep; the next one goes on.
const MOST: u32 = 500;

/// Ends what is over. Answers how many requests were ended by this call.
pub async fn sweep(core: &Core) -> Result<usize, RequestError> {
    let over = core.store.read().await?.list_ended_requests(core.now(), MOST).await?;
    let mut ended = 0;
    for request in over {
        // One that cannot be ended must not keep the others.
        match until_won(|| end(core, &request)).await {
            Ok(was_ended) => ended += usize::from(was_ended),
            Err(error) => tracing::error!(%error, request = %request.id, "a request could not be ended"),
        }
    }
    Ok(ended)
}

/// Deletes requests whose end lies as far back as the operator's policy says. Answers how many. Cards, the delivery log
/// and the audit log have lives of their own.
pub async fn forget(core: &Core) -> Result<u64, RequestError> {
    let before = core.now().minus(core.policy.request_life);
    let mut transaction = core.store.begin().await?;
    let forgotten = transaction.sweep_requests(before, MOST).await?;
    transaction.commit().await?;
    Ok(forgotten)
}

async fn end(core: &Core, seen: &CardRequest) -> Result<bool, RequestError> {
    let mut transaction = core.store.begin().await?;
    let found = transaction.find_request(seen.merchant.clone(), seen.mode, seen.id.clone()).await?;
    let over = |request: &CardRequest| request.open_until().is_some_and(|end| end <= core.now());
    // Filled, taken back, sent anew, or ended by another node in the meantime.
    let Some(mut request) = found.filter(over) else { return Ok(false) };
    let details = Details::open(core, &request)?;
    change::save(core, &mut *transaction, &mut request, &details, Some(Happening::Ended)).await?;
    let sweeper = Actor {
        merchant: Some(request.merchant.clone()),
        mode: Some(request.mode),
        name: "sweeper".to_owned(),
        address: String::new(),
    };
    transaction.add_audit(core.entry(&sweeper, "request.expire", request.id.as_str(), Outcome::Done)).await?;
    transaction.commit().await?;
    Ok(true)
}
