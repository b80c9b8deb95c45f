//! The sealer: chains committed entries in the background, so that no capture waits for the end of a chain. Any number
//! of nodes may seal at once; each step is a compare-and-set on the end of the chain of chains.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use tokio::sync::watch;

use super::{AuditError, AuditKeys, older};
use crate::core::Core;
use crate::crypto::hex;
use crate::model::{Head, Seal, Timestamp, WaitingEntries};
use crate::storage::{SealStep, StoreError, Transaction};

/// How often a node looks for entries to seal.
const TICK: Duration = Duration::from_millis(300);
/// What another node sealed so lately is left to it.
const YOUNG: Duration = Duration::from_millis(200);
/// At most so many commits go into one step,
const ROWS: u32 = 256;
/// and so many entries, but for the last commit.
const ENTRIES: usize = 4096;
/// Steps in a row that another node may win before this one leaves the rest to it.
const LOST: u32 = 5;
/// The last step, when the server ends, takes no longer.
const LAST: Duration = Duration::from_millis(900);

/// Seals for one node.
pub struct Sealer {
    core: Core,
    /// The number of the last seal of the chain of chains that this node knows of: it never gets smaller.
    seen: i64,
    complaint: String,
}

/// What came of one step.
enum Step {
    /// Nothing waits.
    Nothing,
    /// So many entries were sealed.
    Sealed(usize),
    /// Another node was faster.
    Lost,
}

impl Sealer {
    /// The sealer of a node.
    pub fn new(core: Core) -> Self {
        Self { core, seen: 0, complaint: String::new() }
    }

    /// Seals until it is told to stop, and then what is left.
    pub async fn run(mut self, mut stop: watch::Receiver<bool>) {
        let mut begun = false;
        let mut older = None;
        let mut ticks = tokio::time::interval(TICK);
        loop {
            tokio::select! { _ = ticks.tick() => {} _ = stop.changed() => break }
            if !begun {
                let done = older::begin(&self.core).await;
                begun = done.is_ok();
                self.tell(done);
                if !begun {
                    continue;
                }
                older = Some(tokio::spawn(mark_older_for_sure(self.core.clone())));
            }
            let done = self.tick().await;
            self.tell(done);
        }
        if let Some(older) = older {
            older.abort();
        }
        if let Ok(done) = tokio::time::timeout(LAST, self.seal_waiting()).await {
            self.tell(done.map(drop));
        } else {
            tracing::warn!("the last audit entries wait for the next start to be sealed");
        }
    }

    /// Seals all that waits; answers how many entries.
    pub async fn seal_waiting(&mut self) -> Result<usize, AuditError> {
        let (mut sealed, mut lost) = (0, 0);
        while lost < LOST {
            match self.step().await? {
                Step::Nothing => break,
                Step::Sealed(entries) => sealed += entries,
                Step::Lost => lost += 1,
            }
        }
        Ok(sealed)
    }

    async fn tick(&mut self) -> Result<(), AuditError> {
        let mut transaction = self.core.store.read().await?;
        if transaction.waiting_entries(1).await?.is_empty() {
            return Ok(());
        }
        let end = transaction.audit_heads(vec![Head::ALL.to_owned()]).await?.pop();
        drop(transaction);
        let now = self.core.now();
        // A time in the future is another node's clock, or nobody's.
        if end.is_some_and(|end| end.at <= now && end.at.plus(YOUNG) > now && end.number > self.seen) {
            return Ok(());
        }
        self.seal_waiting().await.map(drop)
    }

    async fn step(&mut self) -> Result<Step, AuditError> {
        let now = self.core.now();
        let mut transaction = self.core.store.read().await?;
        let chains = together(transaction.waiting_entries(ROWS).await?);
        if chains.is_empty() {
            return Ok(Step::Nothing);
        }
        let mut names: Vec<String> = chains.keys().cloned().collect();
        names.push(Head::ALL.to_owned());
        let mut ends = Ends { keys: &self.core.audit, now, seen: self.seen, stored: BTreeMap::new() };
        for head in transaction.audit_heads(names).await? {
            ends.stored.insert(head.chain.clone(), head);
        }
        let (step, entries) = ends.extend(&mut *transaction, chains).await?;
        drop(transaction);
        let reached = step.heads.first().map_or(0, |(_, all)| all.number);
        let mut transaction = self.core.store.begin().await?;
        match transaction.append_seals(step).await {
            Ok(true) => transaction.commit().await?,
            Ok(false) | Err(StoreError::Retry) => return Ok(Step::Lost),
            Err(error) => return Err(error.into()),
        }
        self.seen = reached;
        Ok(Step::Sealed(entries))
    }

