//! Personal data of a token: billing, shipping, customer, and what merchants of category 6012 add. Merged field by
//! field; what is absent or empty stays as it was (spec A.6).

use std::collections::BTreeMap;

use zeroize::{Zeroize, Zeroizing};

use super::TransactionError;
use super::params::{Refused, TABLE};
use super::request::Request;
use crate::access::Caller;
use crate::core::Core;
use crate::crypto::CryptoError;
use crate::gateways::{Address, Payer};
use crate::model::TransactionId;
use crate::storage::Transaction;
use crate::vault::personal;

/// The kind of the record that the data are bound to.
const KIND: &str = "gateway token";
/// What a 6012 merchant gives beside the account number, all of it or none (spec A.2).
const BESIDE_ACCOUNT: [&str; 3] = ["customer_lname", "customer_dob", "billing_zipcode"];

/// Personal data by parameter name. No Debug; wiped when dropped.
#[derive(Default)]
pub struct Person(BTreeMap<String, String>);

impl Person {
    /// What a request tells.
    pub fn of(request: &Request) -> Self {
        let rows = TABLE.iter().filter(|row| row.personal);
        let told = rows.filter_map(|row| {
            let text = request.text(row.object, row.name);
            (!text.is_empty()).then(|| (row.name.to_owned(), text.to_owned()))
        });
        Self(told.collect())
    }

    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes over what another one knows.
    pub fn merge(&mut self, newer: &Self) {
        for (name, text) in &newer.0 {
            if let Some(mut old) = self.0.insert(name.clone(), text.clone()) {
                old.zeroize();
            }
        }
    }

    /// Whether the data of category 6012 are whole, or not there.
    pub fn check(&self) -> Result<(), Refused> {
        if !self.0.contains_key("account_number") {
            return Ok(());
        }
        let missing = BESIDE_ACCOUNT.into_iter().find(|name| !self.0.contains_key(*name));
        missing.map_or(Ok(()), |name| Err(Refused::parameter(name)))
    }

    /// A value; empty where it is not known.
    pub fn text(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    /// What a gateway is told of the payer.
    pub fn payer(&self) -> Payer {
        let names = [self.text("customer_fname"), self.text("customer_lname")];
        let name = together(&names);
        let own = |name: &str| self.text(name).to_owned();
        Payer {
            ip: own("customer_ipaddress"),
            name: if name.is_empty() { own("cardholder_name") } else { name },
            email: own("billing_email"),
            phone: together(&[self.text("billing_phone_code"), self.text("billing_phone")]),
            address: Address {
                street: own("billing_street"),
                street2: own("billing_street2"),
                city: own("billing_city"),
                state: own("billing_state"),
                zip: own("billing_zipcode"),
                country: own("billing_country_code_iso2"),
            },
            browser: Vec::new(),
        }
    }

    /// Sealed for a token; empty where there is nothing.
    pub async fn seal(
        &self,
        core: &Core,
        transaction: &mut dyn Transaction,
        caller: &Caller,
        token: &TransactionId,
    ) -> Result<Vec<u8>, TransactionError> {
        if self.is_empty() {
            return Ok(Vec::new());
        }
        let text = Zeroizing::new(serde_json::to_vec(&self.0).map_err(|_| CryptoError::Open)?);
        Ok(personal::seal(core, transaction, caller, (KIND, token.as_str()), &text).await?)
    }

    /// Those of a token.
    pub async fn open(
        core: &Core,
        transaction: &mut dyn Transaction,
        caller: &Caller,
        token: &TransactionId,
        sealed: &[u8],
    ) -> Result<Self, TransactionError> {
        if sealed.is_empty() {
            return Ok(Self::default());
        }
        let text = personal::open(core, transaction, caller, (KIND, token.as_str()), sealed).await?;
        Ok(Self(serde_json::from_slice(&text).map_err(|_| CryptoError::Open)?))
    }
}

/// What is there of several texts, with a space between.
fn together(texts: &[&str]) -> String {
    texts.iter().copied().filter(|text| !text.is_empty()).collect::<Vec<_>>().join(" ")
}

impl Drop for Person {
    fn drop(&mut self) {
        self.0.values_mut().for_each(Zeroize::zeroize);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::Members;

    fn person(body: &serde_json::Value) -> Person {
        Person::of(&Request::new(Members::parse(body.to_string().as_bytes()).unwrap()))
    }

    #[test]
    fn absent_and_empty_fields_stay() {
        let mut known = person(&serde_json::json!({
            "billing": { "billing_street": "Suite 2", "billing_city": "London", "cardnumber": "4111111111111111" },
            "customer": { "customer_lname": "King" },
            "unknown": { "x": "y" },
        }));
        assert_eq!(known.0.len(), 3, "neither the card nor what is unknown is personal");
        known.merge(&person(
            &serde_json::json!({ "billing": { "billing_city": "", "billing_street": "Suite 3" } }),
        ));
        assert_eq!((known.text("billing_street"), known.text("billing_city")), ("Suite 3", "London"));
        assert_eq!(known.payer().name, "King");
    }

    /// Billing, shipping, customer and 6012, row by row.
    #[test]
    fn every_personal_parameter_is_kept_and_replaced_by_itself() {
        let told =
            |name: &str, object: &str, value: &str| person(&serde_json::json!({ object: { name: value } }));
        let mut known = Person::default();
        let rows: Vec<_> = TABLE.iter().filter(|row| row.personal).collect();
        for row in &rows {
            known.merge(&told(row.name, row.object, "old"));
        }
        let expect = |known: &Person, newer: usize| {
            for (place, row) in rows.iter().enumerate() {
                let expected = if place < newer { "new" } else { "old" };
                assert_eq!(known.text(row.name), expected, "{} of {}", row.name, row.object);
            }
        };
        expect(&known, 0);
        for (place, row) in rows.iter().enumerate() {
            known.merge(&told(row.name, row.object, "new"));
            known.merge(&told(row.name, row.object, ""));
            expect(&known, place + 1);
        }
        for object in ["billing", "shipping", "customer", "mcc6012"] {
            assert!(rows.iter().any(|row| row.object == object), "{object}");
        }
    }

    #[test]
    fn an_account_needs_its_neighbours() {
        let mut known = person(&serde_json::json!({ "mcc6012": { "account_number": "1234567890" } }));
        assert_eq!(known.check(), Err(Refused::parameter("customer_lname")));
        known.merge(&person(&serde_json::json!({
            "customer": { "customer_lname": "King", "customer_dob": "1990-12-31" },
            "billing": { "billing_zipcode": "W1U7AL" },
        })));
        assert_eq!(known.check(), Ok(()));
    }
}
