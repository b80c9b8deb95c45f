//! A client of the server: calls, and answers with what tests ask of them.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::Router;
use axum::body::{Body, Bytes, HttpBody, to_bytes};
use axum::extract::ConnectInfo;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http_body::Frame;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tower::ServiceExt as _;
use tower_http::normalize_path::NormalizePath;

/// A client with or without credentials.
#[derive(Clone)]
pub struct Client {
    transport: Transport,
    authorization: Option<String>,
    address: IpAddr,
}

#[derive(Clone)]
enum Transport {
    /// In this process, without a socket.
    Router(NormalizePath<Router>),
    /// A running program.
    Socket(SocketAddr),
}

/// A body that does not come.
struct Never;

impl HttpBody for Never {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        Poll::Pending
    }
}

/// A call before it is sent.
pub struct Call {
    method: &'static str,
    target: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

/// An answer.
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Vec<u8>,
    /// What the call held that no refusal may repeat.
    secrets: Vec<String>,
}

/// An answer that says no, checked to be a problem document.
#[derive(Debug)]
pub struct Problem(pub Value);

impl Client {
    /// A client of a server in this process.
    pub fn of_router(router: NormalizePath<Router>) -> Self {
        Self {
            transport: Transport::Router(router),
            authorization: None,
            address: Ipv4Addr::LOCALHOST.into(),
        }
    }

    /// A client of a running program.
    pub fn of_socket(server: SocketAddr) -> Self {
        Self {
            transport: Transport::Socket(server),
            authorization: None,
            address: Ipv4Addr::LOCALHOST.into(),
        }
    }

    /// The same with a user name and a password.
    pub fn with_basic(&self, user: &str, password: &str) -> Self {
        self.with_authorization(&format!("Basic {}", STANDARD.encode(format!("{user}:{password}"))))
    }

    /// The same with an Authorization header.
    pub fn with_authorization(&self, authorization: &str) -> Self {
        Self { authorization: Some(authorization.to_owned()), ..self.clone() }
    }

    /// The same through another server in this process.
    pub fn through(&self, router: NormalizePath<Router>) -> Self {
        Self { transport: Transport::Router(router), ..self.clone() }
    }

    /// The same without credentials.
    pub fn anonymous(&self) -> Self {
        Self { authorization: None, ..self.clone() }
    }

    /// The same from another address; only for servers in this process.
    pub fn at(&self, address: [u8; 4]) -> Self {
        Self { address: address.into(), ..self.clone() }
    }

    /// `GET`
    pub async fn get(&self, target: &str) -> Answer {
        self.send(Call::new("GET", target)).await
    }

    /// `POST` with a JSON body.
    pub async fn post(&self, target: &str, body: Value) -> Answer {
        self.send(Call::new("POST", target).json(&body)).await
    }

    /// `PUT` with a JSON body.
    pub async fn put(&self, target: &str, body: Value) -> Answer {
        self.send(Call::new("PUT", target).json(&body)).await
    }

    /// `DELETE`
    pub async fn delete(&self, target: &str) -> Answer {
        self.send(Call::new("DELETE", target)).await
    }

    /// Sends a call.
    pub async fn send(&self, mut call: Call) -> Answer {
        call.headers.extend(self.authorization.clone().map(|value| ("authorization".to_owned(), value)));
        let secrets = call.secrets();
        let (status, headers, body) = match &self.transport {
            Transport::Router(router) => self.send_here(router.clone(), call).await,
            Transport::Socket(server) => send_there(*server, &call).await,
        };
        Answer { status, headers, body, secrets }
    }

    /// Sends a call to a server in this process and leaves the body of its answer where it is.
    pub async fn open(&self, mut call: Call) -> Response {
        call.headers.extend(self.authorization.clone().map(|value| ("authorization".to_owned(), value)));
        let Transport::Router(router) = &self.transport else { panic!("a server in this process") };
        self.request(router.clone(), &call, Body::from(call.body.clone())).await
    }

    /// Sends a call whose body never comes; answers the status.
    pub async fn open_without_body(&self, mut call: Call) -> u16 {
        call.headers.extend(self.authorization.clone().map(|value| ("authorization".to_owned(), value)));
        let Transport::Router(router) = &self.transport else { panic!("a server in this process") };
        self.request(router.clone(), &call, Body::new(Never)).await.status().as_u16()
    }

    async fn request(&self, router: NormalizePath<Router>, call: &Call, body: Body) -> Response {
        let mut request = Request::builder().method(call.method).uri(&call.target);
        for (name, value) in &call.headers {
            request = request.header(name, value);
        }
        let mut request = request.body(body).unwrap();
        request.extensions_mut().insert(ConnectInfo(SocketAddr::new(self.address, 40_000)));
        router.oneshot(request).await.unwrap()
    }

    async fn send_here(&self, router: NormalizePath<Router>, call: Call) -> (u16, HeaderMap, Vec<u8>) {
        let body = Body::from(call.body.clone());
        let (parts, body) = self.request(router, &call, body).await.into_parts();
        (parts.status.as_u16(), parts.headers, to_bytes(body, usize::MAX).await.unwrap().to_vec())
    }
}

