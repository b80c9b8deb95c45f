//! A message that somebody else wrote, and the whole of its answer, read within a bound of memory.

use std::sync::Arc;
use std::time::Duration;

use reqwest::header;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};
use url::Url;

use super::OutgoingError;
use super::client::from_reqwest;

/// Answers up to this many bytes are read at once; larger ones wait for room.
pub const SMALL: usize = 32 * 1024;

/// What is to be sent.
pub struct Relayed<'r> {
    /// The method.
    pub method: &'r str,
    /// The address.
    pub url: &'r Url,
    /// The headers.
    pub headers: &'r [(String, String)],
    /// The body.
    pub body: Vec<u8>,
    /// How long it may take in all.
    pub time: Duration,
    /// The largest answer, in bytes.
    pub most: usize,
    /// Where large answers wait for a place; `None` for whoever has room already.
    pub places: Option<Arc<Semaphore>>,
}

/// What was answered.
#[derive(Debug)]
pub struct Reply {
    /// The status, whatever it is.
    pub status: u16,
    /// The headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The whole body.
    pub body: Vec<u8>,
    /// The place of a large answer, to be held as long as anything of it.
    pub place: Option<OwnedSemaphorePermit>,
}

impl Reply {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

pub(super) async fn read(
    mut response: reqwest::Response,
    most: usize,
    places: Option<Arc<Semaphore>>,
    until: Instant,
) -> Result<Reply, OutgoingError> {
    let coding = response.headers().get(header::CONTENT_ENCODING);
    if coding.is_some_and(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity")) {
        return Err(OutgoingError::Compressed);
    }
    let text = |value: &header::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let headers = response.headers().iter().map(|(name, value)| (name.to_string(), text(value))).collect();
    let status = response.status().as_u16();
    let (mut body, mut place, mut places) = (Vec::new(), None, places);
    while let Some(chunk) = response.chunk().await.map_err(from_reqwest)? {
        if chunk.len() > most - body.len() {
            return Err(OutgoingError::TooLarge(most));
        }
        if body.len() + chunk.len() > SMALL
            && let Some(places) = places.take()
        {
            // The client's own limit of time does not run while nothing is read.
            let waited = timeout_at(until, places.acquire_owned()).await;
            place = waited.map_err(|_| OutgoingError::Timeout)?.ok();
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Reply { status, headers, body, place })
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;
    use crate::outgoing::{Allowed, Outgoing};

    /// A server that answers so, and then leaves the connection open.
    async fn serve(answer: Vec<u8>) -> Url {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let answer = answer.clone();
                tokio::spawn(async move {
                    let mut read = [0; 1024];
                    let _ = stream.read(&mut read).await;
                    let _ = stream.write_all(&answer).await;
                    std::future::pending::<()>().await;
                });
            }
        });
        Url::parse(&format!("http://{address}/")).unwrap()
    }

    /// Long enough on every machine.
    const LONG: Duration = Duration::from_mins(1);
    const SHORT: Duration = Duration::from_millis(200);

    async fn relay(
        answer: Vec<u8>,
        time: Duration,
        places: Option<Arc<Semaphore>>,
    ) -> Result<Reply, OutgoingError> {
        let networks = vec!["127.0.0.0/8".parse().unwrap()];
        let client = Outgoing::new(Allowed { networks, plain_http: true }).unwrap();
        let url = serve(answer).await;
        let relayed = Relayed {
            method: "POST",
            url: &url,
            headers: &[],
            body: b"x".to_vec(),
            time,
            most: 2 * SMALL,
            places,
        };
        client.relay(relayed).await
    }

    fn answer(length: usize, sent: usize) -> Vec<u8> {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n");
        [head.into_bytes(), vec![b'x'; sent]].concat()
    }

    #[tokio::test]
    async fn a_server_that_takes_too_long_is_given_up() {
        for (length, sent) in [(10, 0), (10, 9)] {
            assert!(matches!(relay(answer(length, sent), SHORT, None).await, Err(OutgoingError::Timeout)));
        }
        assert!(matches!(relay(Vec::new(), SHORT, None).await, Err(OutgoingError::Timeout)));
        assert_eq!(relay(answer(10, 10), LONG, None).await.unwrap().body.len(), 10);
    }

    #[tokio::test]
    async fn an_answer_without_an_end_is_given_up_at_its_limit() {
        let endless = answer(usize::MAX / 4, 3 * SMALL);
        assert!(matches!(relay(endless, LONG, None).await, Err(OutgoingError::TooLarge(_))));
        assert_eq!(relay(answer(2 * SMALL, 2 * SMALL), LONG, None).await.unwrap().body.len(), 2 * SMALL);
    }

    #[tokio::test]
    async fn large_answers_wait_for_a_place_and_small_ones_do_not() {
        let places = Arc::new(Semaphore::new(1));
        let held = Arc::clone(&places).acquire_owned().await.unwrap();
        assert!(relay(answer(SMALL, SMALL), LONG, Some(Arc::clone(&places))).await.is_ok());
        // Without a place in time it is given up like a server that takes too long.
        let large = |time| relay(answer(SMALL + 1, SMALL + 1), time, Some(Arc::clone(&places)));
        assert!(matches!(large(SHORT).await, Err(OutgoingError::Timeout)));
        drop(held);
        let reply = large(LONG).await.unwrap();
        assert_eq!((reply.body.len(), places.available_permits()), (SMALL + 1, 0));
        drop(reply);
        assert_eq!(places.available_permits(), 1);
    }
}
