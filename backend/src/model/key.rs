//! Vault keys: who holds what is needed to open the cards sealed under them.

use super::{KeyId, MerchantId, Mode, Timestamp};

/// Who can open the private half.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Custody {
    /// The merchant's passphrase and the root key together.
    Passphrase,
    /// The root key alone: for interfaces whose clients send no passphrase.
    Managed,
}

impl Custody {
    /// The name in storage.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Passphrase => "passphrase",
            Self::Managed => "managed",
        }
    }

    /// The custody of a stored name.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "passphrase" => Some(Self::Passphrase),
            "managed" => Some(Self::Managed),
            _ => None,
        }
    }
}

/// A vault key without its pairs.
#[derive(Clone, Debug)]
pub struct VaultKey {
    /// Identity.
    pub id: KeyId,
    /// Whose it is.
    pub merchant: MerchantId,
    /// Test or live.
    pub mode: Mode,
    /// The name that calls use as `user`; unique per merchant and mode. `managed` is the managed key's.
    pub name: String,
    /// Who can open it.
    pub custody: Custody,
    /// Salt of the passphrase's derivation; empty for managed keys.
    pub salt: Vec<u8>,
    /// Cost parameters of the derivation as text; empty for managed keys.
    pub kdf: String,
    /// The custody key, wrapped: by the passphrase inside and the root key outside, or by the root key alone.
    pub wrapped_custody: Vec<u8>,
    /// The token key, wrapped by the root key: capture endpoints need it without a passphrase.
    pub wrapped_token_key: Vec<u8>,
    /// The version of the pair that new records are sealed to.
    pub current: u32,
    /// Counts changes of this row: caches of unwrapped keys are valid for one value only.
    pub row_version: i64,
    /// When it was made.
    pub created_at: Timestamp,
}

/// One key pair of a vault key. A rotation adds one; older ones stay until nothing is sealed to them.
#[derive(Clone, Debug)]
pub struct KeyPairRow {
    /// Which vault key.
    pub key: KeyId,
    /// 1, 2, …
    pub version: u32,
    /// X25519 public half, 32 bytes.
    pub public: Vec<u8>,
    /// The private half, wrapped by the custody key inside and the root key outside.
    pub wrapped_private: Vec<u8>,
    /// The pre-shared key of the HPKE sender, wrapped by the root key (security rule 1).
    pub wrapped_psk: Vec<u8>,
    /// When it was made.
    pub created_at: Timestamp,
}
