//! Amounts as their readers write them: digits and separators by Unicode's data, the currency where the language has it.

use icu_decimal::DecimalFormatter;
use icu_decimal::input::Decimal;
use icu_decimal::options::DecimalFormatterOptions;
use icu_locale::Locale;

/// Languages that write the currency before the amount, and whether a space stands between (CLDR, standard pattern).
const BEFORE: &[(&str, bool)] = &[
    ("en", false),
    ("zh", false),
    ("ja", false),
    ("ko", false),
    ("th", false),
    ("hi", false),
    ("tr", false),
    ("nl", true),
    ("pt-BR", true),
    ("id", true),
];

/// Currencies whose sign means no other one, with that sign.
const SIGNS: &[(&str, &str)] = &[
    ("EUR", "€"),
    ("GBP", "£"),
    ("INR", "₹"),
    ("KRW", "₩"),
    ("ILS", "₪"),
    ("VND", "₫"),
    ("TRY", "₺"),
    ("UAH", "₴"),
    ("PHP", "₱"),
];

/// An exact decimal (`1234.50`) and a currency (ISO 4217) as text in a language; `None` if the amount is no decimal.
/// Its digits are kept as they are: the caller knows how many a currency has. Where a sign could mean several
/// currencies the code stands instead. Digits are 0 to 9 in every language, as on cards and terminals.
pub fn money(tag: &str, amount: &str, currency: &str) -> Option<String> {
    let locale: Locale = format!("{tag}-u-nu-latn").parse().ok()?;
    let decimal: Decimal = amount.parse().ok()?;
    let formatter = DecimalFormatter::try_new(locale.into(), DecimalFormatterOptions::default()).ok()?;
    let digits = formatter.format(&decimal).to_string();
    let sign = SIGNS.iter().find(|(code, _)| *code == currency).map(|(_, sign)| *sign);
    let shown = sign.unwrap_or(currency);
    let before = BEFORE.iter().find(|(known, _)| tag == *known || tag.split('-').next() == Some(known));
    Some(match before {
        // A code is never written against a digit.
        Some((_, space)) if *space || sign.is_none() => format!("{shown}\u{a0}{digits}"),
        Some(_) => format!("{shown}{digits}"),
        None => format!("{digits}\u{a0}{shown}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_written_as_their_readers_write_them() {
        for (tag, amount, currency, expected) in [
            ("en", "1234.50", "EUR", "€1,234.50"),
            ("en", "1234.50", "USD", "USD\u{a0}1,234.50"),
            ("de", "1234.50", "EUR", "1.234,50\u{a0}€"),
            ("fr", "1234.50", "EUR", "1\u{202f}234,50\u{a0}€"),
            ("nl", "-7.00", "EUR", "€\u{a0}-7,00"),
            ("pt-BR", "1234567.00", "BRL", "BRL\u{a0}1.234.567,00"),
            ("hi", "1234567.00", "INR", "₹12,34,567.00"),
            ("zh-Hant", "1200", "KRW", "₩1,200"),
            ("ja", "1200", "JPY", "JPY\u{a0}1,200"),
        ] {
            assert_eq!(money(tag, amount, currency).as_deref(), Some(expected), "{tag}");
        }
    }

    #[test]
    fn what_is_no_amount_is_not_written() {
        for amount in ["", "1,5", "1e3x", "€5", "NaN"] {
            assert_eq!(money("en", amount, "EUR"), None, "{amount}");
        }
    }
}
