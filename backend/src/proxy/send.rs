//! Sending at once: the card is opened after its audit entry is committed, put into the message, and what comes back
//! is looked through before anybody sees it.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use url::Url;
use zeroize::Zeroizing;

use super::fill::{self, Filled, Filling};
use super::{MAX_ANSWER, Proxy, ProxyError, TIME, Wish, hosts, scan};
use crate::access::Caller;
use crate::core::Core;
use crate::json::{Members, Value};
use crate::model::{Card, DestinationKind, MerchantId, Mode, Outcome, SendId, Use};
use crate::outgoing::{Outgoing, Relayed, Reply};
use crate::rules::Rule;
use crate::storage::{StoreError, Transaction};
use crate::vault::cards::CardName;
use crate::vault::content::Content;
use crate::vault::forward::{self, OpenKey, SpentCode};
use crate::vault::keys::KeyAccess;
use crate::vault::{Meaning, VaultError};

/// A transaction that others get in the way of is tried so often.
const TRIES: usize = 5;

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
    let key = forward::unlock(core, caller, &order.access).await?;
    let id = SendId::new(core.now(), &*core.entropy);
    let ready = with_card(core, caller, &key, &order, id.as_str()).await?;
    let shown = order.debug.then(|| shown(&order.wish, &order.rules, &ready.filling)).flatten();
    let (method, token) = (order.wish.method.as_str(), ready.filling.token.clone());
    let reply = call(proxy, &client, method, ready.filled, &id, TIME).await?;
    Ok(Sent { id, answer: cleaned(&reply, &ready.number, &token), shown })
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

/// Opens the card, counts the use of its code and fills the message; all of it or, where the message cannot be
/// filled, nothing. The audit entry is committed before anything can leave.
async fn with_card(
    core: &Core,
    caller: &Caller,
    key: &OpenKey,
    order: &Order,
    object: &str,
) -> Result<Ready, ProxyError> {
    let mut tries = 0;
    loop {
        tries += 1;
        let mut transaction = core.store.begin().await?;
        let made = prepare(core, &mut *transaction, key, order).await;
        let committed = match made {
            Ok(ready) => {
                let entry = core.entry(&caller.actor(), "proxy.send", ready.card.id.as_str(), Outcome::Done);
                let noted = transaction.add_audit(entry).await;
                match noted {
                    Ok(()) => transaction.commit().await.map(|()| ready).map_err(ProxyError::from),
                    Err(error) => Err(error.into()),
                }
            }
            Err(error) => Err(error),
        };
        match committed {
            Err(ProxyError::Vault(VaultError::Store(StoreError::Retry))) if tries < TRIES => {}
            Err(error) => {
                core.refused(&caller.actor(), "proxy.send", object).await;
                return Err(error);
            }
            Ok(ready) => return Ok(ready),
        }
    }
}

/// The card and the filled message, in the caller's transaction.
pub(super) async fn prepare(
    core: &Core,
    transaction: &mut dyn Transaction,
    key: &OpenKey,
    order: &Order,
) -> Result<Ready, ProxyError> {
    let (card, content) = key.card(transaction, &order.name).await?;
    let number = content.number.clone();
    let code = if needs_code(&order.wish, &order.rules) {
        let at = Use { kind: DestinationKind::HostName, data: &order.wish.host };
        Some(key.spend(core, transaction, &card, at).await?)
    } else {
        None
    };
    let filling = filling(content, &card, code.as_ref().map(|code| code.digits.as_str()));
    let filled = fill::fill(&order.wish, &order.rules, &filling)?;
    Ok(Ready { card, filling, filled, code, number })
}

/// Whether the message has a place for the security code. One that has not leaves the code alone.
pub(super) fn needs_code(wish: &Wish, rules: &[Rule]) -> bool {
    wish.asks_for(Meaning::Code) || rules.iter().any(|rule| rule.reads(Meaning::Code))
}

fn filling(mut content: Content, card: &Card, code: Option<&str>) -> Filling {
    if content.name.is_empty() {
        "card_number".clone_into(&mut content.name);
    }
    let mut object: Members = content.into_object();
    if let Some(code) = code {
        object.set("cvv", Value::text(code));
    }
    Filling { object, token: card.token.clone(), reference: card.reference.clone() }
}

/// Sends a filled message. The server can tell repetitions by the id.
pub(super) async fn call(
    proxy: &Proxy,
    client: &Outgoing,
    method: &str,
    filled: Filled,
    id: &SendId,
    time: Duration,
) -> Result<Reply, ProxyError> {
    let Filled { url, mut headers, body } = filled;
    if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("idempotency-key")) {
        headers.push(("idempotency-key".to_owned(), id.to_string()));
    }
    let relayed = Relayed {
        method,
        url: &url,
        headers: &headers,
        body: body.as_bytes().to_vec(),
        time,
        most: MAX_ANSWER,
        room: Some(&proxy.answers),
    };
    Ok(client.relay(relayed).await?)
}

/// An answer as it may be seen.
pub(super) fn cleaned(reply: &Reply, number: &str, token: &str) -> Answered {
    let headers = reply.headers.iter();
    Answered {
        status: reply.status,
        headers: headers.map(|(name, value)| (name.clone(), scan::clean(value, number, token))).collect(),
        body: scan::clean(&String::from_utf8_lossy(&reply.body), number, token),
        error: None,
    }
}

/// The message as it may be shown.
pub(super) fn shown(wish: &Wish, rules: &[Rule], filling: &Filling) -> Option<Shown> {
    let Filled { url, headers, body } = fill::masked(wish, rules, filling)?;
    Some(Shown { method: wish.method.clone(), url: decoded(&url), headers, body: body.to_string() })
}

/// Without the percent signs around dots, so that a person can read it.
fn decoded(url: &Url) -> String {
    percent_encoding::percent_decode_str(url.as_str()).decode_utf8_lossy().into_owned()
}
