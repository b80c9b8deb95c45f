//! The page behind a link that a merchant had sent: the form, the passcode before it, and "Link Expired".

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Redirect, Response};
use frontend::{About, Contact, Face, FormPage, LinkForm, LinkPage, Notice, form_page, link_page};
use serde_json::{Value, json};
use shared::{Brand, Entry, Field, Networks, Text, Wording};

use super::answer;
use super::filled::{FilledForm, check_same_origin};
use super::policy;
use crate::capture::forms::Settings;
use crate::capture::results::{self, Outcome};
use crate::capture::theme::Look;
use crate::capture::{CaptureError, fill, once};
use crate::crypto::secret;
use crate::http::asked::{Asked, LOCALE};
use crate::http::caller::Address;
use crate::http::error::{ApiError, Problem};
use crate::http::params::Params;
use crate::http::router::App;
use crate::languages::{self, Messages};
use crate::requests::link::About as Told;
use crate::requests::link::{self, FormView, Page, PasscodePage};
use crate::requests::passcode::{self, Asked as Passcode, Entered};
use crate::requests::submit::{self, NotTaken, Sent, SubmitError};
use crate::vault::members::NETWORK;

/// The hidden input with the ticket of a passcode.
const TICKET: &str = "ticket";

/// What a link that was sent leads to: the form, or the passcode before it.
///
/// Changes nothing, since scanners and messengers open links too.
#[utoipa::path(get, path = "/r/{code}", tag = "pages",
    params(("code" = String, Path, description = "The link's own.")),
    responses((status = 200, content_type = "text/html", description = "The page."),
        (status = 404, content_type = "text/html", description = "Unknown, over, or asked for too often: alike.")))]
pub async fn open(
    State(app): State<Arc<App>>,
    Path(code): Path<String>,
    Address(address): Address,
    asked: Asked,
    params: Params,
) -> Result<Response, ApiError> {
    let was_wrong = params.iter().any(|(name, _)| name == "wrong");
    show(&app, &Opened { code: &code, ticket: None, was_wrong, address: &address, asked: &asked }).await
}

/// `GET /r/{code}/form/{ticket}`: the form, after a passcode.
pub async fn ticket(
    State(app): State<Arc<App>>,
    Path((code, ticket)): Path<(String, String)>,
    Address(address): Address,
    asked: Asked,
) -> Result<Response, ApiError> {
    let ticket = Some(ticket.as_str());
    show(&app, &Opened { code: &code, ticket, was_wrong: false, address: &address, asked: &asked }).await
}

/// The filled form of a link, from the page's script or as a plain form.
#[utoipa::path(post, path = "/r/{code}", tag = "pages",
    params(("code" = String, Path, description = "The link's own.")),
    request_body(content = Object, description = "The page's own fields."),
    responses((status = 200, description = "JSON in, JSON out."), (status = 303, description = "The result's page."),
        (status = 400, body = Problem), (status = 403, body = Problem, description = "Not sent by the page."),
        (status = 404, body = Problem)))]
pub async fn submit(
    State(app): State<Arc<App>>,
    Path(code): Path<String>,
    Address(address): Address,
    filled: FilledForm,
) -> Result<Response, ApiError> {
    let sent = sent(code, &filled, address);
    if filled.by_script {
        return answer_script(&app, &sent).await;
    }
    Ok(Redirect::to(&answer_plain(&app, &sent).await?).into_response())
}

