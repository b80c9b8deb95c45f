//! Sealing and opening a card's parts: what each ciphertext is bound to, written in one place (decision 3).

use std::sync::Arc;

use zeroize::Zeroizing;

use crate::crypto::CryptoError;
use crate::crypto::binding::Binding;
use crate::crypto::entropy::Entropy;
use crate::crypto::sealing::{Opener, SenderSession};
use crate::crypto::token::{Algorithm, TokenKey, token};
use crate::model::{CardId, KeyId, MerchantId, Mode, VaultKey};

/// Which part of a card a ciphertext is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The members, by version of the card's row.
    Members(u32),
    /// A patch, by its number.
    Patch(u32),
    /// The security code.
    Code,
}

impl Part {
    const fn names(self) -> (&'static str, &'static str, u32) {
        match self {
            Self::Members(version) => ("card", "members", version),
            Self::Patch(number) => ("card", "patch", number),
            Self::Code => ("card", "code", 0),
        }
    }
}

/// The owner that every ciphertext of a card is bound to.
#[derive(Clone, Debug)]
pub struct Owner {
    /// The merchant.
    pub merchant: MerchantId,
    /// Test or live.
    pub mode: Mode,
    /// The vault key.
    pub key: KeyId,
}

impl Owner {
    /// The owner of what is sealed under a vault key.
    pub fn of(key: &VaultKey) -> Self {
        Self { merchant: key.merchant.clone(), mode: key.mode, key: key.id.clone() }
    }

    /// What a part of a card is bound to.
    pub fn bind<'a>(&'a self, card: &'a CardId, part: Part, key_version: u32) -> Binding<'a> {
        let (kind, field, number) = part.names();
        Binding {
            merchant: self.merchant.as_str(),
            mode: self.mode.as_str(),
            record: card.as_str(),
            kind,
            field,
            number,
            key_version,
        }
    }
}

impl Owner {
    /// What something beside a card is bound to.
    fn bind_beside<'a>(&'a self, record: &'a str, kind: &'static str, key_version: u32) -> Binding<'a> {
        Binding {
            merchant: self.merchant.as_str(),
            mode: self.mode.as_str(),
            record,
            kind,
            field: "personal data",
            number: 0,
            key_version,
        }
    }
}

/// Seals to a vault key's public half and makes its tokens. Cannot open anything.
#[derive(Clone)]
pub struct Sealer {
    /// Whose cards.
    pub owner: Owner,
    /// The pair sealed to.
    pub version: u32,
    pub(super) session: Arc<SenderSession>,
    pub(super) token_key: Arc<TokenKey>,
    pub(super) entropy: Arc<dyn Entropy>,
}

impl Sealer {
    /// Seals one part of one card.
    pub fn seal(&self, card: &CardId, part: Part, plaintext: &[u8]) -> Result<Vec<u8>, CryptoError> {
        self.session.seal(&self.owner.bind(card, part, self.version), plaintext, &*self.entropy)
    }

    /// Seals what stands beside a card, such as its holder's address, bound to a record of another kind.
    pub fn seal_beside(
        &self,
        record: &str,
        kind: &'static str,
        plaintext: &[u8],
    ) -> Result<Vec<u8>, CryptoError> {
        let binding = self.owner.bind_beside(record, kind, self.version);
        self.session.seal(&binding, plaintext, &*self.entropy)
    }

    /// The token of a number; `attempt` counts the tokens that were taken by other numbers.
    pub fn token(&self, algorithm: Algorithm, digits: &str, attempt: u32) -> String {
        token(&self.token_key, algorithm, digits, attempt, &*self.entropy)
    }

    /// What tells numbers with the same shortened token apart; empty where nothing may be derived or nothing
    /// is needed (see `Card::fingerprint`).
    pub fn fingerprint(&self, algorithm: Algorithm, digits: &str) -> String {
        match algorithm {
            Algorithm::Full | Algorithm::Random => String::new(),
            _ => {
                let full = self.token(Algorithm::Full, digits, 0);
                // A partial token that may show too little becomes the full one, and is then one like any other.
                if self.token(algorithm, digits, 0) == full { String::new() } else { full }
            }
        }
    }
}

/// A vault key whose private halves are open for the moment.
pub struct Unlocked {
    /// Whose cards.
    pub owner: Owner,
    pub(super) openers: Vec<(u32, Opener)>,
}

impl Unlocked {
    /// Opens one part of one card.
    pub fn open(
        &self,
        card: &CardId,
        part: Part,
        key_version: u32,
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
        let (_, opener) =
            self.openers.iter().find(|(version, _)| *version == key_version).ok_or(CryptoError::Open)?;
        opener.open(&self.owner.bind(card, part, key_version), sealed)
    }

    /// Opens what stands beside a card.
    pub fn open_beside(
        &self,
        record: &str,
        kind: &'static str,
        key_version: u32,
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
        let (_, opener) =
            self.openers.iter().find(|(version, _)| *version == key_version).ok_or(CryptoError::Open)?;
        opener.open(&self.owner.bind_beside(record, kind, key_version), sealed)
    }
}

/// What a vault key's own secrets are bound to.
pub fn bind_key<'a>(key: &'a VaultKey, field: &'static str, version: u32) -> Binding<'a> {
    Binding {
        merchant: key.merchant.as_str(),
        mode: key.mode.as_str(),
        record: key.id.as_str(),
        kind: "vault key",
        field,
        number: 0,
        key_version: version,
    }
}
