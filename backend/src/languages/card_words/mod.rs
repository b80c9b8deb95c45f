//! Tells whether a text asks for a card's number or security code, in any language of the pages, so that neither is
//! typed into a field whose value is handed out (security rule 11). It finds too much rather than too little: "loyalty
//! card number" is refused as well.

mod lists;

use icu_normalizer::{ComposingNormalizerBorrowed, DecomposingNormalizerBorrowed};
use lists::{ALONE, CARDS, CODES, MARKED, NUMBERS, PAIRS, PHRASES, SHORT_NAMES};

/// Whether a text asks for the number or the code of a card, by words or by a usual short name of either.
pub fn asks_for_card(text: &str) -> bool {
    let words: Vec<String> = text.split(|c: char| !is_part(c)).map(fold).filter(|w| !w.is_empty()).collect();
    let run = words.concat();
    let spelt: String = composed(text).chars().filter(|c| c.is_alphanumeric()).collect();
    words.iter().any(|word| SHORT_NAMES.contains(&word.as_str()))
        || ALONE.iter().any(|name| run == fold(name))
        || PHRASES.iter().any(|phrase| run.contains(&fold(phrase)))
        || MARKED.iter().any(|name| spelt.contains(name))
        || [NUMBERS, CODES].iter().any(|things| things.iter().any(|thing| is_near_card(&run, &fold(thing))))
        || is_pair(&run)
}

/// A word for the card and one for the number anywhere in the text; the holder of a card may have a number too.
fn is_pair(run: &str) -> bool {
    let run = run.replace("cardholder", "");
    let has = |word: &&str| run.contains(&fold(word));
    PAIRS.iter().any(|(cards, numbers)| cards.iter().any(has) && numbers.iter().any(has))
}

/// How many folded letters may stand between the two words ("number on your credit card").
const NEAR: usize = 10;

fn is_near_card(run: &str, thing: &str) -> bool {
    let at = |word: &str| run.match_indices(word).map(|(at, word)| (at, at + word.len())).collect::<Vec<_>>();
    let things = at(thing);
    if things.is_empty() {
        return false;
    }
    CARDS.iter().any(|card| {
        at(&fold(card)).iter().any(|&(start, end)| {
            things.iter().any(|&(first, last)| {
                let between = if last <= start { run.get(last..start) } else { run.get(end..first) };
                between.is_some_and(|between| between.chars().count() <= NEAR)
            })
        })
    })
}

/// Marks of letters are parts of words; so is what nobody sees.
fn is_part(c: char) -> bool {
    c.is_alphanumeric()
        || matches!(c, '\u{300}'..='\u{36F}' | '\u{AD}' | '\u{200B}'..='\u{200F}' | '\u{2060}' | '\u{FEFF}')
}

fn composed(text: &str) -> String {
    ComposingNormalizerBorrowed::new_nfkc().normalize(&text.to_lowercase()).into_owned()
}

/// Letters and digits alone: lower case, of usual width and without marks, and Cyrillic and Greek ones that look like
/// Latin between Latin ones as these.
fn fold(text: &str) -> String {
    let whole = DecomposingNormalizerBorrowed::new_nfkd().normalize(&text.to_lowercase()).into_owned();
    let folded: String = whole.chars().filter(|c| c.is_alphanumeric()).map(bare).collect();
    if folded.is_ascii() || !folded.contains(|c: char| c.is_ascii_alphabetic()) {
        return folded;
    }
    folded.chars().map(lookalike).collect()
}

/// A letter without what Unicode does not count as a mark of it.
const fn bare(c: char) -> char {
    match c {
        'ø' => 'o',
        'ı' => 'i',
        'ł' => 'l',
        'đ' | 'ð' => 'd',
        'ς' => 'σ',
        _ => c,
    }
}

/// A Cyrillic or Greek letter as the Latin one that it looks like.
const fn lookalike(c: char) -> char {
    match c {
        'а' | 'α' => 'a',
        'с' => 'c',
        'е' | 'ε' => 'e',
        'і' | 'ι' => 'i',
        'о' | 'ο' => 'o',
        'р' | 'ρ' => 'p',
        'х' | 'χ' => 'x',
        'у' | 'υ' => 'y',
        'ѵ' | 'ν' => 'v',
        'ԁ' => 'd',
        'ѕ' => 's',
        _ => c,
    }
}

#[cfg(test)]
mod tests {
    use shared::Text;

    use super::*;
    use crate::languages::LANGUAGES;

