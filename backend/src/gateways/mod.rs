//! Gateways: what carries a payment to an acquirer. One trait, the built-in acquirer simulator, and a connector that
//! a file describes. Nothing here knows invoices, transactions or storage of cards.

use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use shared::{CardNumber, Cvv, Expiry};
use url::Url;

use crate::addresses::allowed_scheme;
use crate::model::{Money, OperationId, OperationKind};

pub mod described;
pub mod sandbox;

/// A way to an acquirer. Every call is named by its operation's id, which the gateway takes as the idempotency key:
/// the same id again is answered again and never done twice.
#[async_trait]
pub trait Gateway: Send + Sync {
    /// The host that cards are sent to, as the terms of security codes name it.
    fn host(&self) -> &str;

    /// How long it is waited for.
    fn patience(&self) -> Patience;

    /// Reserves the amount on a card, and takes it where the order says so.
    async fn authorize(&self, order: &Order, card: &CardInUse<'_>) -> Result<Answer, Unknown>;

    /// Checks a card without money.
    async fn verify(&self, order: &Order, card: &CardInUse<'_>) -> Result<Answer, Unknown>;

    /// Whether what came back with the payer is something that [`Gateway::complete_authentication`] can go on with.
    fn takes_return(&self, returned: &[(String, String)]) -> bool;

    /// Goes on after the payer has been with the issuer, with the parameters that came back. Called once for each
    /// return, and not again before its answer.
    async fn complete_authentication(
        &self,
        known: &Known,
        returned: &[(String, String)],
    ) -> Result<Answer, Unknown>;

    /// Takes a reserved amount, or a part of it.
    async fn capture(&self, follow_up: &FollowUp) -> Result<Answer, Unknown>;

    /// Frees what was reserved.
    async fn void(&self, follow_up: &FollowUp) -> Result<Answer, Unknown>;

    /// Gives back what was taken, or a part of it.
    async fn refund(&self, follow_up: &FollowUp) -> Result<Answer, Unknown>;

    /// Whether the gateway can be asked about an operation, now and by itself. What it cannot be asked about is
    /// settled by hand.
    fn can_inquire(&self, known: &Known) -> bool;

    /// What became of an operation: `None` where the gateway never heard of it.
    async fn inquire(&self, known: &Known) -> Result<Option<Answer>, Unknown>;
}

/// How long a gateway is waited for.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// A call is given up after so long; whether it was done is then unknown.
    pub call: Duration,
    /// So long after a call without an answer the first inquiry is made.
    pub inquiry: Duration,
    /// What a gateway has not heard of so long after the call began, it never will. Longer than `call`.
    pub certain: Duration,
    /// Whether the gateway has not heard of something counts when it says so twice, so far apart, after `certain`.
    /// Zero where what it takes can be asked for at once.
    pub again: Duration,
}

/// What a card is to be charged or checked for.
#[derive(Clone, Debug)]
pub struct Order {
    /// The operation.
    pub operation: OperationId,
    /// How much; zero for a check.
    pub amount: Money,
    /// Whether the amount is taken at once.
    pub takes: bool,
    /// The merchant's own name of it.
    pub reference: String,
    /// What stands on the cardholder's statement or page; may be empty.
    pub description: String,
    /// Who wants it, and whether the card is stored or comes out of storage.
    pub credential: Credential,
    /// Facts about the payer, as far as known.
    pub payer: Payer,
    /// Where the payer comes back to after being with the issuer; without one no challenge is possible.
    pub return_url: Option<String>,
}

/// Who starts a payment with which kind of card data (the schemes' stored-credential framework).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credential {
    /// The cardholder typed the card, and it is not kept (CIT).
    OneOff,
    /// The cardholder typed the card, and it is kept for later (first CIT).
    First,
    /// The cardholder pays by a kept card (CIT).
    StoredByPayer {
        /// What the scheme called the first payment, where known.
        scheme_reference: Option<String>,
    },
    /// The merchant charges a kept card, nobody present (MIT).
    StoredByMerchant {
        /// `recurring`, `instalment`, `unscheduled`, or a letter that the merchant gave.
        reason: String,
        /// What the scheme called the first payment, where known.
        scheme_reference: Option<String>,
    },
}

/// Facts about the payer that issuers ask for. Empty where they are not known.
#[derive(Clone, Debug, Default)]
pub struct Payer {
    /// The payer's address on the network.
    pub ip: String,
    /// The payer's name.
    pub name: String,
    /// E-mail address.
    pub email: String,
    /// Telephone number, as it was told.
    pub phone: String,
    /// Where bills go, which issuers compare with what they know.
    pub address: Address,
    /// Facts about the browser by the names of 3-D Secure's `browser_info`; values as sent.
    pub browser: Vec<(String, String)>,
}

