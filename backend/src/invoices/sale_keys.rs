//! The key pairs that sign the tokens of direct sales: made when the first is needed, kept wrapped, published as a
//! key set (RFC 7517). A rotated pair signs no more; what it signed stays good until it ends.

use std::time::Duration;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    KeyPair as _, RSA_PKCS1_2048_8192_SHA512, RSA_PKCS1_SHA512, RsaKeyPair, RsaPublicKeyComponents,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use der::asn1::UintRef;
use der::{Decode as _, Reader as _, SliceReader};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::InvoiceError;
use crate::core::{Actor, Core};
use crate::crypto::binding::Binding;
use crate::crypto::{CryptoError, secret};
use crate::model::{Outcome, SaleKeyRow};
use crate::storage::StoreError;

/// The installation's fact that names the pair that signs.
const CURRENT: &str = "sale-key";
/// So long after a rotation tokens of the pair before are taken: as long as a token lives.
pub const LIFE: Duration = Duration::from_hours(1);

/// A pair that signs.
pub struct Signer {
    /// Its name, `kid`.
    pub id: String,
    pair: RsaKeyPair,
}

/// A published half.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct PublicKey {
    kty: String,
    #[serde(rename = "use")]
    usage: String,
    alg: String,
    /// Its name.
    pub kid: String,
    n: String,
    e: String,
}

impl Signer {
    /// RSASSA-PKCS1-v1_5 with SHA-512 (RFC 7518, section 3.3).
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, CryptoError> {
        let mut signature = vec![0; self.pair.public_modulus_len()];
        let signed = self.pair.sign(&RSA_PKCS1_SHA512, &SystemRandom::new(), message, &mut signature);
        signed.map(|()| signature).map_err(|_| CryptoError::Key)
    }
}

impl PublicKey {
    /// Whether a signature is this key's.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        let part = |text: &str| URL_SAFE_NO_PAD.decode(text);
        let (Ok(n), Ok(e)) = (part(&self.n), part(&self.e)) else { return false };
        let key = RsaPublicKeyComponents { n: &n, e: &e };
        key.verify(&RSA_PKCS1_2048_8192_SHA512, message, signature).is_ok()
    }
}

/// The pair that signs now. The first call of an installation makes it.
pub async fn signer(core: &Core) -> Result<Signer, InvoiceError> {
    let mut transaction = core.store.read().await?;
    let current = transaction.fact(CURRENT).await?;
    let known = transaction.list_sale_keys().await?;
    drop(transaction);
    if let Some(row) = current.and_then(|id| known.into_iter().find(|row| row.id == id)) {
        return Ok(open(core, &row)?);
    }
    let fresh = generate(core).await?;
    let mut transaction = core.store.begin().await?;
    transaction.add_sale_key(fresh.clone()).await?;
    let stands = transaction.add_fact(CURRENT, fresh.id.clone()).await?;
    if stands == fresh.id {
        transaction.commit().await?;
        return Ok(open(core, &fresh)?);
    }
    // Another node was faster: its pair is everybody's.
    drop(transaction);
    let rows = core.store.read().await?.list_sale_keys().await?;
    let row = rows.into_iter().find(|row| row.id == stands).ok_or(StoreError::Retry)?;
    Ok(open(core, &row)?)
}

/// Lets a new pair sign. Answers its name.
pub async fn rotate(core: &Core) -> Result<String, InvoiceError> {
    let before = signer(core).await?.id;
    let fresh = generate(core).await?;
    let mut transaction = core.store.begin().await?;
    transaction.add_sale_key(fresh.clone()).await?;
    if !transaction.replace_fact(CURRENT, before.clone(), fresh.id.clone()).await? {
        return Err(StoreError::Retry.into());
    }
    transaction.retire_sale_key(before, core.now()).await?;
    let operator = Actor::operator(None, None);
    transaction.add_audit(core.entry(&operator, "sale_key.rotate", &fresh.id, Outcome::Done)).await?;
    transaction.commit().await?;
    Ok(fresh.id)
}

/// The published halves of all pairs whose tokens are still taken.
pub async fn published(core: &Core) -> Result<Vec<PublicKey>, InvoiceError> {
    let rows = core.store.read().await?.list_sale_keys().await?;
    let now = core.now();
    let taken = rows.into_iter().filter(|row| row.retired_at.is_none_or(|end| end.plus(LIFE) > now));
    let keys = taken.map(|row| serde_json::from_str(&row.public).map_err(|_| CryptoError::Open));
    Ok(keys.collect::<Result<_, _>>()?)
}

/// Modulus and exponent of an `RSAPublicKey` (RFC 8017, A.1.1), as a key set writes them (RFC 7518, 6.3.1).
fn components(public: &[u8]) -> der::Result<[String; 2]> {
    let mut reader = SliceReader::new(public)?;
    reader.sequence(|inner| {
        let (n, e) = (UintRef::decode(inner)?, UintRef::decode(inner)?);
        Ok([n, e].map(|part| URL_SAFE_NO_PAD.encode(part.as_bytes())))
    })
}

/// Makes a pair. The operating system's randomness goes into it directly: the library takes no other.
async fn generate(core: &Core) -> Result<SaleKeyRow, InvoiceError> {
    let made = tokio::task::spawn_blocking(|| {
        let pair = RsaKeyPair::generate(KeySize::Rsa2048).map_err(|_| CryptoError::Random)?;
        let private = AsDer::<Pkcs8V1Der<'_>>::as_der(&pair).map_err(|_| CryptoError::Random)?;
        let [n, e] = components(pair.public_key().as_ref()).map_err(|_| CryptoError::Random)?;
        Ok::<_, CryptoError>((Zeroizing::new(private.as_ref().to_vec()), n, e))
    });
    let (private, n, e) = made.await.map_err(|_| CryptoError::Random)??;
    let id = secret::generate_name(&*core.entropy, 16);
    let [kty, usage, alg] = ["RSA", "sig", "RS512"].map(str::to_owned);
    let public = PublicKey { kty, usage, alg, kid: id.clone(), n, e };
    Ok(SaleKeyRow {
        wrapped_private: core.root.wrap(&bind(&id), &private, &*core.entropy)?,
        public: serde_json::to_string(&public).map_err(|_| CryptoError::Open)?,
        id,
        created_at: core.now(),
        retired_at: None,
    })
}

fn open(core: &Core, row: &SaleKeyRow) -> Result<Signer, CryptoError> {
    let private = core.root.unwrap(&bind(&row.id), &row.wrapped_private)?;
    let pair = RsaKeyPair::from_pkcs8(&private).map_err(|_| CryptoError::Open)?;
    Ok(Signer { id: row.id.clone(), pair })
}

fn bind(id: &str) -> Binding<'_> {
    Binding {
        merchant: "",
        mode: "",
        record: id,
        kind: "sale key",
        field: "private",
        number: 0,
        key_version: 0,
    }
}
