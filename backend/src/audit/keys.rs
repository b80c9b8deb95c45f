//! The digests of the audit log and their keys. They are derived from the key of digests, which the root key wraps, so
//! a rotation of the root key changes none of them, and nobody makes one with the database alone.

use crate::crypto::Key32;
use crate::crypto::root::Digests;
use crate::crypto::secret::keyed_digest;
use crate::model::{AuditEntry, AuditRow, Head, Seal};

/// The keys, one a purpose.
pub struct AuditKeys {
    entry: Key32,
    seal: Key32,
    head: Key32,
    kept: Key32,
}

impl AuditKeys {
    /// Those of an installation.
    pub fn of(digests: &Digests) -> Self {
        Self {
            entry: digests.subkey("audit entry v1"),
            seal: digests.subkey("audit seal v1"),
            head: digests.subkey("audit head v1"),
            kept: digests.subkey("audit kept head v1"),
        }
    }

    /// Gives an entry its digest.
    pub fn mark(&self, entry: &mut AuditEntry) {
        entry.mac = self.entry_mac(entry.content());
    }

    /// The digest that an entry should have.
    pub fn row_mac(&self, row: &AuditRow) -> Vec<u8> {
        self.entry_mac(row.content())
    }

    /// Whether an entry is as we wrote it.
    pub fn wrote(&self, row: &AuditRow) -> bool {
        row.mac.as_deref() == Some(&self.row_mac(row))
    }

    /// The link of a seal to the link before.
    pub fn link(&self, before: &[u8], seal: &Seal) -> Vec<u8> {
        let numbers = [seal.number, seal.total, seal.at.millis()].map(i64::to_be_bytes);
        let [number, total, at] = &numbers;
        let parts = [before, seal.chain.as_bytes(), number, total, at, seal.members.as_bytes()];
        keyed_digest(&self.seal, &parts).to_vec()
    }

    /// A head with its digest.
    pub fn complete(&self, head: Head) -> Head {
        Head { mac: self.head_mac(&head), ..head }
    }

    /// Whether a head is as we wrote it.
    pub fn made(&self, head: &Head) -> bool {
        head.mac == self.head_mac(head)
    }

    /// The digest of a head that is kept elsewhere.
    pub fn kept_mac(&self, chain: &str, number: i64, total: i64, link: &[u8]) -> Vec<u8> {
        let parts = [chain.as_bytes(), &number.to_be_bytes(), &total.to_be_bytes(), link];
        keyed_digest(&self.kept, &parts).to_vec()
    }

    fn entry_mac(&self, (at, texts): (i64, [&str; 8])) -> Vec<u8> {
        let at = at.to_be_bytes();
        let texts = texts.iter().map(|text| text.as_bytes());
        let parts: Vec<&[u8]> = texts.chain([at.as_slice()]).collect();
        keyed_digest(&self.entry, &parts).to_vec()
    }

    fn head_mac(&self, head: &Head) -> Vec<u8> {
        let numbers = [head.number, head.total, head.at.millis()].map(i64::to_be_bytes);
        let [number, total, at] = &numbers;
        let torn = [u8::from(head.torn)];
        keyed_digest(&self.head, &[head.chain.as_bytes(), number, total, at, &head.link, &torn]).to_vec()
    }
}
