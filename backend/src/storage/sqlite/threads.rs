//! The threads that own SQLite connections, and the transaction value that sends them work.
//!
//! The writer takes three kinds of message: a transaction (which then has the connection until it ends), a
//! capture, and an audit entry. Captures and entries that wait are committed together.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use rusqlite::Connection;
use tokio::sync::{Notify, oneshot};

use super::batch;
use crate::model::{AuditEntry, Refusal};
use crate::storage::{CaptureSubmission, GATHER, Result, StoreError, Stored, Transaction, worth_waiting_for};

/// Reader threads.
pub const READERS: usize = 4;
/// No transaction lasts longer (security rule 12): a use case never waits for the network inside one.
const LONGEST: Duration = Duration::from_secs(5);
/// The most that one batch carries.
const BATCH: usize = 512;

type Job = Box<dyn FnOnce(&Connection) + Send>;

pub enum Command {
    Run(Job),
    Commit(oneshot::Sender<Result<()>>),
}

/// The answer to a capture.
pub type CaptureReply = oneshot::Sender<Result<std::result::Result<Stored, Refusal>>>;

/// What the writer is asked for.
pub enum Message {
    Transaction(Receiver<Command>),
    Capture(Box<CaptureSubmission>, CaptureReply),
    Record(Box<AuditEntry>, oneshot::Sender<Result<()>>),
    Scrub(oneshot::Sender<Result<()>>),
}

/// The running threads. They end when this is dropped and all transactions are.
pub struct Threads {
    writer: Sender<Message>,
    readers: Sender<Receiver<Command>>,
}

impl Threads {
    /// Starts the writer and the readers.
    pub fn start(writer: Connection, readers: Vec<Connection>) -> Result<Self> {
        let (to_writer, messages) = mpsc::channel();
        spawn("sqlite-writer", move || write_loop(&writer, &messages))?;
        let (to_readers, sessions) = mpsc::channel();
        let sessions = Arc::new(Mutex::new(sessions));
        for connection in readers {
            let sessions = Arc::clone(&sessions);
            spawn("sqlite-reader", move || read_loop(&connection, &sessions))?;
        }
        Ok(Self { writer: to_writer, readers: to_readers })
    }

    /// Sends the writer a message.
    pub fn send(&self, message: Message) -> Result<()> {
        self.writer.send(message).map_err(|_| StoreError::Closed)
    }

    /// A transaction on the writer.
    pub fn write(&self, bell: &Arc<Notify>) -> Result<Box<dyn Transaction>> {
        let (commands, session) = mpsc::channel();
        self.send(Message::Transaction(session))?;
        Ok(Box::new(SqliteTransaction { commands, appended: false, bell: Arc::clone(bell) }))
    }

    /// A snapshot on a reader.
    pub fn read(&self, bell: &Arc<Notify>) -> Result<Box<dyn Transaction>> {
        let (commands, session) = mpsc::channel();
        self.readers.send(session).map_err(|_| StoreError::Closed)?;
        Ok(Box::new(SqliteTransaction { commands, appended: false, bell: Arc::clone(bell) }))
    }
}

/// An open transaction: a line to the thread that holds the connection. Dropping it rolls back.
pub struct SqliteTransaction {
    commands: Sender<Command>,
    /// Whether it wrote events.
    pub appended: bool,
    bell: Arc<Notify>,
}

impl SqliteTransaction {
    /// Runs a piece of SQL on the transaction's connection.
    pub async fn run<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (reply, answer) = oneshot::channel();
        let job: Job = Box::new(move |connection| drop(reply.send(work(connection))));
        self.commands.send(Command::Run(job)).map_err(|_| StoreError::Closed)?;
        answer.await.map_err(|_| StoreError::Closed)?
    }
}

