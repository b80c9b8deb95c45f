//! `/v1/proxy`: stored cards sent to other servers, and cards fetched from them (spec A.7).

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{FromRequest, Path, Request, State};
use axum::http::HeaderMap;
use axum::{Extension, Json};
use serde::Serialize;
use utoipa::ToSchema;

use super::vault::algorithm;
use crate::http::body::read_within;
use crate::http::caller::{Merchant, key_access};
use crate::http::error::{ApiError, Problem};
use crate::http::params::Params;
use crate::http::router::App;
use crate::json::Members;
use crate::model::{Scope, SendState, Timestamp};
use crate::proxy::{self, MAX_CALL, Order, Sent, Stay, Wish, hosts};
use crate::rules::stored;
use crate::vault::cards::CardName;

/// The body of a call.
#[derive(ToSchema)]
#[expect(dead_code, reason = "documents a body that is parsed strictly by hand")]
pub struct ProxyCall {
    /// What is to be sent: `method`, `url`, `headers` (a list of objects with one member each), `body`, `extra_data`.
    /// Address, values of headers and body are templates over the card's members.
    request: serde_json::Value,
    /// Where a queued send is told: `url` (https) and `secret`.
    webhook: Option<serde_json::Value>,
}

/// What came of a call.
#[derive(Serialize, ToSchema)]
pub struct ProxyAnswer {
    /// The send, also towards the server as `Idempotency-Key`.
    pub id: String,
    /// `queued`, `answered` or `failed`.
    pub state: String,
    /// The server's status as a text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// The server's status.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status_code: Option<u16>,
    /// The server's headers, as a list of objects with one member each.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub headers: Option<Vec<BTreeMap<String, String>>>,
    /// The server's body, without card numbers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// Why there is no answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The message as it was sent, masked; with `debug`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub populated_template: Option<Populated>,
    /// Attempts that ended; of a queued send.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempts: Option<u32>,
    /// When it was queued.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_at: Option<String>,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<String>,
}

/// A filled message, masked.
#[derive(Serialize, ToSchema)]
pub struct Populated {
    /// The method.
    pub method: String,
    /// The address.
    pub url: String,
    /// The headers.
    pub headers: Vec<BTreeMap<String, String>>,
    /// The body.
    pub body: String,
}

/// What came of fetching a card.
#[derive(Serialize, ToSchema)]
pub struct ProxyFetched {
    /// The call.
    pub id: String,
    /// The server's status as a text.
    pub status: String,
    /// The server's status.
    pub status_code: u16,
    /// The server's headers.
    pub headers: Vec<BTreeMap<String, String>>,
    /// With `smart_parse`, or where the server refused: its body, with marks in the places of the card.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// The stored card; missing where the server refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_info: Option<TokenInfo>,
    /// The message as it was sent; with `debug`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub populated_template: Option<Populated>,
}

/// A stored card.
#[derive(Serialize, ToSchema)]
pub struct TokenInfo {
    /// The token.
    pub token: String,
    /// The vault key's name.
    pub user: String,
    /// The reference, where it has one.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reference: String,
    /// When it was stored.
    pub stored_at: String,
}

/// A host that the operator allowed.
#[derive(Serialize, ToSchema)]
pub struct AllowedHost {
    /// The name, with its port where that is not 443.
    pub host: String,
    /// Whether it is called with a client certificate or an authority of its own.
    pub own_tls: bool,
    /// When it was allowed.
    pub created_at: String,
}

/// A call's body, of more than other calls may have, with the call's time and places.
pub struct Large(Members, Arc<Stay>);

impl FromRequest<Arc<App>> for Large {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &Arc<App>) -> Result<Self, ApiError> {
        let stay = request.extensions().get::<Arc<Stay>>().cloned();
        let bytes = read_within(request.into_body(), MAX_CALL).await?;
        let members = Members::parse_within(&bytes, MAX_CALL)?;
        Ok(Self(members, stay.unwrap_or_else(|| Arc::new(Stay::begin()))))
    }
}

