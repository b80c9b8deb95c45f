//! Along the entries of one chain: each is named by a seal or waits for one. Entries sort by time and seals follow their
//! commits, so the names that are held here at once are few.

use std::collections::HashSet;

use super::verify::{Broken, Check, Fault, PAGE, Stop};

/// Seals that are read at once.
const SEALS: u32 = 16;
/// So many names are held; a seal that names an entry far ahead of its time is then searched for each time.
const HELD: usize = 200_000;

/// The names that seals gave and that no entry met yet.
pub(super) struct Completeness {
    chain: String,
    named: HashSet<String>,
    read: i64,
}

impl Completeness {
    /// The beginning of a chain.
    pub fn of(chain: &str) -> Self {
        Self { chain: chain.to_owned(), named: HashSet::new(), read: 0 }
    }

    /// Goes over all entries.
    pub async fn check(&mut self, check: &mut Check<'_>) -> Result<(), Stop> {
        let mut after = String::new();
        loop {
            let mut transaction = check.core.store.read().await?;
            let ids = transaction.audit_ids(self.chain.clone(), after, PAGE).await?;
            drop(transaction);
            let Some(last) = ids.last() else { return Ok(()) };
            after = last.clone();
            let mut unnamed: Vec<String> = ids.into_iter().filter(|id| !self.named.remove(id)).collect();
            let read = self.look_in_seals(check, &mut unnamed, self.read).await?;
            self.look_in_waiting(check, &mut unnamed).await?;
            // What waited before and does not wait now was sealed in between.
            self.look_in_seals(check, &mut unnamed, read).await?;
            if let Some(entry) = unnamed.into_iter().next() {
                let chain = self.chain.clone();
                let (fault, entry) = (Fault::EntryAdded, Some(entry));
                return Err(Stop::Broken(Box::new(Broken { fault, chain, seal: None, place: None, entry })));
            }
        }
    }

    /// Answers the number of the last seal that was read.
    async fn look_in_seals(
        &mut self,
        check: &Check<'_>,
        unnamed: &mut Vec<String>,
        from: i64,
    ) -> Result<i64, Stop> {
        let mut number = from;
        while !unnamed.is_empty() {
            let mut transaction = check.core.store.read().await?;
            let seals = transaction.list_seals(self.chain.clone(), number, SEALS).await?;
            drop(transaction);
            let Some(last) = seals.last() else { break };
            let hold = number == self.read && self.named.len() < HELD;
            number = last.number;
            let mut names: HashSet<String> =
                seals.iter().flat_map(|seal| seal.members.split(' ')).map(str::to_owned).collect();
            unnamed.retain(|id| !names.remove(id));
            if hold {
                self.named.extend(names);
                self.read = number;
            }
        }
        Ok(number)
    }

    async fn look_in_waiting(&self, check: &Check<'_>, unnamed: &mut Vec<String>) -> Result<(), Stop> {
        let mut after = String::new();
        while !unnamed.is_empty() {
            let mut transaction = check.core.store.read().await?;
            let rows = transaction.waiting_entries_of(self.chain.clone(), after.clone(), PAGE).await?;
            drop(transaction);
            let Some(last) = rows.last() else { return Ok(()) };
            after.clone_from(&last.first);
            let names: HashSet<&String> = rows.iter().flat_map(|row| &row.entries).collect();
            unnamed.retain(|id| !names.contains(id));
        }
        Ok(())
    }
}
