//! Cards on their way into one call to a gateway: opened in the transaction that audits the use, lent to the call
//! by reference, and wiped after it.

use shared::{CardNumber, Cvv, Expiry};
use zeroize::Zeroizing;

use super::content::Content;
use super::within::Managed;
use super::{VaultError, cards, cvv, members};
use crate::card_data::{Meaning, meaning};
use crate::core::{Actor, Core};
use crate::gateways::CardInUse;
use crate::invalid::Invalid;
use crate::model::{CardId, Use};
use crate::storage::Transaction;

/// A card in clear that is not stored, or not read yet by the call that it was opened for. Has no Debug, no Clone;
/// its parts are wiped when it is dropped.
pub struct GivenCard {
    /// The card number.
    pub number: CardNumber,
    /// The end of its validity.
    pub expiry: Expiry,
    /// The name on it; may be empty.
    pub holder: Zeroizing<String>,
    /// The security code.
    pub cvv: Option<Cvv>,
}

impl GivenCard {
    /// Lends the card to one call. It is wiped when the call ends, or is given up.
    pub async fn lend<T>(self, call: impl AsyncFnOnce(&CardInUse<'_>) -> T) -> T {
        let in_use = CardInUse {
            number: &self.number,
            expiry: self.expiry,
            holder: &self.holder,
            cvv: self.cvv.as_ref(),
        };
        call(&in_use).await
    }
}

impl Managed {
    /// Opens a stored card for one call, and folds what waits on it as a read does. With `spent`
    /// the stored code is spent there, where there is one whose terms allow it. The caller audits the use in the
    /// same transaction, and commits it before the card is lent.
    pub async fn open_for_use(
        &self,
        core: &Core,
        transaction: &mut dyn Transaction,
        card: &CardId,
        spent: Option<Use<'_>>,
        actor: &Actor,
    ) -> Result<GivenCard, VaultError> {
        let found = transaction.lookup_card(self.open.key.merchant.clone(), card.clone()).await?;
        let card = found.filter(|card| card.key == self.open.key.id).ok_or(VaultError::UnknownCard)?;
        let (content, waiting) = cards::open_card(transaction, &self.open.unlocked, &card).await?;
        if waiting || card.key_version != self.open.key.current {
            // A lost race leaves the patches for the next one; what was opened is right all the same.
            cards::fold(core, transaction, &self.open, &card, &content).await?;
        }
        let code = match spent {
            Some(at) => cvv::spend(core, transaction, &self.open.unlocked, &card, at, actor).await?,
            None => None,
        };
        let code =
            code.and_then(|code| Cvv::parse(std::str::from_utf8(&code).unwrap_or_default(), None).ok());
        given(&content, card.shown.expiry, code)
    }
}

fn given(content: &Content, shown: Option<Expiry>, cvv: Option<Cvv>) -> Result<GivenCard, VaultError> {
    let unusable = |code, detail| Invalid::new("/token", code, detail);
    let expiry = members::expiry_of(&content.members).and_then(Result::ok).or(shown);
    let expiry = expiry.ok_or_else(|| unusable("expiry", "The stored card has no expiry date."))?;
    let is_account = members::find_routing(&content.members).is_some();
    let number = CardNumber::parse(&content.number, true).ok().filter(|_| !is_account);
    let number = number.ok_or_else(|| unusable("no_card", "What is stored is no payment card."))?;
    let holder = content.members.iter().find(|(name, _)| meaning(name) == Meaning::Holder);
    let holder = holder.and_then(|(_, value)| value.as_text()).unwrap_or_default();
    Ok(GivenCard { number, expiry, holder: Zeroizing::new(holder.to_owned()), cvv })
}
