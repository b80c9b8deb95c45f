//! Access tokens (spec B.1): a right to open card forms that a merchant makes without a call, by encrypting its API key
//! and an end to this server's public key. See ADR 0007 for what stands against trying ciphertexts.

use std::time::Duration;

use zeroize::Zeroizing;

use super::{AccessError, Caller, authenticate as authenticate_key, unauthenticated};
use crate::core::Core;
use crate::crypto::binding::Binding;
use crate::crypto::rsa::{self, DecryptingKey};
use crate::crypto::{CryptoError, custody, hex, unhex};
use crate::model::{Scope, Scopes, Timestamp};
use crate::storage::StoreError;

/// The fact under which the private key is kept, wrapped.
pub const KEY: &str = "access_token.key";
/// The furthest end of a token.
const LONGEST: Duration = Duration::from_hours(1);
/// The longest of the merchant's random texts.
const MAX_GUID: usize = 64;
/// Refused tokens of one address in a minute, before none of it is decrypted any more.
const MOST_REFUSED: u32 = 20;
const SCOPE: &str = "access_token.refused";

const BINDING: Binding<'static> = Binding {
    merchant: "",
    mode: "",
    record: "",
    kind: "access-token-key",
    field: "",
    number: 0,
    key_version: 0,
};

/// Why there is no public key.
#[derive(Debug, thiserror::Error)]
pub enum TokenKeyError {
    /// Storage failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The key cannot be made or opened.
    #[error(transparent)]
    Crypto(#[from] CryptoError),
}

/// The public key as PEM. The first call makes the pair.
pub async fn public_key(core: &Core) -> Result<String, TokenKeyError> {
    if let Some(key) = open(core).await? {
        return Ok(key.public_pem());
    }
    let made = tokio::task::spawn_blocking(rsa::generate).await.map_err(|_| CryptoError::Random)??;
    let wrapped = hex(&core.root.wrap(&BINDING, &made, &*core.entropy)?);
    let mut transaction = core.store.begin().await?;
    // Of two nodes that begin at once, one's pair stands for both.
    let stands = transaction.add_fact(KEY, wrapped).await?;
    transaction.commit().await?;
    Ok(opened(core, &stands)?.public_pem())
}

/// The caller of a token, for card forms alone. Whatever is wrong with a token, there is one answer, after one look-up.
pub async fn authenticate(core: &Core, token: &str, address: &str) -> Result<Caller, AccessError> {
    let minute = core.now().minute();
    if core.policy.limits.is_some()
        && core.store.read().await?.hits(SCOPE, address.to_owned(), minute).await? >= MOST_REFUSED
    {
        return Err(unauthenticated(core, address).await);
    }
    let text = decrypt(core, token).await?;
    let (login, secret) = api_key(&text, core.now()).unwrap_or(("", ""));
    match authenticate_key(core, login, secret, address).await {
        Ok(caller) => {
            let forms = Scopes::of(&[Scope::CaptureCreate]);
            let scopes = if caller.scopes.has(Scope::CaptureCreate) { forms } else { Scopes::of(&[]) };
            Ok(Caller { scopes, ..caller })
        }
        Err(AccessError::Store(error)) => Err(error.into()),
        // Also where a password was wrong too often: only who was decrypted could be told that.
        Err(_) => {
            let mut transaction = core.store.begin().await?;
            transaction.hit(SCOPE, address.to_owned(), minute).await?;
            transaction.commit().await?;
            Err(AccessError::Unauthenticated)
        }
    }
}

/// The key under the newest version of the root key.
pub fn rewrap(core: &Core, wrapped: &[u8]) -> Result<Vec<u8>, CryptoError> {
    custody::rewrap(wrapped, &BINDING, &*core.root, &*core.entropy)
}

async fn open(core: &Core) -> Result<Option<DecryptingKey>, TokenKeyError> {
    let fact = core.store.read().await?.fact(KEY).await?;
    Ok(fact.map(|wrapped| opened(core, &wrapped)).transpose()?)
}

fn opened(core: &Core, wrapped: &str) -> Result<DecryptingKey, CryptoError> {
    let wrapped = unhex(wrapped).ok_or(CryptoError::Open)?;
    DecryptingKey::open(&core.root.unwrap(&BINDING, &wrapped)?)
}

/// What a token says; nothing where it cannot be decrypted.
async fn decrypt(core: &Core, token: &str) -> Result<Zeroizing<String>, AccessError> {
    let key = match open(core).await {
        Ok(key) => key,
        Err(TokenKeyError::Store(error)) => return Err(error.into()),
        Err(TokenKeyError::Crypto(error)) => {
            tracing::error!(%error, "the key of access tokens cannot be opened");
            None
        }
    };
    let text = key.zip(unhex(token)).and_then(|(key, ciphertext)| key.decrypt(&ciphertext).ok());
    let text =
        text.and_then(|text| std::str::from_utf8(&text).ok().map(|text| Zeroizing::new(text.to_owned())));
    Ok(text.unwrap_or_default())
}

/// Login and secret of `<API key>#<GUID>#<end>`, if the end lies ahead and not too far.
fn api_key(text: &str, now: Timestamp) -> Option<(&str, &str)> {
    let mut parts = text.split('#');
    let (key, guid, end) = (parts.next()?, parts.next()?, parts.next()?);
    let is_guid = (1..=MAX_GUID).contains(&guid.len())
        && guid.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ');
    let end = Timestamp::parse(end)?;
    (parts.next().is_none() && is_guid && end > now && end <= now.plus(LONGEST)).then_some(())?;
    key.split_once('.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_has_a_key_a_text_and_an_end_within_the_hour() {
        let now = Timestamp::parse("2027-01-15T08:00:00").unwrap();
        for end in ["2027-01-15T08:00:10", "2027-01-15T09:00:00Z"] {
            assert_eq!(api_key(&format!("key_1.secret#8f-1#{end}"), now), Some(("key_1", "secret")));
        }
        for text in [
            "",
            "key_1.secret",
            "key_1.secret#8f-1",
            "key_1.secret#8f-1#2027-01-15T08:00:00",
            "key_1.secret#8f-1#2027-01-15T09:00:01",
            "key_1.secret#8f-1#soon",
            "key_1.secret##2027-01-15T08:30:00",
            "key_1.secret#8f#1#2027-01-15T08:30:00",
            "key_1#8f-1#2027-01-15T08:30:00",
            "key_1.secret#\u{e9}#2027-01-15T08:30:00",
        ] {
            assert_eq!(api_key(text, now), None, "{text}");
        }
        let long = "x".repeat(65);
        assert_eq!(api_key(&format!("key_1.secret#{long}#2027-01-15T08:30:00"), now), None);
    }
}
