//! Calls with an `Idempotency-Key`: their first answer again. The credentials stand in the body, so that a call is looked
//! at before it is run; one that is not proven is run, and refused, without its key.

use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use axum::Extension;
use axum::body::Bytes;
use axum::extract::{FromRequestParts as _, Request};
use axum::http::HeaderMap;
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use crate::access::idempotency::{AfterCrash, Holder};
use crate::http::caller::Address;
use crate::http::error::ApiError;
use crate::http::idempotency::{self, Surface};
use crate::http::router::App;
use crate::transactions::{Proven, Refuser, prove};

/// One call of the gateway interface.
struct Gateway {
    app: Arc<App>,
    /// What refuses it, once it is known who sent it.
    refuser: OnceLock<Refuser>,
}

/// The layer of the gateway interface.
pub async fn once(Extension(app): Extension<Arc<App>>, request: Request, next: Next) -> Response {
    let surface = Gateway { app: Arc::clone(&app), refuser: OnceLock::new() };
    idempotency::once(&surface, app, request, next).await
}

#[async_trait]
impl Surface for Gateway {
    async fn holder(
        &self,
        app: &Arc<App>,
        parts: &mut Parts,
        body: &Bytes,
    ) -> Result<Option<Holder>, ApiError> {
        let Address(address) = Address::from_request_parts(parts, app).await?;
        let Some(Proven { holder, refuser }) = prove(&app.core, body, &address).await else {
            return Ok(None);
        };
        self.refuser.get_or_init(|| refuser);
        Ok(Some(holder))
    }

    /// In the interface's own shape, which tells more than the status to clients that read nothing else.
    fn refusal(&self, _: &HeaderMap, error: ApiError) -> Response {
        let Some(refuser) = self.refuser.get() else { return error.into_response() };
        let answered = refuser.refuse(&self.app.core, &format!("Idempotency-Key ({})", error.code()));
        super::written(error.status(), &answered)
    }

    /// A client that sends again signs again: with a time of its own, and so another signature.
    fn fresh(&self) -> &'static [&'static str] {
        &["timestamp", "request_hash"]
    }

    /// Money may have moved.
    fn after_crash(&self) -> AfterCrash {
        AfterCrash::Refuse
    }
}
