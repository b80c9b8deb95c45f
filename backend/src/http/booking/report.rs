//! `/api/cardrequest/report/{message}`: what the provider of text messages says became of one.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};

use crate::http::body::FormBody;
use crate::http::caller::Address;
use crate::http::error::ApiError;
use crate::http::router::App;
use crate::notify;
use crate::requests::{RequestError, reports};

/// A delivery report in the notation of Twilio, signed with the account's token.
#[utoipa::path(post, path = "/api/cardrequest/report/{message}", tag = "card requests",
    params(("message" = String, Path, description = "The message."),
        ("X-Twilio-Signature" = String, Header, description = "base64(HMAC-SHA1(token, address and sorted parameters)).")),
    request_body(content = Object, content_type = "application/x-www-form-urlencoded", description = "`MessageStatus` and more."),
    responses((status = 204, description = "Noted."), (status = 403, body = super::ErrorBlock, description = "Not signed by the provider."),
        (status = 404, body = super::ErrorBlock, description = "No provider of text messages is set up.")))]
pub async fn file(
    State(app): State<Arc<App>>,
    Path(message): Path<String>,
    Address(address): Address,
    headers: HeaderMap,
    FormBody(fields): FormBody,
) -> Result<StatusCode, ApiError> {
    let Some(token) = &app.sms_token else { return Err(ApiError::not_found()) };
    let signature =
        headers.get("x-twilio-signature").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let base = app.public_url.as_str().trim_end_matches('/');
    let signed_address = format!("{base}/api/cardrequest/report/{message}");
    let params: Vec<_> = fields.iter().collect();
    if !notify::is_signed(token, &signed_address, &params, signature) {
        return Err(RequestError::Signature.into());
    }
    let status = fields.find("MessageStatus").or_else(|| fields.find("SmsStatus")).unwrap_or_default();
    reports::file(&app.core, &message, status, &address).await?;
    Ok(StatusCode::NO_CONTENT)
}
