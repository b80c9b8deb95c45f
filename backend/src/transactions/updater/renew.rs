//! Filing what a scheme knows: the card, the token, the history, the merchant's webhook, in one transaction.

use super::Finding;
use crate::access::company;
use crate::core::Core;
use crate::model::{AccountUpdate, Card, GatewayToken, Outcome, TransactionState, UpdateState};
use crate::storage::{StoreError, Transaction};
use crate::transactions::manage::is_usable;
use crate::transactions::{TransactionError, codes, outcome, webhook};
use crate::vault::within::Managed;

/// Files what is known of one token's card. Does nothing where somebody else has. `None` is a card that could not be
/// asked about: the token, or its card, is gone, or it was switched off.
pub async fn file(
    core: &Core,
    transaction: &mut dyn Transaction,
    managed: &Managed,
    mut update: AccountUpdate,
    finding: Option<&Finding>,
) -> Result<bool, TransactionError> {
    let merchant = update.merchant.clone();
    let token = transaction.lock_token(merchant.clone(), update.mode, update.token.clone()).await?;
    let token = match token {
        Some(token) if is_usable(transaction, &token).await? => Some(token),
        _ => None,
    };
    let finding = finding.filter(|_| token.is_some());
    update.scheme_code = finding.map(|finding| finding.code.clone()).unwrap_or_default();
    update.new_number = finding.is_some_and(|finding| finding.number.is_some());
    update.new_expiry = finding.is_some_and(|finding| finding.expiry.is_some());
    let is_updated = update.new_number || update.new_expiry;
    update.state = if is_updated { UpdateState::Updated } else { UpdateState::NotUpdated };
    update.finished_at = Some(core.now());
    if !transaction.finish_update(update.clone()).await? {
        return Ok(false);
    }
    let card = match (token, finding) {
        (Some(token), Some(finding)) if is_updated => {
            renewed(core, transaction, managed, token, finding).await?
        }
        _ => None,
    };
    settle_request(core, transaction, &update).await?;
    let actor = company::acting(&merchant, update.mode, "updater", "").actor();
    transaction.add_audit(core.entry(&actor, "token.renew", &update.token, Outcome::Done)).await?;
    webhook::tell_update(core, transaction, &update, card.as_ref()).await?;
    Ok(is_updated)
}

/// Gives the token the newer card; answers it.
async fn renewed(
    core: &Core,
    transaction: &mut dyn Transaction,
    managed: &Managed,
    token: GatewayToken,
    finding: &Finding,
) -> Result<Option<Card>, TransactionError> {
    let old = token.card.clone();
    match (&finding.number, finding.expiry) {
        (Some(number), expiry) => {
            let card = managed.renew_number(core, transaction, &old, number, expiry).await?;
            outcome::put_card(core, transaction, token, card.id.clone()).await?;
            Ok(Some(card))
        }
        (None, Some(expiry)) => {
            let Some(card) = managed.renew_expiry(core, transaction, &old, expiry).await? else {
                return Err(StoreError::Retry.into());
            };
            Ok(Some(card))
        }
        (None, None) => Ok(None),
    }
}

/// Ends the transaction that asked, where one did.
async fn settle_request(
    core: &Core,
    transaction: &mut dyn Transaction,
    update: &AccountUpdate,
) -> Result<(), TransactionError> {
    if update.asked_by.is_empty() {
        return Ok(());
    }
    let found =
        transaction.find_transaction(update.merchant.clone(), update.mode, update.asked_by.clone()).await?;
    if let Some(mut row) = found {
        row.state = TransactionState::Approved;
        row.code = codes::SUCCESS;
        row.settled_at = Some(core.now());
        transaction.settle_transaction(row).await?;
    }
    Ok(())
}
