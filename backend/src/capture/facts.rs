//! What never changes about an endpoint while it exists, kept for a moment so that a capture needs no read
//! before its batch. Whether the endpoint still exists, and may capture, is decided in the batch (decision 10).

use std::sync::Arc;
use std::time::Duration;

use shared::Brand;

use super::{CaptureError, endpoints};
use crate::core::{ANONYMOUS, Actor, Core};
use crate::crypto::secret;
use crate::crypto::token::Algorithm;
use crate::model::{CaptureEndpoint, KeyPairRow, VaultKey};
use crate::outbox::events::Webhook;
use crate::rules::{Rule, stored};
use crate::timed_cache::TimedCache;
use crate::vault::cards;

/// How long facts are kept. Long enough to serve a burst, short enough to follow a key rotation.
const LIFE: Duration = Duration::from_secs(5);

/// An endpoint with what sealing needs.
pub struct Facts {
    /// The endpoint; its counters are those of the reading, and not for decisions.
    pub endpoint: CaptureEndpoint,
    /// The vault key.
    pub key: VaultKey,
    /// Its current pair.
    pub pair: KeyPairRow,
    /// The token algorithm.
    pub algorithm: Algorithm,
    /// The brand of the locked card.
    pub brand: Option<Brand>,
    /// Where captures are told.
    pub webhook: Option<Webhook>,
    /// What captures are changed by.
    pub rules: Vec<Rule>,
}

/// The cache of facts.
pub struct FactsCache(TimedCache<String, Facts>);

impl Default for FactsCache {
    fn default() -> Self {
        Self(TimedCache::new(LIFE, 4096))
    }
}

impl FactsCache {
    /// The facts of an endpoint for whoever knows its secret; `Unknown` for everybody else, however they
    /// failed. The failure is audited.
    pub async fn prove(
        &self,
        core: &Core,
        unique_id: &str,
        given: Option<&str>,
        address: &str,
    ) -> Result<Arc<Facts>, CaptureError> {
        let given = given.unwrap_or_default();
        if let Some(known) = self.0.find(&unique_id.to_owned(), core.now())
            && secret::matches(given, &known.endpoint.secret_hash)
        {
            return Ok(known);
        }
        // Not kept, or the endpoint was made anew under this name: only the store can tell.
        match self.load(core, unique_id).await? {
            Some(facts) if secret::matches(given, &facts.endpoint.secret_hash) => {
                let facts = Arc::new(facts);
                self.0.keep(unique_id.to_owned(), Arc::clone(&facts), core.now());
                Ok(facts)
            }
            found => {
                if found.is_none() {
                    // As much work as for a known endpoint.
                    secret::matches(given, &[0; 32]);
                }
                let (merchant, mode) = found
                    .map(|facts| (facts.endpoint.merchant, facts.endpoint.mode))
                    .map_or((None, None), |(merchant, mode)| (Some(merchant), Some(mode)));
                let actor = Actor { merchant, mode, name: ANONYMOUS.into(), address: address.into() };
                core.refused(&actor, "capture.secret", "").await;
                Err(CaptureError::Unknown)
            }
        }
    }

    /// Forgets an endpoint on this node.
    pub fn forget(&self, unique_id: &str) {
        self.0.forget(&unique_id.to_owned());
    }

    /// Forgets what is over.
    pub fn sweep(&self, core: &Core) {
        self.0.sweep(core.now());
    }

    async fn load(&self, core: &Core, unique_id: &str) -> Result<Option<Facts>, CaptureError> {
        let mut transaction = core.store.read().await?;
        let Some(endpoint) = transaction.find_endpoint_by_secret_name(unique_id.to_owned()).await? else {
            return Ok(None);
        };
        let (merchant, mode) = (endpoint.merchant.clone(), endpoint.mode);
        let found = transaction.find_key(merchant.clone(), mode, endpoint.key_name.clone()).await?;
        let Some(key) = found.filter(|key| key.id == endpoint.key) else { return Ok(None) };
        let pairs = transaction.pairs(merchant.clone(), key.id.clone()).await?;
        let pair = cards::current(&key, &pairs)?.clone();
        let brand = match &endpoint.lock {
            Some(lock) => transaction
                .find_card(merchant, key.id.clone(), lock.token.clone(), lock.reference.clone())
                .await?
                .map(|card| card.shown.brand),
            None => None,
        };
        let algorithm = Algorithm::parse(&endpoint.algorithm).unwrap_or(Algorithm::Full);
        let webhook = endpoints::open_webhook(core, &endpoint)?;
        let rules = endpoint.rules.as_deref().map(stored::of_kept).transpose()?.unwrap_or_default();
        Ok(Some(Facts { endpoint, key, pair, algorithm, brand, webhook, rules }))
    }
}
