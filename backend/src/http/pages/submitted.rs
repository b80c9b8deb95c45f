//! A hosted form that was sent: its inputs are sorted and filed, and script or plain form learns what came of it.

use axum::http::StatusCode;
use serde_json::json;
use shared::expiry::joined;
use shared::{Brand, Entry, Field, Networks};
use zeroize::Zeroizing;

use super::filled::FilledForm;
use super::language::Locale;
use crate::capture::fill::{self, Filed, FillError, Filled};
use crate::capture::forms::Runner;
use crate::capture::once;
use crate::capture::results::{self, Outcome};
use crate::http::error::ApiError;
use crate::http::router::App;
use crate::invalid::Invalid;
use crate::languages;
use crate::model::{MerchantId, Mode};
use crate::vault::members::NETWORK;

/// Sorts the inputs of a page: its fields, its own hidden ones, and further members.
pub fn filled(form: String, sent: &FilledForm, address: String) -> Filled {
    let mut filled = Filled {
        form,
        unique_id: String::new(),
        secret: Zeroizing::new(String::new()),
        entry: Entry::default(),
        reference: None,
        extra: Vec::new(),
        address,
        submit_id: String::new(),
        content: sent.content(),
        additional: Vec::new(),
    };
    let of_list = |name| sent.find(name).unwrap_or_default();
    filled.entry.set(Field::Expiry, joined(of_list(fill::MONTH), of_list(fill::YEAR)));
    for (name, text) in sent.iter() {
        match name {
            fill::SUBMIT_ID => text.clone_into(&mut filled.submit_id),
            "unique_id" => text.clone_into(&mut filled.unique_id),
            "secret" => filled.secret = Zeroizing::new(text.to_owned()),
            NETWORK => filled.entry.network = Some(Brand::from_wire(text)),
            "reference" => {
                filled.reference = Some(text.to_owned()).filter(|text| !text.is_empty());
                filled.entry.set(Field::Reference, text.to_owned());
            }
            // A field that the form does not show is a further member, as of a link; which ones it shows is known
            // when it is filed. One of no plain name is dropped there.
            _ if !fill::OWN.contains(&name) => {
                if let Some(field) = Field::from_name(name).filter(|field| !matches!(field, Field::Extra(_)))
                {
                    filled.entry.set(field, text.to_owned());
                }
                filled.extra.push((name.to_owned(), text.to_owned()));
            }
            _ => {}
        }
    }
    filled
}

/// Files a form for the page's script.
pub async fn answer_script(
    app: &App,
    filled: &mut Filled,
    locale: &Locale,
) -> Result<axum::Json<serde_json::Value>, ApiError> {
    let filed = match fill::file(&app.core, &app.facts, filled).await {
        Ok(filed) => filed,
        Err(FillError::Fields(errors, _)) => {
            return Err(field_errors(&errors, |field| filled.name_of(field)).into());
        }
        Err(FillError::Capture(error)) => return Err(error.into()),
    };
    let runner = filed.settings.runner();
    let outcome = Stored::of(filled, &filed);
    let done = match runner {
        Runner::None => None,
        Runner::Worker | Runner::DonePage => Some(locale.page(&outcome.keep_done(app).await?)),
    };
    // The done page runs the callback where no worker starts; where it needs a document, it is the next page.
    let (next, fallback) = if runner == Runner::DonePage { (done, None) } else { (None, done) };
    Ok(axum::Json(json!({
        "response": outcome.response,
        "request": outcome.request,
        "next": next,
        "fallback": fallback,
    })))
}

/// Files a plain form; answers where to go.
pub async fn answer_plain(app: &App, filled: &mut Filled, locale: &Locale) -> Result<String, ApiError> {
    let (errors, networks, failure) = match fill::file(&app.core, &app.facts, filled).await {
        Ok(filed) => {
            let outcome = Stored::of(filled, &filed);
            return Ok(locale.page(&match filed.settings.runner() {
                Runner::DonePage => outcome.keep_done(app).await?,
                Runner::Worker => {
                    let done = locale.page(&outcome.keep_done(app).await?);
                    outcome.keep_result(app, Some(done)).await?
                }
                Runner::None => outcome.keep_result(app, None).await?,
            }));
        }
        Err(FillError::Fields(errors, networks)) => (errors, networks, None),
        Err(FillError::Capture(error)) => {
            let error = ApiError::from(error);
            if error.status() == StatusCode::NOT_FOUND {
                return Ok(locale.page("/v1/capture/result/ended"));
            }
            (Vec::new(), Networks::NONE, Some((error.status().as_u16(), error.detail().to_owned())))
        }
    };
    let Ok(facts) =
        app.facts.prove(&app.core, &filled.unique_id, Some(&filled.secret), &filled.address).await
    else {
        return Ok(locale.page("/v1/capture/result/ended"));
    };
    let outcome = refused(filled, &errors, networks, failure);
    let id = results::keep(&app.core, &facts.endpoint.merchant, facts.endpoint.mode, &outcome).await?;
    Ok(locale.page(&format!("/v1/capture/result/{id}")))
}

