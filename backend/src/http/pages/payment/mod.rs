//! The payment page of an invoice: the form with its bill, and how it stands with the payment. What is shown is read
//! from the invoice each time, so that reloading, going back and a second tab find what has become of it.

mod page;
mod sent;

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::{IntoResponse as _, Redirect, Response};
use serde_json::{Value, json};
use shared::{Brand, Field, Networks};

use super::answer;
use super::filled::FilledForm;
use super::language::Locale;
use crate::capture::CaptureError;
use crate::capture::forms::{self, Settings};
use crate::capture::results::{self, Outcome};
use crate::http::asked::{Asked, LOCALE};
use crate::http::caller::Address;
use crate::http::error::{ApiError, Problem};
use crate::http::params::Params;
use crate::http::router::App;
use crate::invoices::page::{self as facts, Facts, Standing};
use crate::invoices::{InvoiceError, Place};
use crate::model::PageId;
use page::{Again, View};
use sent::{Ended, Filled};

/// The parameter of the page's address that asks for a card beside the stored one, and its value.
const CARD: (&str, &str) = ("card", "new");

/// The payment page of an invoice: the form, or how it stands.
#[utoipa::path(get, path = "/hpp/{page}", tag = "pages",
    params(("page" = String, Path, description = "`flow_data.metadata.sid` of the invoice."),
        ("card" = Option<String>, Query, description = "`new`: asks for a card beside the stored one."),
        ("locale" = Option<String>, Query, description = "The page's language, such as `de`.")),
    responses((status = 200, content_type = "text/html", description = "The page."),
        (status = 404, content_type = "text/html", description = "There is no such page, or not any more.")))]
pub async fn open(
    State(app): State<Arc<App>>,
    Path(page): Path<String>,
    asked: Asked,
    params: Params,
) -> Result<Response, ApiError> {
    let Some(found) = find(&app, &page).await? else { return Ok(page::gone(&app, &asked)) };
    let new_card = params.find(CARD.0) == Some(CARD.1);
    Ok(found.view(&app, &page, &asked).show(new_card, Again::default()))
}

/// `GET /hpp/{page}/done`: where the payer comes after a payment. One that the issuer wants to see goes there at once.
/// A payment that has ended leads to the shop, where the shop has named an address and the page stands in a window of
/// its own: in a frame it is the payer's click.
pub async fn done(
    State(app): State<Arc<App>>,
    Path(page): Path<String>,
    asked: Asked,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let Some(found) = find(&app, &page).await? else { return Ok(page::gone(&app, &asked)) };
    let is_window = headers.get("sec-fetch-dest").is_some_and(|place| place.as_bytes() == b"document");
    let view = View { goes_on: true, ..found.view(&app, &page, &asked) };
    if matches!(view.facts.standing, Standing::Open | Standing::Waiting) {
        return Ok(redirect(&view.address("")));
    }
    let mut response = view.show(false, Again::default());
    if matches!(view.facts.standing, Standing::AtIssuer(_)) {
        return Ok(response);
    }
    if let Some(back) = view.back().filter(|_| is_window) {
        refresh(&mut response, 0, &back);
    }
    Ok(response)
}

/// The filled form of a payment page, from the page's script or as a plain form.
#[utoipa::path(post, path = "/hpp/{page}", tag = "pages",
    params(("page" = String, Path, description = "`flow_data.metadata.sid` of the invoice.")),
    request_body(content = Object, description = "The page's own fields."),
    responses((status = 200, description = "JSON in, JSON out: `next` is the page that tells how it stands, also where there is no such payment."),
        (status = 303, description = "The page that tells how it stands."), (status = 400, body = Problem),
        (status = 403, body = Problem, description = "Not sent by the page.")))]
pub async fn submit(
    State(app): State<Arc<App>>,
    Path(page): Path<String>,
    Address(client): Address,
    headers: HeaderMap,
    form: FilledForm,
) -> Result<Response, ApiError> {
    let locale = Locale::of(form.find(LOCALE));
    let filled = Filled::of(&form, &headers, client);
    if form.by_script {
        answer_script(&app, &page, filled, &locale).await
    } else {
        answer_plain(&app, &page, filled, &locale).await
    }
}

/// `POST /hpp/{page}/another`: the payer does not go on at the issuer, and wants another card, which is asked for once
/// nothing can come of the first one any more.
pub async fn another(
    State(app): State<Arc<App>>,
    Path(page): Path<String>,
    form: FilledForm,
) -> Result<Response, ApiError> {
    let locale = Locale::of(form.find(LOCALE));
    let waits = match facts::given_up(&app.core, &app.operations, &id(&page)).await {
        Ok(waits) => waits,
        Err(InvoiceError::Unknown) => false,
        Err(error) => return Err(error.into()),
    };
    // Where the gateway does not let go, the payer can still go on at the issuer, and is not sent there unasked.
    Ok(redirect(&locale.page(&address(&page, if waits { "" } else { "/done" }))))
}

