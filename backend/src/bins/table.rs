//! The table in memory: leading digits in order, five texts for each, and every text once.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};

use crate::model::{BinRange, Issuer};

/// The fewest and the most leading digits.
pub const SHORTEST: usize = 6;
pub const LONGEST: usize = 11;

/// Issuers by leading digits.
#[derive(Default)]
pub struct Table {
    /// Length above, digits as a number below: sorted, each with its line beside it.
    codes: Vec<u64>,
    lines: Vec<[u32; 5]>,
    texts: Texts,
}

/// A table while it is read.
#[derive(Default)]
pub struct Builder {
    lines: Vec<(u64, [u32; 5])>,
    texts: Texts,
    /// Where a text stands, by its hash. Two texts of one hash both stand, and one of them more than once.
    known: HashMap<u64, u32>,
    hasher: RandomState,
}

/// Texts one behind the other, and where each ends.
#[derive(Default)]
struct Texts {
    all: String,
    ends: Vec<u32>,
}

impl Builder {
    /// Adds a line. Digits out of bounds are passed by; storage holds none.
    pub fn add(&mut self, range: &BinRange) {
        let Some(code) = code(&range.prefix) else { return };
        let Issuer { brand, bank, country, kind, level } = &range.issuer;
        let line = [brand, bank, country, kind, level].map(|text| self.text(text));
        self.lines.push((code, line));
    }

    /// The table of the lines so far.
    pub fn finish(mut self) -> Table {
        drop(std::mem::take(&mut self.known));
        self.lines.sort_unstable_by_key(|(code, _)| *code);
        self.lines.dedup_by_key(|(code, _)| *code);
        let codes = self.lines.iter().map(|(code, _)| *code).collect();
        let lines = self.lines.iter().map(|(_, line)| *line).collect();
        self.texts.all.shrink_to_fit();
        self.texts.ends.shrink_to_fit();
        Table { codes, lines, texts: self.texts }
    }

    fn text(&mut self, text: &str) -> u32 {
        let hash = self.hasher.hash_one(text);
        match self.known.get(&hash) {
            Some(&known) if self.texts.find(known) == text => known,
            _ => {
                let added = self.texts.add(text);
                self.known.insert(hash, added);
                added
            }
        }
    }
}

impl Texts {
    fn add(&mut self, text: &str) -> u32 {
        self.all.push_str(text);
        self.ends.push(u32::try_from(self.all.len()).unwrap_or(u32::MAX));
        u32::try_from(self.ends.len() - 1).unwrap_or(u32::MAX)
    }

    fn find(&self, index: u32) -> &str {
        let index = index as usize;
        let start =
            index.checked_sub(1).and_then(|before| self.ends.get(before)).map_or(0, |end| *end as usize);
        let end = self.ends.get(index).map_or(start, |end| *end as usize);
        self.all.get(start..end).unwrap_or_default()
    }
}

impl Table {
    /// How many lines.
    pub fn len(&self) -> usize {
        self.codes.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.codes.is_empty()
    }

    /// Bytes that the table holds.
    pub fn bytes(&self) -> usize {
        self.codes.capacity() * size_of::<u64>()
            + self.lines.capacity() * size_of::<[u32; 5]>()
            + self.texts.all.capacity()
            + self.texts.ends.capacity() * size_of::<u32>()
    }

    /// The issuer by the longest leading digits that are known.
    pub fn find(&self, digits: &str) -> Option<Issuer> {
        (SHORTEST..=LONGEST).rev().find_map(|length| self.line(code(digits.get(..length)?)?))
    }

    /// The issuer by six digits, where no longer ones that begin so are known.
    pub fn find_certain(&self, six: &str) -> Option<Issuer> {
        let value = number(six.get(..SHORTEST).filter(|_| six.len() == SHORTEST)?)?;
        let longer = (SHORTEST + 1..=LONGEST).any(|length| {
            let scale = 10_u64.pow(u32::try_from(length - SHORTEST).unwrap_or(0));
            let first = packed(length, value * scale);
            let place = self.codes.partition_point(|code| *code < first);
            self.codes.get(place).is_some_and(|code| *code < packed(length, (value + 1) * scale))
        });
        if longer { None } else { self.line(packed(SHORTEST, value)) }
    }

