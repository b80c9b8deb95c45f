//! Fetching a card from another server: its answer is stored under a vault key, and what is left of it is returned
//! (spec A.7, `/v1/proxy/get`).

use zeroize::Zeroizing;

use super::fill::{self, Filling};
use super::send::{self, Answered, Order, Seen};
use super::{Proxy, ProxyError, TIME, smart};
use crate::access::Caller;
use crate::core::Core;
use crate::crypto::token::Algorithm;
use crate::json::Members;
use crate::model::{Outcome, SendId, Timestamp};
use crate::outgoing::Reply;
use crate::vault::VaultError;
use crate::vault::cards::{self, Saved, StoreRequest};
use crate::vault::keys::KeyAccess;
use crate::vault::{Invalid, forward};

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
}

/// Calls a server and stores the card that it answers with. No card of ours is opened: the templates see what the call
/// brings along.
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
    let filled = fill::fill(&order.wish, &[], &filling)?;
    core.store.record(core.entry(&caller.actor(), "proxy.fetch", id.as_str(), Outcome::Done)).await?;
    let reply = send::call(proxy, &client, &order.wish.method, filled, &id, TIME).await?;
    let mut answer = send::cleaned(reply.clone(), Seen::nothing()).await;
    let stored_at = core.now();
    if !(200..300).contains(&reply.status) {
        return Ok(Taken { id, answer, saved: None, stored_at });
    }
    // A large answer is looked through beside the reactor's threads.
    let read = tokio::task::spawn_blocking(move || card_of(&reply, smart_parse)).await;
    let (body, template) =
        read.map_err(|_| VaultError::Broken)?.map_err(|problem| ProxyError::Unstorable(vec![problem]))?;
    answer.body = template;
    let request = StoreRequest { body, number: None, reference: order.name.reference, algorithm };
    let saved = store(core, caller, &order.access, request).await?;
    Ok(Taken { id, answer, saved: Some(saved), stored_at })
}

/// The members to store, and what is left of the body.
fn card_of(reply: &Reply, smart_parse: bool) -> Result<(Members, String), Invalid> {
    if !smart_parse {
        let detail = "The answer is no JSON object; with smart_parse a card is looked for in any text.";
        let body = Members::parse(&reply.body).map_err(|_| Invalid::new("", "no_card", detail))?;
        return Ok((body, String::new()));
    }
    let text = Zeroizing::new(String::from_utf8_lossy(&reply.body).into_owned());
    let found =
        smart::read(&text).ok_or_else(|| Invalid::new("", "no_card", "The answer holds no card number."))?;
    Ok((found.card, found.template))
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
