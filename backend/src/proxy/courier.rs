//! Takes queued sends to their servers, keeps what came of them, and tells it.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::json;
use zeroize::Zeroizing;

use super::codes::SentCode;
use super::queue::{self, Kept};
use super::send::{self, Answered, Seen};
use super::{CHANNEL, Proxy, ProxyError, Stay, fill};
use crate::core::{Actor, Core};
use crate::model::{EventState, OutboxEvent, Outcome, ProxySend, Schedule, SendState};
use crate::outbox::{self, Courier, NewEvent, OutboxError, Parcel, Receipt, Verdict, WEBHOOK};
use crate::storage::{StoreError, Transaction};
use crate::vault::VaultError;

/// How long an attempt may take: a courier has 15 seconds for all of it.
const TIME: Duration = Duration::from_secs(14);
/// Attempts at telling a result.
const TELLS: u32 = 8;

/// The courier of the proxy's channel.
pub struct ProxyCourier {
    core: Core,
    proxy: Arc<Proxy>,
}

/// An attempt that did not come to an answer.
enum Trouble {
    /// It may be better later.
    Later(&'static str),
    /// It will not.
    Never(&'static str),
}

impl ProxyCourier {
    /// With what sending needs.
    pub fn new(core: Core, proxy: Arc<Proxy>) -> Self {
        Self { core, proxy }
    }

    async fn attempt(&self, send: &ProxySend) -> Result<(Answered, Option<Duration>), Trouble> {
        let kept = Kept::open(&self.core, send).map_err(|_| Trouble::Later("the send cannot be opened"))?;
        let (Ok(wish), Ok(rules)) = (kept.wish(), kept.rules()) else {
            return Err(Trouble::Never("the send cannot be read"));
        };
        let client = send::client_for(&self.core, &self.proxy, &send.merchant, send.mode, &wish.host).await;
        let client = client.map_err(|_| Trouble::Later("the host's settings cannot be used"))?;
        let client = client.ok_or(Trouble::Never("the host is not allowed any more"))?;
        self.note(send).await.map_err(|_| Trouble::Later("the audit log cannot be written"))?;
        let code = queue::open_code(&self.core, send).await;
        let code = code.map_err(|_| Trouble::Later("the security code cannot be opened"))?;
        if send::needs_code(&wish, &rules) && code.is_none() {
            return Err(Trouble::Never("the security code ended before the message left"));
        }
        let filling = kept.filling(code.as_ref().map(|code| code.as_str()));
        let filling = filling.map_err(|_| Trouble::Never("the send cannot be read"))?;
        // The outbox bounds how many attempts are under way at once: what is large in them needs no place.
        let stay = Stay::behind(TIME);
        let filled = fill::fill(&wish, &rules, &filling, send::most(&stay));
        let filled = filled.map_err(|_| Trouble::Never("the message cannot be filled"))?;
        match send::call(&client, &wish.method, filled, &send.id, &stay, None).await {
            Ok(reply) => {
                let later = reply.header("retry-after");
                let later = later.and_then(|text| outbox::retry_after(text, self.core.now()));
                let code = code.map(|code| SentCode::of(&wish, &rules, &code));
                let number = Zeroizing::new(kept.number().to_owned());
                let seen = Seen { number, token: kept.token().to_owned(), code };
                Ok((send::cleaned(&self.proxy, reply, seen).await, later))
            }
            Err(ProxyError::Call(error)) => {
                let error = Some(error.to_string());
                Ok((Answered { error, ..Answered::default() }, None))
            }
            Err(_) => Err(Trouble::Later("the message could not be sent")),
        }
    }

    /// The entry that stands before the card is opened.
    async fn note(&self, send: &ProxySend) -> Result<(), StoreError> {
        let object = if send.card.as_str().is_empty() { send.id.as_str() } else { send.card.as_str() };
        self.core.store.record(self.core.entry(&actor(send), "proxy.send", object, Outcome::Done)).await
    }

    async fn finish(
        &self,
        transaction: &mut dyn Transaction,
        mut send: ProxySend,
        answer: &Answered,
        state: EventState,
    ) -> Result<(), VaultError> {
        send.attempts += 1;
        if state.is_open() {
            transaction.update_send(send).await?;
            return Ok(());
        }
        send.state = if is_final(answer.status) { SendState::Answered } else { SendState::Failed };
        send.finished_at = Some(self.core.now());
        send.result = queue::seal_result(&self.core, &send, answer)?;
        let kept = Kept::open(&self.core, &send)?;
        let wish = kept.wish()?;
        send.sealed = Vec::new();
        send.code = None;
        if !transaction.update_send(send.clone()).await? {
            return Ok(());
        }
        let Some(hook) = queue::hook(&wish) else { return Ok(()) };
        let secret = hook.secret.clone().map(|secret| ("x-pcivault-webhook-secret".to_owned(), secret));
        let parcel = Parcel {
            to: hook.url.clone(),
            headers: secret.into_iter().collect(),
            body: told(&send, &kept, answer),
        };
        let event = NewEvent {
            merchant: &send.merchant,
            mode: send.mode,
            kind: "proxy.result",
            order: send.id.as_str(),
            channel: WEBHOOK,
            parcel,
            schedule: Schedule::STANDARD.attempts(TELLS),
            erases: false,
        };
        outbox::append(&self.core, transaction, event).await.map(drop).map_err(|error| match error {
            OutboxError::Store(error) => VaultError::Store(error),
            OutboxError::Crypto(error) => VaultError::Crypto(error),
        })
    }
}

#[async_trait]
impl Courier for ProxyCourier {
    fn channel(&self) -> &'static str {
        CHANNEL
    }

    async fn deliver(&self, event: &OutboxEvent, parcel: &Parcel) -> Receipt {
        let send = match queue::load(&self.core, &event.merchant, event.mode, &parcel.to).await {
            Ok(Some(send)) if send.state == SendState::Queued => send,
            Ok(_) => return Receipt::failed(Verdict::Stop, "the card was deleted before it was sent"),
            Err(_) => return Receipt::failed(Verdict::Again(None), "the send could not be looked for"),
        };
        let (answer, verdict, result) = match self.attempt(&send).await {
            Ok((answer, later)) => {
                let (verdict, result) = verdict_of(&answer, later);
                (answer, verdict, result)
            }
            Err(Trouble::Later(why)) => (none(why), Verdict::Again(None), why.to_owned()),
            Err(Trouble::Never(why)) => (none(why), Verdict::Stop, why.to_owned()),
        };
        Receipt {
            verdict,
            status: Some(answer.status).filter(|status| *status > 0),
            result,
            // The result stands with the send; the delivery log needs no second copy.
            answer: String::new(),
            reference: serde_json::to_string(&answer).ok(),
        }
    }

    async fn settled(
        &self,
        transaction: &mut dyn Transaction,
        event: &OutboxEvent,
        receipt: &Receipt,
        state: EventState,
    ) -> Result<(), OutboxError> {
        let Some(text) = &receipt.reference else { return Ok(()) };
        let Ok(answer) = serde_json::from_str::<Answered>(text) else { return Ok(()) };
        let id = crate::model::SendId::stored(event.subject.clone());
        let found = transaction.find_send(event.merchant.clone(), event.mode, id).await?;
        let Some(send) = found.filter(|send| send.state == SendState::Queued) else { return Ok(()) };
        self.finish(transaction, send, &answer, state).await.map_err(|error| match error {
            VaultError::Store(error) => error.into(),
            VaultError::Crypto(error) => error.into(),
            _ => StoreError::Inconsistent { table: "proxy_send", what: "request" }.into(),
        })
    }
}

/// What the answer means for the queue: too many requests and failures of the server are tried again.
fn verdict_of(answer: &Answered, later: Option<Duration>) -> (Verdict, String) {
    match answer.status {
        0 => (Verdict::Again(later), answer.error.clone().unwrap_or_default()),
        200..=299 => (Verdict::Accepted, "accepted".to_owned()),
        status if is_final(status) => (Verdict::Stop, "the server refused it".to_owned()),
        _ => (Verdict::Again(later), "the server asked for another time".to_owned()),
    }
}

const fn is_final(status: u16) -> bool {
    !matches!(status, 0 | 429 | 500..)
}

fn none(why: &str) -> Answered {
    Answered { error: Some(why.to_owned()), ..Answered::default() }
}

fn told(send: &ProxySend, kept: &Kept, answer: &Answered) -> String {
    let headers: Vec<_> = answer.headers.iter().map(|(name, value)| json!({ name: value })).collect();
    json!({
        "type": "proxy.result",
        "id": send.id.as_str(),
        "token": kept.token(),
        "reference": kept.reference(),
        "state": send.state.as_str(),
        "attempts": send.attempts,
        "status": answer.status.to_string(),
        "status_code": answer.status,
        "headers": headers,
        "body": answer.body,
        "error": answer.error,
    })
    .to_string()
}

fn actor(send: &ProxySend) -> Actor {
    Actor {
        merchant: Some(send.merchant.clone()),
        mode: Some(send.mode),
        name: format!("proxy:{}", send.id),
        address: String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read_by_their_status() {
        let verdict = |status| {
            let later = Some(Duration::from_secs(7));
            verdict_of(&Answered { status, ..Answered::default() }, later).0
        };
        let again = Verdict::Again(Some(Duration::from_secs(7)));
        assert_eq!([200, 204].map(verdict), [Verdict::Accepted; 2]);
        assert_eq!([301, 400, 402, 410, 422].map(verdict), [Verdict::Stop; 5]);
        assert_eq!([0, 429, 500, 503].map(verdict), [again; 4]);
    }
}
