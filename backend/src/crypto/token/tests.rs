//! Shapes of tokens, and what they never show.

use proptest::prelude::*;

use super::{super::entropy::SeededEntropy, *};

const NUMBER: &str = "4111111111111111";

fn token_key(seed: u64) -> TokenKey {
    TokenKey::generate(&SeededEntropy::new(seed))
}

fn make(algorithm: &str, number: &str) -> String {
    let algorithm = Algorithm::parse(algorithm).unwrap();
    token(&token_key(1), algorithm, number, 0, &SeededEntropy::new(9))
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

#[test]
fn names_are_read_and_written_back() {
    for name in [
        "full",
        "luhn",
        "random",
        "partial_8_start",
        "partial_16_end",
        "partial_middle_6_4",
        "partial_middle_0_0",
    ] {
        assert_eq!(Algorithm::parse(name).unwrap().to_string(), name);
    }
    for name in [
        "",
        "Full",
        "partial_7_end",
        "partial_17_start",
        "partial_+8_end",
        "partial_08_end",
        "partial_8_middle",
        "partial_middle_6",
        "partial_middle_6_4_2",
        "partial_middle_-1_4",
        "sha256",
    ] {
        assert_eq!(Algorithm::parse(name), None, "{name}");
    }
}

#[test]
fn a_full_token_is_64_hex_characters_and_depends_on_key_and_number() {
    let full = make("full", NUMBER);
    assert!(full.len() == 64 && is_hex(&full));
    assert_eq!(full, make("full", NUMBER));
    assert_ne!(full, make("full", "5555555555554444"));
    assert_ne!(full, token(&token_key(2), Algorithm::Full, NUMBER, 0, &SeededEntropy::new(9)));
}

#[test]
fn partial_tokens_keep_length_and_the_digits_they_may() {
    // A key whose full token has a letter early on, so that no further round is needed.
    let full = make("full", NUMBER);
    assert!(full[..6].contains(|c: char| c.is_ascii_lowercase()));
    assert_eq!(make("partial_10_end", NUMBER), format!("411111{}", &full[..10]));
    assert_eq!(make("partial_12_start", NUMBER), format!("{}1111", &full[..12]));
    assert_eq!(make("partial_16_start", NUMBER), full[..16]);
    assert_eq!(make("partial_middle_6_4", NUMBER), format!("411111{}1111", &full[..6]));
    assert_eq!(make("partial_middle_0_0", NUMBER), full[..16]);
    assert_eq!(make("partial_16_end", "378282246310005"), make("full", "378282246310005")[..15]);
}

#[test]
fn a_partial_token_that_would_show_too_much_becomes_full() {
    for name in [
        "partial_8_end",
        "partial_9_end",
        "partial_8_start",
        "partial_11_start",
        "partial_middle_7_3",
        "partial_middle_5_5",
        "partial_middle_255_255",
    ] {
        assert_eq!(make(name, NUMBER), make("full", NUMBER), "{name}");
    }
    // Of 15 digits six and four would hide five, of 13 three.
    for number in ["378282246310005", "4222222222222"] {
        assert_eq!(make("partial_middle_6_4", number), make("full", number));
    }
    assert_eq!(make("partial_middle_5_4", "378282246310005").len(), 15);
}

#[test]
fn the_next_attempt_gives_another_token_of_the_same_shape() {
    let key = token_key(1);
    for name in ["luhn", "partial_middle_6_4", "partial_10_end"] {
        let algorithm = Algorithm::parse(name).unwrap();
        let make = |attempt| token(&key, algorithm, NUMBER, attempt, &SeededEntropy::new(9));
        assert_eq!(make(1), make(1));
        assert_ne!(make(0), make(1));
        assert_ne!(make(1), make(2));
        assert_eq!(make(0).len(), make(1).len());
    }
    assert_eq!(token(&key, Algorithm::Full, NUMBER, 5, &SeededEntropy::new(9)), make("full", NUMBER));
}

#[test]
fn a_random_token_holds_nothing_of_the_number() {
    let (key, entropy) = (token_key(1), SeededEntropy::new(3));
    let random = token(&key, Algorithm::Random, NUMBER, 0, &entropy);
    assert!(random.len() == 64 && is_hex(&random));
    assert_ne!(random, token(&key, Algorithm::Random, NUMBER, 0, &entropy));
    let again = SeededEntropy::new(3);
    assert_eq!(random, token(&token_key(2), Algorithm::Random, "5555555555554444", 0, &again));
}

#[test]
fn what_is_not_digits_gets_a_full_token() {
    assert_eq!(make("partial_middle_6_4", "41111111111111é1").len(), 64);
    assert_eq!(make("partial_middle_6_4", "").len(), 64);
}

fn partials() -> impl Strategy<Value = Algorithm> {
    prop_oneof![
        (8_u8..=16).prop_map(Algorithm::PartialStart),
        (8_u8..=16).prop_map(Algorithm::PartialEnd),
        (0_u8..9, 0_u8..7).prop_map(|(start, end)| Algorithm::PartialMiddle { start, end }),
    ]
}

proptest! {
    /// A digit counts as shown if eight unrelated keys all leave it in its place: chance alone does not.
    #[test]
    fn a_partial_token_never_shows_more_than_allowed(
        algorithm in partials(), number in "[0-9]{12,19}", attempt in 0_u32..3,
    ) {
        let tokens: Vec<String> = (0..8)
            .map(|seed| token(&token_key(seed), algorithm, &number, attempt, &SeededEntropy::new(9)))
            .collect();
        prop_assert!(tokens.iter().all(|token| token.len() == number.len() || token.len() == 64));
        let shown: Vec<usize> = (0..number.len())
            .filter(|&place| tokens.iter().all(|token| token.as_bytes()[place] == number.as_bytes()[place]))
            .collect();
        prop_assert!(shown.iter().all(|&place| place < 6 || place >= number.len() - 4));
        prop_assert!(number.len() - shown.len() >= 6);
    }

    #[test]
    fn no_partial_token_can_be_taken_for_a_card_number(algorithm in partials(), number in "[0-9]{12,19}") {
        let token = token(&token_key(1), algorithm, &number, 0, &SeededEntropy::new(9));
        prop_assert!(is_hex(&token));
        prop_assert!(!shared::digits::luhn(&token));
        prop_assert!(token.contains(|c: char| c.is_ascii_lowercase()));
    }

    #[test]
    fn a_luhn_token_passes_luhn_and_starts_with_zero(number in "[0-9]{12,19}", attempt in any::<u32>()) {
        let token = token(&token_key(1), Algorithm::Luhn, &number, attempt, &SeededEntropy::new(9));
        prop_assert_eq!(token.len(), 16);
        prop_assert!(token.starts_with('0'));
        prop_assert!(shared::digits::luhn(&token));
    }
}
