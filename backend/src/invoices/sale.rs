//! Direct sales: `POST /payment/sale` with the token of an invoice, by its stored card or by a card in the body
//! (spec B.5). The result that counts is the callback's, or what a read of the invoice says.

use shared::{CardNumber, Cvv, Expiry, Problem};
use zeroize::Zeroizing;

use super::details::Details;
use super::document::{amount, metadata, object};
use super::pay::{self, Attempt, By, Paid};
use super::{InvoiceError, Place, sale_token};
use crate::core::Core;
use crate::gateways::{Answer, Challenge};
use crate::invalid::Invalid;
use crate::json::{Members, Value};
use crate::model::published;
use crate::operations::{GivenCard, Operations};

/// Where the card stands in the body.
const ATTRIBUTES: &str = "/data/attributes";
/// The name of a cardholder whom nobody names (spec B.5).
const NOBODY: &str = "CARD HOLDER";
/// The longest holder and fact of a browser, in characters.
const LONGEST: usize = 255;
/// The most facts of a browser.
const MOST_FACTS: usize = 40;

/// A direct sale as it came.
pub struct Sale<'s> {
    /// The token; empty where there was none.
    pub token: &'s str,
    /// The body.
    pub body: &'s Members,
    /// The client's address.
    pub address: String,
}

/// Pays by a direct sale.
pub async fn sell(
    core: &Core,
    gateways: &Operations,
    place: Place<'_>,
    sale: Sale<'_>,
) -> Result<Paid, InvoiceError> {
    let (invoice, details) = sale_token::redeem(core, place.public_url, sale.token).await?;
    let data = inner(Some(sale.body), "data");
    let attributes = inner(data, "attributes");
    // A body that names another payment than its token does is somebody's mistake, or worse.
    let named = data.and_then(|data| data.find("id")).and_then(Value::as_text);
    if named.is_some_and(|named| named != invoice.page.as_str()) {
        return Err(InvoiceError::SaleToken);
    }
    let facts = inner(attributes, "browser_info");
    let mut browser = browser(facts);
    let by = by(attributes, &details)?;
    let told = browser.iter().position(|(name, _)| name == "browser_ip").map(|at| browser.swap_remove(at).1);
    // The merchant's server sends for its payer, whose own address it tells.
    let address = told.filter(|text| text.parse::<std::net::IpAddr>().is_ok()).unwrap_or(sale.address);
    let attempt = Attempt { direct: true, by, address, browser, attempts_left: None };
    match pay::pay(core, gateways, place, &invoice, attempt).await {
        // Somebody was faster with the same token.
        Err(InvoiceError::Busy | InvoiceError::State(_)) => Err(InvoiceError::SaleToken),
        paid => paid,
    }
}

/// The answer: the document, and beside it the way to the issuer while the payer has to go there.
pub fn answer(paid: &Paid) -> Zeroizing<String> {
    let mut document = object([("data", Value::Object(resource(paid)))]);
    if let Some(Answer::Challenge(Challenge { method, action, params, .. })) = &paid.answer {
        let params = params.iter().map(|(name, value)| (name.clone(), Value::text(value.as_str())));
        let payload = object([
            ("action", Value::text(action.as_str())),
            ("method", Value::text(method.as_str())),
            ("params", Value::Object(params.collect())),
        ]);
        document.set("auth_mode", Value::text("3ds"));
        document.set("auth_payload", Value::Object(payload));
    }
    document.to_json()
}

fn resource(paid: &Paid) -> Members {
    let (invoice, details) = (&paid.whole.invoice, &paid.whole.details);
    let is_challenged = matches!(paid.answer, Some(Answer::Challenge(_)));
    let status = invoice.status.as_str();
    let state = |status: &str| {
        let resolution = Value::text(invoice.resolution.as_str());
        Value::Object(object([("status", Value::text(status)), ("resolution", resolution)]))
    };
    let customer = details
        .customer
        .as_ref()
        .map(|person| Value::Object(object([("reference_id", Value::text(person.reference.as_str()))])));
    let options =
        object([("tokenize", Value::Bool(details.tokenize)), ("instant", Value::Bool(details.instant))]);
    let description = details.description.as_deref().map_or(Value::Null, Value::text);
    let attributes = object([
        ("amount", amount(invoice.amount)),
        ("currency", Value::text(invoice.amount.currency().code())),
        ("description", description),
        ("service", Value::text(invoice.service.as_str())),
        ("options", Value::Object(options)),
        ("customer", customer.unwrap_or(Value::Null)),
        ("repeatable", Value::Bool(details.tokenize)),
        ("flow", Value::text(invoice.flow.as_str())),
        ("status", Value::text(status)),
        ("resolution", Value::text(invoice.resolution.as_str())),
        ("active_request", state(status)),
        ("active_payment", state(if is_challenged { published::AT_ISSUER } else { status })),
        ("auto_repay", Value::Bool(false)),
        ("metadata", metadata(details)),
        ("form_data", Value::List(Vec::new())),
    ]);
    object([
        ("type", Value::text("sale-operation")),
        ("id", Value::text(invoice.page.as_str())),
        ("attributes", Value::Object(attributes)),
    ])
}

