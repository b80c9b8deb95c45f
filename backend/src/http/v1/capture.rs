//! `/v1/capture`: capture endpoints, and captures through them (spec A.4).

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use serde_json::value::RawValue;
use shared::FormKind;
use zeroize::Zeroizing;

use super::vault::algorithm;
use super::wire::{CardMetadata, Deleted, EndpointCreate, EndpointCreated, EndpointShown, Tokenised};
use crate::capture::brands;
use crate::capture::endpoints::{self, NewEndpoint};
use crate::capture::submit::{self, FormSwitches, Submission};
use crate::capture::ttl;
use crate::http::asked::Asked;
use crate::http::body::JsonBody;
use crate::http::caller::{Address, Merchant, key_access};
use crate::http::error::{ApiError, Problem};
use crate::http::pages::framed;
use crate::http::params::Params;
use crate::http::router::App;
use crate::invalid::Invalid;
use crate::json::{Members, Value};
use crate::model::Scope;
use crate::outbox::events::Webhook;
use crate::rules::stored;

/// Creates a capture endpoint.
#[utoipa::path(post, path = "/v1/capture", tag = "capture",
    params(("user" = String, Query, description = "The vault key's name; `managed` for the managed key."),
        ("X-Vault-Passphrase" = Option<String>, Header, description = "The key's passphrase (also `passphrase` in the query or the body)."),
        ("ttl" = Option<String>, Query, description = "ISO 8601 duration or `45m`; default 24 h."),
        ("token" = Option<String>, Query, description = "Locks the endpoint to this stored card."),
        ("reference" = Option<String>, Query, description = "The locked card's reference, or the reference of captured cards."),
        ("unique_id" = Option<String>, Query, description = "The name in the address; generated when left out."),
        ("algorithm" = Option<String>, Query, description = "Token algorithm of captured cards."),
        ("max_uses" = Option<u32>, Query, description = "Captures in its life; default 100."),
        ("rules" = Option<String>, Query, description = "Ids of rules, with commas between, that captures are changed by. The endpoint keeps them as they are now."),
        ("return_card_metadata" = Option<bool>, Query, description = "Captures answer what may be shown."),
        ("card_types" = Option<String>, Query, description = "The card types that it takes, between commas; all where left out.")),
    request_body = Option<EndpointCreate>,
    responses((status = 200, description = "The endpoint; who asks for HTML gets a document with the card form in a frame.",
            content((EndpointCreated = "application/json"), (String = "text/html"))),
        (status = 400, body = Problem), (status = 401, body = Problem),
        (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem)),
    security(("basic" = ["capture:create"]), ("api_key" = ["capture:create"])))]
pub async fn create(
    State(app): State<Arc<App>>,
    merchant: Merchant,
    headers: HeaderMap,
    asked: Asked,
    params: Params,
    JsonBody(body): JsonBody,
) -> Result<Response, ApiError> {
    let caller = merchant.with(&app, Scope::CaptureCreate).await?;
    let access = key_access(&headers, &params, Some(&body))?;
    let mut new = new_endpoint(&app, &params, body)?;
    let named = params.find("rules").unwrap_or_default();
    new.rules = stored::kept(&stored::named_rows(&app.core, caller, named).await?);
    let made = endpoints::create(&app.core, caller, &access, new).await?;
    if framed::is_asked_for(&headers) {
        return Ok(framed::form(&app, &asked, &made.endpoint, &made.secret));
    }
    Ok(Json(EndpointCreated::from(made)).into_response())
}

/// Lists capture endpoints, without their secrets.
#[utoipa::path(get, path = "/v1/capture", tag = "capture",
    params(("limit" = Option<u32>, Query, description = "Endpoints on a page."),
        ("next_token" = Option<String>, Query, description = "From the header X-PCIVault-Next-Token of the page before.")),
    responses((status = 200, body = Vec<EndpointShown>), (status = 401, body = Problem), (status = 403, body = Problem)),
    security(("basic" = ["capture:create"]), ("api_key" = ["capture:create"])))]
