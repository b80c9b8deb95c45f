//! Whether this node lives, and whether it can serve.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;

use super::router::App;

/// The process answers.
#[utoipa::path(get, path = "/health/live", tag = "health", responses((status = 200, description = "The process answers.")))]
pub async fn live() -> &'static str {
    "ok\n"
}

/// The store and the module of the root key answer.
#[utoipa::path(get, path = "/health/ready", tag = "health", responses(
    (status = 200, description = "The node can serve."),
    (status = 503, description = "The store or the root key's module does not answer.")))]
pub async fn ready(State(app): State<Arc<App>>) -> (StatusCode, &'static str) {
    if let Err(error) = app.core.root.probe() {
        tracing::error!(%error, "the root key is out of reach");
        return (StatusCode::SERVICE_UNAVAILABLE, "the root key is out of reach\n");
    }
    match app.core.store.health().await {
        Ok(()) => (StatusCode::OK, "ok\n"),
        Err(error) => {
            tracing::error!(%error, "the store does not answer");
            (StatusCode::SERVICE_UNAVAILABLE, "the store does not answer\n")
        }
    }
}
