//! Queued sends: what is to be sent is kept sealed with the card's members as they are now, and taken to the server
//! by the outbox. The security code waits apart, under the hourly key, and ends when it would have ended with its
//! card (security rule 12).

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::fill::{self, Filling};
use super::request::{Hook, Source};
use super::send::{self, Answered, Order, Prepared, Shown, TRIES};
use super::{CHANNEL, Proxy, ProxyError, Stay, Wish};
use crate::access::Caller;
use crate::core::Core;
use crate::crypto::binding::Binding;
use crate::crypto::{CryptoError, Key32, aead};
use crate::json::{Members, Value};
use crate::model::{
    Card, CardId, CvvKeyId, MerchantId, Mode, Outcome as AuditOutcome, ProxySend, Schedule, SendId,
    SendState, WaitingCode,
};
use crate::outbox::{self, NewEvent, Parcel};
use crate::outgoing::SMALL;
use crate::rules::{Rule, stored};
use crate::storage::{StoreError, until_won};
use crate::vault::VaultError;
use crate::vault::forward::{self, OpenKey};

/// What is kept sealed until it is sent.
#[derive(Deserialize, Serialize, Zeroize, ZeroizeOnDrop)]
pub(super) struct Kept {
    source: Source,
    /// The rules, as `rules::stored::kept` writes them.
    rules: Option<String>,
    /// The card's members as JSON, without its code.
    object: String,
    number: String,
    token: String,
    reference: String,
}

/// A queued send and what came of it.
pub struct Outcome {
    /// The send.
    pub send: ProxySend,
    /// What was answered; `None` before.
    pub answer: Option<Answered>,
}

/// This hour's key around codes.
type Hour = (CvvKeyId, Arc<Key32>);

/// Queues a message. Answers its id, and the filled message where it was asked for.
pub async fn enqueue(
    core: &Core,
    proxy: &Proxy,
    caller: &Caller,
    order: Order,
    rules: Option<String>,
    attempts: u32,
) -> Result<(SendId, Option<Shown>), ProxyError> {
    send::client(core, proxy, caller, &order.wish).await?;
    fill::check(&order.wish, &order.rules, &order.name)?;
    let key = forward::unlock(core, caller, &order.access).await?;
    let needs_code = send::needs_code(&order.wish, &order.rules);
    // Made before the transaction: it may have to write the hour's key.
    let hour = if needs_code { Some(core.keyring.cvv_key_now(core).await?) } else { None };
    let queued = || once(core, caller, &key, &order, rules.as_ref(), attempts, hour.as_ref());
    proxy.in_turn(&order.stay, &order.name, || until_won(TRIES, send::is_race, queued)).await
}

async fn once(
    core: &Core,
    caller: &Caller,
    key: &OpenKey,
    order: &Order,
    rules: Option<&String>,
    attempts: u32,
    hour: Option<&Hour>,
) -> Result<(SendId, Option<Shown>), ProxyError> {
    let mut transaction = core.store.begin().await?;
    let ready = match send::prepare(core, &mut *transaction, key, order).await? {
        Prepared::Ready(ready) => ready,
        Prepared::Unfit(card, error) => {
            send::note_unfit(core, caller, transaction, &card).await?;
            return Err(error);
        }
    };
    let shown = send::shown(order, &ready.filling);
    let id = SendId::new(core.now(), &*core.entropy);
    let mut row = ProxySend {
        card: still_there(&mut *transaction, caller, &ready.card).await?,
        id: id.clone(),
        merchant: caller.merchant.clone(),
        mode: caller.mode,
        state: SendState::Queued,
        attempts: 0,
        sealed: Vec::new(),
        code: None,
        result: Vec::new(),
        created_at: core.now(),
        finished_at: None,
    };
    row.sealed = seal(core, &row, &kept(&ready.filling, &ready.number, &order.wish, rules))?;
    if let (Some(code), Some((cvv_key, hour_key))) = (&ready.code, hour) {
        let sealed = aead::seal(hour_key, &bind(&row, "code"), code.digits.as_bytes(), &*core.entropy);
        row.code = Some(WaitingCode { cvv_key: cvv_key.clone(), sealed, ends_at: code.ends_at });
    }
    let card = ready.card.id.clone();
    transaction.add_send(row).await?;
    let channel = format!("{CHANNEL}:{}", order.wish.host);
    outbox::append(core, &mut *transaction, event(caller, &id, attempts, &channel)).await?;
    let entry = core.entry(&caller.actor(), "proxy.queue", card.as_str(), AuditOutcome::Done);
    transaction.add_audit(entry).await?;
    transaction.commit().await?;
    Ok((id, shown))
}

/// The card's id; none where its last code took it along.
async fn still_there(
    transaction: &mut dyn crate::storage::Transaction,
    caller: &Caller,
    card: &Card,
) -> Result<CardId, StoreError> {
    let (token, reference) = (card.token.clone(), card.reference.clone());
    let found = transaction.find_card(caller.merchant.clone(), card.key.clone(), token, reference).await?;
    Ok(found.map_or_else(|| CardId::stored(String::new()), |found| found.id))
}

