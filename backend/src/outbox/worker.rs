//! The worker of a node: leases what is due, hands it to its courier, and writes what came of it.
//!
//! A lease is a compare-and-set on the event's row, so that no two nodes hold one. It is short and renewed while
//! the attempt runs: what a dead node held is taken over when its lease ends. Nodes' clocks have to agree within
//! a second or so.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::{Id, JoinSet};

use super::{Courier, OutboxError, Receipt, Verdict, log, open};
use crate::core::Core;
use crate::crypto::entropy;
use crate::model::{Attempt, EventState, OutboxEvent, Settlement, Timestamp};
use crate::storage::{StoreError, until_won};

/// How long a lease lasts without being renewed: so late is an event of a dead node delivered.
const LEASE: Duration = Duration::from_secs(6);
/// How often a lease is renewed.
const RENEW: Duration = Duration::from_secs(2);
/// How often a node looks for events of others; its own ring a bell.
const POLL: Duration = Duration::from_millis(200);
/// Attempts under way at once on a node.
const SLOTS: usize = 64;
/// Attempts of one merchant among them, so that a slow receiver does not hold others up.
const PER_MERCHANT: usize = 16;
/// Attempts of a merchant at one receiver that is bounded by itself.
const PER_RECEIVER: usize = 8;
/// Attempts at all such receivers: the other places are left for what tells people and programs.
const BOUNDED: usize = 32;
/// Attempts under way get so long to end when the node ends.
const DRAIN: Duration = Duration::from_secs(3);
/// A transaction that others get in the way of is tried so often.
const TRIES: usize = 5;

/// Delivers events on one node.
pub struct Worker {
    core: Core,
    couriers: Vec<Arc<dyn Courier>>,
}

/// An event that this node may deliver.
struct Leased {
    event: OutboxEvent,
    until: Timestamp,
}

/// An attempt that ended.
struct Done {
    leased: Leased,
    at: Timestamp,
    /// `None` where the lease was lost on the way.
    receipt: Option<Receipt>,
}

/// Attempts that run, and the lane of each.
#[derive(Default)]
struct UnderWay {
    tasks: JoinSet<Done>,
    lanes: HashMap<Id, (String, bool)>,
}

/// How many attempts run.
#[derive(Default)]
struct Counts {
    lanes: HashMap<String, (usize, bool)>,
    bounded: usize,
}

impl Counts {
    fn add(&mut self, lane: String, is_bounded: bool) -> bool {
        let most = most_of(is_bounded);
        let (count, _) = self.lanes.entry(lane).or_insert((0, is_bounded));
        let fits = *count < most && (!is_bounded || self.bounded < BOUNDED);
        if fits {
            *count += 1;
            self.bounded += usize::from(is_bounded);
        }
        fits
    }

    fn busy(&self) -> Vec<String> {
        let full = self.lanes.iter().filter(|(_, (count, is_bounded))| *count >= most_of(*is_bounded));
        full.map(|(lane, _)| lane.clone()).collect()
    }
}

const fn most_of(is_bounded: bool) -> usize {
    if is_bounded { PER_RECEIVER } else { PER_MERCHANT }
}

impl Worker {
    /// A worker with a courier for each channel.
    pub fn new(core: Core, couriers: Vec<Arc<dyn Courier>>) -> Self {
        Self { core, couriers }
    }

    /// Delivers until told to stop, then lets what is under way come to its end, for three seconds.
    pub async fn run(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        let bell = self.core.store.appended();
        let mut under_way = UnderWay::default();
        while !*stop.borrow() {
            if let Err(error) = self.take_on(&mut under_way).await {
                tracing::error!(%error, "outgoing events could not be looked for");
                tokio::time::sleep(POLL).await;
            }
            tokio::select! {
                () = bell.notified() => {}
                () = tokio::time::sleep(POLL) => {}
                Some(first) = under_way.tasks.join_next_with_id() => {
                    let done = under_way.ended(first);
                    self.settle(done).await;
                }
                _ = stop.changed() => {}
            }
        }
        let drained = tokio::time::timeout(DRAIN, self.drain(&mut under_way)).await;
        if drained.is_err() {
            tracing::warn!(events = under_way.tasks.len(), "left events to the end of their leases");
        }
    }

