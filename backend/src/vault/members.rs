//! Sorting a body's members: the number and the security code are taken out, the rest is checked for numbers
//! that hide in other members (security rules 9 and 10).

use shared::{Accepted, AccountNumber, Brand, CardNumber, Cvv, Expiry, Problem, ach, digits, mask};

use zeroize::Zeroizing;

use super::number::{Number, number_problem};
use crate::card_data::{Meaning, meaning};
use crate::invalid::Invalid;
use crate::json::{Members, Value};

/// A body, sorted.
#[derive(Default)]
pub struct Sorted {
    /// The number and the name of the member that brought it.
    pub number: Option<(String, Number)>,
    /// The security code.
    pub cvv: Option<Cvv>,
    /// Everything else, without empty card members.
    pub rest: Members,
    /// The expiry among the rest.
    pub expiry: Option<Expiry>,
    /// The holder among the rest, masked.
    pub holder: Option<String>,
    /// The holder's identity number among the rest, masked.
    pub owner_id: Option<String>,
    /// The choice between the brands of a co-badged card, among the rest.
    pub network: Option<Brand>,
}

/// What may stand in a body.
#[expect(clippy::struct_excessive_bools, reason = "each is a rule of its own")]
#[derive(Clone, Copy)]
pub struct Rules {
    /// Whether the number is checked by Luhn, and a routing number by its check digit; off only by a form.
    pub luhn: bool,
    /// Whether the number is that of a bank account, as its form says. Without a form a routing number beside an
    /// `account_number` says so.
    pub account: bool,
    /// Whether no member may name a number at all, at any depth (a locked endpoint).
    pub locked: bool,
    /// The brand of the stored card, where it is known and the body brings no number.
    pub brand: Option<Brand>,
    /// Whether a form has checked the code by lengths of its own.
    pub code_checked: bool,
}

/// Sorts a body. Tells every problem, never a value.
pub fn sort(body: Members, rules: Rules) -> Result<Sorted, Vec<Invalid>> {
    let mut work = Work { rules, codes: Vec::new(), problems: Vec::new() };
    let mut sorted = Sorted::default();
    let mut number: Option<(u8, String, Value)> = None;
    for (name, value) in body {
        let pointer = pointer("", &name);
        match meaning(&name) {
            Meaning::Number(_) if rules.locked => work.tell(locked_number()),
            Meaning::Number(rank) => {
                if is_empty(&value) {
                } else if number.is_some() {
                    work.tell(Invalid::new(
                        pointer,
                        "ambiguous",
                        "Only one member may hold the card number.",
                    ));
                } else {
                    number = Some((rank, name, value));
                }
            }
            Meaning::Code => work.code(&pointer, value),
            Meaning::Expiry | Meaning::ExpiryMonth | Meaning::ExpiryYear | Meaning::Holder
                if is_empty(&value) => {}
            _ => {
                let mut value = value;
                work.inspect(&pointer, &name, &mut value, 1);
                sorted.rest.set(&name, value);
            }
        }
    }
    if let Some((rank, name, value)) = number {
        let routed = find_routing(&sorted.rest).is_some();
        let parsed = if rules.account || (rank == ACCOUNT_RANK && routed) {
            work.routing(&sorted.rest);
            work.account(&name, &value)
        } else {
            work.card(&name, &value)
        };
        sorted.number = parsed.map(|parsed| (name, parsed));
    }
    sorted.expiry = work.expiry(&sorted.rest);
    sorted.holder = holder(&sorted.rest);
    sorted.owner_id = owner_id(&sorted.rest);
    sorted.network = work.network(&sorted);
    let brand = sorted.number.as_ref().map(|(_, number)| number.brand()).or(rules.brand);
    sorted.cvv = work.only_code(brand.filter(|_| rules.luhn && !rules.code_checked));
    if work.problems.is_empty() { Ok(sorted) } else { Err(work.problems) }
}

/// The member that holds the choice between the brands of a co-badged card.
pub const NETWORK: &str = "preferred_network";

/// The member that holds the identity number of a card's holder (spec B.2, `OwnerID`).
pub const OWNER_ID: &str = "owner_id";

