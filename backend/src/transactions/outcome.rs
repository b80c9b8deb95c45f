//! What becomes of transactions: filed in the transaction that writes the operation's result, whoever learns it, and
//! told in the answer.

use async_trait::async_trait;

use super::manage::is_usable;
use super::person::Person;
use super::reply::Reply;
use super::run::Call;
use super::{TransactionError, codes, payer, until_won, updater, webhook};
use crate::access::company;
use crate::core::Core;
use crate::gateways::Answer;
use crate::json::{Members, Value};
use crate::model::{
    GatewayToken, GatewayTransaction, Issuer, Operation, OperationState, OwnerKind, Subscription,
    TransactionState,
};
use crate::operations::{OperationError, Owner, Settled};
use crate::storage::{StoreError, Transaction};
use crate::vault::VaultError;

/// Files results of operations that gateway transactions began.
pub struct TransactionOwner;

#[async_trait]
impl Owner for TransactionOwner {
    fn kind(&self) -> OwnerKind {
        OwnerKind::Transaction
    }

    async fn settled(
        &self,
        core: &Core,
        transaction: &mut dyn Transaction,
        operation: &Operation,
        answer: Option<&Answer>,
    ) -> Result<(), OperationError> {
        if operation.state.is_open() {
            return Ok(());
        }
        let number = operation.owner_id.clone();
        let found = transaction.lock_transaction(operation.merchant.clone(), operation.mode, number).await?;
        let row = found.ok_or_else(|| OperationError::Owner("the transaction is gone".to_owned()))?;
        let filed = match operation.state {
            OperationState::Approved => approved(core, transaction, row, answer).await,
            _ => refused(core, transaction, row, answer).await,
        };
        filed.map_err(|error| match error {
            TransactionError::Vault(error) => error.into(),
            other => OperationError::Owner(other.to_string()),
        })
    }

    /// The token can have another card by now, or be about to get the operation's.
    async fn is_off(
        &self,
        transaction: &mut dyn Transaction,
        operation: &Operation,
    ) -> Result<bool, StoreError> {
        let (merchant, mode, number) =
            (operation.merchant.clone(), operation.mode, operation.owner_id.clone());
        let row = transaction.find_transaction(merchant.clone(), mode, number).await?;
        let Some(row) = row.filter(|row| !row.token.is_empty()) else { return Ok(false) };
        match transaction.find_token(merchant, mode, row.token).await? {
            Some(token) => Ok(!is_usable(transaction, &token).await?),
            // It is made by an approval, or was deleted.
            None => Ok(row.subscription != Some(Subscription::Init)),
        }
    }
}

/// The answer to a transaction that was run, from what is stored of it now.
pub async fn reply(call: &Call<'_>, number: &str, settled: &Settled) -> Result<Reply, TransactionError> {
    let (mut row, mut answer) = (find(call, number).await?, settled.answer.clone());
    let is_challenged = matches!(answer, Some(Answer::Challenge(_)));
    if row.state == TransactionState::Open && !is_challenged && !until_won(|| wait(call, &row)).await? {
        // It came to its end since.
        row = find(call, number).await?;
        let mut transaction = call.core.store.read().await?;
        let operation =
            transaction.find_operation(row.merchant.clone(), settled.operation.id.clone()).await?;
        answer = operation.and_then(|operation| Settled::stored(operation).answer);
    }
    let mut reply = Reply::about(row.code, &row.number);
    reply.bank_code = bank_code(answer.as_ref()).to_owned();
    reply.more = facts(&row, answer.as_ref());
    if let (TransactionState::Open, Some(Answer::Challenge(challenge))) = (row.state, &answer) {
        return Ok(payer::challenged(reply, challenge));
    }
    let mut transaction = call.core.store.read().await?;
    let makes_token = matches!(row.subscription, Some(Subscription::Init | Subscription::UpdateBilling));
    if let (true, TransactionState::Approved, Some(id)) = (makes_token, row.state, &row.card)
        && let Some(card) = transaction.lookup_card(row.merchant.clone(), id.clone()).await?
    {
        // What the vault calls the card: for locked endpoints, reads, invoices.
        reply = reply.with("card_token", card.token);
    }
    Ok(reply)
}

async fn find(call: &Call<'_>, number: &str) -> Result<GatewayTransaction, TransactionError> {
    let caller = &call.admitted.caller;
    let mut transaction = call.core.store.read().await?;
    let row = transaction.find_transaction(caller.merchant.clone(), caller.mode, number.to_owned()).await?;
    let gone = StoreError::Inconsistent { table: "gateway_transaction", what: "the row is gone" };
    Ok(row.ok_or(gone)?)
}

