//! Vault keys: made, listed, given another passphrase, rotated, deleted.

use zeroize::Zeroizing;

use super::VaultError;
use super::sealing::bind_key;
use crate::access::Caller;
use crate::core::Core;
use crate::crypto::entropy::{self, Entropy};
use crate::crypto::passphrase::{self, KdfParams};
use crate::crypto::sealing::KeyPair;
use crate::crypto::{CryptoError, Key32, aead, custody};
use crate::invalid::Invalid;
use crate::model::{Custody, KeyId, KeyPairRow, MerchantId, Mode, Outcome, Timestamp, VaultKey};
use crate::storage::{Page, StoreError, Transaction};

/// The name that addresses a merchant's managed key.
pub const MANAGED: &str = "managed";
/// The longest name and passphrase, in bytes.
const MAX_BYTES: usize = 200;

/// How a vault key is named and opened in a call.
pub struct KeyAccess {
    /// The key's name, `user` on the wire.
    pub user: String,
    /// Its passphrase; empty for the managed key.
    pub passphrase: Zeroizing<String>,
}

/// Makes a vault key with passphrase custody. Without a passphrase one is generated and returned, once.
pub async fn create(
    core: &Core,
    caller: &Caller,
    user: &str,
    chosen: Option<Zeroizing<String>>,
) -> Result<Zeroizing<String>, VaultError> {
    check_name(user)?;
    let passphrase = match chosen.filter(|text| !text.is_empty()) {
        Some(text) => check_passphrase(text, "/passphrase")?,
        None => passphrase::generate_passphrase(&*core.entropy),
    };
    let (core_, caller_, name, secret) = (core.clone(), caller.clone(), user.to_owned(), passphrase.clone());
    let permit = core.keyring.derivation().await?;
    let (key, pair) = tokio::task::spawn_blocking(move || {
        new_key(&core_, &caller_.merchant, caller_.mode, &name, Some(&secret))
    })
    .await
    .map_err(|_| VaultError::Broken)??;
    drop(permit);
    let id = key.id.clone();
    let mut transaction = core.store.begin().await?;
    transaction.add_key(key, pair).await.map_err(|error| match error {
        StoreError::Conflict => VaultError::KeyExists,
        other => other.into(),
    })?;
    transaction.add_audit(core.entry(&caller.actor(), "key.create", id.as_str(), Outcome::Done)).await?;
    transaction.commit().await?;
    Ok(passphrase)
}

/// Adds the managed key of a merchant and mode within the caller's transaction.
pub async fn add_managed(
    core: &Core,
    transaction: &mut dyn Transaction,
    merchant: &MerchantId,
    mode: Mode,
) -> Result<(), VaultError> {
    let (key, pair) = new_key(core, merchant, mode, MANAGED, None)?;
    Ok(transaction.add_key(key, pair).await?)
}

/// A page of vault keys by name.
pub async fn list(core: &Core, caller: &Caller, page: Page) -> Result<Vec<VaultKey>, VaultError> {
    Ok(core.store.read().await?.list_keys(caller.merchant.clone(), caller.mode, page).await?)
}

/// Changes the passphrase: wraps the custody key anew, 32 bytes. No endpoint and no record changes.
pub async fn change_passphrase(
    core: &Core,
    caller: &Caller,
    access: &KeyAccess,
    new: Zeroizing<String>,
) -> Result<(), VaultError> {
    let new = check_passphrase(new, "/new_passphrase")?;
    let mut key = find_changeable(core, caller, &access.user).await?;
    let custody = core.keyring.custody(core, &key, &access.passphrase, &caller.actor()).await?;
    let core_ = core.clone();
    let permit = core.keyring.derivation().await?;
    key = tokio::task::spawn_blocking(move || {
        wrap_custody(&core_, &mut key, &custody, Some(&new))?;
        Ok::<_, CryptoError>(key)
    })
    .await
    .map_err(|_| VaultError::Broken)??;
    drop(permit);
    replace(core, caller, Changed { key, rewrapped: Vec::new(), added: None }, "key.change").await
}

/// Makes a new pair that later records are sealed to, and a new custody key: older private halves are wrapped
/// by it in the same transaction, so that the old custody key opens nothing that is stored from now on. Cards
/// are sealed anew when they are opened.
pub async fn rotate(core: &Core, caller: &Caller, access: &KeyAccess) -> Result<u32, VaultError> {
    let (key, pairs) = find_with_pairs(core, caller, &access.user).await?;
    let old = core.keyring.custody(core, &key, &access.passphrase, &caller.actor()).await?;
    let (core_, passphrase) = (core.clone(), access.passphrase.clone());
    let permit = core.keyring.derivation().await?;
    let rotated = tokio::task::spawn_blocking(move || rotated(&core_, key, pairs, &old, &passphrase)).await;
    let rotated = rotated.map_err(|_| VaultError::Broken)??;
    drop(permit);
    let version = rotated.key.current;
    replace(core, caller, rotated, "key.rotate").await?;
    Ok(version)
}

