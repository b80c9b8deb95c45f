//! The merchant's reference: part of a stored card's identity, chosen by the merchant or typed on the form.

use crate::{Problem, digits, holder::is_unprintable};

/// The most bytes of a reference.
pub const MAX_BYTES: usize = 255;

/// Checks a reference. Answers it unchanged: a reference is an identity, so it is never trimmed or folded.
pub fn parse(text: &str) -> Result<&str, Problem> {
    if text.trim().is_empty() {
        return Err(Problem::Missing);
    }
    if text.len() > MAX_BYTES {
        return Err(Problem::TooLong);
    }
    if text.chars().any(is_unprintable) {
        return Err(Problem::Characters);
    }
    if digits::holds_card_number(text) {
        return Err(Problem::HoldsNumber);
    }
    Ok(text)
}