    /// Tells the operator of a failure, once.
    fn tell(&mut self, done: Result<(), AuditError>) {
        let complaint = done.err().map_or_else(String::new, |error| error.to_string());
        if !complaint.is_empty() && complaint != self.complaint {
            tracing::error!(error = complaint, "the audit log cannot be sealed; its entries wait");
        }
        self.complaint = complaint;
    }
}

/// Tries again until it is done.
async fn mark_older_for_sure(core: Core) {
    while let Err(error) = older::mark_older(&core).await {
        tracing::error!(%error, "the audit log's older entries could not be chained; trying again");
        tokio::time::sleep(Duration::from_secs(5)).await;
    }
}

/// What goes into one step, by chain.
fn together(waiting: Vec<WaitingEntries>) -> BTreeMap<String, Vec<WaitingEntries>> {
    let mut chains = BTreeMap::<String, Vec<WaitingEntries>>::new();
    let mut entries = 0;
    for row in waiting {
        // No merchant has such an identity: a row that we did not write must not get into the chain of chains.
        if !row.chain.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            tracing::error!("an audit entry of no possible merchant waits; it is not sealed");
            continue;
        }
        if entries >= ENTRIES {
            break;
        }
        entries += row.entries.len();
        chains.entry(row.chain.clone()).or_default().push(row);
    }
    chains
}

/// The ends of chains as they are stored.
struct Ends<'k> {
    keys: &'k AuditKeys,
    now: Timestamp,
    seen: i64,
    stored: BTreeMap<String, Head>,
}

impl Ends<'_> {
    /// A seal for each chain, and one over them all. Answers how many entries they name, too.
    async fn extend(
        &self,
        transaction: &mut dyn Transaction,
        chains: BTreeMap<String, Vec<WaitingEntries>>,
    ) -> Result<(SealStep, usize), StoreError> {
        let mut step = SealStep::default();
        let (mut lines, mut entries) = (String::new(), 0);
        for (chain, rows) in chains {
            let end = self.end(transaction, &chain).await?;
            let names: Vec<&str> = rows.iter().flat_map(|row| &row.entries).map(String::as_str).collect();
            let (seal, head) = self.next(&end, names.len(), names.join(" "));
            // Writing to a String cannot fail.
            let _ = writeln!(lines, "{chain} {} {}", seal.number, hex(&seal.link));
            entries += names.len();
            step.heads.push((self.stored.get(&chain).cloned(), head));
            step.seals.push(seal);
            step.sealed.extend(rows);
        }
        let end = self.end(transaction, Head::ALL).await?;
        let (seal, head) = self.next(&end, entries, lines);
        step.heads.insert(0, (self.stored.get(Head::ALL).cloned(), head));
        step.seals.push(seal);
        Ok((step, entries))
    }

    fn next(&self, end: &Head, entries: usize, members: String) -> (Seal, Head) {
        let total = end.total.saturating_add(i64::try_from(entries).unwrap_or(i64::MAX));
        let number = end.number.saturating_add(1);
        let mut seal =
            Seal { chain: end.chain.clone(), number, total, at: self.now, members, link: Vec::new() };
        seal.link = self.keys.link(&end.link, &seal);
        let head = Head { number, total, at: self.now, link: seal.link.clone(), ..end.clone() };
        (seal, self.keys.complete(head))
    }

    /// Where a chain goes on. One whose end is missing or not ours goes on from its last seal and is torn for ever, so
    /// that sealing hides nothing.
    async fn end(&self, transaction: &mut dyn Transaction, chain: &str) -> Result<Head, StoreError> {
        let stored = self.stored.get(chain);
        let ours = stored.filter(|head| self.keys.made(head));
        let shrunk = chain == Head::ALL && ours.is_some_and(|head| head.number < self.seen);
        if let Some(head) = ours {
            if shrunk {
                tracing::error!("the audit log was set back to an earlier state");
            }
            return Ok(Head { torn: head.torn || shrunk, ..head.clone() });
        }
        let last = transaction.last_seal(chain.to_owned()).await?;
        let torn = stored.is_some() || last.is_some() || chain == Head::ALL;
        if torn {
            tracing::error!(chain, "the end of a chain of the audit log is missing or was changed");
        }
        let start = Head { torn, ..Head::start(chain, self.now) };
        Ok(match last {
            Some(seal) => Head { number: seal.number, total: seal.total, link: seal.link, ..start },
            None => start,
        })
    }
}
