//! Outgoing events: rows written with the change they tell of, delivered later by workers that lease them.

use std::time::Duration;

use super::{EventId, MerchantId, Mode, Timestamp};

/// An event that has to leave, or has left.
#[derive(Clone, Debug)]
pub struct OutboxEvent {
    /// Identity, also towards the receiver.
    pub id: EventId,
    /// Whose it is.
    pub merchant: MerchantId,
    /// Test or live.
    pub mode: Mode,
    /// What happened, such as `card.captured`.
    pub kind: String,
    /// The thing that it happened to: an identity, never card data. Events of one subject leave in order.
    pub subject: String,
    /// The name of the courier that takes it, and behind a colon the receiver whose attempts are bounded by themselves.
    pub channel: String,
    /// Where to and what, sealed under the root key; empty once it was erased.
    pub sealed: Vec<u8>,
    /// When it is tried.
    pub schedule: Schedule,
    /// Whether the content is erased as soon as nothing is to be sent any more: it holds a link or a code.
    pub erases: bool,
    /// What has become of it.
    pub state: EventState,
    /// Attempts that were begun, counted from its writing or its last resend.
    pub attempts: u32,
    /// While it waits: when it may be leased. While it is leased: when the lease ends.
    pub due_at: Timestamp,
    /// When it was written; later for each event of a subject.
    pub created_at: Timestamp,
    /// When it came to its end.
    pub finished_at: Option<Timestamp>,
}

impl OutboxEvent {
    /// The name of the courier.
    pub fn courier(&self) -> &str {
        self.channel.split(':').next().unwrap_or_default()
    }

    /// Whether attempts at its receiver are bounded by themselves: it can be slow as long as it likes.
    pub fn is_bounded(&self) -> bool {
        self.channel.contains(':')
    }

    /// What its attempts are counted with: those at one such receiver, or all others of the merchant.
    pub fn lane(&self) -> String {
        if self.is_bounded() {
            format!("{} {}", self.merchant, self.channel)
        } else {
            self.merchant.to_string()
        }
    }
}

/// What has become of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventState {
    /// It waits, and later events of its subject wait behind it.
    Waiting,
    /// It was sent again by hand: it waits for itself alone.
    Resent,
    /// The receiver has taken it.
    Accepted,
    /// No more attempts.
    GivenUp,
    /// What it told of was deleted before it left.
    Dropped,
}

impl EventState {
    const ALL: [(Self, i64, &'static str); 5] = [
        (Self::Waiting, 0, "waiting"),
        (Self::Resent, 1, "waiting"),
        (Self::Accepted, 2, "accepted"),
        (Self::GivenUp, 3, "given_up"),
        (Self::Dropped, 4, "dropped"),
    ];

    /// The number in storage; below 2 something is still to be done.
    pub fn number(self) -> i64 {
        Self::ALL.into_iter().find(|(state, ..)| *state == self).map_or(4, |(_, number, _)| number)
    }

    /// The state of a stored number.
    pub fn parse(number: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|(_, known, _)| *known == number).map(|(state, ..)| state)
    }

    /// The name in answers.
    pub fn as_str(self) -> &'static str {
        Self::ALL.into_iter().find(|(state, ..)| *state == self).map_or("dropped", |(.., name)| name)
    }

    /// Whether it is still to be sent.
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Waiting | Self::Resent)
    }
}

/// When an event is tried: a named list of waits, and how many attempts there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schedule {
    waits: Waits,
    most: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waits {
    /// The published waits of webhooks.
    Standard,
    /// The n-th retry comes n minutes after the attempt before it.
    Minutes,
    /// Ten minutes each.
    Tens,
}

/// Seconds before each attempt, counted from the one before; the last is repeated.
const STANDARD: [u64; 10] =
    [0, 5, 5 * 60, 30 * 60, 2 * 3600, 5 * 3600, 10 * 3600, 14 * 3600, 20 * 3600, 24 * 3600];

impl Schedule {
    /// At once, then after 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 14 h, 20 h and 24 h.
    pub const STANDARD: Self = Self { waits: Waits::Standard, most: 10 };
    /// At once, then the n-th retry n minutes later, 100 of them.
    pub const MINUTES: Self = Self { waits: Waits::Minutes, most: 101 };

    /// At once, then every ten minutes for one hour.
    pub const TEN_MINUTES: Self = Self { waits: Waits::Tens, most: 7 };

    /// The same waits with this many attempts in all, at least one.
    #[must_use]
    pub fn attempts(self, most: u32) -> Self {
        Self { most: most.max(1), ..self }
    }

