//! Who calls: an API key, a user name with its password, or a session or access token that was made from one of them.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use super::Query;
use crate::access::{Caller, sessions, tokens};
use crate::http::caller::{Address, Merchant, has_credentials};
use crate::http::error::ApiError;
use crate::http::router::App;
use crate::model::Scope;

/// How long a session token lives (spec B.1).
const SESSION: Duration = Duration::from_mins(5);

/// An authenticated caller: `Authorization: APIKEY …` or Basic, or `sessionToken` or `accessToken` in
/// the query, where the first counts before the second.
pub struct Booker(pub Caller);

impl Booker {
    /// The caller, if the credential has a scope. A lacking scope is audited.
    pub async fn with(&self, app: &App, scope: Scope) -> Result<&Caller, ApiError> {
        if let Err(error) = self.0.may(scope) {
            app.core.refused(&self.0.actor(), "access.scope", scope.as_str()).await;
            return Err(error.into());
        }
        Ok(&self.0)
    }
}

impl FromRequestParts<Arc<App>> for Booker {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        if !has_credentials(&parts.headers) {
            let query = Query::from_request_parts(parts, app).await?;
            if let Some(token) = query.find("sessiontoken") {
                let Address(address) = Address::from_request_parts(parts, app).await?;
                return Ok(Self(sessions::authenticate(&app.core, token, &address).await?));
            }
            if let Some(token) = query.find("accesstoken") {
                let Address(address) = Address::from_request_parts(parts, app).await?;
                return Ok(Self(tokens::authenticate(&app.core, token, &address).await?));
            }
        }
        let Merchant(caller) = Merchant::from_request_parts(parts, app).await?;
        Ok(Self(caller))
    }
}

/// A session token of a caller, good for five minutes and any number of calls.
pub fn session_token(app: &App, caller: &Caller) -> String {
    sessions::token(&app.core, caller, SESSION)
}
