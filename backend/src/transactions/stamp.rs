//! Timestamps of the gateway interface: `yyyymmddhhmmss` in UTC.

use std::time::Duration;

use crate::model::Timestamp;

/// Writes a time.
pub fn write(time: Timestamp) -> String {
    time.rfc3339().chars().filter(char::is_ascii_digit).take(14).collect()
}

/// Reads a timestamp; one of 13 digits, whose hour has one digit, where `short` allows it.
pub fn parse(text: &str, short: bool) -> Option<Timestamp> {
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let (date, time) = (text.get(..8)?, text.get(8..)?);
    let time = match time.len() {
        6 => time.to_owned(),
        5 if short => format!("0{time}"),
        _ => return None,
    };
    let part = |text: &str, from: usize, to: usize| text.get(from..to).map(str::to_owned);
    let (year, month, day) = (part(date, 0, 4)?, part(date, 4, 6)?, part(date, 6, 8)?);
    let (hour, minute, second) = (part(&time, 0, 2)?, part(&time, 2, 4)?, part(&time, 4, 6)?);
    let read = Timestamp::parse(&format!("{year}-{month}-{day}T{hour}:{minute}:{second}Z"))?;
    // Years that clients live in: what looks like a time beyond them is a number.
    (2000..2100).contains(&read.year_month().year).then_some(read)
}

/// Whether two times are at most so far apart.
pub fn is_within(one: Timestamp, other: Timestamp, window: Duration) -> bool {
    let apart = one.millis().abs_diff(other.millis());
    u128::from(apart) <= window.as_millis()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_are_read_and_written() {
        let time = parse("20201124154420", false).unwrap();
        assert_eq!(
            (time.rfc3339().as_str(), write(time).as_str()),
            ("2020-11-24T15:44:20Z", "20201124154420")
        );
        assert_eq!(parse("2020112454420", true).map(write).as_deref(), Some("20201124054420"));
        assert_eq!(parse("2020112454420", false), None);
        for wrong in
            ["", "20201324154420", "20201124250000", "2020112415442x", "202011241544200", "41111111111111"]
        {
            assert_eq!(parse(wrong, true), None, "{wrong}");
        }
    }

    #[test]
    fn a_window_has_two_sides() {
        let (now, window) = (Timestamp::from_millis(1_000_000), Duration::from_secs(10));
        assert!([990_000, 1_010_000].into_iter().all(|at| is_within(
            Timestamp::from_millis(at),
            now,
            window
        )));
        assert!([989_999, 1_010_001].into_iter().all(|at| !is_within(
            Timestamp::from_millis(at),
            now,
            window
        )));
    }
}
