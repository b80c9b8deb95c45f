//! Reverse proxies in front of the server: whose `X-Forwarded-For` is believed, and who may speak plain HTTP.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use ipnet::IpNet;

use super::error::ApiError;
use super::router::App;

/// The operator's proxies.
#[derive(Clone, Debug, Default)]
pub struct Proxies {
    /// Their networks.
    pub networks: Vec<IpNet>,
    /// Whether they do the TLS: then nobody else off this machine is served, since what he sent came in clear.
    pub only: bool,
}

impl Proxies {
    /// The address that the nearest untrusted hop had (security rule 22): X-Forwarded-For is read from its end,
    /// and only as far as listed proxies wrote it.
    pub fn forwarded(&self, headers: &HeaderMap, peer: IpAddr) -> Option<IpAddr> {
        if !self.trusts(peer) {
            return None;
        }
        let lines: Vec<_> =
            headers.get_all("x-forwarded-for").iter().filter_map(|value| value.to_str().ok()).collect();
        let list = lines.join(",");
        let mut hops = list.rsplit(',').map(|hop| hop.trim().parse::<IpAddr>());
        hops.find_map(|hop| match hop {
            Ok(address) if self.trusts(address.to_canonical()) => None,
            Ok(address) => Some(Some(address)),
            Err(_) => Some(None),
        })
        .flatten()
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.networks.iter().any(|network| network.contains(&address))
    }
}

/// Refuses peers that are neither a proxy nor this machine, where the proxies do the TLS. Probes of the server's
/// health carry no secret and may come from anywhere.
pub async fn only_proxies(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip().to_canonical());
    let served = peer.is_some_and(|peer| peer.is_loopback() || app.proxies.trusts(peer));
    if !app.proxies.only || served || request.uri().path().starts_with("/health/") {
        return next.run(request).await;
    }
    let told = "This server is reached through its proxy, by https.";
    ApiError::new(StatusCode::FORBIDDEN, "plain_http", told).into_response()
}
