//! `cardamom audit …`

use std::io::Write as _;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Subcommand;
use serde_json::json;

use super::print;
use crate::audit::{self, KeptHead, Report};
use crate::boot;
use crate::config::{Flags, Settings};
use crate::model::Head;

/// Progress is told so often.
const TELL: Duration = Duration::from_secs(1);

#[derive(Subcommand)]
pub enum Command {
    /// Check that no entry was changed, moved, taken out or added. Ends with 0 if so, with 1 if not, with 2 if it could
    /// not be checked. Works beside a running server.
    Verify {
        /// Check the log of this merchant alone, or of `nobody`.
        #[arg(long, value_name = "ID")]
        merchant: Option<String>,
        /// A head that `cardamom audit head` printed earlier: the log must have grown from it.
        #[arg(long, value_name = "VALUE")]
        since_head: Option<String>,
        /// Print as JSON.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        flags: Flags,
    },
    /// Print where the log ends, to be kept elsewhere.
    Head {
        /// The log of this merchant alone, or of `nobody`.
        #[arg(long, value_name = "ID")]
        merchant: Option<String>,
        #[command(flatten)]
        flags: Flags,
    },
}

/// Answers 0 for a log that holds and 1 for one that is broken; 2, by the error, for one that could not be checked.
pub async fn run(command: Command) -> Result<ExitCode, Box<dyn std::error::Error>> {
    match command {
        Command::Verify { merchant, since_head, json, flags } => {
            verify(merchant.as_deref(), since_head.as_deref(), json, flags).await
        }
        Command::Head { merchant, flags } => {
            let core = boot::core(&Settings::load(flags)?, false).await?;
            let chain = merchant.as_deref().map_or(Head::ALL, audit::chain_of);
            print(&format!("{}\n", audit::head(&core, chain).await?))?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

async fn verify(
    merchant: Option<&str>,
    since: Option<&str>,
    json: bool,
    flags: Flags,
) -> Result<ExitCode, Box<dyn std::error::Error>> {
    let core = boot::core(&Settings::load(flags)?, false).await?;
    let since = since.map(|text| KeptHead::read(&core.audit, text)).transpose()?;
    let only = merchant.map(audit::chain_of).filter(|chain| *chain != Head::ALL);
    tell("checking the audit log");
    let mut told = Instant::now();
    let mut progress = |entries| {
        if told.elapsed() >= TELL {
            tell(&format!("{entries} entries checked"));
            told = Instant::now();
        }
    };
    let report = audit::verify(&core, only, since, &mut progress).await?;
    tell(&format!("{} entries checked", report.sealed + report.waiting));
    print(&if json { as_json(&report) } else { as_text(&report) })?;
    Ok(ExitCode::from(u8::from(report.broken.is_some())))
}

/// Progress: a line on the error stream. Nothing is left to do when that is closed.
fn tell(line: &str) {
    drop(writeln!(std::io::stderr(), "{line}"));
}

fn as_text(report: &Report) -> String {
    if let Some(broken) = &report.broken {
        return format!("The audit log is broken: {broken}.\n");
    }
    let Report { logs, sealed, waiting, .. } = report;
    let head = report.head.as_ref().map(|head| format!("Its end: {head}\n")).unwrap_or_default();
    format!("The audit log holds: {sealed} entries in {logs} logs, {waiting} wait to be sealed.\n{head}")
}

fn as_json(report: &Report) -> String {
    let broken = report.broken.as_ref().map(|broken| {
        json!({
            "what": broken.fault.as_str(),
            "log": audit::name_of(&broken.chain),
            "entry": broken.entry,
            "number": broken.place,
            "seal": broken.seal,
            "told": broken.to_string(),
        })
    });
    let head = report.head.as_ref().map(KeptHead::to_string);
    let Report { logs, sealed, waiting, .. } = report;
    let all = json!({
        "holds": report.broken.is_none(),
        "logs": logs,
        "sealed": sealed,
        "waiting": waiting,
        "head": head,
        "broken": broken,
    });
    format!("{all}\n")
}
