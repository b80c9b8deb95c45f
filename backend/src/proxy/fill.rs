//! Putting a card into the templates of a message, the same with the card masked, to be shown, and with made-up cards
//! before any card is opened.

use std::collections::HashSet;

use url::Url;
use zeroize::Zeroizing;

use super::request::MAX_BODY;
use super::{Wish, hosts, template_problem};
use crate::card_data::{Meaning, meaning};
use crate::invalid::Invalid;
use crate::json::{Members, Value};
use crate::rules::{self, Carried, Rule, Sight};
use crate::templates::{Escape, Template, Values};
use crate::vault::cards::CardName;
use crate::vault::members::expiry_of;

const MAX_URL: usize = 8_192;
const MAX_HEADER: usize = 8_192;
/// Where the body stands in a call.
const BODY: &str = "/request/body";

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

/// Made-up cards that messages are tried with: what fits one of them alone would tell cards apart.
const SAMPLES: [[(&str, &str); 4]; 2] = [
    [("card_number", "4111111111111111"), ("card_holder", "Ada King"), ("expiry", "12/30"), ("cvv", "123")],
    [("card_number", "0000000000000000"), ("card_holder", "Ada King"), ("expiry", "01/40"), ("cvv", "0000")],
];

/// Refuses what is wrong with a message whatever the card. Opens nothing, so that nothing is told of a card: what then
/// cannot be filled with it is answered by one word.
pub fn check(wish: &Wish, rules: &[Rule], name: &CardName) -> Result<(), Invalid> {
    check_url(wish, rules)?;
    for sample in SAMPLES {
        let object = sample.into_iter().map(|(name, text)| (name.to_owned(), Value::text(text))).collect();
        let filling = Filling { object, token: name.token.clone(), reference: name.reference.clone() };
        try_on(wish, rules, &filling)?;
    }
    Ok(())
}

/// Addresses are logged on their way: neither number nor code stands in one, nor what rules make of them, and what else
/// comes out of a card stays in the part that it was written for.
fn check_url(wish: &Wish, rules: &[Rule]) -> Result<(), Invalid> {
    let secret = Carried::by(rules, |meaning| matches!(meaning, Meaning::Number(_) | Meaning::Code));
    if wish.url.names().iter().any(|name| secret.holds(name)) {
        let detail = "A number or a code, or what a rule makes of one, cannot stand in an address: addresses are \
                      logged on their way.";
        return Err(Invalid::new("/request/url", "secret", detail));
    }
    Ok(())
}

fn try_on(wish: &Wish, rules: &[Rule], filling: &Filling) -> Result<(), Invalid> {
    let object = rules::apply(rules, filling.object.copy(), Sight::Sent, &[])?;
    let mut values = values(&object, filling, &wish.extra);
    // The card may have members of any name: they are known once it is open.
    let open: HashSet<String> = wish.names().into_iter().filter(|name| !values.has(name)).collect();
    for name in &open {
        values.add(name, "1");
    }
    let tried = |at: &str, template: &Template| {
        template.check(&values, &open).map_err(|error| template_problem(at, &error))?;
        Ok(template.names().is_disjoint(&open))
    };
    if tried("/request/url", &wish.url)? {
        url(wish, &values)?;
    }
    for (index, (_, template)) in wish.headers.iter().enumerate() {
        let at = format!("/request/headers/{index}");
        if tried(&at, template)? {
            header(&at, template, &values)?;
        }
    }
    if let Some(template) = &wish.body
        && tried(BODY, template)?
    {
        body(wish, template, &values, MAX_BODY)?;
    }
    Ok(())
}

/// A name that the card has no member of, where it can be told by the names of the card's members alone.
pub fn missing(wish: &Wish, rules: &[Rule], filling: &Filling) -> Option<Invalid> {
    if !rules.is_empty() {
        // What they make can have names that depend on values.
        return None;
    }
    let mut values = values(&filling.object, filling, &wish.extra);
    for name in wish.names().into_iter().filter(|name| meaning(name) == Meaning::Code) {
        values.add(&name, "");
    }
    let headers = wish.headers.iter().enumerate();
    let headers = headers.map(|(index, (_, template))| (format!("/request/headers/{index}"), template));
    let body = wish.body.as_ref().map(|body| (BODY.to_owned(), body));
    let mut all = std::iter::once(("/request/url".to_owned(), &wish.url)).chain(headers).chain(body);
    all.find_map(|(at, template)| {
        let error = template.missing(&values)?;
        Some(template_problem(&at, &error))
    })
}

/// Fills a message with a card. Its body has at most `most` bytes.
pub fn fill(wish: &Wish, rules: &[Rule], filling: &Filling, most: usize) -> Result<Filled, Invalid> {
    let object = rules::apply(rules, filling.object.copy(), Sight::Sent, &[])?;
    let values = values(&object, filling, &wish.extra);
    let url = url(wish, &values)?;
    let mut headers = Vec::with_capacity(wish.headers.len() + 1);
    for (index, (name, template)) in wish.headers.iter().enumerate() {
        headers.push((name.clone(), header(&format!("/request/headers/{index}"), template, &values)?));
    }
    let body = match &wish.body {
        Some(template) => body(wish, template, &values, most)?,
        None => Zeroizing::default(),
    };
    if wish.body.is_some() && !wish.typed {
        headers.push(("content-type".to_owned(), "application/json".to_owned()));
    }
    Ok(Filled { url, headers, body })
}

fn header(at: &str, template: &Template, values: &Values) -> Result<String, Invalid> {
    let value =
        template.render(values, Escape::None, MAX_HEADER).map_err(|error| template_problem(at, &error))?;
    if value.chars().any(|c| c.is_control() && c != '\t') {
        return Err(Invalid::new(at, "header", "The value of this header holds a line break."));
    }
    Ok(value.to_string())
}

fn body(
    wish: &Wish,
    template: &Template,
    values: &Values,
    most: usize,
) -> Result<Zeroizing<String>, Invalid> {
    template.render(values, wish.escape, most).map_err(|error| template_problem(BODY, &error))
}

/// Whether a message could not be filled because its body has more bytes than it may have.
pub fn is_too_long(problem: &Invalid) -> bool {
    problem.pointer == BODY && problem.code == "too_long"
}

/// The same message with everything masked that may not be shown.
pub fn masked(wish: &Wish, rules: &[Rule], filling: &Filling, most: usize) -> Option<Filled> {
    let mut object = filling.object.copy();
    object.retain(|name, value| {
        mask(name, value);
        true
    });
    let filling = Filling { object, token: filling.token.clone(), reference: filling.reference.clone() };
    // Operations may not work on what is masked: then there is nothing to be shown.
    fill(wish, rules, &filling, most).ok()
}

fn url(wish: &Wish, values: &Values) -> Result<Url, Invalid> {
    let wrong = |code, detail: &str| Invalid::new("/request/url", code, detail);
    let text = wish
        .url
        .render(values, Escape::Url, MAX_URL)
        .map_err(|error| template_problem("/request/url", &error))?;
    let written = percent_encoding::percent_decode_str(&text).decode_utf8_lossy().into_owned();
    // However they are written, they would lead to another path than the one that was written.
    let path = text.split(['?', '#']).next().unwrap_or_default();
    let decoded = path.split('/').map(|step| percent_encoding::percent_decode_str(step).decode_utf8_lossy());
    if decoded.into_iter().any(|step| matches!(&*step, "." | "..")) {
        return Err(wrong("url", "The path of the address holds a step that leads elsewhere."));
    }
    // Addresses are logged on their way.
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
