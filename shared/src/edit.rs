//! Formatting while a person types: digits grouped by brand, and the caret kept at the digit where it was.

use crate::{Brand, digits};

/// A text with the caret's place, counted in UTF-16 units as browsers do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edited {
    /// The text to show.
    pub text: String,
    /// Where the caret belongs in it.
    pub caret: usize,
}

/// Groups a card number as its brand prints it. What is not a digit is dropped; digits beyond the longest
/// number are dropped at the end. The caret stays behind the digit that it was behind; where that digit ends
/// a group and the person has just typed it, the caret moves past the gap.
pub fn number(text: &str, caret: usize) -> Edited {
    let (digits, before) = collect(text, caret, 19);
    let brand = Brand::of(&digits);
    let mut out = String::with_capacity(24);
    let mut place = 0;
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && starts_group(brand, index, digits.len()) {
            out.push(' ');
        }
        out.push(digit);
        if index + 1 == before {
            place = out.len();
        }
    }
    Edited { caret: place, text: out }
}

/// Formats an expiry as `MM / YY`. A first digit above 1 gets its zero; a separator typed after one digit
/// gives that digit its zero. Text in another usual order (`2031-05`, four-digit years) is turned into this one.
pub fn expiry(text: &str, caret: usize, deleting: bool) -> Edited {
    if let Some(whole) = whole_expiry(text) {
        return Edited { caret: whole.len(), text: whole };
    }
    let (mut run, mut before) = collect(text, caret, 6);
    let separated = text.trim_start().chars().nth(1).is_some_and(|c| matches!(c, '/' | '.' | '-' | '／'));
    if (run.len() == 1 && separated && run != "0")
        || run.chars().next().is_some_and(|c| ('2'..='9').contains(&c))
    {
        run.insert(0, '0');
        before += usize::from(before > 0);
    }
    run.truncate(4);
    before = before.min(run.len());
    if run.len() < 2 || (run.len() == 2 && deleting) {
        return Edited { text: run, caret: before };
    }
    let tail = run.split_off(2);
    let caret = if before >= 2 { before + 3 } else { before };
    Edited { text: format!("{run} / {tail}"), caret }
}

/// A security code: digits only, at most as many as the brand uses.
pub fn cvv(text: &str, caret: usize, brand: Brand) -> Edited {
    let longest = brand.cvv_lengths().last().copied().unwrap_or(4);
    let (run, before) = collect(text, caret, usize::from(longest));
    Edited { text: run, caret: before }
}

/// The digits of a text as ASCII, at most `most`, and how many of them stand before the caret.
fn collect(text: &str, caret: usize, most: usize) -> (String, usize) {
    let mut run = String::with_capacity(most);
    let (mut units, mut before) = (0, 0);
    for c in text.chars() {
        if let Some(value) = digits::value(c).filter(|_| run.len() < most) {
            run.push(char::from(b'0' + value));
            before += usize::from(units < caret);
        }
        units += c.len_utf16();
    }
    (run, before)
}

fn starts_group(brand: Brand, index: usize, length: usize) -> bool {
    // A brand's own grouping holds for its usual length only; longer numbers are read in fours.
    let groups = brand.groups();
    let usual: usize = groups.iter().map(|&g| usize::from(g)).sum();
    if length > usual && usual < 16 {
        return index.is_multiple_of(4);
    }
    let mut start = 0;
    for &group in groups {
        start += usize::from(group);
        if index == start {
            return true;
        }
    }
    index > usual && (index - usual).is_multiple_of(4)
}

/// `MM / YY` of a text that is a whole expiry in another form, as pasted or filled by the browser.
fn whole_expiry(text: &str) -> Option<String> {
    let count = text.chars().filter(|&c| digits::value(c).is_some()).count();
    if count != 6 {
        return None;
    }
    let expiry = crate::Expiry::parse(text).ok()?;
    Some(format!("{:02} / {:02}", expiry.month(), expiry.year() % 100))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_are_grouped_by_brand() {
        assert_eq!(number("4111111111111111", 16).text, "4111 1111 1111 1111");
        assert_eq!(number("378282246310005", 15).text, "3782 822463 10005");
        assert_eq!(number("30569309025904", 14).text, "3056 930902 5904");
        assert_eq!(number("6200000000000000000", 19).text, "6200 0000 0000 0000 000");
        assert_eq!(number("４１１１ 1x", 7).text, "4111 1");
    }

    #[test]
    fn expiries_are_completed() {
        assert_eq!(expiry("5", 1, false).text, "05 / ");
        assert_eq!(expiry("1/", 2, false).text, "01 / ");
        assert_eq!(expiry("12", 2, false), Edited { text: "12 / ".into(), caret: 5 });
        assert_eq!(expiry("12", 2, true), Edited { text: "12".into(), caret: 2 });
        assert_eq!(expiry("2031-05", 7, false).text, "05 / 31");
        assert_eq!(expiry("05/2031", 7, false).text, "05 / 31");
        assert_eq!(expiry("0531", 4, false).text, "05 / 31");
    }

    proptest! {
        #[test]
        fn the_caret_stays_behind_its_digit(text in "[0-9 x]{0,30}", caret in 0_usize..31) {
            let caret = caret.min(text.len());
            let edited = number(&text, caret);
            let digits_before = |t: &str, end: usize| t.chars().take(end).filter(char::is_ascii_digit).count();
            prop_assert_eq!(digits_before(&edited.text, edited.caret), digits_before(&text, caret).min(19));
        }

        #[test]
        fn formatting_twice_changes_nothing(text in "[0-9]{0,19}") {
            let once = number(&text, text.len());
            prop_assert_eq!(&number(&once.text, once.caret), &once);
        }
    }
}
