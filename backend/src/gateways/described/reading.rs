//! Reading a gateway's answer by its description.

use minijinja::Value;
use minijinja::value::{Serde, merge_maps};
use url::Url;

use super::check::ASKED;
use super::clean;
use super::description::Description;
use super::file::{Call, Reading};
use crate::gateways::{Answer, Approval, CardInUse, Challenge, Checks, Decline, Unknown};

/// What a gateway answered, and what it was asked.
pub struct Answered {
    /// The status of HTTP.
    pub http: u16,
    facts: Value,
}

impl Answered {
    /// An answer to a call with these facts; a body that is no JSON is none.
    pub fn new(http: u16, body: &[u8], asked: &Value) -> Self {
        let body: Option<serde_json::Value> = serde_json::from_slice(body).ok();
        let body = body.map_or(Value::UNDEFINED, |body| Value::from(Serde(&body)));
        let asked = ASKED.map(|name| (name, asked.get_attr(name).unwrap_or_default()));
        let facts = Value::from_pairs([("http", Value::from(http)), ("body", body)]);
        Self { http, facts: merge_maps([facts, Value::from_pairs(asked)]) }
    }

    /// With the part that the reading picks out.
    fn facts(&self, description: &Description, reading: &Reading) -> Result<Value, minijinja::Error> {
        let Some(expression) = &reading.item else { return Ok(self.facts.clone()) };
        let item = description.evaluate(expression, &self.facts)?;
        Ok(merge_maps([self.facts.clone(), Value::from_pairs([("item", item)])]))
    }
}

/// Whether the answer to an inquiry says that the gateway never heard of the operation.
pub fn is_unheard(description: &Description, call: &Call, answered: &Answered) -> Result<bool, Unknown> {
    let Some(reading) = description.reading(call) else { return Ok(false) };
    let facts = answered.facts(description, reading).map_err(|error| unreadable(&error))?;
    description.holds(reading.unheard.as_ref(), &facts).map_err(|error| unreadable(&error))
}

/// What an answer means; `None` where it fits no condition. Nothing of the card that the call was made with is kept.
pub fn read(
    description: &Description,
    call: &Call,
    answered: &Answered,
    card: Option<&CardInUse<'_>>,
) -> Result<Option<Answer>, Unknown> {
    let Some(reading) = description.reading(call) else { return Ok(None) };
    let facts = answered.facts(description, reading).map_err(|error| unreadable(&error))?;
    let told = Told { description, reading, facts: &facts, card };
    told.answer().map_err(|error| unreadable(&error))
}

struct Told<'t, 'c> {
    description: &'t Description,
    reading: &'t Reading,
    facts: &'t Value,
    card: Option<&'t CardInUse<'c>>,
}

impl Told<'_, '_> {
    fn answer(&self) -> Result<Option<Answer>, minijinja::Error> {
        let holds = |condition: &Option<String>| self.description.holds(condition.as_ref(), self.facts);
        Ok(Some(if holds(&self.reading.approved)? {
            Answer::Approved(self.approval()?)
        } else if holds(&self.reading.challenged)? {
            // A challenge that leads nowhere cannot be met, and may still be charged: unknown.
            let Some(challenge) = self.challenge()? else { return Ok(None) };
            Answer::Challenge(challenge)
        } else if holds(&self.reading.pending)? {
            Answer::Pending { reference: self.value("reference")?, resolution: String::new() }
        } else if holds(&self.reading.declined)? {
            Answer::Declined(self.decline()?)
        } else {
            return Ok(None);
        }))
    }

    fn approval(&self) -> Result<Approval, minijinja::Error> {
        Ok(Approval {
            reference: self.value("reference")?,
            approval_code: self.value("approval_code")?,
            rrn: self.value("rrn")?,
            scheme_reference: Some(self.value("scheme_reference")?).filter(|text| !text.is_empty()),
            bank_code: self.value("bank_code")?,
            checks: self.checks()?,
            authenticated: self.value("authenticated")? == "true",
        })
    }

    fn decline(&self) -> Result<Decline, minijinja::Error> {
        Ok(Decline {
            reference: self.value("reference")?,
            resolution: self.description.resolution(&self.value("resolution")?),
            bank_code: self.value("bank_code")?,
            message: clean::words(&self.text("message")?, self.card),
            checks: self.checks()?,
        })
    }

    fn checks(&self) -> Result<Checks, minijinja::Error> {
        Ok(Checks {
            cvv: self.value("cvv_check")?,
            address: self.value("address_check")?,
            zip: self.value("zip_check")?,
        })
    }

    /// `None` where a payer must not be sent there, or not with these fields.
    fn challenge(&self) -> Result<Option<Challenge>, minijinja::Error> {
        let Ok(mut url) = Url::parse(&self.text("challenge_url")?) else { return Ok(None) };
        if !clean::is_for_payers(&url) || clean::holds(url.as_str(), self.card) {
            return Ok(None);
        }
        let method = self.value("challenge_method")?;
        let method = if method.eq_ignore_ascii_case("get") { "GET" } else { "POST" };
        let mut params = self.params()?;
        if method == "GET" {
            // A form replaces the query of its address.
            let query: Vec<_> =
                url.query_pairs().map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
            params.splice(0..0, query);
            url.set_query(None);
        }
        if params.iter().any(|(name, value)| clean::is_card_field(name, value, self.card)) {
            return Ok(None);
        }
        let reference = self.value("reference")?;
        Ok(Some(Challenge { method: method.to_owned(), action: url.to_string(), params, reference }))
    }

    fn params(&self) -> Result<Vec<(String, String)>, minijinja::Error> {
        let Some(expression) = &self.reading.challenge_params else { return Ok(Vec::new()) };
        let fields = self.description.evaluate(expression, self.facts)?;
        if fields.is_undefined() || fields.is_none() {
            return Ok(Vec::new());
        }
        fields.try_iter()?.map(|name| Ok((name.to_string(), fields.get_item(&name)?.to_string()))).collect()
    }

    /// A name or a code.
    fn value(&self, name: &str) -> Result<String, minijinja::Error> {
        Ok(clean::value(self.text(name)?, self.card))
    }

    /// As the gateway said it.
    fn text(&self, name: &str) -> Result<String, minijinja::Error> {
        let Some(template) = self.reading.values.get(name) else { return Ok(String::new()) };
        let text = self.description.text(template, self.facts)?.trim().to_owned();
        Ok(if text == "none" { String::new() } else { text })
    }
}

fn unreadable(error: &minijinja::Error) -> Unknown {
    Unknown(format!("an answer that cannot be read: {:?}", error.kind()))
}
