//! From texts to settings. Every rule says what it allows, for the error.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use ipnet::IpNet;
use url::Url;
use zeroize::Zeroizing;

use super::gateways::Gateways;
use super::messages::Messages;
use super::{Settings, Sources};
use crate::capture::ttl::{self, Ttl};
use crate::core::Policy;
use crate::crypto::root::Token;
use crate::model::terms::LONGEST_LIFE;

/// The longest life of an ended card request.
const REQUEST_LIFE: Duration = Duration::from_hours(3650 * 24);

/// With the files and connections of the store this stays below 1,024 file descriptors, the usual limit of a process.
const MAX_CONNECTIONS: usize = 800;

/// A setting that is not usable.
#[derive(Debug, thiserror::Error)]
#[error("{origin}: {key} = {value:?} is not usable; allowed: {allowed}")]
pub struct ConfigError {
    /// The flag, variable or file.
    pub origin: String,
    /// The setting.
    pub key: String,
    /// Its value; secrets are not shown.
    pub value: String,
    /// What would be usable.
    pub allowed: String,
}

/// All settings from all sources.
pub fn settings(sources: &Sources) -> Result<Settings, ConfigError> {
    let listen: SocketAddr = parsed(sources, "listen", "an address and a port, such as 127.0.0.1:8080")?
        .unwrap_or_else(default_listen);
    let data_dir = PathBuf::from(sources.find("data_dir").unwrap_or("data"));
    let tls = tls(sources)?;
    let scheme = if tls.is_some() { "https" } else { "http" };
    let public_url =
        match parsed(sources, "public_url", "an absolute address, such as https://cards.example")? {
            Some(url) => url,
            None => Url::parse(&format!("{scheme}://{listen}"))
                .map_err(|_| sources.wrong("listen", "an address and a port"))?,
        };
    let root_key_file =
        sources.find("root_key_file").map_or_else(|| data_dir.join("root.key"), PathBuf::from);
    let most: Option<NonZeroU32> = parsed(sources, "max_connections", "a whole number above 0")?;
    Ok(Settings {
        listen,
        max_connections: most
            .map_or(MAX_CONNECTIONS, |most| usize::try_from(most.get()).unwrap_or(usize::MAX)),
        database_url: database_url(sources)?,
        tls,
        insecure_http: switch(sources, "insecure_http", false)?,
        trusted_proxies: networks(sources, "trusted_proxy")?,
        allowed_networks: networks(sources, "allow_private_addresses")?,
        messages: Messages::read(sources, &public_url)?,
        gateways: Gateways::read(sources)?,
        http_callbacks: switch(sources, "allow_http_callbacks", false)?,
        root_key_file,
        root_key: sources.find("root_key").map(|text| Zeroizing::new(text.to_owned())),
        pkcs11: pkcs11(sources)?,
        demo: switch(sources, "demo", false)?,
        policy: policy(sources)?,
        log: parsed(sources, "log", "error, warn, info, debug or trace")?.unwrap_or(tracing::Level::INFO),
        data_dir,
        public_url,
    })
}

fn default_listen() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 8080))
}

fn policy(sources: &Sources) -> Result<Policy, ConfigError> {
    let usual = Policy::default();
    let count = |name, default| {
        let given: Option<NonZeroU32> = parsed(sources, name, "a whole number above 0")?;
        Ok(given.map_or(default, NonZeroU32::get))
    };
    let limited = switch(sources, "limits", true)?;
    let cvv_life = match sources.find("cvv_life").map(ttl::parse) {
        None => usual.cvv_life,
        Some(Some(Ttl::For(life))) if life <= ttl::DEFAULT => life,
        Some(_) => return Err(sources.wrong("cvv_life", "a duration up to 24 hours, such as PT1H")),
    };
    let cvv_cap = match sources.find("cvv_cap").map(|text| ttl::parse_up_to(text, LONGEST_LIFE)) {
        None => usual.cvv_cap.max(cvv_life),
        Some(Some(Ttl::For(cap))) if cap >= cvv_life => cap,
        Some(_) => return Err(sources.wrong("cvv_cap", "a duration from cvv_life to P1461D, such as P7D")),
    };
    Ok(Policy {
        limits: usual.limits.filter(|_| limited),
        max_uses: count("max_uses", usual.max_uses)?,
        max_uses_cap: count("max_uses_cap", usual.max_uses_cap)?,
        max_per_minute: count("max_per_minute", usual.max_per_minute)?,
        endless_endpoints: switch(sources, "endless_endpoints", usual.endless_endpoints)?,
        cvv_life,
        cvv_cap,
        cvv_uses: count("cvv_uses", usual.cvv_uses)?,
        transactions: super::transactions::read(sources)?,
        request_life: request_life(sources, usual.request_life)?,
        ask_stored_cvv: switch(sources, "ask_stored_cvv", usual.ask_stored_cvv)?,
    })
}

