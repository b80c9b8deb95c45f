//! `cardamom verify-page`, and `cardamom scripts`, which prints what it compares with.

use std::process::ExitCode;

use clap::Args;
use url::Url;

use super::{CommandResult, print};
use crate::assets::Assets;
use crate::http::scripts;
use crate::outgoing::{Allowed, Outgoing};
use crate::verify;

#[derive(Args)]
pub struct Arguments {
    /// The page's address, with the query that shows the form. It is not printed.
    url: Url,
    /// An origin that may frame the page; with it exactly the origins named here are right.
    #[arg(long = "allowed-origin", value_name = "ORIGIN")]
    allowed_origins: Vec<String>,
    /// Print as JSON.
    #[arg(long)]
    json: bool,
}

/// Answers 0 for a page that is as it should be and 1 for one that differs; 2, by the error, for one that could
/// not be fetched.
pub async fn run(arguments: Arguments) -> Result<ExitCode, Box<dyn std::error::Error>> {
    let Arguments { url, allowed_origins, json } = arguments;
    // An operator may look at any of their pages, wherever they are.
    let everywhere = ["0.0.0.0/0".parse()?, "::/0".parse()?];
    let outgoing = Outgoing::new(Allowed { networks: everywhere.to_vec(), plain_http: true })?;
    let origins = Some(allowed_origins.as_slice()).filter(|origins| !origins.is_empty());
    let report = verify::page(&outgoing, &Assets::load()?, &url, origins).await?;
    print(&if json { format!("{}\n", report.as_json()) } else { report.as_text() })?;
    Ok(ExitCode::from(u8::from(!report.differences.is_empty())))
}

/// Prints the list of scripts.
pub fn scripts() -> CommandResult {
    print(&format!("{:#}\n", scripts::list(&Assets::load()?)))
}
