//! Pages after a submit, under unguessable addresses that end after five minutes.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use frontend::Notice;
use shared::{Brand, Field, FieldError, Networks, Problem, Wording};

use super::answer::{self, Config};
use super::form::Draft;
use super::{done as done_page, policy};
use crate::capture::fill;
use crate::capture::forms::{self, Settings};
use crate::capture::results::{self, Outcome, Read};
use crate::capture::{CaptureError, endpoints};
use crate::http::asked::{Asked, LOCALE};
use crate::http::error::ApiError;
use crate::http::router::App;

/// `GET /v1/capture/result/{id}`: the success page, with callbacks that run in a worker; or the form again.
pub async fn result(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    asked: Asked,
) -> Result<Response, ApiError> {
    let Some((read, settings)) = find(&app, &id).await? else {
        return Ok(answer::gone(&app, asked.wording()));
    };
    let wording = settings.wording(&asked);
    Ok(match &read.outcome {
        Outcome::Stored { form, unique_id, response, request, fallback } => {
            let config = Config {
                form,
                unique_id,
                fragment: false,
                result: Some((response, request, fallback.as_deref())),
                failure: None,
                ended: false,
            };
            // The second reader sees that it worked, and nothing else.
            let config = (!read.again).then(|| answer::config(&app, &settings, &wording, &config));
            answer::notice(&app, StatusCode::OK, Notice::Success, &settings, wording, config)
        }
        Outcome::Refused { .. } => form_again(&app, read, &settings, wording).await?,
    })
}

/// `GET /v1/capture/done/{id}`: the page of opaque origin where callbacks run that need a document.
pub async fn done(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    asked: Asked,
) -> Result<Response, ApiError> {
    let Some((read, settings)) = find(&app, &id).await? else {
        return Ok(answer::gone(&app, asked.wording()));
    };
    let Outcome::Stored { response, request, .. } = &read.outcome else {
        return Ok(answer::gone(&app, asked.wording()));
    };
    let wording = settings.wording(&asked);
    if read.again {
        return Ok(answer::notice(&app, StatusCode::OK, Notice::Success, &settings, wording, None));
    }
    let nonce = answer::nonce(&app);
    let scripts = done_page::scripts(&settings, response, request);
    let page = done_page::page(&nonce, &settings, &wording, &scripts);
    let policy = policy::done_page(&nonce, &settings, &scripts.sources());
    let mut response = answer::html(StatusCode::OK, page, &policy);
    // The merchant's scripts come from servers that need not know of isolation; they come without credentials.
    let without_credentials = HeaderValue::from_static("credentialless");
    response.headers_mut().insert("cross-origin-embedder-policy", without_credentials);
    Ok(response)
}

async fn find(app: &App, id: &str) -> Result<Option<(Read, Settings)>, ApiError> {
    let read = match results::read(&app.core, id).await {
        Ok(read) => read,
        Err(CaptureError::Unknown) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let (Outcome::Stored { form, .. } | Outcome::Refused { form, .. }) = &read.outcome;
    match forms::settings(&app.core, &read.merchant, read.mode, form).await {
        Ok(settings) => Ok(Some((read, settings))),
        Err(CaptureError::Unknown) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

async fn form_again(
    app: &App,
    read: Read,
    settings: &Settings,
    wording: Wording,
) -> Result<Response, ApiError> {
    let Outcome::Refused { form, unique_id, secret, hidden, values, errors, networks, failure } =
        read.outcome
    else {
        return Ok(answer::gone(app, wording));
    };
    let Some(endpoint) = endpoints::find_of(&app.core, &read.merchant, read.mode, &unique_id).await? else {
        return Ok(answer::gone(app, wording));
    };
    let settings = settings.clone().on(&endpoint);
    let rules = fill::rules_for(&settings, endpoint.lock.as_ref());
    let mut inputs = vec![("unique_id".to_owned(), unique_id.clone()), ("secret".to_owned(), secret)];
    inputs.push((LOCALE.to_owned(), wording.lang.clone()));
    let shows_reference = rules.of(Field::Reference).visible;
    inputs.extend(hidden.into_iter().filter(|(name, _)| !(shows_reference && name == "reference")));
    let draft = Draft {
        form: &form,
        unique_id: &unique_id,
        hidden: inputs,
        fragment: false,
        title: None,
        values: values
            .into_iter()
            .filter_map(|(name, text)| Some((Field::from_name(&name)?, text)))
            .collect(),
        errors: errors.iter().filter_map(|(field, problem)| field_error(field, problem)).collect(),
        networks: Some(Networks::of(networks.iter().map(|name| Brand::from_wire(name)))),
        failure,
        query: Vec::new(),
        wording,
    };
    Ok(draft.answer(app, &settings, rules))
}

pub(super) fn field_error(field: &str, problem: &str) -> Option<FieldError> {
    Some(FieldError { field: Field::from_name(field)?, problem: Problem::from_code(problem)? })
}
