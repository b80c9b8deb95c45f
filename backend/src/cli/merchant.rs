//! `cardamom merchant …`

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::json;

use super::{CommandResult, print};
use crate::access::accounts::NewAccount;
use crate::access::company::CompanyCredentials;
use crate::access::merchants::{self, Credentials, NewMerchant};
use crate::boot;
use crate::config::{Flags, Settings};
use crate::core::Core;
use crate::model::{Mode, Scope, Scopes};
use crate::outgoing::Dedicated;
use crate::proxy::hosts::{self, Whose};

#[derive(Subcommand)]
pub enum Command {
    /// Make a merchant and print its credentials, once.
    Create {
        /// The merchant's name.
        name: String,
        /// Print as JSON.
        #[arg(long)]
        json: bool,
        /// Let the credentials read stored security codes (scope cvv:read), each read counting as a use.
        #[arg(long)]
        cvv_read: bool,
        #[command(flatten)]
        flags: Flags,
    },
    /// Make new credentials of a merchant's gateway transactions, and print them, once. Those before them end.
    Company {
        /// The merchant's name.
        name: String,
        /// Print as JSON.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        flags: Flags,
    },
    /// Make an account of the invoice interface for a merchant that is there, and print it, once.
    Account {
        /// The merchant's name.
        name: String,
        /// Print as JSON.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        flags: Flags,
    },
    /// Allow a host that the merchant's stored cards may be sent to.
    AllowHost {
        /// The merchant's name.
        name: String,
        /// The host, such as acquirer.example or acquirer.example:8443.
        host: String,
        /// A PEM file with the client certificate, its chain and its private key.
        #[arg(long, value_name = "FILE")]
        client_cert: Option<PathBuf>,
        /// A PEM file with the authority of the host's certificate, where the system does not know it.
        #[arg(long, value_name = "FILE")]
        ca: Option<PathBuf>,
        #[command(flatten)]
        modes: Modes,
        #[command(flatten)]
        flags: Flags,
    },
    /// Take the permission for a host back.
    ForbidHost {
        /// The merchant's name.
        name: String,
        /// The host.
        host: String,
        #[command(flatten)]
        modes: Modes,
        #[command(flatten)]
        flags: Flags,
    },
    /// List the hosts that are allowed for a merchant.
    Hosts {
        /// The merchant's name.
        name: String,
        #[command(flatten)]
        flags: Flags,
    },
}

/// For which credentials a host is allowed: both kinds, unless one is named.
#[derive(Args, Clone, Copy)]
pub struct Modes {
    /// Only for live cards.
    #[arg(long, conflicts_with = "test")]
    live: bool,
    /// Only for test cards.
    #[arg(long)]
    test: bool,
}

impl Modes {
    fn all(self) -> Vec<Mode> {
        let wanted = [(Mode::Live, !self.test), (Mode::Test, !self.live)];
        wanted.into_iter().filter(|(_, wanted)| *wanted).map(|(mode, _)| mode).collect()
    }
}

pub async fn run(command: Command) -> CommandResult {
    match command {
        Command::Create { name, json, cvv_read, flags } => create(&name, json, cvv_read, flags).await,
        Command::Account { name, json, flags } => add_account(&name, json, flags).await,
        Command::Company { name, json, flags } => renew_companies(&name, json, flags).await,
        Command::AllowHost { name, host, client_cert, ca, modes, flags } => {
            let settings = Dedicated { client: read(client_cert)?, authority: read(ca)? };
            let core = open(flags).await?;
            let host = hosts::allow(&core, &name, &modes.all(), &host, &settings).await?;
            print(&format!("Cards of {name} may be sent to {host}.\n"))
        }
        Command::ForbidHost { name, host, modes, flags } => {
            let core = open(flags).await?;
            if hosts::forbid(&core, &name, &modes.all(), &host).await? {
                print(&format!("Cards of {name} are not sent to {host} any more.\n"))
            } else {
                Err("this host was not allowed".into())
            }
        }
        Command::Hosts { name, flags } => list(&name, flags).await,
    }
}

async fn open(flags: Flags) -> Result<Core, Box<dyn std::error::Error>> {
    Ok(boot::core(&Settings::load(flags)?, false).await?)
}

fn read(file: Option<PathBuf>) -> Result<Option<String>, Box<dyn std::error::Error>> {
    let Some(file) = file else { return Ok(None) };
    let text = std::fs::read_to_string(&file);
    text.map(Some).map_err(|error| format!("{} cannot be read: {error}", file.display()).into())
}

