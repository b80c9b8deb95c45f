//! The acquirer simulator: test cards with known results, and a book of its own that is written, and committed,
//! before anything is answered. The same operation again is answered again and done once.

pub mod acs;
mod book;
mod cards;
mod faults;

use std::time::Duration;

use async_trait::async_trait;
use url::Url;

pub use faults::{Fault, Faults};

use super::{
    Answer, Approval, CardInUse, Challenge, Checks, Credential, Decline, FollowUp, Gateway, Known, Order,
    Patience, Unknown,
};
use crate::core::Core;
use crate::crypto::entropy;
use crate::model::{LedgerEntry, Money, OperationId, OperationKind};
use crate::storage::StoreError;
use book::Request;
use cards::Outcome;

/// The name of the simulator among gateways.
pub const SANDBOX: &str = "sandbox";

/// The simulator. Serves test mode alone.
pub struct Sandbox {
    core: Core,
    page: String,
    options: Options,
    faults: Faults,
}

/// How the simulator behaves, as the operator configured it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// So long does each answer take.
    pub latency: Duration,
    /// So long do sales stay pending before they are approved.
    pub delay: Duration,
}

impl Sandbox {
    /// The simulator with its issuer's page at a public address.
    pub fn new(core: Core, public_url: &Url, options: Options) -> Self {
        let page = format!("{}{}", public_url.as_str().trim_end_matches('/'), acs::PATH);
        Self { core, page, options, faults: Faults::default() }
    }

    /// A handle on the faults of calls to come.
    pub fn faults(&self) -> Faults {
        self.faults.clone()
    }

    /// What the book says of an operation.
    pub async fn entry(&self, operation: &OperationId) -> Result<Option<LedgerEntry>, StoreError> {
        self.core.store.read().await?.lookup_ledger_entry(operation.clone()).await
    }

    /// What the issuer's page shows for a `creq` or a `PaReq`: the challenge of an operation that waits for its payer,
    /// and the amount.
    pub async fn challenge(
        &self,
        request: &str,
    ) -> Result<Option<(OperationId, Challenge, Money)>, StoreError> {
        let Some(operation) = acs::asked(&self.core, request) else { return Ok(None) };
        let entry = self.entry(&operation).await?;
        Ok(entry.and_then(|entry| match book::answer_of(&entry).ok()? {
            Answer::Challenge(challenge) => Some((operation, challenge, entry.amount)),
            _ => None,
        }))
    }

    /// What the issuer's page sends back for a verdict as `PaRes`.
    pub fn pares(&self, operation: &OperationId, verdict: acs::Verdict) -> String {
        acs::pares(&self.core, operation, verdict)
    }

    /// The fields that it sends back for a verdict, in the version of the challenge.
    pub fn verdict(
        &self,
        operation: &OperationId,
        challenge: &Challenge,
        verdict: acs::Verdict,
    ) -> Vec<(String, String)> {
        acs::answer(&self.core, operation, challenge, verdict)
    }

    async fn charge(
        &self,
        order: &Order,
        card: &CardInUse<'_>,
        kind: OperationKind,
    ) -> Result<Answer, Unknown> {
        let entry =
            self.new_entry(order, card, kind).map_err(|_| Unknown("an answer without a form".to_owned()))?;
        self.serve(&Request::Charge(entry)).await
    }

    /// Everything that will become of a charge, decided while the card is there: the book keeps no card.
    fn new_entry(
        &self,
        order: &Order,
        card: &CardInUse<'_>,
        kind: OperationKind,
    ) -> Result<LedgerEntry, serde_json::Error> {
        let now = self.core.now();
        let test_card = cards::test_card(card.number.digits(), card.expiry, now.year_month());
        let by_merchant = matches!(order.credential, Credential::StoredByMerchant { .. });
        // Who starts a payment without the payer, or names no way back, is not sent to the issuer.
        let back = order.return_url.as_deref().filter(|_| test_card.challenge && !by_merchant);
        let reference = reference(&order.operation);
        let outcome = self.outcome(order, card, test_card.outcome, back.is_some());
        let mut entry = LedgerEntry {
            operation: order.operation.clone(),
            kind,
            original: None,
            amount: order.amount,
            taken: 0,
            refunded: 0,
            voided: false,
            answer: String::new(),
            follows: String::new(),
            follows_at: None,
            version: 1,
            created_at: now,
        };
        if let Some(back) = back {
            let about = (&order.operation, reference.as_str());
            let challenge = acs::challenge(&self.core, &self.page, about, back, &order.payer.browser);
            entry.answer = serde_json::to_string(&Answer::Challenge(challenge))?;
            entry.follows = serde_json::to_string(&outcome)?;
        } else if kind == OperationKind::Sale && !self.options.delay.is_zero() && is_approved(&outcome) {
            let pending = Answer::Pending { reference, resolution: String::new() };
            entry.answer = serde_json::to_string(&pending)?;
            entry.follows = serde_json::to_string(&outcome)?;
            entry.follows_at = Some(now.plus(self.options.delay));
        } else {
            entry.answer = serde_json::to_string(&outcome)?;
        }
        Ok(entry)
    }

