//! `/v1/retrieve`: retrieve endpoints, and cards read through them (spec A.6).

use std::sync::Arc;

use axum::Json;
use axum::extract::{FromRequestParts as _, Path, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;
use zeroize::Zeroizing;

use super::wire::{Deleted, LockdownInfo};
use crate::capture::endpoints::DEFAULT_TTL;
use crate::capture::ttl;
use crate::http::asked::Asked;
use crate::http::body::JsonBody;
use crate::http::caller::{Address, Merchant, key_access};
use crate::http::error::{ApiError, Problem};
use crate::http::pages::{framed, reveal};
use crate::http::params::Params;
use crate::http::router::App;
use crate::invalid::Invalid;
use crate::model::{RetrieveEndpoint, Scope, Timestamp};
use crate::retrieve::{self, NewRetrieval, Reading};
use crate::rules::stored;

/// A created retrieve endpoint.
#[derive(Serialize, ToSchema)]
pub struct RetrievalCreated {
    /// The secret, shown once.
    pub secret: String,
    /// The address of the hosted page for a person. Its secret is another one, that opens the page and nothing else;
    /// `&token=…&reference=…` go behind it where the endpoint is not locked to them.
    pub page_url: String,
    /// The endpoint.
    #[serde(flatten)]
    pub endpoint: RetrievalShown,
}

/// A retrieve endpoint as its owner sees it.
#[derive(Serialize, ToSchema)]
pub struct RetrievalShown {
    /// The path to read from.
    pub url: String,
    /// The name in that path.
    pub unique_id: String,
    /// The vault key's name.
    pub user: String,
    /// When it ends; null where it does not.
    pub expires_at: Option<String>,
    /// The card that it is locked to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lockdown_info: Option<LockdownInfo>,
    /// Members that it masks.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mask_fields: Vec<String>,
    /// Reads so far, reveals among them.
    pub uses: u32,
    /// Reads in its life.
    pub max_uses: u32,
    /// Reveals on the hosted page so far.
    pub reveals: u32,
    /// Reveals in its life.
    pub max_reveals: u32,
    /// Whether it shows its card on the hosted page alone.
    pub reveal_only: bool,
    /// Whether it ended because the vault key's passphrase or pair changed.
    pub key_changed: bool,
}

/// Creates a retrieve endpoint.
#[utoipa::path(post, path = "/v1/retrieve", tag = "retrieve",
    params(("user" = String, Query, description = "The vault key's name; `managed` for the managed key."),
        ("X-Vault-Passphrase" = Option<String>, Header, description = "The key's passphrase (also `passphrase` in the query or the body)."),
        ("ttl" = Option<String>, Query, description = "ISO 8601 duration or `45m`; default 24 h."),
        ("token" = Option<String>, Query, description = "The only card that it reads; all of the key where left out."),
        ("reference" = Option<String>, Query, description = "The only reference that it reads."),
        ("unique_id" = Option<String>, Query, description = "The name in the address; generated when left out."),
        ("mask_fields" = Option<String>, Query, description = "Comma-separated members to mask."),
        ("rules" = Option<String>, Query, description = "Ids of rules, with commas between, that what is read is changed by. The endpoint keeps them as they are now."),
        ("max_uses" = Option<u32>, Query, description = "Reads in its life; default 100."),
        ("max_reveals" = Option<u32>, Query, description = "Reveals on the hosted page; default 1."),
        ("reveal_only" = Option<bool>, Query, description = "Shows the card on the hosted page alone: reads by this interface are refused.")),
    responses((status = 200, description = "The endpoint; who asks for HTML gets a document with its page in a frame.",
            content((RetrievalCreated = "application/json"), (String = "text/html"))),
        (status = 400, body = Problem), (status = 401, body = Problem),
        (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem)),
    security(("basic" = ["card:read"]), ("api_key" = ["card:read"])))]
pub async fn create(
    State(app): State<Arc<App>>,
    merchant: Merchant,
    headers: HeaderMap,
    asked: Asked,
    params: Params,
    JsonBody(body): JsonBody,
) -> Result<Response, ApiError> {
    let caller = merchant.with(&app, Scope::CardRead).await?;
    let access = key_access(&headers, &params, Some(&body))?;
    let ttl = params.find("ttl").map_or(Some(DEFAULT_TTL), ttl::parse);
    let refused =
        || Invalid::new("/ttl", "duration", "ttl has to be a duration such as PT10M, of at most 366 days.");
    let fields = params.find("mask_fields").unwrap_or_default().split(',').map(str::trim);
    let rows = stored::named_rows(&app.core, caller, params.find("rules").unwrap_or_default()).await?;
    let new = NewRetrieval {
        ttl: ttl.ok_or_else(refused)?,
        unique_id: params.find("unique_id").map(str::to_owned),
        token: params.find("token").map(str::to_owned),
        reference: params.find("reference").map(str::to_owned),
        mask_fields: fields.filter(|field| !field.is_empty()).map(str::to_owned).collect(),
        max_uses: params.number("max_uses", 1..=u32::MAX)?,
        max_reveals: params.number("max_reveals", 1..=u32::MAX)?.unwrap_or(1),
        reveal_only: params.flag("reveal_only", false)?,
        rules: stored::kept(&rows),
    };
    let as_page = framed::is_asked_for(&headers);
    if as_page && new.token.is_none() {
        return Err(Invalid::new("/token", "missing", "A page shows one card: token is needed.").into());
    }
    let created = retrieve::create(&app.core, caller, &access, new).await?;
    let id = [("unique_id", created.endpoint.unique_id.as_str())];
    let page_url = framed::secret_address(&app, reveal::PATH, &id, &created.page_secret);
    if as_page {
        return Ok(framed::reveal(&app, &asked, &page_url));
    }
    let (secret, endpoint) = (created.secret.to_string(), (&created.endpoint).into());
    Ok(Json(RetrievalCreated { secret, page_url, endpoint }).into_response())
}

