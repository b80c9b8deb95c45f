//! The client: it connects only to checked addresses, uses no proxy, follows no redirect and reads no more
//! than it was told to.

use super::address::Allowed;
use super::dedicated::Dedicated;
use super::lookup::{CheckedResolver, Lookup, ResolveError, SystemLookup};
use super::relay::{Relayed, Reply};
use crate::tls;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use std::error::Error;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use url::{Host, Url};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
pub(super) const TOTAL_TIMEOUT: Duration = Duration::from_secs(15);
const BODY_HEAD: usize = 1024;

/// An HTTP client for addresses that came from outside.
#[derive(Debug, Clone)]
pub struct Outgoing {
    client: reqwest::Client,
    allowed: Arc<Allowed>,
    lookup: Arc<dyn Lookup>,
}

/// What the far side answered to a [`Outgoing::post`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status, whatever it is; a redirect is an answer like any other.
    pub status: u16,
    /// The first bytes of the body, at most 1 KB.
    pub body_head: Vec<u8>,
    /// When to come again, as the far side wrote it (RFC 9110, 10.2.3).
    pub retry_after: Option<String>,
}

/// What the far side answered to a [`Outgoing::get`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// The HTTP status, whatever it is; a redirect is an answer like any other.
    pub status: u16,
    /// The headers, names in lower case. A value that is no text is shown with its odd bytes replaced.
    pub headers: Vec<(String, String)>,
    /// The whole body.
    pub body: Vec<u8>,
}

/// Who can mend a failed call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Whoever gave us the address or the headers.
    Caller,
    /// The server that was called, or the way to it.
    FarSide,
    /// Whoever runs this server.
    Operator,
}

/// Why a call came to nothing. No message holds an address or anything that was sent.
#[derive(Debug, thiserror::Error)]
pub enum OutgoingError {
    /// Neither `https`, nor `http` where the operator allows it.
    #[error("the address must begin with https://")]
    Scheme,
    /// `https://user:password@…`: it would end up in logs on the way.
    #[error("the address must not hold a user name or password")]
    Credentials,
    /// The host is, or resolves only to, addresses that are not public.
    #[error("the address leads to a private network, which the operator has not allowed")]
    Refused,
    /// A header that is not valid HTTP, or that frames the message.
    #[error("the header {0:?} cannot be sent")]
    Header(String),
    /// No address is known for the host.
    #[error("the host name does not resolve")]
    Unresolved,
    /// No connection, no trusted certificate, or a connection that broke.
    #[error("the server could not be reached")]
    Unreachable(#[source] reqwest::Error),
    /// Longer than 5 seconds for the connection or 15 seconds in all.
    #[error("the server did not answer in time")]
    Timeout,
    /// Any status but 2xx; redirects are not followed.
    #[error("the server answered with status {0}")]
    Status(u16),
    /// The answer holds more bytes than were asked for.
    #[error("the answer is larger than {0} bytes")]
    TooLarge(usize),
    /// The answer is not UTF-8.
    #[error("the answer is not UTF-8 text")]
    NotText,
    /// The answer is compressed, though nobody asked for that.
    #[error("the answer is compressed, so that nobody can look through it")]
    Compressed,
    /// The client could not be made.
    #[error("the HTTP client cannot be set up: {0}")]
    Setup(String),
}

impl OutgoingError {
    /// Who can mend it.
    pub fn fault(&self) -> Fault {
        match self {
            Self::Scheme | Self::Credentials | Self::Refused | Self::Header(_) => Fault::Caller,
            Self::Setup(_) => Fault::Operator,
            Self::Unresolved
            | Self::Unreachable(_)
            | Self::Timeout
            | Self::Status(_)
            | Self::TooLarge(_)
            | Self::Compressed
            | Self::NotText => Fault::FarSide,
        }
    }
}

impl Outgoing {
    /// Makes the client. Certificates are checked against the system's store.
    pub fn new(allowed: Allowed) -> Result<Self, OutgoingError> {
        Self::patient(allowed, TOTAL_TIMEOUT)
    }

