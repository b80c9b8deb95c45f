//! Bank accounts of the United States, as the ACH network names them: routing number, account number, type.

use zeroize::Zeroizing;

use crate::{Problem, digits};

/// The digits of a routing number.
const ROUTING: usize = 9;
/// The most digits of an account number (Nacha rules, entry detail record: 17 places).
pub const ACCOUNT_MAX: usize = 17;
/// Fewer digits than this name no account.
const ACCOUNT_MIN: usize = 4;

/// The types of accounts, as they are stored (spec A.5).
pub const ACCOUNT_TYPES: [&str; 4] =
    ["Individual Savings", "Individual Checking", "Business Savings", "Business Checking"];

/// The type of an account as it is stored.
pub fn account_type(text: &str) -> Result<&'static str, Problem> {
    let text = text.trim();
    if text.is_empty() {
        return Err(Problem::Missing);
    }
    ACCOUNT_TYPES.into_iter().find(|&known| known == text).ok_or(Problem::Format)
}

/// Checks a routing number (ABA): nine digits whose sum, weighted 3, 7, 1, is a multiple of ten, in one of the
/// ranges that are given out. Without `validate` any nine digits pass.
pub fn routing(text: &str, validate: bool) -> Result<String, Problem> {
    let number = run(text, ROUTING, ROUTING)?;
    if !validate || (is_assigned(&number) && aba_sum(&number).is_multiple_of(10)) {
        Ok(number.to_string())
    } else {
        Err(Problem::Checksum)
    }
}

/// The first two digits tell the Federal Reserve district and the kind of institution.
fn is_assigned(number: &str) -> bool {
    let range = number.get(..2).and_then(|head| head.parse::<u8>().ok());
    matches!(range, Some(0..=12 | 21..=32 | 61..=72 | 80)) && number.bytes().any(|b| b != b'0')
}

fn aba_sum(number: &str) -> u32 {
    number.bytes().zip([3, 7, 1].into_iter().cycle()).map(|(b, weight)| u32::from(b - b'0') * weight).sum()
}

/// The number of a bank account. No Display, no Clone; Debug shows nothing; wiped on drop.
pub struct AccountNumber(Zeroizing<String>);

impl AccountNumber {
    /// Reads a number as typed, with spaces or dashes. There is no check digit; leading zeros belong to it.
    pub fn parse(text: &str) -> Result<Self, Problem> {
        run(text, ACCOUNT_MIN, ACCOUNT_MAX).map(Self)
    }

    /// The digits. Callers hash, seal or send them; they never log or answer them.
    pub fn digits(&self) -> &str {
        &self.0
    }

    /// The last digits, which may be shown: four, or fewer where fewer than six would stay hidden.
    pub fn last_four(&self) -> &str {
        let shown = self.0.len().saturating_sub(6).min(4);
        self.0.get(self.0.len() - shown..).unwrap_or("")
    }
}

impl std::fmt::Debug for AccountNumber {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AccountNumber(…)")
    }
}

/// The digits of a text, as ASCII, without what stands between them.
fn run(text: &str, least: usize, most: usize) -> Result<Zeroizing<String>, Problem> {
    let mut run = Zeroizing::new(String::with_capacity(ACCOUNT_MAX));
    for c in text.chars().filter(|&c| !digits::is_separator(c)) {
        let value = digits::value(c).ok_or(Problem::Characters)?;
        if run.len() == most {
            return Err(Problem::TooLong);
        }
        run.push(char::from(b'0' + value));
    }
    match run.len() {
        0 => Err(Problem::Missing),
        length if length < least => Err(Problem::TooShort),
        _ => Ok(run),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routing_numbers_have_a_check_digit() {
        for good in ["021000021", "011401533", "091000019", "0210 0002 1"] {
            assert!(routing(good, true).is_ok(), "{good}");
        }
        assert_eq!(routing("021000022", true), Err(Problem::Checksum));
        assert_eq!(routing("000000000", true), Err(Problem::Checksum));
        assert_eq!(routing("500000003", true), Err(Problem::Checksum), "no such range");
        assert_eq!(routing("021000022", false).as_deref(), Ok("021000022"));
        assert_eq!(routing("02100002", true), Err(Problem::TooShort));
        assert_eq!(routing("0210000211", true), Err(Problem::TooLong));
        assert_eq!(routing("02100002x", true), Err(Problem::Characters));
        assert_eq!(routing("", true), Err(Problem::Missing));
    }

    #[test]
    fn an_account_number_hides_six_digits() {
        let last = |text| AccountNumber::parse(text).map(|number| number.last_four().to_owned());
        assert_eq!(last("000123456789").as_deref(), Ok("6789"));
        assert_eq!(last("12345678").as_deref(), Ok("78"));
        assert_eq!(last("1234").as_deref(), Ok(""));
        assert_eq!(last("123"), Err(Problem::TooShort));
        assert_eq!(last("123456789012345678"), Err(Problem::TooLong));
        let number = AccountNumber::parse("0001 2345-6789").unwrap();
        assert_eq!(number.digits(), "000123456789");
        assert!(!format!("{number:?}").contains('1'));
    }

    #[test]
    fn the_type_is_one_of_four() {
        assert_eq!(account_type("Business Checking"), Ok("Business Checking"));
        assert_eq!(account_type("business checking"), Err(Problem::Format));
        assert_eq!(account_type(" "), Err(Problem::Missing));
    }
}
