//! Reading a card through an endpoint: the secret proved, the use counted, the entry in the audit log committed, and
//! only then the card given out.

use zeroize::Zeroizing;

use super::{RetrieveError, bind, page_secret, wrapping_key};
use crate::card_data::{Meaning, meaning};
use crate::core::{ANONYMOUS, Actor, Core};
use crate::crypto::{Key32, aead, secret};
use crate::json::Members;
use crate::model::retrieve::Ended;
use crate::model::{Card, KeyPairRow, Outcome, RetrieveEndpoint, Shown, VaultKey};
use crate::rules::{self, Sight, stored};
use crate::storage::Transaction;
use crate::vault::{cards, mask_member};

/// What is to be read.
pub struct Reading<'r> {
    /// The endpoint's name.
    pub unique_id: &'r str,
    /// The secret that was given: the endpoint's, or on the hosted page its page's.
    pub secret: &'r str,
    /// The card; may be left out where the endpoint is locked to one.
    pub token: Option<&'r str>,
    /// Its reference.
    pub reference: Option<&'r str>,
    /// The client's address.
    pub address: &'r str,
    /// Whether the hosted page reveals the card.
    pub reveal: bool,
}

/// A vault key and a card that an endpoint may read.
struct Found {
    key: VaultKey,
    pairs: Vec<KeyPairRow>,
    card: Card,
}

/// An endpoint whose secret was brought.
struct Proven {
    endpoint: RetrieveEndpoint,
    /// Its page's secret.
    page: Zeroizing<String>,
    /// Whether no more than that was brought.
    is_page_only: bool,
}

/// Reads a card. Its security code is never among the members.
pub async fn open(core: &Core, reading: &Reading<'_>) -> Result<Members, RetrieveError> {
    let Proven { endpoint, page, is_page_only } = prove(core, reading).await?;
    let actor = actor(&endpoint, reading.address);
    if (endpoint.reveal_only || is_page_only) && !reading.reveal {
        core.refused(&actor, "retrieve.page_only", endpoint.id.as_str()).await;
        return Err(RetrieveError::PageOnly);
    }
    if let Err(ended) = endpoint.state(core.now(), reading.reveal) {
        core.refused(&actor, "retrieve.ended", endpoint.id.as_str()).await;
        return Err(RetrieveError::Ended(ended));
    }
    let found = find(&mut *core.store.read().await?, &endpoint, reading).await;
    if matches!(found, Err(RetrieveError::Unknown)) {
        core.refused(&actor, "retrieve.card", endpoint.id.as_str()).await;
    }
    let found = found?;
    let inner = core.root.unwrap(&bind(&endpoint), &endpoint.wrapped)?;
    let custody = aead::open(&wrapping_key(core, &endpoint, &page), &bind(&endpoint), &inner)?;
    let unlocked = core.keyring.unlocked_by(core, &found.key, &found.pairs, &Key32::from_slice(&custody)?)?;
    let mut transaction = core.store.begin().await?;
    // The card as this transaction sees it: a capture may have changed it since.
    let card = find(&mut *transaction, &endpoint, reading).await?.card;
    let mut members = cards::members_of(&mut *transaction, &unlocked, &card).await?;
    if !transaction.use_retrieval(endpoint.merchant.clone(), endpoint.id.clone(), reading.reveal).await? {
        return Err(RetrieveError::Ended(Ended::UsedUp));
    }
    let action = if reading.reveal { "card.reveal" } else { "card.retrieve" };
    transaction.add_audit(core.entry(&actor, action, card.id.as_str(), Outcome::Done)).await?;
    transaction.commit().await?;
    for field in &endpoint.mask_fields {
        mask_member(&mut members, field);
    }
    let Some(rules) = &endpoint.rules else { return Ok(members) };
    // After the masks, of which no rule can take anything back.
    Ok(rules::apply(&stored::of_kept(rules)?, members, Sight::Kept, &endpoint.mask_fields)?)
}

/// What may be shown of a card before it is read.
pub struct Peeked {
    /// The number by its ends, or hidden.
    pub number: String,
    /// The holder by initials, or hidden; empty where there is none.
    pub holder: String,
    /// The expiry, or hidden; empty where there is none.
    pub expiry: String,
}

