//! A server that merchants would run: it takes webhooks, keeps them, and answers as it was told.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::watch;

/// What it keeps and what it will answer.
#[derive(Clone)]
struct Book {
    calls: Arc<Mutex<Vec<Received>>>,
    answers: Arc<Mutex<VecDeque<Told>>>,
    /// Whether calls wait for their answer.
    held: Arc<watch::Sender<bool>>,
    /// How many calls came.
    taken: Arc<watch::Sender<usize>>,
    /// The references that were told and accepted.
    accepted: Arc<watch::Sender<BTreeSet<String>>>,
}

/// So long is waited for what has to come; the end of this is a failure.
const PATIENCE: Duration = Duration::from_mins(2);

/// How to answer: status, one header, body.
type Told = (u16, Option<(&'static str, String)>, String);

/// A running receiver.
pub struct Receiver {
    /// Its address.
    pub url: String,
    book: Book,
}

/// A call that it took.
#[derive(Clone)]
pub struct Received {
    /// The headers.
    pub headers: HeaderMap,
    /// The body as it came.
    pub text: String,
}

impl Receiver {
    /// Starts one on loopback that answers 200 unless told otherwise.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let book = Book {
            calls: Arc::default(),
            answers: Arc::default(),
            held: Arc::new(watch::Sender::new(false)),
            taken: Arc::new(watch::Sender::new(0)),
            accepted: Arc::new(watch::Sender::new(BTreeSet::new())),
        };
        let app = Router::new().fallback(take).with_state(book.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { url, book }
    }

    /// The next answers, each a status.
    pub fn answers(&self, statuses: &[u16]) {
        self.book
            .answers
            .lock()
            .unwrap()
            .extend(statuses.iter().map(|status| (*status, None, String::new())));
    }

    /// The next answer with a header and a body.
    pub fn answers_with(&self, status: u16, header: (&'static str, &str), body: &str) {
        let told = (status, Some((header.0, header.1.to_owned())), body.to_owned());
        self.book.answers.lock().unwrap().push_back(told);
    }

    /// Lets calls wait for their answer from now on.
    pub fn hold(&self) {
        self.book.held.send_replace(true);
    }

    /// Refuses the calls that wait, and answers later ones at once again.
    pub fn release(&self) {
        self.book.held.send_replace(false);
    }

    /// How many calls came so far.
    pub fn taken(&self) -> usize {
        *self.book.taken.borrow()
    }

    /// Waits until so many calls came.
    pub async fn wait_for(&self, calls: usize) {
        let mut taken = self.book.taken.subscribe();
        let came = taken.wait_for(|taken| *taken >= calls);
        tokio::time::timeout(PATIENCE, came).await.expect("the calls come").unwrap();
    }

    /// Waits until captures with all of these references were told and accepted.
    pub async fn wait_until_accepted(&self, references: &BTreeSet<String>) {
        let mut accepted = self.book.accepted.subscribe();
        let all = accepted.wait_for(|accepted| accepted.is_superset(references));
        let lost = || references.difference(&self.book.accepted.borrow()).cloned().collect::<Vec<_>>();
        assert!(tokio::time::timeout(PATIENCE, all).await.is_ok(), "lost: {:?}", lost());
    }

    /// What came so far, in order.
    pub fn calls(&self) -> Vec<Received> {
        self.book.calls.lock().unwrap().clone()
    }
}

impl Received {
    /// A header's text.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The body.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap()
    }
}

async fn take(State(book): State<Book>, headers: HeaderMap, text: String) -> Response {
    let call = Received { headers, text };
    let reference = serde_json::from_str::<Value>(&call.text).ok();
    let reference = reference.and_then(|body| Some(body["token_info"]["reference"].as_str()?.to_owned()));
    book.calls.lock().unwrap().push(call);
    book.taken.send_modify(|taken| *taken += 1);
    if *book.held.borrow() {
        book.held.subscribe().wait_for(|held| !held).await.unwrap();
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    let told = book.answers.lock().unwrap().pop_front();
    if told.is_none() {
        book.accepted.send_modify(|accepted| accepted.extend(reference));
    }
    let (status, header, body) = told.unwrap_or((200, None, String::new()));
    let status = StatusCode::from_u16(status).unwrap();
    match header {
        Some(header) => (status, [header], body).into_response(),
        None => (status, body).into_response(),
    }
}
