//! The life of a capture endpoint, in the notations that clients send (spec A.4).

use std::time::Duration;

/// How long an endpoint lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ttl {
    /// For so long.
    For(Duration),
    /// Until it is deleted.
    Endless,
}

/// Where none is given.
pub const DEFAULT: Duration = Duration::from_hours(24);
/// Longer lives are refused as absurd.
const LONGEST: Duration = Duration::from_hours(8784);

/// Reads ISO 8601 durations (`PT10M`, `P1DT2H`), the older unit notation (`45m`, `24h60m60s`), and the notations
/// of "never ends" (`0`, `0s`, `P0T`, `P0T0`, `PT0S`). Months and years have no fixed length and are refused.
pub fn parse(text: &str) -> Option<Ttl> {
    parse_up_to(text, LONGEST)
}

/// The same with another longest life.
pub fn parse_up_to(text: &str, longest: Duration) -> Option<Ttl> {
    if text.len() > 40 {
        return None;
    }
    if matches!(text, "0" | "P0T" | "P0T0") {
        return Some(Ttl::Endless);
    }
    let seconds = match text.strip_prefix('P') {
        Some(rest) => iso(rest)?,
        None => units(text, &[('h', 3600), ('m', 60), ('s', 1)])?,
    };
    match Duration::from_secs(seconds) {
        Duration::ZERO => Some(Ttl::Endless),
        life if life <= longest => Some(Ttl::For(life)),
        _ => None,
    }
}

/// What follows the `P`: days and weeks, then after a `T` hours, minutes and seconds.
fn iso(rest: &str) -> Option<u64> {
    let (days, time) = match rest.split_once('T') {
        Some((days, time)) if !time.is_empty() => (days, time),
        Some(_) => return None,
        None if rest.is_empty() => return None,
        None => (rest, ""),
    };
    let days = if days.is_empty() { 0 } else { units(days, &[('W', 7 * 86_400), ('D', 86_400)])? };
    let time = if time.is_empty() { 0 } else { units(time, &[('H', 3600), ('M', 60), ('S', 1)])? };
    days.checked_add(time)
}

/// A sum of numbers with units, in falling order of the units, each at most once.
fn units(text: &str, known: &[(char, u64)]) -> Option<u64> {
    let (mut sum, mut number, mut next) = (0_u64, None::<u64>, 0);
    for c in text.chars() {
        if let Some(digit) = c.to_digit(10) {
            number = Some(number.unwrap_or(0).checked_mul(10)?.checked_add(u64::from(digit))?);
            continue;
        }
        let place = known.iter().position(|(unit, _)| *unit == c)?;
        if place < next {
            return None;
        }
        next = place + 1;
        let (_, seconds) = known.get(place)?;
        sum = sum.checked_add(number.take()?.checked_mul(*seconds)?)?;
    }
    (number.is_none() && !text.is_empty()).then_some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_notations_are_read() {
        for (text, seconds) in [
            ("PT10M", 600),
            ("PT30M", 1800),
            ("P1D", 86_400),
            ("P1DT2H3M4S", 93_784),
            ("P2W", 1_209_600),
            ("45m", 2700),
            ("1h", 3600),
            ("24h60m60s", 90_060),
            ("PT90S", 90),
        ] {
            assert_eq!(parse(text), Some(Ttl::For(Duration::from_secs(seconds))), "{text}");
        }
        for text in ["0", "0s", "P0T", "P0T0", "PT0S", "P0D"] {
            assert_eq!(parse(text), Some(Ttl::Endless), "{text}");
        }
    }

    #[test]
    fn garbage_is_refused() {
        for text in [
            "",
            "P",
            "PT",
            "T10M",
            "10",
            "m",
            "-PT10M",
            "-5m",
            "PT10",
            "PT1.5H",
            "P1M",
            "P1Y",
            "PT1M1H",
            "1m1h",
            "PT10MX",
            "99999999999999999999h",
            "P400D",
            "９m",
            " PT1M",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
