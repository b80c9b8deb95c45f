//! The file of a described gateway as it is written, and the secrets beside it.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use zeroize::Zeroizing;

/// A file as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// Where all addresses begin.
    pub base: String,
    /// How long a call is waited for.
    #[serde(default = "usual_timeout")]
    pub timeout_ms: u64,
    /// What the gateway has not heard of after so long, it never will.
    #[serde(default = "usual_certain")]
    pub certain_ms: u64,
    /// That it has not heard of something counts when it says so again after so long.
    #[serde(default = "usual_again")]
    pub unheard_again_ms: u64,
    /// Names of secrets and the files that hold them.
    #[serde(default)]
    pub secrets: BTreeMap<String, PathBuf>,
    /// Headers of every call.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// Calls that are sent again, with the same idempotency key, in place of an inquiry.
    #[serde(default)]
    pub repeats: Vec<String>,
    /// So old may an operation be to be sent again: well below the time that the gateway remembers keys for.
    pub repeats_for_ms: Option<u64>,
    /// The calls.
    pub calls: BTreeMap<String, Call>,
    /// Answers by the names that calls give.
    pub answers: BTreeMap<String, Reading>,
    /// The gateway's reasons and the resolutions that they mean; `default` for all others.
    #[serde(default)]
    pub resolutions: BTreeMap<String, String>,
}

/// One call.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Call {
    /// The method of HTTP.
    #[serde(default = "post")]
    pub method: String,
    /// The address, from `base` on.
    pub path: String,
    /// Headers beside those of every call, or in their place; one that comes out empty is left out.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// The body as JSON.
    pub json: Option<String>,
    /// The body as a form; fields that come out empty are left out.
    #[serde(default)]
    pub form: BTreeMap<String, String>,
    /// Of `complete`: the fields of which one has to come back with the payer; none where any return will do.
    #[serde(default)]
    pub returns: Vec<String>,
    /// How its answer is read.
    pub answer: String,
}

/// How an answer is read: the first condition that holds decides.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reading {
    /// An expression for the part of the answer that is about the operation: `item` in all others.
    pub item: Option<String>,
    /// Of inquiries: the gateway never heard of the operation.
    pub unheard: Option<String>,
    /// Done.
    pub approved: Option<String>,
    /// The payer has to go to the issuer.
    pub challenged: Option<String>,
    /// Taken, and told later.
    pub pending: Option<String>,
    /// Refused.
    pub declined: Option<String>,
    /// An expression that gives the fields of a challenge.
    pub challenge_params: Option<String>,
    /// What the answer says, by our names.
    #[serde(default)]
    pub values: BTreeMap<String, String>,
}

/// A secret of a file that its owner alone may read; one line.
pub fn secret(path: &Path) -> Result<Zeroizing<String>, String> {
    let mode = std::fs::metadata(path).map_err(|error| error.to_string())?.permissions().mode();
    if mode & 0o077 != 0 {
        return Err("the file may be read by others than its owner".to_owned());
    }
    let text = Zeroizing::new(std::fs::read_to_string(path).map_err(|error| error.to_string())?);
    let line = text.trim_end_matches(['\r', '\n']);
    if line.is_empty() || line.contains('\n') {
        return Err("the file has to hold one line".to_owned());
    }
    Ok(Zeroizing::new(line.to_owned()))
}

fn post() -> String {
    "POST".to_owned()
}

const fn usual_timeout() -> u64 {
    15_000
}

const fn usual_certain() -> u64 {
    120_000
}

const fn usual_again() -> u64 {
    60_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_its_owners_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        std::fs::write(&path, "s3cret\n").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(secret(&path).unwrap_err().contains("owner"));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(secret(&path).unwrap().as_str(), "s3cret");
        std::fs::write(&path, "two\nlines\n").unwrap();
        assert!(secret(&path).unwrap_err().contains("one line"));
    }
}
