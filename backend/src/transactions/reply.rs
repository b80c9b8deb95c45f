//! Answers of the gateway interface: all values are texts, and every answer is signed (spec A.2, A.3).

use super::params::Refused;
use super::{codes, hash, stamp};
use crate::json::{Members, Value};
use crate::model::Timestamp;

/// What an answer says; the rest of its members is the request's.
#[derive(Default)]
pub struct Reply {
    /// `response_code`.
    pub code: u16,
    /// Behind the code's message; empty for the message alone.
    pub about: String,
    /// `transaction_id`; empty where there is no transaction.
    pub transaction: String,
    /// `bank_response_code`.
    pub bank_code: String,
    /// Members of this kind of answer, in their order.
    pub more: Vec<(&'static str, Value)>,
}

/// What an answer repeats of its request, checked: what was not fit to be read is left empty.
#[derive(Clone, Default)]
pub struct Echo {
    /// `company_id`.
    pub company: String,
    /// `mid`.
    pub mid: String,
    /// `transaction_type`, or what a query asks for.
    pub kind: String,
    /// The name of that member.
    pub kind_name: &'static str,
}

impl Echo {
    /// Of a request that nothing is known of.
    pub fn nothing(kind_name: &'static str) -> Self {
        Self { kind_name, ..Self::default() }
    }
}

impl Reply {
    /// Of a code alone.
    pub fn of(code: u16) -> Self {
        Self { code, ..Self::default() }
    }

    /// Of a transaction.
    pub fn about(code: u16, transaction: &str) -> Self {
        Self { transaction: transaction.to_owned(), ..Self::of(code) }
    }

    /// With a member more.
    #[must_use]
    pub fn with(mut self, name: &'static str, text: impl Into<String>) -> Self {
        self.more.push((name, Value::text(text)));
        self
    }

    /// The whole answer, signed with the company's hash code.
    pub fn sign(self, echo: &Echo, now: Timestamp, hash_code: &str) -> Members {
        let (timestamp, code) = (stamp::write(now), self.code.to_string());
        let signature =
            hash::signed(&[&timestamp, &echo.kind, &echo.company, &self.transaction, &code], hash_code);
        let message = codes::find(self.code).message;
        let message =
            if self.about.is_empty() { message.to_owned() } else { format!("{message}: {}", self.about) };
        let head = [
            ("timestamp", timestamp),
            ("response_code", code),
            ("response_message", message),
            ("company_id", echo.company.clone()),
            ("mid", echo.mid.clone()),
            ("transaction_id", self.transaction),
            (echo.kind_name, echo.kind.clone()),
        ];
        let tail = [("bank_response_code", self.bank_code), ("response_hash", signature)];
        let text = |(name, text): (&str, String)| (name.to_owned(), Value::text(text));
        let more = self.more.into_iter().map(|(name, value)| (name.to_owned(), value));
        head.into_iter().map(text).chain(more).chain(tail.into_iter().map(text)).collect()
    }
}

impl From<Refused> for Reply {
    fn from(refused: Refused) -> Self {
        Self { about: refused.name, ..Self::of(refused.code) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_signed_over_its_own_values() {
        let echo = Echo {
            company: "272".to_owned(),
            mid: "1320".to_owned(),
            kind: "SUBSCRIPTION_MANAGE".to_owned(),
            kind_name: "transaction_type",
        };
        let now = stamp::parse("20200708131405", false).unwrap();
        let answer = Reply::about(codes::SUCCESS, "316790").sign(&echo, now, "hash_code").to_json();
        // Seed 003, the answer to DISABLE, with a hash code that is known.
        assert_eq!(
            answer.as_str(),
            "{\"timestamp\":\"20200708131405\",\"response_code\":\"1\",\"response_message\":\"Transaction Success\",\
             \"company_id\":\"272\",\"mid\":\"1320\",\"transaction_id\":\"316790\",\
             \"transaction_type\":\"SUBSCRIPTION_MANAGE\",\"bank_response_code\":\"\",\
             \"response_hash\":\"1c2c4b3df6974cd9aa6c45463dfbda67e1536577e96c1c6c441562b4e8957a51\"}"
        );
    }

    #[test]
    fn a_refusal_names_its_field() {
        let reply = Reply::from(Refused::parameter("amount"));
        let answer = reply.sign(&Echo::default(), Timestamp::from_millis(0), "x");
        let message = answer.find("response_message").and_then(Value::as_text);
        assert_eq!(message, Some("Error:Invalid Parameters: amount"));
    }
}
