//! A filled hosted form on its way to a capture: checked again by the form's rules, whatever the browser said.

use shared::{CardNumber, Checked, Entry, Field, FieldError, FormKind, FormRules, Networks, Problem};
use zeroize::Zeroizing;

use super::CaptureError;
use super::facts::{Facts, FactsCache};
use super::forms::{self, Settings};
use super::once::{self, Kept, Ticket};
use super::options::Consent;
use super::submit::{self, CONSENT, Captured, FormSwitches, Submission};
use crate::card_data::Meaning;
use crate::core::Core;
use crate::json::{Members, Value};
use crate::model::{Lock, MerchantId, Mode, Refusal};
use crate::vault::members::{self, NETWORK};

/// The hidden input that gives a submit its number: the same when it is sent again.
pub const SUBMIT_ID: &str = "submit_id";
/// The lists of months and years, where an expiry is chosen.
pub const MONTH: &str = "expiry_month";
/// The second of them.
pub const YEAR: &str = "expiry_year";
/// Names of the page's address and of its own inputs; nothing of theirs is stored with the card.
pub const OWN: [&str; 8] =
    ["unique_id", "secret", "reference", "title", "testing", "locale", SUBMIT_ID, NETWORK];

/// The most further members that a link can bring, and their longest name and value in bytes.
const MAX_EXTRA: usize = 20;
const MAX_EXTRA_NAME: usize = 40;
const MAX_EXTRA_VALUE: usize = 256;

/// A filled form.
pub struct Filled {
    /// The form's id.
    pub form: String,
    /// The endpoint's name.
    pub unique_id: String,
    /// The endpoint's secret.
    pub secret: Zeroizing<String>,
    /// What was typed into the fields that every form can have.
    pub entry: Entry,
    /// The reference of the link.
    pub reference: Option<String>,
    /// Further members: of the link, and of the form's additional fields.
    pub extra: Vec<(String, String)>,
    /// The client's address.
    pub address: String,
    /// The random number of the page's submit; the same when it is sent again.
    pub submit_id: String,
    /// All that was sent but secret and security code, to tell a repeated submit from a changed one.
    pub content: Zeroizing<Vec<u8>>,
    /// The names of the form's additional fields, in their order, once its settings are known.
    pub additional: Vec<String>,
}

impl Filled {
    /// The name that a field has towards clients.
    pub fn name_of(&self, field: Field) -> &str {
        match field {
            Field::Extra(place) => {
                self.additional.get(usize::from(place)).map_or(field.name(), String::as_str)
            }
            _ => field.name(),
        }
    }

    /// Takes the values of a form's own fields out of what was sent.
    fn claim(&mut self, settings: &Settings, rules: &FormRules) {
        self.additional = settings.additional.iter().map(|field| field.name.clone()).collect();
        for (place, name) in (0..).zip(&self.additional) {
            // Of two of a name the link's comes first, as a hidden input: the person's counts.
            if let Some((_, text)) = self.extra.iter().rfind(|(known, _)| known == name) {
                self.entry.set(Field::Extra(place), text.clone());
            }
        }
        let is_shown = |name: &str| Field::from_name(name).is_some_and(|field| rules.of(field).visible);
        self.extra.retain(|(name, _)| !self.additional.contains(name) && !is_shown(name));
    }
}

/// Why a filled form was not stored.
pub enum FillError {
    /// Fields were refused; the form is shown again, with the brands that the card leaves a choice between.
    Fields(Vec<FieldError>, Networks),
    /// The capture was refused.
    Capture(CaptureError),
}

/// A stored form: the endpoint's answer, and what callbacks may see of the request.
pub struct Filed {
    /// The answer.
    pub captured: Captured,
    /// Never the number, never the code (design.md, decision 6).
    pub request: Members,
    /// Whose card.
    pub merchant: MerchantId,
    /// Test or live.
    pub mode: Mode,
    /// The settings of the form that was filled.
    pub settings: Settings,
}

impl<E: Into<CaptureError>> From<E> for FillError {
    fn from(error: E) -> Self {
        Self::Capture(error.into())
    }
}

