//! The names under which the world sends card members, sorted into what they mean (spec A.3, security rule 10).

/// What a member's name means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// A card number; the rank is the order of preference (spec A.3, after V3).
    Number(u8),
    /// A security code.
    Code,
    /// Month and year in one text.
    Expiry,
    /// The month alone.
    ExpiryMonth,
    /// The year alone, with four or two digits.
    ExpiryYear,
    /// The name of whoever holds the card or the account.
    Holder,
    /// The routing number of a bank.
    Routing,
    /// Track data or a PIN: never accepted.
    Forbidden,
    /// Anything else.
    Other,
}

impl Meaning {
    /// Whether it is a month, a year or both.
    pub const fn is_expiry(self) -> bool {
        matches!(self, Self::Expiry | Self::ExpiryMonth | Self::ExpiryYear)
    }

    /// Whether one member of these two meanings can be read out of the other.
    pub fn is_alike(self, other: Self) -> bool {
        match (self, other) {
            (Self::Other, _) => false,
            (Self::Number(_), Self::Number(_)) => true,
            (one, other) => one == other || (one.is_expiry() && other.is_expiry()),
        }
    }
}

/// The meaning of a name. Case, dashes, underscores and spaces make no difference.
pub fn meaning(name: &str) -> Meaning {
    match folded(name).as_str() {
        "number" => Meaning::Number(0),
        "cardnumber" => Meaning::Number(1),
        "n" => Meaning::Number(2),
        "accountnumber" => Meaning::Number(3),
        "pan" | "primaryaccountnumber" | "ccnumber" => Meaning::Number(4),
        "cvv"
        | "cardcvv"
        | "cvc"
        | "cardcvc"
        | "cvc2"
        | "cvv2"
        | "csc"
        | "cardcsc"
        | "cid"
        | "cvn"
        | "cvvcode"
        | "cvccode"
        | "cardcvv2"
        | "cardcvc2"
        | "cvvnumber"
        | "securitycode"
        | "cardsecuritycode"
        | "verificationvalue"
        | "cardverificationvalue"
        | "cardverificationcode" => Meaning::Code,
        "expiry" | "cardexpiry" | "expirydate" | "expiration" | "expirationdate" | "exp" | "expdate" => {
            Meaning::Expiry
        }
        "expirymonth" | "cardexpirymonth" | "expmonth" | "expirationmonth" => Meaning::ExpiryMonth,
        "expiryyear" | "cardexpiryyear" | "expyear" | "expirationyear" | "expiryyearshort" => {
            Meaning::ExpiryYear
        }
        "cardholder" | "cardholdername" | "holder" | "holdername" | "nameoncard" | "accountholder"
        | "accountholdername" => Meaning::Holder,
        "routingnumber" | "abaroutingnumber" | "abanumber" => Meaning::Routing,
        "track" | "trackdata" | "track1" | "track2" | "track3" | "track1data" | "track2data"
        | "track3data" | "magstripe" | "pin" | "pinblock" => Meaning::Forbidden,
        _ => Meaning::Other,
    }
}

/// Whether two names are one in different spellings, or mean the same.
pub fn is_same(one: &str, other: &str) -> bool {
    one == other
        || meaning(one).is_alike(meaning(other))
        || (!folded(one).is_empty() && folded(one) == folded(other))
}

/// Letters and digits alone, in lower case and of ordinary width.
fn folded(name: &str) -> String {
    let letters = name.chars().map(narrow).filter(|c| c.is_alphanumeric());
    letters.flat_map(char::to_lowercase).take(40).collect()
}

/// A full-width form as the ASCII character that it stands for.
fn narrow(c: char) -> char {
    if matches!(c, '\u{FF01}'..='\u{FF5E}') { char::from_u32(u32::from(c) - 0xFEE0).unwrap_or(c) } else { c }
}

/// Whether a name means nothing to the vault, so that a link may bring a member of it.
pub fn is_plain_name(name: &str) -> bool {
    meaning(name) == Meaning::Other
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spelling_makes_no_difference() {
        for name in ["card_number", "cardNumber", "Card-Number", "CARD NUMBER"] {
            assert_eq!(meaning(name), Meaning::Number(1));
        }
        assert_eq!(meaning("CVC2"), Meaning::Code);
        assert_eq!(meaning("ｃｖｖ"), Meaning::Code);
        assert_eq!(meaning("expiry_year_short"), Meaning::ExpiryYear);
        assert_eq!(meaning("note"), Meaning::Other);
        assert!(
            is_same("Front Desk", "front_desk")
                && is_same("pan", "card_number")
                && is_same("expiry", "exp-year")
        );
        assert!(!is_same("note", "notes") && !is_same("--", "__") && !is_same("cvv", "card_number"));
    }
}
