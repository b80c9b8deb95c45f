//! Text messages by an HTTP interface in the notation of Twilio, and the signature of its delivery reports
//! (publicly documented as "Webhooks security": HMAC-SHA1 over the address and the sorted parameters).

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use url::Url;
use zeroize::Zeroizing;

use super::{Answer, Message, Notifier, Outcome};
use crate::outgoing::{Fault, Outgoing};

/// The provider of text messages.
pub struct SmsGateway {
    outgoing: Arc<Outgoing>,
    messages: Url,
    account: String,
    token: Zeroizing<String>,
    from: String,
    reports: String,
}

impl SmsGateway {
    /// For the provider's address, the account with its token, and the number or service that messages come from.
    /// Reports go to `reports` and the message's id.
    pub fn new(
        outgoing: Arc<Outgoing>,
        provider: &Url,
        (account, token): (&str, &str),
        from: &str,
        reports: String,
    ) -> Result<Self, String> {
        let path = format!("2010-04-01/Accounts/{account}/Messages.json");
        let mut base = provider.clone();
        if !base.path().ends_with('/') {
            base.set_path(&format!("{}/", base.path()));
        }
        let messages = base.join(&path).map_err(|_| "the address of the provider".to_owned())?;
        let token = Zeroizing::new(token.to_owned());
        Ok(Self { outgoing, messages, account: account.to_owned(), token, from: from.to_owned(), reports })
    }
}

#[async_trait]
impl Notifier for SmsGateway {
    async fn send(&self, message: &Message) -> Answer {
        let from = if self.from.starts_with("MG") { "MessagingServiceSid" } else { "From" };
        let body = form_urlencoded::Serializer::new(String::new())
            .append_pair("To", &message.to)
            .append_pair(from, &self.from)
            .append_pair("Body", &message.text)
            .append_pair("StatusCallback", &format!("{}{}", self.reports, message.id))
            .finish();
        let login = Zeroizing::new(STANDARD.encode(format!("{}:{}", self.account, self.token.as_str())));
        let headers = [
            ("authorization".to_owned(), format!("Basic {}", login.as_str())),
            ("content-type".to_owned(), "application/x-www-form-urlencoded".to_owned()),
        ];
        match self.outgoing.post(&self.messages, &headers, body.into_bytes()).await {
            Ok(answer) => of_status(answer.status),
            Err(error) if error.fault() == Fault::FarSide => {
                Answer::new(Outcome::Later(None), error.to_string())
            }
            Err(error) => {
                tracing::error!(%error, "the provider of text messages cannot be called");
                Answer::new(Outcome::Later(None), error.to_string())
            }
        }
    }
}

fn of_status(status: u16) -> Answer {
    let (outcome, result) = match status {
        200..300 => (Outcome::Accepted, "the provider took the message"),
        429 => (Outcome::Later(Some(Duration::from_secs(30))), "the provider asks to wait"),
        // The operator's login, not the message, is at fault, and can be mended.
        401 | 403 => (Outcome::Later(None), "the provider refused the login"),
        400..500 => (Outcome::Refused, "the provider refused the message"),
        _ => (Outcome::Later(None), "the provider could not take the message"),
    };
    Answer { status: Some(status), ..Answer::new(outcome, result) }
}

/// Whether a report was signed with the account's token: base64(HMAC-SHA1(token, address and, sorted by name, each
/// parameter's name and value)). Compared in constant time.
pub fn is_signed(token: &str, address: &str, params: &[(&str, &str)], signature: &str) -> bool {
    let Ok(given) = STANDARD.decode(signature.trim()) else { return false };
    let mut sorted = params.to_vec();
    sorted.sort_unstable();
    let mut message = Zeroizing::new(address.to_owned());
    for (name, value) in sorted {
        message.push_str(name);
        message.push_str(value);
    }
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, token.as_bytes());
    hmac::verify(&key, message.as_bytes(), &given).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    // The provider's published example.
    const TOKEN: &str = "12345";
    const ADDRESS: &str = "https://example.com/myapp.php?foo=1&bar=2";
    const PARAMS: [(&str, &str); 5] = [
        ("Digits", "1234"),
        ("To", "+18005551212"),
        ("From", "+14158675310"),
        ("Caller", "+14158675310"),
        ("CallSid", "CA1234567890ABCDE"),
    ];

    #[test]
    fn the_published_example_is_signed() {
        assert!(is_signed(TOKEN, ADDRESS, &PARAMS, "L/OH5YylLD5NRKLltdqwSvS0BnU="));
    }

    #[test]
    fn whatever_was_changed_is_not() {
        let right = "L/OH5YylLD5NRKLltdqwSvS0BnU=";
        assert!(!is_signed("12346", ADDRESS, &PARAMS, right));
        assert!(!is_signed(TOKEN, "https://example.com/", &PARAMS, right));
        assert!(!is_signed(TOKEN, ADDRESS, &PARAMS[1..], right));
        for signature in ["", "L/OH5YylLD5NRKLltdqwSvS0BnV=", "AAAA", "%%%"] {
            assert!(!is_signed(TOKEN, ADDRESS, &PARAMS, signature), "{signature}");
        }
    }

    #[test]
    fn a_status_tells_whose_fault_it_is() {
        for (status, outcome) in [
            (201, Outcome::Accepted),
            (400, Outcome::Refused),
            (401, Outcome::Later(None)),
            (429, Outcome::Later(Some(Duration::from_secs(30)))),
            (500, Outcome::Later(None)),
            (302, Outcome::Later(None)),
        ] {
            assert_eq!(of_status(status).outcome, outcome, "{status}");
        }
    }
}
