//! The connection URL of the database: what the driver reads, and the TLS parameters, which we read ourselves
//! because encryption without a checked certificate is no choice here.

use std::path::Path;
use std::str::FromStr;

use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres_rustls::MakeRustlsConnect;
use url::Url;

use crate::storage::{Result, StoreError};
use crate::tls;

/// Where the database is and how it is reached.
pub struct Address {
    /// For the driver.
    pub config: Config,
    /// Opens TLS where `config` asks for it.
    pub tls: MakeRustlsConnect,
}

/// The TLS parameters of a URL, under libpq's names.
#[derive(Default)]
struct TlsParameters {
    mode: Option<String>,
    root: Option<String>,
    certificate: Option<String>,
    key: Option<String>,
}

/// Reads a connection URL. `sslmode` is `require` or `verify-full`, which mean the same here: the certificate and
/// its name are checked against the system's roots or those of `sslrootcert`; or `disable`. Left out, it is
/// `disable` for this machine and `require` for any other. `sslcert` and `sslkey` are our own certificate.
pub fn parse(url: &str) -> Result<Address> {
    let (address, parameters) = split(url)?;
    // The parser's message may quote a piece of the URL, and a URL may hold a password.
    let mut config = Config::from_str(&address).map_err(|_| wrong("cannot be read"))?;
    let encrypted = match parameters.mode.as_deref() {
        Some("disable") => false,
        Some("require" | "verify-full") => true,
        None => !config.get_hosts().iter().all(is_local),
        Some(_) => return Err(wrong("has an sslmode other than disable, require or verify-full")),
    };
    config.ssl_mode(if encrypted { SslMode::Require } else { SslMode::Disable });
    Ok(Address { config, tls: MakeRustlsConnect::new(client(&parameters)?) })
}

fn split(url: &str) -> Result<(String, TlsParameters)> {
    let mut parameters = TlsParameters::default();
    let Ok(mut parsed) = Url::parse(url) else {
        // `host=… user=…` and addresses that only the driver understands, such as several hosts.
        return if url.contains("ssl") {
            Err(wrong("must be a URL, postgres://…, where it has TLS parameters"))
        } else {
            Ok((url.to_owned(), parameters))
        };
    };
    let mut others = Vec::new();
    for (name, value) in parsed.query_pairs() {
        match &*name {
            "sslmode" => parameters.mode = Some(value.into_owned()),
            "sslrootcert" => parameters.root = Some(value.into_owned()),
            "sslcert" => parameters.certificate = Some(value.into_owned()),
            "sslkey" => parameters.key = Some(value.into_owned()),
            _ => others.push((name.into_owned(), value.into_owned())),
        }
    }
    // The driver decodes `%20`, but not `+`.
    let encode = |text: &str| {
        percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
    };
    let query: Vec<_> = others.iter().map(|(name, value)| format!("{name}={}", encode(value))).collect();
    parsed.set_query((!query.is_empty()).then(|| query.join("&")).as_deref());
    Ok((parsed.into(), parameters))
}

fn client(parameters: &TlsParameters) -> Result<rustls::ClientConfig> {
    let roots = match &parameters.root {
        Some(file) => roots(Path::new(file))?,
        None => tls::system_roots(),
    };
    let builder = tls::client(roots).map_err(|error| StoreError::Engine(error.to_string()))?;
    match (&parameters.certificate, &parameters.key) {
        (None, None) => Ok(builder.with_no_client_auth()),
        (Some(certificate), Some(key)) => {
            let key = PrivateKeyDer::from_pem_file(key).map_err(|error| file("sslkey", key, &error))?;
            builder
                .with_client_auth_cert(certificates("sslcert", certificate)?, key)
                .map_err(|error| file("sslcert", certificate, &error))
        }
        _ => Err(wrong("has only one of sslcert and sslkey")),
    }
}

fn roots(path: &Path) -> Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    let name = path.display().to_string();
    for certificate in certificates("sslrootcert", &name)? {
        roots.add(certificate).map_err(|error| file("sslrootcert", &name, &error))?;
    }
    Ok(roots)
}

fn certificates(parameter: &str, path: &str) -> Result<Vec<CertificateDer<'static>>> {
    let read =
        CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<std::result::Result<Vec<_>, _>>);
    let certificates = read.map_err(|error| file(parameter, path, &error))?;
    if certificates.is_empty() {
        return Err(file(parameter, path, &"it holds no certificate"));
    }
    Ok(certificates)
}

fn is_local(host: &Host) -> bool {
    match host {
        Host::Tcp(name) => {
            name == "localhost" || name.parse().is_ok_and(|address: std::net::IpAddr| address.is_loopback())
        }
        Host::Unix(_) => true,
    }
}

fn wrong(what: &str) -> StoreError {
    StoreError::Engine(format!("the database URL {what}"))
}

fn file(parameter: &str, path: &str, error: &dyn std::fmt::Display) -> StoreError {
    StoreError::Engine(format!("{parameter} {path} of the database URL cannot be used: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(url: &str) -> SslMode {
        parse(url).map(|address| address.config.get_ssl_mode()).unwrap()
    }

    #[test]
    fn another_machine_is_reached_by_tls_unless_told_otherwise() {
        assert_eq!(mode("postgres://user:secret@db.example/cards"), SslMode::Require);
        assert_eq!(mode("postgres://db.example/cards?sslmode=verify-full"), SslMode::Require);
        assert_eq!(mode("postgres://db.example/cards?sslmode=disable"), SslMode::Disable);
        assert_eq!(mode("postgres://127.0.0.1:5432/cards"), SslMode::Disable);
        assert_eq!(mode("postgres://localhost/cards?sslmode=require"), SslMode::Require);
        assert_eq!(mode("host=/run/postgresql user=cardamom"), SslMode::Disable);
    }

    #[test]
    fn modes_that_check_nothing_are_refused() {
        for weak in ["prefer", "allow", "verify-ca", "no", ""] {
            let refused = parse(&format!("postgres://db.example/cards?sslmode={weak}")).err().unwrap();
            assert!(refused.to_string().contains("disable, require or verify-full"), "{weak}");
        }
    }

    #[test]
    fn an_unreadable_url_is_not_quoted() {
        for url in [
            "postgres://user:secret@db.example:port/cards?secret=1",
            "host=x secret",
            "postgres://u:secret@h/d?nonsense=secret",
        ] {
            assert!(!parse(url).err().unwrap().to_string().contains("secret"), "{url}");
        }
    }

    #[test]
    fn a_missing_file_is_named() {
        let refused = parse("postgres://db.example/cards?sslrootcert=/none/ca.pem").err().unwrap();
        assert!(refused.to_string().contains("sslrootcert /none/ca.pem"));
        assert!(parse("postgres://db.example/cards?sslcert=/none/c.pem").is_err());
    }

    #[test]
    fn other_parameters_stay() {
        let address =
            parse("postgres://localhost/cards?options=-c%20work_mem%3D8MB&sslmode=disable").unwrap();
        assert_eq!(address.config.get_options(), Some("-c work_mem=8MB"));
        let hosts = parse("postgres://one:5432,two:5433/cards").unwrap();
        assert_eq!(hosts.config.get_hosts().len(), 2);
        assert_eq!(hosts.config.get_ssl_mode(), SslMode::Require);
    }
}
