//! The terms of security codes by calls of the merchant: read, set, taken back; and the end of cards whose code
//! takes them along (spec B.5, design.md, decision 5).

use super::VaultError;
use super::paycards::{PaycardName, find_in};
use crate::access::Caller;
use crate::core::{Actor, Core};
use crate::invalid::Invalid;
use crate::model::terms::{LONGEST_LIFE, MAX_DESTINATIONS};
use crate::model::{Card, CvvDestination, CvvTerms, DestinationKind, Outcome, Timestamp};
use crate::storage::{StoreError, Transaction};

/// What a merchant sets.
pub struct NewTerms {
    /// When the code ends; as it was where none is given.
    pub ends_at: Option<Timestamp>,
    /// Whether the card goes with the code.
    pub deletes_card: bool,
    /// Where the code may be used, and how often.
    pub destinations: Vec<CvvDestination>,
}

/// The terms of a card's code; `None` where the card has no code.
pub async fn find(core: &Core, caller: &Caller, name: &PaycardName) -> Result<Option<CvvTerms>, VaultError> {
    let mut transaction = core.store.read().await?;
    let card = find_in(&mut *transaction, caller, name).await?;
    let terms = transaction.find_cvv_terms(card.merchant.clone(), card.id.clone()).await?;
    Ok(terms.filter(|terms| terms.expires_at > core.now()))
}

/// Sets the terms of a card's code. What was used stays used; a code without uses left is erased at once.
pub async fn set(
    core: &Core,
    caller: &Caller,
    name: &PaycardName,
    new: NewTerms,
) -> Result<Option<CvvTerms>, VaultError> {
    let destinations = checked(new.destinations)?;
    let mut transaction = core.store.begin().await?;
    let card = find_in(&mut *transaction, caller, name).await?;
    let mut terms = locked(core, &mut *transaction, &card).await?.ok_or(VaultError::NoCode)?;
    if let Some(end) = new.ends_at {
        check_end(core, &card, &terms, end)?;
        terms.expires_at = end;
    }
    terms.deletes_card = new.deletes_card;
    terms.restrict(destinations, core.policy.cvv_uses);
    write(core, caller, transaction, &card, terms, "cvv.terms").await
}

/// Takes destinations of a kind back, or the one with this data. Without any left, and without a kind, the
/// operator's own terms hold again.
pub async fn remove(
    core: &Core,
    caller: &Caller,
    name: &PaycardName,
    kind: Option<DestinationKind>,
    data: Option<&str>,
) -> Result<Option<CvvTerms>, VaultError> {
    let mut transaction = core.store.begin().await?;
    let card = find_in(&mut *transaction, caller, name).await?;
    let mut terms = locked(core, &mut *transaction, &card).await?.ok_or(VaultError::NoCode)?;
    let before = terms.destinations.len();
    let mut left = terms.destinations.clone();
    left.retain(|place| {
        let meant = kind.is_none_or(|kind| kind == place.kind)
            && data.is_none_or(|data| place.kind.normal(data) == place.data);
        !meant
    });
    if kind.is_some() && left.len() == before {
        return Err(VaultError::UnknownCard);
    }
    let none_left = left.is_empty();
    terms.restrict(left, core.policy.cvv_uses);
    if none_left {
        terms.deletes_card = false;
        terms.expires_at = terms.expires_at.min(terms.created_at.plus(core.policy.cvv_life));
    }
    write(core, caller, transaction, &card, terms, "cvv.terms").await
}

/// Erases a card's code. Answers whether there was one.
pub async fn clear(core: &Core, caller: &Caller, name: &PaycardName) -> Result<bool, VaultError> {
    let mut transaction = core.store.begin().await?;
    let card = find_in(&mut *transaction, caller, name).await?;
    let was = transaction.delete_cvv(card.merchant.clone(), card.id.clone()).await?;
    transaction.add_audit(core.entry(&caller.actor(), "cvv.clear", card.id.as_str(), Outcome::Done)).await?;
    transaction.commit().await?;
    Ok(was)
}

