//! `/api/cardrequest`: made, looked at, listed, taken back, sent anew (spec B.4).

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use utoipa::ToSchema;

use super::{Answer, Booker, Document, Node, Query};
use crate::http::error::ApiError;
use crate::http::router::App;
use crate::invalid::Invalid;
use crate::json::Members;
use crate::model::{CardRequest, Channel, RequestFilter, RequestKind, Scope, Status, Timestamp};
use crate::requests::create::{self, Place};
use crate::requests::details::Details;
use crate::requests::manage::{self, Whole};
use crate::storage::Page;

/// The largest page of a list.
const LARGEST_PAGE: u32 = 100;

/// The body that asks for a card. Names are read in any case.
#[derive(ToSchema)]
#[schema(rename_all = "PascalCase")]
#[expect(dead_code, reason = "documents a body that is read by hand, in any case and in XML too")]
pub struct CardRequestCreate {
    /// The merchant's name for its own account; kept and shown again.
    brand: Option<String>,
    /// `Email` or `SMS`; told by the destination where it is left out.
    send_method: Option<String>,
    /// The destination of an e-mail.
    recipient_email: Option<String>,
    /// The destination of a text message: country code and number.
    recipient_phone: Option<String>,
    /// The recipient's name.
    recipient_name: Option<String>,
    /// The merchant's name as the recipient knows it; the account's where it is left out.
    merchant_name: Option<String>,
    /// Two letters (ISO 639-1); `EN` where it is left out or unknown.
    language: Option<String>,
    /// A template of `/api/cardrequest/templates`.
    template_name: Option<String>,
    /// Before the text of message and page; may hold placeholders.
    header_text: Option<String>,
    /// After the text of message and page; may hold placeholders.
    footer_text: Option<String>,
    /// An exact decimal.
    #[schema(value_type = Option<String>)]
    amount: Option<String>,
    /// ISO 4217.
    currency: Option<String>,
    /// Seconds of the link's life, 300 to 604800; 86400 where it is left out. Durations such as `PT1H` too.
    #[schema(rename = "TTL")]
    ttl: Option<u64>,
    /// When the link ends, instead of `TTL`; without a zone it is UTC.
    expiration_date: Option<String>,
    /// An https address that each change is told to.
    callback_url: Option<String>,
    /// The merchant's own name for the request.
    creator_reference: Option<String>,
    /// Whether the form asks for the security code; true where it is left out.
    cvv: Option<bool>,
    /// Brands that are taken, parted by commas; all where it is left out.
    card_types: Option<String>,
    /// A hosted form of the merchant whose stylesheet the page takes.
    css: Option<String>,
    /// An https address for questions.
    customer_support_link: Option<String>,
    /// What stands for that address.
    customer_support_link_text: Option<String>,
    /// An e-mail address for questions.
    customer_support_email: Option<String>,
    /// A telephone number for questions.
    customer_support_phone: Option<String>,
    /// Whether a one-time passcode is asked for before the form opens.
    otp: Option<bool>,
    /// Where passcodes go; `RecipientPhone` where it is left out.
    otp_phone: Option<String>,
}

/// The body that asks for a security code: that of a card request, and these.
#[derive(ToSchema)]
#[schema(rename_all = "PascalCase")]
#[expect(dead_code, reason = "documents a body that is read by hand, in any case and in XML too")]
pub struct CodeRequestCreate {
    /// The address of the stored card.
    card_uri: String,
    /// `update` (the card gets the code) or `duplicate` (a copy under a new token gets it).
    mode: Option<String>,
    /// And the members of a card request, without `Cvv` and `CardTypes`.
    #[schema(inline)]
    recipient_email: Option<String>,
}

/// Asks somebody for a card by e-mail or text message.
#[utoipa::path(post, path = "/api/cardrequest", tag = "card requests", request_body = CardRequestCreate,
    params(("Prefer" = Option<String>, Header, description = "`return=representation` for a body.")),
    responses((status = 201, description = "`Location` is the request's address. Empty, unless a body was asked for."),
        (status = 400, body = super::ErrorBlock), (status = 401, body = super::ErrorBlock), (status = 403, body = super::ErrorBlock)),
    security(("basic" = ["request"]), ("api_key" = ["request"])))]
