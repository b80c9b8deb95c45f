//! `GET /api/payments/capturecard`: the hosted card form with the parameters of these clients (spec B.3).

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use shared::{Brand, Expiry, Problem, YearMonth};
use url::Url;
use zeroize::Zeroizing;

use super::wire::ErrorBlock;
use crate::capture::brands;
use crate::capture::endpoints::{self, NewEndpoint};
use crate::capture::forms::{self, Messages, Worn};
use crate::capture::ttl::Ttl;
use crate::crypto::token::Algorithm;
use crate::http::asked::LOCALE;
use crate::http::booking::{Booker, Query, card_uri};
use crate::http::error::ApiError;
use crate::http::pages::{self, form::Opened};
use crate::http::params::Params;
use crate::http::router::App;
use crate::invalid::Invalid;
use crate::json::Members;
use crate::languages::Asked;
use crate::model::Scope;
use crate::vault::keys::{KeyAccess, MANAGED};

/// So long may somebody take to fill the form.
const LIFE: Duration = Duration::from_mins(30);
/// Refused submits count, too.
const USES: u32 = 20;

/// Opens a card form. The card becomes one of the managed key, under a random token.
#[utoipa::path(get, path = "/api/payments/capturecard", tag = "card URIs",
    params(("sessionToken" = Option<String>, Query, description = "From `POST /api/payments/paycard/tempsession`."),
        ("accessToken" = Option<String>, Query, description = "API key, a random text and an end, encrypted to `GET /api/payments/accesstoken/key`; where there is no session token."),
        ("cvv" = Option<bool>, Query, description = "Whether the security code is asked for; default false."),
        ("cardTypes" = Option<String>, Query, description = "The card types that are taken, separated by commas; all where it is left out."),
        ("defaultCardType" = Option<String>, Query, description = "The card type that is preferred for cards of two brands."),
        ("autoDetectCardType" = Option<bool>, Query, description = "Only true: the form always tells the card type from the number."),
        ("brand" = Option<String>, Query, description = "A hosted form of the merchant whose look and languages the page takes; other names change nothing."),
        ("css" = Option<String>, Query, description = "A hosted form of the merchant whose stylesheet the page takes; other names change nothing."),
        ("nameOnCardValidation" = Option<String>, Query, description = "`NO_DIGITS`: a holder's name with digits is refused."),
        ("autoFocus" = Option<bool>, Query, description = "Whether the cursor stands in the first field when the page opens; default false."),
        ("expirationMonths" = Option<String>, Query, description = "`names`: month and year are chosen from lists, the months by their names; `numbers`: they are typed. Default `numbers`."),
        ("minExpiration" = Option<String>, Query, description = "`mmyyyy`: the card has to be valid until the end of that month at least."),
        ("showOwnerId" = Option<bool>, Query, description = "Whether the identity number of the card's owner is asked for; default false."),
        ("removeBaseCss" = Option<bool>, Query, description = "Whether our own style is left out, so that the stylesheet of `css` decides alone; default false."),
        ("creatorReference" = Option<String>, Query, description = "The card's reference."),
        ("eliminateCardDuplication" = Option<bool>, Query, description = "Whether the same number under the same reference keeps its token."),
        ("language" = Option<String>, Query, description = "The language of the page and of those that follow it; what is unknown is English."),
        ("postMessageHost" = Option<String>, Query, description = "The origin that frames the page and is told results, in the words of this interface."),
        ("submitWithPostMessage" = Option<bool>, Query, description = "Whether the framing page has the button; it needs `postMessageHost`."),
        ("useCustomValidation" = Option<bool>, Query, description = "Whether the framing page is asked before a card is sent; it needs `postMessageHost`."),
        ("success" = Option<String>, Query, description = "Where to go afterwards, with {cardToken}, {cardType}, {cardNumber} (masked), {cvv} (true or false), {expiration}, {cardHolderName} and {threeDSecIndication} (always empty)."),
        ("failure" = Option<String>, Query, description = "Where to go after a refusal.")),
    responses((status = 200, content_type = "text/html", description = "The page."),
        (status = 400, body = ErrorBlock), (status = 401, body = ErrorBlock), (status = 403, body = ErrorBlock)),
    security(("session" = []), ("basic" = ["capture:create"]), ("api_key" = ["capture:create"])))]
