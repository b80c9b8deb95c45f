//! Every edit at every place: digits are neither lost nor reordered, and the caret stays between the digits
//! where it was.

use proptest::prelude::*;

use super::*;

/// One number for each grouping: fours, 4-6-5, 4-6-4, and fours of 19 digits. Their heads have these lengths too.
const NUMBERS: [&str; 4] = ["4111111111111111", "378282246310005", "30569309025904", "6205500000000000004"];

/// What people insert: a digit, a full-width one as an input method commits it, a pasted piece.
const PIECES: [&str; 5] = ["7", "７", "12-34", " 90 12 ", "x1\u{A0}2"];

/// A text after an edit by the browser, before it is formatted.
struct Raw {
    text: Vec<char>,
    caret: usize,
    kind: Kind,
}

#[test]
fn numbers_are_grouped_by_brand() {
    let shown = |text: &str| number(text, text.len(), Kind::Insert).text;
    assert_eq!(shown("4111111111111111"), "4111 1111 1111 1111");
    assert_eq!(shown("378282246310005"), "3782 822463 10005");
    assert_eq!(shown("30569309025904"), "3056 930902 5904");
    assert_eq!(shown("3056930902590400000"), "3056 9309 0259 0400 000");
    assert_eq!(shown("6205500000000000004"), "6205 5000 0000 0000 004");
    assert_eq!(shown("４１１１ 1x"), "4111 1");
}

/// The README tells this number of cases.
#[test]
fn every_edit_at_every_place_keeps_digits_and_caret() {
    let mut cases = 0;
    for whole in NUMBERS {
        for length in 0..=whole.len() {
            let head = whole.get(..length).unwrap();
            let shown: Vec<char> = number(head, length, Kind::Insert).text.chars().collect();
            edits(&shown, &mut |raw| {
                cases += 1;
                check(&raw);
            });
        }
    }
    assert_eq!(cases, CASES);
}

const CASES: u32 = 81_488;

/// All edits of a text: insertions, deletions, replacements of every selection, and its drag to every place.
fn edits(shown: &[char], tell: &mut impl FnMut(Raw)) {
    for start in 0..=shown.len() {
        if start > 0 {
            tell(replaced(shown, start - 1, start, "", Kind::Backward));
        }
        if start < shown.len() {
            tell(replaced(shown, start, start + 1, "", Kind::Forward));
        }
        for end in start..=shown.len() {
            for piece in PIECES {
                tell(replaced(shown, start, end, piece, Kind::Insert));
            }
            if start < end {
                tell(replaced(shown, start, end, "", Kind::Backward));
                drags(shown, start, end, tell);
            }
        }
    }
}

fn replaced(shown: &[char], start: usize, end: usize, piece: &str, kind: Kind) -> Raw {
    let mut text = shown.to_vec();
    text.splice(start..end, piece.chars());
    Raw { text, caret: start + piece.chars().count(), kind }
}

/// The browser deletes the selection, which is formatted, and then drops it.
fn drags(shown: &[char], start: usize, end: usize, tell: &mut impl FnMut(Raw)) {
    let taken: String = shown[start..end].iter().collect();
    let left = replaced(shown, start, end, "", Kind::Backward);
    let text: String = left.text.iter().collect();
    let left: Vec<char> = number(&text, left.caret, Kind::Backward).text.chars().collect();
    for place in 0..=left.len() {
        tell(replaced(&left, place, place, &taken, Kind::Insert));
    }
}

fn check(raw: &Raw) {
    let text: String = raw.text.iter().collect();
    let edited = number(&text, raw.caret, raw.kind);
    assert_eq!(digits_of(edited.text.chars()), digits_of(raw.text.iter().copied()), "{text}");
    let before = digits_of(edited.text.chars().take(edited.caret));
    assert_eq!(before, digits_of(raw.text.iter().copied().take(raw.caret)), "{text} at {}", raw.caret);
    let again = number(&edited.text, edited.caret, Kind::Insert);
    assert_eq!(again.text, edited.text, "formatting twice changes nothing");
}

fn digits_of(chars: impl Iterator<Item = char>) -> String {
    chars.filter_map(digits::value).map(|value| char::from(b'0' + value)).collect()
}

#[test]
fn holding_a_delete_key_empties_the_number_past_every_gap() {
    for whole in NUMBERS {
        for place in 0..=number(whole, 0, Kind::Insert).text.len() {
            let mut edited = Edited { text: number(whole, 0, Kind::Insert).text, caret: place };
            let left = digits_of(edited.text.chars().take(place));
            // Each gap costs a press more.
            for _ in 0..edited.text.len() {
                if edited.caret < edited.text.len() {
                    edited.text.remove(edited.caret);
                    edited = number(&edited.text, edited.caret, Kind::Forward);
                }
            }
            assert_eq!(digits_of(edited.text.chars()), left, "forward from {place}");
            for _ in 0..edited.text.len() {
                if edited.caret > 0 {
                    edited.text.remove(edited.caret - 1);
                    edited = number(&edited.text, edited.caret - 1, Kind::Backward);
                }
            }
            assert_eq!(edited.text, "", "backward from {place}");
        }
    }
}

