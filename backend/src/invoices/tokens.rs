//! Tokens of stored cards: whose they are, and whether they may be charged. A token is the vault's own, under the
//! managed key; a customer is bound to its card at the first use, or by the payment that brought it.

use crate::access::Caller;
use crate::core::Core;
use crate::crypto::{hex, secret};
use crate::invalid::Invalid;
use crate::model::{
    Card, CardId, CardOwner, Custody, Customer, CustomerId, MerchantId, Mode, Outcome, Timestamp,
};
use crate::storage::{Page, Transaction};
use crate::vault::keys;

use super::InvoiceError;

/// Where a token stands in a body.
const POINTER: &str = "/data/attributes/token";
/// So many keys are looked through in one go.
const STRETCH: u32 = 200;

/// The customer of a reference; made where it is new.
pub async fn customer(
    core: &Core,
    transaction: &mut dyn Transaction,
    caller: &Caller,
    reference: &str,
) -> Result<CustomerId, InvoiceError> {
    let parts = [caller.merchant.as_str().as_bytes(), caller.mode.as_str().as_bytes(), reference.as_bytes()];
    let digest = secret::keyed_digest(&core.subkey("customer reference"), &parts);
    let customer = Customer {
        id: CustomerId::new(&*core.entropy),
        merchant: caller.merchant.clone(),
        mode: caller.mode,
        reference_digest: hex(&digest),
        created_at: core.now(),
    };
    Ok(transaction.add_customer(customer).await?.id)
}

/// The card of a token, if it is this customer's. A card that was captured by a form or a card request becomes the
/// customer's now. Unknown tokens and those of others are refused alike.
pub async fn resolve(
    core: &Core,
    transaction: &mut dyn Transaction,
    caller: &Caller,
    token: &str,
    customer: &CustomerId,
) -> Result<(Card, CardOwner), InvoiceError> {
    let Some(card) = find(transaction, caller, token).await? else {
        return Err(unknown(transaction, caller, token).await?.into());
    };
    let owner = CardOwner {
        card: card.id.clone(),
        merchant: caller.merchant.clone(),
        mode: caller.mode,
        customer: customer.clone(),
        usable_at: Some(core.now()),
        disabled_at: None,
        scheme_reference: None,
    };
    let owner = transaction.add_card_owner(owner).await?;
    if owner.customer != *customer || owner.usable_at.is_none() {
        return Err(refused().into());
    }
    check(&card, &owner, core.now())?;
    Ok((card, owner))
}

/// Whether a token can still be charged. Only whose it is learns why it cannot.
pub fn check(card: &Card, owner: &CardOwner, now: Timestamp) -> Result<(), Invalid> {
    if owner.disabled_at.is_some() {
        return Err(Invalid::new(POINTER, "disabled", "This token was switched off."));
    }
    match card.shown.expiry {
        None => {
            Err(Invalid::new(POINTER, "expiry", "The card of this token has no expiry; store it once more."))
        }
        Some(expiry) if expiry.is_past(now.year_month()) => {
            Err(Invalid::new(POINTER, "expired", "The card of this token has expired."))
        }
        Some(_) => Ok(()),
    }
}

/// Switches a token off, or on again.
pub async fn switch(core: &Core, caller: &Caller, token: &str, on: bool) -> Result<(), InvoiceError> {
    let mut transaction = core.store.begin().await?;
    let card = find(&mut *transaction, caller, token).await?.ok_or(InvoiceError::Unknown)?;
    let disabled_at = (!on).then(|| core.now());
    if !transaction.switch_card_owner(caller.merchant.clone(), card.id.clone(), disabled_at).await? {
        return Err(InvoiceError::Unknown);
    }
    let action = if on { "token.enable" } else { "token.disable" };
    transaction.add_audit(core.entry(&caller.actor(), action, card.id.as_str(), Outcome::Done)).await?;
    transaction.commit().await?;
    Ok(())
}

/// Makes a customer's card usable, once a payment by it has succeeded. Nothing happens to one that the merchant has
/// deleted meanwhile.
pub async fn confirm(
    transaction: &mut dyn Transaction,
    merchant: &MerchantId,
    card: &CardId,
    now: Timestamp,
    scheme_reference: Option<&str>,
) -> Result<(), InvoiceError> {
    let scheme_reference = scheme_reference.map(str::to_owned);
    transaction.confirm_card_owner(merchant.clone(), card.clone(), now, scheme_reference).await?;
    Ok(())
}

/// Makes a card a customer's that a payment is under way for: its token is not usable before that has succeeded.
pub async fn reserve(
    transaction: &mut dyn Transaction,
    merchant: &MerchantId,
    mode: Mode,
    card: &CardId,
    customer: &CustomerId,
) -> Result<(), InvoiceError> {
    let owner = CardOwner {
        card: card.clone(),
        merchant: merchant.clone(),
        mode,
        customer: customer.clone(),
        usable_at: None,
        disabled_at: None,
        scheme_reference: None,
    };
    transaction.add_card_owner(owner).await?;
    Ok(())
}

/// One token can name several cards, told apart by references; the one without is meant, or the only one.
async fn find(
    transaction: &mut dyn Transaction,
    caller: &Caller,
    token: &str,
) -> Result<Option<Card>, InvoiceError> {
    let (merchant, mode) = (caller.merchant.clone(), caller.mode);
    let Some(key) = transaction.find_key(merchant.clone(), mode, keys::MANAGED.to_owned()).await? else {
        return Ok(None);
    };
    let found =
        transaction.find_card(merchant.clone(), key.id.clone(), token.to_owned(), String::new()).await?;
    if found.is_some() {
        return Ok(found);
    }
    let mut found = transaction.find_cards_by_token(merchant, key.id, token.to_owned(), 2).await?;
    Ok(found.pop().filter(|_| found.is_empty()))
}

/// The refusal of a token that is not under the managed key: a passphrase key's says that, since only its own
/// merchant comes here.
async fn unknown(
    transaction: &mut dyn Transaction,
    caller: &Caller,
    token: &str,
) -> Result<Invalid, InvoiceError> {
    let mut after = None;
    loop {
        let page = Page { after, limit: STRETCH };
        let keys = transaction.list_keys(caller.merchant.clone(), caller.mode, page).await?;
        for key in keys.iter().filter(|key| key.custody == Custody::Passphrase) {
            let (merchant, key) = (caller.merchant.clone(), key.id.clone());
            if !transaction.find_cards_by_token(merchant, key, token.to_owned(), 1).await?.is_empty() {
                let detail = "The card of this token is stored under a key with a passphrase of yours, which this \
                              server does not have. Only cards under the managed key can be charged.";
                return Ok(Invalid::new(POINTER, "passphrase_key", detail));
            }
        }
        match keys.last() {
            Some(last) if keys.len() == STRETCH as usize => after = Some(last.name.clone()),
            _ => return Ok(refused()),
        }
    }
}

fn refused() -> Invalid {
    Invalid::new(POINTER, "unknown", "There is no such token for this customer.")
}
