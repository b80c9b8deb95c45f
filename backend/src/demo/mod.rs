//! The demo shop: another site than the card pages, which takes a card through the real API and shows what a
//! merchant gets. Only with `--demo`.

mod gallery;
mod orders;
mod pages;
mod requests;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Query, State};
use axum::http::{Method, Request, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::access::merchants;
use crate::core::Core;
use crate::http::App;
use crate::model::Scopes;

/// Where the shop is reached: another site than 127.0.0.1.
const SHOP: &str = "http://localhost:8081";
/// The demo merchant's name, and the file in the data folder that keeps its test credentials.
const MERCHANT: &str = "Demo shop";
const FILE: &str = "demo-merchant.json";

/// An open shop.
pub struct Shop {
    /// What is served.
    pub router: Router,
    /// What the person who started it reads.
    pub greeting: String,
}

/// Makes or remembers the demo merchant and opens the shop.
pub async fn open(app: &Arc<App>, api: Router, data_dir: &Path) -> Result<Shop, Box<dyn std::error::Error>> {
    let credentials = credentials(app, &data_dir.join(FILE)).await?;
    let greeting = format!(
        "\n  Demo shop   {SHOP}\n  Order       {SHOP}/order\n  Gallery     {SHOP}/gallery\n  API         {}\n  user        {}\n  password    {}\n  (a merchant in test mode; its managed key is user=managed)\n\n",
        app.public_url.as_str().trim_end_matches('/'),
        credentials.user,
        credentials.password
    );
    let base = app.public_url.as_str().trim_end_matches('/').to_owned();
    let script = app.assets.embed_versions().last().map(|(version, script, _)| pages::Script {
        url: format!("{base}/embed/{version}/embed.js"),
        integrity: script.integrity.clone(),
    });
    let script = script.ok_or("the script for shops was not built in: run ./dev build")?;
    let client = Arc::new(Client {
        core: app.core.clone(),
        api,
        credentials,
        base,
        script,
        data_dir: data_dir.to_owned(),
    });
    let router = Router::new()
        .route("/", get(shop))
        .route("/shop.js", get(|| async { ([(header::CONTENT_TYPE, "text/javascript")], pages::SCRIPT) }))
        .route("/thanks", get(thanks))
        .route("/gallery", get(gallery::gallery))
        .route("/gallery/{state}", get(gallery::frame))
        .merge(requests::routes())
        .merge(orders::routes())
        .layer(axum::middleware::map_response_with_state(Arc::clone(&client), guard))
        .layer(axum::middleware::from_fn(own_name))
        .with_state(client);
    Ok(Shop { router, greeting })
}

#[derive(Deserialize, serde::Serialize)]
struct Credentials {
    user: String,
    password: String,
}

/// Speaks the merchant's side of the API, through the same router that the world reaches.
struct Client {
    core: Core,
    api: Router,
    credentials: Credentials,
    base: String,
    script: pages::Script,
    data_dir: PathBuf,
}

async fn credentials(app: &Arc<App>, file: &Path) -> Result<Credentials, Box<dyn std::error::Error>> {
    if let Ok(text) = std::fs::read_to_string(file) {
        return Ok(serde_json::from_str(&text)?);
    }
    let name = if merchants::exists(&app.core, MERCHANT).await? {
        format!("{MERCHANT} {}", app.core.now().rfc3339())
    } else {
        MERCHANT.to_owned()
    };
    let made = merchants::create(&app.core, &name, Scopes::usual()).await?;
    let credentials = Credentials { user: made.test.user, password: made.test.password.to_string() };
    write_private(file, &serde_json::to_string(&credentials)?)?;
    Ok(credentials)
}

fn write_private(file: &Path, text: &str) -> std::io::Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(file)?
        .write_all(text.as_bytes())
}

