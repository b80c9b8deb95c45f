//! `AUTH_ONLY` and `AUTH_CAPTURE`: one-off payments, the first use of a card that is kept, charges by a token, and the
//! replacement of a token's card. Everything is written down before the gateway is called (spec A.4).

use shared::{CardNumber, Cvv, Expiry};
use zeroize::Zeroizing;

use super::manage::{disabled, usable};
use super::params::Refused;
use super::person::Person;
use super::reply::Reply;
use super::run::Call;
use super::updater::{is_test_number, queue_after_refusal};
use super::{TransactionError, codes, outcome, payer, until_won};
use crate::gateways::{Credential, Order};
use crate::invalid::Invalid;
use crate::json::{Members, Value};
use crate::model::{
    Card, GatewayToken, GatewayTransaction, Issuer, Mode, Money, Operation, OperationKind, Outcome,
    OwnerKind, Subscription, TransactionKind,
};
use crate::operations::{self, CardSource, GATEWAY_TRANSACTIONS, GivenCard, Plan};
use crate::storage::{StoreError, Transaction};
use crate::vault::VaultError;
use crate::vault::members::{self, Rules, Sorted};
use crate::vault::paycards::{self, PaycardName};
use crate::vault::within::{self, Managed};

/// What an authorisation is to do, read and checked.
struct Input {
    amount: Money,
    card: Typed,
    cvv: Option<Cvv>,
    person: Person,
}

/// The card that a request brings.
enum Typed {
    /// None: the token's own is used.
    Nothing,
    /// A card in clear.
    Whole { number: CardNumber, expiry: Expiry, holder: String },
    /// A card that is stored already, by its vault token.
    Stored(PaycardName),
}

/// An authorisation that is written down and not yet made.
struct Begun {
    transaction: GatewayTransaction,
    operation: Operation,
    credential: Credential,
    person: Person,
    issuer: Option<Issuer>,
}

/// What a part of a subscription adds to a charge.
struct Added {
    credential: Credential,
    person: Person,
    /// The stored card that is charged.
    card: Option<Card>,
}

/// Runs an authorisation.
pub async fn run(call: &Call<'_>) -> Result<Reply, TransactionError> {
    let input = Input::read(call)?;
    let gateway = call.operations.route(call.admitted.caller.mode, GATEWAY_TRANSACTIONS)?;
    // Stored before it is charged: what becomes of it is then known to whoever learns the answer.
    let keeps = matches!(call.subscription, Some(Subscription::Init | Subscription::UpdateBilling));
    let sorted = if keeps { input.sorted()? } else { None };
    let managed = match &sorted {
        Some(_) => Some(within::open(call.core, &call.admitted.caller, false).await?),
        None => None,
    };
    let stores = managed.as_ref().zip(sorted.as_ref());
    let begun = until_won(|| begin(call, &input, stores, &gateway)).await;
    let begun = match begun {
        Err(TransactionError::Refused(refused)) => {
            if let Some(Subscription::Rebill | Subscription::Reuse) = call.subscription {
                queue_after_refusal(call, refused.code).await?;
            }
            return Err(refused.into());
        }
        begun => begun?,
    };
    let Begun { transaction, operation, credential, person, issuer } = begun;
    let order = Order {
        operation: operation.id.clone(),
        amount: operation.amount,
        takes: operation.kind == OperationKind::Sale,
        reference: transaction.order_id.clone(),
        description: String::new(),
        credential,
        payer: payer::with_browser(person.payer(), call.request),
        return_url: payer::return_url(call),
    };
    let source = source(&transaction, input)?;
    let charged = call.operations.charge(&call.admitted.caller.actor(), operation, order, source).await;
    let settled =
        charged.map_err(|error| if error.is_switched_off() { disabled(call) } else { error.into() })?;
    let mut reply = outcome::reply(call, &transaction.number, &settled).await?;
    if let Some(issuer) = issuer {
        reply.more.push(("bin", Value::Object(outcome::issuer(&issuer))));
    }
    Ok(reply)
}

impl Input {
    fn read(call: &Call<'_>) -> Result<Self, TransactionError> {
        let person = Person::of(call.request);
        person.check()?;
        let amount = amount(call)?;
        let card = Typed::read(call, amount)?;
        let brand = if let Typed::Whole { number, .. } = &card { Some(number.brand()) } else { None };
        let cvv = match call.request.text("billing", "cardcvv") {
            "" => None,
            code => Some(Cvv::parse(code, brand).map_err(|_| Refused::parameter("cardcvv"))?),
        };
        Ok(Self { amount, card, cvv, person })
    }

