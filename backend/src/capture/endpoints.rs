//! Capture endpoints: made by a merchant who knows a vault key's passphrase, listed, read, deleted.

use shared::YearMonth;
use zeroize::Zeroizing;

use super::CaptureError;
use super::ttl::{self, Ttl};
use crate::access::Caller;
use crate::core::Core;
use crate::crypto::binding::Binding;
use crate::crypto::token::Algorithm;
use crate::crypto::{CryptoError, secret};
use crate::invalid::Invalid;
use crate::model::{CaptureEndpoint, EndpointId, Lock, MerchantId, Mode, Outcome, Timestamp, VaultKey};
use crate::outbox::events::Webhook;
use crate::storage::{Page, StoreError};
use crate::vault::cards;
use crate::vault::keys::{self, KeyAccess};

/// What a creation asks for, parsed.
pub struct NewEndpoint {
    /// Its life.
    pub ttl: Ttl,
    /// The name in its address; generated where none is given.
    pub unique_id: Option<String>,
    /// The card to lock it to.
    pub token: Option<String>,
    /// The reference of that card, or of the cards it will capture.
    pub reference: String,
    /// The token algorithm.
    pub algorithm: Algorithm,
    /// Whether captures answer card metadata.
    pub return_card_metadata: bool,
    /// How many captures in its life.
    pub max_uses: Option<u32>,
    /// Where to send events.
    pub webhook: Option<Webhook>,
    /// The card types that it takes, by wire name; empty for all.
    pub card_types: Vec<String>,
    /// The month until which its cards have to be valid at least.
    pub min_expiry: Option<YearMonth>,
    /// The operations of the rules that captures are changed by, as `rules::stored::kept` writes them.
    pub rules: Option<String>,
}

/// A created endpoint. The secret is shown once.
pub struct Created {
    /// The endpoint.
    pub endpoint: CaptureEndpoint,
    /// Its secret.
    pub secret: Zeroizing<String>,
}

/// Names that addresses use for themselves.
const RESERVED: [&str; 5] = ["iframe", "result", "done", "pcd", "ach"];

/// Creates an endpoint. The passphrase is verified, though nothing of the endpoint depends on it (security
/// rule 4): it proves that the caller may use the key.
pub async fn create(
    core: &Core,
    caller: &Caller,
    access: &KeyAccess,
    new: NewEndpoint,
) -> Result<Created, CaptureError> {
    check(core, &new)?;
    cards::check_reference(&new.reference)?;
    let (key, pairs) = keys::find_with_pairs(core, caller, &access.user).await?;
    core.keyring.unlock(core, &key, &pairs, &access.passphrase, &caller.actor()).await?;
    let secret = secret::generate_secret(&*core.entropy);
    let endpoint = build(core, &key, new, &secret)?;
    let mut transaction = core.store.begin().await?;
    if let Some(lock) = &endpoint.lock {
        let card = transaction
            .find_card(caller.merchant.clone(), key.id.clone(), lock.token.clone(), lock.reference.clone())
            .await?;
        let card = card.ok_or(CaptureError::UnknownCard)?;
        // A card that is deleted meanwhile would leave an endpoint behind.
        if !transaction.hold_card(card.merchant, card.id).await? {
            return Err(StoreError::Retry.into());
        }
    }
    transaction.add_endpoint(endpoint.clone()).await.map_err(|error| match error {
        StoreError::Conflict => CaptureError::Taken,
        other => other.into(),
    })?;
    let entry = core.entry(&caller.actor(), "capture.create", endpoint.id.as_str(), Outcome::Done);
    transaction.add_audit(entry).await?;
    transaction.commit().await?;
    Ok(Created { endpoint, secret })
}

/// A page of a merchant's endpoints.
pub async fn list(core: &Core, caller: &Caller, page: Page) -> Result<Vec<CaptureEndpoint>, CaptureError> {
    Ok(core.store.read().await?.list_endpoints(caller.merchant.clone(), caller.mode, page).await?)
}

/// One endpoint of the caller's merchant.
pub async fn find(core: &Core, caller: &Caller, unique_id: &str) -> Result<CaptureEndpoint, CaptureError> {
    find_of(core, &caller.merchant, caller.mode, unique_id).await?.ok_or(CaptureError::Unknown)
}

/// One endpoint of a merchant.
pub async fn find_of(
    core: &Core,
    merchant: &MerchantId,
    mode: Mode,
    unique_id: &str,
) -> Result<Option<CaptureEndpoint>, CaptureError> {
    Ok(core.store.read().await?.find_endpoint(merchant.clone(), mode, unique_id.to_owned()).await?)
}

/// Deletes an endpoint; its name is free at once.
pub async fn delete(core: &Core, caller: &Caller, unique_id: &str) -> Result<(), CaptureError> {
    let endpoint = find(core, caller, unique_id).await?;
    let mut transaction = core.store.begin().await?;
    transaction.delete_endpoint(caller.merchant.clone(), endpoint.id.clone()).await?;
    let entry = core.entry(&caller.actor(), "capture.delete", endpoint.id.as_str(), Outcome::Done);
    transaction.add_audit(entry).await?;
    transaction.commit().await?;
    Ok(())
}

