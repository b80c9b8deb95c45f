//! `/payment-invoices`: made, looked at, listed, captured, freed, given back.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use utoipa::ToSchema;

use super::{ErrorDocument, Trade, json, place, shown};
use crate::http::body::JsonBody;
use crate::http::error::ApiError;
use crate::http::params::Params;
use crate::http::router::App;
use crate::invoices::{create, document, manage};

/// An invoice to be made: `data.type` is `payment-invoices`, and `data.attributes` hold these.
#[derive(ToSchema)]
#[expect(dead_code, reason = "documents a body that is read by hand")]
pub struct InvoiceCreate {
    /// The merchant's own name of it, unique in its mode.
    reference_id: String,
    /// Such as `payment_card_usd_hpp`.
    service: String,
    /// ISO 4217.
    currency: String,
    /// An exact decimal in major units.
    #[schema(value_type = f64)]
    amount: String,
    /// `charge` (where it is left out), `delayed_charge` or `verify`.
    flow: Option<String>,
    /// Test or live; live where it is left out and the credential has no mode.
    test_mode: Option<bool>,
    /// What the payer reads.
    description: Option<String>,
    /// `reference_id`, and `name`, `email`, `phone` and more.
    #[schema(value_type = Option<Object>)]
    customer: Option<()>,
    /// The merchant's own members.
    #[schema(value_type = Option<Object>)]
    metadata: Option<()>,
    /// Where the payer goes afterwards.
    return_url: Option<String>,
    /// `success`, `pending`, `fail`; they win over `return_url`.
    #[schema(value_type = Option<Object>)]
    return_urls: Option<()>,
    /// Where changes are told; beside `attributes` too.
    callback_url: Option<String>,
    /// Seconds since 1970; in 24 hours where it is left out.
    expires: Option<i64>,
    /// The token of a stored card of this customer.
    token: Option<String>,
    /// `cardgate` with `tokenize`, `instant`, `restrict_saved_cards`, and `form`, a hosted form's id.
    #[schema(value_type = Option<Object>)]
    gateway_options: Option<()>,
}

/// Makes an invoice. `flow_data.action` is the page where it is paid.
#[utoipa::path(post, path = "/payment-invoices", tag = "payment invoices", request_body = InvoiceCreate,
    responses((status = 201, description = "The invoice.", content_type = "application/json"),
        (status = 401, body = ErrorDocument), (status = 403, body = ErrorDocument),
        (status = 422, body = ErrorDocument, description = "Values were refused; the reference_id may be taken.")),
    security(("basic" = ["invoice"]), ("api_key" = ["invoice"])))]
pub async fn create(
    State(app): State<Arc<App>>,
    Trade(trader): Trade,
    JsonBody(body): JsonBody,
) -> Result<Response, ApiError> {
    let whole = create::create(&app.core, &app.operations, place(&app), &trader, &body).await?;
    Ok(shown(&app, StatusCode::CREATED, &whole))
}

/// One invoice.
#[utoipa::path(get, path = "/payment-invoices/{id}", tag = "payment invoices",
    params(("id" = String, Path, description = "The invoice, `cpi_…`.")),
    responses((status = 200, description = "The invoice.", content_type = "application/json"),
        (status = 401, body = ErrorDocument), (status = 403, body = ErrorDocument), (status = 404, body = ErrorDocument)),
    security(("basic" = ["invoice"]), ("api_key" = ["invoice"])))]
pub async fn show(
    State(app): State<Arc<App>>,
    Trade(trader): Trade,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    let whole = manage::find(&app.core, &trader, &id).await?;
    Ok(shown(&app, StatusCode::OK, &whole))
}

/// The merchant's invoices, newest first.
#[utoipa::path(get, path = "/payment-invoices", tag = "payment invoices",
    params(("filter[reference_id]" = Option<String>, Query, description = "Only the one of this reference."),
        ("page[size]" = Option<u32>, Query, description = "At most so many, 1 to 100; 50 where it is left out."),
        ("page[cursor]" = Option<String>, Query, description = "`meta.next_cursor` of the page before.")),
    responses((status = 200, description = "`data`, and `links.next` where there are more.", content_type = "application/json"),
        (status = 401, body = ErrorDocument), (status = 403, body = ErrorDocument), (status = 422, body = ErrorDocument)),
    security(("basic" = ["invoice"]), ("api_key" = ["invoice"])))]