/// Deletes a vault key. A safe deletion is refused while cards are stored under it; an unsafe one makes them
/// unreadable for ever.
pub async fn delete(core: &Core, caller: &Caller, user: &str, safe: bool) -> Result<(), VaultError> {
    let key = find_changeable(core, caller, user).await?;
    let mut transaction = core.store.begin().await?;
    // First, so that no capture stores a card between the look and the deletion.
    transaction.delete_key_endpoints(caller.merchant.clone(), key.id.clone()).await?;
    if safe && transaction.key_has_cards(caller.merchant.clone(), key.id.clone()).await? {
        return Err(VaultError::KeyHasCards);
    }
    transaction.delete_key(caller.merchant.clone(), key.id.clone()).await?;
    transaction.add_audit(core.entry(&caller.actor(), "key.delete", key.id.as_str(), Outcome::Done)).await?;
    transaction.commit().await?;
    Ok(())
}

/// The vault key of a name.
pub async fn find(core: &Core, caller: &Caller, user: &str) -> Result<VaultKey, VaultError> {
    let mut transaction = core.store.read().await?;
    let found = transaction.find_key(caller.merchant.clone(), caller.mode, user.to_owned()).await?;
    found.ok_or(VaultError::UnknownKey)
}

/// The vault key of a name with its pairs, of one snapshot: a rotation between the two reads would give pairs
/// that the key's custody key does not open.
pub async fn find_with_pairs(
    core: &Core,
    caller: &Caller,
    user: &str,
) -> Result<(VaultKey, Vec<KeyPairRow>), VaultError> {
    let mut transaction = core.store.read().await?;
    let found = transaction.find_key(caller.merchant.clone(), caller.mode, user.to_owned()).await?;
    let key = found.ok_or(VaultError::UnknownKey)?;
    let pairs = transaction.pairs(caller.merchant.clone(), key.id.clone()).await?;
    Ok((key, pairs))
}

async fn find_changeable(core: &Core, caller: &Caller, user: &str) -> Result<VaultKey, VaultError> {
    let key = find(core, caller, user).await?;
    if key.custody == Custody::Managed { Err(VaultError::KeyIsManaged) } else { Ok(key) }
}

/// A vault key as it is to be stored in place of what was read.
struct Changed {
    key: VaultKey,
    /// Pairs whose private half is wrapped anew.
    rewrapped: Vec<KeyPairRow>,
    /// A pair that is new.
    added: Option<KeyPairRow>,
}

/// A key with one pair more and another custody key. Stretches the passphrase: no work for a reactor's thread.
fn rotated(
    core: &Core,
    mut key: VaultKey,
    mut pairs: Vec<KeyPairRow>,
    old: &Key32,
    passphrase: &str,
) -> Result<Changed, CryptoError> {
    let custody = entropy::key(&*core.entropy);
    for pair in &mut pairs {
        let binding = bind_key(&key, "private", pair.version);
        let private = aead::open(old, &binding, &core.root.unwrap(&binding, &pair.wrapped_private)?)?;
        let inner = aead::seal(&custody, &binding, &private, &*core.entropy);
        pair.wrapped_private = core.root.wrap(&binding, &inner, &*core.entropy)?;
    }
    let passphrase = (key.custody == Custody::Passphrase).then_some(passphrase);
    wrap_custody(core, &mut key, &custody, passphrase)?;
    key.current += 1;
    let added = new_pair(core, &key, &custody, key.current)?;
    Ok(Changed { key, rewrapped: pairs, added: Some(added) })
}

/// Stores a changed key, unless it changed in the meantime.
async fn replace(
    core: &Core,
    caller: &Caller,
    changed: Changed,
    action: &'static str,
) -> Result<(), VaultError> {
    let id = changed.key.id.clone();
    let mut transaction = core.store.begin().await?;
    // First, so that two calls at the same time do not write pairs of two custody keys.
    if !transaction.update_key(changed.key).await? {
        return Err(VaultError::Contended);
    }
    // Retrieve endpoints end with the passphrase that they were made by (spec A.6).
    transaction.end_key_retrievals(caller.merchant.clone(), id.clone()).await?;
    for pair in changed.rewrapped {
        transaction.update_pair(caller.merchant.clone(), pair).await?;
    }
    if let Some(pair) = changed.added {
        transaction.add_pair(caller.merchant.clone(), pair).await.map_err(|error| match error {
            StoreError::Conflict => VaultError::Contended,
            other => other.into(),
        })?;
    }
    transaction.add_audit(core.entry(&caller.actor(), action, id.as_str(), Outcome::Done)).await?;
    transaction.commit().await?;
    Ok(())
}