    fn outcome(&self, order: &Order, card: &CardInUse<'_>, outcome: Outcome, authenticated: bool) -> Answer {
        let reference = reference(&order.operation);
        let cvv = if card.cvv.is_some() { "M" } else { "" };
        let checks = Checks { cvv: cvv.to_owned(), ..Checks::default() };
        match outcome {
            Outcome::Approved => {
                let known = match &order.credential {
                    Credential::StoredByPayer { scheme_reference }
                    | Credential::StoredByMerchant { scheme_reference, .. } => scheme_reference.clone(),
                    Credential::OneOff | Credential::First => None,
                };
                Answer::Approved(Approval {
                    reference,
                    approval_code: self.digits(6),
                    rrn: self.digits(12),
                    scheme_reference: known.or_else(|| Some(format!("SBX{}", self.digits(12)))),
                    bank_code: "00".to_owned(),
                    checks,
                    authenticated,
                })
            }
            Outcome::Declined(resolution) => {
                let wrong_code = resolution == "invalid_cvv" && card.cvv.is_some();
                let cvv = if wrong_code { "N".to_owned() } else { checks.cvv };
                Answer::Declined(Decline {
                    checks: Checks { cvv, ..checks },
                    ..refusal(reference, resolution)
                })
            }
            Outcome::Pending(why) => Answer::Pending { reference, resolution: why.to_owned() },
        }
    }

    fn digits(&self, count: usize) -> String {
        let bytes = entropy::bytes::<16>(&*self.core.entropy);
        bytes.iter().take(count).map(|byte| char::from(b'0' + byte % 10)).collect()
    }

    /// Does what is asked, once, and answers; with latency and what faults were ordered.
    async fn serve(&self, request: &Request<'_>) -> Result<Answer, Unknown> {
        if !self.options.latency.is_zero() {
            tokio::time::sleep(self.options.latency).await;
        }
        let fault = self.faults.next();
        if matches!(fault, Some(Fault::NotHeard)) {
            return Err(Unknown("the call did not arrive".to_owned()));
        }
        let answer = book::write(&self.core, request).await?;
        match fault {
            Some(Fault::Lost) => Err(Unknown("the answer was lost".to_owned())),
            Some(Fault::Held(bell)) => {
                bell.notified().await;
                Ok(answer)
            }
            Some(Fault::Twice) => book::write(&self.core, request).await,
            Some(Fault::NotHeard) | None => Ok(answer),
        }
    }
}

#[async_trait]
impl Gateway for Sandbox {
    fn host(&self) -> &str {
        SANDBOX
    }

    fn patience(&self) -> Patience {
        Patience {
            call: Duration::from_secs(5),
            inquiry: Duration::from_secs(1),
            certain: Duration::from_secs(7),
            again: Duration::ZERO,
        }
    }

    async fn authorize(&self, order: &Order, card: &CardInUse<'_>) -> Result<Answer, Unknown> {
        let kind = if order.takes { OperationKind::Sale } else { OperationKind::Authorize };
        self.charge(order, card, kind).await
    }

    async fn verify(&self, order: &Order, card: &CardInUse<'_>) -> Result<Answer, Unknown> {
        self.charge(order, card, OperationKind::Verify).await
    }

    fn takes_return(&self, returned: &[(String, String)]) -> bool {
        acs::is_answer(returned)
    }

    async fn complete_authentication(
        &self,
        known: &Known,
        returned: &[(String, String)],
    ) -> Result<Answer, Unknown> {
        let verdict = acs::returned(&self.core, &known.operation, returned);
        self.serve(&Request::Return(&known.operation, verdict)).await
    }

    async fn capture(&self, follow_up: &FollowUp) -> Result<Answer, Unknown> {
        self.serve(&Request::FollowUp(OperationKind::Capture, follow_up)).await
    }

    async fn void(&self, follow_up: &FollowUp) -> Result<Answer, Unknown> {
        self.serve(&Request::FollowUp(OperationKind::Void, follow_up)).await
    }

    async fn refund(&self, follow_up: &FollowUp) -> Result<Answer, Unknown> {
        self.serve(&Request::FollowUp(OperationKind::Refund, follow_up)).await
    }

    fn can_inquire(&self, _known: &Known) -> bool {
        true
    }

    async fn inquire(&self, known: &Known) -> Result<Option<Answer>, Unknown> {
        book::inquire(&self.core, &known.operation).await
    }
}

/// What the simulator calls an operation.
fn reference(operation: &OperationId) -> String {
    operation.as_str().replacen("opn_", "sbx_", 1)
}

fn refusal(reference: String, resolution: &str) -> Decline {
    Decline {
        reference,
        resolution: resolution.to_owned(),
        bank_code: cards::bank_code(resolution).to_owned(),
        message: format!("Refused by the simulator: {resolution}"),
        checks: Checks::default(),
    }
}

const fn is_approved(answer: &Answer) -> bool {
    matches!(answer, Answer::Approved(_))
}
