//! A root key in a hardware module (HSM), spoken to by PKCS#11: AES-256 keys that never leave it, one a version,
//! labelled `<label>-<version>`. The module itself seals and opens; see docs/adr for what was chosen and why.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Mutex, MutexGuard, PoisonError},
};

use cryptoki::{
    context::{CInitializeArgs, CInitializeFlags, Pkcs11},
    error::{Error, RvError},
    mechanism::{Mechanism, aead::GcmParams},
    object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle},
    session::{Session, UserType},
    slot::Slot,
    types::AuthPin,
};
use zeroize::Zeroizing;

use super::{
    super::{
        CryptoError, aead,
        binding::Binding,
        entropy::{self, Entropy},
    },
    RootKey, wrapped_version,
};

/// The first byte of what the module sealed, behind the version of the root key.
const FORMAT: u8 = 0x01;
const TAG: usize = 16;

/// Where the keys are, and what opens the way to them.
#[derive(Clone)]
pub struct Token {
    /// The module: a shared library of the HSM's maker.
    pub module: PathBuf,
    /// The token's label; the only token there is, if neither label nor slot is given.
    pub token: Option<String>,
    /// The slot's number, instead of a label.
    pub slot: Option<u64>,
    /// What the keys' labels begin with.
    pub label: String,
    /// The user's PIN.
    pub pin: Zeroizing<String>,
}

/// A root key in a hardware module. One session, used by one call at a time; lost ones are opened again.
pub struct Pkcs11RootKey {
    token: Token,
    state: Mutex<State>,
}

struct State {
    connection: Option<Connection>,
    /// Kept while the module is out of reach.
    versions: Vec<u32>,
}

struct Connection {
    session: Session,
    keys: BTreeMap<u32, ObjectHandle>,
    slot: Slot,
    context: Pkcs11,
}

impl Pkcs11RootKey {
    /// Logs in and finds the keys; there may be none yet.
    pub fn open(token: Token) -> Result<Self, CryptoError> {
        let connection = token.connect().map_err(told)?;
        let versions = connection.keys.keys().copied().collect();
        Ok(Self { token, state: Mutex::new(State { connection: Some(connection), versions }) })
    }

    /// Makes the key of a version in the module: not to be taken out, only to seal and to open.
    pub fn create_version(&self, version: u32) -> Result<(), CryptoError> {
        self.run(|connection| {
            let session = connection.writable()?;
            let made = session.generate_key(
                &Mechanism::AesKeyGen,
                &[
                    Attribute::Token(true),
                    Attribute::Private(true),
                    Attribute::Sensitive(true),
                    Attribute::Extractable(false),
                    Attribute::Encrypt(true),
                    Attribute::Decrypt(true),
                    Attribute::ValueLen(32.into()),
                    Attribute::Label(format!("{}-{version}", self.token.label).into_bytes()),
                ],
            )?;
            connection.keys.insert(version, made);
            Ok(())
        })
    }

    /// Destroys the key of a version in the module, for ever.
    pub fn destroy_version(&self, version: u32) -> Result<(), CryptoError> {
        self.run(|connection| {
            let Some(key) = connection.keys.get(&version).copied() else {
                return Ok(Err(CryptoError::UnknownVersion(version)));
            };
            connection.writable()?.destroy_object(key)?;
            connection.keys.remove(&version);
            Ok(Ok(()))
        })?
    }

