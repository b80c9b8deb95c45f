//! The capture lane: a line of captures and audit entries, and the task that stores what waits in batches.

use std::time::Instant;

use deadpool_postgres::Pool;
use tokio::sync::{mpsc, oneshot};

use super::batch::Batch;
use crate::model::{AuditEntry, Refusal};
use crate::storage::{CaptureSubmission, GATHER, Result, StoreError, Stored, worth_waiting_for};

/// Connections that store batches. One: what arrives while it commits is the next batch. Two would split the line into
/// smaller batches, which wait for each other at the endpoint's row all the same.
pub const CONNECTIONS: usize = 1;
/// The most that one batch carries.
const BATCH: usize = 512;
/// So many may wait; whoever comes then waits for a place.
const LINE: usize = 8 * BATCH;

/// The answer to a capture.
pub type CaptureReply = oneshot::Sender<Result<std::result::Result<Stored, Refusal>>>;

/// What waits in the line.
pub enum Waiting {
    /// A capture.
    Capture(Box<CaptureSubmission>, CaptureReply),
    /// An audit entry.
    Record(Box<AuditEntry>, oneshot::Sender<Result<()>>),
}

/// The way into the line. Its task stores what waits, then ends, when this is dropped.
pub struct Lane {
    line: mpsc::Sender<Waiting>,
}

impl Lane {
    /// Starts the task.
    pub fn start(pool: Pool) -> Self {
        let (line, waiting) = mpsc::channel(LINE);
        tokio::spawn(work(pool, waiting));
        Self { line }
    }

    /// Stores a capture.
    pub async fn capture(
        &self,
        submission: CaptureSubmission,
    ) -> Result<std::result::Result<Stored, Refusal>> {
        let (reply, answer) = oneshot::channel();
        self.wait(Waiting::Capture(Box::new(submission), reply)).await?;
        answer.await.map_err(|_| StoreError::Closed)?
    }

    /// Appends an audit entry.
    pub async fn record(&self, entry: AuditEntry) -> Result<()> {
        let (reply, answer) = oneshot::channel();
        self.wait(Waiting::Record(Box::new(entry), reply)).await?;
        answer.await.map_err(|_| StoreError::Closed)?
    }

    async fn wait(&self, waiting: Waiting) -> Result<()> {
        self.line.send(waiting).await.map_err(|_| StoreError::Closed)
    }
}

async fn work(pool: Pool, mut line: mpsc::Receiver<Waiting>) {
    let mut waiting = Vec::with_capacity(BATCH);
    let (mut last, mut before) = (0, 0);
    while line.recv_many(&mut waiting, BATCH).await > 0 {
        gather(&mut line, &mut waiting, worth_waiting_for(last, before)).await;
        (last, before) = (waiting.len(), last);
        Batch::of(waiting.drain(..)).commit(&pool).await;
    }
}

/// Waits a moment for a batch that is worth its commit.
async fn gather(line: &mut mpsc::Receiver<Waiting>, waiting: &mut Vec<Waiting>, enough: usize) {
    let started = Instant::now();
    while waiting.len() < enough.min(BATCH) && started.elapsed() < GATHER {
        match line.try_recv() {
            Ok(one) => waiting.push(one),
            Err(_) => tokio::task::yield_now().await,
        }
    }
}
