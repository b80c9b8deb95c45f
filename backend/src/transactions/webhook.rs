//! Webhooks of the gateway interface: their own signature in the body, their own retries, besides the headers that
//! every webhook has (spec A.8).

use super::{TransactionError, codes, hash, outcome, stamp};
use crate::access::company;
use crate::core::Core;
use crate::crypto::{entropy, hex};
use crate::gateways::Answer;
use crate::json::{Members, Value};
use crate::model::{
    AccountUpdate, Card, GatewayTransaction, MerchantId, Mode, Schedule, TransactionKind, UpdateState,
};
use crate::outbox::{self, NewEvent, OutboxError, Parcel, WEBHOOK};
use crate::storage::Transaction;
use crate::vault::VaultError;

/// The event of an account update.
const ACCOUNT_UPDATER: &str = "account_updater";
/// The event of a transaction that came to its end after it was answered.
const TRANSACTION_UPDATE: &str = "transaction_update";

/// Tells the merchant what became of an account update, if it named an address.
pub async fn tell_update(
    core: &Core,
    transaction: &mut dyn Transaction,
    update: &AccountUpdate,
    card: Option<&Card>,
) -> Result<(), TransactionError> {
    let yes = |truth: bool| if truth { "1" } else { "0" };
    let masked = card.map(|card| {
        shared::mask::number(&card.shown.first_six, &card.shown.last_four, card.shown.digits.into())
    });
    let expiry = card.and_then(|card| card.shown.expiry);
    let expiry = expiry.map(|expiry| format!("{:02}{}", expiry.month(), expiry.year()));
    let facts = [
        ("response_code", codes::SUCCESS.to_string()),
        ("response_message", codes::find(codes::SUCCESS).message.to_owned()),
        ("transaction_type", TransactionKind::AccountUpdater.as_str().to_owned()),
        ("transaction_id", update.asked_by.clone()),
        ("original_transaction_id", update.token.clone()),
        ("status", if update.state == UpdateState::Updated { "1" } else { "2" }.to_owned()),
        ("scheme_code", update.scheme_code.clone()),
        ("new_number", yes(update.new_number).to_owned()),
        ("new_expiry", yes(update.new_expiry).to_owned()),
        ("cardnumber", masked.unwrap_or_default()),
        ("cardexp", expiry.unwrap_or_default()),
    ];
    let facts = facts.into_iter().map(|(name, text)| (name.to_owned(), Value::text(text))).collect();
    // What tells of a card goes with the card.
    let order = card.map_or(update.id.as_str(), |card| card.id.as_str());
    tell(core, transaction, (&update.merchant, update.mode), (ACCOUNT_UPDATER, order), facts).await
}

/// Tells the merchant how a transaction ended that was answered before its end was known.
pub async fn tell_end(
    core: &Core,
    transaction: &mut dyn Transaction,
    row: &GatewayTransaction,
    answer: Option<&Answer>,
) -> Result<(), TransactionError> {
    if !row.waits {
        return Ok(());
    }
    let facts = outcome::listed(row, answer, String::new());
    let event = (TRANSACTION_UPDATE, row.id.as_str());
    tell(core, transaction, (&row.merchant, row.mode), event, facts).await
}

/// Sends an event with its facts, signed, if the merchant named an address.
async fn tell(
    core: &Core,
    transaction: &mut dyn Transaction,
    (merchant, mode): (&MerchantId, Mode),
    (kind, order): (&'static str, &str),
    mut facts: Members,
) -> Result<(), TransactionError> {
    let Some(owner) = transaction.find_company(merchant.clone(), mode).await? else { return Ok(()) };
    let settings = company::open(core, &owner)?;
    let Some(url) = settings.webhook_url.clone() else { return Ok(()) };
    let (id, timestamp) = (uuid(core), stamp::write(core.now()));
    let signature = hash::signed_twice(&[&id, &timestamp, &owner.id, kind], &settings.hash_code);
    for (name, text) in [
        ("id", id),
        ("timestamp", timestamp),
        ("company_id", owner.id),
        ("mid_id", owner.mid),
        ("hash", signature),
        ("event", kind.to_owned()),
    ] {
        facts.set(name, Value::text(text));
    }
    let event = NewEvent {
        merchant,
        mode,
        kind,
        order,
        channel: WEBHOOK,
        parcel: Parcel { to: url, headers: Vec::new(), body: facts.to_json().to_string() },
        schedule: Schedule::TEN_MINUTES,
        erases: false,
    };
    outbox::append(core, transaction, event).await.map(drop).map_err(|error| match error {
        OutboxError::Store(error) => error.into(),
        OutboxError::Crypto(error) => VaultError::from(error).into(),
    })
}

/// A random id of 36 characters (RFC 9562, version 4).
fn uuid(core: &Core) -> String {
    let mut bytes = entropy::bytes::<16>(&*core.entropy);
    let [_, _, _, _, _, _, version, _, variant, ..] = &mut bytes;
    *version = *version & 0x0F | 0x40;
    *variant = *variant & 0x3F | 0x80;
    let text = hex(&bytes);
    let part = |from: usize, to: usize| text.get(from..to).unwrap_or_default();
    format!("{}-{}-{}-{}-{}", part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32))
}
