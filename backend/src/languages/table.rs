//! The table of languages, and the reading of their files.

use std::sync::OnceLock;

use shared::{Text, Texts, Wording};

/// A language that Cardamom brings.
pub struct Language {
    /// BCP 47 tag, as in `lang` and in the name of its file.
    pub tag: &'static str,
    /// What its speakers call it.
    pub name: &'static str,
    /// Whether it is written from right to left.
    pub rtl: bool,
    file: &'static str,
    texts: OnceLock<Texts>,
}

macro_rules! languages {
    ($($tag:literal $name:literal $rtl:literal,)*) => {
        /// All languages that come with Cardamom, in the order of a list for people.
        pub static LANGUAGES: [Language; [$($tag),*].len()] = [$(Language {
            tag: $tag,
            name: $name,
            rtl: $rtl,
            file: include_str!(concat!("../../texts/", $tag, ".properties")),
            texts: OnceLock::new(),
        },)*];
    };
}

// Tag, own name, right to left.
languages! {
    "en" "English" false,
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

    /// Its texts as a document needs them.
    pub fn wording(&self) -> Wording {
        Wording { lang: self.tag.to_owned(), rtl: self.rtl, texts: self.texts() }
    }
}

/// The lines of a file: `key = text`, and comments behind `#`. No-break spaces belong to the text.
fn lines(file: &str) -> impl Iterator<Item = (&str, &str)> {
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
}
