//! Security codes: sealed apart from their card, under an hourly key, for a time and a number of uses
//! (design.md, decision 5).

use std::sync::Arc;

use shared::Cvv;
use zeroize::Zeroizing;

use super::sealing::{Part, Sealer, Unlocked};
use super::{VaultError, terms};
use crate::core::{Actor, Core};
use crate::crypto::binding::Binding;
use crate::crypto::{CryptoError, Key32, aead};
use crate::model::{Card, CardId, CvvKeyId, CvvRecord, Timestamp, Use};
use crate::storage::{SealedCvv, Transaction};

/// Seals a code for whatever card it turns out to belong to.
pub struct CvvSealer {
    sealer: Sealer,
    hour: CvvKeyId,
    hour_key: Arc<Key32>,
    expires_at: Timestamp,
    uses: u32,
}

impl CvvSealer {
    /// With the key of this hour and the operator's policy.
    pub async fn new(core: &Core, sealer: Sealer) -> Result<Self, VaultError> {
        let (hour, hour_key) = core.keyring.cvv_key_now(core).await?;
        let expires_at = core.now().plus(core.policy.cvv_life);
        Ok(Self { sealer, hour, hour_key, expires_at, uses: core.policy.cvv_uses })
    }

    /// Seals a code for a card: to the vault key inside, under the hourly key outside.
    pub fn seal(&self, card: &CardId, code: &Cvv) -> Result<SealedCvv, CryptoError> {
        let inner = self.sealer.seal(card, Part::Code, code.digits().as_bytes())?;
        let binding = self.sealer.owner.bind(card, Part::Code, self.sealer.version);
        Ok(SealedCvv {
            cvv_key: self.hour.clone(),
            key_version: self.sealer.version,
            sealed: aead::seal(&self.hour_key, &binding, &inner, &*self.sealer.entropy),
            expires_at: self.expires_at,
            uses_left: self.uses,
        })
    }
}

/// The row of a sealed code.
pub fn row(card: &CardId, sealed: SealedCvv, now: Timestamp) -> CvvRecord {
    CvvRecord {
        card: card.clone(),
        cvv_key: sealed.cvv_key,
        key_version: sealed.key_version,
        sealed: sealed.sealed,
        expires_at: sealed.expires_at,
        uses_left: sealed.uses_left,
        created_at: now,
    }
}

/// Opens a card's code and counts the use in the caller's transaction. `None` where there is none any more, or
/// where its terms do not allow this use. The last use erases the code, and its card where the terms say so.
pub async fn spend(
    core: &Core,
    transaction: &mut dyn Transaction,
    unlocked: &Unlocked,
    card: &Card,
    at: Use<'_>,
    actor: &Actor,
) -> Result<Option<Zeroizing<Vec<u8>>>, VaultError> {
    let (merchant, id) = (card.merchant.clone(), card.id.clone());
    let Some(mut terms) = transaction.lock_cvv_terms(merchant.clone(), id.clone()).await? else {
        return Ok(None);
    };
    let Some(record) = transaction.find_cvv(merchant.clone(), id.clone()).await? else { return Ok(None) };
    if !terms.take(at, core.now()) {
        return Ok(None);
    }
    let Some(hour) = transaction.lookup_cvv_key(record.cvv_key.clone()).await? else { return Ok(None) };
    let hour_key = core.keyring.unwrap_cvv_key(core, &hour)?;
    let binding = unlocked.owner.bind(&card.id, Part::Code, record.key_version);
    let inner = aead::open(&hour_key, &binding, &record.sealed)?;
    let code = unlocked.open(&card.id, Part::Code, record.key_version, &inner)?;
    if !terms::end_if_used_up(core, transaction, actor, card, &terms).await? {
        transaction.set_cvv_terms(merchant, id, terms).await?;
    }
    Ok(Some(code))
}

/// What an hourly key is bound to.
pub fn bind_hour(id: &CvvKeyId) -> Binding<'_> {
    Binding {
        merchant: "",
        mode: "",
        record: id.as_str(),
        kind: "cvv key",
        field: "key",
        number: 0,
        key_version: 0,
    }
}
