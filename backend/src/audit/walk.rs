//! Forwards along one chain: each seal fits the one before, and each entry that it names is there as we wrote it.

use std::collections::HashMap;

use super::verify::{Broken, Check, Fault, PAGE, Stop};
use crate::crypto::unhex;
use crate::model::{AuditRow, Head, Seal};

/// Seals that are read in one transaction.
const SEALS: u32 = 16;

/// How far a chain was checked.
pub(super) struct Walk {
    chain: String,
    number: i64,
    total: i64,
    link: Vec<u8>,
}

impl Walk {
    /// The beginning of a chain.
    pub fn of(chain: &str) -> Self {
        Self { chain: chain.to_owned(), number: 0, total: 0, link: vec![0; 32] }
    }

    /// Goes on to where the chain ends now. `None` for one that has not begun.
    pub async fn go_to_the_end(&mut self, check: &mut Check<'_>) -> Result<Option<Head>, Stop> {
        let mut transaction = check.core.store.read().await?;
        let head = transaction.audit_heads(vec![self.chain.clone()]).await?.pop();
        let number = head.as_ref().map_or(0, |head| head.number);
        let beyond = transaction.list_seals(self.chain.clone(), number, 1).await?.pop();
        drop(transaction);
        let Some(head) = head else {
            return if beyond.is_some() || self.number > 0 {
                Err(self.broken(Fault::HeadMissing, None))
            } else {
                self.grew(check)?;
                Ok(None)
            };
        };
        if !check.core.audit.made(&head) {
            return Err(self.broken(Fault::HeadChanged, None));
        }
        while self.number < head.number {
            self.stretch(check, &head).await?;
        }
        if (self.number, self.total, &self.link) != (head.number, head.total, &head.link) {
            return Err(self.broken(Fault::HeadChanged, None));
        }
        if let Some(seal) = beyond {
            return Err(self.at(&seal).broken(Fault::SealAdded, None));
        }
        if head.torn {
            return Err(self.broken(Fault::Torn, None));
        }
        self.grew(check)?;
        Ok(Some(head))
    }

    /// The next few seals.
    async fn stretch(&mut self, check: &mut Check<'_>, head: &Head) -> Result<(), Stop> {
        let mut transaction = check.core.store.read().await?;
        let seals = transaction.list_seals(self.chain.clone(), self.number, SEALS).await?;
        drop(transaction);
        let next = self.number + 1;
        if seals.first().is_none_or(|seal| seal.number != next) {
            return Err(Self { number: next, ..self.copy() }.broken_at(
                Fault::SealMissing,
                self.total + 1,
                None,
            ));
        }
        for seal in seals {
            if self.number == head.number || seal.number != self.number + 1 {
                return Ok(());
            }
            self.seal(check, &seal).await?;
        }
        Ok(())
    }

    async fn seal(&mut self, check: &mut Check<'_>, seal: &Seal) -> Result<(), Stop> {
        if seal.link != check.core.audit.link(&self.link, seal) {
            let first = seal.members.split([' ', '\n']).next().map(str::to_owned);
            return Err(self.at(seal).broken_at(Fault::SealChanged, self.total + 1, first));
        }
        let before = self.total;
        *self = self.at(seal);
        if seal.chain == Head::ALL {
            self.chains(check, &seal.members).await?;
        } else {
            let entries: Vec<&str> = seal.members.split(' ').collect();
            self.entries(check, &entries, Some(before)).await?;
            check.sealed += entries.len() as u64;
            (check.progress)(check.sealed);
        }
        let since = check.since.as_ref().filter(|since| since.chain == self.chain);
        match since {
            Some(since) if since.number == self.number && since.link != self.link => {
                Err(self.broken(Fault::Rewritten, None))
            }
            _ => Ok(()),
        }
    }

