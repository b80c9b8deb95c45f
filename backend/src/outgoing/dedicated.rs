//! What a single server is called with: a client certificate, an authority of its own.

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::OutgoingError;
use crate::tls;

/// PEM texts; both can be missing.
#[derive(Clone, Default, Deserialize, Serialize, Zeroize, ZeroizeOnDrop)]
pub struct Dedicated {
    /// A certificate chain, and its private key behind it.
    pub client: Option<String>,
    /// The certificates of authorities that are trusted besides the system's.
    pub authority: Option<String>,
}

impl Dedicated {
    /// Whether the usual client does as well.
    pub const fn is_empty(&self) -> bool {
        self.client.is_none() && self.authority.is_none()
    }

    /// Whether it can be used: the texts are read and thrown away.
    pub fn check(&self) -> Result<(), OutgoingError> {
        self.tls_config().map(drop)
    }

    pub(super) fn tls_config(&self) -> Result<rustls::ClientConfig, OutgoingError> {
        let mut roots = tls::system_roots();
        if let Some(authority) = &self.authority {
            let certificates = certificates(authority)?;
            for certificate in certificates {
                roots.add(certificate).map_err(|error| OutgoingError::Setup(error.to_string()))?;
            }
        }
        let config = tls::client(roots).map_err(|error| OutgoingError::Setup(error.to_string()))?;
        let Some(client) = &self.client else { return Ok(config.with_no_client_auth()) };
        let key = PrivateKeyDer::from_pem_slice(client.as_bytes())
            .map_err(|_| OutgoingError::Setup("there is no private key".to_owned()))?;
        config
            .with_client_auth_cert(certificates(client)?, key)
            .map_err(|error| OutgoingError::Setup(error.to_string()))
    }
}

fn certificates(pem: &str) -> Result<Vec<CertificateDer<'static>>, OutgoingError> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    found
        .ok()
        .filter(|found| !found.is_empty())
        .ok_or_else(|| OutgoingError::Setup("there is no certificate".to_owned()))
}
