//! The logo of a form. Its pixels are read and written anew, so that what browsers get from us was made by us
//! (security rule 13); an address is fetched once, when the form is made (security rule 14).

use std::io::Cursor;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{DynamicImage, ImageFormat, ImageReader, Limits};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use url::Url;

use crate::crypto::hex;
use crate::invalid::Invalid;
use crate::json::{Members, Value};
use crate::outgoing::Outgoing;

/// The largest file, in bytes.
const MAX_BYTES: usize = 128 * 1024;
/// The widest and highest picture that is read, in pixels.
const MAX_PIXELS: u32 = 2048;
/// What it is made to fit into, in pixels: twice of what the page shows, for fine screens.
const WIDTH: u32 = 480;
const HEIGHT: u32 = 128;
/// The longest alternative text, in characters.
const MAX_ALT: usize = 80;
const AT: &str = "/theme/logo_image";

/// A logo as it is stored: a PNG of ours.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct Logo {
    /// The form's id: where it is served.
    pub form: String,
    /// Base64 of the file.
    png: String,
    /// The first digits of its SHA-256, for an address that changes with it.
    pub hash: String,
    /// Width on the page, in CSS pixels.
    pub width: u32,
    /// Height on the page, in CSS pixels.
    pub height: u32,
    /// What it says, for those who do not see it; empty where the page says it in words.
    pub alt: String,
}

/// Where a logo comes from.
#[derive(Debug)]
pub struct Source {
    /// The file.
    pub image: Image,
    /// What it says.
    pub alt: String,
}

/// A file at hand, or an address.
#[derive(Debug)]
pub enum Image {
    /// The bytes of a `data:` address, and the format that it names.
    Data(Vec<u8>, ImageFormat),
    /// An address to fetch.
    Link(Url),
}

impl Logo {
    /// The file.
    pub fn png(&self) -> Vec<u8> {
        STANDARD.decode(&self.png).unwrap_or_default()
    }
}

/// Takes `logo_image`; an empty text is none (spec A.5).
pub fn take(theme: &mut Members) -> Result<Option<Image>, Invalid> {
    let text = match theme.take("logo_image") {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Text(text)) if text.is_empty() => return Ok(None),
        Some(Value::Text(text)) => text,
        Some(_) => return Err(Invalid::new(AT, "type", "This has to be a text.")),
    };
    if let Some(data) = text.strip_prefix("data:") {
        return from_data(data).map(Some);
    }
    let url = Url::parse(&text).ok().filter(crate::addresses::allowed_scheme);
    let detail = "This has to be an https address, or data:image/png;base64,… (PNG, JPEG or WebP).";
    url.map(|url| Some(Image::Link(url))).ok_or_else(|| Invalid::new(AT, "url", detail))
}

/// Takes `logo_alt`.
pub fn take_alt(theme: &mut Members) -> Result<String, Invalid> {
    match theme.take("logo_alt") {
        None | Some(Value::Null) => Ok(String::new()),
        Some(Value::Text(text)) if text.chars().count() <= MAX_ALT => Ok(text.trim().to_owned()),
        Some(_) => {
            Err(Invalid::new("/theme/logo_alt", "type", "This has to be a text of at most 80 characters."))
        }
    }
}

/// Fetches what is to be fetched and makes the logo of a form.
pub async fn make(outgoing: &Outgoing, source: Source, form: &str) -> Result<Logo, Invalid> {
    let (bytes, named) = match source.image {
        Image::Data(bytes, format) => (bytes, Some(format)),
        Image::Link(url) => {
            let fetched = outgoing.get_bytes(&url, MAX_BYTES).await;
            (fetched.map_err(|error| Invalid::new(AT, "unreachable", error.to_string()))?, None)
        }
    };
    let alt = source.alt;
    let drawn = tokio::task::spawn_blocking(move || draw(&bytes, named, alt)).await;
    let logo = drawn.unwrap_or_else(|_| Err(broken()))?;
    Ok(Logo { form: form.to_owned(), ..logo })
}

fn from_data(data: &str) -> Result<Image, Invalid> {
    let wrong = || {
        let detail = "The data have to be image/png, image/jpeg or image/webp, in base64.";
        Invalid::new(AT, "image_type", detail)
    };
    let (kind, base64) = data.split_once(',').ok_or_else(wrong)?;
    let format = match kind.to_ascii_lowercase().as_str() {
        "image/png;base64" => ImageFormat::Png,
        "image/jpeg;base64" => ImageFormat::Jpeg,
        "image/webp;base64" => ImageFormat::WebP,
        _ => return Err(wrong()),
    };
    if base64.len() > MAX_BYTES / 3 * 4 + 4 {
        return Err(too_large());
    }
    let bytes = STANDARD.decode(base64.trim()).map_err(|_| wrong())?;
    Ok(Image::Data(bytes, format))
}