fn refused(
    filled: &Filled,
    errors: &[shared::FieldError],
    networks: Networks,
    failure: Option<(u16, String)>,
) -> Outcome {
    let mut hidden = fill::usable_extra(&filled.extra);
    let reference = filled.reference.clone().filter(|text| !shared::digits::holds_card_number(text));
    hidden.extend(reference.map(|reference| ("reference".to_owned(), reference)));
    // It may have been stored, if the failure was ours: the next try is the same submit.
    if once::is_id(&filled.submit_id) {
        hidden.push((fill::SUBMIT_ID.to_owned(), filled.submit_id.clone()));
    }
    Outcome::Refused {
        form: filled.form.clone(),
        unique_id: filled.unique_id.clone(),
        secret: filled.secret.to_string(),
        hidden,
        // A number typed into the wrong field is not shown again either.
        values: Field::ALL
            .into_iter()
            // A box is never ticked for somebody, not even again.
            .filter(|field| !field.is_secret() && *field != Field::Consent)
            .map(|field| (field.name().to_owned(), filled.entry.value(field).to_owned()))
            .filter(|(_, text)| !text.is_empty() && !shared::digits::holds_card_number(text))
            .collect(),
        errors: errors.iter().map(|e| (e.field.name().to_owned(), e.problem.code().to_owned())).collect(),
        networks: networks.iter().map(|brand| brand.wire().to_owned()).collect(),
        failure,
    }
}

/// A stored form on its way to the pages that follow.
struct Stored {
    merchant: MerchantId,
    mode: Mode,
    form: String,
    unique_id: String,
    response: serde_json::Value,
    request: serde_json::Value,
}

impl Stored {
    fn of(filled: &Filled, filed: &Filed) -> Self {
        let (response, request) = told(filed);
        Self {
            merchant: filed.merchant.clone(),
            mode: filed.mode,
            form: filled.form.clone(),
            unique_id: filled.unique_id.clone(),
            response,
            request,
        }
    }

    /// Keeps what the done page needs; answers its address.
    async fn keep_done(&self, app: &App) -> Result<String, ApiError> {
        Ok(format!("/v1/capture/done/{}", self.keep(app, None).await?))
    }

    /// Keeps what the result page needs; answers its address.
    async fn keep_result(&self, app: &App, fallback: Option<String>) -> Result<String, ApiError> {
        Ok(format!("/v1/capture/result/{}", self.keep(app, fallback).await?))
    }

    async fn keep(&self, app: &App, fallback: Option<String>) -> Result<String, ApiError> {
        let outcome = Outcome::Stored {
            form: self.form.clone(),
            unique_id: self.unique_id.clone(),
            response: self.response.clone(),
            request: self.request.clone(),
            fallback,
        };
        Ok(results::keep(&app.core, &self.merchant, self.mode, &outcome).await?)
    }
}

/// The endpoint's answer and the allowed members, as callbacks get them.
fn told(filed: &Filed) -> (serde_json::Value, serde_json::Value) {
    let captured = &filed.captured;
    let response = json!({ "user": captured.user, "token": captured.token, "reference": captured.reference });
    let request = serde_json::from_str(&filed.request.to_json()).unwrap_or_default();
    (response, request)
}

/// The errors of a form's fields as an answer in JSON tells them.
pub fn field_errors<'n>(errors: &[shared::FieldError], name_of: impl Fn(Field) -> &'n str) -> Vec<Invalid> {
    let english = languages::english();
    let told = |error: &shared::FieldError| {
        let at = format!("/{}", name_of(error.field));
        Invalid::new(at, error.problem.code(), english.get(error.text()))
    };
    errors.iter().map(told).collect()
}
