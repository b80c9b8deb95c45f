//! Operations: calls to a gateway as they are kept. The row is written and committed before the call, so that no
//! call can be forgotten and none is made twice.

use super::{CardId, MerchantId, Mode, Money, OperationId, Timestamp};

/// One call to a gateway that moves, reserves, frees or gives back money, or checks a card.
#[derive(Clone, Debug)]
pub struct Operation {
    /// Identity, also towards the gateway: it is sent as the idempotency key and asked for by inquiries.
    pub id: OperationId,
    /// Whose it is.
    pub merchant: MerchantId,
    /// Test or live.
    pub mode: Mode,
    /// What it is for.
    pub owner: OwnerKind,
    /// The id of what it is for: an invoice, a transaction.
    pub owner_id: String,
    /// What it does.
    pub kind: OperationKind,
    /// The authorisation that a capture, void or refund is about.
    pub parent: Option<OperationId>,
    /// The card, where it uses one.
    pub card: Option<CardId>,
    /// The gateway's name in the configuration.
    pub gateway: String,
    /// The amount; zero for a check of a card.
    pub amount: Money,
    /// What has become of it.
    pub state: OperationState,
    /// What the gateway answered, as JSON of `gateways::Answer`; empty before. Holds no card data.
    pub answer: String,
    /// Counts changes; a change is a compare-and-set on it.
    pub version: u32,
    /// While it is open: when the gateway is asked what became of it.
    pub inquire_at: Timestamp,
    /// When the gateway was last called for it; `None` while it was not.
    pub called_at: Option<Timestamp>,
    /// When it was written.
    pub created_at: Timestamp,
    /// When it came to its end.
    pub settled_at: Option<Timestamp>,
    /// When the gateway first had not heard of it, though no call could be under way any more.
    pub unheard_at: Option<Timestamp>,
    /// While it is challenged: when the payer's return was taken to the gateway, whose answer is not there yet. Of
    /// several returns one is.
    pub returned_at: Option<Timestamp>,
}

/// What an operation is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OwnerKind {
    /// A payment invoice (seed 004).
    Invoice,
    /// A gateway transaction (seed 003).
    Transaction,
}

/// What an operation does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OperationKind {
    /// Reserves an amount.
    Authorize,
    /// Reserves an amount and takes it.
    Sale,
    /// Takes a reserved amount, or a part of it.
    Capture,
    /// Frees what was reserved.
    Void,
    /// Gives back what was taken, or a part of it.
    Refund,
    /// Checks a card without money.
    Verify,
}

/// What has become of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OperationState {
    /// Written; the call may have been made or not. An inquiry tells.
    Sent,
    /// The issuer wants to see the payer first (3-D Secure).
    Challenged,
    /// The gateway has taken it and will say later.
    Pending,
    /// Done.
    Approved,
    /// Refused.
    Declined,
    /// The gateway never heard of it, or it was given up before it was made.
    NotMade,
}

impl OperationKind {
    const ALL: [(Self, &'static str); 6] = [
        (Self::Authorize, "authorize"),
        (Self::Sale, "sale"),
        (Self::Capture, "capture"),
        (Self::Void, "void"),
        (Self::Refund, "refund"),
        (Self::Verify, "verify"),
    ];

    /// The name in storage.
    pub fn as_str(self) -> &'static str {
        Self::ALL.into_iter().find(|(kind, _)| *kind == self).map_or("", |(_, name)| name)
    }

    /// The kind of a stored name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(_, name)| *name == text).map(|(kind, _)| kind)
    }
}

impl OperationState {
    const ALL: [(Self, &'static str); 6] = [
        (Self::Sent, "sent"),
        (Self::Challenged, "challenged"),
        (Self::Pending, "pending"),
        (Self::Approved, "approved"),
        (Self::Declined, "declined"),
        (Self::NotMade, "not_made"),
    ];

    /// The name in storage.
    pub fn as_str(self) -> &'static str {
        Self::ALL.into_iter().find(|(state, _)| *state == self).map_or("", |(_, name)| name)
    }

    /// The state of a stored name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(_, name)| *name == text).map(|(state, _)| state)
    }

    /// Whether something may still become of it.
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Sent | Self::Challenged | Self::Pending)
    }
}

impl OwnerKind {
    /// The name in storage.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Invoice => "invoice",
            Self::Transaction => "transaction",
        }
    }

    /// The owner of a stored name.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Invoice, Self::Transaction].into_iter().find(|kind| kind.as_str() == text)
    }
}
