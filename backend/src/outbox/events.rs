//! What capture endpoints tell their webhooks (spec A.4).

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::{NewEvent, Parcel, WEBHOOK, prepare};
use crate::core::Core;
use crate::crypto::CryptoError;
use crate::model::{CaptureEndpoint, Issuer, OutboxEvent, Schedule, Shown};

/// Where captures are told: kept sealed with the endpoint.
#[derive(Deserialize, Serialize, Zeroize, ZeroizeOnDrop)]
pub struct Webhook {
    /// The address.
    pub url: String,
    /// Sent in a header.
    pub secret: Option<String>,
    /// 1 to 16.
    pub max_attempts: u32,
    /// Sent back as it was given, with its numbers as they were written.
    #[zeroize(skip)]
    pub metadata: Box<RawValue>,
}

#[derive(Serialize)]
struct Body<'b> {
    #[serde(rename = "type")]
    kind: &'b str,
    metadata: &'b RawValue,
    #[serde(flatten)]
    members: Value,
}

/// What is told of a card.
pub struct CardTold<'c> {
    /// Its token.
    pub token: &'c str,
    /// Its reference.
    pub reference: &'c str,
    /// What may be shown of it.
    pub shown: &'c Shown,
    /// Its issuer, where known.
    pub issuer: Option<&'c Issuer>,
}

/// A captured or updated card.
pub fn card_captured(
    core: &Core,
    endpoint: &CaptureEndpoint,
    webhook: &Webhook,
    card: &CardTold<'_>,
) -> Result<OutboxEvent, CryptoError> {
    let CardTold { token, reference, shown, issuer } = *card;
    let safe_data = json!({
        "card_holder": shown.holder,
        "last_four": shown.last_four,
        "card_type": shown.brand.wire(),
        "expiry": shown.expiry.map(shared::Expiry::short),
    });
    let mut info = json!({
        "user": endpoint.key_name,
        "token": token,
        "reference": reference,
        "stored_at": core.now().rfc3339(),
        "safe_data": safe_data.to_string(),
    });
    if shown.brand != shared::Brand::Other
        && let Some(info) = info.as_object_mut()
    {
        let mut told = json!({ "brand": shown.brand.wire() });
        if let (Some(issuer), Some(told)) = (issuer, told.as_object_mut()) {
            told.insert("issuing_bank".to_owned(), json!(issuer.bank));
            told.insert("country_name".to_owned(), json!(issuer.country));
            told.insert("card_type".to_owned(), json!(issuer.kind));
            told.insert("card_level".to_owned(), json!(issuer.level));
        }
        info.insert("card_metadata".to_owned(), json!({ "issuer": [told] }));
    }
    // The batch names the card as its order: which one it is, is known there only.
    event(core, endpoint, webhook, "card.captured", "", json!({ "token_info": info }))
}

/// An endpoint that was switched off after too many refused numbers (security rule 8).
pub fn endpoint_disabled(
    core: &Core,
    endpoint: &CaptureEndpoint,
    webhook: &Webhook,
) -> Result<OutboxEvent, CryptoError> {
    let members = json!({ "unique_id": endpoint.unique_id, "disabled_at": core.now().rfc3339() });
    event(core, endpoint, webhook, "capture_endpoint.disabled", endpoint.id.as_str(), members)
}

fn event(
    core: &Core,
    endpoint: &CaptureEndpoint,
    webhook: &Webhook,
    kind: &str,
    order: &str,
    members: Value,
) -> Result<OutboxEvent, CryptoError> {
    let body = Body { kind, metadata: &webhook.metadata, members };
    let secret = webhook.secret.clone().map(|secret| ("x-pcivault-webhook-secret".to_owned(), secret));
    let parcel = Parcel {
        to: webhook.url.clone(),
        headers: secret.into_iter().collect(),
        body: serde_json::to_string(&body).map_err(|_| CryptoError::Open)?,
    };
    let event = NewEvent {
        merchant: &endpoint.merchant,
        mode: endpoint.mode,
        kind,
        order,
        channel: WEBHOOK,
        parcel,
        schedule: Schedule::STANDARD.attempts(webhook.max_attempts),
        erases: false,
    };
    prepare(core, &event, core.now())
}