async fn list(name: &str, flags: Flags) -> CommandResult {
    let core = open(flags).await?;
    let mut text = String::new();
    for mode in [Mode::Live, Mode::Test] {
        for host in hosts::list_of(&core, Whose::Name(name), mode).await? {
            let own = if host.sealed.is_empty() { "" } else { "  own certificate" };
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{:<5} {}{own}", mode.as_str(), host.host);
        }
    }
    print(&text)
}

async fn create(name: &str, json: bool, cvv_read: bool, flags: Flags) -> CommandResult {
    let settings = Settings::load(flags)?;
    let core = boot::core(&settings, settings.database_url.is_none()).await?;
    let scopes = if cvv_read { Scopes::usual().with(Scope::CvvRead) } else { Scopes::usual() };
    let made = merchants::create(&core, name, scopes).await?;
    print(&if json { as_json(&made) } else { as_text(name, &made) })
}

async fn add_account(name: &str, json: bool, flags: Flags) -> CommandResult {
    let core = boot::core(&Settings::load(flags)?, false).await?;
    let made = merchants::add_account(&core, name).await?;
    if !json {
        return print(&account(&made));
    }
    let mut members = serde_json::Map::new();
    account_members(&mut members, &made);
    print(&format!("{}\n", serde_json::Value::Object(members)))
}

async fn renew_companies(name: &str, json: bool, flags: Flags) -> CommandResult {
    let core = boot::core(&Settings::load(flags)?, false).await?;
    let (test, live) = merchants::renew_companies(&core, name).await?;
    if !json {
        return print(&format!("live\n{}test\n{}", company_text(&live), company_text(&test)));
    }
    let mut members = company_members(&test);
    members.insert("live_company".to_owned(), company_members(&live).into());
    print(&format!("{}\n", serde_json::Value::Object(members)))
}

fn company_members(company: &CompanyCredentials) -> serde_json::Map<String, serde_json::Value> {
    [
        ("company_id", company.id.as_str()),
        ("company_pass", company.pass.as_str()),
        ("company_mid_id", company.mid.as_str()),
        ("company_hashcode", company.hash_code.as_str()),
    ]
    .into_iter()
    .map(|(name, text)| (name.to_owned(), json!(text)))
    .collect()
}

fn company_text(company: &CompanyCredentials) -> String {
    format!(
        "  company_id        {}\n  company_pass      {}\n  company_mid_id    {}\n  company_hashcode  {}\n",
        company.id,
        company.pass.as_str(),
        company.mid,
        company.hash_code.as_str(),
    )
}

fn account_members(members: &mut serde_json::Map<String, serde_json::Value>, account: &NewAccount) {
    members.insert("account_id".to_owned(), json!(account.id.as_str()));
    members.insert("account_key".to_owned(), json!(account.key.as_str()));
    members.insert("callback_secret_live".to_owned(), json!(account.callback_secret_live.as_str()));
    members.insert("callback_secret_test".to_owned(), json!(account.callback_secret_test.as_str()));
}

fn as_json(made: &NewMerchant) -> String {
    let mode = |credentials: &Credentials| {
        json!({
            "user": credentials.user,
            "password": credentials.password.as_str(),
            "api_key": credentials.api_key.as_str(),
            "webhook_secret": credentials.webhook_secret.as_str(),
        })
    };
    let mut all = mode(&made.live);
    if let Some(members) = all.as_object_mut() {
        members.insert("merchant".to_owned(), json!(made.id.as_str()));
        let mut test = mode(&made.test);
        if let Some(test) = test.as_object_mut() {
            test.extend(company_members(&made.test.company));
        }
        members.insert("test".to_owned(), test);
        // Gateway transactions begin in test mode, on the sandbox; a live company is of use once there is a gateway.
        members.insert("live_company".to_owned(), company_members(&made.live.company).into());
        members.extend(company_members(&made.test.company));
        account_members(members, &made.account);
    }
    format!("{all}\n")
}

fn as_text(name: &str, made: &NewMerchant) -> String {
    let mode = |title: &str, credentials: &Credentials| {
        format!(
            "{title}\n  user              {}\n  password          {}\n  api_key           {}\n  webhook_secret    {}\n{}",
            credentials.user,
            credentials.password.as_str(),
            credentials.api_key.as_str(),
            credentials.webhook_secret.as_str(),
            company_text(&credentials.company),
        )
    };
    format!(
        "Merchant {name} ({}). These credentials are shown this once.\n{}{}{}",
        made.id,
        mode("live", &made.live),
        mode("test", &made.test),
        account(&made.account)
    )
}

fn account(account: &NewAccount) -> String {
    format!(
        "payment invoices, live and test\n  account_id            {}\n  account_key           {}\n  \
         callback_secret_live  {}\n  callback_secret_test  {}\n",
        account.id,
        account.key.as_str(),
        account.callback_secret_live.as_str(),
        account.callback_secret_test.as_str()
    )
}
