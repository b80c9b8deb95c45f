//! The one-time passcode before the form (security rule 23): six digits, ten minutes, five wrong tries and three
//! codes a request in all. A right one is exchanged for a ticket, which the form brings back with the card.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::details::Details;
use super::link::{self, About, Found, Lookup, PasscodePage, is_ahead};
use super::{RequestError, change, events};
use crate::core::Core;
use crate::crypto::{Key32, entropy, secret};
use crate::languages;
use crate::model::{CardRequest, Outcome, Timestamp};

/// How long a code holds, and how long the ticket that it is exchanged for.
const LIFE: Duration = Duration::from_mins(10);
const TICKET_LIFE: Duration = Duration::from_mins(30);
/// Wrong tries and codes of a request, in all.
const MOST_TRIES: u32 = 5;
const MOST_CODES: u32 = 3;
/// Codes to one number in a day, over all requests.
const MOST_A_DAY: u32 = 10;
const DAY_SCOPE: &str = "passcode.number";

/// What came of entering a code.
#[derive(Debug, PartialEq, Eq)]
pub enum Entered {
    /// It was right: the ticket for the form.
    Right(String),
    /// It was wrong, or is over.
    Wrong,
    /// The link is over.
    Gone,
}

/// What came of asking for a code.
#[derive(Debug, PartialEq, Eq)]
pub enum Asked {
    /// It is on its way.
    Sent,
    /// No more codes: of this request, or to this number today.
    TooMany,
    /// The link is over.
    Gone,
}

/// Whether a request asks for passcodes.
pub const fn is_needed(details: &Details) -> bool {
    details.passcode_phone.is_some()
}

/// Whether a ticket opens the form of a request.
pub fn holds(request: &CardRequest, ticket: Option<&str>, now: Timestamp) -> bool {
    let passcode = &request.passcode;
    ticket.is_some_and(|ticket| {
        !passcode.ticket_hash.is_empty()
            && is_ahead(passcode.ticket_ends_at, now)
            && secret::matches(ticket, &passcode.ticket_hash)
    })
}

/// The page that asks for a code.
pub fn page(core: &Core, found: &Found, about: About) -> PasscodePage {
    let passcode = &found.request.passcode;
    let phone = found.details.passcode_phone.as_deref().unwrap_or_default();
    let end: String = phone.chars().rev().take(3).collect::<Vec<_>>().into_iter().rev().collect();
    PasscodePage {
        about,
        phone: format!("•••{end}"),
        waits: waits(&found.request, core.now()),
        can_send: passcode.sent < MOST_CODES && passcode.tries < MOST_TRIES,
    }
}

/// Sends a new code, which ends the one before it.
pub async fn send(core: &Core, code: &str, address: &str) -> Result<Asked, RequestError> {
    let Lookup::Found(found) = link::find(core, code, address).await? else { return Ok(Asked::Gone) };
    if !is_needed(&found.details) {
        return Ok(Asked::Gone);
    }
    let mut transaction = core.store.begin().await?;
    let Some(mut request) = link::again(core, &mut *transaction, &found).await? else {
        return Ok(Asked::Gone);
    };
    if request.passcode.sent >= MOST_CODES || request.passcode.tries >= MOST_TRIES {
        return Ok(Asked::TooMany);
    }
    let phone = found.details.passcode_phone.clone().unwrap_or_default();
    // Windows end with their minute, so a day's is named by its last one. The number itself is not kept.
    let day_end = (core.now().minute().div_euclid(1440) + 1) * 1440 - 1;
    let number = crate::crypto::hex(&secret::keyed_digest(&key(core), &[b"number", phone.as_bytes()]));
    if transaction.hit(DAY_SCOPE, number, day_end).await? > MOST_A_DAY {
        return Ok(Asked::TooMany);
    }
    let passcode = six_digits(core);
    request.passcode.digest = digest(core, &request, &passcode);
    request.passcode.ends_at = core.now().plus(LIFE).millis();
    request.passcode.sent += 1;
    let text = languages::messages(&found.details.language).passcode.replace("{}", &passcode);
    change::save(core, &mut *transaction, &mut request, &found.details, None).await?;
    events::queue_passcode(core, &mut *transaction, &request, &found.details, text).await?;
    let entry =
        core.entry(&link::actor(&request, address), "passcode.send", request.id.as_str(), Outcome::Done);
    transaction.add_audit(entry).await?;
    transaction.commit().await?;
    Ok(Asked::Sent)
}

/// Checks a code that was entered. Each wrong one is counted before it is answered.
pub async fn enter(core: &Core, code: &str, passcode: &str, address: &str) -> Result<Entered, RequestError> {
    let Lookup::Found(found) = link::find(core, code, address).await? else { return Ok(Entered::Gone) };
    let mut transaction = core.store.begin().await?;
    let Some(mut request) = link::again(core, &mut *transaction, &found).await? else {
        return Ok(Entered::Gone);
    };
    if !waits(&request, core.now()) {
        return Ok(Entered::Wrong);
    }
    let digits: String =
        passcode.chars().filter_map(shared::digits::value).map(|digit| digit.to_string()).collect();
    let right = is_same(&digest(core, &request, &digits), &request.passcode.digest);
    let ticket = URL_SAFE_NO_PAD.encode(entropy::bytes::<24>(&*core.entropy));
    if right {
        request.passcode.digest = Vec::new();
        request.passcode.ticket_hash = secret::hash(&ticket).to_vec();
        request.passcode.ticket_ends_at = core.now().plus(TICKET_LIFE).millis();
    } else {
        request.passcode.tries += 1;
    }
    change::save(core, &mut *transaction, &mut request, &found.details, None).await?;
    let outcome = if right { Outcome::Done } else { Outcome::Refused };
    let entry = core.entry(&link::actor(&request, address), "passcode.enter", request.id.as_str(), outcome);
    transaction.add_audit(entry).await?;
    transaction.commit().await?;
    Ok(if right { Entered::Right(ticket) } else { Entered::Wrong })
}

fn waits(request: &CardRequest, now: Timestamp) -> bool {
    let passcode = &request.passcode;
    !passcode.digest.is_empty() && passcode.tries < MOST_TRIES && is_ahead(passcode.ends_at, now)
}

/// Six digits, each code as likely as any other.
fn six_digits(core: &Core) -> String {
    // The largest multiple of a million in 32 bits: what lies above would favour small codes.
    const FAIR: u32 = u32::MAX - u32::MAX % 1_000_000;
    loop {
        let number = u32::from_be_bytes(entropy::bytes::<4>(&*core.entropy));
        if number < FAIR {
            return format!("{:06}", number % 1_000_000);
        }
    }
}

/// Short codes can be tried through, so what is kept of them needs the root key (security rule 5).
fn digest(core: &Core, request: &CardRequest, passcode: &str) -> Vec<u8> {
    let parts = [b"code".as_slice(), request.id.as_str().as_bytes(), passcode.as_bytes()];
    secret::keyed_digest(&key(core), &parts).to_vec()
}

fn key(core: &Core) -> Key32 {
    core.subkey("cardamom passcode v1")
}

fn is_same(one: &[u8], other: &[u8]) -> bool {
    use subtle::ConstantTimeEq as _;
    one.ct_eq(other).into()
}
