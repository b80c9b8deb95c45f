//! `/v1/operator`: what operators do from afar, with a credential that the command line made. No merchant's credential
//! opens it.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use serde::Serialize;
use utoipa::ToSchema;

use super::wire::Deleted;
use crate::http::body::JsonBody;
use crate::http::caller::Operating;
use crate::http::error::{ApiError, Problem};
use crate::http::params::Params;
use crate::http::router::App;
use crate::invalid::Invalid;
use crate::json::{Members, Value};
use crate::model::{MerchantId, Mode, ProxyHost};
use crate::outgoing::Dedicated;
use crate::proxy::hosts::{self, Whose};

/// The longest certificate, key or authority, in bytes.
const LONGEST_PEM: usize = 64 * 1024;

/// The body of a permission.
#[derive(ToSchema)]
#[expect(dead_code, reason = "documents a body that is parsed strictly by hand")]
pub struct AllowCall {
    /// The host, such as `acquirer.example` or `acquirer.example:8443`.
    host: String,
    /// `live` or `test`; both where left out.
    mode: Option<String>,
    /// PEM: the client certificate, its chain and its private key.
    client_cert: Option<String>,
    /// PEM: the authority of the host's certificate, where the system does not know it.
    ca: Option<String>,
}

/// A host that a merchant's cards may be sent to.
#[derive(Serialize, ToSchema)]
pub struct MerchantHost {
    /// The name, with its port where that is not 443.
    pub host: String,
    /// `live` or `test`.
    pub mode: String,
    /// Whether it is called with a client certificate or an authority of its own.
    pub own_tls: bool,
    /// When it was allowed.
    pub created_at: String,
}

/// Lists the hosts that a merchant's stored cards may be sent to.
#[utoipa::path(get, path = "/v1/operator/merchants/{id}/hosts", tag = "operator",
    params(("id" = String, Path, description = "The merchant's id, as `cardamom merchant create` prints it.")),
    responses((status = 200, body = Vec<MerchantHost>), (status = 401, body = Problem), (status = 404, body = Problem)),
    security(("operator" = [])))]
pub async fn list(
    State(app): State<Arc<App>>,
    Operating(_): Operating,
    Path(id): Path<String>,
) -> Result<Json<Vec<MerchantHost>>, ApiError> {
    Ok(Json(listed(&app, &id).await?))
}

/// Allows a host that a merchant's stored cards may be sent to, in place of an older permission for it.
#[utoipa::path(post, path = "/v1/operator/merchants/{id}/hosts", tag = "operator",
    params(("id" = String, Path, description = "The merchant's id.")),
    request_body = AllowCall,
    responses((status = 200, body = Vec<MerchantHost>), (status = 400, body = Problem), (status = 401, body = Problem),
        (status = 404, body = Problem)),
    security(("operator" = [])))]
pub async fn allow(
    State(app): State<Arc<App>>,
    Operating(operator): Operating,
    Path(id): Path<String>,
    JsonBody(body): JsonBody,
) -> Result<Json<Vec<MerchantHost>>, ApiError> {
    let host = body.find("host").and_then(Value::as_text).unwrap_or_default();
    let settings = Dedicated { client: pem(&body, "client_cert")?, authority: pem(&body, "ca")? };
    let modes = modes(body.find("mode").and_then(Value::as_text))?;
    let merchant = MerchantId::stored(id.clone());
    hosts::allow_by(&app.core, &operator, Whose::Id(&merchant), &modes, host, &settings).await?;
    Ok(Json(listed(&app, &id).await?))
}

/// Takes the permission for a host back.
#[utoipa::path(delete, path = "/v1/operator/merchants/{id}/hosts", tag = "operator",
    params(("id" = String, Path, description = "The merchant's id."),
        ("host" = String, Query, description = "The host."),
        ("mode" = Option<String>, Query, description = "`live` or `test`; both where left out.")),
    responses((status = 200, body = Deleted), (status = 400, body = Problem), (status = 401, body = Problem),
        (status = 404, body = Problem)),
    security(("operator" = [])))]
pub async fn forbid(
    State(app): State<Arc<App>>,
    Operating(operator): Operating,
    Path(id): Path<String>,
    params: Params,
) -> Result<Json<Deleted>, ApiError> {
    let (merchant, modes) = (MerchantId::stored(id), modes(params.find("mode"))?);
    let host = params.need("host")?;
    if hosts::forbid_by(&app.core, &operator, Whose::Id(&merchant), &modes, host).await? {
        Ok(Json(Deleted { deleted: true }))
    } else {
        Err(ApiError::not_found())
    }
}

async fn listed(app: &App, id: &str) -> Result<Vec<MerchantHost>, ApiError> {
    let merchant = MerchantId::stored(id.to_owned());
    let mut all = Vec::new();
    for mode in [Mode::Live, Mode::Test] {
        all.extend(hosts::list_of(&app.core, Whose::Id(&merchant), mode).await?.into_iter().map(shown));
    }
    Ok(all)
}

fn shown(host: ProxyHost) -> MerchantHost {
    MerchantHost {
        own_tls: !host.sealed.is_empty(),
        mode: host.mode.as_str().to_owned(),
        created_at: host.created_at.rfc3339(),
        host: host.host,
    }
}

fn modes(given: Option<&str>) -> Result<Vec<Mode>, Invalid> {
    let all = [Mode::Live, Mode::Test];
    let named = all.into_iter().filter(|mode| given.is_none_or(|given| mode.as_str() == given));
    let modes: Vec<_> = named.collect();
    if modes.is_empty() {
        Err(Invalid::new("/mode", "unknown", "The mode is live or test."))
    } else {
        Ok(modes)
    }
}

fn pem(body: &Members, name: &str) -> Result<Option<String>, Invalid> {
    match body.find(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => match value.as_text().filter(|text| text.len() <= LONGEST_PEM) {
            Some(text) => Ok(Some(text.to_owned())),
            None => {
                Err(Invalid::new(format!("/{name}"), "type", "This has to be a PEM text of at most 64 KB."))
            }
        },
    }
}
