//! `/v1/vault`: cards by authenticated calls (spec A.3).

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use zeroize::Zeroizing;

use super::wire::{CardListed, CardMetadata, Tokenised};
use crate::access::Caller;
use crate::crypto::token::Algorithm;
use crate::http::body::JsonBody;
use crate::http::caller::{Merchant, key_access};
use crate::http::error::{ApiError, Problem};
use crate::http::params::Params;
use crate::http::router::App;
use crate::invalid::Invalid;
use crate::model::{Card, Scope, VaultKey};
use crate::storage::Page;
use crate::vault::cards::{self, CardName, Saved, StoreRequest};
use crate::vault::{keys, mask_member};

/// Names of a number outside the body, in the order of preference.
const NUMBER_NAMES: [&str; 4] = ["number", "card_number", "n", "account_number"];

/// Stores a card.
#[utoipa::path(post, path = "/v1/vault", tag = "vault",
    params(("user" = String, Query, description = "The vault key's name; `managed` for the managed key."),
        ("X-Vault-Passphrase" = Option<String>, Header, description = "The key's passphrase (also `passphrase` in the query)."),
        ("reference" = Option<String>, Query, description = "Part of the card's identity."),
        ("algorithm" = Option<String>, Query, description = "`full` (default), `partial_{n}_{start|end}`, `partial_middle_{s}_{e}`, `luhn`, `random`."),
        ("return_card_metadata" = Option<bool>, Query, description = "Answers what may be shown of the card.")),
    request_body(content = Object, description = "Any members; the number as `number`, `card_number`, `n` or `account_number`."),
    responses((status = 200, body = Tokenised), (status = 400, body = Problem), (status = 401, body = Problem),
        (status = 403, body = Problem), (status = 404, body = Problem), (status = 413, body = Problem)),
    security(("basic" = ["card:write"]), ("api_key" = ["card:write"])))]
pub async fn store(
    State(app): State<Arc<App>>,
    merchant: Merchant,
    headers: HeaderMap,
    params: Params,
    JsonBody(body): JsonBody,
) -> Result<Json<Tokenised>, ApiError> {
    let caller = merchant.with(&app, Scope::CardWrite).await?;
    let access = key_access(&headers, &params, None)?;
    let number = NUMBER_NAMES
        .iter()
        .find_map(|name| params.find(name).map(|text| ((*name).to_owned(), Zeroizing::new(text.to_owned()))));
    let request = StoreRequest {
        body,
        number,
        reference: params.find("reference").unwrap_or_default().to_owned(),
        algorithm: algorithm(&params)?,
    };
    let metadata = params.flag("return_card_metadata", false)?;
    let saved = cards::store(&app.core, caller, &access, request).await?;
    Ok(Json(tokenised(&app, saved, metadata)))
}

/// Opens a card, or lists cards: with a token the stored object, without one the tokens of all keys.
#[utoipa::path(get, path = "/v1/vault", tag = "vault",
    params(("user" = Option<String>, Query, description = "The vault key's name; lists all keys where left out."),
        ("X-Vault-Passphrase" = Option<String>, Header, description = "The key's passphrase (also `passphrase` in the query); to open a card."),
        ("token" = Option<String>, Query, description = "The card to open."),
        ("reference" = Option<String>, Query, description = "Its reference."),
        ("mask_fields" = Option<String>, Query, description = "Comma-separated members to mask in the answer."),
        ("return_card_metadata" = Option<bool>, Query, description = "Lists what may be shown of each card."),
        ("limit" = Option<u32>, Query, description = "Cards on a page."),
        ("next_token" = Option<String>, Query, description = "From the header X-PCIVault-Next-Token of the page before.")),
    responses((status = 200, content_type = "application/json", description = "The stored object; or an object of lists of cards by key name."),
        (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem)),
    security(("basic" = ["card:read"]), ("api_key" = ["card:read"])))]
pub async fn read(
    State(app): State<Arc<App>>,
    merchant: Merchant,
    headers: HeaderMap,
    params: Params,
) -> Result<Response, ApiError> {
    let caller = merchant.with(&app, Scope::CardRead).await?;
    if params.find("token").is_none() {
        return list(&app, caller, &params).await;
    }
    let access = key_access(&headers, &params, None)?;
    let name = card_name(&params)?;
    let mut object = cards::read(&app.core, caller, &access, &name).await?;
    for field in params.find("mask_fields").unwrap_or_default().split(',').map(str::trim) {
        mask_member(&mut object, field);
    }
    let json = HeaderValue::from_static("application/json");
    Ok(([(header::CONTENT_TYPE, json)], object.to_json().to_string()).into_response())
}

/// Merges members into a stored card at first level; the number is immutable.
#[utoipa::path(post, path = "/v1/vault/update", tag = "vault",
    params(("user" = String, Query, description = "The vault key's name."),
        ("X-Vault-Passphrase" = Option<String>, Header, description = "The key's passphrase (also `passphrase` in the query)."),
        ("token" = String, Query, description = "The card."),
        ("reference" = Option<String>, Query, description = "Its reference.")),
    request_body(content = Object, description = "The members to merge."),
    responses((status = 200, body = Tokenised), (status = 400, body = Problem), (status = 401, body = Problem),
        (status = 403, body = Problem), (status = 404, body = Problem)),
    security(("basic" = ["card:write"]), ("api_key" = ["card:write"])))]
