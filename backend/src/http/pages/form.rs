//! The hosted form's page: shown with the endpoint's secret in the query or in the fragment, filled by a plain
//! POST or by the page's own script.

use std::sync::Arc;

use axum::extract::{FromRequestParts, Path, Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use frontend::{Face, FormPage, Notice, form_page};
use shared::{Field, FormKind, FormRules, Networks, Text, Wording, YearMonth};

use super::answer::{self, Config};
use super::filled::FilledForm;
use super::language::{Locale, choices, usable_query};
use super::{expiry, policy, submitted};
use crate::capture::custom::{self, Custom};
use crate::capture::fill::{self};
use crate::capture::forms::{self, Messages, Settings};
use crate::capture::{CaptureError, endpoints, facts::Facts};
use crate::crypto::secret;
use crate::http::asked::{Asked, LOCALE};
use crate::http::caller::{Address, Merchant, has_credentials};
use crate::http::error::ApiError;
use crate::http::params::Params;
use crate::http::router::App;
use crate::http::v1;
use crate::model::{CaptureEndpoint, Refusal};

/// Parameters of the card request interface's form, in any case (spec B.3). The origins are the form's own: an
/// address may not name others.
const BY_MESSAGE: &str = "submitWithPostMessage";
const ASKS_AROUND: &str = "useCustomValidation";
const OTHERS: [&str; 3] = [BY_MESSAGE, "postMessageHost", ASKS_AROUND];

/// `GET /v1/capture/iframe/{form}`: with Basic auth the configuration, otherwise the page.
#[utoipa::path(get, path = "/v1/capture/iframe/{form}", tag = "forms",
    params(("form" = String, Path, description = "The form's id; `pcd` is the standard form."),
        ("unique_id" = Option<String>, Query, description = "The endpoint's name."),
        ("secret" = Option<String>, Query, description = "The endpoint's secret; better as `#secret=…` behind the address."),
        ("reference" = Option<String>, Query, description = "The reference of the captured card."),
        ("title" = Option<String>, Query, description = "The page's title."),
        ("locale" = Option<String>, Query, description = "The page's language, such as `de`; before the form's own and the browser's.")),
    responses((status = 200, content_type = "text/html", description = "The page; with credentials the form's settings as JSON."),
        (status = 404, description = "Nothing is there, or not any more.")))]
pub async fn open(
    State(app): State<Arc<App>>,
    Path(form): Path<String>,
    Address(address): Address,
    params: Params,
    asked: Asked,
    request: Request,
) -> Result<Response, ApiError> {
    if has_credentials(request.headers()) {
        let (mut parts, _) = request.into_parts();
        let merchant = Merchant::from_request_parts(&mut parts, &app).await?;
        return Ok(v1::form::show(&app, &merchant, &form).await?.into_response());
    }
    let opened = Opened { form: &form, params: &params, asked: &asked, query: usable_query(&params) };
    Ok(match params.find("secret") {
        Some(secret) => with_secret(&app, &opened, secret, &address).await?,
        None => without_secret(&app, &opened).await?,
    })
}

/// `POST /v1/capture/iframe/{form}`: the plain form, answered by a redirect to a page of ours; or the page's
/// script with JSON, answered in JSON.
#[utoipa::path(post, path = "/v1/capture/iframe/{form}", tag = "forms",
    params(("form" = String, Path, description = "The form's id.")),
    request_body(content = Object, description = "The page's own fields."),
    responses((status = 200, description = "JSON in, JSON out: `response`, `request`, `next`."),
        (status = 303, description = "The result's page."), (status = 400, body = crate::http::error::Problem),
        (status = 403, body = crate::http::error::Problem), (status = 404, body = crate::http::error::Problem)))]
