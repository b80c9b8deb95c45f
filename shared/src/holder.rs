//! The cardholder's name.

use crate::{Problem, plain};

/// The most characters of a name; ISO/IEC 7813 prints 26, people type more.
pub const MAX_CHARS: usize = 100;

/// Checks a name: not empty, no control or direction-changing characters, and no card number typed into the
/// wrong field. Answers the trimmed name.
pub fn parse(text: &str) -> Result<&str, Problem> {
    plain::parse(text, MAX_CHARS)
}

/// Control characters, and those that reorder text on a screen (Unicode bidi controls).
pub fn is_unprintable(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_people_are_accepted() {
        for name in ["Ada Lovelace", "Ólafur Þór", "李小龍", "O’Brien-Smith Jr.", " Ada "] {
            assert_eq!(parse(name), Ok(name.trim()));
        }
    }

    #[test]
    fn what_is_no_name_is_refused() {
        assert_eq!(parse("  "), Err(Problem::Missing));
        assert_eq!(parse("Ada\u{202E}"), Err(Problem::Characters));
        assert_eq!(parse("4111 1111 1111 1111"), Err(Problem::HoldsNumber));
        assert_eq!(parse(&"a".repeat(101)), Err(Problem::TooLong));
    }
}
