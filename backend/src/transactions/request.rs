//! A request of the gateway interface as it came: an envelope with objects, numbers and texts alike.

use crate::json::{Members, Value};
use crate::model::{Subscription, TransactionKind};

/// A request. May hold card data: no Debug.
pub struct Request(Members);

impl Request {
    /// Of a parsed body.
    pub const fn new(members: Members) -> Self {
        Self(members)
    }

    /// A value by object and name, as it was written; none where it is missing, `null` or empty. An error where it
    /// is no text, number or truth.
    pub fn value(&self, object: &str, name: &str) -> Result<Option<&str>, ()> {
        let value = match object {
            "" => self.0.find(name),
            // Some clients write the order id beside the transaction (spec A.3, quirks).
            "transaction" if name == "merchant_order_id" => {
                self.within(object, name).filter(|value| !is_nothing(value)).or_else(|| self.0.find(name))
            }
            _ => self.within(object, name),
        };
        match value {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Text(text)) if text.trim().is_empty() => Ok(None),
            Some(Value::Text(text) | Value::Number(text)) => Ok(Some(text)),
            Some(Value::Bool(truth)) => Ok(Some(if *truth { "1" } else { "0" })),
            Some(Value::List(_) | Value::Object(_)) => Err(()),
        }
    }

    /// A value that was checked; empty where it is missing.
    pub fn text(&self, object: &str, name: &str) -> &str {
        self.value(object, name).ok().flatten().unwrap_or_default()
    }

    /// Whether under an object's name something else stands.
    pub fn has_stray(&self, object: &str) -> bool {
        match self.at(object) {
            None | Some(Value::Null | Value::Object(_)) => false,
            // An empty object of some languages' serialisers.
            Some(Value::List(values)) => !values.is_empty(),
            Some(Value::Text(text)) => !text.is_empty(),
            Some(Value::Number(_) | Value::Bool(_)) => true,
        }
    }

    /// `transaction_type`, if there is one of this name: `Err` where it is missing, `Ok(None)` where it is unknown.
    pub fn kind(&self) -> Result<Option<TransactionKind>, ()> {
        let name = self.value("transaction", "transaction_type")?.ok_or(())?;
        Ok(TransactionKind::parse(name))
    }

    /// `subscription_type`; `Err` for an unknown one.
    pub fn subscription(&self) -> Result<Option<Subscription>, ()> {
        match self.value("transaction", "subscription_type")? {
            None => Ok(None),
            Some(name) => Subscription::parse(name).map(Some).ok_or(()),
        }
    }

    /// Whether the payer has come back from the issuer, and the authorisation goes on.
    pub fn is_completion(&self) -> bool {
        matches!(self.text("tds", "action"), "SETTLEMENT" | "SCA_COMPLETE")
    }

    fn within(&self, object: &str, name: &str) -> Option<&Value> {
        member(self.at(object)?, name)
    }

    /// An object by its name; behind a dot stands one inside it.
    fn at(&self, object: &str) -> Option<&Value> {
        let mut names = object.split('.');
        let outer = self.0.find(names.next()?)?;
        names.try_fold(outer, member)
    }
}

fn member<'v>(value: &'v Value, name: &str) -> Option<&'v Value> {
    if let Value::Object(members) = value { members.find(name) } else { None }
}

fn is_nothing(value: &Value) -> bool {
    matches!(value, Value::Null) || value.as_text().is_some_and(|text| text.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(body: &str) -> Request {
        Request::new(Members::parse(body.as_bytes()).unwrap())
    }

    #[test]
    fn numbers_are_read_as_they_were_written() {
        let request = request(
            r#"{"company_id":113,"company_mid_id":"","vt":true,"transaction":{"amount":1.50,"merchant_order_id":7,"x":null}}"#,
        );
        assert_eq!(request.value("", "company_id"), Ok(Some("113")));
        assert_eq!(request.value("", "company_mid_id"), Ok(None));
        assert_eq!(request.value("", "vt"), Ok(Some("1")));
        assert_eq!(request.text("transaction", "amount"), "1.50");
        assert_eq!(request.text("transaction", "merchant_order_id"), "7");
        assert_eq!(request.value("transaction", "x"), Ok(None));
    }

    #[test]
    fn an_order_id_is_found_at_the_root_too() {
        let at_root = request(r#"{"merchant_order_id":"a","transaction":{"merchant_order_id":""}}"#);
        assert_eq!(at_root.text("transaction", "merchant_order_id"), "a");
        let both = request(r#"{"merchant_order_id":"a","transaction":{"merchant_order_id":"b"}}"#);
        assert_eq!(both.text("transaction", "merchant_order_id"), "b");
    }

    #[test]
    fn objects_and_lists_are_no_values() {
        let request = request(r#"{"company_id":[1],"transaction":"x","billing":[],"customer":{}}"#);
        assert_eq!(request.value("", "company_id"), Err(()));
        assert!(request.has_stray("transaction") && !request.has_stray("billing"));
        assert!(!request.has_stray("customer") && !request.has_stray("shipping"));
        assert_eq!(request.kind(), Err(()));
    }

    #[test]
    fn objects_stand_within_objects() {
        let request = request(r#"{"tds":{"action":"SCA","merchant":{"challenge_url":"u"}}}"#);
        assert_eq!(request.text("tds.merchant", "challenge_url"), "u");
        assert_eq!(request.text("tds.action", "challenge_url"), "");
        assert!(request.has_stray("tds.action") && !request.has_stray("tds.merchant"));
        assert!(!request.has_stray("tds.other") && !request.has_stray("x.y"));
    }
}
