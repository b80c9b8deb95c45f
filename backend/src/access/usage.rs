//! What a merchant used in a month.

use super::{AccessError, Caller, tally};
use crate::core::Core;
use crate::model::Timestamp;

/// The use of one month, of the caller's mode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Usage {
    /// Vault keys at the month's end.
    pub keys: u64,
    /// Cards that are stored still and were stored before the month's end.
    pub tokens: u64,
    /// Those of them that were stored within the month.
    pub new_tokens: u64,
    /// Calls with the merchant's credentials.
    pub calls: u64,
}

/// The use of a month; `None` where the text is no month (`YYYY-MM`).
pub async fn of_month(core: &Core, caller: &Caller, month: &str) -> Result<Option<Usage>, AccessError> {
    let Some((from, before)) = Timestamp::month_bounds(month) else { return Ok(None) };
    // What this node counted is written first; other nodes write theirs within half a minute.
    tally::flush(core).await;
    let (merchant, mode) = (caller.merchant.clone(), caller.mode);
    let mut transaction = core.store.read().await?;
    let beginning = Timestamp::from_millis(0);
    Ok(Some(Usage {
        keys: transaction.count_keys(merchant.clone(), mode, before).await?,
        tokens: transaction.count_cards(merchant.clone(), mode, beginning, before).await?,
        new_tokens: transaction.count_cards(merchant.clone(), mode, from, before).await?,
        calls: transaction.calls(merchant, mode, month.to_owned()).await?,
    }))
}
