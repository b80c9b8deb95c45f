//! A server that plays an acquirer: TLS with a certificate of its own, calls kept to the byte, answers as told.

use std::collections::{BTreeSet, VecDeque};
use std::fmt::Write as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use backend::model::Mode;
use backend::outgoing::Dedicated;
use backend::proxy::hosts;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use crate::app::TestApp;

/// So long is waited for what has to come; the end of this is a failure.
const PATIENCE: Duration = Duration::from_mins(2);

/// A running acquirer.
pub struct Acquirer {
    /// Host and port, as permissions name it.
    pub host: String,
    /// The folder with its certificate, `cert.pem`, and that of its client, `client.pem`.
    pub folder: TempDir,
    book: Arc<Book>,
}

#[derive(Default)]
struct Book {
    calls: Mutex<Vec<Got>>,
    answers: Mutex<VecDeque<Told>>,
    /// The body of the usual answer; `ok` before one is told.
    usual: Mutex<Option<Vec<u8>>>,
    taken: watch::Sender<usize>,
    held: watch::Sender<bool>,
    /// The bodies that were answered as usual.
    accepted: watch::Sender<BTreeSet<String>>,
}

/// An answer, and whether the connection is left open behind it.
type Told = (Vec<u8>, bool);

/// A call as it came.
#[derive(Clone)]
pub struct Got {
    /// Method, target and headers, line by line.
    pub head: String,
    /// The body.
    pub body: Vec<u8>,
}

impl Acquirer {
    /// Starts one that answers 200 with `ok`.
    pub async fn start() -> Self {
        Self::start_with(false).await
    }

    /// Starts one that lets nobody in without the client certificate.
    pub async fn that_asks_for_a_certificate() -> Self {
        Self::start_with(true).await
    }

    async fn start_with(asks: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        certify(&folder, "cert", "acquirer").await;
        certify(&folder, "client", "client").await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = format!("127.0.0.1:{}", listener.local_addr().unwrap().port());
        let acceptor = TlsAcceptor::from(Arc::new(config(&folder, asks)));
        let book = Arc::new(Book::default());
        let taking = Arc::clone(&book);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, book) = (acceptor.clone(), Arc::clone(&taking));
                tokio::spawn(async move {
                    if let Ok(stream) = acceptor.accept(stream).await {
                        // A caller may go away.
                        drop(serve(stream, &book).await);
                    }
                });
            }
        });
        Self { host, folder, book }
    }

    /// A PEM file of its folder.
    pub fn pem(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder.path().join(name)).unwrap()
    }

    /// The operator of a server allows it.
    pub async fn allow(&self, app: &TestApp) {
        self.allow_with(app, None).await;
    }

    /// The same with a client certificate.
    pub async fn allow_with(&self, app: &TestApp, client: Option<String>) {
        let settings = Dedicated { client, authority: Some(self.pem("cert.pem")) };
        let modes = [Mode::Live, Mode::Test];
        hosts::allow(&app.app.core, "Shop", &modes, &self.host, &settings).await.unwrap();
    }

    /// An address of it.
    pub fn url(&self, path: &str) -> String {
        format!("https://{}{path}", self.host)
    }

    /// The next answer.
    pub fn answers(&self, status: u16, headers: &[(&str, &str)], body: &[u8]) {
        let mut lines = String::new();
        for (name, value) in headers {
            write!(lines, "{name}: {value}\r\n").unwrap();
        }
        let length = body.len();
        let head =
            format!("HTTP/1.1 {status} X\r\n{lines}content-length: {length}\r\nconnection: close\r\n\r\n");
        self.answers_raw([head.as_bytes(), body].concat());
    }

    /// The next answer, as it goes over the wire.
    pub fn answers_raw(&self, answer: Vec<u8>) {
        self.book.answers.lock().unwrap().push_back((answer, false));
    }

    /// The same without an end: the connection stays open, and nothing more comes.
    pub fn answers_without_end(&self, answer: Vec<u8>) {
        self.book.answers.lock().unwrap().push_back((answer, true));
    }

    /// What all calls are answered from now on that no other answer was told for.
    pub fn answers_always(&self, body: &[u8]) {
        *self.book.usual.lock().unwrap() = Some(body.to_vec());
    }

    /// Lets calls wait for their answer from now on; what waits is refused when they are released.
    pub fn hold(&self, held: bool) {
        self.book.held.send_replace(held);
    }

    /// What came so far.
    pub fn calls(&self) -> Vec<Got> {
        self.book.calls.lock().unwrap().clone()
    }

    /// Waits until calls with all of these bodies were answered as usual.
    pub async fn wait_until_accepted(&self, bodies: &BTreeSet<String>) {
        let mut accepted = self.book.accepted.subscribe();
        let all = accepted.wait_for(|accepted| accepted.is_superset(bodies));
        let lost = || bodies.difference(&self.book.accepted.borrow()).cloned().collect::<Vec<_>>();
        assert!(tokio::time::timeout(PATIENCE, all).await.is_ok(), "lost: {:?}", lost());
    }

    /// How many calls came.
    pub fn taken(&self) -> usize {
        *self.book.taken.borrow()
    }

    /// Waits until so many calls came.
    pub async fn wait_for(&self, calls: usize) {
        let mut taken = self.book.taken.subscribe();
        let came = taken.wait_for(|taken| *taken >= calls);
        tokio::time::timeout(PATIENCE, came).await.expect("the calls come").unwrap();
    }
}

