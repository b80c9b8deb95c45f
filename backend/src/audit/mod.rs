//! The audit log as chains that nobody makes without the root key: each entry has a keyed digest, a sealer in the
//! background chains what was committed, and a checker goes over all of it (ADR 0008).

mod complete;
mod kept;
mod keys;
mod older;
mod seal;
mod verify;
mod walk;

pub use kept::{KeptHead, head};
pub use keys::AuditKeys;
pub use older::mark_older;
pub use seal::Sealer;
pub use verify::{Broken, Fault, Report, verify};

use crate::crypto::CryptoError;
use crate::model::Head;
use crate::storage::StoreError;

/// Why the log could not be sealed or checked.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// Storage.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The root key.
    #[error(transparent)]
    Crypto(#[from] CryptoError),
    /// Entries from before the chains are not in them yet.
    #[error("entries from before this version are not chained yet: a running server does it by itself")]
    NotYet,
    /// There is no such log.
    #[error("there is no audit log of {0}")]
    UnknownLog(String),
    /// A kept head that cannot be read, or that another root key made.
    #[error("this is no head of this installation's audit log")]
    KeptHead,
    /// A kept head of a log that is not checked.
    #[error("the kept head is that of another log: {0}")]
    OtherLog(String),
}

/// How a chain is called towards people.
pub fn name_of(chain: &str) -> &str {
    match chain {
        Head::NOBODY => "nobody",
        Head::ALL => "all",
        merchant => merchant,
    }
}

/// The chain that people call so.
pub fn chain_of(name: &str) -> &str {
    match name {
        "nobody" => Head::NOBODY,
        "all" => Head::ALL,
        merchant => merchant,
    }
}
