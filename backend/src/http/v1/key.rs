//! `/v1/key`: vault keys (spec A.2).

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::IntoResponse;
use zeroize::Zeroizing;

use super::wire::{KeyChange, KeyCreate, KeyCreated, KeyNamed};
use crate::http::body::JsonBody;
use crate::http::caller::{Merchant, key_access};
use crate::http::error::{ApiError, Problem};
use crate::http::params::Params;
use crate::http::router::App;
use crate::invalid::Invalid;
use crate::json::Members;
use crate::model::Scope;
use crate::vault::keys;

/// Makes a vault key.
#[utoipa::path(post, path = "/v1/key", tag = "keys", request_body = KeyCreate, responses(
    (status = 200, body = KeyCreated), (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem),
    (status = 409, body = Problem, description = "A key of this name exists.")),
    security(("basic" = ["card:write"]), ("api_key" = ["card:write"])))]
pub async fn create(
    State(app): State<Arc<App>>,
    merchant: Merchant,
    params: Params,
    JsonBody(body): JsonBody,
) -> Result<Json<KeyCreated>, ApiError> {
    let caller = merchant.with(&app, Scope::CardWrite).await?;
    let user = text(&body, &params, "user")?
        .ok_or_else(|| Invalid::new("/user", "missing", "A key needs a name."))?;
    let chosen = text(&body, &params, "passphrase")?;
    let passphrase = keys::create(&app.core, caller, &user, chosen).await?;
    Ok(Json(KeyCreated { passphrase: passphrase.to_string(), user: user.to_string() }))
}

/// Lists the names of vault keys.
#[utoipa::path(get, path = "/v1/key", tag = "keys",
    params(("limit" = Option<u32>, Query, description = "Names on a page."),
        ("next_token" = Option<String>, Query, description = "From the header X-PCIVault-Next-Token of the page before.")),
    responses((status = 200, body = Vec<String>), (status = 401, body = Problem), (status = 403, body = Problem)),
    security(("basic" = ["card:read"]), ("api_key" = ["card:read"])))]
pub async fn list(
    State(app): State<Arc<App>>,
    merchant: Merchant,
    params: Params,
) -> Result<impl IntoResponse, ApiError> {
    let caller = merchant.with(&app, Scope::CardRead).await?;
    let mut page = super::page(&params)?;
    page.after = page.after.as_deref().map(super::decode);
    let names: Vec<_> =
        keys::list(&app.core, caller, page.clone()).await?.into_iter().map(|key| key.name).collect();
    let next = super::next(names.last().map(|name| super::encode(name)), names.len(), &page);
    Ok((next, Json(names)))
}

/// Changes a passphrase. No capture endpoint breaks by it.
#[utoipa::path(put, path = "/v1/key", tag = "keys", request_body = KeyChange, responses(
    (status = 200, body = KeyNamed), (status = 400, body = Problem), (status = 401, body = Problem),
    (status = 403, body = Problem, description = "Wrong passphrase."), (status = 404, body = Problem)),
    security(("basic" = ["card:write"]), ("api_key" = ["card:write"])))]
pub async fn change(
    State(app): State<Arc<App>>,
    merchant: Merchant,
    headers: HeaderMap,
    params: Params,
    JsonBody(body): JsonBody,
) -> Result<Json<KeyNamed>, ApiError> {
    let caller = merchant.with(&app, Scope::CardWrite).await?;
    let access = key_access(&headers, &params, Some(&body))?;
    let new = text(&body, &params, "new_passphrase")?.unwrap_or_default();
    keys::change_passphrase(&app.core, caller, &access, new).await?;
    Ok(Json(KeyNamed { user: access.user, version: None }))
}

/// Makes a new key pair. Cards are sealed to it from now on, and older ones when they are next opened.
#[utoipa::path(post, path = "/v1/key/rotate", tag = "keys",
    params(("user" = String, Query, description = "The key's name."),
        ("X-Vault-Passphrase" = Option<String>, Header, description = "Its passphrase (also `passphrase` in the query or the body).")),
    responses((status = 200, body = KeyNamed), (status = 401, body = Problem), (status = 403, body = Problem),
        (status = 404, body = Problem)),
    security(("basic" = ["card:write"]), ("api_key" = ["card:write"])))]
pub async fn rotate(
    State(app): State<Arc<App>>,
    merchant: Merchant,
    headers: HeaderMap,
    params: Params,
    JsonBody(body): JsonBody,
) -> Result<Json<KeyNamed>, ApiError> {
    let caller = merchant.with(&app, Scope::CardWrite).await?;
    let access = key_access(&headers, &params, Some(&body))?;
    let version = keys::rotate(&app.core, caller, &access).await?;
    Ok(Json(KeyNamed { user: access.user, version: Some(version) }))
}

/// Deletes a vault key.
#[utoipa::path(delete, path = "/v1/key", tag = "keys",
    params(("user" = String, Query, description = "The key's name."),
        ("safe" = Option<bool>, Query, description = "True (the default): refused while cards are stored under the key.")),
    responses((status = 200, body = KeyNamed), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem),
        (status = 409, body = Problem, description = "Cards are stored under the key.")),
    security(("basic" = ["card:write"]), ("api_key" = ["card:write"])))]
pub async fn delete(
    State(app): State<Arc<App>>,
    merchant: Merchant,
    params: Params,
) -> Result<Json<KeyNamed>, ApiError> {
    let caller = merchant.with(&app, Scope::CardWrite).await?;
    let (user, safe) = (params.need("user")?, params.flag("safe", true)?);
    keys::delete(&app.core, caller, user, safe).await?;
    Ok(Json(KeyNamed { user: user.to_owned(), version: None }))
}

/// A text of the body, else of the query.
fn text(body: &Members, params: &Params, name: &str) -> Result<Option<Zeroizing<String>>, ApiError> {
    match body.find(name) {
        Some(value) => match value.as_text() {
            Some(text) => Ok(Some(Zeroizing::new(text.to_owned()))),
            None => Err(Invalid::new(format!("/{name}"), "type", "This has to be a text.").into()),
        },
        None => Ok(params.find(name).map(|text| Zeroizing::new(text.to_owned()))),
    }
}
