//! Calls counted in memory and written now and then, so that no call waits for a counter.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::core::Core;
use crate::model::{ApiKey, ApiKeyId, Timestamp};
use crate::storage::{Calls, StoreError};

/// What is counted and not written yet. What a node counted in its last half minute is lost when it is killed.
#[derive(Default)]
pub struct Tally(Mutex<HashMap<(ApiKeyId, String), Calls>>);

impl Tally {
    /// Counts a call of a credential.
    pub fn count(&self, key: &ApiKey, now: Timestamp) {
        let month = now.month();
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of = counts.entry((key.id.clone(), month.clone())).or_insert_with(|| Calls {
            key: key.id.clone(),
            merchant: key.merchant.clone(),
            mode: key.mode,
            month,
            calls: 0,
            last: now,
        });
        of.calls = of.calls.saturating_add(1);
        of.last = of.last.max(now);
    }

    fn take(&self) -> Vec<Calls> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *counts).into_values().collect()
    }

    fn give_back(&self, calls: Vec<Calls>) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for of in calls {
            let name = (of.key.clone(), of.month.clone());
            let count = of.calls;
            let known = counts.entry(name).or_insert(Calls { calls: 0, ..of });
            known.calls = known.calls.saturating_add(count);
        }
    }
}

/// Writes what was counted. What cannot be written is kept for the next time.
pub async fn flush(core: &Core) {
    let calls = core.tally.take();
    if calls.is_empty() {
        return;
    }
    if let Err(error) = write(core, calls.clone()).await {
        tracing::warn!(%error, "counted calls could not be written; they are written later");
        core.tally.give_back(calls);
    }
}

async fn write(core: &Core, calls: Vec<Calls>) -> Result<(), StoreError> {
    let mut transaction = core.store.begin().await?;
    transaction.add_calls(calls).await?;
    transaction.commit().await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{MerchantId, Mode, Scopes};

    fn key(id: &str) -> ApiKey {
        ApiKey {
            id: ApiKeyId::stored(id.to_owned()),
            merchant: MerchantId::stored("mer".to_owned()),
            mode: Mode::Live,
            name: String::new(),
            login: String::new(),
            secret_hash: Vec::new(),
            salt: Vec::new(),
            kdf: String::new(),
            scopes: Scopes::usual(),
            created_at: Timestamp::from_millis(0),
            expires_at: None,
            revoked_at: None,
            used_at: None,
        }
    }

    #[test]
    fn calls_are_counted_by_credential_and_month_and_given_back_whole() {
        let (tally, january) = (Tally::default(), Timestamp::from_millis(0));
        let february = Timestamp::from_millis(40 * 24 * 3_600_000);
        for (id, at) in [("a", january), ("a", january), ("b", january), ("a", february)] {
            tally.count(&key(id), at);
        }
        let taken = tally.take();
        assert!(tally.take().is_empty());
        tally.count(&key("a"), january);
        tally.give_back(taken);
        let mut counts: Vec<_> =
            tally.take().into_iter().map(|of| (of.key.to_string(), of.month, of.calls)).collect();
        counts.sort();
        let expected = [("a", "1970-01", 3), ("a", "1970-02", 1), ("b", "1970-01", 1)];
        assert_eq!(counts, expected.map(|(key, month, calls)| (key.to_owned(), month.to_owned(), calls)));
    }
}
