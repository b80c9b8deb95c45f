//! What every use case is given: the store, the root key, the clock, randomness, and the operator's policy.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::access::{Passwords, Tally};
use crate::audit::AuditKeys;
use crate::bins::Bins;
use crate::crypto::Key32;
use crate::crypto::entropy::Entropy;
use crate::crypto::root::{Digests, RootKey};
use crate::model::{AuditEntry, AuditId, Clock, MerchantId, Mode, Outcome, Timestamp};
use crate::storage::{Limits, Store};
use crate::vault::Keyring;

/// How the audit log names somebody without credentials.
pub const ANONYMOUS: &str = "anonymous";
/// So many failures of one address are written in a minute; what follows is not, so that strangers cannot fill
/// the disk.
const STRANGER_ENTRIES: u32 = 60;
/// So many addresses are counted in a minute; those that come later are not written. Who has very many addresses
/// could fill the memory otherwise.
const STRANGERS: usize = 10_000;

/// Counts the failures of strangers in this process, by address and minute.
#[derive(Default)]
pub struct Strangers(Mutex<(i64, HashMap<String, u32>)>);

impl Strangers {
    fn may_write(&self, address: &str, now: Timestamp) -> bool {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.0 != now.minute() {
            *counts = (now.minute(), HashMap::new());
        }
        if counts.1.len() >= STRANGERS && !counts.1.contains_key(address) {
            return false;
        }
        let count = counts.1.entry(address.to_owned()).or_default();
        *count += 1;
        if *count == STRANGER_ENTRIES {
            tracing::warn!("an address fails often; its failures of this minute are not written any more");
        }
        *count <= STRANGER_ENTRIES
    }
}

/// The parts that use cases work with. Cheap to clone.
#[derive(Clone)]
pub struct Core {
    /// The storage engine.
    pub store: Arc<dyn Store>,
    /// The root key.
    pub root: Arc<dyn RootKey>,
    /// The keys of digests, which a rotation of the root key does not change.
    pub digests: Arc<Digests>,
    /// The keys of the audit log's digests.
    pub audit: Arc<AuditKeys>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
    /// Keys that are unwrapped for the moment.
    pub keyring: Arc<Keyring>,
    /// The operator's policy.
    pub policy: Policy,
    /// Failures of strangers.
    pub strangers: Arc<Strangers>,
    /// Chosen passwords that were right a moment ago.
    pub passwords: Arc<Passwords>,
    /// Issuers by leading digits.
    pub bins: Arc<Bins>,
    /// Calls that are counted and not written yet.
    pub tally: Arc<Tally>,
}

/// What the operator allows.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Limits of captures by address and merchant; `None` switches all capture limits off (benchmarks).
    pub limits: Option<Limits>,
    /// Captures in an endpoint's life, unless its creation says more.
    pub max_uses: u32,
    /// The most that a creation may say.
    pub max_uses_cap: u32,
    /// Captures of an endpoint a minute.
    pub max_per_minute: u32,
    /// Whether endpoints may live for ever (`ttl=0`).
    pub endless_endpoints: bool,
    /// How long a security code is kept.
    pub cvv_life: Duration,
    /// The latest end that a merchant may set for a security code, counted from its storage.
    pub cvv_cap: Duration,
    /// How often a security code may be used.
    pub cvv_uses: u32,
    /// What holds for gateway transactions.
    pub transactions: TransactionPolicy,
    /// How long a card request is kept after its end.
    pub request_life: Duration,
    /// Whether the payment page asks for the security code of a stored card too.
    pub ask_stored_cvv: bool,
}

/// What the operator sets for gateway transactions (spec A.3, A.5).
#[derive(Clone, Debug)]
pub struct TransactionPolicy {
    /// How far a request's timestamp may be from the present, before and after; `None` for any.
    pub window: Option<Duration>,
    /// Whether a signed request is taken once only.
    pub replay_check: bool,
    /// Whether timestamps of 13 digits are read, whose hour has one.
    pub short_timestamps: bool,
    /// The answer to the use of a disabled token.
    pub disabled_code: u16,
    /// The answer to a second authorisation of an order.
    pub duplicate_code: u16,
}

