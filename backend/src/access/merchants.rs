//! Making merchants: the tenant, its credentials for test and live, and its managed keys.

use zeroize::Zeroizing;

use super::AccessError;
use super::accounts::{self, NewAccount};
use super::company::{self, CompanyCredentials, CompanyError};
use crate::core::{Actor, Core};
use crate::crypto::secret;
use crate::invoices::secrets::StoreOrCrypto;
use crate::model::{ApiKey, ApiKeyId, Merchant, MerchantId, Mode, Outcome, Scopes};
use crate::outbox::{OutboxError, secrets};
use crate::storage::{StoreError, Transaction};
use crate::vault::{VaultError, keys};

/// The credentials of one mode, in clear: shown once, never stored.
pub struct Credentials {
    /// Basic user name.
    pub user: String,
    /// Basic password.
    pub password: Zeroizing<String>,
    /// The same rights as one text, for clients that send a single key.
    pub api_key: Zeroizing<String>,
    /// What webhooks of this mode are signed with.
    pub webhook_secret: Zeroizing<String>,
    /// What gateway transactions of this mode are called with.
    pub company: CompanyCredentials,
}

/// A new merchant's credentials.
pub struct NewMerchant {
    /// The merchant.
    pub id: MerchantId,
    /// Live credentials.
    pub live: Credentials,
    /// Test credentials.
    pub test: Credentials,
    /// The account of the invoice interface, for both modes.
    pub account: NewAccount,
}

/// Why a merchant was not made.
#[derive(Debug, thiserror::Error)]
pub enum MerchantError {
    /// The name is empty, too long, or has control characters.
    #[error("a merchant's name has 1 to 100 printable characters")]
    Name,
    /// There is no merchant of this name.
    #[error("there is no merchant of this name")]
    Unknown,
    /// The name is taken.
    #[error("a merchant of this name exists")]
    Taken,
    /// The vault failed.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// Storage failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The outbox failed.
    #[error(transparent)]
    Outbox(#[from] OutboxError),
    /// Access failed.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// The company's secrets could not be sealed.
    #[error(transparent)]
    Company(#[from] CompanyError),
}

impl From<StoreOrCrypto> for MerchantError {
    fn from(error: StoreOrCrypto) -> Self {
        match error {
            StoreOrCrypto::Store(error) => error.into(),
            StoreOrCrypto::Crypto(error) => Self::Vault(error.into()),
        }
    }
}

/// Makes a merchant, effective at once on every node.
pub async fn create(core: &Core, name: &str, scopes: Scopes) -> Result<NewMerchant, MerchantError> {
    let name = name.trim();
    if name.is_empty() || name.chars().count() > 100 || name.chars().any(shared::holder::is_unprintable) {
        return Err(MerchantError::Name);
    }
    let now = core.now();
    let id = MerchantId::new(now, &*core.entropy);
    let mut transaction = core.store.begin().await?;
    let merchant = Merchant { id: id.clone(), name: name.to_owned(), created_at: now };
    transaction.add_merchant(merchant).await.map_err(|error| match error {
        StoreError::Conflict => MerchantError::Taken,
        other => other.into(),
    })?;
    let live = add_mode(core, &mut *transaction, &id, Mode::Live, scopes).await?;
    let test = add_mode(core, &mut *transaction, &id, Mode::Test, scopes).await?;
    let account = accounts::create(core, &mut *transaction, &id).await?;
    let operator = Actor::operator(Some(id.clone()), None);
    transaction.add_audit(core.entry(&operator, "merchant.create", id.as_str(), Outcome::Done)).await?;
    transaction.commit().await?;
    Ok(NewMerchant { id, live, test, account })
}

/// Makes an account of the invoice interface for a merchant that is there. Accounts before it stay good.
pub async fn add_account(core: &Core, name: &str) -> Result<NewAccount, MerchantError> {
    let mut transaction = core.store.begin().await?;
    let found = transaction.find_merchant_by_name(name.trim().to_owned()).await?;
    let id = found.ok_or(MerchantError::Unknown)?.id;
    let account = accounts::create(core, &mut *transaction, &id).await?;
    let operator = Actor::operator(Some(id.clone()), None);
    transaction.add_audit(core.entry(&operator, "account.create", id.as_str(), Outcome::Done)).await?;
    transaction.commit().await?;
    Ok(account)
}

/// New credentials of a merchant's gateway transactions, test and live; those before them end at once. What was set
/// for its companies stays.
pub async fn renew_companies(
    core: &Core,
    name: &str,
) -> Result<(CompanyCredentials, CompanyCredentials), MerchantError> {
    let mut transaction = core.store.begin().await?;
    let found = transaction.find_merchant_by_name(name.trim().to_owned()).await?;
    let id = found.ok_or(MerchantError::Unknown)?.id;
    let test = company::renew(core, &mut *transaction, &id, Mode::Test).await?;
    let live = company::renew(core, &mut *transaction, &id, Mode::Live).await?;
    let operator = Actor::operator(Some(id.clone()), None);
    transaction.add_audit(core.entry(&operator, "company.renew", id.as_str(), Outcome::Done)).await?;
    transaction.commit().await?;
    Ok((test, live))
}

/// Whether a merchant of this name exists.
pub async fn exists(core: &Core, name: &str) -> Result<bool, StoreError> {
    Ok(core.store.read().await?.find_merchant_by_name(name.to_owned()).await?.is_some())
}

async fn add_mode(
    core: &Core,
    transaction: &mut dyn Transaction,
    merchant: &MerchantId,
    mode: Mode,
    scopes: Scopes,
) -> Result<Credentials, MerchantError> {
    keys::add_managed(core, transaction, merchant, mode).await?;
    let (user, password) = add_credential(core, transaction, merchant, mode, scopes).await?;
    let (login, secret) = add_credential(core, transaction, merchant, mode, scopes).await?;
    let api_key = Zeroizing::new(format!("{login}.{}", secret.as_str()));
    let webhook_secret = secrets::create(core, transaction, merchant, mode).await?;
    let company = company::create(core, transaction, merchant, mode).await?;
    Ok(Credentials { user, password, api_key, webhook_secret, company })
}

async fn add_credential(
    core: &Core,
    transaction: &mut dyn Transaction,
    merchant: &MerchantId,
    mode: Mode,
    scopes: Scopes,
) -> Result<(String, Zeroizing<String>), StoreError> {
    let secret = secret::generate_secret(&*core.entropy);
    let login = format!("{}_{}", mode.as_str(), secret::generate_id(&*core.entropy));
    let key = ApiKey {
        id: ApiKeyId::new(core.now(), &*core.entropy),
        merchant: merchant.clone(),
        mode,
        name: String::new(),
        login: login.clone(),
        secret_hash: secret::hash(&secret).to_vec(),
        salt: Vec::new(),
        kdf: String::new(),
        scopes,
        created_at: core.now(),
        expires_at: None,
        revoked_at: None,
        used_at: None,
    };
    transaction.add_api_key(key).await?;
    Ok((login, secret))
}
