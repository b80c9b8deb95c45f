//! `SUBSCRIPTION_MANAGE`: what is known of a token's holder, and whether the token can be used (spec A.6).

use std::time::Duration;

use super::params::Refused;
use super::person::Person;
use super::reply::Reply;
use super::run::Call;
use super::{TransactionError, codes, until_won};
use crate::model::{GatewayToken, Outcome, Subscription, TransactionState};
use crate::operations;
use crate::storage::{StoreError, Transaction};
use crate::vault::within;

/// So long does DISABLE wait for charges that began before it.
const PATIENCE: Duration = Duration::from_secs(15);
/// How often it looks.
const LOOK: Duration = Duration::from_millis(20);

/// Runs `SUBSCRIPTION_MANAGE`.
pub async fn run(call: &Call<'_>) -> Result<Reply, TransactionError> {
    match call.subscription {
        Some(Subscription::UpdateBilling) => update(call).await,
        Some(Subscription::Enable) => switch(call, true).await,
        Some(Subscription::Disable) => {
            let reply = switch(call, false).await?;
            settle_down(call).await?;
            Ok(reply)
        }
        _ => Err(Refused::parameter("subscription_type").into()),
    }
}

/// Merges personal data. The card's own data have another way, by an authorisation.
async fn update(call: &Call<'_>) -> Result<Reply, TransactionError> {
    for name in ["cardnumber", "cardexp", "cardcvv", "card_token"] {
        if !call.request.text("billing", name).is_empty() {
            return Err(Refused::parameter(name).into());
        }
    }
    let told = Person::of(call.request);
    let (caller, holder) = (&call.admitted.caller, told.text("cardholder_name"));
    // The name stands on the card: there, charges and all other surfaces find it.
    let managed = if holder.is_empty() { None } else { Some(within::open(call.core, caller, false).await?) };
    let number = until_won(|| async {
        let mut transaction = call.core.store.begin().await?;
        let mut token = usable(call, &mut *transaction).await?;
        let mut person = Person::open(call.core, &mut *transaction, caller, &token.id, &token.sealed).await?;
        person.merge(&told);
        person.check()?;
        token.sealed = person.seal(call.core, &mut *transaction, caller, &token.id).await?;
        if let Some(managed) = &managed {
            let renamed = managed.rename_holder(call.core, &mut *transaction, &token.card, holder).await?;
            renamed.ok_or(StoreError::Retry)?;
        }
        write(call, transaction, token, "token.update").await
    })
    .await?;
    Ok(Reply { bank_code: "00".to_owned(), ..Reply::about(codes::SUCCESS, &number) })
}

/// Switches a token. Doing it again changes nothing, and is a success.
async fn switch(call: &Call<'_>, enabled: bool) -> Result<Reply, TransactionError> {
    let action = if enabled { "token.enable" } else { "token.disable" };
    let number = until_won(|| async {
        let mut transaction = call.core.store.begin().await?;
        let token = locked(call, &mut *transaction).await?;
        write(call, transaction, GatewayToken { enabled, ..token }, action).await
    })
    .await?;
    Ok(Reply::about(codes::SUCCESS, &number))
}

/// Writes the token, the action as a transaction of its own, and its audit entry; answers its number.
async fn write(
    call: &Call<'_>,
    mut transaction: Box<dyn Transaction>,
    token: GatewayToken,
    action: &'static str,
) -> Result<String, TransactionError> {
    call.admitted.take(call.core, &mut *transaction).await?;
    let mut row = call.transaction();
    row.token.clone_from(&token.number);
    row.card = Some(token.card.clone());
    row.state = TransactionState::Approved;
    row.code = codes::SUCCESS;
    row.settled_at = Some(row.created_at);
    let number = row.number.clone();
    transaction.add_transaction(row).await.map_err(|error| match error {
        // The number is taken: another one.
        StoreError::Conflict => StoreError::Retry,
        other => other,
    })?;
    let object = token.number.clone();
    let token = GatewayToken { updated_at: call.core.now(), ..token };
    if !transaction.update_token(token).await? {
        return Err(StoreError::Retry.into());
    }
    let entry = call.core.entry(&call.admitted.caller.actor(), action, &object, Outcome::Done);
    transaction.add_audit(entry).await?;
    transaction.commit().await?;
    Ok(number)
}

/// The token that a call names, which nobody else changes before the end of the transaction. Unknown ones, and those
/// of other companies, are refused alike.
pub async fn locked(
    call: &Call<'_>,
    transaction: &mut dyn Transaction,
) -> Result<GatewayToken, TransactionError> {
    let caller = &call.admitted.caller;
    let number = call.text("original_transaction_id").to_owned();
    let token = transaction.lock_token(caller.merchant.clone(), caller.mode, number).await?;
    token.ok_or_else(Call::unknown_original)
}

/// The same, if the token can be used.
pub async fn usable(
    call: &Call<'_>,
    transaction: &mut dyn Transaction,
) -> Result<GatewayToken, TransactionError> {
    let token = locked(call, transaction).await?;
    if is_usable(transaction, &token).await? { Ok(token) } else { Err(disabled(call)) }
}

/// Whether nothing has switched a token, or the card behind it, off.
pub async fn is_usable(transaction: &mut dyn Transaction, token: &GatewayToken) -> Result<bool, StoreError> {
    let off = operations::is_switched_off(transaction, &token.merchant, &token.card).await?;
    Ok(token.enabled && !off)
}

/// The refusal of what was switched off.
pub fn disabled(call: &Call<'_>) -> TransactionError {
    Refused { code: call.core.policy.transactions.disabled_code, name: String::new() }.into()
}

/// Waits for charges that began before the token was switched off, so that none is approved after the answer.
async fn settle_down(call: &Call<'_>) -> Result<(), TransactionError> {
    let caller = &call.admitted.caller;
    let open = async || -> Result<u32, StoreError> {
        let mut transaction = call.core.store.read().await?;
        let token = call.text("original_transaction_id").to_owned();
        transaction.count_open(caller.merchant.clone(), caller.mode, token).await
    };
    let quiet = async {
        while open().await? > 0 {
            tokio::time::sleep(LOOK).await;
        }
        Ok::<_, StoreError>(())
    };
    if let Ok(done) = tokio::time::timeout(PATIENCE, quiet).await {
        return Ok(done?);
    }
    tracing::warn!("a token was switched off while a charge by it was under way for long");
    Ok(())
}
