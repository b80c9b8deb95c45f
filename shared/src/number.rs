//! The card number (PAN): parsed once, normalised, and from then on a type of its own.

use zeroize::Zeroizing;

use crate::{Brand, digits};

/// Why a value of a field was refused. What the person reads of it is `Text::problem`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Problem {
    /// Nothing was entered.
    Missing,
    /// Holds characters that cannot belong to the field.
    Characters,
    /// Fewer characters or digits than possible.
    TooShort,
    /// More characters or digits than possible.
    TooLong,
    /// The digits fail the Luhn check: most often a slip of the finger.
    Checksum,
    /// The security code has a length that its brand does not use.
    CodeLength,
    /// Not a month and a year.
    Format,
    /// The month is not 1 to 12.
    Month,
    /// The card has expired.
    Past,
    /// The year is too far away to be on a card.
    TooFar,
    /// The card ends before the month until which it has to be valid.
    TooSoon,
    /// A card number stands where none may stand.
    HoldsNumber,
    /// The form does not take cards of this brand.
    NotAccepted,
    /// The card carries several brands that the form takes, and none of them was chosen.
    Choice,
}

impl Problem {
    /// The stable name on the wire.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Characters => "characters",
            Self::TooShort => "too_short",
            Self::TooLong => "too_long",
            Self::Checksum => "checksum",
            Self::CodeLength => "code_length",
            Self::Format => "format",
            Self::Month => "month",
            Self::Past => "past",
            Self::TooFar => "too_far",
            Self::TooSoon => "too_soon",
            Self::HoldsNumber => "holds_number",
            Self::NotAccepted => "not_accepted",
            Self::Choice => "choice",
        }
    }

    /// The problem of a wire name.
    pub fn from_code(code: &str) -> Option<Self> {
        [
            Self::Missing,
            Self::Characters,
            Self::TooShort,
            Self::TooLong,
            Self::Checksum,
            Self::CodeLength,
            Self::Format,
            Self::Month,
            Self::Past,
            Self::TooFar,
            Self::TooSoon,
            Self::HoldsNumber,
            Self::NotAccepted,
            Self::Choice,
        ]
        .into_iter()
        .find(|problem| problem.code() == code)
    }
}

/// The fewest and the most digits of a card number (ISO/IEC 7812).
pub const LENGTHS: std::ops::RangeInclusive<usize> = 12..=19;

/// A normalised card number: 12 to 19 ASCII digits. No Display, no Clone; Debug shows nothing; wiped on drop.
pub struct CardNumber(Zeroizing<String>);

impl CardNumber {
    /// Reads a number as typed: digits of any script, with spaces and dashes between them.
    /// `luhn` is false only where the merchant switched the check off (`disable_luhn`).
    pub fn parse(text: &str, luhn: bool) -> Result<Self, Problem> {
        let mut digits = Zeroizing::new(String::with_capacity(24));
        for c in text.chars().filter(|&c| !digits::is_separator(c)) {
            let value = digits::value(c).ok_or(Problem::Characters)?;
            if digits.len() == *LENGTHS.end() {
                return Err(Problem::TooLong);
            }
            digits.push(char::from(b'0' + value));
        }
        check(&digits, luhn)?;
        Ok(Self(digits))
    }

    /// The digits. Callers hash, seal or send them; they never log or answer them.
    pub fn digits(&self) -> &str {
        &self.0
    }

    /// The brand that the leading digits belong to.
    pub fn brand(&self) -> Brand {
        Brand::of(&self.0)
    }

    /// The last four digits, which may be shown.
    pub fn last_four(&self) -> &str {
        self.0.get(self.0.len().saturating_sub(4)..).unwrap_or("")
    }

    /// The leading digits that may be shown: six, or fewer where fewer than six digits would stay hidden.
    pub fn first_six(&self) -> &str {
        let shown = self.0.len().saturating_sub(4 + 6).min(6);
        self.0.get(..shown).unwrap_or("")
    }
}

impl std::fmt::Debug for CardNumber {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CardNumber(…)")
    }
}

/// Checks normalised digits: length of the brand, then Luhn.
fn check(digits: &str, luhn: bool) -> Result<(), Problem> {
    if digits.is_empty() {
        return Err(Problem::Missing);
    }
    let (shortest, longest) = if luhn { length_bounds(digits) } else { (*LENGTHS.start(), *LENGTHS.end()) };
    if digits.len() < shortest {
        return Err(Problem::TooShort);
    }
    if digits.len() > longest {
        return Err(Problem::TooLong);
    }
    if luhn && !digits::luhn(digits) {
        return Err(Problem::Checksum);
    }
    Ok(())
}

/// The bounds, not the exact set: issuers of every brand have been seen to use lengths between.
fn length_bounds(digits: &str) -> (usize, usize) {
    let brand = Brand::of(digits);
    (brand.min_length(), brand.max_length())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(text: &str) -> Problem {
        CardNumber::parse(text, true).unwrap_err()
    }

    #[test]
    fn a_number_is_normalised() {
        for text in [
            "4111111111111111",
            " 4111 1111 1111 1111 ",
            "4111-1111-1111-1111",
            "４１１１１１１１１１１１１１１１",
        ] {
            assert_eq!(CardNumber::parse(text, true).unwrap().digits(), "4111111111111111");
        }
    }

    #[test]
    fn each_slip_has_its_own_problem() {
        assert_eq!(problem(""), Problem::Missing);
        assert_eq!(problem("4111 1111"), Problem::TooShort);
        assert_eq!(problem("41111111111111111111"), Problem::TooLong);
        assert_eq!(problem("4111111111111112"), Problem::Checksum);
        assert_eq!(problem("4111x11111111111"), Problem::Characters);
        assert!(CardNumber::parse("4111111111111112", false).is_ok());
    }

    #[test]
    fn at_least_six_digits_stay_hidden() {
        let long = CardNumber::parse("4111111111111111", true).unwrap();
        assert_eq!((long.first_six(), long.last_four()), ("411111", "1111"));
        let short = CardNumber::parse("30569309025904", true).unwrap();
        assert_eq!((short.first_six(), short.last_four()), ("3056", "5904"));
        let shortest = CardNumber::parse("501800000009", true).unwrap();
        assert_eq!((shortest.first_six(), shortest.last_four()), ("50", "0009"));
    }

    #[test]
    fn debug_shows_no_digit() {
        let number = CardNumber::parse("4111111111111111", true).unwrap();
        assert!(!format!("{number:?}").contains('1'));
    }
}
