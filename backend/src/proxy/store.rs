//! Fetching a card from another server: its answer is stored under a vault key, and what is left of it is returned
//! (spec A.7, `/v1/proxy/get`).

use zeroize::Zeroizing;

use super::fill::{self, Filled, Filling};
use super::send::{self, Answered, Order, Seen, Shown};
use super::{Proxy, ProxyError, smart};
use crate::access::Caller;
use crate::core::Core;
use crate::crypto::token::Algorithm;
use crate::invalid::Invalid;
use crate::json::Members;
use crate::model::{Outcome, SendId, Timestamp};
use crate::outgoing::Reply;
use crate::rules::{self, Rule, Sight};
use crate::vault::VaultError;
use crate::vault::cards::{self, Saved, StoreRequest};
use crate::vault::forward;
use crate::vault::keys::KeyAccess;

/// What was fetched.
pub struct Taken {
    /// The call.
    pub id: SendId,
    /// The answer without its card: its body is empty, or a template where the card was looked for.
    pub answer: Answered,
    /// The stored card; `None` where the server refused.
    pub saved: Option<Saved>,
    /// When it was stored.
    pub stored_at: Timestamp,
    /// The message as it was sent; only where it was asked for.
    pub shown: Option<Shown>,
}

/// Calls a server and stores the card that it answers with, changed by the order's rules as a capture is. No card of
/// ours is opened: the templates see what the call brings along.
pub async fn fetch(
    core: &Core,
    proxy: &Proxy,
    caller: &Caller,
    order: Order,
    algorithm: Algorithm,
    smart_parse: bool,
) -> Result<Taken, ProxyError> {
    let client = send::client(core, proxy, caller, &order.wish).await?;
    // The passphrase is proved before anything is fetched that could then not be stored.
    forward::unlock(core, caller, &order.access).await?;
    let id = SendId::new(core.now(), &*core.entropy);
    let filling =
        Filling { object: Members::default(), token: String::new(), reference: order.name.reference.clone() };
    let filled = filled(proxy, &order, &filling).await?;
    let shown = send::shown(&order, &filling);
    core.store.record(core.entry(&caller.actor(), "proxy.fetch", id.as_str(), Outcome::Done)).await?;
    let method = &order.wish.method;
    let reply = send::call(&client, method, filled, &id, &order.stay, Some(&proxy.answers)).await?;
    if !(200..300).contains(&reply.status) {
        let answer = send::cleaned(proxy, reply, Seen::nothing()).await;
        return Ok(Taken { id, answer, saved: None, stored_at: core.now(), shown });
    }
    let (status, length) = (reply.status, reply.body.len());
    let headers = Seen::nothing().clean_all(&reply.headers);
    let rules = order.rules;
    let read = send::looked_through(proxy, length, move || card_of(&reply, smart_parse, &rules)).await;
    let read = read.ok_or_else(|| ProxyError::Unstorable(Vec::new()))?;
    let (body, template) = read.map_err(|problem| ProxyError::Unstorable(vec![problem]))?;
    let request = StoreRequest { body, number: None, reference: order.name.reference, algorithm };
    let saved = store(core, caller, &order.access, request).await?;
    let answer = Answered { status, headers, body: template, error: None };
    Ok(Taken { id, answer, saved: Some(saved), stored_at: core.now(), shown })
}

/// The message with what the call brings along; where that makes it large, once there is room.
async fn filled(proxy: &Proxy, order: &Order, filling: &Filling) -> Result<Filled, ProxyError> {
    let fill = || fill::fill(&order.wish, &[], filling, send::most(&order.stay));
    match fill() {
        Err(problem) if fill::is_too_long(&problem) && !order.stay.has_room() => {}
        done => return Ok(done?),
    }
    order.stay.take_room(proxy).await?;
    Ok(fill()?)
}

/// The members to store, and what is left of the body.
fn card_of(reply: &Reply, smart_parse: bool, rules: &[Rule]) -> Result<(Members, String), Invalid> {
    let (card, template) = if smart_parse {
        let text = Zeroizing::new(String::from_utf8_lossy(&reply.body).into_owned());
        let found = smart::read(&text)
            .ok_or_else(|| Invalid::new("", "no_card", "The answer holds no card number."))?;
        (found.card, found.template)
    } else {
        let detail = "The answer is no JSON object; with smart_parse a card is looked for in any text.";
        let body = Members::parse(&reply.body).map_err(|_| Invalid::new("", "no_card", detail))?;
        (body, String::new())
    };
    Ok((rules::apply(rules, card, Sight::Kept, &[])?, template))
}

async fn store(
    core: &Core,
    caller: &Caller,
    access: &KeyAccess,
    request: StoreRequest,
) -> Result<Saved, ProxyError> {
    cards::store(core, caller, access, request).await.map_err(|error| match error {
        // What was refused stood in the answer, not in the call.
        VaultError::Invalid(problems) => ProxyError::Unstorable(problems),
        other => other.into(),
    })
}
