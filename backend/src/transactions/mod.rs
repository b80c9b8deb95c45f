//! Gateway transactions in the notation of clients that send a company, a pass and a hash (seed 003, spec A): charges
//! by tokens, the management of tokens, and the scheme's account updater.

mod authorise;
pub mod codes;
mod follow;
mod gate;
pub mod hash;
mod manage;
mod outcome;
pub mod params;
mod payer;
mod person;
mod query;
mod reply;
mod request;
mod run;
mod stamp;
pub mod updater;
mod webhook;

use std::time::Duration;

pub use outcome::TransactionOwner;
pub use run::{Answered, Proven, Refuser, prove, run, run_query};

use crate::core::Core;
use crate::crypto::CryptoError;
use crate::model::Timestamp;
use crate::storage::{self, StoreError};
use crate::vault::VaultError;
use params::Refused;

/// Why a transaction was not made.
#[derive(Debug, thiserror::Error)]
pub enum TransactionError {
    /// It was refused before it was one: a code and what is behind its message.
    #[error("refused with {}", .0.code)]
    Refused(Refused),
    /// The same signed request was taken before.
    #[error("the request was taken before")]
    Repeated,
    /// The vault, storage or cryptography failed.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// A gateway's result could not be filed, or its gateway is not configured any more.
    #[error("{0}")]
    Failed(String),
}

impl From<Refused> for TransactionError {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}

impl From<StoreError> for TransactionError {
    fn from(error: StoreError) -> Self {
        Self::Vault(error.into())
    }
}

impl From<CryptoError> for TransactionError {
    fn from(error: CryptoError) -> Self {
        Self::Vault(error.into())
    }
}

impl TransactionError {
    /// Whether somebody else changed the same thing at the same time, so that trying again helps.
    const fn is_race(&self) -> bool {
        matches!(self, Self::Vault(error) if error.is_race())
    }
}

/// Tries in all where others change the same things.
const TRIES: usize = 8;

/// Runs a piece of work with a transaction of its own until it has won its races.
async fn until_won<T, F>(work: impl FnMut() -> F) -> Result<T, TransactionError>
where
    F: Future<Output = Result<T, TransactionError>>,
{
    storage::until_won(TRIES, TransactionError::is_race, work).await
}

/// Signed requests that were seen before this time need not be known any more: their timestamps are refused.
pub fn forget_before(core: &Core, now: Timestamp) -> Timestamp {
    let kept = match core.policy.transactions.window {
        Some(window) => window * 2 + Duration::from_mins(1),
        None => Duration::from_hours(24),
    };
    now.minus(kept)
}
