//! Sending at once: the card is opened after its audit entry is committed, put into the message, and what comes back
//! is looked through before anybody sees it.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;
use url::Url;
use zeroize::Zeroizing;

use super::codes::{self, SentCode};
use super::fill::{self, Filled, Filling};
use super::request::MAX_BODY;
use super::{MAX_ANSWER, Proxy, ProxyError, Stay, Wish, hosts};
use crate::access::Caller;
use crate::card_data::{Meaning, scan};
use crate::core::Core;
use crate::json::{Members, Value};
use crate::model::{Card, DestinationKind, MerchantId, Mode, Outcome, SendId, Use};
use crate::outgoing::{Outgoing, Relayed, Reply, SMALL};
use crate::rules::Rule;
use crate::storage::{Transaction, until_won};
use crate::vault::cards::CardName;
use crate::vault::content::Content;
use crate::vault::forward::{self, OpenKey, SpentCode};
use crate::vault::keys::KeyAccess;

/// A transaction that others get in the way of is tried so often.
pub(super) const TRIES: usize = 5;
/// Messages that do not fit a card are counted under this name.
const UNFIT: &str = "proxy.unfit";
/// So many of them in a minute, and the card is not opened for others until the minute is over.
const MOST_UNFIT: u32 = 5;

/// What a call asks for.
pub struct Order {
    /// The vault key.
    pub access: KeyAccess,
    /// The card.
    pub name: CardName,
    /// The message.
    pub wish: Wish,
    /// What the card's members are changed by.
    pub rules: Vec<Rule>,
    /// Whether the filled message is shown, masked.
    pub debug: bool,
    /// Its time, and its places.
    pub stay: Arc<Stay>,
}

/// What came of a message.
pub struct Sent {
    /// Identity, also towards the server that was called.
    pub id: SendId,
    /// What it answered, without card numbers.
    pub answer: Answered,
    /// The message as it was sent, masked; only where it was asked for.
    pub shown: Option<Shown>,
}

/// An answer without card numbers.
#[derive(Clone, Default, Deserialize, Serialize)]
pub struct Answered {
    /// The status; 0 where there was no answer.
    pub status: u16,
    /// The headers.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
    /// Why there was no answer.
    pub error: Option<String>,
}

/// A filled message that may be shown.
pub struct Shown {
    /// The method.
    pub method: String,
    /// The address.
    pub url: String,
    /// The headers.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
}

/// What came of opening a card for a message.
pub(super) enum Prepared {
    /// The message is filled.
    Ready(Box<Ready>),
    /// The card does not fit it. What was done is kept all the same: a code that was used stays used, so that nobody
    /// can ask the card questions for nothing.
    Unfit(Box<Card>, ProxyError),
}

/// A card that was opened, and a message that was filled with it.
pub(super) struct Ready {
    pub card: Card,
    pub filling: Filling,
    pub filled: Filled,
    pub code: Option<SpentCode>,
    pub number: Zeroizing<String>,
}

/// Sends a message and waits for its answer.
pub async fn send(core: &Core, proxy: &Proxy, caller: &Caller, order: Order) -> Result<Sent, ProxyError> {
    let client = client(core, proxy, caller, &order.wish).await?;
    fill::check(&order.wish, &order.rules, &order.name)?;
    let key = forward::unlock(core, caller, &order.access).await?;
    let id = SendId::new(core.now(), &*core.entropy);
    let open = || with_card(core, caller, &key, &order, id.as_str());
    let ready = proxy.in_turn(&order.stay, &order.name, open).await?;
    let shown = shown(&order, &ready.filling);
    let seen = Seen::of(&ready, &order.wish, &order.rules);
    let (method, stay, filled) = (order.wish.method.clone(), Arc::clone(&order.stay), ready.filled);
    // Only what leaves is held while the server takes its time.
    drop((order, ready.filling));
    let reply = call(&client, &method, filled, &id, &stay, Some(&proxy.answers)).await?;
    Ok(Sent { id, answer: cleaned(proxy, reply, seen).await, shown })
}

