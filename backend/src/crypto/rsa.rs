//! RSA for access tokens: PKCS#1 v1.5 decryption (RFC 8017, 7.2), by aws-lc-rs alone (security rule 5).

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rsa::{KeySize, Pkcs1PrivateDecryptingKey, PrivateDecryptingKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::CryptoError;

/// The private half of a pair, open.
pub struct DecryptingKey {
    key: Pkcs1PrivateDecryptingKey,
    public: Vec<u8>,
}

/// A new key of 3072 bits as PKCS#8, to be sealed. Its randomness is the library's own: it takes none from outside.
pub fn generate() -> Result<Zeroizing<Vec<u8>>, CryptoError> {
    let key = PrivateDecryptingKey::generate(KeySize::Rsa3072).map_err(|_| CryptoError::Random)?;
    let der: Pkcs8V1Der<'_> = key.as_der().map_err(|_| CryptoError::Key)?;
    Ok(Zeroizing::new(der.as_ref().to_vec()))
}

impl DecryptingKey {
    /// Opens what `generate` made.
    pub fn open(pkcs8: &[u8]) -> Result<Self, CryptoError> {
        let key = PrivateDecryptingKey::from_pkcs8(pkcs8).map_err(|_| CryptoError::Key)?;
        let public: PublicKeyX509Der<'_> = key.public_key().as_der().map_err(|_| CryptoError::Key)?;
        let public = public.as_ref().to_vec();
        Ok(Self { key: Pkcs1PrivateDecryptingKey::new(key).map_err(|_| CryptoError::Key)?, public })
    }

    /// The public half: SubjectPublicKeyInfo as PEM (RFC 7468, 13).
    pub fn public_pem(&self) -> String {
        let text = STANDARD.encode(&self.public);
        let mut pem = "-----BEGIN PUBLIC KEY-----\n".to_owned();
        for (place, c) in text.chars().enumerate() {
            if place > 0 && place % 64 == 0 {
                pem.push('\n');
            }
            pem.push(c);
        }
        pem + "\n-----END PUBLIC KEY-----\n"
    }

    /// What was encrypted. Who may try this often must not learn, by answers or by time, whether the padding was right.
    pub fn decrypt(&self, ciphertext: &[u8]) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
        let mut plaintext = Zeroizing::new(vec![0; self.key.min_output_size()]);
        let length = self.key.decrypt(ciphertext, &mut plaintext).map_err(|_| CryptoError::Open)?.len();
        plaintext.truncate(length);
        Ok(plaintext)
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::rsa::{Pkcs1PublicEncryptingKey, PublicEncryptingKey};

    use super::*;

    #[test]
    fn what_was_encrypted_is_opened_and_nothing_else() {
        let key = DecryptingKey::open(&generate().unwrap()).unwrap();
        let public = PublicEncryptingKey::from_der(&key.public).unwrap();
        let public = Pkcs1PublicEncryptingKey::new(public).unwrap();
        let mut sealed = vec![0; public.ciphertext_size()];
        public.encrypt(b"a.b#c#d", &mut sealed).unwrap();
        assert_eq!(key.decrypt(&sealed).unwrap().as_slice(), b"a.b#c#d");
        let other = DecryptingKey::open(&generate().unwrap()).unwrap();
        assert!(other.decrypt(&sealed).map_or(true, |text| text.as_slice() != b"a.b#c#d"));
        assert_eq!(key.decrypt(&sealed[1..]), Err(CryptoError::Open));
        assert_eq!(key.decrypt(&[]), Err(CryptoError::Open));
        assert!(DecryptingKey::open(b"no key").is_err());
        let pem = key.public_pem();
        assert!(
            pem.starts_with("-----BEGIN PUBLIC KEY-----\nMIIB") && pem.lines().all(|line| line.len() <= 64)
        );
    }
}