/// `POST /r/{code}/viewed`: the recipient has touched the form.
pub async fn viewed(
    State(app): State<Arc<App>>,
    Path(code): Path<String>,
    Address(address): Address,
    headers: HeaderMap,
) -> Result<StatusCode, ApiError> {
    check_same_origin(&headers)?;
    link::viewed(&app.core, &code, &address).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `POST /r/{code}/ask`: the recipient would like a new link. The answer tells nothing of this one.
pub async fn ask(
    State(app): State<Arc<App>>,
    Path(code): Path<String>,
    Address(address): Address,
    headers: HeaderMap,
) -> Result<Redirect, ApiError> {
    check_same_origin(&headers)?;
    link::ask(&app.core, &code, &address).await?;
    Ok(Redirect::to(&format!("/r/{}/asked", clean(&code))))
}

/// `GET /r/{code}/asked`: thanks.
pub async fn asked(State(app): State<Arc<App>>, asked: Asked) -> Response {
    let wording = asked.wording();
    let words = words(&wording);
    let step = Step { texts: vec![words.asked_text.to_owned()], ..Step::new(words.asked, wording) };
    page(&app, StatusCode::OK, step)
}

/// `POST /r/{code}/passcode`: sends a passcode. Only a person presses the button for it.
pub async fn send_passcode(
    State(app): State<Arc<App>>,
    Path(code): Path<String>,
    Address(address): Address,
    headers: HeaderMap,
) -> Result<Redirect, ApiError> {
    check_same_origin(&headers)?;
    match passcode::send(&app.core, &code, &address).await? {
        Passcode::Sent | Passcode::TooMany | Passcode::Gone => {
            Ok(Redirect::to(&format!("/r/{}", clean(&code))))
        }
    }
}

/// `POST /r/{code}/enter`: a passcode was entered.
pub async fn enter_passcode(
    State(app): State<Arc<App>>,
    Path(code): Path<String>,
    Address(address): Address,
    filled: FilledForm,
) -> Result<Redirect, ApiError> {
    let given = filled.find("passcode").unwrap_or_default();
    Ok(match passcode::enter(&app.core, &code, given, &address).await? {
        Entered::Right(ticket) => Redirect::to(&format!("/r/{}/form/{ticket}", clean(&code))),
        Entered::Wrong => Redirect::to(&format!("/r/{}?wrong", clean(&code))),
        Entered::Gone => Redirect::to(&format!("/r/{}", clean(&code))),
    })
}

/// `GET /r/{code}/result/{id}`: how a plain form ended: thanks, or the form again with what was wrong.
pub async fn result(
    State(app): State<Arc<App>>,
    Path((code, id)): Path<(String, String)>,
    Address(address): Address,
    asked: Asked,
) -> Result<Response, ApiError> {
    let opened = Opened { code: &code, ticket: None, was_wrong: false, address: &address, asked: &asked };
    let read = match results::read(&app.core, &id).await {
        Ok(read) => read,
        Err(CaptureError::Unknown) => return show(&app, &opened).await,
        Err(error) => return Err(error.into()),
    };
    let Outcome::Refused { secret, hidden, values, errors, networks, failure, .. } = read.outcome else {
        return Ok(stored(&app, &asked));
    };
    let ticket = Some(secret.as_str()).filter(|ticket| !ticket.is_empty());
    let page = link::open(&app.core, &code, ticket, &address).await?;
    let Page::Form(view) = page else { return Ok(gone(&app, &opened, false)) };
    let again = Again {
        values: values
            .into_iter()
            .filter_map(|(name, text)| Some((Field::from_name(&name)?, text)))
            .collect(),
        errors: errors
            .iter()
            .filter_map(|(field, problem)| super::result::field_error(field, problem))
            .collect(),
        networks: Some(Networks::of(networks.iter().map(|name| Brand::from_wire(name)))),
        alert: failure.map(|(_, text)| text),
        submit_id: hidden.into_iter().find(|(name, _)| name == fill::SUBMIT_ID).map(|(_, id)| id),
    };
    Ok(form(&app, &code, ticket, &view, again))
}

/// A link that was followed.
struct Opened<'o> {
    code: &'o str,
    ticket: Option<&'o str>,
    was_wrong: bool,
    address: &'o str,
    /// The language of pages that belong to no request: the browser's, so that they tell nothing of one.
    asked: &'o Asked,
}

async fn show(app: &App, opened: &Opened<'_>) -> Result<Response, ApiError> {
    let Opened { code, ticket, was_wrong, address, .. } = *opened;
    Ok(match link::open(&app.core, code, ticket, address).await? {
        Page::Gone { too_many } => gone(app, opened, too_many),
        Page::Passcode(page) => passcode_page(app, code, &page, was_wrong),
        Page::Form(view) => form(app, code, ticket, &view, Again::default()),
    })
}

/// What a refused plain form brings back.
#[derive(Default)]
struct Again {
    values: Vec<(Field, String)>,
    errors: Vec<shared::FieldError>,
    networks: Option<Networks>,
    alert: Option<String>,
    submit_id: Option<String>,
}

fn form(app: &App, code: &str, ticket: Option<&str>, view: &FormView, again: Again) -> Response {
    let nonce = answer::nonce(app);
    let wording = wording(&view.about.language);
    let action = format!("/r/{}", clean(code));
    let config = json!({ "form": "request", "beacon": format!("{action}/viewed") });
    let status = if again.errors.is_empty() && again.alert.is_none() {
        StatusCode::OK
    } else {
        StatusCode::UNPROCESSABLE_ENTITY
    };
    let page = FormPage {
        title: wording.get(Text::Title).to_owned(),
        faces: view.rules.visible().map(|field| (field, Face::of(field, &wording.texts))).collect(),
        keypad: false,
        networks: again.networks.unwrap_or(Networks::NONE),
        card_types: view.card_types.clone(),
        codes: String::new(),
        look: answer::look(&Look::default()),
        wording,
        rules: view.rules,
        action,
        config: answer::for_script(&config),
        hidden: hidden(app, ticket, again.submit_id),
        values: again.values,
        errors: again.errors,
        alert: again.alert,
        needs_fragment: false,
        css: Some(view.css.clone()).filter(|css| !css.is_empty()),
        languages: None,
        about: Some(about(&view.about)),
        payment: None,
        nonce: nonce.clone(),
        assets: app.page_assets.clone(),
    };
    answer::html(status, form_page(&page), &policy::link_page(&nonce))
}

