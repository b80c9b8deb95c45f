//! `/api/payments/paycard`: stored cards by their URI, the terms of their security codes, and session tokens
//! (spec B.1, B.2, B.5).

pub mod capturecard;
mod named;
pub mod restriction;
mod wire;

use std::sync::Arc;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use shared::Expiry;
use zeroize::Zeroizing;

use super::booking::{Answer, Booker, Document, Query, card_uri, session_token};
use super::error::ApiError;
use super::router::App;
use crate::access::tokens;
use crate::invalid::Invalid;
use crate::json::{Members, Value};
use crate::model::Scope;
use crate::vault::paycards::{self, PaycardName};
use crate::vault::terms;
use named::{Readable, Writable};
use wire::{BankCard, ErrorBlock, Metadata};

/// Makes a session token: it opens card forms for five minutes, and nothing else.
#[utoipa::path(post, path = "/api/payments/paycard/tempsession", tag = "card URIs",
    responses((status = 200, body = String, description = "The token, a JSON string."),
        (status = 401, body = ErrorBlock), (status = 403, body = ErrorBlock)),
    security(("basic" = ["capture:create"]), ("api_key" = ["capture:create"])))]
pub async fn tempsession(State(app): State<Arc<App>>, booker: Booker) -> Result<Response, ApiError> {
    let caller = booker.with(&app, Scope::CaptureCreate).await?;
    Ok(axum::Json(session_token(&app, caller)).into_response())
}

/// The public key that access tokens are encrypted with.
#[utoipa::path(get, path = "/api/payments/accesstoken/key", tag = "card URIs",
    responses((status = 200, content_type = "application/x-pem-file", description = "SubjectPublicKeyInfo as PEM."),
        (status = 401, body = ErrorBlock), (status = 403, body = ErrorBlock)),
    security(("basic" = ["capture:create"]), ("api_key" = ["capture:create"])))]
pub async fn token_key(State(app): State<Arc<App>>, booker: Booker) -> Result<Response, ApiError> {
    booker.with(&app, Scope::CaptureCreate).await?;
    let pem = tokens::public_key(&app.core).await?;
    Ok(([(header::CONTENT_TYPE, "application/x-pem-file")], pem).into_response())
}

/// Shows a card, its number masked.
#[utoipa::path(get, path = "/api/payments/paycard/{token}", tag = "card URIs",
    params(("token" = String, Path, description = "The card's token."),
        ("reference" = Option<String>, Query, description = "The card's reference, where the token has several.")),
    responses((status = 200, body = BankCard), (status = 401, body = ErrorBlock), (status = 403, body = ErrorBlock), (status = 404, body = ErrorBlock)),
    security(("basic" = ["card:read"]), ("api_key" = ["card:read"])))]
pub async fn show(State(app): State<Arc<App>>, Readable(card): Readable) -> Result<Answer, ApiError> {
    let found = paycards::find(&app.core, &card.caller, &card.name).await?;
    Ok(Answer::ok("BankCardDetails", wire::bank_card(&found.card)))
}

/// Shows what is known of a card without opening it.
#[utoipa::path(get, path = "/api/payments/paycard/{token}/meta", tag = "card URIs",
    params(("token" = String, Path, description = "The card's token."),
        ("reference" = Option<String>, Query, description = "The card's reference, where the token has several.")),
    responses((status = 200, body = Metadata), (status = 401, body = ErrorBlock), (status = 403, body = ErrorBlock), (status = 404, body = ErrorBlock)),
    security(("basic" = ["card:read"]), ("api_key" = ["card:read"])))]
pub async fn metadata(State(app): State<Arc<App>>, Readable(card): Readable) -> Result<Answer, ApiError> {
    let found = paycards::find(&app.core, &card.caller, &card.name).await?;
    Ok(Answer::ok("BankCardMetadata", wire::metadata(&app, &card.caller, &found)))
}

/// Shows what is known of the card that `ref` names, a token or a card's URI.
#[utoipa::path(get, path = "/api/payments/paycard/meta", tag = "card URIs",
    params(("ref" = String, Query, description = "A token, or a card's URI.")),
    responses((status = 200, body = Metadata), (status = 400, body = ErrorBlock), (status = 401, body = ErrorBlock), (status = 403, body = ErrorBlock),
        (status = 404, body = ErrorBlock)),
    security(("basic" = ["card:read"]), ("api_key" = ["card:read"])))]
pub async fn metadata_of(
    State(app): State<Arc<App>>,
    booker: Booker,
    query: Query,
) -> Result<Answer, ApiError> {
    let caller = booker.with(&app, Scope::CardRead).await?;
    let named = query.find("ref").ok_or_else(|| Invalid::new("/ref", "missing", "ref is needed."))?;
    let named = super::booking::card_of_uri(named).ok_or_else(ApiError::not_found)?;
    let found = paycards::find(&app.core, caller, &named).await?;
    Ok(Answer::ok("BankCardMetadata", wire::metadata(&app, caller, &found)))
}