    fn line(&self, code: u64) -> Option<Issuer> {
        let line = self.lines.get(self.codes.binary_search(&code).ok()?)?;
        let [brand, bank, country, kind, level] = line.map(|index| self.texts.find(index).to_owned());
        Some(Issuer { brand, bank, country, kind, level })
    }
}

/// The code of leading digits within bounds.
fn code(prefix: &str) -> Option<u64> {
    (SHORTEST..=LONGEST)
        .contains(&prefix.len())
        .then(|| number(prefix))?
        .map(|value| packed(prefix.len(), value))
}

fn number(digits: &str) -> Option<u64> {
    if digits.bytes().all(|b| b.is_ascii_digit()) { digits.parse().ok() } else { None }
}

/// Eleven digits take 37 bits.
fn packed(length: usize, value: u64) -> u64 {
    (length as u64) << 40 | value
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(prefix: &str, bank: &str) -> BinRange {
        let issuer = Issuer { bank: bank.to_owned(), country: "DE".to_owned(), ..Issuer::default() };
        BinRange { prefix: prefix.to_owned(), issuer }
    }

    fn table(lines: &[(&str, &str)]) -> Table {
        let mut builder = Builder::default();
        for (prefix, bank) in lines {
            builder.add(&range(prefix, bank));
        }
        builder.finish()
    }

    #[test]
    fn the_longest_leading_digits_win() {
        let table =
            table(&[("411111", "six"), ("41111111", "eight"), ("41111111111", "eleven"), ("000000", "zero")]);
        for (digits, bank) in [
            ("4111112222222222", Some("six")),
            ("4111111122222222", Some("eight")),
            ("4111111111111111", Some("eleven")),
            ("4111110", Some("six")),
            ("0000001", Some("zero")),
            ("4222222222222222", None),
            ("41111", None),
            ("", None),
        ] {
            assert_eq!(table.find(digits).map(|issuer| issuer.bank).as_deref(), bank, "{digits}");
        }
    }

    #[test]
    fn six_digits_are_certain_where_no_longer_ones_begin_so() {
        let table =
            table(&[("411111", "six"), ("41111199", "eight"), ("422222", "alone"), ("43333300", "long")]);
        let certain = |six: &str| table.find_certain(six).map(|issuer| issuer.bank);
        assert_eq!((certain("411111"), certain("422222")), (None, Some("alone".to_owned())));
        assert_eq!((certain("433333"), certain(""), certain("4222222")), (None, None, None));
    }

    #[test]
    fn half_a_million_lines_fit_into_sixty_four_megabytes() {
        let before = resident();
        let mut builder = Builder::default();
        for number in 0..500_000_u32 {
            // As many banks as there may be in the world, and all the other texts repeated.
            let mut line = range(
                &format!("{:08}", 10_000_000 + number),
                &format!("Savings bank of the town {}", number % 50_000),
            );
            line.issuer.brand = ["VISA", "MASTERCARD", "AMEX"][number as usize % 3].to_owned();
            line.issuer.level = format!("LEVEL {}", number % 40);
            builder.add(&line);
        }
        let table = builder.finish();
        let peak = peak();
        assert_eq!(table.len(), 500_000);
        assert_eq!(table.find("1012345699999999").unwrap().bank, "Savings bank of the town 23456");
        assert!(table.bytes() < 24 << 20, "{}", table.bytes());
        // The process's own count, with what was needed to build it. Each test runs in a process of its own.
        assert!(peak - before < 64 << 20, "{}", peak - before);
    }

    fn resident() -> usize {
        status("VmRSS:")
    }

    fn peak() -> usize {
        status("VmHWM:")
    }

    /// A line of the process's status, in bytes.
    fn status(name: &str) -> usize {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() << 10
    }
}
