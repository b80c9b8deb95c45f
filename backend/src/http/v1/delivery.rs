//! `/v1/delivery`: what was sent to a merchant's webhooks; `/v1/webhook/secret`: what it is signed with.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::response::IntoResponse;
use serde::Serialize;
use utoipa::ToSchema;

use crate::http::caller::Merchant;
use crate::http::error::{ApiError, Problem};
use crate::http::params::Params;
use crate::http::router::App;
use crate::model::{Attempt, OutboxEvent, Scope, Timestamp};
use crate::outbox::{log, secrets};

/// An event on its way to a webhook, or at its end.
#[derive(Serialize, ToSchema)]
pub struct DeliveryListed {
    /// The event, as the header `webhook-id` names it.
    pub id: String,
    /// What happened, such as `card.captured`.
    #[serde(rename = "type")]
    pub kind: String,
    /// What it happened to.
    pub subject: String,
    /// `webhook`, or another way out.
    pub channel: String,
    /// `waiting`, `accepted`, `given_up` or `dropped` (what it told of was deleted).
    pub state: String,
    /// Attempts since it was written or sent again.
    pub attempts: u32,
    /// When it was written.
    pub created_at: String,
    /// When the next attempt is made; only while it waits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_attempt_at: Option<String>,
    /// When it came to its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<String>,
}

/// An event with its attempts.
#[derive(Serialize, ToSchema)]
pub struct DeliveryShown {
    /// The event.
    #[serde(flatten)]
    pub event: DeliveryListed,
    /// Its attempts, oldest first.
    pub log: Vec<AttemptShown>,
}

/// One attempt.
#[derive(Serialize, ToSchema)]
pub struct AttemptShown {
    /// Its number since the event was written or sent again.
    pub number: u32,
    /// When it began.
    pub at: String,
    /// The receiver's status; none where no answer came.
    pub status: Option<u16>,
    /// What came of it.
    pub result: String,
    /// The head of the receiver's answer.
    pub answer: String,
}

/// What webhooks are signed with.
#[derive(Serialize, ToSchema)]
pub struct WebhookSecret {
    /// `whsec_` and base64 of the key, as the libraries of Standard Webhooks take it.
    pub secret: String,
    /// When it was made.
    pub created_at: String,
    /// Until when the secret before it signs as well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub previous_until: Option<String>,
}

/// Lists events, oldest first, without their content.
#[utoipa::path(get, path = "/v1/delivery", tag = "webhooks",
    params(("limit" = Option<u32>, Query, description = "Events on a page."),
        ("next_token" = Option<String>, Query, description = "From the header X-PCIVault-Next-Token of the page before.")),
    responses((status = 200, body = Vec<DeliveryListed>), (status = 401, body = Problem), (status = 403, body = Problem)),
    security(("basic" = ["events"]), ("api_key" = ["events"])))]
pub async fn list(
    State(app): State<Arc<App>>,
    merchant: Merchant,
    params: Params,
) -> Result<impl IntoResponse, ApiError> {
    let caller = merchant.with(&app, Scope::Events).await?;
    let page = super::page(&params)?;
    let found = log::list(&app.core, &caller.merchant, caller.mode, page.clone()).await?;
    let next = super::next(found.last().map(|event| event.id.to_string()), found.len(), &page);
    Ok((next, Json(found.iter().map(DeliveryListed::from).collect::<Vec<_>>())))
}

/// Shows one event with its attempts and what was answered to them.
#[utoipa::path(get, path = "/v1/delivery/{id}", tag = "webhooks",
    params(("id" = String, Path, description = "The event.")),
    responses((status = 200, body = DeliveryShown), (status = 401, body = Problem), (status = 403, body = Problem),
        (status = 404, body = Problem)),
    security(("basic" = ["events"]), ("api_key" = ["events"])))]
