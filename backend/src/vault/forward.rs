//! Cards that are opened to be sent somewhere: within the caller's transaction, which also writes the audit entry
//! and counts the use of the security code.

use zeroize::Zeroizing;

use super::VaultError;
use super::cards::{self, CardName, Open};
use super::content::Content;
use super::cvv;
use super::keys::KeyAccess;
use crate::access::Caller;
use crate::core::Core;
use crate::model::{Card, Timestamp, Use};
use crate::storage::Transaction;

/// A vault key, open.
pub struct OpenKey {
    open: Open,
    caller: Caller,
}

/// A security code that was counted as used.
pub struct SpentCode {
    /// The digits.
    pub digits: Zeroizing<String>,
    /// When it would have ended.
    pub ends_at: Timestamp,
}

/// Opens a vault key. Before the transaction: it may stretch a passphrase.
pub async fn unlock(core: &Core, caller: &Caller, access: &KeyAccess) -> Result<OpenKey, VaultError> {
    Ok(OpenKey { open: cards::open_key(core, caller, access).await?, caller: caller.clone() })
}

impl OpenKey {
    /// A card, closed.
    pub async fn find(&self, transaction: &mut dyn Transaction, name: &CardName) -> Result<Card, VaultError> {
        let found = cards::find_in(transaction, &self.caller, &self.open.key, name).await?;
        found.ok_or(VaultError::UnknownCard)
    }

    /// What is in a card.
    pub async fn open(&self, transaction: &mut dyn Transaction, card: &Card) -> Result<Content, VaultError> {
        Ok(cards::open_card(transaction, &self.open.unlocked, card).await?.0)
    }

    /// Takes a card's security code for one use at a host. The last use erases it.
    pub async fn spend(
        &self,
        core: &Core,
        transaction: &mut dyn Transaction,
        card: &Card,
        at: Use<'_>,
    ) -> Result<SpentCode, VaultError> {
        let (merchant, id) = (card.merchant.clone(), card.id.clone());
        let terms = transaction.find_cvv_terms(merchant, id).await?.ok_or(VaultError::NoCode)?;
        let actor = self.caller.actor();
        let spent = cvv::spend(core, transaction, &self.open.unlocked, card, at, &actor).await?;
        let digits = Zeroizing::new(String::from_utf8_lossy(&spent.ok_or(VaultError::NoCode)?).into_owned());
        Ok(SpentCode { digits, ends_at: terms.expires_at })
    }
}
