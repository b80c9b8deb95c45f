//! The secrets of credentials: generated ones by their hash; chosen ones by Argon2id, remembered for a minute and
//! limited in their failures (security rule 5).

use std::sync::Arc;
use std::time::Duration;

use zeroize::Zeroizing;

use super::AccessError;
use crate::core::Core;
use crate::crypto::entropy::{self, Entropy};
use crate::crypto::passphrase::{self, KdfParams};
use crate::crypto::{CryptoError, Key32, secret};
use crate::model::{ApiKey, ApiKeyId, Timestamp};
use crate::timed_cache::TimedCache;
use crate::vault::VaultError;

/// How long a right password is remembered.
const LIFE: Duration = Duration::from_mins(1);
/// How many are.
const MOST: usize = 1024;
/// Wrong passwords of one credential from one address in a minute.
const WRONG_A_MINUTE: u32 = 10;
const WRONG_SCOPE: &str = "access.password";

/// Chosen passwords that were right a moment ago, as keyed digests.
pub struct Passwords {
    right: TimedCache<(ApiKeyId, [u8; 32]), ()>,
    /// Keys the digests; lives as long as the process.
    process_secret: Key32,
}

impl Passwords {
    /// Knows none yet.
    pub fn new(entropy: &dyn Entropy) -> Self {
        Self { right: TimedCache::new(LIFE, MOST), process_secret: entropy::key(entropy) }
    }

    /// Forgets what is over.
    pub fn sweep(&self, now: Timestamp) {
        self.right.sweep(now);
    }

    /// Whether a password is a credential's. Unknown credentials take as long as those with generated secrets.
    pub async fn matches(
        &self,
        core: &Core,
        key: Option<&ApiKey>,
        password: &str,
        address: &str,
    ) -> Result<bool, AccessError> {
        let Some(key) = key else { return Ok(secret::matches(password, &[0; 32])) };
        if key.kdf.is_empty() {
            return Ok(secret::matches(password, &key.secret_hash));
        }
        // Over the stored hash too, so that a changed password ends what was remembered of the old one.
        let digest = secret::keyed_digest(&self.process_secret, &[&key.secret_hash, password.as_bytes()]);
        let (name, now) = ((key.id.clone(), digest), core.now());
        if self.right.find(&name, now).is_some() {
            return Ok(true);
        }
        let right = try_password(core, key, password, address).await?;
        if right {
            self.right.keep(name, Arc::new(()), now);
        }
        Ok(right)
    }
}

/// Stretches a chosen password for storage: hash, salt and cost.
pub async fn stretch(
    core: &Core,
    password: Zeroizing<String>,
) -> Result<(Vec<u8>, Vec<u8>, String), AccessError> {
    let salt: [u8; 16] = entropy::bytes(&*core.entropy);
    let params = KdfParams::default();
    let hash = derived(core, password, salt, params).await?;
    Ok((hash.to_vec(), salt.to_vec(), params.encode()))
}

async fn try_password(core: &Core, key: &ApiKey, password: &str, address: &str) -> Result<bool, AccessError> {
    let minute = core.now().minute();
    let subject = format!("{} {address}", key.id);
    if core.store.read().await?.hits(WRONG_SCOPE, subject.clone(), minute).await? >= WRONG_A_MINUTE {
        return Err(AccessError::TooManyTries);
    }
    let params = KdfParams::decode(&key.kdf)?;
    let salt = key.salt.as_slice().try_into().map_err(|_| CryptoError::Kdf)?;
    let hash = derived(core, Zeroizing::new(password.to_owned()), salt, params).await?;
    let right: bool = subtle::ConstantTimeEq::ct_eq(&hash[..], &key.secret_hash[..]).into();
    if !right {
        let mut transaction = core.store.begin().await?;
        transaction.hit(WRONG_SCOPE, subject, minute).await?;
        transaction.commit().await?;
    }
    Ok(right)
}

/// SHA-256 of what Argon2id makes of a password. A few at once (security rule 4).
async fn derived(
    core: &Core,
    password: Zeroizing<String>,
    salt: [u8; 16],
    params: KdfParams,
) -> Result<[u8; 32], AccessError> {
    let _permit = core.keyring.derivation().await.map_err(|error| match error {
        VaultError::Crypto(error) => AccessError::Crypto(error),
        _ => AccessError::TooManyTries,
    })?;
    let work = tokio::task::spawn_blocking(move || {
        let stretched = passphrase::derive(&password, &salt, &params)?;
        Ok::<_, CryptoError>(secret::mac(&stretched, b"cardamom password v1"))
    });
    Ok(work.await.map_err(|_| CryptoError::Kdf)??)
}
