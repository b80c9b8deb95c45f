//! `/payment`: direct sales by the token of an invoice, the payer's way back from the issuer, and the keys that check
//! tokens.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json as object};

use super::{ErrorDocument, json, place};
use crate::http::body::{FormBody, JsonBody};
use crate::http::caller::Address;
use crate::http::error::ApiError;
use crate::http::params::Params;
use crate::http::router::App;
use crate::invoices::sale::{self, Sale};
use crate::invoices::{page, sale_keys};
use crate::model::PageId;

/// Pays an invoice by its stored card (`instant`, empty attributes) or by a card in the attributes: `card_number`,
/// `card_holder`, `cvv`, `exp_month`, `exp_year`, and `browser_info`. The token is `flow_data.metadata.token`.
#[utoipa::path(post, path = "/payment/sale", tag = "payment invoices",
    params(("Authorization" = String, Header, description = "`Bearer` and the invoice's token.")),
    responses((status = 201, description = "What came of it; with `auth_mode` and `auth_payload` while the payer has to go to the issuer.", content_type = "application/json"),
        (status = 401, body = ErrorDocument, description = "The token is not valid, has ended, or was used."),
        (status = 422, body = ErrorDocument)))]
pub async fn sell(
    State(app): State<Arc<App>>,
    Address(address): Address,
    headers: HeaderMap,
    JsonBody(body): JsonBody,
) -> Result<Response, ApiError> {
    let sale = Sale { token: bearer(&headers), body: &body, address };
    let paid = sale::sell(&app.core, &app.operations, place(&app), sale).await?;
    Ok(json(StatusCode::CREATED, &sale::answer(&paid)))
}

/// The public halves of the keys that sign the tokens of direct sales (RFC 7517).
#[utoipa::path(get, path = "/.well-known/jwks.json", tag = "payment invoices",
    responses((status = 200, description = "A JSON web key set.", content_type = "application/json")))]
pub async fn keys(State(app): State<Arc<App>>) -> Result<Json<Value>, ApiError> {
    let keys = sale_keys::published(&app.core).await?;
    Ok(Json(object!({ "keys": keys })))
}

/// The payer is back from the issuer, by a form.
pub async fn back(
    State(app): State<Arc<App>>,
    Path(page): Path<String>,
    FormBody(fields): FormBody,
) -> Result<Response, ApiError> {
    complete(&app, page, &fields).await
}

/// The same by a link.
pub async fn back_by_link(
    State(app): State<Arc<App>>,
    Path(page): Path<String>,
    fields: Params,
) -> Result<Response, ApiError> {
    complete(&app, page, &fields).await
}

/// A POST is answered by a way to our own page, which knows where the payer goes next (security rule 17). Whom the issuer
/// still waits for is asked there, and not sent round in a circle.
async fn complete(app: &App, page: String, fields: &Params) -> Result<Response, ApiError> {
    let page = PageId::stored(page);
    let fields: Vec<_> = fields.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let waits = page::returned(&app.core, &app.operations, &page, &fields).await?;
    let next = if waits { "" } else { "/done" };
    Ok((StatusCode::SEE_OTHER, [(header::LOCATION, format!("/hpp/{page}{next}"))]).into_response())
}

fn bearer(headers: &HeaderMap) -> &str {
    let value = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    match value.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim(),
        _ => "",
    }
}
