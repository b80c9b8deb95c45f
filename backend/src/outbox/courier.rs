//! Who takes a parcel to its receiver: one courier for each channel.

use std::time::Duration;

use async_trait::async_trait;

use super::{OutboxError, Parcel};
use crate::model::{EventState, OutboxEvent};
use crate::storage::Transaction;

/// Takes the parcels of one channel to their receivers.
#[async_trait]
pub trait Courier: Send + Sync {
    /// The channel, as events name it.
    fn channel(&self) -> &'static str;

    /// Tries once, and tells what came of it; within 15 seconds. It can be cut off at any point, and the same
    /// event can come again: receivers tell repetitions by the event's id.
    async fn deliver(&self, event: &OutboxEvent, parcel: &Parcel) -> Receipt;

    /// Called after each attempt in the transaction that writes what came of it, with the event's state from
    /// then on: changes that the outcome brings are committed with it or not at all.
    async fn settled(
        &self,
        _transaction: &mut dyn Transaction,
        _event: &OutboxEvent,
        _receipt: &Receipt,
        _state: EventState,
    ) -> Result<(), OutboxError> {
        Ok(())
    }
}

/// What came of an attempt.
#[derive(Clone, Debug)]
pub struct Receipt {
    /// What is to happen next.
    pub verdict: Verdict,
    /// The receiver's status, where it answered with one.
    pub status: Option<u16>,
    /// What came of it, for the delivery log: words of ours, without address or content.
    pub result: String,
    /// The head of the receiver's answer. The log keeps 1 KB of it, and no card numbers.
    pub answer: String,
    /// What the receiver calls it, for `Courier::settled`; such as a provider's message id.
    pub reference: Option<String>,
}

/// What is to happen after an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The receiver has it.
    Accepted,
    /// Once more by the schedule, but not before this long.
    Again(Option<Duration>),
    /// Never again.
    Stop,
}

impl Receipt {
    /// An attempt that got no answer.
    pub fn failed(verdict: Verdict, result: impl Into<String>) -> Self {
        Self { verdict, status: None, result: result.into(), answer: String::new(), reference: None }
    }
}