pub async fn open(State(app): State<Arc<App>>, booker: Booker, query: Query) -> Result<Response, ApiError> {
    let caller = booker.with(&app, Scope::CaptureCreate).await?;
    let wanted = new_endpoint(&query, min_expiry(&query, app.core.now().year_month())?)?;
    let (form, settings) =
        forms::fleeting(&app.core, caller, settings(&app, &query)?, &worn(&query)?).await?;
    let managed = KeyAccess { user: MANAGED.to_owned(), passphrase: Zeroizing::default() };
    let wanted = NewEndpoint { card_types: settings.brands.card_types.clone(), ..wanted };
    let made = endpoints::create(&app.core, caller, &managed, wanted).await?;
    let settings = settings.on(&made.endpoint);
    // The page is answered here and not by a redirect: so its secret stands in no address.
    let mut fields = form_urlencoded::Serializer::new(String::new());
    fields.append_pair("unique_id", &made.endpoint.unique_id).append_pair("secret", &made.secret);
    // The choice of a language on the page opens it anew under our own name for it, which comes later than theirs.
    let locale = query.find(LOCALE).or(query.find("language"));
    if let Some(locale) = locale {
        fields.append_pair(LOCALE, locale);
    }
    let params = Params::parse(Zeroizing::new(fields.finish()).as_bytes())?;
    let asked = Asked { locale: locale.map(str::to_owned), accept: None };
    let opened = Opened { form: &form, params: &params, asked: &asked, query: query.others(LOCALE) };
    Ok(pages::form::show(&app, &opened, &settings, settings.rules(), None))
}

/// What the form has beyond the settings of all forms.
fn worn(query: &Query) -> Result<Worn<'_>, ApiError> {
    Ok(Worn {
        brand: query.find("brand"),
        css: query.find("css"),
        auto_focus: query.flag("autofocus", false)?,
        plain_names: plain_names(query)?,
        expiry_lists: expiry_lists(query)?,
        owner_id: query.flag("showownerid", false)?,
        bare: query.flag("removebasecss", false)?,
        asks_around: asks_around(query)?,
    })
}

/// The endpoint takes what its form takes, also from whoever sends to it without the form.
fn new_endpoint(query: &Query, min_expiry: Option<YearMonth>) -> Result<NewEndpoint, ApiError> {
    let same = query.flag("eliminatecardduplication", false)?;
    Ok(NewEndpoint {
        ttl: Ttl::For(LIFE),
        unique_id: None,
        token: None,
        reference: query.find("creatorreference").unwrap_or_default().to_owned(),
        algorithm: if same { Algorithm::Full } else { Algorithm::Random },
        return_card_metadata: false,
        max_uses: Some(USES),
        webhook: None,
        card_types: Vec::new(),
        min_expiry,
        rules: None,
    })
}

/// The form's settings, as a merchant would have created them.
fn settings(app: &App, query: &Query) -> Result<Members, ApiError> {
    if query.flag("threeds", false)? {
        let detail = "This server does not authenticate cards (3-D Secure).";
        return Err(Invalid::new("/ThreeDS", "unsupported", detail).into());
    }
    let cvv = query.flag("cvv", false)?;
    let mut body = json!({
        "single_use": true,
        "messages": Messages::CardRequest.as_str(),
        "submit_by_message": query.flag("submitwithpostmessage", false)?,
        "field_options": { "cvv": { "visible": cvv, "validate": cvv } },
    });
    let mut set = |name: &str, value: serde_json::Value| {
        if let Some(members) = body.as_object_mut() {
            members.insert(name.to_owned(), value);
        }
    };
    if let Some(types) = card_types(query)? {
        set("card_types", json!(types));
    }
    if let Some(origin) = query.find("postmessagehost") {
        set("allowed_origins", json!([origin]));
    }
    if let Some(url) = target(query, "success")? {
        set("success_callback", json!(STANDARD.encode(on_success(app, &url, cvv))));
    }
    if let Some(url) = target(query, "failure")? {
        set(
            "error_callback",
            json!(STANDARD.encode(format!("() => {{ window.location.href = {}; }}", json!(url)))),
        );
    }
    Ok(Members::parse(body.to_string().as_bytes())?)
}

/// Whether the holder's name may hold no digits.
fn plain_names(query: &Query) -> Result<bool, Invalid> {
    match query.find("nameoncardvalidation") {
        None => Ok(false),
        Some(rule) if rule.eq_ignore_ascii_case("NO_DIGITS") => Ok(true),
        Some(_) => {
            let detail = "nameOnCardValidation is empty or NO_DIGITS.";
            Err(Invalid::new("/nameOnCardValidation", "unknown", detail))
        }
    }
}

/// Whether month and year are chosen from lists.
fn expiry_lists(query: &Query) -> Result<bool, Invalid> {
    match query.find("expirationmonths") {
        None => Ok(false),
        Some(how) if how.eq_ignore_ascii_case("numbers") => Ok(false),
        Some(how) if how.eq_ignore_ascii_case("names") => Ok(true),
        Some(_) => {
            let detail = "expirationMonths is numbers or names.";
            Err(Invalid::new("/expirationMonths", "unknown", detail))
        }
    }
}

