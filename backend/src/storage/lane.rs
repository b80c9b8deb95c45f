//! What passes through the capture lane: everything sealed already, except what only the transaction can tell.

use crate::model::{
    AuditEntry, Card, CardId, CvvKeyId, CvvRecord, EndpointId, FormSubmit, Lock, MerchantId, OutboxEvent,
    Shown, Timestamp,
};

/// A capture on its way into the store.
pub struct CaptureSubmission {
    /// The endpoint's incarnation that the secret was checked against.
    pub endpoint: EndpointId,
    /// Its owner.
    pub merchant: MerchantId,
    /// When it arrived.
    pub at: Timestamp,
    /// The client's address, for the limits.
    pub address: String,
    /// The limits to check; `None` where the operator switched them off.
    pub limits: Option<Limits>,
    /// Whether the form that was filled allows one capture only.
    pub single_use: bool,
    /// What to store: a new card (open endpoints), or nothing new.
    pub card: Option<NewCard>,
    /// The card that a locked endpoint updates.
    pub lock: Option<Lock>,
    /// What seals for a card that exists already; only the transaction knows which card and patch number.
    pub late: Box<dyn LateSeal>,
    /// Its audit entry; the object is completed with the card's id, and the digest made then.
    pub audit: AuditEntry,
    /// The event that tells of it, where the endpoint asked for one.
    pub event: Option<OutboxEvent>,
    /// The submit of a form that this is; one that is kept already is refused as repeated.
    pub once: Option<FormSubmit>,
}

/// Limits that hold across nodes, each for one minute (security rule 8).
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Captures from one client address.
    pub per_address: u32,
    /// Captures of one merchant.
    pub per_merchant: u32,
}

/// A new card, sealed for its own id.
pub struct NewCard {
    /// The row.
    pub row: Card,
    /// Its security code.
    pub cvv: Option<CvvRecord>,
}

/// A sealed patch, before it has its place.
pub struct SealedPatch {
    /// The pair it is sealed to.
    pub key_version: u32,
    /// The sealed members.
    pub sealed: Vec<u8>,
    /// What may be shown afterwards: only a new expiry, holder, identity number or network can change it.
    pub shown: ShownChange,
}

/// What a patch changes of what may be shown.
#[derive(Clone, Debug, Default)]
pub struct ShownChange {
    /// A new expiry.
    pub expiry: Option<shared::Expiry>,
    /// A new masked holder.
    pub holder: Option<String>,
    /// A new masked identity number.
    pub owner_id: Option<String>,
    /// A new choice between the brands of a co-badged card.
    pub network: Option<shared::Brand>,
}

impl ShownChange {
    /// Applies the change.
    pub fn apply(&self, shown: &mut Shown) {
        if self.expiry.is_some() {
            shown.expiry = self.expiry;
        }
        if let Some(holder) = &self.holder {
            shown.holder.clone_from(holder);
        }
        if let Some(owner_id) = &self.owner_id {
            shown.owner_id.clone_from(owner_id);
        }
        if self.network.is_some() {
            shown.network = self.network;
        }
    }
}

/// A sealed security code, before it has its card.
pub struct SealedCvv {
    /// The hourly key around it.
    pub cvv_key: CvvKeyId,
    /// The pair it is sealed to.
    pub key_version: u32,
    /// The sealed code.
    pub sealed: Vec<u8>,
    /// When it ends.
    pub expires_at: Timestamp,
    /// How often it may be used.
    pub uses_left: u32,
}

/// Seals what a capture brings for a card that exists already. Called inside the batch's transaction, so it
/// does no I/O and only symmetric cryptography.
pub trait LateSeal: Send {
    /// The patch with this number for this card; `None` where the capture brings no member.
    fn patch(&self, card: &CardId, number: u32) -> Result<Option<SealedPatch>, crate::crypto::CryptoError>;

    /// The security code for this card; `None` where the capture brings none.
    fn cvv(&self, card: &CardId) -> Result<Option<SealedCvv>, crate::crypto::CryptoError>;

    /// Gives an audit entry, now complete, its digest.
    fn mark(&self, entry: &mut AuditEntry);
}

/// A capture that is stored and synced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// The card it became or changed.
    pub card: CardId,
    /// Whether the card is new.
    pub new: bool,
}