/// Erases a code that has no uses left, with its card where the terms say so. Answers whether it did.
pub async fn end_if_used_up(
    core: &Core,
    transaction: &mut dyn Transaction,
    actor: &Actor,
    card: &Card,
    terms: &CvvTerms,
) -> Result<bool, StoreError> {
    if terms.uses_left > 0 && terms.expires_at > core.now() {
        return Ok(false);
    }
    transaction.delete_cvv(card.merchant.clone(), card.id.clone()).await?;
    if terms.deletes_card {
        transaction.delete_card(card.merchant.clone(), card.id.clone()).await?;
        transaction.add_audit(core.entry(actor, "card.delete", card.id.as_str(), Outcome::Done)).await?;
    }
    Ok(true)
}

/// Deletes cards whose code has ended and takes them along. Part of a sweep, before codes are swept.
pub async fn sweep(core: &Core, transaction: &mut dyn Transaction) -> Result<(), StoreError> {
    for (merchant, card) in transaction.cards_that_end(core.now(), 1_000).await? {
        let actor = Actor {
            merchant: Some(merchant.clone()),
            mode: None,
            name: "sweeper".to_owned(),
            address: String::new(),
        };
        transaction.add_audit(core.entry(&actor, "card.delete", card.as_str(), Outcome::Done)).await?;
        transaction.delete_card(merchant, card).await?;
    }
    Ok(())
}

async fn locked(
    core: &Core,
    transaction: &mut dyn Transaction,
    card: &Card,
) -> Result<Option<CvvTerms>, StoreError> {
    let terms = transaction.lock_cvv_terms(card.merchant.clone(), card.id.clone()).await?;
    Ok(terms.filter(|terms| terms.expires_at > core.now()))
}

async fn write(
    core: &Core,
    caller: &Caller,
    mut transaction: Box<dyn Transaction>,
    card: &Card,
    terms: CvvTerms,
    action: &'static str,
) -> Result<Option<CvvTerms>, VaultError> {
    let actor = caller.actor();
    transaction.add_audit(core.entry(&actor, action, card.id.as_str(), Outcome::Done)).await?;
    let ended = end_if_used_up(core, &mut *transaction, &actor, card, &terms).await?;
    if !ended {
        transaction.set_cvv_terms(card.merchant.clone(), card.id.clone(), terms.clone()).await?;
    }
    transaction.commit().await?;
    Ok((!ended).then_some(terms))
}

fn checked(mut destinations: Vec<CvvDestination>) -> Result<Vec<CvvDestination>, Invalid> {
    let at = |index: usize, name: &str| format!("/CvvRetentionPolicyList/{index}/{name}");
    if destinations.len() > MAX_DESTINATIONS {
        let detail = format!("There are at most {MAX_DESTINATIONS} destinations.");
        return Err(Invalid::new("/CvvRetentionPolicyList", "too_many", detail));
    }
    for (index, place) in destinations.iter_mut().enumerate() {
        let most = place.kind.most();
        if !(1..=most).contains(&place.quota) {
            let detail = format!("A quota is between 1 and {most} here.");
            return Err(Invalid::new(at(index, "Quota"), "range", detail));
        }
        let given = !place.data.trim().is_empty();
        place.data = place.kind.normal(&place.data);
        let unreadable = given && place.data.is_empty();
        let needed = place.kind == DestinationKind::HostName && !given;
        let strange = place.data.len() > 255
            || place.data.chars().any(char::is_control)
            || shared::digits::holds_card_number(&place.data);
        if unreadable || needed || strange {
            return Err(Invalid::new(at(index, "DestinationData"), "destination", "This names no place."));
        }
    }
    let twice = destinations.iter().enumerate().find(|(index, place)| {
        destinations.iter().take(*index).any(|other| other.kind == place.kind && other.data == place.data)
    });
    if let Some((index, _)) = twice {
        return Err(Invalid::new(
            at(index, "DestinationData"),
            "duplicate",
            "This destination stands twice.",
        ));
    }
    Ok(destinations)
}

fn check_end(core: &Core, card: &Card, terms: &CvvTerms, end: Timestamp) -> Result<(), Invalid> {
    let wrong = |detail: &str| Err(Invalid::new("/CvvEndRetentionDate", "range", detail));
    if end <= core.now() {
        return wrong("The end date lies in the past.");
    }
    if end > terms.created_at.plus(core.policy.cvv_cap) {
        return wrong("The end date is later than this server's operator allows.");
    }
    if end > card.created_at.plus(LONGEST_LIFE) {
        return wrong("The end date is later than 48 months after the card was stored.");
    }
    Ok(())
}