/// What may be shown of a card before it is read, by the endpoint's masks. Counts as no use.
pub async fn peek(core: &Core, reading: &Reading<'_>) -> Result<Peeked, RetrieveError> {
    let Proven { endpoint, .. } = prove(core, reading).await?;
    endpoint.state(core.now(), reading.reveal).map_err(RetrieveError::Ended)?;
    let shown = find(&mut *core.store.read().await?, &endpoint, reading).await?.card.shown;
    Ok(peeked(&endpoint, shown))
}

/// Rules work on the opened card: what they would leave of it is not known yet, so nothing is shown before.
fn peeked(endpoint: &RetrieveEndpoint, shown: Shown) -> Peeked {
    let rules = endpoint.rules.is_some();
    let masked = |is: fn(Meaning) -> bool| rules || endpoint.mask_fields.iter().any(|name| is(meaning(name)));
    let or_hidden =
        |text: String, hidden: bool| if hidden { "•".repeat(text.chars().count().min(8)) } else { text };
    let digits = usize::from(shown.digits);
    let number = if rules {
        "•".repeat(digits)
    } else {
        shared::mask::number(&shown.first_six, &shown.last_four, digits)
    };
    let expiry = shown.expiry.map(shared::Expiry::short).unwrap_or_default();
    Peeked {
        number,
        holder: or_hidden(shown.holder, masked(|of| of == Meaning::Holder)),
        expiry: or_hidden(expiry, masked(Meaning::is_expiry)),
    }
}

/// The endpoint of a name, for whoever knows its secret or its page's. The failure is audited.
async fn prove(core: &Core, reading: &Reading<'_>) -> Result<Proven, RetrieveError> {
    let mut transaction = core.store.read().await?;
    let found = transaction.find_retrieval_by_secret_name(reading.unique_id.to_owned()).await?;
    drop(transaction);
    let hash = found.as_ref().map_or(&[0_u8; 32][..], |endpoint| &endpoint.secret_hash);
    let page = page_secret(core, reading.secret);
    let (is_whole, is_page_only) = (secret::matches(&page, hash), secret::matches(reading.secret, hash));
    match found {
        Some(endpoint) if is_whole => Ok(Proven { endpoint, page, is_page_only: false }),
        Some(endpoint) if is_page_only => {
            Ok(Proven { endpoint, page: Zeroizing::new(reading.secret.to_owned()), is_page_only: true })
        }
        found => {
            let (merchant, mode) =
                found.map_or((None, None), |endpoint| (Some(endpoint.merchant), Some(endpoint.mode)));
            let actor = Actor { merchant, mode, name: ANONYMOUS.into(), address: reading.address.into() };
            core.refused(&actor, "retrieve.secret", "").await;
            Err(RetrieveError::Unknown)
        }
    }
}

fn actor(endpoint: &RetrieveEndpoint, address: &str) -> Actor {
    Actor {
        merchant: Some(endpoint.merchant.clone()),
        mode: Some(endpoint.mode),
        name: format!("retrieve:{}", endpoint.id),
        address: address.to_owned(),
    }
}

/// The card that is asked for, if the endpoint reads it.
async fn find(
    transaction: &mut dyn Transaction,
    endpoint: &RetrieveEndpoint,
    reading: &Reading<'_>,
) -> Result<Found, RetrieveError> {
    let token = locked(endpoint.lock_token.as_deref(), reading.token)?.ok_or(RetrieveError::Unknown)?;
    let reference = locked(endpoint.lock_reference.as_deref(), reading.reference)?.unwrap_or_default();
    let (merchant, name) = (endpoint.merchant.clone(), endpoint.key_name.clone());
    let key = transaction.find_key(merchant.clone(), endpoint.mode, name).await?;
    let key = key.filter(|key| key.id == endpoint.key).ok_or(RetrieveError::Unknown)?;
    let pairs = transaction.pairs(merchant.clone(), key.id.clone()).await?;
    let card = transaction
        .find_card(merchant, key.id.clone(), token.to_owned(), reference.to_owned())
        .await?
        .ok_or(RetrieveError::Unknown)?;
    Ok(Found { key, pairs, card })
}

/// What is asked for, unless it is something else than what the endpoint is locked to.
fn locked<'t>(lock: Option<&'t str>, asked: Option<&'t str>) -> Result<Option<&'t str>, RetrieveError> {
    match (lock, asked) {
        (Some(lock), Some(asked)) if lock != asked => Err(RetrieveError::Unknown),
        (lock, asked) => Ok(lock.or(asked)),
    }
}
