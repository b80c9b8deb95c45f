//! What a merchant adds to a form: further fields, the box that agrees to saving, labels, placeholders, extra data.
//! Plain text throughout, checked when the form is made.

use std::collections::{BTreeMap, HashSet};

use serde::{Deserialize, Serialize};
use shared::field::EXTRAS;
use shared::holder::is_unprintable;
use shared::{ExtraKind, ExtraRule, Field, FormKind, FormRules};

use super::{fill, take};
use crate::card_data::is_plain_name;
use crate::invalid::Invalid;
use crate::json::{Members, Value, told};
use crate::languages::{FormLanguages, asks_for_card};
use crate::vault::members;

/// The longest name of an additional field, in bytes.
const MAX_NAME: usize = 40;
/// The longest label or placeholder, in characters.
const MAX_LABEL: usize = 80;
/// The longest value of an additional field that may be asked for, in characters, and what is usual.
const MAX_VALUE: u16 = 500;
const USUAL_VALUE: u16 = 200;
/// The most choices of a list.
const MAX_CHOICES: usize = 300;
/// The longest identity number, in characters.
const MAX_OWNER_ID: u16 = 40;
/// The longest text of a consent and its version, in characters.
const MAX_CONSENT: usize = 1000;
const MAX_VERSION: usize = 40;
/// The most bytes of a form's extra data, and the most members.
const MAX_DATA: usize = 8 * 1024;
const MAX_MEMBERS: usize = 50;

/// What a browser may fill in by itself (HTML, autofill detail tokens): nothing of a card, and no password.
const AUTOCOMPLETE: [&str; 21] = [
    "off",
    "on",
    "name",
    "given-name",
    "additional-name",
    "family-name",
    "organization",
    "organization-title",
    "email",
    "tel",
    "tel-national",
    "address-line1",
    "address-line2",
    "address-line3",
    "address-level1",
    "address-level2",
    "postal-code",
    "country",
    "country-name",
    "bday",
    "url",
];

/// An additional field (spec A.5, and type, length, token and placeholder of ours).
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Additional {
    /// The member of the stored card.
    pub name: String,
    /// The label.
    pub label: String,
    /// Whether it may not be empty.
    pub required: bool,
    /// `text`, `email`, `tel` or `select`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The most characters.
    pub max_length: u16,
    /// The autocomplete token.
    pub autocomplete: String,
    /// Shown while it is empty.
    pub placeholder: Option<String>,
    /// The choices of a list: what is stored and what is read.
    pub options: Vec<(String, String)>,
}

impl Additional {
    /// The field for the identity number of a card's owner. Its label is a text of every language.
    pub fn owner_id() -> Self {
        Self {
            name: members::OWNER_ID.to_owned(),
            label: String::new(),
            required: true,
            kind: "text".to_owned(),
            max_length: MAX_OWNER_ID,
            autocomplete: "off".to_owned(),
            placeholder: None,
            options: Vec::new(),
        }
    }

    /// The rule that browser and server check it by.
    pub fn rule(&self) -> ExtraRule {
        ExtraRule { kind: kind_of(&self.kind).unwrap_or_default(), max: self.max_length }
    }

    /// Whether a value is one of the choices; anything is where there are none.
    pub fn takes(&self, value: &str) -> bool {
        self.options.is_empty() || self.options.iter().any(|(known, _)| known == value)
    }
}

/// The box that agrees to saving. Never ticked beforehand.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Consent {
    /// What is agreed to.
    pub text: String,
    /// Which text it is, in the merchant's own counting.
    pub version: String,
    /// Whether a form without a tick is refused.
    pub required: bool,
}

/// Reads `additional_fields`.
pub fn additional_fields(value: Value) -> Result<Vec<Additional>, Invalid> {
    let at = "/additional_fields";
    let Value::List(items) = value else {
        return Err(Invalid::new(at, "type", "additional_fields has to be a list of objects."));
    };
    if items.len() > EXTRAS {
        return Err(Invalid::new(at, "too_many", format!("A form has at most {EXTRAS} additional fields.")));
    }
    let mut fields: Vec<Additional> = Vec::new();
    for (index, item) in items.into_iter().enumerate() {
        let at = format!("{at}/{index}");
        let Value::Object(item) = item else {
            return Err(Invalid::new(at, "type", "An additional field has to be an object."));
        };
        let field = additional(&at, item)?;
        if fields.iter().any(|known| known.name == field.name) {
            return Err(Invalid::new(format!("{at}/name"), "duplicate", "Two fields have this name."));
        }
        fields.push(field);
    }
    Ok(fields)
}