/// Checks and stores a filled form. A submit that was stored before is answered as it was then, whatever became
/// of its endpoint.
pub async fn file(core: &Core, facts: &FactsCache, filled: &mut Filled) -> Result<Filed, FillError> {
    let id_hash = {
        let Filled { submit_id, unique_id, secret, form, content, .. } = &*filled;
        once::digest(core, submit_id, unique_id, secret, form, content)
    };
    let error = match store(core, facts, filled, id_hash.clone()).await {
        Err(FillError::Capture(
            error @ (CaptureError::Unknown | CaptureError::Refused(Refusal::Repeated)),
        )) => error,
        filed => return filed,
    };
    let kept = match id_hash {
        Some(id_hash) => once::find(core, id_hash).await?,
        None => None,
    };
    let Some(Kept { captured, request, merchant, mode }) = kept else { return Err(error.into()) };
    let settings = forms::settings(core, &merchant, mode, &filled.form).await?;
    Ok(Filed { captured, request, merchant, mode, settings })
}

/// Form and endpoint have to belong to one merchant and mode (security rule 20).
async fn store(
    core: &Core,
    facts: &FactsCache,
    filled: &mut Filled,
    id_hash: Option<String>,
) -> Result<Filed, FillError> {
    let known = facts.prove(core, &filled.unique_id, Some(&filled.secret), &filled.address).await?;
    let settings = forms::settings(core, &known.endpoint.merchant, known.endpoint.mode, &filled.form).await?;
    let settings = settings.on(&known.endpoint);
    let rules = rules_for(&settings, known.endpoint.lock.as_ref());
    filled.claim(&settings, &rules);
    let actor = submit::actor_of(&known, &filled.address);
    let numbers = [Field::CardNumber, Field::AccountNumber];
    if known.endpoint.lock.is_some() && numbers.iter().any(|&field| !filled.entry.value(field).is_empty()) {
        // Refused whatever it is, like every other way to name a number (security rule 9).
        submit::count_refused(core, &known, &actor, true).await?;
        return Err(FillError::Capture(members::locked_number().into()));
    }
    let checked = match check(&settings, &rules, &filled.entry, core) {
        Ok(checked) => checked,
        Err(errors) => {
            let is_number = |error: &FieldError| {
                numbers.contains(&error.field) && !matches!(error.problem, Problem::Missing | Problem::Choice)
            };
            submit::count_refused(core, &known, &actor, errors.iter().any(is_number)).await?;
            return Err(FillError::Fields(errors, choice(&rules, &filled.entry)));
        }
    };
    let reference = checked.reference.clone().or_else(|| filled.reference.clone());
    let consent = settings.consent.as_ref().map(|consent| agreed(consent, checked.consent, core));
    let extra = further_members(&settings, &checked, filled);
    let mut request = visible_members(&checked, reference.as_deref(), &extra);
    if let Some(consent) = &consent {
        request.set(CONSENT, consent.copy());
    }
    let submission = Submission {
        unique_id: filled.unique_id.clone(),
        secret: Some(filled.secret.clone()),
        reference,
        body: card_members(checked, extra),
        address: filled.address.clone(),
        form: FormSwitches {
            luhn: has_check_digits(&settings, &rules),
            account: settings.kind == FormKind::Ach,
            single_use: settings.single_use,
            code_checked: true,
        },
        once: id_hash.map(|id_hash| Ticket::new(id_hash, &request)),
        consent,
    };
    let captured = submit::capture(core, facts, submission).await?;
    let (merchant, mode) = (known.endpoint.merchant.clone(), known.endpoint.mode);
    Ok(Filed { captured, request, merchant, mode, settings })
}

