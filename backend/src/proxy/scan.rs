//! Looking through answers: a card number that comes back is replaced by its token, another one is hidden, so that
//! no number reaches the merchant by this way.

use shared::digits;

/// The widest gap between two digits of one number, in bytes.
const GAP: usize = 3;
/// Separators as addresses and forms write them.
const ESCAPED: [&str; 3] = ["%20", "%2D", "%2d"];

/// One digit of a text.
#[derive(Clone, Copy)]
struct Digit {
    from: usize,
    to: usize,
    value: u8,
    /// Whether it can belong to the same number as the digit before it.
    linked: bool,
}

/// The text without card numbers: `number` becomes `token`, other numbers become dots.
pub fn clean(text: &str, number: &str, token: &str) -> String {
    replace(text, |run| {
        let found = run.find(number).filter(|_| !number.is_empty());
        found.map(|at| (at, number.len(), token.to_owned())).or_else(|| foreign(run))
    })
}

/// The card numbers of a text, each replaced by what `with` says.
pub fn numbers(text: &str, mut with: impl FnMut(&str) -> String) -> String {
    replace(text, |run| {
        let (at, length) = card_in(run)?;
        Some((at, length, with(run.get(at..at + length)?)))
    })
}

/// Goes through the runs of digits. `seek` answers where in a run something stands, how long it is and what takes its
/// place; what follows it is looked through again.
fn replace(text: &str, mut seek: impl FnMut(&str) -> Option<(usize, usize, String)>) -> String {
    let all = digits_of(text);
    let mut out = String::with_capacity(text.len());
    let (mut written, mut at) = (0, 0);
    while at < all.len() {
        let end = run_end(&all, at);
        let run = all.get(at..end).unwrap_or_default();
        let typed: String = run.iter().map(|digit| char::from(b'0' + digit.value)).collect();
        let place = seek(&typed).and_then(|(start, length, with)| {
            let first = run.get(start)?;
            let last = run.get(start + length - 1)?;
            Some((first.from, last.to, start + length, with))
        });
        let Some((from, to, used, with)) = place else {
            at = end;
            continue;
        };
        out.push_str(text.get(written..from).unwrap_or_default());
        out.push_str(&with);
        written = to;
        at += used;
    }
    out.push_str(text.get(written..).unwrap_or_default());
    out
}

fn digits_of(text: &str) -> Vec<Digit> {
    let mut all: Vec<Digit> = Vec::new();
    let mut behind = 0;
    for (from, c) in text.char_indices() {
        let escaped = text.get(from..from + 3).is_some_and(|three| ESCAPED.contains(&three));
        if escaped {
            // Its digits are those of a separator.
            behind = from + 3;
        }
        if from < behind {
            continue;
        }
        let Some(value) = digits::value(c) else { continue };
        let before = all.last().map_or(from, |digit| digit.to);
        let gap = text.get(before..from).unwrap_or_default();
        all.push(Digit { from, to: from + c.len_utf8(), value, linked: !all.is_empty() && joins(gap) });
    }
    all
}

/// Whether what stands between two digits leaves them in one number.
fn joins(gap: &str) -> bool {
    gap.is_empty()
        || ESCAPED.contains(&gap)
        || (gap.len() <= GAP && gap.chars().all(|c| digits::is_separator(c) || matches!(c, '.' | '+' | '_')))
}

fn run_end(all: &[Digit], from: usize) -> usize {
    let after = all.iter().skip(from + 1).position(|digit| !digit.linked);
    after.map_or(all.len(), |count| from + 1 + count)
}

/// A number of another card: hidden but for its ends.
fn foreign(run: &str) -> Option<(usize, usize, String)> {
    let (at, length) = card_in(run)?;
    let number = run.get(at..at + length)?;
    let shown = shared::CardNumber::parse(number, true).ok()?;
    Some((at, length, shared::mask::number(shown.first_six(), shown.last_four(), length)))
}

/// Where a card number of a known brand stands in a run: from its start on, or the whole of a group. Numbers that
/// merely pass Luhn are left alone, since one in ten of all transaction numbers does.
fn card_in(run: &str) -> Option<(usize, usize)> {
    for start in 0..run.len().saturating_sub(11) {
        for length in (12..=19).rev() {
            let Some(part) = run.get(start..start + length) else { continue };
            // Inside a longer row of digits anything can be found.
            let whole = start == 0 && (length == run.len() || run.len() > 19);
            let printed = matches!(length, 14..=16) && run.len() <= 23;
            if (whole || printed) && is_card(part) {
                return Some((start, length));
            }
        }
    }
    None
}

fn is_card(digits: &str) -> bool {
    shared::CardNumber::parse(digits, true).is_ok_and(|number| number.brand() != shared::Brand::Other)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NUMBER: &str = "4111111111111111";

    #[test]
    fn the_number_becomes_its_token_however_it_is_written() {
        for written in [
            "4111111111111111",
            "4111 1111 1111 1111",
            "4111-1111-1111-1111",
            "4111%201111%201111%201111",
            "4111+1111+1111+1111",
            "４１１１１１１１１１１１１１１１",
        ] {
            let cleaned = clean(&format!("{{\"pan\":\"{written}\",\"id\":17}}"), NUMBER, "tok");
            assert_eq!(cleaned, "{\"pan\":\"tok\",\"id\":17}", "{written}");
        }
        assert_eq!(clean(&format!("1{NUMBER}2 {NUMBER}"), NUMBER, "tok"), "1tok2 tok");
    }

    #[test]
    fn other_cards_are_hidden() {
        assert_eq!(clean("new: 5555555555554444;", NUMBER, "tok"), "new: 555555••••••4444;");
        assert_eq!(clean("a 378282246310005", "", ""), "a 37828••••••0005");
    }

    #[test]
    fn transaction_numbers_are_left_alone() {
        for text in
            ["9400000000000000000000", "id=1234567890123456", "2027-01-15T08:00:00Z", "ref 000123456789"]
        {
            assert_eq!(clean(text, NUMBER, "tok"), text);
        }
    }
}
