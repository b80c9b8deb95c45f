//! `/v1/capture/iframe`: hosted forms. Their owner creates, reads and deletes them here; the page itself is in
//! `pages` (spec A.5).

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};

use super::wire::{Deleted, FormCreate, FormCreated, LocaleUsed};
use crate::assets::integrity;
use crate::capture::custom;
use crate::capture::forms::{self, Runner};
use crate::http::body::JsonBody;
use crate::http::caller::Merchant;
use crate::http::error::{ApiError, Problem};
use crate::http::params::Params;
use crate::http::router::App;
use crate::model::{HostedForm, Scope};

/// Creates a hosted form.
#[utoipa::path(post, path = "/v1/capture/iframe", tag = "forms",
    params(("form_type" = Option<String>, Query, description = "`pcd`, a card form (the default), `ach`, a bank account form, or `custom`, a form that the merchant's own scripts build."),
        ("form_id" = Option<String>, Query, description = "The form's id; generated when left out.")),
    request_body = FormCreate,
    responses((status = 200, body = FormCreated), (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem),
        (status = 409, body = Problem)),
    security(("basic" = ["form:write"]), ("api_key" = ["form:write"])))]
pub async fn create(
    State(app): State<Arc<App>>,
    merchant: Merchant,
    params: Params,
    JsonBody(body): JsonBody,
) -> Result<Json<FormCreated>, ApiError> {
    let caller = merchant.with(&app, Scope::FormWrite).await?;
    let text = |name| params.find(name).map(str::to_owned);
    let created =
        forms::create(&app.core, &app.outgoing, caller, text("form_type"), text("form_id"), body).await?;
    Ok(Json(FormCreated {
        link: app.link(&format!("/v1/capture/iframe/{}", created.form.id)),
        kind: created.form.form_type,
        id: created.form.id,
        callback_runner: created.runner.to_owned(),
        ignored: created.ignored,
        locale: created.locale.map(|told| LocaleUsed { requested: told.requested, used: told.used }),
    }))
}

/// A form's settings, for its owner.
pub async fn show(app: &App, merchant: &Merchant, id: &str) -> Result<Json<serde_json::Value>, ApiError> {
    let caller = merchant.with(app, Scope::FormWrite).await?;
    let form = forms::find(&app.core, &caller.merchant, caller.mode, id).await?;
    if form.form_type == custom::KIND {
        return Ok(Json(shown_custom(app, &form)?));
    }
    let settings = forms::settings(&app.core, &caller.merchant, caller.mode, id).await?;
    let fields: serde_json::Map<_, _> = settings
        .fields
        .iter()
        .map(|(name, (visible, validate))| {
            (name.clone(), serde_json::json!({ "visible": visible, "validate": validate }))
        })
        .collect();
    Ok(Json(serde_json::json!({
        "type": form.form_type,
        "id": form.id,
        "link": app.link(&format!("/v1/capture/iframe/{}", form.id)),
        "callback_runner": settings.runner().as_str(),
        "callbacks": settings.runner() != Runner::None,
        "field_options": fields,
        "strip_spaces": settings.strip_spaces,
        "disable_luhn": settings.disable_luhn,
        "single_use": settings.single_use,
        "auto_advance": settings.auto_advance,
        "card_types": settings.brands.card_types,
        "cvv_lengths": settings.brands.cvv_lengths,
        "locale": settings.languages.locale,
        "translations": settings.languages.translations,
        "showLanguageSelector": !settings.languages.choices().is_empty(),
        "allowed_origins": settings.allowed_origins,
        "messages": settings.messages.as_str(),
        "submit_by_message": settings.submit_by_message,
        "js_links": settings.js_links,
        "additional_fields": settings.additional,
        "consent": settings.consent,
        "field_labels": settings.field_labels,
        "placeholders": settings.placeholders,
        "submit": settings.submit,
        "extra_data": settings.extra_data(),
        "mask_cvv": settings.mask_cvv,
        "force_keypad": settings.force_keypad,
        "look": settings.look.shown(),
        "created_at": form.created_at.rfc3339(),
    })))
}

/// A custom form: each of its scripts by origin and hash, as a merchant's list of them has to have it (PCI DSS 6.4.3).
fn shown_custom(app: &App, form: &HostedForm) -> Result<serde_json::Value, ApiError> {
    let read = custom::parse(form)?;
    let scripts = read.scripts.iter().map(
        |script| serde_json::json!({ "from": script.from, "integrity": integrity(script.code.as_bytes()) }),
    );
    let settings: serde_json::Value = serde_json::from_str(&read.settings).unwrap_or_default();
    Ok(serde_json::json!({
        "type": form.form_type,
        "id": form.id,
        "link": app.link(&format!("/v1/capture/iframe/{}", form.id)),
        "callback_runner": custom::RUNNER,
        "callbacks": read.success_callback.is_some() || read.error_callback.is_some(),
        "allowed_origins": read.allowed_origins,
        "scripts": scripts.collect::<Vec<_>>(),
        "settings": settings,
        "created_at": form.created_at.rfc3339(),
    }))
}

/// Deletes a hosted form.
#[utoipa::path(delete, path = "/v1/capture/iframe/{form}", tag = "forms",
    params(("form" = String, Path, description = "The form's id.")),
    responses((status = 200, body = Deleted), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem)),
    security(("basic" = ["form:write"]), ("api_key" = ["form:write"])))]
pub async fn delete(
    State(app): State<Arc<App>>,
    merchant: Merchant,
    Path(id): Path<String>,
) -> Result<Json<Deleted>, ApiError> {
    let caller = merchant.with(&app, Scope::FormWrite).await?;
    forms::delete(&app.core, caller, &id).await?;
    Ok(Json(Deleted { deleted: true }))
}
