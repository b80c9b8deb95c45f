//! The root key of a running program: versions of a file or an environment value, versions of a hardware module,
//! or both, while one takes over from the other. The file is read again when it changed.

use std::{
    os::unix::fs::MetadataExt,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError, RwLock},
};

use zeroize::Zeroizing;

use super::{
    super::{CryptoError, binding::Binding, entropy::Entropy},
    LocalRootKey, Pkcs11RootKey, RootKey, refused, wrapped_version,
};

/// What tells that a file is another one than before: device, inode, length, time of change in ns.
type Stamp = (u64, u64, u64, i64, i64);

struct WatchedFile {
    path: PathBuf,
    /// Of the content that is held.
    seen: Mutex<Option<Stamp>>,
}

/// All versions of the root key that this process can use.
pub struct HeldRootKey {
    file: Option<WatchedFile>,
    local: RwLock<Option<Arc<LocalRootKey>>>,
    module: Option<Pkcs11RootKey>,
}

impl HeldRootKey {
    /// The root key of an environment value, of a module, or of both. Refuses a version that both hold, and
    /// nothing at all.
    pub fn new(local: Option<LocalRootKey>, module: Option<Pkcs11RootKey>) -> Result<Self, CryptoError> {
        let held = Self { file: None, local: RwLock::new(local.map(Arc::new)), module };
        held.check_versions(held.local().as_deref())?;
        if held.versions().is_empty() {
            return Err(refused("there is no key; make one with `cardamom root-key create`"));
        }
        Ok(held)
    }

    /// The root key of a file, beside a module or alone.
    pub fn of_file(path: PathBuf, module: Option<Pkcs11RootKey>) -> Result<Self, CryptoError> {
        let mut held = Self::new(Some(LocalRootKey::from_file(&path)?), module)?;
        held.file = Some(WatchedFile { path, seen: Mutex::new(None) });
        Ok(held)
    }

    fn local(&self) -> Option<Arc<LocalRootKey>> {
        self.local.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Local key and module must not both hold a version: nobody could tell which one wrapped.
    fn check_versions(&self, local: Option<&LocalRootKey>) -> Result<(), CryptoError> {
        let ours = local.map(RootKey::versions).unwrap_or_default();
        let theirs = self.module.as_ref().map(RootKey::versions).unwrap_or_default();
        match theirs.iter().find(|version| ours.contains(version)) {
            Some(version) => {
                Err(refused(&format!("version {version} is both in the module and in file or environment")))
            }
            None => Ok(()),
        }
    }

    /// Reads the file again if it changed. One that may not take the place of what is held changes nothing, and
    /// is complained of each time.
    fn refresh_file(&self) -> Result<bool, CryptoError> {
        let Some(WatchedFile { path, seen }) = &self.file else { return Ok(false) };
        let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        let metadata =
            std::fs::metadata(path).map_err(|error| refused(&format!("{}: {error}", path.display())))?;
        let stamp = (metadata.dev(), metadata.ino(), metadata.len(), metadata.mtime(), metadata.mtime_nsec());
        if *seen == Some(stamp) {
            return Ok(false);
        }
        let fresh = LocalRootKey::from_file(path)?;
        let held = self.local();
        if let Some(held) = &held {
            // Where the module wraps, no version of the file is needed for that.
            let wraps = self.module.as_ref().is_none_or(|module| module.version() < held.version());
            fresh.follows(held, wraps.then(|| held.version()))?;
        }
        self.check_versions(Some(&fresh))?;
        let state = |key: &LocalRootKey| (key.versions(), key.prepared());
        let changed = held.is_none_or(|held| state(&held) != state(&fresh));
        *self.local.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(fresh));
        *seen = Some(stamp);
        Ok(changed)
    }

    fn unwrap_by(
        &self,
        version: u32,
        binding: &Binding,
        wrapped: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
        match (self.local(), &self.module) {
            (Some(local), _) if local.versions().contains(&version) => local.unwrap(binding, wrapped),
            (_, Some(module)) => module.unwrap(binding, wrapped),
            _ => Err(CryptoError::UnknownVersion(version)),
        }
    }
}

impl RootKey for HeldRootKey {
    fn version(&self) -> u32 {
        let local = self.local().map_or(0, |local| local.version());
        self.module.as_ref().map_or(0, RootKey::version).max(local)
    }

    fn versions(&self) -> Vec<u32> {
        let mut versions = self.local().map(|local| local.versions()).unwrap_or_default();
        versions.extend(self.module.as_ref().map(RootKey::versions).unwrap_or_default());
        versions.sort_unstable();
        versions
    }

