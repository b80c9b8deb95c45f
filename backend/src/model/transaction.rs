//! Gateway transactions, the tokens that they make, the company that merchants call with, and what became of
//! account updates (seed 003, spec A.2 to A.9).

use super::{CardId, MerchantId, Mode, Money, OperationId, Timestamp, TransactionId, UpdateId};

/// What a merchant calls the gateway interface with, in one mode.
#[derive(Clone, Debug)]
pub struct Company {
    /// `company_id`: digits, unique over the installation.
    pub id: String,
    /// Whose it is.
    pub merchant: MerchantId,
    /// Test or live.
    pub mode: Mode,
    /// `company_mid_id`: digits.
    pub mid: String,
    /// SHA-256 of the generated `company_pass` (security rule 5).
    pub pass_hash: Vec<u8>,
    /// The hash code and the merchant's settings, sealed under the root key.
    pub sealed: Vec<u8>,
    /// Counts changes; a change is a compare-and-set on it.
    pub version: u32,
    /// When it was made.
    pub created_at: Timestamp,
}

/// `transaction_type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransactionKind {
    /// Reserves an amount.
    AuthOnly,
    /// Reserves an amount and takes it.
    AuthCapture,
    /// Takes what was reserved.
    Capture,
    /// Frees what was reserved.
    Void,
    /// Gives back what was taken.
    Refund,
    /// Changes what is known of a token, or switches it.
    SubscriptionManage,
    /// Asks the scheme for a newer card behind a token.
    AccountUpdater,
}

/// `subscription_type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subscription {
    /// Stores the card; the transaction is the token from then on.
    Init,
    /// A charge by the merchant, nobody present.
    Rebill,
    /// A charge by the cardholder.
    Reuse,
    /// Replaces the card, or the personal data, of a token.
    UpdateBilling,
    /// Switches a token on.
    Enable,
    /// Switches a token off.
    Disable,
}

/// What has become of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransactionState {
    /// It is under way.
    Open,
    /// Done.
    Approved,
    /// Refused, or it came to nothing.
    Refused,
}

/// A transaction.
#[derive(Clone, Debug)]
pub struct GatewayTransaction {
    /// Identity inside, ordered by time.
    pub id: TransactionId,
    /// `transaction_id`: 10 random digits, unique over the installation.
    pub number: String,
    /// Whose it is.
    pub merchant: MerchantId,
    /// Test or live.
    pub mode: Mode,
    /// What it does.
    pub kind: TransactionKind,
    /// In which part of a subscription.
    pub subscription: Option<Subscription>,
    /// The token that it uses, makes or changes; empty for one-off payments and what follows them.
    pub token: String,
    /// The transaction that a capture, void or refund is about; else empty.
    pub original: String,
    /// `merchant_order_id`; may be empty.
    pub order_id: String,
    /// Whether it holds its order id, so that no other authorisation can: while it is open, and once approved.
    pub holds_order: bool,
    /// The amount, where there is one.
    pub amount: Option<Money>,
    /// The call to the gateway, where there is one.
    pub operation: Option<OperationId>,
    /// The card that it uses.
    pub card: Option<CardId>,
    /// Whether the card was stored for it, and goes if it is refused.
    pub owns_card: bool,
    /// What has become of it.
    pub state: TransactionState,
    /// `response_code`.
    pub code: u16,
    /// Personal data that an approval is waiting for, sealed to the managed key; else empty.
    pub sealed: Vec<u8>,
    /// Whether it was answered before its end was known, so that a webhook tells of that.
    pub waits: bool,
    /// When it was written.
    pub created_at: Timestamp,
    /// When it came to its end.
    pub settled_at: Option<Timestamp>,
}

/// Which transactions are listed, oldest first.
#[derive(Clone, Debug)]
pub enum TransactionFilter {
    /// Those of an order.
    Order(String),
    /// Those that use a token, without the one that made it.
    ChildrenOf(String),
    /// Captures, voids and refunds of an authorisation.
    FollowUps(String),
}

