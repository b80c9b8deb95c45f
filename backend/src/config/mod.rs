//! Settings: flags first, then the environment, then the file, then defaults. A wrong value is told with its
//! file, key, value and what is allowed; nothing starts half.

pub mod gateways;
pub mod messages;
mod parse;
mod sources;
mod transactions;

use std::net::SocketAddr;
use std::path::PathBuf;

use ipnet::IpNet;
use url::Url;
use zeroize::Zeroizing;

use crate::addresses::is_loopback;
use crate::core::Policy;
use crate::crypto::root::Token;
pub use parse::ConfigError;
pub use sources::{Flags, Sources};

/// Everything that can be set.
pub struct Settings {
    /// Where to listen.
    pub listen: SocketAddr,
    /// The most connections that are open at once.
    pub max_connections: usize,
    /// Where the embedded database, the root key and other files are.
    pub data_dir: PathBuf,
    /// PostgreSQL instead of the embedded database.
    pub database_url: Option<Zeroizing<String>>,
    /// Where the world reaches this server.
    pub public_url: Url,
    /// Certificate chain and private key, PEM files.
    pub tls: Option<(PathBuf, PathBuf)>,
    /// Whether a listener off loopback may serve everybody in clear.
    pub insecure_http: bool,
    /// Proxies whose X-Forwarded-For is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Private networks that outgoing calls may reach.
    pub allowed_networks: Vec<IpNet>,
    /// Whether webhooks and callbacks may go to plain http addresses.
    pub http_callbacks: bool,
    /// How messages to people leave.
    pub messages: messages::Messages,
    /// Gateways and services.
    pub gateways: gateways::Gateways,
    /// The root key's file; `root.key` in the data folder unless set.
    pub root_key_file: PathBuf,
    /// The root key itself, where it comes from the environment.
    pub root_key: Option<Zeroizing<String>>,
    /// The hardware module that holds the root key, or takes it over.
    pub pkcs11: Option<Token>,
    /// Whether the demo shop runs beside.
    pub demo: bool,
    /// Limits and lives.
    pub policy: Policy,
    /// The least severe level that is logged.
    pub log: tracing::Level,
}

impl Settings {
    /// Reads and checks everything.
    pub fn load(flags: Flags) -> Result<Self, ConfigError> {
        let sources = Sources::load(flags)?;
        let settings = parse::settings(&sources)?;
        settings.check(&sources)?;
        Ok(settings)
    }

    /// Whether listed proxies do the TLS: nobody else may then be served in clear.
    pub fn behind_proxies(&self) -> bool {
        !self.listen.ip().is_loopback()
            && self.tls.is_none()
            && !self.insecure_http
            && !self.trusted_proxies.is_empty()
    }

    /// Rules between settings.
    fn check(&self, sources: &Sources) -> Result<(), ConfigError> {
        let open = !self.listen.ip().is_loopback();
        let protected = self.tls.is_some() || !self.trusted_proxies.is_empty();
        if open && !protected && !self.insecure_http {
            return Err(sources.wrong(
                "listen",
                "a loopback address, or one with --tls-cert and --tls-key, or with --trusted-proxy; \
                 --insecure-http lifts this",
            ));
        }
        if self.trusted_proxies.iter().any(|network| network.prefix_len() == 0) {
            return Err(sources.wrong("trusted_proxy", "the networks of your proxies, not every address"));
        }
        let local = is_loopback(&self.public_url);
        if self.public_url.scheme() != "https" && !local {
            return Err(sources.wrong("public_url", "an https address, or an http one on loopback"));
        }
        Ok(())
    }
}
