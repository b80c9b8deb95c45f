//! A stored card that somebody knows more of: another expiry or holder in place, another number as a card of its own.

use shared::{CardNumber, Expiry};
use zeroize::Zeroizing;

use super::within::Managed;
use super::{VaultError, cards, members};
use crate::core::Core;
use crate::crypto::token::Algorithm;
use crate::json::{Members, Value};
use crate::model::{Card, CardId, Shown};
use crate::storage::Transaction;

impl Managed {
    /// Stores what a card was replaced by as a new card under a random token: a token that is made of the number
    /// stands for that number. Everything else is taken over, the security code is not.
    pub async fn renew_number(
        &self,
        core: &Core,
        transaction: &mut dyn Transaction,
        card: &CardId,
        number: &CardNumber,
        expiry: Option<Expiry>,
    ) -> Result<Card, VaultError> {
        let card = self.lookup(transaction, card).await?;
        let (mut content, _) = cards::open_card(transaction, &self.open.unlocked, &card).await?;
        content.number = Zeroizing::new(number.digits().to_owned());
        // The choice was one between the brands of the card before.
        content.members.take(members::NETWORK);
        content.merge(expiry_member(expiry));
        let now = core.now();
        let mut renewed = Card {
            id: CardId::new(now, &*core.entropy),
            key_version: self.open.sealer.version,
            token: self.open.sealer.token(Algorithm::Random, number.digits(), 0),
            reference: String::new(),
            fingerprint: String::new(),
            shown: Shown {
                brand: number.brand(),
                network: None,
                first_six: number.first_six().to_owned(),
                last_four: number.last_four().to_owned(),
                digits: u8::try_from(number.digits().len()).unwrap_or(0),
                expiry: expiry.or(card.shown.expiry),
                holder: card.shown.holder.clone(),
                owner_id: card.shown.owner_id.clone(),
            },
            version: 1,
            last_patch: 0,
            waiting: 0,
            waiting_bytes: 0,
            created_at: now,
            updated_at: now,
            ..card
        };
        renewed.sealed = cards::seal_members(&self.open.sealer, &renewed, content)?;
        transaction.add_card(renewed.clone()).await?;
        Ok(renewed)
    }

    /// Gives a card another expiry. `None` where somebody else has changed the card since it was read.
    pub async fn renew_expiry(
        &self,
        core: &Core,
        transaction: &mut dyn Transaction,
        card: &CardId,
        expiry: Expiry,
    ) -> Result<Option<Card>, VaultError> {
        let mut card = self.lookup(transaction, card).await?;
        let (mut content, _) = cards::open_card(transaction, &self.open.unlocked, &card).await?;
        content.merge(expiry_member(Some(expiry)));
        card.shown.expiry = Some(expiry);
        let is_written = cards::fold(core, transaction, &self.open, &card, &content).await?;
        Ok(is_written.then_some(card))
    }

    /// Gives a card another holder's name, under the name that one is stored by. `None` as above.
    pub async fn rename_holder(
        &self,
        core: &Core,
        transaction: &mut dyn Transaction,
        card: &CardId,
        holder: &str,
    ) -> Result<Option<Card>, VaultError> {
        let mut card = self.lookup(transaction, card).await?;
        let (mut content, _) = cards::open_card(transaction, &self.open.unlocked, &card).await?;
        content.merge([("card_holder".to_owned(), Value::text(holder))].into_iter().collect());
        card.shown.holder = members::holder(&content.members).unwrap_or_default();
        let is_written = cards::fold(core, transaction, &self.open, &card, &content).await?;
        Ok(is_written.then_some(card))
    }

    async fn lookup(&self, transaction: &mut dyn Transaction, card: &CardId) -> Result<Card, VaultError> {
        let found = transaction.lookup_card(self.open.key.merchant.clone(), card.clone()).await?;
        found.filter(|card| card.key == self.open.key.id).ok_or(VaultError::UnknownCard)
    }
}

fn expiry_member(expiry: Option<Expiry>) -> Members {
    expiry.map(|expiry| ("expiry".to_owned(), Value::text(expiry.short()))).into_iter().collect()
}
