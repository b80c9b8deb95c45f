//! Sealing to a vault key's public half: HPKE (RFC 9180) in PSK mode, DHKEM(X25519, HKDF-SHA256),
//! HKDF-SHA256, export-only (security rule 1). Who holds the public half and the pre-shared key can store and
//! never read.

use std::sync::atomic::{AtomicU32, Ordering};

use hpke::{
    Deserializable, HpkeError, Kem as _, OpModeR, OpModeS, PskBundle, Serializable,
    aead::{AeadCtxR, AeadCtxS, ExportOnlyAead},
    kdf::HkdfSha256,
    kem::X25519HkdfSha256 as Kem,
    setup_receiver, setup_sender_with_rng,
};
use zeroize::Zeroizing;

use super::{
    CryptoError, Key32,
    aead::{self, NONCE},
    binding::Binding,
    entropy::{Draw, Entropy},
};

type Sender = AeadCtxS<ExportOnlyAead, HkdfSha256, Kem>;
type Receiver = AeadCtxR<ExportOnlyAead, HkdfSha256, Kem>;

const VERSION: u8 = 0x01;
const PUBLIC: usize = 32;
/// HPKE's `info`: separates this protocol from any other that might use the same keys.
const INFO: &[u8] = b"cardamom seal v1";
/// Goes before the encoded binding in the exporter context of a wrapping key.
const WRAP: &[u8] = b"cardamom wrap v1";
/// The library adds the identifier to a buffer of 2^16 bytes; ours are row ids.
const LONGEST_PSK_ID: usize = 1024;
/// A sealed data key: its 32 bytes and what sealing adds.
const WRAPPED: u16 = 61;

/// How many records a sender session seals at most (security rule 1).
pub const MAX_RECORDS: u32 = 10_000;

/// The two halves of a vault key.
pub struct KeyPair {
    /// X25519 public key: seals.
    pub public: [u8; 32],
    /// X25519 private key: opens. Kept only wrapped.
    pub private: Key32,
}

impl KeyPair {
    /// A new random pair.
    pub fn generate(entropy: &dyn Entropy) -> Self {
        let (private, public) = Kem::gen_keypair_with_rng(&mut Draw(entropy));
        let mut key = Key32::zero();
        private.write_exact(key.as_mut());
        Self { public: public.to_bytes().into(), private: key }
    }
}

impl std::fmt::Debug for KeyPair {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("KeyPair(…)")
    }
}

/// One key agreement, used for many records. Its owner ends it after 60 seconds; it ends itself after
/// `MAX_RECORDS`. Its secret is wiped on drop.
pub struct SenderSession {
    context: Sender,
    encapsulated: [u8; PUBLIC],
    records: AtomicU32,
}

impl SenderSession {
    /// Agrees on a secret with the holder of the private half. `psk_id` names the pre-shared key and must not
    /// be empty; `CryptoError::Key` if it is, or if the public key is one that X25519 must refuse.
    pub fn start(
        public: &[u8; 32],
        psk: &Key32,
        psk_id: &[u8],
        entropy: &dyn Entropy,
    ) -> Result<Self, CryptoError> {
        let (encapsulated, context) = sender(public, psk, psk_id, INFO, entropy)?;
        Ok(Self { context, encapsulated, records: AtomicU32::new(0) })
    }

    /// How many records the session has sealed.
    pub fn records(&self) -> u32 {
        self.records.load(Ordering::Relaxed)
    }

    /// Seals one record under a random data key of its own, and that key under one exported for the binding.
    ///
    /// `0x01 | encapsulated key (32) | length of the wrapped key (2) | wrapped key | sealed content`, where
    /// wrapping key = Export("cardamom wrap v1" | binding, 32), wrapped key = seal(wrapping key, binding,
    /// data key), sealed content = seal(data key, binding, plaintext). `CryptoError::Spent` after
    /// `MAX_RECORDS`.
    pub fn seal(
        &self,
        binding: &Binding,
        plaintext: &[u8],
        entropy: &dyn Entropy,
    ) -> Result<Vec<u8>, CryptoError> {
        self.count()?;
        let associated = binding.encode();
        let wrapping = exported(&associated, |context, out| self.context.export(context, out))?;
        let fresh = Fresh::draw(entropy);
        // The label holds merchant, record, field, number and version, so two different things sealed in one
        // session never share a wrapping key. The same thing sealed again does; the random nonce covers that.
        let wrapped = aead::seal_with(&wrapping, &fresh.wrap_nonce, &associated, fresh.data_key.as_bytes());
        let content = aead::seal_with(&fresh.data_key, &fresh.content_nonce, &associated, plaintext);

        let mut record = Vec::with_capacity(1 + PUBLIC + 2 + wrapped.len() + content.len());
        record.push(VERSION);
        record.extend_from_slice(&self.encapsulated);
        record.extend_from_slice(&WRAPPED.to_be_bytes());
        record.extend_from_slice(&wrapped);
        record.extend_from_slice(&content);
        Ok(record)
    }

    fn count(&self) -> Result<(), CryptoError> {
        let next = |sealed: u32| (sealed < MAX_RECORDS).then_some(sealed + 1);
        let counted = self.records.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next);
        counted.map(|_| ()).map_err(|_| CryptoError::Spent)
    }
}