    /// Delivers once what is due now, and writes what came of it. Answers how many attempts were made.
    pub async fn step(self: &Arc<Self>) -> Result<usize, StoreError> {
        let mut under_way = UnderWay::default();
        self.take_on(&mut under_way).await?;
        let attempts = under_way.tasks.len();
        self.drain(&mut under_way).await;
        Ok(attempts)
    }

    async fn drain(&self, under_way: &mut UnderWay) {
        while let Some(first) = under_way.tasks.join_next_with_id().await {
            let done = under_way.ended(first);
            self.settle(done).await;
        }
    }

    /// Leases as much as there are places for, and starts it.
    async fn take_on(self: &Arc<Self>, under_way: &mut UnderWay) -> Result<(), StoreError> {
        let free = SLOTS.saturating_sub(under_way.tasks.len());
        if free == 0 {
            return Ok(());
        }
        for leased in self.lease(free, under_way.counts()).await? {
            let lane = (leased.event.lane(), leased.event.is_bounded());
            let worker = Arc::clone(self);
            let task = under_way.tasks.spawn(async move { worker.attempt(leased).await });
            under_way.lanes.insert(task.id(), lane);
        }
        Ok(())
    }

    async fn lease(&self, free: usize, mut counts: Counts) -> Result<Vec<Leased>, StoreError> {
        let now = self.core.now();
        let (busy, unbounded) = (counts.busy(), counts.bounded >= BOUNDED);
        // Read first: looking needs no writer, and mostly there is nothing.
        let limit = u32::try_from(2 * SLOTS).unwrap_or(u32::MAX);
        let mut due = self.core.store.read().await?.due_events(now, busy, unbounded, limit).await?;
        due.retain(|event| counts.add(event.lane(), event.is_bounded()));
        due.truncate(free);
        if due.is_empty() {
            return Ok(Vec::new());
        }
        let until = self.core.now().plus(LEASE);
        let mut transaction = self.core.store.begin().await?;
        let ours = transaction.lease_events(due.clone(), until).await?;
        transaction.commit().await?;
        due.retain(|event| ours.contains(&event.id));
        let leased = |event: OutboxEvent| Leased {
            event: OutboxEvent { attempts: event.attempts + 1, ..event },
            until,
        };
        Ok(due.into_iter().map(leased).collect())
    }

    async fn attempt(&self, mut leased: Leased) -> Done {
        let at = self.core.now();
        let event = leased.event.clone();
        let receipt = tokio::select! {
            receipt = self.hand_over(&event) => Some(receipt),
            () = self.keep(&mut leased) => None,
        };
        Done { leased, at, receipt }
    }

    async fn hand_over(&self, event: &OutboxEvent) -> Receipt {
        let Some(courier) = self.courier(event) else {
            // A newer node of the same installation may know the channel.
            return Receipt::failed(Verdict::Again(None), "this node does not know the channel");
        };
        match open(&self.core, event) {
            Ok(parcel) => courier.deliver(event, &parcel).await,
            Err(error) => {
                tracing::error!(%error, event = %event.id, "an outgoing event does not open");
                Receipt::failed(Verdict::Stop, "the event cannot be opened")
            }
        }
    }

    /// Renews a lease again and again; ends when it is lost.
    async fn keep(&self, leased: &mut Leased) {
        loop {
            tokio::time::sleep(RENEW).await;
            match self.renew(leased).await {
                Ok(false) => return,
                Err(error) if leased.until <= self.core.now() => {
                    tracing::error!(%error, "a lease could not be renewed");
                    return;
                }
                // There is time for another try.
                Ok(true) | Err(_) => {}
            }
        }
    }

    async fn renew(&self, leased: &mut Leased) -> Result<bool, StoreError> {
        let until = self.core.now().plus(LEASE);
        let mut transaction = self.core.store.begin().await?;
        let held = transaction.renew_lease(leased.event.id.clone(), leased.until, until).await?;
        transaction.commit().await?;
        leased.until = until;
        Ok(held)
    }