/// A token: the INIT's transaction id, and the vault's card behind it.
#[derive(Clone, Debug)]
pub struct GatewayToken {
    /// The id of the INIT inside, ordered by time.
    pub id: TransactionId,
    /// The transaction id of the INIT.
    pub number: String,
    /// Whose it is.
    pub merchant: MerchantId,
    /// Test or live.
    pub mode: Mode,
    /// The card.
    pub card: CardId,
    /// Whether the card was stored for the token, and goes when another one takes its place.
    pub owns_card: bool,
    /// Whether it can be used.
    pub enabled: bool,
    /// What the scheme called the first payment, where known.
    pub scheme_reference: Option<String>,
    /// Personal data, sealed to the managed key; empty where there are none.
    pub sealed: Vec<u8>,
    /// Counts changes; a change is a compare-and-set on it.
    pub version: u32,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// Why the scheme is asked for a newer card.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpdateCause {
    /// The merchant asked.
    Manual,
    /// A charge was refused because of the card.
    Refusal,
    /// The card ends this month.
    Schedule,
    /// The operator ran it.
    Operator,
}

/// What has become of an account update.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpdateState {
    /// Not yet asked.
    Waiting,
    /// There was something newer.
    Updated,
    /// There was nothing newer.
    NotUpdated,
}

/// An account update: an entry of a token's history.
#[derive(Clone, Debug)]
pub struct AccountUpdate {
    /// Identity, ordered by time.
    pub id: UpdateId,
    /// Whose it is.
    pub merchant: MerchantId,
    /// Test or live.
    pub mode: Mode,
    /// The token.
    pub token: String,
    /// The transaction that asked; empty where none did.
    pub asked_by: String,
    /// Why.
    pub cause: UpdateCause,
    /// What has become of it.
    pub state: UpdateState,
    /// The scheme's own code (spec A.9).
    pub scheme_code: String,
    /// Whether the number changed.
    pub new_number: bool,
    /// Whether the expiry changed.
    pub new_expiry: bool,
    /// When it was written.
    pub created_at: Timestamp,
    /// When it came to its end.
    pub finished_at: Option<Timestamp>,
}

/// The names of an enum's values on the wire and in storage.
macro_rules! names {
    ($name:ident: $($value:ident = $text:literal,)*) => {
        impl $name {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$value,)*];

            /// The name on the wire and in storage.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$value => $text,)*
                }
            }

            /// The value of a name.
            pub fn parse(text: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|value| value.as_str() == text)
            }
        }
    };
}

names! { TransactionKind:
    AuthOnly = "AUTH_ONLY",
    AuthCapture = "AUTH_CAPTURE",
    Capture = "CAPTURE",
    Void = "VOID",
    Refund = "REFUND",
    SubscriptionManage = "SUBSCRIPTION_MANAGE",
    AccountUpdater = "ACCOUNT_UPDATER",
}

names! { Subscription:
    Init = "INIT",
    Rebill = "REBILL",
    Reuse = "REUSE",
    UpdateBilling = "UPDATE_BILLING",
    Enable = "ENABLE",
    Disable = "DISABLE",
}

names! { TransactionState:
    Open = "open",
    Approved = "approved",
    Refused = "refused",
}

names! { UpdateCause:
    Manual = "manual",
    Refusal = "refusal",
    Schedule = "schedule",
    Operator = "operator",
}

names! { UpdateState:
    Waiting = "waiting",
    Updated = "updated",
    NotUpdated = "not_updated",
}

impl TransactionKind {
    /// Whether it is an authorisation: hashed over the order id, once for each order (spec A.3, A.4).
    pub const fn is_authorisation(self) -> bool {
        matches!(self, Self::AuthOnly | Self::AuthCapture)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_back() {
        for kind in TransactionKind::ALL {
            assert_eq!(TransactionKind::parse(kind.as_str()), Some(*kind));
        }
        for subscription in Subscription::ALL {
            assert_eq!(Subscription::parse(subscription.as_str()), Some(*subscription));
        }
        assert_eq!(TransactionKind::parse("auth_only"), None, "names are exact");
        assert_eq!(Subscription::parse(""), None);
    }
}
