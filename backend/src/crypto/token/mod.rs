//! Tokens that stand for card numbers (design decision 4). Deterministic ones come from a keyed HMAC and are
//! as good as the token key is secret; random ones hold nothing of the number (security rule 7).

use std::fmt;

use super::{
    Key32,
    entropy::{self, Entropy},
    hex, hmac_sha256, length,
};

/// What may stay visible of a number, and what must be hidden at least.
const MOST_LEADING: usize = 6;
const MOST_TRAILING: usize = 4;
const LEAST_HIDDEN: usize = 6;

/// How a token is made of a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// `full`: 64 hexadecimal characters.
    Full,
    /// `partial_{n}_start`: the first n digits (8 to 16) replaced.
    PartialStart(u8),
    /// `partial_{n}_end`: the last n digits (8 to 16) replaced.
    PartialEnd(u8),
    /// `partial_middle_{start}_{end}`: that many leading and trailing digits kept, the rest replaced.
    PartialMiddle {
        /// Leading digits kept.
        start: u8,
        /// Trailing digits kept.
        end: u8,
    },
    /// `luhn`: 16 digits that pass the Luhn check and start with 09, which no issuer's numbers do.
    Luhn,
    /// `random`: 64 hexadecimal characters that have nothing to do with the number.
    Random,
}

impl Algorithm {
    /// Reads the name as interfaces spell it; `None` if it is none of ours.
    pub fn parse(text: &str) -> Option<Self> {
        let parts: Vec<&str> = text.split('_').collect();
        let replaced = |n: &str| n.parse::<u8>().ok().filter(|n| (8..=16).contains(n));
        let algorithm = match *parts.as_slice() {
            ["full"] => Self::Full,
            ["luhn"] => Self::Luhn,
            ["random"] => Self::Random,
            ["partial", n, "start"] => Self::PartialStart(replaced(n)?),
            ["partial", n, "end"] => Self::PartialEnd(replaced(n)?),
            ["partial", "middle", start, end] => {
                Self::PartialMiddle { start: start.parse().ok()?, end: end.parse().ok()? }
            }
            _ => return None,
        };
        // One spelling each: `+8` and `08` parse as numbers too.
        (algorithm.to_string() == text).then_some(algorithm)
    }

    /// How many leading and trailing digits of a number of this length stay, if the algorithm keeps any and
    /// may.
    fn kept(self, digits: usize) -> Option<(usize, usize)> {
        let (leading, trailing) = match self {
            Self::PartialStart(n) => (0, digits.saturating_sub(usize::from(n))),
            Self::PartialEnd(n) => (digits.saturating_sub(usize::from(n)), 0),
            Self::PartialMiddle { start, end } => (usize::from(start), usize::from(end)),
            Self::Full | Self::Luhn | Self::Random => return None,
        };
        // The last four are shown beside the token, so of a short number fewer than six may lead.
        let allowed = leading <= digits.saturating_sub(MOST_TRAILING + LEAST_HIDDEN).min(MOST_LEADING)
            && trailing <= MOST_TRAILING
            && leading + trailing + LEAST_HIDDEN <= digits;
        allowed.then_some((leading, trailing))
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => f.write_str("full"),
            Self::PartialStart(n) => write!(f, "partial_{n}_start"),
            Self::PartialEnd(n) => write!(f, "partial_{n}_end"),
            Self::PartialMiddle { start, end } => write!(f, "partial_middle_{start}_{end}"),
            Self::Luhn => f.write_str("luhn"),
            Self::Random => f.write_str("random"),
        }
    }
}

/// A vault key's key for deterministic tokens. Kept wrapped; wiped on drop.
#[derive(Debug)]
pub struct TokenKey(Key32);

impl TokenKey {
    /// Of an unwrapped key.
    pub fn new(key: Key32) -> Self {
        Self(key)
    }

    /// A new random key.
    pub fn generate(entropy: &dyn Entropy) -> Self {
        Self(entropy::key(entropy))
    }

    /// The key itself, for wrapping.
    pub fn key(&self) -> &Key32 {
        &self.0
    }
}

/// The token of a number, given as normalised digits.
///
/// `attempt` starts at 0; where the token is already taken by another number, the caller asks for the next
/// one. `full` and `random` do not collide and ignore it. A partial token that would show more than the first
/// six and last four digits, or hide fewer than six, becomes `full`.
pub fn token(
    key: &TokenKey,
    algorithm: Algorithm,
    number: &str,
    attempt: u32,
    entropy: &dyn Entropy,
) -> String {
    match algorithm {
        Algorithm::Full => full(key, number),
        Algorithm::Luhn => luhn(key, number, attempt),
        Algorithm::Random => hex(&entropy::bytes::<32>(entropy)),
        Algorithm::PartialStart(_) | Algorithm::PartialEnd(_) | Algorithm::PartialMiddle { .. } => {
            partial(key, algorithm, number, attempt).unwrap_or_else(|| full(key, number))
        }
    }
}

/// hex(HMAC-SHA256(token key, "cardamom token v1" | 0 | number)).
fn full(key: &TokenKey, number: &str) -> String {
    hex(&digest(key, b"cardamom token v1", 0, number))
}

/// The digits that may stay, and between them the head of the full token, or of the attempt's own digest.
fn partial(key: &TokenKey, algorithm: Algorithm, number: &str, attempt: u32) -> Option<String> {
    let digits = Some(number.len()).filter(|_| number.bytes().all(|byte| byte.is_ascii_digit()))?;
    let (leading, trailing) = algorithm.kept(digits)?;
    let (head, rest) = number.split_at_checked(leading)?;
    let (hidden, tail) = rest.split_at_checked(rest.len().checked_sub(trailing)?)?;
    let mut counter = attempt.checked_mul(ROUNDS)?;
    for _ in 0..ROUNDS {
        let digest = hex(&digest(key, b"cardamom token v1", counter, number));
        let filling = digest.get(..hidden.len())?;
        // With a letter in it a token cannot be taken for a card number, by a person or by a scanner.
        if filling.contains(|c: char| c.is_ascii_lowercase()) {
            return Some([head, filling, tail].concat());
        }
        counter = counter.checked_add(1)?;
    }
    None
}

/// How many digests are tried for one with a letter in its head: six digits in a row are 6 % of them.
const ROUNDS: u32 = 64;

/// `09`, 13 digits of HMAC-SHA256(token key, "cardamom luhn v1" | attempt | number), check digit.
fn luhn(key: &TokenKey, number: &str, attempt: u32) -> String {
    let digest = digest(key, b"cardamom luhn v1", attempt, number);
    let (head, _) = digest.split_at(16);
    let value = head.iter().fold(0_u128, |value, byte| (value << 8) | u128::from(*byte));
    let payload = format!("09{:013}", value % 10_u128.pow(13));
    format!("{payload}{}", shared::digits::luhn_check_digit(&payload))
}

fn digest(key: &TokenKey, domain: &[u8], counter: u32, number: &str) -> [u8; 32] {
    let number = number.as_bytes();
    let counter = counter.to_be_bytes();
    hmac_sha256(&key.0, &[&length(domain), domain, &counter, &length(number), number])
}

#[cfg(test)]
mod tests;