/// Whether a card of these leading digits carries a brand.
pub fn check_network(network: Brand, digits: &str) -> Result<(), Invalid> {
    if network != Brand::Other && Accepted::default().networks(digits).has(network) {
        return Ok(());
    }
    Err(Invalid::new(format!("/{NETWORK}"), "unknown", "The card does not carry this brand."))
}

/// The expiry that a set of members tells, whatever it is called.
pub fn expiry_of(members: &Members) -> Option<Result<Expiry, Problem>> {
    let mut whole = None;
    let (mut month, mut year) = (None, None);
    for (name, value) in members.iter() {
        let Some(text) = value.as_typed() else { continue };
        match meaning(name) {
            Meaning::Expiry => whole = whole.or(Some(text)),
            Meaning::ExpiryMonth => month = month.or(Some(text)),
            Meaning::ExpiryYear => year = year.or(Some(text)),
            _ => {}
        }
    }
    match (whole, month, year) {
        (Some(text), _, _) => Some(Expiry::parse(text)),
        (None, Some(month), Some(year)) => Some(Expiry::parse(&format!("{month}/{year}"))),
        (None, Some(_), None) | (None, None, Some(_)) => Some(Err(Problem::Format)),
        (None, None, None) => None,
    }
}

/// So many problems of one body are told.
const MOST_PROBLEMS: usize = 20;

struct Work {
    rules: Rules,
    codes: Vec<(String, Value)>,
    problems: Vec<Invalid>,
}

impl Work {
    fn tell(&mut self, problem: Invalid) {
        // Nobody reads more, and a body has room for thousands.
        if self.problems.len() < MOST_PROBLEMS && !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }

    fn code(&mut self, pointer: &str, value: Value) {
        if !is_empty(&value) {
            self.codes.push((pointer.to_owned(), value));
        }
    }

    /// Looks through a member and what is inside it: takes codes out, refuses what may not be there.
    fn inspect(&mut self, at: &str, name: &str, value: &mut Value, depth: usize) {
        match meaning(name) {
            Meaning::Forbidden => {
                self.tell(Invalid::new(at, "forbidden", "Track data and PINs are never accepted."));
            }
            // Nested under another member it is not the card's number; locked endpoints refuse the name itself.
            Meaning::Number(_) if self.rules.locked && depth > 1 => self.tell(locked_number()),
            _ if digits::holds_card_number(name) => self.tell(hidden_number(at)),
            _ => {}
        }
        match value {
            value if holds_number(value) => self.tell(hidden_number(at)),
            Value::List(items) => {
                for (index, item) in items.iter_mut().enumerate() {
                    self.inspect(&format!("{at}/{index}"), "", item, depth + 1);
                }
            }
            Value::Object(members) => self.inspect_object(at, members, depth),
            Value::Text(_) | Value::Number(_) | Value::Null | Value::Bool(_) => {}
        }
    }

    fn inspect_object(&mut self, at: &str, members: &mut Members, depth: usize) {
        members.retain(|name, value| {
            let inner = pointer(at, name);
            if meaning(name) == Meaning::Code {
                self.code(&inner, std::mem::replace(value, Value::Null));
                return false;
            }
            self.inspect(&inner, name, value, depth + 1);
            true
        });
    }

    fn card(&mut self, name: &str, value: &Value) -> Option<Number> {
        let at = pointer("", name);
        let Some(text) = value.as_typed() else {
            self.tell(Invalid::new(at, "type", "The card number has to be a text or a number."));
            return None;
        };
        let parsed = CardNumber::parse(text, self.rules.luhn);
        parsed.map_err(|problem| self.tell(number_problem(at, problem))).ok().map(Number::Card)
    }

    /// An account number may pass Luhn without being a card number: where it stands nobody asks (security rule 10
    /// is about other members).
    fn account(&mut self, name: &str, value: &Value) -> Option<Number> {
        let parsed = value.as_typed().ok_or(Problem::Characters).and_then(AccountNumber::parse);
        let detail = "An account number has to have 4 to 17 digits.";
        parsed
            .map_err(|problem| self.tell(Invalid::new(pointer("", name), problem.code(), detail)))
            .ok()
            .map(Number::Account)
    }

