//! Who calls: credentials from the Authorization header, and the client's address.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::error::ApiError;
use super::params::Params;
use super::router::App;
use crate::access::operators::{self, Operator};
use crate::access::{self, Caller};
use crate::json::Members;
use crate::model::Scope;
use crate::vault::keys::KeyAccess;

/// An authenticated caller: HTTP Basic, or an API key as `Bearer` or `APIKEY`.
pub struct Merchant(pub Caller);

/// A caller that a layer authenticated already, within the request.
#[derive(Clone)]
pub struct Authenticated(pub Caller);

/// An authenticated operator: an operator key as `Bearer`.
pub struct Operating(pub Operator);

/// An operator that a layer authenticated already, within the request.
#[derive(Clone)]
pub struct AuthenticatedOperator(pub Operator);

/// The client's address as text.
pub struct Address(pub String);

impl Merchant {
    /// The caller, if the credential has a scope. A lacking scope is audited.
    pub async fn with(&self, app: &App, scope: Scope) -> Result<&Caller, ApiError> {
        if let Err(error) = self.0.may(scope) {
            app.core.refused(&self.0.actor(), "access.scope", scope.as_str()).await;
            return Err(error.into());
        }
        Ok(&self.0)
    }
}

impl FromRequestParts<Arc<App>> for Merchant {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        if let Some(Authenticated(caller)) = parts.extensions.get() {
            return Ok(Self(caller.clone()));
        }
        let Address(address) = Address::from_request_parts(parts, app).await?;
        let (login, password) = credentials(&parts.headers).unwrap_or_default();
        Ok(Self(access::authenticate(&app.core, &login, &password, &address).await?))
    }
}

impl FromRequestParts<Arc<App>> for Operating {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        if let Some(AuthenticatedOperator(operator)) = parts.extensions.get() {
            return Ok(Self(operator.clone()));
        }
        let Address(address) = Address::from_request_parts(parts, app).await?;
        let (login, secret) = credentials(&parts.headers).unwrap_or_default();
        Ok(Self(operators::authenticate(&app.core, &login, &secret, &address).await?))
    }
}

impl FromRequestParts<Arc<App>> for Address {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip().to_canonical());
        let address = peer.map(|peer| app.proxies.forwarded(&parts.headers, peer).unwrap_or(peer));
        Ok(Self(address.map(|address| address.to_canonical().to_string()).unwrap_or_default()))
    }
}

/// Whether a request brings credentials at all.
pub fn has_credentials(headers: &HeaderMap) -> bool {
    headers.contains_key(header::AUTHORIZATION)
}

/// The vault key that a call names: `user`, and the passphrase from a header (the better way), the body or the
/// query (design.md, decision 7).
pub fn key_access(
    headers: &HeaderMap,
    params: &Params,
    body: Option<&Members>,
) -> Result<KeyAccess, ApiError> {
    let from_body = |name| body_text(body, name);
    let user =
        params.find("user").map(str::to_owned).or_else(|| from_body("user").map(|text| text.to_string()));
    let header = headers.get("x-vault-passphrase").and_then(|value| value.to_str().ok());
    let passphrase = header.or(params.find("passphrase")).map(|text| Zeroizing::new(text.to_owned()));
    let passphrase = passphrase.or_else(|| from_body("passphrase")).unwrap_or_default();
    let user = match user {
        Some(user) => user,
        None => params.need("user")?.to_owned(),
    };
    Ok(KeyAccess { user, passphrase })
}

fn body_text(body: Option<&Members>, name: &str) -> Option<Zeroizing<String>> {
    body?.find(name)?.as_text().map(|text| Zeroizing::new(text.to_owned()))
}

/// The login and the secret of a request's header.
pub fn credentials(headers: &HeaderMap) -> Option<(String, Zeroizing<String>)> {
    let (scheme, rest) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    let rest = rest.trim();
    if scheme.eq_ignore_ascii_case("basic") {
        let bytes = Zeroizing::new(STANDARD.decode(rest).ok()?);
        let (login, password) = std::str::from_utf8(&bytes).ok()?.split_once(':')?;
        // Our logins are of this alphabet; others need not reach the store.
        login.bytes().all(|b| b.is_ascii_graphic()).then_some(())?;
        Some((login.to_owned(), Zeroizing::new(password.to_owned())))
    } else if scheme.eq_ignore_ascii_case("bearer") || scheme.eq_ignore_ascii_case("apikey") {
        let (login, secret) = rest.split_once('.')?;
        Some((login.to_owned(), Zeroizing::new(secret.to_owned())))
    } else {
        None
    }
}
