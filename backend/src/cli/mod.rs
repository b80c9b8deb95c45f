//! The command line: one file a command.

mod audit;
mod bins;
mod bound;
mod idle;
mod merchant;
mod operation;
mod operator_key;
mod root_key;
mod sale_key;
mod serve;
mod updater;
mod verify_page;

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
    /// Manage the table of issuers by leading digits.
    #[command(subcommand)]
    Bins(bins::Command),
    /// Manage the credentials of operators; works beside a running server.
    #[command(subcommand)]
    OperatorKey(operator_key::Command),
    /// Manage the root key. Who loses it loses every card.
    #[command(subcommand)]
    RootKey(root_key::Command),
    /// Look at calls to gateways whose end is not known, and settle them by hand.
    #[command(subcommand)]
    Operation(operation::Command),
    /// Check the audit log, or print where it ends.
    #[command(subcommand)]
    Audit(audit::Command),
    /// Ask schemes for newer cards.
    #[command(subcommand)]
    Updater(updater::Command),
    /// Manage the key pairs that sign the tokens of direct sales; works beside a running server.
    #[command(subcommand)]
    SaleKey(sale_key::Command),
    /// Print the API document (OpenAPI 3.1).
    Openapi,
    /// Print the list of the card page's scripts, with hashes and purposes.
    Scripts,
    /// Compare a live card page with what this binary serves: scripts, markup, security headers.
    VerifyPage(verify_page::Arguments),
}

/// What every command ends with.
type CommandResult = Result<(), Box<dyn std::error::Error>>;

/// Runs the command line; answers the exit code.
pub async fn run() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Serve(flags) => serve::run(flags).await,
        Command::Merchant(command) => merchant::run(command).await,
        Command::Bins(command) => bins::run(command).await,
        Command::OperatorKey(command) => operator_key::run(command).await,
        Command::RootKey(command) => root_key::run(command).await,
        Command::Operation(command) => operation::run(command).await,
        Command::Updater(command) => updater::run(command).await,
        Command::SaleKey(command) => sale_key::run(command).await,
        Command::Openapi => print(&crate::http::document()),
        Command::Scripts => verify_page::scripts(),
        Command::Audit(command) => return found(audit::run(command).await),
        Command::VerifyPage(arguments) => return found(verify_page::run(arguments).await),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&*error, ExitCode::FAILURE),
    }
}

/// How a check ends: 2 where nothing was found out.
fn found(result: Result<ExitCode, Box<dyn std::error::Error>>) -> ExitCode {
    match result {
        Ok(code) => code,
        Err(error) => failed(&*error, ExitCode::from(2)),
    }
}

fn failed(error: &dyn std::error::Error, code: ExitCode) -> ExitCode {
    // Nothing is left to do when the error stream is closed.
    drop(writeln!(std::io::stderr(), "cardamom: {error}"));
    code
}

/// Prints a command's result, which is not a log line.
fn print(text: &str) -> CommandResult {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    Ok(out.flush()?)
}
