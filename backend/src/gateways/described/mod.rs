//! A connector that a file describes: which calls an acquirer's interface takes, and how its answers are read. One
//! host is called, the file's. The card's number and code never enter the template engine: it writes marks in their
//! places, which are replaced in the finished body.

mod body;
mod check;
mod clean;
mod description;
mod file;
mod reading;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use minijinja::Value;
use minijinja::value::merge_maps;
use zeroize::Zeroizing;

pub use description::{Description, DescriptionError};

use super::{
    Address, Answer, CardInUse, Decline, FollowUp, Gateway, Known, Order, Patience, Payer, Unknown,
    takes_payer_back,
};
use crate::crypto::entropy::Entropy;
use crate::model::{Money, OperationId, OperationKind, published};
use crate::outgoing::Outgoing;
use body::Marks;
use file::Call;

/// The smallest file that is taken.
#[cfg(test)]
const SMALL: &str = r#"
    base = "https://acquirer.example/v1/"
    [calls.authorize]
    path = "payments"
    form = { amount = "{{ minor }}" }
    answer = "payment"
    [answers.payment]
    approved = "http == 200"
"#;

/// The longest answer that is read.
const LONGEST_ANSWER: usize = 256 * 1024;

/// A gateway that a file describes.
pub struct Described {
    description: Description,
    outgoing: Arc<Outgoing>,
    entropy: Arc<dyn Entropy>,
}

