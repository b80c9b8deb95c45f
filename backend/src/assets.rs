//! The browser's files, embedded in the binary by the build script: where each one is found, and its bytes in
//! the encoding that a browser takes.

use std::borrow::Cow;
use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::Digest as _;

/// Where the files are served; an address is this and the file's name.
pub const PATH: &str = "/assets/";

/// The embedded files by their logical names (`page.js`, `frontend.js`, `frontend_bg.wasm`).
#[derive(Debug)]
pub struct Assets {
    entries: HashMap<String, Entry>,
    content_types: HashMap<String, String>,
}

/// How a page refers to a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The root-relative address. It changes with the content, so it can be cached for ever.
    pub url: String,
    /// The value of the `integrity` attribute (W3C Subresource Integrity), of the bytes before encoding.
    pub integrity: String,
}

/// A file as it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Served {
    /// The body, encoded as `content_encoding` says.
    pub bytes: Cow<'static, [u8]>,
    /// The value of `Content-Type`.
    pub content_type: String,
    /// The value of `Content-Encoding`: `br`, `gzip` or none.
    pub content_encoding: Option<&'static str>,
}

/// What was built in is not whole, which only a broken build can bring about.
#[derive(Debug, thiserror::Error)]
pub enum AssetsError {
    /// There is no manifest.
    #[error("the manifest of the embedded files is missing: run ./dev build")]
    NoManifest,
    /// The manifest is not what the build script writes.
    #[error("the manifest of the embedded files cannot be read")]
    Manifest(#[from] serde_json::Error),
    /// No file has this logical name.
    #[error("the file {0} was not built in: run ./dev build")]
    Missing(String),
}

#[derive(rust_embed::Embed)]
#[folder = "$OUT_DIR/assets"]
struct Files;

#[derive(serde::Deserialize)]
struct ManifestLine {
    file: String,
    integrity: String,
    content_type: String,
}

impl Assets {
    /// Reads the manifest; called once, at start.
    pub fn load() -> Result<Self, AssetsError> {
        let manifest = Files::get("manifest.json").ok_or(AssetsError::NoManifest)?;
        let lines: HashMap<String, ManifestLine> = serde_json::from_slice(&manifest.data)?;
        let mut entries = HashMap::new();
        let mut content_types = HashMap::new();
        for (name, line) in lines {
            entries.insert(name, Entry { url: format!("{PATH}{}", line.file), integrity: line.integrity });
            content_types.insert(line.file, line.content_type);
        }
        Ok(Self { entries, content_types })
    }

    /// The file with this logical name, such as `page.js`.
    pub fn entry(&self, name: &str) -> Result<&Entry, AssetsError> {
        self.entries.get(name).ok_or_else(|| AssetsError::Missing(name.to_owned()))
    }

    /// The versions of the script for shops, each as a classic script and as a module.
    pub fn embed_versions(&self) -> impl Iterator<Item = (&str, &Entry, &Entry)> {
        let mut names: Vec<_> = self.entries.keys().filter_map(|name| embed_version(name)).collect();
        names.sort_by_key(|version| numbers(version));
        names.into_iter().filter_map(|version| {
            let entry = |file: &str| self.entries.get(&format!("embed/{version}/{file}"));
            Some((version, entry("embed.js")?, entry("embed.mjs")?))
        })
    }

    /// The file with this name (the last part of its address), in the best encoding that the request's
    /// `Accept-Encoding` allows; `None` if there is no such file.
    pub fn find(&self, file_name: &str, accept_encoding: &str) -> Option<Served> {
        let content_type = self.content_types.get(file_name)?.clone();
        let (suffix, content_encoding) = match () {
            () if accepts(accept_encoding, "br") => (".br", Some("br")),
            () if accepts(accept_encoding, "gzip") => (".gz", Some("gzip")),
            () => ("", None),
        };
        let file = Files::get(&format!("{file_name}{suffix}"))?;
        Some(Served { bytes: file.data, content_type, content_encoding })
    }
}

fn embed_version(name: &str) -> Option<&str> {
    name.strip_prefix("embed/")?.strip_suffix("/embed.js")
}

/// The numbers of a version, for its order.
fn numbers(version: &str) -> Vec<u32> {
    version.split('.').filter_map(|number| number.parse().ok()).collect()
}

/// Whether an `Accept-Encoding` names a coding and does not weigh it at nought (RFC 9110, 12.5.3).
///
/// A lone `*` counts as no: every browser names its codings, and plain bytes are right for all others.
fn accepts(accept_encoding: &str, coding: &str) -> bool {
    accept_encoding.split(',').any(|item| {
        let mut parts = item.split(';').map(str::trim);
        let named = parts.next().is_some_and(|name| name.eq_ignore_ascii_case(coding));
        let weight = parts.find_map(|part| part.strip_prefix("q=").or(part.strip_prefix("Q=")));
        named && weight.is_none_or(|weight| weight.parse::<f32>().is_ok_and(|weight| weight > 0.0))
    })
}

/// The value of an `integrity` attribute for these bytes (W3C Subresource Integrity).
pub fn integrity(bytes: &[u8]) -> String {
    format!("sha384-{}", STANDARD.encode(sha2::Sha384::digest(bytes)))
}

#[cfg(test)]
mod tests {
    use super::{Assets, PATH, accepts};

    fn file_name<'a>(assets: &'a Assets, name: &str) -> &'a str {
        assets.entry(name).unwrap().url.strip_prefix(PATH).unwrap()
    }

    #[test]
    fn every_file_of_the_form_is_there() {
        let assets = Assets::load().unwrap();
        for (name, content_type) in [
            ("page.js", "text/javascript; charset=utf-8"),
            ("frontend.js", "text/javascript; charset=utf-8"),
            ("frontend_bg.wasm", "application/wasm"),
        ] {
            let served = assets.find(file_name(&assets, name), "").unwrap();
            assert_eq!(served.content_type, content_type);
            assert!(!served.bytes.is_empty());
            assert!(assets.entry(name).unwrap().integrity.starts_with("sha384-"));
        }
        assert!(assets.entry("other.js").is_err());
    }

    #[test]
    fn the_best_encoding_is_chosen() {
        let assets = Assets::load().unwrap();
        let file = file_name(&assets, "frontend_bg.wasm");
        let encoding = |accept| assets.find(file, accept).unwrap().content_encoding;
        assert_eq!(encoding("gzip, deflate, br, zstd"), Some("br"));
        assert_eq!(encoding("gzip, br;q=0"), Some("gzip"));
        assert_eq!(encoding("identity"), None);
        let lengths = ["br", "gzip", ""].map(|accept| assets.find(file, accept).unwrap().bytes.len());
        assert!(lengths.is_sorted(), "{lengths:?}");
    }

    #[test]
    fn only_files_of_the_manifest_are_served() {
        let assets = Assets::load().unwrap();
        let compressed = format!("{}.br", file_name(&assets, "page.js"));
        for name in ["manifest.json", "page.js", "../build.rs", "", &compressed] {
            assert!(assets.find(name, "br").is_none(), "{name}");
        }
    }

    #[test]
    fn accept_encoding_is_read_with_its_weights() {
        assert!(accepts("BR ; q=0.5", "br"));
        assert!(!accepts("br;q=0.000", "br"));
        assert!(!accepts("brotli, x-br", "br"));
        assert!(!accepts("*", "br"));
    }
}