pub async fn list(
    State(app): State<Arc<App>>,
    merchant: Merchant,
    params: Params,
) -> Result<impl IntoResponse, ApiError> {
    let caller = merchant.with(&app, Scope::CaptureCreate).await?;
    let page = super::page(&params)?;
    let found = endpoints::list(&app.core, caller, page.clone()).await?;
    let next = super::next(found.last().map(|endpoint| endpoint.id.to_string()), found.len(), &page);
    Ok((next, Json(found.iter().map(EndpointShown::from).collect::<Vec<_>>())))
}

/// Shows one capture endpoint, without its secret.
#[utoipa::path(get, path = "/v1/capture/{unique_id}", tag = "capture",
    params(("unique_id" = String, Path, description = "The endpoint's name.")),
    responses((status = 200, body = EndpointShown), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem)),
    security(("basic" = ["capture:create"]), ("api_key" = ["capture:create"])))]
pub async fn show(
    State(app): State<Arc<App>>,
    merchant: Merchant,
    Path(unique_id): Path<String>,
) -> Result<Json<EndpointShown>, ApiError> {
    let caller = merchant.with(&app, Scope::CaptureCreate).await?;
    Ok(Json((&endpoints::find(&app.core, caller, &unique_id).await?).into()))
}

/// Deletes a capture endpoint.
#[utoipa::path(delete, path = "/v1/capture/{unique_id}", tag = "capture",
    params(("unique_id" = String, Path, description = "The endpoint's name.")),
    responses((status = 200, body = Deleted), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem)),
    security(("basic" = ["capture:create"]), ("api_key" = ["capture:create"])))]
pub async fn delete(
    State(app): State<Arc<App>>,
    merchant: Merchant,
    Path(unique_id): Path<String>,
) -> Result<Json<Deleted>, ApiError> {
    let caller = merchant.with(&app, Scope::CaptureCreate).await?;
    endpoints::delete(&app.core, caller, &unique_id).await?;
    app.facts.forget(&unique_id);
    Ok(Json(Deleted { deleted: true }))
}

/// Captures a card, or updates the card that the endpoint is locked to. Answered when it is durable.
#[utoipa::path(post, path = "/v1/capture/{unique_id}", tag = "capture",
    params(("unique_id" = String, Path, description = "The endpoint's name."),
        ("X-PCIVault-Capture-Secret" = String, Header, description = "The endpoint's secret (also as X-Capture-Secret)."),
        ("reference" = Option<String>, Query, description = "Counts only if the endpoint has none; default: the endpoint's name."),
        ("form_type" = Option<String>, Query, description = "`ach`: the number is that of a bank account. A `routing_number` beside an `account_number` says the same.")),
    request_body(content = Object, description = "The card's members."),
    responses((status = 200, body = Tokenised), (status = 400, body = Problem),
        (status = 404, body = Problem, description = "No such endpoint, or the wrong secret: alike."),
        (status = 409, body = Problem), (status = 413, body = Problem), (status = 429, body = Problem)),
    security(("capture_secret" = [])))]
pub async fn submit(
    State(app): State<Arc<App>>,
    Address(address): Address,
    Path(unique_id): Path<String>,
    headers: HeaderMap,
    params: Params,
    JsonBody(body): JsonBody,
) -> Result<Json<Tokenised>, ApiError> {
    let account = params.find("form_type") == Some(FormKind::Ach.name());
    let submission = Submission {
        unique_id,
        secret: secret(&headers),
        reference: params.find("reference").map(str::to_owned),
        body,
        address,
        form: FormSwitches { account, ..FormSwitches::default() },
        once: None,
        consent: None,
    };
    let captured = submit::capture(&app.core, &app.facts, submission).await?;
    let card_metadata =
        captured.metadata.map(|shown| CardMetadata::of(&shown, captured.issuer, app.core.now()));
    Ok(Json(Tokenised {
        user: captured.user,
        token: captured.token,
        reference: captured.reference,
        card_metadata,
    }))
}

