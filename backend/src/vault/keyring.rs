//! Keys that are unwrapped for the moment: sender sessions, token keys, opened vault keys, hourly CVV keys.
//! Each cache is bounded and ends by time (security rules 1 and 4).

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};

use super::VaultError;
use super::sealing::{Owner, Sealer, Unlocked, bind_key};
use crate::core::{Actor, Core};
use crate::crypto::entropy::{self, Entropy};
use crate::crypto::passphrase::KdfParams;
use crate::crypto::sealing::{MAX_RECORDS, Opener, SenderSession};
use crate::crypto::token::TokenKey;
use crate::crypto::{Key32, custody, secret};
use crate::model::{Custody, CvvKey, CvvKeyId, KeyId, KeyPairRow, Outcome, Timestamp, VaultKey};
use crate::timed_cache::TimedCache;

/// How long an unwrapped key is kept.
const LIFE: Duration = Duration::from_mins(1);
/// How many of each kind are kept.
const MOST: usize = 256;
/// No capture begins on a session that has so many records left: captures that hold it already stay below its end.
const SESSION_MARGIN: u32 = 2_000;
/// Wrong passphrases of a key in a minute before it answers 429 (security rule 4).
const WRONG_A_MINUTE: u32 = 10;
const WRONG_SCOPE: &str = "key.passphrase";

/// The caches.
pub struct Keyring {
    sessions: TimedCache<(KeyId, u32), SenderSession>,
    token_keys: TimedCache<KeyId, TokenKey>,
    unlocked: TimedCache<(KeyId, i64, [u8; 32]), Unlocked>,
    cvv_keys: TimedCache<CvvKeyId, Key32>,
    hours: TimedCache<i64, CvvKeyId>,
    /// Keys the digests of passphrases in cache keys; lives as long as the process.
    process_secret: Key32,
    /// Argon2 takes 19 MiB and a core for a moment: a few at once.
    derivations: Semaphore,
}

impl Keyring {
    /// Empty caches.
    pub fn new(entropy: &dyn Entropy) -> Self {
        Self {
            sessions: TimedCache::new(LIFE, MOST),
            token_keys: TimedCache::new(LIFE, MOST),
            unlocked: TimedCache::new(LIFE, MOST),
            cvv_keys: TimedCache::new(LIFE, MOST),
            hours: TimedCache::new(LIFE, 2),
            process_secret: entropy::key(entropy),
            derivations: Semaphore::new(2),
        }
    }

    /// Forgets what is over, so that it is wiped.
    pub fn sweep(&self, now: Timestamp) {
        self.sessions.sweep(now);
        self.token_keys.sweep(now);
        self.unlocked.sweep(now);
        self.cvv_keys.sweep(now);
        self.hours.sweep(now);
    }

    /// What seals to a vault key's current pair.
    pub fn sealer(&self, core: &Core, key: &VaultKey, pair: &KeyPairRow) -> Result<Sealer, VaultError> {
        let now = core.now();
        let token_key = if let Some(known) = self.token_keys.find(&key.id, now) {
            known
        } else {
            let opened = core.root.unwrap(&bind_key(key, "token", 0), &key.wrapped_token_key)?;
            let made = Arc::new(TokenKey::new(Key32::from_slice(&opened)?));
            self.token_keys.keep(key.id.clone(), Arc::clone(&made), now);
            made
        };
        let session = self.session(core, key, pair, now)?;
        Ok(Sealer {
            owner: Owner::of(key),
            version: pair.version,
            session,
            token_key,
            entropy: Arc::clone(&core.entropy),
        })
    }

    fn session(
        &self,
        core: &Core,
        key: &VaultKey,
        pair: &KeyPairRow,
        now: Timestamp,
    ) -> Result<Arc<SenderSession>, VaultError> {
        let name = (key.id.clone(), pair.version);
        let is_fresh = |session: &Arc<SenderSession>| session.records() < MAX_RECORDS - SESSION_MARGIN;
        if let Some(known) = self.sessions.find(&name, now).filter(is_fresh) {
            return Ok(known);
        }
        let psk =
            Key32::from_slice(&core.root.unwrap(&bind_key(key, "psk", pair.version), &pair.wrapped_psk)?)?;
        let public = pair.public.as_slice().try_into().map_err(|_| crate::crypto::CryptoError::Open)?;
        let made = Arc::new(SenderSession::start(public, &psk, &psk_id(key, pair.version), &*core.entropy)?);
        self.sessions.keep(name, Arc::clone(&made), now);
        Ok(made)
    }

    /// Opens a vault key: by passphrase, or by the root key alone where it is managed.
    pub async fn unlock(
        &self,
        core: &Core,
        key: &VaultKey,
        pairs: &[KeyPairRow],
        passphrase: &str,
        actor: &Actor,
    ) -> Result<Arc<Unlocked>, VaultError> {
        let digest =
            secret::keyed_digest(&self.process_secret, &[key.id.as_str().as_bytes(), passphrase.as_bytes()]);
        let name = (key.id.clone(), key.row_version, digest);
        let now = core.now();
        if let Some(known) = self.unlocked.find(&name, now) {
            return Ok(known);
        }
        let custody = self.custody(core, key, passphrase, actor).await?;
        let unlocked = Arc::new(self.unlocked_by(core, key, pairs, &custody)?);
        self.unlocked.keep(name, Arc::clone(&unlocked), now);
        Ok(unlocked)
    }

