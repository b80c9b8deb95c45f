//! The ceiling of the capture benchmark: the same HTTP stack that reads the same JSON and stores nothing.

use axum::{Json, Router, routing::post};

async fn echo(Json(body): Json<serde_json::Value>) -> Json<serde_json::Value> {
    Json(body)
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:4180".to_owned());
    let listener = tokio::net::TcpListener::bind(address).await?;
    axum::serve(listener, Router::new().route("/echo", post(echo))).await
}
