//! The words that the invoice interface publishes, as data: the statuses of invoices and the resolutions that say why
//! (seed 004, spec B.3), with where each comes from and who says it here. They are named in no second place.

use super::invoice::InvoiceStatus;

/// The resolution of what goes on, and of what succeeded.
pub const OK: &str = "ok";
/// A refusal for which no reason is told.
pub const DECLINED: &str = "declined";
/// The payer did not prove to be the cardholder, or went away from the issuer.
pub const CLIENT_AUTH_FAILED: &str = "client_auth_failed";
/// It cannot be asked of this gateway.
pub const NOT_PERMITTED: &str = "functionality_is_not_permitted";
/// Nobody paid in time.
pub const EXPIRED: &str = "transaction_expired";
/// The merchant gave it up.
pub const GIVEN_UP: &str = "general_decline";
/// A payment stays pending because the issuer wants to see its payer.
pub const NEEDS_PAYER: &str = "auth_3ds_required";
/// What a failing test card is refused with whose expiry chooses nothing else (spec B.9).
pub const GENERAL_FAILURE: &str = "general_fatal_error";
/// What the payment of an invoice is, beneath the invoice itself, while its payer is with the issuer.
pub const AT_ISSUER: &str = "authorize_required";

/// A status of the interface.
#[derive(Clone, Copy, Debug)]
pub struct PublishedStatus {
    /// The name on the wire and in storage.
    pub name: &'static str,
    /// Whether the specification calls it final. Some of what is final can be refunded.
    pub is_final: bool,
    /// The state that it names; `None` where systems with other channels say it, and nothing here does.
    pub state: Option<InvoiceStatus>,
}

/// Where a resolution was published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// In the table of test cards of 2021.
    Tests,
    /// In the list of 2024, which is known in part.
    List,
    /// In both.
    Both,
}

/// Who says a resolution here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Says {
    /// Cardamom itself, whichever the gateway.
    Cardamom,
    /// The simulator, of test cards.
    Simulator,
    /// Nobody but the description of a gateway, or an operator who settles by hand.
    Gateway,
}

/// A resolution of the interface.
#[derive(Clone, Copy, Debug)]
pub struct Resolution {
    /// The name.
    pub name: &'static str,
    /// Where it was published.
    pub source: Source,
    /// Who says it.
    pub says: Says,
    /// Month and year, in two digits, of the expiry that chooses it on a failing test card (spec B.9).
    pub expiry: Option<(u8, u16)>,
}

/// Every published status, in the specification's order.
pub const STATUSES: [PublishedStatus; 19] = {
    use InvoiceStatus as S;
    [
        elsewhere("created", false),
        here("expired", true, S::Expired),
        here("terminated", true, S::Terminated),
        here("processing", false, S::Processing),
        here("process_pending", false, S::ProcessPending),
        elsewhere("process_error", false),
        here("processed", true, S::Processed),
        here("partially_processed", true, S::PartiallyProcessed),
        here("process_failed", true, S::ProcessFailed),
        here("verified", true, S::Verified),
        here("verify_failed", true, S::VerifyFailed),
        elsewhere("refunding", false),
        here("refund_pending", false, S::RefundPending),
        elsewhere("refund_error", false),
        elsewhere("refund_failed", true),
        here("partially_refunded", true, S::PartiallyRefunded),
        here("refunded", true, S::Refunded),
        elsewhere("charged_back", true),
        elsewhere("partially_charged_back", true),
    ]
};