#[test]
fn expiries_are_completed() {
    let typed = |text: &str| expiry(text, text.chars().count(), Kind::Insert);
    assert_eq!(typed("5").text, "05 / ");
    assert_eq!(typed("1/").text, "01 / ");
    assert_eq!(typed("12"), Edited { text: "12 / ".into(), caret: 5 });
    for text in
        ["2031-05", "05/2031", "5/2031", "5/31", "05/31", "0531", "531", "05 / 31", "０５／３１", "05-31"]
    {
        assert_eq!(typed(text), Edited { text: "05 / 31".into(), caret: 7 }, "{text}");
    }
}

#[test]
fn a_year_of_four_digits_may_be_typed() {
    let mut shown = String::new();
    for digit in "052031".chars() {
        shown.push(digit);
        shown = expiry(&shown, shown.len(), Kind::Insert).text;
    }
    assert_eq!(shown, "05 / 31");
}

#[test]
fn a_month_can_be_corrected_in_place() {
    // Backspace behind the 1 of 12, then the zero of 02.
    let deleted = expiry("2 / 31", 0, Kind::Backward);
    assert_eq!(deleted, Edited { text: "2 / 31".into(), caret: 0 });
    assert_eq!(expiry("02 / 31", 1, Kind::Insert).text, "02 / 31");
    // The whole month selected and typed anew.
    assert_eq!(expiry(" / 31", 0, Kind::Backward), Edited { text: " / 31".into(), caret: 0 });
    assert_eq!(expiry("1 / 31", 1, Kind::Insert), Edited { text: "1 / 31".into(), caret: 1 });
    assert_eq!(expiry("11 / 31", 2, Kind::Insert), Edited { text: "11 / 31".into(), caret: 5 });
    // What was left unfinished gets its zero when the field is left.
    assert_eq!(expiry("2 / 31", 6, Kind::Insert).text, "02 / 31");
    // A digit too many is not taken, and pushes none out.
    assert_eq!(expiry("120 / 31", 3, Kind::Insert), Edited { text: "12 / 31".into(), caret: 5 });
    assert_eq!(expiry("12 / 315", 8, Kind::Insert), Edited { text: "12 / 31".into(), caret: 7 });
}

#[test]
fn deleting_goes_past_the_separator() {
    assert_eq!(expiry("12", 2, Kind::Backward), Edited { text: "12".into(), caret: 2 });
    assert_eq!(expiry("12 /31", 4, Kind::Backward), Edited { text: "12 / 31".into(), caret: 2 });
    assert_eq!(expiry("12/ 31", 2, Kind::Forward), Edited { text: "12 / 31".into(), caret: 5 });
}

#[test]
fn input_types_say_where_a_deletion_goes() {
    assert_eq!(Kind::of("insertText"), Kind::Insert);
    assert_eq!(Kind::of("deleteContentBackward"), Kind::Backward);
    assert_eq!(Kind::of("deleteByDrag"), Kind::Backward);
    assert_eq!(Kind::of("deleteWordForward"), Kind::Forward);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn any_text_keeps_its_digits_and_its_caret(
        text in "[0-9０-９٠-٩ \\-x😀\u{202E}]{0,24}", caret in 0_usize..25, deletes in 0_usize..3,
    ) {
        let text: Vec<char> = text.chars().collect();
        let kind = [Kind::Insert, Kind::Backward, Kind::Forward][deletes];
        let caret = caret.min(text.len());
        let units = text[..caret].iter().map(|c| c.len_utf16()).sum();
        let shown: String = text.iter().collect();
        let edited = number(&shown, units, kind);
        prop_assert_eq!(digits_of(edited.text.chars()), digits_of(text.iter().copied()));
        let before = digits_of(edited.text.chars().take(edited.caret));
        prop_assert_eq!(before, digits_of(text.iter().copied().take(caret)));
    }

    #[test]
    fn an_expiry_never_has_its_digits_reordered(digits in "[0-9]{4}", place in 0_usize..8, typed in "[0-9]") {
        let shown = format!("{} / {}", &digits[..2], &digits[2..]);
        let place = place.min(shown.len());
        let mut text = shown.clone();
        text.insert_str(place, &typed);
        let edited = expiry(&text, place + 1, Kind::Insert);
        let kept = digits_of(edited.text.chars());
        // A full field takes no digit more, unless the year is being written with four.
        prop_assert!(kept == digits || kept == digits_of(text.chars()), "{text} became {}", edited.text);
    }
}
