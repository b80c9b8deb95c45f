//! The layer of the proxy's calls: who calls is known before anything of a call is read, each has its time, and what is
//! large in one has a place from its first byte until the last of its answer is taken.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use async_trait::async_trait;
use axum::Extension;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{FromRequestParts as _, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio::time::{Instant, timeout_at};

use super::body::{late, read_within};
use super::caller::{Authenticated, Merchant};
use super::error::ApiError;
use super::idempotency::{Surface, by_header, once};
use super::router::App;
use crate::access::idempotency::{AfterCrash, Holder};
use crate::model::Scope;
use crate::outgoing::SMALL;
use crate::proxy::{MAX_CALL, Stay};

/// How much of an answer is handed to a connection at once.
const PIECE: usize = 16 * 1024;

/// Cards on their way to other servers and back.
struct Sending;

/// The layer.
pub async fn sending(Extension(app): Extension<Arc<App>>, request: Request, next: Next) -> Response {
    let stay = Arc::new(Stay::begin());
    let response = match admitted(&app, request, &stay).await {
        Ok(request) => once(&Sending, app, request, next).await,
        Err(error) => error.into_response(),
    };
    piecewise(response, stay).await
}

/// The whole call of somebody who may send, in the room that it needs. Calls that send nothing are left as they are.
async fn admitted(app: &Arc<App>, request: Request, stay: &Arc<Stay>) -> Result<Request, ApiError> {
    let (mut parts, mut body) = request.into_parts();
    if parts.method == Method::POST {
        let merchant = Merchant::from_request_parts(&mut parts, app).await?;
        merchant.with(app, Scope::Proxy).await?;
        parts.extensions.insert(Authenticated(merchant.0));
        if !is_small(&body) {
            stay.take_room(&app.proxy).await?;
        }
        let whole = timeout_at(stay.until(), read_within(body, MAX_CALL)).await;
        body = Body::from(whole.map_err(|_| late())??);
    }
    parts.extensions.insert(Arc::clone(stay));
    Ok(Request::from_parts(parts, body))
}

/// Whether a body is known to be small. One of which nothing is said is treated like those with much.
fn is_small(body: &Body) -> bool {
    body.size_hint().upper().is_some_and(|length| length <= SMALL as u64)
}

/// An answer that keeps the places of its call until it is taken.
async fn piecewise(response: Response, stay: Arc<Stay>) -> Response {
    if !stay.holds_places() {
        return response;
    }
    let (parts, body) = response.into_parts();
    // It is whole already, so that nothing is copied and nothing fails.
    match to_bytes(body, usize::MAX).await {
        Ok(rest) => {
            let pieces = Pieces { rest, until: Stay::taken_by(), _stay: stay };
            Response::from_parts(parts, Body::new(pieces))
        }
        Err(_) => ApiError::unreadable().into_response(),
    }
}

/// An answer in pieces that are copies: so a connection holds on to a few of them, and not to the whole.
struct Pieces {
    rest: Bytes,
    until: Instant,
    _stay: Arc<Stay>,
}

impl HttpBody for Pieces {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let pieces = self.get_mut();
        if pieces.rest.is_empty() {
            return Poll::Ready(None);
        }
        if Instant::now() > pieces.until {
            return Poll::Ready(Some(Err(io::ErrorKind::TimedOut.into())));
        }
        let piece = pieces.rest.split_to(pieces.rest.len().min(PIECE));
        Poll::Ready(Some(Ok(Frame::data(Bytes::copy_from_slice(&piece)))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(u64::try_from(self.rest.len()).unwrap_or(u64::MAX))
    }
}

#[async_trait]
impl Surface for Sending {
    async fn holder(&self, app: &Arc<App>, parts: &mut Parts, _: &Bytes) -> Result<Option<Holder>, ApiError> {
        by_header(app, parts).await
    }

    fn refusal(&self, _: &HeaderMap, error: ApiError) -> Response {
        error.into_response()
    }

    fn most(&self) -> usize {
        MAX_CALL
    }

    /// The message may have left.
    fn after_crash(&self) -> AfterCrash {
        AfterCrash::Refuse
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(length: usize) -> (Pieces, std::sync::Weak<Stay>) {
        let stay = Arc::new(Stay::begin());
        let known = Arc::downgrade(&stay);
        (Pieces { rest: Bytes::from(vec![b'x'; length]), until: Stay::taken_by(), _stay: stay }, known)
    }

    #[tokio::test]
    async fn an_answer_arrives_whole_and_keeps_its_call_until_then() {
        let (pieces, stay) = pieces(2 * PIECE + 1);
        assert_eq!(pieces.size_hint().exact(), Some(2 * PIECE as u64 + 1));
        let body = Body::new(pieces);
        assert!(stay.upgrade().is_some());
        assert_eq!(to_bytes(body, usize::MAX).await.unwrap(), vec![b'x'; 2 * PIECE + 1]);
        assert!(stay.upgrade().is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_is_not_taken_in_time_is_cut_off() {
        let (pieces, _) = pieces(2 * PIECE);
        tokio::time::advance(std::time::Duration::from_secs(61)).await;
        assert!(to_bytes(Body::new(pieces), usize::MAX).await.is_err());
    }
}
