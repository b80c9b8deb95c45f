//! A merchant's own words for messages: written, listed, deleted, looked at before they are used.

use super::RequestError;
use super::details::{Details, Support};
use super::message::{self, Rendered, Source};
use super::money::Money;
use super::reader::Reader;
use super::words;
use crate::access::Caller;
use crate::core::Core;
use crate::invalid::Invalid;
use crate::json::Members;
use crate::model::{Channel, MessageTemplate, Outcome, RequestKind};
use crate::storage::StoreError;

/// The longest subject and text, in characters.
const MAX_SUBJECT: usize = 200;
const MAX_BODY: usize = 20_000;
/// The most templates of a merchant and mode.
const MAX_TEMPLATES: usize = 500;

/// Writes a template, in place of one of the same name, channel and language.
pub async fn put(core: &Core, caller: &Caller, body: Members) -> Result<MessageTemplate, RequestError> {
    let template = read(core, caller, body)?;
    let mut transaction = core.store.begin().await?;
    let known = transaction.list_templates(caller.merchant.clone(), caller.mode).await?;
    if known.len() >= MAX_TEMPLATES && !known.iter().any(|other| is_same(other, &template)) {
        let detail = format!("There are {MAX_TEMPLATES} templates already; delete some first.");
        return Err(Invalid::new("", "too_many", detail).into());
    }
    transaction.put_template(template.clone()).await?;
    let entry = core.entry(&caller.actor(), "template.write", &template.name, Outcome::Done);
    transaction.add_audit(entry).await?;
    transaction.commit().await?;
    Ok(template)
}

/// All templates of the caller's merchant and mode.
pub async fn list(core: &Core, caller: &Caller) -> Result<Vec<MessageTemplate>, StoreError> {
    core.store.read().await?.list_templates(caller.merchant.clone(), caller.mode).await
}

/// Deletes a template. Requests that were sent keep their words.
pub async fn delete(
    core: &Core,
    caller: &Caller,
    name: &str,
    channel: Channel,
    language: &str,
) -> Result<(), RequestError> {
    let mut transaction = core.store.begin().await?;
    let (merchant, language) = (caller.merchant.clone(), language.to_lowercase());
    if !transaction.delete_template(merchant, caller.mode, name.to_owned(), channel, language).await? {
        return Err(RequestError::Unknown);
    }
    transaction.add_audit(core.entry(&caller.actor(), "template.delete", name, Outcome::Done)).await?;
    transaction.commit().await?;
    Ok(())
}

/// What a template makes of invented values. Stores and sends nothing.
pub fn preview(core: &Core, caller: &Caller, body: Members) -> Result<Rendered, RequestError> {
    let template = read(core, caller, body)?;
    let details = Details {
        language: template.language.clone(),
        recipient_name: "Ada King".to_owned(),
        merchant_name: "Example & Co".to_owned(),
        money: Money::parse("123.45", "EUR").ok(),
        support: Support {
            link: Some("https://merchant.example/help".to_owned()),
            link_text: None,
            email: Some("help@merchant.example".to_owned()),
            phone: Some("+49 30 1234567".to_owned()),
        },
        ..Details::default()
    };
    Ok(message::render(&Source {
        kind: RequestKind::Card,
        channel: template.channel,
        details: &details,
        template: Some(&template),
        link: "https://cards.example/r/00000000000000000000000000000000",
    }))
}

/// Of a name's templates for a channel the one in the request's language, else English, else any.
pub fn choose(
    known: Vec<MessageTemplate>,
    name: &str,
    channel: Channel,
    language: &str,
) -> Option<MessageTemplate> {
    let mut usable: Vec<_> =
        known.into_iter().filter(|template| template.name == name && template.channel == channel).collect();
    let letters = language.split('-').next().unwrap_or_default();
    usable.sort_by_key(|template| (template.language != letters, template.language != "en"));
    usable.into_iter().next()
}

