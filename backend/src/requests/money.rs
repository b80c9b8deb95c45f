//! The amount of a request as it is kept: the digits that were sent, checked by the rules of `model::Money`.

use serde::{Deserialize, Serialize};

use crate::languages;
use crate::model;
pub use crate::model::MoneyError;

/// An amount in a currency. The digits are those that were sent.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct Money {
    /// A decimal without sign and exponent.
    pub amount: String,
    /// ISO 4217, capitals.
    pub currency: String,
}

impl Money {
    /// Reads an amount in major units and a currency's code in any case.
    pub fn parse(amount: &str, currency: &str) -> Result<Self, MoneyError> {
        let amount = amount.trim();
        let money = model::Money::parse(amount, currency.trim())?;
        Ok(Self { amount: amount.to_owned(), currency: money.currency().code().to_owned() })
    }

    /// With all decimal places of the currency, as a language writes it: `€12.40`, `12,40 €`.
    pub fn shown(&self, language: &str) -> String {
        let exact = model::Money::parse(&self.amount, &self.currency);
        let exact = exact.map_or_else(|_| self.amount.clone(), |money| money.to_string());
        languages::money(language, &exact, &self.currency)
            .unwrap_or_else(|| format!("{} {exact}", self.currency))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digits_stay_as_they_were_sent() {
        for (amount, currency) in [("12.4", "EUR"), ("12.40", " eur"), ("0.05", "USD"), ("1.234", "BHD")] {
            let money = Money::parse(amount, currency).unwrap();
            assert_eq!((money.amount.as_str(), money.currency), (amount, currency.trim().to_uppercase()));
        }
        assert_eq!(Money::parse("1,5", "EUR"), Err(MoneyError::Amount));
        assert_eq!(Money::parse("1.5", "JPY"), Err(MoneyError::Precision));
        assert_eq!(Money::parse("1", "EURO"), Err(MoneyError::Currency));
    }

    #[test]
    fn amounts_are_written_as_their_readers_do() {
        let money = Money::parse("1234.5", "EUR").unwrap();
        assert_eq!(money.shown("en"), "€1,234.50");
        assert_eq!(money.shown("de"), "1.234,50\u{A0}€");
        // Of the dollars and yens of this world the code tells which one is meant.
        assert_eq!(Money::parse("500", "JPY").unwrap().shown("ja"), "JPY\u{A0}500");
        assert_eq!(Money::parse("5", "USD").unwrap().shown("xx"), "5.00\u{A0}USD");
    }
}
