//! `cardamom bins …`

use std::fs::File;
use std::io::Write as _;
use std::path::PathBuf;

use clap::Subcommand;

use super::{CommandResult, print};
use crate::bins::import;
use crate::boot;
use crate::config::{Flags, Settings};

#[derive(Subcommand)]
pub enum Command {
    /// Load the table of issuers from a CSV file, in place of the one before; works beside a running server.
    Import {
        /// The file. Its first line names the columns: bin (6 to 11 digits), brand, issuer, country, type, level.
        file: PathBuf,
        #[command(flatten)]
        flags: Flags,
    },
}

pub async fn run(command: Command) -> CommandResult {
    let Command::Import { file, flags } = command;
    let settings = Settings::load(flags)?;
    let name = file.display().to_string();
    let file = File::open(&file).map_err(|error| format!("{name} cannot be read: {error}"))?;
    let size = file.metadata()?.len().max(1);
    let core = boot::core(&settings, false).await?;
    let mut shown = 0;
    let told = |lines: u64, bytes: u64| {
        let percent = (bytes * 100 / size).min(100);
        if percent > shown {
            shown = percent;
            // Nothing is left to do when the error stream is closed.
            drop(writeln!(std::io::stderr(), "{percent} %, {lines} lines"));
        }
    };
    let lines = import::import(&core, file, told).await.map_err(|error| format!("{name}: {error}"))?;
    print(&format!("Loaded {lines} lines. Running servers follow within a minute.\n"))
}
