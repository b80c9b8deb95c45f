//! E-mail by SMTP: a pool of connections to the operator's mail server, with TLS and a login where its address
//! says so.

use std::time::Duration;

use async_trait::async_trait;
use lettre::transport::smtp::{self, PoolConfig};
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Tokio1Executor};

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
        let builder = AsyncSmtpTransport::<Tokio1Executor>::from_url(address)
            .map_err(|_| "smtps://user:password@host:465, or smtp://…:587?tls=required".to_owned())?;
        let pool = PoolConfig::new().max_size(POOL).idle_timeout(Duration::from_mins(1));
        let transport = builder.timeout(Some(PATIENCE)).pool_config(pool).build();
        Ok(Self { transport, sender })
    }
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
