//! Outgoing events: what is told to whom, written in the transaction of the change that it tells of. Delivery
//! is the work of a later stage; until then the rows wait.

use serde_json::json;

use crate::core::Core;
use crate::crypto::CryptoError;
use crate::crypto::binding::Binding;
use crate::model::{CaptureEndpoint, EventId, OutboxEvent, Shown};

/// A captured or updated card, for the webhook of its endpoint (spec A.4). `None` where it has none.
pub fn card_captured(
    core: &Core,
    endpoint: &CaptureEndpoint,
    token: &str,
    reference: &str,
    shown: &Shown,
) -> Result<Option<OutboxEvent>, CryptoError> {
    let Some(webhook) = &endpoint.webhook else { return Ok(None) };
    let safe_data = json!({
        "card_holder": shown.holder,
        "last_four": shown.last_four,
        "card_type": shown.brand.wire(),
        "expiry": shown.expiry.map(shared::Expiry::short),
    });
    let body = json!({
        "token_info": {
            "user": endpoint.key_name,
            "token": token,
            "reference": reference,
            "stored_at": core.now().rfc3339(),
            "safe_data": safe_data.to_string(),
        },
    });
    // The batch names the card: which one it is, is known there only, and its token would outlive it here.
    event(core, endpoint, "card.captured", "", Some(webhook), &body).map(Some)
}

/// An endpoint that was switched off after too many refused numbers (security rule 8).
pub fn endpoint_disabled(core: &Core, endpoint: &CaptureEndpoint) -> Result<OutboxEvent, CryptoError> {
    let body = json!({ "unique_id": endpoint.unique_id, "disabled_at": core.now().rfc3339() });
    event(core, endpoint, "capture_endpoint.disabled", &endpoint.unique_id, endpoint.webhook.as_ref(), &body)
}

/// What the sealed content of an event is bound to.
pub fn bind(event: &OutboxEvent) -> Binding<'_> {
    Binding {
        merchant: event.merchant.as_str(),
        mode: event.mode.as_str(),
        record: event.id.as_str(),
        kind: "event",
        field: "body",
        number: 0,
        key_version: 0,
    }
}

fn event(
    core: &Core,
    endpoint: &CaptureEndpoint,
    kind: &str,
    subject: &str,
    webhook: Option<&Vec<u8>>,
    body: &serde_json::Value,
) -> Result<OutboxEvent, CryptoError> {
    use base64::Engine as _;
    let now = core.now();
    let mut event = OutboxEvent {
        id: EventId::new(now, &*core.entropy),
        merchant: endpoint.merchant.clone(),
        mode: endpoint.mode,
        kind: kind.to_owned(),
        subject: subject.to_owned(),
        sealed: Vec::new(),
        created_at: now,
    };
    // The webhook stays sealed as the endpoint holds it, and outlives the endpoint.
    let target = webhook.map(|sealed| base64::engine::general_purpose::STANDARD.encode(sealed));
    let content = json!({ "endpoint": endpoint.id.as_str(), "webhook": target, "body": body }).to_string();
    event.sealed = core.root.wrap(&bind(&event), content.as_bytes(), &*core.entropy)?;
    Ok(event)
}
