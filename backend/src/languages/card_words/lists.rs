//! The words by which a card's number and code are asked for, by what they are.

/// Short names of number and code; as whole words only, since they are parts of others.
pub(super) const SHORT_NAMES: &[&str] =
    &["cvv", "cvv2", "cvc", "cvc2", "csc", "cid", "cvn", "cvn2", "cav2", "pan", "ccn"];

/// Labels that ask for the number by naming nothing else.
#[rustfmt::skip]
pub(super) const ALONE: &[&str] = &[
    "card", "credit card", "debit card", "card no", "card nr", "card num", "cc", "cc number", "cc no", "pin", "card pin",
    "karte", "kreditkarte", "carte", "carte bancaire", "tarjeta", "cartão", "carta di credito", "kreditkort", "kort",
    "карта", "カード", "카드", "卡", "银行卡", "信用卡", "so the",
];

/// Words for a number. One of them close to a word for a card asks for its number.
#[rustfmt::skip]
pub(super) const NUMBERS: &[&str] = &[
    "number", "digits", "nummer", "numer", "número", "numéro", "numar", "număr", "číslo", "broj", "številka", "stevilk",
    "numara", "nomor", "nombor", "numru", "numeris", "numri", "szám", "номер", "број", "αριθμός", "αριθμ", "رقم",
    "أرقام", "شماره", "نمبر", "מספר", "नंबर", "नम्बर", "संख्या", "নম্বর", "எண்", "సంఖ్య", "หมายเลข", "番号", "번호", "号码", "號碼",
];

/// Words for a code. One of them close to a word for a card asks for its code.
#[rustfmt::skip]
pub(super) const CODES: &[&str] = &[
    "code", "kod", "código", "codigo", "codice", "codi", "cod ", "koodi", "kodas", "kods", "код", "κωδικ", "رمز", "كود",
    "کد", "کوڈ", "קוד", "कोड", "কোড", "รหัส", "コード", "코드", "代码", "代碼",
];

/// Words for a card, inflected ones by their stem.
#[rustfmt::skip]
pub(super) const CARDS: &[&str] = &[
    "credit card", "debit card", "bank card", "payment card", "card", "kart", "kort", "carte", "carta", "tarjeta",
    "targeta", "cartão", "cartões", "kaart", "kaardi", "kártya", "korti", "kad ", "карт", "картк", "κάρτ", "بطاق", "كارت",
    "کارت", "کارڈ", "כרטיס", "कार्ड", "কার্ড", "அட்டை", "కార్డు", "บัตร", "カード", "카드", "卡片", "信用卡", "银行卡", "銀行卡",
];

/// What names number or code as a whole.
#[rustfmt::skip]
pub(super) const PHRASES: &[&str] = &[
    "card number", "cardnumber", "long number on", "primary account number", "kartennr", "kreditkartennr", "kortnr",
    "nr karty", "nr carte", "nr kartice", "no carte", "n° de carte", "卡号", "卡號",
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
    "kartenprüf", "kontrolcifre", "turvanumero", "kod zabezpiecz", "kod bezpiecz", "codul securitate", "кода за сигурност", "κωδικό ασφαλείας",
    "varnostno kod", "varnostne kod", "drošības kod", "saugos kod", "card code",
];

/// Words of one language that name the number wherever they stand in a text: for the card, and for the number.
pub(super) const PAIRS: &[(&[&str], &[&str])] = &[
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

/// Vietnamese names, where the marks make the word.
pub(super) const MARKED: &[&str] = &["sốthẻ", "sốcủathẻ", "sốtrênthẻ", "mãbảomật"];
