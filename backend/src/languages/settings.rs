//! What a form says of its languages: `locale`, `translations` and `showLanguageSelector` (spec A.5).

use serde::{Deserialize, Serialize};
use shared::Wording;

use super::{Asked, ENGLISH, Translations};
use crate::invalid::Invalid;
use crate::json::{Members, Value, told};

/// The languages of a form, as stored with its settings.
#[derive(Clone, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct FormLanguages {
    /// The language of the form, one that there is.
    pub locale: Option<String>,
    /// The merchant's own words.
    pub translations: Translations,
    /// Whether a person may choose the language; unset where the form does not say.
    pub selector: Option<bool>,
}

/// The language that a body asks for, and the one that its form has.
#[derive(Debug, PartialEq, Eq)]
pub struct Answered {
    /// As it stands in the body.
    pub requested: String,
    /// The nearest that there is, else English.
    pub used: String,
}

/// What was read of a body.
pub struct Taken {
    /// To be stored.
    pub languages: FormLanguages,
    /// `None` if the body asks for no language.
    pub answered: Option<Answered>,
    /// Pointers to words that no page shows.
    pub ignored: Vec<String>,
}

impl FormLanguages {
    /// Takes its members out of a form's body.
    pub fn take(body: &mut Members) -> Result<Taken, Invalid> {
        let mut languages = Self::default();
        let mut ignored = Vec::new();
        if let Some(value) = body.take("translations") {
            (languages.translations, ignored) = super::translations::read(value)?;
        }
        if let Some(value) = body.take("showLanguageSelector") {
            let wrong = || Invalid::new("/showLanguageSelector", "type", "This has to be true or false.");
            languages.selector = Some(value.as_bool().ok_or_else(wrong)?);
        }
        let requested = match body.take("locale") {
            None | Some(Value::Null) => None,
            Some(Value::Text(tag)) => Some(tag).filter(|tag| !tag.is_empty()),
            Some(_) => return Err(Invalid::new("/locale", "type", "This has to be a text.")),
        };
        let answered = requested.map(|tag| {
            let used = super::find(&tag, &languages.translations).unwrap_or(ENGLISH);
            Answered { requested: told(&tag), used: used.to_owned() }
        });
        languages.locale = answered.as_ref().map(|answered| answered.used.clone());
        Ok(Taken { languages, answered, ignored })
    }

    /// The language of the form's pages, as the form and the person want it.
    pub fn wording(&self, asked: &Asked) -> Wording {
        super::wording(asked, self.locale.as_deref(), &self.translations)
    }

    /// The merchant's words about an additional field in a page's language: its `label`, or what is told where it
    /// is `required` or `invalid`.
    pub fn of_field(&self, lang: &str, name: &str, part: &str) -> Option<&str> {
        self.translations.get(lang)?.get(&super::translations::own_key(name, part)).map(String::as_str)
    }

    /// All words about additional fields: where they stand, and the field's name.
    pub fn of_fields(&self) -> impl Iterator<Item = (String, &str)> {
        self.translations.iter().flat_map(|(tag, texts)| {
            texts.keys().filter_map(move |key| {
                let (name, part) = super::translations::own_field(key)?;
                Some((format!("/translations/{tag}/form/{name}/{part}"), name))
            })
        })
    }

    /// The languages among which a person may choose, by tag and own name; none unless there are several. A form
    /// that brings words of its own has a choice unless it says otherwise, as its clients expect; another one has
    /// none unless it asks for it, because no merchant awaits a list of languages that he did not bring.
    pub fn choices(&self) -> Vec<(&str, &str)> {
        if !self.selector.unwrap_or(!self.translations.is_empty()) {
            return Vec::new();
        }
        let offered = super::offered(&self.translations);
        if offered.len() > 1 { offered } else { Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::languages::LANGUAGES;

    fn taken(body: &str) -> Result<Taken, String> {
        let mut body = Members::parse(body.as_bytes()).unwrap();
        FormLanguages::take(&mut body).map_err(|error| format!("{} {}", error.pointer, error.code))
    }

    #[test]
    fn a_choice_is_there_where_it_is_expected() {
        for (body, expected) in [
            ("{}", 0),
            (r#"{"translations":{"en":{}}}"#, 0),
            (r#"{"translations":{"de":{}}}"#, 2),
            (r#"{"translations":{"de":{}},"showLanguageSelector":false}"#, 0),
            (r#"{"showLanguageSelector":true}"#, LANGUAGES.len()),
        ] {
            assert_eq!(taken(body).ok().unwrap().languages.choices().len(), expected, "{body}");
        }
    }

    #[test]
    fn an_unknown_locale_is_english_and_told() {
        for (asked, used) in [("xx", "en"), ("de-AT", "de"), ("zh_TW", "zh-Hant"), ("<b>", "en")] {
            let taken = taken(&format!(r#"{{"locale":"{asked}"}}"#)).ok().unwrap();
            assert_eq!(taken.answered, Some(Answered { requested: asked.to_owned(), used: used.to_owned() }));
            assert_eq!(taken.languages.locale.as_deref(), Some(used));
        }
        assert_eq!(taken("{}").ok().unwrap().answered, None);
    }

    #[test]
    fn wrong_types_are_refused_where_they_stand() {
        for (body, problem) in [
            (r#"{"locale":7}"#, "/locale type"),
            (r#"{"translations":"de"}"#, "/translations type"),
            (r#"{"showLanguageSelector":"perhaps"}"#, "/showLanguageSelector type"),
        ] {
            assert_eq!(taken(body).err().as_deref(), Some(problem), "{body}");
        }
    }
}