/// The number of the page's submit, and the ticket that opened it.
fn hidden(app: &App, ticket: Option<&str>, submit_id: Option<String>) -> Vec<(String, String)> {
    let submit_id = submit_id.unwrap_or_else(|| secret::generate_id(&*app.core.entropy));
    let ticket = ticket.map(|ticket| (TICKET.to_owned(), ticket.to_owned()));
    std::iter::once((fill::SUBMIT_ID.to_owned(), submit_id)).chain(ticket).collect()
}

fn passcode_page(app: &App, code: &str, page_of: &PasscodePage, was_wrong: bool) -> Response {
    let wording = wording(&page_of.about.language);
    let words = words(&wording);
    let at = |path: &str| format!("/r/{}/{path}", clean(code));
    let mut forms = Vec::new();
    if page_of.waits {
        let field = Some(("passcode".to_owned(), words.code_label.to_owned()));
        forms.push(LinkForm { action: at("enter"), button: wording.get(Text::Continue).to_owned(), field });
    }
    if page_of.can_send {
        let button = if page_of.waits { words.code_again } else { words.code_send };
        forms.push(LinkForm { action: at("passcode"), button: button.to_owned(), field: None });
    }
    let over = (!page_of.can_send && !page_of.waits).then(|| words.code_over.to_owned());
    let step = Step {
        texts: vec![words.code_text.replace("{}", &page_of.phone)],
        alert: over.or_else(|| was_wrong.then(|| words.code_wrong.to_owned())),
        about: Some(about(&page_of.about)),
        forms,
        ..Step::new(words.code, wording)
    };
    page(app, StatusCode::OK, step)
}

/// The page for everything that is not there, or not any more: one page, whatever the reason.
fn gone(app: &App, opened: &Opened<'_>, too_many: bool) -> Response {
    let wording = opened.asked.wording();
    let words = words(&wording);
    let action = format!("/r/{}/ask", clean(opened.code));
    let ask = LinkForm { action, button: words.ask.to_owned(), field: None };
    let status = if too_many { StatusCode::TOO_MANY_REQUESTS } else { StatusCode::NOT_FOUND };
    let step = Step {
        texts: vec![words.expired_text.to_owned()],
        forms: vec![ask],
        ..Step::new(words.expired, wording)
    };
    page(app, status, step)
}

/// The texts of a request's language.
fn wording(language: &str) -> Wording {
    Asked { locale: Some(language.to_owned()), accept: None }.wording()
}

/// The words for card requests that go with texts.
fn words(wording: &Wording) -> &'static Messages {
    languages::messages(&wording.lang)
}

/// Thanks. It holds nothing of what was stored; its address names the request's language.
fn stored(app: &App, asked: &Asked) -> Response {
    answer::notice(app, StatusCode::OK, Notice::Success, &Settings::default(), asked.wording(), None)
}

/// A page in the form's place.
struct Step {
    heading: &'static str,
    wording: Wording,
    texts: Vec<String>,
    alert: Option<String>,
    about: Option<About>,
    forms: Vec<LinkForm>,
}

impl Step {
    fn new(heading: &'static str, wording: Wording) -> Self {
        Self { heading, wording, texts: Vec::new(), alert: None, about: None, forms: Vec::new() }
    }
}

fn page(app: &App, status: StatusCode, step: Step) -> Response {
    let nonce = answer::nonce(app);
    let page = LinkPage {
        heading: step.heading.to_owned(),
        wording: step.wording,
        texts: step.texts,
        alert: step.alert,
        about: step.about,
        forms: step.forms,
        look: answer::look(&Look::default()),
        nonce: nonce.clone(),
    };
    answer::html(status, link_page(&page), &policy::link_page(&nonce))
}

fn about(told: &Told) -> About {
    let words = languages::messages(&told.language);
    let facts = [(words.from, &told.merchant), (words.amount, &told.amount), (words.card, &told.card)];
    let support = &told.support;
    let link = support
        .link
        .clone()
        .map(|href| Contact { text: support.link_text.clone().unwrap_or_else(|| href.clone()), href });
    let email = support.email.clone().map(|email| Contact { href: format!("mailto:{email}"), text: email });
    let phone = support.phone.clone().map(|phone| {
        let digits: String = phone.chars().filter(|c| c.is_ascii_digit() || *c == '+').collect();
        Contact { href: format!("tel:{digits}"), text: phone }
    });
    About {
        facts: facts
            .into_iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(label, value)| (label.to_owned(), value.clone()))
            .collect(),
        header: told.header.clone(),
        footer: told.footer.clone(),
        questions: words.questions.to_owned(),
        contacts: [phone, email, link].into_iter().flatten().collect(),
    }
}

