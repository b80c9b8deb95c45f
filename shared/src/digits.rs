//! Decimal digits as people type and paste them: full-width and other Unicode digits, and the separators
//! that card numbers are printed with.

use std::ops::Range;

use zeroize::Zeroizing;

/// The zero of each block of ten decimal digits that keyboards and input methods produce.
const ZEROS: [char; 16] = ['0', '０', '٠', '۰', '०', '০', '੦', '૦', '௦', '๐', '၀', '𝟎', '𝟘', '𝟢', '𝟬', '𝟶'];

/// The value of a decimal digit in any script that we know, else `None`.
pub fn value(c: char) -> Option<u8> {
    ZEROS.iter().find_map(|&zero| {
        let offset = u32::from(c).checked_sub(u32::from(zero))?;
        u8::try_from(offset).ok().filter(|&v| v < 10)
    })
}

/// Whether a character may stand between the digits of a number: spaces of any width, dashes, and what nobody
/// sees.
pub fn is_separator(c: char) -> bool {
    c.is_whitespace()
        || matches!(
            c,
            '-' | '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{FE63}' | '\u{FF0D}' | '\u{AD}' | '\u{200B}'..='\u{200F}'
                | '\u{2060}' | '\u{FEFF}'
        )
}

/// Whether a run of ASCII digits passes the Luhn check (ISO/IEC 7812-1 annex B). An empty run does not.
pub fn luhn(digits: &str) -> bool {
    !digits.is_empty()
        && digits.bytes().all(|b| b.is_ascii_digit())
        && luhn_sum(digits, false).is_multiple_of(10)
}

/// The digit that makes `digits` followed by it pass the Luhn check.
pub fn luhn_check_digit(digits: &str) -> u8 {
    u8::try_from((10 - luhn_sum(digits, true) % 10) % 10).unwrap_or(0)
}

fn luhn_sum(digits: &str, double_last: bool) -> u32 {
    digits
        .bytes()
        .rev()
        .enumerate()
        .map(|(place, b)| {
            let digit = u32::from(b.wrapping_sub(b'0'));
            let doubled = if (place % 2 == 1) ^ double_last { digit * 2 } else { digit };
            doubled / 10 + doubled % 10
        })
        .sum()
}

/// Whether a text holds what could be a card number: 12 to 19 digits that pass Luhn, either in one group or once
/// the separators between groups are removed (security rule 10). Beside other digits, as in "number 12/31 123",
/// it counts in the groups that cards are printed with. A UUID in its written form is no such number: one in 250
/// would be refused by chance, and merchants name their orders by them.
pub fn holds_card_number(text: &str) -> bool {
    // Most texts have too few digits, and every member of every capture comes by here.
    if text.is_ascii() && text.bytes().filter(u8::is_ascii_digit).count() < 12 {
        return false;
    }
    let mut rest = text;
    while let Some(place) = uuid(rest) {
        if holds_number(rest.get(..place.start).unwrap_or_default()) {
            return true;
        }
        rest = rest.get(place.end..).unwrap_or_default();
    }
    holds_number(rest)
}

fn holds_number(text: &str) -> bool {
    let mut digits = Zeroizing::new(String::with_capacity(text.len().min(64)));
    // Where the groups of the present run begin in `digits`, and from where on they count together.
    let mut starts: Vec<usize> = Vec::new();
    let mut together = 0;
    let mut in_group = false;
    // The sentinel ends the last group.
    for c in text.chars().chain(std::iter::once('\0')) {
        if let Some(v) = value(c) {
            if !in_group {
                starts.push(digits.len());
            }
            in_group = true;
            digits.push(char::from(b'0' + v));
            continue;
        }
        // A comma parts a list, and lists of numbers are common: across it only printed groups count.
        let lists = matches!(c, ',' | ':' | ';' | '|' | '*' | '+' | '\u{B7}');
        let ends = !(lists || is_separator(c) || matches!(c, '.' | '_' | '/'));
        let whole = (lists || ends).then_some(together);
        if (in_group || ends) && ends_with_number(&digits, &starts, whole) {
            return true;
        }
        in_group = false;
        if lists {
            together = digits.len();
        } else if ends {
            digits.clear();
            starts.clear();
            together = 0;
        }
    }
    false
}

