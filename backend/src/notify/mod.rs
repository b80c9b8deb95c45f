//! Notifiers: what takes a message to a person, by e-mail or text message, or into a folder to be looked at.

mod file;
mod mail;
mod sms;
mod smtp;

use std::time::Duration;

use async_trait::async_trait;
use zeroize::Zeroizing;

pub use file::{FileMail, FileSms};
pub use mail::Sender;
pub use sms::{SmsGateway, is_signed};
pub use smtp::Smtp;

use crate::model::Timestamp;

/// A message on its way. Its texts hold a link or a code: no Debug.
pub struct Message {
    /// Identity: the same for every attempt to send it.
    pub id: String,
    /// When this attempt is made.
    pub at: Timestamp,
    /// The e-mail address or telephone number.
    pub to: String,
    /// The recipient's name.
    pub to_name: Option<String>,
    /// On whose behalf it is sent.
    pub from_name: Option<String>,
    /// Where answers go.
    pub reply_to: Option<String>,
    /// Empty for text messages.
    pub subject: String,
    /// The plain text.
    pub text: Zeroizing<String>,
    /// The HTML part; empty where there is none.
    pub html: Zeroizing<String>,
}

/// What came of an attempt to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// What is to happen next.
    pub outcome: Outcome,
    /// The provider's status, where it answered with one.
    pub status: Option<u16>,
    /// What came of it, in words of ours.
    pub result: String,
}

/// What is to happen after an attempt to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The provider has it.
    Accepted,
    /// It is worth another attempt, not before this long.
    Later(Option<Duration>),
    /// It will never be taken.
    Refused,
}

/// Sends messages of one channel.
#[async_trait]
pub trait Notifier: Send + Sync {
    /// Tries once, within 15 seconds.
    async fn send(&self, message: &Message) -> Answer;
}

impl Answer {
    /// An answer without a status.
    pub fn new(outcome: Outcome, result: impl Into<String>) -> Self {
        Self { outcome, status: None, result: result.into() }
    }
}
