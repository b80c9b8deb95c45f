//! E-mails as they travel (RFC 5322): both parts, and the headers that a message of a machine has.

use std::time::SystemTime;

use lettre::message::header::{Header, HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart};
use lettre::{Address, Message as Mail};

use super::Message;

/// Whom e-mails come from.
#[derive(Clone, Debug)]
pub struct Sender {
    /// The operator's address; its name is used where the merchant has none.
    pub mailbox: Mailbox,
}

/// Why an e-mail cannot be made of a message. Holds nothing of it.
#[derive(Debug, thiserror::Error)]
#[error("the message cannot be an e-mail")]
pub struct MailError;

/// `Auto-Submitted` (RFC 3834): keeps absence notices and mailing lists from answering.
#[derive(Clone, Debug)]
struct AutoSubmitted;

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}

/// Makes the e-mail of a message. The same message always gets the same Message-ID, so that a mail server can tell
/// a repetition.
pub fn build(message: &Message, sender: &Sender) -> Result<Mail, MailError> {
    let address = |text: &str| text.parse::<Address>().map_err(|_| MailError);
    let own_name = line(message.from_name.as_ref());
    let from =
        Mailbox::new(own_name.clone().or_else(|| sender.mailbox.name.clone()), sender.mailbox.email.clone());
    let at = SystemTime::UNIX_EPOCH
        + std::time::Duration::from_millis(u64::try_from(message.at.millis()).unwrap_or(0));
    let mut builder = Mail::builder()
        .message_id(Some(format!("<{}@{}>", message.id, sender.mailbox.email.domain())))
        .date(at)
        .from(from)
        .to(Mailbox::new(line(message.to_name.as_ref()), address(&message.to)?))
        .subject(line(Some(&message.subject)).unwrap_or_default())
        .header(AutoSubmitted);
    if let Some(reply_to) = &message.reply_to {
        builder = builder.reply_to(Mailbox::new(own_name, address(reply_to)?));
    }
    let parts = MultiPart::alternative_plain_html(message.text.to_string(), message.html.to_string());
    builder.multipart(parts).map_err(|_| MailError)
}

/// A value of a header without what could end it. Values were checked when they came; the library gives up the
/// whole program where such a character is left.
fn line(text: Option<&String>) -> Option<String> {
    let text: String = text?.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use zeroize::Zeroizing;

    use super::*;
    use crate::model::Timestamp;

    fn message() -> Message {
        Message {
            id: "evt_1".to_owned(),
            at: Timestamp::from_millis(1_800_000_000_000),
            to: "ada@example.com".to_owned(),
            to_name: Some("Ada \"King\"".to_owned()),
            from_name: Some("Gewürze & Söhne".to_owned()),
            reply_to: Some("help@shop.example".to_owned()),
            subject: "Ihre Karte: 12,40 €".to_owned(),
            text: Zeroizing::new("Guten Tag,\n\nhttps://cards.example/r/abc\n".to_owned()),
            html: Zeroizing::new("<p>Grüße</p>".to_owned()),
        }
    }

    fn mail(message: &Message) -> String {
        let sender = Sender { mailbox: "Cards <cards@pay.example>".parse().unwrap() };
        String::from_utf8(build(message, &sender).unwrap().formatted()).unwrap()
    }

    #[test]
    fn the_headers_are_those_of_a_machine() {
        let mail = mail(&message());
        for line in [
            "Message-ID: <evt_1@pay.example>",
            "Auto-Submitted: auto-generated",
            "Date: Fri, 15 Jan 2027 08:00:00 +0000",
            "MIME-Version: 1.0",
        ] {
            assert!(mail.contains(&format!("{line}\r\n")), "{line}: {mail}");
        }
        assert!(mail.contains("<cards@pay.example>") && mail.contains("<ada@example.com>"));
        assert!(mail.contains("Content-Type: multipart/alternative"));
        assert!(mail.contains("\r\nhttps://cards.example/r/abc\r\n"), "{mail}");
    }

    #[test]
    fn no_value_begins_another_header() {
        let evil = "x\r\nBcc: eve@example.com\r\n\r\nbody";
        for change in [
            (|message, evil| Message { subject: evil, ..message }) as fn(Message, String) -> Message,
            |message, evil| Message { to_name: Some(evil), ..message },
            |message, evil| Message { from_name: Some(evil), ..message },
        ] {
            let mail = mail(&change(message(), evil.to_owned()));
            assert!(!mail.lines().any(|line| line.starts_with("Bcc:")), "{mail}");
        }
        for to in ["ada@example.com\r\nBcc: eve@example.com", "ada@example.com, eve@example.com", ""] {
            let sender = Sender { mailbox: "cards@pay.example".parse().unwrap() };
            assert!(build(&Message { to: to.to_owned(), ..message() }, &sender).is_err());
        }
    }
}