/// The rules of browser and server, and those that the server alone knows: names without digits, the choices of a
/// list, and which text was agreed to.
fn check(
    settings: &Settings,
    rules: &FormRules,
    entry: &Entry,
    core: &Core,
) -> Result<Checked, Vec<FieldError>> {
    let (mut errors, checked) = match shared::check(rules, entry, core.now().year_month()) {
        Ok(checked) => (Vec::new(), Some(checked)),
        Err(errors) => (errors, None),
    };
    let mut add = |field, problem| {
        if !errors.iter().any(|error| error.field == field) {
            errors.push(FieldError { field, problem });
        }
    };
    if settings.plain_names && entry.value(Field::CardHolder).chars().any(char::is_numeric) {
        add(Field::CardHolder, Problem::Characters);
    }
    for (place, field) in (0..).zip(&settings.additional) {
        let value = entry.value(Field::Extra(place));
        if !value.trim().is_empty() && !field.takes(value.trim()) {
            add(Field::Extra(place), Problem::Format);
        }
    }
    if let Some(consent) = &settings.consent {
        let value = entry.value(Field::Consent);
        // A page that was made before the text changed agreed to another one.
        if !value.is_empty() && value != consent.version {
            add(Field::Consent, Problem::Missing);
        }
    }
    errors.sort_by_key(|error| error.field.index());
    checked.filter(|_| errors.is_empty()).ok_or(errors)
}

/// What is stored of a consent: whether the box was ticked, the text beside it, and when.
fn agreed(consent: &Consent, given: bool, core: &Core) -> Value {
    let members: Members = [
        ("given".to_owned(), Value::Bool(given)),
        ("version".to_owned(), Value::text(consent.version.as_str())),
        ("text".to_owned(), Value::text(consent.text.as_str())),
        ("at".to_owned(), Value::text(core.now().rfc3339())),
    ]
    .into_iter()
    .collect();
    Value::Object(members)
}

/// The rules of a form on an endpoint: a locked endpoint takes no number, so its form shows no field for one.
pub fn rules_for(settings: &Settings, lock: Option<&Lock>) -> FormRules {
    let mut rules = settings.rules();
    if lock.is_some() {
        for field in [Field::CardNumber, Field::AccountNumber] {
            rules.set(field, shared::FieldOptions { visible: false, validate: false });
        }
    }
    rules
}

/// Whether a form can be filled at all: some field is shown, and a number where the endpoint needs one.
pub fn is_usable(rules: &FormRules, facts: Option<&Facts>) -> bool {
    let needs_number = facts.is_some_and(|facts| facts.endpoint.lock.is_none());
    rules.visible().any(|field| field != Field::Consent) && (!needs_number || rules.asks_for_number())
}

/// The members of a link that may be stored: few, short, not named like a card's own, holding no number.
pub fn usable_extra(extra: &[(String, String)]) -> Vec<(String, String)> {
    let usable = |(name, value): &&(String, String)| {
        !name.is_empty()
            && name.len() <= MAX_EXTRA_NAME
            && value.len() <= MAX_EXTRA_VALUE
            && crate::card_data::is_plain_name(name)
            && !name.eq_ignore_ascii_case(CONSENT)
            && !shared::digits::holds_card_number(value)
            && !shared::digits::holds_card_number(name)
    };
    extra.iter().filter(usable).take(MAX_EXTRA).cloned().collect()
}

/// The brands to choose between, the one that was chosen first, where the number can be read.
pub fn choice(rules: &FormRules, entry: &Entry) -> Networks {
    let number = CardNumber::parse(entry.value(Field::CardNumber), false);
    let networks = number.map_or(Networks::NONE, |number| rules.accepted.networks(number.digits()));
    if !networks.is_choice() {
        return Networks::NONE;
    }
    let chosen = entry.network.filter(|&brand| networks.has(brand));
    Networks::of(chosen.into_iter().chain(networks.iter().filter(|&brand| Some(brand) != chosen)))
}

fn has_check_digits(settings: &Settings, rules: &FormRules) -> bool {
    match settings.kind {
        FormKind::Card => !settings.disable_luhn && settings.rules().of(Field::CardNumber).validate,
        FormKind::Ach => rules.of(Field::RoutingNumber).validate,
    }
}