/// Where the first UUID of a text stands, in bytes (RFC 9562 section 4: 8-4-4-4-12 hexadecimal digits, a version from
/// 1 to 8, the variant 8 to b). One without a letter is none: it may be a card number that somebody dressed up.
pub fn uuid(text: &str) -> Option<Range<usize>> {
    let joins = |b: &u8| b.is_ascii_alphanumeric() || *b == b'-';
    let bytes = text.as_bytes();
    text.match_indices('-').find_map(|(dash, _)| {
        let place = dash.checked_sub(8)?..dash + 28;
        let before = place.start.checked_sub(1).and_then(|place| bytes.get(place));
        let stands_alone = !before.is_some_and(joins) && !bytes.get(place.end).is_some_and(joins);
        (stands_alone && is_uuid(bytes.get(place.clone())?)).then_some(place)
    })
}

fn is_uuid(bytes: &[u8]) -> bool {
    bytes.iter().enumerate().all(|(place, &b)| match place {
        8 | 13 | 18 | 23 => b == b'-',
        14 => matches!(b, b'1'..=b'8'),
        19 => matches!(b.to_ascii_lowercase(), b'8' | b'9' | b'a' | b'b'),
        _ => b.is_ascii_hexdigit(),
    }) && bytes.iter().any(u8::is_ascii_alphabetic)
}

/// Whether the last groups of a run are a number: one group, all from `whole` on, or as printed.
fn ends_with_number(digits: &str, starts: &[usize], whole: Option<usize>) -> bool {
    let mut next = digits.len();
    for &start in starts.iter().rev() {
        let run = digits.get(start..).unwrap_or_default();
        let alone = next == digits.len();
        let all = whole == Some(start);
        let printed =
            next - start == 4 && (14..=16).contains(&run.len()) && run.starts_with(['2', '3', '4', '5', '6']);
        if run.len() > 19 {
            return false;
        }
        if (alone || all || printed) && is_number_like(run) {
            return true;
        }
        next = start;
    }
    false
}

fn is_number_like(run: &str) -> bool {
    (12..=19).contains(&run.len()) && luhn(run)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_of_other_scripts_have_their_value() {
        assert_eq!(value('４'), Some(4));
        assert_eq!(value('٤'), Some(4));
        assert_eq!(value('a'), None);
    }

    #[test]
    fn luhn_accepts_published_test_numbers_only() {
        assert!(luhn("4111111111111111"));
        assert!(luhn("378282246310005"));
        assert!(!luhn("4111111111111112"));
        assert!(!luhn(""));
        assert_eq!(luhn_check_digit("411111111111111"), 1);
    }

    #[test]
    fn a_uuid_is_no_number_but_hides_none() {
        // The last group, and the first three together, pass Luhn.
        assert!(!holds_card_number("order c0a80121-7001-4b35-8a5f-411111111117"));
        assert!(!holds_card_number("41111111-1111-1111-b000-0000000000AB"));
        assert!(holds_card_number("c0a80121-7001-4b35-8a5f-411111111117 4111111111111111"));
        assert!(holds_card_number("4111111111111111 c0a80121-7001-4b35-8a5f-411111111117"));
        // Of no version or variant, without a letter, or a part of something longer.
        assert!(holds_card_number("c0a80121-7001-0b35-8a5f-411111111117"));
        assert!(holds_card_number("41111111-1111-1111-1a00-000000000000"));
        assert!(holds_card_number("00000000-0000-4000-8000-411111111117"));
        assert!(holds_card_number("c0a80121-7001-4b35-8a5f-4111111111111111"));
    }

    #[test]
    fn a_number_is_found_behind_separators_and_scripts() {
        assert!(holds_card_number("call me: 4111-1111 1111.1111!"));
        assert!(holds_card_number("４１１１１１１１１１１１１１１１"));
        assert!(!holds_card_number("4111111111111112"));
        assert!(holds_card_number("06 4111111111111111"));
        assert!(holds_card_number("4111 1111 1111 1111 12/31 123"));
        assert!(holds_card_number("order 77 4111-1111-1111-1111"));
        assert!(holds_card_number("4111\u{AD}1111\u{200C}1111\u{2060}1111"));
        assert!(holds_card_number("𝟒𝟏𝟏𝟏𝟏𝟏𝟏𝟏𝟏𝟏𝟏𝟏𝟏𝟏𝟏𝟏"));
        assert!(holds_card_number("4111,1111,1111,1111"));
        assert!(holds_card_number("4111:1111:1111:1111") && holds_card_number("3782|822463|10005"));
        assert!(!holds_card_number("order 12345"));
        // Passes Luhn if its commas are taken out, and is an amount.
        assert!(luhn("1000000000009") && !holds_card_number("1,000,000,000,009"));
        assert!(!holds_card_number("44c93045e3cf54d23792c7821c42c2386e3040680caaa1ab512aa45091ad8fd1"));
    }
}
