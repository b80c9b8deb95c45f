//! The message that brings a link: a template and the request's values, as subject, text and HTML.

use serde::{Deserialize, Serialize};
use shared::Text;

use super::details::Details;
use super::words::{self, Part, Values};
use crate::languages::{self, Messages};
use crate::model::{Channel, MessageTemplate, RequestKind};

/// The longest text message, in characters: ten parts of a long one.
const MAX_SMS: usize = 1_530;

/// A rendered message.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
pub struct Rendered {
    /// Empty for text messages.
    pub subject: String,
    /// The plain text.
    pub text: String,
    /// The HTML part; empty for text messages.
    pub html: String,
}

/// What a message is made of.
pub struct Source<'s> {
    /// What is asked for.
    pub kind: RequestKind,
    /// By what it is sent.
    pub channel: Channel,
    /// The request's own words and values.
    pub details: &'s Details,
    /// The merchant's template, where the request names one.
    pub template: Option<&'s MessageTemplate>,
    /// The link.
    pub link: &'s str,
}

/// The values that a request gives its placeholders; the link stands in messages only.
pub fn values(details: &Details, link: Option<&str>) -> Values {
    let support = &details.support;
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    [
        ("booker_name", details.merchant_name.clone()),
        ("recipient_name", details.recipient_name.clone()),
        ("cs_phone", text(&support.phone)),
        ("cs_email", text(&support.email)),
        ("cs_link", text(&support.link)),
        ("amount", details.money.as_ref().map(|money| money.shown(&details.language)).unwrap_or_default()),
        ("link", link.unwrap_or_default().to_owned()),
    ]
    .into()
}

/// Renders a message.
pub fn render(source: &Source<'_>) -> Rendered {
    let values = values(source.details, Some(source.link));
    let words = languages::messages(&source.details.language);
    let own = source.template;
    let body = own.map_or_else(|| builtin(source, words, &values), |template| template.body.clone());
    let (header, footer) = (&source.details.header, &source.details.footer);
    if source.channel == Channel::Sms {
        let parts = [header.as_str(), &body, footer];
        let text =
            parts.iter().filter(|part| !part.is_empty()).map(|part| words::render(part, &values, Part::Text));
        let text = with_link(&text.collect::<Vec<_>>().join("\n"), source.link);
        return Rendered { text: text.chars().take(MAX_SMS).collect(), ..Rendered::default() };
    }
    let subject = own.map_or_else(|| builtin_subject(source.kind, words), |template| &template.subject);
    let text = [header.as_str(), body.trim(), footer].into_iter().filter(|part| !part.is_empty());
    let text = text.map(|part| words::render(part, &values, Part::Text)).collect::<Vec<_>>().join("\n\n");
    let text = link_alone(&with_link(&text, source.link), source.link);
    let html = match own.and_then(|template| template.html.as_ref()) {
        Some(html) => {
            let part = |text: &str| paragraphs(&words::render(text, &values, Part::Text), source.link, words);
            format!("{}{}{}", part(header), words::render(html, &values, Part::Html), part(footer))
        }
        None => paragraphs(&text, source.link, words),
    };
    Rendered {
        subject: words::render_line(subject, &values),
        text: text + "\n",
        html: document(source, &html),
    }
}

