//! HPKE against RFC 9180, and what must not open.

use super::{
    super::{
        entropy::{self, OsEntropy, SeededEntropy},
        hex,
        testing::{BINDING, key, moved, unhex},
    },
    *,
};

/// Appendix A.7.2 of RFC 9180: PSK mode, DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, export-only.
mod rfc {
    pub const INFO: &str = "4f6465206f6e2061204772656369616e2055726e";
    pub const IKM_E: &str = "c51211a8799f6b8a0021fcba673d9c4067a98ebc6794232e5b06cb9febcbbdf5";
    pub const PK_RM: &str = "d53af36ea5f58f8868bb4a1333ed4cc47e7a63b0040eb54c77b9c8ec456da824";
    pub const SK_RM: &str = "98f304d4ecb312689690b113973c61ffe0aa7c13f2fbe365e48f3ed09e5a6a0c";
    pub const PSK: &str = "0247fd33b913760fa1fa51e1892d9f307fbe65eb171e8132c2af18555a738b82";
    pub const PSK_ID: &str = "456e6e796e20447572696e206172616e204d6f726961";
    pub const ENC: &str = "d3805a97cbcd5f08babd21221d3e6b362a700572d14f9bbeb94ec078d051ae3d";
    /// Exporter context and exported value.
    pub const EXPORTS: [[&str; 2]; 3] = [
        ["", "be6c76955334376aa23e936be013ba8bbae90ae74ed995c1c6157e6f08dd5316"],
        ["00", "1721ed2aa852f84d44ad020c2e2be4e2e6375098bf48775a533505fd56a3f416"],
        ["54657374436f6e74657874", "7c9d79876a288507b81a5a52365a7d39cc0fa3f07e34172984f96fec07c44cba"],
    ];
}

/// Gives the bytes that it was made of, as a published vector wants it.
struct Fixed(Vec<u8>);

impl Entropy for Fixed {
    fn fill(&self, out: &mut [u8]) {
        out.copy_from_slice(&self.0);
    }
}

fn exports(export: impl Fn(&[u8], &mut [u8]) -> Result<(), HpkeError>) {
    for [context, expected] in rfc::EXPORTS {
        let mut value = [0; 32];
        export(&unhex(context), &mut value).unwrap();
        assert_eq!(hex(&value), expected);
    }
}

#[test]
fn the_sender_matches_rfc_9180() {
    let public = unhex(rfc::PK_RM).try_into().unwrap();
    let (encapsulated, context) =
        sender(&public, &key(rfc::PSK), &unhex(rfc::PSK_ID), &unhex(rfc::INFO), &Fixed(unhex(rfc::IKM_E)))
            .unwrap();
    assert_eq!(hex(&encapsulated), rfc::ENC);
    exports(|label, out| context.export(label, out));
}

#[test]
fn the_receiver_matches_rfc_9180() {
    let encapsulated = unhex(rfc::ENC).try_into().unwrap();
    let context =
        receiver(&key(rfc::SK_RM), &key(rfc::PSK), &unhex(rfc::PSK_ID), &unhex(rfc::INFO), &encapsulated)
            .unwrap();
    exports(|label, out| context.export(label, out));
}

/// A vault key with a session to it, reproducible.
struct Vault {
    session: SenderSession,
    opener: Opener,
    public: [u8; 32],
    entropy: SeededEntropy,
}

fn vault(seed: u64) -> Vault {
    let entropy = SeededEntropy::new(seed);
    let (pair, psk) = (KeyPair::generate(&entropy), entropy::key(&entropy));
    let session = SenderSession::start(&pair.public, &psk, b"vky_1", &entropy).unwrap();
    let opener = Opener::new(pair.private, psk, b"vky_1".to_vec());
    Vault { session, opener, public: pair.public, entropy }
}

#[test]
fn a_record_opens_where_it_was_sealed_and_nowhere_else() {
    let vault = vault(1);
    let record = vault.session.seal(&BINDING, b"text", &vault.entropy).unwrap();
    assert_eq!(*vault.opener.open(&BINDING, &record).unwrap(), b"text");
    for other in moved() {
        assert_eq!(vault.opener.open(&other, &record).unwrap_err(), CryptoError::Open, "{other:?}");
    }
}

