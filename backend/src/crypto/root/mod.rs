//! The root key: what stands between a copy of the database and its content (design decision 2). Versioned:
//! the newest version wraps, every version at hand unwraps.

use std::{
    collections::BTreeMap,
    fs::{File, OpenOptions},
    io::{Read, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::Path,
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use zeroize::Zeroizing;

use super::{
    CryptoError, Key32, aead,
    binding::Binding,
    entropy::{self, Entropy},
    hmac_sha256, length,
};

/// A key file is a few lines; whatever is longer is some other file.
const LONGEST_FILE: usize = 64 * 1024;

/// The check value's plaintext and place: no row's binding has this kind.
const CHECK: &[u8] = b"cardamom check v1";
const CHECK_BINDING: Binding<'static> =
    Binding { merchant: "", mode: "", record: "", kind: "root-check", field: "", number: 0, key_version: 0 };

/// A root key, wherever it lives: a file, the environment, a hardware module.
pub trait RootKey: Send + Sync {
    /// The version that new wraps use.
    fn version(&self) -> u32;

    /// Wraps a secret: `root version (4, big-endian) | sealed under that version`.
    fn wrap(&self, binding: &Binding, secret: &[u8], entropy: &dyn Entropy) -> Result<Vec<u8>, CryptoError>;

    /// Unwraps what any version at hand wrapped.
    fn unwrap(&self, binding: &Binding, wrapped: &[u8]) -> Result<Zeroizing<Vec<u8>>, CryptoError>;

    /// A key of its own for a purpose, independent of the wrapping keys: for keyed digests. Of the oldest
    /// version at hand, so that a rotation changes no digest; taking the oldest version away does.
    fn subkey(&self, label: &str) -> Key32;

    /// What the database keeps, so that a node with another root key refuses to start. Made with the newest
    /// version.
    fn check_value(&self, entropy: &dyn Entropy) -> Result<Vec<u8>, CryptoError> {
        self.wrap(&CHECK_BINDING, CHECK, entropy)
    }

    /// Whether this key, in any version at hand, made a check value. The error says what is wrong.
    fn verify(&self, check: &[u8]) -> Result<(), CryptoError> {
        match self.unwrap(&CHECK_BINDING, check) {
            Ok(text) if *text == CHECK => Ok(()),
            Ok(_) | Err(CryptoError::Open) => {
                Err(CryptoError::RootKey("it is not the one that this database was made with".to_owned()))
            }
            Err(other) => Err(other),
        }
    }
}

/// The version that a wrapped secret was wrapped with: tells a rotation what is left to re-wrap.
pub fn wrapped_version(wrapped: &[u8]) -> Result<u32, CryptoError> {
    wrapped.first_chunk().map(|version| u32::from_be_bytes(*version)).ok_or(CryptoError::Open)
}

/// A root key in this process's memory, read from a file or an environment value.
pub struct LocalRootKey {
    versions: BTreeMap<u32, Key32>,
}

impl LocalRootKey {
    /// A new key, version 1.
    pub fn generate(entropy: &dyn Entropy) -> Self {
        Self { versions: BTreeMap::from([(1, entropy::key(entropy))]) }
    }

    /// The same versions and a new one, which wraps from now on.
    pub fn with_new_version(mut self, entropy: &dyn Entropy) -> Result<Self, CryptoError> {
        let next = self.version().checked_add(1).ok_or_else(|| refused("there is no further version"))?;
        self.versions.insert(next, entropy::key(entropy));
        Ok(self)
    }

    /// Reads a key file: a line for each version, `1 <32 bytes as url-safe base64>`; `#` begins a comment
    /// line. Refuses a file that group or others may read.
    pub fn from_file(path: &Path) -> Result<Self, CryptoError> {
        let name = path.display().to_string();
        let failed = |error: std::io::Error| refused(&format!("{name}: {error}"));
        let file = File::open(path).map_err(failed)?;
        // Of the open file, so that it cannot be exchanged between the look and the read.
        let mode = file.metadata().map_err(failed)?.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(refused(&format!(
                "{name} has mode {mode:04o} and may be read by others than its owner; set it to 0600"
            )));
        }
        // Room for all of it at once: growing would leave unwiped copies behind.
        let mut text = Zeroizing::new(String::with_capacity(LONGEST_FILE + 1));
        file.take(LONGEST_FILE as u64 + 1).read_to_string(&mut text).map_err(failed)?;
        if text.len() > LONGEST_FILE {
            return Err(refused(&format!("{name} is too long for a key file")));
        }
        Self::parse(&name, text.lines())
    }

    /// Reads an environment value: the lines of a key file, parted by `;` or line ends, or the bare 43
    /// characters of a key, which is version 1.
    pub fn from_env_value(value: &str) -> Result<Self, CryptoError> {
        let value = value.trim();
        if value.len() == 43 && !value.contains([' ', '\t', ';', '\n']) {
            let key = decode(value).ok_or_else(|| refused("the environment value is not a key"))?;
            return Ok(Self { versions: BTreeMap::from([(1, key)]) });
        }
        // Comment lines first, so that a whole key file may stand here, whatever its comments say.
        let lines = value.lines().filter(|line| !line.trim_start().starts_with('#'));
        Self::parse("the environment value", lines.flat_map(|line| line.split(';')))
    }

    /// Writes a key file that did not exist before, with mode 0600, and returns when file and folder are on
    /// the disk.
    pub fn write_new_file(&self, path: &Path) -> Result<(), CryptoError> {
        let failed = |error: std::io::Error| refused(&format!("{}: {error}", path.display()));
        let mut file =
            OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(failed)?;
        if let Err(error) = file.write_all(self.encode().as_bytes()).and_then(|()| file.sync_all()) {
            // Half a key helps nobody, and the next try would find the name taken.
            drop(std::fs::remove_file(path));
            return Err(failed(error));
        }
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new("."))).and_then(|folder| folder.sync_all()).map_err(failed)
    }

    /// The versions at hand, oldest first.
    pub fn versions(&self) -> Vec<u32> {
        self.versions.keys().copied().collect()
    }

    /// `RootKey::subkey` of one version: for looking up a digest that an older version may have made.
    pub fn subkey_of(&self, version: u32, label: &str) -> Option<Key32> {
        self.versions.get(&version).map(|root| derived(root, b"cardamom subkey v1", label))
    }

    fn parse<'a>(source: &str, lines: impl Iterator<Item = &'a str>) -> Result<Self, CryptoError> {
        let mut versions = BTreeMap::new();
        for (index, line) in lines.enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            // Says where, never what: the line may hold a key in the wrong place.
            let place = format!("{source}, line {}", index + 1);
            let (version, key) = parse_line(line).ok_or_else(|| {
                refused(&format!("{place}: wanted a version and a key, such as \"1 <43 characters>\""))
            })?;
            if versions.insert(version, key).is_some() {
                return Err(refused(&format!("{place}: version {version} is there twice")));
            }
        }
        if versions.is_empty() {
            return Err(refused(&format!("{source} holds no key")));
        }
        Ok(Self { versions })
    }

    fn encode(&self) -> Zeroizing<String> {
        // Room for all of it at once, as above.
        let mut text = Zeroizing::new(String::with_capacity(256 + self.versions.len() * 64));
        text.push_str("# Cardamom root key. Without this file the database cannot be read by anyone.\n");
        text.push_str(
            "# Keep a copy apart from the database's backups. One line a version; the highest wraps.\n",
        );
        for (version, key) in &self.versions {
            let encoded = Zeroizing::new(URL_SAFE_NO_PAD.encode(key.as_bytes()));
            text.push_str(&version.to_string());
            text.push(' ');
            text.push_str(&encoded);
            text.push('\n');
        }
        text
    }
}

