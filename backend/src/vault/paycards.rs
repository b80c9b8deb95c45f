//! Cards of the managed key as the interface of card URIs names them: by their token, and by a reference where
//! one token has several (spec B.2).

use shared::Expiry;
use zeroize::Zeroizing;

use super::VaultError;
use super::cards::{self, CardName, Saved};
use super::keys::{self, KeyAccess};
use crate::access::Caller;
use crate::core::Core;
use crate::invalid::Invalid;
use crate::json::{Members, Value};
use crate::model::{Card, CvvTerms, Outcome};
use crate::storage::Transaction;

/// How a card is named in a URI.
pub struct PaycardName {
    /// The token.
    pub token: String,
    /// The reference; only needed where the token has several.
    pub reference: Option<String>,
}

/// A card and the terms of its code, if it has one.
pub struct Paycard {
    /// The card.
    pub card: Card,
    /// The terms of its security code.
    pub terms: Option<CvvTerms>,
}

/// A card without opening it.
pub async fn find(core: &Core, caller: &Caller, name: &PaycardName) -> Result<Paycard, VaultError> {
    let mut transaction = core.store.read().await?;
    let card = find_in(&mut *transaction, caller, name).await?;
    let terms = transaction.find_cvv_terms(card.merchant.clone(), card.id.clone()).await?;
    Ok(Paycard { card, terms: terms.filter(|terms| terms.expires_at > core.now()) })
}

/// Deletes a card with everything derived from it.
pub async fn delete(core: &Core, caller: &Caller, name: &PaycardName) -> Result<(), VaultError> {
    let mut transaction = core.store.begin().await?;
    let card = find_in(&mut *transaction, caller, name).await?;
    transaction.delete_card(caller.merchant.clone(), card.id.clone()).await?;
    transaction
        .add_audit(core.entry(&caller.actor(), "card.delete", card.id.as_str(), Outcome::Done))
        .await?;
    transaction.commit().await?;
    Ok(())
}

/// Gives a card a new expiry, under the names and in the formats that it was stored with.
pub async fn set_expiry(
    core: &Core,
    caller: &Caller,
    name: &PaycardName,
    expiry: Expiry,
) -> Result<(), VaultError> {
    let named = named(core, caller, name).await?;
    let body: Members = [("expiry".to_owned(), Value::text(expiry.short()))].into_iter().collect();
    cards::update(core, caller, &managed(), &named, body).await.map(drop)
}

/// Stores a card once more under a new random token. Its code is not carried over; a new one may be given.
pub async fn duplicate(
    core: &Core,
    caller: &Caller,
    name: &PaycardName,
    reference: Option<String>,
    code: Option<Zeroizing<String>>,
) -> Result<Saved, VaultError> {
    let named = named(core, caller, name).await?;
    let reference = reference.unwrap_or_else(|| named.reference.clone());
    cards::duplicate(core, caller, &managed(), &named, &reference, code).await
}

/// The card of a name. One token can have several cards, told apart by their references.
pub async fn find_in(
    transaction: &mut dyn Transaction,
    caller: &Caller,
    name: &PaycardName,
) -> Result<Card, VaultError> {
    let (merchant, mode) = (caller.merchant.clone(), caller.mode);
    let key = transaction.find_key(merchant.clone(), mode, keys::MANAGED.to_owned()).await?;
    let key = key.ok_or(VaultError::UnknownCard)?.id;
    let mut found: Vec<_> = match &name.reference {
        Some(reference) => {
            let found = transaction.find_card(merchant, key, name.token.clone(), reference.clone()).await?;
            found.into_iter().collect()
        }
        None => transaction.find_cards_by_token(merchant, key, name.token.clone(), 2).await?,
    };
    let card = found.pop().ok_or(VaultError::UnknownCard)?;
    if found.is_empty() {
        return Ok(card);
    }
    let detail = "This token has several cards; name one of them by its reference.";
    Err(Invalid::new("/reference", "missing", detail).into())
}

async fn named(core: &Core, caller: &Caller, name: &PaycardName) -> Result<CardName, VaultError> {
    let card = find_in(&mut *core.store.read().await?, caller, name).await?;
    Ok(CardName { token: card.token, reference: card.reference })
}

fn managed() -> KeyAccess {
    KeyAccess { user: keys::MANAGED.to_owned(), passphrase: Zeroizing::default() }
}
