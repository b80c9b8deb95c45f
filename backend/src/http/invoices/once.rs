//! Calls with an `Idempotency-Key`: their first answer again. One whose node went away while it ran is not run again,
//! since it may have moved money.

use std::sync::Arc;

use async_trait::async_trait;
use axum::Extension;
use axum::body::Bytes;
use axum::extract::{FromRequestParts as _, Request};
use axum::http::HeaderMap;
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use super::{Trade, errors};
use crate::access::idempotency::{AfterCrash, Holder, Keys};
use crate::http::caller::credentials;
use crate::http::error::ApiError;
use crate::http::idempotency::{self, Surface};
use crate::http::router::App;
use crate::model::Mode;

/// Calls of the invoice interface.
struct Invoices;

/// The layer of the invoice interface.
pub async fn once(Extension(app): Extension<Arc<App>>, request: Request, next: Next) -> Response {
    idempotency::once(&Invoices, app, request, next).await
}

#[async_trait]
impl Surface for Invoices {
    async fn holder(&self, app: &Arc<App>, parts: &mut Parts, _: &Bytes) -> Result<Option<Holder>, ApiError> {
        // Direct sales and payers bring none: their own token is good once.
        let path = parts.uri.path();
        if !path.strip_prefix("/api").unwrap_or(path).starts_with("/payment-") {
            return Ok(None);
        }
        let Trade(trader) = Trade::from_request_parts(parts, app).await?;
        let (_, secret) = credentials(&parts.headers).unwrap_or_default();
        // An account's calls are of both modes; its keys are one set.
        let mode = trader.mode.unwrap_or(Mode::Live);
        let keys = Keys::Merchant;
        Ok(Some(Holder { merchant: trader.merchant, mode, keys, name: trader.login, secret }))
    }

    fn refusal(&self, _: &HeaderMap, error: ApiError) -> Response {
        errors::dressed(error.into_response())
    }

    fn after_crash(&self) -> AfterCrash {
        AfterCrash::Refuse
    }
}
