//! `cardamom verify-page`: whether a live card page is what this binary serves (PCI DSS 6.4.3 and 11.6.1). It
//! compares headers, policy, markup and the bytes of every script with the list in `http::scripts`.

mod headers;
mod markup;

use serde_json::{Value, json};
use url::Url;

use crate::addresses::is_loopback;
use crate::assets::{Assets, integrity};
use crate::http::scripts;
use crate::outgoing::{Outgoing, OutgoingError};

/// The largest page and the largest script that are read, in bytes.
const MAX_PAGE: usize = 1 << 20;
const MAX_SCRIPT: usize = 4 << 20;

/// Something that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Where: a header's name, an element, a file.
    pub place: String,
    /// What should be there.
    pub expected: String,
    /// What is there.
    pub found: String,
}

impl Difference {
    pub(crate) fn new(
        place: impl Into<String>,
        expected: impl Into<String>,
        found: impl Into<String>,
    ) -> Self {
        Self { place: place.into(), expected: expected.into(), found: found.into() }
    }
}

/// What was found out about a page.
#[derive(Debug)]
pub struct Report {
    /// The page's address without its query, which may hold a secret.
    pub address: String,
    /// The files whose bytes were compared.
    pub files: Vec<String>,
    /// All differences; none for a page that is as it should be.
    pub differences: Vec<Difference>,
}

impl Report {
    /// For programs.
    pub fn as_json(&self) -> Value {
        let differences = self.differences.iter().map(|difference| {
            json!({ "place": difference.place, "expected": difference.expected, "found": difference.found })
        });
        json!({
            "url": self.address,
            "version": env!("CARGO_PKG_VERSION"),
            "same": self.differences.is_empty(),
            "files": self.files,
            "differences": differences.collect::<Vec<_>>(),
        })
    }

    /// For people.
    pub fn as_text(&self) -> String {
        let told = |difference: &Difference| {
            let Difference { place, expected, found } = difference;
            format!("\n  {place}\n    expected  {expected}\n    found     {found}\n")
        };
        let differences: Vec<_> = self.differences.iter().map(told).collect();
        let version = env!("CARGO_PKG_VERSION");
        let end = match differences.len() {
            0 => format!("As version {version} serves it."),
            count => format!("\nDifferences from what version {version} serves: {count}"),
        };
        format!("{}\n{}{end}\n", self.address, differences.concat())
    }
}

/// Fetches a card page and all its scripts, without following a redirect, and compares. With `origins` exactly
/// these must be allowed to frame the page; without, any exact origins or none.
///
/// # Errors
/// When the page itself cannot be fetched.
pub async fn page(
    outgoing: &Outgoing,
    assets: &Assets,
    url: &Url,
    origins: Option<&[String]>,
) -> Result<Report, OutgoingError> {
    let page = outgoing.get(url, MAX_PAGE).await?;
    let mut differences = Vec::new();
    if url.scheme() != "https" && !is_loopback(url) {
        differences.push(Difference::new("address", "https", url.scheme()));
    }
    if page.status != 200 {
        differences.push(Difference::new("status", "200", page.status.to_string()));
    }
    let nonce = headers::compare(&page.headers, origins, &mut differences);
    match std::str::from_utf8(&page.body) {
        Ok(document) => markup::compare(document, assets, nonce.as_deref(), &mut differences),
        Err(_) => differences.push(Difference::new("document", "UTF-8 text", "other bytes")),
    }
    let mut files = Vec::new();
    for script in scripts::OF_CARD_PAGE {
        let Ok(entry) = assets.entry(script.name) else { continue };
        files.push(entry.url.clone());
        let Ok(address) = url.join(&entry.url) else { continue };
        let found = match outgoing.get(&address, MAX_SCRIPT).await {
            Ok(file) if file.status == 200 => integrity(&file.body),
            Ok(file) => format!("status {}", file.status),
            Err(error) => error.to_string(),
        };
        if found != entry.integrity {
            differences.push(Difference::new(format!("file {}", entry.url), &entry.integrity, found));
        }
    }
    let mut address = url.clone();
    address.set_query(None);
    address.set_fragment(None);
    Ok(Report { address: address.to_string(), files, differences })
}