/// Sends a stored card: a message with templates is filled with its members and sent to a host that the operator
/// allowed. Queued unless `synchronous`.
#[utoipa::path(post, path = "/v1/proxy/post", tag = "proxy",
    params(("user" = String, Query, description = "The vault key's name; `managed` for the managed key."),
        ("X-Vault-Passphrase" = Option<String>, Header, description = "The key's passphrase (also `passphrase` in the query)."),
        ("token" = String, Query, description = "The card."),
        ("reference" = Option<String>, Query, description = "Its reference."),
        ("synchronous" = Option<bool>, Query, description = "Sends now and answers what came back, within 20 seconds."),
        ("max_attempts" = Option<u32>, Query, description = "Attempts of a queued send, 1 to 16; default 8."),
        ("rules" = Option<String>, Query, description = "Ids of rules, with commas between, that change the members before the templates see them."),
        ("debug" = Option<bool>, Query, description = "Answers the filled message too, masked.")),
    request_body = ProxyCall,
    responses((status = 200, body = ProxyAnswer), (status = 400, body = Problem), (status = 401, body = Problem),
        (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem),
        (status = 408, body = Problem), (status = 413, body = Problem), (status = 429, body = Problem),
        (status = 502, body = Problem), (status = 503, body = Problem), (status = 504, body = Problem)),
    security(("basic" = ["proxy"]), ("api_key" = ["proxy"])))]
pub async fn post(
    State(app): State<Arc<App>>,
    merchant: Merchant,
    headers: HeaderMap,
    params: Params,
    Large(body, stay): Large,
) -> Result<Json<ProxyAnswer>, ApiError> {
    let caller = merchant.with(&app, Scope::Proxy).await?;
    let names = params.find("rules").unwrap_or_default();
    let rows = stored::named_rows(&app.core, caller, names).await?;
    let mut order = order(&headers, &params, body, stay)?;
    order.name.token = params.need("token")?.to_owned();
    if let Some(hook) = &order.wish.webhook {
        super::callback_url(&app, "/webhook/url", &hook.url)?;
    }
    let kept = stored::kept(&rows);
    order.rules = kept.as_deref().map(stored::of_kept).transpose()?.unwrap_or_default();
    if params.flag("synchronous", false)? {
        return Ok(Json(proxy::send(&app.core, &app.proxy, caller, order).await?.into()));
    }
    let attempts = params.number("max_attempts", 1..=16)?.unwrap_or(8);
    let (id, shown) = proxy::enqueue(&app.core, &app.proxy, caller, order, kept, attempts).await?;
    let mut answer = ProxyAnswer::of(id.to_string(), SendState::Queued);
    answer.populated_template = shown.map(Into::into);
    Ok(Json(answer))
}

/// Fetches a card: a server is called, and the card in its answer is stored under a vault key.
#[utoipa::path(post, path = "/v1/proxy/get", tag = "proxy",
    params(("user" = String, Query, description = "The vault key's name to store under."),
        ("X-Vault-Passphrase" = Option<String>, Header, description = "The key's passphrase (also `passphrase` in the query)."),
        ("reference" = Option<String>, Query, description = "The reference of the stored card."),
        ("algorithm" = Option<String>, Query, description = "Token algorithm, as when a card is stored."),
        ("smart_parse" = Option<bool>, Query, description = "Looks for the card in any text and answers the rest with marks in its places. Otherwise the answer has to be a JSON object, which is stored as a whole."),
        ("rules" = Option<String>, Query, description = "Ids of rules, with commas between, that change the card before it is stored."),
        ("debug" = Option<bool>, Query, description = "Answers the filled message too.")),
    request_body = ProxyCall,
    responses((status = 200, body = ProxyFetched), (status = 400, body = Problem), (status = 401, body = Problem),
        (status = 403, body = Problem), (status = 404, body = Problem), (status = 408, body = Problem),
        (status = 413, body = Problem), (status = 502, body = Problem), (status = 503, body = Problem),
        (status = 504, body = Problem)),
    security(("basic" = ["card:write", "proxy"]), ("api_key" = ["card:write", "proxy"])))]
pub async fn get(
    State(app): State<Arc<App>>,
    merchant: Merchant,
    headers: HeaderMap,
    params: Params,
    Large(body, stay): Large,
) -> Result<Json<ProxyFetched>, ApiError> {
    // It stores what it fetches.
    merchant.with(&app, Scope::CardWrite).await?;
    let caller = merchant.with(&app, Scope::Proxy).await?;
    let rules = stored::named(&app.core, caller, params.find("rules").unwrap_or_default()).await?;
    let order = Order { rules, ..order(&headers, &params, body, stay)? };
    let (algorithm, smart) = (algorithm(&params)?, params.flag("smart_parse", false)?);
    let taken = proxy::fetch(&app.core, &app.proxy, caller, order, algorithm, smart).await?;
    let stored_at = taken.stored_at.rfc3339();
    Ok(Json(ProxyFetched {
        id: taken.id.to_string(),
        status: taken.answer.status.to_string(),
        status_code: taken.answer.status,
        headers: listed(taken.answer.headers),
        body: Some(taken.answer.body).filter(|body| !body.is_empty()),
        token_info: taken.saved.map(|saved| TokenInfo {
            token: saved.token,
            user: saved.user,
            reference: saved.reference,
            stored_at,
        }),
        populated_template: taken.shown.map(Into::into),
    }))
}

