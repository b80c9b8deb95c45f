//! A bound on the connections that are open at once, so that clients who open many use up neither memory nor file
//! descriptors. What is above it is closed at once, before TLS.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use axum_server::accept::Accept;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Wraps another acceptor, with TLS or without. Clones share the bound.
#[derive(Clone, Debug)]
pub struct Bound<A> {
    inner: A,
    free: Arc<Semaphore>,
    /// Whether the last connection was one too many: so the log has one line for each rush.
    full: Arc<AtomicBool>,
}

/// A connection that counts until it is dropped.
#[derive(Debug)]
pub struct Counted<S> {
    stream: S,
    _place: OwnedSemaphorePermit,
}

impl<A> Bound<A> {
    /// An acceptor for so many connections at once.
    pub fn new(inner: A, most: usize) -> Self {
        let free = Arc::new(Semaphore::new(most.min(Semaphore::MAX_PERMITS)));
        Self { inner, free, full: Arc::default() }
    }
}

impl<A, I, S> Accept<I, S> for Bound<A>
where
    A: Accept<I, S>,
    A::Future: Send + 'static,
    A::Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    A::Service: Send + 'static,
    I: Send + 'static,
    S: Send + 'static,
{
    type Stream = Counted<A::Stream>;
    type Service = A::Service;
    type Future = Pin<Box<dyn Future<Output = io::Result<(Self::Stream, Self::Service)>> + Send>>;

    fn accept(&self, stream: I, service: S) -> Self::Future {
        let Ok(place) = Arc::clone(&self.free).try_acquire_owned() else {
            if !self.full.swap(true, Ordering::Relaxed) {
                tracing::warn!("as many connections as max_connections allows: more are closed at once");
            }
            let refusal = io::Error::new(io::ErrorKind::ConnectionRefused, "too many connections");
            return Box::pin(std::future::ready(Err(refusal)));
        };
        self.full.store(false, Ordering::Relaxed);
        let accepted = self.inner.accept(stream, service);
        Box::pin(async move {
            let (stream, service) = accepted.await?;
            Ok((Counted { stream, _place: place }, service))
        })
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Counted<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Counted<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write_vectored(cx, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum_server::accept::DefaultAcceptor;

    #[tokio::test]
    async fn connections_above_the_bound_are_refused_until_one_ends() {
        let bound = Bound::new(DefaultAcceptor::new(), 2);
        let open = || bound.clone().accept(tokio::io::duplex(64).1, ());
        let (first, _second) = (open().await.unwrap(), open().await.unwrap());
        assert_eq!(open().await.unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
        drop(first);
        let _third = open().await.unwrap();
        assert!(open().await.is_err());
    }
}