    /// Entries are there and as we wrote them; the first is behind `before` in its chain.
    async fn entries(
        &self,
        check: &mut Check<'_>,
        entries: &[&str],
        before: Option<i64>,
    ) -> Result<(), Stop> {
        let mut place = before.map(|before| before + 1);
        for page in entries.chunks(PAGE as usize) {
            let ids = page.iter().map(|id| (*id).to_owned()).collect();
            let rows = check.core.store.read().await?.audit_rows(self.chain.clone(), ids).await?;
            let rows: HashMap<&str, &AuditRow> = rows.iter().map(|row| (row.id.as_str(), row)).collect();
            for id in page {
                let fault = match rows.get(id) {
                    None => Some(Fault::EntryMissing),
                    Some(row) if check.core.audit.wrote(row) => None,
                    Some(row) if is_another(check, row, entries) => Some(Fault::EntryMoved),
                    Some(_) => Some(Fault::EntryChanged),
                };
                if let Some(fault) = fault {
                    return Err(self.break_at(fault, place, Some((*id).to_owned())));
                }
                place = place.map(|place| place + 1);
            }
        }
        Ok(())
    }

    /// The seals that a seal over chains names are there.
    async fn chains(&self, check: &mut Check<'_>, members: &str) -> Result<(), Stop> {
        let named: Vec<(String, i64, Vec<u8>)> = members.lines().filter_map(line).collect();
        for page in named.chunks(PAGE as usize) {
            let names = page.iter().map(|(chain, number, _)| (chain.clone(), *number)).collect();
            let stored = check.core.store.read().await?.seal_links(names).await?;
            let stored: HashMap<_, _> =
                stored.into_iter().map(|(chain, number, link)| ((chain, number), link)).collect();
            for (chain, number, link) in page {
                let fault = match stored.get(&(chain.clone(), *number)) {
                    None => Fault::SealMissing,
                    Some(stored) if stored != link => Fault::SealChanged,
                    Some(_) => continue,
                };
                return Err(Self { number: *number, ..Self::of(chain) }.broken(fault, None));
            }
        }
        Ok(())
    }

    /// What waits for its seal is there and as we wrote it, too.
    pub async fn waiting(&self, check: &mut Check<'_>) -> Result<(), Stop> {
        let mut after = String::new();
        loop {
            let mut transaction = check.core.store.read().await?;
            let rows = transaction.waiting_entries_of(self.chain.clone(), after, PAGE).await?;
            drop(transaction);
            let Some(last) = rows.last() else { return Ok(()) };
            after = last.first.clone();
            for row in &rows {
                let entries: Vec<&str> = row.entries.iter().map(String::as_str).collect();
                Self::of(&self.chain).entries(check, &entries, None).await?;
                check.waiting += entries.len() as u64;
            }
        }
    }

    /// The kept head was met on the way.
    fn grew(&self, check: &mut Check<'_>) -> Result<(), Stop> {
        let Some(since) = check.since.as_ref().filter(|since| since.chain == self.chain) else {
            return Ok(());
        };
        check.since_met = true;
        if since.number > self.number { Err(self.broken(Fault::Shrunk, None)) } else { Ok(()) }
    }

    fn at(&self, seal: &Seal) -> Self {
        Self { chain: self.chain.clone(), number: seal.number, total: seal.total, link: seal.link.clone() }
    }

    fn copy(&self) -> Self {
        Self { chain: self.chain.clone(), link: self.link.clone(), ..*self }
    }

    /// A break here.
    pub fn broken(&self, fault: Fault, entry: Option<String>) -> Stop {
        self.break_at(fault, None, entry)
    }

    fn broken_at(&self, fault: Fault, place: i64, entry: Option<String>) -> Stop {
        self.break_at(fault, Some(place), entry)
    }

    fn break_at(&self, fault: Fault, place: Option<i64>, entry: Option<String>) -> Stop {
        let seal = Some(self.number).filter(|number| *number > 0);
        Stop::Broken(Box::new(Broken { fault, chain: self.chain.clone(), seal, place, entry }))
    }
}

/// Whether the content of a row is what we wrote under another identity of the same seal.
fn is_another(check: &Check<'_>, row: &AuditRow, entries: &[&str]) -> bool {
    let mut row = row.clone();
    entries.iter().any(|id| {
        (*id).clone_into(&mut row.id);
        check.core.audit.wrote(&row)
    })
}

/// A seal as a seal over chains names it: chain, number, link.
fn line(line: &str) -> Option<(String, i64, Vec<u8>)> {
    let mut parts = line.rsplitn(3, ' ');
    let (link, number, chain) = (parts.next()?, parts.next()?, parts.next()?);
    Some((chain.to_owned(), number.parse().ok()?, unhex(link)?))
}
