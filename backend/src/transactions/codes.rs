//! Response codes as data (spec A.5): what is known of each number, and which of them an acquirer's refusal becomes.

/// What a code says of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Category {
    /// Done.
    Success,
    /// Not yet known, or the payer has to do something.
    Pending,
    /// The issuer said no.
    Declined,
    /// A rule said no.
    Blocked,
    /// The request, or something on the way, was wrong.
    Error,
}

/// Where a row was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The interface's documents.
    Documented,
    /// A published client: the category is known, the words are not.
    Client,
    /// Ours, where nothing was published.
    Ours,
}

/// A row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Code {
    /// `response_code`.
    pub code: u16,
    /// What it says.
    pub category: Category,
    /// `response_message`; behind it stands the field where one is at fault.
    pub message: &'static str,
    /// Where it was found.
    pub source: Source,
}

/// Done.
pub const SUCCESS: u16 = 1;
/// Not yet known.
pub const PENDING: u16 = 11;
/// Refused by the issuer.
pub const DECLINED: u16 = 101;
/// A value is missing or wrong.
pub const PARAMETERS: u16 = 102;
/// Company, pass or MID are wrong, or the caller's address is not one of the company's.
pub const CREDENTIALS: u16 = 103;
/// No such type.
pub const TYPE: u16 = 104;
/// No such currency.
pub const CURRENCY: u16 = 105;
/// No such kind of card.
pub const CARD_TYPE: u16 = 106;
/// The signature is wrong.
pub const HASH: u16 = 107;
/// The expiry is wrong or over.
pub const EXPIRY: u16 = 204;
/// The issuer says that the card is over.
pub const CARD_EXPIRED: u16 = 325;
/// The issuer says that the card was lost or stolen.
pub const LOST_OR_STOLEN: u16 = 402;
/// Something failed on our side, or the gateway never heard of the transaction.
pub const FAILED: u16 = 999;

const fn documented(code: u16, category: Category, message: &'static str) -> Code {
    Code { code, category, message, source: Source::Documented }
}

const fn ours(code: u16, category: Category, message: &'static str) -> Code {
    Code { code, category, message, source: Source::Ours }
}

/// Codes whose words are known, and those that have words of ours.
const WORDED: &[Code] = &[
    documented(SUCCESS, Category::Success, "Transaction Success"),
    documented(PENDING, Category::Pending, "Pending"),
    documented(DECLINED, Category::Declined, "Declined"),
    documented(PARAMETERS, Category::Error, "Error:Invalid Parameters"),
    documented(CREDENTIALS, Category::Error, "Error:Invalid or Inactive MID Info"),
    documented(TYPE, Category::Error, "Error:Invalid or Unsupported Transaction Type"),
    documented(CURRENCY, Category::Error, "Error:Invalid or Unsupported Currency"),
    documented(CARD_TYPE, Category::Error, "Error:Invalid or Unsupported Card Type"),
    documented(HASH, Category::Error, "Error:Incorrect Hash String"),
    documented(EXPIRY, Category::Error, "Error: invalid or expired cardexp"),
    documented(CARD_EXPIRED, Category::Declined, "Declined: Card Expired"),
    documented(LOST_OR_STOLEN, Category::Declined, "Declined: Lost or Stolen Card"),
    ours(501, Category::Pending, "Pending:Card Enrolled"),
    ours(502, Category::Pending, "Pending:Card Not Enrolled"),
    ours(503, Category::Pending, "Pending:Challenge Needed"),
    ours(280, Category::Blocked, "Blocked:Token Disabled"),
];

/// Ranges of codes whose category is known from a published client.
const CATEGORIES: &[(Category, &[(u16, u16)])] = &[
    (
        Category::Declined,
        &[(251, 251), (301, 301), (321, 321), (323, 325), (401, 404), (605, 605), (650, 651)],
    ),
    (
        Category::Blocked,
        &[
            (108, 108),
            (151, 164),
            (170, 175),
            (220, 220),
            (238, 238),
            (252, 258),
            (270, 270),
            (275, 275),
            (277, 277),
            (279, 279),
            (302, 303),
            (311, 312),
            (322, 322),
            (405, 409),
        ],
    ),
    (
        Category::Error,
        &[
            (109, 112),
            (200, 219),
            (221, 237),
            (261, 269),
            (271, 274),
            (276, 276),
            (278, 278),
            (351, 351),
            (400, 400),
            (504, 504),
            (521, 535),
            (540, 542),
            (550, 550),
            (565, 565),
            (601, 604),
            (606, 606),
            (610, 612),
            (652, 652),
            (901, 909),
            (999, 999),
        ],
    ),
];

