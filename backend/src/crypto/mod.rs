//! Everything cryptographic, and nothing else: sealing cards, wrapping keys, making tokens and secrets.
//! A leaf: no module in here knows a database, a clock or a request.

pub mod aead;
pub mod binding;
pub mod custody;
pub mod entropy;
pub mod passphrase;
pub mod root;
pub mod rsa;
pub mod sealing;
pub mod secret;
pub mod token;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// What can go wrong. No variant says anything about a key, a passphrase or a plaintext.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum CryptoError {
    /// Wrong key, wrong binding, truncated, changed or malformed: one answer, so that nobody learns which.
    #[error("the sealed data does not open")]
    Open,
    /// The operating system gave no random bytes.
    #[error("no random bytes are available")]
    Random,
    /// Argon2 parameters that are not readable or outside the allowed range, or too little memory.
    #[error("the passphrase cannot be stretched with these parameters")]
    Kdf,
    /// A public key or a pre-shared key that the key agreement must refuse (RFC 9180, 7.1.4).
    #[error("the key cannot be used")]
    Key,
    /// A sender session has sealed as many records as it may (security rule 1).
    #[error("the sender session is used up")]
    Spent,
    /// The root key is missing, unreadable or another one. The text names a file or line, never key material.
    #[error("root key: {0}")]
    RootKey(String),
    /// The hardware module that holds the root key does not do what it is asked. The text is the module's.
    #[error("the module of the root key cannot be used: {0}")]
    Module(String),
    /// Wrapped under a version of the root key that this process does not hold.
    #[error("version {0} of the root key is not at hand")]
    UnknownVersion(u32),
}

/// A 256-bit key. No Display, no Clone; Debug shows nothing; wiped on drop.
/// Boxed, so that moving a key around leaves no copies of it behind on the stack.
pub struct Key32(Box<Zeroizing<[u8; 32]>>);

impl Key32 {
    /// The key with these bytes. The caller wipes its own copy.
    pub fn new(bytes: &[u8; 32]) -> Self {
        let mut key = Self::zero();
        key.0.copy_from_slice(bytes);
        key
    }

    /// The key with these bytes, if they are 32; else `CryptoError::Open`, as for any malformed plaintext.
    pub fn from_slice(bytes: &[u8]) -> Result<Self, CryptoError> {
        bytes.try_into().map(Self::new).map_err(|_| CryptoError::Open)
    }

    /// The bytes, for sealing or deriving. They are never logged or answered.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// A second copy, for the rare owner that must outlive the first, such as a cache.
    #[must_use]
    pub fn duplicate(&self) -> Self {
        Self::new(self.as_bytes())
    }

    /// Whether two keys are equal, in constant time.
    pub fn ct_eq(&self, other: &Self) -> bool {
        self.as_bytes().ct_eq(other.as_bytes()).into()
    }

    /// To be filled in place.
    fn zero() -> Self {
        Self(Box::new(Zeroizing::new([0; 32])))
    }

    fn as_mut(&mut self) -> &mut [u8; 32] {
        &mut self.0
    }
}

impl std::fmt::Debug for Key32 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key32(…)")
    }
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        for nibble in [byte >> 4, byte & 0x0F] {
            text.push(char::from_digit(u32::from(nibble), 16).unwrap_or('0'));
        }
    }
    text
}

/// The bytes of hexadecimal digits in any case; `None` for anything else.
pub fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u32>> = text.chars().map(|c| c.to_digit(16)).collect();
    let digits = digits.filter(|digits| digits.len() % 2 == 0)?;
    digits.chunks_exact(2).map(|pair| u8::try_from(pair.first()? * 16 + pair.last()?).ok()).collect()
}

/// HMAC-SHA256 (RFC 2104) over parts as they are; the caller makes them unambiguous.
fn hmac_sha256(key: &Key32, parts: &[&[u8]]) -> [u8; 32] {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key.as_bytes()) else {
        stop("HMAC takes keys of every length")
    };
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

/// A key of its own for a purpose: HMAC-SHA256(key, domain | label), each behind its length.
fn derive(key: &Key32, domain: &[u8], label: &str) -> Key32 {
    let label = label.as_bytes();
    let digest = Zeroizing::new(hmac_sha256(key, &[&length(domain), domain, &length(label), label]));
    Key32::new(&digest)
}

/// The length of a part as it stands before the part wherever parts are joined.
fn length(part: &[u8]) -> [u8; 8] {
    (part.len() as u64).to_be_bytes()
}

/// Ends the process where going on would mean to work without randomness or to store what cannot be opened.
/// Not a panic: nothing may catch this and go on.
fn stop(reason: &str) -> ! {
    eprintln!("cardamom: {reason}");
    std::process::abort()
}

#[cfg(test)]
pub(crate) mod testing {
    //! What the tests of this module share.

    use super::binding::Binding;

    pub fn unhex(text: &str) -> Vec<u8> {
        let digits: Vec<u32> = text.chars().map(|c| c.to_digit(16).unwrap()).collect();
        digits.chunks(2).map(|pair| u8::try_from(pair[0] * 16 + pair[1]).unwrap()).collect()
    }

    pub fn key(text: &str) -> super::Key32 {
        super::Key32::from_slice(&unhex(text)).unwrap()
    }

    pub const BINDING: Binding<'static> = Binding {
        merchant: "mer_1",
        mode: "test",
        record: "card_1",
        kind: "card",
        field: "body",
        number: 3,
        key_version: 2,
    };

    /// Each binding that differs from `BINDING` in one member.
    pub fn moved() -> Vec<Binding<'static>> {
        vec![
            Binding { merchant: "mer_2", ..BINDING },
            Binding { mode: "live", ..BINDING },
            Binding { record: "card_2", ..BINDING },
            Binding { kind: "cvv", ..BINDING },
            Binding { field: "patch", ..BINDING },
            Binding { number: 4, ..BINDING },
            Binding { key_version: 3, ..BINDING },
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_shows_nothing() {
        assert_eq!(format!("{:?}", Key32::new(&[7; 32])), "Key32(…)");
    }

    #[test]
    fn keys_are_32_bytes_and_compared_whole() {
        assert_eq!(Key32::from_slice(&[7; 31]).unwrap_err(), CryptoError::Open);
        let key = Key32::new(&[7; 32]);
        assert!(key.ct_eq(&key.duplicate()));
        let mut other = [7; 32];
        other[31] = 8;
        assert!(!key.ct_eq(&Key32::new(&other)));
    }

    #[test]
    fn hmac_matches_rfc_4231() {
        // Test case 2 (key "Jefe"); a key is padded with zeros to the block, so that ours gives the same.
        let mut key = [0; 32];
        key[..4].copy_from_slice(b"Jefe");
        let digest = hmac_sha256(&Key32::new(&key), &[b"what do ya want ", b"for nothing?"]);
        assert_eq!(hex(&digest), "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    }
}
