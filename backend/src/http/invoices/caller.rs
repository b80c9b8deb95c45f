//! Who calls: an account of the invoice interface, or any credential of the merchant with the scope `invoice`.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use crate::access::AccessError;
use crate::access::accounts::{self, Trader};
use crate::core::Actor;
use crate::http::caller::{Address, credentials};
use crate::http::error::ApiError;
use crate::http::router::App;
use crate::model::Scope;

/// An authenticated caller with the scope `invoice`. A lacking scope is audited.
pub struct Trade(pub Trader);

impl FromRequestParts<Arc<App>> for Trade {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        let Address(address) = Address::from_request_parts(parts, app).await?;
        let (login, password) = credentials(&parts.headers).unwrap_or_default();
        let trader = accounts::trader(&app.core, &login, &password, &address).await?;
        if !trader.scopes.has(Scope::Invoice) {
            let actor = Actor {
                merchant: Some(trader.merchant),
                mode: trader.mode,
                name: trader.login,
                address: trader.address,
            };
            app.core.refused(&actor, "access.scope", Scope::Invoice.as_str()).await;
            return Err(AccessError::Forbidden(Scope::Invoice).into());
        }
        Ok(Self(trader))
    }
}
