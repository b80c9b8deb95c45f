//! `/v1/whoami`, `/v1/usage`, `/v1/change-password` (spec A.8), `/v1/api-key`: a merchant's own credentials.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::response::IntoResponse;
use serde::Serialize;
use utoipa::ToSchema;
use zeroize::Zeroizing;

use crate::access::api_keys::{self, NewApiKey};
use crate::access::usage;
use crate::capture::ttl::{self, Ttl};
use crate::http::body::JsonBody;
use crate::http::caller::Merchant;
use crate::http::error::{ApiError, Problem};
use crate::http::params::Params;
use crate::http::router::App;
use crate::invalid::Invalid;
use crate::json::{Members, Value};
use crate::model::{ApiKey, Mode, Scope, Scopes, Timestamp};

/// Who calls (spec A.8).
#[derive(Serialize, ToSchema)]
pub struct WhoAmI {
    /// The credential's user name.
    pub user: String,
    /// The version of the interface.
    pub api_version: String,
    /// The oldest version that clients may speak.
    pub backwards_compatibility: String,
    /// `live` or `test`.
    pub environment: String,
    /// The merchant.
    pub merchant: String,
    /// What it may do.
    pub scopes: Vec<String>,
}

/// What was used in a month.
#[derive(Serialize, ToSchema)]
pub struct UsageShown {
    /// The month.
    pub month: String,
    /// `live` or `test`.
    pub environment: String,
    /// Vault keys at its end.
    pub keys: u64,
    /// Cards stored before its end that are stored still.
    pub tokens: u64,
    /// Those of them that were stored within it.
    pub new_tokens: u64,
    /// Calls with the merchant's credentials, to half a minute.
    pub api_requests: u64,
}

/// The body that changes a password.
#[derive(ToSchema)]
#[expect(dead_code, reason = "documents a body that is parsed strictly by hand")]
pub struct PasswordChange {
    /// 16 characters to 200 bytes; generated when left out.
    password: Option<String>,
}

/// A changed password; shown this once.
#[derive(Serialize, ToSchema)]
pub struct PasswordChanged {
    /// The credential's user name.
    pub user: String,
    /// The password from now on.
    pub password: String,
}

/// The body that makes a credential.
#[derive(ToSchema)]
#[expect(dead_code, reason = "documents a body that is parsed strictly by hand")]
pub struct ApiKeyCreate {
    /// What you call it.
    name: Option<String>,
    /// What it may do: a list, or one text with spaces between. None that the calling credential lacks.
    scopes: Vec<String>,
    /// `live` or `test`; the calling credential's where it is left out.
    mode: Option<String>,
    /// When it ends (RFC 3339); never where it is left out.
    expires_at: Option<String>,
    /// The same as a duration from now, such as `P90D`.
    ttl: Option<String>,
}

/// A credential without its secret.
#[derive(Serialize, ToSchema)]
pub struct ApiKeyShown {
    /// The credential.
    pub id: String,
    /// What its owner calls it.
    pub name: String,
    /// Its user name.
    pub user: String,
    /// `live` or `test`.
    pub mode: String,
    /// What it may do.
    pub scopes: Vec<String>,
    /// `active`, `expired` or `revoked`.
    pub state: String,
    /// When it was made.
    pub created_at: String,
    /// When it was last used, to about a minute.
    pub last_used_at: Option<String>,
    /// When it ends by itself.
    pub expires_at: Option<String>,
    /// When it was ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<String>,
}

/// A new credential; its secret is shown this once.
#[derive(Serialize, ToSchema)]
pub struct ApiKeyCreated {
    /// The credential.
    #[serde(flatten)]
    pub key: ApiKeyShown,
    /// The Basic password.
    pub password: String,
    /// User name and password as one text, for `Authorization: Bearer` and `APIKEY`.
    pub api_key: String,
}

/// Tells whose credential this is. Needs no scope.
#[utoipa::path(get, path = "/v1/whoami", tag = "account",
    responses((status = 200, body = WhoAmI), (status = 401, body = Problem)),
    security(("basic" = []), ("api_key" = [])))]
pub async fn whoami(Merchant(caller): Merchant) -> Json<WhoAmI> {
    Json(WhoAmI {
        user: caller.login,
        api_version: "v1".to_owned(),
        backwards_compatibility: "v1".to_owned(),
        environment: caller.mode.as_str().to_owned(),
        merchant: caller.merchant.to_string(),
        scopes: names(caller.scopes),
    })
}

