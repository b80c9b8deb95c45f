//! Formatting while a person types: digits grouped by brand, and the caret kept at the digit where it was.

use crate::{Brand, digits};

/// A text with the caret's place, counted in UTF-16 units as browsers do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edited {
    /// The text to show.
    pub text: String,
    /// Where the caret belongs in it.
    pub caret: usize,
}

/// What the person did, as far as it matters for the caret: a gap that is put back must not stop a deletion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Typed, pasted, dropped or filled in.
    Insert,
    /// Deleted to the left, or a selection.
    Backward,
    /// Deleted to the right.
    Forward,
}

impl Kind {
    /// The kind of an `inputType` (W3C Input Events).
    pub fn of(input_type: &str) -> Self {
        match input_type.strip_prefix("delete") {
            None => Self::Insert,
            Some(rest) if rest.ends_with("Forward") => Self::Forward,
            Some(_) => Self::Backward,
        }
    }
}

/// More digits than any number has, so that a digit inserted into a full number drops none: the person sees that
/// there are too many.
const MOST_DIGITS: usize = 32;

/// Groups a card number as its brand prints it; what is not a digit is dropped. The caret stays between the two
/// digits where it was: before a gap, and behind it after a deletion to the right.
pub fn number(text: &str, caret: usize, kind: Kind) -> Edited {
    let (digits, before) = collect(text, caret, MOST_DIGITS);
    let brand = Brand::of(&digits);
    let mut out = String::with_capacity(40);
    let mut place = 0;
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && starts_group(brand, index, digits.len()) {
            out.push(' ');
            if index == before && kind == Kind::Forward {
                place = out.len();
            }
        }
        out.push(digit);
        if index + 1 == before {
            place = out.len();
        }
    }
    Edited { caret: place, text: out }
}

/// Formats an expiry as `MM / YY`. A month that can have one digit only gets its zero, and so does one that a
/// separator ends. Text in another usual order (`2031-05`, four-digit years) is turned into this one. A digit
/// too many is not taken, unless it continues a year of four digits.
pub fn expiry(text: &str, caret: usize, kind: Kind) -> Edited {
    if let Some(whole) = whole_expiry(text) {
        return Edited { caret: whole.len(), text: whole };
    }
    let mut parts = Parts::of(text, caret);
    if kind == Kind::Insert {
        parts.complete();
    }
    parts.show(kind)
}

/// Digits without gaps, at most `longest`: a security code, the numbers of a bank account.
pub fn run(text: &str, caret: usize, longest: usize) -> Edited {
    let (run, before) = collect(text, caret, longest);
    Edited { text: run, caret: before }
}

/// The digits of a text as ASCII, at most `most`, and how many of them stand before the caret.
fn collect(text: &str, caret: usize, most: usize) -> (String, usize) {
    let mut run = String::with_capacity(most);
    let (mut units, mut before) = (0, 0);
    for c in text.chars() {
        if let Some(value) = digits::value(c).filter(|_| run.len() < most) {
            run.push(char::from(b'0' + value));
            before += usize::from(units < caret);
        }
        units += c.len_utf16();
    }
    (run, before)
}

fn starts_group(brand: Brand, index: usize, length: usize) -> bool {
    // A brand's own grouping holds for its usual length only; longer numbers are read in fours.
    let groups = brand.groups();
    let usual: usize = groups.iter().map(|&g| usize::from(g)).sum();
    if length > usual && usual < 16 {
        return index.is_multiple_of(4);
    }
    let mut start = 0;
    for &group in groups {
        start += usize::from(group);
        if index == start {
            return true;
        }
    }
    index > usual && (index - usual).is_multiple_of(4)
}

/// An expiry while it is typed.
struct Parts {
    run: String,
    /// How many digits stand before the caret.
    before: usize,
    /// How many digits the month has: those before the separator, else at most two.
    month: usize,
    /// Whether a separator stands behind the month, and whether the caret is behind that.
    separated: bool,
    left: bool,
}

impl Parts {
    fn of(text: &str, caret: usize) -> Self {
        let (run, before) = collect(text, caret, 8);
        let (mut units, mut month, mut found) = (0, 0, None);
        for c in text.chars() {
            if found.is_none() {
                month += usize::from(digits::value(c).is_some());
                found = matches!(c, '/' | '.' | '-' | '／').then_some(units);
            }
            units += c.len_utf16();
        }
        let month = month.min(2);
        Self { run, before, month, separated: found.is_some(), left: found.is_some_and(|at| caret > at) }
    }

    /// Gives the month its zero, and gives up a digit that has no place.
    fn complete(&mut self) {
        let first = self.run.as_bytes().first().copied().unwrap_or(b'0');
        let single = self.month == 1 || !self.separated;
        if single && (first > b'1' || (first == b'1' && self.month == 1 && self.left)) {
            self.run.insert(0, '0');
            self.before += usize::from(self.before > 0);
            self.month = 2;
        }
        let year = self.run.get(self.month..).unwrap_or_default();
        let most = self.month + if year.starts_with("20") { 4 } else { 2 };
        while self.run.len() > most {
            let surplus = if self.before > 0 { self.before - 1 } else { self.run.len() - 1 };
            self.run.remove(surplus);
            self.before = self.before.saturating_sub(1);
        }
    }

    fn show(mut self, kind: Kind) -> Edited {
        let month_only = self.run.len() <= self.month && (self.month < 2 || kind != Kind::Insert);
        if self.run.is_empty() || month_only {
            return Edited { text: self.run, caret: self.before };
        }
        let tail = self.run.split_off(self.month.min(self.run.len()));
        let behind = match kind {
            Kind::Insert => self.before > self.month || (self.before == self.month && self.month == 2),
            Kind::Backward => self.before > self.month,
            Kind::Forward => self.before >= self.month,
        };
        let caret = self.before + if behind { 3 } else { 0 };
        Edited { text: format!("{} / {tail}", self.run), caret }
    }
}

/// `MM / YY` of a text that is a whole expiry with a year of four digits, as pasted or filled by the browser.
fn whole_expiry(text: &str) -> Option<String> {
    let count = text.chars().filter(|&c| digits::value(c).is_some()).count();
    if !(5..=6).contains(&count) {
        return None;
    }
    let expiry = crate::Expiry::parse(text).ok()?;
    Some(format!("{:02} / {:02}", expiry.month(), expiry.year() % 100))
}

#[cfg(test)]
mod tests;
