//! The token that lets somebody pay one invoice by a direct sale: a JWT (RFC 7519) with one accepted algorithm and
//! the claims of security rule 24. It is used up with the state of its invoice.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use url::Url;

use super::details::{Details, SaleToken};
use super::{InvoiceError, sale_keys};
use crate::core::Core;
use crate::crypto::{CryptoError, secret};
use crate::model::{Invoice, Mode, PageId, Timestamp};

/// The one algorithm.
const ALGORITHM: &str = "RS512";
/// Whom tokens are for.
const AUDIENCE: &str = "cardgate";
/// Longer ones are none of ours.
const LONGEST: usize = 4096;

#[derive(Deserialize, Serialize)]
struct Header {
    typ: String,
    alg: String,
    kid: String,
}

#[derive(Deserialize, Serialize)]
struct Claims {
    iss: String,
    aud: String,
    sid: String,
    mode: String,
    jti: String,
    iat: i64,
    exp: i64,
}

/// Makes the token of a new invoice.
pub async fn issue(core: &Core, issuer: &Url, page: &PageId, mode: Mode) -> Result<SaleToken, InvoiceError> {
    let signer = sale_keys::signer(core).await?;
    let now = core.now();
    let exp = seconds(now.plus(sale_keys::LIFE));
    let header = Header { typ: "JWT".to_owned(), alg: ALGORITHM.to_owned(), kid: signer.id.clone() };
    let claims = Claims {
        iss: issuer.to_string(),
        aud: AUDIENCE.to_owned(),
        sid: page.to_string(),
        mode: mode.as_str().to_owned(),
        jti: secret::generate_name(&*core.entropy, 22),
        iat: seconds(now),
        exp,
    };
    let signed = format!("{}.{}", encode(&header)?, encode(&claims)?);
    let signature = URL_SAFE_NO_PAD.encode(signer.sign(signed.as_bytes())?);
    Ok(SaleToken { text: format!("{signed}.{signature}"), id: claims.jti, ends_at: exp * 1000 })
}

/// The invoice that a token pays. Every refusal is the same one: also where the invoice has been paid, has failed,
/// or is being paid at this moment.
pub async fn redeem(core: &Core, issuer: &Url, token: &str) -> Result<(Invoice, Details), InvoiceError> {
    let claims = verify(core, issuer, token).await?.ok_or(InvoiceError::SaleToken)?;
    let page = PageId::stored(claims.sid);
    let found = core.store.read().await?.find_invoice_by_secret_name(page).await?;
    let invoice = found.ok_or(InvoiceError::SaleToken)?;
    let details = Details::open(core, &invoice)?;
    let is_its = details.sale.id == claims.jti && invoice.mode.as_str() == claims.mode;
    let is_unused = invoice.status.is_payable() && invoice.busy.is_none();
    if is_its && is_unused { Ok((invoice, details)) } else { Err(InvoiceError::SaleToken) }
}

/// The claims of a token that is ours and has not ended.
async fn verify(core: &Core, issuer: &Url, token: &str) -> Result<Option<Claims>, InvoiceError> {
    let parts: Vec<_> = token.split('.').collect();
    let [header, claims, signature] = parts.as_slice() else { return Ok(None) };
    if token.len() > LONGEST {
        return Ok(None);
    }
    let Some(Header { alg, kid, .. }) = decode(header) else { return Ok(None) };
    if alg != ALGORITHM {
        return Ok(None);
    }
    let keys = sale_keys::published(core).await?;
    let Some(key) = keys.iter().find(|key| key.kid == kid) else { return Ok(None) };
    let Ok(signature) = URL_SAFE_NO_PAD.decode(signature) else { return Ok(None) };
    let signed = token.rsplit_once('.').map_or("", |(signed, _)| signed);
    if !key.verify(signed.as_bytes(), &signature) {
        return Ok(None);
    }
    let claims: Option<Claims> = decode(claims);
    Ok(claims.filter(|claims| {
        claims.aud == AUDIENCE && claims.iss == issuer.as_str() && claims.exp > seconds(core.now())
    }))
}

fn encode(part: &impl Serialize) -> Result<String, CryptoError> {
    serde_json::to_vec(part).map(|bytes| URL_SAFE_NO_PAD.encode(bytes)).map_err(|_| CryptoError::Key)
}

fn decode<T: serde::de::DeserializeOwned>(part: &str) -> Option<T> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}

const fn seconds(time: Timestamp) -> i64 {
    time.millis().div_euclid(1000)
}
