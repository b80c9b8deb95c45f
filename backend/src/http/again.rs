//! Trying a call again when the store asks for it (SQLSTATE 40001): its transaction was undone as a whole, so
//! running the handler once more is the whole of the retry. A use case has a loop of its own (`storage::until_won`) where
//! nobody would call it again, or where something came before that must not happen twice.

use axum::body::Body;
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::http::body::read;

/// Marks an answer whose transaction has to be tried again.
#[derive(Clone, Copy, Debug)]
pub struct Again;

/// Tries in all.
const TRIES: usize = 5;

/// Runs a call until the store is content, a few times at most.
pub async fn again(request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let body = match read(body).await {
        Ok(body) => body,
        Err(error) => return error.into_response(),
    };
    let mut response = run(&parts, &body, &next).await;
    for _ in 1..TRIES {
        if response.extensions().get::<Again>().is_none() {
            break;
        }
        response = run(&parts, &body, &next).await;
    }
    response
}

async fn run(parts: &axum::http::request::Parts, body: &axum::body::Bytes, next: &Next) -> Response {
    next.clone().run(Request::from_parts(parts.clone(), Body::from(body.clone()))).await
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use axum::Router;
    use axum::routing::post;
    use tower::ServiceExt as _;

    use super::*;
    use crate::http::error::ApiError;
    use crate::storage::StoreError;

    /// A handler that is refused so often before it succeeds; answers status and number of runs.
    async fn refused(times: usize) -> (u16, usize) {
        let runs = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&runs);
        let handler = move |body: String| async move {
            if counter.fetch_add(1, Ordering::SeqCst) < times {
                return Err(ApiError::from(StoreError::Retry));
            }
            Ok(body)
        };
        let router = Router::new().route("/", post(handler)).layer(axum::middleware::from_fn(again));
        let request = Request::post("/").body(Body::from("{}")).unwrap();
        let response = router.oneshot(request).await.unwrap();
        (response.status().as_u16(), runs.load(Ordering::SeqCst))
    }

    #[tokio::test]
    async fn a_refused_transaction_is_tried_again() {
        assert_eq!(refused(0).await, (200, 1));
        assert_eq!(refused(2).await, (200, 3));
        assert_eq!(refused(99).await, (503, TRIES));
    }
}