/// The secret that a capture brings.
pub fn secret(headers: &HeaderMap) -> Option<Zeroizing<String>> {
    let value = headers.get("x-pcivault-capture-secret").or_else(|| headers.get("x-capture-secret"))?;
    value.to_str().ok().map(|text| Zeroizing::new(text.to_owned()))
}

fn new_endpoint(app: &App, params: &Params, mut body: Members) -> Result<NewEndpoint, ApiError> {
    let ttl = match params.find("ttl") {
        None => endpoints::DEFAULT_TTL,
        Some(text) => ttl::parse(text).ok_or_else(|| {
            Invalid::new("/ttl", "duration", "ttl has to be a duration such as PT10M, of at most 366 days.")
        })?,
    };
    let max_uses = match body.find("max_uses").and_then(Value::as_typed) {
        Some(text) => Some(
            text.parse()
                .map_err(|_| Invalid::new("/max_uses", "type", "max_uses has to be a whole number."))?,
        ),
        None => params.number("max_uses", 1..=u32::MAX)?,
    };
    Ok(NewEndpoint {
        ttl,
        unique_id: params.find("unique_id").map(str::to_owned),
        token: params.find("token").map(str::to_owned),
        reference: params.find("reference").unwrap_or_default().to_owned(),
        algorithm: algorithm(params)?,
        return_card_metadata: params.flag("return_card_metadata", false)?,
        max_uses,
        webhook: body.take("webhook").map(|value| webhook(app, value)).transpose()?,
        card_types: card_types(params, &mut body)?,
        min_expiry: None,
        rules: None,
    })
}

/// A list in the body, or names between commas in the query.
fn card_types(params: &Params, body: &mut Members) -> Result<Vec<String>, Invalid> {
    if let Some(names) = params.find("card_types").filter(|_| body.find("card_types").is_none()) {
        let names = names.split(',').map(|name| Value::text(name.trim())).collect();
        body.set("card_types", Value::List(names));
    }
    brands::take_types(body)
}

fn webhook(app: &App, value: Value) -> Result<Webhook, Invalid> {
    let Value::Object(mut webhook) = value else {
        return Err(Invalid::new("/webhook", "type", "webhook has to be an object."));
    };
    let url = webhook.take("url").and_then(|url| url.as_text().map(str::to_owned)).unwrap_or_default();
    super::callback_url(app, "/webhook/url", &url)?;
    let attempts = webhook.take("max_attempts").and_then(|value| value.as_typed().map(str::parse::<u32>));
    let max_attempts = match attempts {
        None => 8,
        Some(Ok(attempts)) if (1..=16).contains(&attempts) => attempts,
        Some(_) => {
            return Err(Invalid::new(
                "/webhook/max_attempts",
                "range",
                "max_attempts has to be between 1 and 16.",
            ));
        }
    };
    let secret = webhook.take("secret").and_then(|secret| secret.as_text().map(str::to_owned));
    let metadata = match webhook.take("metadata") {
        Some(Value::Object(metadata)) => metadata,
        None | Some(Value::Null) => Members::default(),
        Some(_) => return Err(Invalid::new("/webhook/metadata", "type", "metadata has to be an object.")),
    };
    if shared::digits::holds_card_number(&metadata.to_json()) || shared::digits::holds_card_number(&url) {
        return Err(Invalid::new(
            "/webhook",
            "holds_number",
            "The webhook holds what looks like a card number.",
        ));
    }
    let metadata = RawValue::from_string(metadata.to_json().to_string())
        .map_err(|_| Invalid::new("/webhook/metadata", "type", "metadata has to be an object."))?;
    Ok(Webhook { url, secret, max_attempts, metadata })
}