fn additional(at: &str, mut item: Members) -> Result<Additional, Invalid> {
    let name = need(at, "name", &mut item, MAX_NAME)?;
    check_name(&format!("{at}/name"), &name)?;
    let label = need(at, "label", &mut item, MAX_LABEL)?;
    check_label(&format!("{at}/label"), &label)?;
    let placeholder = take(at, "placeholder", &mut item, MAX_LABEL)?;
    if let Some(text) = &placeholder {
        check_label(&format!("{at}/placeholder"), text)?;
    }
    let kind = take(at, "type", &mut item, 20)?.unwrap_or_else(|| "text".to_owned());
    let Some(parsed) = kind_of(&kind) else {
        let detail = "The type has to be text, email, tel or select.";
        return Err(Invalid::new(format!("{at}/type"), "unknown", detail));
    };
    let autocomplete = take(at, "autocomplete", &mut item, 40)?.unwrap_or_else(|| match parsed {
        ExtraKind::Email => "email".to_owned(),
        ExtraKind::Tel => "tel".to_owned(),
        ExtraKind::Text | ExtraKind::Select => "off".to_owned(),
    });
    if !AUTOCOMPLETE.contains(&autocomplete.as_str()) {
        let detail = format!("The token has to be one of: {}.", AUTOCOMPLETE.join(", "));
        return Err(Invalid::new(format!("{at}/autocomplete"), "unknown", detail));
    }
    let field = Additional {
        required: take_bool(at, "required", &mut item)?.unwrap_or(false),
        max_length: max_length(at, &mut item)?,
        options: choices(at, parsed, item.take("options"))?,
        name,
        label,
        kind,
        autocomplete,
        placeholder,
    };
    nothing_else(at, &item)?;
    Ok(field)
}

/// A name may be a member of a stored card, an input and a member of a script's object, and none of the form's own.
fn check_name(at: &str, name: &str) -> Result<(), Invalid> {
    let plain = name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
    if !plain {
        let detail = "A name has letters, digits, _ and -, begins with a letter, and has at most 40 of them.";
        return Err(Invalid::new(at, "name", detail));
    }
    if !is_plain_name(name) || asks_for_card(&name.replace(['_', '-'], " ")) {
        let detail = "This is a name of card data, which has fields of its own.";
        return Err(Invalid::new(at, "card_field", detail));
    }
    if is_reserved(name) {
        return Err(Invalid::new(at, "reserved", "This name is the form's own."));
    }
    Ok(())
}

/// Whether a name is one of the form's own, whatever its case.
fn is_reserved(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    Field::from_name(&name).is_some() || fill::OWN.contains(&name.as_str())
}

/// Security rule 11.
fn check_label(at: &str, label: &str) -> Result<(), Invalid> {
    if asks_for_card(label) {
        let detail = "This text asks for a card number or a security code, which have fields of their own.";
        return Err(Invalid::new(at, "card_field", detail));
    }
    Ok(())
}

/// Pointers to a merchant's words about additional fields that the form does not have.
pub fn stray_words(languages: &FormLanguages, fields: &[Additional]) -> Vec<String> {
    let known = |name: &str| fields.iter().any(|field| field.name == name);
    languages.of_fields().filter(|(_, name)| !known(name)).map(|(at, _)| at).collect()
}

fn kind_of(text: &str) -> Option<ExtraKind> {
    match text {
        "text" => Some(ExtraKind::Text),
        "email" => Some(ExtraKind::Email),
        "tel" => Some(ExtraKind::Tel),
        "select" => Some(ExtraKind::Select),
        _ => None,
    }
}

fn max_length(at: &str, item: &mut Members) -> Result<u16, Invalid> {
    match item.take("max_length") {
        None | Some(Value::Null) => Ok(USUAL_VALUE),
        Some(value) => {
            let length = value.as_typed().and_then(|text| text.parse().ok());
            let detail = format!("max_length has to be a whole number from 1 to {MAX_VALUE}.");
            length
                .filter(|length| (1..=MAX_VALUE).contains(length))
                .ok_or_else(|| Invalid::new(format!("{at}/max_length"), "range", detail))
        }
    }
}

