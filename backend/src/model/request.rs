//! Card requests: what was asked of whom, the states that a request goes through, and the one table of its
//! transitions (spec B.4).

use super::{EventId, MerchantId, Mode, RequestId, Timestamp};

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestKind {
    /// A whole card.
    Card,
    /// The security code of a stored card.
    Code,
}

impl RequestKind {
    /// The name in storage.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Card => "card",
            Self::Code => "csc",
        }
    }

    /// The kind of a stored name.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Card, Self::Code].into_iter().find(|kind| kind.as_str() == text)
    }
}

/// By what the link is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channel {
    /// E-mail.
    Email,
    /// A text message.
    Sms,
}

impl Channel {
    /// The name on the wire and in storage.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Email => "Email",
            Self::Sms => "SMS",
        }
    }

    /// The channel of a name, whatever its case.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Email, Self::Sms].into_iter().find(|channel| channel.as_str().eq_ignore_ascii_case(text))
    }
}

/// The state of a request, by its name on the wire (spec B.4, complete table).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Status {
    /// The message waits to be sent.
    MessageQueued,
    /// The provider has taken the text message.
    MessageSent,
    /// The text message was refused or did not arrive.
    MessageFailed,
    /// The text message has arrived.
    MessageDelivered,
    /// The recipient has touched the form.
    FormViewed,
    /// The card is stored. An end.
    CardStored,
    /// The link is over: its time, or by deletion. An end.
    LinkExpired,
    /// A form was sent and could not be stored; it can be sent again.
    StoreFailed,
}

/// What can happen to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Happening {
    /// The provider took the message.
    MessageAccepted,
    /// The provider refused the message, or reports that it did not arrive.
    MessageLost,
    /// The provider reports that the message has arrived.
    MessageArrived,
    /// The recipient touched the form.
    Viewed,
    /// A form was sent and stored.
    Stored,
    /// A form was sent and not stored.
    NotStored,
    /// The time is over, or the merchant took the request back.
    Ended,
    /// The merchant had a new link sent.
    Resent,
}

impl Happening {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::MessageAccepted,
        Self::MessageLost,
        Self::MessageArrived,
        Self::Viewed,
        Self::Stored,
        Self::NotStored,
        Self::Ended,
        Self::Resent,
    ];
}

impl Status {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::MessageQueued,
        Self::MessageSent,
        Self::MessageFailed,
        Self::MessageDelivered,
        Self::FormViewed,
        Self::CardStored,
        Self::LinkExpired,
        Self::StoreFailed,
    ];

    /// The name on the wire and in storage.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MessageQueued => "MessageQueued",
            Self::MessageSent => "MessageSent",
            Self::MessageFailed => "MessageFailed",
            Self::MessageDelivered => "MessageDelivered",
            Self::FormViewed => "FormViewed",
            Self::CardStored => "CardStored",
            Self::LinkExpired => "LinkExpired",
            Self::StoreFailed => "StoreFailed",
        }
    }

    /// The state of a name, whatever its case.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str().eq_ignore_ascii_case(text))
    }

    /// Whether nothing can happen any more.
    pub const fn is_end(self) -> bool {
        matches!(self, Self::CardStored | Self::LinkExpired)
    }

    /// Whether only the message has been heard of, and nothing of its recipient.
    const fn is_unseen(self) -> bool {
        matches!(self, Self::MessageQueued | Self::MessageSent | Self::MessageFailed | Self::MessageDelivered)
    }

    /// The states that a request enters, in their order, when something happens in this one; none where that
    /// changes nothing. E-mail reports nothing of the message. What is late moves nothing back.
    pub const fn after(self, happening: Happening, channel: Channel) -> &'static [Self] {
        let is_report = matches!(
            happening,
            Happening::MessageAccepted | Happening::MessageLost | Happening::MessageArrived
        );
        if self.is_end() || (is_report && matches!(channel, Channel::Email)) {
            return &[];
        }
        match (happening, self) {
            (Happening::MessageAccepted, Self::MessageQueued) => &[Self::MessageSent],
            (Happening::MessageLost, Self::MessageQueued | Self::MessageSent) => &[Self::MessageFailed],
            // The report can overtake the provider's own answer.
            (Happening::MessageArrived, Self::MessageQueued) => &[Self::MessageSent, Self::MessageDelivered],
            (Happening::MessageArrived, Self::MessageSent) => &[Self::MessageDelivered],
            (Happening::Viewed, _) if self.is_unseen() => &[Self::FormViewed],
            // A form that was sent has been seen (security rule 23).
            (Happening::Stored, _) if self.is_unseen() => &[Self::FormViewed, Self::CardStored],
            (Happening::Stored, _) => &[Self::CardStored],
            (Happening::NotStored, _) if self.is_unseen() => &[Self::FormViewed, Self::StoreFailed],
            // Each refused form is told, also the second one.
            (Happening::NotStored, _) => &[Self::StoreFailed],
            (Happening::Ended, _) => &[Self::LinkExpired],
            (Happening::Resent, _) if !matches!(self, Self::MessageQueued) => &[Self::MessageQueued],
            _ => &[],
        }
    }
}

