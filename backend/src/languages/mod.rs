//! The languages of the cardholders' pages: which there are, and which one a person is shown. The texts stand in
//! `backend/texts`, one file a language; their keys are `shared::Text`.

mod card_words;
mod choose;
mod messages;
mod money;
mod settings;
mod table;
mod translations;

use shared::{Text, Texts, Wording};

pub use card_words::asks_for_card;
pub use choose::{canonical, is_rtl};
pub use messages::Messages;
pub use money::money;
pub use settings::{Answered, FormLanguages};
pub use table::{LANGUAGES, Language};
pub use translations::Translations;

/// The tag of the original, which is shown where nothing else fits.
pub const ENGLISH: &str = "en";

/// The English texts: for programs, and where no other language fits.
pub fn english() -> Texts {
    Language::of(ENGLISH).map(Language::texts).unwrap_or_default()
}

/// The words for card requests in the language that is nearest to a tag; English ones where none is near.
pub fn messages(tag: &str) -> &'static Messages {
    shipped(tag).unwrap_or(&LANGUAGES[0]).messages()
}

/// What a person, or the link that was followed, asks for.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    /// `locale` of the page's address.
    pub locale: Option<String>,
    /// The browser's `Accept-Language`.
    pub accept: Option<String>,
}

impl Asked {
    /// The wording of a page that belongs to no form.
    pub fn wording(&self) -> Wording {
        wording(self, None, &Translations::new())
    }
}

/// The wording of a page: in the language that its address names, else the form's own, else the browser's, else
/// English; with a merchant's words where there are some, and English ones where a language lacks a text.
pub fn wording(asked: &Asked, own: Option<&str>, translations: &Translations) -> Wording {
    let known = known(translations);
    let named = asked.locale.as_deref().and_then(|tag| choose::fit(tag, &known));
    let own = || own.and_then(|tag| choose::fit(tag, &known));
    let browsers = || asked.accept.as_deref().and_then(|list| choose::fit_list(list, &known));
    let tag = named.or_else(own).or_else(browsers).unwrap_or(ENGLISH);
    let base = shipped(tag).map_or_else(english, Language::texts);
    let replaced = translations.get(tag).into_iter().flatten();
    let replaced = replaced.filter_map(|(key, words)| Some((Text::from_name(key)?, words.as_str())));
    Wording { lang: tag.to_owned(), rtl: is_rtl(tag), texts: base.with(replaced) }
}

/// The tag of the language that an asked one leads to; `None` if there is none like it.
pub fn find<'a>(asked: &str, translations: &'a Translations) -> Option<&'a str> {
    choose::fit(asked, &known(translations))
}

/// The languages that a person may choose among, by tag and own name: those that the merchant brings and English,
/// or all that Cardamom brings.
pub fn offered(translations: &Translations) -> Vec<(&str, &str)> {
    let mut offered: Vec<_> = if translations.is_empty() {
        LANGUAGES.iter().map(|language| (language.tag, language.name)).collect()
    } else {
        let english = (!translations.contains_key(ENGLISH)).then_some(ENGLISH);
        let tags = translations.keys().map(String::as_str).chain(english);
        tags.map(|tag| (tag, name(tag, translations))).collect()
    };
    offered.sort_by_key(|(_, name)| name.to_lowercase());
    offered
}

/// What speakers of a language call it; its tag, if nobody told.
pub fn name<'a>(tag: &'a str, translations: &'a Translations) -> &'a str {
    let own = translations.get(tag).and_then(|texts| texts.get("name")).map(String::as_str);
    own.or_else(|| shipped(tag).map(|language| language.name)).unwrap_or(tag)
}

fn known(translations: &Translations) -> Vec<&str> {
    translations.keys().map(String::as_str).chain(LANGUAGES.iter().map(|language| language.tag)).collect()
}

/// The language of Cardamom's own that is nearest to a tag.
fn shipped(tag: &str) -> Option<&'static Language> {
    let tags: Vec<_> = LANGUAGES.iter().map(|language| language.tag).collect();
    choose::fit(tag, &tags).and_then(Language::of)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(locale: Option<&str>, accept: Option<&str>) -> Asked {
        Asked { locale: locale.map(str::to_owned), accept: accept.map(str::to_owned) }
    }

    fn translations(tag: &str, key: &str, words: &str) -> Translations {
        Translations::from([(tag.to_owned(), [(key.to_owned(), words.to_owned())].into())])
    }

    #[test]
    fn address_then_form_then_browser_then_english() {
        let none = Translations::new();
        for (locale, own, accept, expected) in [
            (Some("ja"), Some("de"), Some("fr"), "ja"),
            (Some("xx"), Some("de"), Some("fr"), "de"),
            (None, Some("de-CH"), Some("fr"), "de"),
            (None, None, Some("xx, fr;q=0.5"), "fr"),
            (None, None, Some("xx"), "en"),
            (None, None, None, "en"),
        ] {
            assert_eq!(wording(&asked(locale, accept), own, &none).lang, expected);
        }
    }

    #[test]
    fn a_merchants_words_replace_texts_one_by_one() {
        let own = translations("de", "submit", "Bezahlen");
        let wording = wording(&asked(Some("de"), None), None, &own);
        assert_eq!((wording.get(Text::Submit), wording.get(Text::CardNumber)), ("Bezahlen", "Kartennummer"));
    }

    #[test]
    fn a_language_of_the_merchants_own_falls_back_to_english() {
        let own = translations("fa", "submit", "ذخیره");
        let wording = wording(&asked(None, Some("fa-IR")), None, &own);
        assert_eq!((wording.lang.as_str(), wording.rtl), ("fa", true));
        assert_eq!((wording.get(Text::Submit), wording.get(Text::Gone)), ("ذخیره", "Link expired"));
    }

    #[test]
    fn a_region_of_the_merchants_own_is_based_on_its_language() {
        let own = translations("de-AT", "submit", "Karte sichern");
        let wording = wording(&asked(Some("de-AT"), None), None, &own);
        assert_eq!((wording.lang.as_str(), wording.get(Text::Submit)), ("de-AT", "Karte sichern"));
        assert_eq!(wording.get(Text::CardNumber), "Kartennummer");
    }

    #[test]
    fn what_may_be_chosen_is_what_the_form_has() {
        assert_eq!(offered(&Translations::new()).len(), LANGUAGES.len());
        let mut own = translations("de", "submit", "Ja");
        assert_eq!(offered(&own), [("de", "Deutsch"), ("en", "English")]);
        own.append(&mut translations("af", "name", "Afrikaans"));
        assert_eq!(offered(&own), [("af", "Afrikaans"), ("de", "Deutsch"), ("en", "English")]);
    }
}
