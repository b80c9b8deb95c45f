//! An invoice as its merchant sees it, in answers and in callbacks: the JSON:API document of seed 004. Amounts are
//! written as the decimals that they are, never through floating point.

use url::Url;
use zeroize::Zeroizing;

use super::Details;
use super::details::{CardFacts, Payment};
use crate::json::{Members, Value};
use crate::model::{Invoice, Mode, Money, Timestamp};

/// The path under which documents name invoices.
pub const PATH: &str = "/api/payment-invoices";

/// A document that holds one invoice.
pub fn whole(public_url: &Url, invoice: &Invoice, details: &Details, now: Timestamp) -> Zeroizing<String> {
    object([("data", Value::Object(resource(public_url, invoice, details, now)))]).to_json()
}

/// A document that holds a page of a list; `next` is the cursor of the page after it.
pub fn list(resources: Vec<Members>, next: Option<String>) -> Zeroizing<String> {
    let query = |cursor: &str| Value::text(format!("{PATH}?page[cursor]={cursor}"));
    let links = object([("next", next.as_deref().map_or(Value::Null, query))]);
    let meta = object([("next_cursor", next.map_or(Value::Null, Value::text))]);
    let data = resources.into_iter().map(Value::Object).collect();
    object([("data", Value::List(data)), ("links", Value::Object(links)), ("meta", Value::Object(meta))])
        .to_json()
}

/// One invoice.
pub fn resource(public_url: &Url, invoice: &Invoice, details: &Details, now: Timestamp) -> Members {
    let link = Value::text(format!("{PATH}/{}", invoice.id));
    object([
        ("type", Value::text("payment-invoices")),
        ("id", Value::text(invoice.id.as_str())),
        ("attributes", Value::Object(attributes(public_url, invoice, details, now))),
        ("relationships", Value::Object(relationships(invoice))),
        ("links", Value::Object(object([("self", link)]))),
    ])
}

