//! Who may call: merchants, their credentials, and the caller that an authenticated request becomes.

pub mod accounts;
pub mod api_keys;
pub mod company;
pub mod idempotency;
pub mod merchants;
pub mod operators;
mod passwords;
pub mod sessions;
pub mod tally;
pub mod tokens;
pub mod usage;

pub use passwords::Passwords;
pub use tally::Tally;

use crate::core::{ANONYMOUS, Actor, Core};
use crate::crypto::CryptoError;
use crate::model::{ApiKey, MerchantId, Mode, Scope, Scopes};
use crate::storage::StoreError;

/// An authenticated caller. Everything done for it is done for its merchant, in its mode.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The merchant.
    pub merchant: MerchantId,
    /// The credential's mode.
    pub mode: Mode,
    /// The credential's public half.
    pub login: String,
    /// What the credential may do.
    pub scopes: Scopes,
    /// The client's address.
    pub address: String,
}

/// Why a call was not let in.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// No credential, an unknown one, or a wrong secret: all alike.
    #[error("not authenticated")]
    Unauthenticated,
    /// The credential lacks a scope.
    #[error("the credential lacks the scope {}", .0.as_str())]
    Forbidden(Scope),
    /// Too many wrong passwords of one address in this minute.
    #[error("too many wrong passwords")]
    TooManyTries,
    /// Storage failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A password could not be stretched.
    #[error(transparent)]
    Crypto(#[from] CryptoError),
}

impl Caller {
    /// Whether the credential has a scope.
    pub fn may(&self, scope: Scope) -> Result<(), AccessError> {
        if self.scopes.has(scope) { Ok(()) } else { Err(AccessError::Forbidden(scope)) }
    }

    /// The caller as the audit log names it.
    pub fn actor(&self) -> Actor {
        Actor {
            merchant: Some(self.merchant.clone()),
            mode: Some(self.mode),
            name: self.login.clone(),
            address: self.address.clone(),
        }
    }
}

/// Checks a login and its secret. Failures are audited; unknown logins take as long as wrong secrets.
pub async fn authenticate(
    core: &Core,
    login: &str,
    password: &str,
    address: &str,
) -> Result<Caller, AccessError> {
    let known = core.store.read().await?.find_api_key_by_secret_name(login.to_owned()).await?;
    let right = core.passwords.matches(core, known.as_ref(), password, address).await?;
    if let Some(key) = known.filter(|key| right && key.stands(core.now())) {
        core.tally.count(&key, core.now());
        Ok(caller(key, address))
    } else {
        Err(unauthenticated(core, address).await)
    }
}

/// Audits a failure; answers its error.
async fn unauthenticated(core: &Core, address: &str) -> AccessError {
    let actor = Actor { merchant: None, mode: None, name: ANONYMOUS.into(), address: address.into() };
    core.refused(&actor, "access.authenticate", "").await;
    AccessError::Unauthenticated
}

fn caller(key: ApiKey, address: &str) -> Caller {
    Caller {
        merchant: key.merchant,
        mode: key.mode,
        login: key.login,
        scopes: key.scopes,
        address: address.to_owned(),
    }
}