/// Who calls the host of a message; `NotAllowed`, audited, where the operator has not allowed it.
pub(super) async fn client(
    core: &Core,
    proxy: &Proxy,
    caller: &Caller,
    wish: &Wish,
) -> Result<Arc<Outgoing>, ProxyError> {
    let found = client_for(core, proxy, &caller.merchant, caller.mode, &wish.host).await?;
    if found.is_none() {
        core.refused(&caller.actor(), "proxy.host", &wish.host).await;
    }
    found.ok_or(ProxyError::NotAllowed)
}

/// The same for somebody who is not a caller any more.
pub(super) async fn client_for(
    core: &Core,
    proxy: &Proxy,
    merchant: &MerchantId,
    mode: Mode,
    host: &str,
) -> Result<Option<Arc<Outgoing>>, ProxyError> {
    let Some(row) = hosts::find(core, merchant, mode, host).await? else { return Ok(None) };
    let settings = hosts::settings(core, &row)?;
    Ok(Some(proxy.dedicated(&row.id, &settings, core.now())?))
}

/// Opens the card, counts the use of its code and fills the message. The audit entry is committed before anything can
/// leave.
async fn with_card(
    core: &Core,
    caller: &Caller,
    key: &OpenKey,
    order: &Order,
    object: &str,
) -> Result<Ready, ProxyError> {
    let opened = until_won(TRIES, is_race, || async {
        let mut transaction = core.store.begin().await?;
        let ready = match prepare(core, &mut *transaction, key, order).await? {
            Prepared::Ready(ready) => *ready,
            Prepared::Unfit(card, error) => {
                note_unfit(core, caller, transaction, &card).await?;
                return Err(error);
            }
        };
        let entry = core.entry(&caller.actor(), "proxy.send", ready.card.id.as_str(), Outcome::Done);
        transaction.add_audit(entry).await?;
        transaction.commit().await?;
        Ok(ready)
    });
    let opened = opened.await;
    if let Err(ProxyError::Vault(_) | ProxyError::TooMany) = &opened {
        core.refused(&caller.actor(), "proxy.send", object).await;
    }
    opened
}

pub(super) fn is_race(error: &ProxyError) -> bool {
    matches!(error, ProxyError::Vault(error) if error.is_race())
}

/// Counts and audits a card that did not fit, and keeps what was done before that was known.
pub(super) async fn note_unfit(
    core: &Core,
    caller: &Caller,
    mut transaction: Box<dyn Transaction>,
    card: &Card,
) -> Result<(), ProxyError> {
    transaction.hit(UNFIT, card.id.to_string(), core.now().minute()).await?;
    let entry = core.entry(&caller.actor(), "proxy.unfit", card.id.as_str(), Outcome::Refused);
    transaction.add_audit(entry).await?;
    Ok(transaction.commit().await?)
}

/// The card and the filled message, in the caller's transaction.
pub(super) async fn prepare(
    core: &Core,
    transaction: &mut dyn Transaction,
    key: &OpenKey,
    order: &Order,
) -> Result<Prepared, ProxyError> {
    let card = key.find(transaction, &order.name).await?;
    if transaction.hits(UNFIT, card.id.to_string(), core.now().minute()).await? >= MOST_UNFIT {
        return Err(ProxyError::TooMany);
    }
    let content = key.open(transaction, &card).await?;
    let number = content.number.clone();
    let mut filling = filling(content, &card);
    if let Some(missing) = fill::missing(&order.wish, &order.rules, &filling) {
        return Ok(Prepared::Unfit(Box::new(card), missing.into()));
    }
    let code = if needs_code(&order.wish, &order.rules) {
        let at = Use { kind: DestinationKind::HostName, data: &order.wish.host };
        Some(key.spend(core, transaction, &card, at).await?)
    } else {
        None
    };
    if let Some(code) = &code {
        filling.object.set("cvv", Value::text(code.digits.as_str()));
    }
    match fill::fill(&order.wish, &order.rules, &filling, most(&order.stay)) {
        Ok(filled) => Ok(Prepared::Ready(Box::new(Ready { card, filling, filled, code, number }))),
        Err(problem) if fill::is_too_long(&problem) && !order.stay.has_room() => Err(ProxyError::NeedsRoom),
        Err(_) => Ok(Prepared::Unfit(Box::new(card), ProxyError::Unfit)),
    }
}

/// How large a body may become in the room that a call has.
pub(super) fn most(stay: &Stay) -> usize {
    if stay.has_room() { MAX_BODY } else { SMALL }
}