    /// The members that the vault keeps of a typed card.
    fn sorted(&self) -> Result<Option<Sorted>, TransactionError> {
        let Typed::Whole { number, expiry, holder } = &self.card else { return Ok(None) };
        let mut body = Members::default();
        body.set("card_number", Value::text(number.digits()));
        body.set("expiry", Value::text(expiry.short()));
        if !holder.is_empty() {
            body.set("card_holder", Value::text(holder.as_str()));
        }
        let rules = Rules { luhn: true, account: false, locked: false, brand: None, code_checked: false };
        let sorted = members::sort(body, rules).map_err(|problems| refused_member(&problems))?;
        Ok(Some(sorted))
    }
}

impl Typed {
    fn read(call: &Call<'_>, amount: Money) -> Result<Self, TransactionError> {
        let text = |name| call.request.text("billing", name);
        let stray = |names: &[&'static str]| {
            let found = names.iter().find(|name| !text(name).is_empty());
            found.map_or(Ok(()), |name| Err(Refused::parameter(*name)))
        };
        match call.subscription {
            Some(Subscription::Rebill) => stray(&["cardnumber", "cardexp", "cardcvv", "card_token"])?,
            Some(Subscription::Reuse) => stray(&["cardnumber", "cardexp", "card_token"])?,
            Some(Subscription::Init) if !text("card_token").is_empty() => {
                stray(&["cardnumber", "cardexp", "cardcvv"])?;
                if !amount.is_zero() {
                    return Err(Refused::parameter("amount").into());
                }
                let reference = text("card_reference");
                let reference = (!reference.is_empty()).then(|| reference.to_owned());
                return Ok(Self::Stored(PaycardName { token: text("card_token").to_owned(), reference }));
            }
            _ => {
                stray(&["card_token"])?;
                return Ok(Self::whole(call)?);
            }
        }
        Ok(Self::Nothing)
    }

    fn whole(call: &Call<'_>) -> Result<Self, Refused> {
        let text = |name| call.request.text("billing", name);
        for name in ["cardnumber", "cardexp"] {
            if text(name).is_empty() {
                return Err(Refused::parameter(name));
            }
        }
        let number =
            CardNumber::parse(text("cardnumber"), true).map_err(|_| Refused::parameter("cardnumber"))?;
        let expiry = expiry(text("cardexp")).ok_or_else(over)?;
        check_expiry(call, number.digits(), expiry)?;
        let card_type = text("card_type");
        if !card_type.is_empty() && !CARD_TYPES.contains(&card_type.to_ascii_uppercase().as_str()) {
            return Err(Refused { code: codes::CARD_TYPE, name: String::new() });
        }
        Ok(Self::Whole { number, expiry, holder: text("cardholder_name").to_owned() })
    }
}

/// Names that clients send for brands.
const CARD_TYPES: [&str; 12] = [
    "VISA",
    "VISA_DEBIT",
    "MC",
    "MASTERCARD",
    "MAESTRO",
    "AMEX",
    "DINERS",
    "DISCOVER",
    "JCB",
    "UNIONPAY",
    "ELECTRON",
    "DELTA",
];

/// The amount: nothing where a card is only looked at or stored, else more.
fn amount(call: &Call<'_>) -> Result<Money, Refused> {
    let currency = match call.text("currency_code_iso3") {
        "" => return Err(Refused::parameter("currency_code_iso3")),
        currency => currency,
    };
    let text = match call.text("amount") {
        "" => "0",
        text => text,
    };
    let amount = Money::parse(text, currency).map_err(|error| match error {
        crate::model::MoneyError::Currency => Refused { code: codes::CURRENCY, name: String::new() },
        _ => Refused::parameter("amount"),
    })?;
    let may_be_nothing = call.kind == TransactionKind::AuthOnly
        && matches!(call.subscription, None | Some(Subscription::Init | Subscription::UpdateBilling));
    if amount.is_zero() && !may_be_nothing { Err(Refused::parameter("amount")) } else { Ok(amount) }
}

/// `mmyyyy`.
fn expiry(text: &str) -> Option<Expiry> {
    let (month, year) = (text.get(..2)?, text.get(2..)?);
    Expiry::new(year.parse().ok()?, month.parse().ok()?).ok()
}

