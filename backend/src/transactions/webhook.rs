//! Webhooks of the gateway interface: their own signature in the body, their own retries, besides the headers that
//! every webhook has (spec A.8).

use serde_json::json;

use super::{TransactionError, codes, hash, stamp};
use crate::access::company;
use crate::core::Core;
use crate::crypto::{entropy, hex};
use crate::model::{AccountUpdate, Card, Schedule, TransactionKind, UpdateState};
use crate::outbox::{self, NewEvent, OutboxError, Parcel, WEBHOOK};
use crate::storage::Transaction;
use crate::vault::VaultError;

/// The event of an account update.
const ACCOUNT_UPDATER: &str = "account_updater";

/// Tells the merchant what became of an account update, if it named an address.
pub async fn tell_update(
    core: &Core,
    transaction: &mut dyn Transaction,
    update: &AccountUpdate,
    card: Option<&Card>,
) -> Result<(), TransactionError> {
    let Some(owner) = transaction.find_company(update.merchant.clone(), update.mode).await? else {
        return Ok(());
    };
    let settings = company::open(core, &owner)?;
    let Some(url) = settings.webhook_url.clone() else { return Ok(()) };
    let (id, timestamp) = (uuid(core), stamp::write(core.now()));
    let signature = hash::signed_twice(&[&id, &timestamp, &owner.id, ACCOUNT_UPDATER], &settings.hash_code);
    let yes = |truth: bool| if truth { "1" } else { "0" };
    let masked = card.map(|card| {
        shared::mask::number(&card.shown.first_six, &card.shown.last_four, card.shown.digits.into())
    });
    let expiry = card.and_then(|card| card.shown.expiry);
    let body = json!({
        "id": id,
        "timestamp": timestamp,
        "company_id": owner.id,
        "hash": signature,
        "event": ACCOUNT_UPDATER,
        "response_code": codes::SUCCESS.to_string(),
        "response_message": codes::find(codes::SUCCESS).message,
        "transaction_type": TransactionKind::AccountUpdater.as_str(),
        "mid_id": owner.mid,
        "transaction_id": update.asked_by,
        "original_transaction_id": update.token,
        "status": if update.state == UpdateState::Updated { "1" } else { "2" },
        "scheme_code": update.scheme_code,
        "new_number": yes(update.new_number),
        "new_expiry": yes(update.new_expiry),
        "cardnumber": masked.unwrap_or_default(),
        "cardexp": expiry.map(|expiry| format!("{:02}{}", expiry.month(), expiry.year())).unwrap_or_default(),
    });
    let event = NewEvent {
        merchant: &update.merchant,
        mode: update.mode,
        kind: ACCOUNT_UPDATER,
        // What tells of a card goes with the card.
        order: card.map_or(update.id.as_str(), |card| card.id.as_str()),
        channel: WEBHOOK,
        parcel: Parcel { to: url, headers: Vec::new(), body: body.to_string() },
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
