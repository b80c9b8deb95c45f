//! Heads that are kept elsewhere: a line of text that proves later that the log only grew since.

use std::fmt;

use super::{AuditError, AuditKeys, chain_of, name_of};
use crate::core::Core;
use crate::crypto::{hex, unhex};
use crate::model::Head;

const FORM: &str = "cardamom-audit-1";

/// Where a chain ended once: `cardamom-audit-1:LOG:SEALS:ENTRIES:LINK:DIGEST`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptHead {
    /// The chain.
    pub chain: String,
    /// How many seals it had.
    pub number: i64,
    /// How many entries it had.
    pub total: i64,
    /// The link of the last one.
    pub link: Vec<u8>,
    mac: Vec<u8>,
}

impl KeptHead {
    /// What is kept of a head.
    pub fn of(keys: &AuditKeys, head: &Head) -> Self {
        let mac = keys.kept_mac(&head.chain, head.number, head.total, &head.link);
        let (chain, link) = (head.chain.clone(), head.link.clone());
        Self { chain, number: head.number, total: head.total, link, mac }
    }

    /// Reads a kept head and refuses what these keys did not make.
    pub fn read(keys: &AuditKeys, text: &str) -> Result<Self, AuditError> {
        let kept = Self::parse(text.trim()).ok_or(AuditError::KeptHead)?;
        let mac = keys.kept_mac(&kept.chain, kept.number, kept.total, &kept.link);
        if kept.mac == mac { Ok(kept) } else { Err(AuditError::KeptHead) }
    }

    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(':');
        (parts.next()? == FORM).then_some(())?;
        let kept = Self {
            chain: chain_of(parts.next()?).to_owned(),
            number: parts.next()?.parse().ok()?,
            total: parts.next()?.parse().ok()?,
            link: unhex(parts.next()?)?,
            mac: unhex(parts.next()?)?,
        };
        parts.next().is_none().then_some(kept)
    }
}

impl fmt::Display for KeptHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, link, mac) = (name_of(&self.chain), hex(&self.link), hex(&self.mac));
        write!(f, "{FORM}:{name}:{}:{}:{link}:{mac}", self.number, self.total)
    }
}

/// The present head of a chain, to be kept elsewhere.
pub async fn head(core: &Core, chain: &str) -> Result<KeptHead, AuditError> {
    let found = core.store.read().await?.audit_heads(vec![chain.to_owned()]).await?.pop();
    let found = found.ok_or_else(|| AuditError::UnknownLog(name_of(chain).to_owned()))?;
    if core.audit.made(&found) { Ok(KeptHead::of(&core.audit, &found)) } else { Err(AuditError::KeptHead) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::entropy::SeededEntropy;
    use crate::crypto::root::{Digests, LocalRootKey};
    use crate::model::Timestamp;

    fn keys(seed: u64) -> AuditKeys {
        let entropy = SeededEntropy::new(seed);
        let root = LocalRootKey::generate(&entropy);
        AuditKeys::of(&Digests::open(&root, &Digests::generate(&root, &entropy).unwrap()).unwrap())
    }

    #[test]
    fn a_kept_head_is_read_back_by_its_own_installation_only() {
        let keys_here = keys(1);
        for chain in [Head::ALL, Head::NOBODY, "mer_1"] {
            let head = Head { number: 3, total: 40, ..Head::start(chain, Timestamp::from_millis(5)) };
            let kept = KeptHead::of(&keys_here, &head);
            let text = kept.to_string();
            assert_eq!(KeptHead::read(&keys_here, &format!(" {text}\n")).unwrap(), kept);
            assert!(KeptHead::read(&keys(2), &text).is_err());
            for wrong in [
                text.replace(":3:", ":2:"),
                text.replace(":40:", ":39:"),
                text.replace("-1:", "-2:"),
                format!("{text}:"),
                format!("{text}00"),
                String::new(),
            ] {
                assert!(KeptHead::read(&keys_here, &wrong).is_err(), "{wrong}");
            }
        }
    }
}
