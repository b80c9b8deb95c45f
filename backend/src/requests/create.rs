//! Making a request: checked, stored with its first state, and its message queued, all in one transaction.

use std::time::Duration;

use url::Url;

use super::RequestError;
use super::details::Details;
use super::input::{self, Asked};
use super::message::{self, Source};
use super::{change, events, templates};
use crate::access::Caller;
use crate::core::Core;
use crate::crypto::{entropy, hex, secret};
use crate::invalid::Invalid;
use crate::json::Members;
use crate::model::{CardRequest, EventId, Outcome, Passcode, RequestId, RequestKind, Status};
use crate::outgoing::{Outgoing, OutgoingError};
use crate::storage::Transaction;
use crate::vault::within;

/// What a request needs of this server beside the core.
pub struct Place<'p> {
    /// Where the world reaches this server.
    pub public_url: &'p Url,
    /// The client that will make the callbacks.
    pub callbacks: &'p Outgoing,
}

impl Place<'_> {
    /// An address of this server.
    pub fn address(&self, path: &str) -> String {
        format!("{}{path}", self.public_url.as_str().trim_end_matches('/'))
    }

    /// The token in the address of a card of this server, or in what stands for one.
    pub fn token_of(&self, uri: &str) -> Option<String> {
        const PATH: &str = "/api/payments/paycard/";
        let token = uri.strip_prefix(&self.address(PATH)).or_else(|| uri.strip_prefix(PATH))?;
        let token = token.trim_end_matches('/');
        let is_token = (1..=128).contains(&token.len())
            && token.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
        is_token.then(|| token.to_owned())
    }
}

/// Makes a request and queues its message. Nothing of it exists unless all of it does.
pub async fn create(
    core: &Core,
    place: &Place<'_>,
    caller: &Caller,
    kind: RequestKind,
    body: Members,
) -> Result<CardRequest, RequestError> {
    let asked = input::read(kind, body, core.now(), |uri| place.token_of(uri));
    let mut asked = asked.map_err(RequestError::Invalid)?;
    check_callback(place, &asked.details).await?;
    let mut transaction = core.store.begin().await?;
    check_card(&mut *transaction, caller, &asked.details).await?;
    if asked.details.merchant_name.is_empty() {
        let merchant = transaction.lookup_merchant(caller.merchant.clone()).await?;
        asked.details.merchant_name = merchant.map(|merchant| merchant.name).unwrap_or_default();
    }
    let code = new_code(core);
    let mut request = build(core, caller, kind, &asked, &code)?;
    request.message = queue(core, place, &mut *transaction, &request, &asked.details, &code).await?;
    change::begin(core, &mut *transaction, &request, &asked.details).await?;
    let entry = core.entry(&caller.actor(), "request.create", request.id.as_str(), Outcome::Done);
    transaction.add_audit(entry).await?;
    transaction.commit().await?;
    Ok(request)
}

/// The code of a new link: 128 random bits. Only its hash is kept.
pub fn new_code(core: &Core) -> String {
    hex(&entropy::bytes::<16>(&*core.entropy))
}

/// What is kept of a code.
pub fn code_hash(code: &str) -> String {
    hex(&secret::hash(code))
}

/// Queues the message that brings the link of a code.
pub async fn queue(
    core: &Core,
    place: &Place<'_>,
    transaction: &mut dyn Transaction,
    request: &CardRequest,
    details: &Details,
    code: &str,
) -> Result<EventId, RequestError> {
    let template = match &details.template {
        None => None,
        Some(name) => {
            let known = transaction.list_templates(request.merchant.clone(), request.mode).await?;
            let found = templates::choose(known, name, request.channel, &details.language);
            let detail = "There is no template of this name for this channel.";
            Some(found.ok_or_else(|| Invalid::new("/TemplateName", "unknown", detail))?)
        }
    };
    let link = place.address(&format!("/r/{code}"));
    let source = Source {
        kind: request.kind,
        channel: request.channel,
        details,
        template: template.as_ref(),
        link: &link,
    };
    events::queue_link(core, transaction, request, details, &message::render(&source)).await
}

/// An address that could never be called is refused now; a name is looked up again at each call.
async fn check_callback(place: &Place<'_>, details: &Details) -> Result<(), Invalid> {
    let Some(text) = &details.callback else { return Ok(()) };
    let wrong = |detail: String| Invalid::new("/CallbackUrl", "url", detail);
    let url = Url::parse(text).map_err(|_| wrong("CallbackUrl has to be an https address.".to_owned()))?;
    match place.callbacks.vet(&url).await {
        Err(error @ (OutgoingError::Scheme | OutgoingError::Credentials | OutgoingError::Refused)) => {
            Err(wrong(format!("CallbackUrl cannot be called: {error}.")))
        }
        _ => Ok(()),
    }
}

/// The card has to be there now; whether it still is, is looked at again when the form is sent.
async fn check_card(
    transaction: &mut dyn Transaction,
    caller: &Caller,
    details: &Details,
) -> Result<(), RequestError> {
    let Some(token) = &details.card else { return Ok(()) };
    let card = within::find(transaction, &caller.merchant, caller.mode, token).await?;
    card.map(drop).ok_or(RequestError::Unknown)
}

fn build(
    core: &Core,
    caller: &Caller,
    kind: RequestKind,
    asked: &Asked,
    code: &str,
) -> Result<CardRequest, RequestError> {
    let now = core.now();
    let id = RequestId::new(now, &*core.entropy);
    Ok(CardRequest {
        sealed: asked.details.seal(core, &caller.merchant, caller.mode, &id)?,
        id,
        merchant: caller.merchant.clone(),
        mode: caller.mode,
        kind,
        channel: asked.channel,
        status: Status::MessageQueued,
        status_at: now,
        changes: 1,
        version: 1,
        reference: asked.reference.clone(),
        code_hash: code_hash(code),
        // Replaced by the message's own before anything is stored.
        message: EventId::stored(String::new()),
        card_token: None,
        refused: 0,
        passcode: Passcode::default(),
        asked: 0,
        asked_at: None,
        expires_at: now.plus(Duration::from_secs(asked.details.ttl)),
        deleted_at: None,
        created_at: now,
    })
}