/// The one-time passcode before the form, and the ticket that a right one is exchanged for (security rule 23).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Passcode {
    /// Keyed digest of the code that was sent last; empty where none waits.
    pub digest: Vec<u8>,
    /// When that code ends, in milliseconds since the epoch.
    pub ends_at: i64,
    /// Wrong codes so far, of all codes of the request.
    pub tries: u32,
    /// Codes sent so far.
    pub sent: u32,
    /// SHA-256 of the ticket; empty where none is out.
    pub ticket_hash: Vec<u8>,
    /// When the ticket ends, in milliseconds since the epoch.
    pub ticket_ends_at: i64,
}

/// A card request.
#[derive(Clone, Debug)]
pub struct CardRequest {
    /// Identity, `RequestID` on the wire.
    pub id: RequestId,
    /// Whose it is.
    pub merchant: MerchantId,
    /// Test or live.
    pub mode: Mode,
    /// What is asked for.
    pub kind: RequestKind,
    /// By what the link is sent.
    pub channel: Channel,
    /// The present state.
    pub status: Status,
    /// When it was entered.
    pub status_at: Timestamp,
    /// How many states were entered so far: the number of the newest entry of the history.
    pub changes: u32,
    /// Counts writes of this row: the compare value of an update.
    pub version: u32,
    /// The merchant's own name for it (`CreatorReference`); may be empty.
    pub reference: String,
    /// Recipient, texts, callback: sealed under the root key.
    pub sealed: Vec<u8>,
    /// SHA-256 of the code in the link, as hex.
    pub code_hash: String,
    /// The message that brings the present link.
    pub message: EventId,
    /// The token of the card, once it is stored.
    pub card_token: Option<String>,
    /// Sent forms that were refused.
    pub refused: u32,
    /// The passcode before the form.
    pub passcode: Passcode,
    /// How often the recipient has asked for a new link.
    pub asked: u32,
    /// When the recipient last asked for a new link.
    pub asked_at: Option<Timestamp>,
    /// When the link ends.
    pub expires_at: Timestamp,
    /// When the merchant took it back.
    pub deleted_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
}

impl CardRequest {
    /// Whether its link leads to a form.
    pub fn is_open(&self, now: Timestamp) -> bool {
        !self.status.is_end() && self.expires_at > now
    }

    /// When the sweeper has to end it; `None` once it has ended.
    pub fn open_until(&self) -> Option<Timestamp> {
        (!self.status.is_end()).then_some(self.expires_at)
    }
}

/// An entry of a request's history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusChange {
    /// Which request.
    pub request: RequestId,
    /// 1, 2, …
    pub number: u32,
    /// The state that was entered.
    pub status: Status,
    /// When.
    pub at: Timestamp,
}

/// Which requests a list shows.
#[derive(Clone, Debug, Default)]
pub struct RequestFilter {
    /// Only those in this state.
    pub status: Option<Status>,
    /// Only those with this reference.
    pub reference: Option<String>,
    /// Only those made at this time or later.
    pub from: Option<Timestamp>,
    /// Only those made before this time.
    pub to: Option<Timestamp>,
}