/// Remembers that the end of a transaction is to be told, before it is answered that this is not known yet.
async fn wait(call: &Call<'_>, row: &GatewayTransaction) -> Result<bool, TransactionError> {
    let mut transaction = call.core.store.begin().await?;
    let is_open = transaction.await_transaction(row.merchant.clone(), row.id.clone()).await?;
    transaction.commit().await?;
    Ok(is_open)
}

/// What the acquirer's own code was; empty where it has none yet, or one that is not of the seed's two characters (those
/// of an acquirer whose codes are words).
pub fn bank_code(answer: Option<&Answer>) -> &str {
    let code = match answer {
        Some(Answer::Approved(approval)) => approval.bank_code.as_str(),
        Some(Answer::Declined(decline)) => decline.bank_code.as_str(),
        _ => "",
    };
    if code.len() == 2 && code.bytes().all(|byte| byte.is_ascii_alphanumeric()) { code } else { "" }
}

/// The members that tell of a transaction, in their order (spec A.2).
pub fn facts(row: &GatewayTransaction, answer: Option<&Answer>) -> Vec<(&'static str, Value)> {
    let amount = row.amount.map(|amount| amount.to_string()).unwrap_or_default();
    let currency = row.amount.map(|amount| amount.currency().code().to_owned()).unwrap_or_default();
    let mut facts = vec![
        ("merchant_order_id", row.order_id.clone()),
        ("amount", amount),
        ("currency_code_iso3", currency),
    ];
    if row.kind.is_authorisation() {
        let (approval, checks) = match answer {
            Some(Answer::Approved(approval)) => (Some(approval), Some(&approval.checks)),
            Some(Answer::Declined(decline)) => (None, Some(&decline.checks)),
            _ => (None, None),
        };
        let of_approval =
            |text: fn(&crate::gateways::Approval) -> &String| approval.map(text).cloned().unwrap_or_default();
        let of_checks =
            |text: fn(&crate::gateways::Checks) -> &String| checks.map(text).cloned().unwrap_or_default();
        facts.extend([
            ("authorization_code", of_approval(|approval| &approval.approval_code)),
            ("acquirer_reference_number", of_approval(|approval| &approval.rrn)),
            ("avsaddress", of_checks(|checks| &checks.address)),
            ("avszipcode", of_checks(|checks| &checks.zip)),
            ("cvvresult", of_checks(|checks| &checks.cvv)),
        ]);
    }
    facts.into_iter().map(|(name, text)| (name, Value::text(text))).collect()
}

/// What the operator's table tells of a card's issuer (spec A.2, `bin`).
pub fn issuer(issuer: &Issuer) -> Members {
    [
        ("issuing_bank", &issuer.bank),
        ("card_category", &issuer.kind),
        ("card_level", &issuer.level),
        ("issuing_country", &issuer.country),
    ]
    .into_iter()
    .map(|(name, text)| (name.to_owned(), Value::text(text.as_str())))
    .collect()
}

/// The members of a list's element.
pub fn listed(row: &GatewayTransaction, answer: Option<&Answer>, timestamp: String) -> Members {
    let mut members = Members::default();
    let mut set = |name: &str, text: String| members.set(name, Value::text(text));
    set("timestamp", timestamp);
    set("transaction_id", row.number.clone());
    set("transaction_type", row.kind.as_str().to_owned());
    set("subscription_type", row.subscription.map(Subscription::as_str).unwrap_or_default().to_owned());
    let original =
        if row.original.is_empty() && row.token != row.number { &row.token } else { &row.original };
    set("original_transaction_id", original.clone());
    set("response_code", row.code.to_string());
    set("response_message", codes::find(row.code).message.to_owned());
    for (name, value) in facts(row, answer) {
        members.set(name, value);
    }
    members.set("bank_response_code", Value::text(bank_code(answer)));
    members
}

async fn approved(
    core: &Core,
    transaction: &mut dyn Transaction,
    mut row: GatewayTransaction,
    answer: Option<&Answer>,
) -> Result<(), TransactionError> {
    row.state = TransactionState::Approved;
    row.code = codes::SUCCESS;
    row.settled_at = Some(core.now());
    if !transaction.settle_transaction(row.clone()).await? {
        return Ok(());
    }
    webhook::tell_end(core, transaction, &row, answer).await?;
    match row.subscription {
        Some(Subscription::Init) => make_token(core, transaction, &row, answer).await,
        Some(Subscription::UpdateBilling) => replace_card(core, transaction, &row, answer).await,
        _ => Ok(()),
    }
}

