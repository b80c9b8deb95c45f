//! The repositories of the proxy: hosts that may be called, what is queued, and rules.

use async_trait::async_trait;

use super::Result;
use crate::model::{MerchantId, Mode, ProxyHost, ProxySend, RuleRow, SendId, Timestamp};

/// Hosts that cards may be sent to, and cards on their way.
#[async_trait]
pub trait Proxies {
    /// Allows a host, in place of an older permission of the same name.
    async fn put_proxy_host(&mut self, host: ProxyHost) -> Result<()>;
    /// The permission for a host.
    async fn find_proxy_host(
        &mut self,
        merchant: MerchantId,
        mode: Mode,
        host: String,
    ) -> Result<Option<ProxyHost>>;
    /// All hosts of a merchant by name.
    async fn list_proxy_hosts(&mut self, merchant: MerchantId, mode: Mode) -> Result<Vec<ProxyHost>>;
    /// Takes a permission back. Answers whether there was one.
    async fn delete_proxy_host(&mut self, merchant: MerchantId, mode: Mode, host: String) -> Result<bool>;

    /// Queues a send.
    async fn add_send(&mut self, send: ProxySend) -> Result<()>;
    /// One send of a merchant.
    async fn find_send(&mut self, merchant: MerchantId, mode: Mode, id: SendId) -> Result<Option<ProxySend>>;
    /// Replaces what attempts change about a send that is still queued: state, attempts, content, code, result.
    /// Answers whether it was.
    async fn update_send(&mut self, send: ProxySend) -> Result<bool>;
    /// Erases waiting codes that ended, and deletes some sends that finished before `before`. Answers how many codes.
    async fn sweep_sends(&mut self, now: Timestamp, before: Timestamp, limit: u32) -> Result<u64>;
}

/// Rules that change the members of cards.
#[async_trait]
pub trait Rules {
    /// Adds a rule; `Conflict` where its name is taken.
    async fn add_rule(&mut self, rule: RuleRow) -> Result<()>;
    /// The rule of a name.
    async fn find_rule(&mut self, merchant: MerchantId, mode: Mode, name: String) -> Result<Option<RuleRow>>;
    /// All rules of a merchant by name.
    async fn list_rules(&mut self, merchant: MerchantId, mode: Mode) -> Result<Vec<RuleRow>>;
    /// Deletes a rule. Answers whether there was one.
    async fn delete_rule(&mut self, merchant: MerchantId, mode: Mode, name: String) -> Result<bool>;
}
