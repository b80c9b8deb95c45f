//! Amounts of money: whole minor units of a currency (ISO 4217), read from and written as exact decimals.

use std::fmt;

use iso_currency::Currency;

/// The most digits before the point that are read.
const WHOLE_DIGITS: usize = 12;

/// An amount, never negative. No floating point is involved anywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Money {
    minor: u64,
    currency: Currency,
}

/// What is wrong with an amount.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    /// No currency of ISO 4217.
    #[error("no currency of ISO 4217")]
    Currency,
    /// No plain decimal, or one with too many digits before the point.
    #[error("no plain decimal")]
    Amount,
    /// More decimal places than the currency has.
    #[error("more decimal places than the currency has")]
    Precision,
}

impl Money {
    /// So many minor units: cents, yen, fils.
    pub const fn of_minor(minor: u64, currency: Currency) -> Self {
        Self { minor, currency }
    }

    /// Reads a decimal in major units without sign and exponent, such as `100.5`, and a currency's code in any case.
    pub fn parse(amount: &str, currency: &str) -> Result<Self, MoneyError> {
        let currency = Currency::from_code(&currency.to_ascii_uppercase()).ok_or(MoneyError::Currency)?;
        let (whole, fraction) = match amount.split_once('.') {
            Some((_, "")) => return Err(MoneyError::Amount),
            Some(parts) => parts,
            None => (amount, ""),
        };
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let leads = whole.len() > 1 && whole.starts_with('0');
        if !(1..=WHOLE_DIGITS).contains(&whole.len()) || leads || !digits(whole) || !digits(fraction) {
            return Err(MoneyError::Amount);
        }
        let places = places(currency);
        // Zeros beyond the last place say nothing: clients print all amounts with two places or more.
        let fraction = fraction.trim_end_matches('0');
        if fraction.len() > places {
            return Err(MoneyError::Precision);
        }
        let minor = format!("{whole}{fraction:0<places$}").parse().map_err(|_| MoneyError::Amount)?;
        Ok(Self { minor, currency })
    }

    /// Minor units.
    pub const fn minor(self) -> u64 {
        self.minor
    }

    /// The currency.
    pub const fn currency(self) -> Currency {
        self.currency
    }

    /// Whether it is nothing.
    pub const fn is_zero(self) -> bool {
        self.minor == 0
    }

    /// The sum; `None` for two currencies, or beyond what can be held.
    pub fn plus(self, other: Self) -> Option<Self> {
        let minor = self.minor.checked_add(other.minor)?;
        (self.currency == other.currency).then_some(Self { minor, ..self })
    }

    /// The rest; `None` for two currencies, or where `other` is more.
    pub fn minus(self, other: Self) -> Option<Self> {
        let minor = self.minor.checked_sub(other.minor)?;
        (self.currency == other.currency).then_some(Self { minor, ..self })
    }

    /// In major units without needless zeros, as a JSON number is written: `100`, `100.5`.
    pub fn shortest(self) -> String {
        let text = self.to_string();
        if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
    }
}

/// In major units with all places of the currency: `100.50`, `500`.
impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let places = places(self.currency);
        let unit = 10_u64.pow(u32::try_from(places).unwrap_or(0));
        write!(f, "{}", self.minor / unit)?;
        if places == 0 { Ok(()) } else { write!(f, ".{:0places$}", self.minor % unit) }
    }
}

/// Decimal places; none for the units of ISO 4217 that have no minor unit.
fn places(currency: Currency) -> usize {
    usize::from(currency.exponent().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_exact() {
        for (text, code, minor, shown, shortest) in [
            ("1", "USD", 100, "1.00", "1"),
            ("100.55", "usd", 10_055, "100.55", "100.55"),
            ("0.10", "EUR", 10, "0.10", "0.1"),
            ("0.1", "EUR", 10, "0.10", "0.1"),
            ("500", "JPY", 500, "500", "500"),
            ("500.00", "JPY", 500, "500", "500"),
            ("1.234", "BHD", 1_234, "1.234", "1.234"),
            ("999999999999.99", "EUR", 99_999_999_999_999, "999999999999.99", "999999999999.99"),
        ] {
            let money = Money::parse(text, code).unwrap();
            assert_eq!(
                (money.minor(), money.to_string(), money.shortest()),
                (minor, shown.into(), shortest.into())
            );
        }
    }

    #[test]
    fn what_is_no_amount_is_refused() {
        for text in ["", "-1", "+1", "1e3", "1,5", "1.", ".5", "01", "1234567890123", "１", "1 0", "0x1"] {
            assert_eq!(Money::parse(text, "EUR"), Err(MoneyError::Amount), "{text}");
        }
        assert_eq!(Money::parse("12.345", "EUR"), Err(MoneyError::Precision));
        assert_eq!(Money::parse("1.5", "JPY"), Err(MoneyError::Precision));
        assert_eq!(Money::parse("1", "EURO"), Err(MoneyError::Currency));
    }

    #[test]
    fn sums_stay_within_a_currency() {
        let [one, two] = ["1", "2"].map(|text| Money::parse(text, "EUR").unwrap());
        assert_eq!(one.plus(one), Some(two));
        assert_eq!((two.minus(one), one.minus(two)), (Some(one), None));
        assert_eq!(one.plus(Money::parse("1", "USD").unwrap()), None);
    }
}
