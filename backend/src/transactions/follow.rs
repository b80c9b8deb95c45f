//! `CAPTURE`, `VOID` and `REFUND`: what follows an authorisation (spec A.4).

use super::params::Refused;
use super::reply::Reply;
use super::run::Call;
use super::{TransactionError, codes, outcome, until_won};
use crate::model::{
    GatewayTransaction, Money, Operation, OperationKind, Outcome, OwnerKind, TransactionFilter,
    TransactionKind, TransactionState,
};
use crate::operations::{self, Plan};
use crate::storage::{Page, StoreError, Transaction};

/// So many of an authorisation's followers are looked at; one more is refused.
const MOST: u32 = 1_000;

/// Runs what follows an authorisation.
pub async fn run(call: &Call<'_>) -> Result<Reply, TransactionError> {
    let (row, operation) = until_won(|| begin(call)).await?;
    let settled = call.operations.follow_up(operation).await?;
    outcome::reply(call, &row.number, &settled).await
}

async fn begin(call: &Call<'_>) -> Result<(GatewayTransaction, Operation), TransactionError> {
    let caller = &call.admitted.caller;
    let mut transaction = call.core.store.begin().await?;
    call.admitted.take(call.core, &mut *transaction).await?;
    let original = original(call, &mut *transaction).await?;
    let parent = original.operation.clone().ok_or_else(Call::unknown_original)?;
    let parent = transaction.find_operation(caller.merchant.clone(), parent).await?;
    let parent = parent.ok_or_else(Call::unknown_original)?;
    let amount = amount(call, &mut *transaction, &original).await?;
    let mut row = call.transaction();
    row.original.clone_from(&original.number);
    row.amount = Some(amount);
    if row.order_id.is_empty() {
        row.order_id.clone_from(&original.order_id);
    }
    let plan = Plan {
        merchant: caller.merchant.clone(),
        mode: caller.mode,
        owner: OwnerKind::Transaction,
        owner_id: &row.number,
        kind: match call.kind {
            TransactionKind::Capture => OperationKind::Capture,
            TransactionKind::Void => OperationKind::Void,
            _ => OperationKind::Refund,
        },
        parent: Some(parent.id),
        card: None,
        gateway: parent.gateway,
        amount,
    };
    let operation = operations::begin(call.core, &mut *transaction, plan).await?;
    row.operation = Some(operation.id.clone());
    transaction.add_transaction(row.clone()).await.map_err(|error| match error {
        StoreError::Conflict => StoreError::Retry,
        other => other,
    })?;
    let entry = call.core.entry(&caller.actor(), "transaction.begin", &row.number, Outcome::Done);
    transaction.add_audit(entry).await?;
    transaction.commit().await?;
    Ok((row, operation))
}

/// The approved authorisation that a call names, itself or by one of its captures.
async fn original(
    call: &Call<'_>,
    transaction: &mut dyn Transaction,
) -> Result<GatewayTransaction, TransactionError> {
    let caller = &call.admitted.caller;
    let mut number = call.text("original_transaction_id").to_owned();
    for _ in 0..2 {
        let found = transaction.find_transaction(caller.merchant.clone(), caller.mode, number).await?;
        let row = found.filter(|row| row.state == TransactionState::Approved);
        let row = row.ok_or_else(Call::unknown_original)?;
        if row.kind.is_authorisation() {
            return Ok(row);
        }
        number = row.original;
    }
    Err(Call::unknown_original())
}

/// The amount: everything there is where none, or nothing, is named. More than there is is refused here; of two that
/// come at once, the gateway refuses one.
async fn amount(
    call: &Call<'_>,
    transaction: &mut dyn Transaction,
    original: &GatewayTransaction,
) -> Result<Money, TransactionError> {
    let whole = original.amount.ok_or_else(Call::unknown_original)?;
    let left = match call.kind {
        TransactionKind::Void => return Ok(whole),
        TransactionKind::Capture => whole,
        _ => left_to_refund(transaction, original, whole).await?,
    };
    let currency = match call.text("currency_code_iso3") {
        "" => whole.currency().code(),
        currency => currency,
    };
    let named = match call.text("amount") {
        "" => Money::of_minor(0, whole.currency()),
        text => Money::parse(text, currency).map_err(|error| match error {
            crate::model::MoneyError::Currency => Refused { code: codes::CURRENCY, name: String::new() },
            _ => Refused::parameter("amount"),
        })?,
    };
    let amount = if named.is_zero() { left } else { named };
    match left.minus(amount) {
        _ if amount.currency() != whole.currency() => {
            Err(Refused { code: codes::CURRENCY, name: String::new() }.into())
        }
        Some(_) if !amount.is_zero() => Ok(amount),
        _ => Err(Refused::parameter("amount").into()),
    }
}

async fn left_to_refund(
    transaction: &mut dyn Transaction,
    original: &GatewayTransaction,
    whole: Money,
) -> Result<Money, TransactionError> {
    let filter = TransactionFilter::FollowUps(original.number.clone());
    let page = Page { after: None, limit: MOST };
    let followers =
        transaction.list_transactions(original.merchant.clone(), original.mode, filter, page).await?;
    if followers.len() >= MOST as usize {
        return Err(Refused::parameter("original_transaction_id").into());
    }
    let nothing = Money::of_minor(0, whole.currency());
    let sum = |kind: TransactionKind| {
        let done = followers.iter().filter(|row| row.kind == kind && row.state == TransactionState::Approved);
        done.filter_map(|row| row.amount).try_fold(nothing, Money::plus)
    };
    let taken = if original.kind == TransactionKind::AuthCapture {
        Some(whole)
    } else {
        sum(TransactionKind::Capture)
    };
    let left = taken.zip(sum(TransactionKind::Refund)).and_then(|(taken, back)| taken.minus(back));
    Ok(left.unwrap_or(nothing))
}
