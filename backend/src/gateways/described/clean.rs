//! What a gateway says is kept and shown. Nothing of the card may stand in it: not the number, however it is written,
//! and not the security code.

use std::net::IpAddr;

use percent_encoding::percent_decode_str;
use shared::digits;
use url::{Host, Url};

use crate::card_data::{Meaning, meaning, scan};
use crate::gateways::CardInUse;
use crate::outgoing::is_public;

/// What takes the place of a security code.
const HIDDEN: &str = "•••";

/// Words for the merchant: numbers are hidden but for their ends, and the code whole. Without a card, as with
/// inquiries, numbers are known by their form alone.
pub fn words(text: &str, card: Option<&CardInUse<'_>>) -> String {
    let Some(card) = card else { return scan::clean(text, "", "") };
    let number = card.number;
    let mask = shared::mask::number(number.first_six(), number.last_four(), number.digits().len());
    let text = scan::clean(text, number.digits(), &mask);
    // What the scanner does not see as one number is no text for a merchant.
    if holds(&text, Some(card)) {
        return String::new();
    }
    card.cvv.map_or_else(|| text.clone(), |code| without_code(&text, code.digits()))
}

/// A name or a code of the gateway's, whole or not at all.
pub fn value(text: String, card: Option<&CardInUse<'_>>) -> String {
    let is_code = card.and_then(|card| card.cvv).is_some_and(|code| plain(&text) == code.digits());
    let is_code = is_code && text.chars().all(|c| digits::value(c).is_some());
    if is_code || (card.is_some() && holds(&text, card)) { String::new() } else { text }
}

/// Whether a text holds the card's number, whatever stands between its digits, plain or escaped. Without a card:
/// whether it holds what has the form of a number.
pub fn holds(text: &str, card: Option<&CardInUse<'_>>) -> bool {
    let decoded = percent_decode_str(text).decode_utf8_lossy();
    let Some(card) = card else { return scan::holds_number(&decoded) };
    [text, &*decoded].into_iter().any(|text| plain(text).contains(card.number.digits()))
}

/// Whether a field that the payer takes to the issuer holds the number, or the code under a name for codes.
pub fn is_card_field(name: &str, value: &str, card: Option<&CardInUse<'_>>) -> bool {
    let code = card.and_then(|card| card.cvv).filter(|_| meaning(name) == Meaning::Code);
    code.is_some_and(|code| plain(value) == code.digits()) || (card.is_some() && holds(value, card))
}

/// Whether a payer's browser may be sent there (security rule 15): by https, to a public place, and without a login.
pub fn is_for_payers(url: &Url) -> bool {
    let is_public = match url.host() {
        Some(Host::Domain(name)) => {
            let name = name.trim_end_matches('.');
            name.contains('.') && !["localhost", "local", "internal"].contains(&last(name))
        }
        Some(Host::Ipv4(address)) => is_public(IpAddr::V4(address)),
        Some(Host::Ipv6(address)) => is_public(IpAddr::V6(address)),
        None => false,
    };
    url.scheme() == "https" && is_public && url.username().is_empty() && url.password().is_none()
}

fn last(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or_default()
}

/// The digits of a text, without what stands between them.
fn plain(text: &str) -> String {
    text.chars().filter_map(digits::value).map(|value| char::from(b'0' + value)).collect()
}

/// The text without the code where it stands by itself: within a longer word or number it is something else.
fn without_code(text: &str, code: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(char::is_alphanumeric) {
        let (before, word) = rest.split_at(start);
        let (word, behind) = word.split_at(word.find(|c: char| !c.is_alphanumeric()).unwrap_or(word.len()));
        let is_code = plain(word) == code && word.chars().all(|c| digits::value(c).is_some());
        out.push_str(before);
        out.push_str(if is_code { HIDDEN } else { word });
        rest = behind;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use shared::{CardNumber, Cvv, Expiry};

    use super::*;

    fn with_card<T>(test: impl FnOnce(Option<&CardInUse<'_>>) -> T) -> T {
        let number = CardNumber::parse("4111111111111111", true).unwrap();
        let (expiry, cvv) = (Expiry::parse("12/30").unwrap(), Cvv::parse("737", None).unwrap());
        test(Some(&CardInUse { number: &number, expiry, holder: "", cvv: Some(&cvv) }))
    }

    #[test]
    fn words_hold_no_number_and_no_code() {
        with_card(|card| {
            for said in [
                "card 4111111111111111 refused",
                "card 4111 1111 1111 1111 refused",
                "4111-1111-1111-1111, 4111.1111.1111.1111",
                "４１１１１１１１１１１１１１１１",
                "41-11-11-11-11-11-11-11",
                "4111x1111x1111x1111",
                "5555555555554444 is another card",
            ] {
                let kept = words(said, card);
                assert!(!holds(&kept, card) && !plain(&kept).contains("5555555555554444"), "{said}: {kept}");
            }
            assert_eq!(words("CVC 737 is wrong (737).", card), "CVC ••• is wrong (•••).");
            assert_eq!(words("order a737, 17370", card), "order a737, 17370");
        });
        assert_eq!(words("card 5555 5555 5555 4444", None), "card 555555••••••4444");
    }

    #[test]
    fn names_and_codes_are_whole_or_gone() {
        with_card(|card| {
            for gone in ["4111111111111111", "ref 4111 1111 1111 1111", "4111%201111%201111%201111", "737"] {
                assert_eq!(value(gone.to_owned(), card), "", "{gone}");
            }
            for kept in ["993617895204576J", "8816118280275544", "pi_7377", "51", "M", "a737"] {
                assert_eq!(value(kept.to_owned(), card), kept);
            }
            assert!(is_card_field("cvc", "737", card) && !is_card_field("MD", "737", card));
            assert!(is_card_field("MD", "4111 1111 1111 1111", card));
        });
        assert_eq!(value("8816118280275544".to_owned(), None), "8816118280275544");
    }

    #[test]
    fn payers_are_sent_to_public_places_by_https() {
        let may = |url: &str| is_for_payers(&url.parse().unwrap());
        assert!(may("https://acs.issuer.example/3ds?x=1") && may("https://1.1.1.1/"));
        for no in [
            "http://acs.issuer.example/",
            "https://localhost/",
            "https://acs/",
            "https://printer.local/",
            "https://127.0.0.1/",
            "https://192.168.0.1/",
            "https://[::1]/",
            "https://user:word@acs.issuer.example/",
            "javascript:alert(1)",
            "data:text/html,x",
            "blob:https://acs.issuer.example/1",
        ] {
            assert!(!may(no), "{no}");
        }
    }
}
