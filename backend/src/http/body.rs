//! Bodies: JSON under any content type (clients send urlencoded, text/plain or none), and the form's own.

use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;

use super::error::ApiError;
use super::params::Params;
use crate::json::{self, JsonError, Members};

/// A client that sends more slowly is cut off.
const SLOWEST: Duration = Duration::from_secs(30);

/// A JSON object.
pub struct JsonBody(pub Members);

/// The fields of a plain form.
pub struct FormBody(pub Params);

impl<S: Send + Sync> FromRequest<S> for JsonBody {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        Ok(Self(Members::parse(&read(request.into_body()).await?)?))
    }
}

impl<S: Send + Sync> FromRequest<S> for FormBody {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        Ok(Self(Params::parse(&read(request.into_body()).await?)?))
    }
}

/// A whole body, of at most a little more than is allowed, within the time that is allowed.
pub async fn read(body: Body) -> Result<axum::body::Bytes, ApiError> {
    read_within(body, json::MAX_BYTES).await
}

/// The same with a limit of the call's own, in bytes.
pub async fn read_within(body: Body, most: usize) -> Result<axum::body::Bytes, ApiError> {
    match tokio::time::timeout(SLOWEST, to_bytes(body, most + 1)).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(error)) if is_length(&error) => Err(JsonError::TooLarge.into()),
        Ok(Err(_)) => {
            Err(ApiError::new(StatusCode::BAD_REQUEST, "malformed", "The body did not arrive whole."))
        }
        Err(_) => Err(late()),
    }
}

/// The refusal of a body that takes too long.
pub fn late() -> ApiError {
    ApiError::new(StatusCode::REQUEST_TIMEOUT, "timeout", "The body did not arrive in time.")
}

fn is_length(error: &axum::Error) -> bool {
    use std::error::Error as _;
    let mut cause = error.source();
    while let Some(inner) = cause {
        if inner.to_string().contains("length limit") {
            return true;
        }
        cause = inner.source();
    }
    false
}
