//! TLS of the connections that we open: which cryptography they use and whom they trust.

use std::sync::Arc;

use rustls::RootCertStore;
use rustls::client::WantsClientCert;
use rustls::{ClientConfig, ConfigBuilder};

/// The roots of the system, so that an operator's own authority works. A machine without any trusts nobody.
pub fn system_roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    let _ = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    roots
}

/// A client that trusts these roots. The provider is named, because the process may hold more than one.
pub fn client(roots: RootCertStore) -> Result<ConfigBuilder<ClientConfig, WantsClientCert>, rustls::Error> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    Ok(ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots))
}
