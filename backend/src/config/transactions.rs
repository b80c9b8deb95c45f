//! What the operator sets for gateway transactions.

use std::time::Duration;

use super::parse::{ConfigError, parsed, switch};
use super::sources::Sources;
use crate::core::TransactionPolicy;

/// The widest window that is still one.
const WIDEST: Duration = Duration::from_hours(24);

/// Reads the settings of gateway transactions.
pub(super) fn read(sources: &Sources) -> Result<TransactionPolicy, ConfigError> {
    let usual = TransactionPolicy::default();
    Ok(TransactionPolicy {
        window: window(sources, usual.window)?,
        replay_check: switch(sources, "transaction_replay_check", usual.replay_check)?,
        short_timestamps: switch(sources, "transaction_short_timestamps", usual.short_timestamps)?,
        disabled_code: code(sources, "token_disabled_code", usual.disabled_code)?,
        duplicate_code: code(sources, "duplicate_order_code", usual.duplicate_code)?,
    })
}

fn window(sources: &Sources, usual: Option<Duration>) -> Result<Option<Duration>, ConfigError> {
    match sources.find("transaction_window") {
        None => Ok(usual),
        Some("off") => Ok(None),
        Some(text) => {
            let seconds = text.parse().ok().map(Duration::from_secs);
            let fits = seconds.filter(|window| !window.is_zero() && *window <= WIDEST);
            fits.map(Some).ok_or_else(|| sources.wrong("transaction_window", "1 to 86400 seconds, or off"))
        }
    }
}

fn code(sources: &Sources, name: &'static str, usual: u16) -> Result<u16, ConfigError> {
    let allowed = "a response code from 100 to 999";
    match parsed::<u16>(sources, name, allowed)? {
        None => Ok(usual),
        Some(code @ 100..=999) => Ok(code),
        Some(_) => Err(sources.wrong(name, allowed)),
    }
}
