//! Calls that are run once (design.md, decision 13): who sends the same call twice under one key gets its first answer
//! twice. What is kept tells nobody anything without the caller's own secret: the fingerprint is keyed with it, and
//! the answer is sealed under it.

use std::time::Duration;

use zeroize::Zeroizing;

use crate::card_data::{Meaning, meaning};
use crate::core::Core;
use crate::crypto::binding::Binding;
use crate::crypto::{CryptoError, Key32, aead, hex, secret};
use crate::json::{Members, Value};
use crate::model::{IdempotentCall, MerchantId, Mode};
use crate::storage::{StoreError, until_won};

/// How long an answer is kept.
const KEPT: Duration = Duration::from_hours(24);
/// After so long a call that has not ended is one whose node went away.
const LEASE: Duration = Duration::from_mins(2);
/// The longest key.
const LONGEST_KEY: usize = 255;
/// Tries where the store asks for another one.
const TRIES: usize = 5;

/// Who calls, proven.
pub struct Holder {
    /// Whose call it is.
    pub merchant: MerchantId,
    /// Test or live.
    pub mode: Mode,
    /// Whose keys the call's key is among.
    pub keys: Keys,
    /// The credential: a login, or an endpoint.
    pub name: String,
    /// The credential's secret, which answers are sealed under.
    pub secret: Zeroizing<String>,
}

/// Whose keys a key is among. Who holds less than a merchant's credential neither takes the merchant's keys nor learns
/// which of them were used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keys {
    /// The merchant's: all its credentials share them.
    Merchant,
    /// Those of one endpoint, whose secret is in the hands of a browser, or of one operator.
    Endpoint,
}

/// What is asked for.
pub struct Asked<'a> {
    /// `POST`
    pub method: &'a str,
    /// The path.
    pub path: &'a str,
    /// The query, as members.
    pub query: &'a Members,
    /// The body's members; none where it cannot be read.
    pub body: Option<&'a Members>,
    /// The body as it came, which counts where it cannot be read.
    pub raw: &'a [u8],
}

/// What becomes of a call whose node went away while it ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AfterCrash {
    /// It is run again: for calls that may be run twice, or that guard themselves.
    RunAgain,
    /// It is refused until it is forgotten: whether it was done has to be looked up.
    Refuse,
}

/// How a call begins.
pub enum Begun {
    /// It is the first one, and is to be run.
    Run(Ticket),
    /// It was answered before.
    Answered(Zeroizing<Vec<u8>>),
}

/// A call that runs.
pub struct Ticket {
    call: IdempotentCall,
    seal: Key32,
}

/// Why a call is not run.
#[derive(Debug, thiserror::Error)]
pub enum IdempotencyError {
    /// The key is empty, too long, or has other characters than visible ASCII.
    #[error("an idempotency key has 1 to 255 visible characters")]
    Key,
    /// The key was used for another call, or by another credential.
    #[error("the idempotency key was used for another call")]
    Reused,
    /// The first call still runs.
    #[error("a call with this idempotency key is still running")]
    Running,
    /// The first call did not come to its end.
    #[error("the first call with this idempotency key did not come to its end")]
    Unfinished,
    /// Storage failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An answer does not open.
    #[error(transparent)]
    Crypto(#[from] CryptoError),
}

/// Begins a call under a key.
pub async fn begin(
    core: &Core,
    holder: &Holder,
    key: &str,
    asked: &Asked<'_>,
    after_crash: AfterCrash,
) -> Result<Begun, IdempotencyError> {
    if key.is_empty() || key.len() > LONGEST_KEY || !key.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(IdempotencyError::Key);
    }
    let call = new_call(core, holder, key, asked);
    let seal = derived(core, holder, b"answer");
    let Some(known) = add(core, &call).await? else { return Ok(Begun::Run(Ticket { call, seal })) };
    if !bool::from(subtle::ConstantTimeEq::ct_eq(&known.fingerprint[..], &call.fingerprint[..])) {
        return Err(IdempotencyError::Reused);
    }
    if let Some(answer) = &known.answer {
        return Ok(Begun::Answered(aead::open(&seal, &bind(&known), answer)?));
    }
    if known.lease_ends_at > core.now() {
        return Err(IdempotencyError::Running);
    }
    if after_crash == AfterCrash::Refuse {
        return Err(IdempotencyError::Unfinished);
    }
    let lease = core.now().plus(LEASE);
    let mut transaction = core.store.begin().await?;
    if !transaction.take_over_call(known.clone(), lease).await? {
        return Err(IdempotencyError::Running);
    }
    transaction.commit().await?;
    Ok(Begun::Run(Ticket { call: IdempotentCall { lease_ends_at: lease, ..known }, seal }))
}

/// Keeps the answer of a call.
pub async fn keep(core: &Core, ticket: Ticket, answer: &[u8]) -> Result<(), StoreError> {
    let sealed = aead::seal(&ticket.seal, &bind(&ticket.call), answer, &*core.entropy);
    let call = IdempotentCall { answer: Some(sealed), ..ticket.call };
    let mut transaction = core.store.begin().await?;
    transaction.keep_answer(call).await?;
    transaction.commit().await
}

/// Forgets a call that changed nothing: the next one under its key is the first one.
pub async fn forget(core: &Core, ticket: Ticket) -> Result<(), StoreError> {
    let mut transaction = core.store.begin().await?;
    transaction.forget_call(ticket.call).await?;
    transaction.commit().await
}

