//! The command line: one file a command.

mod idle;
mod merchant;
mod root_key;
mod serve;

use std::io::Write as _;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::config::Flags;

/// A card vault with hosted capture forms.
#[derive(Parser)]
#[command(
    name = "cardamom",
    version,
    about,
    after_help = "Every flag is also a variable: --data-dir is CARDAMOM_DATA_DIR."
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the server.
    Serve(Flags),
    /// Manage merchants; works beside a running server.
    #[command(subcommand)]
    Merchant(merchant::Command),
    /// Manage the root key. Who loses it loses every card.
    #[command(subcommand)]
    RootKey(root_key::Command),
    /// Print the API document (OpenAPI 3.1).
    Openapi,
}

/// What every command ends with.
type CommandResult = Result<(), Box<dyn std::error::Error>>;

/// Runs the command line; answers the exit code.
pub async fn run() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Serve(flags) => serve::run(flags).await,
        Command::Merchant(command) => merchant::run(command).await,
        Command::RootKey(command) => root_key::run(command).await,
        Command::Openapi => print(&crate::http::document()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nothing is left to do when the error stream is closed.
            drop(writeln!(std::io::stderr(), "cardamom: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// Prints a command's result, which is not a log line.
fn print(text: &str) -> CommandResult {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    Ok(out.flush()?)
}