impl Call {
    /// A call without headers and body.
    pub fn new(method: &'static str, target: &str) -> Self {
        Self { method, target: target.to_owned(), headers: Vec::new(), body: Vec::new() }
    }

    /// With one header more.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With a JSON body and its content type.
    pub fn json(self, body: &Value) -> Self {
        self.header("content-type", "application/json").body(body.to_string())
    }

    /// With a body as it is.
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// With the body of a plain form.
    pub fn form(self, fields: &[(&str, &str)]) -> Self {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        self.header("content-type", "application/x-www-form-urlencoded").body(body)
    }

    /// Secrets by their place, and everything in the body that is as long as a card number.
    fn secrets(&self) -> Vec<String> {
        let names = ["authorization", "x-vault-passphrase", "x-capture-secret", "x-pcivault-capture-secret"];
        let mut found: Vec<String> = self
            .headers
            .iter()
            .filter(|(name, _)| names.contains(&name.to_lowercase().as_str()))
            .map(|(_, value)| value.clone())
            .collect();
        let query = self.target.split_once('?').map_or("", |(_, query)| query);
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            if matches!(&*name, "passphrase" | "secret" | "number" | "card_number" | "n" | "account_number") {
                found.push(value.into_owned());
            }
        }
        let body = String::from_utf8_lossy(&self.body);
        found.extend(
            body.split(|c: char| !c.is_ascii_digit()).filter(|run| run.len() >= 12).map(str::to_owned),
        );
        if let Ok(Value::Object(members)) = serde_json::from_str(&body) {
            let names = ["passphrase", "new_passphrase", "secret", "cvv", "card_number", "number", "pan"];
            let texts = members.into_iter().filter(|(name, _)| names.contains(&name.as_str()));
            found.extend(texts.filter_map(|(_, value)| value.as_str().map(str::to_owned)));
        }
        found.retain(|secret| secret.len() >= 3);
        found
    }
}

impl Answer {
    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {}", self.text()))
    }

    /// A header; empty where there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The JSON of an answer that has to be 200.
    pub fn ok(&self) -> Value {
        assert_eq!(self.status, 200, "{}", self.text());
        self.json()
    }

    /// The same with a status to expect.
    #[track_caller]
    pub fn is(&self, status: u16) -> &Self {
        assert_eq!(self.status, status, "{}", self.text());
        self
    }

    /// The problem document of a refusal with this status and code. It repeats no secret of the call.
    #[track_caller]
    pub fn refused(&self, status: u16, code: &str) -> Problem {
        assert_eq!(self.status, status, "{}", self.text());
        assert_eq!(self.header("content-type"), "application/problem+json");
        let problem = self.json();
        assert_eq!(problem["type"], format!("/docs#problem-{code}"));
        assert_eq!(problem["status"], status);
        assert_eq!(problem["title"], StatusCode::from_u16(status).unwrap().canonical_reason().unwrap());
        assert!(problem["error"].as_str().is_some_and(|text| !text.is_empty()));
        assert_eq!(problem["error"], problem["detail"]);
        let text = self.text();
        assert!(!self.secrets.iter().any(|secret| text.contains(secret)), "the refusal repeats a secret");
        Problem(problem)
    }
}

impl Problem {
    /// The one refused value has this pointer and code.
    #[track_caller]
    pub fn at(&self, pointer: &str, code: &str) {
        let errors = self.0["errors"].as_array().expect("a pointer");
        assert_eq!(errors.len(), 1, "{}", self.0);
        assert_eq!((&errors[0]["pointer"], &errors[0]["code"]), (&pointer.into(), &code.into()));
        assert_eq!(errors[0]["field"], pointer.rsplit('/').next().unwrap_or_default());
    }
}

/// One call on one connection: HTTP/1.1 (RFC 9112), read to its end.
async fn send_there(server: SocketAddr, call: &Call) -> (u16, HeaderMap, Vec<u8>) {
    let mut head =
        format!("{} {} HTTP/1.1\r\nhost: {server}\r\nconnection: close\r\n", call.method, call.target);
    for (name, value) in &call.headers {
        write!(head, "{name}: {value}\r\n").unwrap();
    }
    write!(head, "content-length: {}\r\n\r\n", call.body.len()).unwrap();
    let mut stream = TcpStream::connect(server).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    // A server that refuses early closes before it has read everything.
    drop(stream.write_all(&call.body).await);
    let mut answer = Vec::new();
    drop(stream.read_to_end(&mut answer).await);
    parse(&answer)
}

fn parse(answer: &[u8]) -> (u16, HeaderMap, Vec<u8>) {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").expect("a whole head");
    let head = String::from_utf8_lossy(&answer[..end]).into_owned();
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let mut headers = HeaderMap::new();
    for (name, value) in lines.filter_map(|line| line.split_once(": ")) {
        headers.append(name.parse::<HeaderName>().unwrap(), HeaderValue::from_str(value).unwrap());
    }
    (status, headers, answer[end + 4..].to_vec())
}
