//! All routes, grouped by who calls them.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderName, Method, Response, StatusCode, header};
use axum::response::IntoResponse as _;
use axum::routing::{get, post};
use frontend::Assets as PageAssets;
use tower_http::compression::{CompressionLayer, Predicate};
use tower_http::cors::{Any, CorsLayer};
use url::Url;
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter};
use utoipa_axum::routes;
use zeroize::Zeroizing;

use super::error::ApiError;
use super::paycard::{self, restriction};
use super::proxies::{Proxies, only_proxies};
use super::{
    again, assets, booking, docs, gateway, headers, health, idempotency, invoices, openapi, pages, scripts,
    sending, v1,
};
use crate::assets::Assets;
use crate::capture::facts::FactsCache;
use crate::core::Core;
use crate::gateways::sandbox::{Sandbox, acs};
use crate::operations::Operations;
use crate::outbox::Worker;
use crate::outgoing::Outgoing;
use crate::proxy::Proxy;
use crate::transactions::updater::Updater;

/// What handlers work with. Built once at start-up.
pub struct App {
    /// The use cases' parts.
    pub core: Core,
    /// What is known of endpoints for the moment.
    pub facts: FactsCache,
    /// The one client for outgoing calls.
    pub outgoing: Outgoing,
    /// What sends stored cards to other servers.
    pub proxy: Arc<Proxy>,
    /// The client for webhooks and callbacks.
    pub callbacks: Arc<Outgoing>,
    /// Runs calls to gateways.
    pub operations: Arc<Operations>,
    /// The acquirer simulator, for its issuer's page and for tests.
    pub sandbox: Arc<Sandbox>,
    /// Delivers outgoing events.
    pub worker: Arc<Worker>,
    /// Works account updates off.
    pub updater: Updater,
    /// The browser's files.
    pub assets: Assets,
    /// How pages refer to them.
    pub page_assets: PageAssets,
    /// Where the world reaches this server.
    pub public_url: Url,
    /// What reports of text messages are signed with.
    pub sms_token: Option<Zeroizing<String>>,
    /// The proxies in front.
    pub proxies: Proxies,
}

impl App {
    /// A path of this server as the interface's `link`: host and path, without a scheme (spec A.5).
    pub fn link(&self, path: &str) -> String {
        let authority = self.public_url.authority();
        format!("{authority}{path}")
    }
}

/// The whole server. Trailing slashes are cut before routing, so it has to be wrapped from outside.
pub fn router(app: Arc<App>) -> Router {
    let (documented, document) = api().split_for_parts();
    let document: Arc<str> = openapi::render(&document).into();
    documented
        .merge(undocumented(&document))
        .fallback(|| async { ApiError::not_found() })
        .method_not_allowed_fallback(wrong_method)
        .layer(axum::middleware::from_fn_with_state(Arc::clone(&app), only_proxies))
        // For layers that stand inside parts of the API, which are put together before there is a server.
        .layer(axum::Extension(Arc::clone(&app)))
        .layer(CompressionLayer::new().compress_when(Pages))
        .layer(axum::middleware::from_fn(headers::finish))
        .with_state(app)
}

/// Pages are compressed, and nothing else: files are compressed when they are built, and answers of the API hold
/// secrets beside what callers chose, whose lengths together could tell one from the other. On a page a secret
/// stands beside chosen text only if whoever asked knew the secret.
#[derive(Clone, Copy)]
struct Pages;

impl Predicate for Pages {
    fn should_compress<B>(&self, response: &Response<B>) -> bool {
        let kind = response.headers().get(header::CONTENT_TYPE);
        kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"))
    }
}

