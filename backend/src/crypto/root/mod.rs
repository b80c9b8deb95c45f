//! The root key: what stands between a copy of the database and its content (design decision 2). Versioned:
//! the newest version wraps, every version at hand unwraps.

mod digests;
mod held;
mod local;
mod pkcs11;

use zeroize::Zeroizing;

use super::{CryptoError, binding::Binding, entropy::Entropy};

pub use digests::Digests;
pub use held::HeldRootKey;
pub use local::LocalRootKey;
pub use pkcs11::{Pkcs11RootKey, Token};

/// The check value's plaintext and place: no row's binding has this kind.
const CHECK: &[u8] = b"cardamom check v1";
const CHECK_BINDING: Binding<'static> =
    Binding { merchant: "", mode: "", record: "", kind: "root-check", field: "", number: 0, key_version: 0 };

/// A root key, wherever it lives: a file, the environment, a hardware module.
pub trait RootKey: Send + Sync {
    /// The version that new wraps use.
    fn version(&self) -> u32;

    /// The versions at hand, oldest first.
    fn versions(&self) -> Vec<u32>;

    /// Wraps a secret: `root version (4, big-endian) | sealed under that version`.
    fn wrap(&self, binding: &Binding, secret: &[u8], entropy: &dyn Entropy) -> Result<Vec<u8>, CryptoError>;

    /// Unwraps what any version at hand wrapped.
    fn unwrap(&self, binding: &Binding, wrapped: &[u8]) -> Result<Zeroizing<Vec<u8>>, CryptoError>;

    /// Looks for versions that came or went since the last look. Answers whether anything changed; an error
    /// leaves everything as it was.
    fn refresh(&self) -> Result<bool, CryptoError>;

    /// Whether the key can be used now: for a module that may be out of reach.
    fn probe(&self) -> Result<(), CryptoError>;

    /// What the database keeps, so that a node with another root key refuses to start. Made with the newest
    /// version.
    fn check_value(&self, entropy: &dyn Entropy) -> Result<Vec<u8>, CryptoError> {
        self.wrap(&CHECK_BINDING, CHECK, entropy)
    }

    /// Whether this key, in any version at hand, made a check value. The error says what is wrong.
    fn verify(&self, check: &[u8]) -> Result<(), CryptoError> {
        match self.unwrap(&CHECK_BINDING, check) {
            Ok(text) if *text == CHECK => Ok(()),
            Ok(_) | Err(CryptoError::Open) => {
                Err(CryptoError::RootKey("it is not the one that this database was made with".to_owned()))
            }
            Err(other) => Err(other),
        }
    }
}

/// The version that a wrapped secret was wrapped with: tells a rotation what is left to re-wrap.
pub fn wrapped_version(wrapped: &[u8]) -> Result<u32, CryptoError> {
    wrapped.first_chunk().map(|version| u32::from_be_bytes(*version)).ok_or(CryptoError::Open)
}

fn refused(reason: &str) -> CryptoError {
    CryptoError::RootKey(reason.to_owned())
}
