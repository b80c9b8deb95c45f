//! Expiry dates: month and year in the forms that people type, browsers fill and merchants send.

use crate::{Problem, digits};

/// A month of a year, used for "today" as well as for expiries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct YearMonth {
    /// Four digits.
    pub year: u16,
    /// 1 to 12.
    pub month: u8,
}

impl YearMonth {
    /// As attributes and rows hold it: `2031-05`.
    pub fn written(self) -> String {
        format!("{:04}-{:02}", self.year, self.month)
    }

    /// Reads what `written` wrote.
    pub fn read(text: &str) -> Option<Self> {
        let (year, month) = text.split_once('-')?;
        let read = Self { year: year.parse().ok()?, month: month.parse().ok()? };
        (1..=12).contains(&read.month).then_some(read)
    }
}

/// The month after whose end a card is no longer valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Expiry(YearMonth);

/// Month and year that were chosen from two lists as one text; empty as long as either is.
pub fn joined(month: &str, year: &str) -> String {
    if month.is_empty() || year.is_empty() { String::new() } else { [month, " / ", year].concat() }
}

/// No scheme issues cards for longer than this many years.
pub const FARTHEST_YEARS: u16 = 20;

impl Expiry {
    /// A month (1 to 12) of a year with four digits.
    pub fn new(year: u16, month: u8) -> Result<Self, Problem> {
        if !(1..=12).contains(&month) {
            return Err(Problem::Month);
        }
        if !(2000..=2099).contains(&year) {
            return Err(Problem::Format);
        }
        Ok(Self(YearMonth { year, month }))
    }

    /// Reads `MM/YY`, `MM/YYYY`, `M/YY`, `MMYY`, `MMYYYY`, `YYYY-MM`, with `/`, `-`, `.` or spaces between, in
    /// digits of any script. Says nothing about whether the date has passed: see `check_for_form`.
    pub fn parse(text: &str) -> Result<Self, Problem> {
        let mut parts = [0_u32; 2];
        let mut widths = [0_usize; 2];
        let mut part = 0;
        for c in text.trim().chars() {
            if let Some(value) = digits::value(c) {
                let (Some(number), Some(width)) = (parts.get_mut(part), widths.get_mut(part)) else {
                    return Err(Problem::Format);
                };
                *width += 1;
                if *width > 6 {
                    return Err(Problem::Format);
                }
                *number = *number * 10 + u32::from(value);
            } else if digits::is_separator(c) || matches!(c, '/' | '.' | '\u{FF0F}') {
                // Several separators in a row ("05 / 31") end a part once.
                part += usize::from(widths.get(part).is_some_and(|&width| width > 0));
            } else {
                return Err(Problem::Characters);
            }
        }
        assemble(parts, widths)
    }

    /// Year with four digits.
    pub const fn year(self) -> u16 {
        self.0.year
    }

    /// Month, 1 to 12.
    pub const fn month(self) -> u8 {
        self.0.month
    }

    /// Whether the card's last month lies before a month: that of today, or that until which it has to be valid.
    pub fn is_past(self, month: YearMonth) -> bool {
        self.0 < month
    }

    /// The form's rule: not past, and not farther away than any card is valid.
    pub fn check_for_form(self, today: YearMonth) -> Result<(), Problem> {
        if self.is_past(today) {
            Err(Problem::Past)
        } else if self.0.year > today.year + FARTHEST_YEARS {
            Err(Problem::TooFar)
        } else {
            Ok(())
        }
    }

    /// `MM/YY`, the form in which cards print it.
    pub fn short(self) -> String {
        format!("{:02}/{:02}", self.0.month, self.0.year % 100)
    }
}

/// Makes a date of what was read: two parts, or one run of digits that is cut here. A run of six is
/// `MMYYYY`, or `YYYYMM` where the first pair is no month.
fn assemble([first, second]: [u32; 2], widths: [usize; 2]) -> Result<Expiry, Problem> {
    let (year, month) = match widths {
        [0, 0] => return Err(Problem::Missing),
        [4, 1 | 2] => (first, second),
        [1 | 2, 2] => (2000 + second, first),
        [1 | 2, 4] => (second, first),
        [3 | 4, 0] => (2000 + first % 100, first / 100),
        [6, 0] if (1..=12).contains(&(first / 10_000)) => (first % 10_000, first / 10_000),
        [6, 0] => (first / 100, first % 100),
        _ => return Err(Problem::Format),
    };
    let month = u8::try_from(month).map_err(|_| Problem::Month)?;
    Expiry::new(u16::try_from(year).map_err(|_| Problem::Format)?, month)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usual_forms_are_read() {
        let may = Expiry::new(2031, 5).unwrap();
        for text in [
            "05/31",
            "5/31",
            "05/2031",
            "05-2031",
            "05 / 31",
            "0531",
            "531",
            "052031",
            "2031-05",
            "203105",
            "05.31",
            "０５／３１",
            " 05/31 ",
        ] {
            assert_eq!(Expiry::parse(text), Ok(may), "{text}");
        }
    }

    #[test]
    fn garbage_is_refused() {
        assert_eq!(Expiry::parse("13/31"), Err(Problem::Month));
        assert_eq!(Expiry::parse("00/31"), Err(Problem::Month));
        assert_eq!(Expiry::parse(""), Err(Problem::Missing));
        assert_eq!(Expiry::parse("/"), Err(Problem::Missing));
        assert_eq!(Expiry::parse("ab/cd"), Err(Problem::Characters));
        for text in ["05/3", "05/31/07", "5", "0531207", "99999999999", "05/31999", "1/2/3"] {
            assert!(Expiry::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn months_are_written_and_read() {
        let may = YearMonth { year: 2031, month: 5 };
        assert_eq!((may.written().as_str(), YearMonth::read("2031-05")), ("2031-05", Some(may)));
        for text in ["", "2031", "2031-13", "2031-00", "2031-5x", "-05", "2031-"] {
            assert_eq!(YearMonth::read(text), None, "{text}");
        }
    }

    #[test]
    fn a_choice_from_lists_is_whole_or_nothing() {
        assert_eq!(Expiry::parse(&joined("05", "2031")), Expiry::new(2031, 5));
        assert_eq!(Expiry::parse(&joined("05", "1931")), Err(Problem::Format));
        for (month, year) in [("", ""), ("05", ""), ("", "2031")] {
            assert_eq!(Expiry::parse(&joined(month, year)), Err(Problem::Missing));
        }
    }

    #[test]
    fn a_card_is_valid_to_the_end_of_its_month() {
        let today = YearMonth { year: 2026, month: 11 };
        let parse = |text| Expiry::parse(text).unwrap();
        assert_eq!(parse("11/26").check_for_form(today), Ok(()));
        assert_eq!(parse("10/26").check_for_form(today), Err(Problem::Past));
        assert_eq!(parse("06-2025").check_for_form(today), Err(Problem::Past));
        assert_eq!(parse("11/47").check_for_form(today), Err(Problem::TooFar));
    }
}
