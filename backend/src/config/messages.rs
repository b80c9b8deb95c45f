//! How messages to people leave: by a mail server and a provider of text messages, or into a folder.

use lettre::Address;
use lettre::message::Mailbox;
use url::{Host, Url};
use zeroize::Zeroizing;

use super::{ConfigError, Sources};

/// Everything about messages that can be set.
pub struct Messages {
    /// Whom e-mails come from.
    pub mail_from: Mailbox,
    /// The mail server with its login; without one e-mails are written to the folder.
    pub smtp_url: Option<Zeroizing<String>>,
    /// The provider of text messages; without one they are written to the folder.
    pub sms: Option<Sms>,
}

/// A provider of text messages.
pub struct Sms {
    /// Its address.
    pub url: Url,
    /// The account.
    pub account: String,
    /// The account's token; reports are signed with it.
    pub token: Zeroizing<String>,
    /// The number or service that messages come from.
    pub from: String,
}

impl Messages {
    /// Reads the settings.
    pub fn read(sources: &Sources, public_url: &Url) -> Result<Self, ConfigError> {
        let mail_from = match sources.find("mail_from") {
            None => usual_sender(public_url)
                .ok_or_else(|| sources.wrong("public_url", "an address with a host name"))?,
            Some(text) => text
                .parse()
                .map_err(|_| sources.wrong("mail_from", "a sender such as Cards <cards@pay.example>"))?,
        };
        let smtp_url = sources.find("smtp_url").map(|text| Zeroizing::new(text.to_owned()));
        Ok(Self { mail_from, smtp_url, sms: Sms::read(sources)? })
    }
}

impl Sms {
    fn read(sources: &Sources) -> Result<Option<Self>, ConfigError> {
        let Some(url) = sources.find("sms_url") else { return Ok(None) };
        let url = Url::parse(url).ok().filter(|url| matches!(url.scheme(), "https" | "http"));
        let url = url.ok_or_else(|| sources.wrong("sms_url", "an address such as https://api.twilio.com"))?;
        let need = |name: &'static str| {
            let found = sources.find(name).map(str::to_owned);
            found.ok_or_else(|| sources.wrong(name, "a text, since sms_url is set"))
        };
        let account = need("sms_account")?;
        if !account.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(sources.wrong("sms_account", "letters and digits"));
        }
        let token = Zeroizing::new(need("sms_token")?);
        Ok(Some(Self { url, account, token, from: need("sms_from")? }))
    }
}

/// `no-reply` at the public address.
pub fn usual_sender(public_url: &Url) -> Option<Mailbox> {
    let domain = match public_url.host()? {
        Host::Domain(name) => name.to_owned(),
        Host::Ipv4(_) | Host::Ipv6(_) => "localhost".to_owned(),
    };
    Some(Mailbox::new(None, Address::new("no-reply", domain).ok()?))
}