    #[test]
    fn numbers_of_cards_are_recognised_in_many_languages() {
        for label in [
            "Card number",
            "CARD-NUMBER",
            "Your credit card number",
            "Number on your credit card",
            "Card no.",
            "PAN",
            "Ｃａｒｄ　Ｎｕｍｂｅｒ",
            "Ca\u{AD}rd num\u{200B}ber",
            "Саrd number",
            "Credit card",
            "Kartennummer",
            "Kreditkarten-Nr.",
            "Nummer der Karte",
            "Numéro de carte",
            "Numéro de votre carte bancaire",
            "Número de tarjeta",
            "Número do cartão",
            "Numero della carta",
            "Kaartnummer",
            "Kortnummer",
            "Kortin numero",
            "Numer karty",
            "Nr karty",
            "Číslo karty",
            "Číslo platobnej karty",
            "Kártyaszám",
            "Numărul cardului",
            "Kart numarası",
            "Broj kartice",
            "Številka kartice",
            "Nomor kartu",
            "Số thẻ",
            "Номер карты",
            "Номер картки",
            "Номер на картата",
            "Αριθμός κάρτας",
            "رقم البطاقة",
            "شماره کارت",
            "מספר כרטיס",
            "कार्ड नंबर",
            "หมายเลขบัตร",
            "カード番号",
            "クレジットカード番号",
            "카드 번호",
            "卡号",
            "信用卡号码",
            "信用卡卡號",
        ] {
            assert!(asks_for_card(label), "{label}");
        }
    }

    #[test]
    fn security_codes_are_recognised_in_many_languages() {
        for label in [
            "CVV",
            "cvc2 code",
            "Your CVC",
            "Security code",
            "Card code",
            "Prüfnummer",
            "Kartenprüfnummer",
            "Sicherheitscode",
            "Code de sécurité",
            "Cryptogramme visuel",
            "Código de seguridad",
            "Código de segurança",
            "Codice di sicurezza",
            "Beveiligingscode",
            "Säkerhetskod",
            "Sikkerhedskode",
            "Turvakoodi",
            "Kod zabezpieczający",
            "Bezpečnostní kód",
            "Biztonsági kód",
            "Cod de securitate",
            "Güvenlik kodu",
            "Код безопасности",
            "Код безпеки",
            "Κωδικός ασφαλείας",
            "رمز الأمان",
            "کد امنیتی",
            "קוד אבטחה",
            "सुरक्षा कोड",
            "รหัสความปลอดภัย",
            "セキュリティコード",
            "보안 코드",
            "安全码",
            "安全碼",
            "ＣＶＶ",
            "сvv",
        ] {
            assert!(asks_for_card(label), "{label}");
        }
    }

    #[test]
    fn other_labels_are_left_alone() {
        for label in [
            "Order number",
            "Company",
            "Cardholder's phone number",
            "Name on card",
            "Postal code",
            "Promo code",
            "Telephone",
            "Kundennummer",
            "Bestellnummer",
            "Postleitzahl",
            "Numéro de commande",
            "Código postal",
            "Numero d'ordine",
            "Номер заказа",
            "注文番号",
            "郵便番号",
            "주문 번호",
            "订单号",
            "رقم الطلب",
            "מספר הזמנה",
            "ऑर्डर नंबर",
            "PIN code",
            "Hospice",
            "Panama",
            "Delivery note",
            "Cartoon",
            "Discount code",
            "Date of birth",
        ] {
            assert!(!asks_for_card(label), "{label}");
        }
    }

    #[test]
    fn the_names_of_every_language_are_found() {
        for language in &LANGUAGES {
            let texts = language.texts();
            for text in [Text::CardNumber, Text::Cvv, Text::ReferenceNumber, Text::CvvMissing] {
                assert!(asks_for_card(texts.get(text)), "{}: {}", language.tag, texts.get(text));
            }
        }
    }

    #[test]
    fn other_labels_of_every_language_are_left_alone() {
        for language in &LANGUAGES {
            let texts = language.texts();
            for text in [Text::CardHolder, Text::Expiry, Text::Reference, Text::Title, Text::ReferenceMissing]
            {
                assert!(!asks_for_card(texts.get(text)), "{}: {}", language.tag, texts.get(text));
            }
        }
        for label in [
            "Company",
            "Order number",
            "Ordinanza",
            "Also the floor",
            "City",
            "Incident",
            "Panorama",
            "Postleitzahl",
        ] {
            assert!(!asks_for_card(label), "{label}");
        }
    }

    #[test]
    fn case_width_and_marks_hide_nothing() {
        for label in [
            "CREDIT CARD NO.",
            "c a r d   n u m b e r",
            "Ｃａｒｄ ｎｕｍｂｅｒ",
            "numero de tarjeta",
            "KREDİ KARTI NUMARASI",
            "C.V.V / CVC2",
            "Security-Code",
            "ｾｷｭﾘﾃｨｺｰﾄﾞ",
        ] {
            assert!(asks_for_card(label), "{label}");
        }
    }
}