    fn routing(&mut self, members: &Members) {
        let Some((name, value)) = find_routing(members) else { return };
        let checked =
            value.as_typed().ok_or(Problem::Characters).and_then(|text| ach::routing(text, self.rules.luhn));
        if let Err(problem) = checked {
            let detail = "A routing number has to have 9 digits, of which the last one checks the others.";
            self.tell(Invalid::new(pointer("", name), problem.code(), detail));
        }
    }

    fn expiry(&mut self, members: &Members) -> Option<Expiry> {
        match expiry_of(members)? {
            Ok(expiry) => Some(expiry),
            Err(problem) => {
                let at = members.iter().map(|(name, _)| name).find(|name| {
                    matches!(meaning(name), Meaning::Expiry | Meaning::ExpiryMonth | Meaning::ExpiryYear)
                });
                let detail = if problem == Problem::Month {
                    "The month has to be between 01 and 12."
                } else {
                    "The expiry has to be a month and a year, such as 06-2031 or 06/31."
                };
                self.tell(Invalid::new(pointer("", at.unwrap_or_default()), problem.code(), detail));
                None
            }
        }
    }

    /// The chosen brand has to be one of the table, and one that the number carries.
    fn network(&mut self, sorted: &Sorted) -> Option<Brand> {
        let (_, value) = sorted.rest.iter().find(|(name, _)| *name == NETWORK)?;
        if is_empty(value) {
            return None;
        }
        let network = Brand::from_wire(value.as_text().unwrap_or_default());
        let checked = match &sorted.number {
            Some((_, number)) => check_network(network, number.digits()),
            // The number is known elsewhere, or to nobody here: a locked endpoint opens nothing.
            None if network == Brand::Other => check_network(network, ""),
            None => Ok(()),
        };
        checked.map_err(|problem| self.tell(problem)).ok().map(|()| network)
    }

    /// The one code of the body. The same code under two names is one; two codes are refused.
    fn only_code(&mut self, brand: Option<Brand>) -> Option<Cvv> {
        let codes = std::mem::take(&mut self.codes);
        let mut first: Option<Cvv> = None;
        for (at, value) in &codes {
            match value.as_typed().ok_or(Problem::Characters).and_then(|text| Cvv::parse(text, brand)) {
                Ok(code) if first.as_ref().is_some_and(|known| known.digits() != code.digits()) => {
                    self.tell(Invalid::new(
                        at.clone(),
                        "ambiguous",
                        "Only one member may hold the security code.",
                    ));
                }
                Ok(code) => first = Some(code),
                Err(problem) => {
                    let detail = "The security code has to have 3 digits, or 4 for American Express.";
                    self.tell(Invalid::new(at.clone(), problem.code(), detail));
                }
            }
        }
        first
    }
}

/// Whether a text or a number holds what could be a card number and is no token of ours (security rule 10).
pub fn holds_number(value: &Value) -> bool {
    let Some(text) = value.as_typed() else { return false };
    let written_out = || matches!(value, Value::Number(_)).then(|| whole(text)).flatten();
    (digits::holds_card_number(text) && !is_own_token(text))
        || written_out().is_some_and(|whole| digits::holds_card_number(&whole))
}

/// The rank of `account_number` among the names of a number.
const ACCOUNT_RANK: u8 = 3;

pub(super) fn find_routing(members: &Members) -> Option<(&str, &Value)> {
    members.iter().find(|(name, _)| meaning(name) == Meaning::Routing)
}

/// The name of whoever holds the card, masked.
pub(super) fn holder(members: &Members) -> Option<String> {
    let (_, value) = members.iter().find(|(name, _)| meaning(name) == Meaning::Holder)?;
    value.as_text().map(mask::name)
}

fn owner_id(members: &Members) -> Option<String> {
    let (_, value) = members.iter().find(|(name, _)| is_owner_id(name))?;
    value.as_typed().map(mask::id)
}

/// Every member of every capture comes by here, so nothing is made of the name.
fn is_owner_id(name: &str) -> bool {
    let letters = name.bytes().filter(u8::is_ascii_alphanumeric).map(|letter| letter.to_ascii_lowercase());
    letters.eq(OWNER_ID.bytes().filter(u8::is_ascii_alphanumeric))
}

