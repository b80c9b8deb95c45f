//! Cards by authenticated calls: stored, read, listed, updated, deleted. Every one of them has the passphrase
//! or the managed key, so what waits on a card is folded in when it is opened.

use std::sync::Arc;

use zeroize::Zeroizing;

use super::VaultError;
use super::content::Content;
use super::cvv::{self, CvvSealer};
use super::keys::{self, KeyAccess};
use super::members::{self, Rules, Sorted};
use super::number::{self, Number};
use super::sealing::{Part, Sealer, Unlocked};
use crate::access::Caller;
use crate::core::Core;
use crate::crypto::CryptoError;
use crate::crypto::token::Algorithm;
use crate::invalid::Invalid;
use crate::json::{Members, Value};
use crate::model::{Card, CardId, Issuer, KeyPairRow, Outcome, Patch, Scope, Shown, Use, VaultKey};
use crate::storage::{Page, StoreError, Transaction};

/// Lost compare-and-sets are tried again so often.
const TRIES: usize = 8;

/// The identity of a stored card as callers name it.
#[derive(Clone, Debug)]
pub struct CardName {
    /// The token.
    pub token: String,
    /// The reference; empty where the card has none.
    pub reference: String,
}

/// What a store call asks for.
pub struct StoreRequest {
    /// The body.
    pub body: Members,
    /// A number outside the body, by parameter name; used only if the body has none.
    pub number: Option<(String, Zeroizing<String>)>,
    /// The reference; empty for none.
    pub reference: String,
    /// The token algorithm.
    pub algorithm: Algorithm,
}

/// A card after a change: what may be answered.
#[derive(Debug)]
pub struct Saved {
    /// The vault key's name.
    pub user: String,
    /// The token.
    pub token: String,
    /// The reference; empty for none.
    pub reference: String,
    /// What may be shown.
    pub shown: Shown,
    /// The issuer, where the table of issuers knows it.
    pub issuer: Option<Issuer>,
}

/// A vault key with everything that opens it and seals to it.
pub(super) struct Open {
    pub(super) key: VaultKey,
    pub(super) unlocked: Arc<Unlocked>,
    pub(super) sealer: Sealer,
}

/// Stores a card. The same (key, token, reference) again merges like an update (design.md, semantics).
pub async fn store(
    core: &Core,
    caller: &Caller,
    access: &KeyAccess,
    request: StoreRequest,
) -> Result<Saved, VaultError> {
    check_reference(&request.reference)?;
    let rules = Rules { luhn: true, account: false, locked: false, brand: None, code_checked: false };
    let mut sorted = members::sort(request.body, rules).map_err(VaultError::Invalid)?;
    let (name, number) = match (sorted.number.take(), request.number) {
        (Some(known), _) => known,
        (None, Some((name, text))) => (String::new(), number::number_alone(&name, &text)?),
        (None, None) => {
            return Err(Invalid::new("/card_number", "missing", "A card number is needed.").into());
        }
    };
    if let Some(network) = sorted.network {
        members::check_network(network, number.digits())?;
    }
    let open = open_key(core, caller, access).await?;
    for attempt in 0..64 {
        let token = open.sealer.token(request.algorithm, number.digits(), attempt);
        let card_name = CardName { token, reference: request.reference.clone() };
        let found = find_in(&mut *core.store.read().await?, caller, &open.key, &card_name).await?;
        match found {
            None => {
                let card = new_card(core, &open, &number, &card_name, request.algorithm, &sorted);
                let sealed =
                    seal_members(&open.sealer, &card, Content::new(&number, &name, sorted.rest.copy()))?;
                let issuer = core.bins.issuer(number.digits());
                match add(core, caller, &open, Card { sealed, ..card }, &sorted, issuer).await {
                    // Somebody stored it in the meantime: look again.
                    Err(VaultError::Store(StoreError::Conflict)) => {}
                    result => return result,
                }
            }
            Some(card) if card.fingerprint == open.sealer.fingerprint(request.algorithm, number.digits()) => {
                return change(core, caller, &open, &card_name, sorted).await;
            }
            Some(_) => {}
        }
    }
    Err(VaultError::Contended)
}

/// Merges members into a stored card at first level. The number is immutable.
pub async fn update(
    core: &Core,
    caller: &Caller,
    access: &KeyAccess,
    name: &CardName,
    body: Members,
) -> Result<Saved, VaultError> {
    let open = open_key(core, caller, access).await?;
    let card = find_in(&mut *core.store.read().await?, caller, &open.key, name).await?;
    let card = card.ok_or(VaultError::UnknownCard)?;
    let brand = Some(card.shown.brand);
    let rules = Rules { luhn: true, account: false, locked: true, brand, code_checked: false };
    let sorted = members::sort(body, rules).map_err(VaultError::Invalid)?;
    if let Some(network) = sorted.network {
        members::check_network(network, &card.shown.first_six)?;
    }
    change(core, caller, &open, name, sorted).await
}

