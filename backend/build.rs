//! Prepares the browser's files for embedding: reads what Trunk made and `static/`, names each file by its
//! content, compresses it and writes a manifest.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256, Sha384};
use std::error::Error;
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

// Trunk is called before cargo: called from here it would wait for cargo's lock for ever.
const TRUNK_FILES: [&str; 2] = ["frontend.js", "frontend_bg.wasm"];

fn main() -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let out = PathBuf::from(std::env::var_os("OUT_DIR").ok_or("OUT_DIR is not set")?).join("assets");
    if out.exists() {
        fs::remove_dir_all(&out)?;
    }
    fs::create_dir_all(&out)?;

    let mut manifest = serde_json::Map::new();
    for source in sources(&root)? {
        let name = source.file_name().and_then(OsStr::to_str).ok_or("a file name is not UTF-8")?;
        manifest.insert(name.to_owned(), prepare(&source, &out)?);
    }
    fs::write(out.join("manifest.json"), serde_json::to_vec_pretty(&manifest)?)?;
    Ok(())
}

/// The files to embed; cargo is told to look at them, and at their folders for new ones.
fn sources(root: &Path) -> Result<Vec<PathBuf>> {
    let mut sources: Vec<PathBuf> = TRUNK_FILES.iter().map(|name| root.join("dist").join(name)).collect();
    rerun_if_changed(&root.join("static"))?;
    for entry in fs::read_dir(root.join("static"))? {
        let path = entry?.path();
        if path.is_file() && content_type(&path).is_some() {
            sources.push(path);
        }
    }
    for source in &sources {
        rerun_if_changed(source)?;
        if !source.is_file() {
            let name = source.strip_prefix(root)?.display();
            return Err(format!("{name} is missing: run ./dev build").into());
        }
    }
    Ok(sources)
}

fn rerun_if_changed(path: &Path) -> Result<()> {
    writeln!(std::io::stdout(), "cargo::rerun-if-changed={}", path.display())?;
    Ok(())
}

/// Writes a file under its hashed name, plain, as brotli and as gzip; returns its line of the manifest.
///
/// The name is made of the final bytes, since the file is served as immutable.
fn prepare(source: &Path, out: &Path) -> Result<serde_json::Value> {
    let bytes = fs::read(source)?;
    let stem = source.file_stem().and_then(OsStr::to_str).ok_or("a file has no name")?;
    let extension = source.extension().and_then(OsStr::to_str).ok_or("a file has no extension")?;
    let file = format!("{stem}-{}.{extension}", short_hash(&bytes)?);
    fs::write(out.join(&file), &bytes)?;
    fs::write(out.join(format!("{file}.br")), brotli(&bytes)?)?;
    fs::write(out.join(format!("{file}.gz")), gzip(&bytes)?)?;
    Ok(serde_json::json!({
        "file": file,
        "integrity": format!("sha384-{}", STANDARD.encode(Sha384::digest(&bytes))),
        "content_type": content_type(source),
    }))
}

fn short_hash(bytes: &[u8]) -> Result<String> {
    let mut hex = String::new();
    for byte in Sha256::digest(bytes).iter().take(8) {
        write!(hex, "{byte:02x}")?;
    }
    Ok(hex)
}

fn content_type(path: &Path) -> Option<&'static str> {
    match path.extension()?.to_str()? {
        "js" => Some("text/javascript; charset=utf-8"),
        "css" => Some("text/css; charset=utf-8"),
        "wasm" => Some("application/wasm"),
        _ => None,
    }
}

fn brotli(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut compressed = Vec::new();
    // Quality 11 with a window of 4 MB, larger than any file here.
    brotli::CompressorReader::new(bytes, 64 * 1024, 11, 22).read_to_end(&mut compressed)?;
    Ok(compressed)
}

fn gzip(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes)?;
    Ok(encoder.finish()?)
}