/// Without an answer it was never made.
async fn refused(
    core: &Core,
    transaction: &mut dyn Transaction,
    mut row: GatewayTransaction,
    answer: Option<&Answer>,
) -> Result<(), TransactionError> {
    row.state = TransactionState::Refused;
    row.code = match answer {
        Some(Answer::Declined(decline)) => codes::of_reason(&decline.resolution),
        _ => codes::FAILED,
    };
    // The order can be tried again.
    row.holds_order = false;
    row.settled_at = Some(core.now());
    let stored = if row.owns_card { row.card.take() } else { None };
    if !transaction.settle_transaction(row.clone()).await? {
        return Ok(());
    }
    webhook::tell_end(core, transaction, &row, answer).await?;
    // The card was stored for this alone; the one before it stays.
    if let Some(card) = stored {
        transaction.delete_card(row.merchant.clone(), card).await?;
    }
    let charged = matches!(row.subscription, Some(Subscription::Rebill | Subscription::Reuse));
    if charged && codes::asks_updater(row.code) {
        updater::queue(core, transaction, &row).await?;
    }
    Ok(())
}

fn scheme_reference(answer: Option<&Answer>) -> Option<String> {
    if let Some(Answer::Approved(approval)) = answer { approval.scheme_reference.clone() } else { None }
}

async fn make_token(
    core: &Core,
    transaction: &mut dyn Transaction,
    row: &GatewayTransaction,
    answer: Option<&Answer>,
) -> Result<(), TransactionError> {
    let Some(card) = row.card.clone() else { return Ok(()) };
    if transaction.lookup_card(row.merchant.clone(), card.clone()).await?.is_none() {
        // Deleted while the gateway was asked: there is nothing left to charge.
        return Ok(());
    }
    let token = GatewayToken {
        id: row.id.clone(),
        number: row.number.clone(),
        merchant: row.merchant.clone(),
        mode: row.mode,
        card,
        owns_card: row.owns_card,
        enabled: true,
        scheme_reference: scheme_reference(answer),
        sealed: row.sealed.clone(),
        version: 1,
        created_at: core.now(),
        updated_at: core.now(),
    };
    Ok(transaction.add_token(token).await?)
}

/// Puts the new card behind the token. The token itself stays.
async fn replace_card(
    core: &Core,
    transaction: &mut dyn Transaction,
    row: &GatewayTransaction,
    answer: Option<&Answer>,
) -> Result<(), TransactionError> {
    let Some(card) = row.card.clone() else { return Ok(()) };
    let token = transaction.lock_token(row.merchant.clone(), row.mode, row.token.clone()).await?;
    let Some(mut token) = token else {
        // Deleted while the issuer was asked: the new card goes too.
        return Ok(transaction.delete_card(row.merchant.clone(), card).await?);
    };
    let caller = company::acting(&row.merchant, row.mode, "", "");
    let told = Person::open(core, transaction, &caller, &token.id, &row.sealed).await?;
    let mut person = Person::open(core, transaction, &caller, &token.id, &token.sealed).await?;
    person.merge(&told);
    token.sealed = person.seal(core, transaction, &caller, &token.id).await?;
    token.scheme_reference = scheme_reference(answer).or(token.scheme_reference);
    put_card(core, transaction, token, card).await
}

/// Puts a card that was stored for it behind a token, and deletes the one before, if that was there for the token
/// alone.
pub async fn put_card(
    core: &Core,
    transaction: &mut dyn Transaction,
    token: GatewayToken,
    card: crate::model::CardId,
) -> Result<(), TransactionError> {
    let (merchant, old, owned) = (token.merchant.clone(), token.card.clone(), token.owns_card);
    let token = GatewayToken { card, owns_card: true, updated_at: core.now(), ..token };
    if !transaction.update_token(token).await? {
        return Err(StoreError::Retry.into());
    }
    if owned && transaction.list_card_tokens(merchant.clone(), old.clone()).await?.is_empty() {
        transaction.delete_card(merchant, old).await?;
    }
    Ok(())
}

impl From<OperationError> for TransactionError {
    fn from(error: OperationError) -> Self {
        use super::params::Refused;
        match error {
            // Live mode without a gateway for these transactions.
            OperationError::UnknownService => {
                Refused { code: codes::CREDENTIALS, name: String::new() }.into()
            }
            // The card was deleted, or turned out to be none, between two looks.
            OperationError::Vault(VaultError::UnknownCard | VaultError::Invalid(_))
            | OperationError::Misfit(_) => Call::unknown_original(),
            OperationError::Vault(error) => error.into(),
            other => Self::Failed(other.to_string()),
        }
    }
}
