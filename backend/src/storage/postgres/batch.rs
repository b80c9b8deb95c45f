//! Capture batches in PostgreSQL: all captures and audit entries that wait, in one transaction of multi-row
//! statements. Rows are locked in one order by all batches, so that batches of several nodes do not deadlock.

use std::time::{Duration, Instant};

use deadpool_postgres::Pool;
use tokio::sync::oneshot;

use super::lane::{CaptureReply, Waiting};
use super::transaction::{Access, PostgresTransaction};
use super::{audits, captures, card_row, codes, endpoint_row, forms, outbox};
use crate::model::AuditEntry;
use crate::storage::plan::{Known, Outcome, Plan, Wanted};
use crate::storage::{CaptureSubmission, Result, StoreError};

/// So often is a batch tried that collides with another transaction.
const ATTEMPTS: u32 = 6;
/// So long are the members of a failed batch tried alone.
const RESCUE: Duration = Duration::from_secs(5);

/// What is committed together, with where to answer.
pub struct Batch {
    // Submissions are `Send` and not `Sync`: the batch is handed on by `&mut`, which needs only the former.
    submissions: Vec<CaptureSubmission>,
    capture_replies: Vec<CaptureReply>,
    entries: Vec<AuditEntry>,
    entry_replies: Vec<oneshot::Sender<Result<()>>>,
}

impl Batch {
    /// What waits, as a batch.
    pub fn of(waiting: impl Iterator<Item = Waiting>) -> Self {
        let mut batch = Self {
            submissions: Vec::new(),
            capture_replies: Vec::new(),
            entries: Vec::new(),
            entry_replies: Vec::new(),
        };
        for one in waiting {
            match one {
                Waiting::Capture(submission, reply) => {
                    batch.submissions.push(*submission);
                    batch.capture_replies.push(reply);
                }
                Waiting::Record(entry, reply) => {
                    batch.entries.push(*entry);
                    batch.entry_replies.push(reply);
                }
            }
        }
        batch
    }

    /// Commits all and answers each. If the database refuses the batch as a whole, each is tried alone, so
    /// that one bad capture fails alone.
    pub async fn commit(mut self, pool: &Pool) {
        match self.store(pool).await {
            Ok(outcomes) => self.answer(outcomes),
            Err(StoreError::Closed) => {
                tracing::error!(captures = self.submissions.len(), "a batch was lost with its connection");
            }
            Err(error) if self.submissions.len() + self.entries.len() == 1 => self.refuse(error),
            Err(error) => {
                tracing::error!(%error, captures = self.submissions.len(), "a batch failed; trying each alone");
                self.one_by_one(pool).await;
            }
        }
    }

    fn answer(self, outcomes: Vec<Outcome>) {
        for (reply, outcome) in self.capture_replies.into_iter().zip(outcomes) {
            drop(reply.send(outcome));
        }
        for reply in self.entry_replies {
            drop(reply.send(Ok(())));
        }
    }

    /// Answers the only member of a batch.
    fn refuse(mut self, error: StoreError) {
        if let Some(reply) = self.capture_replies.pop() {
            drop(reply.send(Err(error)));
        } else if let Some(reply) = self.entry_replies.pop() {
            drop(reply.send(Err(error)));
        }
    }

    async fn one_by_one(self, pool: &Pool) {
        let started = Instant::now();
        let captures = self.submissions.into_iter().zip(self.capture_replies);
        let captures = captures.map(|(submission, reply)| Waiting::Capture(Box::new(submission), reply));
        let entries = self.entries.into_iter().zip(self.entry_replies);
        let entries = entries.map(|(entry, reply)| Waiting::Record(Box::new(entry), reply));
        for one in captures.chain(entries) {
            let mut alone = Self::of(std::iter::once(one));
            if started.elapsed() > RESCUE {
                // A database that refuses everything must not hold the line up; unanswered means `Closed`.
                return;
            }
            match alone.store(pool).await {
                Ok(outcomes) => alone.answer(outcomes),
                Err(error) => alone.refuse(error),
            }
        }
    }

    /// Nearly all captures bring cards that are new, so the first try looks for none of them; the insert finds
    /// out. Later tries look first.
    async fn store(&mut self, pool: &Pool) -> Result<Vec<Outcome>> {
        for attempt in 0..ATTEMPTS {
            match self.store_once(pool, attempt > 0).await {
                Err(StoreError::Retry) => tokio::time::sleep(Duration::from_millis(2) * attempt).await,
                stored => return stored,
            }
        }
        self.store_once(pool, true).await
    }

    async fn store_once(&mut self, pool: &Pool, looks: bool) -> Result<Vec<Outcome>> {
        let transaction = PostgresTransaction::begin(pool, Access::Write).await?;
        match self.fill(&transaction, looks).await {
            Ok(outcomes) => {
                transaction.finish().await.map_err(in_doubt)?;
                Ok(outcomes)
            }
            Err(error) => {
                transaction.undo().await;
                Err(error)
            }
        }
    }

    async fn fill(&mut self, transaction: &PostgresTransaction, looks: bool) -> Result<Vec<Outcome>> {
        let known = self.read(transaction, looks).await?;
        let plan = known.decide(self.submissions());
        // In a box: it holds the futures of all its statements.
        Box::pin(write(transaction, &plan)).await?;
        audits::insert(transaction, &self.entries).await?;
        Ok(plan.outcomes)
    }

    async fn read(&mut self, transaction: &PostgresTransaction, looks: bool) -> Result<Known> {
        let wanted = Wanted::by(self.submissions());
        let mut known = Known {
            endpoints: endpoint_row::lock(transaction, wanted.endpoints.iter()).await?,
            windows: captures::lock_windows(transaction, &wanted.windows).await?,
            ..Known::default()
        };
        known.submits = forms::stored_submits(transaction, wanted.submits).await?;
        let wanted = self.submissions().filter(|submission| looks || submission.card.is_none());
        let identities: Vec<_> = known.identities(wanted).into_iter().collect();
        known.cards = card_row::lock(transaction, &identities).await?;
        Ok(known)
    }

    fn submissions(&self) -> impl Iterator<Item = &CaptureSubmission> {
        self.submissions.iter()
    }
}

/// Writes a plan. The statements are sent together, in this order; none waits for the answer of another.
async fn write(t: &PostgresTransaction, plan: &Plan) -> Result<()> {
    // In order: the error that is seen first is then the cause, and not that of a statement behind it in the
    // transaction that it ended.
    let (added, ..) = tokio::try_join!(
        biased;
        card_row::insert(t, &plan.new_cards),
        card_row::update_counters(t, &plan.changed_cards),
        card_row::add_patches(t, &plan.patches),
        codes::put(t, &plan.cvvs),
        audits::insert(t, &plan.entries),
        outbox::insert(t, &plan.events),
        endpoint_row::write_counters(t, &plan.endpoints),
        captures::put_windows(t, &plan.windows),
        forms::insert_submits(t, &plan.submits),
    )?;
    // One of them exists already: the next try looks for it.
    if added == plan.new_cards.len() as u64 { Ok(()) } else { Err(StoreError::Retry) }
}

/// A commit that failed for another reason than a collision may have happened: it is not tried again.
fn in_doubt(error: StoreError) -> StoreError {
    match error {
        StoreError::Retry => StoreError::Retry,
        error => {
            tracing::error!(%error, "a batch's commit failed");
            StoreError::Closed
        }
    }
}