#[test]
fn the_layout_is_as_documented() {
    let vault = vault(2);
    let record = vault.session.seal(&BINDING, b"text", &vault.entropy).unwrap();
    let parts = Parts::read(&record).unwrap();
    assert_eq!(parts.wrapped.len(), usize::from(WRAPPED));
    assert_eq!(parts.wrapped.len(), 32 + aead::OVERHEAD);
    assert_eq!(parts.content.len(), 4 + aead::OVERHEAD);
    assert_eq!(record.len(), 1 + 32 + 2 + parts.wrapped.len() + parts.content.len());
}

#[test]
fn every_truncation_and_every_flip_is_refused() {
    let vault = vault(3);
    let mut record = vault.session.seal(&BINDING, b"text", &vault.entropy).unwrap();
    for end in 0..record.len() {
        assert_eq!(vault.opener.open(&BINDING, &record[..end]).unwrap_err(), CryptoError::Open, "{end}");
    }
    for place in 0..record.len() {
        record[place] ^= 1;
        assert_eq!(vault.opener.open(&BINDING, &record).unwrap_err(), CryptoError::Open, "{place}");
        record[place] ^= 1;
    }
    assert!(vault.opener.open(&BINDING, &record).is_ok());
}

#[test]
fn a_forger_without_the_pre_shared_key_is_refused() {
    let vault = vault(4);
    let forger =
        SenderSession::start(&vault.public, &Key32::new(&[0; 32]), b"vky_1", &vault.entropy).unwrap();
    let record = forger.seal(&BINDING, b"text", &vault.entropy).unwrap();
    assert_eq!(vault.opener.open(&BINDING, &record).unwrap_err(), CryptoError::Open);
}

#[test]
fn another_vault_key_or_key_name_opens_nothing() {
    let (first, second) = (vault(5), vault(6));
    let record = first.session.seal(&BINDING, b"text", &first.entropy).unwrap();
    assert_eq!(second.opener.open(&BINDING, &record).unwrap_err(), CryptoError::Open);
    let renamed = Opener { psk_id: b"vky_2".to_vec(), ..first.opener };
    assert_eq!(renamed.open(&BINDING, &record).unwrap_err(), CryptoError::Open);
}

#[test]
fn parts_of_two_records_do_not_mix() {
    let vault = vault(7);
    let first = vault.session.seal(&BINDING, b"text", &vault.entropy).unwrap();
    let second = vault.session.seal(&BINDING, b"text", &vault.entropy).unwrap();
    assert_ne!(first, second);
    let head = 1 + 32 + 2 + usize::from(WRAPPED);
    let mixed = [&first[..head], &second[head..]].concat();
    assert_eq!(vault.opener.open(&BINDING, &mixed).unwrap_err(), CryptoError::Open);
}

#[test]
fn unusable_keys_are_refused() {
    let (entropy, psk) = (SeededEntropy::new(8), Key32::new(&[1; 32]));
    let public = KeyPair::generate(&entropy).public;
    let start = |public: &[u8; 32], id: &[u8]| SenderSession::start(public, &psk, id, &entropy).unwrap_err();
    assert_eq!(start(&[0; 32], b"vky_1"), CryptoError::Key);
    assert_eq!(start(&public, b""), CryptoError::Key);
    assert_eq!(start(&public, &[b'x'; LONGEST_PSK_ID + 1]), CryptoError::Key);
}

#[test]
fn a_session_ends_after_its_records() {
    let vault = vault(9);
    vault.session.records.store(MAX_RECORDS - 1, Ordering::Relaxed);
    assert!(vault.session.seal(&BINDING, b"", &vault.entropy).is_ok());
    assert_eq!(vault.session.seal(&BINDING, b"", &vault.entropy), Err(CryptoError::Spent));
    assert_eq!(vault.session.records(), MAX_RECORDS);
}

#[test]
fn sessions_and_openers_are_shared_between_threads() {
    fn shared<T: Send + Sync>(_: &T) {}
    let vault = vault(10);
    shared(&vault.session);
    shared(&vault.opener);
}

#[test]
fn the_system_s_randomness_works_too() {
    let (pair, psk) = (KeyPair::generate(&OsEntropy), entropy::key(&OsEntropy));
    let session = SenderSession::start(&pair.public, &psk, b"vky_1", &OsEntropy).unwrap();
    let record = session.seal(&BINDING, b"text", &OsEntropy).unwrap();
    let opener = Opener::new(pair.private, psk, b"vky_1".to_vec());
    assert_eq!(*opener.open(&BINDING, &record).unwrap(), b"text");
}
