//! How a card's number and code are called in every language of the pages, so that no other field asks for them
//! (security rule 11). It finds too much rather than too little: "loyalty card number" is refused as well.

use icu_normalizer::{ComposingNormalizerBorrowed, DecomposingNormalizerBorrowed};

/// Words that stand together in a name of the number: for the card, and for the number.
const NUMBER: &[(&[&str], &[&str])] = &[
    (&["card"], &["numb", "digit", "cardno", "cardnum", "numar", "numer"]),
    (&["kart", "kort"], &["numm", "ziffer", "nr", "siffr", "sifre", "cifre"]),
    (&["kaart"], &["numm", "cijfer", "nr"]),
    (
        &["carte", "carta", "cartao", "cartão", "tarjeta"],
        &["numero", "número", "numéro", "chiffre", "algarism", "digito", "cifre"],
    ),
    (&["kortin", "kortti", "kaardi", "kaart"], &["numero", "number", "numbri"]),
    (&["kart"], &["numer", "cyfr", "cisl", "čísl", "numar", "broj", "numur", "numara", "kartno"]),
    (&["kartic"], &["stevil", "številk", "broj", "znamenk"]),
    (&["kartya", "kártya"], &["szam", "szám"]),
    (&["kortel"], &["numer"]),
    (&["карт"], &["номер", "цифр"]),
    (&["καρτ", "κάρτ"], &["αριθμ"]),
    (&["بطاق"], &["رقم", "أرقام", "ارقام"]),
    (&["כרטיס"], &["מספר", "ספרות"]),
    (&["कार्ड"], &["नंबर", "नम्बर", "संख्या", "अंक"]),
    (&["卡"], &["卡号", "卡號", "号码", "號碼", "数字", "數字"]),
    (&["カード"], &["番号", "ナンバー"]),
    (&["카드"], &["번호"]),
    (&["บัตร"], &["หมายเลข", "เลขบัตร", "เลขที่"]),
    (&["kartu"], &["nomor", "angka"]),
];

/// Names of the code, and of the number in one word.
const CODE: &[&str] = &[
    "securitycode",
    "cardcode",
    "cardverification",
    "prüfnummer",
    "prüfziffer",
    "sicherheitscode",
    "kartenprüf",
    "codedesécurité",
    "cryptogramme",
    "códigodeseguridad",
    "códigodesegurança",
    "codicedisicurezza",
    "beveiligingscode",
    "kontrolcifre",
    "sikkerhedskode",
    "sikkerhetskode",
    "säkerhetskod",
    "turvakoodi",
    "turvanumero",
    "turvakood",
    "kodzabezpiecz",
    "kodbezpiecz",
    "bezpečnostníkód",
    "bezpečnostnýkód",
    "biztonságikód",
    "coddesecuritate",
    "codulsecuritate",
    "coduldesecuritate",
    "кодзасигурност",
    "кодазасигурност",
    "кодбезпеки",
    "кодбезопасности",
    "κωδικόςασφαλείας",
    "κωδικόασφαλείας",
    "sigurnosnikod",
    "varnostnakod",
    "varnostnokod",
    "varnostnekod",
    "drošībaskod",
    "saugoskod",
    "güvenlikkodu",
    "رمزالأمان",
    "رمزالحماية",
    "קודאבטחה",
    "קודהאבטחה",
    "सुरक्षाकोड",
    "安全码",
    "安全碼",
    "セキュリティコード",
    "보안코드",
    "รหัสความปลอดภัย",
    "kodekeamanan",
];

/// Short names that count only as whole words.
const SHORT: &[&str] = &["pan", "cvv", "cvv2", "cvc", "cvc2", "cvn", "csc", "cid"];

/// Vietnamese names, where the marks make the word.
const MARKED: &[&str] = &["sốthẻ", "sốcủathẻ", "sốtrênthẻ", "mãbảomật"];

/// Whether a text names a card's number or code, in any language of the pages.
pub fn names_card_number(text: &str) -> bool {
    let plain = plain(text);
    let has = |word: &&str| plain.contains(&self::plain(word));
    let marked = ComposingNormalizerBorrowed::new_nfkc().normalize(&text.to_lowercase()).into_owned();
    let marked: String = marked.chars().filter(|c| c.is_alphanumeric()).collect();
    NUMBER.iter().any(|(card, number)| card.iter().any(&has) && number.iter().any(&has))
        || CODE.iter().any(has)
        || MARKED.iter().any(|word| marked.contains(word))
        || words(text).any(|word| SHORT.contains(&word.as_str()))
}

/// Letters and digits alone: lower case, width and marks set aside, nothing between the words.
fn plain(text: &str) -> String {
    let whole = DecomposingNormalizerBorrowed::new_nfkd().normalize(&text.to_lowercase()).into_owned();
    whole.chars().filter(|c| c.is_alphanumeric()).collect()
}

fn words(text: &str) -> impl Iterator<Item = String> {
    let whole = ComposingNormalizerBorrowed::new_nfkc().normalize(&text.to_lowercase()).into_owned();
    let words: Vec<_> = whole.split(|c: char| !c.is_alphanumeric()).map(str::to_owned).collect();
    words.into_iter()
}

#[cfg(test)]
mod tests {
    use shared::Text;

    use super::*;
    use crate::languages::LANGUAGES;

    #[test]
    fn the_names_of_every_language_are_found() {
        for language in &LANGUAGES {
            let texts = language.texts();
            for text in [Text::CardNumber, Text::Cvv, Text::ReferenceNumber, Text::CvvMissing] {
                assert!(names_card_number(texts.get(text)), "{}: {}", language.tag, texts.get(text));
            }
        }
    }

    #[test]
    fn other_labels_of_every_language_are_left_alone() {
        for language in &LANGUAGES {
            let texts = language.texts();
            for text in [Text::CardHolder, Text::Expiry, Text::Reference, Text::Title, Text::ReferenceMissing]
            {
                assert!(!names_card_number(texts.get(text)), "{}: {}", language.tag, texts.get(text));
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
            assert!(!names_card_number(label), "{label}");
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
            assert!(names_card_number(label), "{label}");
        }
    }
}