    /// Runs a piece of work on the connection. If it fails, everything is opened anew and it is run once more:
    /// a module that was restarted has forgotten session, login and handles.
    fn run<T>(&self, work: impl Fn(&mut Connection) -> Result<T, Error>) -> Result<T, CryptoError> {
        blocking(|| {
            let mut state = self.state();
            if let Some(connection) = &mut state.connection
                && let Ok(done) = work(connection)
            {
                state.note_versions();
                return Ok(done);
            }
            if let Some(connection) = state.connection.take() {
                connection.close();
            }
            let connection = state.connection.insert(self.token.connect().map_err(told)?);
            let done = work(connection).map_err(told);
            state.note_versions();
            done
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// AES-256-GCM in the module: nonce and ciphertext with tag.
    fn encrypt(
        connection: &Connection,
        key: ObjectHandle,
        mut nonce: [u8; aead::NONCE],
        associated: &[u8],
        secret: &[u8],
    ) -> Result<Vec<u8>, Error> {
        let gcm = GcmParams::new(&mut nonce, associated, (TAG as u64 * 8).into())?;
        let mechanism = Mechanism::AesGcm(gcm);
        let sealed = connection.session.encrypt(&mechanism, key, secret)?;
        // Read after the call: some modules insist on a nonce of their own and put it there.
        let Mechanism::AesGcm(mut gcm) = mechanism else { return Err(Error::InvalidValue) };
        Ok([&*gcm.iv(), &sealed].concat())
    }

    /// Opens what `encrypt` made. `None` where the module works and the text does not open.
    fn decrypt(
        connection: &Connection,
        key: ObjectHandle,
        nonce: &[u8; aead::NONCE],
        associated: &[u8],
        sealed: &[u8],
    ) -> Result<Option<Zeroizing<Vec<u8>>>, Error> {
        let mut nonce = *nonce;
        let gcm = GcmParams::new(&mut nonce, associated, (TAG as u64 * 8).into())?;
        match connection.session.decrypt(&Mechanism::AesGcm(gcm), key, sealed) {
            Ok(secret) => Ok(Some(Zeroizing::new(secret))),
            Err(Error::Pkcs11(RvError::EncryptedDataInvalid | RvError::EncryptedDataLenRange, _)) => Ok(None),
            // Some modules answer a wrong tag like a fault of their own. Another call tells which it was.
            Err(error) => match Self::encrypt(connection, key, [0; aead::NONCE], b"probe", b"") {
                Ok(_) => Ok(None),
                Err(_) => Err(error),
            },
        }
    }
}

impl RootKey for Pkcs11RootKey {
    fn version(&self) -> u32 {
        self.state().versions.last().copied().unwrap_or_default()
    }

    fn versions(&self) -> Vec<u32> {
        self.state().versions.clone()
    }

    fn wrap(&self, binding: &Binding, secret: &[u8], entropy: &dyn Entropy) -> Result<Vec<u8>, CryptoError> {
        let associated = binding.encode();
        self.run(|connection| {
            let Some((version, key)) = connection.keys.last_key_value() else {
                return Ok(Err(CryptoError::UnknownVersion(0)));
            };
            let sealed = Self::encrypt(connection, *key, entropy::bytes(entropy), &associated, secret)?;
            Ok(Ok([version.to_be_bytes().as_slice(), &[FORMAT], &sealed].concat()))
        })?
    }

    fn unwrap(&self, binding: &Binding, wrapped: &[u8]) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
        let version = wrapped_version(wrapped)?;
        let sealed = wrapped.get(4..).and_then(<[u8]>::split_first).filter(|(format, _)| **format == FORMAT);
        let sealed = sealed.and_then(|(_, sealed)| sealed.split_first_chunk::<{ aead::NONCE }>());
        let (nonce, sealed) = sealed.filter(|(_, text)| text.len() >= TAG).ok_or(CryptoError::Open)?;
        let associated = binding.encode();
        self.run(|connection| {
            let Some(key) = connection.keys.get(&version) else {
                return Ok(Err(CryptoError::UnknownVersion(version)));
            };
            let opened = Self::decrypt(connection, *key, nonce, &associated, sealed)?;
            Ok(opened.ok_or(CryptoError::Open))
        })?
    }

    fn refresh(&self) -> Result<bool, CryptoError> {
        let before = self.versions();
        self.run(|connection| {
            connection.keys = self.token.keys(&connection.session)?;
            Ok(())
        })?;
        Ok(self.versions() != before)
    }

    fn probe(&self) -> Result<(), CryptoError> {
        self.run(|connection| {
            let Some((_, key)) = connection.keys.last_key_value() else { return Ok(()) };
            Self::encrypt(connection, *key, [0; aead::NONCE], b"probe", b"").map(drop)
        })
    }
}

impl State {
    fn note_versions(&mut self) {
        if let Some(connection) = &self.connection {
            self.versions = connection.keys.keys().copied().collect();
        }
    }
}

impl Token {
    fn connect(&self) -> Result<Connection, Error> {
        let context = Pkcs11::new(&self.module)?;
        match context.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
            Ok(()) | Err(Error::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => {}
            Err(error) => return Err(error),
        }
        let slot = self.slot(&context)?;
        let session = context.open_ro_session(slot)?;
        match session.login(UserType::User, Some(&AuthPin::from(self.pin.as_str()))) {
            Ok(()) | Err(Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => {}
            Err(error) => return Err(error),
        }
        let keys = self.keys(&session)?;
        Ok(Connection { session, keys, slot, context })
    }

    fn slot(&self, context: &Pkcs11) -> Result<Slot, Error> {
        if let Some(number) = self.slot {
            return Slot::try_from(number);
        }
        let missing = Error::Pkcs11(RvError::TokenNotPresent, cryptoki::context::Function::GetTokenInfo);
        let slots = context.get_slots_with_initialized_token()?;
        let Some(label) = &self.token else {
            return if let [only] = slots.as_slice() { Ok(*only) } else { Err(missing) };
        };
        for slot in slots {
            if context.get_token_info(slot)?.label().trim_end() == label {
                return Ok(slot);
            }
        }
        Err(missing)
    }

    /// The keys whose label is ours and names a version.
    fn keys(&self, session: &Session) -> Result<BTreeMap<u32, ObjectHandle>, Error> {
        let mut keys = BTreeMap::new();
        let ours = [
            Attribute::Token(true),
            Attribute::Class(ObjectClass::SECRET_KEY),
            Attribute::KeyType(KeyType::AES),
        ];
        for handle in session.find_objects(&ours)? {
            let attributes = session.get_attributes(handle, &[AttributeType::Label])?;
            let Some(Attribute::Label(label)) = attributes.into_iter().next() else { continue };
            let number = label.strip_prefix(self.label.as_bytes()).and_then(|rest| rest.strip_prefix(b"-"));
            let number = number.and_then(|digits| std::str::from_utf8(digits).ok()?.parse::<u32>().ok());
            let Some(version) = number.filter(|version| *version > 0) else { continue };
            if keys.insert(version, handle).is_some() {
                // Two keys of one version: nobody could tell which one wrapped.
                return Err(Error::InvalidValue);
            }
        }
        Ok(keys)
    }
}

impl Connection {
    fn writable(&self) -> Result<Session, Error> {
        self.context.open_rw_session(self.slot)
    }

    /// Gives everything back. That a module which is out of reach refuses this is no news.
    fn close(self) {
        drop(self.session.close());
        drop(self.context.finalize());
    }
}

/// A module may take long to answer: where the runtime can, its thread is left to others meanwhile.
fn blocking<T>(work: impl FnOnce() -> T) -> T {
    use tokio::runtime::{Handle, RuntimeFlavor};
    match Handle::try_current().map(|runtime| runtime.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(work),
        _ => work(),
    }
}

/// The module's own words: they name a call and its code, never a value.
fn told(error: Error) -> CryptoError {
    CryptoError::Module(match error {
        Error::Pkcs11(code, call) => format!("{call}: {code:?}"),
        Error::InvalidValue => "a version has two keys".to_owned(),
        other => other.to_string(),
    })
}
