//! Retrieve endpoints: places where a stored card may be read, by whoever knows their address and secret.

use super::{KeyId, MerchantId, Mode, RetrieveId, Timestamp};

/// A place where stored cards may be read.
#[derive(Clone, Debug)]
pub struct RetrieveEndpoint {
    /// This incarnation.
    pub id: RetrieveId,
    /// The name in the address; unique over the installation while it exists.
    pub unique_id: String,
    /// Whose it is.
    pub merchant: MerchantId,
    /// Test or live.
    pub mode: Mode,
    /// The vault key whose cards it reads.
    pub key: KeyId,
    /// That key's name.
    pub key_name: String,
    /// SHA-256 of the page's secret, which is made of the one that reads.
    pub secret_hash: Vec<u8>,
    /// The vault key's custody key: under a key derived from the page's secret inside, and the root key outside. Empty once
    /// the vault key's passphrase or pair changed.
    pub wrapped: Vec<u8>,
    /// The only token that it reads, if any.
    pub lock_token: Option<String>,
    /// The only reference that it reads, if any.
    pub lock_reference: Option<String>,
    /// Members that it masks.
    pub mask_fields: Vec<String>,
    /// When it ends; `None` only where the operator allows endless ones.
    pub expires_at: Option<Timestamp>,
    /// How many reads in its life, reveals among them.
    pub max_uses: u32,
    /// Reads so far.
    pub uses: u32,
    /// How many reveals on the hosted page.
    pub max_reveals: u32,
    /// Reveals so far.
    pub reveals: u32,
    /// When it was made.
    pub created_at: Timestamp,
    /// Whether it shows its card on the hosted page alone, and answers no program.
    pub reveal_only: bool,
    /// The operations of the rules that it was made with, as JSON.
    pub rules: Option<String>,
}

/// Why a retrieve endpoint reads nothing any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Its time is over.
    Expired,
    /// It was used as often as it may be.
    UsedUp,
    /// The vault key has another passphrase, or another pair.
    KeyChanged,
}

impl RetrieveEndpoint {
    /// Whether it reads a card now; `reveal` on the hosted page.
    pub fn state(&self, now: Timestamp, reveal: bool) -> Result<(), Ended> {
        if self.wrapped.is_empty() {
            Err(Ended::KeyChanged)
        } else if self.expires_at.is_some_and(|end| end <= now) {
            Err(Ended::Expired)
        } else if self.uses >= self.max_uses || (reveal && self.reveals >= self.max_reveals) {
            Err(Ended::UsedUp)
        } else {
            Ok(())
        }
    }
}