fn over() -> Refused {
    Refused { code: codes::EXPIRY, name: String::new() }
}

/// Test cards of the simulators have expiries in the past that choose what they do.
fn check_expiry(call: &Call<'_>, number: &str, expiry: Expiry) -> Result<(), Refused> {
    let is_test = call.admitted.caller.mode == Mode::Test && is_test_number(number);
    if expiry.is_past(call.core.now().year_month()) && !is_test { Err(over()) } else { Ok(()) }
}

async fn begin(
    call: &Call<'_>,
    input: &Input,
    stores: Option<(&Managed, &Sorted)>,
    gateway: &str,
) -> Result<Begun, TransactionError> {
    let caller = &call.admitted.caller;
    let mut transaction = call.core.store.begin().await?;
    call.admitted.take(call.core, &mut *transaction).await?;
    let mut row = call.transaction();
    check_order(call, &mut *transaction, &row.order_id).await?;
    row.holds_order = true;
    row.amount = Some(input.amount);
    let Added { credential, person, card } = fill(call, &mut *transaction, &mut row, input, stores).await?;
    let issuer = match (&input.card, card) {
        (Typed::Whole { number, .. }, _) => call.core.bins.issuer(number.digits()),
        (_, Some(card)) => call.core.bins.issuer_of_six(&card.shown.first_six),
        _ => None,
    };
    let plan = Plan {
        merchant: caller.merchant.clone(),
        mode: caller.mode,
        owner: OwnerKind::Transaction,
        owner_id: &row.number,
        kind: match call.kind {
            _ if input.amount.is_zero() => OperationKind::Verify,
            TransactionKind::AuthCapture => OperationKind::Sale,
            _ => OperationKind::Authorize,
        },
        parent: None,
        card: row.card.clone(),
        gateway: gateway.to_owned(),
        amount: input.amount,
    };
    let operation = operations::begin(call.core, &mut *transaction, plan).await?;
    row.operation = Some(operation.id.clone());
    // Its number, or its order, was taken at this moment: another look.
    transaction.add_transaction(row.clone()).await.map_err(|error| match error {
        StoreError::Conflict => StoreError::Retry,
        other => other,
    })?;
    let entry = call.core.entry(&caller.actor(), "transaction.begin", &row.number, Outcome::Done);
    transaction.add_audit(entry).await?;
    transaction.commit().await?;
    Ok(Begun { transaction: row, operation, credential, person, issuer })
}

/// One authorisation of an order at a time, and one that is approved for ever (spec A.4).
async fn check_order(
    call: &Call<'_>,
    transaction: &mut dyn Transaction,
    order: &str,
) -> Result<(), TransactionError> {
    let caller = &call.admitted.caller;
    if let Some(number) = answered_number(order) {
        let found =
            transaction.find_transaction(caller.merchant.clone(), caller.mode, number.to_owned()).await?;
        if found.is_some() {
            return Err(Refused::parameter("merchant_order_id").into());
        }
    }
    let earlier = transaction.find_order(caller.merchant.clone(), caller.mode, order.to_owned()).await?;
    if earlier.is_none() {
        return Ok(());
    }
    let code = call.core.policy.transactions.duplicate_code;
    Err(Refused { code, name: "merchant_order_id (this order has an authorisation)".to_owned() }.into())
}

/// The transaction, if an order id could be one with a response code behind it. The signature of an answer to an
/// authorisation is that of a request with this order (spec A.3), so that no such order is taken.
fn answered_number(order: &str) -> Option<&str> {
    let fits = (11..=13).contains(&order.len()) && order.bytes().all(|byte| byte.is_ascii_digit());
    order.get(..10).filter(|_| fits)
}

