//! Accounts of the invoice interface: one pair of credentials that is good for test and live, because each invoice
//! says which it is (spec B.1).

use zeroize::Zeroizing;

use super::{AccessError, Caller, authenticate, unauthenticated};
use crate::core::Core;
use crate::crypto::secret;
use crate::invoices::secrets::{self, StoreOrCrypto};
use crate::model::{Account, AccountId, MerchantId, Mode, Scope, Scopes};
use crate::storage::Transaction;

/// What every account id begins with.
const PREFIX: &str = "coma_";

/// A new account in clear: shown once.
pub struct NewAccount {
    /// Basic user name, `account_id`.
    pub id: AccountId,
    /// Basic password, `account_key`.
    pub key: Zeroizing<String>,
    /// What callbacks of live invoices are signed with.
    pub callback_secret_live: Zeroizing<String>,
    /// What callbacks of test invoices are signed with.
    pub callback_secret_test: Zeroizing<String>,
}

/// Who calls the invoice interface. The mode is open with an account, and fixed with any other credential.
#[derive(Clone, Debug)]
pub struct Trader {
    /// The merchant.
    pub merchant: MerchantId,
    /// The credential's mode, where it has one.
    pub mode: Option<Mode>,
    /// The credential's public half.
    pub login: String,
    /// What the credential may do.
    pub scopes: Scopes,
    /// The client's address.
    pub address: String,
}

impl Trader {
    /// The caller in a mode; `None` where the credential is of the other one.
    pub fn caller(&self, mode: Mode) -> Option<Caller> {
        self.mode.is_none_or(|own| own == mode).then(|| Caller {
            merchant: self.merchant.clone(),
            mode,
            login: self.login.clone(),
            scopes: self.scopes,
            address: self.address.clone(),
        })
    }
}

/// Makes an account in the caller's transaction, with callback secrets where the merchant has none.
pub async fn create(
    core: &Core,
    transaction: &mut dyn Transaction,
    merchant: &MerchantId,
) -> Result<NewAccount, StoreOrCrypto> {
    let key = secret::generate_secret(&*core.entropy);
    let account = Account {
        id: AccountId::new(&*core.entropy),
        merchant: merchant.clone(),
        key_hash: secret::hash(&key).to_vec(),
        created_at: core.now(),
        revoked_at: None,
    };
    let id = account.id.clone();
    transaction.add_account(account).await?;
    let callback_secret_live = secrets::create(core, transaction, merchant, Mode::Live).await?;
    let callback_secret_test = secrets::create(core, transaction, merchant, Mode::Test).await?;
    Ok(NewAccount { id, key, callback_secret_live, callback_secret_test })
}

/// Checks an account and its key, or any other credential of the merchant. Failures are audited; unknown names take
/// as long as wrong keys.
pub async fn trader(core: &Core, login: &str, password: &str, address: &str) -> Result<Trader, AccessError> {
    if !login.starts_with(PREFIX) {
        let Caller { merchant, mode, login, scopes, address } =
            authenticate(core, login, password, address).await?;
        return Ok(Trader { merchant, mode: Some(mode), login, scopes, address });
    }
    let id = AccountId::stored(login.to_owned());
    let known = core.store.read().await?.find_account_by_secret_name(id).await?;
    let hash = known.as_ref().map_or(&[0_u8; 32][..], |account| &account.key_hash);
    let right = secret::matches(password, hash);
    match known.filter(|account| right && account.revoked_at.is_none_or(|end| end > core.now())) {
        Some(account) => Ok(Trader {
            merchant: account.merchant,
            mode: None,
            login: login.to_owned(),
            scopes: Scopes::of(&[Scope::Invoice]),
            address: address.to_owned(),
        }),
        None => Err(unauthenticated(core, address).await),
    }
}
