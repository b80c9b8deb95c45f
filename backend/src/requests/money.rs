//! Amounts: exact decimals with a currency, read from the text as it was sent, and written for people.

use iso_currency::Currency;
use serde::{Deserialize, Serialize};

/// An amount in a currency. The digits are those that were sent.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct Money {
    /// A decimal without sign and exponent.
    pub amount: String,
    /// ISO 4217, capitals.
    pub currency: String,
}

/// What is wrong with an amount.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MoneyError {
    /// No currency of ISO 4217.
    Currency,
    /// No plain decimal, or more decimal places than the currency has.
    Amount,
}

impl Money {
    /// Reads an amount: up to 12 digits, and at most as many decimal places as the currency has.
    pub fn parse(amount: &str, currency: &str) -> Result<Self, MoneyError> {
        let currency = Currency::from_code(&currency.trim().to_uppercase()).ok_or(MoneyError::Currency)?;
        let amount = amount.trim();
        let (whole, fraction) = amount.split_once('.').unwrap_or((amount, ""));
        let places = usize::from(currency.exponent().unwrap_or(0));
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let is_plain = (1..=12).contains(&whole.len())
            && digits(whole)
            && digits(fraction)
            && fraction.len() <= places
            && (whole.len() == 1 || !whole.starts_with('0'))
            && amount.contains('.') != fraction.is_empty();
        if !is_plain {
            return Err(MoneyError::Amount);
        }
        Ok(Self { amount: amount.to_owned(), currency: currency.code().to_owned() })
    }

    /// With the currency's symbol, all its decimal places and the separators of a language: `€12.40`,
    /// `12,40 €`.
    pub fn shown(&self, language: &str) -> String {
        let currency = Currency::from_code(&self.currency);
        let places = usize::from(currency.and_then(Currency::exponent).unwrap_or(0));
        let symbol = currency.map_or_else(|| self.currency.clone(), |currency| currency.symbol().to_string());
        let (whole, fraction) = self.amount.split_once('.').unwrap_or((&self.amount, ""));
        let leading = matches!(language, "en" | "ja" | "ko" | "zh");
        let (group, point) = if leading { (',', '.') } else { ('\u{A0}', ',') };
        let mut number = String::new();
        for (index, digit) in whole.chars().enumerate() {
            if index > 0 && (whole.len() - index) % 3 == 0 {
                number.push(group);
            }
            number.push(digit);
        }
        if places > 0 {
            number.push(point);
            number.push_str(fraction);
            number.extend(std::iter::repeat_n('0', places - fraction.len().min(places)));
        }
        if leading { format!("{symbol}{number}") } else { format!("{number}\u{A0}{symbol}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_exact_decimals_of_their_currency() {
        for (amount, currency) in
            [("12.4", "EUR"), ("12.40", "eur"), ("0.05", "USD"), ("500", "JPY"), ("1.234", "BHD")]
        {
            assert_eq!(Money::parse(amount, currency).unwrap().amount, amount);
        }
        for amount in
            ["", "-1", "+1", "1e3", "1,5", "1.", ".5", "01", "12.345", "1234567890123", "１", "1 000"]
        {
            assert_eq!(Money::parse(amount, "EUR"), Err(MoneyError::Amount), "{amount}");
        }
        assert_eq!(Money::parse("1.5", "JPY"), Err(MoneyError::Amount));
        assert_eq!(Money::parse("1", "EURO"), Err(MoneyError::Currency));
    }

    #[test]
    fn amounts_are_written_as_their_readers_do() {
        let money = Money::parse("1234.5", "EUR").unwrap();
        assert_eq!(money.shown("en"), "€1,234.50");
        assert_eq!(money.shown("de"), "1\u{A0}234,50\u{A0}€");
        assert_eq!(Money::parse("500", "JPY").unwrap().shown("ja"), "¥500");
    }
}
