//! Card requests: a link sent by e-mail or text message, the form behind it, and the states that the merchant
//! follows (seeds 000 and 001, spec B.4).

pub mod change;
pub mod courier;
pub mod create;
pub mod details;
pub mod events;
pub mod expiry;
pub mod input;
pub mod link;
pub mod manage;
pub mod message;
pub mod money;
pub mod passcode;
pub mod reader;
pub mod reports;
pub mod submit;
pub mod templates;
pub mod words;

use crate::crypto::CryptoError;
use crate::invalid::Invalid;
use crate::storage::{self, StoreError};
use crate::vault::VaultError;

/// Why a call about card requests did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// Values were refused: each told.
    #[error("values were refused")]
    Invalid(Vec<Invalid>),
    /// No such request, template or card, or another merchant's: all alike.
    #[error("unknown request")]
    Unknown,
    /// The form has been filled, or the link is over: nothing of it can be changed any more.
    #[error("the request has come to its end")]
    Over,
    /// A report whose signature is not the provider's.
    #[error("the report is not signed by the provider")]
    Signature,
    /// The vault's own errors.
    #[error(transparent)]
    Vault(#[from] VaultError),
}

impl From<StoreError> for RequestError {
    fn from(error: StoreError) -> Self {
        Self::Vault(error.into())
    }
}

impl From<CryptoError> for RequestError {
    fn from(error: CryptoError) -> Self {
        Self::Vault(error.into())
    }
}

impl From<Invalid> for RequestError {
    fn from(invalid: Invalid) -> Self {
        Self::Invalid(vec![invalid])
    }
}

impl RequestError {
    /// Whether somebody else changed the same thing at the same time, so that trying again helps.
    pub const fn is_race(&self) -> bool {
        matches!(self, Self::Vault(error) if error.is_race())
    }
}

/// Tries in all where somebody else changes the same request.
const TRIES: usize = 5;

/// Runs until it has won its races what nobody would call again, or what something follows that must not happen twice.
pub(crate) async fn until_won<T, F>(run: impl FnMut() -> F) -> Result<T, RequestError>
where
    F: Future<Output = Result<T, RequestError>>,
{
    storage::until_won(TRIES, RequestError::is_race, run).await
}