/// Every published resolution: those of the table of test cards by the year that chooses them, then those of the list
/// alone.
pub const RESOLUTIONS: [Resolution; 57] = {
    use Says::{Cardamom, Gateway, Simulator};
    use Source::{Both, List, Tests};
    [
        plain(OK, Both, Cardamom),
        chosen("access_denied", Tests, Simulator, (8, 56)),
        chosen("error", Tests, Simulator, (7, 55)),
        chosen("provider_error", Tests, Simulator, (6, 54)),
        chosen("unknown", Tests, Simulator, (5, 53)),
        chosen("duplicated_transaction", Tests, Simulator, (4, 52)),
        chosen("auth_fatal_error", Both, Simulator, (3, 51)),
        chosen("unable_to_determine_3ds_enrolment", Tests, Simulator, (2, 50)),
        chosen("card_is_3ds_enrolled", Tests, Simulator, (1, 49)),
        chosen("card_is_not_3ds_enrolled", Tests, Simulator, (12, 48)),
        chosen("issuer_decline", Both, Simulator, (11, 47)),
        chosen(CLIENT_AUTH_FAILED, Both, Cardamom, (10, 46)),
        chosen("provider_fatal_error", Tests, Simulator, (9, 45)),
        chosen("invalid_details", Both, Simulator, (8, 44)),
        chosen("invalid_pin", Tests, Simulator, (7, 43)),
        chosen("antifraud_error", Both, Simulator, (6, 42)),
        chosen("invalid_card", Both, Simulator, (5, 41)),
        chosen("fatal_error", Both, Simulator, (4, 40)),
        chosen("unable_to_reconcile", Tests, Simulator, (3, 39)),
        chosen("invalid_amount", Both, Simulator, (2, 38)),
        chosen("limit_violation", Tests, Simulator, (1, 37)),
        chosen(NOT_PERMITTED, Tests, Cardamom, (12, 36)),
        chosen("invalid_request", Tests, Simulator, (11, 35)),
        chosen("lost_or_stolen_card", Tests, Simulator, (10, 34)),
        chosen(DECLINED, Tests, Cardamom, (9, 33)),
        chosen("invalid_otp", Tests, Simulator, (8, 32)),
        chosen("invalid_3ds_code", Both, Simulator, (7, 31)),
        chosen("invalid_card_status", Tests, Simulator, (6, 30)),
        chosen("insufficient_funds", Both, Simulator, (5, 29)),
        chosen("card_expired", Both, Simulator, (4, 28)),
        chosen("invalid_cvv", Both, Simulator, (3, 27)),
        chosen("invalid_pan", Tests, Simulator, (2, 26)),
        chosen("invalid_credentials", Tests, Simulator, (1, 25)),
        plain(GENERAL_FAILURE, Tests, Simulator),
        plain(NEEDS_PAYER, Both, Simulator),
        plain("auth_otp_required", List, Gateway),
        plain("card_3ds_enrolled", List, Gateway),
        plain("card_not_3ds_enrolled", List, Gateway),
        plain("card_blocked_by_invalid_pin", List, Gateway),
        plain("card_lost", List, Gateway),
        plain("card_stolen", List, Gateway),
        plain("card_restricted", List, Gateway),
        plain("card_restricted_by_acquirer", List, Gateway),
        plain("invalid_card_type", List, Gateway),
        plain("card_usage_limit_violation", List, Gateway),
        plain("card_usage_issuer_limit_violation", List, Gateway),
        plain("card_verification_failed", List, Gateway),
        plain("customer_blocked", List, Gateway),
        plain(GIVEN_UP, List, Cardamom),
        plain(EXPIRED, List, Cardamom),
        plain("fatal_decline", List, Gateway),
        plain("fatal_invalid_card", List, Gateway),
        plain("forced_captured", List, Gateway),
        plain("invalid_cardholder", List, Gateway),
        plain("invalid_expire_date", List, Gateway),
        plain("invalid_otp_code", List, Gateway),
        plain("amount_conversion_error", List, Gateway),
    ]
};

/// The row of a published reason for a refusal; `None` for any other text, and for [`OK`], which refuses nothing.
pub fn refusal(name: &str) -> Option<&'static Resolution> {
    RESOLUTIONS.iter().find(|known| known.name == name && known.name != OK)
}

/// What an expiry (month, year in two digits) chooses on a failing test card.
pub fn by_expiry(expiry: (u8, u16)) -> &'static str {
    let chosen = RESOLUTIONS.iter().find(|known| known.expiry == Some(expiry));
    chosen.map_or(GENERAL_FAILURE, |known| known.name)
}

const fn here(name: &'static str, is_final: bool, state: InvoiceStatus) -> PublishedStatus {
    PublishedStatus { name, is_final, state: Some(state) }
}

const fn elsewhere(name: &'static str, is_final: bool) -> PublishedStatus {
    PublishedStatus { name, is_final, state: None }
}

const fn plain(name: &'static str, source: Source, says: Says) -> Resolution {
    Resolution { name, source, says, expiry: None }
}

