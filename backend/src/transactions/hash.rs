//! The signatures of the gateway interface (spec A.3): SHA-256 over values without separators, in lower-case hex.

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::crypto::hex;

/// `request_hash`: the fourth value is the order id of an authorisation, else the original transaction's id; of a
/// query, what it asks for. `response_hash`: the fourth value is the transaction's id, behind which the code stands.
pub fn signed(values: &[&str], hash_code: &str) -> String {
    let mut digest = Sha256::new();
    for value in values {
        digest.update(value);
    }
    digest.update(hash_code);
    hex(&digest.finalize())
}

/// The `hash` of a webhook and of the hosted page: SHA-256 over the hex of SHA-256, and the hash code.
pub fn signed_twice(values: &[&str], hash_code: &str) -> String {
    signed(&[&signed(values, "")], hash_code)
}

/// Whether a signature is the one given, in constant time and whatever the case of its letters.
pub fn is(expected: &str, given: &str) -> bool {
    expected.as_bytes().ct_eq(given.to_ascii_lowercase().as_bytes()).into()
}

/// SHA-256 in lower-case hex.
pub fn sha256_hex(text: &str) -> String {
    signed(&[text], "")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Spec A.3, the vectors; their hash code is `hash_code`.
    #[test]
    fn the_published_vectors_hold() {
        for (values, expected) in [
            (
                &["20170612200234", "AUTH_ONLY", "133", "20170612200234"][..],
                "e850da7a9f1c825deaa912f3457b82b4cd6e4c496ff1e54ce5b58a6969dca49e",
            ),
            (
                &["20170612200234", "SUBSCRIPTION_MANAGE", "133", "1234567"],
                "24186ee99cb3fe8bed6934d7a0e6477d5eefbc98c2c692c8a99c7248012a9c4f",
            ),
            (
                &["20170612200234", "ACCOUNT_UPDATER", "133", "1234567"],
                "911d27ff772ba64e22d9d2598a75fb23f3f55e4e3aece384b08e8f6060a6ae0a",
            ),
            (
                &["20200708131405", "SUBSCRIPTION_MANAGE", "272", "316790", "1"],
                "1c2c4b3df6974cd9aa6c45463dfbda67e1536577e96c1c6c441562b4e8957a51",
            ),
        ] {
            assert_eq!(signed(values, "hash_code"), expected);
            assert!(is(expected, &expected.to_uppercase()));
            assert!(!is(expected, &expected[1..]));
        }
        for (values, expected) in [
            (
                &["1.00", "133", "A1", "AUTH_ONLY"],
                "87729846acf3f11010eddc3d445f7c4549affb6cb863212d97982901dc71056d",
            ),
            (
                &["1873E97B", "20200708131405", "133", "account_updater"],
                "b346c9aae2ca0d532850b2b76780139d110a582547fb6e58ab19feb216c87f46",
            ),
        ] {
            assert_eq!(signed_twice(values, "hash_code"), expected);
        }
    }
}
