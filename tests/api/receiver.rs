//! A server that merchants would run: it takes webhooks, keeps them, and answers as it was told.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::Value;
use tokio::net::TcpListener;

/// What it keeps and what it will answer.
#[derive(Clone, Default)]
struct Book {
    calls: Arc<Mutex<Vec<Received>>>,
    answers: Arc<Mutex<VecDeque<Told>>>,
}

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
        let book = Book::default();
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
    book.calls.lock().unwrap().push(Received { headers, text });
    let told = book.answers.lock().unwrap().pop_front();
    let (status, header, body) = told.unwrap_or((200, None, String::new()));
    let status = StatusCode::from_u16(status).unwrap();
    match header {
        Some(header) => (status, [header], body).into_response(),
        None => (status, body).into_response(),
    }
}
