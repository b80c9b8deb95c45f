//! Personal data beside a card: sealed like the card, to the merchant's managed key, each record under a data key of
//! its own.

use zeroize::Zeroizing;

use super::{VaultError, cards};
use crate::access::Caller;
use crate::core::Core;
use crate::crypto::CryptoError;
use crate::storage::Transaction;

/// Seals data for a record of a kind. In front stands the version of the key's pair, in 4 bytes.
pub async fn seal(
    core: &Core,
    transaction: &mut dyn Transaction,
    caller: &Caller,
    (kind, record): (&'static str, &str),
    plaintext: &[u8],
) -> Result<Vec<u8>, VaultError> {
    let open = cards::open_managed_in(core, transaction, caller).await?;
    let sealed = open.sealer.seal_beside(record, kind, plaintext)?;
    Ok([open.sealer.version.to_be_bytes().as_slice(), &sealed].concat())
}

/// Opens the data of a record of a kind.
pub async fn open(
    core: &Core,
    transaction: &mut dyn Transaction,
    caller: &Caller,
    (kind, record): (&'static str, &str),
    sealed: &[u8],
) -> Result<Zeroizing<Vec<u8>>, VaultError> {
    let (version, sealed) = sealed.split_first_chunk::<4>().ok_or(CryptoError::Open)?;
    let open = cards::open_managed_in(core, transaction, caller).await?;
    Ok(open.unlocked.open_beside(record, kind, u32::from_be_bytes(*version), sealed)?)
}