impl Default for TransactionPolicy {
    fn default() -> Self {
        Self {
            window: Some(Duration::from_mins(15)),
            replay_check: true,
            short_timestamps: true,
            disabled_code: 280,
            duplicate_code: 102,
        }
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            limits: Some(Limits { per_address: 60, per_merchant: 6_000 }),
            max_uses: 100,
            max_uses_cap: 10_000,
            max_per_minute: 30,
            endless_endpoints: false,
            cvv_life: Duration::from_hours(1),
            cvv_cap: Duration::from_hours(24),
            cvv_uses: 1,
            transactions: TransactionPolicy::default(),
            request_life: Duration::from_hours(90 * 24),
            ask_stored_cvv: false,
        }
    }
}

/// Who acts: a credential, an endpoint's secret, the operator.
#[derive(Clone, Debug)]
pub struct Actor {
    /// The merchant, where known.
    pub merchant: Option<MerchantId>,
    /// The mode, where known.
    pub mode: Option<Mode>,
    /// How the audit log names the actor.
    pub name: String,
    /// The client's address.
    pub address: String,
}

/// How the audit log names the command line.
pub const OPERATOR: &str = "operator";

impl Actor {
    /// The operator at the command line.
    pub fn operator(merchant: Option<MerchantId>, mode: Option<Mode>) -> Self {
        Self { merchant, mode, name: OPERATOR.to_owned(), address: String::new() }
    }
}

impl Core {
    /// The parts that are chosen, and beside them empty caches and counts.
    pub fn new(
        store: Arc<dyn Store>,
        root: Arc<dyn RootKey>,
        digests: Digests,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        policy: Policy,
    ) -> Self {
        let keyring = Arc::new(Keyring::new(&*entropy));
        let audit = Arc::new(AuditKeys::of(&digests));
        let digests = Arc::new(digests);
        let passwords = Arc::new(Passwords::new(&*entropy));
        Self {
            store,
            root,
            digests,
            audit,
            clock,
            entropy,
            keyring,
            policy,
            strangers: Arc::default(),
            passwords,
            bins: Arc::default(),
            tally: Arc::default(),
        }
    }

    /// A key for keyed digests of one purpose, the same on every node and for ever.
    pub fn subkey(&self, label: &str) -> Key32 {
        self.digests.subkey(label)
    }

    /// The present time.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// An audit entry of something that happens now.
    pub fn entry(&self, actor: &Actor, action: &'static str, object: &str, outcome: Outcome) -> AuditEntry {
        let at = self.now();
        let mut entry = AuditEntry {
            id: AuditId::new(at, &*self.entropy),
            merchant: actor.merchant.clone(),
            mode: actor.mode,
            at,
            actor: actor.name.clone(),
            action: action.into(),
            object: object.to_owned(),
            outcome,
            address: actor.address.clone(),
            mac: Vec::new(),
        };
        self.audit.mark(&mut entry);
        entry
    }

    /// Records a refusal. That the log cannot be written is told to the operator, not to the caller, who is
    /// refused anyway.
    pub async fn refused(&self, actor: &Actor, action: &'static str, object: &str) {
        if actor.name == ANONYMOUS && !self.strangers.may_write(&actor.address, self.now()) {
            return;
        }
        let entry = self.entry(actor, action, object, Outcome::Refused);
        if let Err(error) = self.store.record(entry).await {
            tracing::error!(%error, action, "a refusal could not be recorded");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_fails_often_is_not_written_until_the_next_minute() {
        let strangers = Strangers::default();
        let now = Timestamp::from_millis(0);
        let written = (0..200).filter(|_| strangers.may_write("192.0.2.1", now)).count();
        assert_eq!(written, 60);
        assert!(strangers.may_write("192.0.2.2", now));
        assert!(strangers.may_write("192.0.2.1", Timestamp::from_millis(60_000)));
    }

    #[test]
    fn the_number_of_counted_addresses_is_bounded() {
        let strangers = Strangers::default();
        let now = Timestamp::from_millis(0);
        let written = (0..STRANGERS * 2).filter(|n| strangers.may_write(&n.to_string(), now)).count();
        assert_eq!(written, STRANGERS);
    }
}