impl std::fmt::Debug for SenderSession {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SenderSession({} records)", self.records())
    }
}

/// The holder of the private half. Opens what any sender session to its public half sealed.
pub struct Opener {
    private: Key32,
    psk: Key32,
    psk_id: Vec<u8>,
}

impl Opener {
    /// Of an unwrapped private half and the pre-shared key that the senders used.
    pub fn new(private: Key32, psk: Key32, psk_id: Vec<u8>) -> Self {
        Self { private, psk, psk_id }
    }

    /// Opens a record in the place that it was sealed for; else `CryptoError::Open`.
    pub fn open(&self, binding: &Binding, record: &[u8]) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
        let parts = Parts::read(record)?;
        let context = receiver(&self.private, &self.psk, &self.psk_id, INFO, parts.encapsulated)?;
        let associated = binding.encode();
        let wrapping = exported(&associated, |label, out| context.export(label, out))?;
        let data_key = Key32::from_slice(&aead::open_with(&wrapping, &associated, parts.wrapped)?)?;
        aead::open_with(&data_key, &associated, parts.content)
    }
}

impl std::fmt::Debug for Opener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Opener(…)")
    }
}

/// The parts of a record, by their lengths only.
struct Parts<'a> {
    encapsulated: &'a [u8; PUBLIC],
    wrapped: &'a [u8],
    content: &'a [u8],
}

impl<'a> Parts<'a> {
    fn read(record: &'a [u8]) -> Result<Self, CryptoError> {
        let (&version, rest) = record.split_first().ok_or(CryptoError::Open)?;
        let (encapsulated, rest) = rest.split_first_chunk().ok_or(CryptoError::Open)?;
        let (length, rest) = rest.split_first_chunk().ok_or(CryptoError::Open)?;
        if version != VERSION {
            return Err(CryptoError::Open);
        }
        let length = usize::from(u16::from_be_bytes(*length));
        let (wrapped, content) = rest.split_at_checked(length).ok_or(CryptoError::Open)?;
        Ok(Self { encapsulated, wrapped, content })
    }
}

/// The random values of one record, drawn at once: a draw is a system call.
struct Fresh {
    data_key: Key32,
    wrap_nonce: [u8; NONCE],
    content_nonce: [u8; NONCE],
}

impl Fresh {
    fn draw(entropy: &dyn Entropy) -> Self {
        let mut random = Zeroizing::new([0; 32 + 2 * NONCE]);
        entropy.fill(random.as_mut_slice());
        let mut fresh = Self { data_key: Key32::zero(), wrap_nonce: [0; NONCE], content_nonce: [0; NONCE] };
        let targets =
            fresh.data_key.as_mut().iter_mut().chain(&mut fresh.wrap_nonce).chain(&mut fresh.content_nonce);
        for (target, byte) in targets.zip(random.iter()) {
            *target = *byte;
        }
        fresh
    }
}

/// Export("cardamom wrap v1" | binding, 32) of RFC 9180, 5.3.
fn exported(
    associated: &[u8],
    export: impl FnOnce(&[u8], &mut [u8]) -> Result<(), HpkeError>,
) -> Result<Key32, CryptoError> {
    let label = [WRAP, associated].concat();
    let mut key = Key32::zero();
    export(&label, key.as_mut()).map_err(|_| CryptoError::Key)?;
    Ok(key)
}

/// SetupPSKS of RFC 9180, 5.1.2: the encapsulated key and the sender's context.
fn sender(
    public: &[u8; 32],
    psk: &Key32,
    psk_id: &[u8],
    info: &[u8],
    entropy: &dyn Entropy,
) -> Result<([u8; PUBLIC], Sender), CryptoError> {
    let mode = OpModeS::Psk(bundle(psk, psk_id)?);
    let public = <Kem as hpke::Kem>::PublicKey::from_bytes(public).map_err(|_| CryptoError::Key)?;
    let (encapsulated, context) =
        setup_sender_with_rng::<_, _, Kem>(&mode, &public, info, &mut Draw(entropy))
            .map_err(|_| CryptoError::Key)?;
    Ok((encapsulated.to_bytes().into(), context))
}

/// SetupPSKR of RFC 9180, 5.1.2: the receiver's context.
fn receiver(
    private: &Key32,
    psk: &Key32,
    psk_id: &[u8],
    info: &[u8],
    encapsulated: &[u8; PUBLIC],
) -> Result<Receiver, CryptoError> {
    let mode = OpModeR::Psk(bundle(psk, psk_id)?);
    let private =
        <Kem as hpke::Kem>::PrivateKey::from_bytes(private.as_bytes()).map_err(|_| CryptoError::Key)?;
    let encapsulated =
        <Kem as hpke::Kem>::EncappedKey::from_bytes(encapsulated).map_err(|_| CryptoError::Open)?;
    setup_receiver(&mode, &private, &encapsulated, info).map_err(|_| CryptoError::Open)
}

fn bundle<'a>(psk: &'a Key32, psk_id: &'a [u8]) -> Result<PskBundle<'a>, CryptoError> {
    if psk_id.len() > LONGEST_PSK_ID {
        return Err(CryptoError::Key);
    }
    PskBundle::new(psk.as_bytes(), psk_id).map_err(|_| CryptoError::Key)
}

#[cfg(test)]
mod tests;