/// Tells what was used in a month.
#[utoipa::path(get, path = "/v1/usage", tag = "account",
    params(("month" = Option<String>, Query, description = "`YYYY-MM`; the present month where it is left out.")),
    responses((status = 200, body = UsageShown), (status = 400, body = Problem), (status = 401, body = Problem),
        (status = 403, body = Problem)),
    security(("basic" = ["admin"]), ("api_key" = ["admin"])))]
pub async fn usage(
    State(app): State<Arc<App>>,
    merchant: Merchant,
    params: Params,
) -> Result<Json<UsageShown>, ApiError> {
    let caller = merchant.with(&app, Scope::Admin).await?;
    let month = params.find("month").map_or_else(|| app.core.now().month(), str::to_owned);
    let used = usage::of_month(&app.core, caller, &month).await?;
    let used = used.ok_or_else(|| Invalid::new("/month", "month", "month has to be written as 2027-01."))?;
    Ok(Json(UsageShown {
        month,
        environment: caller.mode.as_str().to_owned(),
        keys: used.keys,
        tokens: used.tokens,
        new_tokens: used.new_tokens,
        api_requests: used.calls,
    }))
}

/// Gives the calling credential another password; the old one ends at once. Needs no scope.
#[utoipa::path(post, path = "/v1/change-password", tag = "account", request_body = Option<PasswordChange>,
    responses((status = 200, body = PasswordChanged), (status = 400, body = Problem), (status = 401, body = Problem)),
    security(("basic" = []), ("api_key" = [])))]
pub async fn change_password(
    State(app): State<Arc<App>>,
    Merchant(caller): Merchant,
    JsonBody(body): JsonBody,
) -> Result<Json<PasswordChanged>, ApiError> {
    let chosen = text(&body, "password")?.map(|text| Zeroizing::new(text.to_owned()));
    let password = api_keys::change_password(&app.core, &caller, chosen).await?;
    Ok(Json(PasswordChanged { user: caller.login, password: password.to_string() }))
}

/// Makes a credential.
#[utoipa::path(post, path = "/v1/api-key", tag = "account", request_body = ApiKeyCreate,
    responses((status = 200, body = ApiKeyCreated), (status = 400, body = Problem), (status = 401, body = Problem),
        (status = 403, body = Problem, description = "A scope is missing, or one is asked for that the caller lacks.")),
    security(("basic" = ["admin"]), ("api_key" = ["admin"])))]
pub async fn create(
    State(app): State<Arc<App>>,
    merchant: Merchant,
    JsonBody(body): JsonBody,
) -> Result<Json<ApiKeyCreated>, ApiError> {
    let caller = merchant.with(&app, Scope::Admin).await?;
    let new = NewApiKey {
        name: text(&body, "name")?.unwrap_or_default().to_owned(),
        mode: mode(&body)?,
        scopes: scopes(&body)?,
        expires_at: expiry(&app, &body)?,
    };
    let created = api_keys::create(&app.core, caller, new).await?;
    Ok(Json(ApiKeyCreated {
        api_key: format!("{}.{}", created.key.login, created.secret.as_str()),
        password: created.secret.to_string(),
        key: shown(&created.key, app.core.now()),
    }))
}

/// Lists credentials, oldest first, without their secrets: of both modes, or of test mode for callers of test mode.
#[utoipa::path(get, path = "/v1/api-key", tag = "account",
    params(("limit" = Option<u32>, Query, description = "Credentials on a page."),
        ("next_token" = Option<String>, Query, description = "From the header X-PCIVault-Next-Token of the page before.")),
    responses((status = 200, body = Vec<ApiKeyShown>), (status = 401, body = Problem), (status = 403, body = Problem)),
    security(("basic" = ["admin"]), ("api_key" = ["admin"])))]
pub async fn list(
    State(app): State<Arc<App>>,
    merchant: Merchant,
    params: Params,
) -> Result<impl IntoResponse, ApiError> {
    let caller = merchant.with(&app, Scope::Admin).await?;
    let page = super::page(&params)?;
    let found = api_keys::list(&app.core, caller, page.clone()).await?;
    let next = super::next(found.last().map(|key| key.id.to_string()), found.len(), &page);
    let now = app.core.now();
    Ok((next, Json(found.iter().map(|key| shown(key, now)).collect::<Vec<_>>())))
}

