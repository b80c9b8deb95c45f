//! `/v1/gateway/company`: what a merchant sets for its gateway transactions.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::callback_url;
use crate::access::company::{self, CompanyError, CompanySettings};
use crate::http::body::JsonBody;
use crate::http::caller::Merchant;
use crate::http::error::{ApiError, Problem};
use crate::http::router::App;
use crate::invalid::Invalid;
use crate::json::{Members, Value};
use crate::model::{Company, Scope};

/// A company and its settings. Pass and hash code are shown at its creation only.
#[derive(Serialize, ToSchema)]
pub struct CompanyShown {
    /// What calls name.
    pub company_id: String,
    /// Its MID.
    pub company_mid_id: String,
    /// Where webhooks of the gateway interface go; none are sent without one.
    pub webhook_url: Option<String>,
    /// Networks that calls may come from; all where there are none.
    pub addresses: Vec<String>,
}

/// What can be set; what is left out is taken away.
#[derive(ToSchema)]
#[expect(dead_code, reason = "documents a body that is read member by member")]
pub struct CompanyChange {
    /// Where webhooks go.
    webhook_url: Option<String>,
    /// Networks and addresses that calls may come from, at most 50.
    addresses: Option<Vec<String>>,
}

/// Shows the company of the credential's mode.
#[utoipa::path(get, path = "/v1/gateway/company", tag = "Gateway transactions",
    responses((status = 200, body = CompanyShown), (status = 401, body = Problem), (status = 403, body = Problem),
        (status = 404, body = Problem)),
    security(("basic" = ["admin"]), ("api_key" = ["admin"])))]
pub async fn show(State(app): State<Arc<App>>, merchant: Merchant) -> Result<Json<CompanyShown>, ApiError> {
    let caller = merchant.with(&app, Scope::Admin).await?;
    Ok(Json(company::show(&app.core, caller).await?.into()))
}

/// Sets where webhooks go and where calls may come from.
#[utoipa::path(put, path = "/v1/gateway/company", tag = "Gateway transactions",
    request_body = CompanyChange,
    responses((status = 200, body = CompanyShown), (status = 400, body = Problem), (status = 401, body = Problem),
        (status = 403, body = Problem), (status = 404, body = Problem)),
    security(("basic" = ["admin"]), ("api_key" = ["admin"])))]
pub async fn change(
    State(app): State<Arc<App>>,
    merchant: Merchant,
    JsonBody(body): JsonBody,
) -> Result<Json<CompanyShown>, ApiError> {
    let caller = merchant.with(&app, Scope::Admin).await?;
    let webhook_url = match body.find("webhook_url") {
        None | Some(Value::Null) => None,
        Some(Value::Text(text)) if text.is_empty() => None,
        Some(Value::Text(text)) => Some(callback_url(&app, "/webhook_url", text)?.to_string()),
        Some(_) => return Err(Invalid::new("/webhook_url", "type", "This has to be an address.").into()),
    };
    let addresses = addresses(&body)?;
    Ok(Json(company::change(&app.core, caller, webhook_url, addresses).await?.into()))
}

fn addresses(body: &Members) -> Result<Vec<String>, Invalid> {
    let wrong = || Invalid::new("/addresses", "type", "This has to be a list of networks.");
    match body.find("addresses") {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::List(values)) => {
            values.iter().map(|value| value.as_text().map(str::to_owned).ok_or_else(wrong)).collect()
        }
        Some(_) => Err(wrong()),
    }
}

impl From<(Company, CompanySettings)> for CompanyShown {
    fn from((company, settings): (Company, CompanySettings)) -> Self {
        Self {
            company_id: company.id,
            company_mid_id: company.mid,
            webhook_url: settings.webhook_url.clone(),
            addresses: settings.addresses.clone(),
        }
    }
}

impl From<CompanyError> for ApiError {
    fn from(error: CompanyError) -> Self {
        match error {
            CompanyError::Invalid(name, allowed) => {
                Invalid::new(format!("/{name}"), "format", format!("Allowed are {allowed}.")).into()
            }
            CompanyError::Unknown => Self::not_found(),
            CompanyError::Store(error) => error.into(),
            CompanyError::Crypto(error) => crate::vault::VaultError::from(error).into(),
        }
    }
}