/// Opens a card and returns its object. The security code is in it only for callers with its scope, which
/// counts as a use. The audit entry is committed before anything is returned.
pub async fn read(
    core: &Core,
    caller: &Caller,
    access: &KeyAccess,
    name: &CardName,
) -> Result<Members, VaultError> {
    let open = open_key(core, caller, access).await?;
    let mut transaction = core.store.begin().await?;
    let card = find_in(&mut *transaction, caller, &open.key, name).await?.ok_or(VaultError::UnknownCard)?;
    let (content, waiting) = open_card(&mut *transaction, &open.unlocked, &card).await?;
    if waiting || card.key_version != open.key.current {
        // A lost race leaves the patches for the next reader; what was opened is right all the same.
        fold(core, &mut *transaction, &open, &card, &content).await?;
    }
    let code = if caller.scopes.has(Scope::CvvRead) {
        cvv::spend(core, &mut *transaction, &open.unlocked, &card, Use::BY_OWNER, &caller.actor()).await?
    } else {
        None
    };
    let action = if code.is_some() { "card.read.cvv" } else { "card.read" };
    transaction.add_audit(core.entry(&caller.actor(), action, card.id.as_str(), Outcome::Done)).await?;
    transaction.commit().await?;
    let mut object = content.into_object();
    if let Some(code) = code {
        object.set("cvv", Value::text(String::from_utf8_lossy(&code)));
    }
    Ok(object)
}

/// The object of a card, with what waits on it, by a vault key that is open. The caller writes the audit entry.
pub async fn members_of(
    transaction: &mut dyn Transaction,
    unlocked: &Unlocked,
    card: &Card,
) -> Result<Members, VaultError> {
    Ok(open_card(transaction, unlocked, card).await?.0.into_object())
}

/// Stores a card once more under a new random token, without its security code unless a new one is given.
pub async fn duplicate(
    core: &Core,
    caller: &Caller,
    access: &KeyAccess,
    name: &CardName,
    reference: &str,
    code: Option<Zeroizing<String>>,
) -> Result<Saved, VaultError> {
    check_reference(reference)?;
    let open = open_key(core, caller, access).await?;
    let mut transaction = core.store.read().await?;
    let card = find_in(&mut *transaction, caller, &open.key, name).await?.ok_or(VaultError::UnknownCard)?;
    let (content, _) = open_card(&mut *transaction, &open.unlocked, &card).await?;
    drop(transaction);
    let members = code.map(|code| ("cvv".to_owned(), Value::text(code.as_str()))).into_iter().collect();
    let brand = Some(card.shown.brand);
    let rules = Rules { luhn: true, account: false, locked: true, brand, code_checked: false };
    let sorted = members::sort(members, rules).map_err(VaultError::Invalid)?;
    let now = core.now();
    let copy = Card {
        id: CardId::new(now, &*core.entropy),
        key_version: open.sealer.version,
        token: open.sealer.token(Algorithm::Random, &content.number, 0),
        reference: reference.to_owned(),
        fingerprint: open.sealer.fingerprint(Algorithm::Random, &content.number),
        version: 1,
        last_patch: 0,
        waiting: 0,
        waiting_bytes: 0,
        sealed: Vec::new(),
        created_at: now,
        updated_at: now,
        ..card
    };
    let issuer = core.bins.issuer(&content.number);
    let sealed = seal_members(&open.sealer, &copy, content)?;
    add(core, caller, &open, Card { sealed, ..copy }, &sorted, issuer).await
}

/// A page of cards of a vault key, without opening any.
pub async fn list(core: &Core, caller: &Caller, key: &VaultKey, page: Page) -> Result<Vec<Card>, VaultError> {
    Ok(core.store.read().await?.list_cards(caller.merchant.clone(), key.id.clone(), page).await?)
}

/// Deletes a card with everything derived from it.
pub async fn delete(core: &Core, caller: &Caller, user: &str, name: &CardName) -> Result<(), VaultError> {
    let key = keys::find(core, caller, user).await?;
    let mut transaction = core.store.begin().await?;
    let card = find_in(&mut *transaction, caller, &key, name).await?.ok_or(VaultError::UnknownCard)?;
    transaction.delete_card(caller.merchant.clone(), card.id.clone()).await?;
    transaction
        .add_audit(core.entry(&caller.actor(), "card.delete", card.id.as_str(), Outcome::Done))
        .await?;
    transaction.commit().await?;
    Ok(())
}

