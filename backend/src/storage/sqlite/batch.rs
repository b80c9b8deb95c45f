//! Capture batches in SQLite: all captures and audit entries that wait, in one transaction.

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::threads::{CaptureReply, roll_back};
use super::{audits, captures, cards, endpoint_row, forms, outbox};
use crate::model::AuditEntry;
use crate::storage::plan::{Known, Outcome, Plan, Wanted};
use crate::storage::{CaptureSubmission, Result, StoreError};

/// What waits for the next commit.
#[derive(Default)]
pub struct Batch {
    /// Captures with where to answer.
    pub captures: Vec<(Box<CaptureSubmission>, CaptureReply)>,
    /// Audit entries with where to answer.
    pub entries: Vec<(Box<AuditEntry>, oneshot::Sender<Result<()>>)>,
}

impl Batch {
    /// How many wait.
    pub fn len(&self) -> usize {
        self.captures.len() + self.entries.len()
    }

    /// Commits all that wait and answers each. If the transaction fails as a whole, each is tried alone, so
    /// that one bad capture fails alone.
    pub fn commit(&mut self, connection: &Connection) {
        if self.len() == 0 {
            return;
        }
        let batch = std::mem::take(self);
        let submissions: Vec<_> = batch.captures.iter().map(|(submission, _)| &**submission).collect();
        let entries: Vec<_> = batch.entries.iter().map(|(entry, _)| &**entry).collect();
        match store(connection, &submissions, &entries) {
            Ok(outcomes) => {
                for ((_, reply), outcome) in batch.captures.into_iter().zip(outcomes) {
                    drop(reply.send(outcome));
                }
                for (_, reply) in batch.entries {
                    drop(reply.send(Ok(())));
                }
            }
            Err(error) => {
                tracing::error!(%error, captures = submissions.len(), "a batch failed; trying each alone");
                one_by_one(connection, batch);
            }
        }
    }
}

fn one_by_one(connection: &Connection, batch: Batch) {
    for (submission, reply) in batch.captures {
        let outcome = store(connection, &[&submission], &[])
            .and_then(|mut outcomes| outcomes.pop().unwrap_or(Err(StoreError::Closed)));
        drop(reply.send(outcome));
    }
    for (entry, reply) in batch.entries {
        drop(reply.send(store(connection, &[], &[&entry]).map(drop)));
    }
}

/// One transaction over captures and entries; answers the outcomes in order.
fn store(
    connection: &Connection,
    submissions: &[&CaptureSubmission],
    entries: &[&AuditEntry],
) -> Result<Vec<Outcome>> {
    connection.execute_batch("BEGIN IMMEDIATE")?;
    let stored = store_all(connection, submissions, entries)
        .and_then(|outcomes| connection.execute_batch("COMMIT").map(|()| outcomes).map_err(StoreError::from));
    if stored.is_err() {
        roll_back(connection);
    }
    stored
}

fn store_all(
    connection: &Connection,
    submissions: &[&CaptureSubmission],
    entries: &[&AuditEntry],
) -> Result<Vec<Outcome>> {
    let plan = read(connection, submissions)?.decide(submissions.iter().copied());
    write(connection, &plan)?;
    audits::insert(connection, &plan.entries.iter().chain(entries.iter().copied()).collect::<Vec<_>>())?;
    Ok(plan.outcomes)
}

fn read(connection: &Connection, submissions: &[&CaptureSubmission]) -> Result<Known> {
    let wanted = Wanted::by(submissions.iter().copied());
    let mut known = Known::default();
    for id in wanted.endpoints {
        if let Some(endpoint) = endpoint_row::lookup(connection, &id)? {
            known.endpoints.insert(id, endpoint);
        }
    }
    for (subject, _) in wanted.windows {
        if let Some(window) = captures::window(connection, &subject)? {
            known.windows.insert(subject, window);
        }
    }
    for id_hash in wanted.submits {
        if forms::has_submit(connection, &id_hash)? {
            known.submits.insert(id_hash);
        }
    }
    for identity in known.identities(submissions.iter().copied()) {
        if let Some(card) = cards::find(connection, &identity.key, &identity.token, &identity.reference)? {
            known.cards.insert(identity, card);
        }
    }
    Ok(known)
}

fn write(connection: &Connection, plan: &Plan) -> Result<()> {
    for card in &plan.new_cards {
        if !cards::insert(connection, card)? {
            return Err(StoreError::Inconsistent { table: "card", what: "identity" });
        }
    }
    for card in &plan.changed_cards {
        cards::update_counters(connection, card)?;
    }
    for patch in &plan.patches {
        cards::add_patch(connection, patch)?;
    }
    for cvv in &plan.cvvs {
        cards::put_cvv(connection, cvv)?;
    }
    for event in &plan.events {
        outbox::insert(connection, event)?;
    }
    for endpoint in &plan.endpoints {
        endpoint_row::write_counters(connection, endpoint)?;
    }
    for (subject, window) in &plan.windows {
        captures::put_window(connection, subject, *window)?;
    }
    for submit in &plan.submits {
        forms::add_submit(connection, submit)?;
    }
    Ok(())
}
