//! From a merchant's passphrase to a key: Argon2id (RFC 9106), and passphrases that we make ourselves.

use argon2::{Algorithm, Argon2, Block, Params, Version};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use zeroize::Zeroizing;

use super::{
    CryptoError, Key32,
    entropy::{self, Entropy},
};

/// What stored parameters may ask for at most, so that a changed row cannot stop the server.
const MOST: KdfParams = KdfParams { memory_kib: 1024 * 1024, passes: 64, lanes: 16 };

/// The cost of stretching a passphrase, stored beside what the key wraps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KdfParams {
    /// Memory in KiB, at least 8 a lane.
    pub memory_kib: u32,
    /// Passes over the memory.
    pub passes: u32,
    /// Lanes; they run one after the other here.
    pub lanes: u32,
}

impl Default for KdfParams {
    /// OWASP's recommendation for Argon2id: 19 MiB, 2 passes, 1 lane.
    fn default() -> Self {
        Self { memory_kib: 19 * 1024, passes: 2, lanes: 1 }
    }
}

impl KdfParams {
    /// `m=…,t=…,p=…`, as in the PHC string format.
    pub fn encode(&self) -> String {
        format!("m={},t={},p={}", self.memory_kib, self.passes, self.lanes)
    }

    /// Reads what `encode` wrote; `CryptoError::Kdf` if it is malformed or asks for too much.
    pub fn decode(text: &str) -> Result<Self, CryptoError> {
        let mut parts = text.split(',');
        let mut member = |name: &str| {
            let digits = parts.next().and_then(|part| part.strip_prefix(name)).ok_or(CryptoError::Kdf)?;
            digits.parse::<u32>().map_err(|_| CryptoError::Kdf)
        };
        let params = Self { memory_kib: member("m=")?, passes: member("t=")?, lanes: member("p=")? };
        if parts.next().is_some() {
            return Err(CryptoError::Kdf);
        }
        params.argon2().map(|_| params)
    }

    fn argon2(&self) -> Result<Params, CryptoError> {
        if self.memory_kib > MOST.memory_kib || self.passes > MOST.passes || self.lanes > MOST.lanes {
            return Err(CryptoError::Kdf);
        }
        Params::new(self.memory_kib, self.passes, self.lanes, Some(32)).map_err(|_| CryptoError::Kdf)
    }
}

/// Argon2id version 1.3 over passphrase and salt. Takes the memory and tens of milliseconds: callers run a
/// few at once at most (security rule 4), and never on an asynchronous thread.
pub fn derive(passphrase: &str, salt: &[u8; 16], params: &KdfParams) -> Result<Key32, CryptoError> {
    argon2id(passphrase.as_bytes(), salt, params)
}

/// A passphrase of 256 random bits as 43 url-safe characters.
pub fn generate_passphrase(entropy: &dyn Entropy) -> Zeroizing<String> {
    Zeroizing::new(URL_SAFE_NO_PAD.encode(entropy::key(entropy).as_bytes()))
}

fn argon2id(passphrase: &[u8], salt: &[u8], params: &KdfParams) -> Result<Key32, CryptoError> {
    let params = params.argon2()?;
    // Own memory, because the library leaves its blocks unwiped.
    let mut memory = Zeroizing::new(Vec::new());
    memory.try_reserve_exact(params.block_count()).map_err(|_| CryptoError::Kdf)?;
    memory.resize(params.block_count(), Block::default());
    let mut key = Key32::zero();
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into_with_memory(passphrase, salt, key.as_mut(), memory.as_mut_slice())
        .map_err(|_| CryptoError::Kdf)?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::{
        super::{entropy::SeededEntropy, hex},
        *,
    };

    const CHEAP: KdfParams = KdfParams { memory_kib: 8, passes: 1, lanes: 1 };

    #[test]
    fn the_reference_vector_holds() {
        // From the test suite of the reference implementation.
        let params = KdfParams { memory_kib: 65536, passes: 2, lanes: 1 };
        let key = argon2id(b"password", b"somesalt", &params).unwrap();
        assert_eq!(hex(key.as_bytes()), "09316115d5cf24ed5a15a31a3ba326e5cf32edc24702987c02b6566f61913cf7");
    }

    #[test]
    fn passphrase_salt_and_cost_all_count() {
        let key = derive("open", &[1; 16], &CHEAP).unwrap();
        assert!(key.ct_eq(&derive("open", &[1; 16], &CHEAP).unwrap()));
        assert!(!key.ct_eq(&derive("Open", &[1; 16], &CHEAP).unwrap()));
        assert!(!key.ct_eq(&derive("open", &[2; 16], &CHEAP).unwrap()));
        assert!(!key.ct_eq(&derive("open", &[1; 16], &KdfParams { passes: 2, ..CHEAP }).unwrap()));
    }

    #[test]
    fn parameters_round_trip_and_are_bounded() {
        let params = KdfParams::default();
        assert_eq!(params.encode(), "m=19456,t=2,p=1");
        assert_eq!(KdfParams::decode("m=19456,t=2,p=1"), Ok(params));
        for text in [
            "",
            "m=19456,t=2",
            "m=19456,t=2,p=1,x=1",
            "t=2,m=19456,p=1",
            "m=4,t=1,p=1",
            "m=19456,t=0,p=1",
            "m=19456,t=2,p=0",
            "m=4294967295,t=2,p=1",
            "m=19456,t=4000,p=1",
            "m=19456,t=2,p=99",
        ] {
            assert_eq!(KdfParams::decode(text), Err(CryptoError::Kdf), "{text}");
        }
    }

    #[test]
    fn generated_passphrases_are_long_and_new() {
        let entropy = SeededEntropy::new(1);
        let first = generate_passphrase(&entropy);
        assert_eq!(first.len(), 43);
        assert!(first.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_'));
        assert_ne!(*first, *generate_passphrase(&entropy));
    }
}
