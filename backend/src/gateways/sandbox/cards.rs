//! Test cards and what becomes of payments with them (spec B.9).

use shared::{Expiry, YearMonth};

use crate::model::published;

/// What becomes of a payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is approved.
    Approved,
    /// It is refused, with a resolution of spec B.3.
    Declined(&'static str),
    /// It stays pending; with the resolution of spec B.3 that says why, or nothing.
    Pending(&'static str),
}

/// What a card does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TestCard {
    /// Whether its issuer wants to see the payer.
    pub challenge: bool,
    /// What becomes of the payment then.
    pub outcome: Outcome,
}

/// Month and year of a card with which payments stay pending: 07/77.
const PENDING: (u8, u16) = (7, 77);

/// What a card does. Numbers that the specification does not name are approved without a challenge while they have
/// not expired; those of the account updater whatever their expiry, which chooses the updater's answer.
pub fn test_card(number: &str, expiry: Expiry, today: YearMonth) -> TestCard {
    let chosen = (expiry.month(), expiry.year() % 100);
    let good = |why| if chosen == PENDING { Outcome::Pending(why) } else { Outcome::Approved };
    match number {
        "5123817234060000" => TestCard { challenge: true, outcome: good(published::NEEDS_PAYER) },
        "5519283812030000" => TestCard { challenge: false, outcome: good("") },
        "4412397212080000" => TestCard { challenge: true, outcome: failure(chosen) },
        "4302912837020000" => TestCard { challenge: false, outcome: failure(chosen) },
        "4000011180138710" | "5100019221455924" => TestCard { challenge: false, outcome: Outcome::Approved },
        _ if expiry.is_past(today) => {
            TestCard { challenge: false, outcome: Outcome::Declined("card_expired") }
        }
        _ => TestCard { challenge: false, outcome: good("") },
    }
}

/// The acquirer's own code (ISO 8583, field 39) for a resolution.
pub fn bank_code(resolution: &str) -> &'static str {
    match resolution {
        "invalid_amount" => "13",
        "invalid_card" | "invalid_pan" => "14",
        "functionality_is_not_permitted" => "57",
        "invalid_request" | "invalid_details" => "12",
        "lost_or_stolen_card" => "43",
        "insufficient_funds" => "51",
        "card_expired" => "54",
        "invalid_pin" => "55",
        "antifraud_error" => "59",
        "limit_violation" => "61",
        "invalid_card_status" => "62",
        "invalid_cvv" => "82",
        "duplicated_transaction" => "94",
        "error" | "provider_error" | "provider_fatal_error" | "fatal_error" | "general_fatal_error" => "96",
        _ => "05",
    }
}

fn failure(chosen: (u8, u16)) -> Outcome {
    Outcome::Declined(published::by_expiry(chosen))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TODAY: YearMonth = YearMonth { year: 2027, month: 1 };

    fn card(number: &str, expiry: &str) -> (bool, Outcome) {
        let card = test_card(number, Expiry::parse(expiry).unwrap(), TODAY);
        (card.challenge, card.outcome)
    }

    #[test]
    fn the_published_cards_do_what_their_table_says() {
        assert_eq!(card("5123817234060000", "12/30"), (true, Outcome::Approved));
        assert_eq!(card("5519283812030000", "12/30"), (false, Outcome::Approved));
        assert_eq!(card("5519283812030000", "07/77"), (false, Outcome::Pending("")));
        assert_eq!(card("5123817234060000", "07/77"), (true, Outcome::Pending("auth_3ds_required")));
        assert_eq!(card("4412397212080000", "05/29"), (true, Outcome::Declined("insufficient_funds")));
        assert_eq!(card("4302912837020000", "01/25"), (false, Outcome::Declined("invalid_credentials")));
        assert_eq!(card("4302912837020000", "02/31"), (false, Outcome::Declined("general_fatal_error")));
    }

    #[test]
    fn every_resolution_is_chosen_by_one_expiry() {
        for row in &published::RESOLUTIONS {
            let Some((month, year)) = row.expiry else { continue };
            let expiry = format!("{month:02}/{year}");
            let refused = Outcome::Declined(row.name);
            assert_eq!(card("4302912837020000", &expiry), (false, refused), "{expiry}");
            assert_eq!(card("4412397212080000", &expiry), (true, refused), "{expiry}");
        }
    }

    #[test]
    fn other_cards_are_approved_until_they_expire() {
        assert_eq!(card("4111111111111111", "01/27"), (false, Outcome::Approved));
        assert_eq!(card("4111111111111111", "12/26"), (false, Outcome::Declined("card_expired")));
        assert_eq!(card("4000011180138710", "01/17"), (false, Outcome::Approved));
    }
}
