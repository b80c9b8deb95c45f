//! The card's security code (CVV, CVC, CID): three or four digits, never stored with the card.

use zeroize::Zeroizing;

use crate::{Brand, Problem, digits};

/// A security code. No Display, no Clone; Debug shows nothing; wiped on drop.
pub struct Cvv(Zeroizing<String>);

impl Cvv {
    /// Reads a code as typed. With a `brand` its length must be one that the brand uses; without (a code-only
    /// form knows no number) three or four digits are accepted.
    pub fn parse(text: &str, brand: Option<Brand>) -> Result<Self, Problem> {
        let mut code = Zeroizing::new(String::with_capacity(4));
        for c in text.chars().filter(|c| !c.is_whitespace()) {
            let value = digits::value(c).ok_or(Problem::Characters)?;
            if code.len() == 4 {
                return Err(Problem::CodeLength);
            }
            code.push(char::from(b'0' + value));
        }
        if code.is_empty() {
            return Err(Problem::Missing);
        }
        let lengths = brand.unwrap_or(Brand::Other).cvv_lengths();
        if !lengths.iter().any(|&length| usize::from(length) == code.len()) {
            return Err(Problem::CodeLength);
        }
        Ok(Self(code))
    }

    /// The digits. Callers seal or send them; they never log or answer them.
    pub fn digits(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Cvv {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Cvv(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn length_follows_the_brand() {
        assert_eq!(Cvv::parse("145", Some(Brand::Visa)).unwrap().digits(), "145");
        assert_eq!(Cvv::parse("145", Some(Brand::Amex)).unwrap_err(), Problem::CodeLength);
        assert_eq!(Cvv::parse("1234", Some(Brand::Visa)).unwrap_err(), Problem::CodeLength);
        assert!(Cvv::parse("1234", None).is_ok());
        assert_eq!(Cvv::parse("１２３", None).unwrap().digits(), "123");
        assert_eq!(Cvv::parse("12a", None).unwrap_err(), Problem::Characters);
        assert_eq!(Cvv::parse(" ", None).unwrap_err(), Problem::Missing);
        assert_eq!(Cvv::parse("12345", None).unwrap_err(), Problem::CodeLength);
    }
}