pub async fn submit(
    State(app): State<Arc<App>>,
    Path(form): Path<String>,
    Address(address): Address,
    headers: HeaderMap,
    sent: FilledForm,
) -> Result<Response, ApiError> {
    let locale = Locale::of(sent.find(LOCALE));
    let mut filled = submitted::filled(form, &sent, address);
    if sent.by_script {
        filled.secret = v1::capture::secret(&headers).unwrap_or_default();
        return Ok(submitted::answer_script(&app, &mut filled, &locale).await?.into_response());
    }
    let target = submitted::answer_plain(&app, &mut filled, &locale).await?;
    let mut response = Redirect::to(&target).into_response();
    answer::complete(&mut response);
    Ok(response)
}

/// What a link to a page brings.
pub struct Opened<'a> {
    /// The form's id.
    pub form: &'a str,
    /// The query.
    pub params: &'a Params,
    /// The language.
    pub asked: &'a Asked,
    /// What else the page's address has when it is opened in another language.
    pub query: Vec<(String, String)>,
}

async fn with_secret(
    app: &App,
    opened: &Opened<'_>,
    secret: &str,
    address: &str,
) -> Result<Response, ApiError> {
    let unique_id = opened.params.find("unique_id").unwrap_or_default();
    let facts = match app.facts.prove(&app.core, unique_id, Some(secret), address).await {
        Ok(facts) => facts,
        Err(CaptureError::Unknown) => return Ok(answer::gone(app, opened.asked.wording())),
        Err(error) => return Err(error.into()),
    };
    let endpoint = &facts.endpoint;
    let settings = match forms::settings(&app.core, &endpoint.merchant, endpoint.mode, opened.form).await {
        Ok(settings) => settings.on(endpoint),
        Err(CaptureError::Unknown) => {
            let found = custom::find(&app.core, &endpoint.merchant, endpoint.mode, opened.form).await;
            // Where the endpoint has ended, the form's scripts could only fail.
            let usable = is_usable(app, endpoint, false).await?;
            return custom_page(app, opened, if usable { found } else { Err(CaptureError::Unknown) });
        }
        Err(error) => return Err(error.into()),
    };
    if !is_usable(app, endpoint, settings.single_use).await? {
        let wording = settings.wording(opened.asked);
        return Ok(answer::ended(app, &settings, wording));
    }
    let rules = fill::rules_for(&settings, endpoint.lock.as_ref());
    Ok(show(app, opened, &settings, rules, Some(&facts)))
}

/// The secret is in the fragment, which no server sees: the page is the same for every endpoint, so that it
/// tells nothing about any.
async fn without_secret(app: &App, opened: &Opened<'_>) -> Result<Response, ApiError> {
    let settings = if let Some(kind) = FormKind::from_name(opened.form) {
        Settings::of_kind(kind)
    } else {
        match forms::settings_by_secret_name(&app.core, opened.form).await {
            Ok(settings) => settings,
            Err(CaptureError::Unknown) => {
                let found = custom::find_by_secret_name(&app.core, opened.form).await;
                return custom_page(app, opened, found);
            }
            Err(error) => return Err(error.into()),
        }
    };
    let rules = settings.rules();
    Ok(show(app, opened, &settings, rules, None))
}

fn custom_page(
    app: &App,
    opened: &Opened<'_>,
    found: Result<Custom, CaptureError>,
) -> Result<Response, ApiError> {
    match found {
        Ok(form) => Ok(super::custom::show(app, opened, &form)),
        Err(CaptureError::Unknown) => Ok(answer::gone(app, opened.asked.wording())),
        Err(error) => Err(error.into()),
    }
}

/// Whether an endpoint still takes a card. What is kept of it for a moment may be used up by now, or deleted
/// through another node.
async fn is_usable(app: &App, endpoint: &CaptureEndpoint, single_use: bool) -> Result<bool, ApiError> {
    let (merchant, mode) = (&endpoint.merchant, endpoint.mode);
    let current = endpoints::find_of(&app.core, merchant, mode, &endpoint.unique_id).await?;
    let limited = app.core.policy.limits.is_some();
    Ok(current.is_some_and(|found| {
        let state = found.state(app.core.now(), limited, single_use);
        // A busy minute is over before the form is filled.
        found.id == endpoint.id && matches!(state, Ok(()) | Err(Refusal::TooMany))
    }))
}

