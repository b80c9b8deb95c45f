//! Reading what a merchant sends: the JSON:API bodies of seed 004, every problem told with its place, and no card
//! number or security code let through in any member (security rule 10).

use std::time::Duration;

use iso_currency::Currency;
use url::Url;

use super::details::{Details, Person, Returns};
use super::hidden::{self, ATTRIBUTES};
use crate::addresses::is_loopback;
use crate::invalid::Invalid;
use crate::json::{Members, Value};
use crate::model::{Flow, Money, MoneyError, Timestamp};

/// The longest reference, name and the like, in characters.
const LINE: usize = 255;
/// The longest description.
const WORDS: usize = 1000;
/// The longest address.
const ADDRESS: usize = 2048;
/// The most of a merchant's own members, in bytes of JSON.
const METADATA: usize = 16 * 1024;
/// How long an invoice can be paid, unless it says so.
const LIFE: Duration = Duration::from_hours(24);
/// The longest that it may say.
const LONGEST_LIFE: Duration = Duration::from_hours(30 * 24);

/// What is asked for, checked as far as a body alone allows.
pub struct Asked {
    /// The merchant's own name of the invoice.
    pub reference: String,
    /// The service.
    pub service: String,
    /// How it is paid.
    pub flow: Flow,
    /// What is to be paid.
    pub amount: Money,
    /// Test or live, where it says so.
    pub test_mode: Option<bool>,
    /// The token of a stored card.
    pub token: Option<String>,
    /// When it can no longer be paid.
    pub expires_at: Timestamp,
    /// Everything else.
    pub details: Details,
}

/// What a capture or a refund asks for.
#[derive(Default)]
pub struct FollowUp {
    /// How much; all that is there where it is left out.
    pub amount: Option<Money>,
    /// The merchant's own name of it.
    pub reference: Option<String>,
}

/// Reads the body of a creation.
pub fn create(body: &Members, now: Timestamp) -> Result<Asked, Vec<Invalid>> {
    let mut reader = Reader::new(body, "payment-invoices");
    let reference = reader.needed("reference_id", LINE);
    let service = reader.needed("service", LINE);
    let flow = reader.flow();
    let amount = reader.amount(flow == Flow::Verify);
    if let Some(amount) = amount {
        reader.service_fits(&service, amount.currency());
    }
    let token = reader.line("token", LINE);
    let expires_at = reader.expires(now);
    let customer = reader.customer();
    let options = reader.options();
    let details = Details {
        description: reader.line("description", WORDS),
        metadata: reader.metadata(),
        callback: reader.callback(),
        returns: reader.returns(),
        customer,
        ..options
    };
    let test_mode = reader.flag(ATTRIBUTES, "test_mode");
    if token.is_some() || details.tokenize {
        reader.needs_customer(&details);
    }
    if details.instant && token.is_none() {
        let at = "/data/attributes/gateway_options/cardgate/instant";
        reader.tell(Invalid::new(at, "token", "A payment without the payer needs a token."));
    }
    match amount {
        Some(amount) if reader.problems.is_empty() => {
            Ok(Asked { reference, service, flow, amount, test_mode, token, expires_at, details })
        }
        _ => Err(reader.problems),
    }
}

/// Reads the body of a capture or a refund of an invoice in this currency. An empty one asks for everything.
pub fn follow_up(body: &Members, kind: &str, currency: Currency) -> Result<FollowUp, Vec<Invalid>> {
    if body.is_empty() {
        return Ok(FollowUp::default());
    }
    let mut reader = Reader::new(body, kind);
    let reference = reader.line("reference_id", LINE);
    let amount = match reader.attribute("amount") {
        None => None,
        Some(_) => reader.money(currency.code(), false),
    };
    if reader.problems.is_empty() { Ok(FollowUp { amount, reference }) } else { Err(reader.problems) }
}

struct Reader<'b> {
    data: Option<&'b Members>,
    attributes: Option<&'b Members>,
    problems: Vec<Invalid>,
}

impl<'b> Reader<'b> {
    fn new(body: &'b Members, kind: &str) -> Self {
        let data = members(body.find("data"));
        let attributes = data.and_then(|data| members(data.find("attributes")));
        let mut reader = Self { data, attributes, problems: Vec::new() };
        let Some(data) = data else {
            reader.tell(Invalid::new("/data", "missing", "A JSON:API document is needed: the member data."));
            return reader;
        };
        if data.find("type").and_then(Value::as_text) != Some(kind) {
            reader.tell(Invalid::new("/data/type", "type", format!("The type has to be {kind}.")));
        }
        hidden::look("/data", data, &mut reader.problems);
        reader
    }

