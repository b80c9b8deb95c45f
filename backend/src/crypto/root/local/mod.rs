//! A root key in this process's memory, read from a file or an environment value, and the file's form.

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
    super::{
        CryptoError, Key32, aead,
        binding::Binding,
        derive,
        entropy::{self, Entropy},
    },
    RootKey, refused,
};

/// A key file is a few lines; whatever is longer is some other file.
const LONGEST_FILE: usize = 64 * 1024;

/// A root key in this process's memory, read from a file or an environment value.
pub struct LocalRootKey {
    versions: BTreeMap<u32, Version>,
}

struct Version {
    key: Key32,
    /// Opens and does not wrap yet: until every node has it.
    prepared: bool,
}

impl LocalRootKey {
    /// A new key, version 1.
    pub fn generate(entropy: &dyn Entropy) -> Self {
        Self { versions: BTreeMap::from([(1, Version { key: entropy::key(entropy), prepared: false })]) }
    }

    /// The same versions and a new one. It wraps from now on, or only opens as long as it is prepared.
    pub fn with_new_version(mut self, entropy: &dyn Entropy, prepared: bool) -> Result<Self, CryptoError> {
        let newest = self.versions.last_key_value().map_or(0, |(version, _)| *version);
        let next = newest.checked_add(1).ok_or_else(|| refused("there is no further version"))?;
        self.versions.insert(next, Version { key: entropy::key(entropy), prepared });
        Ok(self)
    }

    /// The same versions, of which the prepared ones wrap from now on.
    #[must_use]
    pub fn activated(mut self) -> Self {
        self.versions.values_mut().for_each(|version| version.prepared = false);
        self
    }

    /// The versions that are prepared.
    pub fn prepared(&self) -> Vec<u32> {
        self.versions.iter().filter(|(_, version)| version.prepared).map(|(number, _)| *number).collect()
    }

    /// The same without a version. Refuses one that is not there, and the last one that wraps.
    pub fn without(mut self, version: u32) -> Result<Self, CryptoError> {
        if self.versions.remove(&version).is_none() {
            return Err(CryptoError::UnknownVersion(version));
        }
        if self.versions.values().all(|version| version.prepared) {
            return Err(refused(&format!("version {version} is the last one that wraps; rotate first")));
        }
        Ok(self)
    }

    /// Whether this may take the place of `older` in a running node: it holds the version that is needed there,
    /// and no version with another key.
    pub fn follows(&self, older: &Self, needed: Option<u32>) -> Result<(), CryptoError> {
        if let Some(needed) = needed.filter(|needed| !self.versions.contains_key(needed)) {
            return Err(refused(&format!("version {needed}, which is in use, is missing")));
        }
        for (number, version) in &self.versions {
            if older.versions.get(number).is_some_and(|known| !known.key.ct_eq(&version.key)) {
                return Err(refused(&format!("version {number} is another key than before")));
            }
        }
        Ok(())
    }

    /// Reads a key file: a line for each version, `1 <32 bytes as url-safe base64>`, with `prepared` behind it
    /// where the version does not wrap yet; `#` begins a comment line. Refuses a file that group or others may read.
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
            return Ok(Self { versions: BTreeMap::from([(1, Version { key, prepared: false })]) });
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
        sync_folder(path).map_err(failed)
    }

    /// Writes the key in place of the file that is there, so that at every moment one of both is there whole.
    /// Refuses while another change is under way.
    pub fn replace_file(&self, path: &Path) -> Result<(), CryptoError> {
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(".new");
        let new = path.with_file_name(name);
        self.write_new_file(&new)?;
        let failed = |error: std::io::Error| refused(&format!("{}: {error}", path.display()));
        if let Err(error) = std::fs::rename(&new, path) {
            drop(std::fs::remove_file(&new));
            return Err(failed(error));
        }
        sync_folder(path).map_err(failed)
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
        if versions.values().all(|version: &Version| version.prepared) {
            return Err(refused(&format!("{source} holds prepared versions only; none of them wraps")));
        }
        Ok(Self { versions })
    }

    fn encode(&self) -> Zeroizing<String> {
        // Room for all of it at once, as above.
        let mut text = Zeroizing::new(String::with_capacity(256 + self.versions.len() * 64));
        text.push_str("# Cardamom root key. Without this file the database cannot be read by anyone.\n");
        text.push_str(
            "# Keep a copy apart from the database's backups. One line a version; the highest wraps that is not\n\
             # marked as prepared.\n",
        );
        for (number, version) in &self.versions {
            let encoded = Zeroizing::new(URL_SAFE_NO_PAD.encode(version.key.as_bytes()));
            text.push_str(&number.to_string());
            text.push(' ');
            text.push_str(&encoded);
            text.push_str(if version.prepared { " prepared\n" } else { "\n" });
        }
        text
    }
}

impl RootKey for LocalRootKey {
    fn version(&self) -> u32 {
        let mut newest_first = self.versions.iter().rev();
        // Never empty and never all prepared: each way to make one sees to it.
        newest_first.find(|(_, version)| !version.prepared).map_or(0, |(number, _)| *number)
    }

    fn versions(&self) -> Vec<u32> {
        self.versions.keys().copied().collect()
    }

    fn wrap(&self, binding: &Binding, secret: &[u8], entropy: &dyn Entropy) -> Result<Vec<u8>, CryptoError> {
        let number = self.version();
        let version = self.versions.get(&number).ok_or(CryptoError::UnknownVersion(number))?;
        let sealed = aead::seal(&wrapping(&version.key), binding, secret, entropy);
        Ok([number.to_be_bytes().as_slice(), &sealed].concat())
    }

    fn unwrap(&self, binding: &Binding, wrapped: &[u8]) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
        let (number, sealed) = wrapped.split_first_chunk().ok_or(CryptoError::Open)?;
        let number = u32::from_be_bytes(*number);
        let version = self.versions.get(&number).ok_or(CryptoError::UnknownVersion(number))?;
        aead::open(&wrapping(&version.key), binding, sealed)
    }

    fn refresh(&self) -> Result<bool, CryptoError> {
        Ok(false)
    }

    fn probe(&self) -> Result<(), CryptoError> {
        Ok(())
    }
}

impl std::fmt::Debug for LocalRootKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "LocalRootKey(versions {:?})", self.versions())
    }
}

/// The root key itself encrypts nothing: a key derived from it does.
fn wrapping(root: &Key32) -> Key32 {
    derive(root, b"cardamom root wrap v1", "")
}

/// Makes a change of names in a file's folder durable.
fn sync_folder(path: &Path) -> std::io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new("."))).and_then(|folder| folder.sync_all())
}

fn parse_line(line: &str) -> Option<(u32, Version)> {
    let mut words = line.split_ascii_whitespace();
    let version = words.next()?.parse::<u32>().ok().filter(|&version| version > 0)?;
    let key = decode(words.next()?)?;
    let prepared = match words.next() {
        None => false,
        Some("prepared") => true,
        Some(_) => return None,
    };
    words.next().is_none().then_some((version, Version { key, prepared }))
}

fn decode(text: &str) -> Option<Key32> {
    let bytes = Zeroizing::new(URL_SAFE_NO_PAD.decode(text).ok()?);
    Key32::from_slice(&bytes).ok()
}

#[cfg(test)]
mod tests;
