//! Queries: what became of an order, of a transaction, of what was done with a token (spec A.4, query API).

use super::params::{self, Refused};
use super::reply::{Echo, Reply};
use super::request::Request;
use super::{TransactionError, codes, gate, outcome, stamp};
use crate::access::Caller;
use crate::core::Core;
use crate::gateways::Answer;
use crate::json::{Members, Value};
use crate::model::{AccountUpdate, GatewayTransaction, TransactionFilter, TransactionState, UpdateState};
use crate::storage::{Page, Transaction};

/// So many transactions are listed; `count` says how many these are.
const MOST: u32 = 500;
/// So many account updates are shown of a token.
const MOST_UPDATES: u32 = 50;

/// `status_request_type`: what it is asked by, and which of what is found is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Question {
    name: &'static str,
    by: By,
    which: Which,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    Order,
    Transaction,
    Children,
    Bin,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Which {
    All,
    First,
    Last,
    Success,
}

const QUESTIONS: [Question; 10] = [
    Question { name: "ORDER_ID_ALL", by: By::Order, which: Which::All },
    Question { name: "ORDER_ID_FIRST", by: By::Order, which: Which::First },
    Question { name: "ORDER_ID_LAST", by: By::Order, which: Which::Last },
    Question { name: "ORDER_ID_SUCCESS", by: By::Order, which: Which::Success },
    Question { name: "TRANSACTION_ID", by: By::Transaction, which: Which::All },
    Question { name: "TRANSACTION_ID_CHILDREN_ALL", by: By::Children, which: Which::All },
    Question { name: "TRANSACTION_ID_CHILDREN_FIRST", by: By::Children, which: Which::First },
    Question { name: "TRANSACTION_ID_CHILDREN_LAST", by: By::Children, which: Which::Last },
    Question { name: "TRANSACTION_ID_CHILDREN_SUCCESS", by: By::Children, which: Which::Success },
    Question { name: "BIN", by: By::Bin, which: Which::All },
];

/// The name of the member that says what is asked.
pub const KIND: &str = "status_request_type";

/// Whether a word is the name of something that can be asked.
pub fn is_known(name: &str) -> bool {
    QUESTIONS.iter().any(|question| question.name == name)
}

/// Runs a query.
pub async fn run(
    core: &Core,
    request: &Request,
    signer: gate::Signer,
    address: &str,
    echo: &mut Echo,
) -> Result<Reply, TransactionError> {
    let question = match value(request, KIND) {
        "" => return Err(Refused::parameter(KIND).into()),
        _ => find(request).ok_or(Refused { code: codes::TYPE, name: String::new() })?,
    };
    params::check_envelope(request)?;
    let (name, most) = match question.by {
        By::Order => ("merchant_order_id", 50),
        By::Transaction | By::Children => ("transaction_id", 10),
        By::Bin => ("bin", 8),
    };
    let asked = value(request, name);
    let plain = asked.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    let digits = question.by == By::Order || asked.bytes().all(|byte| byte.is_ascii_digit());
    if asked.is_empty() || asked.len() > most || !plain || !digits {
        return Err(Refused::parameter(name).into());
    }
    let signed = [question.name, request.text("", "company_id"), asked];
    let admitted = signer.admit(core, request, address, &signed).await?;
    *echo = admitted.echo(request, KIND, question.name);
    let mut transaction = core.store.read().await?;
    let caller = &admitted.caller;
    match question.by {
        By::Bin => bin(core, asked),
        By::Transaction => one(&mut *transaction, caller, asked).await,
        By::Order => {
            let filter = TransactionFilter::Order(asked.to_owned());
            list(&mut *transaction, caller, filter, question.which).await
        }
        By::Children => {
            let filter = TransactionFilter::ChildrenOf(asked.to_owned());
            list(&mut *transaction, caller, filter, question.which).await
        }
    }
}

/// Values of a query stand at the root or within `transaction`.
fn value<'r>(request: &'r Request, name: &str) -> &'r str {
    match request.text("", name) {
        "" => request.text("transaction", name),
        text => text,
    }
}

fn find(request: &Request) -> Option<Question> {
    let name = value(request, KIND);
    QUESTIONS.into_iter().find(|question| question.name == name)
}