/// `GET /hpp/{page}/result/{id}`: the form again, with what was wrong in a plain one.
pub async fn result(
    State(app): State<Arc<App>>,
    Path((page, id)): Path<(String, String)>,
    asked: Asked,
) -> Result<Response, ApiError> {
    let Some(found) = find(&app, &page).await? else { return Ok(page::gone(&app, &asked)) };
    let view = found.view(&app, &page, &asked);
    let read = match results::read(&app.core, &id).await {
        Ok(read) => read,
        Err(CaptureError::Unknown) => return Ok(redirect(&view.address(""))),
        Err(error) => return Err(error.into()),
    };
    let Outcome::Refused { secret, values, errors, networks, failure, .. } = read.outcome else {
        return Ok(redirect(&view.address("")));
    };
    let again = Again {
        values: values
            .into_iter()
            .filter_map(|(name, text)| Some((Field::from_name(&name)?, text)))
            .collect(),
        errors: errors
            .iter()
            .filter_map(|(field, problem)| super::result::field_error(field, problem))
            .collect(),
        networks: Networks::of(networks.iter().map(|name| Brand::from_wire(name))),
        failure: failure.map(|(status, _)| status),
    };
    Ok(view.show(secret == CARD.1, again))
}

/// What a page shows, and how.
struct Found {
    facts: Facts,
    settings: Settings,
}

impl Found {
    fn view<'v>(&'v self, app: &'v App, page: &'v str, asked: &'v Asked) -> View<'v> {
        View { app, page, facts: &self.facts, settings: &self.settings, asked, goes_on: false }
    }
}

async fn find(app: &App, page: &str) -> Result<Option<Found>, ApiError> {
    let facts = match facts::facts(&app.core, &id(page)).await {
        Ok(facts) => facts,
        Err(InvoiceError::Unknown) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let settings = match &facts.form {
        None => Settings::default(),
        Some(form) => match forms::settings(&app.core, &facts.merchant, facts.mode, form).await {
            Ok(settings) => settings,
            // Deleted since: a page without a form can be paid on too, in no frame.
            Err(CaptureError::Unknown) => Settings::default(),
            Err(error) => return Err(error.into()),
        },
    };
    Ok(Some(Found { facts, settings }))
}

/// For the page's script: always the page that tells how it stands, since the form cannot tell all of it.
async fn answer_script(app: &App, page: &str, filled: Filled, locale: &Locale) -> Result<Response, ApiError> {
    match sent::pay(app, &id(page), filled).await {
        Ok(()) => {
            let next = locale.page(&address(page, "/done"));
            let done = json!({ "response": {}, "request": {}, "next": next, "fallback": Value::Null });
            Ok(axum::Json(done).into_response())
        }
        Err(Ended::Fields(errors, _)) => Err(super::submitted::field_errors(&errors, Field::name).into()),
        Err(Ended::Failed(error)) => Err(error),
    }
}

/// For the plain form: the address of the page that comes next.
async fn answer_plain(app: &App, page: &str, filled: Filled, locale: &Locale) -> Result<Response, ApiError> {
    let kept = filled.kept();
    let outcome = match sent::pay(app, &id(page), filled).await {
        Ok(()) => return Ok(redirect(&locale.page(&address(page, "/done")))),
        Err(Ended::Fields(errors, networks)) => kept.refused(&errors, networks, None),
        Err(Ended::Failed(error)) => kept.refused(&[], Networks::NONE, Some(error.status().as_u16())),
    };
    let Some(Found { facts, .. }) = find(app, page).await? else { return Ok(redirect(&address(page, ""))) };
    let id = results::keep(&app.core, &facts.merchant, facts.mode, &outcome).await?;
    Ok(redirect(&locale.page(&address(page, &format!("/result/{id}")))))
}

fn place(app: &App) -> Place<'_> {
    Place { public_url: &app.public_url, callbacks: &app.callbacks }
}

fn id(page: &str) -> PageId {
    PageId::stored(page.to_owned())
}

/// An address of a payment's page: whatever was sent, nothing but the alphabet of our own.
fn address(page: &str, path: &str) -> String {
    let clean: String = page.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '_').take(64).collect();
    format!("/hpp/{clean}{path}")
}

/// A way to a page of ours (security rule 17).
fn redirect(target: &str) -> Response {
    let mut response = Redirect::to(target).into_response();
    answer::complete(&mut response);
    response
}

/// Has the browser go on by itself. A redirect could not lead to another site: it would still be the form's own way.
fn refresh(response: &mut Response, seconds: u8, target: &str) {
    if let Ok(value) = HeaderValue::from_str(&format!("{seconds};url={target}")) {
        response.headers_mut().insert("refresh", value);
    }
}