/// Shows one credential, without its secret.
#[utoipa::path(get, path = "/v1/api-key/{id}", tag = "account",
    params(("id" = String, Path, description = "The credential.")),
    responses((status = 200, body = ApiKeyShown), (status = 401, body = Problem), (status = 403, body = Problem),
        (status = 404, body = Problem)),
    security(("basic" = ["admin"]), ("api_key" = ["admin"])))]
pub async fn show(
    State(app): State<Arc<App>>,
    merchant: Merchant,
    Path(id): Path<String>,
) -> Result<Json<ApiKeyShown>, ApiError> {
    let caller = merchant.with(&app, Scope::Admin).await?;
    Ok(Json(shown(&api_keys::find(&app.core, caller, &id).await?, app.core.now())))
}

/// Ends a credential at once, on every node.
#[utoipa::path(delete, path = "/v1/api-key/{id}", tag = "account",
    params(("id" = String, Path, description = "The credential.")),
    responses((status = 200, body = ApiKeyShown), (status = 401, body = Problem), (status = 403, body = Problem),
        (status = 404, body = Problem),
        (status = 409, body = Problem, description = "It was ended before, or is the calling credential itself.")),
    security(("basic" = ["admin"]), ("api_key" = ["admin"])))]
pub async fn revoke(
    State(app): State<Arc<App>>,
    merchant: Merchant,
    Path(id): Path<String>,
) -> Result<Json<ApiKeyShown>, ApiError> {
    let caller = merchant.with(&app, Scope::Admin).await?;
    Ok(Json(shown(&api_keys::revoke(&app.core, caller, &id).await?, app.core.now())))
}

fn shown(key: &ApiKey, now: Timestamp) -> ApiKeyShown {
    let state = match key.revoked_at {
        Some(_) => "revoked",
        None if key.stands(now) => "active",
        None => "expired",
    };
    ApiKeyShown {
        id: key.id.to_string(),
        name: key.name.clone(),
        user: key.login.clone(),
        mode: key.mode.as_str().to_owned(),
        scopes: names(key.scopes),
        state: state.to_owned(),
        created_at: key.created_at.rfc3339(),
        last_used_at: key.used_at.map(Timestamp::rfc3339),
        expires_at: key.expires_at.map(Timestamp::rfc3339),
        revoked_at: key.revoked_at.map(Timestamp::rfc3339),
    }
}

fn names(scopes: Scopes) -> Vec<String> {
    scopes.names().into_iter().map(str::to_owned).collect()
}

fn text<'b>(body: &'b Members, name: &str) -> Result<Option<&'b str>, Invalid> {
    match body.find(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Text(text)) => Ok(Some(text)),
        Some(_) => Err(Invalid::new(format!("/{name}"), "type", "This has to be a text.")),
    }
}

fn mode(body: &Members) -> Result<Option<Mode>, Invalid> {
    let Some(name) = text(body, "mode")? else { return Ok(None) };
    let found = Mode::parse(name);
    found.map(Some).ok_or_else(|| Invalid::new("/mode", "unknown", "mode has to be live or test."))
}

fn scopes(body: &Members) -> Result<Scopes, Invalid> {
    let refused = || Invalid::new("/scopes", "type", "scopes has to be a list of scopes by their names.");
    let names: Vec<&str> = match body.find("scopes") {
        Some(Value::Text(text)) => text.split_whitespace().collect(),
        Some(Value::List(items)) => {
            items.iter().map(|item| item.as_text().ok_or_else(refused)).collect::<Result<_, _>>()?
        }
        _ => return Err(refused()),
    };
    let parsed = names.into_iter().map(|name| {
        let known = || Scope::ALL.map(Scope::as_str).join(", ");
        Scope::parse(name)
            .ok_or_else(|| Invalid::new("/scopes", "unknown", format!("The scopes are {}.", known())))
    });
    Ok(Scopes::of(&parsed.collect::<Result<Vec<_>, _>>()?))
}

fn expiry(app: &App, body: &Members) -> Result<Option<Timestamp>, Invalid> {
    if let Some(end) = text(body, "expires_at")? {
        let parsed = Timestamp::parse(end);
        let refused = || Invalid::new("/expires_at", "time", "expires_at has to be a time (RFC 3339).");
        return parsed.map(Some).ok_or_else(refused);
    }
    let Some(life) = text(body, "ttl")? else { return Ok(None) };
    match ttl::parse(life) {
        Some(Ttl::For(life)) => Ok(Some(app.core.now().plus(life))),
        Some(Ttl::Endless) => Ok(None),
        None => Err(Invalid::new("/ttl", "duration", "ttl has to be a duration such as P90D.")),
    }
}