/// Reads the pixels within limits and writes them as a PNG that fits.
fn draw(bytes: &[u8], named: Option<ImageFormat>, alt: String) -> Result<Logo, Invalid> {
    if bytes.len() > MAX_BYTES {
        return Err(too_large());
    }
    let format = image::guess_format(bytes).ok();
    let format =
        format.filter(|format| matches!(format, ImageFormat::Png | ImageFormat::Jpeg | ImageFormat::WebP));
    // The signature decides; what was named has to agree with it.
    let format = format.filter(|format| named.is_none_or(|named| named == *format)).ok_or_else(|| {
        Invalid::new(
            AT,
            "image_type",
            "The file is not of the type that was named, or neither PNG, JPEG nor WebP.",
        )
    })?;
    let mut limits = Limits::default();
    limits.max_image_width = Some(MAX_PIXELS);
    limits.max_image_height = Some(MAX_PIXELS);
    limits.max_alloc = Some(48 * 1024 * 1024);
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    reader.limits(limits);
    let picture = reader.decode().map_err(|error| match error {
        image::ImageError::Limits(_) => too_large(),
        _ => broken(),
    })?;
    encode(&fitted(picture), alt)
}

/// Made smaller where it does not fit; never larger.
fn fitted(picture: DynamicImage) -> DynamicImage {
    if picture.width() <= WIDTH && picture.height() <= HEIGHT {
        return picture;
    }
    picture.resize(WIDTH, HEIGHT, image::imageops::FilterType::Lanczos3)
}

fn encode(picture: &DynamicImage, alt: String) -> Result<Logo, Invalid> {
    let mut png = Vec::new();
    let encoder = PngEncoder::new_with_quality(&mut png, CompressionType::Best, FilterType::Adaptive);
    picture.to_rgba8().write_with_encoder(encoder).map_err(|_| broken())?;
    let hash = hex(&Sha256::digest(&png)).chars().take(16).collect();
    let (width, height) = (picture.width().div_ceil(2), picture.height().div_ceil(2));
    Ok(Logo { form: String::new(), png: STANDARD.encode(png), hash, width, height, alt })
}

fn broken() -> Invalid {
    Invalid::new(AT, "image", "The picture cannot be read.")
}

fn too_large() -> Invalid {
    Invalid::new(AT, "too_large", "The picture may have 128 KB and 2048 by 2048 pixels at most.")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(width: u32, height: u32, format: ImageFormat) -> Vec<u8> {
        let mut file = Cursor::new(Vec::new());
        DynamicImage::new_rgb8(width, height).write_to(&mut file, format).unwrap();
        file.into_inner()
    }

    fn code(drawn: Result<Logo, Invalid>) -> &'static str {
        drawn.map_or_else(|problem| problem.code, |_| "fine")
    }

    fn taken(text: &str) -> Result<Option<Image>, &'static str> {
        let body = serde_json::json!({ "logo_image": text }).to_string();
        take(&mut Members::parse(body.as_bytes()).unwrap()).map_err(|problem| problem.code)
    }

    #[test]
    fn pictures_become_pngs_of_ours_that_fit() {
        for format in [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::WebP] {
            let logo = draw(&file(960, 240, format), Some(format), "Shop".to_owned()).unwrap();
            assert_eq!((logo.width, logo.height, logo.alt.as_str()), (240, 60, "Shop"));
            let png = logo.png();
            assert_eq!(image::guess_format(&png).unwrap(), ImageFormat::Png);
            assert_eq!(image::load_from_memory(&png).unwrap().width(), 480);
        }
        assert_eq!(draw(&file(40, 20, ImageFormat::Png), None, String::new()).unwrap().width, 20);
    }

    #[test]
    fn nothing_but_pixels_survives() {
        let mut png = file(4, 4, ImageFormat::Png);
        png.extend_from_slice(b"<script>alert(1)</script>");
        let logo = draw(&png, None, String::new()).unwrap();
        assert!(!logo.png().windows(7).any(|part| part == b"<script"));
    }

    #[test]
    fn wrong_types_and_sizes_are_refused() {
        let png = file(4, 4, ImageFormat::Png);
        assert_eq!(code(draw(&png, Some(ImageFormat::Jpeg), String::new())), "image_type");
        assert_eq!(
            code(draw(b"<svg xmlns='http://www.w3.org/2000/svg'/>", None, String::new())),
            "image_type"
        );
        assert_eq!(code(draw(b"GIF89a\x01\x00\x01\x00", None, String::new())), "image_type");
        assert_eq!(code(draw(&png[..40], None, String::new())), "image");
        assert_eq!(code(draw(&file(2049, 1, ImageFormat::Png), None, String::new())), "too_large");
        assert_eq!(code(draw(&vec![0; MAX_BYTES + 1], None, String::new())), "too_large");
    }

    #[test]
    fn only_pictures_and_https_addresses_are_taken() {
        assert!(matches!(taken("https://shop.example/logo.png"), Ok(Some(Image::Link(_)))));
        assert!(matches!(taken("data:image/PNG;base64,AAAA"), Ok(Some(Image::Data(..)))));
        assert!(matches!(taken(""), Ok(None)));
        for (text, code) in [
            ("data:image/svg+xml;base64,AAAA", "image_type"),
            ("data:text/html,<b>", "image_type"),
            ("data:image/png;base64,%%%%", "image_type"),
            ("http://shop.example/logo.png", "url"),
            ("javascript:alert(1)", "url"),
            ("logo.png", "url"),
        ] {
            assert_eq!(taken(text).err(), Some(code), "{text}");
        }
        let long = format!("data:image/png;base64,{}", "A".repeat(MAX_BYTES * 3 / 2));
        assert_eq!(taken(&long).err(), Some("too_large"));
    }
}