/// The members beside the card's own, of which later ones win: the link's, the form's extra data, its additional
/// and billing fields. What the card's own fields bring is left out whatever its name (spec A.5).
fn further_members(settings: &Settings, checked: &Checked, filled: &Filled) -> Members {
    let mut further = Members::default();
    for (name, value) in usable_extra(&filled.extra) {
        further.set(&name, Value::text(value));
    }
    // It was checked when the form was made.
    for (name, value) in Members::parse(settings.extra_data.as_bytes()).unwrap_or_default() {
        further.set(&name, value);
    }
    for (field, text) in &checked.texts {
        further.set(filled.name_of(*field), Value::text(text.as_str()));
    }
    further.retain(|name, _| match crate::card_data::meaning(name) {
        Meaning::Holder => checked.holder.is_none() || name == Field::AccountHolder.name(),
        Meaning::Expiry | Meaning::ExpiryMonth | Meaning::ExpiryYear => checked.expiry.is_none(),
        _ => true,
    });
    further
}

/// The members as the interface's own forms send them (spec A.3, A.5): the expiry in four shapes, brand, last four.
pub fn card_members(checked: Checked, mut body: Members) -> Members {
    if let Some(number) = &checked.number {
        body.set("card_number", Value::text(number.digits()));
        body.set("card_type", Value::text(number.brand().wire()));
        body.set("last_four", Value::text(number.last_four()));
        if let Some(network) = checked.network {
            body.set(NETWORK, Value::text(network.wire()));
        }
    }
    if let Some(number) = &checked.account {
        body.set("account_number", Value::text(number.digits()));
        if !number.last_four().is_empty() {
            body.set("last_four", Value::text(number.last_four()));
        }
    }
    if let Some(holder) = checked.holder {
        body.set("card_holder", Value::text(holder));
    }
    for (name, text) in expiry_members(checked.expiry) {
        body.set(name, Value::text(text));
    }
    if let Some(cvv) = &checked.cvv {
        body.set("cvv", Value::text(cvv.digits()));
    }
    body
}

fn expiry_members(expiry: Option<shared::Expiry>) -> Vec<(&'static str, String)> {
    let Some(expiry) = expiry else { return Vec::new() };
    vec![
        ("expiry", expiry.short()),
        ("expiry_year", expiry.year().to_string()),
        ("expiry_year_short", format!("{:02}", expiry.year() % 100)),
        ("expiry_month", format!("{:02}", expiry.month())),
    ]
}

fn visible_members(checked: &Checked, reference: Option<&str>, further: &Members) -> Members {
    let mut request = Members::default();
    let last_four = match (&checked.number, &checked.account) {
        (Some(number), _) => {
            request.set("card_type", Value::text(number.brand().wire()));
            if let Some(network) = checked.network {
                request.set(NETWORK, Value::text(network.wire()));
            }
            number.last_four()
        }
        (None, Some(number)) => number.last_four(),
        (None, None) => "",
    };
    if !last_four.is_empty() {
        request.set("last_four", Value::text(last_four));
    }
    if let Some(holder) = &checked.holder {
        request.set("card_holder", Value::text(holder));
    }
    for (name, text) in expiry_members(checked.expiry) {
        request.set(name, Value::text(text));
    }
    if let Some(reference) = reference {
        request.set("reference", Value::text(reference));
    }
    for (name, value) in further.iter().filter(|(name, _)| *name != Field::RoutingNumber.name()) {
        request.set(name, value.copy());
    }
    request
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_bring_plain_members_only() {
        let extra =
            [("order", "17"), ("cvv", "123"), ("number", "4"), ("note", "4111111111111111"), ("", "x")];
        let extra: Vec<_> = extra.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        assert_eq!(usable_extra(&extra), [("order".to_owned(), "17".to_owned())]);
    }

    #[test]
    fn callbacks_never_see_number_or_code() {
        let mut entry = Entry::default();
        for (field, text) in [
            (Field::CardNumber, "4111111111111111"),
            (Field::CardHolder, "Ada"),
            (Field::Expiry, "05/31"),
            (Field::Cvv, "737"),
        ] {
            entry.set(field, text.to_owned());
        }
        let today = shared::YearMonth { year: 2026, month: 11 };
        let checked = shared::check(&FormRules::default(), &entry, today).unwrap();
        let seen = visible_members(&checked, Some("r"), &Members::default()).to_json();
        assert!(!seen.contains("4111111111111111") && !seen.contains("737"));
        assert!(seen.contains("\"last_four\":\"1111\""));
    }
}