/// The month until which the card has to be valid at least. One that is no later than this month asks for nothing.
fn min_expiry(query: &Query, today: YearMonth) -> Result<Option<YearMonth>, Invalid> {
    let Some(text) = query.find("minexpiration") else { return Ok(None) };
    let wrong = |code, detail| Invalid::new("/minExpiration", code, detail);
    let is_plain = text.len() == 6 && text.bytes().all(|byte| byte.is_ascii_digit());
    let month = text.split_at_checked(2).filter(|_| is_plain);
    let month = month.and_then(|(month, year)| Expiry::new(year.parse().ok()?, month.parse().ok()?).ok());
    let month =
        month.ok_or_else(|| wrong("format", "minExpiration is a month and a year, such as 052031."))?;
    if month.check_for_form(today) == Err(Problem::TooFar) {
        return Err(wrong("range", "No card is valid as long as minExpiration says."));
    }
    Ok(Some(YearMonth { year: month.year(), month: month.month() }).filter(|month| *month > today))
}

/// Whether the page around the frame is asked. There has to be one that is known.
fn asks_around(query: &Query) -> Result<bool, ApiError> {
    let asks = query.flag("usecustomvalidation", false)?;
    if asks && query.find("postmessagehost").is_none() {
        let detail = "useCustomValidation needs postMessageHost, the origin of the page that is asked.";
        return Err(Invalid::new("/useCustomValidation", "missing", detail).into());
    }
    Ok(asks)
}

/// The brands that are taken, the preferred one first: of a card of two brands it is the one that is used.
fn card_types(query: &Query) -> Result<Option<Vec<&'static str>>, ApiError> {
    if !query.flag("autodetectcardtype", true)? {
        let detail = "The form always tells the card type from the number; leave autoDetectCardType out.";
        return Err(Invalid::new("/autoDetectCardType", "unsupported", detail).into());
    }
    let mut taken = Vec::new();
    for name in
        query.find("cardtypes").unwrap_or_default().split([',', ';']).filter(|name| !name.trim().is_empty())
    {
        let brand = named("cardTypes", name)?;
        if !taken.contains(&brand) {
            taken.push(brand);
        }
    }
    let Some(preferred) = query.find("defaultcardtype") else {
        return Ok(Some(taken).filter(|taken| !taken.is_empty()));
    };
    let preferred = named("defaultCardType", preferred)?;
    if taken.is_empty() {
        // Without a list all are taken, those too that have no name here.
        taken.extend(Brand::ALL.into_iter().map(Brand::wire).chain([Brand::Other.wire()]));
    } else if !taken.contains(&preferred) {
        let detail = "defaultCardType has to be one of cardTypes.";
        return Err(Invalid::new("/defaultCardType", "unknown", detail).into());
    }
    taken.retain(|brand| *brand != preferred);
    taken.insert(0, preferred);
    taken.dedup();
    Ok(Some(taken))
}

fn named(parameter: &str, name: &str) -> Result<&'static str, Invalid> {
    let told = || {
        Invalid::new(format!("/{parameter}"), "unknown", format!("{parameter} names an unknown card type."))
    };
    brands::named(name).map(Brand::wire).ok_or_else(told)
}

/// An absolute https address; on this machine itself http will do.
fn target(query: &Query, name: &str) -> Result<Option<String>, Invalid> {
    let Some(text) = query.find(name) else { return Ok(None) };
    let wrong = || Invalid::new(format!("/{name}"), "url", format!("{name} has to be an https address."));
    let url = Url::parse(text).map_err(|_| wrong())?;
    let local = url.scheme() == "http" && matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
    let usable = (url.scheme() == "https" || local)
        && url.username().is_empty()
        && url.password().is_none()
        && !shared::digits::holds_card_number(text);
    usable.then(|| Some(text.to_owned())).ok_or_else(wrong)
}

/// A callback like any other: it sees the answer and what may be shown of the card, never number or code.
fn on_success(app: &App, url: &str, cvv: bool) -> String {
    let (url, uri) = (json!(url), json!(card_uri(app, "")));
    format!(
        r#"(response, request) => {{
  const values = {{
    cardtoken: {uri} + encodeURIComponent(response.token),
    cardtype: request.card_type,
    cardnumber: request.last_four && "************" + request.last_four,
    cvv: "{cvv}",
    expiration: request.expiry,
    cardholdername: request.card_holder,
    threedsecindication: "",
  }};
  const fill = (all, name) => (name.toLowerCase() in values ? encodeURIComponent(values[name.toLowerCase()] ?? "") : all);
  window.location.href = {url}.replace(/\{{(\w+)\}}/g, fill).replace(/%7B(\w+)%7D/gi, fill);
}}"#
    )
}
