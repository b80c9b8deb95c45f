//! What every answer carries (security rule 13), and the one log line of a request.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use tracing::Instrument as _;

use super::error::{Internal, internal};

/// The policy of answers that are no pages.
const INERT: &str = "default-src 'none'; frame-ancestors 'none'; sandbox";

/// What an answer carries, unless it sets the same header itself.
pub const ALWAYS: [(&str, &str); 6] = [
    ("content-security-policy", INERT),
    ("cache-control", "no-store"),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("strict-transport-security", "max-age=31536000"),
    ("cross-origin-resource-policy", "same-origin"),
];

/// Adds the headers that an answer does not set itself, and logs method, route, status and time: never the
/// address, the query, a header or a body.
pub async fn finish(request: Request, next: Next) -> Response {
    let started = Instant::now();
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().map_or("-", MatchedPath::as_str).to_owned();
    let id = request_id();
    let span = tracing::info_span!("request", id);
    let mut response = next.run(request).instrument(span).await;
    if response.extensions().get::<Internal>().is_some() {
        response = internal(&id);
    }
    if let Ok(id) = HeaderValue::from_str(&id) {
        response.headers_mut().insert("x-request-id", id);
    }
    for (name, value) in ALWAYS {
        let name = HeaderName::from_static(name);
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    let micros = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
    tracing::debug!(%method, route, status = response.status().as_u16(), micros, "answered");
    response
}

/// A name for this request in logs and answers. A keyed digest of a count: unique enough to find a line, and does
/// not tell how many requests there were.
fn request_id() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    static KEY: LazyLock<RandomState> = LazyLock::new(RandomState::new);
    format!("{:016x}", KEY.hash_one(COUNT.fetch_add(1, Ordering::Relaxed)))
}

#[cfg(test)]
mod tests {
    use super::request_id;

    #[test]
    fn request_ids_differ_and_do_not_count() {
        let ids: Vec<_> = (0..3).map(|_| u64::from_str_radix(&request_id(), 16).unwrap()).collect();
        assert!(ids.windows(2).all(|pair| pair[0].abs_diff(pair[1]) > 1_000));
    }
}
