//! The card that a call names by the token in its path and, where one token has several, by `reference` in its query.

use std::sync::Arc;

use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::request::Parts;

use crate::access::Caller;
use crate::http::booking::{Booker, Query};
use crate::http::error::ApiError;
use crate::http::router::App;
use crate::model::Scope;
use crate::vault::paycards::PaycardName;

/// A caller and the card that it names.
pub struct Named {
    /// Who calls.
    pub caller: Caller,
    /// Which card.
    pub name: PaycardName,
}

/// A card named by a caller who may read cards.
pub struct Readable(pub Named);

/// A card named by a caller who may write cards.
pub struct Writable(pub Named);

impl FromRequestParts<Arc<App>> for Readable {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        named(parts, app, Scope::CardRead).await.map(Self)
    }
}

impl FromRequestParts<Arc<App>> for Writable {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        named(parts, app, Scope::CardWrite).await.map(Self)
    }
}

async fn named(parts: &mut Parts, app: &Arc<App>, scope: Scope) -> Result<Named, ApiError> {
    let booker = Booker::from_request_parts(parts, app).await?;
    let caller = booker.with(app, scope).await?.clone();
    let query = Query::from_request_parts(parts, app).await?;
    let path = RawPathParams::from_request_parts(parts, app).await.map_err(|_| ApiError::not_found())?;
    let token = path.iter().find(|(name, _)| *name == "token").map(|(_, token)| token.to_owned());
    let token = token.ok_or_else(ApiError::not_found)?;
    Ok(Named { caller, name: PaycardName { token, reference: query.find("reference").map(str::to_owned) } })
}
