//! Bodies of the booking interface: names in any case, everything checked and every problem told (spec B.4).

use std::time::Duration;

use super::details::{Details, Support};
use super::money::{Money, MoneyError};
use super::reader::{MAX_ADDRESS, Reader};
use crate::capture::brands;
use crate::capture::ttl::{self, Ttl};
use crate::invalid::Invalid;
use crate::json::{Members, Value};
use crate::languages::{self, Translations};
use crate::model::{Channel, RequestKind, Timestamp};
use crate::vault::cards;

/// A link's life where none is asked for, and the bounds of what may be asked for.
const DEFAULT_TTL: Duration = Duration::from_hours(24);
const SHORTEST_TTL: Duration = Duration::from_mins(5);
const LONGEST_TTL: Duration = Duration::from_hours(7 * 24);
/// The longest header, footer and name.
const MAX_WORDS: usize = 2_000;
const MAX_NAME: usize = 100;

/// A request as it was asked for.
pub struct Asked {
    /// By what the link is sent.
    pub channel: Channel,
    /// The merchant's own name for it; may be empty.
    pub reference: String,
    /// Everything else.
    pub details: Details,
}

/// Reads the body of a creation. `token_of` finds the token in an address of a card, where it is one of ours.
pub fn read(
    kind: RequestKind,
    body: Members,
    now: Timestamp,
    token_of: impl Fn(&str) -> Option<String>,
) -> Result<Asked, Vec<Invalid>> {
    let mut reader = Reader::new(body);
    let channel = channel(&mut reader);
    let mut details = Details {
        brand: reader.line("Brand", MAX_NAME),
        language: language(&mut reader),
        css: reader.line("Css", MAX_NAME),
        cvv: reader.switch("Cvv", true),
        card_types: card_types(&mut reader),
        recipient_name: reader.line("RecipientName", MAX_NAME).unwrap_or_default(),
        recipient_email: reader.email("RecipientEmail"),
        recipient_phone: reader.phone("RecipientPhone"),
        template: reader.line("TemplateName", MAX_NAME),
        header: reader.words("HeaderText", MAX_WORDS).unwrap_or_default(),
        footer: reader.words("FooterText", MAX_WORDS).unwrap_or_default(),
        money: money(&mut reader),
        ttl: ttl(&mut reader, now),
        callback: reader.address("CallbackUrl"),
        merchant_name: reader.line("MerchantName", MAX_NAME).unwrap_or_default(),
        support: support(&mut reader),
        ..Details::default()
    };
    details.passcode_phone = passcode(&mut reader, &details);
    if kind == RequestKind::Code {
        card(&mut reader, &mut details, token_of);
    }
    if reader.switch("ThreeDs", false) {
        reader.tell("ThreeDs", "unsupported", "3-D Secure is not offered on this page; leave ThreeDs out.");
    }
    let reference = reader.line("CreatorReference", 255).unwrap_or_default();
    if cards::check_reference(&reference).is_err() {
        reader.tell("CreatorReference", "reference", "This cannot be a reference.");
    }
    let channel = destination(&mut reader, channel, &details);
    reader.finish(Asked { channel, reference, details })
}

fn channel(reader: &mut Reader) -> Option<Channel> {
    let text = reader.text("SendMethod", 20)?;
    let channel = Channel::parse(&text);
    if channel.is_none() {
        reader.tell("SendMethod", "unknown", "SendMethod has to be Email or SMS.");
    }
    channel
}

/// There is one destination, and it fits the way that was named; without a name it tells the way.
fn destination(reader: &mut Reader, channel: Option<Channel>, details: &Details) -> Channel {
    let given = (reader.find("RecipientEmail").is_some(), reader.find("RecipientPhone").is_some());
    let (email, phone) = (details.recipient_email.is_some(), details.recipient_phone.is_some());
    let found = match (email || given.0, phone || given.1) {
        (true, true) => {
            let detail = "There has to be one destination: RecipientEmail or RecipientPhone.";
            reader.tell("RecipientPhone", "ambiguous", detail);
            return channel.unwrap_or(Channel::Email);
        }
        (true, false) => Channel::Email,
        (false, true) => Channel::Sms,
        (false, false) => {
            let name = if channel == Some(Channel::Sms) { "RecipientPhone" } else { "RecipientEmail" };
            reader.tell(name, "missing", "A destination is needed: RecipientEmail or RecipientPhone.");
            return channel.unwrap_or(Channel::Email);
        }
    };
    if channel.is_some_and(|channel| channel != found) {
        reader.tell("SendMethod", "destination", "SendMethod and the destination do not fit each other.");
    }
    found
}

