//! Gateways and the services that they serve: tables of the settings file.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{ConfigError, Sources};
use crate::gateways::sandbox;
use crate::operations::SANDBOX;

/// Everything about gateways that can be set.
#[derive(Clone, Debug, Default)]
pub struct Gateways {
    /// How the acquirer simulator behaves.
    pub sandbox: sandbox::Options,
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
            let table = value.as_table().ok_or_else(|| wrong("a table: [gateways.name]"))?;
            if name != SANDBOX {
                return Err(wrong("sandbox"));
            }
            gateways.sandbox = simulator(table)
                .ok_or_else(|| wrong("latency_ms and delay_ms, whole numbers from 0 to 60000"))?;
        }
        for (service, value) in sources.table("services") {
            let wrong = || sources.wrong_in("services", service, "the name of a gateway that is configured");
            let gateway = value.as_str().ok_or_else(wrong)?;
            if gateway == SANDBOX {
                let allowed = "a gateway for live cards; test mode has the simulator by itself";
                return Err(sources.wrong_in("services", service, allowed));
            }
            return Err(wrong());
        }
        Ok(gateways)
    }
}

fn simulator(table: &toml::Table) -> Option<sandbox::Options> {
    let mut options = sandbox::Options::default();
    for (key, value) in table {
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
