//! `GET /v1/capture/logo/{form}`: the logo of a form, a PNG of our own making (security rule 13).

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};

use crate::capture::{CaptureError, forms};
use crate::http::error::ApiError;
use crate::http::router::App;

/// The file. Its address names its content, so it can be kept for ever.
pub async fn logo(State(app): State<Arc<App>>, Path(form): Path<String>) -> Result<Response, ApiError> {
    let settings = forms::settings_by_secret_name(&app.core, &form).await?;
    let logo = settings.look.logo.ok_or(CaptureError::Unknown)?;
    let headers =
        [(header::CONTENT_TYPE, "image/png"), (header::CACHE_CONTROL, "public, max-age=31536000, immutable")];
    Ok((headers, logo.png()).into_response())
}
