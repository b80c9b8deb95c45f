//! What a node does by itself while it serves: it sweeps what has ended, and works account updates off.

use std::sync::Arc;
use std::time::Duration;

use crate::access;
use crate::bins;
use crate::capture::forms;
use crate::http::App;
use crate::invoices;
use crate::requests::expiry;
use crate::storage::StoreError;
use crate::transactions;
use crate::vault;

/// How long the delivery log is kept.
const EVENTS_KEPT: Duration = Duration::from_hours(30 * 24);
/// How long the answers to queued sends are kept.
const SENDS_KEPT: Duration = Duration::from_hours(24);
/// The most events that one sweep deletes, so that it keeps nobody waiting.
const EVENTS_SWEPT: u32 = 2_000;

/// Sweeps what has ended, every 30 seconds, so that nothing waits for a read (design.md, decision 5).
pub async fn for_ever(app: Arc<App>) {
    let mut ticks = tokio::time::interval(Duration::from_secs(30));
    loop {
        ticks.tick().await;
        if let Err(error) = once(&app).await {
            tracing::error!(%error, "sweeping failed");
        }
    }
}

/// Works account updates off as long as the node serves, so that what a merchant asked for is known within seconds.
pub async fn update_for_ever(app: Arc<App>) {
    let mut ticks = tokio::time::interval(Duration::from_secs(2));
    loop {
        ticks.tick().await;
        if let Err(error) = app.updater.sweep().await {
            tracing::error!(%error, "account updates could not be worked off");
        }
    }
}

/// One sweep: caches, codes and their hourly keys, results, ended endpoints, events, requests and invoices whose time has
/// come; then calls to gateways whose end is not known, and the table of issuers.
pub async fn once(app: &App) -> Result<(), StoreError> {
    let now = app.core.now();
    app.core.keyring.sweep(now);
    app.facts.sweep(&app.core);
    app.core.passwords.sweep(now);
    access::tally::flush(&app.core).await;
    app.proxy.sweep(now);
    let mut transaction = app.core.store.begin().await?;
    vault::terms::sweep(&app.core, &mut *transaction).await?;
    let waiting = transaction.sweep_sends(now, now.minus(SENDS_KEPT), EVENTS_SWEPT).await?;
    // An hour's key may be in use for a moment after its hour: captures that were sealed but not committed.
    let codes = waiting + transaction.sweep_cvvs(now, now.minus(Duration::from_mins(10)).hour()).await?;
    let results = transaction.sweep_results(now).await?;
    transaction.sweep_calls(now).await?;
    transaction.sweep_retrievals(now.minus(Duration::from_hours(24))).await?;
    transaction.sweep_endpoints(now.minus(Duration::from_hours(24)), now).await?;
    transaction.sweep_forms(forms::FLEETING, now.minus(Duration::from_hours(48))).await?;
    transaction.sweep_events(now.minus(EVENTS_KEPT), EVENTS_SWEPT).await?;
    transaction.sweep_gateway_requests(transactions::forget_before(&app.core, now)).await?;
    transaction.commit().await?;
    // The rest of the sweep does not wait for what fails from here on; the next one tries again.
    if let Err(error) = expiry::sweep(&app.core).await {
        tracing::error!(%error, "requests could not be ended");
    }
    if let Err(error) = expiry::forget(&app.core).await {
        tracing::error!(%error, "requests could not be forgotten");
    }
    if let Err(error) = invoices::expiry::sweep(&app.core, &app.public_url).await {
        tracing::error!(%error, "invoices could not be swept");
    }
    if codes + results > 0 {
        tracing::info!(codes, results, "swept what had ended");
    }
    app.operations.inquire_due().await;
    bins::reload(&app.core).await?;
    bins::sweep(&app.core).await?;
    app.core.store.scrub().await
}
