//! Looking through what others answer: a card number that comes back is replaced by its token, another one is hidden,
//! so that no number reaches the merchant by this way. Each text is gone through once.

use std::ops::Range;

use shared::{Brand, CardNumber, digits};
use zeroize::Zeroizing;

/// The widest gap between two digits of one number, in bytes.
const GAP: usize = 3;
/// Separators as addresses and forms write them.
const ESCAPED: [&str; 3] = ["%20", "%2D", "%2d"];
/// The lengths of card numbers, the longest first.
const LENGTHS: [usize; 8] = [19, 18, 17, 16, 15, 14, 13, 12];
/// The longest row of digits in which printed groups are looked for when one card is to be picked out.
const PRINTED: usize = 23;

/// A row of digits that nothing but separators parts.
#[derive(Default)]
struct Run {
    digits: Zeroizing<String>,
    /// Where each digit begins in the text, in bytes.
    places: Vec<u32>,
    /// Whether a separator stands before it.
    begins: Vec<bool>,
    /// Where the last one ends.
    end: usize,
}

impl Run {
    /// Where digits of the run stand in the text.
    fn place(&self, text: &str, digits: &Range<usize>) -> Option<Range<usize>> {
        let at = |digit: usize| self.places.get(digit).and_then(|place| usize::try_from(*place).ok());
        let last = at(digits.end.checked_sub(1)?)?;
        let width = text.get(last..)?.chars().next()?.len_utf8();
        Some(at(digits.start)?..last + width)
    }
}

/// Digits of a run, and what takes their place.
struct Hit {
    digits: Range<usize>,
    with: String,
}

/// The text without card numbers: `number` becomes `token`, other numbers become dots.
pub fn clean(text: &str, number: &str, token: &str) -> String {
    let is_json = is_json(text);
    replace(
        text,
        |run| hidden(run, number, token),
        |text, place, with| {
            if is_json && stands_bare(text, place) { format!("\"{with}\"") } else { with }
        },
    )
}

/// Whether a text holds what has the form of a card number, as `clean` hides it.
pub fn holds_number(text: &str) -> bool {
    clean(text, "", "") != text
}

/// The card numbers of a text that stand for themselves, each replaced by what `with` says. Chooses more narrowly than
/// `clean` hides: what is picked is stored as a card.
pub fn numbers(text: &str, mut with: impl FnMut(&str) -> String) -> String {
    replace(text, |run| picked(run, &mut with), |_, _, with| with)
}

/// Whether a text looks like JSON.
pub fn is_json(text: &str) -> bool {
    text.trim_start().starts_with(['{', '['])
}

/// Whether a place of a JSON text is a whole value without quotes, such as a number.
pub fn stands_bare(text: &str, place: &Range<usize>) -> bool {
    let before = text.get(..place.start).and_then(|before| before.trim_end().chars().next_back());
    let after = text.get(place.end..).and_then(|after| after.trim_start().chars().next());
    matches!(before, Some(':' | ',' | '[')) && matches!(after, Some(',' | '}' | ']'))
}

fn replace(
    text: &str,
    mut seek: impl FnMut(&Run) -> Vec<Hit>,
    written_as: impl Fn(&str, &Range<usize>, String) -> String,
) -> String {
    let mut out = String::with_capacity(text.len());
    let mut written = 0;
    runs(text, |run| {
        for Hit { digits, with } in seek(run) {
            let Some(place) = run.place(text, &digits) else { continue };
            out.push_str(text.get(written..place.start).unwrap_or_default());
            out.push_str(&written_as(text, &place, with));
            written = place.end;
        }
    });
    out.push_str(text.get(written..).unwrap_or_default());
    out
}

/// Goes through the rows of at least as many digits as a card number has.
fn runs(text: &str, mut each: impl FnMut(&Run)) {
    let mut run = Run::default();
    let mut behind = 0;
    let mut uuid = digits::uuid(text);
    for (from, c) in text.char_indices() {
        if let Some(place) = uuid.clone().filter(|place| place.start == from) {
            // What others name their things by is left as it is.
            behind = place.end;
            let next = text.get(place.end..).and_then(digits::uuid);
            uuid = next.map(|next| next.start + place.end..next.end + place.end);
        }
        let escaped = c == '%' && text.get(from..from + 3).is_some_and(|three| ESCAPED.contains(&three));
        if escaped {
            // Its digits are those of a separator.
            behind = from + 3;
        }
        if from < behind {
            continue;
        }
        let Some(value) = digits::value(c) else { continue };
        if !joins(text.get(run.end..from).unwrap_or_default()) {
            flush(&mut run, &mut each);
        }
        run.begins.push(run.places.is_empty() || run.end < from);
        run.digits.push(char::from(b'0' + value));
        // Texts are of a megabyte at most.
        run.places.push(u32::try_from(from).unwrap_or(u32::MAX));
        run.end = from + c.len_utf8();
    }
    flush(&mut run, &mut each);
}

