//! `cardamom serve`: runs until SIGTERM or Ctrl-C, drains, and ends within five seconds.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::ServiceExt;
use axum::extract::Request;
use axum_server::Handle;
use axum_server::tls_rustls::RustlsConfig;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tower::Layer as _;
use tower_http::normalize_path::NormalizePathLayer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

use super::CommandResult;
use super::bound::Bound;
use super::idle::Idle;
use crate::access::tally;
use crate::audit::Sealer;
use crate::config::{Flags, Settings};
use crate::{boot, demo, http, root_key, sweep};

/// Requests under way get so long to end.
const DRAIN: Duration = Duration::from_secs(4);
/// A client that sends its headers more slowly is cut off.
const HEADERS: Duration = Duration::from_secs(10);

pub async fn run(flags: Flags) -> CommandResult {
    let settings = Settings::load(flags)?;
    log_to_stderr(settings.log);
    let tls = tls(&settings).await?;
    let listener = bind(settings.listen)?;
    let core = boot::core(&settings, true).await?;
    let app = Arc::new(boot::app(&settings, core)?);
    if app.core.policy.limits.is_none() {
        tracing::warn!("capture limits are off: for benchmarks only");
    }
    let sweeper = tokio::spawn(sweep::for_ever(Arc::clone(&app)));
    let (ending, stop) = tokio::sync::watch::channel(false);
    let worker = tokio::spawn(Arc::clone(&app.worker).run(stop));
    let inquirer = tokio::spawn(Arc::clone(&app.operations).inquire_for_ever());
    let updater = tokio::spawn(sweep::update_for_ever(Arc::clone(&app)));
    let watcher = tokio::spawn(root_key::watch_for_ever(app.core.clone()));
    let (sealed, seal) = tokio::sync::watch::channel(false);
    let sealer = tokio::spawn(Sealer::new(app.core.clone()).run(seal));
    let router = http::router(Arc::clone(&app));
    let handle = Handle::new();
    let shop = start_demo(&settings, &app, &router, handle.clone()).await?;
    // Heard from here on: whoever reads that the server serves may end it.
    let (terminate, interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tokio::spawn(end_on_signal(terminate, interrupt, handle.clone(), ending));
    tracing::info!(listen = %settings.listen, public_url = %settings.public_url, "serving");
    serve(listener, tls, router, handle, settings.max_connections).await?;
    if let Some(shop) = shop {
        shop.await??;
    }
    worker.await?;
    sweeper.abort();
    inquirer.abort();
    tally::flush(&app.core).await;
    updater.abort();
    watcher.abort();
    // Last: what the others wrote is sealed, too.
    sealed.send_replace(true);
    sealer.await?;
    tracing::info!("ended");
    Ok(())
}

/// Our own lines from the chosen level on. Of others only warnings: some dependencies write values at debug.
fn log_to_stderr(level: tracing::Level) {
    let filter = Targets::new().with_target("backend", level).with_default(tracing::Level::WARN.min(level));
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    tracing_subscriber::registry().with(lines.with_filter(filter)).init();
}

async fn serve(
    listener: TcpListener,
    tls: Option<RustlsConfig>,
    router: Router,
    handle: Handle<SocketAddr>,
    most: usize,
) -> std::io::Result<()> {
    let service = NormalizePathLayer::trim_trailing_slash().layer(router);
    let service = ServiceExt::<Request>::into_make_service_with_connect_info::<SocketAddr>(service);
    if let Some(tls) = tls {
        let mut server =
            axum_server::from_tcp_rustls(listener, tls)?.map(|inner| bounded(inner, most)).handle(handle);
        limit(server.http_builder());
        server.serve(service).await
    } else {
        let mut server = axum_server::from_tcp(listener)?.map(|inner| bounded(inner, most)).handle(handle);
        limit(server.http_builder());
        server.serve(service).await
    }
}

/// The bound is outside: it counts connections whose TLS is not done, too.
fn bounded<A>(inner: A, most: usize) -> Bound<Idle<A>> {
    Bound::new(Idle(inner), most)
}

fn limit<E>(builder: &mut hyper_util::server::conn::auto::Builder<E>) {
    builder
        .http1()
        .timer(hyper_util::rt::TokioTimer::new())
        .header_read_timeout(HEADERS)
        .max_buf_size(64 * 1024);
}

async fn start_demo(
    settings: &Settings,
    app: &Arc<http::App>,
    router: &Router,
    handle: Handle<SocketAddr>,
) -> Result<Option<tokio::task::JoinHandle<std::io::Result<()>>>, Box<dyn std::error::Error>> {
    if !settings.demo {
        return Ok(None);
    }
    let shop = demo::open(app, router.clone(), &settings.data_dir).await?;
    let listener = bind(boot::demo_address())?;
    super::print(&shop.greeting)?;
    let mut server = axum_server::from_tcp(listener)?.map(Idle).handle(handle);
    limit(server.http_builder());
    Ok(Some(tokio::spawn(server.serve(shop.router.into_make_service()))))
}

async fn tls(settings: &Settings) -> Result<Option<RustlsConfig>, Box<dyn std::error::Error>> {
    // One provider for every use of TLS in the process; that another part was first is no error.
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    let Some((certificate, key)) = &settings.tls else { return Ok(None) };
    let loaded = RustlsConfig::from_pem_file(certificate, key).await;
    let told = |error| {
        format!("tls_cert {} with tls_key {} cannot be used: {error}", certificate.display(), key.display())
    };
    Ok(Some(loaded.map_err(told)?))
}

fn bind(address: SocketAddr) -> Result<TcpListener, String> {
    let listener =
        TcpListener::bind(address).map_err(|error| format!("cannot listen on {address}: {error}"))?;
    listener.set_nonblocking(true).map_err(|error| format!("cannot listen on {address}: {error}"))?;
    Ok(listener)
}

async fn end_on_signal(
    mut terminate: Signal,
    mut interrupt: Signal,
    handle: Handle<SocketAddr>,
    ending: tokio::sync::watch::Sender<bool>,
) {
    tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
    tracing::info!("ending");
    ending.send_replace(true);
    handle.graceful_shutdown(Some(DRAIN));
}
