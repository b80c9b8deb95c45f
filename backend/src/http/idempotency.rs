//! The layer that gives calls with an `Idempotency-Key` their first answer again (design.md, decision 13). One layer
//! for every interface; a [`Surface`] says who calls and what a refusal looks like.

use std::sync::Arc;

use async_trait::async_trait;
use axum::Extension;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{FromRequestParts as _, RawPathParams, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use tracing::Instrument as _;
use zeroize::Zeroizing;

use super::body::read_within;
use super::booking;
use super::caller::{
    Address, Authenticated, AuthenticatedOperator, Merchant, Operating, credentials, has_credentials,
};
use super::error::ApiError;
use super::router::App;
use crate::access::Caller;
use crate::access::idempotency::{self, AfterCrash, Asked, Begun, Holder, IdempotencyError, Keys, Ticket};
use crate::json::{self, Members, Value};
use crate::model::{MerchantId, Mode};

/// The header of the key.
pub const KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// Marks an answer that was given before.
const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");
/// The largest answer that is kept.
const LARGEST_ANSWER: usize = 4 * 1024 * 1024;

/// What differs between the interfaces.
#[async_trait]
pub trait Surface: Send + Sync + 'static {
    /// Who calls; `None` where the call brings no credential that an answer could be sealed under, so that its key is
    /// left aside. The body is whole, for interfaces whose credentials stand in it.
    async fn holder(
        &self,
        app: &Arc<App>,
        parts: &mut Parts,
        body: &Bytes,
    ) -> Result<Option<Holder>, ApiError>;

    /// A refusal in the interface's own shape.
    fn refusal(&self, headers: &HeaderMap, error: ApiError) -> Response;

    /// The largest body, in bytes.
    fn most(&self) -> usize {
        json::MAX_BYTES
    }

    /// Members of the body that are others each time the same is asked.
    fn fresh(&self) -> &'static [&'static str] {
        &[]
    }

    /// What becomes of a call whose node went away while it ran.
    fn after_crash(&self) -> AfterCrash {
        AfterCrash::RunAgain
    }
}

/// Marks an answer of an interface whose refusals have the status of a success: nothing was begun, nothing is kept.
#[derive(Clone, Copy)]
pub struct NothingBegun;

/// Calls of merchant backends by header, refused by problem documents.
pub struct Vault;

/// The same calls, refused in the notation of cards over the phone.
pub struct Booking;

/// Captures, by the endpoint's secret.
pub struct Capture;

/// Calls of operators, by their own credentials.
pub struct Operation;

/// The layer of the vault's calls.
pub async fn vault(Extension(app): Extension<Arc<App>>, request: Request, next: Next) -> Response {
    once(&Vault, app, request, next).await
}

/// The layer of cards over the phone.
pub async fn booking(Extension(app): Extension<Arc<App>>, request: Request, next: Next) -> Response {
    once(&Booking, app, request, next).await
}

/// The layer of captures.
pub async fn capture(Extension(app): Extension<Arc<App>>, request: Request, next: Next) -> Response {
    once(&Capture, app, request, next).await
}

/// The layer of operators' calls.
pub async fn operating(Extension(app): Extension<Arc<App>>, request: Request, next: Next) -> Response {
    once(&Operation, app, request, next).await
}

/// Runs a call once. Calls without the header, and those that are no `POST`, pass.
pub async fn once(surface: &dyn Surface, app: Arc<App>, request: Request, next: Next) -> Response {
    let Some(key) = request.headers().get(KEY).filter(|_| request.method() == Method::POST).cloned() else {
        return next.run(request).await;
    };
    let (mut parts, body) = request.into_parts();
    let body = match read_within(body, surface.most()).await {
        Ok(body) => body,
        Err(error) => return surface.refusal(&parts.headers, error),
    };
    let holder = match surface.holder(&app, &mut parts, &body).await {
        Ok(Some(holder)) => holder,
        Ok(None) => return next.run(Request::from_parts(parts, Body::from(body))).await,
        Err(error) => return surface.refusal(&parts.headers, error),
    };
    match begin(&app, surface, &holder, &key, &parts, &body).await {
        Ok(Begun::Run(ticket)) => run(app, ticket, Request::from_parts(parts, Body::from(body)), next).await,
        Ok(Begun::Answered(answer)) => {
            replay(&answer).unwrap_or_else(|error| surface.refusal(&parts.headers, error))
        }
        Err(error) => surface.refusal(&parts.headers, error.into()),
    }
}

