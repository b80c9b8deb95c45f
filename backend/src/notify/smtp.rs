//! E-mail by SMTP: a pool of connections to the operator's mail server, with TLS and a login where its address
//! says so.

use std::net::IpAddr;
use std::time::Duration;

use async_trait::async_trait;
use lettre::transport::smtp::{self, PoolConfig};
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Tokio1Executor};
use url::Url;

use super::mail::{self, Sender};
use super::{Answer, Message, Notifier, Outcome};

/// Shorter than an attempt may take in all.
const PATIENCE: Duration = Duration::from_secs(10);
/// Connections that are kept.
const POOL: u32 = 8;

/// Sends e-mails.
pub struct Smtp {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    sender: Sender,
}

impl Smtp {
    /// For an address such as `smtps://user:password@mail.example:465` or
    /// `smtp://user:password@mail.example:587?tls=required`. The error says what is wrong with it, without it.
    pub fn new(address: &str, sender: Sender) -> Result<Self, String> {
        let wrong = || "smtps://user:password@host:465, or smtp://…:587?tls=required".to_owned();
        let url = Url::parse(address).map_err(|_| wrong())?;
        if tells_login_in_clear(&url) {
            return Err(format!("{}; a login in clear only on loopback", wrong()));
        }
        let builder = AsyncSmtpTransport::<Tokio1Executor>::from_url(address).map_err(|_| wrong())?;
        let pool = PoolConfig::new().max_size(POOL).idle_timeout(Duration::from_mins(1));
        let transport = builder.timeout(Some(PATIENCE)).pool_config(pool).build();
        Ok(Self { transport, sender })
    }
}

/// TLS that is only used where it is offered can be taken away by whoever stands between.
fn tells_login_in_clear(url: &Url) -> bool {
    let required = url.query_pairs().any(|(name, value)| name == "tls" && value == "required");
    let login = !url.username().is_empty() || url.password().is_some();
    // Not of a special scheme, so that an address is a name to the parser.
    let host = url.host_str().unwrap_or_default();
    let local = host == "localhost"
        || matches!(host.trim_matches(['[', ']']).parse::<IpAddr>(), Ok(ip) if ip.is_loopback());
    url.scheme() != "smtps" && !required && login && !local
}

#[async_trait]
impl Notifier for Smtp {
    async fn send(&self, message: &Message) -> Answer {
        let mail = match mail::build(message, &self.sender) {
            Ok(mail) => mail,
            Err(error) => return Answer::new(Outcome::Refused, error.to_string()),
        };
        match self.transport.send(mail).await {
            Ok(response) => {
                let status = Some(u16::from(response.code()));
                Answer { status, ..Answer::new(Outcome::Accepted, "the mail server took the message") }
            }
            Err(error) => answer(&error),
        }
    }
}

/// The server's own words can hold the recipient's address, so they are not kept.
fn answer(error: &smtp::Error) -> Answer {
    let status = error.status().map(u16::from);
    let (outcome, result) = if error.is_permanent() {
        (Outcome::Refused, "the mail server refused the message")
    } else if error.is_transient() {
        (Outcome::Later(None), "the mail server asks for another attempt")
    } else if error.is_timeout() {
        (Outcome::Later(None), "the mail server did not answer in time")
    } else {
        tracing::warn!(tls = error.is_tls(), "the mail server could not be used");
        (Outcome::Later(None), "the mail server could not be used")
    };
    Answer { status, ..Answer::new(outcome, result) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_is_never_told_in_clear() {
        for (address, told) in [
            ("smtp://u:p@mail.example:25", true),
            ("smtp://u:p@mail.example:587?tls=opportunistic", true),
            ("smtp://u:p@192.0.2.1", true),
            ("smtp://u:p@mail.example:587?tls=required", false),
            ("smtps://u:p@mail.example", false),
            ("smtp://mail.example", false),
            ("smtp://u:p@127.0.0.1:2525", false),
            ("smtp://u:p@[::1]:2525", false),
            ("smtp://u:p@localhost:2525", false),
        ] {
            assert_eq!(tells_login_in_clear(&Url::parse(address).unwrap()), told, "{address}");
        }
    }

    #[tokio::test]
    async fn addresses_are_checked_when_the_server_starts() {
        let sender = || Sender { mailbox: "cards@pay.example".parse().unwrap() };
        assert!(Smtp::new("smtps://u:p@mail.example:465", sender()).is_ok());
        for address in ["", "mail.example", "https://mail.example", "smtp://u:secret@mail.example"] {
            let error = Smtp::new(address, sender()).err().unwrap();
            assert!(error.starts_with("smtps://") && !error.contains("secret"), "{address}: {error}");
        }
    }
}
