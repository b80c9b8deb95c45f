//! Connections that say nothing are ended: before the first request as well as between two. The HTTP layer's own
//! timeout begins only with a request's first line. So are those that do not take their answer, which is held for them.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::time::Duration;

use axum_server::accept::Accept;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_io_timeout::TimeoutStream;

/// So long may a connection be silent.
const SILENCE: Duration = Duration::from_secs(30);

/// Wraps another acceptor, with TLS or without.
#[derive(Clone, Debug)]
pub struct Idle<A>(pub A);

impl<A, I, S> Accept<I, S> for Idle<A>
where
    A: Accept<I, S>,
    A::Future: Send + 'static,
    A::Stream: AsyncRead + AsyncWrite + Send + 'static,
    A::Service: Send + 'static,
{
    type Stream = Pin<Box<TimeoutStream<A::Stream>>>;
    type Service = A::Service;
    type Future = Pin<Box<dyn Future<Output = io::Result<(Self::Stream, Self::Service)>> + Send>>;

    fn accept(&self, stream: I, service: S) -> Self::Future {
        let accepted = self.0.accept(stream, service);
        Box::pin(async move {
            let (stream, service) = accepted.await?;
            let mut stream = TimeoutStream::new(stream);
            stream.set_read_timeout(Some(SILENCE));
            stream.set_write_timeout(Some(SILENCE));
            Ok((Box::pin(stream), service))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum_server::accept::DefaultAcceptor;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    #[tokio::test(start_paused = true)]
    async fn a_silent_connection_is_ended() {
        let (_silent, ours) = tokio::io::duplex(64);
        let (mut stream, ()) = Idle(DefaultAcceptor::new()).accept(ours, ()).await.unwrap();
        // The clock of the test moves on by itself while everything waits.
        let started = tokio::time::Instant::now();
        let ended = stream.read_u8().await.unwrap_err();
        assert_eq!(ended.kind(), io::ErrorKind::TimedOut);
        assert_eq!(started.elapsed().as_secs(), SILENCE.as_secs());
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_takes_nothing_is_ended() {
        let (_deaf, ours) = tokio::io::duplex(64);
        let (mut stream, ()) = Idle(DefaultAcceptor::new()).accept(ours, ()).await.unwrap();
        let started = tokio::time::Instant::now();
        let ended = stream.write_all(&[0; 65]).await.unwrap_err();
        assert_eq!(ended.kind(), io::ErrorKind::TimedOut);
        assert_eq!(started.elapsed().as_secs(), SILENCE.as_secs());
    }
}
