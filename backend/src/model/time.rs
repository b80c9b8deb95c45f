//! Time and mode: milliseconds since the epoch, the clock that hands them out, and test against live.

use std::time::{Duration, SystemTime};

use shared::YearMonth;

/// A point in time: milliseconds since 1970-01-01 UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// From milliseconds since the epoch.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the epoch.
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// Later by a duration; saturates.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)))
    }

    /// Earlier by a duration; saturates.
    #[must_use]
    pub fn minus(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)))
    }

    /// Whole minutes since the epoch: the window of per-minute limits.
    pub const fn minute(self) -> i64 {
        self.0.div_euclid(60_000)
    }

    /// Whole hours since the epoch: the window of a CVV key.
    pub const fn hour(self) -> i64 {
        self.0.div_euclid(3_600_000)
    }

    /// RFC 3339 in UTC with seconds, as the vault interface writes times.
    pub fn rfc3339(self) -> String {
        jiff::Timestamp::from_second(self.0.div_euclid(1000))
            .map_or_else(|_| String::new(), |t| t.to_string())
    }

    /// Date and time in UTC without a zone, as the booking interface writes times (spec B.4).
    pub fn zoneless(self) -> String {
        self.rfc3339().trim_end_matches('Z').to_owned()
    }

    /// Reads a date and a time; without a zone it is UTC (spec B.4). A date alone is its midnight.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if let Ok(with_zone) = text.parse::<jiff::Timestamp>() {
            return Some(Self(with_zone.as_millisecond()));
        }
        let civil: jiff::civil::DateTime = text.parse().ok()?;
        let zoned = civil.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
        Some(Self(zoned.timestamp().as_millisecond()))
    }

    /// The month in which this lies, as `YYYY-MM`, in UTC.
    pub fn month(self) -> String {
        let YearMonth { year, month } = self.year_month();
        format!("{year:04}-{month:02}")
    }

    /// The first moments of a month, written as `YYYY-MM`, and of the next one, in UTC.
    pub fn month_bounds(text: &str) -> Option<(Self, Self)> {
        let (year, month) = text.split_once('-')?;
        if year.len() != 4 || month.len() != 2 || !text.bytes().all(|b| b.is_ascii_digit() || b == b'-') {
            return None;
        }
        let first = jiff::civil::Date::new(year.parse().ok()?, month.parse().ok()?, 1).ok()?;
        let next = first.checked_add(jiff::Span::new().months(1)).ok()?;
        let at = |date: jiff::civil::Date| {
            let midnight = date.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
            Some(Self(midnight.timestamp().as_millisecond()))
        };
        Some((at(first)?, at(next)?))
    }

    /// The month in which this lies, in UTC.
    pub fn year_month(self) -> YearMonth {
        let date = jiff::Timestamp::from_millisecond(self.0)
            .map_or(jiff::civil::Date::MIN, |t| t.to_zoned(jiff::tz::TimeZone::UTC).date());
        YearMonth {
            year: u16::try_from(date.year()).unwrap_or(0),
            month: u8::try_from(date.month()).unwrap_or(1),
        }
    }
}

/// Where the present time comes from. Tests pass one of their own.
pub trait Clock: Send + Sync {
    /// The present time.
    fn now(&self) -> Timestamp;
}

/// The machine's clock.
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the system's clock")]
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }
}

/// Test and live data never mix: the mode is the credential's, and part of every key and ciphertext.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Real cards.
    Live,
    /// Test cards.
    Test,
}

impl Mode {
    /// The name in storage, bindings and answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Test => "test",
        }
    }

    /// The mode of a stored name.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "live" => Some(Self::Live),
            "test" => Some(Self::Test),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_the_interface_writes_them() {
        let time = Timestamp::from_millis(1_658_763_779_123);
        assert_eq!(time.rfc3339(), "2022-07-25T15:42:59Z");
        assert_eq!(time.year_month(), YearMonth { year: 2022, month: 7 });
        assert_eq!(time.zoneless(), "2022-07-25T15:42:59");
    }

    #[test]
    fn months_begin_and_end_at_midnight() {
        let (from, before) = Timestamp::month_bounds("2024-02").unwrap();
        assert_eq!(
            (from.rfc3339(), before.rfc3339()),
            ("2024-02-01T00:00:00Z".into(), "2024-03-01T00:00:00Z".into())
        );
        assert_eq!(
            (from.month(), before.minus(Duration::from_millis(1)).month()),
            ("2024-02".into(), "2024-02".into())
        );
        for text in ["", "2024", "2024-13", "2024-00", "24-02", "2024-2", "-024-02", "2024-02-01", "+024-02"]
        {
            assert!(Timestamp::month_bounds(text).is_none(), "{text}");
        }
    }

    #[test]
    fn times_without_a_zone_are_utc() {
        for (text, millis) in [
            ("2022-07-25T15:42:59", 1_658_763_779_000),
            ("2022-07-25T15:42:59Z", 1_658_763_779_000),
            ("2022-07-25T17:42:59+02:00", 1_658_763_779_000),
            ("2022-07-25 15:42:59", 1_658_763_779_000),
            ("2022-07-25", 1_658_707_200_000),
        ] {
            assert_eq!(Timestamp::parse(text), Some(Timestamp(millis)), "{text}");
        }
        assert!(["", "tomorrow", "25.07.2022", "15:42"].iter().all(|text| Timestamp::parse(text).is_none()));
    }
}
