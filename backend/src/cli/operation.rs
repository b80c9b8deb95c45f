//! `cardamom operation …`

use std::fmt::Write as _;
use std::sync::Arc;

use clap::{Subcommand, ValueEnum};
use serde_json::json;

use super::{CommandResult, print};
use crate::boot;
use crate::card_data::scan;
use crate::config::{Flags, Settings};
use crate::gateways::{Answer, Approval, Decline};
use crate::model::{OperationId, Timestamp, published};
use crate::operations::{OpenOperation, Operations, Outlook};

/// The longest reference.
const LONGEST: usize = 128;

#[derive(Subcommand)]
pub enum Command {
    /// List the calls to gateways whose end is not known: what they are, how old, and who learns it. Works beside a
    /// running server, with its settings.
    List {
        /// Only those of this merchant.
        #[arg(long, value_name = "NAME")]
        merchant: Option<String>,
        /// Print as JSON.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        flags: Flags,
    },
    /// Say what became of one, after a look at the acquirer's own records; works beside a running server, with its
    /// settings. What it was for goes on as if the gateway had said so. It cannot be taken back.
    Settle {
        /// The operation.
        id: String,
        /// What became of it.
        verdict: Verdict,
        /// What the acquirer calls it; needed where it was approved, since captures and refunds name it.
        #[arg(long, required_if_eq("verdict", "approved"))]
        reference: Option<String>,
        /// Why it was declined, by the names of docs/payments.md.
        #[arg(long, default_value = "declined")]
        resolution: String,
        /// Settle it though the server can ask the gateway itself.
        #[arg(long)]
        force: bool,
        #[command(flatten)]
        flags: Flags,
    },
}

/// What became of an operation.
#[derive(Clone, Copy, ValueEnum)]
pub enum Verdict {
    /// It was done.
    Approved,
    /// It was not done.
    Declined,
}

pub async fn run(command: Command) -> CommandResult {
    match command {
        Command::List { merchant, json, flags } => list(merchant, json, flags).await,
        Command::Settle { id, verdict, reference, resolution, force, flags } => {
            let reference = reference.map_or(Ok(String::new()), |text| checked("--reference", &text))?;
            let answer = match verdict {
                Verdict::Approved => Answer::Approved(Approval { reference, ..Approval::default() }),
                Verdict::Declined => Answer::Declined(Decline {
                    reference,
                    resolution: reason(&resolution)?,
                    message: "Settled by the operator.".to_owned(),
                    ..Decline::default()
                }),
            };
            let operations = open(flags).await?.operations;
            let settled = operations.settle_by_hand(&OperationId::stored(id), answer, force).await?;
            let operation = settled.operation;
            let (kind, state) = (operation.kind.as_str(), operation.state.as_str());
            print(&format!("The {kind} {} of {} is {state}.\n", operation.id, about(&operation)))
        }
    }
}

struct Opened {
    operations: Arc<Operations>,
    core: crate::core::Core,
}

async fn open(flags: Flags) -> Result<Opened, Box<dyn std::error::Error>> {
    let settings = Settings::load(flags)?;
    let core = boot::core(&settings, false).await?;
    let app = boot::app(&settings, core)?;
    Ok(Opened { operations: app.operations, core: app.core })
}

async fn list(merchant: Option<String>, json: bool, flags: Flags) -> CommandResult {
    let Opened { operations, core } = open(flags).await?;
    let merchant = match merchant {
        None => None,
        Some(name) => {
            let found = core.store.read().await?.find_merchant_by_name(name).await?;
            Some(found.ok_or("there is no merchant of this name")?.id)
        }
    };
    let (open, now) = (operations.open(merchant.as_ref()).await?, core.now());
    if json {
        let all: Vec<_> = open.iter().map(|one| as_json(one, now)).collect();
        return print(&format!("{}\n", serde_json::Value::Array(all)));
    }
    let mut text = String::new();
    for one in &open {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{}", as_text(one, now));
    }
    print(if text.is_empty() { "No operation is open.\n" } else { &text })
}