impl Described {
    /// Reads and checks the file and the secrets that it names.
    pub fn open(
        file: &Path,
        outgoing: Arc<Outgoing>,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Self, DescriptionError> {
        Ok(Self { description: Description::read(file)?, outgoing, entropy })
    }

    /// A description that was read already.
    pub fn new(description: Description, outgoing: Arc<Outgoing>, entropy: Arc<dyn Entropy>) -> Self {
        Self { description, outgoing, entropy }
    }

    async fn charge(
        &self,
        name: &'static str,
        order: &Order,
        card: &CardInUse<'_>,
    ) -> Result<Answer, Unknown> {
        let Some(call) = self.description.call(name) else { return Ok(not_described()) };
        let marks = Marks::new(&*self.entropy, card);
        let facts = merge_maps([of_order(order), marks.facts(card)]);
        self.run(call, facts, Some((&marks, card))).await
    }

    fn inquiry(&self, known: &Known) -> Option<&Call> {
        self.description.inquiry(known.kind, known.age, known.is_pending)
    }

    async fn follow_up(
        &self,
        name: &'static str,
        kind: OperationKind,
        asked: &FollowUp,
    ) -> Result<Answer, Unknown> {
        let Some(call) = self.description.call(name) else { return Ok(not_described()) };
        let known = Known {
            operation: asked.operation.clone(),
            kind,
            amount: asked.amount,
            reference: None,
            original_reference: Some(asked.original_reference.clone()),
            age: Duration::ZERO,
            is_pending: false,
        };
        self.run(call, of_known(&known), None).await
    }

    /// Makes a call and reads its answer. What fits none of the description's answers is unknown.
    async fn run(
        &self,
        call: &Call,
        facts: Value,
        card: Option<(&Marks, &CardInUse<'_>)>,
    ) -> Result<Answer, Unknown> {
        let answered = self.exchange(call, facts, card).await?;
        let answer = reading::read(&self.description, call, &answered, card.map(|(_, card)| card))?;
        answer
            .ok_or_else(|| Unknown(format!("an answer with status {} that is not described", answered.http)))
    }

    async fn exchange(
        &self,
        call: &Call,
        facts: Value,
        card: Option<(&Marks, &CardInUse<'_>)>,
    ) -> Result<reading::Answered, Unknown> {
        let broken =
            |error: minijinja::Error| Unknown(format!("the description does not fit: {:?}", error.kind()));
        let asked = facts.clone();
        let facts = merge_maps([facts, self.description.secrets()]);
        let url = self.description.url(call, &facts).map_err(broken)?;
        let url = url.ok_or_else(|| Unknown("the address would leave the gateway's".to_owned()))?;
        let headers = self.description.headers(call, &facts).map_err(broken)?;
        let written = Zeroizing::new(self.description.body(call, &facts).map_err(broken)?);
        let body = match card {
            Some((marks, card)) => marks.replace(&written, card),
            None => written,
        };
        let sent =
            self.outgoing.exchange((&call.method, &url), &headers, body.as_bytes().to_vec(), LONGEST_ANSWER);
        let fetched = sent.await.map_err(|error| Unknown(error.to_string()))?;
        Ok(reading::Answered::new(fetched.status, &fetched.body, &asked))
    }
}

#[async_trait]
impl Gateway for Described {
    fn host(&self) -> &str {
        self.description.host()
    }

    fn patience(&self) -> Patience {
        self.description.patience()
    }

    async fn authorize(&self, order: &Order, card: &CardInUse<'_>) -> Result<Answer, Unknown> {
        self.charge("authorize", order, card).await
    }

    async fn verify(&self, order: &Order, card: &CardInUse<'_>) -> Result<Answer, Unknown> {
        self.charge("verify", order, card).await
    }

    fn takes_return(&self, returned: &[(String, String)]) -> bool {
        self.description.takes_return(returned)
    }

    async fn complete_authentication(
        &self,
        known: &Known,
        returned: &[(String, String)],
    ) -> Result<Answer, Unknown> {
        // Nobody is sent to the issuer without it, so there is nothing to be said of the payment.
        let Some(call) = self.description.call("complete") else {
            return Err(Unknown("the gateway's description has no call after the issuer".to_owned()));
        };
        let returned =
            Value::from_pairs(returned.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        let facts = merge_maps([of_known(known), Value::from_pairs([("returned", returned)])]);
        self.run(call, facts, None).await
    }

    async fn capture(&self, follow_up: &FollowUp) -> Result<Answer, Unknown> {
        self.follow_up("capture", OperationKind::Capture, follow_up).await
    }

    async fn void(&self, follow_up: &FollowUp) -> Result<Answer, Unknown> {
        self.follow_up("void", OperationKind::Void, follow_up).await
    }

    async fn refund(&self, follow_up: &FollowUp) -> Result<Answer, Unknown> {
        self.follow_up("refund", OperationKind::Refund, follow_up).await
    }

    fn can_inquire(&self, known: &Known) -> bool {
        self.inquiry(known).is_some()
    }

    async fn inquire(&self, known: &Known) -> Result<Option<Answer>, Unknown> {
        let Some(call) = self.inquiry(known) else {
            return Err(Unknown("the gateway's description has no inquiry for this".to_owned()));
        };
        let answered = self.exchange(call, of_known(known), None).await?;
        if reading::is_unheard(&self.description, call, &answered)? {
            return Ok(None);
        }
        let answer = reading::read(&self.description, call, &answered, None)?;
        let unknown =
            || Unknown(format!("an inquiry's answer with status {} that is not described", answered.http));
        answer.map(Some).ok_or_else(unknown)
    }
}

/// What a gateway's description leaves out is refused without a call.
fn not_described() -> Answer {
    Answer::Declined(Decline {
        resolution: published::NOT_PERMITTED.to_owned(),
        message: "The gateway's description has no such call.".to_owned(),
        ..Decline::default()
    })
}

fn of_order(order: &Order) -> Value {
    use super::Credential::{First, OneOff, StoredByMerchant, StoredByPayer};
    let (credential, reason, scheme_reference) = match &order.credential {
        OneOff => ("one_off", "", None),
        First => ("first", "", None),
        StoredByPayer { scheme_reference } => ("stored_by_payer", "", scheme_reference.as_deref()),
        StoredByMerchant { reason, scheme_reference } => {
            ("stored_by_merchant", reason.as_str(), scheme_reference.as_deref())
        }
    };
    let browser = order.payer.browser.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let browser = Value::from_pairs(browser);
    let Payer { ip, name, email, phone, address, browser: _ } = &order.payer;
    let payer = Value::from_pairs([
        ("ip", Value::from(ip.as_str())),
        ("name", Value::from(name.as_str())),
        ("email", Value::from(email.as_str())),
        ("phone", Value::from(phone.as_str())),
        ("address", of_address(address)),
        ("browser", browser),
    ]);
    let facts = Value::from_pairs([
        ("takes", Value::from(order.takes)),
        ("order", Value::from(order.reference.as_str())),
        ("description", Value::from(order.description.as_str())),
        ("credential", Value::from(credential)),
        ("reason", Value::from(reason)),
        ("scheme_reference", Value::from(scheme_reference.unwrap_or_default())),
        ("payer", payer),
        ("return_url", Value::from(way_back(order))),
    ]);
    merge_maps([of_operation(&order.operation, order.amount), facts])
}

fn of_address(address: &Address) -> Value {
    let Address { street, street2, city, state, zip, country } = address;
    Value::from_pairs(
        [
            ("street", street),
            ("street2", street2),
            ("city", city),
            ("state", state),
            ("zip", zip),
            ("country", country),
        ]
        .map(|(name, text)| (name, Value::from(text.as_str()))),
    )
}

/// Where the issuer sends the payer back to.
fn way_back(order: &Order) -> &str {
    order.return_url.as_deref().filter(|address| takes_payer_back(address)).unwrap_or_default()
}

fn of_known(known: &Known) -> Value {
    let reference = known.reference.as_deref().unwrap_or_default();
    let original = known.original_reference.as_deref().unwrap_or_default();
    let facts = Value::from_pairs([
        ("kind", Value::from(known.kind.as_str())),
        ("reference", Value::from(reference)),
        ("original_reference", Value::from(original)),
    ]);
    merge_maps([of_operation(&known.operation, known.amount), facts])
}

fn of_operation(operation: &OperationId, amount: Money) -> Value {
    Value::from_pairs([
        ("operation", Value::from(operation.as_str())),
        ("minor", Value::from(amount.minor())),
        ("amount", Value::from(amount.to_string())),
        ("currency", Value::from(amount.currency().code())),
    ])
}
