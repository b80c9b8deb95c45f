//! Reading and writing root keys, rotation, check value.

use super::{
    super::{
        super::{
            entropy::SeededEntropy,
            testing::{BINDING, moved},
        },
        CHECK_BINDING, wrapped_version,
    },
    *,
};

fn message(result: Result<LocalRootKey, CryptoError>) -> String {
    result.unwrap_err().to_string()
}

fn file_with(mode: u32, text: &str) -> (tempfile::TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("root.key");
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
    (folder, path)
}

#[test]
fn a_written_file_is_private_and_reads_back() {
    let entropy = SeededEntropy::new(1);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("root.key");
    let root = LocalRootKey::generate(&entropy).with_new_version(&entropy, false).unwrap();
    root.write_new_file(&path).unwrap();

    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let read = LocalRootKey::from_file(&path).unwrap();
    assert_eq!(read.versions(), [1, 2]);
    let wrapped = root.wrap(&BINDING, b"secret", &entropy).unwrap();
    assert_eq!(*read.unwrap(&BINDING, &wrapped).unwrap(), b"secret");
}

#[test]
fn an_existing_file_is_never_overwritten() {
    let (_folder, path) = file_with(0o600, "# mine\n");
    let root = LocalRootKey::generate(&SeededEntropy::new(1));
    assert!(matches!(root.write_new_file(&path), Err(CryptoError::RootKey(_))));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "# mine\n");
}

#[test]
fn a_file_that_others_may_read_is_refused() {
    let text = LocalRootKey::generate(&SeededEntropy::new(1)).encode();
    for mode in [0o644, 0o640, 0o604, 0o620] {
        let (_folder, path) = file_with(mode, &text);
        let message = message(LocalRootKey::from_file(&path));
        assert!(message.contains("root.key has mode 0") && message.contains("set it to 0600"), "{message}");
    }
    for mode in [0o600, 0o400] {
        let (_folder, path) = file_with(mode, &text);
        assert!(LocalRootKey::from_file(&path).is_ok());
    }
}

#[test]
fn a_malformed_file_is_named_by_line_without_its_content() {
    let key = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
    let cases = [
        (format!("# comment\n\n{key}\n"), "line 3"),
        (format!("0 {key}\n"), "line 1"),
        (format!("one {key}\n"), "line 1"),
        (format!("1 {}\n", &key[1..]), "line 1"),
        (format!("1 {key}\n1 {key}\n"), "line 2: version 1 is there twice"),
        ("# nothing\n".to_owned(), "holds no key"),
        ("#".repeat(LONGEST_FILE + 1), "too long"),
    ];
    for (text, expected) in cases {
        let (_folder, path) = file_with(0o600, &text);
        let message = message(LocalRootKey::from_file(&path));
        assert!(message.contains(expected), "{message}");
        assert!(!message.contains(&key[1..]), "{message}");
    }
    assert!(message(LocalRootKey::from_file(Path::new("/nonexistent/root.key"))).contains("root.key"));
}

#[test]
fn an_environment_value_has_versions_or_is_version_one() {
    let key = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
    let bare = LocalRootKey::from_env_value(key).unwrap();
    assert_eq!(bare.versions(), [1]);
    let several =
        LocalRootKey::from_env_value(&format!("1 {key};2 {}", key.replace("AAEC", "AAED"))).unwrap();
    assert_eq!(several.versions(), [1, 2]);
    let entropy = SeededEntropy::new(1);
    let wrapped = bare.wrap(&BINDING, b"secret", &entropy).unwrap();
    assert_eq!(*several.unwrap(&BINDING, &wrapped).unwrap(), b"secret");
    for value in ["", "secret", &key.replace('h', "!"), &format!("1{key}")] {
        assert!(matches!(LocalRootKey::from_env_value(value), Err(CryptoError::RootKey(_))), "{value}");
    }
}

#[test]
fn after_a_rotation_the_new_version_wraps_and_the_old_still_opens() {
    let entropy = SeededEntropy::new(2);
    let root = LocalRootKey::generate(&entropy);
    let old = root.wrap(&BINDING, b"secret", &entropy).unwrap();
    let only_old = LocalRootKey::from_env_value(&root.encode()).unwrap();

    let root = root.with_new_version(&entropy, false).unwrap();
    let new = root.wrap(&BINDING, b"secret", &entropy).unwrap();
    assert_eq!((root.version(), wrapped_version(&old), wrapped_version(&new)), (2, Ok(1), Ok(2)));
    assert_eq!(*root.unwrap(&BINDING, &old).unwrap(), b"secret");
    assert_eq!(*root.unwrap(&BINDING, &new).unwrap(), b"secret");
    assert_eq!(only_old.unwrap(&BINDING, &new).unwrap_err(), CryptoError::UnknownVersion(2));
}

