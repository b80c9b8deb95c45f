//! The number that a record is stored under: of a card, or of a bank account.

use shared::{AccountNumber, Brand, CardNumber, Problem};

use super::members::pointer;
use crate::invalid::Invalid;

/// The number that a record is stored under, whatever its member is called.
#[derive(Debug)]
pub enum Number {
    /// Of a card.
    Card(CardNumber),
    /// Of a bank account.
    Account(AccountNumber),
}

impl Number {
    /// The digits. Callers hash, seal or send them; they never log or answer them.
    pub fn digits(&self) -> &str {
        match self {
            Self::Card(number) => number.digits(),
            Self::Account(number) => number.digits(),
        }
    }

    /// The brand of a card; accounts have none.
    pub fn brand(&self) -> Brand {
        match self {
            Self::Card(number) => number.brand(),
            Self::Account(_) => Brand::Other,
        }
    }

    /// The leading digits that may be shown.
    pub fn first_six(&self) -> &str {
        match self {
            Self::Card(number) => number.first_six(),
            Self::Account(_) => "",
        }
    }

    /// The last digits that may be shown.
    pub fn last_four(&self) -> &str {
        match self {
            Self::Card(number) => number.last_four(),
            Self::Account(number) => number.last_four(),
        }
    }
}

/// A number given outside the body (the query), by the rules of one inside.
pub fn number_alone(name: &str, text: &str) -> Result<Number, Invalid> {
    CardNumber::parse(text, true)
        .map(Number::Card)
        .map_err(|problem| number_problem(pointer("", name), problem))
}

/// What is wrong with a number; never the number.
pub fn number_problem(at: String, problem: Problem) -> Invalid {
    let detail = match problem {
        Problem::Missing => "A card number is needed.",
        Problem::Characters => "The card number may hold digits, spaces and dashes only.",
        Problem::TooShort => "The card number is too short.",
        Problem::TooLong => "The card number is too long.",
        _ => "The card number is not valid.",
    };
    Invalid::new(at, problem.code(), detail)
}