/// The choices of a list: texts, or objects with `value` and `label`.
fn choices(at: &str, kind: ExtraKind, value: Option<Value>) -> Result<Vec<(String, String)>, Invalid> {
    let at = format!("{at}/options");
    let wrong = |detail: &str| Invalid::new(at.clone(), "type", detail);
    let items = match (kind, value) {
        (ExtraKind::Select, Some(Value::List(items))) if (1..=MAX_CHOICES).contains(&items.len()) => items,
        (ExtraKind::Select, _) => return Err(wrong("A list has between 1 and 300 options.")),
        (_, None | Some(Value::Null)) => return Ok(Vec::new()),
        (_, Some(_)) => return Err(wrong("Only a field of the type select has options.")),
    };
    let mut known = HashSet::new();
    let mut choices = Vec::new();
    for (index, item) in items.into_iter().enumerate() {
        let at = format!("{at}/{index}");
        let (value, label) = match item {
            Value::Object(mut item) => {
                let value = need(&at, "value", &mut item, MAX_LABEL)?;
                let label = need(&at, "label", &mut item, MAX_LABEL)?;
                nothing_else(&at, &item)?;
                (value, label)
            }
            item => {
                let text = plain_text(&at, &item, MAX_LABEL)?;
                (text.clone(), text)
            }
        };
        if !known.insert(value.clone()) {
            return Err(Invalid::new(at, "duplicate", "Two options store the same."));
        }
        choices.push((value, label));
    }
    Ok(choices)
}

/// Reads `consent`. The box has to be ticked unless it says otherwise.
pub fn consent(value: Value) -> Result<Consent, Invalid> {
    let Value::Object(mut item) = value else {
        return Err(Invalid::new("/consent", "type", "consent has to be an object."));
    };
    let consent = Consent {
        text: need("/consent", "text", &mut item, MAX_CONSENT)?,
        version: need("/consent", "version", &mut item, MAX_VERSION)?,
        required: take_bool("/consent", "required", &mut item)?.unwrap_or(true),
    };
    nothing_else("/consent", &item)?;
    Ok(consent)
}

/// Reads `field_labels` or `placeholders`: texts by field. Fields whose value is handed out may not ask for card data.
pub fn texts(what: &str, value: Value, kind: FormKind) -> Result<BTreeMap<String, String>, Invalid> {
    let Value::Object(items) = value else {
        return Err(Invalid::new(
            format!("/{what}"),
            "type",
            format!("{what} has to be an object of texts."),
        ));
    };
    let mut texts = BTreeMap::new();
    for (name, value) in items {
        let at = format!("/{what}/{}", told(&name));
        let Some(field) = Field::from_name(&name).filter(|field| field.belongs_to(kind)) else {
            return Err(Invalid::new(at, "unknown", "The form has no such field."));
        };
        let text = plain_text(&at, &value, MAX_LABEL)?;
        if !field.is_secret() {
            check_label(&at, &text)?;
        }
        texts.insert(name, text);
    }
    Ok(texts)
}

/// Reads `field_options`: by field whether it is visible and whether it is validated.
pub fn field_options(value: Value, kind: FormKind) -> Result<BTreeMap<String, (bool, bool)>, Invalid> {
    let Value::Object(options) = value else {
        return Err(Invalid::new("/field_options", "type", "field_options has to be an object."));
    };
    let mut fields = BTreeMap::new();
    for (name, value) in options {
        let at = format!("/field_options/{}", told(&name));
        if name == "extra_data" {
            // Of a form that shows a stored card (spec A.5); this one shows none.
            continue;
        }
        let Some(field) = Field::from_name(&name).filter(|field| field.belongs_to(kind)) else {
            return Err(Invalid::new(at, "unknown", "The form has no such field."));
        };
        let Value::Object(mut option) = value else {
            return Err(Invalid::new(at, "type", "The options of a field have to be an object."));
        };
        let usual = FormRules::of_kind(kind).of(field);
        let visible = take::switch(&mut option, &at, "visible")?.unwrap_or(usual.visible);
        // A reference that is shown is not thereby required (spec A.5, after the code).
        let validate = take::switch(&mut option, &at, "validate")?.unwrap_or(usual.validate);
        if let Some((unknown, _)) = option.iter().next() {
            let at = format!("{at}/{}", told(unknown));
            return Err(Invalid::new(at, "unknown", "A field has the options visible and validate."));
        }
        fields.insert(name, (visible, validate));
    }
    Ok(fields)
}

