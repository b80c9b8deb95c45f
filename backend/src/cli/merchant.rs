//! `cardamom merchant …`

use clap::Subcommand;
use serde_json::json;

use super::{CommandResult, print};
use crate::access::accounts::NewAccount;
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
    let company = |credentials: &Credentials| {
        json!({
            "company_id": credentials.company.id,
            "company_pass": credentials.company.pass.as_str(),
            "company_mid_id": credentials.company.mid,
            "company_hashcode": credentials.company.hash_code.as_str(),
        })
    };
    let mut all = mode(&made.live);
    if let Some(members) = all.as_object_mut() {
        members.insert("merchant".to_owned(), json!(made.id.as_str()));
        let mut test = mode(&made.test);
        if let (Some(test), Some(company)) = (test.as_object_mut(), company(&made.test).as_object()) {
            test.extend(company.clone());
        }
        members.insert("test".to_owned(), test);
        // Gateway transactions begin in test mode, on the sandbox; a live company is of use once there is a gateway.
        members.insert("live_company".to_owned(), company(&made.live));
        members.extend(
            company(&made.test).as_object().into_iter().flatten().map(|(k, v)| (k.clone(), v.clone())),
        );
        account_members(members, &made.account);
    }
    format!("{all}\n")
}

fn as_text(name: &str, made: &NewMerchant) -> String {
    let mode = |title: &str, credentials: &Credentials| {
        format!(
            "{title}\n  user              {}\n  password          {}\n  api_key           {}\n  webhook_secret    {}\n  \
             company_id        {}\n  company_pass      {}\n  company_mid_id    {}\n  company_hashcode  {}\n",
            credentials.user,
            credentials.password.as_str(),
            credentials.api_key.as_str(),
            credentials.webhook_secret.as_str(),
            credentials.company.id,
            credentials.company.pass.as_str(),
            credentials.company.mid,
            credentials.company.hash_code.as_str(),
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