/// A merchant's own words for a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageTemplate {
    /// Whose it is.
    pub merchant: MerchantId,
    /// Test or live.
    pub mode: Mode,
    /// The name that requests use.
    pub name: String,
    /// For which channel.
    pub channel: Channel,
    /// Two letters (ISO 639-1), lower case.
    pub language: String,
    /// The subject; empty for text messages.
    pub subject: String,
    /// The text.
    pub body: String,
    /// The HTML part; made of the text where there is none.
    pub html: Option<String>,
    /// When it was last written.
    pub updated_at: Timestamp,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::*;

    /// The documented transitions as a picture, apart from the code: spec B.4, and below the line the resend,
    /// which is an addition of ours.
    const SMS: &str = "
        MessageQueued > MessageSent
        MessageQueued > MessageFailed
        MessageSent > MessageDelivered
        MessageSent > MessageFailed
        MessageQueued > FormViewed
        MessageSent > FormViewed
        MessageDelivered > FormViewed
        MessageFailed > FormViewed
        FormViewed > CardStored
        FormViewed > StoreFailed
        StoreFailed > CardStored
        StoreFailed > StoreFailed
        MessageQueued > LinkExpired
        MessageSent > LinkExpired
        MessageFailed > LinkExpired
        MessageDelivered > LinkExpired
        FormViewed > LinkExpired
        StoreFailed > LinkExpired
        -
        MessageSent > MessageQueued
        MessageFailed > MessageQueued
        MessageDelivered > MessageQueued
        FormViewed > MessageQueued
        StoreFailed > MessageQueued";

    fn is_documented(channel: Channel, from: Status, to: Status) -> bool {
        let only_sms = [Status::MessageSent, Status::MessageFailed, Status::MessageDelivered];
        let line = format!("{} > {}", from.as_str(), to.as_str());
        SMS.lines().any(|known| known.trim() == line)
            && (channel == Channel::Sms || !(only_sms.contains(&from) || only_sms.contains(&to)))
    }

    fn walk(channel: Channel, happenings: &[Happening]) -> Vec<(Happening, Status)> {
        let mut history = vec![(Happening::Resent, Status::MessageQueued)];
        for &happening in happenings {
            let (_, now) = history[history.len() - 1];
            history.extend(now.after(happening, channel).iter().map(|&status| (happening, status)));
        }
        history
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2000) })]

        #[test]
        fn no_sequence_leads_to_an_undocumented_transition(
            channel in select(vec![Channel::Email, Channel::Sms]),
            happenings in prop::collection::vec(select(Happening::ALL.to_vec()), 0..24),
        ) {
            let history = walk(channel, &happenings);
            for pair in history.windows(2) {
                let ((_, from), (happening, to)) = (pair[0], pair[1]);
                prop_assert!(is_documented(channel, from, to), "{from:?} > {to:?} by {happening:?}");
                let reported = matches!(
                    happening,
                    Happening::MessageAccepted | Happening::MessageLost | Happening::MessageArrived
                );
                prop_assert!(!reported || from.is_unseen(), "a late report moved {from:?} back");
            }
            let ends = history.iter().filter(|(_, status)| status.is_end()).count();
            prop_assert!(ends <= 1 && (ends == 0 || history[history.len() - 1].1.is_end()));
        }
    }

    #[test]
    fn every_documented_transition_can_happen() {
        for channel in [Channel::Email, Channel::Sms] {
            for (from, to) in
                Status::ALL.iter().flat_map(|from| Status::ALL.iter().map(move |to| (*from, *to)))
            {
                let happens = Happening::ALL.iter().any(|&happening| {
                    let entered = from.after(happening, channel);
                    entered.first() == Some(&to)
                });
                let reachable = channel == Channel::Sms
                    || !matches!(
                        from,
                        Status::MessageSent | Status::MessageFailed | Status::MessageDelivered
                    );
                assert!(
                    !reachable || happens == is_documented(channel, from, to),
                    "{channel:?} {from:?} {to:?}"
                );
            }
        }
    }

    #[test]
    fn a_form_that_was_sent_has_been_seen() {
        for status in [Status::MessageQueued, Status::MessageFailed, Status::MessageDelivered] {
            let entered = status.after(Happening::Stored, Channel::Sms);
            assert_eq!(entered, [Status::FormViewed, Status::CardStored]);
        }
    }

    #[test]
    fn names_are_read_whatever_their_case() {
        for status in Status::ALL {
            assert_eq!(Status::parse(&status.as_str().to_uppercase()), Some(status));
        }
        assert_eq!(Channel::parse("sms"), Some(Channel::Sms));
        assert_eq!(Channel::parse("EMAIL"), Some(Channel::Email));
        assert_eq!(Channel::parse("fax"), None);
    }
}
