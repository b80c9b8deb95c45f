//! `cardamom updater …`

use std::io::Write as _;

use clap::Subcommand;
use serde_json::json;

use super::{CommandResult, print};
use crate::boot;
use crate::config::{Flags, Settings};
use crate::model::Mode;

#[derive(Subcommand)]
pub enum Command {
    /// Ask the scheme about the cards behind all tokens of test mode, and give each token what is newer. Works beside
    /// a running server; tells how far it has come on the error stream.
    Run {
        /// Only cards that end in this month, as YYYY-MM.
        #[arg(long, value_name = "MONTH")]
        expiring: Option<String>,
        /// Print the result as JSON.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        flags: Flags,
    },
}

pub async fn run(command: Command) -> CommandResult {
    let Command::Run { expiring, json, flags } = command;
    let expiring = expiring.map(|text| month(&text).ok_or("a month is written as YYYY-MM")).transpose()?;
    let settings = Settings::load(flags)?;
    let core = boot::core(&settings, false).await?;
    let updater = boot::updater(&core);
    let done = updater
        .run(Mode::Test, expiring, |progress| {
            let line = format!("{} looked at, {} updated", progress.looked_at, progress.updated);
            // Progress that nobody reads is no reason to stop.
            drop(writeln!(std::io::stderr(), "{line}"));
        })
        .await?;
    print(&if json {
        format!("{}\n", json!({ "looked_at": done.looked_at, "updated": done.updated }))
    } else {
        format!("{} tokens looked at, {} updated\n", done.looked_at, done.updated)
    })
}

fn month(text: &str) -> Option<(u16, u8)> {
    let (year, month) = text.split_once('-')?;
    let (year, month) = (year.parse().ok()?, month.parse().ok()?);
    shared::Expiry::new(year, month).ok().map(|_| (year, month))
}

#[cfg(test)]
mod tests {
    use super::month;

    #[test]
    fn months_are_read() {
        assert_eq!(month("2027-01"), Some((2027, 1)));
        assert!(["2027", "2027-13", "27-01", "x-01"].into_iter().all(|text| month(text).is_none()));
    }
}