/// Reads the text of the button.
pub fn submit(value: &Value) -> Result<String, Invalid> {
    plain_text("/submit", value, 40)
}

/// Reads `extra_data`: members that are stored with every card. Nothing of a card may be in it, at any depth
/// (security rule 10), but what a form's own fields would replace.
pub fn extra_data(value: Value) -> Result<Members, Vec<Invalid>> {
    let at = "/extra_data";
    let Value::Object(data) = value else {
        return Err(vec![Invalid::new(at, "type", "extra_data has to be an object.")]);
    };
    if data.len() > MAX_MEMBERS || data.to_json().len() > MAX_DATA {
        let detail = "extra_data has at most 50 members and 8 KB.";
        return Err(vec![Invalid::new(at, "too_large", detail)]);
    }
    for (name, _) in data.iter() {
        if name.eq_ignore_ascii_case(Field::Consent.name()) {
            let detail = "The consent of a form is written by the server alone.";
            return Err(vec![Invalid::new(format!("{at}/{name}"), "reserved", detail)]);
        }
    }
    let rules = members::Rules { luhn: true, account: false, locked: true, brand: None, code_checked: false };
    let sorted = members::sort(data.copy(), rules).map_err(|problems| {
        problems
            .into_iter()
            .map(|problem| match problem.code {
                "immutable" => card_data(at),
                _ => Invalid { pointer: format!("{at}{}", problem.pointer), ..problem },
            })
            .collect::<Vec<_>>()
    })?;
    if sorted.cvv.is_some() {
        return Err(vec![card_data(at)]);
    }
    Ok(data)
}

fn card_data(at: &str) -> Invalid {
    Invalid::new(at, "card_field", "extra_data holds no number and no security code of a card.")
}

fn need(at: &str, name: &str, item: &mut Members, max: usize) -> Result<String, Invalid> {
    take(at, name, item, max)?
        .ok_or_else(|| Invalid::new(format!("{at}/{name}"), "missing", format!("{name} is needed.")))
}

fn take(at: &str, name: &str, item: &mut Members, max: usize) -> Result<Option<String>, Invalid> {
    match item.take(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => plain_text(&format!("{at}/{name}"), &value, max).map(Some),
    }
}

/// A text without control and direction-changing characters, not empty, not too long, without a card number.
fn plain_text(at: &str, value: &Value, max: usize) -> Result<String, Invalid> {
    let Some(text) = value.as_text().map(str::trim) else {
        return Err(Invalid::new(at, "type", "This has to be a text."));
    };
    if text.is_empty() {
        return Err(Invalid::new(at, "missing", "This text is empty."));
    }
    if text.chars().count() > max {
        return Err(Invalid::new(at, "too_long", format!("This text has at most {max} characters.")));
    }
    if text.chars().any(is_unprintable) {
        let detail = "This text has control characters, or characters that change its direction.";
        return Err(Invalid::new(at, "characters", detail));
    }
    if shared::digits::holds_card_number(text) {
        return Err(Invalid::new(at, "holds_number", "This text holds what looks like a card number."));
    }
    Ok(text.to_owned())
}

fn take_bool(at: &str, name: &str, item: &mut Members) -> Result<Option<bool>, Invalid> {
    match item.take(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => value
            .as_bool()
            .map(Some)
            .ok_or_else(|| Invalid::new(format!("{at}/{name}"), "type", "This has to be true or false.")),
    }
}

fn nothing_else(at: &str, item: &Members) -> Result<(), Invalid> {
    match item.iter().next() {
        None => Ok(()),
        Some((name, _)) => {
            let at = format!("{at}/{}", told(name));
            Err(Invalid::new(at, "unknown", "This member is not known here."))
        }
    }
}