pub async fn list(
    State(app): State<Arc<App>>,
    Trade(trader): Trade,
    query: Params,
) -> Result<Response, ApiError> {
    let limit = query.number("page[size]", 1..=manage::LARGEST_PAGE)?.unwrap_or(50);
    let reference = query.find("filter[reference_id]").map(str::to_owned);
    let cursor = query.find("page[cursor]");
    let (page, next) = manage::list(&app.core, &trader, reference, cursor, limit).await?;
    let now = app.core.now();
    let resources = page
        .iter()
        .map(|whole| document::resource(&app.public_url, &whole.invoice, &whole.details, now))
        .collect();
    Ok(json(StatusCode::OK, &document::list(resources, next)))
}

/// Takes what a `delayed_charge` has reserved, or a part of it (`data.type` is `capture`, attribute `amount`). Once.
#[utoipa::path(post, path = "/payment-invoices/{id}/capture", tag = "payment invoices",
    params(("id" = String, Path, description = "The invoice.")),
    responses((status = 200, description = "The invoice.", content_type = "application/json"),
        (status = 401, body = ErrorDocument), (status = 403, body = ErrorDocument), (status = 404, body = ErrorDocument),
        (status = 409, body = ErrorDocument, description = "Something of this invoice is under way."),
        (status = 422, body = ErrorDocument)),
    security(("basic" = ["invoice"]), ("api_key" = ["invoice"])))]
pub async fn capture(
    State(app): State<Arc<App>>,
    Trade(trader): Trade,
    Path(id): Path<String>,
    JsonBody(body): JsonBody,
) -> Result<Response, ApiError> {
    let whole = manage::capture(&app.core, &app.operations, place(&app), &trader, (&id, &body)).await?;
    Ok(shown(&app, StatusCode::OK, &whole))
}

/// Frees what a `delayed_charge` has reserved, or gives up an invoice that nobody has paid.
#[utoipa::path(post, path = "/payment-invoices/{id}/void", tag = "payment invoices",
    params(("id" = String, Path, description = "The invoice.")),
    responses((status = 200, description = "The invoice.", content_type = "application/json"),
        (status = 401, body = ErrorDocument), (status = 403, body = ErrorDocument), (status = 404, body = ErrorDocument),
        (status = 409, body = ErrorDocument, description = "Something of this invoice is under way."),
        (status = 422, body = ErrorDocument)),
    security(("basic" = ["invoice"]), ("api_key" = ["invoice"])))]
pub async fn void(
    State(app): State<Arc<App>>,
    Trade(trader): Trade,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    let whole = manage::void(&app.core, &app.operations, place(&app), &trader, &id).await?;
    Ok(shown(&app, StatusCode::OK, &whole))
}

/// Gives money back (`data.type` is `refund`; attributes `amount`, `reference_id`, `description`), all that is left
/// where no amount is named.
#[utoipa::path(post, path = "/payment-invoices/{id}/refund", tag = "payment invoices",
    params(("id" = String, Path, description = "The invoice.")),
    responses((status = 200, description = "The invoice.", content_type = "application/json"),
        (status = 401, body = ErrorDocument), (status = 403, body = ErrorDocument), (status = 404, body = ErrorDocument),
        (status = 409, body = ErrorDocument, description = "Something of this invoice is under way."),
        (status = 422, body = ErrorDocument)),
    security(("basic" = ["invoice"]), ("api_key" = ["invoice"])))]
pub async fn refund(
    State(app): State<Arc<App>>,
    Trade(trader): Trade,
    Path(id): Path<String>,
    JsonBody(body): JsonBody,
) -> Result<Response, ApiError> {
    let whole = manage::refund(&app.core, &app.operations, place(&app), &trader, (&id, &body)).await?;
    Ok(shown(&app, StatusCode::OK, &whole))
}