fn read(core: &Core, caller: &Caller, body: Members) -> Result<MessageTemplate, RequestError> {
    let mut reader = Reader::new(body);
    let name = reader.line("Name", 100).unwrap_or_default();
    if name.is_empty() {
        reader.tell("Name", "missing", "A template needs a name.");
    }
    let channel = reader.text("Channel", 20).as_deref().and_then(Channel::parse);
    if channel.is_none() {
        reader.tell("Channel", "unknown", "Channel has to be Email or SMS.");
    }
    let language = reader.text("Language", 2).unwrap_or_else(|| "en".to_owned()).to_lowercase();
    if language.len() != 2 || !language.bytes().all(|byte| byte.is_ascii_lowercase()) {
        reader.tell("Language", "language", "Language has to be two letters (ISO 639-1).");
    }
    let subject = subject(&mut reader, channel);
    let body = reader.words("Body", MAX_BODY).unwrap_or_default();
    if body.is_empty() {
        reader.tell("Body", "missing", "A template needs a body.");
    }
    let html = reader.words("HtmlBody", MAX_BODY);
    if html.is_some() && channel == Some(Channel::Sms) {
        reader.tell("HtmlBody", "channel", "Text messages have no HTML.");
    }
    if html.as_ref().is_some_and(|html| !words::names(html).unwrap_or_default().contains(&"link")) {
        reader.tell("HtmlBody", "link", "HtmlBody has to hold $~link~$.");
    }
    let template = MessageTemplate {
        merchant: caller.merchant.clone(),
        mode: caller.mode,
        name,
        channel: channel.unwrap_or(Channel::Email),
        language,
        subject,
        body,
        html,
        updated_at: core.now(),
    };
    reader.finish(template).map_err(RequestError::Invalid)
}

/// One line: what could begin another header is refused, not mended.
fn subject(reader: &mut Reader, channel: Option<Channel>) -> String {
    let subject = reader.line("Subject", MAX_SUBJECT).unwrap_or_default();
    if let Err(error) = words::check(&subject) {
        reader.tell("Subject", "placeholder", format!("{error}."));
    }
    match channel {
        Some(Channel::Email) if subject.is_empty() => {
            reader.tell("Subject", "missing", "An e-mail needs a subject.");
        }
        Some(Channel::Sms) if !subject.is_empty() => {
            reader.tell("Subject", "channel", "Text messages have no subject.");
        }
        _ => {}
    }
    if words::names(&subject).is_ok_and(|names| names.contains(&"link")) {
        // Subjects stand in logs and on locked screens.
        reader.tell("Subject", "link", "The link cannot stand in a subject.");
    }
    subject
}

fn is_same(one: &MessageTemplate, other: &MessageTemplate) -> bool {
    (&one.name, one.channel, &one.language) == (&other.name, other.channel, &other.language)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{MerchantId, Mode, Timestamp};

    fn template(name: &str, language: &str) -> MessageTemplate {
        MessageTemplate {
            merchant: MerchantId::stored(String::new()),
            mode: Mode::Test,
            name: name.to_owned(),
            channel: Channel::Sms,
            language: language.to_owned(),
            subject: String::new(),
            body: language.to_owned(),
            html: None,
            updated_at: Timestamp::from_millis(0),
        }
    }

    #[test]
    fn the_nearest_language_is_chosen() {
        let known =
            [template("a", "cs"), template("a", "de"), template("a", "en"), template("b", "fr")].to_vec();
        let chosen = |name, language| choose(known.clone(), name, Channel::Sms, language).map(|t| t.language);
        assert_eq!(chosen("a", "de").as_deref(), Some("de"));
        assert_eq!(chosen("a", "de-AT").as_deref(), Some("de"));
        assert_eq!(chosen("a", "fr").as_deref(), Some("en"));
        assert_eq!(chosen("b", "de").as_deref(), Some("fr"));
        assert_eq!(chosen("c", "de"), None);
        assert!(choose(known.clone(), "a", Channel::Email, "de").is_none());
    }
}
