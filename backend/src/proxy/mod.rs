//! The proxy: a stored card is put into a message that a merchant wrote, and sent to a server that the operator
//! allowed for this merchant (spec A.7, security rules 10, 12, 21).

mod codes;
mod courier;
mod fill;
pub mod hosts;
mod queue;
mod request;
mod room;
mod send;
mod smart;
mod store;

pub use courier::ProxyCourier;
pub use queue::{Outcome, enqueue, find};
pub use request::{MAX_CALL, Wish};
pub use room::Stay;
pub use send::{Order, Sent, Shown, send};
pub use store::{Taken, fetch};

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, MutexGuard, Semaphore};

use crate::crypto::CryptoError;
use crate::invalid::Invalid;
use crate::model::{HostId, Timestamp};
use crate::outbox::OutboxError;
use crate::outgoing::{Outgoing, OutgoingError};
use crate::storage::StoreError;
use crate::templates::TemplateError;
use crate::timed_cache::TimedCache;
use crate::vault::VaultError;
use crate::vault::cards::CardName;

/// The channel of queued sends.
pub const CHANNEL: &str = "proxy";
/// The largest answer, in bytes.
pub const MAX_ANSWER: usize = 1024 * 1024;
/// So many calls with large bodies are under way at once on a node, and so many with large answers; the others wait. With
/// it the memory that they take is bounded, however many there are.
const LARGE: usize = 16;
/// So many large answers are looked through at once.
const SCANS: usize = 4;
/// Cards are opened one after the other in so many rows, so that tries at the same time cannot pass the limit of
/// failures together.
const ROWS: usize = 64;
/// How long a client with a certificate of its own is kept.
const CLIENT_LIFE: Duration = Duration::from_mins(5);

/// What sending needs on a node.
pub struct Proxy {
    client: Outgoing,
    dedicated: TimedCache<HostId, Outgoing>,
    /// Places for calls with large bodies.
    room: Arc<Semaphore>,
    /// Places for large answers: of their own, since who holds a place above can come to need one here.
    answers: Arc<Semaphore>,
    /// Places for kept answers that are shown.
    shows: Arc<Semaphore>,
    /// Places for looking through large answers.
    scans: Arc<Semaphore>,
    rows: Vec<Mutex<()>>,
}

/// Why nothing was sent, or nothing came back.
#[derive(Debug, thiserror::Error)]
pub enum ProxyError {
    /// Values were refused.
    #[error("values were refused")]
    Invalid(Vec<Invalid>),
    /// The operator has not allowed this host for the merchant.
    #[error("the host is not allowed")]
    NotAllowed,
    /// The message is right and this card does not fit it. What of it does not is not told: it would tell of the card.
    #[error("the card does not fit the message")]
    Unfit,
    /// This card did not fit too many messages.
    #[error("too many messages that the card did not fit")]
    TooMany,
    /// There was no room in time, or no turn. Nothing was sent.
    #[error("no room in time")]
    Busy,
    /// The message turns out large and the call has no room for that yet. Nothing was done.
    #[error("the message needs room")]
    NeedsRoom,
    /// No such send.
    #[error("unknown send")]
    Unknown,
    /// The server was called without an answer of use.
    #[error(transparent)]
    Call(#[from] OutgoingError),
    /// The answer holds no card that could be stored.
    #[error("the answer cannot be stored")]
    Unstorable(Vec<Invalid>),
    /// The vault refused or failed.
    #[error(transparent)]
    Vault(#[from] VaultError),
}

impl From<Invalid> for ProxyError {
    fn from(invalid: Invalid) -> Self {
        Self::Invalid(vec![invalid])
    }
}

impl From<StoreError> for ProxyError {
    fn from(error: StoreError) -> Self {
        Self::Vault(error.into())
    }
}

impl From<CryptoError> for ProxyError {
    fn from(error: CryptoError) -> Self {
        Self::Vault(error.into())
    }
}

impl From<OutboxError> for ProxyError {
    fn from(error: OutboxError) -> Self {
        match error {
            OutboxError::Store(error) => error.into(),
            OutboxError::Crypto(error) => error.into(),
        }
    }
}

/// A template's problem at a place of the call.
fn template_problem(at: &str, error: &TemplateError) -> Invalid {
    let text = error.to_string();
    let mut chars = text.chars();
    let sentence =
        chars.next().map_or_else(String::new, |first| format!("{}{}.", first.to_uppercase(), chars.as_str()));
    Invalid::new(at, error.code(), sentence)
}

impl Proxy {
    /// With the client that refuses private addresses.
    pub fn new(client: Outgoing) -> Self {
        Self {
            client,
            dedicated: TimedCache::new(CLIENT_LIFE, 64),
            room: Arc::new(Semaphore::new(LARGE)),
            answers: Arc::new(Semaphore::new(LARGE)),
            shows: Arc::new(Semaphore::new(LARGE)),
            scans: Arc::new(Semaphore::new(SCANS)),
            rows: (0..ROWS).map(|_| Mutex::new(())).collect(),
        }
    }

    /// Waits until nobody else of its row opens a card on this node. Before the transaction, which others wait for.
    async fn turn(&self, name: &CardName) -> Option<MutexGuard<'_, ()>> {
        let mut hasher = DefaultHasher::new();
        (&name.token, &name.reference).hash(&mut hasher);
        let row = usize::try_from(hasher.finish() % ROWS as u64).unwrap_or_default();
        Some(self.rows.get(row)?.lock().await)
    }

    /// Runs what opens a card in the card's turn; once more, with room, where its message turns out large.
    async fn in_turn<T, F: Future<Output = Result<T, ProxyError>>>(
        &self,
        stay: &Stay,
        name: &CardName,
        run: impl Fn() -> F,
    ) -> Result<T, ProxyError> {
        let turn = stay.wait_for(self.turn(name)).await?;
        match run().await {
            Err(ProxyError::NeedsRoom) => {}
            done => return done,
        }
        // Who waits for room keeps nobody waiting.
        drop(turn);
        stay.take_room(self).await?;
        let _turn = stay.wait_for(self.turn(name)).await?;
        run().await
    }

    /// Forgets clients that nobody has used for a while.
    pub fn sweep(&self, now: Timestamp) {
        self.dedicated.sweep(now);
    }

    fn dedicated(
        &self,
        id: &HostId,
        settings: &crate::outgoing::Dedicated,
        now: Timestamp,
    ) -> Result<Arc<Outgoing>, OutgoingError> {
        if settings.is_empty() {
            return Ok(Arc::new(self.client.clone()));
        }
        if let Some(known) = self.dedicated.find(id, now) {
            return Ok(known);
        }
        let made = Arc::new(self.client.dedicated(settings)?);
        self.dedicated.keep(id.clone(), Arc::clone(&made), now);
        Ok(made)
    }
}
