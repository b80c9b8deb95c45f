//! Takes queued messages to their notifier, and lets the request know what came of it.

use std::sync::Arc;

use async_trait::async_trait;
use zeroize::Zeroizing;

use super::details::Details;
use super::message::Rendered;
use super::{RequestError, change, events};
use crate::core::Core;
use crate::model::{EventState, Happening, OutboxEvent};
use crate::notify::{Answer, Message, Notifier, Outcome};
use crate::outbox::{Courier, OutboxError, Parcel, Receipt, Verdict};
use crate::storage::{StoreError, Transaction};
use crate::vault::VaultError;

/// The courier of one channel: e-mail or text messages.
pub struct MessageCourier {
    channel: &'static str,
    core: Core,
    notifier: Arc<dyn Notifier>,
}

impl MessageCourier {
    /// A courier for a channel of `events`.
    pub fn new(channel: &'static str, core: Core, notifier: Arc<dyn Notifier>) -> Self {
        Self { channel, core, notifier }
    }

    /// Whether the link that a message brings still leads to a form.
    async fn is_current(&self, event: &OutboxEvent) -> Result<bool, StoreError> {
        if event.kind != events::LINK {
            return Ok(true);
        }
        let mut transaction = self.core.store.read().await?;
        let request = transaction.find_request_by_message_secret_name(event.id.clone()).await?;
        Ok(request.is_some_and(|request| request.is_open(self.core.now())))
    }
}

#[async_trait]
impl Courier for MessageCourier {
    fn channel(&self) -> &'static str {
        self.channel
    }

    async fn deliver(&self, event: &OutboxEvent, parcel: &Parcel) -> Receipt {
        match self.is_current(event).await {
            Ok(true) => {}
            Ok(false) => return Receipt::failed(Verdict::Stop, "the link was over before its message left"),
            Err(_) => return Receipt::failed(Verdict::Again(None), "the request could not be looked at"),
        }
        let Ok(rendered) = serde_json::from_str::<Rendered>(&parcel.body) else {
            return Receipt::failed(Verdict::Stop, "the message cannot be read");
        };
        let Answer { outcome, status, result } =
            self.notifier.send(&message(event, parcel, rendered, self.core.now())).await;
        let verdict = match outcome {
            Outcome::Accepted => Verdict::Accepted,
            Outcome::Later(wait) => Verdict::Again(wait),
            Outcome::Refused => Verdict::Stop,
        };
        Receipt { status, ..Receipt::failed(verdict, result) }
    }

    async fn settled(
        &self,
        transaction: &mut dyn Transaction,
        event: &OutboxEvent,
        _receipt: &Receipt,
        state: EventState,
    ) -> Result<(), OutboxError> {
        let happening = match state {
            EventState::Accepted => Happening::MessageAccepted,
            EventState::GivenUp => Happening::MessageLost,
            EventState::Waiting | EventState::Resent | EventState::Dropped => return Ok(()),
        };
        let found = transaction.find_request_by_message_secret_name(event.id.clone()).await?;
        let Some(mut request) = found else { return Ok(()) };
        if request.status.after(happening, request.channel).is_empty() {
            return Ok(());
        }
        let details = Details::open(&self.core, &request).map_err(outbox_error)?;
        change::save(&self.core, transaction, &mut request, &details, Some(happening))
            .await
            .map(drop)
            .map_err(outbox_error)
    }
}

fn message(
    event: &OutboxEvent,
    parcel: &Parcel,
    rendered: Rendered,
    now: crate::model::Timestamp,
) -> Message {
    let header = |name: &str| {
        let found = parcel.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
        found.filter(|value| !value.is_empty())
    };
    Message {
        id: event.id.as_str().to_owned(),
        at: now,
        to: parcel.to.clone(),
        to_name: header(events::TO_NAME),
        from_name: header(events::FROM_NAME),
        reply_to: header(events::REPLY_TO),
        subject: rendered.subject,
        text: Zeroizing::new(rendered.text),
        html: Zeroizing::new(rendered.html),
    }
}

fn outbox_error(error: RequestError) -> OutboxError {
    match error {
        RequestError::Vault(VaultError::Store(error)) => error.into(),
        RequestError::Vault(VaultError::Crypto(error)) => error.into(),
        _ => StoreError::Inconsistent { table: "card_request", what: "details" }.into(),
    }
}
