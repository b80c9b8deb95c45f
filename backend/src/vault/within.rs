//! Cards of the managed key within a transaction of somebody else: what is stored is committed together with
//! what it was stored for.

use super::VaultError;
use super::cards::{self, CardName, Open};
use super::content::Content;
use super::cvv::{self, CvvSealer};
use super::keys::{self, KeyAccess};
use super::members::Sorted;
use crate::access::Caller;
use crate::core::Core;
use crate::crypto::token::Algorithm;
use crate::invalid::Invalid;
use crate::model::{Card, CardId, MerchantId, Mode, VaultKey};
use crate::storage::{StoreError, Transaction};

/// A merchant's managed key, open, with what seals codes.
pub struct Managed {
    pub(super) open: Open,
    codes: Option<CvvSealer>,
}

/// Opens the managed key of a caller's merchant and mode. Before the transaction: `with_code` may write the
/// hour's key.
pub async fn open(core: &Core, caller: &Caller, with_code: bool) -> Result<Managed, VaultError> {
    let access = KeyAccess { user: keys::MANAGED.to_owned(), passphrase: zeroize::Zeroizing::default() };
    let open = cards::open_key(core, caller, &access).await?;
    let codes = if with_code { Some(CvvSealer::new(core, open.sealer.clone()).await?) } else { None };
    Ok(Managed { open, codes })
}

/// The managed key's card of a token. Where a token has several, the one without a reference.
pub async fn find(
    transaction: &mut dyn Transaction,
    merchant: &MerchantId,
    mode: Mode,
    token: &str,
) -> Result<Option<Card>, StoreError> {
    let key = transaction.find_key(merchant.clone(), mode, keys::MANAGED.to_owned()).await?;
    let Some(key) = key else { return Ok(None) };
    find_in(transaction, &key, token).await
}

async fn find_in(
    transaction: &mut dyn Transaction,
    key: &VaultKey,
    token: &str,
) -> Result<Option<Card>, StoreError> {
    let (merchant, token) = (key.merchant.clone(), token.to_owned());
    let mut found =
        transaction.find_cards_by_token(merchant.clone(), key.id.clone(), token.clone(), 2).await?;
    if found.len() > 1 {
        return transaction.find_card(merchant, key.id.clone(), token, String::new()).await;
    }
    Ok(found.pop())
}

impl Managed {
    /// Stores a new card under a random token; the reference may be empty.
    pub async fn add(
        &self,
        core: &Core,
        transaction: &mut dyn Transaction,
        sorted: &Sorted,
        reference: &str,
    ) -> Result<Card, VaultError> {
        let Some((name, number)) = &sorted.number else {
            return Err(Invalid::new("/card_number", "missing", "A card number is needed.").into());
        };
        let token = self.open.sealer.token(Algorithm::Random, number.digits(), 0);
        let card_name = CardName { token, reference: reference.to_owned() };
        let mut card = cards::new_card(core, &self.open, number, &card_name, Algorithm::Random, sorted);
        let content = Content::new(number, name, sorted.rest.copy());
        card.sealed = cards::seal_members(&self.open.sealer, &card, content)?;
        transaction.add_card(card.clone()).await?;
        self.code(core, transaction, &card.id, sorted).await?;
        Ok(card)
    }

    /// Stores a security code for a card that is there.
    pub async fn put_code(
        &self,
        core: &Core,
        transaction: &mut dyn Transaction,
        token: &str,
        sorted: &Sorted,
    ) -> Result<Card, VaultError> {
        let card = self.find(transaction, token).await?;
        self.code(core, transaction, &card.id, sorted).await?;
        Ok(card)
    }

    /// Stores a security code for a copy of a card under a new token; the card itself stays as it is.
    pub async fn duplicate(
        &self,
        core: &Core,
        transaction: &mut dyn Transaction,
        token: &str,
        sorted: &Sorted,
    ) -> Result<Card, VaultError> {
        let card = self.find(transaction, token).await?;
        let (content, _) = cards::open_card(transaction, &self.open.unlocked, &card).await?;
        let now = core.now();
        let mut copy = Card {
            id: CardId::new(now, &*core.entropy),
            key_version: self.open.sealer.version,
            token: self.open.sealer.token(Algorithm::Random, "", 0),
            fingerprint: String::new(),
            version: 1,
            last_patch: 0,
            waiting: 0,
            waiting_bytes: 0,
            created_at: now,
            updated_at: now,
            ..card
        };
        copy.sealed = cards::seal_members(&self.open.sealer, &copy, content)?;
        transaction.add_card(copy.clone()).await?;
        self.code(core, transaction, &copy.id, sorted).await?;
        Ok(copy)
    }

    async fn find(&self, transaction: &mut dyn Transaction, token: &str) -> Result<Card, VaultError> {
        find_in(transaction, &self.open.key, token).await?.ok_or(VaultError::UnknownCard)
    }

    async fn code(
        &self,
        core: &Core,
        transaction: &mut dyn Transaction,
        card: &CardId,
        sorted: &Sorted,
    ) -> Result<(), VaultError> {
        if let (Some(sealer), Some(code)) = (&self.codes, &sorted.cvv) {
            transaction.put_cvv(cvv::row(card, sealer.seal(card, code)?, core.now())).await?;
        }
        Ok(())
    }
}