fn kept(filling: &Filling, number: &str, wish: &Wish, rules: Option<&String>) -> Kept {
    let mut object = filling.object.copy();
    object.take("cvv");
    Kept {
        source: wish.source.clone(),
        rules: rules.cloned(),
        object: object.to_json().to_string(),
        number: number.to_owned(),
        token: filling.token.clone(),
        reference: filling.reference.clone(),
    }
}

fn event<'e>(caller: &'e Caller, id: &'e SendId, attempts: u32, channel: &'e str) -> NewEvent<'e> {
    NewEvent {
        merchant: &caller.merchant,
        mode: caller.mode,
        kind: "proxy.send",
        order: id.as_str(),
        channel,
        parcel: Parcel { to: id.to_string(), headers: Vec::new(), body: String::new() },
        schedule: Schedule::STANDARD.attempts(attempts),
        erases: true,
    }
}

/// A send of the caller's merchant and what came of it. How large that is shows only when it is there, so that whoever
/// looks has a place, and keeps it for what is large.
pub async fn find(
    core: &Core,
    proxy: &Proxy,
    caller: &Caller,
    id: &str,
    stay: &Stay,
) -> Result<Outcome, ProxyError> {
    let place = stay.wait_for_place(&proxy.shows).await?;
    let found = load(core, &caller.merchant, caller.mode, id).await?.ok_or(ProxyError::Unknown)?;
    if found.result.len() > SMALL {
        stay.keep(Some(place));
    }
    let answer = if found.result.is_empty() { None } else { Some(open_result(core, &found)?) };
    Ok(Outcome { send: found, answer })
}

pub(super) async fn load(
    core: &Core,
    merchant: &MerchantId,
    mode: Mode,
    id: &str,
) -> Result<Option<ProxySend>, StoreError> {
    let id = SendId::stored(id.to_owned());
    core.store.read().await?.find_send(merchant.clone(), mode, id).await
}

impl Kept {
    /// Opens what is kept of a send.
    pub fn open(core: &Core, send: &ProxySend) -> Result<Self, CryptoError> {
        let text = core.root.unwrap(&bind(send, "request"), &send.sealed)?;
        serde_json::from_slice(&text).map_err(|_| CryptoError::Open)
    }

    /// The message.
    pub fn wish(&self) -> Result<Wish, CryptoError> {
        Wish::of(self.source.clone()).map_err(|_| CryptoError::Open)
    }

    /// The rules.
    pub fn rules(&self) -> Result<Vec<Rule>, VaultError> {
        self.rules.as_deref().map(stored::of_kept).transpose().map(Option::unwrap_or_default)
    }

    /// The card, with its code where one waits.
    pub fn filling(&self, code: Option<&str>) -> Result<Filling, CryptoError> {
        let mut object = Members::parse_sealed(self.object.as_bytes()).map_err(|_| CryptoError::Open)?;
        if let Some(code) = code {
            object.set("cvv", Value::text(code));
        }
        Ok(Filling { object, token: self.token.clone(), reference: self.reference.clone() })
    }

    /// The number, to be found again in the answer.
    pub fn number(&self) -> &str {
        &self.number
    }

    /// The token of the card.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// The reference of the card.
    pub fn reference(&self) -> &str {
        &self.reference
    }
}

/// Where the result is told, if anywhere.
pub(super) fn hook(wish: &Wish) -> Option<&Hook> {
    wish.webhook.as_ref()
}

/// The code that waits with a send; `None` where there is none, or none any more.
pub(super) async fn open_code(
    core: &Core,
    send: &ProxySend,
) -> Result<Option<Zeroizing<String>>, VaultError> {
    let Some(code) = &send.code else { return Ok(None) };
    if code.ends_at <= core.now() {
        return Ok(None);
    }
    let Some(hour) = core.store.read().await?.lookup_cvv_key(code.cvv_key.clone()).await? else {
        return Ok(None);
    };
    let key = core.keyring.unwrap_cvv_key(core, &hour)?;
    let digits = aead::open(&key, &bind(send, "code"), &code.sealed)?;
    Ok(Some(Zeroizing::new(String::from_utf8_lossy(&digits).into_owned())))
}

fn seal(core: &Core, send: &ProxySend, kept: &Kept) -> Result<Vec<u8>, CryptoError> {
    let text = Zeroizing::new(serde_json::to_vec(kept).map_err(|_| CryptoError::Open)?);
    core.root.wrap(&bind(send, "request"), &text, &*core.entropy)
}

/// Seals what came of a send.
pub(super) fn seal_result(core: &Core, send: &ProxySend, answer: &Answered) -> Result<Vec<u8>, CryptoError> {
    let text = serde_json::to_vec(answer).map_err(|_| CryptoError::Open)?;
    core.root.wrap(&bind(send, "result"), &text, &*core.entropy)
}

fn open_result(core: &Core, send: &ProxySend) -> Result<Answered, CryptoError> {
    let text = core.root.unwrap(&bind(send, "result"), &send.result)?;
    serde_json::from_slice(&text).map_err(|_| CryptoError::Open)
}

fn bind<'b>(send: &'b ProxySend, field: &'static str) -> Binding<'b> {
    Binding {
        merchant: send.merchant.as_str(),
        mode: send.mode.as_str(),
        record: send.id.as_str(),
        kind: "proxy send",
        field,
        number: 0,
        key_version: 0,
    }
}
