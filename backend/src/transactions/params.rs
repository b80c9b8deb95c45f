//! The parameters of the gateway interface as data: where each stands, its form, its lengths, and for which
//! transactions it is needed (seed 003, spec A.2). What a row refuses is named in the answer.

use shared::digits;

use super::codes;
use super::request::Request;
use super::stamp;
use crate::gateways::takes_payer_back;
use crate::model::{Subscription, TransactionKind};

/// What a value may consist of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `0-9`.
    Digits,
    /// `0-9 a-z A-Z`.
    Plain,
    /// `0-9 a-z A-Z _ -`.
    Name,
    /// `a-z A-Z _`.
    Word,
    /// Major units with at most the currency's places.
    Amount,
    /// A date, `YYYY-MM-DD`.
    Date,
    /// Anything printable without a card number.
    Text,
    /// Card data: looked at by the rules of the vault.
    Card,
    /// An address for the payer's browser.
    Page,
    /// What an issuer sent, handed on to the gateway and not kept.
    Opaque,
}

/// For which transactions a parameter is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Never.
    Never,
    /// Always.
    Always,
    /// Authorisations.
    Authorisation,
    /// Everything about an earlier transaction.
    Original,
    /// `SUBSCRIPTION_MANAGE`.
    Manage,
}

/// A row: one parameter.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The object that it stands in; empty for the root. Behind a dot stands one within it.
    pub object: &'static str,
    /// Its name.
    pub name: &'static str,
    /// Its form.
    pub form: Form,
    /// The fewest characters, if it is there.
    pub min: usize,
    /// The most characters.
    pub max: usize,
    /// When it is needed.
    pub need: Need,
    /// Whether it is kept with the token as personal data.
    pub personal: bool,
}

const fn row(object: &'static str, name: &'static str, form: Form, lengths: (usize, usize)) -> Row {
    Row { object, name, form, min: lengths.0, max: lengths.1, need: Need::Never, personal: false }
}

const fn needed(
    object: &'static str,
    name: &'static str,
    form: Form,
    lengths: (usize, usize),
    need: Need,
) -> Row {
    Row { need, ..row(object, name, form, lengths) }
}

const fn person(object: &'static str, name: &'static str, form: Form, lengths: (usize, usize)) -> Row {
    Row { personal: true, ..row(object, name, form, lengths) }
}