pub async fn update(
    State(app): State<Arc<App>>,
    merchant: Merchant,
    headers: HeaderMap,
    params: Params,
    JsonBody(body): JsonBody,
) -> Result<Json<Tokenised>, ApiError> {
    let caller = merchant.with(&app, Scope::CardWrite).await?;
    let access = key_access(&headers, &params, None)?;
    let metadata = params.flag("return_card_metadata", false)?;
    let saved = cards::update(&app.core, caller, &access, &card_name(&params)?, body).await?;
    Ok(Json(tokenised(&app, saved, metadata)))
}

/// Deletes a card with everything derived from it.
#[utoipa::path(delete, path = "/v1/vault", tag = "vault",
    params(("user" = String, Query, description = "The vault key's name."),
        ("token" = String, Query, description = "The card."),
        ("reference" = Option<String>, Query, description = "Its reference.")),
    responses((status = 200, body = Tokenised), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem)),
    security(("basic" = ["card:write"]), ("api_key" = ["card:write"])))]
pub async fn delete(
    State(app): State<Arc<App>>,
    merchant: Merchant,
    params: Params,
) -> Result<Json<Tokenised>, ApiError> {
    let caller = merchant.with(&app, Scope::CardWrite).await?;
    let (user, name) = (params.need("user")?, card_name(&params)?);
    cards::delete(&app.core, caller, user, &name).await?;
    let CardName { token, reference } = name;
    Ok(Json(Tokenised { user: user.to_owned(), token, reference, card_metadata: None }))
}

/// The token algorithm of a query.
pub fn algorithm(params: &Params) -> Result<Algorithm, ApiError> {
    let Some(name) = params.find("algorithm") else { return Ok(Algorithm::Full) };
    let detail =
        "The algorithm has to be full, partial_{8..16}_{start|end}, partial_middle_{s}_{e}, luhn or random.";
    Algorithm::parse(name).ok_or_else(|| Invalid::new("/algorithm", "unknown", detail).into())
}

fn card_name(params: &Params) -> Result<CardName, ApiError> {
    let token = params.need("token")?.to_owned();
    Ok(CardName { token, reference: params.find("reference").unwrap_or_default().to_owned() })
}

fn tokenised(app: &App, saved: Saved, metadata: bool) -> Tokenised {
    let card_metadata = metadata.then(|| CardMetadata::of(&saved.shown, saved.issuer, app.core.now()));
    Tokenised { user: saved.user, token: saved.token, reference: saved.reference, card_metadata }
}

/// Lists cards key by key; a page's token names the key and the last card.
async fn list(app: &App, caller: &Caller, params: &Params) -> Result<Response, ApiError> {
    let page = super::page(params)?;
    let metadata = params.flag("return_card_metadata", false)?;
    let (from_key, mut after) = match page.after.as_deref().and_then(|after| after.split_once('.')) {
        Some((key, card)) => (super::decode(key), Some(card.to_owned())),
        None => (String::new(), None),
    };
    let mut answer: BTreeMap<String, Vec<CardListed>> = BTreeMap::new();
    let (mut got, mut last) = (0, None);
    for key in listed_keys(app, caller, params, &from_key).await? {
        let left = page.limit.saturating_sub(u32::try_from(got).unwrap_or(u32::MAX));
        if left == 0 {
            break;
        }
        let after = after.take().filter(|_| key.name == from_key);
        let cards = cards::list(&app.core, caller, &key, Page { after, limit: left }).await?;
        got += cards.len();
        last = cards.last().map(|card| format!("{}.{}", super::encode(&key.name), card.id)).or(last);
        let listed = answer.entry(key.name).or_default();
        listed.extend(cards.iter().map(|card| listed_card(app, card, metadata)));
    }
    Ok((super::next(last, got, &page), Json(answer)).into_response())
}

async fn listed_keys(
    app: &App,
    caller: &Caller,
    params: &Params,
    from: &str,
) -> Result<Vec<VaultKey>, ApiError> {
    if let Some(user) = params.find("user") {
        return Ok(vec![keys::find(&app.core, caller, user).await?]);
    }
    let every = Page { after: None, limit: u32::MAX };
    let keys = keys::list(&app.core, caller, every).await?;
    let mut keys: Vec<_> = keys.into_iter().filter(|key| key.name.as_str() >= from).collect();
    // The store sorts by its own collation; pages continue by bytes.
    keys.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(keys)
}

fn listed_card(app: &App, card: &Card, metadata: bool) -> CardListed {
    CardListed {
        token: card.token.clone(),
        reference: card.reference.clone(),
        created_at: metadata.then(|| card.created_at.rfc3339()),
        updated_at: metadata.then(|| card.updated_at.rfc3339()),
        card_metadata: metadata.then(|| {
            let issuer = app.core.bins.issuer_of_six(&card.shown.first_six);
            CardMetadata::of(&card.shown, issuer, app.core.now())
        }),
    }
}