impl RootKey for LocalRootKey {
    fn version(&self) -> u32 {
        self.versions.last_key_value().map_or(0, |(version, _)| *version)
    }

    fn wrap(&self, binding: &Binding, secret: &[u8], entropy: &dyn Entropy) -> Result<Vec<u8>, CryptoError> {
        let (version, root) = self.versions.last_key_value().ok_or(CryptoError::UnknownVersion(0))?;
        let sealed = aead::seal(&wrapping(root), binding, secret, entropy);
        Ok([version.to_be_bytes().as_slice(), &sealed].concat())
    }

    fn unwrap(&self, binding: &Binding, wrapped: &[u8]) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
        let (version, sealed) = wrapped.split_first_chunk().ok_or(CryptoError::Open)?;
        let version = u32::from_be_bytes(*version);
        let root = self.versions.get(&version).ok_or(CryptoError::UnknownVersion(version))?;
        aead::open(&wrapping(root), binding, sealed)
    }

    fn subkey(&self, label: &str) -> Key32 {
        let oldest = self.versions.first_key_value().map_or(0, |(version, _)| *version);
        // Never empty: each way to make one puts a version in.
        self.subkey_of(oldest, label).unwrap_or_else(|| super::stop("a root key without a version"))
    }
}

impl std::fmt::Debug for LocalRootKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "LocalRootKey(versions {:?})", self.versions())
    }
}

/// The root key itself encrypts nothing: wrapping and digests each have a key derived from it.
fn wrapping(root: &Key32) -> Key32 {
    derived(root, b"cardamom root wrap v1", "")
}

/// HMAC-SHA256(root, domain | label), each behind its length.
fn derived(root: &Key32, domain: &[u8], label: &str) -> Key32 {
    let label = label.as_bytes();
    let digest = Zeroizing::new(hmac_sha256(root, &[&length(domain), domain, &length(label), label]));
    Key32::new(&digest)
}

fn parse_line(line: &str) -> Option<(u32, Key32)> {
    let (version, key) = line.split_once([' ', '\t'])?;
    let version = version.parse::<u32>().ok().filter(|&version| version > 0)?;
    Some((version, decode(key.trim())?))
}

fn decode(text: &str) -> Option<Key32> {
    let bytes = Zeroizing::new(URL_SAFE_NO_PAD.decode(text).ok()?);
    Key32::from_slice(&bytes).ok()
}

fn refused(reason: &str) -> CryptoError {
    CryptoError::RootKey(reason.to_owned())
}

#[cfg(test)]
mod tests;