/// The tag of a language that the pages speak where it says more than two letters do (`pt-BR`, `zh-Hant`), else its
/// two letters; what is none becomes English.
fn language(reader: &mut Reader) -> String {
    let text = reader.text("Language", 35).unwrap_or_default().replace('_', "-");
    let first = text.split('-').next().unwrap_or_default().to_lowercase();
    if first.len() != 2 || !first.bytes().all(|byte| byte.is_ascii_lowercase()) {
        return "en".to_owned();
    }
    let none = Translations::new();
    match languages::find(&text, &none) {
        Some(tag) if Some(tag) != languages::find(&first, &none) => tag.to_owned(),
        _ => first,
    }
}

fn money(reader: &mut Reader) -> Option<Money> {
    match (reader.text("Amount", 20), reader.text("Currency", 3)) {
        (None, None) => None,
        (Some(_), None) => {
            reader.tell("Currency", "missing", "An amount needs its currency.");
            None
        }
        (None, Some(_)) => {
            reader.tell("Amount", "missing", "A currency needs its amount.");
            None
        }
        (Some(amount), Some(currency)) => match Money::parse(&amount, &currency) {
            Ok(money) => Some(money),
            Err(MoneyError::Currency) => {
                reader.tell("Currency", "currency", "Currency has to be a code of ISO 4217, such as EUR.");
                None
            }
            Err(MoneyError::Amount | MoneyError::Precision) => {
                let detail = "Amount has to be a decimal with at most as many places as its currency has.";
                reader.tell("Amount", "amount", detail);
                None
            }
        },
    }
}

/// `TTL` in seconds or as a duration, or `ExpirationDate`.
fn ttl(reader: &mut Reader, now: Timestamp) -> u64 {
    let life = match (reader.text("TTL", 40), reader.text("ExpirationDate", 40)) {
        (None, None) => Some(DEFAULT_TTL),
        (Some(_), Some(_)) => {
            reader.tell("TTL", "ambiguous", "Give TTL or ExpirationDate, not both.");
            return 0;
        }
        (Some(text), None) => match (text.parse().ok(), ttl::parse(&text)) {
            (Some(seconds), _) => Some(Duration::from_secs(seconds)),
            (None, Some(Ttl::For(life))) => Some(life),
            _ => None,
        },
        (None, Some(text)) => Timestamp::parse(&text).map(|end| {
            // A whole second more or less must not matter at the bounds.
            let millis = end.millis().saturating_sub(now.millis()).max(0) + 999;
            Duration::from_secs(u64::try_from(millis / 1000).unwrap_or(0))
        }),
    };
    match life {
        Some(life) if (SHORTEST_TTL..=LONGEST_TTL).contains(&life) => life.as_secs(),
        _ => {
            reader.tell("TTL", "range", "A link lives from 5 minutes (300) to 7 days (604800).");
            0
        }
    }
}

fn support(reader: &mut Reader) -> Support {
    Support {
        link: reader.address("CustomerSupportLink"),
        link_text: reader.line("CustomerSupportLinkText", MAX_NAME),
        email: reader.email("CustomerSupportEmail"),
        phone: reader.line("CustomerSupportPhone", 40),
    }
}

/// With `Otp` the page asks for a passcode first; it goes to `OtpPhone`, or to where the link went.
fn passcode(reader: &mut Reader, details: &Details) -> Option<String> {
    let phone = reader.phone("OtpPhone");
    if !reader.switch("Otp", phone.is_some()) {
        return None;
    }
    let phone = phone.or_else(|| details.recipient_phone.clone());
    if phone.is_none() && reader.find("OtpPhone").is_none() && reader.find("RecipientPhone").is_none() {
        reader.tell("OtpPhone", "missing", "A passcode needs a telephone number: OtpPhone.");
    }
    phone
}