/// A card in the body wins over the stored one. Without the payer the stored one is charged only where its invoice
/// says `instant`.
fn by(attributes: Option<&Members>, details: &Details) -> Result<By, InvoiceError> {
    let find = |name: &str| attributes.and_then(|attributes| attributes.find(name)).and_then(Value::as_typed);
    if find("card_number").is_some() {
        return Ok(By::Card { card: card(&find, details)?, keep: true });
    }
    match find("cvv") {
        Some(code) if details.stored.is_some() => {
            let code = Cvv::parse(code, None).map_err(|problem| refused("cvv", problem))?;
            Ok(By::Stored { cvv: Some(code) })
        }
        _ if details.instant && details.stored.is_some() => Ok(By::Instant),
        _ => Err(Invalid::new(format!("{ATTRIBUTES}/card_number"), "missing", "A card is needed.").into()),
    }
}

fn card<'b>(find: &impl Fn(&str) -> Option<&'b str>, details: &Details) -> Result<GivenCard, InvoiceError> {
    let mut problems = Vec::new();
    let number = CardNumber::parse(find("card_number").unwrap_or_default(), true);
    let number = number.map_err(|problem| problems.push(refused("card_number", problem))).ok();
    let brand = number.as_ref().map(CardNumber::brand);
    let code = find("cvv").ok_or(Problem::Missing).and_then(|code| Cvv::parse(code, brand));
    let code = code.map_err(|problem| problems.push(refused("cvv", problem))).ok();
    let expiry = expiry(find).map_err(|problem| problems.push(refused("exp_month", problem))).ok();
    let named = find("card_holder").map(str::trim).filter(|name| !name.is_empty());
    let known = details.customer.as_ref().map(|person| person.name.as_str()).filter(|name| !name.is_empty());
    let holder = named.or(known).unwrap_or(NOBODY);
    if holder.chars().count() > LONGEST || holder.chars().any(shared::holder::is_unprintable) {
        problems.push(refused("card_holder", Problem::Characters));
    } else if shared::digits::holds_card_number(holder) {
        let at = format!("{ATTRIBUTES}/card_holder");
        problems.push(Invalid::new(at, "holds_number", "This member holds what looks like a card number."));
    }
    match (number, expiry) {
        (Some(number), Some(expiry)) if problems.is_empty() => {
            Ok(GivenCard { number, expiry, holder: Zeroizing::new(holder.to_owned()), cvv: code })
        }
        _ => Err(InvoiceError::Invalid(problems)),
    }
}

/// Month and year as texts of two digits; a year may have four.
fn expiry<'b>(find: &impl Fn(&str) -> Option<&'b str>) -> Result<Expiry, Problem> {
    let number = |name: &str| {
        let text = find(name).ok_or(Problem::Missing)?.trim();
        let digits = (1..=4).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
        if digits { text.parse::<u16>().map_err(|_| Problem::Format) } else { Err(Problem::Format) }
    };
    let (month, year) = (number("exp_month")?, number("exp_year")?);
    let year = if year < 100 { 2000 + year } else { year };
    Expiry::new(year, u8::try_from(month).map_err(|_| Problem::Month)?)
}

fn refused(name: &str, problem: Problem) -> Invalid {
    let detail = match problem {
        Problem::Missing => format!("{name} is needed."),
        _ => format!("{name} is not valid."),
    };
    Invalid::new(format!("{ATTRIBUTES}/{name}"), problem.code(), detail)
}

/// Facts about the payer's browser as they are sent on: texts, numbers and flags; none with a card number.
fn browser(facts: Option<&Members>) -> Vec<(String, String)> {
    let Some(facts) = facts else { return Vec::new() };
    let text = |value: &Value| match value {
        Value::Bool(flag) => Some(flag.to_string()),
        other => other.as_typed().map(str::to_owned),
    };
    let all = facts.iter().filter_map(|(name, value)| Some((name.to_owned(), text(value)?)));
    let usable = all.filter(|(name, text)| {
        name.len() <= 64
            && text.chars().count() <= LONGEST
            && !shared::digits::holds_card_number(text)
            && !shared::digits::holds_card_number(name)
    });
    usable.take(MOST_FACTS).collect()
}

fn inner<'b>(members: Option<&'b Members>, name: &str) -> Option<&'b Members> {
    match members?.find(name)? {
        Value::Object(inner) => Some(inner),
        _ => None,
    }
}
