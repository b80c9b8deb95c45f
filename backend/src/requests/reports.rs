//! Delivery reports of the provider of text messages: a signed webhook in the notation of Twilio.

use super::details::Details;
use super::{RequestError, change};
use crate::core::Core;
use crate::model::{EventId, Happening, Outcome};
use crate::requests::link;

/// What a report says of a message; `None` for what changes nothing.
pub fn happening(status: &str) -> Option<Happening> {
    match status {
        "sent" | "sending" | "accepted" | "queued" => Some(Happening::MessageAccepted),
        "delivered" | "read" => Some(Happening::MessageArrived),
        "undelivered" | "failed" | "canceled" => Some(Happening::MessageLost),
        _ => None,
    }
}

/// Files a report whose signature was checked. Reports of messages whose link was replaced change nothing.
pub async fn file(core: &Core, message: &str, status: &str, address: &str) -> Result<(), RequestError> {
    let Some(happening) = happening(status) else { return Ok(()) };
    let mut transaction = core.store.begin().await?;
    let message = EventId::stored(message.to_owned());
    let Some(mut request) = transaction.find_request_by_message_secret_name(message).await? else {
        return Ok(());
    };
    if request.status.after(happening, request.channel).is_empty() {
        return Ok(());
    }
    let details = Details::open(core, &request)?;
    change::save(core, &mut *transaction, &mut request, &details, Some(happening)).await?;
    let actor = crate::core::Actor { name: "provider".to_owned(), ..link::actor(&request, address) };
    transaction.add_audit(core.entry(&actor, "message.report", request.id.as_str(), Outcome::Done)).await?;
    transaction.commit().await?;
    Ok(())
}
