//! The key of keyed digests: random, kept in the database wrapped by the root key. It is derived from no version
//! of the root key, so that neither a rotation nor a forgotten version changes a digest, and a module that never
//! gives its keys away serves as well as a file.

use zeroize::Zeroizing;

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

/// Stands behind the key once every entry of the audit log has its digest. Whoever writes the database can neither add
/// nor remove it, so no entry without a digest is ever taken in afterwards.
const MARKED: u8 = 1;

/// Derives the keys of digests, one a purpose.
pub struct Digests {
    key: Key32,
    marked: bool,
}

impl Digests {
    /// A new random one, wrapped: what the database keeps.
    pub fn generate(root: &dyn RootKey, entropy: &dyn Entropy) -> Result<Vec<u8>, CryptoError> {
        wrap_marked(root, &entropy::key(entropy), entropy)
    }

    /// Opens what the database keeps.
    pub fn open(root: &dyn RootKey, wrapped: &[u8]) -> Result<Self, CryptoError> {
        let opened = root.unwrap(&BINDING, wrapped)?;
        let (key, marked) = match opened.split_last() {
            Some((&MARKED, key)) if opened.len() == 33 => (key, true),
            _ => (opened.as_slice(), false),
        };
        Ok(Self { key: Key32::from_slice(key)?, marked })
    }

    /// Whether every entry of the audit log has had its digest since this was kept.
    pub fn marked(&self) -> bool {
        self.marked
    }

    /// What the database keeps from the time on at which every entry has its digest.
    pub fn mark(&self, root: &dyn RootKey, entropy: &dyn Entropy) -> Result<Vec<u8>, CryptoError> {
        wrap_marked(root, &self.key, entropy)
    }

    /// What `generate` made, under the newest version.
    pub fn rewrap(root: &dyn RootKey, wrapped: &[u8], entropy: &dyn Entropy) -> Result<Vec<u8>, CryptoError> {
        super::super::custody::rewrap(wrapped, &BINDING, root, entropy)
    }

    /// The key of a purpose: HMAC-SHA256(digest key, domain | label), each behind its length.
    pub fn subkey(&self, label: &str) -> Key32 {
        derive(&self.key, b"cardamom subkey v1", label)
    }
}

fn wrap_marked(root: &dyn RootKey, key: &Key32, entropy: &dyn Entropy) -> Result<Vec<u8>, CryptoError> {
    let mut content = Zeroizing::new(Vec::with_capacity(33));
    content.extend_from_slice(key.as_bytes());
    content.push(MARKED);
    root.wrap(&BINDING, &content, entropy)
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
    fn what_was_kept_before_the_audit_log_had_digests_is_told_apart() {
        let entropy = SeededEntropy::new(3);
        let root = LocalRootKey::generate(&entropy);
        let older = root.wrap(&BINDING, &[7; 32], &entropy).unwrap();
        let older = Digests::open(&root, &older).unwrap();
        let marked = Digests::open(&root, &older.mark(&root, &entropy).unwrap()).unwrap();
        assert_eq!((older.marked(), marked.marked()), (false, true));
        assert!(older.subkey("codes").ct_eq(&marked.subkey("codes")));
        for wrong in [&[7_u8; 31][..], &[7; 33], &[1; 34]] {
            assert!(Digests::open(&root, &root.wrap(&BINDING, wrong, &entropy).unwrap()).is_err());
        }
    }

    #[test]
    fn each_purpose_has_its_own_key() {
        let entropy = SeededEntropy::new(2);
        let root = LocalRootKey::generate(&entropy);
        let digests = Digests::open(&root, &Digests::generate(&root, &entropy).unwrap()).unwrap();
        assert!(!digests.subkey("codes").ct_eq(&digests.subkey("rates")));
    }
}