/// A code as it may stand in an address of ours: whatever was sent, nothing but its own alphabet.
fn clean(code: &str) -> String {
    code.chars().filter(char::is_ascii_alphanumeric).take(64).collect()
}

fn sent(code: String, filled: &FilledForm, address: String) -> Sent {
    let mut sent = Sent {
        code,
        ticket: None,
        entry: Entry::default(),
        address,
        submit_id: filled.find(fill::SUBMIT_ID).unwrap_or_default().to_owned(),
        content: filled.content(),
    };
    for (name, text) in filled.iter() {
        if name == TICKET {
            sent.ticket = Some(text.to_owned()).filter(|text| !text.is_empty());
        } else if name == NETWORK {
            sent.entry.network = Some(Brand::from_wire(text));
        } else if let Some(field) = Field::from_name(name) {
            sent.entry.set(field, text.to_owned());
        }
    }
    sent
}

/// For the page's script: what the endpoint's form gets, without anything of the card.
async fn answer_script(app: &App, sent: &Sent) -> Result<Response, ApiError> {
    match submit::submit(&app.core, sent).await {
        Ok(()) => {
            let done = json!({ "response": {}, "request": {}, "next": Value::Null, "fallback": Value::Null });
            Ok(axum::Json(done).into_response())
        }
        Err(SubmitError::Fields(errors, _)) => {
            Err(super::submitted::field_errors(&errors, Field::name).into())
        }
        Err(SubmitError::Form(why)) => {
            let detail = said(why, languages::ENGLISH);
            Err(ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "refused", detail))
        }
        Err(SubmitError::Gone | SubmitError::Passcode) => Err(ApiError::not_found()),
        Err(SubmitError::Failed(error)) => Err(error.into()),
    }
}

/// For the plain form: the address of the page that comes next.
async fn answer_plain(app: &App, sent: &Sent) -> Result<String, ApiError> {
    let at = format!("/r/{}", clean(&sent.code));
    let submitted = submit::submit(&app.core, sent).await;
    let Some(owner) = link::owner(&app.core, &sent.code).await? else { return Ok(at) };
    let outcome = match submitted {
        Ok(()) => kept(Vec::new(), Networks::NONE, None, sent, true),
        Err(SubmitError::Fields(errors, networks)) => {
            let errors = errors.iter().map(|e| (e.field.name().to_owned(), e.problem.code().to_owned()));
            kept(errors.collect(), networks, None, sent, false)
        }
        Err(SubmitError::Form(why)) => {
            let failure = Some((422, said(why, &owner.language)));
            kept(Vec::new(), Networks::NONE, failure, sent, false)
        }
        Err(SubmitError::Gone | SubmitError::Passcode) => return Ok(at),
        Err(SubmitError::Failed(error)) => return Err(error.into()),
    };
    let id = results::keep(&app.core, &owner.merchant, owner.mode, &outcome).await?;
    Ok(format!("{at}/result/{id}?{LOCALE}={}", wording(&owner.language).lang))
}

/// A refusal as a whole, in words for its reader.
fn said(why: NotTaken, language: &str) -> String {
    match why {
        NotTaken::NoCard => languages::messages(language).no_card.to_owned(),
        NotTaken::Values => wording(language).get(Text::AlertRefused).to_owned(),
    }
}

fn kept(
    errors: Vec<(String, String)>,
    networks: Networks,
    failure: Option<(u16, String)>,
    sent: &Sent,
    is_stored: bool,
) -> Outcome {
    let (form, unique_id) = ("request".to_owned(), String::new());
    if is_stored {
        let (response, request) = (json!({}), json!({}));
        return Outcome::Stored { form, unique_id, response, request, fallback: None };
    }
    let keeps = [Field::CardHolder, Field::Expiry];
    Outcome::Refused {
        form,
        unique_id,
        secret: sent.ticket.clone().unwrap_or_default(),
        // It may have been stored, if the failure was ours: the next try is the same submit.
        hidden: Some(sent.submit_id.clone())
            .filter(|id| once::is_id(id))
            .map(|id| (fill::SUBMIT_ID.to_owned(), id))
            .into_iter()
            .collect(),
        values: keeps
            .iter()
            .map(|field| (field.name().to_owned(), sent.entry.value(*field).to_owned()))
            .filter(|(_, text)| !shared::digits::holds_card_number(text))
            .collect(),
        errors,
        networks: networks.iter().map(|brand| brand.wire().to_owned()).collect(),
        failure,
    }
}
