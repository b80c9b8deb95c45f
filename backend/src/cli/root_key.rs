//! `cardamom root-key …`

use std::os::unix::fs::DirBuilderExt as _;

use clap::Subcommand;

use super::{CommandResult, print};
use crate::config::{Flags, Settings};
use crate::crypto::entropy::OsEntropy;
use crate::crypto::root::LocalRootKey;

#[derive(Subcommand)]
pub enum Command {
    /// Make a root key file; refuses to touch an existing one.
    Create {
        #[command(flatten)]
        flags: Flags,
    },
}

pub fn run(command: Command) -> CommandResult {
    let Command::Create { flags } = command;
    let settings = Settings::load(flags)?;
    let path = &settings.root_key_file;
    if let Some(folder) = path.parent() {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    LocalRootKey::generate(&OsEntropy::probe()?).write_new_file(path)?;
    print(&format!(
        "Made {}. Keep a copy apart from the database and its backups: who loses it loses every card.\n",
        path.display()
    ))
}
