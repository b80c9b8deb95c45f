//! Tells whether a label asks for a card number or a security code, in any language that the form is shipped in, so
//! that neither is typed into a field whose value is handed out (security rule 11).

/// Whether a text asks for the number or the code of a card, by words or by a usual short name of either.
pub fn asks_for_card(text: &str) -> bool {
    let words: Vec<String> = text.split(|c: char| !is_part(c)).map(fold).filter(|w| !w.is_empty()).collect();
    let run = words.concat();
    let whole = |known: &&str| words.iter().any(|word| word == known);
    SHORT_NAMES.iter().any(whole)
        || ALONE.iter().any(|name| run == fold(name))
        || PHRASES.iter().any(|phrase| run.contains(&fold(phrase)))
        || [NUMBERS, CODES].iter().any(|things| things.iter().any(|thing| is_near_card(&run, &fold(thing))))
}

/// Short names of number and code; as whole words only, since they are parts of others.
const SHORT_NAMES: &[&str] =
    &["cvv", "cvv2", "cvc", "cvc2", "csc", "cid", "cvn", "cvn2", "cav2", "pan", "ccn"];

/// Labels that ask for the number by naming nothing else.
#[rustfmt::skip]
const ALONE: &[&str] = &[
    "card", "credit card", "debit card", "card no", "card nr", "card num", "cc", "cc number", "cc no", "pin", "card pin",
    "karte", "kreditkarte", "carte", "carte bancaire", "tarjeta", "cartão", "carta di credito", "kreditkort", "kort",
    "карта", "カード", "카드", "卡", "银行卡", "信用卡",
];

/// Words for a number. One of them close to a word for a card asks for its number.
#[rustfmt::skip]
const NUMBERS: &[&str] = &[
    "number", "digits", "nummer", "numer", "número", "numéro", "numar", "număr", "číslo", "broj", "številka", "stevilk",
    "numara", "nomor", "nombor", "numru", "numeris", "numri", "szám", "номер", "број", "αριθμός", "αριθμ", "رقم",
    "أرقام", "شماره", "نمبر", "מספר", "नंबर", "नम्बर", "संख्या", "নম্বর", "எண்", "సంఖ్య", "หมายเลข", "番号", "번호", "号码", "號碼",
];

/// Words for a code. One of them close to a word for a card asks for its code.
#[rustfmt::skip]
const CODES: &[&str] = &[
    "code", "kod", "código", "codigo", "codice", "codi", "cod ", "koodi", "kodas", "kods", "код", "κωδικ", "رمز", "كود",
    "کد", "کوڈ", "קוד", "कोड", "কোড", "รหัส", "コード", "코드", "代码", "代碼",
];

/// Words for a card, inflected ones by their stem.
#[rustfmt::skip]
const CARDS: &[&str] = &[
    "credit card", "debit card", "bank card", "payment card", "card", "kart", "kort", "carte", "carta", "tarjeta",
    "targeta", "cartão", "cartões", "kaart", "kaardi", "kártya", "korti", "kad ", "карт", "картк", "κάρτ", "بطاق", "كارت",
    "کارت", "کارڈ", "כרטיס", "कार्ड", "কার্ড", "அட்டை", "కార్డు", "บัตร", "カード", "카드", "卡片", "信用卡", "银行卡", "銀行卡",
];