/// Adds a call, or finds the one that stands.
async fn add(core: &Core, call: &IdempotentCall) -> Result<Option<IdempotentCall>, StoreError> {
    until_won(TRIES, StoreError::is_race, || add_once(core, call)).await
}

async fn add_once(core: &Core, call: &IdempotentCall) -> Result<Option<IdempotentCall>, StoreError> {
    let mut transaction = core.store.begin().await?;
    let known = transaction.begin_call(call.clone(), core.now()).await?;
    if known.is_none() {
        transaction.commit().await?;
    }
    Ok(known)
}

fn new_call(core: &Core, holder: &Holder, key: &str, asked: &Asked<'_>) -> IdempotentCall {
    let now = core.now();
    let mut names =
        vec![holder.merchant.as_str().as_bytes(), holder.mode.as_str().as_bytes(), key.as_bytes()];
    if holder.keys == Keys::Endpoint {
        names.extend([b"endpoint".as_slice(), holder.name.as_bytes()]);
    }
    IdempotentCall {
        id: hex(&secret::keyed_digest(&core.subkey("idempotency key"), &names)),
        merchant: holder.merchant.clone(),
        mode: holder.mode,
        fingerprint: fingerprint(&derived(core, holder, b"fingerprint"), asked).to_vec(),
        answer: None,
        lease_ends_at: now.plus(LEASE),
        expires_at: now.plus(KEPT),
    }
}

/// Keyed digest over the call, with each number replaced by a keyed digest of its own and without security codes.
/// Members count in their order: a client that repeats a call sends the same bytes.
fn fingerprint(key: &Key32, asked: &Asked<'_>) -> [u8; 32] {
    let query = without_card_data(key, asked.query).to_json();
    let body = asked.body.map(|body| without_card_data(key, body).to_json());
    let body = body.as_ref().map_or(asked.raw, |text| text.as_bytes());
    secret::keyed_digest(key, &[asked.method.as_bytes(), asked.path.as_bytes(), query.as_bytes(), body])
}

fn without_card_data(key: &Key32, members: &Members) -> Members {
    let kept = members.iter().filter(|(name, _)| meaning(name) != Meaning::Code);
    kept.map(|(name, value)| (name.to_owned(), replaced(key, name, value))).collect()
}

fn replaced(key: &Key32, name: &str, value: &Value) -> Value {
    match value {
        Value::Object(members) => Value::Object(without_card_data(key, members)),
        Value::List(items) => Value::List(items.iter().map(|item| replaced(key, name, item)).collect()),
        other => match (meaning(name), other.as_typed()) {
            (Meaning::Number(_), Some(text)) => {
                let digits: Zeroizing<String> =
                    text.chars().filter(|c| !shared::digits::is_separator(*c)).collect::<String>().into();
                Value::text(hex(&secret::keyed_digest(key, &[b"number", digits.as_bytes()])))
            }
            _ => other.copy(),
        },
    }
}

/// A key that takes the root's digest key and the caller's own secret.
fn derived(core: &Core, holder: &Holder, purpose: &[u8]) -> Key32 {
    let parts = [purpose, holder.name.as_bytes(), holder.secret.as_bytes()];
    Key32::new(&Zeroizing::new(secret::keyed_digest(&core.subkey("idempotency"), &parts)))
}

fn bind(call: &IdempotentCall) -> Binding<'_> {
    Binding {
        merchant: call.merchant.as_str(),
        mode: call.mode.as_str(),
        record: &call.id,
        kind: "idempotent call",
        field: "answer",
        number: 0,
        key_version: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(query: &str, body: &str) -> [u8; 32] {
        let (query, body) =
            (Members::parse(query.as_bytes()).unwrap(), Members::parse(body.as_bytes()).unwrap());
        let asked = Asked { method: "POST", path: "/v1/vault", query: &query, body: Some(&body), raw: b"" };
        fingerprint(&Key32::new(&[7; 32]), &asked)
    }

    #[test]
    fn a_code_does_not_count_and_a_number_counts_by_its_digits() {
        let first =
            of(r#"{"user":"shop"}"#, r#"{"card_number":"4111111111111111","cvv":"123","a":{"cvc":"1"}}"#);
        assert_eq!(
            first,
            of(r#"{"user":"shop"}"#, r#"{"card_number":"4111 1111 1111 1111","cvv":"999","a":{}}"#)
        );
        for (query, body) in [
            (r#"{"user":"other"}"#, r#"{"card_number":"4111111111111111","a":{}}"#),
            (r#"{"user":"shop"}"#, r#"{"card_number":"5555555555554444","a":{}}"#),
            (r#"{"user":"shop"}"#, r#"{"card_number":"4111111111111111","a":{"b":1}}"#),
        ] {
            assert_ne!(first, of(query, body), "{query} {body}");
        }
    }

    #[test]
    fn a_body_that_cannot_be_read_counts_as_it_is() {
        let query = Members::default();
        let of = |raw: &[u8]| {
            let asked = Asked { method: "POST", path: "/", query: &query, body: None, raw };
            fingerprint(&Key32::new(&[7; 32]), &asked)
        };
        assert_eq!(of(b"one"), of(b"one"));
        assert_ne!(of(b"one"), of(b"two"));
    }
}
