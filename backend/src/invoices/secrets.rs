//! What invoice callbacks are signed with: one secret for each mode, and the signature that clients of the interface
//! check (spec B.7). It is no HMAC; the outbox adds one (Standard Webhooks).

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::InvoiceError;
use crate::core::Core;
use crate::crypto::binding::Binding;
use crate::crypto::{CryptoError, secret};
use crate::model::{CallbackSecretRow, MerchantId, Mode};
use crate::storage::{StoreError, Transaction};

/// Characters of a new secret.
const LENGTH: usize = 40;

/// Makes the secret of a mode in the caller's transaction, if there is none; answers the one that stands.
pub async fn create(
    core: &Core,
    transaction: &mut dyn Transaction,
    merchant: &MerchantId,
    mode: Mode,
) -> Result<Zeroizing<String>, StoreOrCrypto> {
    let secret = Zeroizing::new(secret::generate_name(&*core.entropy, LENGTH));
    let sealed = core.root.wrap(&bind(merchant, mode), secret.as_bytes(), &*core.entropy)?;
    let row = CallbackSecretRow { merchant: merchant.clone(), mode, sealed, created_at: core.now() };
    let stands = transaction.add_callback_secret(row).await?;
    Ok(open(core, &stands)?)
}

/// The `X-Signature` of a body: the base64 of SHA-1 over secret, body, secret.
pub async fn sign(
    core: &Core,
    transaction: &mut dyn Transaction,
    merchant: &MerchantId,
    mode: Mode,
    body: &str,
) -> Result<String, InvoiceError> {
    // Merchants that are older than invoices get theirs when it is first needed.
    let secret = match transaction.find_callback_secret(merchant.clone(), mode).await? {
        Some(row) => open(core, &row)?,
        None => create(core, transaction, merchant, mode).await?,
    };
    Ok(signature(&secret, body))
}

/// Why no secret could be made.
#[derive(Debug, thiserror::Error)]
pub enum StoreOrCrypto {
    /// Storage failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The root key failed.
    #[error(transparent)]
    Crypto(#[from] CryptoError),
}

fn signature(secret: &str, body: &str) -> String {
    let mut digest = digest::Context::new(&digest::SHA1_FOR_LEGACY_USE_ONLY);
    for part in [secret, body, secret] {
        digest.update(part.as_bytes());
    }
    STANDARD.encode(digest.finish())
}

fn open(core: &Core, row: &CallbackSecretRow) -> Result<Zeroizing<String>, CryptoError> {
    let bytes = core.root.unwrap(&bind(&row.merchant, row.mode), &row.sealed)?;
    let text = std::str::from_utf8(&bytes).map_err(|_| CryptoError::Open)?;
    Ok(Zeroizing::new(text.to_owned()))
}

fn bind(merchant: &MerchantId, mode: Mode) -> Binding<'_> {
    Binding {
        merchant: merchant.as_str(),
        mode: mode.as_str(),
        record: merchant.as_str(),
        kind: "callback secret",
        field: "secret",
        number: 0,
        key_version: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_the_published_one() {
        let body = r#"{"data":{"type":"payment-invoices","id":"cpi_1"}}"#;
        assert_eq!(signature("secret", body), "PTBJWvey5fv3DEwedT3eq/Ox5DE=");
    }
}
