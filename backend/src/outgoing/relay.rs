//! A message that somebody else wrote, and the whole of its answer, read within a bound of memory.

use std::time::Duration;

use reqwest::header;
use tokio::sync::Semaphore;
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
    /// Where large answers wait for their turn; `None` for whoever has room already.
    pub room: Option<&'r Semaphore>,
}

/// What was answered.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The status, whatever it is.
    pub status: u16,
    /// The headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The whole body.
    pub body: Vec<u8>,
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
    room: Option<&Semaphore>,
) -> Result<Reply, OutgoingError> {
    let coding = response.headers().get(header::CONTENT_ENCODING);
    if coding.is_some_and(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity")) {
        return Err(OutgoingError::Compressed);
    }
    let text = |value: &header::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let headers = response.headers().iter().map(|(name, value)| (name.to_string(), text(value))).collect();
    let status = response.status().as_u16();
    let (mut body, mut held) = (Vec::new(), None);
    while let Some(chunk) = response.chunk().await.map_err(from_reqwest)? {
        if chunk.len() > most - body.len() {
            return Err(OutgoingError::TooLarge(most));
        }
        if let (Some(room), None, true) = (room, &held, body.len() + chunk.len() > SMALL) {
            held = Some(room.acquire().await.map_err(|_| OutgoingError::TooLarge(most))?);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Reply { status, headers, body })
}
