//! A filled payment page on its way to the invoice: read, and checked again by the page's own rules.

use axum::http::{HeaderMap, HeaderName, header};
use shared::{Brand, Checked, Entry, Field, FieldError, FieldOptions, FormRules, Networks};
use zeroize::Zeroizing;

use super::{CARD, place};
use crate::capture::results::Outcome;
use crate::http::error::ApiError;
use crate::http::pages::filled::FilledForm;
use crate::http::router::App;
use crate::invoices::InvoiceError;
use crate::invoices::page::{self, Facts, Sent, Standing};
use crate::invoices::pay::By;
use crate::model::{Mode, PageId};
use crate::operations::GivenCard;
use crate::vault::members::NETWORK;

/// The hidden input that says by what is paid, and its value for the stored card.
pub const PAY_BY: &str = "pay_by";
pub const STORED: &str = "stored";
/// The hidden input with the attempts that were left when the page was shown.
pub const ATTEMPT: &str = "attempts_left";
/// Hidden inputs that the page's script fills, by the names of `browser_info` (spec B.5).
pub const BROWSER: [&str; 8] = [
    "browser_color_depth",
    "browser_java_enabled",
    "browser_language",
    "browser_screen_height",
    "browser_screen_width",
    "browser_tz",
    "window_height",
    "window_width",
];
/// What the browser says by itself, under the same names.
const BY_HEADER: [(&str, HeaderName); 2] =
    [("browser_accept_header", header::ACCEPT), ("browser_user_agent", header::USER_AGENT)];
/// Longer facts are left out.
const LONGEST: usize = 256;

/// A filled page.
pub struct Filled {
    entry: Entry,
    stored: bool,
    attempts_left: Option<u32>,
    browser: Vec<(String, String)>,
    address: String,
}

/// Why a filled page was not tried.
pub enum Ended {
    /// Fields were refused; the form is shown again, with the brands that the card leaves a choice between.
    Fields(Vec<FieldError>, Networks),
    /// It was refused as a whole, or the server failed.
    Failed(ApiError),
}

impl<E: Into<ApiError>> From<E> for Ended {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

/// The fields of a page, and how they are checked. The codes of test cards' results lie in expiries of all times.
pub fn rules(app: &App, facts: &Facts, stored: bool) -> FormRules {
    let mut rules = if stored { FormRules::hidden() } else { FormRules::default() };
    if stored && app.core.policy.ask_stored_cvv {
        rules.set(Field::Cvv, FieldOptions { visible: true, validate: true });
    }
    if !stored && facts.offers_to_keep {
        rules.set(Field::Consent, FieldOptions { visible: true, validate: false });
    }
    rules.any_expiry = facts.mode == Mode::Test;
    rules
}

/// Pays as the page says. `Ok` says that the page tells how it stands now: it was tried; or the page was an old one,
/// or a second of two that came at once, and nothing was done.
pub async fn pay(app: &App, page: &PageId, filled: Filled) -> Result<(), Ended> {
    let facts = match page::facts(&app.core, page).await {
        Ok(facts) => facts,
        Err(InvoiceError::Unknown) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    if facts.standing != Standing::Open {
        return Ok(());
    }
    let stored = filled.stored && facts.stored.is_some();
    if filled.stored && !stored {
        return Ok(());
    }
    let rules = rules(app, &facts, stored);
    let checked = shared::check(&rules, &filled.entry, app.core.now().year_month()).map_err(|errors| {
        let networks = rules.accepted.networks(filled.entry.value(Field::CardNumber));
        Ended::Fields(errors, networks)
    })?;
    let by = if stored { By::Stored { cvv: checked.cvv } } else { typed(checked)? };
    let attempts_left = filled.attempts_left;
    let sent = Sent { by, address: filled.address, browser: filled.browser, attempts_left };
    match page::submit(&app.core, &app.operations, place(app), page, sent).await {
        Ok(_) | Err(InvoiceError::Busy | InvoiceError::State(_)) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn typed(checked: Checked) -> Result<By, Ended> {
    let (Some(number), Some(expiry)) = (checked.number, checked.expiry) else {
        return Err(Ended::Failed(ApiError::not_found()));
    };
    let holder = Zeroizing::new(checked.holder.unwrap_or_default());
    let card = GivenCard { number, expiry, holder, cvv: checked.cvv };
    Ok(By::Card { card, keep: checked.consent })
}

impl Filled {
    /// Of what a page sent, and of what its browser says of itself.
    pub fn of(form: &FilledForm, headers: &HeaderMap, address: String) -> Self {
        let mut filled = Self {
            entry: Entry::default(),
            stored: false,
            attempts_left: None,
            browser: Vec::new(),
            address,
        };
        for (name, header) in BY_HEADER {
            filled.note(name, headers.get(header).and_then(|value| value.to_str().ok()).unwrap_or_default());
        }
        for (name, text) in form.iter() {
            match name {
                PAY_BY => filled.stored = text == STORED,
                ATTEMPT => filled.attempts_left = text.parse().ok(),
                NETWORK => filled.entry.network = Some(Brand::from_wire(text)),
                _ if BROWSER.contains(&name) => filled.note(name, text),
                _ => {
                    if let Some(field) = Field::from_name(name) {
                        filled.entry.set(field, text.to_owned());
                    }
                }
            }
        }
        let ip = filled.address.clone();
        filled.note("browser_ip", &ip);
        filled.note("device_channel", "02");
        filled
    }

    /// A number that strayed into a fact about the browser goes no further.
    fn note(&mut self, name: &str, text: &str) {
        if !text.is_empty() && text.len() <= LONGEST && !shared::digits::holds_card_number(text) {
            self.browser.push((name.to_owned(), text.to_owned()));
        }
    }

    /// What the page shows again if it is refused: nothing of the number or the code.
    pub fn kept(&self) -> Kept {
        let keeps = [Field::CardHolder, Field::Expiry];
        let values = keeps.map(|field| (field.name().to_owned(), self.entry.value(field).to_owned()));
        let usable = |(_, text): &(String, String)| !shared::digits::holds_card_number(text);
        Kept { new_card: !self.stored, values: values.into_iter().filter(usable).collect() }
    }
}

/// What a refused form shows again.
pub struct Kept {
    new_card: bool,
    values: Vec<(String, String)>,
}

impl Kept {
    /// Kept for the page that follows.
    pub fn refused(self, errors: &[FieldError], networks: Networks, failure: Option<u16>) -> Outcome {
        Outcome::Refused {
            form: "payment".to_owned(),
            unique_id: String::new(),
            secret: if self.new_card { CARD.1.to_owned() } else { String::new() },
            hidden: Vec::new(),
            values: self.values,
            errors: errors.iter().map(|e| (e.field.name().to_owned(), e.problem.code().to_owned())).collect(),
            networks: networks.iter().map(|brand| brand.wire().to_owned()).collect(),
            failure: failure.map(|status| (status, String::new())),
        }
    }
}