/// All parameters that are read. Others are ignored and never kept.
pub const TABLE: &[Row] = &[
    needed("", "timestamp", Form::Digits, (13, 14), Need::Always),
    needed("", "company_id", Form::Digits, (1, 11), Need::Always),
    needed("", "company_pass", Form::Plain, (10, 30), Need::Always),
    row("", "company_mid_id", Form::Digits, (1, 11)),
    needed("", "request_hash", Form::Name, (64, 64), Need::Always),
    row("", "user_agent", Form::Text, (1, 1000)),
    row("", "useragent", Form::Text, (1, 1000)),
    row("", "vt", Form::Digits, (1, 1)),
    needed("transaction", "transaction_type", Form::Word, (1, 20), Need::Always),
    needed("transaction", "merchant_order_id", Form::Name, (1, 50), Need::Authorisation),
    needed("transaction", "original_transaction_id", Form::Digits, (1, 10), Need::Original),
    needed("transaction", "subscription_type", Form::Word, (4, 14), Need::Manage),
    row("transaction", "subscription_reason", Form::Word, (1, 1)),
    row("transaction", "amount", Form::Amount, (0, 11)),
    row("transaction", "currency_code_iso3", Form::Word, (3, 3)),
    row("transaction", "merchant_customer_id", Form::Text, (0, 50)),
    row("transaction", "merchant_custom_1", Form::Text, (0, 50)),
    row("transaction", "merchant_custom_2", Form::Text, (0, 50)),
    row("transaction", "merchant_custom_3", Form::Text, (0, 50)),
    row("billing", "cardnumber", Form::Card, (12, 19)),
    row("billing", "cardexp", Form::Card, (6, 6)),
    row("billing", "cardcvv", Form::Card, (3, 4)),
    row("billing", "card_type", Form::Word, (2, 20)),
    row("billing", "card_token", Form::Name, (1, 200)),
    row("billing", "card_reference", Form::Text, (0, 255)),
    person("billing", "cardholder_name", Form::Text, (2, 45)),
    person("billing", "billing_street", Form::Text, (0, 50)),
    person("billing", "billing_street2", Form::Text, (0, 50)),
    person("billing", "billing_city", Form::Text, (0, 50)),
    person("billing", "billing_state", Form::Text, (0, 50)),
    person("billing", "billing_zipcode", Form::Text, (1, 10)),
    person("billing", "billing_country_code_iso2", Form::Word, (2, 2)),
    person("billing", "billing_phone_code", Form::Text, (0, 20)),
    person("billing", "billing_phone", Form::Text, (0, 20)),
    person("billing", "billing_email", Form::Text, (0, 100)),
    person("customer", "customer_title", Form::Text, (0, 20)),
    person("customer", "customer_fname", Form::Text, (0, 50)),
    person("customer", "customer_mname", Form::Text, (0, 50)),
    person("customer", "customer_lname", Form::Text, (0, 50)),
    person("customer", "customer_gender", Form::Word, (1, 1)),
    person("customer", "customer_dob", Form::Date, (10, 10)),
    person("customer", "customer_ipaddress", Form::Text, (0, 45)),
    person("customer", "customer_company", Form::Text, (0, 50)),
    person("shipping", "shipping_street", Form::Text, (0, 50)),
    person("shipping", "shipping_street2", Form::Text, (0, 50)),
    person("shipping", "shipping_city", Form::Text, (0, 50)),
    person("shipping", "shipping_state", Form::Text, (0, 50)),
    person("shipping", "shipping_zipcode", Form::Text, (1, 10)),
    person("shipping", "shipping_country_code_iso2", Form::Word, (2, 2)),
    person("shipping", "shipping_phone", Form::Text, (0, 20)),
    person("shipping", "shipping_email", Form::Text, (0, 100)),
    person("mcc6012", "account_number", Form::Plain, (1, 10)),
    row("tds", "action", Form::Word, (3, 20)),
    row("tds", "pares", Form::Opaque, (1, 16_384)),
    row("tds", "cres", Form::Opaque, (1, 16_384)),
    row("tds", "md", Form::Opaque, (1, 1_024)),
    row("tds.merchant", "challenge_url", Form::Page, (1, 2_000)),
    row("tds.browser_data", "accept_header", Form::Text, (1, 2_048)),
    row("tds.browser_data", "ip", Form::Text, (2, 45)),
    row("tds.browser_data", "java_enabled", Form::Name, (1, 5)),
    row("tds.browser_data", "javascript_enabled", Form::Name, (1, 5)),
    row("tds.browser_data", "language", Form::Text, (1, 100)),
    row("tds.browser_data", "screen_height", Form::Digits, (1, 6)),
    row("tds.browser_data", "screen_width", Form::Digits, (1, 6)),
    row("tds.browser_data", "challenge_window_size", Form::Name, (1, 20)),
    row("tds.browser_data", "timezone", Form::Name, (1, 5)),
    row("tds.browser_data", "user_agent", Form::Text, (1, 2_048)),
    row("tds.browser_data", "color_depth", Form::Name, (1, 20)),
];

/// Objects of the envelope; anything else under their names is refused.
const OBJECTS: [&str; 8] =
    ["transaction", "customer", "billing", "shipping", "mcc6012", "tds", "tds.merchant", "tds.browser_data"];

/// A refused parameter: the code to answer, and the name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// `response_code`.
    pub code: u16,
    /// The parameter, or other words behind the code's message.
    pub name: String,
}

impl Refused {
    /// A parameter that is missing or wrong.
    pub fn parameter(name: impl Into<String>) -> Self {
        Self { code: codes::PARAMETERS, name: name.into() }
    }
}

