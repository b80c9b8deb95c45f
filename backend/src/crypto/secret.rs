//! Secrets and public identifiers that we hand out, and how the stored form of a secret is compared.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::{
    Key32,
    entropy::{self, Entropy},
    hmac_sha256, length,
};

/// A secret of 384 random bits as 64 url-safe characters.
pub fn generate_secret(entropy: &dyn Entropy) -> Zeroizing<String> {
    let random = Zeroizing::new(entropy::bytes::<48>(entropy));
    Zeroizing::new(URL_SAFE_NO_PAD.encode(*random))
}

/// A public identifier of 127 random bits as 22 url-safe characters.
pub fn generate_id(entropy: &dyn Entropy) -> String {
    let mut random = entropy::bytes::<16>(entropy);
    // Without its highest bit the first character is a letter: command lines read a leading dash as an
    // option.
    if let Some(first) = random.first_mut() {
        *first &= 0x7F;
    }
    URL_SAFE_NO_PAD.encode(random)
}

/// A name of so many letters and digits, each of them random: 5.95 bits a character.
pub fn generate_name(entropy: &dyn Entropy, length: usize) -> String {
    const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut name = String::with_capacity(length);
    while name.len() < length {
        let random = entropy::bytes::<32>(entropy);
        // Bytes beyond the last whole multiple would make some characters likelier than others.
        let fair = random.iter().filter(|byte| **byte < 248).map(|byte| usize::from(byte % 62));
        let characters = fair.filter_map(|index| ALPHABET.get(index).copied().map(char::from));
        name.extend(characters.take(length - name.len()));
    }
    name
}

/// SHA-256 of a secret that we generated: what the database keeps of it (security rule 5). Chosen secrets and
/// short codes can be guessed and take `passphrase::derive` and `keyed_digest`.
pub fn hash(secret: &str) -> [u8; 32] {
    Sha256::digest(secret).into()
}

/// Whether a secret has this hash, in constant time.
pub fn matches(secret: &str, stored: &[u8]) -> bool {
    hash(secret).ct_eq(stored).into()
}

/// HMAC-SHA256 over a message as it is (RFC 2104).
pub fn mac(key: &Key32, message: &[u8]) -> [u8; 32] {
    hmac_sha256(key, &[message])
}

/// HMAC-SHA256 over parts, each behind its length in 8 bytes, so that no two lists of parts digest alike.
pub fn keyed_digest(key: &Key32, parts: &[&[u8]]) -> [u8; 32] {
    let lengths: Vec<[u8; 8]> = parts.iter().map(|part| length(part)).collect();
    let joined: Vec<&[u8]> =
        lengths.iter().zip(parts).flat_map(|(length, part)| [length.as_slice(), part]).collect();
    hmac_sha256(key, &joined)
}

#[cfg(test)]
mod tests {
    use super::{
        super::{entropy::SeededEntropy, hex},
        *,
    };

    fn is_url_safe(text: &str) -> bool {
        text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
    }

    #[test]
    fn secrets_and_identifiers_have_their_shape() {
        let entropy = SeededEntropy::new(1);
        let secret = generate_secret(&entropy);
        assert_eq!(secret.len(), 64);
        assert!(is_url_safe(&secret));
        for _ in 0..500 {
            let id = generate_id(&entropy);
            assert_eq!(id.len(), 22);
            assert!(is_url_safe(&id) && id.starts_with(|c: char| c.is_ascii_alphabetic()), "{id}");
        }
    }

    #[test]
    fn a_secret_matches_its_own_hash_only() {
        let stored = hash("abc");
        // FIPS 180-4's example.
        assert_eq!(hex(&stored), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert!(matches("abc", &stored));
        assert!(!matches("abd", &stored));
        assert!(!matches("abc", &stored[..31]));
        assert!(!matches("abc", &[]));
    }

    #[test]
    fn parts_of_a_digest_keep_their_borders() {
        let key = Key32::new(&[1; 32]);
        let digest = keyed_digest(&key, &[b"ab", b"c"]);
        assert_eq!(digest, keyed_digest(&key, &[b"ab", b"c"]));
        assert_ne!(digest, keyed_digest(&key, &[b"a", b"bc"]));
        assert_ne!(digest, keyed_digest(&key, &[b"ab", b"c", b""]));
        assert_ne!(digest, keyed_digest(&Key32::new(&[2; 32]), &[b"ab", b"c"]));
    }
}
