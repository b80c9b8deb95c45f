//! The simulated scheme of test mode: two cards whose expiry chooses its answer (spec A.9). What it gives for a newer
//! card is a published test number.

use std::sync::Arc;

use async_trait::async_trait;
use shared::{Brand, CardNumber, Expiry};

use super::{Finding, Scheme, SchemeError};
use crate::model::Clock;
use crate::operations::GivenCard;

/// The Visa card of the table, and what it is replaced by.
const VISA: &str = "4000011180138710";
const NEW_VISA: &str = "4111111111111111";
/// The Mastercard of the table, and what it is replaced by.
const MASTERCARD: &str = "5100019221455924";
const NEW_MASTERCARD: &str = "5555555555554444";
/// Cards of the acquirer simulator, whose expiries choose a result too (spec B.9).
const ACQUIRER: [&str; 4] = ["5123817234060000", "5519283812030000", "4412397212080000", "4302912837020000"];
/// So many years longer is a newer card valid.
const YEARS: u16 = 3;

/// What the scheme has for a card.
#[derive(Clone, Copy)]
enum News {
    Nothing,
    Expiry,
    Number(&'static str),
}

/// Number, month and year of the expiry, the scheme's code, what there is.
const ANSWERS: [(&str, (u8, u16), &str, News); 14] = [
    (VISA, (1, 2017), "A", News::Number(NEW_VISA)),
    (VISA, (2, 2017), "C", News::Nothing),
    (VISA, (3, 2017), "E", News::Expiry),
    (VISA, (4, 2017), "N", News::Nothing),
    (VISA, (5, 2017), "P", News::Nothing),
    (VISA, (6, 2017), "Q", News::Nothing),
    (VISA, (7, 2017), "V", News::Nothing),
    (MASTERCARD, (1, 2016), "UPDATE/R", News::Number(NEW_MASTERCARD)),
    (MASTERCARD, (2, 2016), "UPDATE/B", News::Number(NEW_VISA)),
    (MASTERCARD, (3, 2016), "CONTAC/C", News::Nothing),
    (MASTERCARD, (4, 2016), "EXPIRY/E", News::Expiry),
    (MASTERCARD, (5, 2016), "VALID/V", News::Nothing),
    (MASTERCARD, (6, 2016), "UNKNWN/P", News::Nothing),
    (MASTERCARD, (7, 2016), "UNKNWN/N", News::Nothing),
];

/// Whether a number is one of the simulators', which have results for expiries in the past.
pub fn is_test_number(number: &str) -> bool {
    number == VISA || number == MASTERCARD || ACQUIRER.contains(&number)
}

/// The simulated scheme.
pub struct SimulatedScheme {
    /// Tells how long newer cards are valid.
    pub clock: Arc<dyn Clock>,
}

#[async_trait]
impl Scheme for SimulatedScheme {
    async fn look_up(&self, cards: &[GivenCard]) -> Result<Vec<Finding>, SchemeError> {
        let today = self.clock.now().year_month();
        cards
            .iter()
            .map(|card| {
                let later = Expiry::new(today.year + YEARS, card.expiry.month());
                let later = later.map_err(|_| SchemeError("no later expiry".to_owned()))?;
                find(card, later)
            })
            .collect()
    }
}

fn find(card: &GivenCard, later: Expiry) -> Result<Finding, SchemeError> {
    let chosen = (card.expiry.month(), card.expiry.year());
    let known =
        ANSWERS.iter().find(|(number, expiry, ..)| *number == card.number.digits() && *expiry == chosen);
    let Some((_, _, code, news)) = known else {
        // Any other card is as it was.
        let code = if card.number.brand() == Brand::Visa { "V" } else { "VALID/V" };
        return Ok(Finding { code: code.to_owned(), number: None, expiry: None });
    };
    let (number, expiry) = match news {
        News::Nothing => (None, None),
        News::Expiry => (None, Some(later)),
        News::Number(digits) => {
            let number = CardNumber::parse(digits, true);
            (Some(number.map_err(|_| SchemeError("no number".to_owned()))?), Some(later))
        }
    };
    Ok(Finding { code: (*code).to_owned(), number, expiry })
}

#[cfg(test)]
mod tests {
    use zeroize::Zeroizing;

    use super::*;

    fn look_up(number: &str, month: u8, year: u16) -> (String, Option<String>, Option<String>) {
        let card = GivenCard {
            number: CardNumber::parse(number, true).unwrap(),
            expiry: Expiry::new(year, month).unwrap(),
            holder: Zeroizing::default(),
            cvv: None,
        };
        let finding = find(&card, Expiry::new(2030, month).unwrap()).unwrap_or_else(|_| panic!("no answer"));
        let number = finding.number.map(|number| number.digits().to_owned());
        (finding.code, number, finding.expiry.map(Expiry::short))
    }

    #[test]
    fn every_trigger_has_its_answer() {
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(look_up(VISA, 1, 2017), ("A".to_owned(), some(NEW_VISA), some("01/30")));
        assert_eq!(look_up(VISA, 3, 2017), ("E".to_owned(), None, some("03/30")));
        assert_eq!(
            look_up(MASTERCARD, 1, 2016),
            ("UPDATE/R".to_owned(), some(NEW_MASTERCARD), some("01/30"))
        );
        assert_eq!(look_up(MASTERCARD, 2, 2016).1, some(NEW_VISA), "another brand");
        assert_eq!(look_up(MASTERCARD, 4, 2016), ("EXPIRY/E".to_owned(), None, some("04/30")));
        for (month, code) in [(2, "C"), (4, "N"), (5, "P"), (6, "Q"), (7, "V")] {
            assert_eq!(look_up(VISA, month, 2017), (code.to_owned(), None, None));
        }
        for (month, code) in [(3, "CONTAC/C"), (5, "VALID/V"), (6, "UNKNWN/P"), (7, "UNKNWN/N")] {
            assert_eq!(look_up(MASTERCARD, month, 2016), (code.to_owned(), None, None));
        }
        assert_eq!(look_up(NEW_VISA, 1, 2017), ("V".to_owned(), None, None));
        assert_eq!(look_up(NEW_MASTERCARD, 1, 2016), ("VALID/V".to_owned(), None, None));
    }
}