/// The card of a name under a vault key.
pub async fn find_in(
    transaction: &mut dyn Transaction,
    caller: &Caller,
    key: &VaultKey,
    name: &CardName,
) -> Result<Option<Card>, StoreError> {
    transaction
        .find_card(caller.merchant.clone(), key.id.clone(), name.token.clone(), name.reference.clone())
        .await
}

/// Checks a reference given by a caller; empty is none.
pub fn check_reference(reference: &str) -> Result<(), VaultError> {
    if reference.is_empty() {
        return Ok(());
    }
    match shared::reference::parse(reference) {
        Ok(_) => Ok(()),
        Err(problem) => {
            let detail = "A reference has at most 255 bytes, no control characters and no card number.";
            Err(Invalid::new("/reference", problem.code(), detail).into())
        }
    }
}

/// What may be shown of a new card.
pub fn shown(number: &Number, sorted: &Sorted) -> Shown {
    Shown {
        brand: number.brand(),
        network: sorted.network,
        first_six: number.first_six().to_owned(),
        last_four: number.last_four().to_owned(),
        digits: u8::try_from(number.digits().len()).unwrap_or(0),
        expiry: sorted.expiry,
        holder: sorted.holder.clone().unwrap_or_default(),
        owner_id: sorted.owner_id.clone().unwrap_or_default(),
    }
}

pub(super) async fn open_key(core: &Core, caller: &Caller, access: &KeyAccess) -> Result<Open, VaultError> {
    let (key, pairs) = keys::find_with_pairs(core, caller, &access.user).await?;
    let unlocked = core.keyring.unlock(core, &key, &pairs, &access.passphrase, &caller.actor()).await?;
    let sealer = core.keyring.sealer(core, &key, current(&key, &pairs)?)?;
    Ok(Open { key, unlocked, sealer })
}

/// The managed key of a caller, read in a transaction: whoever holds one waits for no second connection.
pub(super) async fn open_managed_in(
    core: &Core,
    transaction: &mut dyn Transaction,
    caller: &Caller,
) -> Result<Open, VaultError> {
    let name = keys::MANAGED.to_owned();
    let key = transaction.find_key(caller.merchant.clone(), caller.mode, name).await?;
    let key = key.ok_or(VaultError::UnknownKey)?;
    let pairs = transaction.pairs(caller.merchant.clone(), key.id.clone()).await?;
    let unlocked = core.keyring.unlock(core, &key, &pairs, "", &caller.actor()).await?;
    let sealer = core.keyring.sealer(core, &key, current(&key, &pairs)?)?;
    Ok(Open { key, unlocked, sealer })
}

/// The pair that new records are sealed to.
pub fn current<'p>(key: &VaultKey, pairs: &'p [KeyPairRow]) -> Result<&'p KeyPairRow, StoreError> {
    pairs
        .iter()
        .find(|pair| pair.version == key.current)
        .ok_or(StoreError::Inconsistent { table: "vault_key_pair", what: "current version" })
}

pub(super) fn new_card(
    core: &Core,
    open: &Open,
    number: &Number,
    card_name: &CardName,
    algorithm: Algorithm,
    sorted: &Sorted,
) -> Card {
    let now = core.now();
    Card {
        id: CardId::new(now, &*core.entropy),
        merchant: open.key.merchant.clone(),
        mode: open.key.mode,
        key: open.key.id.clone(),
        key_version: open.sealer.version,
        token: card_name.token.clone(),
        reference: card_name.reference.clone(),
        fingerprint: open.sealer.fingerprint(algorithm, number.digits()),
        shown: shown(number, sorted),
        version: 1,
        last_patch: 0,
        waiting: 0,
        waiting_bytes: 0,
        sealed: Vec::new(),
        created_at: now,
        updated_at: now,
    }
}

async fn add(
    core: &Core,
    caller: &Caller,
    open: &Open,
    card: Card,
    sorted: &Sorted,
    issuer: Option<Issuer>,
) -> Result<Saved, VaultError> {
    let code = code_for(core, open, sorted).await?;
    let saved = saved(open, &card, issuer);
    let mut transaction = core.store.begin().await?;
    let id = card.id.clone();
    transaction.add_card(card).await?;
    put_code(core, &mut *transaction, &id, code.as_ref(), sorted).await?;
    transaction.add_audit(core.entry(&caller.actor(), "card.store", id.as_str(), Outcome::Done)).await?;
    transaction.commit().await?;
    Ok(saved)
}

