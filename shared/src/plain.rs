//! Plain texts: addresses, postal codes and the merchant's additional fields.

use crate::{ExtraKind, ExtraRule, Problem, digits, holder::is_unprintable};

/// Checks a text: not empty, no control or direction-changing characters, at most so many characters, and no
/// card number typed into the wrong field (security rule 10). Answers it trimmed.
pub fn parse(text: &str, max_chars: usize) -> Result<&str, Problem> {
    let text = text.trim();
    if text.is_empty() {
        return Err(Problem::Missing);
    }
    if text.chars().any(is_unprintable) {
        return Err(Problem::Characters);
    }
    if text.chars().count() > max_chars {
        return Err(Problem::TooLong);
    }
    if digits::holds_card_number(text) {
        return Err(Problem::HoldsNumber);
    }
    Ok(text)
}

/// Checks a postal code: letters, digits, spaces and dashes, at most 12 characters (the longest in use has 10).
pub fn postal_code(text: &str) -> Result<&str, Problem> {
    let code = parse(text, 12)?;
    let usual = |c: char| c.is_alphanumeric() || matches!(c, ' ' | '-');
    if code.chars().all(usual) { Ok(code) } else { Err(Problem::Characters) }
}

/// Checks what was entered into an additional field.
pub fn extra(text: &str, rule: ExtraRule) -> Result<&str, Problem> {
    let text = parse(text, usize::from(rule.max))?;
    let fits = match rule.kind {
        ExtraKind::Text | ExtraKind::Select => true,
        ExtraKind::Email => is_email(text),
        ExtraKind::Tel => is_telephone(text),
    };
    if fits { Ok(text) } else { Err(Problem::Format) }
}

/// One `@` between a name and a domain with a dot in it: what finds slips of the finger. Whether the address
/// exists is known to its server alone.
fn is_email(text: &str) -> bool {
    let Some((name, domain)) = text.split_once('@') else { return false };
    let dotted = domain.split('.').all(|part| !part.is_empty()) && domain.contains('.');
    !name.is_empty() && dotted && !domain.contains('@') && !text.contains(char::is_whitespace)
}

/// Five to fifteen digits (ITU-T E.164 has at most fifteen) with what people write between them.
fn is_telephone(text: &str) -> bool {
    let count = text.chars().filter(|&c| digits::value(c).is_some()).count();
    let usual = |c: char| {
        digits::value(c).is_some() || digits::is_separator(c) || matches!(c, '+' | '(' | ')' | '.' | '/')
    };
    (5..=15).contains(&count) && text.chars().all(usual)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(kind: ExtraKind, text: &str) -> Option<Problem> {
        extra(text, ExtraRule { kind, max: 40 }).err()
    }

    #[test]
    fn texts_hold_no_number_and_nothing_unprintable() {
        assert_eq!(parse(" 12 Main St ", 20), Ok("12 Main St"));
        assert_eq!(parse("4111 1111 1111 1111", 60), Err(Problem::HoldsNumber));
        assert_eq!(parse("a\u{202E}b", 60), Err(Problem::Characters));
        assert_eq!(parse("abc", 2), Err(Problem::TooLong));
        assert_eq!(parse(" ", 2), Err(Problem::Missing));
    }

    #[test]
    fn postal_codes_of_the_world_are_taken() {
        for code in ["10115", "SW1A 1AA", "K1A 0B1", "94103-1234", "D02 AF30", "150-0001", "1234 AB"] {
            assert_eq!(postal_code(code), Ok(code));
        }
        assert_eq!(postal_code("10115; x"), Err(Problem::Characters));
        assert_eq!(postal_code("1234567890123"), Err(Problem::TooLong));
    }

    #[test]
    fn addresses_and_telephone_numbers_have_their_form() {
        for good in ["a@b.example", "ada.king+x@mail.example.org"] {
            assert_eq!(checked(ExtraKind::Email, good), None);
        }
        for bad in ["a", "a@b", "@b.example", "a@b..example", "a b@c.example", "a@b@c.example", "a@.example"]
        {
            assert_eq!(checked(ExtraKind::Email, bad), Some(Problem::Format), "{bad}");
        }
        for good in ["+49 (30) 901820", "030/901820", "+1-202-555-0123"] {
            assert_eq!(checked(ExtraKind::Tel, good), None);
        }
        for bad in ["1234", "call me", "+49 30 90 18 20 12 34 56 79"] {
            assert_eq!(checked(ExtraKind::Tel, bad), Some(Problem::Format), "{bad}");
        }
    }
}
