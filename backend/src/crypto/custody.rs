//! The custody key: 32 random bytes that wrap a vault key's private half. A merchant with a passphrase has it
//! wrapped by the passphrase inside and the root key outside, so that neither the merchant nor the operator
//! opens it alone. A managed vault key goes straight through `RootKey`.

use super::{
    CryptoError, Key32, aead,
    binding::Binding,
    entropy::Entropy,
    passphrase::{self, KdfParams},
    root::RootKey,
};

/// RootKey.wrap(binding, seal(Argon2id(passphrase, salt, params), binding, custody)).
pub fn wrap_with_passphrase(
    custody: &Key32,
    passphrase: &str,
    salt: &[u8; 16],
    params: &KdfParams,
    binding: &Binding,
    root: &dyn RootKey,
    entropy: &dyn Entropy,
) -> Result<Vec<u8>, CryptoError> {
    let stretched = passphrase::derive(passphrase, salt, params)?;
    let inner = aead::seal(&stretched, binding, custody.as_bytes(), entropy);
    root.wrap(binding, &inner, entropy)
}

/// Undoes `wrap_with_passphrase`. A wrong passphrase is `CryptoError::Open`, found only after the stretching;
/// a root key that is not at hand is found before.
pub fn unwrap_with_passphrase(
    wrapped: &[u8],
    passphrase: &str,
    salt: &[u8; 16],
    params: &KdfParams,
    binding: &Binding,
    root: &dyn RootKey,
) -> Result<Key32, CryptoError> {
    let inner = root.unwrap(binding, wrapped)?;
    let stretched = passphrase::derive(passphrase, salt, params)?;
    Key32::from_slice(&aead::open(&stretched, binding, &inner)?)
}

/// Moves a wrapped custody key under the newest root key without the passphrase: the background work of a
/// root key rotation (design decision 2). Serves for anything that `RootKey::wrap` made.
pub fn rewrap(
    wrapped: &[u8],
    binding: &Binding,
    root: &dyn RootKey,
    entropy: &dyn Entropy,
) -> Result<Vec<u8>, CryptoError> {
    root.wrap(binding, &root.unwrap(binding, wrapped)?, entropy)
}

#[cfg(test)]
mod tests {
    use super::{
        super::{
            entropy::{self, SeededEntropy},
            root::LocalRootKey,
            testing::{BINDING, moved},
        },
        *,
    };

    const CHEAP: KdfParams = KdfParams { memory_kib: 8, passes: 1, lanes: 1 };
    const SALT: [u8; 16] = [9; 16];

    fn unwrap(wrapped: &[u8], passphrase: &str, root: &LocalRootKey) -> Result<Key32, CryptoError> {
        unwrap_with_passphrase(wrapped, passphrase, &SALT, &CHEAP, &BINDING, root)
    }

    #[test]
    fn passphrase_and_root_key_are_both_needed() {
        let entropy = SeededEntropy::new(1);
        let (root, custody) = (LocalRootKey::generate(&entropy), entropy::key(&entropy));
        let wrapped =
            wrap_with_passphrase(&custody, "right", &SALT, &CHEAP, &BINDING, &root, &entropy).unwrap();

        assert!(unwrap(&wrapped, "right", &root).unwrap().ct_eq(&custody));
        assert_eq!(unwrap(&wrapped, "wrong", &root).unwrap_err(), CryptoError::Open);
        assert_eq!(
            unwrap(&wrapped, "right", &LocalRootKey::generate(&entropy)).unwrap_err(),
            CryptoError::Open
        );
        for other in moved() {
            let result = unwrap_with_passphrase(&wrapped, "right", &SALT, &CHEAP, &other, &root);
            assert_eq!(result.unwrap_err(), CryptoError::Open, "{other:?}");
        }
        for end in 0..wrapped.len() {
            assert!(unwrap(&wrapped[..end], "right", &root).is_err());
        }
    }

    #[test]
    fn a_rotation_rewraps_without_the_passphrase() {
        let entropy = SeededEntropy::new(2);
        let (old, custody) = (LocalRootKey::generate(&entropy), entropy::key(&entropy));
        let wrapped =
            wrap_with_passphrase(&custody, "right", &SALT, &CHEAP, &BINDING, &old, &entropy).unwrap();
        let both = old.with_new_version(&entropy, false).unwrap();
        let moved = rewrap(&wrapped, &BINDING, &both, &entropy).unwrap();
        assert_eq!(moved[..4], [0, 0, 0, 2]);
        assert!(unwrap(&moved, "right", &both).unwrap().ct_eq(&custody));
    }
}
