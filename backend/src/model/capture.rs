//! Capture endpoints: what they admit, and why they refuse.

use shared::YearMonth;

use super::{EndpointId, KeyId, MerchantId, Mode, Timestamp};

/// The card that an endpoint is locked to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lock {
    /// The card's token.
    pub token: String,
    /// The card's reference; empty where it has none.
    pub reference: String,
}

/// A place where a card may be entered, by whoever knows its address and secret.
#[derive(Clone, Debug)]
pub struct CaptureEndpoint {
    /// This incarnation.
    pub id: EndpointId,
    /// The name in the address; unique over the installation while it exists.
    pub unique_id: String,
    /// Whose it is.
    pub merchant: MerchantId,
    /// Test or live.
    pub mode: Mode,
    /// The vault key that captures are sealed to.
    pub key: KeyId,
    /// That key's name, answered as `user`.
    pub key_name: String,
    /// SHA-256 of the secret.
    pub secret_hash: Vec<u8>,
    /// The token algorithm by its wire name.
    pub algorithm: String,
    /// The card that it can only update, if any.
    pub lock: Option<Lock>,
    /// The reference that captures get; without it they get the one in the query, or the `unique_id`.
    pub reference: Option<String>,
    /// Whether answers carry card metadata.
    pub return_card_metadata: bool,
    /// Where to send an event for each capture, sealed under the root key.
    pub webhook: Option<Vec<u8>>,
    /// When it ends; `None` only where the operator allows endless ones.
    pub expires_at: Option<Timestamp>,
    /// How many captures in its life.
    pub max_uses: u32,
    /// How many captures a minute.
    pub max_per_minute: u32,
    /// Captures so far.
    pub uses: u32,
    /// The minute that `minute_uses` counts.
    pub minute: i64,
    /// Captures in that minute.
    pub minute_uses: u32,
    /// Refused numbers so far.
    pub refused: u32,
    /// When it was switched off after too many refused numbers.
    pub disabled_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
    /// The card types that it takes, by wire name; empty for all.
    pub card_types: Vec<String>,
    /// The month until which a card has to be valid at least.
    pub min_expiry: Option<YearMonth>,
    /// The operations of the rules that it was made with, as JSON.
    pub rules: Option<String>,
}

/// So many refused numbers switch an endpoint off (security rule 8).
pub const MAX_REFUSED: u32 = 20;

/// Why a capture was not stored. Decided inside the transaction that would have stored it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// There is no such endpoint (or none any more).
    Unknown,
    /// Its time is over.
    Expired,
    /// It has taken all the captures that it may take.
    UsedUp,
    /// It was switched off after too many refused numbers.
    Disabled,
    /// Too many captures in this minute: by the endpoint, the client's address or the merchant.
    TooMany,
    /// The card that it is locked to is not there any more.
    NoCard,
    /// Too many changes wait on the card.
    PatchesFull,
    /// Another number has this shortened token; the caller tries the next one.
    TokenTaken,
    /// The same submit of a form was stored before; its answer is kept.
    Repeated,
}

impl CaptureEndpoint {
    /// Whether the endpoint can take a capture now, leaving its counters alone. `limited` is false where the
    /// operator switched the limits off; `single_use` is true where the form allows one capture only.
    pub fn state(&self, now: Timestamp, limited: bool, single_use: bool) -> Result<(), Refusal> {
        if self.disabled_at.is_some() {
            Err(Refusal::Disabled)
        } else if self.expires_at.is_some_and(|end| end <= now) {
            Err(Refusal::Expired)
        } else if (limited && self.uses >= self.max_uses) || (single_use && self.uses > 0) {
            Err(Refusal::UsedUp)
        } else if limited && self.minute == now.minute() && self.minute_uses >= self.max_per_minute {
            Err(Refusal::TooMany)
        } else {
            Ok(())
        }
    }

    /// Counts one capture.
    pub fn count(&mut self, now: Timestamp) {
        if self.minute != now.minute() {
            self.minute = now.minute();
            self.minute_uses = 0;
        }
        self.uses = self.uses.saturating_add(1);
        self.minute_uses = self.minute_uses.saturating_add(1);
    }
}