/// What becomes of an acquirer's reason (spec B.3); every other one is 101.
const REASONS: &[(&str, u16)] = &[
    ("card_expired", CARD_EXPIRED),
    ("lost_or_stolen_card", LOST_OR_STOLEN),
    ("card_lost", LOST_OR_STOLEN),
    ("card_stolen", LOST_OR_STOLEN),
    ("invalid_expire_date", EXPIRY),
];

/// The row of a code. A code that nothing is known of is an error.
pub fn find(code: u16) -> Code {
    if let Some(known) = WORDED.iter().find(|known| known.code == code) {
        return *known;
    }
    let within = |ranges: &[(u16, u16)]| ranges.iter().any(|(first, last)| (*first..=*last).contains(&code));
    let known = CATEGORIES.iter().find(|(_, ranges)| within(ranges)).map(|(category, _)| *category);
    let category = known.unwrap_or(Category::Error);
    let source = if known.is_some() { Source::Client } else { Source::Ours };
    Code { code, category, message: word(category), source }
}

/// The code of an acquirer's reason for a refusal.
pub fn of_reason(resolution: &str) -> u16 {
    REASONS.iter().find(|(reason, _)| *reason == resolution).map_or(DECLINED, |(_, code)| *code)
}

/// Whether a refusal with this code has the scheme asked for a newer card (spec A.9).
pub const fn asks_updater(code: u16) -> bool {
    matches!(code, EXPIRY | CARD_EXPIRED | LOST_OR_STOLEN)
}

const fn word(category: Category) -> &'static str {
    match category {
        Category::Success => "Transaction Success",
        Category::Pending => "Pending",
        Category::Declined => "Declined",
        Category::Blocked => "Blocked",
        Category::Error => "Error",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_published_code_has_its_category() {
        for (code, category) in [
            (1, Category::Success),
            (11, Category::Pending),
            (101, Category::Declined),
            (107, Category::Error),
            (108, Category::Blocked),
            (164, Category::Blocked),
            (204, Category::Error),
            (238, Category::Blocked),
            (258, Category::Blocked),
            (280, Category::Blocked),
            (324, Category::Declined),
            (325, Category::Declined),
            (402, Category::Declined),
            (503, Category::Pending),
            (540, Category::Error),
            (651, Category::Declined),
            (999, Category::Error),
        ] {
            assert_eq!(find(code).category, category, "{code}");
        }
        assert_eq!(find(325).source, Source::Documented, "words come before ranges");
        assert_eq!((find(165).source, find(165).category), (Source::Ours, Category::Error));
    }

    #[test]
    fn published_words_are_the_published_ones() {
        for (code, words) in [
            (1, "Transaction Success"),
            (11, "Pending"),
            (101, "Declined"),
            (102, "Error:Invalid Parameters"),
            (103, "Error:Invalid or Inactive MID Info"),
            (104, "Error:Invalid or Unsupported Transaction Type"),
            (105, "Error:Invalid or Unsupported Currency"),
            (106, "Error:Invalid or Unsupported Card Type"),
            (107, "Error:Incorrect Hash String"),
            (204, "Error: invalid or expired cardexp"),
            (325, "Declined: Card Expired"),
            (402, "Declined: Lost or Stolen Card"),
        ] {
            assert_eq!((find(code).message, find(code).source), (words, Source::Documented), "{code}");
        }
        assert!([280, 501, 502, 503].iter().all(|code| find(*code).source == Source::Ours));
    }

    #[test]
    fn no_code_stands_twice() {
        let mut seen = std::collections::BTreeSet::new();
        for (_, ranges) in CATEGORIES {
            for code in ranges.iter().flat_map(|(first, last)| *first..=*last) {
                assert!(seen.insert(code), "{code}");
            }
        }
        assert!(!seen.contains(&280), "280 is nobody else's");
    }

    #[test]
    fn reasons_have_codes() {
        assert!(REASONS.iter().all(|(reason, _)| crate::model::published::refusal(reason).is_some()));
        assert_eq!(of_reason("card_expired"), 325);
        assert_eq!(of_reason("lost_or_stolen_card"), 402);
        assert_eq!(of_reason("insufficient_funds"), 101);
        assert!(asks_updater(204) && asks_updater(325) && asks_updater(402) && !asks_updater(101));
    }
}
