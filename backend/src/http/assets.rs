//! The browser's files: immutable under names that change with their content.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};

use super::error::ApiError;
use super::router::App;

/// `GET /embed/{version}/{file}`: the script for shops. A version never changes once it was released, so that
/// the hash in a shop's page stays right.
pub async fn embed(
    state: State<Arc<App>>,
    Path((version, file)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let name = format!("embed/{version}/{file}");
    let entry = state.assets.entry(&name).map_err(|_| ApiError::not_found())?;
    let file = entry.url.trim_start_matches(crate::assets::PATH).to_owned();
    self::file(state, Path(file), headers).await
}

/// `GET /assets/{file}`
pub async fn file(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let accepts =
        headers.get(header::ACCEPT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let served = app.assets.find(&name, accepts).ok_or_else(ApiError::not_found)?;
    let mut response = Body::from(served.bytes.into_owned()).into_response();
    let answer = response.headers_mut();
    if let Ok(kind) = HeaderValue::from_str(&served.content_type) {
        answer.insert(header::CONTENT_TYPE, kind);
    }
    if let Some(encoding) = served.content_encoding {
        answer.insert(header::CONTENT_ENCODING, HeaderValue::from_static(encoding));
    }
    answer.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    answer.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable"));
    answer.insert("cross-origin-resource-policy", HeaderValue::from_static("cross-origin"));
    // Done pages have an opaque origin and may not read our scripts otherwise; the files are public.
    answer.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    Ok(response)
}