/// The routes that stand in the API document.
pub fn api() -> OpenApiRouter<Arc<App>> {
    let captures = OpenApiRouter::new()
        // Browsers of other sites, by the endpoint's secret. The capture lane tries again by itself.
        .routes(captures())
        .layer(axum::middleware::from_fn(idempotency::capture))
        .layer(capture_cors());
    // Merchant backends: cards by their URI, in the notation of those clients.
    let paycards = OpenApiRouter::new()
        .routes(routes!(paycard::tempsession))
        .routes(routes!(paycard::token_key))
        .routes(routes!(paycard::metadata_of))
        .routes(routes!(paycard::show, paycard::set_expiry, paycard::delete))
        .routes(routes!(paycard::metadata))
        .routes(routes!(paycard::duplicate))
        .routes(routes!(paycard::clear))
        .routes(routes!(restriction::show, restriction::set, restriction::post, restriction::remove))
        .routes(routes!(restriction::remove_kind))
        .routes(routes!(restriction::remove_one))
        // Cardholders, with a session token of the merchant.
        .routes(routes!(paycard::capturecard::open))
        .layer(axum::middleware::from_fn(again::again))
        .layer(axum::middleware::from_fn(booking::dress))
        .layer(axum::middleware::from_fn(idempotency::booking));
    OpenApiRouter::with_openapi(openapi::frame())
        // Merchant backends: vault keys and cards.
        .routes(routes!(v1::key::create, v1::key::list, v1::key::change, v1::key::delete))
        .routes(routes!(v1::key::rotate))
        .routes(routes!(v1::vault::store, v1::vault::read, v1::vault::delete))
        .routes(routes!(v1::vault::update))
        // Merchant backends: capture endpoints and hosted forms.
        .routes(routes!(v1::capture::create, v1::capture::list))
        .routes(routes!(v1::form::create))
        // Merchant backends: their own credentials.
        .routes(routes!(v1::account::whoami))
        .routes(routes!(v1::account::usage))
        .routes(routes!(v1::account::change_password))
        .routes(routes!(v1::account::create, v1::account::list))
        .routes(routes!(v1::account::show, v1::account::revoke))
        // Merchant backends: rules, and where cards may be sent.
        .routes(routes!(v1::rule::create, v1::rule::list, v1::rule::delete))
        .routes(routes!(v1::rule::operations))
        .routes(routes!(v1::rule::preview))
        .routes(routes!(v1::proxy::hosts))
        // Merchant backends: what was sent to them.
        .routes(routes!(v1::delivery::list))
        .routes(routes!(v1::delivery::show))
        .routes(routes!(v1::delivery::resend))
        .routes(routes!(v1::delivery::secret))
        .routes(routes!(v1::delivery::rotate))
        // Merchant backends: what is set for their gateway transactions.
        .routes(routes!(v1::company::show, v1::company::change))
        .layer(axum::middleware::from_fn(again::again))
        .layer(axum::middleware::from_fn(idempotency::vault))
        // Cardholders: the hosted page. A submit stores by the capture lane and is not run twice.
        .routes(routes!(pages::form::open, pages::form::submit, v1::form::delete))
        .merge(captures)
        .merge(sending())
        .merge(retrievals())
        .merge(persons())
        .merge(operators())
        .merge(paycards)
        .merge(bookings())
        // Merchant backends: gateway transactions. They race inside, since a charge is not run twice.
        .merge(transactions())
        .routes(routes!(gateway::status))
        .merge(payments())
        .routes(routes!(scripts::show))
        // Operators.
        .routes(routes!(health::live))
        .routes(routes!(health::ready))
}

/// Merchant backends: gateway transactions that do something.
fn transactions() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(gateway::transact)).layer(axum::middleware::from_fn(gateway::once))
}

/// Stored cards, read by an endpoint's secret: also by browsers of other sites, as captures are stored.
fn retrievals() -> OpenApiRouter<Arc<App>> {
    let (schemas, paths, methods) = routes!(v1::retrieve::read, v1::retrieve::delete);
    let cors = CorsLayer::new().allow_origin(Any).allow_methods([Method::GET]).allow_headers([
        HeaderName::from_static("x-pcivault-retrieve-secret"),
        HeaderName::from_static("x-retrieve-secret"),
    ]);
    OpenApiRouter::new()
        .routes((schemas, paths, methods.fallback(wrong_method)))
        .layer(cors.max_age(std::time::Duration::from_mins(10)))
        .routes(routes!(v1::retrieve::create, v1::retrieve::list))
        .layer(axum::middleware::from_fn(again::again))
        .layer(axum::middleware::from_fn(idempotency::vault))
}

/// Operators, by credentials of their own.
fn operators() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(v1::operator::list, v1::operator::allow, v1::operator::forbid))
        .layer(axum::middleware::from_fn(again::again))
        .layer(axum::middleware::from_fn(idempotency::operating))
}

/// Merchant backends: cards on their way out and in. A message leaves once, so a call is not run again by itself.
fn sending() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(v1::proxy::post))
        .routes(routes!(v1::proxy::get))
        .routes(routes!(v1::proxy::show))
        .layer(axum::middleware::from_fn(sending::sending))
}

/// Merchant backends: cards over the phone. Their answers and errors have a shape of their own.
fn bookings() -> OpenApiRouter<Arc<App>> {
    use booking::{cardrequest, report, template};
    OpenApiRouter::new()
        .routes(routes!(cardrequest::create, cardrequest::list))
        .routes(routes!(cardrequest::create_csc))
        .routes(routes!(cardrequest::show, cardrequest::delete))
        .routes(routes!(cardrequest::resend))
        .routes(routes!(template::put, template::list))
        .routes(routes!(template::preview))
        .routes(routes!(template::delete))
        .routes(routes!(report::file))
        .layer(axum::middleware::from_fn(again::again))
        .layer(axum::middleware::from_fn(booking::dress))
        .layer(axum::middleware::from_fn(idempotency::booking))
}