/// Lists retrieve endpoints, without their secrets.
#[utoipa::path(get, path = "/v1/retrieve", tag = "retrieve",
    params(("limit" = Option<u32>, Query, description = "Endpoints on a page."),
        ("next_token" = Option<String>, Query, description = "From the header X-PCIVault-Next-Token of the page before.")),
    responses((status = 200, body = Vec<RetrievalShown>), (status = 401, body = Problem), (status = 403, body = Problem)),
    security(("basic" = ["card:read"]), ("api_key" = ["card:read"])))]
pub async fn list(
    State(app): State<Arc<App>>,
    merchant: Merchant,
    params: Params,
) -> Result<impl IntoResponse, ApiError> {
    let caller = merchant.with(&app, Scope::CardRead).await?;
    let page = super::page(&params)?;
    let found = retrieve::list(&app.core, caller, page.clone()).await?;
    let next = super::next(found.last().map(|endpoint| endpoint.id.to_string()), found.len(), &page);
    Ok((next, Json(found.iter().map(RetrievalShown::from).collect::<Vec<_>>())))
}

/// Reads a card with the endpoint's secret; without the secret and with credentials, shows the endpoint.
#[utoipa::path(get, path = "/v1/retrieve/{unique_id}", tag = "retrieve",
    params(("unique_id" = String, Path, description = "The endpoint's name."),
        ("X-PCIVault-Retrieve-Secret" = Option<String>, Header, description = "The endpoint's secret (also as X-Retrieve-Secret); needs no credentials."),
        ("token" = Option<String>, Query, description = "The card; may be left out where the endpoint is locked to one."),
        ("reference" = Option<String>, Query, description = "Its reference.")),
    responses((status = 200, content_type = "application/json", description = "The stored object, without a security code; or the endpoint."),
        (status = 401, body = Problem), (status = 403, body = Problem),
        (status = 404, body = Problem, description = "No such endpoint, the wrong secret, or a card that it does not read: alike. Or it has ended.")),
    security(("retrieve_secret" = []), ("basic" = ["card:read"]), ("api_key" = ["card:read"])))]
pub async fn read(
    State(app): State<Arc<App>>,
    Path(unique_id): Path<String>,
    params: Params,
    mut parts: Parts,
) -> Result<Response, ApiError> {
    let Some(secret) = secret(&parts.headers) else {
        let merchant = Merchant::from_request_parts(&mut parts, &app).await?;
        let caller = merchant.with(&app, Scope::CardRead).await?;
        let endpoint = retrieve::find(&app.core, caller, &unique_id).await?;
        return Ok(Json(RetrievalShown::from(&endpoint)).into_response());
    };
    let Address(address) = Address::from_request_parts(&mut parts, &app).await?;
    let reading = Reading {
        unique_id: &unique_id,
        secret: &secret,
        token: params.find("token"),
        reference: params.find("reference"),
        address: &address,
        reveal: false,
    };
    let members = retrieve::open(&app.core, &reading).await?;
    let json = HeaderValue::from_static("application/json");
    Ok(([(header::CONTENT_TYPE, json)], members.to_json().to_string()).into_response())
}

/// Deletes a retrieve endpoint.
#[utoipa::path(delete, path = "/v1/retrieve/{unique_id}", tag = "retrieve",
    params(("unique_id" = String, Path, description = "The endpoint's name.")),
    responses((status = 200, body = Deleted), (status = 401, body = Problem), (status = 403, body = Problem),
        (status = 404, body = Problem)),
    security(("basic" = ["card:read"]), ("api_key" = ["card:read"])))]
pub async fn delete(
    State(app): State<Arc<App>>,
    merchant: Merchant,
    Path(unique_id): Path<String>,
) -> Result<Json<Deleted>, ApiError> {
    let caller = merchant.with(&app, Scope::CardRead).await?;
    retrieve::delete(&app.core, caller, &unique_id).await?;
    Ok(Json(Deleted { deleted: true }))
}

/// The secret that a reader brings.
pub fn secret(headers: &HeaderMap) -> Option<Zeroizing<String>> {
    let value = headers.get("x-pcivault-retrieve-secret").or_else(|| headers.get("x-retrieve-secret"))?;
    value.to_str().ok().map(|text| Zeroizing::new(text.to_owned()))
}

impl From<&RetrieveEndpoint> for RetrievalShown {
    fn from(endpoint: &RetrieveEndpoint) -> Self {
        let reference = endpoint.lock_reference.clone().unwrap_or_default();
        let lock = endpoint.lock_token.clone().map(|token| LockdownInfo { token, reference });
        Self {
            url: format!("/v1/retrieve/{}", endpoint.unique_id),
            unique_id: endpoint.unique_id.clone(),
            user: endpoint.key_name.clone(),
            expires_at: endpoint.expires_at.map(Timestamp::rfc3339),
            lockdown_info: lock,
            mask_fields: endpoint.mask_fields.clone(),
            uses: endpoint.uses,
            max_uses: endpoint.max_uses,
            reveals: endpoint.reveals,
            max_reveals: endpoint.max_reveals,
            reveal_only: endpoint.reveal_only,
            key_changed: endpoint.wrapped.is_empty(),
        }
    }
}