fn builtin_subject(kind: RequestKind, words: &'static Messages) -> &'static str {
    match kind {
        RequestKind::Card => words.card_subject,
        RequestKind::Code => words.code_subject,
    }
}

/// The built-in text without the lines that have nothing to say.
fn builtin(source: &Source<'_>, words: &'static Messages, values: &Values) -> String {
    let subject = builtin_subject(source.kind, words);
    if source.channel == Channel::Sms {
        return format!("{subject}: $~link~$");
    }
    let asked = match source.kind {
        RequestKind::Card => words.card_body,
        RequestKind::Code => words.code_body,
    };
    let colon = languages::Asked { locale: Some(source.details.language.clone()), accept: None }.wording();
    let amount = format!("{}{} $~amount~$", words.amount, colon.get(Text::Colon));
    let full = |name: &&str| values.get(name).is_some_and(|value| !value.is_empty());
    let says = |line: &&str| words::names(line).unwrap_or_default().iter().all(full);
    let contacts = ["$~cs_phone~$", "$~cs_email~$", "$~cs_link~$"].into_iter().filter(says);
    let mut questions = vec![words.questions];
    questions.extend(contacts);
    // Without any contact nothing is left of the last paragraph but its invitation.
    let questions = if questions.len() > 1 { questions.join("\n") } else { String::new() };
    let paragraphs = [words.greeting, asked, "$~link~$", &amount, words.once, &questions];
    let paragraphs = paragraphs.into_iter().filter(|text| !text.is_empty() && says(text));
    paragraphs.collect::<Vec<_>>().join("\n\n")
}

/// A message without its link would be of no use: where the words have no place for it, it comes last.
fn with_link(text: &str, link: &str) -> String {
    if text.contains(link) { text.to_owned() } else { format!("{}\n{link}", text.trim_end()) }
}

/// Puts the link on a line of its own, where mail programs and people find it whole.
fn link_alone(text: &str, link: &str) -> String {
    let mut lines = Vec::new();
    for line in text.lines() {
        let mut rest = line;
        while let Some((before, after)) = rest.split_once(link) {
            lines.extend([before.trim_end(), link].into_iter().filter(|part| !part.is_empty()));
            rest = after.trim_start();
        }
        if !rest.is_empty() || line.is_empty() {
            lines.push(rest);
        }
    }
    lines.join("\n")
}

/// Plain text as HTML: paragraphs, line breaks, and the link to press.
fn paragraphs(text: &str, link: &str, words: &Messages) -> String {
    let mut html = String::new();
    for paragraph in text.split("\n\n").filter(|paragraph| !paragraph.trim().is_empty()) {
        let lines: Vec<_> = paragraph
            .lines()
            .map(|line| if line == link { anchor(link, words.open) } else { words::escape(line) })
            .collect();
        html.push_str("<p style=\"margin:0 0 16px\">");
        html.push_str(&lines.join("<br>\n"));
        html.push_str("</p>\n");
    }
    html
}

fn anchor(link: &str, text: &str) -> String {
    let (link, text) = (words::escape(link), words::escape(text));
    format!(
        "<a href=\"{link}\" style=\"display:inline-block;padding:12px 20px;border-radius:8px;background:#1f5fbf;\
         color:#ffffff;text-decoration:none;font-weight:600\">{text}</a><br>\n\
         <span style=\"font-size:13px;color:#5b6673\">{link}</span>"
    )
}

fn document(source: &Source<'_>, body: &str) -> String {
    let language = words::escape(&source.details.language);
    let direction = if languages::is_rtl(&source.details.language) { "rtl" } else { "ltr" };
    format!(
        "<!DOCTYPE html>\n<html lang=\"{language}\" dir=\"{direction}\"><head><meta charset=\"utf-8\"></head>\
         <body style=\"margin:0;padding:24px;font:16px/1.5 system-ui,-apple-system,Segoe UI,sans-serif;color:#1b2430\">\
         <div style=\"max-width:560px;margin:0 auto\">\n{body}</div></body></html>\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{MerchantId, Mode, Timestamp};
    use crate::requests::details::Support;
    use crate::requests::money::Money;

    const LINK: &str = "https://cards.example/r/abc";

    fn details() -> Details {
        Details {
            language: "en".to_owned(),
            recipient_name: "Ada <b>".to_owned(),
            merchant_name: "Spice & Co".to_owned(),
            money: Some(Money::parse("12.4", "EUR").unwrap()),
            support: Support { phone: Some("+49 30 1".to_owned()), ..Support::default() },
            ..Details::default()
        }
    }

    fn template(body: &str, html: Option<&str>) -> MessageTemplate {
        MessageTemplate {
            merchant: MerchantId::stored(String::new()),
            mode: Mode::Test,
            name: "t".to_owned(),
            channel: Channel::Email,
            language: "en".to_owned(),
            subject: "For $~recipient_name~$".to_owned(),
            body: body.to_owned(),
            html: html.map(str::to_owned),
            updated_at: Timestamp::from_millis(0),
        }
    }

    fn rendered(details: &Details, channel: Channel, template: Option<&MessageTemplate>) -> Rendered {
        render(&Source { kind: RequestKind::Card, channel, details, template, link: LINK })
    }

    #[test]
    fn the_built_in_message_says_what_is_known() {
        let message = rendered(&details(), Channel::Email, None);
        assert_eq!(message.subject, "Spice & Co asks for your card details");
        assert_eq!(message.text.lines().filter(|line| *line == LINK).count(), 1);
        assert!(message.text.contains("Hello Ada <b>,") && message.text.contains("Amount: €12.40"));
        assert!(message.text.contains("+49 30 1") && !message.text.contains("$~"));
        assert!(message.html.contains("Hello Ada &lt;b&gt;,") && message.html.contains("Spice &amp; Co"));
        assert!(message.html.contains(&format!("<a href=\"{LINK}\"")));
    }

    #[test]
    fn what_is_not_known_is_left_out() {
        let bare =
            Details { language: "de".to_owned(), merchant_name: "Hotel".to_owned(), ..Details::default() };
        let message = rendered(&bare, Channel::Email, None);
        assert!(message.text.starts_with("Hotel bittet Sie"), "{}", message.text);
        for absent in ["Guten Tag", "Betrag", "Fragen", "$~", "\n\n\n"] {
            assert!(!message.text.contains(absent), "{absent}: {}", message.text);
        }
    }

    #[test]
    fn every_language_makes_whole_messages() {
        for language in &languages::LANGUAGES {
            for kind in [RequestKind::Card, RequestKind::Code] {
                let details = Details { language: language.tag.to_owned(), ..details() };
                let of = |channel| {
                    render(&Source { kind, channel, details: &details, template: None, link: LINK })
                };
                let (mail, sms) = (of(Channel::Email), of(Channel::Sms));
                assert_eq!(mail.text.lines().filter(|line| *line == LINK).count(), 1, "{}", language.tag);
                assert_eq!(mail.text.matches("\n\n").count(), 5, "{}: {}", language.tag, mail.text);
                for text in [&mail.text, &mail.subject, &sms.text, &mail.html] {
                    assert!(text.contains("Spice") && !text.contains("$~"), "{}: {text}", language.tag);
                }
                assert!(
                    mail.text.contains("12") && sms.text.ends_with(LINK),
                    "{}: {}",
                    language.tag,
                    sms.text
                );
                // Two parts at most, in the characters that a part has beyond the Latin alphabet.
                assert!(sms.text.chars().count() <= 134, "{}: {}", language.tag, sms.text);
            }
        }
        let hebrew = Details { language: "he".to_owned(), ..details() };
        assert!(rendered(&hebrew, Channel::Email, None).html.contains("dir=\"rtl\""));
    }

    #[test]
    fn the_link_stands_alone_wherever_it_was_put() {
        let inline = template("Go to $~link~$ now, or $~link~$.", None);
        let message = rendered(&details(), Channel::Email, Some(&inline));
        assert_eq!(message.text, format!("Go to\n{LINK}\nnow, or\n{LINK}\n.\n"));
        assert_eq!(message.subject, "For Ada <b>");
        let forgotten = template("Hello", None);
        assert_eq!(rendered(&details(), Channel::Email, Some(&forgotten)).text, format!("Hello\n{LINK}\n"));
    }

    #[test]
    fn html_of_the_merchant_gets_escaped_values() {
        let own = template("$~link~$", Some("<h1>$~recipient_name~$</h1><a href=\"$~link~$\">x</a>"));
        let html = rendered(&details(), Channel::Email, Some(&own)).html;
        assert!(html.contains("<h1>Ada &lt;b&gt;</h1>"), "{html}");
    }

    #[test]
    fn header_and_footer_stand_round_every_message() {
        let details = Details { header: "For $~recipient_name~$".into(), footer: "Bye".into(), ..details() };
        let message = rendered(&details, Channel::Email, None);
        assert!(message.text.starts_with("For Ada <b>\n\n") && message.text.ends_with("\n\nBye\n"));
        let sms = rendered(&details, Channel::Sms, None);
        assert!(sms.text.starts_with("For Ada <b>\nSpice") && sms.text.ends_with(&format!("{LINK}\nBye")));
        assert_eq!((sms.subject.as_str(), sms.html.as_str()), ("", ""));
    }
}