/// Merchant backends: payment invoices. Their answers and errors have a shape of their own.
fn payments() -> OpenApiRouter<Arc<App>> {
    use invoices::{invoice, sale, token};
    OpenApiRouter::new()
        .routes(routes!(invoice::create, invoice::list))
        .routes(routes!(invoice::show))
        .routes(routes!(invoice::capture))
        .routes(routes!(invoice::void))
        .routes(routes!(invoice::refund))
        .routes(routes!(token::disable))
        .routes(routes!(token::enable))
        .routes(routes!(sale::sell))
        .routes(routes!(sale::keys))
        .layer(axum::middleware::from_fn(again::again))
        .layer(axum::middleware::from_fn(invoices::dress))
        .layer(axum::middleware::from_fn(invoices::once))
}

/// The same calls under the second path that clients use, and payers on their way back from the issuer.
fn more_payments() -> Router<Arc<App>> {
    use invoices::{invoice, sale};
    Router::new()
        .route("/api/payment-invoices", get(invoice::list).post(invoice::create))
        .route("/api/payment-invoices/{id}", get(invoice::show))
        .route("/api/payment-invoices/{id}/capture", post(invoice::capture))
        .route("/api/payment-invoices/{id}/void", post(invoice::void))
        .route("/api/payment-invoices/{id}/refund", post(invoice::refund))
        .route("/payment/complete-auth/{page}", post(sale::back).get(sale::back_by_link))
        .layer(axum::middleware::from_fn(again::again))
        .layer(axum::middleware::from_fn(invoices::dress))
        .layer(axum::middleware::from_fn(invoices::once))
}

/// The answer to other methods is set here, inside the CORS layer: the router's own one would replace the layer
/// for them, and with it the answer to pre-flights.
fn captures() -> UtoipaMethodRouter<Arc<App>> {
    let (schemas, paths, methods) = routes!(v1::capture::submit, v1::capture::show, v1::capture::delete);
    (schemas, paths, methods.fallback(wrong_method))
}

async fn wrong_method() -> ApiError {
    let status = StatusCode::METHOD_NOT_ALLOWED;
    ApiError::new(status, "method", "This address does not take this method.")
}

/// Pages that follow a submit, files, second paths, and the documentation itself. A test lists them, each with whom it
/// refuses.
fn undocumented(document: &Arc<str>) -> Router<Arc<App>> {
    let (json, page) = (Arc::clone(document), Arc::clone(document));
    Router::new()
        .route("/v1/capture/result/{id}", get(pages::result))
        .route("/v1/capture/done/{id}", get(pages::done))
        .route("/v1/capture/logo/{form}", get(pages::logo))
        .route(acs::PATH, post(pages::issuer::ask))
        .merge(more_payments())
        .route("/assets/{file}", get(assets::file))
        .route("/embed/{version}/{file}", get(assets::embed))
        .route("/openapi.json", get(move || std::future::ready(docs::json(&json).into_response())))
        .route("/docs", get(move |State(app): State<Arc<App>>| std::future::ready(docs::page(&page, &app))))
}

/// Persons, on pages that merchants lead them to.
fn persons() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(pages::reveal::open, pages::reveal::show))
        .merge(links())
        .merge(payers())
        .layer(axum::middleware::from_fn(again::again))
}

/// Recipients of links that merchants had sent. The steps behind a link are the page's own.
fn links() -> OpenApiRouter<Arc<App>> {
    use pages::link;
    OpenApiRouter::new()
        .routes(routes!(link::open, link::submit))
        .route("/r/{code}/form/{ticket}", get(link::ticket))
        .route("/r/{code}/result/{id}", get(link::result))
        .route("/r/{code}/viewed", post(link::viewed))
        .route("/r/{code}/ask", post(link::ask))
        .route("/r/{code}/asked", get(link::asked))
        .route("/r/{code}/passcode", post(link::send_passcode))
        .route("/r/{code}/enter", post(link::enter_passcode))
}

/// Payers, on the page of an invoice. The steps behind it are the page's own.
fn payers() -> OpenApiRouter<Arc<App>> {
    use pages::payment;
    OpenApiRouter::new()
        .routes(routes!(payment::open, payment::submit))
        .route("/hpp/{page}/done", get(payment::done))
        .route("/hpp/{page}/another", post(payment::another))
        .route("/hpp/{page}/result/{id}", get(payment::result))
}

/// A capture's pre-flight: any site may send, with the secret in its header; nothing of a session exists.
fn capture_cors() -> CorsLayer {
    CorsLayer::new()
        .allow_origin(Any)
        .allow_methods([Method::POST])
        .allow_headers([
            header::CONTENT_TYPE,
            HeaderName::from_static("x-pcivault-capture-secret"),
            HeaderName::from_static("x-capture-secret"),
            idempotency::KEY,
        ])
        .max_age(std::time::Duration::from_mins(10))
}
