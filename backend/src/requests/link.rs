//! The link as its recipient sees it: what the page shows, the beacon that says it was touched, and the wish for
//! a new link.

use std::time::Duration;

use shared::{Accepted, Brand, Field, FieldOptions, FormRules};

use super::create::code_hash;
use super::details::{Details, Support};
use super::words::{self, Part};
use super::{RequestError, change, events, message, passcode};
use crate::capture::forms;
use crate::core::{ANONYMOUS, Actor, Core};
use crate::model::{Card, CardRequest, Happening, MerchantId, Mode, Outcome, RequestKind, Timestamp};
use crate::vault::within;

/// Codes that lead nowhere, from one address in a minute, before nothing is looked up any more.
const GUESSES: u32 = 20;
const GUESS_SCOPE: &str = "link.unknown";
/// How often a recipient can ask for a new link, and how long in between.
const MOST_ASKED: u32 = 5;
const ASKED_APART: Duration = Duration::from_hours(1);

/// What stands behind a code.
pub enum Page {
    /// Nothing, or nothing any more: one page whatever the reason.
    Gone {
        /// Too many codes that lead nowhere came from this address.
        too_many: bool,
    },
    /// A passcode comes first.
    Passcode(Box<PasscodePage>),
    /// The form.
    Form(Box<FormView>),
}

/// The page before the form.
pub struct PasscodePage {
    /// What is told of the request.
    pub about: About,
    /// The number that codes go to, but for its end hidden.
    pub phone: String,
    /// Whether a code was sent and still holds.
    pub waits: bool,
    /// Whether another code can be sent.
    pub can_send: bool,
}

/// The form and what stands round it.
pub struct FormView {
    /// What is told of the request.
    pub about: About,
    /// The fields.
    pub rules: FormRules,
    /// The brands that are taken, by wire name; empty takes all.
    pub card_types: Vec<String>,
    /// The merchant's stylesheet, cleaned; may be empty.
    pub css: String,
}

/// What a page tells of a request.
#[derive(Clone, Debug, Default)]
pub struct About {
    /// The page's language.
    pub language: String,
    /// The name that the recipient knows the merchant by.
    pub merchant: String,
    /// With the currency's symbol; may be empty.
    pub amount: String,
    /// The stored card whose code is asked for, masked; empty where a card is asked for.
    pub card: String,
    /// The merchant's words before the form.
    pub header: String,
    /// The merchant's words after it.
    pub footer: String,
    /// Whom the recipient can turn to.
    pub support: Support,
}

/// A request that was found by its code, with what was asked for.
pub struct Found {
    /// The request, open or not.
    pub request: CardRequest,
    /// What was asked for.
    pub details: Details,
}

/// What a code leads to. `ticket` proves that a passcode was entered.
pub async fn open(
    core: &Core,
    code: &str,
    ticket: Option<&str>,
    address: &str,
) -> Result<Page, RequestError> {
    let found = match find(core, code, address).await? {
        Lookup::Found(found) => found,
        Lookup::Unknown => return Ok(Page::Gone { too_many: false }),
        Lookup::TooMany => return Ok(Page::Gone { too_many: true }),
    };
    if !found.request.is_open(core.now()) {
        return Ok(Page::Gone { too_many: false });
    }
    let about = about(core, &found).await?;
    if passcode::is_needed(&found.details) && !passcode::holds(&found.request, ticket, core.now()) {
        return Ok(Page::Passcode(Box::new(passcode::page(core, &found, about))));
    }
    let css = css(core, &found).await?;
    Ok(Page::Form(Box::new(FormView {
        about,
        rules: rules(&found),
        card_types: found.details.card_types.clone(),
        css,
    })))
}

/// The recipient has touched the form. Only that counts: mail scanners and messengers fetch links by themselves.
pub async fn viewed(core: &Core, code: &str, address: &str) -> Result<(), RequestError> {
    let Lookup::Found(found) = find(core, code, address).await? else { return Ok(()) };
    if found.request.status.after(Happening::Viewed, found.request.channel).is_empty() {
        return Ok(());
    }
    let mut transaction = core.store.begin().await?;
    let Some(mut request) = again(core, &mut *transaction, &found).await? else { return Ok(()) };
    change::save(core, &mut *transaction, &mut request, &found.details, Some(Happening::Viewed)).await?;
    transaction.commit().await?;
    Ok(())
}

/// The recipient asks for a new link. The merchant is told, not too often; the answer is the same in any case.
pub async fn ask(core: &Core, code: &str, address: &str) -> Result<(), RequestError> {
    let Lookup::Found(found) = find(core, code, address).await? else { return Ok(()) };
    let Found { mut request, details } = *found;
    let now = core.now();
    let too_soon = request.asked_at.is_some_and(|at| at.plus(ASKED_APART) > now);
    if request.card_token.is_some() || request.is_open(now) || request.asked >= MOST_ASKED || too_soon {
        return Ok(());
    }
    request.asked += 1;
    request.asked_at = Some(now);
    let mut transaction = core.store.begin().await?;
    change::save(core, &mut *transaction, &mut request, &details, None).await?;
    events::tell_asked(core, &mut *transaction, &request, &details, now).await?;
    let entry = core.entry(&actor(&request, address), "request.ask", request.id.as_str(), Outcome::Done);
    transaction.add_audit(entry).await?;
    transaction.commit().await?;
    Ok(())
}

