//! What the host of an address tells.

use url::{Host, Url};

/// Whether an address leads to this machine: its names (RFC 6761 section 6.3) and its networks.
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// https, or http on this machine itself (a shop under development).
pub fn allowed_scheme(url: &Url) -> bool {
    url.scheme() == "https" && url.has_host() || url.scheme() == "http" && is_loopback(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_at_home() {
        for (address, expected) in [
            ("http://localhost:8080/", true),
            ("http://cards.localhost", true),
            ("http://127.0.0.9", true),
            ("http://[::1]:1/", true),
            ("http://localhost.example", false),
            ("http://10.0.0.1", false),
            ("data:,127.0.0.1", false),
        ] {
            assert_eq!(is_loopback(&Url::parse(address).unwrap()), expected, "{address}");
        }
    }
}