    fn wrap(&self, binding: &Binding, secret: &[u8], entropy: &dyn Entropy) -> Result<Vec<u8>, CryptoError> {
        match (self.local(), &self.module) {
            (Some(local), Some(module)) if module.version() < local.version() => {
                local.wrap(binding, secret, entropy)
            }
            (Some(local), None) => local.wrap(binding, secret, entropy),
            (_, Some(module)) => module.wrap(binding, secret, entropy),
            (None, None) => Err(CryptoError::UnknownVersion(0)),
        }
    }

    fn unwrap(&self, binding: &Binding, wrapped: &[u8]) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
        let version = wrapped_version(wrapped)?;
        match self.unwrap_by(version, binding, wrapped) {
            // Another node may have met the new version first.
            Err(CryptoError::UnknownVersion(_)) => {
                drop(self.refresh());
                self.unwrap_by(version, binding, wrapped)
            }
            other => other,
        }
    }

    fn refresh(&self) -> Result<bool, CryptoError> {
        // Both, though one of them fails.
        let file = self.refresh_file();
        let module = self.module.as_ref().map_or(Ok(false), RootKey::refresh);
        Ok(file? | module?)
    }

    fn probe(&self) -> Result<(), CryptoError> {
        self.module.as_ref().map_or(Ok(()), RootKey::probe)
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::super::{entropy::SeededEntropy, testing::BINDING},
        *,
    };

    fn key() -> LocalRootKey {
        LocalRootKey::generate(&SeededEntropy::new(1))
    }

    /// A key file in a folder of its own, and the root key that a node reads from it.
    fn held() -> (tempfile::TempDir, PathBuf, HeldRootKey) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("root.key");
        key().write_new_file(&path).unwrap();
        let held = HeldRootKey::of_file(path.clone(), None).unwrap();
        (folder, path, held)
    }

    #[test]
    fn a_version_that_another_node_met_first_is_found_when_it_is_needed() {
        let (entropy, (_folder, path, held)) = (SeededEntropy::new(2), held());
        let rotated = key().with_new_version(&entropy, false).unwrap();
        let wrapped = rotated.wrap(&BINDING, b"secret", &entropy).unwrap();
        assert_eq!(held.unwrap(&BINDING, &wrapped).unwrap_err(), CryptoError::UnknownVersion(2));
        rotated.replace_file(&path).unwrap();
        assert_eq!(*held.unwrap(&BINDING, &wrapped).unwrap(), b"secret");
        let fresh = held.wrap(&BINDING, b"secret", &entropy).unwrap();
        assert_eq!((held.version(), wrapped_version(&fresh)), (2, Ok(2)));
    }

    #[test]
    fn a_changed_file_is_read_once() {
        let (entropy, (_folder, path, held)) = (SeededEntropy::new(3), held());
        assert_eq!(held.refresh(), Ok(false));
        key().with_new_version(&entropy, true).unwrap().replace_file(&path).unwrap();
        assert_eq!((held.refresh(), held.refresh()), (Ok(true), Ok(false)));
        assert_eq!((held.version(), held.versions()), (1, vec![1, 2]));
        LocalRootKey::from_file(&path).unwrap().activated().replace_file(&path).unwrap();
        assert_eq!((held.refresh(), held.version()), (Ok(true), 2));
    }

    #[test]
    fn a_file_that_does_not_fit_changes_nothing() {
        let (entropy, (_folder, path, held)) = (SeededEntropy::new(4), held());
        let wrapped = held.wrap(&BINDING, b"secret", &entropy).unwrap();
        LocalRootKey::generate(&entropy).replace_file(&path).unwrap();
        let again = (held.refresh().unwrap_err(), held.refresh().unwrap_err());
        assert!(again.0.to_string().contains("another key than before") && again.0 == again.1);
        std::fs::write(&path, "1 half a li").unwrap();
        assert!(held.refresh().is_err());
        std::fs::remove_file(&path).unwrap();
        assert!(held.refresh().is_err());
        assert_eq!(*held.unwrap(&BINDING, &wrapped).unwrap(), b"secret");
        key().write_new_file(&path).unwrap();
        assert_eq!(held.refresh(), Ok(false));
    }

    #[test]
    fn no_key_is_no_root_key() {
        assert!(matches!(HeldRootKey::new(None, None), Err(CryptoError::RootKey(_))));
    }
}