/// Who acts through a link, as the audit log names it.
pub fn actor(request: &CardRequest, address: &str) -> Actor {
    Actor {
        merchant: Some(request.merchant.clone()),
        mode: Some(request.mode),
        name: format!("request:{}", request.id),
        address: address.to_owned(),
    }
}

/// What came of looking for a code.
pub enum Lookup {
    /// A request, open or not.
    Found(Box<Found>),
    /// None.
    Unknown,
    /// Not looked for: too many from this address led nowhere.
    TooMany,
}

/// Looks for a code. Those that lead nowhere are counted by address, across nodes.
pub async fn find(core: &Core, code: &str, address: &str) -> Result<Lookup, RequestError> {
    let (minute, limited) = (core.now().minute(), core.policy.limits.is_some());
    let mut transaction = core.store.read().await?;
    if limited && transaction.hits(GUESS_SCOPE, address.to_owned(), minute).await? >= GUESSES {
        return Ok(Lookup::TooMany);
    }
    if let Some(request) = transaction.find_request_by_secret_name(code_hash(code)).await? {
        let details = Details::open(core, &request)?;
        return Ok(Lookup::Found(Box::new(Found { request, details })));
    }
    drop(transaction);
    if limited {
        let mut transaction = core.store.begin().await?;
        transaction.hit(GUESS_SCOPE, address.to_owned(), minute).await?;
        transaction.commit().await?;
    }
    let stranger = Actor { merchant: None, mode: None, name: ANONYMOUS.into(), address: address.to_owned() };
    core.refused(&stranger, "link.code", "").await;
    Ok(Lookup::Unknown)
}

/// The request as it is in this transaction, if its link is still the one that was opened and leads to a form.
pub async fn again(
    core: &Core,
    transaction: &mut dyn crate::storage::Transaction,
    found: &Found,
) -> Result<Option<CardRequest>, RequestError> {
    let seen = &found.request;
    let request = transaction.find_request(seen.merchant.clone(), seen.mode, seen.id.clone()).await?;
    Ok(request.filter(|request| request.code_hash == seen.code_hash && request.is_open(core.now())))
}

/// The fields of a request's form.
pub fn rules(found: &Found) -> FormRules {
    let taken: Vec<_> = found.details.card_types.iter().map(|name| Brand::from_wire(name)).collect();
    let mut rules = FormRules::default();
    rules.accepted = Accepted::only(&taken);
    let hidden = FieldOptions { visible: false, validate: false };
    if found.request.kind == RequestKind::Code {
        for field in [Field::CardNumber, Field::CardHolder, Field::Expiry] {
            rules.set(field, hidden);
        }
    } else if !found.details.cvv {
        rules.set(Field::Cvv, hidden);
    }
    rules
}

async fn about(core: &Core, found: &Found) -> Result<About, RequestError> {
    let details = &found.details;
    let values = message::values(details, None);
    let mut about = About {
        language: details.language.clone(),
        merchant: details.merchant_name.clone(),
        amount: values.get("amount").cloned().unwrap_or_default(),
        card: String::new(),
        header: words::render(&details.header, &values, Part::Text),
        footer: words::render(&details.footer, &values, Part::Text),
        support: details.support.clone(),
    };
    if let Some(card) = stored_card(core, found).await? {
        let shown = &card.shown;
        about.card = shared::mask::number("", &shown.last_four, usize::from(shown.digits));
    }
    Ok(about)
}

/// The stored card whose code is asked for.
pub async fn stored_card(core: &Core, found: &Found) -> Result<Option<Card>, RequestError> {
    let Some(token) = &found.details.card else { return Ok(None) };
    let request = &found.request;
    let mut transaction = core.store.read().await?;
    Ok(within::find(&mut *transaction, &request.merchant, request.mode, token).await?)
}

/// The stylesheet of the hosted form that `Css` names; a name of none changes nothing.
async fn css(core: &Core, found: &Found) -> Result<String, RequestError> {
    let Some(name) = &found.details.css else { return Ok(String::new()) };
    let (merchant, mode) = (&found.request.merchant, found.request.mode);
    match forms::settings(core, merchant, mode, name).await {
        Ok(settings) => Ok(settings.css),
        Err(crate::capture::CaptureError::Vault(error)) => Err(error.into()),
        Err(_) => Ok(String::new()),
    }
}

/// Whether a time in milliseconds lies ahead.
pub(super) fn is_ahead(millis: i64, now: Timestamp) -> bool {
    Timestamp::from_millis(millis) > now
}

/// Whose request a code belongs to, for what is kept of its page, and its language.
pub struct Owner {
    /// The merchant.
    pub merchant: MerchantId,
    /// Test or live.
    pub mode: Mode,
    /// The language of the request's pages.
    pub language: String,
}

/// The owner of a code's request.
pub async fn owner(core: &Core, code: &str) -> Result<Option<Owner>, RequestError> {
    let found = core.store.read().await?.find_request_by_secret_name(code_hash(code)).await?;
    let Some(request) = found else { return Ok(None) };
    let language = Details::open(core, &request)?.language;
    Ok(Some(Owner { merchant: request.merchant, mode: request.mode, language }))
}