async fn begin(
    app: &App,
    surface: &dyn Surface,
    holder: &Holder,
    key: &HeaderValue,
    parts: &Parts,
    body: &Bytes,
) -> Result<Begun, IdempotencyError> {
    let query = pairs(parts.uri.query().unwrap_or_default().as_bytes());
    let mut members = members(body);
    if let Some(members) = &mut members {
        members.retain(|name, _| !surface.fresh().contains(&name));
    }
    let asked = Asked {
        method: parts.method.as_str(),
        path: parts.uri.path(),
        query: &query,
        body: members.as_ref(),
        raw: body,
    };
    let key = key.to_str().map_err(|_| IdempotencyError::Key)?;
    idempotency::begin(&app.core, holder, key, &asked, surface.after_crash()).await
}

/// Runs the call in a task of its own: whoever hangs up does not end it half way.
async fn run(app: Arc<App>, ticket: Ticket, request: Request, next: Next) -> Response {
    let work = async move {
        let response = next.run(request).await;
        if !is_kept(response.status()) || response.extensions().get::<NothingBegun>().is_some() {
            told(idempotency::forget(&app.core, ticket).await);
            return response;
        }
        let (parts, body) = response.into_parts();
        let Ok(body) = to_bytes(body, LARGEST_ANSWER).await else {
            return ApiError::unreadable().into_response();
        };
        let kept = Kept::of(parts.status, &parts.headers, &body);
        told(idempotency::keep(&app.core, ticket, &kept).await);
        Response::from_parts(parts, Body::from(body))
    };
    let ended = tokio::spawn(work.in_current_span()).await;
    ended.unwrap_or_else(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response())
}

/// The call is done all the same; only that it is known as done failed.
fn told(result: Result<(), crate::storage::StoreError>) {
    if let Err(error) = result {
        tracing::error!(%error, "an answer could not be kept for its idempotency key");
    }
}

/// Whether an answer tells of something that was begun. Refusals that come before, and those that ask to try again,
/// are not kept: the next call under the key is the first one.
fn is_kept(status: StatusCode) -> bool {
    !matches!(
        status.as_u16(),
        400 | 401 | 403 | 404 | 405 | 406 | 408 | 411 | 413 | 414 | 415 | 422 | 425 | 426 | 429 | 503
    )
}

/// An answer as it is kept.
#[derive(Serialize, Deserialize)]
struct Kept {
    status: u16,
    headers: Vec<(String, Vec<u8>)>,
    /// Base64.
    body: String,
}

impl Kept {
    fn of(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Zeroizing<Vec<u8>> {
        let headers =
            headers.iter().map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec()));
        let kept = Self { status: status.as_u16(), headers: headers.collect(), body: STANDARD.encode(body) };
        let text = Zeroizing::new(serde_json::to_vec(&kept).unwrap_or_default());
        drop(Zeroizing::new(kept.body));
        text
    }
}

fn replay(answer: &[u8]) -> Result<Response, ApiError> {
    let kept: Kept = serde_json::from_slice(answer).map_err(|_| ApiError::unreadable())?;
    let body = STANDARD.decode(kept.body).map_err(|_| ApiError::unreadable())?;
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::from_u16(kept.status).map_err(|_| ApiError::unreadable())?;
    for (name, value) in kept.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::from_bytes(&value)) {
            response.headers_mut().append(name, value);
        }
    }
    response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    Ok(response)
}

/// The members of a body in any notation that the interfaces read.
fn members(body: &[u8]) -> Option<Members> {
    match body.iter().find(|byte| !byte.is_ascii_whitespace()) {
        Some(b'<') => booking::read_xml(std::str::from_utf8(body).ok()?).ok(),
        Some(b'{') | None => Members::parse(body).ok(),
        Some(_) => body.contains(&b'=').then(|| pairs(body)),
    }
}

fn pairs(text: &[u8]) -> Members {
    form_urlencoded::parse(text).map(|(name, value)| (name.into_owned(), Value::text(value))).collect()
}