/// What names number or code as a whole.
#[rustfmt::skip]
const PHRASES: &[&str] = &[
    "card number", "cardnumber", "long number on", "primary account number", "kartennr", "kreditkartennr", "kortnr",
    "nr karty", "nr carte", "nr kartice", "no carte", "n° de carte", "số thẻ", "số trên thẻ", "卡号", "卡號",
    "card verification", "verification value", "security code", "card security", "signature panel", "prüfnummer",
    "prüfziffer", "sicherheitscode", "code de sécurité", "cryptogramme", "código de seguridad", "código de segurança",
    "codice di sicurezza", "codi de seguretat", "beveiligingscode", "veiligheidscode", "säkerhetskod", "sikkerhetskode",
    "sikkerhedskode", "turvakoodi", "turvaluku", "öryggiskóð", "öryggisnúmer", "kod zabezpieczający", "kod bezpieczeństwa",
    "kod weryfikacyjny karty", "bezpečnostní kód", "bezpečnostný kód", "kontrolní kód", "biztonsági kód", "ellenőrző kód",
    "cod de securitate", "codul de securitate", "güvenlik kodu", "sigurnosni kod", "sigurnosni broj", "varnostna koda",
    "saugos kodas", "drošības kods", "turvakood", "kodi i sigurisë", "kode keamanan", "kod keselamatan", "mã bảo mật",
    "код безопасности", "защитный код", "проверочный код карты", "код безпеки", "код за сигурност", "защитен код",
    "безбедносни код", "сигурносни код", "κωδικός ασφαλείας", "رمز الأمان", "رمز التحقق من البطاقة", "رمز الحماية",
    "کد امنیتی", "سیکیورٹی کوڈ", "קוד אבטחה", "קוד האבטחה", "सुरक्षा कोड", "সুরক্ষা কোড", "নিরাপত্তা কোড",
    "பாதுகாப்பு குறியீடு", "భద్రతా కోడ్", "รหัสความปลอดภัย", "รหัสรักษาความปลอดภัย", "セキュリティコード", "セキュリティーコード",
    "보안 코드", "보안코드", "安全码", "安全碼", "校验码", "檢查碼", "检查码", "驗證碼末三碼", "末三碼", "末三码",
];

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

/// Letters and digits alone: lower case, narrow, Latin and Greek ones without their marks, and Cyrillic ones that
/// look like Latin between Latin ones as these.
fn fold(text: &str) -> String {
    let narrow = |c: char| match c {
        '\u{FF01}'..='\u{FF5E}' => char::from_u32(u32::from(c) - 0xFEE0).unwrap_or(c),
        _ => c,
    };
    let folded: String = text
        .chars()
        .map(narrow)
        .flat_map(char::to_lowercase)
        .filter(|c| c.is_alphanumeric())
        .map(bare)
        .collect();
    if folded.is_ascii() || !folded.contains(|c: char| c.is_ascii_alphabetic()) {
        return folded;
    }
    folded.chars().map(lookalike).collect()
}

/// A letter without its mark.
const fn bare(c: char) -> char {
    match c {
        'á' | 'à' | 'â' | 'ä' | 'ã' | 'å' | 'ā' | 'ă' | 'ą' | 'ả' | 'ạ' => 'a',
        'é' | 'è' | 'ê' | 'ë' | 'ē' | 'ė' | 'ę' | 'ě' | 'ẻ' | 'ẹ' | 'ế' | 'ề' | 'ể' | 'ễ' | 'ệ' => {
            'e'
        }
        'í' | 'ì' | 'î' | 'ï' | 'ī' | 'į' | 'ı' => 'i',
        'ó' | 'ò' | 'ô' | 'ö' | 'õ' | 'ø' | 'ō' | 'ő' | 'ố' | 'ồ' | 'ổ' | 'ộ' => 'o',
        'ú' | 'ù' | 'û' | 'ü' | 'ū' | 'ű' | 'ů' | 'ų' => 'u',
        'ý' | 'ÿ' => 'y',
        'ç' | 'ć' | 'č' => 'c',
        'ğ' | 'ģ' => 'g',
        'ķ' => 'k',
        'ł' | 'ľ' | 'ļ' => 'l',
        'ñ' | 'ń' | 'ň' | 'ņ' => 'n',
        'ř' => 'r',
        'ś' | 'š' | 'ş' | 'ș' => 's',
        'ť' | 'ţ' | 'ț' => 't',
        'ź' | 'ż' | 'ž' => 'z',
        'ď' | 'đ' | 'ð' => 'd',
        'ά' => 'α',
        'έ' => 'ε',
        'ή' => 'η',
        'ί' => 'ι',
        'ό' => 'ο',
        'ύ' => 'υ',
        'ώ' => 'ω',
        'ς' => 'σ',
        'ё' => 'е',
        'أ' | 'إ' | 'آ' => 'ا',
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
    use super::asks_for_card;

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
}