/// A number that is written with an exponent or a fraction, written out: `41e14` is one too.
fn whole(number: &str) -> Option<Zeroizing<String>> {
    let value: f64 = number.contains(['e', 'E', '.']).then(|| number.parse().ok())??;
    (value.abs() < 1e20).then(|| Zeroizing::new(format!("{value:.0}")))
}

fn is_empty(value: &Value) -> bool {
    matches!(value, Value::Null) || value.as_typed().is_some_and(|text| text.trim().is_empty())
}

/// Our `luhn` tokens pass Luhn by design; they start with 09, and no issued card has 15 digits from 9 on
/// (security rule 7). Behind a single 0 a number of 15 digits would pass.
fn is_own_token(text: &str) -> bool {
    text.len() == 16 && text.starts_with("09") && text.bytes().all(|b| b.is_ascii_digit())
}

/// The refusal of a number through a locked endpoint.
pub fn locked_number() -> Invalid {
    // One answer, whatever was sent and wherever it stood: a locked endpoint never compares (security rule 9).
    Invalid::new("", "immutable", "This endpoint updates a stored card; its number cannot be sent.")
}

fn hidden_number(at: &str) -> Invalid {
    Invalid::new(at, "holds_number", "This member holds what looks like a card number.")
}

/// One step deeper (RFC 6901). A name that holds a number is not repeated.
pub fn pointer(at: &str, name: &str) -> String {
    if digits::holds_card_number(name) {
        return format!("{at}/…");
    }
    let name: String = name.chars().take(60).collect();
    format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPEN: Rules = Rules { luhn: true, account: false, locked: false, brand: None, code_checked: false };
    const LOCKED: Rules = Rules { locked: true, ..OPEN };

    fn sorted(body: &str, rules: Rules) -> Result<Sorted, Vec<Invalid>> {
        sort(Members::parse(body.as_bytes()).unwrap(), rules)
    }

    fn codes(body: &str, rules: Rules) -> Vec<(String, &'static str)> {
        let problems = sorted(body, rules).err().unwrap();
        problems.into_iter().map(|problem| (problem.pointer, problem.code)).collect()
    }

    #[test]
    fn number_and_code_leave_the_rest() {
        let body =
            r#"{"card_number":"4111 1111 1111 1111","cvv":"123","card_holder":"Ada King","a":{"CVC":"123"}}"#;
        let sorted = sorted(body, OPEN).unwrap();
        assert_eq!(sorted.number.unwrap().1.digits(), "4111111111111111");
        assert_eq!(sorted.cvv.unwrap().digits(), "123");
        assert_eq!(sorted.rest.to_json().as_str(), r#"{"card_holder":"Ada King","a":{}}"#);
        assert_eq!(sorted.holder.as_deref(), Some("A•• K•••"));
    }

    #[test]
    fn an_identity_number_is_shown_masked_whatever_its_spelling() {
        for name in ["owner_id", "OwnerID", "owner-id"] {
            let sorted = sorted(&format!(r#"{{"{name}":"034567829"}}"#), LOCKED).unwrap();
            assert_eq!(sorted.owner_id.as_deref(), Some("••••••829"), "{name}");
            assert!(sorted.rest.to_json().contains("034567829"));
        }
        assert_eq!(sorted(r#"{"owner":"034567829"}"#, LOCKED).unwrap().owner_id, None);
    }

    #[test]
    fn numbers_do_not_hide_in_other_members() {
        let number = "4111111111111111";
        for body in [
            format!(r#"{{"number":"{number}","note":"my card {number}"}}"#),
            format!(r#"{{"number":"{number}","x":{{"y":["{number}"]}}}}"#),
            format!(r#"{{"number":"{number}","x":{number}}}"#),
            format!(r#"{{"number":"{number}","x":{number}0e-1}}"#),
            format!(r#"{{"number":"{number}","{number}":1}}"#),
            format!(r#"{{"number":"{number}","x":"0378282246310005"}}"#),
            format!(r#"{{"number":"{number}","x":"0a30569309025904"}}"#),
            format!(r#"{{"number":"{number}","x":"4111 1111 1111 1111 12/31 123"}}"#),
            format!(r#"{{"number":"{number}","x":{{"number":"{number}"}}}}"#),
        ] {
            let problems = codes(&body, OPEN);
            assert_eq!(problems.first().map(|p| p.1), Some("holds_number"));
            assert!(!problems.iter().any(|(pointer, _)| pointer.contains(number)));
        }
        assert_eq!(codes(&format!(r#"{{"number":"{number}","pan":"{number}"}}"#), OPEN)[0].1, "ambiguous");
    }

    #[test]
    fn an_account_is_told_by_its_routing_number() {
        let body =
            r#"{"account_number":"000123456789","routing_number":"021000021","account_holder":"Ada King"}"#;
        let account = sorted(body, OPEN).unwrap();
        assert_eq!(account.number.unwrap().1.digits(), "000123456789");
        assert_eq!(account.holder.as_deref(), Some("A•• K•••"));
        assert_eq!(
            codes(r#"{"account_number":"000123456789","routing_number":"021000022"}"#, OPEN),
            [("/routing_number".into(), "checksum")]
        );
        assert_eq!(
            codes(r#"{"account_number":"123","routing_number":"021000021"}"#, OPEN),
            [("/account_number".into(), "too_short")]
        );
        // Without one it is another name of a card number.
        assert_eq!(
            codes(r#"{"account_number":"000123456789"}"#, OPEN),
            [("/account_number".into(), "checksum")]
        );
        // Beside a card the name of an account is none, and other members hold no card number all the same.
        assert_eq!(
            codes(
                r#"{"account_number":"4111111111111111","routing_number":"021000021","x":"4111111111111111"}"#,
                OPEN
            ),
            [("/x".into(), "holds_number")]
        );
        let forms = Rules { account: true, ..OPEN };
        assert!(sorted(r#"{"account_number":"000123456789"}"#, forms).is_ok());
    }

    #[test]
    fn a_locked_endpoint_refuses_every_name_of_a_number_alike() {
        for name in ["number", "card_number", "n", "account_number", "pan", "PAN", "cardNumber"] {
            for body in [
                format!(r#"{{"{name}":"4111111111111111"}}"#),
                format!(r#"{{"{name}":""}}"#),
                format!(r#"{{"a":{{"b":[{{"{name}":1}}]}}}}"#),
            ] {
                assert_eq!(codes(&body, LOCKED), [(String::new(), "immutable")], "{body}");
            }
        }
    }

    #[test]
    fn codes_fit_the_brand() {
        assert_eq!(
            codes(r#"{"number":"378282246310005","cvv":"123"}"#, OPEN),
            [("/cvv".into(), "code_length")]
        );
        assert!(sorted(r#"{"cvv":1234}"#, LOCKED).is_ok());
        let visa = Rules { brand: Some(Brand::Visa), ..LOCKED };
        assert_eq!(codes(r#"{"cvv":"1234"}"#, visa), [("/cvv".into(), "code_length")]);
        assert_eq!(codes(r#"{"cvv":"123","cvc":"124"}"#, LOCKED), [("/cvc".into(), "ambiguous")]);
    }

    #[test]
    fn expiries_are_read_whatever_they_are_called() {
        for body in [
            r#"{"card_expiry":"06-2025"}"#,
            r#"{"expiry":"06/25"}"#,
            r#"{"expiry_month":"06","expiry_year":"2025"}"#,
            r#"{"expiry_month":6,"expiry_year":25}"#,
        ] {
            assert_eq!(sorted(body, LOCKED).unwrap().expiry, Some(Expiry::new(2025, 6).unwrap()), "{body}");
        }
        assert_eq!(codes(r#"{"card_expiry":"13-2025"}"#, LOCKED), [("/card_expiry".into(), "month")]);
        assert_eq!(codes(r#"{"expiry_month":"06"}"#, LOCKED), [("/expiry_month".into(), "format")]);
        assert_eq!(codes(r#"{"track2":"x","pin":"1"}"#, OPEN)[0].1, "forbidden");
    }
}
