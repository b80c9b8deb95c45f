//! What sending stored cards to other servers needs: hosts that may be called, rules, and what is queued.

use super::{CardId, CvvKeyId, HostId, MerchantId, Mode, SendId, Timestamp};

/// A host that the operator allowed for a merchant (security rule 21).
#[derive(Clone, Debug)]
pub struct ProxyHost {
    /// Identity.
    pub id: HostId,
    /// Whose.
    pub merchant: MerchantId,
    /// Test or live.
    pub mode: Mode,
    /// The name in lower case, with its port where that is not 443.
    pub host: String,
    /// A client certificate and an authority of its own, sealed under the root key; empty for neither.
    pub sealed: Vec<u8>,
    /// When it was allowed.
    pub created_at: Timestamp,
}

/// A stored rule.
#[derive(Clone, Debug)]
pub struct RuleRow {
    /// Whose.
    pub merchant: MerchantId,
    /// Test or live.
    pub mode: Mode,
    /// The name that calls give it by.
    pub name: String,
    /// Its operations as JSON.
    pub operations: String,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A card on its way to another server: while it waits what is to be sent, afterwards what came of it.
#[derive(Clone, Debug)]
pub struct ProxySend {
    /// Identity, also towards the server that is called.
    pub id: SendId,
    /// Whose.
    pub merchant: MerchantId,
    /// Test or live.
    pub mode: Mode,
    /// The card.
    pub card: CardId,
    /// What has become of it.
    pub state: SendState,
    /// Attempts that ended.
    pub attempts: u32,
    /// What is to be sent, sealed under the root key; empty once nothing is to be sent any more.
    pub sealed: Vec<u8>,
    /// The security code, while it waits.
    pub code: Option<WaitingCode>,
    /// What came of it, sealed under the root key; empty before.
    pub result: Vec<u8>,
    /// When it was queued.
    pub created_at: Timestamp,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
}

/// A security code that was counted as used and waits to be sent. It ends when it would have ended with its card.
#[derive(Clone, Debug)]
pub struct WaitingCode {
    /// The hourly key that it is sealed under.
    pub cvv_key: CvvKeyId,
    /// The sealed code.
    pub sealed: Vec<u8>,
    /// When it ends.
    pub ends_at: Timestamp,
}

/// What has become of a send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendState {
    /// It waits for an attempt, the first or another one.
    Queued,
    /// The server answered.
    Answered,
    /// No answer worth keeping came in all attempts.
    Failed,
}

impl SendState {
    const ALL: [(Self, &'static str); 3] =
        [(Self::Queued, "queued"), (Self::Answered, "answered"), (Self::Failed, "failed")];

    /// The name in storage and on the wire.
    pub fn as_str(self) -> &'static str {
        Self::ALL.into_iter().find(|(state, _)| *state == self).map_or("failed", |(_, name)| name)
    }

    /// The state of a name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(_, name)| *name == text).map(|(state, _)| state)
    }
}