#[test]
fn a_wrapped_secret_opens_in_its_place_only() {
    let entropy = SeededEntropy::new(3);
    let root = LocalRootKey::generate(&entropy);
    let mut wrapped = root.wrap(&BINDING, b"secret", &entropy).unwrap();
    for other in moved() {
        assert_eq!(root.unwrap(&other, &wrapped).unwrap_err(), CryptoError::Open, "{other:?}");
    }
    for end in 0..wrapped.len() {
        assert!(root.unwrap(&BINDING, &wrapped[..end]).is_err());
    }
    for place in 0..wrapped.len() {
        wrapped[place] ^= 1;
        assert!(root.unwrap(&BINDING, &wrapped).is_err());
        wrapped[place] ^= 1;
    }
}

#[test]
fn only_the_same_root_key_verifies_the_check_value() {
    let entropy = SeededEntropy::new(4);
    let root = LocalRootKey::generate(&entropy);
    let check = root.check_value(&entropy).unwrap();
    assert_eq!(root.verify(&check), Ok(()));
    assert!(matches!(LocalRootKey::generate(&entropy).verify(&check), Err(CryptoError::RootKey(_))));

    let rotated = root.with_new_version(&entropy, false).unwrap();
    assert_eq!(rotated.verify(&check), Ok(()));
    let newer = rotated.check_value(&entropy).unwrap();
    assert_eq!(LocalRootKey::generate(&entropy).verify(&newer), Err(CryptoError::UnknownVersion(2)));
    let other = rotated.wrap(&CHECK_BINDING, b"another text", &entropy).unwrap();
    assert!(matches!(rotated.verify(&other), Err(CryptoError::RootKey(_))));
    assert!(rotated.verify(&[]).is_err());
}

#[test]
fn a_prepared_version_opens_and_wraps_only_when_activated() {
    let entropy = SeededEntropy::new(5);
    let old = LocalRootKey::generate(&entropy);
    let first = LocalRootKey::from_env_value(&old.encode()).unwrap();
    let prepared = old.with_new_version(&entropy, true).unwrap();
    assert_eq!((prepared.version(), prepared.versions(), prepared.prepared()), (1, vec![1, 2], vec![2]));
    let read = LocalRootKey::from_env_value(&prepared.encode()).unwrap();
    let active = prepared.activated();
    assert_eq!((active.version(), active.prepared()), (2, vec![]));
    let wrapped = active.wrap(&BINDING, b"secret", &entropy).unwrap();
    assert_eq!(read.prepared(), [2]);
    assert_eq!(*read.unwrap(&BINDING, &wrapped).unwrap(), b"secret");
    assert_eq!(first.unwrap(&BINDING, &wrapped).unwrap_err(), CryptoError::UnknownVersion(2));
    let only = message(LocalRootKey::from_env_value(&read.encode().replace("\n1 ", "\n# 1 ")));
    assert!(only.contains("prepared versions only"), "{only}");
}

#[test]
fn the_last_version_that_wraps_is_not_forgotten() {
    let entropy = SeededEntropy::new(7);
    let one = || LocalRootKey::generate(&SeededEntropy::new(7));
    let root = || one().with_new_version(&entropy, false).unwrap();
    assert!(message(one().with_new_version(&entropy, true).unwrap().without(1)).contains("rotate first"));
    assert!(message(one().without(1)).contains("version 1 is the last one that wraps"));
    assert_eq!(root().without(3).unwrap_err(), CryptoError::UnknownVersion(3));
    assert_eq!(root().without(1).unwrap().versions(), [2]);
}

#[test]
fn a_file_is_replaced_whole_and_by_one_at_a_time() {
    let entropy = SeededEntropy::new(8);
    let (_folder, path) = file_with(0o600, &LocalRootKey::generate(&entropy).encode());
    let read = || LocalRootKey::from_file(&path).unwrap();
    read().with_new_version(&entropy, false).unwrap().replace_file(&path).unwrap();
    assert_eq!(read().versions(), [1, 2]);
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);

    let beside = path.with_file_name("root.key.new");
    std::fs::write(&beside, "").unwrap();
    assert!(read().without(1).unwrap().replace_file(&path).is_err());
    assert_eq!((read().versions(), beside.exists()), (vec![1, 2], true));
}

#[test]
fn only_a_key_of_the_same_line_follows() {
    let entropy = SeededEntropy::new(11);
    let one = || LocalRootKey::generate(&SeededEntropy::new(9));
    let two =
        || LocalRootKey::generate(&SeededEntropy::new(9)).with_new_version(&SeededEntropy::new(10), false);
    let two = || two().unwrap();
    assert_eq!((two().follows(&one(), Some(1)), one().follows(&one(), Some(1))), (Ok(()), Ok(())));
    assert_eq!(two().without(1).unwrap().follows(&two(), Some(2)), Ok(()));
    let behind = one().follows(&two(), Some(2)).unwrap_err().to_string();
    assert!(behind.contains("version 2, which is in use, is missing"), "{behind}");
    assert_eq!(one().follows(&two(), None), Ok(()));
    let other = LocalRootKey::generate(&entropy).follows(&one(), None).unwrap_err().to_string();
    assert!(other.contains("version 1 is another key"), "{other}");
}

#[test]
fn debug_shows_no_key() {
    let root = LocalRootKey::generate(&SeededEntropy::new(6));
    assert_eq!(format!("{root:?}"), "LocalRootKey(versions [1])");
}
