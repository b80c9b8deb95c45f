//! Session tokens: a credential's right to open card forms, for some minutes, as a text that browsers may see. Nothing of them is
//! stored, so that every node knows all of them.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use subtle::ConstantTimeEq as _;

use super::{AccessError, Caller, caller, unauthenticated};
use crate::core::Core;
use crate::crypto::secret;
use crate::model::{Scope, Scopes};

/// A token: `login.end.mac`, the end in milliseconds since the epoch.
pub fn token(core: &Core, caller: &Caller, life: Duration) -> String {
    let end = core.now().plus(life).millis();
    let mac = URL_SAFE_NO_PAD.encode(mac(core, &caller.login, end));
    format!("{}.{end}.{mac}", caller.login)
}

/// The caller of a token that has not ended, if its credential still stands.
pub async fn authenticate(core: &Core, token: &str, address: &str) -> Result<Caller, AccessError> {
    let Some(login) = proven(core, token) else { return Err(unauthenticated(core, address).await) };
    let known = core.store.read().await?.find_api_key_by_secret_name(login).await?;
    match known.filter(|key| key.stands(core.now())) {
        // What browsers may see opens forms, and nothing else.
        Some(key) => {
            let forms = Scopes::of(&[Scope::CaptureCreate]);
            let scopes = if key.scopes.has(Scope::CaptureCreate) { forms } else { Scopes::of(&[]) };
            Ok(Caller { scopes, ..caller(key, address) })
        }
        None => Err(unauthenticated(core, address).await),
    }
}

/// The login of a token that is ours and has not ended.
fn proven(core: &Core, token: &str) -> Option<String> {
    let mut parts = token.split('.');
    let (login, end, given) = (parts.next()?, parts.next()?, parts.next()?);
    let given = URL_SAFE_NO_PAD.decode(given).ok()?;
    let end: i64 = end.parse().ok()?;
    let right: bool = mac(core, login, end).ct_eq(given.as_slice()).into();
    (right && parts.next().is_none() && core.now().millis() < end).then(|| login.to_owned())
}

fn mac(core: &Core, login: &str, end: i64) -> [u8; 32] {
    let key = core.subkey("session token");
    secret::keyed_digest(&key, &[login.as_bytes(), &end.to_be_bytes()])
}
