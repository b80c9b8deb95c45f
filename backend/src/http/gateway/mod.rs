//! The gateway interface of seed 003: one address for all transactions, one for queries. Clients read the JSON alone,
//! so what is refused is answered with 200 (spec A.1).

mod once;

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use utoipa::ToSchema;

use crate::http::body::read;
use crate::http::caller::Address;
use crate::http::error::ApiError;
use crate::http::idempotency::NothingBegun;
use crate::http::router::App;
use crate::json::{JsonError, Members};
use crate::transactions::{self, Answered};

pub use once::once;

/// A transaction's request. Numbers may be texts; empty texts are taken as absent.
#[derive(ToSchema)]
#[expect(dead_code, reason = "documents a body that is read by a table")]
pub struct TransactionRequest {
    /// `yyyymmddhhmmss` in UTC.
    timestamp: String,
    /// From `cardamom merchant create`.
    company_id: String,
    /// From `cardamom merchant create`.
    company_pass: String,
    /// From `cardamom merchant create`; may be left out.
    company_mid_id: Option<String>,
    /// SHA-256 over timestamp, `transaction_type`, `company_id`, then `merchant_order_id` of an authorisation, else
    /// `original_transaction_id`, and the hash code; in hex.
    request_hash: String,
    /// `transaction_type`, `subscription_type`, `merchant_order_id`, `original_transaction_id`, `amount`,
    /// `currency_code_iso3`, `subscription_reason`.
    #[schema(value_type = Object)]
    transaction: String,
    /// The card, and the holder's address.
    #[schema(value_type = Object)]
    billing: Option<String>,
    /// Who the holder is.
    #[schema(value_type = Object)]
    customer: Option<String>,
    /// Where goods go.
    #[schema(value_type = Object)]
    shipping: Option<String>,
}

/// An answer; all values are texts.
#[derive(ToSchema)]
#[expect(dead_code, reason = "documents a body that is written member by member")]
pub struct TransactionReply {
    /// When it was answered.
    timestamp: String,
    /// 1 for a success; docs/gateway-transactions.md has the others.
    response_code: String,
    /// What the code says, and the parameter at fault.
    response_message: String,
    /// As it was sent.
    company_id: String,
    /// The MID.
    mid: String,
    /// The transaction; empty where none was made.
    transaction_id: String,
    /// As it was sent.
    transaction_type: String,
    /// The acquirer's own code.
    bank_response_code: String,
    /// SHA-256 over timestamp, type, company, transaction, code and hash code.
    response_hash: String,
}

/// Runs a transaction.
#[utoipa::path(
    post,
    path = "/api.php",
    tag = "Gateway transactions",
    request_body = TransactionRequest,
    responses((status = 200, description = "Done, or refused: `response_code` tells.", body = TransactionReply))
)]
pub async fn transact(State(app): State<Arc<App>>, Address(address): Address, body: Body) -> Response {
    let body = members(body).await;
    // A dropped connection does not end what has begun.
    let work = async move { transactions::run(&app.core, &app.operations, body, &address).await };
    if let Ok(answered) = tokio::spawn(work).await {
        let mut response = whole(&answered);
        if answered.is_refusal {
            response.extensions_mut().insert(NothingBegun);
        }
        return response;
    }
    let told = "Something failed on our side.";
    ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", told).into_response()
}

/// Asks what became of transactions.
#[utoipa::path(
    post,
    path = "/api.php/status",
    tag = "Gateway transactions",
    request_body = TransactionRequest,
    responses((status = 200, description = "What is known, or refused: `response_code` tells.", body = TransactionReply))
)]
pub async fn status(State(app): State<Arc<App>>, Address(address): Address, body: Body) -> Response {
    whole(&transactions::run_query(&app.core, members(body).await, &address).await)
}

/// What did not arrive whole is no JSON, and is answered like it.
async fn members(body: Body) -> Result<Members, JsonError> {
    match read(body).await {
        Ok(bytes) => Members::parse(&bytes),
        Err(error) if error.status() == StatusCode::PAYLOAD_TOO_LARGE => Err(JsonError::TooLarge),
        Err(_) => Err(JsonError::NotJson),
    }
}

fn whole(answered: &Answered) -> Response {
    let status = if answered.is_failure { StatusCode::INTERNAL_SERVER_ERROR } else { StatusCode::OK };
    written(status, answered)
}

fn written(status: StatusCode, answered: &Answered) -> Response {
    let json = HeaderValue::from_static("application/json");
    (status, [(header::CONTENT_TYPE, json)], answered.members.to_json().to_string()).into_response()
}
