//! The account updater: the scheme is asked whether the card behind a token has a newer number or expiry. The token
//! stays, the card behind it changes, and the merchant is told (spec A.9).

mod renew;
mod run;
mod simulated;

use std::sync::Arc;

use async_trait::async_trait;
use shared::{CardNumber, Expiry};

pub use run::{Progress, Updater};
pub use simulated::{SimulatedScheme, is_test_number};

use super::manage::usable;
use super::params::Refused;
use super::reply::Reply;
use super::run::Call;
use super::{TransactionError, codes, until_won};
use crate::core::Core;
use crate::model::{
    AccountUpdate, GatewayTransaction, MerchantId, Mode, Outcome, UpdateCause, UpdateId, UpdateState,
};
use crate::operations::GivenCard;
use crate::storage::{StoreError, Transaction};

/// A scheme's service that knows newer cards.
#[async_trait]
pub trait Scheme: Send + Sync {
    /// What is known of each card, in their order.
    async fn look_up(&self, cards: &[GivenCard]) -> Result<Vec<Finding>, SchemeError>;
}

/// What a scheme knows of a card. No Debug: it may hold a number.
pub struct Finding {
    /// The scheme's own code.
    pub code: String,
    /// The number that took its place.
    pub number: Option<CardNumber>,
    /// The expiry that took its place.
    pub expiry: Option<Expiry>,
}

/// A scheme did not answer.
#[derive(Debug, thiserror::Error)]
#[error("the scheme did not answer: {0}")]
pub struct SchemeError(
    /// Words for the log, without values.
    pub String,
);

/// The schemes of each mode.
#[derive(Clone)]
pub struct Schemes {
    /// The simulated one.
    pub test: Arc<dyn Scheme>,
    /// None as long as no contract with a scheme is configured.
    pub live: Option<Arc<dyn Scheme>>,
}

impl Schemes {
    /// The scheme of a mode.
    pub fn of(&self, mode: Mode) -> Option<&Arc<dyn Scheme>> {
        match mode {
            Mode::Test => Some(&self.test),
            Mode::Live => self.live.as_ref(),
        }
    }
}

/// Whether there is a scheme to ask in a mode.
const fn is_served(mode: Mode) -> bool {
    matches!(mode, Mode::Test)
}

/// Runs `ACCOUNT_UPDATER`: answered at once, finished later by a webhook.
pub async fn request(call: &Call<'_>) -> Result<Reply, TransactionError> {
    if !is_served(call.admitted.caller.mode) {
        return Err(Refused { code: codes::TYPE, name: String::new() }.into());
    }
    let number = until_won(|| async {
        let mut transaction = call.core.store.begin().await?;
        call.admitted.take(call.core, &mut *transaction).await?;
        let token = usable(call, &mut *transaction).await?;
        let mut row = call.transaction();
        row.token.clone_from(&token.number);
        row.card = Some(token.card);
        transaction.add_transaction(row.clone()).await.map_err(|error| match error {
            StoreError::Conflict => StoreError::Retry,
            other => other,
        })?;
        let update = new(call.core, (&row.merchant, row.mode), &row.token, UpdateCause::Manual);
        transaction.add_update(AccountUpdate { asked_by: row.number.clone(), ..update }).await?;
        let entry =
            call.core.entry(&call.admitted.caller.actor(), "token.renewal.ask", &row.token, Outcome::Done);
        transaction.add_audit(entry).await?;
        transaction.commit().await?;
        Ok(row.number)
    })
    .await?;
    Ok(Reply::about(codes::PENDING, &number))
}

/// Has the scheme asked about the token of a charge that was refused because of its card.
pub async fn queue(
    core: &Core,
    transaction: &mut dyn Transaction,
    row: &GatewayTransaction,
) -> Result<(), TransactionError> {
    queue_token(core, transaction, (&row.merchant, row.mode), &row.token, UpdateCause::Refusal)
        .await
        .map(drop)
}

/// The same where the charge was refused before it began.
pub async fn queue_after_refusal(call: &Call<'_>, code: u16) -> Result<(), TransactionError> {
    if !codes::asks_updater(code) {
        return Ok(());
    }
    let caller = &call.admitted.caller;
    let mut transaction = call.core.store.begin().await?;
    let token = call.text("original_transaction_id").to_owned();
    let owner = (&caller.merchant, caller.mode);
    queue_token(call.core, &mut *transaction, owner, &token, UpdateCause::Refusal).await?;
    Ok(transaction.commit().await?)
}

/// Has the scheme asked about a token, unless that waits already. Answers whether it is new.
async fn queue_token(
    core: &Core,
    transaction: &mut dyn Transaction,
    (merchant, mode): (&MerchantId, Mode),
    token: &str,
    cause: UpdateCause,
) -> Result<bool, TransactionError> {
    // Of two that queue it, on two nodes or beside a refusal, the second one waits here and finds what the first wrote.
    if !is_served(mode) || transaction.lock_token(merchant.clone(), mode, token.to_owned()).await?.is_none() {
        return Ok(false);
    }
    let newest = transaction.list_updates(merchant.clone(), mode, token.to_owned(), 1).await?;
    let waits = newest.iter().any(|update| update.state == UpdateState::Waiting);
    // The schedule of a month can begin twice, on two nodes or after a fall.
    let again = cause == UpdateCause::Schedule
        && newest
            .iter()
            .any(|update| update.cause == cause && update.created_at.year_month() == core.now().year_month());
    if waits || again {
        return Ok(false);
    }
    transaction.add_update(new(core, (merchant, mode), token, cause)).await?;
    Ok(true)
}

fn new(core: &Core, (merchant, mode): (&MerchantId, Mode), token: &str, cause: UpdateCause) -> AccountUpdate {
    let now = core.now();
    AccountUpdate {
        id: UpdateId::new(now, &*core.entropy),
        merchant: merchant.clone(),
        mode,
        token: token.to_owned(),
        asked_by: String::new(),
        cause,
        state: UpdateState::Waiting,
        scheme_code: String::new(),
        new_number: false,
        new_expiry: false,
        created_at: now,
        finished_at: None,
    }
}