    /// How long to wait after so many attempts; `None` where no attempt is left.
    pub fn wait_after(self, attempts: u32) -> Option<Duration> {
        if attempts >= self.most {
            return None;
        }
        let seconds = match self.waits {
            Waits::Standard => {
                let step = usize::try_from(attempts).unwrap_or(usize::MAX).min(STANDARD.len() - 1);
                STANDARD.get(step).copied().unwrap_or_default()
            }
            Waits::Minutes => u64::from(attempts) * 60,
            Waits::Tens => u64::from(attempts.min(1)) * 600,
        };
        Some(Duration::from_secs(seconds))
    }

    /// Whether 200 alone accepts and no answer ends it early, as the interfaces with waits of their own have it
    /// (spec A.8, B.7).
    pub const fn asks_for_200(self) -> bool {
        matches!(self.waits, Waits::Minutes | Waits::Tens)
    }

    /// Reads the stored text, `standard/10`.
    pub fn parse(text: &str) -> Option<Self> {
        let (name, most) = text.split_once('/')?;
        let waits = match name {
            "standard" => Waits::Standard,
            "minutes" => Waits::Minutes,
            "tens" => Waits::Tens,
            _ => return None,
        };
        Some(Self { waits, most: most.parse().ok()? })
    }
}

impl std::fmt::Display for Schedule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = match self.waits {
            Waits::Standard => "standard",
            Waits::Minutes => "minutes",
            Waits::Tens => "tens",
        };
        write!(f, "{name}/{}", self.most)
    }
}

/// What a worker writes of an attempt that ended. The event is found by its lease: who has lost it writes nothing.
#[derive(Clone, Debug)]
pub struct Settlement {
    /// The event.
    pub event: EventId,
    /// The end of the lease under which the attempt ran.
    pub lease: Timestamp,
    /// What becomes of the event.
    pub state: EventState,
    /// When it is due again; of no meaning at its end.
    pub due_at: Timestamp,
    /// When it ended, if it did.
    pub finished_at: Option<Timestamp>,
    /// Whether its content goes.
    pub erase: bool,
}

/// One attempt, as the delivery log keeps it.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// The event.
    pub event: EventId,
    /// When it began.
    pub at: Timestamp,
    /// Its number since the writing or the last resend.
    pub number: u32,
    /// The receiver's status, if it answered with one.
    pub status: Option<u16>,
    /// What came of it, in words of ours.
    pub result: String,
    /// The head of the receiver's answer, at most 1 KB, without what looks like a card number.
    pub answer: String,
}

/// The secrets that a merchant's webhooks are signed with, in one mode.
#[derive(Clone, Debug)]
pub struct WebhookSecretRow {
    /// Whose.
    pub merchant: MerchantId,
    /// Test or live.
    pub mode: Mode,
    /// The secrets, sealed under the root key.
    pub sealed: Vec<u8>,
    /// When the present one was made.
    pub created_at: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waits(schedule: Schedule) -> Vec<u64> {
        (0..).map_while(|attempts| schedule.wait_after(attempts)).map(|wait| wait.as_secs()).collect()
    }

    #[test]
    fn the_standard_schedule_is_the_published_one() {
        let hours = [2, 5, 10, 14, 20, 24].map(|hours| hours * 3600);
        assert_eq!(waits(Schedule::STANDARD), [[0, 5, 300, 1800].as_slice(), &hours].concat());
        assert_eq!(waits(Schedule::STANDARD.attempts(2)), [0, 5]);
        assert_eq!(waits(Schedule::STANDARD.attempts(12))[9..], [86_400; 3]);
        assert_eq!(waits(Schedule::STANDARD.attempts(0)), [0]);
    }

    #[test]
    fn the_other_schedule_grows_by_a_minute() {
        let waits = waits(Schedule::MINUTES);
        assert_eq!((waits[0], waits[1], waits[100], waits.len()), (0, 60, 6000, 101));
    }

    #[test]
    fn the_schedule_of_transactions_lasts_an_hour() {
        assert_eq!(waits(Schedule::TEN_MINUTES), [0, 600, 600, 600, 600, 600, 600]);
    }

    #[test]
    fn schedules_and_states_come_back_as_stored() {
        let all =
            [Schedule::STANDARD, Schedule::MINUTES, Schedule::TEN_MINUTES, Schedule::STANDARD.attempts(3)];
        for schedule in all {
            assert_eq!(Schedule::parse(&schedule.to_string()), Some(schedule));
        }
        assert_eq!(Schedule::parse("hourly/3"), None);
        for (state, number, _) in EventState::ALL {
            assert_eq!((EventState::parse(number), state.number()), (Some(state), number));
            assert_eq!(state.is_open(), number < 2);
        }
    }
}
