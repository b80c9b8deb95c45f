//! Putting a card into the templates of a message, and the same with the card masked, to be shown.

use url::Url;
use zeroize::Zeroizing;

use super::request::MAX_BODY;
use super::{Wish, hosts, template_problem};
use crate::json::{Members, Value};
use crate::rules::{self, Rule, Sight};
use crate::templates::{Escape, Values};
use crate::vault::members::expiry_of;
use crate::vault::{Invalid, Meaning, meaning};

const MAX_URL: usize = 8_192;
const MAX_HEADER: usize = 8_192;

/// A card as templates see it.
pub struct Filling {
    /// Its members, the number under its own name; the code among them where one is sent.
    pub object: Members,
    /// Its token.
    pub token: String,
    /// Its reference.
    pub reference: String,
}

/// A message with its values in it.
pub struct Filled {
    /// The address.
    pub url: Url,
    /// The headers.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Zeroizing<String>,
}

/// Fills a message with a card.
pub fn fill(wish: &Wish, rules: &[Rule], filling: &Filling) -> Result<Filled, Invalid> {
    let object = rules::apply(rules, filling.object.copy(), Sight::Sent, &[])?;
    let values = values(&object, filling, &wish.extra);
    let url = url(wish, &values)?;
    let mut headers = Vec::with_capacity(wish.headers.len() + 1);
    for (index, (name, template)) in wish.headers.iter().enumerate() {
        let at = format!("/request/headers/{index}");
        let value = template
            .render(&values, Escape::None, MAX_HEADER)
            .map_err(|error| template_problem(&at, &error))?;
        if value.chars().any(|c| c.is_control() && c != '\t') {
            return Err(Invalid::new(at, "header", "The value of this header holds a line break."));
        }
        headers.push((name.clone(), value.to_string()));
    }
    let body = match &wish.body {
        Some(template) => template
            .render(&values, wish.escape, MAX_BODY)
            .map_err(|error| template_problem("/request/body", &error))?,
        None => Zeroizing::default(),
    };
    if wish.body.is_some() && !wish.typed {
        headers.push(("content-type".to_owned(), "application/json".to_owned()));
    }
    Ok(Filled { url, headers, body })
}

/// The same message with everything masked that may not be shown.
pub fn masked(wish: &Wish, rules: &[Rule], filling: &Filling) -> Option<Filled> {
    let mut object = filling.object.copy();
    object.retain(|name, value| {
        mask(name, value);
        true
    });
    let filling = Filling { object, token: filling.token.clone(), reference: filling.reference.clone() };
    // Operations may not work on what is masked: then there is nothing to be shown.
    fill(wish, rules, &filling).ok()
}

fn url(wish: &Wish, values: &Values) -> Result<Url, Invalid> {
    let wrong = |code, detail: &str| Invalid::new("/request/url", code, detail);
    let text = wish
        .url
        .render(values, Escape::Url, MAX_URL)
        .map_err(|error| template_problem("/request/url", &error))?;
    // Addresses are logged on their way.
    let written = percent_encoding::percent_decode_str(&text).decode_utf8_lossy().into_owned();
    if shared::digits::holds_card_number(&written) {
        return Err(wrong(
            "secret",
            "A card number cannot stand in an address: addresses are logged on their way.",
        ));
    }
    let url = Url::parse(&text).map_err(|_| wrong("url", "This is no address of a server."))?;
    if hosts::name_of(&url).as_deref() == Some(wish.host.as_str()) {
        Ok(url)
    } else {
        Err(wrong("host", "The host of the address cannot come out of a member."))
    }
}

/// The members, and what they are usually called as well.
fn values(object: &Members, filling: &Filling, extra: &Members) -> Values {
    let mut values = Values::of(object);
    for (name, value) in object.iter() {
        let also: &[&str] = match meaning(name) {
            Meaning::Number(_) => &["card_number", "number", "n", "pan", "account_number"],
            Meaning::Code => &["cvv", "card_cvv", "cvc"],
            Meaning::Holder => &["card_holder"],
            _ => &[],
        };
        for other in also {
            values.add_value(other, value);
        }
    }
    if let Some(Ok(expiry)) = expiry_of(object) {
        values.add("expiry", expiry.short());
        values.add("card_expiry", expiry.short());
        values.add("expiry_month", format!("{:02}", expiry.month()));
        values.add("expiry_year", expiry.year().to_string());
        values.add("expiry_year_short", format!("{:02}", expiry.year() % 100));
    }
    values.add("token", &filling.token);
    values.add("reference", &filling.reference);
    for (name, value) in extra.iter() {
        values.add_value(name, value);
    }
    values.add_value("extra_data", &Value::Object(extra.copy()));
    values
}

fn mask(name: &str, value: &mut Value) {
    let shown = match (meaning(name), &*value) {
        (Meaning::Code, _) => "•••".to_owned(),
        (Meaning::Number(_), Value::Text(text) | Value::Number(text)) => {
            shared::CardNumber::parse(text, false).map_or_else(
                |_| "•".repeat(text.chars().count().min(17)),
                |number| shared::mask::number(number.first_six(), number.last_four(), number.digits().len()),
            )
        }
        (Meaning::Holder, Value::Text(text)) => shared::mask::name(text),
        _ => return,
    };
    *value = Value::text(shown);
}