/// The page of a form, for an endpoint whose name and secret stand in the parameters.
pub fn show(
    app: &App,
    opened: &Opened<'_>,
    settings: &Settings,
    rules: FormRules,
    facts: Option<&Facts>,
) -> Response {
    let wording = settings.wording(opened.asked);
    if !fill::is_usable(&rules, facts) {
        return answer::notice(app, StatusCode::NOT_FOUND, Notice::NotAllowed, settings, wording, None);
    }
    // What a link brings is shown again; a number that strayed into it is not.
    let params = opened.params;
    let shown = |name| params.find(name).filter(|text| !shared::digits::holds_card_number(text));
    let unique_id = shown("unique_id").unwrap_or_default();
    let mut hidden = vec![("unique_id".to_owned(), unique_id.to_owned())];
    hidden.extend(params.find("secret").map(|secret| ("secret".to_owned(), secret.to_owned())));
    if !rules.of(Field::Reference).visible {
        hidden.extend(shown("reference").map(|text| ("reference".to_owned(), text.to_owned())));
    }
    let others: Vec<_> = params
        .iter()
        .filter(|(name, _)| {
            !fill::OWN.contains(name)
                && !is_field(settings, &rules, name)
                && !OTHERS.iter().any(|other| other.eq_ignore_ascii_case(name))
        })
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    hidden.extend(fill::usable_extra(&others));
    // The language of the address is that of the pages that follow.
    hidden.extend(params.find(LOCALE).map(|_| (LOCALE.to_owned(), wording.lang.clone())));
    let fragment = params.find("secret").is_none();
    let is_on = |wanted: &str| {
        params
            .iter()
            .any(|(name, value)| name.eq_ignore_ascii_case(wanted) && value.eq_ignore_ascii_case("true"))
    };
    let mut settings = settings.clone();
    settings.submit_by_message |= is_on(BY_MESSAGE);
    settings.asks_around |= is_on(ASKS_AROUND);
    if is_on(BY_MESSAGE) || is_on(ASKS_AROUND) {
        settings.messages = Messages::CardRequest;
    }
    let title = shown("title").map(|title| title.chars().take(100).collect::<String>());
    let draft = Draft {
        form: opened.form,
        unique_id,
        hidden,
        fragment,
        title,
        values: Vec::new(),
        errors: Vec::new(),
        networks: None,
        failure: None,
        query: opened.query.clone(),
        wording,
    };
    draft.answer(app, &settings, rules)
}

/// Whether the form has a field of a name: then a link's member of that name is left out.
fn is_field(settings: &Settings, rules: &FormRules, name: &str) -> bool {
    settings.additional.iter().any(|field| field.name == name)
        || Field::from_name(name).is_some_and(|field| rules.of(field).visible)
}

/// A form page before it is rendered: fresh, or again after a refusal.
pub struct Draft<'a> {
    /// The form's id.
    pub form: &'a str,
    /// The endpoint's name.
    pub unique_id: &'a str,
    /// Hidden inputs.
    pub hidden: Vec<(String, String)>,
    /// Whether the secret comes in the fragment.
    pub fragment: bool,
    /// The page's title.
    pub title: Option<String>,
    /// Entered values that are no secrets.
    pub values: Vec<(Field, String)>,
    /// What was wrong with which field.
    pub errors: Vec<shared::FieldError>,
    /// The brands to choose between.
    pub networks: Option<Networks>,
    /// What was wrong as a whole.
    pub failure: Option<(u16, String)>,
    /// What else the page's address has when it is opened in another language.
    pub query: Vec<(String, String)>,
    /// The page's language.
    pub wording: Wording,
}

