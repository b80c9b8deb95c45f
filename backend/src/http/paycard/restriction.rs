//! `…/cvv/Restriction`: until when, where and how often a stored security code may be used (spec B.5).

use std::sync::Arc;

use axum::extract::{Path, State};

use super::named::{Named, Readable, Writable};
use super::wire::{ErrorBlock, RetentionPolicy, policy};
use crate::http::booking::{Answer, Document};
use crate::http::error::ApiError;
use crate::http::router::App;
use crate::invalid::Invalid;
use crate::json::{Members, Value};
use crate::model::{CvvDestination, DestinationKind, Timestamp};
use crate::vault::paycards;
use crate::vault::terms::{self, NewTerms};

/// Shows the terms of a card's security code.
#[utoipa::path(get, path = "/api/payments/paycard/{token}/cvv/Restriction", tag = "card URIs",
    params(("token" = String, Path, description = "The card's token."),
        ("reference" = Option<String>, Query, description = "The card's reference, where the token has several.")),
    responses((status = 200, body = RetentionPolicy), (status = 401, body = ErrorBlock), (status = 403, body = ErrorBlock), (status = 404, body = ErrorBlock)),
    security(("basic" = ["card:read"]), ("api_key" = ["card:read"])))]
pub async fn show(State(app): State<Arc<App>>, Readable(card): Readable) -> Result<Answer, ApiError> {
    let found = paycards::find(&app.core, &card.caller, &card.name).await?;
    Ok(Answer::ok("CvvRetentionPolicy", policy(found.terms.as_ref())))
}

/// Sets the terms of a card's security code. What was used stays used.
#[utoipa::path(put, path = "/api/payments/paycard/{token}/cvv/Restriction", tag = "card URIs",
    params(("token" = String, Path, description = "The card's token."),
        ("reference" = Option<String>, Query, description = "The card's reference, where the token has several.")),
    request_body(content = RetentionPolicy, description = "Names in any case; XML too, with the root CardCvvRetentionPolicy."),
    responses((status = 200, body = RetentionPolicy), (status = 400, body = ErrorBlock), (status = 401, body = ErrorBlock), (status = 403, body = ErrorBlock),
        (status = 404, body = ErrorBlock), (status = 409, body = ErrorBlock, description = "The card has no security code.")),
    security(("basic" = ["card:write"]), ("api_key" = ["card:write"])))]
pub async fn set(
    State(app): State<Arc<App>>,
    Writable(card): Writable,
    Document(body): Document,
) -> Result<Answer, ApiError> {
    let new = new_terms(body)?;
    let set = terms::set(&app.core, &card.caller, &card.name, new).await?;
    Ok(Answer::ok("CvvRetentionPolicy", policy(set.as_ref())))
}

/// The same by another verb, which some clients use.
#[utoipa::path(post, path = "/api/payments/paycard/{token}/cvv/Restriction", tag = "card URIs",
    params(("token" = String, Path, description = "The card's token."),
        ("reference" = Option<String>, Query, description = "The card's reference, where the token has several.")),
    request_body(content = RetentionPolicy, description = "As with PUT."),
    responses((status = 200, body = RetentionPolicy), (status = 400, body = ErrorBlock), (status = 401, body = ErrorBlock), (status = 403, body = ErrorBlock),
        (status = 404, body = ErrorBlock), (status = 409, body = ErrorBlock)),
    security(("basic" = ["card:write"]), ("api_key" = ["card:write"])))]
pub async fn post(app: State<Arc<App>>, card: Writable, body: Document) -> Result<Answer, ApiError> {
    set(app, card, body).await
}

/// Takes the terms of a card's security code back; the operator's own hold again.
#[utoipa::path(delete, path = "/api/payments/paycard/{token}/cvv/Restriction", tag = "card URIs",
    params(("token" = String, Path, description = "The card's token."),
        ("reference" = Option<String>, Query, description = "The card's reference, where the token has several.")),
    responses((status = 200, body = RetentionPolicy), (status = 401, body = ErrorBlock), (status = 403, body = ErrorBlock), (status = 404, body = ErrorBlock),
        (status = 409, body = ErrorBlock)),
    security(("basic" = ["card:write"]), ("api_key" = ["card:write"])))]
pub async fn remove(State(app): State<Arc<App>>, Writable(card): Writable) -> Result<Answer, ApiError> {
    remove_of(&app, &card, None, None).await
}

/// Takes the destinations of one type back.
#[utoipa::path(delete, path = "/api/payments/paycard/{token}/cvv/Restriction/{kind}", tag = "card URIs",
    params(("token" = String, Path, description = "The card's token."),
        ("kind" = String, Path, description = "A DestinationType, such as HostName."),
        ("reference" = Option<String>, Query, description = "The card's reference, where the token has several.")),
    responses((status = 200, body = RetentionPolicy), (status = 401, body = ErrorBlock), (status = 403, body = ErrorBlock), (status = 404, body = ErrorBlock),
        (status = 409, body = ErrorBlock)),
    security(("basic" = ["card:write"]), ("api_key" = ["card:write"])))]
