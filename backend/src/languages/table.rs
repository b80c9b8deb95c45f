//! The table of languages, and the reading of their files.

use std::sync::OnceLock;

use shared::{Text, Texts};

use super::messages::Messages;

/// A language that Cardamom brings.
pub struct Language {
    /// BCP 47 tag, as in `lang` and in the name of its file.
    pub tag: &'static str,
    /// What its speakers call it.
    pub name: &'static str,
    file: &'static str,
    texts: OnceLock<Texts>,
    requests: &'static str,
    messages: OnceLock<Messages>,
}

macro_rules! languages {
    ($($tag:literal $name:literal,)*) => {
        /// All languages that come with Cardamom, in the order of a list for people.
        pub static LANGUAGES: [Language; [$($tag),*].len()] = [$(Language {
            tag: $tag,
            name: $name,
            file: include_str!(concat!("../../texts/", $tag, ".properties")),
            texts: OnceLock::new(),
            requests: include_str!(concat!("../../texts/requests/", $tag, ".properties")),
            messages: OnceLock::new(),
        },)*];
    };
}

// Tag and own name.
languages! {
    "en" "English",
    "de" "Deutsch",
    "fr" "Français",
    "es" "Español",
    "it" "Italiano",
    "pt" "Português",
    "pt-BR" "Português (Brasil)",
    "nl" "Nederlands",
    "da" "Dansk",
    "sv" "Svenska",
    "nb" "Norsk bokmål",
    "fi" "Suomi",
    "pl" "Polski",
    "cs" "Čeština",
    "sk" "Slovenčina",
    "hu" "Magyar",
    "ro" "Română",
    "bg" "Български",
    "el" "Ελληνικά",
    "hr" "Hrvatski",
    "sl" "Slovenščina",
    "et" "Eesti",
    "lv" "Latviešu",
    "lt" "Lietuvių",
    "uk" "Українська",
    "ru" "Русский",
    "tr" "Türkçe",
    "ar" "العربية",
    "he" "עברית",
    "hi" "हिन्दी",
    "zh-Hans" "简体中文",
    "zh-Hant" "繁體中文",
    "ja" "日本語",
    "ko" "한국어",
    "th" "ไทย",
    "vi" "Tiếng Việt",
    "id" "Bahasa Indonesia",
}

impl Language {
    /// The language of a tag.
    pub fn of(tag: &str) -> Option<&'static Self> {
        LANGUAGES.iter().find(|language| language.tag == tag)
    }

    /// Its texts, read when they are first needed.
    pub fn texts(&self) -> Texts {
        let read = || Texts::new(Text::ALL.iter().map(|&text| find(self.file, text).into()));
        self.texts.get_or_init(read).clone()
    }

    #[cfg(test)]
    pub(super) fn request_keys(&self) -> Vec<&'static str> {
        lines(self.requests).map(|(key, _)| key).collect()
    }

    /// Its words for card requests, read when they are first needed.
    pub fn messages(&self) -> &Messages {
        self.messages.get_or_init(|| Messages::read(self.requests))
    }
}

/// The lines of a file: `key = text`, and comments behind `#`. No-break spaces belong to the text.
pub(super) fn lines(file: &str) -> impl Iterator<Item = (&str, &str)> {
    file.lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once('='))
        .map(|(key, text)| (key.trim_ascii(), text.trim_ascii()))
}

fn find(file: &'static str, text: Text) -> &'static str {
    lines(file).find(|(key, _)| *key == text.name()).map_or("", |(_, words)| words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_language_has_every_text_once_and_no_other() {
        for language in &LANGUAGES {
            let keys: Vec<_> = lines(language.file).map(|(key, _)| key).collect();
            for text in Text::ALL {
                let found = keys.iter().filter(|key| **key == text.name()).count();
                assert_eq!(found, 1, "{} has {found} lines of {}", language.tag, text.name());
                assert!(!language.texts().get(*text).is_empty(), "{}: {}", language.tag, text.name());
            }
            assert_eq!(keys.len(), Text::ALL.len(), "{} has keys that are no text's", language.tag);
        }
    }

    #[test]
    fn texts_are_translated_and_plain() {
        let original = LANGUAGES[0].texts();
        for language in &LANGUAGES[1..] {
            let texts = language.texts();
            let same = |text: &&Text| texts.get(**text) == original.get(**text);
            let same: Vec<_> = Text::ALL.iter().filter(same).map(|text| text.name()).collect();
            assert!(same.len() <= 8, "{} says {same:?} in English", language.tag);
            for text in Text::ALL {
                let words = texts.get(*text);
                assert!(!words.contains(['<', '>', '&', '"', '\t']), "{}: {words}", language.tag);
                assert!(!words.contains("  "), "{}: {words}", language.tag);
            }
        }
    }

    /// What a person types or counts is the same in every language: the example date, the lengths, placeholders.
    #[test]
    fn numbers_and_placeholders_are_kept() {
        let original = LANGUAGES[0].texts();
        let kept = |words: &str| -> Vec<String> {
            let parts = words.split(|c: char| !c.is_ascii_digit() && !matches!(c, '{' | '}' | '_' | '/'));
            let mut parts: Vec<_> = parts
                .map(|part| part.trim_matches('/').to_owned())
                .filter(|part| part.contains(|c: char| c.is_ascii_digit() || c == '{'))
                .collect();
            parts.sort();
            parts
        };
        for language in &LANGUAGES {
            // Some languages number their months.
            for text in Text::ALL.iter().filter(|text| **text != Text::Months) {
                let (words, expected) = (language.texts().get(*text).to_owned(), kept(original.get(*text)));
                // Some languages write out a small number, or write one where English has a word.
                let expected: Vec<_> = expected.into_iter().filter(|part| part != "1").collect();
                let found: Vec<_> = kept(&words).into_iter().filter(|part| part != "1").collect();
                assert_eq!(found, expected, "{} {}: {words}", language.tag, text.name());
            }
        }
    }

    #[test]
    fn labels_and_buttons_stay_short() {
        for language in &LANGUAGES {
            let texts = language.texts();
            for (text, most) in [
                (Text::Submit, 30),
                (Text::Submitting, 40),
                (Text::Continue, 20),
                (Text::Change, 20),
                (Text::CardNumber, 30),
                (Text::CardHolder, 34),
                (Text::Expiry, 34),
                (Text::Cvv, 30),
                (Text::Month, 12),
                (Text::Year, 12),
                (Text::OwnerId, 36),
                (Text::ExpiryHint, 44),
                (Text::Optional, 20),
                (Text::ExpiryPlaceholder, 7),
                (Text::Gone, 40),
            ] {
                let length = texts.get(text).chars().count();
                assert!(length <= most, "{} {}: {length}", language.tag, text.name());
            }
        }
    }
}
