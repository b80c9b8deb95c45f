//! `cardamom merchant …`

use clap::Subcommand;
use serde_json::json;

use super::{CommandResult, print};
use crate::access::accounts::NewAccount;
use crate::access::company::CompanyCredentials;
use crate::access::merchants::{self, Credentials, NewMerchant};
use crate::boot;
use crate::config::{Flags, Settings};
use crate::model::{Scope, Scopes};

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
}

pub async fn run(command: Command) -> CommandResult {
    let (name, json, cvv_read, flags) = match command {
        Command::Create { name, json, cvv_read, flags } => (name, json, cvv_read, flags),
        Command::Company { name, json, flags } => return renew_companies(&name, json, flags).await,
        Command::Account { name, json, flags } => return add_account(&name, json, flags).await,
    };
    let settings = Settings::load(flags)?;
    let core = boot::core(&settings, settings.database_url.is_none()).await?;
    let scopes = if cvv_read { Scopes::usual().with(Scope::CvvRead) } else { Scopes::usual() };
    let made = merchants::create(&core, &name, scopes).await?;
    print(&if json { as_json(&made) } else { as_text(&name, &made) })
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
