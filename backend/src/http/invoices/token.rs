//! `/payment-tokens`: switching the tokens of stored cards off and on.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;

use super::{ErrorDocument, Trade};
use crate::http::error::ApiError;
use crate::http::params::Params;
use crate::http::router::App;
use crate::invoices::tokens;
use crate::model::Mode;

/// Switches a token off: it pays no invoice until it is switched on again.
#[utoipa::path(post, path = "/payment-tokens/{token}/disable", tag = "payment invoices",
    params(("token" = String, Path, description = "The token."),
        ("test_mode" = Option<bool>, Query, description = "Whether it is a test token; only asked of accounts.")),
    responses((status = 204, description = "It is off."),
        (status = 401, body = ErrorDocument), (status = 403, body = ErrorDocument), (status = 404, body = ErrorDocument)),
    security(("basic" = ["invoice"]), ("api_key" = ["invoice"])))]
pub async fn disable(
    State(app): State<Arc<App>>,
    trade: Trade,
    Path(token): Path<String>,
    query: Params,
) -> Result<StatusCode, ApiError> {
    switch(&app, trade, &token, &query, false).await
}

/// Switches a token on again.
#[utoipa::path(post, path = "/payment-tokens/{token}/enable", tag = "payment invoices",
    params(("token" = String, Path, description = "The token."),
        ("test_mode" = Option<bool>, Query, description = "Whether it is a test token; only asked of accounts.")),
    responses((status = 204, description = "It is on."),
        (status = 401, body = ErrorDocument), (status = 403, body = ErrorDocument), (status = 404, body = ErrorDocument)),
    security(("basic" = ["invoice"]), ("api_key" = ["invoice"])))]
pub async fn enable(
    State(app): State<Arc<App>>,
    trade: Trade,
    Path(token): Path<String>,
    query: Params,
) -> Result<StatusCode, ApiError> {
    switch(&app, trade, &token, &query, true).await
}

async fn switch(
    app: &App,
    Trade(trader): Trade,
    token: &str,
    query: &Params,
    on: bool,
) -> Result<StatusCode, ApiError> {
    let asked = if query.flag("test_mode", false)? { Mode::Test } else { Mode::Live };
    let caller = trader.caller(trader.mode.unwrap_or(asked)).ok_or_else(ApiError::not_found)?;
    tokens::switch(&app.core, &caller, token, on).await?;
    Ok(StatusCode::NO_CONTENT)
}
