//! Capturing cards from people who must not be trusted: endpoints with a secret, hosted forms, and the way of
//! a submitted card into the store.

pub mod brands;
pub mod css;
pub mod custom;
pub mod endpoints;
pub mod facts;
pub mod fill;
pub mod forms;
pub mod once;
pub mod options;
pub mod results;
mod settings;
pub mod submit;
pub(crate) mod take;
pub mod theme;
pub mod ttl;

use crate::invalid::Invalid;
use crate::model::Refusal;
use crate::storage::StoreError;
use crate::vault::VaultError;

/// Why a capture, or a call about capturing, did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    /// Values were refused: each told.
    #[error("values were refused")]
    Invalid(Vec<Invalid>),
    /// Unknown endpoint or form, wrong or missing secret: all alike.
    #[error("unknown endpoint, form or secret")]
    Unknown,
    /// The endpoint refused; only the holder of its secret learns why.
    #[error("the endpoint refused")]
    Refused(Refusal),
    /// The unique id or the form id is taken.
    #[error("the id is taken")]
    Taken,
    /// The card that an endpoint should be locked to is not there.
    #[error("unknown card")]
    UnknownCard,
    /// The vault's own errors.
    #[error(transparent)]
    Vault(#[from] VaultError),
}

impl From<StoreError> for CaptureError {
    fn from(error: StoreError) -> Self {
        Self::Vault(error.into())
    }
}

impl From<crate::crypto::CryptoError> for CaptureError {
    fn from(error: crate::crypto::CryptoError) -> Self {
        Self::Vault(error.into())
    }
}

impl From<Invalid> for CaptureError {
    fn from(invalid: Invalid) -> Self {
        Self::Invalid(vec![invalid])
    }
}