pub async fn create(
    State(app): State<Arc<App>>,
    booker: Booker,
    headers: HeaderMap,
    Document(body): Document,
) -> Result<Answer, ApiError> {
    make(&app, &booker, RequestKind::Card, &headers, body).await
}

/// Asks somebody for the security code of a stored card.
#[utoipa::path(post, path = "/api/cardrequest/csc", tag = "card requests", request_body = CodeRequestCreate,
    params(("Prefer" = Option<String>, Header, description = "`return=representation` for a body.")),
    responses((status = 201, description = "`Location` is the request's address. Empty, unless a body was asked for."),
        (status = 400, body = super::ErrorBlock), (status = 401, body = super::ErrorBlock), (status = 403, body = super::ErrorBlock),
        (status = 404, body = super::ErrorBlock, description = "There is no such card.")),
    security(("basic" = ["card:write", "request"]), ("api_key" = ["card:write", "request"])))]
pub async fn create_csc(
    State(app): State<Arc<App>>,
    booker: Booker,
    headers: HeaderMap,
    Document(body): Document,
) -> Result<Answer, ApiError> {
    booker.with(&app, Scope::CardWrite).await?;
    make(&app, &booker, RequestKind::Code, &headers, body).await
}

/// What was asked for, how far it is, and the card's address once it is stored.
#[utoipa::path(get, path = "/api/cardrequest/{id}", tag = "card requests",
    params(("id" = String, Path, description = "The request.")),
    responses((status = 200, description = "The request with its history.", content_type = "application/json"),
        (status = 401, body = super::ErrorBlock), (status = 403, body = super::ErrorBlock), (status = 404, body = super::ErrorBlock)),
    security(("basic" = ["request"]), ("api_key" = ["request"])))]
pub async fn show(
    State(app): State<Arc<App>>,
    booker: Booker,
    Path(id): Path<String>,
) -> Result<Answer, ApiError> {
    let caller = booker.with(&app, Scope::Request).await?;
    let whole = manage::find(&app.core, caller, &id).await?;
    Ok(Answer::ok("CardRequest", node(&app, &whole)))
}

/// The merchant's requests, newest first.
#[utoipa::path(get, path = "/api/cardrequest", tag = "card requests",
    params(("status" = Option<String>, Query, description = "Only those in this state."),
        ("creatorReference" = Option<String>, Query, description = "Only those with this reference."),
        ("from" = Option<String>, Query, description = "Only those made at this time or later; UTC without a zone."),
        ("to" = Option<String>, Query, description = "Only those made before this time."),
        ("limit" = Option<u32>, Query, description = "At most so many, 1 to 100; 50 where it is left out."),
        ("cursor" = Option<String>, Query, description = "`NextCursor` of the page before.")),
    responses((status = 200, description = "`Items`, and `NextCursor` where there are more.", content_type = "application/json"),
        (status = 400, body = super::ErrorBlock), (status = 401, body = super::ErrorBlock), (status = 403, body = super::ErrorBlock)),
    security(("basic" = ["request"]), ("api_key" = ["request"])))]
pub async fn list(State(app): State<Arc<App>>, booker: Booker, query: Query) -> Result<Answer, ApiError> {
    let caller = booker.with(&app, Scope::Request).await?;
    let page = page(&query)?;
    let found = manage::list(&app.core, caller, filter(&query)?, page.clone()).await?;
    let full = u32::try_from(found.len()).is_ok_and(|got| got >= page.limit);
    let last = found.last().map(|whole| whole.request.id.to_string()).filter(|_| full);
    let items = found.iter().map(|whole| node(&app, whole)).collect();
    let mut members = vec![("Items", Node::List("CardRequest", items))];
    members.extend(last.map(|last| ("NextCursor", Node::Text(last))));
    Ok(Answer::ok("CardRequests", Node::Members(members)))
}

/// Takes a request back, until the form has been filled. Its link is dead at once.
#[utoipa::path(delete, path = "/api/cardrequest/{id}", tag = "card requests",
    params(("id" = String, Path, description = "The request.")),
    responses((status = 200, description = "It is gone."), (status = 401, body = super::ErrorBlock), (status = 403, body = super::ErrorBlock),
        (status = 404, body = super::ErrorBlock),
        (status = 409, body = super::ErrorBlock, description = "The card is stored already.")),
    security(("basic" = ["request"]), ("api_key" = ["request"])))]