/// Whether the message has a place for the security code. One that has not leaves the code alone.
pub(super) fn needs_code(wish: &Wish, rules: &[Rule]) -> bool {
    wish.asks_for(Meaning::Code) || rules.iter().any(|rule| rule.reads(Meaning::Code))
}

fn filling(mut content: Content, card: &Card) -> Filling {
    if content.name.is_empty() {
        "card_number".clone_into(&mut content.name);
    }
    let object: Members = content.into_object();
    Filling { object, token: card.token.clone(), reference: card.reference.clone() }
}

/// Sends a filled message. The server can tell repetitions by the id. A large answer waits for one of `places`.
pub(super) async fn call(
    client: &Outgoing,
    method: &str,
    filled: Filled,
    id: &SendId,
    stay: &Stay,
    places: Option<&Arc<Semaphore>>,
) -> Result<Reply, ProxyError> {
    let Filled { url, mut headers, mut body } = filled;
    if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("idempotency-key")) {
        headers.push(("idempotency-key".to_owned(), id.to_string()));
    }
    let relayed = Relayed {
        method,
        url: &url,
        headers: &headers,
        body: std::mem::take(&mut *body).into_bytes(),
        time: stay.left(),
        most: MAX_ANSWER,
        places: places.cloned(),
    };
    let mut reply = client.relay(relayed).await?;
    stay.keep(reply.place.take());
    Ok(reply)
}

/// What is looked for in an answer.
pub(super) struct Seen {
    /// The card's number; empty where no card was opened.
    pub number: Zeroizing<String>,
    /// What takes its place.
    pub token: String,
    /// The code, where one was sent.
    pub code: Option<SentCode>,
}

impl Seen {
    fn of(ready: &Ready, wish: &Wish, rules: &[Rule]) -> Self {
        Self {
            number: ready.number.clone(),
            token: ready.filling.token.clone(),
            code: ready.code.as_ref().map(|code| SentCode::of(wish, rules, &code.digits)),
        }
    }

    /// For an answer to a call without a card.
    pub fn nothing() -> Self {
        Self { number: Zeroizing::default(), token: String::new(), code: None }
    }

    /// Headers as they may be seen.
    pub fn clean_all(&self, headers: &[(String, String)]) -> Vec<(String, String)> {
        headers.iter().map(|(name, value)| (name.clone(), self.clean(value))).collect()
    }

    fn clean(&self, text: &str) -> String {
        codes::hide(&scan::clean(text, &self.number, &self.token), self.code.as_ref())
    }
}

/// An answer as it may be seen.
pub(super) async fn cleaned(proxy: &Proxy, reply: Reply, seen: Seen) -> Answered {
    let (status, length) = (reply.status, reply.body.len());
    let look = move || {
        let body = seen.clean(&String::from_utf8_lossy(&reply.body));
        Answered { status, headers: seen.clean_all(&reply.headers), body, error: None }
    };
    // What cannot be looked through is not shown.
    looked_through(proxy, length, look).await.unwrap_or_else(|| Answered {
        status,
        error: Some("the answer could not be looked through".to_owned()),
        ..Answered::default()
    })
}

/// Looks through an answer of so many bytes: a large one beside the reactor's threads, and few at once. `None` where
/// that failed.
pub(super) async fn looked_through<T: Send + 'static>(
    proxy: &Proxy,
    length: usize,
    look: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    if length <= SMALL {
        return Some(look());
    }
    let place = Arc::clone(&proxy.scans).acquire_owned().await.ok()?;
    let looking = move || {
        let looked = look();
        drop(place);
        looked
    };
    tokio::task::spawn_blocking(looking).await.ok()
}

/// The message as it may be shown, where that was asked for.
pub(super) fn shown(order: &Order, filling: &Filling) -> Option<Shown> {
    if !order.debug {
        return None;
    }
    // Masked, a text can be longer.
    let most = most(&order.stay).max(3 * SMALL);
    let Filled { url, headers, body } = fill::masked(&order.wish, &order.rules, filling, most)?;
    Some(Shown { method: order.wish.method.clone(), url: decoded(&url), headers, body: body.to_string() })
}

/// Without the percent signs around dots, so that a person can read it.
fn decoded(url: &Url) -> String {
    percent_encoding::percent_decode_str(url.as_str()).decode_utf8_lossy().into_owned()
}
