//! `cardamom sale-key …`

use clap::Subcommand;

use super::{CommandResult, print};
use crate::boot;
use crate::config::{Flags, Settings};
use crate::invoices::sale_keys;

#[derive(Subcommand)]
pub enum Command {
    /// Let a new key pair sign the tokens of direct sales. Those of the one before are taken until they end.
    Rotate {
        #[command(flatten)]
        flags: Flags,
    },
}

pub async fn run(command: Command) -> CommandResult {
    let Command::Rotate { flags } = command;
    let core = boot::core(&Settings::load(flags)?, false).await?;
    let id = sale_keys::rotate(&core).await?;
    print(&format!("The key pair {id} signs from now on.\n"))
}