/// What came of a queued send. Kept for a day after its end.
#[utoipa::path(get, path = "/v1/proxy/{id}", tag = "proxy",
    params(("id" = String, Path, description = "The send.")),
    responses((status = 200, body = ProxyAnswer), (status = 401, body = Problem), (status = 403, body = Problem),
        (status = 404, body = Problem), (status = 503, body = Problem)),
    security(("basic" = ["proxy"]), ("api_key" = ["proxy"])))]
pub async fn show(
    State(app): State<Arc<App>>,
    merchant: Merchant,
    Extension(stay): Extension<Arc<Stay>>,
    Path(id): Path<String>,
) -> Result<Json<ProxyAnswer>, ApiError> {
    let caller = merchant.with(&app, Scope::Proxy).await?;
    let found = proxy::find(&app.core, &app.proxy, caller, &id, &stay).await?;
    let mut answer = ProxyAnswer::of(found.send.id.to_string(), found.send.state);
    answer.attempts = Some(found.send.attempts);
    answer.created_at = Some(found.send.created_at.rfc3339());
    answer.finished_at = found.send.finished_at.map(Timestamp::rfc3339);
    if let Some(came) = found.answer {
        answer.error = came.error;
        if came.status > 0 {
            answer.status = Some(came.status.to_string());
            answer.status_code = Some(came.status);
            answer.headers = Some(listed(came.headers));
            answer.body = Some(came.body);
        }
    }
    Ok(Json(answer))
}

/// Lists the hosts that the operator allowed for this merchant.
#[utoipa::path(get, path = "/v1/proxy/hosts", tag = "proxy",
    responses((status = 200, body = Vec<AllowedHost>), (status = 401, body = Problem), (status = 403, body = Problem)),
    security(("basic" = ["proxy"]), ("api_key" = ["proxy"])))]
pub async fn hosts(
    State(app): State<Arc<App>>,
    merchant: Merchant,
) -> Result<Json<Vec<AllowedHost>>, ApiError> {
    let caller = merchant.with(&app, Scope::Proxy).await?;
    let found = hosts::list(&app.core, caller).await?;
    let shown = found.into_iter().map(|host| AllowedHost {
        own_tls: !host.sealed.is_empty(),
        created_at: host.created_at.rfc3339(),
        host: host.host,
    });
    Ok(Json(shown.collect()))
}

fn order(headers: &HeaderMap, params: &Params, body: Members, stay: Arc<Stay>) -> Result<Order, ApiError> {
    let access = key_access(headers, params, None)?;
    let reference = params.find("reference").unwrap_or_default().to_owned();
    let wish = Wish::parse(body)?;
    Ok(Order {
        access,
        name: CardName { token: String::new(), reference },
        wish,
        rules: Vec::new(),
        debug: params.flag("debug", false)?,
        stay,
    })
}

fn listed(headers: Vec<(String, String)>) -> Vec<BTreeMap<String, String>> {
    headers.into_iter().map(|pair| BTreeMap::from([pair])).collect()
}

impl ProxyAnswer {
    fn of(id: String, state: SendState) -> Self {
        Self {
            id,
            state: state.as_str().to_owned(),
            status: None,
            status_code: None,
            headers: None,
            body: None,
            error: None,
            populated_template: None,
            attempts: None,
            created_at: None,
            finished_at: None,
        }
    }
}

impl From<Sent> for ProxyAnswer {
    fn from(sent: Sent) -> Self {
        Self {
            status: Some(sent.answer.status.to_string()),
            status_code: Some(sent.answer.status),
            headers: Some(listed(sent.answer.headers)),
            body: Some(sent.answer.body),
            populated_template: sent.shown.map(Into::into),
            ..Self::of(sent.id.to_string(), SendState::Answered)
        }
    }
}

impl From<proxy::Shown> for Populated {
    fn from(shown: proxy::Shown) -> Self {
        Self { method: shown.method, url: shown.url, headers: listed(shown.headers), body: shown.body }
    }
}
