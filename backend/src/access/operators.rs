//! Operators: whoever has the server's command line, and holders of credentials that were made there. They say where
//! cards may go; what merchants store is out of their reach.

use zeroize::Zeroizing;

use super::{AccessError, unauthenticated};
use crate::core::{Actor, Core, OPERATOR};
use crate::crypto::secret;
use crate::model::{MerchantId, Mode, OperatorKey, OperatorKeyId, Outcome};
use crate::storage::StoreError;

/// The longest name of a credential, in characters.
const LONGEST_NAME: usize = 100;

/// An operator who calls.
#[derive(Clone, Debug)]
pub struct Operator {
    /// As the audit log names it.
    pub name: String,
    /// The client's address; empty on the command line.
    pub address: String,
}

/// A credential with its secret, which is shown this once.
pub struct Created {
    /// The credential.
    pub key: OperatorKey,
    /// What calls bring: login and secret as one text.
    pub secret: Zeroizing<String>,
}

/// Why a credential was not made or ended.
#[derive(Debug, thiserror::Error)]
pub enum OperatorKeyError {
    /// The name is empty, too long, or has control characters.
    #[error("a name has 1 to 100 printable characters")]
    Name,
    /// No such credential, or one that was ended before.
    #[error("there is no such operator key, or it was revoked before")]
    Unknown,
    /// Storage failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Operator {
    /// Whoever has the command line.
    pub fn console() -> Self {
        Self { name: OPERATOR.to_owned(), address: String::new() }
    }

    /// The operator as the audit log names it, at what it does for a merchant.
    pub fn actor(&self, merchant: Option<&MerchantId>, mode: Option<Mode>) -> Actor {
        Actor { merchant: merchant.cloned(), mode, name: self.name.clone(), address: self.address.clone() }
    }
}

/// Makes a credential. For the command line alone: no call makes one.
pub async fn create(core: &Core, name: &str) -> Result<Created, OperatorKeyError> {
    let printable = !name.chars().any(shared::holder::is_unprintable);
    if name.trim().is_empty() || name.chars().count() > LONGEST_NAME || !printable {
        return Err(OperatorKeyError::Name);
    }
    let now = core.now();
    let secret = secret::generate_secret(&*core.entropy);
    let key = OperatorKey {
        id: OperatorKeyId::new(now, &*core.entropy),
        name: name.to_owned(),
        login: format!("operator_{}", secret::generate_id(&*core.entropy)),
        secret_hash: secret::hash(&secret).to_vec(),
        created_at: now,
        revoked_at: None,
    };
    let mut transaction = core.store.begin().await?;
    transaction.add_operator_key(key.clone()).await?;
    let actor = Operator::console().actor(None, None);
    transaction.add_audit(core.entry(&actor, "operator_key.create", key.id.as_str(), Outcome::Done)).await?;
    transaction.commit().await?;
    let secret = Zeroizing::new(format!("{}.{}", key.login, secret.as_str()));
    Ok(Created { key, secret })
}

/// All credentials, ended ones among them.
pub async fn list(core: &Core) -> Result<Vec<OperatorKey>, StoreError> {
    core.store.read().await?.list_operator_keys().await
}

/// Ends a credential, at once and on every node.
pub async fn revoke(core: &Core, id: &str) -> Result<(), OperatorKeyError> {
    let id = OperatorKeyId::stored(id.to_owned());
    let mut transaction = core.store.begin().await?;
    if !transaction.revoke_operator_key(id.clone(), core.now()).await? {
        return Err(OperatorKeyError::Unknown);
    }
    let actor = Operator::console().actor(None, None);
    transaction.add_audit(core.entry(&actor, "operator_key.revoke", id.as_str(), Outcome::Done)).await?;
    Ok(transaction.commit().await?)
}

/// Checks a login and its secret. Failures are audited; merchants' credentials are as unknown as any.
pub async fn authenticate(
    core: &Core,
    login: &str,
    given: &str,
    address: &str,
) -> Result<Operator, AccessError> {
    let known = core.store.read().await?.find_operator_key_by_secret_name(login.to_owned()).await?;
    let hash = known.as_ref().map_or(&[0_u8; 32][..], |key| &key.secret_hash);
    let right = secret::matches(given, hash);
    match known.filter(|key| right && key.revoked_at.is_none()) {
        Some(key) => Ok(Operator { name: format!("operator:{}", key.id), address: address.to_owned() }),
        None => Err(unauthenticated(core, address).await),
    }
}