#[async_trait]
impl Transaction for SqliteTransaction {
    async fn commit(self: Box<Self>) -> Result<()> {
        let (reply, answer) = oneshot::channel();
        self.commands.send(Command::Commit(reply)).map_err(|_| StoreError::Closed)?;
        answer.await.map_err(|_| StoreError::Closed)??;
        if self.appended {
            self.bell.notify_one();
        }
        Ok(())
    }
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<()> {
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(work)
        .map(drop)
        .map_err(|error| StoreError::Engine(format!("cannot start a thread: {error}")))
}

fn write_loop(connection: &Connection, messages: &Receiver<Message>) {
    let mut waiting = batch::Batch::default();
    let (mut last, mut before) = (0, 0);
    while let Ok(first) = messages.recv() {
        let mut next = Some(first);
        let started = Instant::now();
        // Everything that waits already goes into one commit; a transaction ends the batch, so that neither
        // kind of message starves the other.
        while let Some(message) = next.take() {
            match message {
                Message::Capture(submission, reply) => waiting.captures.push((submission, reply)),
                Message::Record(entry, reply) => waiting.entries.push((entry, reply)),
                Message::Transaction(session) => {
                    commit(&mut waiting, connection);
                    serve(connection, "BEGIN IMMEDIATE", &session);
                }
                Message::Scrub(reply) => {
                    commit(&mut waiting, connection);
                    drop(reply.send(truncate_log(connection)));
                }
            }
            if waiting.len() < BATCH {
                next = following(messages, waiting.len(), worth_waiting_for(last, before), started);
            }
        }
        (last, before) = (waiting.len(), last);
        commit(&mut waiting, connection);
    }
}

/// The next message for this batch: what is there, or what comes in a moment while the batch is too small.
fn following(
    messages: &Receiver<Message>,
    waiting: usize,
    enough: usize,
    started: Instant,
) -> Option<Message> {
    if (1..enough).contains(&waiting) {
        messages.recv_timeout(GATHER.saturating_sub(started.elapsed())).ok()
    } else {
        messages.try_recv().ok()
    }
}

/// Commits what waits. Should it panic, nobody is answered, which reads as `Closed`, and the thread goes on.
fn commit(waiting: &mut batch::Batch, connection: &Connection) {
    if catch_unwind(AssertUnwindSafe(|| waiting.commit(connection))).is_err() {
        tracing::error!("a batch ended in a panic");
        roll_back(connection);
    }
}

fn read_loop(connection: &Connection, sessions: &Mutex<Receiver<Receiver<Command>>>) {
    loop {
        let session = sessions.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(session) = session else { return };
        serve(connection, "BEGIN DEFERRED", &session);
    }
}

/// Carries out one transaction's commands until it commits, is dropped, or has lasted too long.
fn serve(connection: &Connection, begin: &str, session: &Receiver<Command>) {
    let started = Instant::now();
    if let Err(error) = connection.execute_batch(begin) {
        tracing::error!(%error, "cannot begin a transaction");
        return;
    }
    loop {
        match session.recv_timeout(LONGEST.saturating_sub(started.elapsed())) {
            // A panic must not take the thread, and with it the store, along.
            Ok(Command::Run(job)) => {
                if catch_unwind(AssertUnwindSafe(|| job(connection))).is_err() {
                    roll_back(connection);
                    return;
                }
            }
            Ok(Command::Commit(reply)) => {
                let result = connection.execute_batch("COMMIT").map_err(StoreError::from);
                if result.is_err() {
                    roll_back(connection);
                }
                drop(reply.send(result));
                return;
            }
            Err(RecvTimeoutError::Timeout) => {
                tracing::warn!("a transaction lasted too long and was undone");
                roll_back(connection);
                return;
            }
            Err(RecvTimeoutError::Disconnected) => {
                roll_back(connection);
                return;
            }
        }
    }
}

/// Undoes what is open; that nothing is open any more is no error here.
pub fn roll_back(connection: &Connection) {
    if !connection.is_autocommit()
        && let Err(error) = connection.execute_batch("ROLLBACK")
    {
        tracing::error!(%error, "cannot roll back");
    }
}

fn truncate_log(connection: &Connection) -> Result<()> {
    // Readers can keep the log from being truncated now; captures do not wait for them, the sweeper comes again.
    connection.busy_timeout(Duration::from_millis(100))?;
    let done = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
    connection.busy_timeout(super::PATIENCE)?;
    Ok(done?)
}
