//! Where settings come from: flags, `CARDAMOM_…` variables, a TOML file with the same names.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::parse::ConfigError;

/// The names of all settings, as they stand in the file. A flag has dashes instead of underscores, a variable
/// capitals behind `CARDAMOM_`.
pub const NAMES: &[&str] = &[
    "listen",
    "max_connections",
    "data_dir",
    "database_url",
    "public_url",
    "tls_cert",
    "tls_key",
    "trusted_proxy",
    "insecure_http",
    "allow_private_addresses",
    "allow_http_callbacks",
    "mail_from",
    "smtp_url",
    "sms_url",
    "sms_account",
    "sms_token",
    "sms_from",
    "root_key_file",
    "root_key",
    "pkcs11_module",
    "pkcs11_token",
    "pkcs11_slot",
    "pkcs11_label",
    "pkcs11_pin",
    "pkcs11_pin_file",
    "demo",
    "limits",
    "max_uses",
    "max_uses_cap",
    "max_per_minute",
    "endless_endpoints",
    "cvv_life",
    "cvv_cap",
    "cvv_uses",
    "transaction_window",
    "transaction_replay_check",
    "transaction_short_timestamps",
    "token_disabled_code",
    "duplicate_order_code",
    "request_life",
    "ask_stored_cvv",
    "log",
];

/// Flags of the command line. Values stay texts here: every source is checked by the same rules.
#[derive(clap::Args, Clone, Debug, Default)]
pub struct Flags {
    /// Settings file (TOML).
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Address and port to listen on [default: 127.0.0.1:8080].
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<String>,
    /// Folder of the embedded database and the root key [default: data].
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<String>,
    /// PostgreSQL instead of the embedded database: postgres://…
    #[arg(long, value_name = "URL")]
    pub database_url: Option<String>,
    /// Where the world reaches this server [default: http and the address listened on].
    #[arg(long, value_name = "URL")]
    pub public_url: Option<String>,
    /// Certificate chain, PEM.
    #[arg(long, value_name = "FILE")]
    pub tls_cert: Option<String>,
    /// Private key of the certificate, PEM.
    #[arg(long, value_name = "FILE")]
    pub tls_key: Option<String>,
    /// Networks of proxies whose X-Forwarded-For is believed; comma-separated.
    #[arg(long, value_name = "CIDR")]
    pub trusted_proxy: Option<String>,
    /// Private networks that outgoing calls may reach; comma-separated.
    #[arg(long, value_name = "CIDR")]
    pub allow_private_addresses: Option<String>,
    /// File of the root key [default: root.key in the data folder].
    #[arg(long, value_name = "FILE")]
    pub root_key_file: Option<String>,
    /// Listen off loopback without TLS and without a proxy.
    #[arg(long)]
    pub insecure_http: bool,
    /// Make a demo merchant and serve a demo shop on http://localhost:8081.
    #[arg(long)]
    pub demo: bool,
    /// Least severe level that is logged: error, warn, info, debug, trace [default: info].
    #[arg(long, value_name = "LEVEL")]
    pub log: Option<String>,
}

/// A setting and where it stood.
struct Found {
    origin: String,
    value: String,
}

/// Tables of the file. They have no flag and no variable.
const TABLES: [&str; 2] = ["gateways", "services"];

/// All settings that were given anywhere.
#[derive(Default)]
pub struct Sources {
    settings: BTreeMap<&'static str, Found>,
    tables: BTreeMap<&'static str, toml::Table>,
    file: String,
}

impl Sources {
    /// Collects flags, environment and file, in this order of authority.
    pub fn load(flags: Flags) -> Result<Self, ConfigError> {
        let mut found = Self::default();
        let file = flags.config.clone().or_else(|| environment("config").map(PathBuf::from));
        found.take_flags(flags);
        for name in NAMES {
            if let Some(value) = environment(name) {
                found.add(name, format!("environment variable {}", variable(name)), value);
            }
        }
        if let Some(file) = file {
            found.take_file(&file)?;
        }
        Ok(found)
    }

    /// The text of a setting.
    pub fn find(&self, name: &str) -> Option<&str> {
        self.settings.get(name).map(|found| found.value.as_str())
    }

