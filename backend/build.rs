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

// Trunk is called before cargo: called from here it would wait for cargo's lock for ever. The wasm comes first,
// because its address stands in the other one.
const WASM: &str = "frontend_bg.wasm";
const GLUE: &str = "frontend.js";

fn main() -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let out = PathBuf::from(std::env::var_os("OUT_DIR").ok_or("OUT_DIR is not set")?).join("assets");
    if out.exists() {
        fs::remove_dir_all(&out)?;
    }
    fs::create_dir_all(&out)?;

    let mut manifest = serde_json::Map::new();
    for (name, source) in sources(&root)? {
        let mut bytes = fs::read(source)?;
        if name == GLUE {
            bytes.extend(start(&bytes, manifest.get(WASM))?.as_bytes());
        }
        manifest.insert(name.clone(), prepare(&name, &bytes, &out)?);
    }
    fs::write(out.join("manifest.json"), serde_json::to_vec_pretty(&manifest)?)?;
    Ok(())
}

/// The files to embed with their logical names; cargo is told to look at them, and at their folders for new ones.
fn sources(root: &Path) -> Result<Vec<(String, PathBuf)>> {
    let mut sources: Vec<_> =
        [WASM, GLUE].iter().map(|name| ((*name).to_owned(), root.join("dist").join(name))).collect();
    files(&root.join("static"), "", &mut sources)?;
    // Every version of the script for shops that was ever released, each in a folder of its own.
    let embed = root.join("static/embed");
    rerun_if_changed(&embed)?;
    for version in fs::read_dir(&embed)? {
        let version = version?.path();
        let name = version.file_name().and_then(OsStr::to_str).ok_or("a folder's name is not UTF-8")?;
        files(&version, &format!("embed/{name}/"), &mut sources)?;
    }
    for (_, source) in &sources {
        rerun_if_changed(source)?;
        if !source.is_file() {
            let name = source.strip_prefix(root)?.display();
            return Err(format!("{name} is missing: run ./dev build").into());
        }
    }
    Ok(sources)
}

fn files(folder: &Path, prefix: &str, sources: &mut Vec<(String, PathBuf)>) -> Result<()> {
    rerun_if_changed(folder)?;
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_file() && content_type(&path).is_some() {
            let name = path.file_name().and_then(OsStr::to_str).ok_or("a file name is not UTF-8")?;
            sources.push((format!("{prefix}{name}"), path));
        }
    }
    Ok(())
}

/// The last line of the glue: it starts the form with this build's wasm, whose hash the browser checks. So no
/// script stands in a document, and the hash of one file vouches for both.
fn start(glue: &[u8], wasm: Option<&serde_json::Value>) -> Result<String> {
    if !std::str::from_utf8(glue)?.contains("async function __wbg_init(") {
        return Err("frontend.js is not what wasm-bindgen 0.2.129 writes".into());
    }
    let part =
        |name| wasm.and_then(|wasm| wasm.get(name)?.as_str()).ok_or("the wasm has to be prepared first");
    let (file, integrity) = (part("file")?, part("integrity")?);
    // A start that fails leaves a form that works as a plain POST.
    Ok(format!(
        "\n__wbg_init({{module_or_path:fetch(new URL(\"{file}\",import.meta.url),{{integrity:\"{integrity}\"}})}})\
         .catch(()=>console.warn(\"cardamom: the form works without wasm\"));\n"
    ))
}

fn rerun_if_changed(path: &Path) -> Result<()> {
    writeln!(std::io::stdout(), "cargo::rerun-if-changed={}", path.display())?;
    Ok(())
}

/// Writes a file under its hashed name, plain, as brotli and as gzip; returns its line of the manifest.
///
/// The name is made of the final bytes, since the file is served as immutable.
fn prepare(name: &str, bytes: &[u8], out: &Path) -> Result<serde_json::Value> {
    let source = Path::new(name);
    let stem = source.file_stem().and_then(OsStr::to_str).ok_or("a file has no name")?;
    let extension = source.extension().and_then(OsStr::to_str).ok_or("a file has no extension")?;
    let file = format!("{stem}-{}.{extension}", short_hash(bytes)?);
    fs::write(out.join(&file), bytes)?;
    fs::write(out.join(format!("{file}.br")), brotli(bytes)?)?;
    fs::write(out.join(format!("{file}.gz")), gzip(bytes)?)?;
    Ok(serde_json::json!({
        "file": file,
        "integrity": format!("sha384-{}", STANDARD.encode(Sha384::digest(bytes))),
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
        "js" | "mjs" => Some("text/javascript; charset=utf-8"),
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