/// A caller's holder; handlers find the caller in the request and do not authenticate once more.
pub(super) async fn by_header(app: &Arc<App>, parts: &mut Parts) -> Result<Option<Holder>, ApiError> {
    if !has_credentials(&parts.headers) {
        return Ok(None);
    }
    let Merchant(caller) = Merchant::from_request_parts(parts, app).await?;
    let (_, secret) = credentials(&parts.headers).unwrap_or_default();
    parts.extensions.insert(Authenticated(caller.clone()));
    let Caller { merchant, mode, login, .. } = caller;
    Ok(Some(Holder { merchant, mode, keys: Keys::Merchant, name: login, secret }))
}

#[async_trait]
impl Surface for Vault {
    async fn holder(&self, app: &Arc<App>, parts: &mut Parts, _: &Bytes) -> Result<Option<Holder>, ApiError> {
        by_header(app, parts).await
    }

    fn refusal(&self, _: &HeaderMap, error: ApiError) -> Response {
        error.into_response()
    }
}

#[async_trait]
impl Surface for Booking {
    async fn holder(&self, app: &Arc<App>, parts: &mut Parts, _: &Bytes) -> Result<Option<Holder>, ApiError> {
        by_header(app, parts).await
    }

    fn refusal(&self, headers: &HeaderMap, error: ApiError) -> Response {
        booking::refusal(headers, error)
    }
}

#[async_trait]
impl Surface for Capture {
    async fn holder(&self, app: &Arc<App>, parts: &mut Parts, _: &Bytes) -> Result<Option<Holder>, ApiError> {
        let Some(secret) = super::v1::capture::secret(&parts.headers) else { return Ok(None) };
        let Address(address) = Address::from_request_parts(parts, app).await?;
        let path = RawPathParams::from_request_parts(parts, app).await.map_err(|_| ApiError::not_found())?;
        let id = path.iter().next().map(|(_, value)| value.to_owned()).unwrap_or_default();
        let facts = app.facts.prove(&app.core, &id, Some(&secret), &address).await?;
        let endpoint = &facts.endpoint;
        let (merchant, mode) = (endpoint.merchant.clone(), endpoint.mode);
        Ok(Some(Holder { merchant, mode, keys: Keys::Endpoint, name: endpoint.id.to_string(), secret }))
    }

    fn refusal(&self, _: &HeaderMap, error: ApiError) -> Response {
        error.into_response()
    }
}

#[async_trait]
impl Surface for Operation {
    async fn holder(&self, app: &Arc<App>, parts: &mut Parts, _: &Bytes) -> Result<Option<Holder>, ApiError> {
        let Operating(operator) = Operating::from_request_parts(parts, app).await?;
        let (login, secret) = credentials(&parts.headers).unwrap_or_default();
        parts.extensions.insert(AuthenticatedOperator(operator));
        // The call is nobody's but the operator's; its path names the merchant. Each credential has keys of its own.
        let merchant = MerchantId::stored(String::new());
        Ok(Some(Holder { merchant, mode: Mode::Live, keys: Keys::Endpoint, name: login, secret }))
    }

    fn refusal(&self, _: &HeaderMap, error: ApiError) -> Response {
        error.into_response()
    }
}

impl From<IdempotencyError> for ApiError {
    fn from(error: IdempotencyError) -> Self {
        let conflict = |code, detail| Self::new(StatusCode::CONFLICT, code, detail);
        match error {
            IdempotencyError::Key => {
                let detail = "An Idempotency-Key has 1 to 255 visible ASCII characters.";
                Self::new(StatusCode::BAD_REQUEST, "idempotency_key", detail)
            }
            IdempotencyError::Reused => Self::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "idempotency_key_reused",
                "This Idempotency-Key was used with other parameters or another credential.",
            ),
            IdempotencyError::Running => {
                conflict("in_progress", "A call with this Idempotency-Key is still running; try again.")
            }
            IdempotencyError::Unfinished => conflict(
                "unfinished",
                "The first call with this Idempotency-Key did not come to its end; look up what came of it.",
            ),
            IdempotencyError::Store(error) => error.into(),
            IdempotencyError::Crypto(error) => crate::vault::VaultError::Crypto(error).into(),
        }
    }
}
