//! Checking the audit log: each chain link by link and entry by entry, that nothing is beside the chains, and that the
//! chain of chains knows them all. Memory is bounded, whatever the log's length.

use std::fmt;

use super::complete::Completeness;
use super::walk::Walk;
use super::{AuditError, KeptHead, name_of, older};
use crate::core::Core;
use crate::model::Head;
use crate::storage::StoreError;

/// Entries or commits that are looked at in one transaction.
pub(super) const PAGE: u32 = 1000;

/// What is wrong with a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// An entry is not as we wrote it.
    EntryChanged,
    /// An entry's content stands under another entry's identity.
    EntryMoved,
    /// A sealed or waiting entry is not there.
    EntryMissing,
    /// An entry is in no seal and does not wait for one.
    EntryAdded,
    /// A seal does not fit the one before it.
    SealChanged,
    /// A seal is not there.
    SealMissing,
    /// There is a seal behind the end.
    SealAdded,
    /// The end is not as we wrote it, or not that of the seals.
    HeadChanged,
    /// The end is not there.
    HeadMissing,
    /// The end was missing or changed before; the chain went on from its last seal.
    Torn,
    /// The log ends before the kept head.
    Shrunk,
    /// Where the kept head was taken there is another seal now.
    Rewritten,
}

impl Fault {
    /// The name in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::EntryChanged => "entry_changed",
            Self::EntryMoved => "entry_moved",
            Self::EntryMissing => "entry_missing",
            Self::EntryAdded => "entry_added",
            Self::SealChanged => "seal_changed",
            Self::SealMissing => "seal_missing",
            Self::SealAdded => "seal_added",
            Self::HeadChanged => "head_changed",
            Self::HeadMissing => "head_missing",
            Self::Torn => "torn",
            Self::Shrunk => "shrunk",
            Self::Rewritten => "rewritten",
        }
    }

    const fn told(self) -> &'static str {
        match self {
            Self::EntryChanged => "an entry was changed",
            Self::EntryMoved => "an entry was moved: its content is another entry's",
            Self::EntryMissing => "an entry is missing",
            Self::EntryAdded => "an entry was added, or taken out of the chain",
            Self::SealChanged => "a seal was changed or moved",
            Self::SealMissing => "a seal is missing, and the entries from here on with it",
            Self::SealAdded => "a seal was added behind the end",
            Self::HeadChanged => "the end of the chain was changed",
            Self::HeadMissing => "the end of the chain is missing",
            Self::Torn => {
                "the end of the chain was missing or changed once; what it named is not known any more"
            }
            Self::Shrunk => "the log is shorter than at the kept head",
            Self::Rewritten => "the log is not the one of the kept head",
        }
    }
}

/// The first break of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// What is wrong.
    pub fault: Fault,
    /// In which chain.
    pub chain: String,
    /// The number of the seal.
    pub seal: Option<i64>,
    /// The place of the entry in its chain, from 1.
    pub place: Option<i64>,
    /// The entry.
    pub entry: Option<String>,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (log of {}", self.fault.told(), name_of(&self.chain))?;
        if let Some(entry) = &self.entry {
            write!(f, ", entry {entry}")?;
        }
        if let Some(place) = self.place {
            write!(f, ", number {place}")?;
        }
        if let Some(seal) = self.seal {
            write!(f, ", seal {seal}")?;
        }
        f.write_str(")")
    }
}

/// What a check found.
#[derive(Clone, Debug)]
pub struct Report {
    /// Logs that were checked.
    pub logs: u64,
    /// Entries that were checked and are sealed.
    pub sealed: u64,
    /// Entries that were checked and wait for their seal.
    pub waiting: u64,
    /// Where the checked log ends, or all of them.
    pub head: Option<KeptHead>,
    /// The first break.
    pub broken: Option<Broken>,
}

/// Why a check stopped.
pub(super) enum Stop {
    Broken(Box<Broken>),
    Failed(AuditError),
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        Self::Failed(error.into())
    }
}

/// Is told how many entries were checked.
pub type Progress<'p> = &'p mut (dyn FnMut(u64) + Send);

/// A check under way.
pub(super) struct Check<'c> {
    pub core: &'c Core,
    pub since: Option<KeptHead>,
    pub since_met: bool,
    pub sealed: u64,
    pub waiting: u64,
    pub progress: Progress<'c>,
}

/// Checks one chain, or all of them. With a kept head also that the log only grew since. Beside a running server.
pub async fn verify(
    core: &Core,
    only: Option<&str>,
    since: Option<KeptHead>,
    progress: Progress<'_>,
) -> Result<Report, AuditError> {
    if older::unmarked(core).await?.is_some() {
        return Err(AuditError::NotYet);
    }
    if let (Some(only), Some(since)) = (only, &since)
        && since.chain != only
    {
        return Err(AuditError::OtherLog(name_of(&since.chain).to_owned()));
    }
    let mut check = Check { core, since, since_met: false, sealed: 0, waiting: 0, progress };
    let mut logs = 0;
    let checked = match only {
        Some(chain) => check.one(chain, &mut logs).await,
        None => check.all(&mut logs).await,
    };
    let (head, broken) = match checked {
        Ok(head) => (head, None),
        Err(Stop::Broken(broken)) => (None, Some(*broken)),
        Err(Stop::Failed(error)) => return Err(error),
    };
    let head = head.map(|head| KeptHead::of(&core.audit, &head));
    Ok(Report { logs, sealed: check.sealed, waiting: check.waiting, head, broken })
}

impl Check<'_> {
    async fn one(&mut self, chain: &str, logs: &mut u64) -> Result<Option<Head>, Stop> {
        let known = self.core.store.read().await?.audit_ids(chain.to_owned(), String::new(), 1).await?;
        let head = self.chain(chain).await?;
        if known.is_empty() && head.is_none() {
            return Err(Stop::Failed(AuditError::UnknownLog(name_of(chain).to_owned())));
        }
        *logs += 1;
        Ok(head)
    }

    async fn all(&mut self, logs: &mut u64) -> Result<Option<Head>, Stop> {
        let mut after = None;
        while let Some(chain) = self.core.store.read().await?.next_audit_chain(after).await? {
            if chain != Head::ALL {
                self.chain(&chain).await?;
                *logs += 1;
            }
            after = Some(chain);
        }
        let mut walk = Walk::of(Head::ALL);
        let head = walk.go_to_the_end(self).await?;
        if head.is_none() {
            return Err(walk.broken(Fault::HeadMissing, None));
        }
        match &self.since {
            Some(since) if !self.since_met => Err(Walk::of(&since.chain).broken(Fault::Shrunk, None)),
            _ => Ok(head),
        }
    }

    /// One chain of entries: forwards along its seals, then along the entries, then the seals that came meanwhile.
    async fn chain(&mut self, chain: &str) -> Result<Option<Head>, Stop> {
        let mut walk = Walk::of(chain);
        walk.go_to_the_end(self).await?;
        Completeness::of(chain).check(self).await?;
        let head = walk.go_to_the_end(self).await?;
        walk.waiting(self).await?;
        Ok(head)
    }
}