fn card(reader: &mut Reader, details: &mut Details, token_of: impl Fn(&str) -> Option<String>) {
    details.cvv = true;
    match reader.text("CardUri", MAX_ADDRESS) {
        None => reader.tell("CardUri", "missing", "CardUri is needed: the card whose code is asked for."),
        Some(uri) => match token_of(&uri) {
            None => reader.tell("CardUri", "unknown", "CardUri has to be the address of a stored card."),
            token => details.card = token,
        },
    }
    match reader.text("Mode", 20).map(|text| text.to_lowercase()).as_deref() {
        None | Some("update") => {}
        Some("duplicate") => details.duplicate = true,
        Some(_) => reader.tell("Mode", "unknown", "Mode has to be update or duplicate."),
    }
}

/// Brands by the names that people write; folded to letters.
fn card_types(reader: &mut Reader) -> Vec<String> {
    let names: Vec<String> = match reader.find("CardTypes") {
        Some(Value::List(items)) => {
            items.iter().filter_map(|item| item.as_text().map(str::to_owned)).collect()
        }
        _ => match reader.text("CardTypes", 500) {
            Some(text) => text.split([',', ';']).map(str::to_owned).collect(),
            None => return Vec::new(),
        },
    };
    let mut types = Vec::new();
    for name in names.iter().filter(|name| !name.trim().is_empty()) {
        match brands::named(name) {
            Some(brand) => types.push(brand.wire().to_owned()),
            None => reader.tell("CardTypes", "unknown", "CardTypes names a brand that is not known here."),
        }
    }
    types
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    fn asked(body: &str) -> Result<Asked, Vec<(String, &'static str)>> {
        let body = Members::parse(body.as_bytes()).unwrap();
        let token_of = |uri: &str| uri.strip_prefix("https://c.example/").map(str::to_owned);
        read(RequestKind::Code, body, NOW, token_of)
            .map_err(|problems| problems.into_iter().map(|problem| (problem.pointer, problem.code)).collect())
    }

    fn problems(more: &str) -> Vec<(String, &'static str)> {
        let body = format!(r#"{{"CardUri":"https://c.example/t","RecipientEmail":"ada@example.com"{more}}}"#);
        asked(&body).err().unwrap_or_default()
    }

    #[test]
    fn names_are_read_in_any_case_and_defaults_hold() {
        let body = r#"{"carduri":"https://c.example/t","RECIPIENTEMAIL":"ada@example.com","AMOUNT":12.40,"currency":"eur",
            "mode":"Duplicate","language":"de-AT","cardTypes":"Visa, American Express","otpphone":"4915123456789"}"#;
        let Asked { channel, details, reference } = asked(body).ok().unwrap();
        assert_eq!((channel, reference.as_str(), details.ttl), (Channel::Email, "", 86_400));
        assert_eq!(details.money.unwrap().amount, "12.40");
        assert_eq!((details.language.as_str(), details.duplicate), ("de", true));
        assert_eq!(details.card_types, ["visa", "amex"]);
        assert_eq!(details.passcode_phone.as_deref(), Some("+4915123456789"));
        assert_eq!(details.card.as_deref(), Some("t"));
    }

    #[test]
    fn languages_are_those_of_the_pages() {
        let card = r#""CardUri":"https://c.example/t","RecipientEmail":"ada@example.com""#;
        for (asked_for, kept) in [
            ("de_AT", "de"),
            ("DE", "de"),
            ("pt-BR", "pt-BR"),
            ("pt", "pt"),
            ("zh-TW", "zh-Hant"),
            ("zh", "zh"),
            ("no", "no"),
            ("xx", "xx"),
            ("deutsch", "en"),
        ] {
            let asked = asked(&format!(r#"{{{card},"Language":"{asked_for}"}}"#)).ok().unwrap();
            assert_eq!(asked.details.language, kept);
        }
    }

    #[test]
    fn there_is_exactly_one_destination() {
        let card = r#""CardUri":"https://c.example/t""#;
        for (members, problem) in [
            ("", ("/RecipientEmail", "missing")),
            (r#","SendMethod":"SMS""#, ("/RecipientPhone", "missing")),
            (
                r#","RecipientEmail":"a@b.example","RecipientPhone":"+4915123456789""#,
                ("/RecipientPhone", "ambiguous"),
            ),
            (r#","RecipientEmail":"a@b.example","SendMethod":"SMS""#, ("/SendMethod", "destination")),
            (r#","RecipientEmail":"a@b.example","SendMethod":"Fax""#, ("/SendMethod", "unknown")),
            (r#","RecipientEmail":"ada""#, ("/RecipientEmail", "email")),
            (r#","RecipientEmail":"a@b.example\r\nBcc: x@y.example""#, ("/RecipientEmail", "email")),
            (r#","RecipientPhone":"12""#, ("/RecipientPhone", "phone")),
            (r#","RecipientPhone":"+49 0000""#, ("/RecipientPhone", "phone")),
        ] {
            let found = asked(&format!("{{{card}{members}}}")).err().unwrap();
            assert_eq!(found, [(problem.0.to_owned(), problem.1)], "{members}");
        }
        let sms = asked(&format!(r#"{{{card},"RecipientPhone":"4915123456789"}}"#)).ok().unwrap();
        assert_eq!(sms.channel, Channel::Sms);
        assert_eq!(sms.details.recipient_phone.as_deref(), Some("+4915123456789"));
    }

    #[test]
    fn each_bad_value_is_told_where_it_stands() {
        for (more, pointer, code) in [
            (r#","TTL":299"#, "/TTL", "range"),
            (r#","TTL":604801"#, "/TTL", "range"),
            (r#","TTL":"soon""#, "/TTL", "range"),
            (r#","ExpirationDate":"2027-01-15T08:04:59""#, "/TTL", "range"),
            (r#","TTL":600,"ExpirationDate":"2027-01-16""#, "/TTL", "ambiguous"),
            (r#","Amount":"1,5","Currency":"EUR""#, "/Amount", "amount"),
            (r#","Amount":5"#, "/Currency", "missing"),
            (r#","Amount":5,"Currency":"ABC""#, "/Currency", "currency"),
            (r#","CallbackUrl":"ftp://x.example""#, "/CallbackUrl", "url"),
            (r#","CallbackUrl":"https://u:p@x.example""#, "/CallbackUrl", "url"),
            (r#","HeaderText":"$~nobody~$""#, "/HeaderText", "placeholder"),
            (r#","RecipientName":"Ada\r\nBcc: x@y.example""#, "/RecipientName", "characters"),
            (r#","MerchantName":"A\nB""#, "/MerchantName", "characters"),
            (r#","RecipientName":"4111 1111 1111 1111""#, "/RecipientName", "holds_number"),
            (r#","FooterText":"4111111111111111""#, "/FooterText", "holds_number"),
            (r#","CreatorReference":"4111111111111111""#, "/CreatorReference", "holds_number"),
            (r#","CardTypes":"Visa,Nonsense""#, "/CardTypes", "unknown"),
            (r#","ThreeDs":true"#, "/ThreeDs", "unsupported"),
            (r#","Mode":"replace""#, "/Mode", "unknown"),
            (r#","Otp":true"#, "/OtpPhone", "missing"),
            (r#","Cvv":"perhaps""#, "/Cvv", "type"),
            (r#","RecipientName":["a"]"#, "/RecipientName", "type"),
            (r#","cvv":true,"CVV":true"#, "", "duplicate"),
        ] {
            assert_eq!(problems(more), [(pointer.to_owned(), code)], "{more}");
        }
        assert_eq!(
            asked(r#"{"RecipientEmail":"a@b.example"}"#).err().unwrap(),
            [("/CardUri".to_owned(), "missing")]
        );
        for right in [r#","TTL":300,"Otp":"False""#, r#","ExpirationDate":"2027-01-22T08:00:00""#] {
            assert!(problems(right).is_empty());
        }
    }
}
