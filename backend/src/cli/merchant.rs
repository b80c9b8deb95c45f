//! `cardamom merchant …`

use clap::Subcommand;
use serde_json::json;

use super::{CommandResult, print};
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
}

pub async fn run(command: Command) -> CommandResult {
    let Command::Create { name, json, cvv_read, flags } = command;
    let settings = Settings::load(flags)?;
    let core = boot::core(&settings, settings.database_url.is_none()).await?;
    let scopes = if cvv_read { Scopes::usual().with(Scope::CvvRead) } else { Scopes::usual() };
    let made = merchants::create(&core, &name, scopes).await?;
    print(&if json { as_json(&made) } else { as_text(&name, &made) })
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
        "Merchant {name} ({}). These credentials are shown this once.\n{}{}",
        made.id,
        mode("live", &made.live),
        mode("test", &made.test)
    )
}