pub async fn show(
    State(app): State<Arc<App>>,
    merchant: Merchant,
    Path(id): Path<String>,
) -> Result<Json<DeliveryShown>, ApiError> {
    let caller = merchant.with(&app, Scope::Events).await?;
    let found = log::find(&app.core, &caller.merchant, caller.mode, &id).await?;
    let found = found.ok_or_else(ApiError::not_found)?;
    let log = found.attempts.iter().map(AttemptShown::from).collect();
    Ok(Json(DeliveryShown { event: (&found.event).into(), log }))
}

/// Sends an event again that was accepted or given up, under the same id.
#[utoipa::path(post, path = "/v1/delivery/{id}/resend", tag = "webhooks",
    params(("id" = String, Path, description = "The event.")),
    responses((status = 200, body = DeliveryShown), (status = 401, body = Problem), (status = 403, body = Problem),
        (status = 404, body = Problem),
        (status = 409, body = Problem, description = "It still waits, or its content was erased.")),
    security(("basic" = ["events"]), ("api_key" = ["events"])))]
pub async fn resend(
    State(app): State<Arc<App>>,
    merchant: Merchant,
    Path(id): Path<String>,
) -> Result<Json<DeliveryShown>, ApiError> {
    let caller = merchant.with(&app, Scope::Events).await?;
    log::resend(&app.core, &caller.actor(), &caller.merchant, caller.mode, &id).await?;
    show(State(Arc::clone(&app)), Merchant(caller.clone()), Path(id)).await
}

/// Shows what webhooks are signed with.
#[utoipa::path(get, path = "/v1/webhook/secret", tag = "webhooks",
    responses((status = 200, body = WebhookSecret), (status = 401, body = Problem), (status = 403, body = Problem)),
    security(("basic" = ["events"]), ("api_key" = ["events"])))]
pub async fn secret(
    State(app): State<Arc<App>>,
    merchant: Merchant,
) -> Result<Json<WebhookSecret>, ApiError> {
    let caller = merchant.with(&app, Scope::Events).await?;
    Ok(Json(secrets::show(&app.core, &caller.merchant, caller.mode).await?.into()))
}

/// Makes a new secret. The one before it signs as well for 24 hours.
#[utoipa::path(post, path = "/v1/webhook/secret/rotate", tag = "webhooks",
    responses((status = 200, body = WebhookSecret), (status = 401, body = Problem), (status = 403, body = Problem)),
    security(("basic" = ["events"]), ("api_key" = ["events"])))]
pub async fn rotate(
    State(app): State<Arc<App>>,
    merchant: Merchant,
) -> Result<Json<WebhookSecret>, ApiError> {
    let caller = merchant.with(&app, Scope::Events).await?;
    let rotated = secrets::rotate(&app.core, &caller.actor(), &caller.merchant, caller.mode).await?;
    Ok(Json(rotated.into()))
}

impl From<&OutboxEvent> for DeliveryListed {
    fn from(event: &OutboxEvent) -> Self {
        Self {
            id: event.id.to_string(),
            kind: event.kind.clone(),
            subject: event.subject.clone(),
            channel: event.courier().to_owned(),
            state: event.state.as_str().to_owned(),
            attempts: event.attempts,
            created_at: event.created_at.rfc3339(),
            next_attempt_at: event.state.is_open().then(|| event.due_at.rfc3339()),
            finished_at: event.finished_at.map(Timestamp::rfc3339),
        }
    }
}

impl From<&Attempt> for AttemptShown {
    fn from(attempt: &Attempt) -> Self {
        Self {
            number: attempt.number,
            at: attempt.at.rfc3339(),
            status: attempt.status,
            result: attempt.result.clone(),
            answer: attempt.answer.clone(),
        }
    }
}

impl From<secrets::Shown> for WebhookSecret {
    fn from(shown: secrets::Shown) -> Self {
        Self {
            secret: shown.secret.to_string(),
            created_at: shown.created_at.rfc3339(),
            previous_until: shown.previous_until.map(Timestamp::rfc3339),
        }
    }
}
