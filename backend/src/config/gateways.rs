//! Gateways and the services that they serve: tables of the settings file.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::{ConfigError, Sources};
use crate::gateways::sandbox;
use crate::gateways::sandbox::SANDBOX;

/// Everything about gateways that can be set.
#[derive(Clone, Debug, Default)]
pub struct Gateways {
    /// How the acquirer simulator behaves.
    pub sandbox: sandbox::Options,
    /// Gateways by name, and the files that describe them.
    pub described: BTreeMap<String, PathBuf>,
    /// Services of live mode and the gateways that serve them, by name.
    pub services: BTreeMap<String, String>,
}

/// The longest that the simulator may take.
const SLOWEST: i64 = 60_000;

impl Gateways {
    /// Reads `[gateways.…]` and `[services]`.
    pub fn read(sources: &Sources) -> Result<Self, ConfigError> {
        let mut gateways = Self::default();
        for (name, value) in sources.table("gateways") {
            let wrong = |allowed: &str| sources.wrong_in("gateways", name, allowed);
            if name == SANDBOX {
                let allowed = "latency_ms and delay_ms, whole numbers from 0 to 60000";
                gateways.sandbox = simulator(value).ok_or_else(|| wrong(allowed))?;
            } else {
                let file =
                    described(value).ok_or_else(|| wrong("kind = \"http\" and file, the description"))?;
                gateways.described.insert(name.to_owned(), file);
            }
        }
        for (service, value) in sources.table("services") {
            let known = value.as_str().filter(|name| gateways.described.contains_key(*name));
            let allowed = "the name of a described gateway; test mode has the simulator by itself";
            let name = known.ok_or_else(|| sources.wrong_in("services", service, allowed))?;
            gateways.services.insert(service.to_owned(), name.to_owned());
        }
        Ok(gateways)
    }
}

fn described(value: &toml::Value) -> Option<PathBuf> {
    let table = value.as_table()?;
    let is_http = table.get("kind")?.as_str()? == "http";
    let file = table.get("file")?.as_str().filter(|file| !file.is_empty())?;
    (is_http && table.len() == 2).then(|| PathBuf::from(file))
}

fn simulator(value: &toml::Value) -> Option<sandbox::Options> {
    let mut options = sandbox::Options::default();
    for (key, value) in value.as_table()? {
        let millis = value.as_integer().filter(|millis| (0..=SLOWEST).contains(millis))?;
        let duration = Duration::from_millis(u64::try_from(millis).ok()?);
        match key.as_str() {
            "latency_ms" => options.latency = duration,
            "delay_ms" => options.delay = duration,
            _ => return None,
        }
    }
    Some(options)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Flags;

    fn read(text: &str) -> Result<Gateways, String> {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("cardamom.toml");
        std::fs::write(&config, text).unwrap();
        let flags = Flags { config: Some(config), ..Flags::default() };
        let sources = Sources::load(flags).map_err(|error| error.to_string())?;
        Gateways::read(&sources).map_err(|error| error.to_string())
    }

    #[test]
    fn gateways_and_services_are_read() {
        let gateways = read(
            "log = \"warn\"\n[gateways.main]\nkind = \"http\"\nfile = \"/etc/a.toml\"\n\
             [gateways.sandbox]\nlatency_ms = 200\n[services]\npayment_card_eur_hpp = \"main\"\n",
        );
        let gateways = gateways.unwrap();
        assert_eq!(gateways.described["main"], PathBuf::from("/etc/a.toml"));
        assert_eq!(gateways.services["payment_card_eur_hpp"], "main");
        assert_eq!(gateways.sandbox.latency, Duration::from_millis(200));
        assert!(gateways.sandbox.delay.is_zero());
    }

    #[test]
    fn what_cannot_be_used_is_told_with_its_place() {
        for (text, told) in [
            ("[gateways.main]\nkind = \"http\"\n", "gateways.main"),
            ("[gateways.main]\nkind = \"ftp\"\nfile = \"a\"\n", "gateways.main"),
            ("[gateways.main]\nkind = \"http\"\nfile = \"a\"\nkey = \"s3cret\"\n", "gateways.main"),
            ("[gateways.sandbox]\nlatency_ms = -1\n", "gateways.sandbox"),
            ("[gateways.sandbox]\nspeed = 1\n", "gateways.sandbox"),
            ("[services]\na = \"main\"\n", "services.a"),
            ("[services]\na = \"sandbox\"\n", "services.a"),
            ("gateways = \"main\"\n", "gateways"),
            ("[gateway]\na = 1\n", "gateway"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(told) && !error.contains("s3cret"), "{text}: {error}");
        }
    }
}