    fn tell(&mut self, problem: Invalid) {
        // One problem of one place is enough.
        if !self.problems.iter().any(|known| known.pointer == problem.pointer) {
            self.problems.push(problem);
        }
    }

    /// A member that is there and not null.
    fn attribute(&self, name: &str) -> Option<&'b Value> {
        self.attributes.and_then(|attributes| present(attributes.find(name)))
    }

    fn text_of(&mut self, at: &str, name: &str, value: Option<&'b Value>, most: usize) -> Option<String> {
        let pointer = || format!("{at}/{name}");
        let Some(text) = value?.as_typed().map(str::trim) else {
            self.tell(Invalid::new(pointer(), "type", format!("{name} has to be a text.")));
            return None;
        };
        if text.is_empty() {
            return None;
        }
        if text.chars().count() > most || text.chars().any(|c| c.is_control() && c != '\n' && c != '\t') {
            let detail = format!("{name} has at most {most} characters, none of them a control character.");
            self.tell(Invalid::new(pointer(), "length", detail));
            return None;
        }
        Some(text.to_owned())
    }

    fn line(&mut self, name: &str, most: usize) -> Option<String> {
        self.text_of(ATTRIBUTES, name, self.attribute(name), most)
    }

    fn needed(&mut self, name: &str, most: usize) -> String {
        let found = self.line(name, most);
        if found.is_none() {
            self.tell(Invalid::new(format!("{ATTRIBUTES}/{name}"), "missing", format!("{name} is needed.")));
        }
        found.unwrap_or_default()
    }

    fn flag(&mut self, at: &str, name: &str) -> Option<bool> {
        let value = self.attribute(name)?;
        let flag = value.as_bool();
        if flag.is_none() {
            self.tell(Invalid::new(
                format!("{at}/{name}"),
                "type",
                format!("{name} has to be true or false."),
            ));
        }
        flag
    }

    fn flow(&mut self) -> Flow {
        let Some(text) = self.line("flow", LINE) else { return Flow::Charge };
        Flow::parse(&text).unwrap_or_else(|| {
            let detail = "The flow has to be charge, delayed_charge or verify.";
            self.tell(Invalid::new("/data/attributes/flow", "unknown", detail));
            Flow::Charge
        })
    }

    fn amount(&mut self, may_be_zero: bool) -> Option<Money> {
        let currency = self.needed("currency", LINE);
        self.money(&currency, may_be_zero)
    }

    /// Reads the digits as they were sent: a number or a text, never through floating point.
    fn money(&mut self, currency: &str, may_be_zero: bool) -> Option<Money> {
        let at = "/data/attributes/amount";
        let Some(value) = self.attribute("amount") else {
            self.tell(Invalid::new(at, "missing", "An amount is needed."));
            return None;
        };
        let parsed = value.as_typed().ok_or(MoneyError::Amount).and_then(|text| Money::parse(text, currency));
        let problem = match parsed {
            Ok(money) if money.is_zero() && !may_be_zero => {
                Invalid::new(at, "range", "The amount has to be more than zero.")
            }
            Ok(money) => return Some(money),
            Err(MoneyError::Currency) => {
                let detail = "The currency has to be a code of ISO 4217, such as EUR.";
                Invalid::new("/data/attributes/currency", "unknown", detail)
            }
            Err(MoneyError::Amount) => {
                Invalid::new(at, "format", "The amount has to be a plain decimal, such as 12.34.")
            }
            Err(MoneyError::Precision) => {
                let detail = "The amount has more decimal places than its currency.";
                Invalid::new(at, "precision", detail)
            }
        };
        self.tell(problem);
        None
    }

    /// A service whose name tells a currency takes no other: nothing is exchanged here.
    fn service_fits(&mut self, service: &str, currency: Currency) {
        let parts: Vec<_> = service.split('_').collect();
        let [.., told, _] = parts.as_slice() else { return };
        let told = Currency::from_code(&told.to_ascii_uppercase());
        if told.is_some_and(|told| told != currency) {
            let detail = "The service takes another currency.";
            self.tell(Invalid::new("/data/attributes/currency", "service", detail));
        }
    }

    fn expires(&mut self, now: Timestamp) -> Timestamp {
        let Some(value) = self.attribute("expires") else { return now.plus(LIFE) };
        let seconds = value.as_typed().and_then(|text| text.parse::<i64>().ok());
        let time = seconds.and_then(|seconds| seconds.checked_mul(1000)).map(Timestamp::from_millis);
        let usable = time.filter(|time| *time > now && *time <= now.plus(LONGEST_LIFE));
        if usable.is_none() {
            let detail = "expires has to be a time in seconds since 1970, ahead by at most 30 days.";
            self.tell(Invalid::new("/data/attributes/expires", "range", detail));
        }
        usable.unwrap_or(now)
    }

    fn customer(&mut self) -> Option<Person> {
        let value = self.attribute("customer")?;
        let at = "/data/attributes/customer";
        let Value::Object(customer) = value else {
            self.tell(Invalid::new(at, "type", "customer has to be an object."));
            return None;
        };
        let mut line =
            |name: &str| self.text_of(at, name, present(customer.find(name)), LINE).unwrap_or_default();
        let (reference, name, email) = (line("reference_id"), line("name"), line("email"));
        line("phone");
        if reference.is_empty() {
            let at = "/data/attributes/customer/reference_id";
            self.tell(Invalid::new(at, "missing", "A customer needs a reference_id."));
        }
        Some(Person { reference, name, email })
    }

    fn needs_customer(&mut self, details: &Details) {
        if details.customer.is_none() {
            let at = "/data/attributes/customer/reference_id";
            self.tell(Invalid::new(at, "missing", "A stored card needs its customer's reference_id."));
        }
    }

    /// `tokenize`, `instant`, `restrict_saved_cards` and `form`.
    fn options(&mut self) -> Details {
        let at = "/data/attributes/gateway_options/cardgate";
        let options = members(self.attribute("gateway_options"));
        let options = options.and_then(|options| members(options.find("cardgate")));
        let mut flag = |name: &str| {
            let Some(value) = options.and_then(|options| present(options.find(name))) else { return false };
            value.as_bool().unwrap_or_else(|| {
                let detail = format!("{name} has to be true or false.");
                self.tell(Invalid::new(format!("{at}/{name}"), "type", detail));
                false
            })
        };
        let (tokenize, instant, restrict_saved_cards) =
            (flag("tokenize"), flag("instant"), flag("restrict_saved_cards"));
        let form = options.and_then(|options| present(options.find("form")));
        let form = self.text_of(at, "form", form, LINE);
        Details { tokenize, instant, restrict_saved_cards, form, ..Details::default() }
    }

    fn metadata(&mut self) -> Option<String> {
        let at = "/data/attributes/metadata";
        match self.attribute("metadata")? {
            Value::Object(own) if own.to_json().len() <= METADATA => Some(own.to_json().to_string()),
            Value::List(items) if items.is_empty() => None,
            Value::Object(_) => {
                self.tell(Invalid::new(at, "length", "metadata has at most 16 KB."));
                None
            }
            _ => {
                self.tell(Invalid::new(at, "type", "metadata has to be an object."));
                None
            }
        }
    }

    /// Clients send it beside the attributes too (seed 004).
    fn callback(&mut self) -> Option<String> {
        let inside = self.attribute("callback_url");
        let outside = self.data.and_then(|data| present(data.find("callback_url")));
        match inside {
            Some(_) => self.address(ATTRIBUTES, "callback_url", inside),
            None => self.address("/data", "callback_url", outside),
        }
    }

    fn returns(&mut self) -> Returns {
        let several = members(self.attribute("return_urls"));
        let mut one = |name: &str| {
            let value = several.and_then(|several| present(several.find(name)));
            self.page("/data/attributes/return_urls", name, value)
        };
        let (success, pending, fail) = (one("success"), one("pending"), one("fail"));
        let any = self.page(ATTRIBUTES, "return_url", self.attribute("return_url"));
        Returns { any, success, pending, fail }
    }

    /// Where a browser is sent: by https, or to the machine that it runs on (security rule 15).
    fn page(&mut self, at: &str, name: &str, value: Option<&'b Value>) -> Option<String> {
        let address = self.address(at, name, value)?;
        let is_safe = Url::parse(&address).is_ok_and(|url| url.scheme() == "https" || is_loopback(&url));
        if !is_safe {
            self.tell(Invalid::new(
                format!("{at}/{name}"),
                "url",
                format!("{name} has to be an https address."),
            ));
        }
        is_safe.then_some(address)
    }

    fn address(&mut self, at: &str, name: &str, value: Option<&'b Value>) -> Option<String> {
        let text = self.text_of(at, name, value, ADDRESS)?;
        let usable = Url::parse(&text).ok().filter(|url| {
            matches!(url.scheme(), "https" | "http")
                && url.has_host()
                && url.username().is_empty()
                && url.password().is_none()
        });
        if usable.is_none() {
            self.tell(Invalid::new(
                format!("{at}/{name}"),
                "url",
                format!("{name} has to be an https address."),
            ));
        }
        usable.map(|_| text)
    }
}

