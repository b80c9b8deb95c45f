//! The hosts that an operator allows for a merchant. Nobody else can: a stolen credential of the merchant must not
//! be able to open a way out for its cards (security rule 21).

use url::Url;
use zeroize::Zeroizing;

use crate::access::Caller;
use crate::access::operators::Operator;
use crate::core::Core;
use crate::crypto::CryptoError;
use crate::crypto::binding::Binding;
use crate::model::{HostId, MerchantId, Mode, Outcome, ProxyHost};
use crate::outgoing::{Dedicated, OutgoingError};
use crate::storage::{StoreError, Transaction};

/// Why a host was not allowed.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// No host name, or more than one.
    #[error("{0:?} is no host; it is written as acquirer.example or acquirer.example:8443")]
    Name(String),
    /// No such merchant.
    #[error("there is no merchant of this name")]
    Merchant,
    /// A certificate, key or authority that cannot be used.
    #[error("{0}")]
    Certificate(#[from] OutgoingError),
    /// The root key failed.
    #[error(transparent)]
    Crypto(#[from] CryptoError),
    /// Storage failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The merchant that an operator names.
#[derive(Clone, Copy, Debug)]
pub enum Whose<'m> {
    /// By its name.
    Name(&'m str),
    /// By its id.
    Id(&'m MerchantId),
}

/// Allows a host by the command line. Answers the name it has.
pub async fn allow(
    core: &Core,
    merchant: &str,
    modes: &[Mode],
    host: &str,
    settings: &Dedicated,
) -> Result<String, HostError> {
    allow_by(core, &Operator::console(), Whose::Name(merchant), modes, host, settings).await
}

/// Allows a host for a merchant in these modes, in place of an older permission for it. Answers the name it has.
pub async fn allow_by(
    core: &Core,
    operator: &Operator,
    merchant: Whose<'_>,
    modes: &[Mode],
    host: &str,
    settings: &Dedicated,
) -> Result<String, HostError> {
    let name = normal(host).ok_or_else(|| HostError::Name(host.to_owned()))?;
    settings.check()?;
    let mut transaction = core.store.begin().await?;
    let found = found(&mut *transaction, merchant).await?;
    for &mode in modes {
        let mut row = ProxyHost {
            id: HostId::new(core.now(), &*core.entropy),
            merchant: found.clone(),
            mode,
            host: name.clone(),
            sealed: Vec::new(),
            created_at: core.now(),
        };
        if !settings.is_empty() {
            let text = Zeroizing::new(serde_json::to_vec(settings).map_err(|_| CryptoError::Open)?);
            row.sealed = core.root.wrap(&bind(&row), &text, &*core.entropy)?;
        }
        transaction.put_proxy_host(row).await?;
        let actor = operator.actor(Some(&found), Some(mode));
        transaction.add_audit(core.entry(&actor, "proxy.host.allow", &name, Outcome::Done)).await?;
    }
    transaction.commit().await?;
    Ok(name)
}

/// Takes a permission back by the command line. Answers whether there was one.
pub async fn forbid(core: &Core, merchant: &str, modes: &[Mode], host: &str) -> Result<bool, HostError> {
    forbid_by(core, &Operator::console(), Whose::Name(merchant), modes, host).await
}

/// Takes a permission back. Answers whether there was one.
pub async fn forbid_by(
    core: &Core,
    operator: &Operator,
    merchant: Whose<'_>,
    modes: &[Mode],
    host: &str,
) -> Result<bool, HostError> {
    let name = normal(host).ok_or_else(|| HostError::Name(host.to_owned()))?;
    let mut transaction = core.store.begin().await?;
    let found = found(&mut *transaction, merchant).await?;
    let mut was = false;
    for &mode in modes {
        if transaction.delete_proxy_host(found.clone(), mode, name.clone()).await? {
            was = true;
            let actor = operator.actor(Some(&found), Some(mode));
            transaction.add_audit(core.entry(&actor, "proxy.host.forbid", &name, Outcome::Done)).await?;
        }
    }
    transaction.commit().await?;
    Ok(was)
}

/// The hosts of a merchant, for an operator.
pub async fn list_of(core: &Core, merchant: Whose<'_>, mode: Mode) -> Result<Vec<ProxyHost>, HostError> {
    let mut transaction = core.store.read().await?;
    let found = found(&mut *transaction, merchant).await?;
    Ok(transaction.list_proxy_hosts(found, mode).await?)
}

async fn found(transaction: &mut dyn Transaction, merchant: Whose<'_>) -> Result<MerchantId, HostError> {
    let found = match merchant {
        Whose::Name(name) => transaction.find_merchant_by_name(name.to_owned()).await?,
        Whose::Id(id) => transaction.lookup_merchant(id.clone()).await?,
    };
    Ok(found.ok_or(HostError::Merchant)?.id)
}

/// The hosts of the caller's merchant.
pub async fn list(core: &Core, caller: &Caller) -> Result<Vec<ProxyHost>, StoreError> {
    core.store.read().await?.list_proxy_hosts(caller.merchant.clone(), caller.mode).await
}

/// The permission for a host, if there is one.
pub(super) async fn find(
    core: &Core,
    merchant: &MerchantId,
    mode: Mode,
    host: &str,
) -> Result<Option<ProxyHost>, StoreError> {
    core.store.read().await?.find_proxy_host(merchant.clone(), mode, host.to_owned()).await
}

/// What a host is called with.
pub(super) fn settings(core: &Core, host: &ProxyHost) -> Result<Dedicated, CryptoError> {
    if host.sealed.is_empty() {
        return Ok(Dedicated::default());
    }
    let text = core.root.unwrap(&bind(host), &host.sealed)?;
    serde_json::from_slice(&text).map_err(|_| CryptoError::Open)
}

/// The name of an address's host: in lower case, with its port where that is not the one of https.
pub(super) fn name_of(url: &Url) -> Option<String> {
    let host = url.host_str()?;
    Some(url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")))
}

/// A host as an operator writes it, in the notation that it is compared in.
fn normal(host: &str) -> Option<String> {
    let url = Url::parse(&format!("https://{}/", host.trim())).ok()?;
    let plain = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
    let named = url.username().is_empty() && url.password().is_none() && !host.contains(['/', '*']);
    if plain && named { name_of(&url) } else { None }
}

fn bind(host: &ProxyHost) -> Binding<'_> {
    Binding {
        merchant: host.merchant.as_str(),
        mode: host.mode.as_str(),
        record: host.id.as_str(),
        kind: "proxy host",
        field: "settings",
        number: 0,
        key_version: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::normal;

    #[test]
    fn a_host_is_one_name() {
        assert_eq!(normal("Acquirer.Example").as_deref(), Some("acquirer.example"));
        assert_eq!(normal("acquirer.example:443").as_deref(), Some("acquirer.example"));
        assert_eq!(normal(" acquirer.example:8443 ").as_deref(), Some("acquirer.example:8443"));
        assert_eq!(normal("bücher.example").as_deref(), Some("xn--bcher-kva.example"));
        for wrong in
            ["", "https://a.example", "a.example/x", "u@a.example", "a.example?x", "a b", "*.a.example"]
        {
            assert_eq!(normal(wrong), None, "{wrong}");
        }
    }
}
