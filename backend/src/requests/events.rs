//! What leaves because of a request: callbacks to the merchant, and the messages that bring links and passcodes.

use serde_json::{Value, json};

use super::RequestError;
use super::details::Details;
use super::message::Rendered;
use crate::core::Core;
use crate::model::{CardRequest, Channel, EventId, Schedule, StatusChange, Timestamp};
use crate::outbox::{self, NewEvent, OutboxError, Parcel, WEBHOOK};
use crate::storage::Transaction;

/// The outbox's channel of e-mail.
pub const MAIL: &str = "mail";
/// The outbox's channel of text messages.
pub const SMS: &str = "sms";
/// The kind of an event that brings a link.
pub const LINK: &str = "card_request.message";
/// The kind of an event that brings a passcode.
pub const PASSCODE: &str = "card_request.passcode";
/// The header in a parcel that holds the recipient's name.
pub const TO_NAME: &str = "to-name";
/// The header in a parcel that holds the name of whom the message comes from.
pub const FROM_NAME: &str = "from-name";
/// The header in a parcel that says where answers go.
pub const REPLY_TO: &str = "reply-to";

/// Tells the merchant of a state that a request has entered (spec B.4).
pub async fn tell_status(
    core: &Core,
    transaction: &mut dyn Transaction,
    request: &CardRequest,
    details: &Details,
    change: &StatusChange,
) -> Result<(), RequestError> {
    let body = json!({
        "RequestID": request.id.as_str(),
        "LastNotifiedStatus": change.status.as_str(),
        "LastNotifiedTime": change.at.zoneless(),
    });
    tell(core, transaction, request, details, "card_request.status", &body).await
}

/// Tells the merchant that the recipient would like a new link. The state is the one that it was.
pub async fn tell_asked(
    core: &Core,
    transaction: &mut dyn Transaction,
    request: &CardRequest,
    details: &Details,
    now: Timestamp,
) -> Result<(), RequestError> {
    let body = json!({
        "RequestID": request.id.as_str(),
        "LastNotifiedStatus": request.status.as_str(),
        "LastNotifiedTime": request.status_at.zoneless(),
        "NewLinkRequestedTime": now.zoneless(),
    });
    tell(core, transaction, request, details, "card_request.new_link_requested", &body).await
}

/// Queues the message that brings a link; answers its identity. Its content is erased once the provider has it
/// (security rule 23).
pub async fn queue_link(
    core: &Core,
    transaction: &mut dyn Transaction,
    request: &CardRequest,
    details: &Details,
    message: &Rendered,
) -> Result<EventId, RequestError> {
    let (channel, to) = match request.channel {
        Channel::Email => (MAIL, details.recipient_email.clone()),
        Channel::Sms => (SMS, details.recipient_phone.clone()),
    };
    let mut headers = vec![(FROM_NAME.to_owned(), details.merchant_name.clone())];
    headers.push((TO_NAME.to_owned(), details.recipient_name.clone()));
    headers.extend(details.support.email.clone().map(|email| (REPLY_TO.to_owned(), email)));
    let body = serde_json::to_string(message).unwrap_or_default();
    let parcel = Parcel { to: to.unwrap_or_default(), headers, body };
    queue(core, transaction, request, (LINK, channel), parcel, Schedule::STANDARD).await
}

/// Queues a text message with a passcode. It ends after ten minutes, so it is tried for a few only.
pub async fn queue_passcode(
    core: &Core,
    transaction: &mut dyn Transaction,
    request: &CardRequest,
    details: &Details,
    text: String,
) -> Result<EventId, RequestError> {
    let message = Rendered { text, ..Rendered::default() };
    let parcel = Parcel {
        to: details.passcode_phone.clone().unwrap_or_default(),
        headers: vec![(FROM_NAME.to_owned(), details.merchant_name.clone())],
        body: serde_json::to_string(&message).unwrap_or_default(),
    };
    queue(core, transaction, request, (PASSCODE, SMS), parcel, Schedule::STANDARD.attempts(3)).await
}

async fn queue(
    core: &Core,
    transaction: &mut dyn Transaction,
    request: &CardRequest,
    (kind, channel): (&'static str, &'static str),
    parcel: Parcel,
    schedule: Schedule,
) -> Result<EventId, RequestError> {
    // Messages wait for each other, and not for the merchant's server to take callbacks.
    let order = format!("{}.message", request.id);
    let event = NewEvent {
        merchant: &request.merchant,
        mode: request.mode,
        kind,
        order: &order,
        channel,
        parcel,
        schedule,
        erases: true,
    };
    Ok(outbox::append(core, transaction, event).await?)
}

async fn tell(
    core: &Core,
    transaction: &mut dyn Transaction,
    request: &CardRequest,
    details: &Details,
    kind: &str,
    body: &Value,
) -> Result<(), RequestError> {
    let Some(url) = &details.callback else { return Ok(()) };
    let event = NewEvent {
        merchant: &request.merchant,
        mode: request.mode,
        kind,
        order: request.id.as_str(),
        channel: WEBHOOK,
        parcel: Parcel { to: url.clone(), headers: Vec::new(), body: body.to_string() },
        schedule: Schedule::STANDARD,
        erases: false,
    };
    outbox::append(core, transaction, event).await?;
    Ok(())
}

impl From<OutboxError> for RequestError {
    fn from(error: OutboxError) -> Self {
        match error {
            OutboxError::Store(error) => error.into(),
            OutboxError::Crypto(error) => error.into(),
        }
    }
}
