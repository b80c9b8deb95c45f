//! The language of pages: kept in the addresses of those that follow, and chosen on the form's own.

use frontend::{Choice, Choices};
use shared::Wording;

use crate::capture::forms::Settings;
use crate::http::asked::LOCALE;
use crate::http::params::Params;
use crate::languages;

/// The language that a page's address names, for the pages that follow.
pub struct Locale(String);

impl Locale {
    /// Of what a form was sent with.
    pub fn of(tag: Option<&str>) -> Self {
        Self(tag.and_then(languages::canonical).map(|tag| format!("?{LOCALE}={tag}")).unwrap_or_default())
    }

    /// The address of a page of ours, in this language.
    pub fn page(&self, path: &str) -> String {
        format!("{path}{}", self.0)
    }
}

/// What the address of a page has besides the language, for the page's address in another language.
pub fn usable_query(params: &Params) -> Vec<(String, String)> {
    let usable = |(_, value): &(&str, &str)| !shared::digits::holds_card_number(value);
    let others = params.iter().filter(|(name, _)| *name != LOCALE).filter(usable);
    others.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// The languages that a form offers; `None` where there is no choice.
pub fn choices(settings: &Settings, query: Vec<(String, String)>, wording: &Wording) -> Option<Choices> {
    let choice = |tag: &str, name: &str| Choice {
        tag: tag.to_owned(),
        name: name.to_owned(),
        chosen: tag == wording.lang,
    };
    let offered = settings.languages.choices();
    let mut choices: Vec<_> = offered.iter().map(|(tag, name)| choice(tag, name)).collect();
    if choices.is_empty() {
        return None;
    }
    if !choices.iter().any(|choice| choice.chosen) {
        // The browser's language, which the form does not offer: the list begins with what is shown.
        let name = languages::name(&wording.lang, &settings.languages.translations);
        choices.insert(0, choice(&wording.lang, name));
    }
    Some(Choices { choices, query })
}