impl Draft<'_> {
    /// Renders the page.
    pub fn answer(self, app: &App, settings: &Settings, rules: FormRules) -> Response {
        let nonce = answer::nonce(app);
        let failure = self.failure.as_ref().map(|(status, text)| (*status, text.as_str()));
        let config = Config {
            form: self.form,
            unique_id: self.unique_id,
            fragment: self.fragment,
            result: None,
            failure,
            ended: false,
        };
        let status = if self.errors.is_empty() && self.failure.is_none() {
            StatusCode::OK
        } else {
            StatusCode::UNPROCESSABLE_ENTITY
        };
        let mut hidden = self.hidden;
        if !hidden.iter().any(|(name, _)| name == fill::SUBMIT_ID) {
            hidden.push((fill::SUBMIT_ID.to_owned(), secret::generate_id(&*app.core.entropy)));
        }
        let page = FormPage {
            title: self.title.unwrap_or_else(|| self.wording.get(Text::Title).to_owned()),
            rules,
            action: format!("/v1/capture/iframe/{}", self.form),
            config: answer::config(app, settings, &self.wording, &config),
            hidden,
            values: self.values,
            faces: faces(settings, &rules, &self.wording, app.core.now().year_month()),
            keypad: settings.force_keypad,
            errors: self.errors,
            networks: self.networks.unwrap_or(Networks::NONE),
            card_types: settings.brands.card_types.clone(),
            codes: settings.brands.codes_markup(),
            alert: self.failure.map(|(status, _)| self.wording.get(alert(status)).to_owned()),
            needs_fragment: self.fragment,
            languages: choices(settings, self.query, &self.wording),
            wording: self.wording,
            look: answer::look(&settings.look),
            css: Some(settings.css.clone()).filter(|css| !css.is_empty()),
            about: None,
            payment: None,
            nonce: nonce.clone(),
            assets: app.page_assets.clone(),
        };
        answer::html(status, form_page(&page), &policy::card_page(&nonce, settings))
    }
}

/// What the person reads of a refusal as a whole; the same as the page's script says.
const fn alert(status: u16) -> Text {
    match status {
        429 => Text::AlertBusy,
        500.. => Text::AlertFailed,
        _ => Text::AlertRefused,
    }
}

/// What the fields look like, where the merchant has a say too.
fn faces(settings: &Settings, rules: &FormRules, wording: &Wording, today: YearMonth) -> Vec<(Field, Face)> {
    let mut faces: Vec<_> = rules.visible().map(|field| (field, face(settings, field, wording))).collect();
    for (_, face) in faces.iter_mut().filter(|(field, _)| *field == Field::Expiry) {
        expiry::dress(face, rules, &wording.texts, today);
    }
    faces
}

/// What a field looks like on a form.
pub fn face(settings: &Settings, field: Field, wording: &Wording) -> Face {
    let texts = &wording.texts;
    let mut face = Face::of(field, texts);
    if let Some(placeholder) = settings.placeholders.get(field.name()) {
        face.placeholder = Some(placeholder.clone());
    }
    match field {
        Field::Cvv => face.masked = settings.mask_cvv,
        Field::Consent => {
            if let Some(consent) = &settings.consent {
                face.label = Some(consent.text.clone());
                face.value = Some(consent.version.clone());
            }
        }
        Field::Extra(place) => {
            if let Some(extra) = settings.additional.get(usize::from(place)) {
                face.name.clone_from(&extra.name);
                let label = settings.languages.of_field(&wording.lang, &extra.name, "label");
                // One that we bring ourselves has a label in every language.
                let own = if extra.label.is_empty() { texts.get(Text::OwnerId) } else { &extra.label };
                face.label = Some(label.unwrap_or(own).to_owned());
                if let Some(placeholder) = &extra.placeholder {
                    face.placeholder = Some(placeholder.clone());
                }
                face.autocomplete.clone_from(&extra.autocomplete);
                face.max = Some(extra.max_length.to_string());
                face.input_type = extra.rule().kind.input_type();
                face.choose(extra.options.clone(), texts);
            }
        }
        _ => {}
    }
    face
}