/// Checks a request against the table; tells the first row that it does not meet.
pub fn check(
    request: &Request,
    kind: TransactionKind,
    subscription: Option<Subscription>,
) -> Result<(), Refused> {
    check_objects(request)?;
    // A completion names the transaction instead of the order (spec A.3).
    let completes = request.is_completion();
    for row in TABLE {
        let needed = match row.need {
            Need::Authorisation if completes => false,
            Need::Original if completes => true,
            need => is_needed(need, kind, subscription),
        };
        check_row(request, row, needed)?;
    }
    Ok(())
}

/// Checks the envelope of a query, which has parameters of its own inside.
pub fn check_envelope(request: &Request) -> Result<(), Refused> {
    check_objects(request)?;
    for row in TABLE.iter().filter(|row| row.object.is_empty()) {
        check_row(request, row, row.need == Need::Always)?;
    }
    Ok(())
}

/// Whether a value has a row's form and length.
pub fn is_in_form(row: &Row, text: &str) -> bool {
    let length = text.chars().count();
    length >= row.min && length <= row.max && has_form(row, text)
}

/// The row of a name.
pub fn find(name: &str) -> Option<&'static Row> {
    TABLE.iter().find(|row| row.name == name)
}

fn check_objects(request: &Request) -> Result<(), Refused> {
    OBJECTS
        .into_iter()
        .try_for_each(|name| if request.has_stray(name) { Err(Refused::parameter(name)) } else { Ok(()) })
}

fn check_row(request: &Request, row: &Row, needed: bool) -> Result<(), Refused> {
    let refused = || Refused { code: code_of(row), name: row.name.to_owned() };
    let value = request.value(row.object, row.name).map_err(|()| refused())?;
    match value {
        None if needed => Err(Refused::parameter(row.name)),
        Some(text) if !is_in_form(row, text) => Err(refused()),
        None | Some(_) => Ok(()),
    }
}

fn code_of(row: &Row) -> u16 {
    match row.name {
        "cardexp" => codes::EXPIRY,
        "currency_code_iso3" => codes::CURRENCY,
        "card_type" => codes::CARD_TYPE,
        _ => codes::PARAMETERS,
    }
}

fn is_needed(need: Need, kind: TransactionKind, subscription: Option<Subscription>) -> bool {
    match need {
        Need::Never => false,
        Need::Always => true,
        Need::Authorisation => kind.is_authorisation(),
        Need::Original => {
            !kind.is_authorisation() || subscription.is_some_and(|part| part != Subscription::Init)
        }
        Need::Manage => kind == TransactionKind::SubscriptionManage,
    }
}

fn has_form(row: &Row, text: &str) -> bool {
    let all = |test: fn(char) -> bool| text.chars().all(test);
    match row.form {
        Form::Digits => all(|c| c.is_ascii_digit()),
        Form::Plain => all(|c| c.is_ascii_alphanumeric()) && is_no_card(row, text),
        Form::Name => all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-')) && is_no_card(row, text),
        Form::Word => all(|c| c.is_ascii_alphabetic() || c == '_'),
        Form::Amount => all(|c| c.is_ascii_digit() || c == '.'),
        Form::Date => text.parse::<jiff::civil::Date>().is_ok(),
        Form::Text => !text.chars().any(char::is_control) && is_no_card(row, text),
        Form::Page => takes_payer_back(text),
        Form::Opaque => !text.chars().any(|c| c.is_control() && !c.is_ascii_whitespace()),
        Form::Card => all(|c| c.is_ascii_digit()),
    }
}

