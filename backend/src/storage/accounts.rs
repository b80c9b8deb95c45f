//! The repositories of a merchant's account: credentials, calls counted by month, calls that are kept to be answered
//! again.

use async_trait::async_trait;

use super::{Page, Result};
use crate::model::{ApiKey, ApiKeyId, IdempotentCall, MerchantId, Mode, Timestamp};

/// Calls of a credential that were counted in memory.
#[derive(Clone, Debug)]
pub struct Calls {
    /// The credential.
    pub key: ApiKeyId,
    /// Whose it is.
    pub merchant: MerchantId,
    /// Its mode.
    pub mode: Mode,
    /// The month of the calls, `YYYY-MM`.
    pub month: String,
    /// How many.
    pub calls: u32,
    /// When the last of them was.
    pub last: Timestamp,
}

/// Credentials, and what is counted of their use.
#[async_trait]
pub trait Accounts {
    /// A page of a merchant's credentials by id, of one mode or of both.
    async fn list_api_keys(
        &mut self,
        merchant: MerchantId,
        mode: Option<Mode>,
        page: Page,
    ) -> Result<Vec<ApiKey>>;
    /// A credential of a merchant.
    async fn find_api_key(&mut self, merchant: MerchantId, id: ApiKeyId) -> Result<Option<ApiKey>>;
    /// Ends a credential that was not ended before. Answers whether it did.
    async fn revoke_api_key(&mut self, merchant: MerchantId, id: ApiKeyId, at: Timestamp) -> Result<bool>;
    /// Replaces secret, salt and cost of a credential. Answers whether it is there.
    async fn set_api_key_secret(&mut self, key: ApiKey) -> Result<bool>;
    /// Adds calls to their month, and notes when each credential was last used.
    async fn add_calls(&mut self, calls: Vec<Calls>) -> Result<()>;
    /// The calls of a month.
    async fn calls(&mut self, merchant: MerchantId, mode: Mode, month: String) -> Result<u64>;
    /// How many vault keys were made before a time.
    async fn count_keys(&mut self, merchant: MerchantId, mode: Mode, before: Timestamp) -> Result<u64>;
    /// How many of the stored cards were stored within a time.
    async fn count_cards(
        &mut self,
        merchant: MerchantId,
        mode: Mode,
        from: Timestamp,
        before: Timestamp,
    ) -> Result<u64>;

    /// Begins a call that is run once: adds it, unless one of its id stands that has not ended; answers that one.
    async fn begin_call(&mut self, call: IdempotentCall, now: Timestamp) -> Result<Option<IdempotentCall>>;
    /// Takes over a call whose node went away: moves the end of its lease. Answers whether nobody else did.
    async fn take_over_call(&mut self, seen: IdempotentCall, lease: Timestamp) -> Result<bool>;
    /// Keeps the answer of a call, where its lease is still the one that it was run under.
    async fn keep_answer(&mut self, call: IdempotentCall) -> Result<bool>;
    /// Forgets a call that has no answer, where its lease is still the one that it was run under.
    async fn forget_call(&mut self, call: IdempotentCall) -> Result<()>;
    /// Deletes calls that ended. Answers how many.
    async fn sweep_calls(&mut self, now: Timestamp) -> Result<u64>;
}
