//! Credentials by calls of their merchant: made, listed, ended, given another password.

use std::time::Duration;

use zeroize::Zeroizing;

use super::{AccessError, Caller, passwords};
use crate::core::Core;
use crate::crypto::secret;
use crate::invalid::Invalid;
use crate::model::{ApiKey, ApiKeyId, Mode, Outcome, Scopes, Timestamp};
use crate::storage::Page;

/// The longest name, in characters.
const LONGEST_NAME: usize = 100;
/// The bounds of a chosen password, in characters and bytes.
const SHORTEST_PASSWORD: usize = 16;
const LONGEST_PASSWORD: usize = 200;
/// The longest life of a credential that has an end.
const LONGEST_LIFE: Duration = Duration::from_hours(24 * 366 * 10);

/// What a creation asks for.
pub struct NewApiKey {
    /// What its owner calls it; may be empty.
    pub name: String,
    /// The mode; the caller's where none is given.
    pub mode: Option<Mode>,
    /// What it may do.
    pub scopes: Scopes,
    /// When it ends.
    pub expires_at: Option<Timestamp>,
}

/// A credential with its secret, which is shown this once.
pub struct Created {
    /// The credential.
    pub key: ApiKey,
    /// Its secret: the Basic password, and the second half of the API key.
    pub secret: Zeroizing<String>,
}