/// Opens, merges, seals anew and writes back, until no race is lost.
async fn change(
    core: &Core,
    caller: &Caller,
    open: &Open,
    name: &CardName,
    sorted: Sorted,
) -> Result<Saved, VaultError> {
    // Made before the transaction: it may have to write the hour's key.
    let code = code_for(core, open, &sorted).await?;
    for _ in 0..TRIES {
        let mut transaction = core.store.begin().await?;
        let card =
            find_in(&mut *transaction, caller, &open.key, name).await?.ok_or(VaultError::UnknownCard)?;
        let (mut content, _) = open_card(&mut *transaction, &open.unlocked, &card).await?;
        content.merge(sorted.rest.copy());
        let mut changed = card.clone();
        changed.shown.expiry = sorted.expiry.or(card.shown.expiry);
        changed.shown.network = sorted.network.or(card.shown.network);
        if let Some(holder) = &sorted.holder {
            changed.shown.holder.clone_from(holder);
        }
        if let Some(owner_id) = &sorted.owner_id {
            changed.shown.owner_id.clone_from(owner_id);
        }
        if !fold(core, &mut *transaction, open, &changed, &content).await? {
            continue;
        }
        put_code(core, &mut *transaction, &card.id, code.as_ref(), &sorted).await?;
        transaction
            .add_audit(core.entry(&caller.actor(), "card.update", card.id.as_str(), Outcome::Done))
            .await?;
        transaction.commit().await?;
        return Ok(saved(open, &changed, core.bins.issuer(&content.number)));
    }
    Err(VaultError::Contended)
}

/// Opens a card's members and folds the waiting patches in, in memory. Tells whether any waited.
pub(super) async fn open_card(
    transaction: &mut dyn Transaction,
    unlocked: &Unlocked,
    card: &Card,
) -> Result<(Content, bool), VaultError> {
    let plaintext = unlocked.open(&card.id, Part::Members(card.version), card.key_version, &card.sealed)?;
    let mut content = Content::decode(&plaintext)?;
    let patches = transaction.patches(card.merchant.clone(), card.id.clone()).await?;
    if u32::try_from(patches.len()) != Ok(card.waiting) {
        // Folded or patched between the two looks, which PostgreSQL does not take as one: look again.
        return Err(StoreError::Retry.into());
    }
    for Patch { number, key_version, sealed, .. } in &patches {
        let plaintext = unlocked.open(&card.id, Part::Patch(*number), *key_version, sealed)?;
        content.merge(Members::parse_sealed(&plaintext).map_err(|_| CryptoError::Open)?);
    }
    Ok((content, !patches.is_empty()))
}

/// Seals the folded members under the current pair and writes them by compare-and-set.
pub(super) async fn fold(
    core: &Core,
    transaction: &mut dyn Transaction,
    open: &Open,
    card: &Card,
    content: &Content,
) -> Result<bool, VaultError> {
    let next = Card { version: card.version + 1, ..card.clone() };
    let sealed = seal_members(&open.sealer, &next, content.copy())?;
    let row = Card { sealed, key_version: open.sealer.version, updated_at: core.now(), ..card.clone() };
    Ok(transaction.fold_card(row).await?)
}

pub(super) fn seal_members(sealer: &Sealer, card: &Card, content: Content) -> Result<Vec<u8>, VaultError> {
    Ok(sealer.seal(&card.id, Part::Members(card.version), content.encode().as_bytes())?)
}

async fn code_for(core: &Core, open: &Open, sorted: &Sorted) -> Result<Option<CvvSealer>, VaultError> {
    if sorted.cvv.is_none() {
        return Ok(None);
    }
    CvvSealer::new(core, open.sealer.clone()).await.map(Some)
}

async fn put_code(
    core: &Core,
    transaction: &mut dyn Transaction,
    card: &CardId,
    sealer: Option<&CvvSealer>,
    sorted: &Sorted,
) -> Result<(), VaultError> {
    if let (Some(sealer), Some(code)) = (sealer, &sorted.cvv) {
        transaction.put_cvv(cvv::row(card, sealer.seal(card, code)?, core.now())).await?;
    }
    Ok(())
}

fn saved(open: &Open, card: &Card, issuer: Option<Issuer>) -> Saved {
    Saved {
        user: open.key.name.clone(),
        token: card.token.clone(),
        reference: card.reference.clone(),
        shown: card.shown.clone(),
        issuer,
    }
}