pub async fn remove_kind(
    State(app): State<Arc<App>>,
    Writable(card): Writable,
    Path((_, kind)): Path<(String, String)>,
) -> Result<Answer, ApiError> {
    remove_of(&app, &card, Some(&kind), None).await
}

/// Takes one destination back.
#[utoipa::path(delete, path = "/api/payments/paycard/{token}/cvv/Restriction/{kind}/{data}", tag = "card URIs",
    params(("token" = String, Path, description = "The card's token."),
        ("kind" = String, Path, description = "A DestinationType, such as HostName."),
        ("data" = String, Path, description = "Its DestinationData, percent-encoded."),
        ("reference" = Option<String>, Query, description = "The card's reference, where the token has several.")),
    responses((status = 200, body = RetentionPolicy), (status = 401, body = ErrorBlock), (status = 403, body = ErrorBlock), (status = 404, body = ErrorBlock),
        (status = 409, body = ErrorBlock)),
    security(("basic" = ["card:write"]), ("api_key" = ["card:write"])))]
pub async fn remove_one(
    State(app): State<Arc<App>>,
    Writable(card): Writable,
    Path((_, kind, data)): Path<(String, String, String)>,
) -> Result<Answer, ApiError> {
    remove_of(&app, &card, Some(&kind), Some(&data)).await
}

async fn remove_of(
    app: &App,
    card: &Named,
    kind: Option<&str>,
    data: Option<&str>,
) -> Result<Answer, ApiError> {
    let kind = match kind {
        None => None,
        Some(kind) => Some(DestinationKind::parse(kind).ok_or_else(ApiError::not_found)?),
    };
    let left = terms::remove(&app.core, &card.caller, &card.name, kind, data).await?;
    Ok(Answer::ok("CvvRetentionPolicy", policy(left.as_ref())))
}

fn new_terms(mut body: Members) -> Result<NewTerms, Invalid> {
    let ends_at = match body.take("cvvendretentiondate") {
        None | Some(Value::Null) => None,
        Some(value) => Some(value.as_text().and_then(Timestamp::parse).ok_or_else(|| {
            Invalid::new("/CvvEndRetentionDate", "time", "This has to be a time such as 2027-01-19T11:58:00.")
        })?),
    };
    let deletes_card = match body.take("deletecarduponcvvcleanup") {
        None | Some(Value::Null) => false,
        Some(value) => flag(&value).ok_or_else(|| {
            Invalid::new("/DeleteCardUponCvvCleanup", "type", "This has to be true or false.")
        })?,
    };
    let list = match body.take("cvvretentionpolicylist") {
        None | Some(Value::Null) => Vec::new(),
        Some(value) => places(value).ok_or_else(|| {
            Invalid::new("/CvvRetentionPolicyList", "type", "This has to be a list of destinations.")
        })?,
    };
    let destinations = list.into_iter().enumerate().map(|(index, place)| destination(index, place));
    Ok(NewTerms { ends_at, deletes_card, destinations: destinations.collect::<Result<_, _>>()? })
}

/// A list; in XML one or many elements of one name below the list's own, or nothing.
fn places(value: Value) -> Option<Vec<Value>> {
    match value {
        Value::List(places) => Some(places),
        Value::Object(mut wrapped) => match wrapped.take("cvvretentionpolicydestination") {
            Some(Value::List(places)) => Some(places),
            Some(one) => Some(vec![one]),
            None => None,
        },
        Value::Text(text) if text.trim().is_empty() => Some(Vec::new()),
        _ => None,
    }
}

fn destination(index: usize, place: Value) -> Result<CvvDestination, Invalid> {
    let at = |name: &str| format!("/CvvRetentionPolicyList/{index}/{name}");
    let Value::Object(mut place) = place else {
        return Err(Invalid::new(at(""), "type", "A destination has to be an object."));
    };
    let kind = place.take("destinationtype");
    let kind = kind.as_ref().and_then(Value::as_text).and_then(DestinationKind::parse);
    let kind =
        kind.ok_or_else(|| Invalid::new(at("DestinationType"), "destination", "This type is unknown."))?;
    let data = place.take("destinationdata");
    let data = data.as_ref().and_then(Value::as_typed).unwrap_or_default().to_owned();
    let quota = place.take("quota");
    let quota = quota.as_ref().and_then(Value::as_typed).and_then(|text| text.trim().parse().ok());
    let quota = quota.ok_or_else(|| Invalid::new(at("Quota"), "range", "Quota has to be a whole number."))?;
    Ok(CvvDestination { kind, data, quota, used: 0 })
}

fn flag(value: &Value) -> Option<bool> {
    let text = value.as_text().map(str::to_lowercase);
    text.map_or_else(|| value.as_bool(), |text| Value::text(text).as_bool())
}
