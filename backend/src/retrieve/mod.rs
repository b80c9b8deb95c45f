//! Retrieve endpoints: a stored card read by whoever knows an endpoint's address and secret, without the vault key's
//! passphrase and without a credential (spec A.6).
//!
//! An endpoint has two secrets: the one that reads, and one made of it that opens the hosted page and nothing else. The
//! vault key's custody key is wrapped under a key derived from the page's secret, and that again by the root key, so that
//! database and root key together open nothing before somebody brings one of the two.

mod endpoints;
mod open;

pub use endpoints::{Created, NewRetrieval, create, delete, find, list};
pub use open::{Peeked, Reading, open, peek};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

use crate::core::Core;
use crate::crypto::binding::Binding;
use crate::crypto::{Key32, secret};
use crate::invalid::Invalid;
use crate::model::RetrieveEndpoint;
use crate::model::retrieve::Ended;
use crate::storage::StoreError;
use crate::vault::VaultError;

/// Why nothing is read, or no endpoint made.
#[derive(Debug, thiserror::Error)]
pub enum RetrieveError {
    /// Refused values.
    #[error("values were refused")]
    Invalid(Invalid),
    /// No such endpoint, a wrong secret, or a card that it does not read: all alike.
    #[error("unknown endpoint or card")]
    Unknown,
    /// The name is taken.
    #[error("the name is taken")]
    Taken,
    /// The endpoint, or the secret that was brought, is for the hosted page alone; told to the holder of a right secret.
    #[error("the secret is for the hosted page alone")]
    PageOnly,
    /// It read what it may read; told to the holder of the right secret alone.
    #[error("the endpoint has ended")]
    Ended(Ended),
    /// The vault failed.
    #[error(transparent)]
    Vault(#[from] VaultError),
}

impl From<Invalid> for RetrieveError {
    fn from(invalid: Invalid) -> Self {
        Self::Invalid(invalid)
    }
}

impl From<StoreError> for RetrieveError {
    fn from(error: StoreError) -> Self {
        Self::Vault(error.into())
    }
}

impl From<crate::crypto::CryptoError> for RetrieveError {
    fn from(error: crate::crypto::CryptoError) -> Self {
        Self::Vault(error.into())
    }
}

/// The secret of an endpoint's page, made of its secret by a keyed digest: who holds it learns nothing of that one.
fn page_secret(core: &Core, given: &str) -> Zeroizing<String> {
    let digest = Zeroizing::new(secret::keyed_digest(&core.subkey("retrieve page"), &[given.as_bytes()]));
    Zeroizing::new(URL_SAFE_NO_PAD.encode(*digest))
}

/// The key that wraps an endpoint's custody key. Takes the page's secret in clear, of which the database holds a hash
/// alone.
fn wrapping_key(core: &Core, endpoint: &RetrieveEndpoint, page: &str) -> Key32 {
    let parts = [endpoint.id.as_str().as_bytes(), page.as_bytes()];
    Key32::new(&Zeroizing::new(secret::keyed_digest(&core.subkey("retrieve endpoint"), &parts)))
}

fn bind(endpoint: &RetrieveEndpoint) -> Binding<'_> {
    Binding {
        merchant: endpoint.merchant.as_str(),
        mode: endpoint.mode.as_str(),
        record: endpoint.id.as_str(),
        kind: "retrieve endpoint",
        field: "custody",
        number: 0,
        key_version: 0,
    }
}
