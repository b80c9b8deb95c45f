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
    let followers = Followers::of(&mut *transaction, &original).await?;
    let parent = original.operation.clone().ok_or_else(Call::unknown_original)?;
    let parent = transaction.find_operation(caller.merchant.clone(), parent).await?;
    let parent = parent.ok_or_else(Call::unknown_original)?;
    let amount = amount(call, &followers, &original)?;
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

/// The approved authorisation that a call names, itself or by one of its captures; nobody else adds to what follows it
/// before the end of the transaction.
async fn original(
    call: &Call<'_>,
    transaction: &mut dyn Transaction,
) -> Result<GatewayTransaction, TransactionError> {
    let caller = &call.admitted.caller;
    let named = call.text("original_transaction_id").to_owned();
    let found = transaction.find_transaction(caller.merchant.clone(), caller.mode, named).await?;
    let is_approved = |row: &GatewayTransaction| row.state == TransactionState::Approved;
    let found = found.filter(is_approved).ok_or_else(Call::unknown_original)?;
    let number = match found.kind {
        TransactionKind::Capture => found.original,
        _ => found.number,
    };
    let locked = transaction.lock_transaction(caller.merchant.clone(), caller.mode, number).await?;
    let fits = |row: &GatewayTransaction| is_approved(row) && row.kind.is_authorisation();
    locked.filter(fits).ok_or_else(Call::unknown_original)
}

/// Captures, voids and refunds of an authorisation that were not refused. One whose end is not known yet counts like
/// one that was done: the gateway may have done it.
struct Followers(Vec<GatewayTransaction>);

impl Followers {
    async fn of(
        transaction: &mut dyn Transaction,
        original: &GatewayTransaction,
    ) -> Result<Self, TransactionError> {
        let filter = TransactionFilter::FollowUps(original.number.clone());
        let page = Page { after: None, limit: MOST };
        let mut rows =
            transaction.list_transactions(original.merchant.clone(), original.mode, filter, page).await?;
        if rows.len() >= MOST as usize {
            return Err(refused("too much follows it"));
        }
        rows.retain(|row| row.state != TransactionState::Refused);
        Ok(Self(rows))
    }

    fn has(&self, kind: TransactionKind) -> bool {
        self.0.iter().any(|row| row.kind == kind)
    }

    /// What is behind a void can be neither taken nor given back, and what was taken cannot be freed.
    fn allow(&self, kind: TransactionKind) -> Result<(), TransactionError> {
        if self.has(TransactionKind::Void) {
            return Err(refused("it is void"));
        }
        if kind == TransactionKind::Void && !self.0.is_empty() {
            return Err(refused("it has a capture or a refund"));
        }
        Ok(())
    }

    /// What is left of an authorisation for a capture, or for a refund.
    fn left(&self, kind: TransactionKind, original: &GatewayTransaction, whole: Money) -> Option<Money> {
        let sum = |kind: TransactionKind, counts: fn(TransactionState) -> bool| {
            let rows = self.0.iter().filter(|row| row.kind == kind && counts(row.state));
            rows.filter_map(|row| row.amount).try_fold(Money::of_minor(0, whole.currency()), Money::plus)
        };
        let is_sale = original.kind == TransactionKind::AuthCapture;
        if kind == TransactionKind::Capture {
            return if is_sale { None } else { whole.minus(sum(TransactionKind::Capture, |_| true)?) };
        }
        // Given back is what was taken for certain.
        let done = |state| state == TransactionState::Approved;
        let taken = if is_sale { whole } else { sum(TransactionKind::Capture, done)? };
        taken.minus(sum(TransactionKind::Refund, |_| true)?)
    }
}

/// The amount: everything there is where none, or nothing, is named. Never more than there is.
fn amount(
    call: &Call<'_>,
    followers: &Followers,
    original: &GatewayTransaction,
) -> Result<Money, TransactionError> {
    let whole = original.amount.ok_or_else(Call::unknown_original)?;
    followers.allow(call.kind)?;
    if call.kind == TransactionKind::Void {
        return Ok(whole);
    }
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
    let left = followers.left(call.kind, original, whole);
    let left = left.unwrap_or(Money::of_minor(0, whole.currency()));
    let amount = if named.is_zero() { left } else { named };
    match left.minus(amount) {
        _ if amount.currency() != whole.currency() => {
            Err(Refused { code: codes::CURRENCY, name: String::new() }.into())
        }
        Some(_) if !amount.is_zero() => Ok(amount),
        _ => Err(Refused::parameter("amount").into()),
    }
}

/// The refusal of what cannot follow any more, and why.
fn refused(why: &str) -> TransactionError {
    Refused::parameter(format!("original_transaction_id ({why})")).into()
}