pub async fn delete(
    State(app): State<Arc<App>>,
    booker: Booker,
    Path(id): Path<String>,
) -> Result<Answer, ApiError> {
    let caller = booker.with(&app, Scope::Request).await?;
    manage::delete(&app.core, caller, &id).await?;
    Ok(Answer::empty(StatusCode::OK))
}

/// Sends a new link, which ends the one before it.
#[utoipa::path(post, path = "/api/cardrequest/{id}/resend", tag = "card requests",
    params(("id" = String, Path, description = "The request.")),
    responses((status = 200, description = "The message waits to be sent."), (status = 401, body = super::ErrorBlock), (status = 403, body = super::ErrorBlock),
        (status = 404, body = super::ErrorBlock),
        (status = 409, body = super::ErrorBlock, description = "The request has come to its end.")),
    security(("basic" = ["request"]), ("api_key" = ["request"])))]
pub async fn resend(
    State(app): State<Arc<App>>,
    booker: Booker,
    Path(id): Path<String>,
) -> Result<Answer, ApiError> {
    let caller = booker.with(&app, Scope::Request).await?;
    manage::resend(&app.core, &place(&app), caller, &id).await?;
    Ok(Answer::empty(StatusCode::OK))
}

async fn make(
    app: &App,
    booker: &Booker,
    kind: RequestKind,
    headers: &HeaderMap,
    body: Members,
) -> Result<Answer, ApiError> {
    let caller = booker.with(app, Scope::Request).await?;
    let request = create::create(&app.core, &place(app), caller, kind, body).await?;
    let location = place(app).address(&format!("/api/cardrequest/{}", request.id));
    if !wants_representation(headers) {
        return Ok(Answer::empty(StatusCode::CREATED).header(header::LOCATION, &location));
    }
    let whole = manage::find(&app.core, caller, request.id.as_str()).await?;
    let applied = HeaderName::from_static("preference-applied");
    let answer = Answer::ok("CardRequest", node(app, &whole)).status(StatusCode::CREATED);
    Ok(answer.header(header::LOCATION, &location).header(applied, "return=representation"))
}

/// RFC 7240.
fn wants_representation(headers: &HeaderMap) -> bool {
    let lines = headers.get_all("prefer").iter().filter_map(|value| value.to_str().ok());
    let mut preferences = lines.flat_map(|line| line.split([',', ';'])).map(|part| part.replace(' ', ""));
    preferences.any(|preference| preference.eq_ignore_ascii_case("return=representation"))
}

fn place(app: &App) -> Place<'_> {
    Place { public_url: &app.public_url, callbacks: &app.callbacks }
}

fn page(query: &Query) -> Result<Page, ApiError> {
    let limit = match query.find("limit") {
        None => Some(50),
        Some(text) => text.parse().ok().filter(|limit| (1..=LARGEST_PAGE).contains(limit)),
    };
    let detail = "limit has to be a whole number from 1 to 100.";
    let limit = limit.ok_or_else(|| Invalid::new("/limit", "range", detail))?;
    let after = query.find("cursor").map(str::to_owned);
    if after.as_ref().is_some_and(|after| after.len() > 64 || !after.starts_with("req_")) {
        return Err(Invalid::new("/cursor", "unknown", "This is no cursor of ours.").into());
    }
    Ok(Page { after, limit })
}

fn filter(query: &Query) -> Result<RequestFilter, ApiError> {
    let time = |name: &'static str| {
        let Some(text) = query.find(name) else { return Ok(None) };
        let detail = format!("{name} has to be a time, such as 2027-01-15T08:00:00.");
        Timestamp::parse(text).map(Some).ok_or_else(|| Invalid::new(format!("/{name}"), "time", detail))
    };
    let status = match query.find("status") {
        None => None,
        Some(text) => {
            let detail = "There is no such status.";
            Some(Status::parse(text).ok_or_else(|| Invalid::new("/status", "unknown", detail))?)
        }
    };
    let reference = query.find("creatorreference").map(str::to_owned);
    Ok(RequestFilter { status, reference, from: time("from")?, to: time("to")? })
}

