//! Stored cards: the sealed record, what may be shown of it, its waiting patches, and its security code.

use shared::{Brand, Expiry};

use super::{CardId, CvvKeyId, KeyId, MerchantId, Mode, Timestamp};

/// What may be shown of a card without opening it (security rule 7).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// Brand by leading digits.
    pub brand: Brand,
    /// The brand that the holder of a co-badged card chose for payments.
    pub network: Option<Brand>,
    /// At most the first six digits.
    pub first_six: String,
    /// The last four digits.
    pub last_four: String,
    /// How many digits the number has.
    pub digits: u8,
    /// Month and year, where the card has them.
    pub expiry: Option<Expiry>,
    /// The holder's name, masked.
    pub holder: String,
    /// The holder's identity number, masked; empty for none.
    pub owner_id: String,
}

/// A stored card. Its identity towards merchants is (vault key, token, reference).
#[derive(Clone, Debug)]
pub struct Card {
    /// Identity inside.
    pub id: CardId,
    /// Whose it is.
    pub merchant: MerchantId,
    /// Test or live.
    pub mode: Mode,
    /// The vault key it is sealed under.
    pub key: KeyId,
    /// Which pair of that key.
    pub key_version: u32,
    /// The token.
    pub token: String,
    /// The reference; empty where none was given.
    pub reference: String,
    /// The full token of the number where `token` is a shortened one: tells a second number with the same
    /// shortened token apart. Empty for full tokens (they tell it themselves) and random ones (security rule 7).
    pub fingerprint: String,
    /// What may be shown.
    pub shown: Shown,
    /// Counts rewrites of `sealed`: the number in its binding, and the compare value of a fold.
    pub version: u32,
    /// The number of the newest patch ever stored; never goes back.
    pub last_patch: u32,
    /// How many patches wait to be folded in.
    pub waiting: u32,
    /// Bytes of the waiting patches.
    pub waiting_bytes: u32,
    /// The sealed members.
    pub sealed: Vec<u8>,
    /// When it was stored.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// At most this many patches may wait on a card (security rule 3).
pub const MAX_PATCHES: u32 = 32;
/// At most this many bytes of patches may wait on a card (security rule 3).
pub const MAX_PATCH_BYTES: u32 = 256 * 1024;
/// A card that patches have made this large takes no more of them.
pub const MAX_CARD_BYTES: usize = 1024 * 1024;

impl Card {
    /// Whether one more patch of `bytes` may wait, by itself and beside what is stored already.
    pub fn has_room(&self, bytes: usize) -> bool {
        if self.sealed.len() + bytes > MAX_CARD_BYTES {
            return false;
        }
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        self.waiting < MAX_PATCHES && self.waiting_bytes.saturating_add(bytes) <= MAX_PATCH_BYTES
    }
}

/// A sealed change that waits to be folded into its card by whoever can open it.
#[derive(Clone, Debug)]
pub struct Patch {
    /// Which card.
    pub card: CardId,
    /// The card's counter when it was stored; part of its binding.
    pub number: u32,
    /// The pair of the card's vault key that it is sealed to.
    pub key_version: u32,
    /// The sealed members.
    pub sealed: Vec<u8>,
    /// When it was stored.
    pub created_at: Timestamp,
}

/// A stored security code: apart from the card, short-lived, counted.
#[derive(Clone, Debug)]
pub struct CvvRecord {
    /// Which card.
    pub card: CardId,
    /// The hourly key around it.
    pub cvv_key: CvvKeyId,
    /// The pair of the card's vault key that it is sealed to.
    pub key_version: u32,
    /// The code, sealed to the vault key inside and under the hourly key outside.
    pub sealed: Vec<u8>,
    /// When it ends.
    pub expires_at: Timestamp,
    /// How often it may still be used.
    pub uses_left: u32,
    /// When it was stored.
    pub created_at: Timestamp,
}

/// One hour's key around security codes; destroyed when its codes are gone.
#[derive(Clone, Debug)]
pub struct CvvKey {
    /// Identity.
    pub id: CvvKeyId,
    /// Hours since the epoch.
    pub hour: i64,
    /// The key, wrapped by the root key.
    pub wrapped: Vec<u8>,
    /// When it was made.
    pub created_at: Timestamp,
}
