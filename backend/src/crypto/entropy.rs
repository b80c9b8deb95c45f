//! Where random bytes come from. Passed in, so that tests own it.

use std::{
    convert::Infallible,
    sync::atomic::{AtomicU64, Ordering},
};

use rand_core::{TryCryptoRng, TryRng};
use sha2::{Digest, Sha256};

use super::{CryptoError, Key32, stop};

/// A source of random bytes. It never fails: a source that cannot deliver ends the process, because there is
/// no key, nonce or secret that could be made without it and no caller that could do anything else.
pub trait Entropy: Send + Sync {
    /// Fills `out` with random bytes.
    fn fill(&self, out: &mut [u8]);
}

/// The operating system's generator. Aborts the process if the system refuses.
#[derive(Clone, Copy, Debug, Default)]
pub struct OsEntropy;

impl OsEntropy {
    /// Whether the system gives random bytes: asked once at the start, for a readable message instead of an
    /// abort.
    pub fn probe() -> Result<Self, CryptoError> {
        getrandom::fill(&mut [0; 32]).map(|()| Self).map_err(|_| CryptoError::Random)
    }
}

impl Entropy for OsEntropy {
    fn fill(&self, out: &mut [u8]) {
        if getrandom::fill(out).is_err() {
            stop("the operating system gives no random bytes");
        }
    }
}

/// For tests only: a reproducible stream, SHA-256 over the seed and a block counter.
#[derive(Debug)]
pub struct SeededEntropy {
    seed: u64,
    block: AtomicU64,
}

impl SeededEntropy {
    /// A stream that depends on the seed and the order of the calls alone.
    pub const fn new(seed: u64) -> Self {
        Self { seed, block: AtomicU64::new(0) }
    }
}

impl Entropy for SeededEntropy {
    fn fill(&self, out: &mut [u8]) {
        for chunk in out.chunks_mut(32) {
            let block = self.block.fetch_add(1, Ordering::Relaxed);
            let digest =
                Sha256::new().chain_update(self.seed.to_be_bytes()).chain_update(block.to_be_bytes());
            for (byte, random) in chunk.iter_mut().zip(digest.finalize()) {
                *byte = random;
            }
        }
    }
}

/// A new random key.
pub fn key(entropy: &dyn Entropy) -> Key32 {
    let mut key = Key32::zero();
    entropy.fill(key.as_mut());
    key
}

/// `N` random bytes, for salts, nonces and identifiers (keys: `key`).
pub fn bytes<const N: usize>(entropy: &dyn Entropy) -> [u8; N] {
    let mut bytes = [0; N];
    entropy.fill(&mut bytes);
    bytes
}

/// Lets a library that wants a generator of its own draw from an `Entropy`.
pub struct Draw<'a>(pub &'a dyn Entropy);

impl TryRng for Draw<'_> {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(u32::from_le_bytes(bytes(self.0)))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(u64::from_le_bytes(bytes(self.0)))
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        self.0.fill(out);
        Ok(())
    }
}

impl TryCryptoRng for Draw<'_> {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeded_entropy_repeats_and_never_stands_still() {
        let draw = |seed| {
            let entropy = SeededEntropy::new(seed);
            (bytes::<40>(&entropy), bytes::<40>(&entropy))
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
        assert_ne!(draw(7).0, draw(7).1);
    }

    #[test]
    fn the_system_gives_different_keys() {
        let entropy = OsEntropy::probe().unwrap();
        assert!(!key(&entropy).ct_eq(&key(&entropy)));
    }
}
