//! The root key and the database: whether they belong together, what each version of the key still wraps, and
//! the move to the newest version while the server serves (design decision 2).

mod rewrap;
mod watch;

pub use rewrap::{Done, rewrap};
pub use watch::watch_for_ever;

use std::collections::BTreeMap;

use crate::access::tokens;
use crate::audit::AuditKeys;
use crate::core::{Actor, Core};
use crate::crypto::entropy::Entropy;
use crate::crypto::root::{Digests, RootKey, wrapped_version};
use crate::crypto::{CryptoError, hex, unhex};
use crate::model::{Head, Outcome, Timestamp};
use crate::storage::{Store, StoreError, Transaction, WrapPlace};

/// The fact under which the root key's check value is kept.
pub const CHECK: &str = "root_key.check";
/// The fact under which the key of digests is kept, wrapped.
pub const DIGESTS: &str = "root_key.digests";

/// All facts that the root key wraps.
const FACTS: [&str; 3] = [CHECK, DIGESTS, tokens::KEY];

/// What can go wrong between root key and database.
#[derive(Debug, thiserror::Error)]
pub enum RootKeyError {
    /// The root key: another one, or out of reach.
    #[error(transparent)]
    Crypto(#[from] CryptoError),
    /// Storage.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What a version of the root key still wraps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VersionStatus {
    /// The version.
    pub version: u32,
    /// Whether this program has its key.
    pub at_hand: bool,
    /// Whether new wraps use it.
    pub wraps: bool,
    /// How many records it wraps.
    pub records: u64,
}

/// Refuses a root key that did not make what the database holds; marks a fresh database with it. Answers the key
/// of digests.
pub async fn fit(
    store: &dyn Store,
    root: &dyn RootKey,
    entropy: &dyn Entropy,
) -> Result<Digests, RootKeyError> {
    let mut transaction = store.begin().await?;
    let check = match transaction.fact(CHECK).await? {
        Some(known) => known,
        None => transaction.add_fact(CHECK, hex(&root.check_value(entropy)?)).await?,
    };
    root.verify(&bytes_of(&check))?;
    let digests = match transaction.fact(DIGESTS).await? {
        Some(known) => known,
        None => add_digests(&mut *transaction, root, entropy).await?,
    };
    transaction.commit().await?;
    Ok(Digests::open(root, &bytes_of(&digests))?)
}

/// Makes the key of digests, and with it the beginning of the audit log: that it is missing later is a break.
async fn add_digests(
    transaction: &mut dyn Transaction,
    root: &dyn RootKey,
    entropy: &dyn Entropy,
) -> Result<String, RootKeyError> {
    let made = Digests::generate(root, entropy)?;
    let stands = transaction.add_fact(DIGESTS, hex(&made)).await?;
    // Otherwise another node was faster, here too.
    if stands == hex(&made) {
        let keys = AuditKeys::of(&Digests::open(root, &made)?);
        let first = Head::start(Head::ALL, Timestamp::from_millis(0));
        transaction.begin_chain(keys.complete(first)).await?;
    }
    Ok(stands)
}

/// All versions that this program has or that wrap a record, oldest first.
pub async fn status(core: &Core) -> Result<Vec<VersionStatus>, RootKeyError> {
    let mut records: BTreeMap<u32, u64> = core.root.versions().into_iter().map(|v| (v, 0)).collect();
    for place in WrapPlace::ALL {
        // A transaction each: counting may take long.
        for (version, count) in core.store.read().await?.count_wraps(place).await? {
            *records.entry(version).or_default() += count;
        }
    }
    let mut transaction = core.store.read().await?;
    for name in FACTS {
        if let Some(fact) = transaction.fact(name).await? {
            *records.entry(wrapped_version(&bytes_of(&fact))?).or_default() += 1;
        }
    }
    let (at_hand, wraps) = (core.root.versions(), core.root.version());
    let status = |(version, records)| VersionStatus {
        version,
        at_hand: at_hand.contains(&version),
        wraps: version == wraps,
        records,
    };
    Ok(records.into_iter().map(status).collect())
}

/// Writes what the operator did with the root key into the audit log.
pub async fn record(core: &Core, action: &'static str, version: u32) -> Result<(), StoreError> {
    let operator = Actor::operator(None, None);
    core.store.record(core.entry(&operator, action, &version.to_string(), Outcome::Done)).await
}

fn bytes_of(hex: &str) -> Vec<u8> {
    unhex(hex).unwrap_or_default()
}
