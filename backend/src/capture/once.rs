//! A filled form that is sent again because its answer was lost: it is answered like the first time, and stores
//! nothing more. What is kept for it is committed with its capture.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::CaptureError;
use super::submit::Captured;
use crate::core::Core;
use crate::crypto::binding::Binding;
use crate::crypto::{self, CryptoError, secret};
use crate::json::Members;
use crate::model::{FormSubmit, MerchantId, Mode};

/// How long a submit is remembered: somebody who lost the connection tries again within it.
const LIFE: Duration = Duration::from_hours(1);
/// The length of the random number that a page gives its submits, in characters.
const ID_LENGTH: std::ops::RangeInclusive<usize> = 20..=64;

/// A submit on its way: what it is known by, and what its answer holds besides the endpoint's.
pub struct Ticket {
    id_hash: String,
    request: String,
}

/// A submit that was stored before.
pub struct Kept {
    /// The endpoint's answer.
    pub captured: Captured,
    /// The members of the request that callbacks may see.
    pub request: Members,
    /// Whose card.
    pub merchant: MerchantId,
    /// Test or live.
    pub mode: Mode,
}

#[derive(Deserialize, Serialize)]
struct Answer {
    user: String,
    token: String,
    reference: String,
    request: String,
}

/// What a submit is known by: a keyed digest over the page's random number, the endpoint's name and secret, the
/// form, and all that was sent but the security code. Who changed anything sends another submit. Number and
/// secret cannot be found by trial from it, because the random number is kept nowhere. `None` for a page that
/// gave its submit no number.
pub fn digest(
    core: &Core,
    id: &str,
    unique_id: &str,
    secret: &str,
    form: &str,
    content: &[u8],
) -> Option<String> {
    let parts: [&[u8]; 5] =
        [id.as_bytes(), unique_id.as_bytes(), secret.as_bytes(), form.as_bytes(), content];
    is_id(id).then(|| crypto::hex(&secret::keyed_digest(&core.subkey("form submit"), &parts)))
}

/// Whether a text can be the random number of a page's submit.
pub fn is_id(text: &str) -> bool {
    ID_LENGTH.contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
}

impl Ticket {
    /// For a submit that is about to be stored.
    pub fn new(id_hash: String, request: &Members) -> Self {
        Self { id_hash, request: request.to_json().to_string() }
    }

    /// What is stored with the capture.
    pub fn seal(
        &self,
        core: &Core,
        merchant: &MerchantId,
        mode: Mode,
        captured: &Captured,
    ) -> Result<FormSubmit, CryptoError> {
        let answer = Answer {
            user: captured.user.clone(),
            token: captured.token.clone(),
            reference: captured.reference.clone(),
            request: self.request.clone(),
        };
        let text = Zeroizing::new(serde_json::to_string(&answer).unwrap_or_default());
        let binding = bind(merchant, mode, &self.id_hash);
        Ok(FormSubmit {
            sealed: core.root.wrap(&binding, text.as_bytes(), &*core.entropy)?,
            id_hash: self.id_hash.clone(),
            merchant: merchant.clone(),
            mode,
            expires_at: core.now().plus(LIFE),
        })
    }
}

/// The answer of a submit that was stored before.
pub async fn find(core: &Core, id_hash: String) -> Result<Option<Kept>, CaptureError> {
    let found = core.store.read().await?.find_submit_by_secret_name(id_hash).await?;
    let Some(submit) = found.filter(|submit| submit.expires_at > core.now()) else { return Ok(None) };
    let text = core.root.unwrap(&bind(&submit.merchant, submit.mode, &submit.id_hash), &submit.sealed)?;
    let answer: Answer = serde_json::from_slice(&text).map_err(|_| CryptoError::Open)?;
    let request = Members::parse(answer.request.as_bytes()).map_err(|_| CryptoError::Open)?;
    let captured = Captured {
        user: answer.user,
        token: answer.token,
        reference: answer.reference,
        metadata: None,
        issuer: None,
    };
    Ok(Some(Kept { captured, request, merchant: submit.merchant, mode: submit.mode }))
}

fn bind<'a>(merchant: &'a MerchantId, mode: Mode, id_hash: &'a str) -> Binding<'a> {
    Binding {
        merchant: merchant.as_str(),
        mode: mode.as_str(),
        record: id_hash,
        kind: "form submit",
        field: "answer",
        number: 0,
        key_version: 0,
    }
}
