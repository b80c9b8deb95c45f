//! `/v1/rule`: rules that change the members of cards (spec A.8).

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::wire::Deleted;
use crate::card_data::{Meaning, meaning};
use crate::http::body::JsonBody;
use crate::http::caller::Merchant;
use crate::http::error::{ApiError, Problem};
use crate::http::params::Params;
use crate::http::router::App;
use crate::invalid::Invalid;
use crate::json::{Members, Value};
use crate::model::{RuleRow, Scope};
use crate::rules::{self, Rule, Sight, stored};

/// The body of a rule.
#[derive(ToSchema)]
#[expect(dead_code, reason = "documents a body that is parsed strictly by hand")]
pub struct RuleCreate {
    /// 1 to 32 operations: `name`, `input_field` (a member, or `*` for the whole object), `output_field` (the same
    /// member where left out), `order_position`, `arguments`.
    operations: Vec<serde_json::Value>,
}

/// The body of a preview.
#[derive(ToSchema)]
#[expect(dead_code, reason = "documents a body that is parsed strictly by hand")]
pub struct RulePreview {
    /// As in a rule; or left out where `rules` in the query names stored ones.
    operations: Option<Vec<serde_json::Value>>,
    /// The object that the rule is tried on.
    sample: serde_json::Value,
}

/// A stored rule.
#[derive(Serialize, ToSchema)]
pub struct RuleShown {
    /// Its id.
    pub id: String,
    /// Its operations, as they were given.
    #[schema(value_type = Vec<serde_json::Value>)]
    pub operations: Option<Box<RawValue>>,
    /// When it was made.
    pub created_at: String,
}

/// An operation that rules can be made of.
#[derive(Serialize, ToSchema)]
pub struct OperationTold {
    /// Its name.
    pub name: &'static str,
    /// What it does.
    pub description: &'static str,
    /// Its arguments, each with what it is for.
    pub arguments: std::collections::BTreeMap<&'static str, &'static str>,
}

/// Makes a rule. There is no call to change one: it is deleted and made anew.
#[utoipa::path(post, path = "/v1/rule", tag = "rule",
    params(("id" = String, Query, description = "The rule's id: 1 to 64 letters, digits, dots, dashes and underscores.")),
    request_body = RuleCreate,
    responses((status = 200, body = RuleShown), (status = 400, body = Problem), (status = 401, body = Problem),
        (status = 403, body = Problem)),
    security(("basic" = ["card:write"]), ("api_key" = ["card:write"])))]
pub async fn create(
    State(app): State<Arc<App>>,
    merchant: Merchant,
    params: Params,
    JsonBody(body): JsonBody,
) -> Result<Json<RuleShown>, ApiError> {
    let caller = merchant.with(&app, Scope::CardWrite).await?;
    let row = stored::create(&app.core, caller, params.need("id")?, &body).await?;
    Ok(Json(shown(&row)))
}

/// Lists rules, or shows the one that `id` names.
#[utoipa::path(get, path = "/v1/rule", tag = "rule",
    params(("id" = Option<String>, Query, description = "One rule.")),
    responses((status = 200, body = Vec<RuleShown>, description = "A list; with `id` one rule."),
        (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem)),
    security(("basic" = ["card:read"]), ("api_key" = ["card:read"])))]
pub async fn list(
    State(app): State<Arc<App>>,
    merchant: Merchant,
    params: Params,
) -> Result<Response, ApiError> {
    let caller = merchant.with(&app, Scope::CardRead).await?;
    if let Some(id) = params.find("id") {
        let row = stored::find(&app.core, caller, id).await?.ok_or_else(ApiError::not_found)?;
        return Ok(Json(shown(&row)).into_response());
    }
    let rows = stored::list(&app.core, caller).await?;
    Ok(Json(rows.iter().map(shown).collect::<Vec<_>>()).into_response())
}

/// Deletes a rule. Capture endpoints that were made with it keep it.
#[utoipa::path(delete, path = "/v1/rule", tag = "rule",
    params(("id" = String, Query, description = "The rule.")),
    responses((status = 200, body = Deleted), (status = 401, body = Problem), (status = 403, body = Problem),
        (status = 404, body = Problem)),
    security(("basic" = ["card:write"]), ("api_key" = ["card:write"])))]
pub async fn delete(
    State(app): State<Arc<App>>,
    merchant: Merchant,
    params: Params,
) -> Result<Json<Deleted>, ApiError> {
    let caller = merchant.with(&app, Scope::CardWrite).await?;
    if stored::delete(&app.core, caller, params.need("id")?).await? {
        Ok(Json(Deleted { deleted: true }))
    } else {
        Err(ApiError::not_found())
    }
}

/// Lists the operations that rules can be made of.
#[utoipa::path(get, path = "/v1/rule/operations", tag = "rule",
    responses((status = 200, body = Vec<OperationTold>), (status = 401, body = Problem), (status = 403, body = Problem)),
    security(("basic" = ["card:read"]), ("api_key" = ["card:read"])))]
pub async fn operations(
    State(app): State<Arc<App>>,
    merchant: Merchant,
) -> Result<Json<Vec<OperationTold>>, ApiError> {
    merchant.with(&app, Scope::CardRead).await?;
    let told = rules::told().iter().map(|told| OperationTold {
        name: told.name,
        description: told.does,
        arguments: told.arguments.iter().copied().collect(),
    });
    Ok(Json(told.collect()))
}

/// Tries a rule on a sample and answers what it makes of it. Nothing is stored; numbers and codes are answered masked.
#[utoipa::path(post, path = "/v1/rule/preview", tag = "rule",
    params(("rules" = Option<String>, Query, description = "Ids of stored rules, in the place of `operations`.")),
    request_body = RulePreview,
    responses((status = 200, content_type = "application/json", description = "The sample as the rule leaves it."),
        (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem)),
    security(("basic" = ["card:write"]), ("api_key" = ["card:write"])))]
pub async fn preview(
    State(app): State<Arc<App>>,
    merchant: Merchant,
    params: Params,
    JsonBody(mut body): JsonBody,
) -> Result<Response, ApiError> {
    let caller = merchant.with(&app, Scope::CardWrite).await?;
    let Some(Value::Object(sample)) = body.take("sample") else {
        return Err(Invalid::new("/sample", "missing", "sample has to be an object.").into());
    };
    let rules = match params.find("rules") {
        Some(names) => stored::named(&app.core, caller, names).await?,
        None => vec![Rule::parse(&body)?],
    };
    let made = rules::apply(&rules, sample, Sight::Kept, &[])?;
    let json = HeaderValue::from_static("application/json");
    Ok(([(header::CONTENT_TYPE, json)], masked(made).to_json().to_string()).into_response())
}

fn shown(row: &RuleRow) -> RuleShown {
    let operations = Members::parse_sealed(row.operations.as_bytes()).ok();
    let operations = operations.and_then(|mut body| body.take("operations"));
    RuleShown {
        id: row.name.clone(),
        operations: operations.and_then(|list| RawValue::from_string(list.to_json().to_string()).ok()),
        created_at: row.created_at.rfc3339(),
    }
}

/// A sample is no card, and still nobody should read a number back.
fn masked(mut object: Members) -> Members {
    object.retain(|name, value| {
        let secret = matches!(meaning(name), Meaning::Number(_) | Meaning::Code | Meaning::Forbidden)
            || shared::digits::holds_card_number(&value.to_json());
        if secret {
            *value = Value::text("•".repeat(8));
        }
        true
    });
    object
}
