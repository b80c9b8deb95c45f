//! `/api/cardrequest/templates`: the merchant's own words for messages.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use utoipa::ToSchema;

use super::{Answer, Booker, Document, Node};
use crate::http::error::ApiError;
use crate::http::router::App;
use crate::model::{Channel, MessageTemplate, Scope};
use crate::requests::templates;

/// A template. Placeholders: `$~booker_name~$`, `$~recipient_name~$`, `$~cs_phone~$`, `$~cs_email~$`,
/// `$~cs_link~$`, `$~amount~$`, `$~link~$`.
#[derive(ToSchema)]
#[schema(rename_all = "PascalCase")]
#[expect(dead_code, reason = "documents a body that is read by hand, in any case and in XML too")]
pub struct Template {
    /// The name that requests use.
    name: String,
    /// `Email` or `SMS`.
    channel: String,
    /// Two letters (ISO 639-1); `en` where it is left out.
    language: Option<String>,
    /// The subject of an e-mail.
    subject: Option<String>,
    /// The text.
    body: String,
    /// The HTML part; made of the text where it is left out. Values are escaped.
    html_body: Option<String>,
}

/// Writes a template, in place of one of the same name, channel and language.
#[utoipa::path(put, path = "/api/cardrequest/templates", tag = "card requests", request_body = Template,
    responses((status = 200, body = Template), (status = 400, body = super::ErrorBlock),
        (status = 401, body = super::ErrorBlock), (status = 403, body = super::ErrorBlock)),
    security(("basic" = ["request"]), ("api_key" = ["request"])))]
pub async fn put(
    State(app): State<Arc<App>>,
    booker: Booker,
    Document(body): Document,
) -> Result<Answer, ApiError> {
    let caller = booker.with(&app, Scope::Request).await?;
    let template = templates::put(&app.core, caller, body).await?;
    Ok(Answer::ok("Template", node(&template)))
}

/// All templates of the merchant.
#[utoipa::path(get, path = "/api/cardrequest/templates", tag = "card requests",
    responses((status = 200, body = [Template]), (status = 401, body = super::ErrorBlock), (status = 403, body = super::ErrorBlock)),
    security(("basic" = ["request"]), ("api_key" = ["request"])))]
pub async fn list(State(app): State<Arc<App>>, booker: Booker) -> Result<Answer, ApiError> {
    let caller = booker.with(&app, Scope::Request).await?;
    let found = templates::list(&app.core, caller).await?;
    let items = Node::List("Template", found.iter().map(node).collect());
    Ok(Answer::ok("Templates", Node::Members(vec![("Items", items)])))
}

/// Deletes a template.
#[utoipa::path(delete, path = "/api/cardrequest/templates/{name}/{channel}/{language}", tag = "card requests",
    params(("name" = String, Path, description = "Its name."), ("channel" = String, Path, description = "`Email` or `SMS`."),
        ("language" = String, Path, description = "Two letters.")),
    responses((status = 200, description = "It is gone."), (status = 401, body = super::ErrorBlock), (status = 403, body = super::ErrorBlock),
        (status = 404, body = super::ErrorBlock)),
    security(("basic" = ["request"]), ("api_key" = ["request"])))]
pub async fn delete(
    State(app): State<Arc<App>>,
    booker: Booker,
    Path((name, channel, language)): Path<(String, String, String)>,
) -> Result<Answer, ApiError> {
    let caller = booker.with(&app, Scope::Request).await?;
    let channel = Channel::parse(&channel).ok_or_else(ApiError::not_found)?;
    templates::delete(&app.core, caller, &name, channel, &language).await?;
    Ok(Answer::empty(StatusCode::OK))
}

/// What a template makes of invented values. Nothing is stored or sent.
#[utoipa::path(post, path = "/api/cardrequest/templates/preview", tag = "card requests", request_body = Template,
    responses((status = 200, description = "`Subject`, `Text`, `Html`.", content_type = "application/json"),
        (status = 400, body = super::ErrorBlock), (status = 401, body = super::ErrorBlock), (status = 403, body = super::ErrorBlock)),
    security(("basic" = ["request"]), ("api_key" = ["request"])))]
pub async fn preview(
    State(app): State<Arc<App>>,
    booker: Booker,
    Document(body): Document,
) -> Result<Answer, ApiError> {
    let caller = booker.with(&app, Scope::Request).await?;
    let rendered = templates::preview(&app.core, caller, body)?;
    let members = vec![
        ("Subject", Node::Text(rendered.subject)),
        ("Text", Node::Text(rendered.text)),
        ("Html", Node::Text(rendered.html)),
    ];
    Ok(Answer::ok("Preview", Node::Members(members)))
}

fn node(template: &MessageTemplate) -> Node {
    let mut members = vec![
        ("Name", Node::text(&*template.name)),
        ("Channel", Node::text(template.channel.as_str())),
        ("Language", Node::text(&*template.language)),
        ("Subject", Node::text(&*template.subject)),
        ("Body", Node::text(&*template.body)),
    ];
    members.extend(template.html.clone().map(|html| ("HtmlBody", Node::Text(html))));
    members.push(("UpdateDate", Node::Text(template.updated_at.zoneless())));
    Node::Members(members)
}
