//! What a payment's page shows, and in which words.

use axum::http::StatusCode;
use axum::response::Response;
use frontend::{
    Bill, Face, FormPage, KeptCard, Payment, PaymentPage, PaymentState, Step, form_page, payment_page,
};
use serde_json::{Value, json};
use shared::{Brand, Field, FieldError, Networks, Text, Wording};
use url::Url;

use super::sent::{self, ATTEMPT, BROWSER, PAY_BY, STORED};
use super::{CARD, address, refresh};
use crate::capture::forms::Settings;
use crate::gateways::Challenge;
use crate::http::asked::{Asked, LOCALE};
use crate::http::pages::language::{Locale, choices};
use crate::http::pages::{answer, form, policy};
use crate::http::router::App;
use crate::invoices::details::CardFacts;
use crate::invoices::page::{Facts, Standing};
use crate::languages;
use crate::model::{Flow, InvoiceStatus, Mode};

/// So many seconds a page waits before it looks again.
const LOOK_AGAIN: u8 = 2;

/// A page on its way to somebody.
pub struct View<'v> {
    pub app: &'v App,
    /// The page's name in its address.
    pub page: &'v str,
    pub facts: &'v Facts,
    /// Those of the form that the invoice names.
    pub settings: &'v Settings,
    pub asked: &'v Asked,
    /// Whether the payer has just paid, and is sent on by the page itself.
    pub goes_on: bool,
}

/// What a refused plain form brings back.
pub struct Again {
    pub values: Vec<(Field, String)>,
    pub errors: Vec<FieldError>,
    pub networks: Networks,
    /// The status of a refusal as a whole.
    pub failure: Option<u16>,
}

impl Default for Again {
    fn default() -> Self {
        Self { values: Vec::new(), errors: Vec::new(), networks: Networks::NONE, failure: None }
    }
}

/// The page for everything that is not there, and tells nothing.
pub fn gone(app: &App, asked: &Asked) -> Response {
    let settings = Settings::default();
    let draft = Draft { state: PaymentState::Gone, ..Draft::of(None) };
    draft.answer(app, &settings, StatusCode::NOT_FOUND, asked.wording())
}

