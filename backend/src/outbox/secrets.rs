//! The secrets that webhooks are signed with: one for each merchant and mode, shown on request, rotated with
//! an overlap in which both sign.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::OutboxError;
use crate::core::{Actor, Core};
use crate::crypto::binding::Binding;
use crate::crypto::{CryptoError, Key32, entropy, secret};
use crate::model::{MerchantId, Mode, Outcome, Timestamp, WebhookSecretRow};
use crate::storage::{StoreError, Transaction};

/// How secrets of this kind begin (Standard Webhooks).
const PREFIX: &str = "whsec_";
/// After a rotation the secret before it signs as well for so long.
const OVERLAP: Duration = Duration::from_hours(24);

/// A merchant's signing secret in clear. No Debug; wiped when dropped.
pub struct Shown {
    /// `whsec_` and base64 of 32 random bytes.
    pub secret: Zeroizing<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// Until when the secret before it signs as well.
    pub previous_until: Option<Timestamp>,
}

/// A key that signs.
pub struct SigningKey(Key32);

impl SigningKey {
    /// HMAC-SHA256 over a message.
    pub fn sign(&self, message: &[u8]) -> [u8; 32] {
        secret::mac(&self.0, message)
    }
}

/// What is sealed.
#[derive(Deserialize, Serialize, Zeroize, ZeroizeOnDrop)]
struct Secrets {
    current: String,
    previous: Option<String>,
    previous_until: Option<i64>,
}

/// Makes the first secret of a mode in the caller's transaction.
pub async fn create(
    core: &Core,
    transaction: &mut dyn Transaction,
    merchant: &MerchantId,
    mode: Mode,
) -> Result<Zeroizing<String>, OutboxError> {
    let secrets = Secrets { current: generate(core), previous: None, previous_until: None };
    let row = seal(core, merchant, mode, &secrets, core.now())?;
    let stands = transaction.add_webhook_secret(row).await?;
    Ok(Zeroizing::new(open(core, &stands)?.current.clone()))
}

/// The present secret.
pub async fn show(core: &Core, merchant: &MerchantId, mode: Mode) -> Result<Shown, OutboxError> {
    let row = find(core, merchant, mode).await?;
    shown(core, &row)
}

/// Makes a new secret; the one before it signs as well for a day, so that receivers can follow.
pub async fn rotate(
    core: &Core,
    actor: &Actor,
    merchant: &MerchantId,
    mode: Mode,
) -> Result<Shown, OutboxError> {
    let before = find(core, merchant, mode).await?;
    let previous = open(core, &before)?.current.clone();
    let now = core.now();
    let until = now.plus(OVERLAP).millis();
    let secrets = Secrets { current: generate(core), previous: Some(previous), previous_until: Some(until) };
    let row = seal(core, merchant, mode, &secrets, now)?;
    let mut transaction = core.store.begin().await?;
    if !transaction.replace_webhook_secret(row.clone(), before.created_at).await? {
        // Somebody else rotates at this moment.
        return Err(StoreError::Retry.into());
    }
    transaction
        .add_audit(core.entry(actor, "webhook_secret.rotate", merchant.as_str(), Outcome::Done))
        .await?;
    transaction.commit().await?;
    shown(core, &row)
}

/// The keys that sign now: the present one first.
pub async fn signing_keys(
    core: &Core,
    merchant: &MerchantId,
    mode: Mode,
) -> Result<Vec<SigningKey>, OutboxError> {
    let secrets = open(core, &find(core, merchant, mode).await?)?;
    let mut keys = vec![key_of(&secrets.current)?];
    let overlaps = secrets.previous_until.is_some_and(|until| core.now().millis() < until);
    if let Some(previous) = secrets.previous.as_ref().filter(|_| overlaps) {
        keys.push(key_of(previous)?);
    }
    Ok(keys)
}

/// The stored secrets. Merchants that are older than webhooks get theirs when they are first needed.
async fn find(core: &Core, merchant: &MerchantId, mode: Mode) -> Result<WebhookSecretRow, OutboxError> {
    if let Some(row) = core.store.read().await?.find_webhook_secret(merchant.clone(), mode).await? {
        return Ok(row);
    }
    let mut transaction = core.store.begin().await?;
    create(core, &mut *transaction, merchant, mode).await?;
    let row = transaction.find_webhook_secret(merchant.clone(), mode).await?;
    transaction.commit().await?;
    Ok(row.ok_or(StoreError::Inconsistent { table: "webhook_secret", what: "row" })?)
}

fn generate(core: &Core) -> String {
    format!("{PREFIX}{}", STANDARD.encode(entropy::key(&*core.entropy).as_bytes()))
}

fn key_of(secret: &str) -> Result<SigningKey, CryptoError> {
    let encoded = secret.strip_prefix(PREFIX).ok_or(CryptoError::Open)?;
    let bytes = Zeroizing::new(STANDARD.decode(encoded).map_err(|_| CryptoError::Open)?);
    Key32::from_slice(&bytes).map(SigningKey)
}

fn shown(core: &Core, row: &WebhookSecretRow) -> Result<Shown, OutboxError> {
    let secrets = open(core, row)?;
    let until = secrets.previous_until.map(Timestamp::from_millis);
    Ok(Shown {
        secret: Zeroizing::new(secrets.current.clone()),
        created_at: row.created_at,
        previous_until: until.filter(|until| *until > core.now()),
    })
}

/// What the sealed secrets of a merchant and mode are bound to.
pub fn bind(merchant: &MerchantId, mode: Mode) -> Binding<'_> {
    Binding {
        merchant: merchant.as_str(),
        mode: mode.as_str(),
        record: merchant.as_str(),
        kind: "webhook secret",
        field: "secret",
        number: 0,
        key_version: 0,
    }
}

fn seal(
    core: &Core,
    merchant: &MerchantId,
    mode: Mode,
    secrets: &Secrets,
    created_at: Timestamp,
) -> Result<WebhookSecretRow, CryptoError> {
    let text = Zeroizing::new(serde_json::to_vec(secrets).map_err(|_| CryptoError::Open)?);
    let sealed = core.root.wrap(&bind(merchant, mode), &text, &*core.entropy)?;
    Ok(WebhookSecretRow { merchant: merchant.clone(), mode, sealed, created_at })
}

fn open(core: &Core, row: &WebhookSecretRow) -> Result<Secrets, CryptoError> {
    let text = core.root.unwrap(&bind(&row.merchant, row.mode), &row.sealed)?;
    serde_json::from_slice(&text).map_err(|_| CryptoError::Open)
}
