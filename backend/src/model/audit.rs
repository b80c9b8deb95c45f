//! The audit log: who did what to which object, when, from where, and how it ended.

use super::{AuditId, MerchantId, Mode, Timestamp};

/// How an audited action ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was done.
    Done,
    /// It was refused.
    Refused,
}

impl Outcome {
    /// The name in storage.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Refused => "refused",
        }
    }

    /// The outcome of a stored name.
    pub fn parse(text: &str) -> Self {
        if text == "done" { Self::Done } else { Self::Refused }
    }
}

/// An entry. Holds identities only: never a number, a code, a secret or a name of a person.
#[derive(Clone, Debug)]
pub struct AuditEntry {
    /// Identity, sorts by time.
    pub id: AuditId,
    /// Whose log it belongs to; `None` where the merchant is unknown (a failed authentication).
    pub merchant: Option<MerchantId>,
    /// Test or live, where known.
    pub mode: Option<Mode>,
    /// When.
    pub at: Timestamp,
    /// Who: a credential's login, `endpoint:…`, `operator` or `anonymous`.
    pub actor: String,
    /// What, such as `card.read`.
    pub action: std::borrow::Cow<'static, str>,
    /// On what: an identity.
    pub object: String,
    /// How it ended.
    pub outcome: Outcome,
    /// The client's address, where there is one.
    pub address: String,
}
