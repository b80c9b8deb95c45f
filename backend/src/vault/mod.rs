//! The vault: keys with their custody, cards sealed under them, and what happens to a card's members.

pub mod cards;
pub mod charge;
pub mod content;
pub mod cvv;
pub mod forward;
pub mod keyring;
pub mod keys;
mod mask;
pub mod members;
pub mod number;
pub mod paycards;
pub mod personal;
mod renew;
pub mod sealing;
pub mod terms;
pub mod within;

pub use keyring::Keyring;
pub use mask::mask_member;

use crate::crypto::CryptoError;
use crate::invalid::Invalid;
use crate::storage::StoreError;

/// Why the vault did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// Values were refused: the caller's fault, each told.
    #[error("values were refused")]
    Invalid(Vec<Invalid>),
    /// No such vault key.
    #[error("unknown key")]
    UnknownKey,
    /// The passphrase does not open the key.
    #[error("wrong passphrase")]
    WrongPassphrase,
    /// Too many wrong passphrases in this minute (security rule 4).
    #[error("too many wrong passphrases")]
    TooManyTries,
    /// The name is taken.
    #[error("the key exists")]
    KeyExists,
    /// The key holds cards and the deletion was a safe one.
    #[error("the key holds cards")]
    KeyHasCards,
    /// The managed key cannot be changed or deleted by calls.
    #[error("the managed key cannot be changed")]
    KeyIsManaged,
    /// No such card.
    #[error("unknown card")]
    UnknownCard,
    /// The card has no security code.
    #[error("the card has no security code")]
    NoCode,
    /// Others changed the same thing again and again.
    #[error("lost the race too often")]
    Contended,
    /// Work apart from the call ended without a result: it panicked, or the process is ending.
    #[error("the work was broken off")]
    Broken,
    /// Storage failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Cryptography failed: a record that does not open, or no randomness.
    #[error(transparent)]
    Crypto(#[from] CryptoError),
}

impl VaultError {
    /// Whether somebody else changed the same thing at the same time, so that trying again helps.
    pub const fn is_race(&self) -> bool {
        matches!(self, Self::Store(error) if error.is_race())
    }
}

impl From<Invalid> for VaultError {
    fn from(invalid: Invalid) -> Self {
        Self::Invalid(vec![invalid])
    }
}