impl View<'_> {
    /// The page as the invoice stands. `new_card` asks for a card beside the stored one.
    pub fn show(&self, new_card: bool, again: Again) -> Response {
        match &self.facts.standing {
            Standing::Open => self.form(new_card, again),
            Standing::AtIssuer(challenge) => self.issuer(challenge),
            Standing::Waiting => self.waiting(),
            Standing::Paid if self.facts.flow == Flow::Verify => self.ended(PaymentState::Checked),
            Standing::Paid => self.ended(PaymentState::Paid),
            Standing::Over(InvoiceStatus::ProcessFailed | InvoiceStatus::VerifyFailed) => {
                let many = self.facts.attempts_left == 0;
                self.ended(if many { PaymentState::TooMany } else { PaymentState::Declined })
            }
            Standing::Over(_) => self.ended(PaymentState::Gone),
        }
    }

    /// An address of this payment's pages, in the language that was asked for.
    pub fn address(&self, path: &str) -> String {
        Locale::of(self.asked.locale.as_deref()).page(&address(self.page, path))
    }

    /// The shop's address that the payer goes to now.
    pub fn back(&self) -> Option<String> {
        let url = Url::parse(self.facts.return_url.as_deref()?).ok()?;
        matches!(url.scheme(), "https" | "http").then(|| url.to_string())
    }

    fn wording(&self) -> Wording {
        let wording = self.settings.wording(self.asked);
        let pay = match self.facts.flow {
            Flow::Verify => wording.get(Text::PayCheck).to_owned(),
            _ => wording.get(Text::Pay).replace("{amount}", &self.amount(&wording)),
        };
        let instead = [
            (Text::Submit, pay.as_str()),
            (Text::Submitting, wording.get(Text::Paying)),
            (Text::Saved, wording.get(Text::PayWaits)),
            (Text::SavedText, wording.get(Text::PayWaitsText)),
            (Text::AlertFailed, wording.get(Text::PayFailed)),
            (Text::AlertRefused, wording.get(Text::PayRefused)),
        ];
        let texts = wording.texts.with(instead);
        Wording { texts, ..wording }
    }

    fn amount(&self, wording: &Wording) -> String {
        let (amount, currency) = (self.facts.amount.to_string(), self.facts.amount.currency().code());
        languages::money(&wording.lang, &amount, currency).unwrap_or_else(|| format!("{amount} {currency}"))
    }

    fn bill(&self, wording: &Wording) -> Bill {
        Bill {
            payee: self.facts.merchant_name.clone(),
            amount: self.amount(wording),
            purpose: self.facts.description.clone().unwrap_or_default(),
            is_test: self.facts.mode == Mode::Test,
        }
    }

    fn form(&self, new_card: bool, again: Again) -> Response {
        let nonce = answer::nonce(self.app);
        let wording = self.wording();
        let stored = self.facts.stored.as_ref().filter(|_| !new_card);
        let rules = sent::rules(self.app, self.facts, stored.is_some());
        let refused = again.failure.or_else(|| self.facts.last_refusal.as_ref().map(|_| 422));
        let status = if again.errors.is_empty() && refused.is_none() {
            StatusCode::OK
        } else {
            StatusCode::UNPROCESSABLE_ENTITY
        };
        let failure = refused.map(|status| json!({ "code": status, "status": status, "data": Value::Null }));
        let settings = self.settings;
        let query = new_card.then(|| (CARD.0.to_owned(), CARD.1.to_owned())).into_iter().collect();
        let mut values = again.values;
        if values.is_empty() && !self.facts.payer_name.is_empty() {
            values.push((Field::CardHolder, self.facts.payer_name.clone()));
        }
        let page = FormPage {
            title: format!("{} - {}", wording.get(Text::Submit), self.facts.merchant_name),
            languages: choices(settings, query, &wording),
            faces: rules.visible().map(|field| (field, face(settings, field, &wording))).collect(),
            rules,
            action: address(self.page, ""),
            hidden: self.hidden(stored.is_some(), &wording),
            values,
            keypad: false,
            errors: again.errors,
            networks: again.networks,
            card_types: Vec::new(),
            codes: String::new(),
            alert: refused.map(|status| wording.get(alert(status)).to_owned()),
            needs_fragment: false,
            config: answer::for_script(&json!({
                "form": "payment",
                "payment": true,
                "allowed_origins": settings.allowed_origins,
                "failure": failure,
            })),
            look: answer::look(&settings.look),
            css: css(settings),
            about: None,
            payment: Some(Payment {
                bill: self.bill(&wording),
                card: stored.map(kept_card),
                other: self.other(new_card),
            }),
            wording,
            nonce: nonce.clone(),
            assets: self.app.page_assets.clone(),
        };
        answer::html(status, form_page(&page), &policy::payment_page(&nonce, settings, None))
    }

    /// The page with a form for a card leads to the one with the stored card, and back.
    fn other(&self, new_card: bool) -> Option<(String, Text)> {
        self.facts.stored.as_ref()?;
        let here = self.address("");
        let joint = if here.contains('?') { '&' } else { '?' };
        Some(if new_card {
            (here, Text::PayStored)
        } else {
            (format!("{here}{joint}{}={}", CARD.0, CARD.1), Text::PayAnother)
        })
    }

    fn hidden(&self, stored: bool, wording: &Wording) -> Vec<(String, String)> {
        let mut hidden = vec![(ATTEMPT.to_owned(), self.facts.attempts_left.to_string())];
        if stored {
            hidden.push((PAY_BY.to_owned(), STORED.to_owned()));
        }
        if self.asked.locale.is_some() {
            hidden.push((LOCALE.to_owned(), wording.lang.clone()));
        }
        hidden.extend(BROWSER.iter().map(|name| ((*name).to_owned(), String::new())));
        hidden
    }

    /// The way to the issuer, as the gateway wants it gone. Who comes back by the browser's button, or opens the page
    /// once more, can leave it.
    fn issuer(&self, challenge: &Challenge) -> Response {
        let wording = self.wording();
        let Some((step, origin)) = to_issuer(challenge) else { return self.waiting() };
        let locale = self.asked.locale.as_ref().map(|_| (LOCALE.to_owned(), wording.lang.clone()));
        let another = Step {
            id: None,
            action: address(self.page, "/another"),
            params: Some(locale.into_iter().collect()),
            button: Text::PayAnother,
            is_second: true,
        };
        let draft = Draft {
            state: PaymentState::Bank,
            steps: vec![step, another],
            issuer: origin,
            goes_on: self.goes_on,
            ..Draft::of(Some(self.bill(&wording)))
        };
        draft.answer(self.app, self.settings, StatusCode::OK, wording)
    }

    fn waiting(&self) -> Response {
        let mut response = self.ended(PaymentState::Waits);
        refresh(&mut response, LOOK_AGAIN, &self.address("/done"));
        response
    }

    fn ended(&self, state: PaymentState) -> Response {
        let wording = self.wording();
        let draft = Draft { state, back: self.back(), ..Draft::of(Some(self.bill(&wording))) };
        draft.answer(self.app, self.settings, StatusCode::OK, wording)
    }
}

/// A page in the form's place.
struct Draft {
    bill: Option<Bill>,
    state: PaymentState,
    back: Option<String>,
    steps: Vec<Step>,
    /// The issuer's origin, where a form leads to it.
    issuer: Option<String>,
    /// Whether the page's script sends the payer to the issuer.
    goes_on: bool,
}

