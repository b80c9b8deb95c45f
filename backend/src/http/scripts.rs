//! The list of every script that a card page loads, with its hash and its purpose (PCI DSS 4.0.1, 6.4.3), at an
//! address that does not change.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderName, header};
use serde_json::{Value, json};

use super::pages::{policy, reveal};
use super::router::App;
use crate::assets::Assets;
use crate::capture::forms::Settings;

/// Where the list is.
pub const PATH: &str = "/.well-known/cardamom/scripts.json";

/// How a page loads a script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A script element.
    Classic,
    /// A script element of the type `module`.
    Module,
    /// A fetch by the module, which names the hash.
    Wasm,
}

/// A script of a card page.
#[derive(Clone, Copy, Debug)]
pub struct Script {
    /// Its logical name among the embedded files.
    pub name: &'static str,
    /// How it is loaded.
    pub kind: Kind,
    /// Whether every card page loads it; otherwise forms that ask for it do.
    pub always: bool,
    /// Why the page needs it.
    pub purpose: &'static str,
}

/// All scripts of a card page. There are no inline ones, and none of anybody else.
pub const OF_CARD_PAGE: [Script; 4] = [
    Script {
        name: "page.js",
        kind: Kind::Classic,
        always: true,
        purpose: "Takes the endpoint's secret from the address, tells the page around the frame what happens in \
                  the form, and runs the merchant's callbacks in a worker that sees no document and no card data.",
    },
    Script {
        name: "frontend.js",
        kind: Kind::Module,
        always: true,
        purpose: "Loads the form's WebAssembly and gives it the document: fields, events, the one request.",
    },
    Script {
        name: "frontend_bg.wasm",
        kind: Kind::Wasm,
        always: true,
        purpose: "The form while it is filled in: formatting, brand, checks, messages, and sending the card to \
                  this server without leaving the page.",
    },
    Script {
        name: "keypad.js",
        kind: Kind::Classic,
        always: false,
        purpose: "The keypad for number and security code whose keys change their places (`force_keypad`).",
    },
];

impl Kind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Classic => "script",
            Self::Module => "module",
            Self::Wasm => "wasm",
        }
    }
}

/// The list as JSON.
pub fn list(assets: &Assets) -> Value {
    let line = |script: Script| {
        let entry = assets.entry(script.name).ok()?;
        Some(json!({
            "name": script.name,
            "url": entry.url,
            "integrity": entry.integrity,
            "type": script.kind.as_str(),
            "always": script.always,
            "purpose": script.purpose,
        }))
    };
    json!({
        "product": "cardamom",
        "version": env!("CARGO_PKG_VERSION"),
        "pages": [
            "/v1/capture/iframe/{form}", "/v1/capture/result/{id}", "/r/{code}", "/hpp/{page}",
            "/api/payments/capturecard",
        ],
        "scripts": OF_CARD_PAGE.into_iter().filter_map(line).collect::<Vec<_>>(),
        "inline_scripts": [],
        "reveal_page": assets.entry(reveal::SCRIPT).ok().map(|entry| json!({
            "page": "/v1/retrieve/iframe/pcd",
            "scripts": [{
                "name": reveal::SCRIPT,
                "url": entry.url,
                "integrity": entry.integrity,
                "type": Kind::Classic.as_str(),
                "purpose": "Takes the endpoint's secret from the address, shows what may be shown of the card, and the \
                            card itself after a click and for half a minute.",
            }],
            "content_security_policy": policy::reveal_page("{nonce}"),
        })),
        "content_security_policy": policy::card_page("{nonce}", &Settings::default()),
        "embed": assets.embed_versions().map(|(version, script, module)| json!({
            "version": version,
            "script": { "url": script.url, "integrity": script.integrity },
            "module": { "url": module.url, "integrity": module.integrity },
        })).collect::<Vec<_>>(),
    })
}

/// Lists every script of the card page, with its hash and what it is for.
#[utoipa::path(get, path = "/.well-known/cardamom/scripts.json", tag = "forms",
    responses((status = 200, body = Object,
        description = "Every script of the card page with its hash and purpose, its policy, and the script for shops.")))]
pub async fn show(State(app): State<Arc<App>>) -> ([(HeaderName, &'static str); 2], Json<Value>) {
    let headers = [
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        (HeaderName::from_static("cross-origin-resource-policy"), "cross-origin"),
    ];
    (headers, Json(list(&app.assets)))
}
