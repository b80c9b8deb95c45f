//! The simulator's book: every request is one transaction that finds what was done for the operation already, or
//! does it and writes it down.

use std::time::Duration;

use super::acs::Verdict;
use super::{is_approved, reference, refusal};
use crate::core::Core;
use crate::gateways::{Answer, Approval, FollowUp, Unknown};
use crate::model::{LedgerEntry, Money, OperationId, OperationKind, Timestamp, published};
use crate::storage::{StoreError, Transaction};

/// Tries in all where somebody else changes the same entry.
const TRIES: usize = 8;
/// So long has a payer time at the issuer.
const CHALLENGE_LIFE: Duration = Duration::from_mins(30);
/// The table, for errors.
const TABLE: &str = "sandbox_ledger";

/// What the simulator is asked to do.
pub enum Request<'r> {
    /// An authorisation, sale or check, as it will be written.
    Charge(LedgerEntry),
    /// A capture, void or refund.
    FollowUp(OperationKind, &'r FollowUp),
    /// The payer is back from the issuer; `None` with nothing from there.
    Return(&'r OperationId, Option<Verdict>),
}

/// Does what is asked unless it was done already. Answers after the commit.
pub async fn write(core: &Core, request: &Request<'_>) -> Result<Answer, Unknown> {
    let mut last = None;
    for _ in 0..TRIES {
        match write_once(core, request).await {
            Ok(answer) => return Ok(answer),
            Err(error @ (StoreError::Retry | StoreError::Conflict)) => last = Some(error),
            Err(error) => return Err(Unknown(error.to_string())),
        }
    }
    Err(Unknown(last.map(|error| error.to_string()).unwrap_or_default()))
}

/// What became of an operation. What was to follow by now does so here.
pub async fn inquire(core: &Core, operation: &OperationId) -> Result<Option<Answer>, Unknown> {
    let unknown = |error: StoreError| Unknown(error.to_string());
    let mut transaction = core.store.read().await.map_err(unknown)?;
    let entry = transaction.lookup_ledger_entry(operation.clone()).await.map_err(unknown)?;
    drop(transaction);
    let Some(entry) = entry else { return Ok(None) };
    let answer = answer_of(&entry).map_err(unknown)?;
    let over = matches!(answer, Answer::Challenge(_)) && entry.created_at.plus(CHALLENGE_LIFE) <= core.now();
    let follows = entry.follows_at.is_some_and(|at| at <= core.now());
    let due = match (over, follows) {
        (true, _) => Request::Return(operation, Some(Verdict::Failed)),
        (false, true) => Request::Return(operation, Some(Verdict::Proven)),
        (false, false) => return Ok(Some(answer)),
    };
    write(core, &due).await.map(Some)
}

/// What the book says was answered.
pub fn answer_of(entry: &LedgerEntry) -> Result<Answer, StoreError> {
    parse(&entry.answer)
}

async fn write_once(core: &Core, request: &Request<'_>) -> Result<Answer, StoreError> {
    let mut transaction = core.store.begin().await?;
    let answer = match request {
        Request::Charge(entry) => charge(&mut *transaction, entry).await?,
        Request::FollowUp(kind, asked) => follow_up(&mut *transaction, *kind, asked, core.now()).await?,
        Request::Return(operation, verdict) => go_on(&mut *transaction, operation, *verdict).await?,
    };
    transaction.commit().await?;
    Ok(answer)
}

async fn charge(transaction: &mut dyn Transaction, entry: &LedgerEntry) -> Result<Answer, StoreError> {
    if let Some(known) = transaction.lookup_ledger_entry(entry.operation.clone()).await? {
        return answer_of(&known);
    }
    let answer = answer_of(entry)?;
    let taken = taken_by(entry, &answer);
    transaction.add_ledger_entry(LedgerEntry { taken, ..entry.clone() }).await?;
    Ok(answer)
}

async fn go_on(
    transaction: &mut dyn Transaction,
    operation: &OperationId,
    verdict: Option<Verdict>,
) -> Result<Answer, StoreError> {
    let entry = transaction.lock_ledger_entry(operation.clone()).await?;
    let mut entry = entry.ok_or(StoreError::Inconsistent { table: TABLE, what: "the entry is not there" })?;
    let answer = answer_of(&entry)?;
    let Some(verdict) = verdict.filter(|_| !entry.follows.is_empty()) else { return Ok(answer) };
    let next = match verdict {
        Verdict::Proven => parse(&entry.follows)?,
        Verdict::Failed => Answer::Declined(refusal(reference(operation), published::CLIENT_AUTH_FAILED)),
    };
    entry.taken = taken_by(&entry, &next);
    entry.answer = text_of(&next)?;
    entry.follows = String::new();
    entry.follows_at = None;
    if transaction.update_ledger_entry(entry).await? { Ok(next) } else { Err(StoreError::Retry) }
}

async fn follow_up(
    transaction: &mut dyn Transaction,
    kind: OperationKind,
    asked: &FollowUp,
    now: Timestamp,
) -> Result<Answer, StoreError> {
    if let Some(known) = transaction.lookup_ledger_entry(asked.operation.clone()).await? {
        return answer_of(&known);
    }
    let original = transaction.lock_ledger_entry(asked.original.clone()).await?;
    let changed = match &original {
        Some(original) => applied(kind, asked, original),
        None => Err("invalid_details"),
    };
    let reference = reference(&asked.operation);
    let answer = match &changed {
        Ok(_) => Answer::Approved(Approval { reference, bank_code: "00".to_owned(), ..Approval::default() }),
        Err(resolution) => Answer::Declined(refusal(reference, resolution)),
    };
    let entry = LedgerEntry {
        operation: asked.operation.clone(),
        kind,
        original: Some(asked.original.clone()),
        amount: asked.amount,
        taken: 0,
        refunded: 0,
        voided: false,
        answer: text_of(&answer)?,
        follows: String::new(),
        follows_at: None,
        version: 1,
        created_at: now,
    };
    transaction.add_ledger_entry(entry).await?;
    if let Ok(original) = changed
        && !transaction.update_ledger_entry(original).await?
    {
        return Err(StoreError::Retry);
    }
    Ok(answer)
}

/// The original after a capture, void or refund, or why it is refused.
fn applied(
    kind: OperationKind,
    asked: &FollowUp,
    original: &LedgerEntry,
) -> Result<LedgerEntry, &'static str> {
    let approved = answer_of(original).is_ok_and(|answer| is_approved(&answer));
    let moves = matches!(original.kind, OperationKind::Authorize | OperationKind::Sale);
    if !approved || !moves || original.voided {
        return Err(published::NOT_PERMITTED);
    }
    let of = |minor| Money::of_minor(minor, original.amount.currency());
    let (taken, refunded) = (of(original.taken), of(original.refunded));
    match kind {
        OperationKind::Capture => {
            let taken =
                taken.plus(asked.amount).filter(|_| !asked.amount.is_zero()).ok_or("invalid_amount")?;
            original.amount.minus(taken).ok_or("invalid_amount")?;
            Ok(LedgerEntry { taken: taken.minor(), ..original.clone() })
        }
        OperationKind::Refund if taken.is_zero() => Err(published::NOT_PERMITTED),
        OperationKind::Refund => {
            let refunded =
                refunded.plus(asked.amount).filter(|_| !asked.amount.is_zero()).ok_or("invalid_amount")?;
            taken.minus(refunded).ok_or("invalid_amount")?;
            Ok(LedgerEntry { refunded: refunded.minor(), ..original.clone() })
        }
        OperationKind::Void if taken.is_zero() => Ok(LedgerEntry { voided: true, ..original.clone() }),
        _ => Err(published::NOT_PERMITTED),
    }
}

/// An approved sale has taken its amount; an authorisation takes nothing by itself.
const fn taken_by(entry: &LedgerEntry, answer: &Answer) -> u64 {
    if matches!(entry.kind, OperationKind::Sale) && is_approved(answer) { entry.amount.minor() } else { 0 }
}

fn parse(text: &str) -> Result<Answer, StoreError> {
    serde_json::from_str(text).map_err(|_| StoreError::Inconsistent { table: TABLE, what: "answer" })
}

fn text_of(answer: &Answer) -> Result<String, StoreError> {
    serde_json::to_string(answer).map_err(|_| StoreError::Inconsistent { table: TABLE, what: "answer" })
}