fn flush(run: &mut Run, each: &mut impl FnMut(&Run)) {
    if run.digits.len() >= 12 {
        each(run);
    }
    run.digits.clear();
    run.places.clear();
    run.begins.clear();
}

/// Whether what stands between two digits leaves them in one number.
fn joins(gap: &str) -> bool {
    gap.is_empty()
        || ESCAPED.contains(&gap)
        || (gap.len() <= GAP && gap.chars().all(|c| digits::is_separator(c) || matches!(c, '.' | '+' | '_')))
}

/// What is to be hidden in a run: the known number wherever it stands, and between its places every row of digits that
/// can be a number of a known brand.
fn hidden(run: &Run, number: &str, token: &str) -> Vec<Hit> {
    let mut hits = Vec::new();
    let mut from = 0;
    let own = if number.is_empty() { Vec::new() } else { run.digits.match_indices(number).collect() };
    for (at, _) in own {
        hits.extend(foreign(run, from..at));
        hits.push(Hit { digits: at..at + number.len(), with: token.to_owned() });
        from = at + number.len();
    }
    hits.extend(foreign(run, from..run.digits.len()));
    hits
}

/// Numbers of other cards in a part of a run. Where two could stand over each other, all of their digits are hidden.
fn foreign(run: &Run, within: Range<usize>) -> Vec<Hit> {
    let part = run.digits.get(within.clone()).unwrap_or_default();
    let begins = run.begins.get(within.clone()).unwrap_or_default();
    let mut covered: Vec<(Range<usize>, bool)> = Vec::new();
    for window in windows(part, begins) {
        match covered.last_mut() {
            Some((last, _)) if window.end <= last.end => {}
            Some((last, alone)) if window.start < last.end => {
                last.end = window.end;
                *alone = false;
            }
            _ => covered.push((window, true)),
        }
    }
    let hit = |(place, alone): (Range<usize>, bool)| {
        let shown = part.get(place.clone()).filter(|_| alone);
        let number = shown.and_then(|digits| CardNumber::parse(digits, true).ok());
        let with = number.map_or_else(
            || "•".repeat(place.len()),
            |number| shared::mask::number(number.first_six(), number.last_four(), place.len()),
        );
        Hit { digits: place.start + within.start..place.end + within.start, with }
    };
    covered.into_iter().map(hit).collect()
}

/// From each digit on the longest row that is a number of a known brand, if there is one.
fn windows(digits: &str, begins: &[bool]) -> impl Iterator<Item = Range<usize>> {
    let sums = Sums::of(digits);
    let is_border = |place: usize| place == 0 || begins.get(place).is_none_or(|begins| *begins);
    (0..digits.len().saturating_sub(11)).filter_map(move |start| {
        let mut brand = None;
        let mut fits = |length: usize| {
            let end = start + length;
            if end > digits.len() || !sums.passes_luhn(start, end) {
                return false;
            }
            let rest = digits.get(start..).unwrap_or_default();
            let brand = *brand.get_or_insert_with(|| Brand::of(rest));
            has_length(brand, length)
                && ((is_border(start) && is_border(end)) || is_found_inside(brand, length))
        };
        LENGTHS.into_iter().find(|length| fits(*length)).map(|length| start..start + length)
    })
}

/// Whether a number is looked for inside of a longer group of digits too: in the lengths that nearly all cards have, and
/// not of brands whose ranges are so wide that transaction numbers would be taken for cards.
fn is_found_inside(brand: Brand, length: usize) -> bool {
    matches!(length, 14..=16) && !matches!(brand, Brand::Maestro | Brand::Uatp)
}

/// Whether a brand has numbers of this length. `Other` has none here: one in ten of all transaction numbers passes
/// Luhn.
fn has_length(brand: Brand, length: usize) -> bool {
    match brand {
        Brand::Other => false,
        Brand::Visa | Brand::Hipercard => matches!(length, 13 | 16 | 19),
        Brand::Verve => matches!(length, 16 | 18 | 19),
        Brand::Napas => matches!(length, 16 | 19),
        brand => (brand.min_length()..=brand.max_length()).contains(&length),
    }
}

/// Sums up to each digit, with every second one doubled as Luhn does (ISO/IEC 7812-1 annex B): one list for rows that
/// end at an even place, one for the others.
struct Sums([Vec<u32>; 2]);

impl Sums {
    fn of(digits: &str) -> Self {
        let list = |odd: usize| {
            let mut sum = 0;
            let sums = digits.bytes().enumerate().map(|(place, digit)| {
                let digit = u32::from(digit - b'0');
                let doubled = if place % 2 == odd { digit * 2 } else { digit };
                sum += doubled / 10 + doubled % 10;
                sum
            });
            std::iter::once(0).chain(sums).collect()
        };
        Self([list(0), list(1)])
    }