/// What the leading digits tell.
fn bin(core: &Core, digits: &str) -> Result<Reply, TransactionError> {
    if digits.len() < 6 {
        return Err(Refused::parameter("bin").into());
    }
    let mut facts = core.bins.issuer(digits).map(|issuer| outcome::issuer(&issuer)).unwrap_or_default();
    facts.set("bin", Value::text(digits));
    facts.set("card_type", Value::text(shared::Brand::of(digits).wire()));
    let mut reply = Reply::of(codes::SUCCESS);
    reply.more.push(("bin", Value::Object(facts)));
    Ok(reply)
}

async fn list(
    transaction: &mut dyn Transaction,
    caller: &Caller,
    filter: TransactionFilter,
    which: Which,
) -> Result<Reply, TransactionError> {
    let page = Page { after: None, limit: MOST };
    let mut rows = transaction.list_transactions(caller.merchant.clone(), caller.mode, filter, page).await?;
    match which {
        Which::All => {}
        Which::First => rows.truncate(1),
        Which::Last => rows = rows.pop().into_iter().collect(),
        Which::Success => rows.retain(|row| row.state == TransactionState::Approved),
    }
    let mut shown = Vec::with_capacity(rows.len());
    for row in &rows {
        shown.push(Value::Object(show(transaction, row).await?));
    }
    let mut reply = Reply::of(codes::SUCCESS).with("count", rows.len().to_string());
    reply.more.push(("transactions", Value::List(shown)));
    Ok(reply)
}

async fn one(
    transaction: &mut dyn Transaction,
    caller: &Caller,
    number: &str,
) -> Result<Reply, TransactionError> {
    let found = transaction.find_transaction(caller.merchant.clone(), caller.mode, number.to_owned()).await?;
    let Some(row) = found else { return Err(Refused::parameter("transaction_id").into()) };
    let mut shown = show(transaction, &row).await?;
    if let Some(token) =
        transaction.find_token(caller.merchant.clone(), caller.mode, number.to_owned()).await?
    {
        let state = if token.enabled { "ENABLED" } else { "DISABLED" };
        shown.set("subscription_status", Value::text(state));
        if let Some(card) = transaction.lookup_card(caller.merchant.clone(), token.card).await? {
            shown.set("card_token", Value::text(card.token));
            shown.set("card_type", Value::text(card.shown.brand.wire()));
            let masked =
                shared::mask::number(&card.shown.first_six, &card.shown.last_four, card.shown.digits.into());
            shown.set("cardnumber", Value::text(masked));
            let expiry = card.shown.expiry.map(|expiry| format!("{:02}{}", expiry.month(), expiry.year()));
            shown.set("cardexp", Value::text(expiry.unwrap_or_default()));
        }
        let (merchant, number) = (caller.merchant.clone(), number.to_owned());
        let updates = transaction.list_updates(merchant, caller.mode, number, MOST_UPDATES).await?;
        shown.set("account_updates", Value::List(updates.iter().map(update).collect()));
    }
    let mut reply = Reply::of(codes::SUCCESS).with("count", "1");
    reply.more.push(("transactions", Value::List(vec![Value::Object(shown)])));
    Ok(reply)
}

async fn show(
    transaction: &mut dyn Transaction,
    row: &GatewayTransaction,
) -> Result<Members, TransactionError> {
    let operation = match &row.operation {
        Some(id) => transaction.find_operation(row.merchant.clone(), id.clone()).await?,
        None => None,
    };
    let answer = operation.and_then(|operation| serde_json::from_str::<Answer>(&operation.answer).ok());
    Ok(outcome::listed(row, answer.as_ref(), stamp::write(row.created_at)))
}

fn update(update: &AccountUpdate) -> Value {
    let yes = |truth: bool| if truth { "1" } else { "0" };
    let state = match update.state {
        UpdateState::Waiting => "",
        UpdateState::Updated => "1",
        UpdateState::NotUpdated => "2",
    };
    let members: Members = [
        ("timestamp", stamp::write(update.created_at)),
        ("cause", update.cause.as_str().to_owned()),
        ("transaction_id", update.asked_by.clone()),
        ("status", state.to_owned()),
        ("scheme_code", update.scheme_code.clone()),
        ("new_number", yes(update.new_number).to_owned()),
        ("new_expiry", yes(update.new_expiry).to_owned()),
    ]
    .into_iter()
    .map(|(name, text)| (name.to_owned(), Value::text(text)))
    .collect();
    Value::Object(members)
}