/// No parameter beside the card's own holds a card number (security rule 10). Hashes, passes and tokens of ours are
/// not looked through, and an order id that is a point in time is no number of a card.
fn is_no_card(row: &Row, text: &str) -> bool {
    let random = matches!(row.name, "request_hash" | "company_pass" | "card_token");
    random || stamp::parse(text, false).is_some() || !digits::holds_card_number(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::Members;

    fn request(object: &str, name: &str, value: &str) -> Request {
        let value = serde_json::Value::from(value);
        let within = |object: &str, inner| match object {
            "" => inner,
            object => serde_json::json!({ object: inner }),
        };
        let (outer, inner) = object.split_once('.').unwrap_or((object, ""));
        let body = within(outer, within(inner, serde_json::json!({ name: value })));
        Request::new(Members::parse(body.to_string().as_bytes()).unwrap())
    }

    /// A value of a row's form with so many characters.
    fn value(row: &Row, length: usize) -> String {
        let one = match row.form {
            Form::Digits | Form::Amount | Form::Card => "1",
            Form::Date => return "1990-12-31".chars().cycle().take(length).collect(),
            Form::Page => {
                return "https://shop.example/"
                    .chars()
                    .chain("a".repeat(length).chars())
                    .take(length)
                    .collect();
            }
            _ => "a",
        };
        one.repeat(length)
    }

    #[test]
    fn every_row_has_its_borders() {
        for row in TABLE {
            let checked = |length| check_row(&request(row.object, row.name, &value(row, length)), row, false);
            assert_eq!(checked(row.max), Ok(()), "{} of {}", row.name, row.max);
            let refused = Refused { code: code_of(row), name: row.name.to_owned() };
            assert_eq!(checked(row.max + 1), Err(refused.clone()), "{} of {}", row.name, row.max + 1);
            if row.min > 1 {
                assert_eq!(checked(row.min), Ok(()), "{} of {}", row.name, row.min);
                assert_eq!(checked(row.min - 1), Err(refused), "{} of {}", row.name, row.min - 1);
            }
        }
    }

    #[test]
    fn every_needed_row_is_missed_by_its_name() {
        let nothing = Request::new(Members::default());
        for row in TABLE {
            let expected = Err(Refused::parameter(row.name));
            assert_eq!(check_row(&nothing, row, true), expected);
            assert_eq!(
                check_row(&request(row.object, row.name, ""), row, true),
                expected,
                "empty is missing"
            );
            assert_eq!(check_row(&request(row.object, row.name, ""), row, false), Ok(()));
        }
    }

    #[test]
    fn forms_keep_out_what_is_not_theirs() {
        for (name, wrong) in [
            ("company_id", "12a"),
            ("company_pass", "password-1"),
            ("merchant_order_id", "a b"),
            ("merchant_order_id", "4111111111111111"),
            ("merchant_order_id", "4111-1111-1111-1111"),
            ("original_transaction_id", "-1"),
            ("subscription_type", "INIT1"),
            ("currency_code_iso3", "E1R"),
            ("amount", "1,00"),
            ("amount", "-1.00"),
            ("customer_dob", "1990-13-01"),
            ("billing_street", "4111 1111 1111 1111"),
            ("billing_city", "Lon\ndon"),
            ("cardnumber", "4111x11111111111"),
            ("challenge_url", "/back"),
            ("challenge_url", "javascript:x"),
            ("challenge_url", "http://shop.example/back"),
            ("challenge_url", "https://u:p@shop.example/back"),
            ("challenge_url", "https://shop.example/4111111111111111"),
            ("challenge_url", "https://shop.example/a b"),
        ] {
            let row = find(name).unwrap();
            assert!(check_row(&request(row.object, name, wrong), row, false).is_err(), "{name}: {wrong}");
        }
        let row = find("merchant_order_id").unwrap();
        for right in ["20170612200234", "20200708131405", "a9f0ce93-6f0d-4a15-a18b-45f1304b4bc0", "1"] {
            assert!(is_in_form(row, right), "{right}");
        }
        let row = find("challenge_url").unwrap();
        for right in ["https://shop.example/back?a=1", "http://localhost:8081/back", "https://shop.example"] {
            assert!(is_in_form(row, right), "{right}");
        }
    }

    #[test]
    fn needs_follow_the_type() {
        use Subscription as S;
        use TransactionKind as T;
        assert!(is_needed(Need::Authorisation, T::AuthOnly, None));
        assert!(!is_needed(Need::Authorisation, T::SubscriptionManage, Some(S::Disable)));
        assert!(!is_needed(Need::Original, T::AuthCapture, None));
        assert!(!is_needed(Need::Original, T::AuthCapture, Some(S::Init)));
        for part in [S::Rebill, S::Reuse, S::UpdateBilling] {
            assert!(is_needed(Need::Original, T::AuthCapture, Some(part)));
        }
        assert!(is_needed(Need::Original, T::Refund, None));
        assert!(is_needed(Need::Manage, T::SubscriptionManage, None));
    }
}
