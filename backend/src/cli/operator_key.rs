//! `cardamom operator-key …`

use std::fmt::Write as _;

use clap::Subcommand;
use serde_json::json;

use super::{CommandResult, print};
use crate::access::operators;
use crate::boot;
use crate::config::{Flags, Settings};
use crate::core::Core;
use crate::model::Timestamp;

#[derive(Subcommand)]
pub enum Command {
    /// Make a credential for the calls below /v1/operator and print it, once.
    Create {
        /// What it is for.
        name: String,
        /// Print as JSON.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        flags: Flags,
    },
    /// List the credentials, without their secrets.
    List {
        #[command(flatten)]
        flags: Flags,
    },
    /// End a credential, at once and on every node.
    Revoke {
        /// Its id, as `list` shows it.
        id: String,
        #[command(flatten)]
        flags: Flags,
    },
}

pub async fn run(command: Command) -> CommandResult {
    match command {
        Command::Create { name, json, flags } => create(&name, json, flags).await,
        Command::List { flags } => list(flags).await,
        Command::Revoke { id, flags } => {
            operators::revoke(&open(flags).await?, &id).await?;
            print(&format!("The operator key {id} ended.\n"))
        }
    }
}

async fn open(flags: Flags) -> Result<Core, Box<dyn std::error::Error>> {
    Ok(boot::core(&Settings::load(flags)?, false).await?)
}

async fn create(name: &str, json: bool, flags: Flags) -> CommandResult {
    let made = operators::create(&open(flags).await?, name).await?;
    let id = made.key.id.as_str();
    print(&if json {
        format!("{}\n", json!({ "id": id, "operator_key": made.secret.as_str() }))
    } else {
        format!("Operator key {id}. It is shown this once.\n{}\n", made.secret.as_str())
    })
}

async fn list(flags: Flags) -> CommandResult {
    let mut text = String::new();
    for key in operators::list(&open(flags).await?).await? {
        let ended = key.revoked_at.map(Timestamp::rfc3339);
        let ended = ended.map(|at| format!("  revoked {at}")).unwrap_or_default();
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{}  {}  {}{ended}", key.id, key.created_at.rfc3339(), key.name);
    }
    print(&text)
}