/// Adds what belongs to a part of a subscription: the token, the card, who starts the payment, and what is known of the
/// payer.
async fn fill(
    call: &Call<'_>,
    transaction: &mut dyn Transaction,
    row: &mut GatewayTransaction,
    input: &Input,
    stores: Option<(&Managed, &Sorted)>,
) -> Result<Added, TransactionError> {
    let caller = &call.admitted.caller;
    let (mut person, mut charged) = (Person::default(), None);
    let credential = match call.subscription {
        Some(Subscription::Init) => {
            row.token.clone_from(&row.number);
            row.sealed = input.person.seal(call.core, transaction, caller, &row.id).await?;
            charged = Some(store(call, transaction, row, input, stores).await?);
            Credential::First
        }
        Some(Subscription::UpdateBilling) => {
            let token = usable(call, transaction).await?;
            person = Person::open(call.core, transaction, caller, &token.id, &token.sealed).await?;
            row.token.clone_from(&token.number);
            row.sealed = input.person.seal(call.core, transaction, caller, &token.id).await?;
            store(call, transaction, row, input, stores).await?;
            Credential::First
        }
        Some(Subscription::Rebill | Subscription::Reuse) => {
            let token = usable(call, transaction).await?;
            let card = chargeable(call, transaction, &token).await?;
            person = Person::open(call.core, transaction, caller, &token.id, &token.sealed).await?;
            row.token = token.number;
            row.card = Some(card.id.clone());
            charged = Some(card);
            stored_credential(call, token.scheme_reference)
        }
        _ => Credential::OneOff,
    };
    person.merge(&input.person);
    Ok(Added { credential, person, card: charged })
}

fn stored_credential(call: &Call<'_>, scheme_reference: Option<String>) -> Credential {
    if call.subscription == Some(Subscription::Reuse) {
        return Credential::StoredByPayer { scheme_reference };
    }
    let reason = match call.text("subscription_reason") {
        "" | "R" => "recurring",
        "I" => "instalment",
        "U" => "unscheduled",
        other => other,
    };
    Credential::StoredByMerchant { reason: reason.to_owned(), scheme_reference }
}

/// Stores the typed card for the transaction, or finds the one that is stored already.
async fn store(
    call: &Call<'_>,
    transaction: &mut dyn Transaction,
    row: &mut GatewayTransaction,
    input: &Input,
    stores: Option<(&Managed, &Sorted)>,
) -> Result<Card, TransactionError> {
    let card = match (&input.card, stores) {
        (Typed::Stored(name), _) => {
            let found = paycards::find_in(transaction, &call.admitted.caller, name).await;
            let card = found.map_err(|error| match error {
                VaultError::UnknownCard | VaultError::Invalid(_) => Refused::parameter("card_token").into(),
                other => TransactionError::from(other),
            })?;
            check_stored(call, &card)?;
            if operations::is_switched_off(transaction, &card.merchant, &card.id).await? {
                return Err(disabled(call));
            }
            card
        }
        (_, Some((managed, sorted))) => {
            row.owns_card = true;
            managed.add(call.core, transaction, sorted, "").await?
        }
        (_, None) => return Err(Refused::parameter("cardnumber").into()),
    };
    row.card = Some(card.id.clone());
    Ok(card)
}

/// The card behind a token, if it is still there and still valid.
async fn chargeable(
    call: &Call<'_>,
    transaction: &mut dyn Transaction,
    token: &GatewayToken,
) -> Result<Card, TransactionError> {
    let card = transaction.lookup_card(token.merchant.clone(), token.card.clone()).await?;
    let card = card.ok_or_else(Call::unknown_original)?;
    // A stored card is refused whatever simulator knows its number: its token is what the updater is for.
    match card.shown.expiry {
        Some(expiry) if expiry.is_past(call.core.now().year_month()) => Err(over().into()),
        _ => Ok(card),
    }
}

fn check_stored(call: &Call<'_>, card: &Card) -> Result<(), TransactionError> {
    match card.shown.expiry {
        Some(expiry) if !expiry.is_past(call.core.now().year_month()) => Ok(()),
        _ => Err(over().into()),
    }
}

fn source(transaction: &GatewayTransaction, input: Input) -> Result<CardSource, TransactionError> {
    match (&transaction.card, input.card) {
        (Some(card), _) => Ok(CardSource::Stored { card: card.clone(), cvv: input.cvv }),
        (None, Typed::Whole { number, expiry, holder }) => {
            let holder = Zeroizing::new(holder);
            Ok(CardSource::Given(GivenCard { number, expiry, holder, cvv: input.cvv }))
        }
        (None, _) => Err(Refused::parameter("cardnumber").into()),
    }
}

fn refused_member(problems: &[Invalid]) -> Refused {
    let pointer = problems.first().map(|problem| problem.pointer.as_str()).unwrap_or_default();
    Refused::parameter(match pointer.trim_start_matches('/') {
        "expiry" => "cardexp",
        "card_holder" => "cardholder_name",
        _ => "cardnumber",
    })
}