/// A request as its merchant sees it: what was sent, and what has come of it (spec B.4).
fn node(app: &App, whole: &Whole) -> Node {
    let Whole { request, details, history } = whole;
    let mut members = state(app, request);
    members.extend(sent(request, details));
    if !history.is_empty() {
        let entry = |change: &crate::model::StatusChange| {
            Node::Members(vec![
                ("Status", Node::text(change.status.as_str())),
                ("Time", Node::Text(change.at.zoneless())),
            ])
        };
        members.push(("StatusHistory", Node::List("StatusChange", history.iter().map(entry).collect())));
    }
    Node::Members(members)
}

fn state(app: &App, request: &CardRequest) -> Vec<(&'static str, Node)> {
    let kind = match request.kind {
        RequestKind::Card => "Card",
        RequestKind::Code => "CSC",
    };
    let mut members = vec![
        ("RequestID", Node::text(request.id.as_str())),
        ("RequestType", Node::text(kind)),
        ("Status", Node::text(request.status.as_str())),
        ("LastNotifiedTime", Node::Text(request.status_at.zoneless())),
        ("CreateDate", Node::Text(request.created_at.zoneless())),
        ("ExpirationDate", Node::Text(request.expires_at.zoneless())),
    ];
    if let Some(token) = &request.card_token {
        let uri = place(app).address(&format!("/api/payments/paycard/{token}"));
        members.push(("CardUri", Node::Text(uri)));
    }
    if let Some(at) = request.asked_at {
        members.push(("NewLinkRequestedTime", Node::Text(at.zoneless())));
    }
    members
}

fn sent(request: &CardRequest, details: &Details) -> Vec<(&'static str, Node)> {
    let mut members = vec![("SendMethod", Node::text(request.channel.as_str()))];
    let support = &details.support;
    let money = details.money.as_ref();
    let own = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    let phone = details.recipient_phone.clone().filter(|_| request.channel == Channel::Sms);
    let texts = [
        ("Brand", details.brand.clone()),
        ("CreatorReference", own(&request.reference)),
        ("RecipientName", own(&details.recipient_name)),
        ("RecipientEmail", details.recipient_email.clone()),
        ("RecipientPhone", phone),
        ("MerchantName", own(&details.merchant_name)),
        ("Language", Some(details.language.to_uppercase())),
        ("TemplateName", details.template.clone()),
        ("HeaderText", own(&details.header)),
        ("FooterText", own(&details.footer)),
        ("Amount", money.map(|money| money.amount.clone())),
        ("Currency", money.map(|money| money.currency.clone())),
        ("CallbackUrl", details.callback.clone()),
        ("Css", details.css.clone()),
        ("CardTypes", own(&details.card_types.join(","))),
        ("CustomerSupportLink", support.link.clone()),
        ("CustomerSupportLinkText", support.link_text.clone()),
        ("CustomerSupportEmail", support.email.clone()),
        ("CustomerSupportPhone", support.phone.clone()),
        ("OtpPhone", details.passcode_phone.clone()),
    ];
    members.extend(texts.into_iter().filter_map(|(name, text)| Some((name, Node::Text(text?)))));
    members.push(("TTL", Node::Number(i64::try_from(details.ttl).unwrap_or(i64::MAX))));
    members.push(("Cvv", Node::Flag(details.cvv)));
    if request.kind == RequestKind::Code {
        let mode = if details.duplicate { "duplicate" } else { "update" };
        members.push(("Mode", Node::text(mode)));
    }
    members
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn preferences_are_read_as_they_are_written() {
        for (prefer, wanted) in [
            ("return=representation", true),
            ("respond-async, return=representation; x", true),
            ("Return = Representation", true),
            ("return=minimal", false),
        ] {
            let headers =
                [(HeaderName::from_static("prefer"), prefer.parse().unwrap())].into_iter().collect();
            assert_eq!(wants_representation(&headers), wanted, "{prefer}");
        }
        assert!(!wants_representation(&HeaderMap::new()));
    }
}