const fn chosen(name: &'static str, source: Source, says: Says, expiry: (u8, u16)) -> Resolution {
    Resolution { name, source, says, expiry: Some(expiry) }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// The specification's statuses, apart from the table: a star is its mark for a final one.
    const PUBLISHED: &str = "
        created expired* terminated* processing process_pending process_error processed* partially_processed*
        process_failed* verified* verify_failed* refunding refund_pending refund_error refund_failed*
        partially_refunded* refunded* charged_back* partially_charged_back*";

    /// Its resolutions of 2021.
    const OF_TESTS: &str = "
        access_denied error provider_error unknown duplicated_transaction auth_fatal_error
        unable_to_determine_3ds_enrolment card_is_3ds_enrolled card_is_not_3ds_enrolled issuer_decline
        client_auth_failed provider_fatal_error invalid_details invalid_pin antifraud_error invalid_card fatal_error
        unable_to_reconcile invalid_amount limit_violation functionality_is_not_permitted invalid_request
        lost_or_stolen_card declined invalid_otp invalid_3ds_code invalid_card_status insufficient_funds card_expired
        invalid_cvv invalid_pan invalid_credentials general_fatal_error auth_3ds_required";

    /// Its resolutions of 2024.
    const OF_LIST: &str = "
        ok antifraud_error auth_3ds_required auth_otp_required auth_fatal_error card_expired card_3ds_enrolled
        card_not_3ds_enrolled card_blocked_by_invalid_pin card_lost card_stolen card_restricted
        card_restricted_by_acquirer invalid_card_type card_usage_limit_violation card_usage_issuer_limit_violation
        card_verification_failed client_auth_failed customer_blocked general_decline transaction_expired
        fatal_decline fatal_error fatal_invalid_card forced_captured insufficient_funds invalid_3ds_code
        invalid_amount invalid_card invalid_cardholder invalid_cvv invalid_details invalid_expire_date
        invalid_otp_code issuer_decline amount_conversion_error";

    #[test]
    fn the_statuses_are_the_published_ones() {
        let ours: Vec<_> = STATUSES
            .iter()
            .map(|row| format!("{}{}", row.name, if row.is_final { "*" } else { "" }))
            .collect();
        assert_eq!(ours, PUBLISHED.split_whitespace().collect::<Vec<_>>());
    }

    #[test]
    fn every_state_has_one_status_and_ends_where_it_is_final_and_cannot_be_refunded() {
        let states: Vec<_> = STATUSES.iter().filter_map(|row| Some((row, row.state?))).collect();
        assert_eq!(states.len(), 12);
        for (row, state) in states {
            assert_eq!((state.as_str(), InvoiceStatus::parse(row.name)), (row.name, Some(state)));
            assert_eq!(state.is_end(), row.is_final && !state.is_refundable(), "{}", row.name);
            assert!(row.is_final || !state.is_refundable(), "{}", row.name);
        }
        for row in STATUSES.iter().filter(|row| row.state.is_none()) {
            assert_eq!(InvoiceStatus::parse(row.name), None, "{} is never stored here", row.name);
        }
    }

    #[test]
    fn the_resolutions_are_the_published_ones() {
        let of = |sources: [Source; 2]| -> BTreeSet<_> {
            RESOLUTIONS.iter().filter(|row| sources.contains(&row.source)).map(|row| row.name).collect()
        };
        let tests: BTreeSet<_> = OF_TESTS.split_whitespace().chain([OK]).collect();
        assert_eq!(of([Source::Tests, Source::Both]), tests);
        assert_eq!(of([Source::List, Source::Both]), OF_LIST.split_whitespace().collect());
        assert_eq!(tests.union(&of([Source::List, Source::List])).count(), RESOLUTIONS.len(), "none twice");
    }

    #[test]
    fn what_is_said_here_is_marked_so() {
        for name in [OK, DECLINED, CLIENT_AUTH_FAILED, NOT_PERMITTED, EXPIRED, GIVEN_UP] {
            let row = RESOLUTIONS.iter().find(|row| row.name == name).unwrap();
            assert_eq!(row.says, Says::Cardamom, "{name}");
        }
        // Each of the test cards' own is the simulator's to say, and none of the others is.
        for row in &RESOLUTIONS {
            let of_tests = row.source != Source::List && row.says != Says::Cardamom;
            assert_eq!(row.says == Says::Simulator, of_tests, "{}", row.name);
        }
    }

    #[test]
    fn an_expiry_chooses_one_resolution() {
        let expiries: BTreeSet<_> = RESOLUTIONS.iter().filter_map(|row| row.expiry).collect();
        assert_eq!(expiries.len(), 32);
        assert_eq!(by_expiry((5, 29)), "insufficient_funds");
        assert_eq!((by_expiry((8, 56)), by_expiry((1, 25))), ("access_denied", "invalid_credentials"));
        assert_eq!(by_expiry((5, 30)), GENERAL_FAILURE);
    }

    #[test]
    fn a_refusal_is_no_success() {
        assert_eq!(refusal("card_lost").map(|row| row.name), Some("card_lost"));
        assert!(refusal(OK).is_none() && refusal("Declined").is_none() && refusal("").is_none());
    }
}
