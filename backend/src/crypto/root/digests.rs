//! The key of keyed digests: random, kept in the database wrapped by the root key. It is derived from no version
//! of the root key, so that neither a rotation nor a forgotten version changes a digest, and a module that never
//! gives its keys away serves as well as a file.

use super::{
    super::{CryptoError, Key32, binding::Binding, derive, entropy, entropy::Entropy},
    RootKey,
};

const BINDING: Binding<'static> = Binding {
    merchant: "",
    mode: "",
    record: "",
    kind: "root-digests",
    field: "",
    number: 0,
    key_version: 0,
};

/// Derives the keys of digests, one a purpose.
pub struct Digests(Key32);

impl Digests {
    /// A new random one, wrapped: what the database keeps.
    pub fn generate(root: &dyn RootKey, entropy: &dyn Entropy) -> Result<Vec<u8>, CryptoError> {
        root.wrap(&BINDING, entropy::key(entropy).as_bytes(), entropy)
    }

    /// Opens what the database keeps.
    pub fn open(root: &dyn RootKey, wrapped: &[u8]) -> Result<Self, CryptoError> {
        Ok(Self(Key32::from_slice(&root.unwrap(&BINDING, wrapped)?)?))
    }

    /// What `generate` made, under the newest version.
    pub fn rewrap(root: &dyn RootKey, wrapped: &[u8], entropy: &dyn Entropy) -> Result<Vec<u8>, CryptoError> {
        super::super::custody::rewrap(wrapped, &BINDING, root, entropy)
    }

    /// The key of a purpose: HMAC-SHA256(digest key, domain | label), each behind its length.
    pub fn subkey(&self, label: &str) -> Key32 {
        derive(&self.0, b"cardamom subkey v1", label)
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{super::entropy::SeededEntropy, LocalRootKey},
        *,
    };

    #[test]
    fn a_rotation_and_a_forgotten_version_change_no_digest() {
        let entropy = SeededEntropy::new(1);
        let root = LocalRootKey::generate(&entropy);
        let wrapped = Digests::generate(&root, &entropy).unwrap();
        let before = Digests::open(&root, &wrapped).unwrap().subkey("codes");
        let root = root.with_new_version(&entropy, false).unwrap();
        let rewrapped = Digests::rewrap(&root, &wrapped, &entropy).unwrap();
        let only_new = root.without(1).unwrap();
        assert!(Digests::open(&only_new, &wrapped).is_err());
        assert!(Digests::open(&only_new, &rewrapped).unwrap().subkey("codes").ct_eq(&before));
    }

    #[test]
    fn each_purpose_has_its_own_key() {
        let entropy = SeededEntropy::new(2);
        let root = LocalRootKey::generate(&entropy);
        let digests = Digests::open(&root, &Digests::generate(&root, &entropy).unwrap()).unwrap();
        assert!(!digests.subkey("codes").ct_eq(&digests.subkey("rates")));
    }
}