fn as_text(one: &OpenOperation, now: Timestamp) -> String {
    let operation = &one.operation;
    let named = |words: &str, name: &Option<String>| {
        name.as_ref().map(|name| format!(", {words} {name}")).unwrap_or_default()
    };
    format!(
        "{}  {} {}  {} {}  {}\n  {} of {}, by {}, {} old{}{}\n  {}",
        operation.id,
        operation.kind.as_str(),
        operation.state.as_str(),
        operation.amount,
        operation.amount.currency().code(),
        operation.mode.as_str(),
        operation.merchant,
        about(operation),
        operation.gateway,
        age(operation.created_at, now),
        named("called", &one.reference),
        named("about", &one.original_reference),
        outlook(one.outlook),
    )
}

fn as_json(one: &OpenOperation, now: Timestamp) -> serde_json::Value {
    let operation = &one.operation;
    json!({
        "id": operation.id.as_str(),
        "merchant": operation.merchant.as_str(),
        "mode": operation.mode.as_str(),
        "kind": operation.kind.as_str(),
        "state": operation.state.as_str(),
        "amount": operation.amount.to_string(),
        "currency": operation.amount.currency().code(),
        "gateway": operation.gateway,
        "for": operation.owner.as_str(),
        "for_id": operation.owner_id,
        "reference": one.reference,
        "original_reference": one.original_reference,
        "created_at": operation.created_at.rfc3339(),
        "age_seconds": seconds(operation.created_at, now),
        "outlook": match one.outlook {
            Outlook::Asked => "asked",
            Outlook::Payer => "payer",
            Outlook::ByHand => "by_hand",
            Outlook::NoGateway => "no_gateway",
        },
    })
}

fn about(operation: &crate::model::Operation) -> String {
    format!("{} {}", operation.owner.as_str(), operation.owner_id)
}

const fn outlook(outlook: Outlook) -> &'static str {
    match outlook {
        Outlook::Asked => "the server asks the gateway",
        Outlook::Payer => "the payer is with the issuer",
        Outlook::ByHand => "the gateway cannot be asked: to be settled by hand",
        Outlook::NoGateway => "the gateway is not configured here",
    }
}

fn seconds(from: Timestamp, to: Timestamp) -> i64 {
    to.millis().saturating_sub(from.millis()).max(0) / 1000
}

fn age(from: Timestamp, to: Timestamp) -> String {
    match seconds(from, to) {
        seconds @ ..120 => format!("{seconds} s"),
        seconds @ ..7_200 => format!("{} min", seconds / 60),
        seconds @ ..172_800 => format!("{} h", seconds / 3_600),
        seconds => format!("{} days", seconds / 86_400),
    }
}

/// A published reason for a refusal: merchants read it.
fn reason(text: &str) -> Result<String, String> {
    let known = published::refusal(text.trim()).map(|row| row.name.to_owned());
    known.ok_or_else(|| {
        "--resolution has to be one of docs/payments.md, such as insufficient_funds".to_owned()
    })
}

/// A name of the acquirer's as it is kept with the operation: short, in print, and no card number.
fn checked(flag: &str, text: &str) -> Result<String, String> {
    let text = text.trim();
    let is_plain = !text.is_empty() && text.len() <= LONGEST && text.chars().all(|c| c.is_ascii_graphic());
    if is_plain && !scan::holds_number(text) {
        return Ok(text.to_owned());
    }
    Err(format!("{flag} has 1 to {LONGEST} printable characters without spaces, and no card number"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_told_in_their_unit() {
        let told = |seconds: i64| age(Timestamp::from_millis(0), Timestamp::from_millis(seconds * 1000));
        assert_eq!([told(-5), told(119), told(120)], ["0 s", "119 s", "2 min"]);
        assert_eq!([told(7_200), told(172_800)], ["2 h", "2 days"]);
    }

    #[test]
    fn references_are_names() {
        assert_eq!(checked("--reference", " 8816118280275544 ").unwrap(), "8816118280275544");
        for no in ["", "a b", "4111111111111111", "ä", &"a".repeat(129)] {
            assert!(checked("--reference", no).is_err(), "{no}");
        }
    }
}