/// A new vault key and its first pair: with a passphrase, or managed.
fn new_key(
    core: &Core,
    merchant: &MerchantId,
    mode: Mode,
    name: &str,
    passphrase: Option<&str>,
) -> Result<(VaultKey, KeyPairRow), CryptoError> {
    let now = core.now();
    let entropy = &*core.entropy;
    let mut key = bare_key(merchant, mode, name, now, entropy);
    let token_key = entropy::key(entropy);
    key.wrapped_token_key = core.root.wrap(&bind_key(&key, "token", 0), token_key.as_bytes(), entropy)?;
    let custody = entropy::key(entropy);
    wrap_custody(core, &mut key, &custody, passphrase)?;
    let pair = new_pair(core, &key, &custody, key.current)?;
    Ok((key, pair))
}

fn bare_key(
    merchant: &MerchantId,
    mode: Mode,
    name: &str,
    now: Timestamp,
    entropy: &dyn Entropy,
) -> VaultKey {
    VaultKey {
        id: KeyId::new(now, entropy),
        merchant: merchant.clone(),
        mode,
        name: name.to_owned(),
        custody: Custody::Managed,
        salt: Vec::new(),
        kdf: String::new(),
        wrapped_custody: Vec::new(),
        wrapped_token_key: Vec::new(),
        current: 1,
        row_version: 1,
        created_at: now,
    }
}

fn wrap_custody(
    core: &Core,
    key: &mut VaultKey,
    custody: &Key32,
    passphrase: Option<&str>,
) -> Result<(), CryptoError> {
    let entropy = &*core.entropy;
    let Some(passphrase) = passphrase else {
        key.wrapped_custody = core.root.wrap(&bind_key(key, "custody", 0), custody.as_bytes(), entropy)?;
        return Ok(());
    };
    let salt = entropy::bytes::<16>(entropy);
    let params = KdfParams::default();
    let binding = bind_key(key, "custody", 0);
    let wrapped =
        custody::wrap_with_passphrase(custody, passphrase, &salt, &params, &binding, &*core.root, entropy)?;
    key.custody = Custody::Passphrase;
    key.salt = salt.to_vec();
    key.kdf = params.encode();
    key.wrapped_custody = wrapped;
    Ok(())
}

fn new_pair(core: &Core, key: &VaultKey, custody: &Key32, version: u32) -> Result<KeyPairRow, CryptoError> {
    let entropy = &*core.entropy;
    let pair = KeyPair::generate(entropy);
    let psk = entropy::key(entropy);
    let inner = aead::seal(custody, &bind_key(key, "private", version), pair.private.as_bytes(), entropy);
    Ok(KeyPairRow {
        key: key.id.clone(),
        version,
        public: pair.public.to_vec(),
        wrapped_private: core.root.wrap(&bind_key(key, "private", version), &inner, entropy)?,
        wrapped_psk: core.root.wrap(&bind_key(key, "psk", version), psk.as_bytes(), entropy)?,
        created_at: core.now(),
    })
}

fn check_name(user: &str) -> Result<(), VaultError> {
    let problem = |code, detail| Err(Invalid::new("/user", code, detail).into());
    if user.is_empty() {
        problem("missing", "A key needs a name.")
    } else if user == MANAGED {
        problem("reserved", "This name is the managed key's.")
    } else if user.len() > MAX_BYTES || user.chars().any(shared::holder::is_unprintable) {
        problem("characters", "A key's name has at most 200 bytes and no control characters.")
    } else if shared::digits::holds_card_number(user) {
        problem("holds_number", "A key's name may not hold a card number.")
    } else {
        Ok(())
    }
}

fn check_passphrase(text: Zeroizing<String>, at: &str) -> Result<Zeroizing<String>, VaultError> {
    if text.is_empty() {
        return Err(Invalid::new(at, "missing", "A passphrase is needed.").into());
    }
    if text.len() > MAX_BYTES {
        return Err(Invalid::new(at, "too_long", "A passphrase has at most 200 bytes.").into());
    }
    Ok(text)
}
