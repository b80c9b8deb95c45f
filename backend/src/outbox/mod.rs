//! Outgoing events: what is told to whom, written in the transaction of the change that it tells of, and
//! delivered by workers that lease it (design.md, decision 9).
//!
//! A use case calls [`append`] in its own transaction. A [`Courier`] takes one channel's parcels to their
//! receivers; [`Worker`] leases what is due, hands it over, and writes what came of it.

mod courier;
pub mod events;
pub mod log;
pub mod secrets;
mod webhook;
mod worker;

use serde::{Deserialize, Serialize};

pub use courier::{Courier, Receipt, Verdict};
pub use webhook::{CHANNEL as WEBHOOK, WebhookCourier, retry_after};
pub use worker::Worker;

use crate::core::Core;
use crate::crypto::CryptoError;
use crate::crypto::binding::Binding;
use crate::model::{EventId, EventState, MerchantId, Mode, OutboxEvent, Schedule, Timestamp};
use crate::storage::{StoreError, Transaction};

/// An event as a use case writes it.
pub struct NewEvent<'e> {
    /// Whose it is.
    pub merchant: &'e MerchantId,
    /// Test or live.
    pub mode: Mode,
    /// What happened, such as `card.captured`. Shown in the delivery log.
    pub kind: &'e str,
    /// Events of one order leave one after the other: each waits until the one before was taken or given up.
    /// The card's id, where the content tells of a card: it is erased with the card.
    pub order: &'e str,
    /// The courier's channel, such as [`WEBHOOK`]; with `:receiver` behind it, attempts at this receiver are bounded by
    /// themselves.
    pub channel: &'e str,
    /// Where to and what.
    pub parcel: Parcel,
    /// When it is tried.
    pub schedule: Schedule,
    /// Whether the parcel is erased as soon as nothing is to be sent any more: it holds a link or a code
    /// (security rule 23). Such an event cannot be resent.
    pub erases: bool,
}

/// Where to, and what. Kept sealed.
#[derive(Clone, Deserialize, Serialize)]
pub struct Parcel {
    /// The address in the channel's own notation: a URL, an e-mail address, a telephone number.
    pub to: String,
    /// Headers, or what a channel has in their place.
    pub headers: Vec<(String, String)>,
    /// The content.
    pub body: String,
}

/// Why an event could not be written or settled.
#[derive(Debug, thiserror::Error)]
pub enum OutboxError {
    /// Storage failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The root key failed.
    #[error(transparent)]
    Crypto(#[from] CryptoError),
}

impl OutboxError {
    /// Whether somebody else changed the same rows at the same time, so that trying again helps.
    const fn is_race(&self) -> bool {
        matches!(self, Self::Store(error) if error.is_race())
    }
}

/// Appends an event in the caller's transaction, behind all that wait in its order. It leaves after the commit.
///
/// Two transactions that append to one order at the same time have to exclude each other by a row of the thing
/// they tell of; a change of that thing's state does.
pub async fn append(
    core: &Core,
    transaction: &mut dyn Transaction,
    event: NewEvent<'_>,
) -> Result<EventId, OutboxError> {
    let newest = transaction.newest_waiting(event.merchant.clone(), event.order.to_owned()).await?;
    // Clocks of several nodes differ, and two events can fall into one millisecond: the order is told by ids.
    let after = newest.map(|newest| newest.plus(std::time::Duration::from_millis(1)));
    let at = after.map_or(core.now(), |after| after.max(core.now()));
    let event = prepare(core, &event, at)?;
    let id = event.id.clone();
    transaction.add_event(event).await?;
    Ok(id)
}

/// An event ready to be stored by somebody else.
pub fn prepare(core: &Core, event: &NewEvent<'_>, at: Timestamp) -> Result<OutboxEvent, CryptoError> {
    let mut row = OutboxEvent {
        id: EventId::new(at, &*core.entropy),
        merchant: event.merchant.clone(),
        mode: event.mode,
        kind: event.kind.to_owned(),
        subject: event.order.to_owned(),
        channel: event.channel.to_owned(),
        sealed: Vec::new(),
        schedule: event.schedule,
        erases: event.erases,
        state: EventState::Waiting,
        attempts: 0,
        due_at: at,
        created_at: at,
        finished_at: None,
    };
    let content = serde_json::to_vec(&event.parcel).map_err(|_| CryptoError::Open)?;
    row.sealed = core.root.wrap(&bind(&row), &content, &*core.entropy)?;
    Ok(row)
}

/// What the sealed content of an event is bound to.
pub fn bind(event: &OutboxEvent) -> Binding<'_> {
    Binding {
        merchant: event.merchant.as_str(),
        mode: event.mode.as_str(),
        record: event.id.as_str(),
        kind: "event",
        field: "body",
        number: 0,
        key_version: 0,
    }
}

/// The content of an event.
fn open(core: &Core, event: &OutboxEvent) -> Result<Parcel, CryptoError> {
    let content = core.root.unwrap(&bind(event), &event.sealed)?;
    serde_json::from_slice(&content).map_err(|_| CryptoError::Open)
}