/// A postal address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Address {
    /// Street and number.
    pub street: String,
    /// The second line.
    pub street2: String,
    /// City.
    pub city: String,
    /// State or province.
    pub state: String,
    /// Postal code.
    pub zip: String,
    /// Country: two letters (ISO 3166), as they were told.
    pub country: String,
}

/// Whether a payer can be sent back there by an issuer: a place for browsers, by https, or on this machine itself where
/// somebody tries things out, without a login and without a card number.
pub fn takes_payer_back(address: &str) -> bool {
    let is_place = Url::parse(address)
        .is_ok_and(|url| allowed_scheme(&url) && url.username().is_empty() && url.password().is_none());
    let is_whole = !address.chars().any(|c| c.is_control() || c.is_whitespace());
    is_place && is_whole && !shared::digits::holds_card_number(address)
}

/// What is known of an operation that was made before.
#[derive(Clone, Debug)]
pub struct Known {
    /// The operation.
    pub operation: OperationId,
    /// What it does.
    pub kind: OperationKind,
    /// How much.
    pub amount: Money,
    /// What the gateway called it, where it has said so.
    pub reference: Option<String>,
    /// What the gateway called the original of a capture, void or refund.
    pub original_reference: Option<String>,
    /// How long ago it was called for.
    pub age: Duration,
    /// Whether the gateway has it and said that it would tell later.
    pub is_pending: bool,
}

/// A capture, void or refund.
#[derive(Clone, Debug)]
pub struct FollowUp {
    /// The operation.
    pub operation: OperationId,
    /// The authorisation or sale that it is about.
    pub original: OperationId,
    /// What the gateway called the original.
    pub original_reference: String,
    /// How much.
    pub amount: Money,
}

/// An open card: lives within one call to a gateway, and is wiped after it.
pub struct CardInUse<'c> {
    /// The card number.
    pub number: &'c CardNumber,
    /// The end of its validity.
    pub expiry: Expiry,
    /// The name on it; may be empty.
    pub holder: &'c str,
    /// The security code, where there is one and its terms allow this use.
    pub cvv: Option<&'c Cvv>,
}

/// What a gateway said. Kept as JSON with the operation; holds no card data.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "outcome")]
pub enum Answer {
    /// Done.
    Approved(Approval),
    /// Refused, for good.
    Declined(Decline),
    /// The payer has to go to the issuer first.
    Challenge(Challenge),
    /// Taken; the gateway will tell when asked again.
    Pending {
        /// What the gateway calls it.
        reference: String,
        /// Why it takes so long, by the names of spec B.3; empty where the gateway does not say.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        resolution: String,
    },
}

impl Answer {
    /// What the gateway calls it; `None` where it did not tell.
    pub fn reference(&self) -> Option<&str> {
        let reference = match self {
            Self::Approved(approval) => &approval.reference,
            Self::Declined(decline) => &decline.reference,
            Self::Challenge(challenge) => &challenge.reference,
            Self::Pending { reference, .. } => reference,
        };
        Some(reference.as_str()).filter(|reference| !reference.is_empty())
    }
}

/// Facts of an approval. Empty where the gateway does not tell.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
pub struct Approval {
    /// What the gateway calls it.
    pub reference: String,
    /// The issuer's authorisation code.
    pub approval_code: String,
    /// The acquirer's retrieval reference number.
    pub rrn: String,
    /// What the scheme calls it, for later payments by the stored card.
    pub scheme_reference: Option<String>,
    /// The acquirer's own code, such as `00`.
    pub bank_code: String,
    /// What the issuer said of the security code, address and postal code, in one letter each.
    pub checks: Checks,
    /// Whether the payer was authenticated by 3-D Secure.
    pub authenticated: bool,
}

/// Results of an issuer's checks: one letter each, empty where nothing was checked.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
pub struct Checks {
    /// The security code.
    pub cvv: String,
    /// The address.
    pub address: String,
    /// The postal code.
    pub zip: String,
}

/// Why it was refused.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
pub struct Decline {
    /// What the gateway calls it; may be empty.
    pub reference: String,
    /// The reason by the names of spec B.3, such as `insufficient_funds`.
    pub resolution: String,
    /// The acquirer's own code, such as `51`.
    pub bank_code: String,
    /// The acquirer's own words, for the merchant.
    pub message: String,
    /// What the issuer said of the security code and the address.
    pub checks: Checks,
}

/// Where the payer has to go, by an HTML form.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct Challenge {
    /// The form's method: `POST`, as the schemes have it, or `GET`.
    pub method: String,
    /// The issuer's address; of a `GET` without its query, which stands in the fields.
    pub action: String,
    /// The form's fields in their order; the way back is among them.
    pub params: Vec<(String, String)>,
    /// What the gateway calls it.
    pub reference: String,
}

/// No answer, or none that can be understood: whether it was done is not known, and only an inquiry tells.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the gateway's answer is not known: {0}")]
pub struct Unknown(
    /// Words of ours for the log, without values.
    pub String,
);