/// Hours at least, since a page may still be open when its request ends.
fn request_life(sources: &Sources, usual: Duration) -> Result<Duration, ConfigError> {
    match sources.find("request_life").map(|text| ttl::parse_up_to(text, REQUEST_LIFE)) {
        None => Ok(usual),
        Some(Some(Ttl::For(life))) if life >= Duration::from_hours(1) => Ok(life),
        Some(_) => Err(sources.wrong("request_life", "a duration from PT1H to P3650D, such as P90D")),
    }
}

fn tls(sources: &Sources) -> Result<Option<(PathBuf, PathBuf)>, ConfigError> {
    match (sources.find("tls_cert"), sources.find("tls_key")) {
        (Some(cert), Some(key)) => Ok(Some((PathBuf::from(cert), PathBuf::from(key)))),
        (None, None) => Ok(None),
        (Some(_), None) => Err(sources.wrong("tls_key", "a PEM file, beside tls_cert")),
        (None, Some(_)) => Err(sources.wrong("tls_cert", "a PEM file, beside tls_key")),
    }
}

/// The hardware module. Its PIN has no flag: a command line is seen by every user of the machine.
fn pkcs11(sources: &Sources) -> Result<Option<Token>, ConfigError> {
    let Some(module) = sources.find("pkcs11_module") else {
        let stray = ["pkcs11_token", "pkcs11_slot", "pkcs11_label", "pkcs11_pin", "pkcs11_pin_file"];
        return match stray.into_iter().find(|name| sources.find(name).is_some()) {
            Some(name) => Err(sources.wrong(name, "only beside pkcs11_module")),
            None => Ok(None),
        };
    };
    let pin = match (sources.find("pkcs11_pin"), sources.find("pkcs11_pin_file")) {
        (Some(pin), _) => Zeroizing::new(pin.to_owned()),
        (None, Some(file)) => pin_of(sources, std::path::Path::new(file))?,
        (None, None) => {
            return Err(sources.wrong("pkcs11_pin_file", "a file that holds the PIN, beside pkcs11_module"));
        }
    };
    let label = sources.find("pkcs11_label").unwrap_or("cardamom").to_owned();
    Ok(Some(Token {
        module: PathBuf::from(module),
        token: sources.find("pkcs11_token").map(str::to_owned),
        slot: parsed(sources, "pkcs11_slot", "the number of a slot")?,
        label,
        pin,
    }))
}

fn pin_of(sources: &Sources, file: &std::path::Path) -> Result<Zeroizing<String>, ConfigError> {
    use std::os::unix::fs::PermissionsExt as _;
    let wrong =
        || sources.wrong("pkcs11_pin_file", "a file that only its owner may read, with the PIN as its line");
    let mode = std::fs::metadata(file).map_err(|_| wrong())?.permissions().mode();
    let text = Zeroizing::new(std::fs::read_to_string(file).map_err(|_| wrong())?);
    let pin = text.trim_end_matches(['\r', '\n']);
    if mode & 0o077 != 0 || pin.is_empty() || pin.contains('\n') {
        return Err(wrong());
    }
    Ok(Zeroizing::new(pin.to_owned()))
}

fn database_url(sources: &Sources) -> Result<Option<Zeroizing<String>>, ConfigError> {
    match sources.find("database_url") {
        None => Ok(None),
        Some(text) if text.starts_with("postgres://") || text.starts_with("postgresql://") => {
            Ok(Some(Zeroizing::new(text.to_owned())))
        }
        Some(_) => Err(sources.wrong("database_url", "postgres://user:password@host:port/name")),
    }
}

fn networks(sources: &Sources, name: &'static str) -> Result<Vec<IpNet>, ConfigError> {
    let list = sources.find(name).unwrap_or_default();
    let parts = list.split(',').map(str::trim).filter(|part| !part.is_empty());
    parts
        .map(|part| {
            let network =
                part.parse::<IpNet>().or_else(|_| part.parse::<std::net::IpAddr>().map(IpNet::from));
            network.map_err(|_| sources.wrong(name, "networks such as 10.0.0.0/8, separated by commas"))
        })
        .collect()
}

/// A setting that is on or off.
pub fn switch(sources: &Sources, name: &'static str, default: bool) -> Result<bool, ConfigError> {
    match sources.find(name) {
        None => Ok(default),
        Some("true" | "on" | "1") => Ok(true),
        Some("false" | "off" | "0") => Ok(false),
        Some(_) => Err(sources.wrong(name, "on or off")),
    }
}

/// A setting of any kind that is read from text.
pub(super) fn parsed<T: FromStr>(
    sources: &Sources,
    name: &'static str,
    allowed: &str,
) -> Result<Option<T>, ConfigError> {
    let Some(text) = sources.find(name) else { return Ok(None) };
    text.parse().map(Some).map_err(|_| sources.wrong(name, allowed))
}