    /// Opens a vault key by its custody key.
    pub fn unlocked_by(
        &self,
        core: &Core,
        key: &VaultKey,
        pairs: &[KeyPairRow],
        custody: &Key32,
    ) -> Result<Unlocked, VaultError> {
        let mut openers = Vec::with_capacity(pairs.len());
        for pair in pairs {
            let outer = core.root.unwrap(&bind_key(key, "private", pair.version), &pair.wrapped_private)?;
            let private =
                crate::crypto::aead::open(custody, &bind_key(key, "private", pair.version), &outer)?;
            let psk = core.root.unwrap(&bind_key(key, "psk", pair.version), &pair.wrapped_psk)?;
            let opener = Opener::new(
                Key32::from_slice(&private)?,
                Key32::from_slice(&psk)?,
                psk_id(key, pair.version),
            );
            openers.push((pair.version, opener));
        }
        Ok(Unlocked { owner: Owner::of(key), openers })
    }

    /// The custody key of a vault key. Wrong passphrases are counted across nodes, and audited.
    pub async fn custody(
        &self,
        core: &Core,
        key: &VaultKey,
        passphrase: &str,
        actor: &Actor,
    ) -> Result<Key32, VaultError> {
        if key.custody == Custody::Managed {
            let opened = core.root.unwrap(&bind_key(key, "custody", 0), &key.wrapped_custody)?;
            return Ok(Key32::from_slice(&opened)?);
        }
        // Held until a failure is counted: tries at the same time cannot pass the limit together.
        let _permit = self.derivation().await?;
        let minute = core.now().minute();
        let subject = key.id.as_str().to_owned();
        if core.store.read().await?.hits(WRONG_SCOPE, subject.clone(), minute).await? >= WRONG_A_MINUTE {
            core.refused(actor, "key.passphrase", key.id.as_str()).await;
            return Err(VaultError::TooManyTries);
        }
        if let Some(custody) = try_passphrase(core, key, passphrase).await? {
            return Ok(custody);
        }
        let mut transaction = core.store.begin().await?;
        transaction.hit(WRONG_SCOPE, subject, minute).await?;
        let entry = core.entry(actor, "key.passphrase", key.id.as_str(), Outcome::Refused);
        transaction.add_audit(entry).await?;
        transaction.commit().await?;
        Err(VaultError::WrongPassphrase)
    }

    /// The leave to stretch a passphrase; a few calls have it at once (security rule 4).
    pub async fn derivation(&self) -> Result<SemaphorePermit<'_>, VaultError> {
        self.derivations.acquire().await.map_err(|_| VaultError::Broken)
    }

    /// This hour's key around security codes, made where there is none yet.
    pub async fn cvv_key_now(&self, core: &Core) -> Result<(CvvKeyId, Arc<Key32>), VaultError> {
        let now = core.now();
        if let Some(id) = self.hours.find(&now.hour(), now)
            && let Some(key) = self.cvv_keys.find(&id, now)
        {
            return Ok(((*id).clone(), key));
        }
        let row = self.cvv_key_row(core, now).await?;
        let key = self.unwrap_cvv_key(core, &row)?;
        self.hours.keep(row.hour, Arc::new(row.id.clone()), now);
        Ok((row.id, key))
    }

    async fn cvv_key_row(&self, core: &Core, now: Timestamp) -> Result<CvvKey, VaultError> {
        if let Some(row) = core.store.read().await?.find_cvv_key(now.hour()).await? {
            return Ok(row);
        }
        let id = CvvKeyId::new(now, &*core.entropy);
        let fresh = entropy::key(&*core.entropy);
        let wrapped = core.root.wrap(&super::cvv::bind_hour(&id), fresh.as_bytes(), &*core.entropy)?;
        let mut transaction = core.store.begin().await?;
        let row = transaction.add_cvv_key(CvvKey { id, hour: now.hour(), wrapped, created_at: now }).await?;
        transaction.commit().await?;
        Ok(row)
    }

    /// An hourly key by its row.
    pub fn unwrap_cvv_key(&self, core: &Core, row: &CvvKey) -> Result<Arc<Key32>, VaultError> {
        let now = core.now();
        if let Some(known) = self.cvv_keys.find(&row.id, now) {
            return Ok(known);
        }
        let opened = core.root.unwrap(&super::cvv::bind_hour(&row.id), &row.wrapped)?;
        let key = Arc::new(Key32::from_slice(&opened)?);
        self.cvv_keys.keep(row.id.clone(), Arc::clone(&key), now);
        Ok(key)
    }
}

/// The custody key, if the passphrase opens it. The stretching has a thread of its own.
async fn try_passphrase(core: &Core, key: &VaultKey, passphrase: &str) -> Result<Option<Key32>, VaultError> {
    let (row, root) = (key.clone(), Arc::clone(&core.root));
    let passphrase = zeroize::Zeroizing::new(passphrase.to_owned());
    let work = tokio::task::spawn_blocking(move || {
        let params = KdfParams::decode(&row.kdf)?;
        let salt = row.salt.as_slice().try_into().map_err(|_| crate::crypto::CryptoError::Open)?;
        let binding = bind_key(&row, "custody", 0);
        custody::unwrap_with_passphrase(&row.wrapped_custody, &passphrase, &salt, &params, &binding, &*root)
    });
    let result = work.await.map_err(|_| VaultError::Broken)?;
    match result {
        Ok(custody) => Ok(Some(custody)),
        Err(crate::crypto::CryptoError::Open) => Ok(None),
        Err(other) => Err(other.into()),
    }
}

/// The name of a pair's pre-shared key in the HPKE key schedule.
fn psk_id(key: &VaultKey, version: u32) -> Vec<u8> {
    format!("{} {version}", key.id).into_bytes()
}
