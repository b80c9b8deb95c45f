//! AES-256-GCM (NIST SP 800-38D) with a random nonce and bound associated data.

use aes_gcm::{Aes256Gcm, KeyInit, aead::AeadInOut};
use zeroize::Zeroizing;

use super::{
    CryptoError, Key32,
    binding::Binding,
    entropy::{self, Entropy},
    stop,
};

const VERSION: u8 = 0x01;
pub(super) const NONCE: usize = 12;
const TAG: usize = 16;
const HEAD: usize = 1 + NONCE;

/// How many bytes longer a sealed text is than its plaintext.
pub const OVERHEAD: usize = HEAD + TAG;

/// `0x01 | nonce (12, random) | ciphertext | tag (16)`, the binding as associated data.
/// A key may seal up to 2^32 texts (SP 800-38D, 8.3); data keys seal one.
pub fn seal(key: &Key32, binding: &Binding, plaintext: &[u8], entropy: &dyn Entropy) -> Vec<u8> {
    seal_with(key, &entropy::bytes(entropy), &binding.encode(), plaintext)
}

/// Opens what `seal` made, with the same key and the same binding; else `CryptoError::Open`.
pub fn open(key: &Key32, binding: &Binding, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
    open_with(key, &binding.encode(), sealed)
}

/// `seal` with a nonce that the caller drew. Never twice the same with one key.
pub(super) fn seal_with(key: &Key32, nonce: &[u8; NONCE], associated: &[u8], plaintext: &[u8]) -> Vec<u8> {
    let mut sealed = Vec::with_capacity(plaintext.len() + OVERHEAD);
    sealed.push(VERSION);
    sealed.extend_from_slice(nonce);
    sealed.extend_from_slice(plaintext);
    let Some(body) = sealed.get_mut(HEAD..) else { stop("a sealed text has a head") };
    // GCM refuses texts from 64 GiB on only; no request can bring one.
    let Ok(tag) = cipher(key).encrypt_inout_detached(nonce.into(), associated, body.into()) else {
        stop("a text is too long to be sealed")
    };
    sealed.extend_from_slice(&tag);
    sealed
}

/// `open` with the associated data already encoded.
pub(super) fn open_with(
    key: &Key32,
    associated: &[u8],
    sealed: &[u8],
) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
    let (&version, rest) = sealed.split_first().ok_or(CryptoError::Open)?;
    let (nonce, rest) = rest.split_first_chunk::<NONCE>().ok_or(CryptoError::Open)?;
    let (body, tag) = rest.split_last_chunk::<TAG>().ok_or(CryptoError::Open)?;
    if version != VERSION {
        return Err(CryptoError::Open);
    }
    let mut plaintext = Zeroizing::new(body.to_vec());
    cipher(key)
        .decrypt_inout_detached(nonce.into(), associated, plaintext.as_mut_slice().into(), tag.into())
        .map_err(|_| CryptoError::Open)?;
    Ok(plaintext)
}

/// The key schedule; wiped on drop (feature `zeroize` of the cipher).
fn cipher(key: &Key32) -> Aes256Gcm {
    Aes256Gcm::new(key.as_bytes().into())
}

#[cfg(test)]
mod tests {
    use super::{
        super::{
            entropy::SeededEntropy,
            testing::{BINDING, key, moved, unhex},
        },
        *,
    };

    /// Test cases 13, 14 and 16 of McGrew and Viega's "The Galois/Counter Mode of Operation": key, nonce,
    /// plaintext, associated data, ciphertext with tag.
    const VECTORS: [[&str; 5]; 3] = [
        [
            "0000000000000000000000000000000000000000000000000000000000000000",
            "000000000000000000000000",
            "",
            "",
            "530f8afbc74536b9a963b4f1c4cb738b",
        ],
        [
            "0000000000000000000000000000000000000000000000000000000000000000",
            "000000000000000000000000",
            "00000000000000000000000000000000",
            "",
            "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919",
        ],
        [
            "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308",
            "cafebabefacedbaddecaf888",
            "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
            "feedfacedeadbeeffeedfacedeadbeefabaddad2",
            "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f66276fc6ece0f4e1768cddf8853bb2d551b",
        ],
    ];

    #[test]
    fn published_vectors_hold() {
        for [secret, nonce, plaintext, associated, expected] in VECTORS {
            let (key, associated) = (key(secret), unhex(associated));
            let nonce: [u8; NONCE] = unhex(nonce).try_into().unwrap();
            let sealed = seal_with(&key, &nonce, &associated, &unhex(plaintext));
            assert_eq!(sealed[0], VERSION);
            assert_eq!(sealed[1..HEAD], nonce);
            assert_eq!(sealed[HEAD..], unhex(expected));
            assert_eq!(*open_with(&key, &associated, &sealed).unwrap(), unhex(plaintext));
        }
    }

    #[test]
    fn only_the_same_place_and_key_open() {
        let entropy = SeededEntropy::new(1);
        let key = entropy::key(&entropy);
        let sealed = seal(&key, &BINDING, b"text", &entropy);
        assert_eq!(sealed.len(), 4 + OVERHEAD);
        assert_eq!(*open(&key, &BINDING, &sealed).unwrap(), b"text");
        for other in moved() {
            assert_eq!(open(&key, &other, &sealed).unwrap_err(), CryptoError::Open, "{other:?}");
        }
        assert_eq!(open(&entropy::key(&entropy), &BINDING, &sealed).unwrap_err(), CryptoError::Open);
    }

    #[test]
    fn every_truncation_and_every_flip_is_refused() {
        let entropy = SeededEntropy::new(2);
        let key = entropy::key(&entropy);
        let mut sealed = seal(&key, &BINDING, b"text", &entropy);
        for end in 0..sealed.len() {
            assert_eq!(open(&key, &BINDING, &sealed[..end]).unwrap_err(), CryptoError::Open);
        }
        for place in 0..sealed.len() {
            sealed[place] ^= 1;
            assert_eq!(open(&key, &BINDING, &sealed).unwrap_err(), CryptoError::Open);
            sealed[place] ^= 1;
        }
        assert!(open(&key, &BINDING, &sealed).is_ok());
    }

    #[test]
    fn the_same_text_seals_differently_each_time() {
        let entropy = SeededEntropy::new(3);
        let key = entropy::key(&entropy);
        assert_ne!(seal(&key, &BINDING, b"text", &entropy), seal(&key, &BINDING, b"text", &entropy));
    }
}
