//! The audit log: who did what to which object, when, from where, and how it ended; and the seals that chain it.

use std::collections::BTreeMap;

use super::{AuditId, MerchantId, Mode, Timestamp};

/// How an audited action ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was done.
    Done,
    /// It was refused.
    Refused,
}

impl Outcome {
    /// The name in storage.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Refused => "refused",
        }
    }

    /// The outcome of a stored name.
    pub fn parse(text: &str) -> Self {
        if text == "done" { Self::Done } else { Self::Refused }
    }
}

/// An entry. Holds identities only: never a number, a code, a secret or a name of a person.
#[derive(Clone, Debug)]
pub struct AuditEntry {
    /// Identity, sorts by time.
    pub id: AuditId,
    /// Whose log it belongs to; `None` where the merchant is unknown (a failed authentication).
    pub merchant: Option<MerchantId>,
    /// Test or live, where known.
    pub mode: Option<Mode>,
    /// When.
    pub at: Timestamp,
    /// Who: a credential's login, `endpoint:…`, `operator` or `anonymous`.
    pub actor: String,
    /// What, such as `card.read`.
    pub action: std::borrow::Cow<'static, str>,
    /// On what: an identity.
    pub object: String,
    /// How it ended.
    pub outcome: Outcome,
    /// The client's address, where there is one.
    pub address: String,
    /// A keyed digest over all of this; empty on an entry from before there was one.
    pub mac: Vec<u8>,
}

impl AuditEntry {
    /// The name of the chain that it belongs to: its merchant's id, or `Head::NOBODY`.
    pub fn chain(&self) -> &str {
        self.merchant.as_ref().map_or(Head::NOBODY, MerchantId::as_str)
    }

    /// What the digest covers, as it is stored: the texts, and the time between id and actor.
    pub fn content(&self) -> (i64, [&str; 8]) {
        let texts = [
            self.chain(),
            self.id.as_str(),
            self.mode.map_or("", Mode::as_str),
            &self.actor,
            &self.action,
            &self.object,
            self.outcome.as_str(),
            &self.address,
        ];
        (self.at.millis(), texts)
    }
}

/// An entry as it is stored, with nothing of it interpreted: what a chain is checked against.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditRow {
    /// Whose log it is in.
    pub chain: String,
    /// Identity.
    pub id: String,
    /// Test, live or nothing.
    pub mode: String,
    /// Milliseconds since the epoch.
    pub at: i64,
    /// Who.
    pub actor: String,
    /// What.
    pub action: String,
    /// On what.
    pub object: String,
    /// How it ended.
    pub outcome: String,
    /// From where.
    pub address: String,
    /// The digest, where it has one.
    pub mac: Option<Vec<u8>>,
}

impl AuditRow {
    /// As `AuditEntry::content`.
    pub fn content(&self) -> (i64, [&str; 8]) {
        let texts = [
            self.chain.as_str(),
            &self.id,
            &self.mode,
            &self.actor,
            &self.action,
            &self.object,
            &self.outcome,
            &self.address,
        ];
        (self.at, texts)
    }
}

/// Entries of one chain that were committed together and that no seal names yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WaitingEntries {
    /// The chain.
    pub chain: String,
    /// The first of them, which names the row.
    pub first: String,
    /// Their identities in the order of their commit.
    pub entries: Vec<String>,
}

impl WaitingEntries {
    /// Entries that are committed together, by chain.
    pub fn of<'e>(entries: impl IntoIterator<Item = &'e AuditEntry>) -> Vec<Self> {
        Self::by_chain(entries.into_iter().map(|entry| (entry.chain(), entry.id.as_str())))
    }

    /// The same of stored entries.
    pub fn of_rows(rows: &[AuditRow]) -> Vec<Self> {
        Self::by_chain(rows.iter().map(|row| (row.chain.as_str(), row.id.as_str())))
    }

    fn by_chain<'e>(entries: impl Iterator<Item = (&'e str, &'e str)>) -> Vec<Self> {
        let mut chains = BTreeMap::<&str, Vec<String>>::new();
        for (chain, id) in entries {
            chains.entry(chain).or_default().push(id.to_owned());
        }
        let row = |(chain, entries): (&str, Vec<String>)| {
            let first = entries.first()?.clone();
            Some(Self { chain: chain.to_owned(), first, entries })
        };
        chains.into_iter().filter_map(row).collect()
    }
}

/// A link of a chain: names its members in their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seal {
    /// The chain.
    pub chain: String,
    /// Its place, from 1.
    pub number: i64,
    /// How many entries the chain has up to here.
    pub total: i64,
    /// When it was made.
    pub at: Timestamp,
    /// Entries' identities, divided by spaces; on the chain of chains a line for each seal (`Head::ALL`).
    pub members: String,
    /// A keyed digest over all of this and the link before.
    pub link: Vec<u8>,
}

/// Where a chain ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The chain.
    pub chain: String,
    /// The number of its last seal; 0 before the first one.
    pub number: i64,
    /// How many entries it has.
    pub total: i64,
    /// When it was written.
    pub at: Timestamp,
    /// The link of its last seal.
    pub link: Vec<u8>,
    /// Whether an earlier head was missing or not ours. Stays.
    pub torn: bool,
    /// A keyed digest over all of this.
    pub mac: Vec<u8>,
}

impl Head {
    /// The chain of entries without a merchant.
    pub const NOBODY: &str = "";
    /// The chain of chains: its seals name the seals of all others.
    pub const ALL: &str = "*";

    /// Where a chain begins.
    pub fn start(chain: &str, at: Timestamp) -> Self {
        let link = vec![0; 32];
        Self { chain: chain.to_owned(), number: 0, total: 0, at, link, torn: false, mac: Vec::new() }
    }
}