/// Deletes a card with everything derived from it.
#[utoipa::path(delete, path = "/api/payments/paycard/{token}", tag = "card URIs",
    params(("token" = String, Path, description = "The card's token."),
        ("reference" = Option<String>, Query, description = "The card's reference, where the token has several.")),
    responses((status = 200), (status = 401, body = ErrorBlock), (status = 403, body = ErrorBlock), (status = 404, body = ErrorBlock)),
    security(("basic" = ["card:write"]), ("api_key" = ["card:write"])))]
pub async fn delete(State(app): State<Arc<App>>, Writable(card): Writable) -> Result<Answer, ApiError> {
    paycards::delete(&app.core, &card.caller, &card.name).await?;
    Ok(Answer::empty(StatusCode::OK))
}

/// Gives a card a new expiry.
#[utoipa::path(put, path = "/api/payments/paycard/{token}", tag = "card URIs",
    params(("token" = String, Path, description = "The card's token."),
        ("reference" = Option<String>, Query, description = "The card's reference, where the token has several.")),
    request_body(content = wire::ExpirationUpdate, description = "Names in any case; XML too."),
    responses((status = 200, body = BankCard), (status = 400, body = ErrorBlock), (status = 401, body = ErrorBlock), (status = 403, body = ErrorBlock),
        (status = 404, body = ErrorBlock)),
    security(("basic" = ["card:write"]), ("api_key" = ["card:write"])))]
pub async fn set_expiry(
    State(app): State<Arc<App>>,
    Writable(card): Writable,
    Document(body): Document,
) -> Result<Answer, ApiError> {
    paycards::set_expiry(&app.core, &card.caller, &card.name, expiry(body)?).await?;
    let found = paycards::find(&app.core, &card.caller, &card.name).await?;
    Ok(Answer::ok("BankCardDetails", wire::bank_card(&found.card)))
}

/// Stores a card once more under a new token. Its security code is not carried over.
#[utoipa::path(post, path = "/api/payments/paycard/{token}/duplicate", tag = "card URIs",
    params(("token" = String, Path, description = "The card's token."),
        ("reference" = Option<String>, Query, description = "The card's reference, where the token has several.")),
    request_body(content = Option<wire::Duplication>, description = "Names in any case; XML too."),
    responses((status = 201, body = BankCard, description = "`Location` is the new card's URI."),
        (status = 400, body = ErrorBlock), (status = 401, body = ErrorBlock), (status = 403, body = ErrorBlock), (status = 404, body = ErrorBlock)),
    security(("basic" = ["card:write"]), ("api_key" = ["card:write"])))]
pub async fn duplicate(
    State(app): State<Arc<App>>,
    Writable(card): Writable,
    Document(mut body): Document,
) -> Result<Answer, ApiError> {
    let typed = |value: Value| value.as_typed().map(str::to_owned).filter(|text| !text.is_empty());
    let reference = body.take("creatorreference").and_then(typed);
    let code = body.take("cvv").and_then(typed).map(Zeroizing::new);
    let saved = paycards::duplicate(&app.core, &card.caller, &card.name, reference, code).await?;
    let stored = PaycardName { token: saved.token, reference: Some(saved.reference) };
    let found = paycards::find(&app.core, &card.caller, &stored).await?;
    let answer = Answer::ok("BankCardDetails", wire::bank_card(&found.card)).status(StatusCode::CREATED);
    Ok(answer.header(header::LOCATION, &card_uri(&app, &found.card.token)))
}

/// Erases a card's security code.
#[utoipa::path(delete, path = "/api/payments/paycard/{token}/cvv", tag = "card URIs",
    params(("token" = String, Path, description = "The card's token."),
        ("reference" = Option<String>, Query, description = "The card's reference, where the token has several.")),
    responses((status = 200), (status = 401, body = ErrorBlock), (status = 403, body = ErrorBlock), (status = 404, body = ErrorBlock)),
    security(("basic" = ["card:write"]), ("api_key" = ["card:write"])))]
pub async fn clear(State(app): State<Arc<App>>, Writable(card): Writable) -> Result<Answer, ApiError> {
    terms::clear(&app.core, &card.caller, &card.name).await?;
    Ok(Answer::empty(StatusCode::OK))
}

/// `ExpirationDate` with `Month` and `Year`, or both at the top.
fn expiry(mut body: Members) -> Result<Expiry, Invalid> {
    let mut date = match body.take("expirationdate") {
        Some(Value::Object(date)) => date,
        _ => body,
    };
    let mut number = |name: &str| -> Option<u16> { date.take(name)?.as_typed()?.trim().parse().ok() };
    let (month, year) = (number("month"), number("year"));
    let year = year.map(|year| if year < 100 { 2000 + year } else { year });
    let wrong = || Invalid::new("/ExpirationDate", "expiry", "This needs a Month from 1 to 12 and a Year.");
    let (Some(month), Some(year)) = (month, year) else { return Err(wrong()) };
    Expiry::new(year, u8::try_from(month).map_err(|_| wrong())?).map_err(|_| wrong())
}