fn members(value: Option<&Value>) -> Option<&Members> {
    if let Some(Value::Object(members)) = value { Some(members) } else { None }
}

fn present(value: Option<&Value>) -> Option<&Value> {
    value.filter(|value| !matches!(value, Value::Null))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    fn body(attributes: &str) -> Members {
        let text = format!(r#"{{"data":{{"type":"payment-invoices","attributes":{{{attributes}}}}}}}"#);
        Members::parse(text.as_bytes()).unwrap()
    }

    fn problems(attributes: &str) -> Vec<(String, &'static str)> {
        let problems = create(&body(attributes), NOW).err().unwrap_or_default();
        problems.into_iter().map(|problem| (problem.pointer, problem.code)).collect()
    }

    const GOOD: &str = r#""reference_id":"o1","service":"payment_card_eur_hpp","currency":"EUR""#;

    #[test]
    fn amounts_are_read_from_their_digits() {
        for (amount, minor) in [("100.55", 10_055), ("0.1", 10), ("\"12.30\"", 1230), ("1", 100)] {
            let asked = create(&body(&format!(r#"{GOOD},"amount":{amount}"#)), NOW).ok().unwrap();
            assert_eq!(asked.amount.minor(), minor);
        }
        for (amount, code) in
            [("0", "range"), ("-1", "format"), ("1e2", "format"), ("1.001", "precision"), ("true", "format")]
        {
            let expected = vec![("/data/attributes/amount".to_owned(), code)];
            assert_eq!(problems(&format!(r#"{GOOD},"amount":{amount}"#)), expected, "{amount}");
        }
    }

    #[test]
    fn a_check_of_a_card_may_cost_nothing() {
        let asked = create(&body(&format!(r#"{GOOD},"amount":0,"flow":"verify""#)), NOW).ok().unwrap();
        assert_eq!((asked.flow, asked.amount.minor()), (Flow::Verify, 0));
    }

    #[test]
    fn numbers_and_codes_hide_nowhere() {
        for hidden in [
            r#""description":"my card 4111 1111 1111 1111""#,
            r#""metadata":{"a":[{"b":4111111111111111}]}"#,
            r#""metadata":{"4111111111111111":1}"#,
            r#""customer":{"reference_id":"c","phone":"371449635398431"}"#,
            r#""customer":{"reference_id":"c","phone":"+371449635398431"}"#,
            r#""metadata":{"cvc":"123"}"#,
            r#""unknown":{"pin":"1234"}"#,
        ] {
            let codes = problems(&format!(r#"{GOOD},"amount":1,{hidden}"#));
            assert_eq!(codes.len(), 1, "{hidden}: {codes:?}");
            assert!(matches!(codes[0].1, "holds_number" | "forbidden") && !codes[0].0.contains("4111"));
        }
        // Digits of a telephone number may pass the same check.
        let phone = r#""customer":{"reference_id":"c","phone":"+380441234567"}"#;
        assert_eq!(problems(&format!(r#"{GOOD},"amount":1,{phone}"#)), []);
    }

    #[test]
    fn what_belongs_together_is_asked_for_together() {
        let at = |pointer: &str, code| vec![(format!("/data/attributes/{pointer}"), code)];
        let amount = format!(r#"{GOOD},"amount":1"#);
        assert_eq!(
            problems(&format!(r#"{amount},"gateway_options":{{"cardgate":{{"tokenize":true}}}}"#)),
            at("customer/reference_id", "missing")
        );
        assert_eq!(problems(&format!(r#"{amount},"token":"t""#)), at("customer/reference_id", "missing"));
        assert_eq!(
            problems(&format!(r#"{amount},"gateway_options":{{"cardgate":{{"instant":true}}}}"#)),
            at("gateway_options/cardgate/instant", "token")
        );
        assert_eq!(problems(&amount.replace("\"EUR\"", "\"USD\"")), at("currency", "service"));
        assert_eq!(problems(&format!(r#"{amount},"expires":1"#)), at("expires", "range"));
        for address in ["javascript:x", "http://shop.example/", "https://u:p@shop.example/", "/x"] {
            let body = format!(r#"{amount},"return_url":"{address}""#);
            assert_eq!(problems(&body), at("return_url", "url"), "{address}");
        }
        assert_eq!(problems(&format!(r#"{amount},"return_url":"http://localhost:8081/x""#)), []);
        assert_eq!(problems(r#""currency":"EUR","amount":1"#).len(), 2);
    }
}