fn check(core: &Core, new: &NewEndpoint) -> Result<(), CaptureError> {
    if new.ttl == Ttl::Endless && !core.policy.endless_endpoints {
        let detail = "Endpoints without an end are switched off on this server.";
        return Err(Invalid::new("/ttl", "endless", detail).into());
    }
    if let Some(id) = &new.unique_id {
        check_id("/unique_id", id)?;
    }
    if new.token.is_some() && !new.card_types.is_empty() {
        let detail = "An endpoint that is locked to a card takes no number, whatever its type.";
        return Err(Invalid::new("/card_types", "locked", detail).into());
    }
    let most = core.policy.max_uses_cap;
    if new.max_uses.is_some_and(|uses| uses == 0 || uses > most) {
        return Err(
            Invalid::new("/max_uses", "range", format!("max_uses has to be between 1 and {most}.")).into()
        );
    }
    Ok(())
}

/// A name that becomes part of an address: 1 to 64 characters of the URL-safe alphabet, not a reserved one.
pub fn check_id(at: &str, id: &str) -> Result<(), Invalid> {
    let usable = (1..=64).contains(&id.len())
        && id.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
        && !shared::digits::holds_card_number(id);
    if !usable {
        return Err(Invalid::new(
            at,
            "characters",
            "An id has 1 to 64 letters, digits, dashes and underscores.",
        ));
    }
    if RESERVED.contains(&id) || id == "custom" {
        return Err(Invalid::new(at, "reserved", "This id is reserved."));
    }
    Ok(())
}

fn build(
    core: &Core,
    key: &VaultKey,
    new: NewEndpoint,
    secret: &str,
) -> Result<CaptureEndpoint, CaptureError> {
    let now = core.now();
    let id = EndpointId::new(now, &*core.entropy);
    let webhook = new.webhook.map(|webhook| seal_webhook(core, key, &id, &webhook)).transpose()?;
    let (lock, reference) = match new.token {
        Some(token) => (Some(Lock { token, reference: new.reference }), None),
        None => (None, Some(new.reference).filter(|reference| !reference.is_empty())),
    };
    Ok(CaptureEndpoint {
        unique_id: new.unique_id.unwrap_or_else(|| secret::generate_id(&*core.entropy)),
        merchant: key.merchant.clone(),
        mode: key.mode,
        key: key.id.clone(),
        key_name: key.name.clone(),
        secret_hash: secret::hash(secret).to_vec(),
        algorithm: new.algorithm.to_string(),
        lock,
        reference,
        return_card_metadata: new.return_card_metadata,
        webhook,
        expires_at: expiry(new.ttl, now),
        max_uses: new.max_uses.unwrap_or(core.policy.max_uses),
        max_per_minute: core.policy.max_per_minute,
        uses: 0,
        minute: 0,
        minute_uses: 0,
        refused: 0,
        disabled_at: None,
        created_at: now,
        card_types: new.card_types,
        min_expiry: new.min_expiry,
        rules: new.rules,
        id,
    })
}

fn expiry(ttl: Ttl, now: Timestamp) -> Option<Timestamp> {
    match ttl {
        Ttl::For(duration) => Some(now.plus(duration)),
        Ttl::Endless => None,
    }
}

/// The webhook's secret must be known again when the event is sent, so it is sealed, not hashed.
fn seal_webhook(
    core: &Core,
    key: &VaultKey,
    endpoint: &EndpointId,
    webhook: &Webhook,
) -> Result<Vec<u8>, CryptoError> {
    let text = Zeroizing::new(serde_json::to_vec(webhook).map_err(|_| CryptoError::Open)?);
    core.root.wrap(&bind_webhook(&key.merchant, key.mode, endpoint), &text, &*core.entropy)
}

/// Where an endpoint's captures are told, if anywhere.
pub(super) fn open_webhook(core: &Core, endpoint: &CaptureEndpoint) -> Result<Option<Webhook>, CryptoError> {
    let Some(sealed) = &endpoint.webhook else { return Ok(None) };
    let binding = bind_webhook(&endpoint.merchant, endpoint.mode, &endpoint.id);
    let text = core.root.unwrap(&binding, sealed)?;
    serde_json::from_slice(&text).map(Some).map_err(|_| CryptoError::Open)
}

fn bind_webhook<'b>(merchant: &'b MerchantId, mode: Mode, endpoint: &'b EndpointId) -> Binding<'b> {
    Binding {
        merchant: merchant.as_str(),
        mode: mode.as_str(),
        record: endpoint.as_str(),
        kind: "capture endpoint",
        field: "webhook",
        number: 0,
        key_version: 0,
    }
}

/// The default life.
pub const DEFAULT_TTL: Ttl = Ttl::For(ttl::DEFAULT);
