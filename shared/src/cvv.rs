//! The card's security code (CVV, CVC, CID): three or four digits, never stored with the card.

use zeroize::Zeroizing;

use crate::{Brand, Problem, digits};

/// How many digits a security code may have, by brand: what the brand prints, or what the merchant says instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CodeLengths([u8; Brand::COUNT + 1]);

impl Default for CodeLengths {
    fn default() -> Self {
        Self([0; Brand::COUNT + 1])
    }
}

impl CodeLengths {
    /// Replaces the lengths of a brand, 3 or 4 or both; others are left out.
    pub fn set(&mut self, brand: Brand, lengths: &[u8]) {
        if let Some(place) = self.0.get_mut(brand as usize) {
            *place = lengths
                .iter()
                .filter(|length| matches!(length, 3 | 4))
                .fold(0, |set, length| set | 1 << length);
        }
    }

    /// Whether a code of a brand may have so many digits.
    pub fn allow(&self, brand: Brand, length: usize) -> bool {
        match self.0.get(brand as usize) {
            Some(&set) if set != 0 => length < 8 && set >> length & 1 == 1,
            _ => brand.cvv_lengths().iter().any(|&known| usize::from(known) == length),
        }
    }

    /// The most digits of a brand's code.
    pub fn longest(&self, brand: Brand) -> usize {
        if self.allow(brand, 4) { 4 } else { 3 }
    }

    /// Reads the page's markup: `amex:34 mada:3`, a digit for each length.
    pub fn from_markup(text: &str) -> Self {
        let mut lengths = Self::default();
        for (name, digits) in text.split_ascii_whitespace().filter_map(|entry| entry.split_once(':')) {
            let digits: Vec<u8> = digits.bytes().map(|digit| digit.wrapping_sub(b'0')).collect();
            lengths.set(Brand::from_wire(name), &digits);
        }
        lengths
    }
}

/// A security code. No Display, no Clone; Debug shows nothing; wiped on drop.
pub struct Cvv(Zeroizing<String>);

impl Cvv {
    /// Reads a code as typed. With a `brand` its length must be one that the brand uses; without (a code-only
    /// form knows no number) three or four digits are accepted.
    pub fn parse(text: &str, brand: Option<Brand>) -> Result<Self, Problem> {
        Self::parse_by(text, brand, &CodeLengths::default())
    }

    /// The same with a merchant's lengths.
    pub fn parse_by(text: &str, brand: Option<Brand>, lengths: &CodeLengths) -> Result<Self, Problem> {
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
        let fits = match brand {
            Some(brand) => lengths.allow(brand, code.len()),
            None => code.len() >= 3,
        };
        if fits { Ok(Self(code)) } else { Err(Problem::CodeLength) }
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
        assert_eq!(Cvv::parse("12", None).unwrap_err(), Problem::CodeLength);
    }

    #[test]
    fn a_merchant_may_replace_the_lengths_of_a_brand() {
        let lengths = CodeLengths::from_markup("amex:34 visa:4 nobody:3");
        assert!(Cvv::parse_by("123", Some(Brand::Amex), &lengths).is_ok());
        assert!(Cvv::parse_by("1234", Some(Brand::Amex), &lengths).is_ok());
        assert!(Cvv::parse_by("123", Some(Brand::Visa), &lengths).is_err());
        assert!(Cvv::parse_by("123", Some(Brand::Mastercard), &lengths).is_ok());
        assert_eq!((lengths.longest(Brand::Visa), lengths.longest(Brand::Mastercard)), (4, 3));
    }
}