    fn passes_luhn(&self, start: usize, end: usize) -> bool {
        // The last digit counts once, the one before it twice.
        let Some(sums) = self.0.get(end % 2) else { return false };
        let (Some(until), Some(before)) = (sums.get(end), sums.get(start)) else { return false };
        (until - before).is_multiple_of(10)
    }
}

/// The numbers of a run that stand for themselves: all of it, or in a short one as cards are printed.
fn picked(run: &Run, with: &mut impl FnMut(&str) -> String) -> Vec<Hit> {
    let mut hits = Vec::new();
    let (digits, mut free) = (run.digits.as_str(), 0);
    for window in windows(digits, &run.begins) {
        let whole = window.start == 0 && (window.end == digits.len() || digits.len() > 19);
        let printed = matches!(window.len(), 14..=16) && digits.len() <= PRINTED;
        if window.start >= free && (whole || printed) {
            free = window.end;
            hits.push(Hit { with: with(digits.get(window.clone()).unwrap_or_default()), digits: window });
        }
    }
    hits
}

#[cfg(test)]
mod tests {
    use super::*;

    const NUMBER: &str = "4111111111111111";
    const OTHER: &str = "5555555555554444";

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
    fn what_takes_the_place_of_a_bare_number_leaves_json_whole() {
        assert_eq!(clean(&format!("{{\"pan\": {NUMBER}}}"), NUMBER, "tok"), "{\"pan\": \"tok\"}");
        assert_eq!(clean(&format!("[{OTHER},1]"), NUMBER, "tok"), "[\"555555••••••4444\",1]");
        assert_eq!(clean(&format!("pan: {NUMBER}, x"), NUMBER, "tok"), "pan: tok, x");
    }

    #[test]
    fn other_cards_are_hidden() {
        assert_eq!(clean("new: 5555555555554444;", NUMBER, "tok"), "new: 555555••••••4444;");
        assert_eq!(clean("a 378282246310005", "", ""), "a 37828••••••0005");
    }

    #[test]
    fn other_cards_are_hidden_wherever_they_stand_in_a_row() {
        for (text, cleaned) in [
            // Before and behind the own number, with and without separators; of other lengths between separators.
            (format!("{NUMBER}6759649826438453"), "tok675964••••••8453".to_owned()),
            ("id 4000 0000 0000 0000 006".to_owned(), "id 400000•••••••••0006".to_owned()),
            (format!("{OTHER}{NUMBER}"), "555555••••••4444tok".to_owned()),
            (format!("{OTHER} {NUMBER} {OTHER}"), "555555••••••4444 tok 555555••••••4444".to_owned()),
            (format!("00{OTHER}00"), "00555555••••••444400".to_owned()),
        ] {
            assert_eq!(clean(&text, NUMBER, "tok"), cleaned, "{text}");
        }
        // In a row of more digits than a card and its dates have; where others could stand over it, more is hidden.
        let cleaned = clean(&format!("000000000000 {OTHER} 000000000000"), NUMBER, "tok");
        assert!(cleaned.starts_with("000000000000 ") && !cleaned.contains("55555555"), "{cleaned}");
    }

    #[test]
    fn a_long_row_is_gone_through_once() {
        let row = format!("{OTHER} ").repeat(60_000);
        let cleaned = clean(&row, NUMBER, "tok");
        assert!(!cleaned.contains("5555555555"), "a row of a megabyte");
        assert!(!clean(&format!("{NUMBER} ").repeat(60_000), NUMBER, "tok").contains("4111"));
        let ones = "1".repeat(1 << 20);
        assert_eq!(clean(&ones, NUMBER, "tok"), ones);
        assert_eq!(numbers(&row, |_| "x".to_owned()).len(), row.len() - 15);
    }

    #[test]
    fn transaction_numbers_are_left_alone() {
        let named = "1b4e28ba-4111-4111-8111-411111111117 5bf0c0de-0000-4000-8000-5500000000aa";
        assert_eq!(clean(named, NUMBER, "tok"), named);
        assert_eq!(clean(&format!("{named} {NUMBER}"), NUMBER, "tok"), format!("{named} tok"));
        for text in
            ["9400000000000000000000", "id=1234567890123456", "2027-01-15T08:00:00Z", "ref 000123456789"]
        {
            assert_eq!(clean(text, NUMBER, "tok"), text);
        }
    }

    #[test]
    fn sums_agree_with_luhn() {
        let digits = "79927398713411111111111111105555555555554444";
        let sums = Sums::of(digits);
        for start in 0..digits.len() {
            for end in start + 1..=digits.len() {
                assert_eq!(sums.passes_luhn(start, end), digits::luhn(&digits[start..end]), "{start} {end}");
            }
        }
    }
}