/// Why a credential was not made, found or changed.
#[derive(Debug, thiserror::Error)]
pub enum ApiKeyError {
    /// A refused value.
    #[error("a value was refused")]
    Invalid(Invalid),
    /// No such credential, or a foreign one.
    #[error("unknown credential")]
    Unknown,
    /// It was ended before.
    #[error("the credential was ended before")]
    Ended,
    /// A credential cannot end itself: the last one that may make others would lock its merchant out.
    #[error("a credential cannot end itself")]
    Own,
    /// Access or storage.
    #[error(transparent)]
    Access(#[from] AccessError),
}

impl<E: Into<crate::storage::StoreError>> From<E> for ApiKeyError {
    fn from(error: E) -> Self {
        Self::Access(AccessError::Store(error.into()))
    }
}

/// Makes a credential. It may do no more than the one that makes it, and one of test mode makes none of live mode.
pub async fn create(core: &Core, caller: &Caller, new: NewApiKey) -> Result<Created, ApiKeyError> {
    check(core, caller, &new)?;
    if let Some(scope) = caller.scopes.lacks(new.scopes) {
        core.refused(&caller.actor(), "access.scope", scope.as_str()).await;
        return Err(AccessError::Forbidden(scope).into());
    }
    let now = core.now();
    let mode = new.mode.unwrap_or(caller.mode);
    let own = core.store.read().await?.find_api_key_by_secret_name(caller.login.clone()).await?;
    let end = own.and_then(|own| own.expires_at);
    let secret = secret::generate_secret(&*core.entropy);
    let key = ApiKey {
        id: ApiKeyId::new(now, &*core.entropy),
        merchant: caller.merchant.clone(),
        mode,
        name: new.name,
        login: format!("{}_{}", mode.as_str(), secret::generate_id(&*core.entropy)),
        secret_hash: secret::hash(&secret).to_vec(),
        salt: Vec::new(),
        kdf: String::new(),
        scopes: new.scopes,
        created_at: now,
        // Nor does it live longer.
        expires_at: new.expires_at.into_iter().chain(end).min(),
        revoked_at: None,
        used_at: None,
    };
    let mut transaction = core.store.begin().await?;
    transaction.add_api_key(key.clone()).await?;
    let entry = core.entry(&caller.actor(), "api_key.create", key.id.as_str(), Outcome::Done);
    transaction.add_audit(entry).await?;
    transaction.commit().await?;
    Ok(Created { key, secret })
}

/// A page of the merchant's credentials: those of both modes for live callers, else those of test mode.
pub async fn list(core: &Core, caller: &Caller, page: Page) -> Result<Vec<ApiKey>, ApiKeyError> {
    let mode = (caller.mode == Mode::Test).then_some(Mode::Test);
    Ok(core.store.read().await?.list_api_keys(caller.merchant.clone(), mode, page).await?)
}

/// One credential of the merchant.
pub async fn find(core: &Core, caller: &Caller, id: &str) -> Result<ApiKey, ApiKeyError> {
    let id = ApiKeyId::stored(id.to_owned());
    let found = core.store.read().await?.find_api_key(caller.merchant.clone(), id).await?;
    found.filter(|key| caller.mode == Mode::Live || key.mode == caller.mode).ok_or(ApiKeyError::Unknown)
}

/// Ends a credential, at once and on every node.
pub async fn revoke(core: &Core, caller: &Caller, id: &str) -> Result<ApiKey, ApiKeyError> {
    let key = find(core, caller, id).await?;
    if key.login == caller.login {
        return Err(ApiKeyError::Own);
    }
    let now = core.now();
    let mut transaction = core.store.begin().await?;
    if !transaction.revoke_api_key(caller.merchant.clone(), key.id.clone(), now).await? {
        return Err(ApiKeyError::Ended);
    }
    let entry = core.entry(&caller.actor(), "api_key.revoke", key.id.as_str(), Outcome::Done);
    transaction.add_audit(entry).await?;
    transaction.commit().await?;
    Ok(ApiKey { revoked_at: Some(now), ..key })
}

/// Gives the caller's own credential another secret: a chosen one, or a generated one. The old one ends at once.
pub async fn change_password(
    core: &Core,
    caller: &Caller,
    chosen: Option<Zeroizing<String>>,
) -> Result<Zeroizing<String>, ApiKeyError> {
    let found = core.store.read().await?.find_api_key_by_secret_name(caller.login.clone()).await?;
    let key = found.ok_or(ApiKeyError::Unknown)?;
    let (key, password) = if let Some(password) = chosen {
        check_password(&password)?;
        let (secret_hash, salt, kdf) = passwords::stretch(core, password.clone()).await?;
        (ApiKey { secret_hash, salt, kdf, ..key }, password)
    } else {
        let password = secret::generate_secret(&*core.entropy);
        let secret_hash = secret::hash(&password).to_vec();
        (ApiKey { secret_hash, salt: Vec::new(), kdf: String::new(), ..key }, password)
    };
    let mut transaction = core.store.begin().await?;
    let entry = core.entry(&caller.actor(), "api_key.password", key.id.as_str(), Outcome::Done);
    if !transaction.set_api_key_secret(key).await? {
        return Err(ApiKeyError::Unknown);
    }
    transaction.add_audit(entry).await?;
    transaction.commit().await?;
    Ok(password)
}

fn check(core: &Core, caller: &Caller, new: &NewApiKey) -> Result<(), ApiKeyError> {
    let problem = |at: &str, code, detail: &str| Err(ApiKeyError::Invalid(Invalid::new(at, code, detail)));
    if new.name.chars().count() > LONGEST_NAME || new.name.chars().any(shared::holder::is_unprintable) {
        return problem("/name", "characters", "A name has at most 100 printable characters.");
    }
    if shared::digits::holds_card_number(&new.name) {
        return problem("/name", "holds_number", "The name holds what looks like a card number.");
    }
    if new.scopes.is_empty() {
        return problem("/scopes", "missing", "A credential needs at least one scope.");
    }
    if caller.mode == Mode::Test && new.mode == Some(Mode::Live) {
        return problem("/mode", "mode", "A credential of test mode makes credentials of test mode only.");
    }
    let now = core.now();
    if new.expires_at.is_some_and(|end| end <= now || end > now.plus(LONGEST_LIFE)) {
        return problem("/expires_at", "range", "expires_at has to lie ahead, by ten years at most.");
    }
    Ok(())
}

fn check_password(password: &str) -> Result<(), ApiKeyError> {
    let problem = |code, detail: &str| Err(ApiKeyError::Invalid(Invalid::new("/password", code, detail)));
    if password.chars().count() < SHORTEST_PASSWORD {
        problem("too_short", "A password has at least 16 characters; without one a password is generated.")
    } else if password.len() > LONGEST_PASSWORD {
        problem("too_long", "A password has at most 200 bytes.")
    } else if password.chars().any(shared::holder::is_unprintable) {
        problem("characters", "A password has no control characters.")
    } else {
        Ok(())
    }
}