impl Got {
    /// The first line.
    pub fn line(&self) -> &str {
        self.head.lines().next().unwrap()
    }

    /// All headers as they came, sorted.
    pub fn headers(&self) -> Vec<String> {
        let mut lines: Vec<_> = self.head.lines().skip(1).map(str::to_owned).collect();
        lines.sort();
        lines
    }

    /// A header; empty where there is none.
    pub fn header(&self, name: &str) -> &str {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map_or("", |(_, value)| value)
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }
}

/// A self-signed certificate and its key in one file.
async fn certify(folder: &TempDir, name: &str, subject: &str) {
    let file = |end: &str| folder.path().join(format!("{name}{end}"));
    let mut make = Command::new("openssl");
    make.args([
        "req",
        "-x509",
        "-nodes",
        "-days",
        "2",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
    ])
    .args(["-subj", &format!("/CN={subject}"), "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"])
    .args(["-addext", "basicConstraints=critical,CA:FALSE"])
    .args(["-out", file("-only.pem").to_str().unwrap(), "-keyout", file("-key.pem").to_str().unwrap()]);
    let made = make.output().await.expect("openssl is needed");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let [certificate, key] = ["-only.pem", "-key.pem"].map(|end| std::fs::read_to_string(file(end)).unwrap());
    std::fs::write(file(".pem"), format!("{certificate}{key}")).unwrap();
}

fn config(folder: &TempDir, asks: bool) -> ServerConfig {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let read = |name: &str| std::fs::read(folder.path().join(name)).unwrap();
    let certificate = |name: &str| CertificateDer::from_pem_slice(&read(name)).unwrap();
    let key = PrivateKeyDer::from_pem_slice(&read("cert.pem")).unwrap();
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap();
    let builder = if asks {
        let mut roots = RootCertStore::empty();
        roots.add(certificate("client.pem")).unwrap();
        let verifier =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
        builder.with_client_cert_verifier(verifier)
    } else {
        builder.with_no_client_auth()
    };
    builder.with_single_cert(vec![certificate("cert.pem")], key).unwrap()
}

/// One call on one connection (RFC 9112).
async fn serve<S>(mut stream: S, book: &Book) -> std::io::Result<()>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    let mut read = Vec::new();
    let end = loop {
        if let Some(end) = read.windows(4).position(|four| four == b"\r\n\r\n") {
            break end;
        }
        if stream.read_buf(&mut read).await? == 0 {
            return Ok(());
        }
    };
    let head = String::from_utf8_lossy(&read[..end]).into_owned();
    let mut got = Got { head, body: read[end + 4..].to_vec() };
    let length = got.header("content-length").parse().unwrap_or(0);
    while got.body.len() < length {
        if stream.read_buf(&mut got.body).await? == 0 {
            return Ok(());
        }
    }
    let body = String::from_utf8_lossy(&got.body).into_owned();
    book.calls.lock().unwrap().push(got);
    book.taken.send_modify(|taken| *taken += 1);
    let told = book.answers.lock().unwrap().pop_front();
    let (told, stays_open) = told.map_or((None, false), |(answer, open)| (Some(answer), open));
    let usual = book.usual.lock().unwrap().clone().unwrap_or_else(|| b"ok".to_vec());
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", usual.len());
    let usual = [head.into_bytes(), usual].concat();
    let busy = b"HTTP/1.1 503 X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".to_vec();
    let answer = if *book.held.borrow() {
        book.held.subscribe().wait_for(|held| !held).await.unwrap();
        busy
    } else if let Some(told) = told {
        told
    } else {
        book.accepted.send_modify(|accepted| _ = accepted.insert(body));
        usual
    };
    stream.write_all(&answer).await?;
    if stays_open {
        // Until the caller goes away.
        stream.flush().await?;
        while stream.read(&mut [0; 64]).await? > 0 {}
    }
    stream.shutdown().await
}