    /// The error of a setting: where it stood, its value unless it is a secret, and what is allowed.
    pub fn wrong(&self, name: &'static str, allowed: &str) -> ConfigError {
        let (origin, value) =
            self.settings.get(name).map_or(("default", ""), |found| (&found.origin, &found.value));
        let secret = matches!(name, "root_key" | "database_url" | "pkcs11_pin" | "smtp_url" | "sms_token");
        ConfigError {
            origin: origin.to_owned(),
            key: name.to_owned(),
            value: if secret { "(secret)".to_owned() } else { value.to_owned() },
            allowed: allowed.to_owned(),
        }
    }

    /// The entries of a table of the file.
    pub fn table(&self, name: &'static str) -> impl Iterator<Item = (&str, &toml::Value)> {
        let entries = self.tables.get(name).into_iter().flatten();
        entries.map(|(key, value)| (key.as_str(), value))
    }

    /// The error of an entry of a table: where it stood and what is allowed. A value may be a secret.
    pub fn wrong_in(&self, table: &'static str, entry: &str, allowed: &str) -> ConfigError {
        ConfigError {
            origin: self.file.clone(),
            key: format!("{table}.{entry}"),
            value: "(not shown)".to_owned(),
            allowed: allowed.to_owned(),
        }
    }

    fn add(&mut self, name: &'static str, origin: String, value: String) {
        self.settings.entry(name).or_insert(Found { origin, value });
    }

    fn take_flags(&mut self, flags: Flags) {
        let on = |switch: bool| switch.then(|| "true".to_owned());
        for (name, value) in [
            ("listen", flags.listen),
            ("data_dir", flags.data_dir),
            ("database_url", flags.database_url),
            ("public_url", flags.public_url),
            ("tls_cert", flags.tls_cert),
            ("tls_key", flags.tls_key),
            ("trusted_proxy", flags.trusted_proxy),
            ("allow_private_addresses", flags.allow_private_addresses),
            ("root_key_file", flags.root_key_file),
            ("insecure_http", on(flags.insecure_http)),
            ("demo", on(flags.demo)),
            ("log", flags.log),
        ] {
            if let Some(value) = value {
                self.add(name, format!("flag --{}", name.replace('_', "-")), value);
            }
        }
    }

    fn take_file(&mut self, path: &std::path::Path) -> Result<(), ConfigError> {
        let origin = format!("file {}", path.display());
        let wrong = |key: &str, value: String, allowed: &str| ConfigError {
            origin: origin.clone(),
            key: key.to_owned(),
            value,
            allowed: allowed.to_owned(),
        };
        let text = std::fs::read_to_string(path)
            .map_err(|error| wrong("config", error.to_string(), "a readable TOML file"))?;
        let table: toml::Table = toml::from_str(&text)
            .map_err(|error| wrong("config", error.message().to_owned(), "a TOML file of settings"))?;
        self.file.clone_from(&origin);
        for (key, value) in table {
            if let (Some(name), toml::Value::Table(entries)) =
                (TABLES.into_iter().find(|name| *name == key), &value)
            {
                self.tables.insert(name, entries.clone());
                continue;
            }
            let Some(name) = NAMES.iter().copied().find(|name| *name == key) else {
                // A misspelt name may stand before a secret.
                return Err(wrong(
                    &key,
                    "(not shown)".to_owned(),
                    &format!("one of {}, or a table [gateways.name] or [services]", NAMES.join(", ")),
                ));
            };
            self.add(name, origin.clone(), text_of(&value));
        }
        Ok(())
    }
}

/// A value of the file as the text that a flag would have had.
fn text_of(value: &toml::Value) -> String {
    match value {
        toml::Value::String(text) => text.clone(),
        toml::Value::Integer(number) => number.to_string(),
        toml::Value::Boolean(switch) => switch.to_string(),
        toml::Value::Array(items) => items.iter().map(text_of).collect::<Vec<_>>().join(","),
        // Nothing is set by a fraction, a date or a table; the empty text is refused with what is allowed.
        toml::Value::Float(_) | toml::Value::Datetime(_) | toml::Value::Table(_) => String::new(),
    }
}

fn variable(name: &str) -> String {
    format!("CARDAMOM_{}", name.to_uppercase())
}

#[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
fn environment(name: &str) -> Option<String> {
    std::env::var(variable(name)).ok().filter(|value| !value.is_empty())
}