    /// The same with another limit of time for a whole call.
    pub fn patient(allowed: Allowed, total: Duration) -> Result<Self, OutgoingError> {
        Self::with_tls(Arc::new(allowed), Arc::new(SystemLookup), tls_config()?, total)
    }

    /// The same with another way to look names up.
    pub fn looking_up(allowed: Allowed, lookup: Arc<dyn Lookup>) -> Result<Self, OutgoingError> {
        Self::with_tls(Arc::new(allowed), lookup, tls_config()?, TOTAL_TIMEOUT)
    }

    /// A client for one server, which may be called at the same addresses: with a certificate that it asks for, and
    /// an authority that the system does not know.
    pub fn dedicated(&self, settings: &Dedicated) -> Result<Self, OutgoingError> {
        let (allowed, lookup) = (Arc::clone(&self.allowed), Arc::clone(&self.lookup));
        Self::with_tls(allowed, lookup, settings.tls_config()?, TOTAL_TIMEOUT)
    }

    fn with_tls(
        allowed: Arc<Allowed>,
        lookup: Arc<dyn Lookup>,
        tls: rustls::ClientConfig,
        total: Duration,
    ) -> Result<Self, OutgoingError> {
        let resolver = CheckedResolver { allowed: Arc::clone(&allowed), lookup: Arc::clone(&lookup) };
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .dns_resolver(resolver)
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .https_only(!allowed.plain_http)
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(total)
            .user_agent(concat!("Cardamom/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| OutgoingError::Setup(error.to_string()))?;
        Ok(Self { client, allowed, lookup })
    }

    /// Fetches a text of at most `max_bytes`.
    pub async fn get_text(&self, url: &Url, max_bytes: usize) -> Result<String, OutgoingError> {
        String::from_utf8(self.get_bytes(url, max_bytes).await?).map_err(|_| OutgoingError::NotText)
    }

    /// Fetches a file of at most `max_bytes`.
    pub async fn get_bytes(&self, url: &Url, max_bytes: usize) -> Result<Vec<u8>, OutgoingError> {
        self.check(url)?;
        let response = self.client.get(url.clone()).send().await.map_err(from_reqwest)?;
        if !response.status().is_success() {
            return Err(OutgoingError::Status(response.status().as_u16()));
        }
        body(response, max_bytes).await
    }

    /// Fetches whatever is there, of at most `max_bytes`. Any status is an answer.
    pub async fn get(&self, url: &Url, max_bytes: usize) -> Result<Fetched, OutgoingError> {
        self.check(url)?;
        let response = self.client.get(url.clone()).send().await.map_err(from_reqwest)?;
        fetched(response, max_bytes).await
    }

    /// Sends a request with these headers and reads the whole answer, of at most `max_bytes`. Any status is an answer.
    pub async fn exchange(
        &self,
        (method, url): (&str, &Url),
        headers: &[(String, String)],
        sent: Vec<u8>,
        max_bytes: usize,
    ) -> Result<Fetched, OutgoingError> {
        self.check(url)?;
        let method = reqwest::Method::from_bytes(method.as_bytes())
            .map_err(|_| OutgoingError::Setup("no method of HTTP".to_owned()))?;
        let request = self.client.request(method, url.clone()).headers(header_map(headers)?).body(sent);
        fetched(request.send().await.map_err(from_reqwest)?, max_bytes).await
    }

    /// Sends a body with these headers and keeps the head of the answer. Any status is an answer.
    pub async fn post(
        &self,
        url: &Url,
        headers: &[(String, String)],
        body: Vec<u8>,
    ) -> Result<Answer, OutgoingError> {
        self.check(url)?;
        let request = self.client.post(url.clone()).headers(header_map(headers)?).body(body);
        let mut response = request.send().await.map_err(from_reqwest)?;
        let retry_after = response.headers().get(reqwest::header::RETRY_AFTER);
        let retry_after = retry_after.and_then(|value| value.to_str().ok()).map(str::to_owned);
        let mut body_head = Vec::new();
        while body_head.len() < BODY_HEAD {
            // An answer that breaks off after its status is still an answer.
            let Ok(Some(chunk)) = response.chunk().await else { break };
            body_head.extend(chunk.iter().take(BODY_HEAD - body_head.len()));
        }
        Ok(Answer { status: response.status().as_u16(), body_head, retry_after })
    }

    /// Sends what somebody else wrote and reads the whole answer, of at most `relayed.most` bytes. Any status is an
    /// answer; a compressed body is none, since nobody could look through it.
    pub async fn relay(&self, relayed: Relayed<'_>) -> Result<Reply, OutgoingError> {
        self.check(relayed.url)?;
        let method = reqwest::Method::from_bytes(relayed.method.as_bytes())
            .map_err(|_| OutgoingError::Header(relayed.method.to_owned()))?;
        let until = tokio::time::Instant::now() + relayed.time;
        let request = self.client.request(method, relayed.url.clone()).timeout(relayed.time);
        let request = request.headers(header_map(relayed.headers)?).body(relayed.body);
        let response = request.send().await.map_err(from_reqwest)?;
        super::relay::read(response, relayed.most, relayed.places, until).await
    }

    /// Checks an address before it is kept: as `check`, and a name must not lead to private addresses only now.
    /// A name that leads nowhere for the moment passes; each call looks it up again.
    pub async fn vet(&self, url: &Url) -> Result<(), OutgoingError> {
        self.check(url)?;
        let Some(Host::Domain(name)) = url.host() else { return Ok(()) };
        let found = tokio::time::timeout(CONNECT_TIMEOUT, self.lookup.lookup(name)).await;
        let Ok(Ok(found)) = found else { return Ok(()) };
        if found.is_empty() || found.iter().any(|address| self.allowed.permits(*address)) {
            return Ok(());
        }
        Err(OutgoingError::Refused)
    }

    /// Checks what the resolver does not see: the scheme, and hosts written as addresses. Names are checked when
    /// they are called, by what they resolve to then.
    pub fn check(&self, url: &Url) -> Result<(), OutgoingError> {
        let plain = url.scheme() == "http" && self.allowed.plain_http;
        if url.scheme() != "https" && !plain {
            return Err(OutgoingError::Scheme);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(OutgoingError::Credentials);
        }
        let literal = match url.host() {
            Some(Host::Ipv4(address)) => IpAddr::V4(address),
            Some(Host::Ipv6(address)) => IpAddr::V6(address),
            Some(Host::Domain(_)) => return Ok(()),
            None => return Err(OutgoingError::Scheme),
        };
        if self.allowed.permits(literal) { Ok(()) } else { Err(OutgoingError::Refused) }
    }
}

fn tls_config() -> Result<rustls::ClientConfig, OutgoingError> {
    let roots = tls::system_roots();
    if roots.is_empty() {
        tracing::warn!("no system certificates found: calls to https addresses will fail");
    }
    let config = tls::client(roots).map_err(|error| OutgoingError::Setup(error.to_string()))?;
    Ok(config.with_no_client_auth())
}

/// Whether a header of this name can be sent by a caller: it is valid, and not one that frames the message.
pub fn is_header(name: &str) -> bool {
    HeaderName::try_from(name).is_ok_and(|parsed| !OURS.contains(&parsed.as_str()))
}

// These belong to the client: set by hand they could make one message look like two.
const OURS: [&str; 4] = ["connection", "content-length", "host", "transfer-encoding"];

pub(super) fn header_map(headers: &[(String, String)]) -> Result<HeaderMap, OutgoingError> {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        let refused = || OutgoingError::Header(name.clone());
        let parsed = HeaderName::try_from(name.as_str()).map_err(|_| refused())?;
        if OURS.contains(&parsed.as_str()) {
            return Err(refused());
        }
        map.append(parsed, HeaderValue::try_from(value.as_str()).map_err(|_| refused())?);
    }
    Ok(map)
}

async fn fetched(response: reqwest::Response, max_bytes: usize) -> Result<Fetched, OutgoingError> {
    let status = response.status().as_u16();
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let headers = response.headers().iter().map(|(name, value)| (name.to_string(), text(value))).collect();
    Ok(Fetched { status, headers, body: body(response, max_bytes).await? })
}

async fn body(mut response: reqwest::Response, max_bytes: usize) -> Result<Vec<u8>, OutgoingError> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(from_reqwest)? {
        if chunk.len() > max_bytes - body.len() {
            return Err(OutgoingError::TooLarge(max_bytes));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

pub(super) fn from_reqwest(error: reqwest::Error) -> OutgoingError {
    // The client's own message ends with the address, and the address may hold a secret in its query.
    let error = error.without_url();
    let mut cause: Option<&(dyn Error + 'static)> = Some(&error);
    while let Some(current) = cause {
        match current.downcast_ref::<ResolveError>() {
            Some(ResolveError::Refused) => return OutgoingError::Refused,
            Some(ResolveError::Unresolved) => return OutgoingError::Unresolved,
            None => cause = current.source(),
        }
    }
    if error.is_timeout() { OutgoingError::Timeout } else { OutgoingError::Unreachable(error) }
}

#[cfg(test)]
mod tests {
    use super::{Allowed, Fault, Outgoing, OutgoingError};
    use axum::Router;
    use axum::http::{HeaderMap, StatusCode, header};
    use axum::routing::{get, post};
    use url::Url;

    fn outgoing(networks: &[&str], plain_http: bool) -> Outgoing {
        let networks = networks.iter().map(|network| network.parse().unwrap()).collect();
        Outgoing::new(Allowed { networks, plain_http }).unwrap()
    }

    fn loopback_allowed() -> Outgoing {
        outgoing(&["127.0.0.0/8", "::1/128"], true)
    }

    async fn serve() -> Url {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let app = Router::new()
            .route("/text", get(|| async { "a { color: red }" }))
            .route("/bytes", get(|| async { vec![0xff_u8; 4] }))
            .route("/gone", get(|| async { StatusCode::GONE }))
            .route("/moved", get(|| async { (StatusCode::FOUND, [(header::LOCATION, "/text")]) }))
            .route("/long", post(|| async { "x".repeat(5000) }))
            .route(
                "/echo",
                post(|headers: HeaderMap, body: String| async move {
                    let signature = headers.get("x-signature").unwrap().to_str().unwrap().to_owned();
                    (StatusCode::ACCEPTED, format!("{signature} {body}"))
                }),
            );
        tokio::spawn(async move { axum::serve(listener, app).await });
        Url::parse(&format!("http://{address}/")).unwrap()
    }

    #[tokio::test]
    async fn an_allowed_server_is_read() {
        let url = serve().await.join("text").unwrap();
        assert_eq!(loopback_allowed().get_text(&url, 1000).await.unwrap(), "a { color: red }");
        let mut named = url;
        named.set_host(Some("localhost")).unwrap();
        assert_eq!(loopback_allowed().get_text(&named, 1000).await.unwrap(), "a { color: red }");
    }

    #[tokio::test]
    async fn private_addresses_are_refused_however_written() {
        let strict = outgoing(&[], true);
        let port = serve().await.port().unwrap();
        for host in ["127.0.0.1", "2130706433", "0x7f.1", "localhost", "[::1]", "[::ffff:127.0.0.1]"] {
            let url = Url::parse(&format!("http://{host}:{port}/text")).unwrap();
            let error = strict.get_text(&url, 1000).await.unwrap_err();
            assert!(matches!(error, OutgoingError::Refused), "{host}: {error:?}");
            assert_eq!(error.fault(), Fault::Caller);
        }
    }

    #[tokio::test]
    async fn other_schemes_and_credentials_are_refused() {
        let strict = outgoing(&["127.0.0.0/8"], false);
        let plain = serve().await.join("text").unwrap();
        assert!(matches!(strict.get_text(&plain, 10).await, Err(OutgoingError::Scheme)));
        for address in ["ftp://example.com/", "file:///etc/hostname", "data:text/plain,x"] {
            let url = Url::parse(address).unwrap();
            assert!(matches!(loopback_allowed().get_text(&url, 10).await, Err(OutgoingError::Scheme)));
        }
        let url = Url::parse("https://user:word@example.com/").unwrap();
        assert!(matches!(strict.get_text(&url, 10).await, Err(OutgoingError::Credentials)));
    }

    #[tokio::test]
    async fn answers_are_checked() {
        let base = serve().await;
        let outgoing = loopback_allowed();
        let fetch = async |path| outgoing.get_text(&base.join(path).unwrap(), 15).await;
        assert!(matches!(fetch("text").await, Err(OutgoingError::TooLarge(15))));
        assert!(matches!(fetch("bytes").await, Err(OutgoingError::NotText)));
        assert!(matches!(fetch("gone").await, Err(OutgoingError::Status(410))));
        assert!(matches!(fetch("moved").await, Err(OutgoingError::Status(302))));
        assert_eq!(outgoing.get_text(&base.join("text").unwrap(), 16).await.unwrap().len(), 16);
    }

    #[tokio::test]
    async fn a_post_keeps_the_head_of_the_answer() {
        let base = serve().await;
        let outgoing = loopback_allowed();
        let long = outgoing.post(&base.join("long").unwrap(), &[], Vec::new()).await.unwrap();
        assert_eq!((long.status, long.body_head.len()), (200, 1024));

        let headers = [("X-Signature".to_owned(), "abc".to_owned())];
        let echo = outgoing.post(&base.join("echo").unwrap(), &headers, b"body".to_vec()).await.unwrap();
        assert_eq!((echo.status, echo.body_head.as_slice()), (202, b"abc body".as_slice()));
    }

    #[tokio::test]
    async fn headers_that_frame_the_message_are_refused() {
        let base = serve().await;
        for (name, value) in [("Host", "other"), ("content-length", "1"), ("a b", "c"), ("X-Ok", "a\r\nb: c")]
        {
            let headers = [(name.to_owned(), value.to_owned())];
            let answer = loopback_allowed().post(&base, &headers, Vec::new()).await;
            assert!(matches!(answer, Err(OutgoingError::Header(refused)) if refused == name));
        }
    }

    #[tokio::test]
    async fn errors_do_not_hold_the_address() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let closed = format!("http://{}/?secret=hidden", listener.local_addr().unwrap());
        drop(listener);
        let error = loopback_allowed().get_text(&Url::parse(&closed).unwrap(), 10).await.unwrap_err();
        assert!(matches!(error, OutgoingError::Unreachable(_)), "{error:?}");
        assert!(!format!("{error} {error:?}").contains("hidden"));
    }

    #[tokio::test]
    async fn https_means_tls() {
        let mut url = serve().await.join("text").unwrap();
        url.set_scheme("https").unwrap();
        let answer = loopback_allowed().get_text(&url, 1000).await;
        assert!(matches!(answer, Err(OutgoingError::Unreachable(_))), "{answer:?}");
    }

    // The environment of this process cannot be changed safely, so another test runs again in a process of its own.
    #[test]
    fn proxy_variables_are_ignored() {
        let module = module_path!().split_once("::").unwrap().1;
        let mut child = std::process::Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", &format!("{module}::an_allowed_server_is_read")]);
        for name in ["http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy", "ALL_PROXY"] {
            child.env(name, "http://127.0.0.1:1");
        }
        let output = child.env_remove("no_proxy").env_remove("NO_PROXY").output().unwrap();
        assert!(String::from_utf8_lossy(&output.stdout).contains("1 passed"), "{output:?}");
    }
}