/// Named members in their order.
pub fn object<const N: usize>(members: [(&str, Value); N]) -> Members {
    members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// An amount as a number.
pub fn amount(money: Money) -> Value {
    Value::Number(Zeroizing::new(money.shortest()))
}

/// The way to the payment page, and the token of a direct sale while there is something to pay with it.
pub fn flow_data(public_url: &Url, invoice: &Invoice, details: &Details, now: Timestamp) -> Members {
    let mut metadata = object([("sid", Value::text(invoice.page.as_str()))]);
    if invoice.status.is_payable() && details.sale.ends_at > now.millis() {
        metadata.set("token", Value::text(details.sale.text.as_str()));
    }
    object([
        ("action", Value::text(page_address(public_url, invoice))),
        ("method", Value::text("GET")),
        ("params", Value::List(Vec::new())),
        ("metadata", Value::Object(metadata)),
    ])
}

/// Where an invoice is paid.
pub fn page_address(public_url: &Url, invoice: &Invoice) -> String {
    format!("{}/hpp/{}", public_url.as_str().trim_end_matches('/'), invoice.page)
}

fn attributes(public_url: &Url, invoice: &Invoice, details: &Details, now: Timestamp) -> Members {
    let zero = Money::of_minor(0, invoice.amount.currency());
    let taken = (invoice.taken > 0).then(|| invoice.processed());
    let given_back =
        (invoice.refunded > 0).then(|| Money::of_minor(invoice.refunded, invoice.amount.currency()));
    let paid = details.paid.as_ref();
    let said = |of: fn(&Payment) -> &String| maybe(paid.map(of).filter(|text| !text.is_empty()).cloned());
    let currency = || Value::text(invoice.amount.currency().code());
    let descriptor = format!("{}:Order №:{}", details.merchant_name, invoice.reference);
    object([
        ("serial_number", Value::text(invoice.id.serial())),
        ("status", Value::text(invoice.status.as_str())),
        ("resolution", Value::text(invoice.resolution.as_str())),
        ("moderation_required", Value::Bool(false)),
        ("amount", amount(invoice.amount)),
        ("payment_amount", amount(invoice.amount)),
        ("currency", currency()),
        ("service_amount", amount(invoice.amount)),
        ("payment_service_amount", amount(invoice.amount)),
        ("exchange_rate", integer(1)),
        ("service_currency", currency()),
        ("reference_id", Value::text(invoice.reference.as_str())),
        ("test_mode", Value::Bool(invoice.mode == Mode::Test)),
        ("fee", integer(0)),
        ("deposit", amount(invoice.amount)),
        ("processed", time(invoice.processed_at)),
        ("processed_amount", taken.map_or(Value::Null, amount)),
        ("refunded", time(invoice.refunded_at)),
        ("refunded_amount", given_back.map_or(Value::Null, amount)),
        ("refunded_fee", given_back.map_or(Value::Null, |_| amount(zero))),
        // Disputes are between the merchant and the acquirer.
        ("charged_back_amount", Value::Null),
        ("processed_fee", taken.map_or(Value::Null, |_| amount(zero))),
        ("processed_deposit", taken.map_or(Value::Null, amount)),
        ("failed", time(invoice.failed_at)),
        ("metadata", metadata(details)),
        ("flow_data", Value::Object(flow_data(public_url, invoice, details, now))),
        ("flow", Value::text(way(&invoice.service))),
        ("payment_flow", Value::text(invoice.flow.as_str())),
        ("created", time(Some(invoice.created_at))),
        ("updated", time(Some(invoice.updated_at))),
        ("expires", time(Some(invoice.expires_at))),
        ("payload", paid.map_or(Value::Null, |paid| Value::Object(payload(paid)))),
        ("description", maybe(details.description.clone())),
        ("descriptor", Value::text(descriptor)),
        ("callback_url", maybe(details.callback.clone())),
        ("return_url", maybe(details.returns.any.clone())),
        ("original_data", Value::Null),
        ("rrn", said(|paid| &paid.rrn)),
        ("approval_code", said(|paid| &paid.approval_code)),
    ])
}

/// What is told of the card that paid (spec B.4).
fn payload(paid: &Payment) -> Members {
    let CardFacts { first, last, brand, holder, expiry, bank, country, .. } = &paid.card;
    let known = |text: &str| maybe(Some(text.to_owned()).filter(|text| !text.is_empty()));
    let (year, month) = match *expiry {
        (0, _) => (Value::Null, Value::Null),
        (year, month) => (Value::text(format!("{:02}", year % 100)), Value::text(format!("{month:02}"))),
    };
    let card = object([
        ("last", Value::text(last.as_str())),
        ("mask", Value::text(paid.card.mask())),
        ("brand", Value::text(brand.as_str())),
        ("first", Value::text(first.as_str())),
        ("holder", Value::text(holder.as_str())),
        ("expiry_year", year),
        ("issuer_name", known(bank)),
        ("expiry_month", month),
        ("issuer_country", known(country)),
    ]);
    object([
        ("client_ip", Value::text(paid.ip.as_str())),
        ("payment_card", Value::Object(card)),
        ("token", maybe(paid.token.clone())),
        ("auth_type", if paid.authenticated { Value::text("3ds") } else { Value::Null }),
    ])
}

fn relationships(invoice: &Invoice) -> Members {
    let to = |kind: &str, id: &str| object([("type", Value::text(kind)), ("id", Value::text(id))]);
    let relation = |data: Value| Value::Object(object([("data", data)]));
    let customer = invoice.customer.as_ref().map(|id| Value::Object(to("customers", id.as_str())));
    object([
        ("payment-service", relation(Value::Object(to("payment-services", &invoice.service)))),
        ("payment-method", relation(Value::Object(to("payment-methods", method(&invoice.service))))),
        ("customer", relation(customer.unwrap_or(Value::Null))),
    ])
}

/// What was sent, and an empty list where nothing was (spec B.2).
pub fn metadata(details: &Details) -> Value {
    let sent = details.metadata.as_deref().and_then(|text| Members::parse_sealed(text.as_bytes()).ok());
    sent.filter(|members| !members.is_empty()).map_or_else(|| Value::List(Vec::new()), Value::Object)
}

/// The last part of a service's name: how the payer gives the card.
fn way(service: &str) -> &str {
    service.rsplit('_').next().unwrap_or(service)
}

/// A service's name without currency and way.
fn method(service: &str) -> &str {
    let mut cut = service.rsplitn(3, '_');
    match (cut.next(), cut.next(), cut.next()) {
        (Some(_), Some(_), Some(method)) => method,
        _ => service,
    }
}

fn maybe(text: Option<String>) -> Value {
    text.map_or(Value::Null, Value::text)
}

/// Seconds since the epoch.
fn time(time: Option<Timestamp>) -> Value {
    time.map_or(Value::Null, |time| integer(time.millis().div_euclid(1000)))
}

fn integer(number: i64) -> Value {
    Value::Number(Zeroizing::new(number.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_is_named_by_method_currency_and_way() {
        assert_eq!((method("payment_card_usd_hpp"), way("payment_card_usd_hpp")), ("payment_card", "hpp"));
        assert_eq!((method("cards"), way("cards")), ("cards", "cards"));
    }
}