impl Client {
    async fn call(&self, method: Method, path: &str, body: &Value) -> Result<Value, StatusCode> {
        let login = STANDARD.encode(format!("{}:{}", self.credentials.user, self.credentials.password));
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::AUTHORIZATION, format!("Basic {login}"))
            .header("prefer", "return=representation")
            .body(Body::from(if body.is_null() { String::new() } else { body.to_string() }))
            .map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
        let response = self.api.clone().oneshot(request).await.unwrap_or_else(|never| match never {});
        let status = response.status();
        let bytes = to_bytes(response.into_body(), 1 << 20).await.map_err(|_| StatusCode::BAD_GATEWAY)?;
        if status.is_success() {
            serde_json::from_slice(&bytes).map_err(|_| StatusCode::BAD_GATEWAY)
        } else {
            Err(status)
        }
    }
}

/// The checkout: asks for an endpoint and a form, as any merchant's backend does, and mounts the form by the script
/// for shops.
async fn shop(State(client): State<Arc<Client>>) -> Result<Html<String>, StatusCode> {
    let endpoint =
        client.call(Method::POST, "/v1/capture?user=managed&ttl=PT30M&max_uses=5", &Value::Null).await?;
    let form = json!({ "allowed_origins": [SHOP] });
    let form = client.call(Method::POST, "/v1/capture/iframe?form_type=pcd", &form).await?;
    let text =
        |value: &Value, name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let options = json!({
        "base": client.base,
        "form": text(&form, "id"),
        "uniqueId": text(&endpoint, "unique_id"),
        "secret": text(&endpoint, "secret"),
    });
    Ok(Html(pages::shop(&client.script, &options)))
}

#[derive(Deserialize)]
struct Paid {
    token: String,
    reference: String,
}

/// What the merchant holds afterwards: the token, and the card as it may be shown.
async fn thanks(
    State(client): State<Arc<Client>>,
    Query(paid): Query<Paid>,
) -> Result<Html<String>, StatusCode> {
    let cards = client
        .call(Method::GET, "/v1/vault?user=managed&return_card_metadata=true&limit=1000", &Value::Null)
        .await?;
    let is_it = |card: &&Value| {
        card.get("token").and_then(Value::as_str) == Some(paid.token.as_str())
            && card.get("reference").and_then(Value::as_str) == Some(paid.reference.as_str())
    };
    let card =
        cards.get("managed").and_then(Value::as_array).and_then(|cards| cards.iter().find(is_it).cloned());
    card.map(|card| Html(pages::thanks(&card))).ok_or(StatusCode::NOT_FOUND)
}

/// The shop answers to its own name alone: a foreign name that leads here could read the merchant's answers.
async fn own_name(request: axum::extract::Request, next: axum::middleware::Next) -> Response {
    let named = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    let host = named.map(|host| host.rsplit_once(':').map_or(host, |(name, _)| name));
    if matches!(host, Some("localhost" | "127.0.0.1")) {
        return next.run(request).await;
    }
    (StatusCode::MISDIRECTED_REQUEST, "The demo shop is at http://localhost:8081.\n").into_response()
}

/// The shop's own policy: its own script and the one for shops, the card page and the gallery's documents in
/// frames, forms that lead to a payment's page, and nothing else.
async fn guard(State(client): State<Arc<Client>>, mut response: Response) -> impl IntoResponse {
    let Client { base, script, .. } = &*client;
    let policy = format!(
        "default-src 'none'; script-src 'self' {}; style-src 'unsafe-inline'; frame-src 'self' {base}; base-uri 'none'; \
         form-action 'self' {base}; frame-ancestors 'none'",
        script.url
    );
    let headers = response.headers_mut();
    if let Ok(policy) = header::HeaderValue::from_str(&policy) {
        headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(policy);
    }
    headers.insert(header::REFERRER_POLICY, header::HeaderValue::from_static("no-referrer"));
    headers.insert(header::CACHE_CONTROL, header::HeaderValue::from_static("no-store"));
    response
}
