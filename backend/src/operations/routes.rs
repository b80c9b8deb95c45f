//! Which gateway serves which service, as the operator configured it.

use std::collections::BTreeMap;

use iso_currency::Currency;

use super::OperationError;
use crate::gateways::sandbox::SANDBOX;
use crate::model::Mode;

/// The service of gateway transactions (`/api.php`).
pub const GATEWAY_TRANSACTIONS: &str = "gateway_transactions";

/// Services and the gateways that serve them.
#[derive(Clone, Debug, Default)]
pub struct Routes(BTreeMap<String, String>);

impl Routes {
    /// Routes by the names of services.
    pub fn new(services: BTreeMap<String, String>) -> Self {
        Self(services)
    }

    /// The gateway of a service. Test mode is always served by the simulator, which nothing has to be configured
    /// for: it knows `payment_card_{currency}_hpp` and `payment_card_{currency}` for each currency.
    pub fn gateway(&self, mode: Mode, service: &str) -> Result<String, OperationError> {
        match (mode, self.0.get(service)) {
            (Mode::Live, Some(gateway)) => Ok(gateway.clone()),
            (Mode::Test, Some(_)) => Ok(SANDBOX.to_owned()),
            (Mode::Test, None) if is_usual(service) => Ok(SANDBOX.to_owned()),
            (_, None) => Err(OperationError::UnknownService),
        }
    }
}

fn is_usual(service: &str) -> bool {
    let Some(rest) = service.strip_prefix("payment_card_") else { return service == GATEWAY_TRANSACTIONS };
    let currency = rest.strip_suffix("_hpp").unwrap_or(rest);
    currency == currency.to_ascii_lowercase() && Currency::from_code(&currency.to_ascii_uppercase()).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routes() -> Routes {
        Routes::new([("payment_card_eur_hpp".to_owned(), "main".to_owned())].into())
    }

    #[test]
    fn live_services_are_those_of_the_configuration() {
        assert_eq!(routes().gateway(Mode::Live, "payment_card_eur_hpp").unwrap(), "main");
        for unknown in ["payment_card_usd_hpp", "payment_card_eur", GATEWAY_TRANSACTIONS, SANDBOX, ""] {
            let found = routes().gateway(Mode::Live, unknown);
            assert!(matches!(found, Err(OperationError::UnknownService)), "{unknown}");
        }
    }

    #[test]
    fn test_mode_is_always_the_simulator() {
        for known in
            ["payment_card_eur_hpp", "payment_card_usd_hpp", "payment_card_jpy", GATEWAY_TRANSACTIONS]
        {
            assert_eq!(routes().gateway(Mode::Test, known).unwrap(), SANDBOX, "{known}");
        }
        for unknown in ["payment_card_xyz_hpp", "payment_card_USD_hpp", "payment_card_", "bank", ""] {
            assert!(routes().gateway(Mode::Test, unknown).is_err(), "{unknown}");
        }
    }
}