    /// Writes what came of attempts: all in one transaction, or, should that fail, each in its own, so that one
    /// that cannot be written does not hold others back.
    async fn settle(&self, done: Vec<Done>) {
        if done.len() > 1 && self.settle_together(&done).await.is_ok() {
            return;
        }
        for one in &done {
            if let Err(error) = self.settle_together(std::slice::from_ref(one)).await {
                tracing::error!(%error, event = %one.leased.event.id, "an attempt could not be written");
            }
        }
    }

    async fn settle_together(&self, done: &[Done]) -> Result<(), OutboxError> {
        until_won(TRIES, OutboxError::is_race, || self.settle_once(done)).await
    }

    async fn settle_once(&self, done: &[Done]) -> Result<(), OutboxError> {
        let mut transaction = self.core.store.begin().await?;
        for Done { leased, at, receipt } in done {
            let Some(receipt) = receipt else { continue };
            let event = &leased.event;
            let settlement = self.settlement(leased, receipt);
            let state = settlement.state;
            if !transaction.settle_event(settlement).await? {
                // Another node has it now, or it was dropped.
                continue;
            }
            transaction.add_attempt(log_entry(event, *at, receipt)).await?;
            if let Some(courier) = self.courier(event) {
                courier.settled(&mut *transaction, event, receipt, state).await?;
            }
        }
        transaction.commit().await?;
        Ok(())
    }

    fn settlement(&self, leased: &Leased, receipt: &Receipt) -> Settlement {
        let now = self.core.now();
        let event = &leased.event;
        let next = match receipt.verdict {
            Verdict::Again(later) => event
                .schedule
                .wait_after(event.attempts)
                .map(|wait| self.jittered(wait).max(later.unwrap_or_default())),
            Verdict::Accepted | Verdict::Stop => None,
        };
        let state = match (next, receipt.verdict) {
            (Some(_), _) => event.state,
            (None, Verdict::Accepted) => EventState::Accepted,
            (None, _) => EventState::GivenUp,
        };
        if state == EventState::GivenUp {
            tracing::warn!(event = %event.id, kind = event.kind, "gave an outgoing event up");
        }
        Settlement {
            event: event.id.clone(),
            lease: leased.until,
            state,
            due_at: now.plus(next.unwrap_or_default()),
            finished_at: next.is_none().then_some(now),
            erase: next.is_none() && event.erases,
        }
    }

    /// Up to a tenth longer, so that what failed together does not come again together.
    fn jittered(&self, wait: Duration) -> Duration {
        let random = u32::from(u16::from_be_bytes(entropy::bytes(&*self.core.entropy)));
        wait + wait / 10 * random / u32::from(u16::MAX)
    }

    fn courier(&self, event: &OutboxEvent) -> Option<&Arc<dyn Courier>> {
        self.couriers.iter().find(|courier| courier.channel() == event.courier())
    }
}

impl UnderWay {
    fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for (lane, is_bounded) in self.lanes.values() {
            counts.add(lane.clone(), *is_bounded);
        }
        counts
    }

    /// The attempt that ended first, and all others that have ended by now.
    fn ended(&mut self, first: Result<(Id, Done), tokio::task::JoinError>) -> Vec<Done> {
        let mut next = Some(first);
        let mut done = Vec::new();
        while let Some(ended) = next {
            match ended {
                Ok((id, one)) => {
                    self.lanes.remove(&id);
                    done.push(one);
                }
                Err(error) => {
                    // Its lease ends by itself, and the event comes again.
                    self.lanes.remove(&error.id());
                    tracing::error!("a courier ended in a panic");
                }
            }
            next = self.tasks.try_join_next_with_id();
        }
        done
    }
}

fn log_entry(event: &OutboxEvent, at: Timestamp, receipt: &Receipt) -> Attempt {
    Attempt {
        event: event.id.clone(),
        at,
        number: event.attempts,
        status: receipt.status,
        result: receipt.result.clone(),
        answer: log::kept(&receipt.answer),
    }
}