impl Draft {
    fn of(bill: Option<Bill>) -> Self {
        let state = PaymentState::Waits;
        Self { bill, state, back: None, steps: Vec::new(), issuer: None, goes_on: false }
    }

    fn answer(self, app: &App, settings: &Settings, status: StatusCode, wording: Wording) -> Response {
        let nonce = answer::nonce(app);
        let is_good = matches!(self.state, PaymentState::Paid | PaymentState::Checked);
        let is_over = matches!(self.state, PaymentState::Declined | PaymentState::TooMany);
        let config = json!({
            "form": "payment",
            "payment": true,
            "allowed_origins": settings.allowed_origins,
            "to_issuer": self.goes_on,
            "ended": self.state == PaymentState::Gone,
            "result": is_good.then(|| json!({ "response": {}, "request": {} })),
            "failure": is_over.then(|| json!({ "code": 422, "status": 422, "data": Value::Null })),
        });
        let page = PaymentPage {
            wording,
            bill: self.bill,
            state: self.state,
            back: self.back,
            steps: self.steps,
            look: answer::look(&settings.look),
            css: css(settings),
            config: answer::for_script(&config),
            nonce: nonce.clone(),
            page_js: app.page_assets.page_js.clone(),
        };
        let policy = policy::payment_page(&nonce, settings, self.issuer.as_deref());
        answer::html(status, payment_page(&page), &policy)
    }
}

/// The step to the issuer, and the origin that a form leads to. An address that is to be gone to by `GET` is a link: it
/// may lead on to other sites, which the policy of a form could not name. `None` for what is no web address.
fn to_issuer(challenge: &Challenge) -> Option<(Step, Option<String>)> {
    let mut url =
        Url::parse(&challenge.action).ok().filter(|url| matches!(url.scheme(), "https" | "http"))?;
    let step = |action, params| Step {
        id: Some("cardamom-issuer"),
        action,
        params,
        button: Text::Continue,
        is_second: false,
    };
    if !challenge.method.eq_ignore_ascii_case("GET") {
        let origin = url.origin().ascii_serialization();
        return Some((step(challenge.action.clone(), Some(challenge.params.clone())), Some(origin)));
    }
    if !challenge.params.is_empty() {
        url.query_pairs_mut().extend_pairs(&challenge.params);
    }
    Some((step(url.into(), None), None))
}

fn css(settings: &Settings) -> Option<String> {
    Some(settings.css.clone()).filter(|css| !css.is_empty())
}

fn face(settings: &Settings, field: Field, wording: &Wording) -> Face {
    let mut face = form::face(settings, field, wording);
    if field == Field::Consent {
        face.label = Some(wording.get(Text::PaySave).to_owned());
        face.value = Some("yes".to_owned());
    }
    face
}

fn kept_card(card: &CardFacts) -> KeptCard {
    let (year, month) = card.expiry;
    let until = if month == 0 { String::new() } else { format!("{month:02} / {:02}", year % 100) };
    KeptCard { brand: Brand::from_wire(&card.brand), last: card.last.clone(), until }
}

/// What the payer reads of a refusal as a whole; the same as the page's script says.
const fn alert(status: u16) -> Text {
    match status {
        429 => Text::AlertBusy,
        500.. => Text::AlertFailed,
        _ => Text::AlertRefused,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn challenge(method: &str, action: &str) -> Challenge {
        Challenge {
            method: method.to_owned(),
            action: action.to_owned(),
            params: vec![("a".to_owned(), "1 & 2".to_owned()), ("b".to_owned(), "=".to_owned())],
            reference: String::new(),
        }
    }

    #[test]
    fn an_issuer_is_a_web_address_and_nothing_else_of_it_is_allowed() {
        for (action, origin) in [
            ("https://acs.example/a;b?c", "https://acs.example"),
            ("http://127.0.0.1:8080/x", "http://127.0.0.1:8080"),
        ] {
            let (step, allowed) = to_issuer(&challenge("POST", action)).unwrap();
            assert_eq!((step.action.as_str(), allowed.as_deref()), (action, Some(origin)));
            assert_eq!(step.params.unwrap().len(), 2);
        }
        for none in ["javascript:alert(1)", "data:text/html,x", "/relative", ""] {
            assert!(
                ["GET", "POST"].into_iter().all(|method| to_issuer(&challenge(method, none)).is_none()),
                "{none}"
            );
        }
    }

    #[test]
    fn an_issuer_that_is_gone_to_by_get_is_a_link() {
        let (step, allowed) = to_issuer(&challenge("get", "https://acs.example/go")).unwrap();
        assert_eq!((step.params, allowed), (None, None));
        assert_eq!(step.action, "https://acs.example/go?a=1+%26+2&b=%3D");
        let none = Challenge { params: Vec::new(), ..challenge("GET", "https://acs.example/go?c=1") };
        assert_eq!(to_issuer(&none).unwrap().0.action, "https://acs.example/go?c=1");
    }
}
