//! A merchant's own words (`translations`, spec A.5): read once when a form is made, kept by language and key.

use std::collections::BTreeMap;

use shared::{Field, Text};

use super::{asks_for_card, canonical};
use crate::invalid::Invalid;
use crate::json::{Members, Value, told};

/// The most languages of one form.
const MAX_LANGUAGES: usize = 60;
/// The most characters of one text.
const MAX_TEXT: usize = 400;
/// The most bytes of all texts together.
const MAX_ALL: usize = 64 * 1024;
/// How the keys of the merchant's own fields begin.
const OWN: &str = "form.";
/// The key of a language's own name.
const NAME: &str = "name";

/// Texts by language and key. A key is the name of a `Text`, or `form.<field>.<part>` of a field of the merchant's own.
pub type Translations = BTreeMap<String, BTreeMap<String, String>>;

/// Reads the member; answers the texts, and pointers to what no page shows.
pub fn read(value: Value) -> Result<(Translations, Vec<String>), Invalid> {
    let mut reading = Reading::default();
    for (tag, value) in object(value, "/translations")? {
        let at = format!("/translations/{}", told(&tag));
        let Some(language) = canonical(&tag) else {
            return Err(Invalid::new(
                at,
                "locale",
                "This has to be the tag of a language, such as de or pt-BR.",
            ));
        };
        if reading.all.len() == MAX_LANGUAGES {
            return Err(Invalid::new("/translations", "too_many", "A form has at most 60 languages."));
        }
        reading.language(&at, language, value)?;
    }
    if reading.size > MAX_ALL {
        return Err(Invalid::new("/translations", "too_long", "All texts together have at most 64 KB."));
    }
    Ok((reading.all, reading.ignored))
}

/// The key of a part of a field that is the merchant's own.
pub(super) fn own_key(name: &str, part: &str) -> String {
    format!("{OWN}{name}.{part}")
}

/// The field and the part of such a key.
pub(super) fn own_field(key: &str) -> Option<(&str, &str)> {
    key.strip_prefix(OWN)?.rsplit_once('.')
}

#[derive(Default)]
struct Reading {
    all: Translations,
    ignored: Vec<String>,
    size: usize,
    texts: BTreeMap<String, String>,
}

impl Reading {
    fn language(&mut self, at: &str, language: String, value: Value) -> Result<(), Invalid> {
        for (name, value) in object(value, at)? {
            let at = format!("{at}/{}", told(&name));
            match name.as_str() {
                NAME => self.put(&at, NAME, &value)?,
                "form" => self.form(&at, value)?,
                "submit" => self.outcome(&at, value)?,
                "texts" => self.by_key(&at, value)?,
                _ => self.ignored.push(at),
            }
        }
        let texts = std::mem::take(&mut self.texts);
        match self.all.entry(language) {
            std::collections::btree_map::Entry::Occupied(_) => {
                Err(Invalid::new(at, "duplicate", "This language stands twice."))
            }
            std::collections::btree_map::Entry::Vacant(place) => {
                place.insert(texts);
                Ok(())
            }
        }
    }

    /// `form`: by field its label and messages, and the button with the messages of a submit.
    fn form(&mut self, at: &str, value: Value) -> Result<(), Invalid> {
        for (name, value) in object(value, at)? {
            let at = format!("{at}/{}", told(&name));
            match (name.as_str(), Field::from_name(&name)) {
                ("submit", _) => self.button(&at, value)?,
                // The form has one field for month and year; their messages are its messages.
                ("expiry_month", _) => self.part(&at, value, &[Text::ExpiryMonth])?,
                ("expiry_year", _) => self.part(&at, value, &[Text::ExpiryFar])?,
                (_, Some(field)) => self.field(&at, field, value)?,
                (_, None) => self.own_field(&at, &name, value)?,
            }
        }
        Ok(())
    }

    fn field(&mut self, at: &str, field: Field, value: Value) -> Result<(), Invalid> {
        let guarded = !matches!(
            field,
            Field::CardNumber | Field::Expiry | Field::Cvv | Field::RoutingNumber | Field::AccountNumber
        );
        for (part, value) in parts(value, at)? {
            let at = format!("{at}/{}", told(&part));
            let texts: Vec<_> = match part.as_str() {
                "label" => Text::label(field).into_iter().collect(),
                "required" => messages(field).filter(|text| text.name().ends_with("_missing")).collect(),
                "invalid" => messages(field).filter(|text| !text.name().ends_with("_missing")).collect(),
                _ => Vec::new(),
            };
            if texts.is_empty() {
                self.ignored.push(at);
                continue;
            }
            if guarded && part != "invalid" {
                refuse_card(&at, &value)?;
            }
            for text in texts {
                self.put(&at, text.name(), &value)?;
            }
        }
        Ok(())
    }

    fn part(&mut self, at: &str, value: Value, invalid: &[Text]) -> Result<(), Invalid> {
        for (part, value) in parts(value, at)? {
            let at = format!("{at}/{}", told(&part));
            if part != "invalid" {
                self.ignored.push(at);
                continue;
            }
            for text in invalid {
                self.put(&at, text.name(), &value)?;
            }
        }
        Ok(())
    }

    /// A field that is not the card form's: kept for the form that has it.
    fn own_field(&mut self, at: &str, name: &str, value: Value) -> Result<(), Invalid> {
        for (part, value) in parts(value, at)? {
            let at = format!("{at}/{}", told(&part));
            if !matches!(part.as_str(), "label" | "required" | "invalid") {
                self.ignored.push(at);
                continue;
            }
            refuse_card(&at, &value)?;
            self.put(&at, &own_key(name, &part), &value)?;
        }
        Ok(())
    }

    fn button(&mut self, at: &str, value: Value) -> Result<(), Invalid> {
        let Value::Object(mut members) = value else {
            return self.put(at, Text::Submit.name(), &value);
        };
        if let Some(label) = members.take("label") {
            self.put(&format!("{at}/label"), Text::Submit.name(), &label)?;
        }
        // The messages of a submit stand here in some clients, and beside `form` in others.
        self.outcome(at, Value::Object(members))
    }

    fn outcome(&mut self, at: &str, value: Value) -> Result<(), Invalid> {
        for (part, value) in object(value, at)? {
            let at = format!("{at}/{}", told(&part));
            let texts: &[Text] = match part.as_str() {
                "success" => &[Text::SavedText, Text::DoneText],
                "error" => &[Text::AlertFailed, Text::AlertRefused, Text::FailedText],
                _ => &[],
            };
            if texts.is_empty() {
                self.ignored.push(at);
                continue;
            }
            let value = label_of(value);
            for text in texts {
                self.put(&at, text.name(), &value)?;
            }
        }
        Ok(())
    }

    /// `texts`: every text of the pages, by its own key.
    fn by_key(&mut self, at: &str, value: Value) -> Result<(), Invalid> {
        for (name, value) in object(value, at)? {
            let at = format!("{at}/{}", told(&name));
            let Some(text) = Text::from_name(&name) else {
                return Err(Invalid::new(at, "unknown", "The pages have no such text."));
            };
            let guarded =
                [Text::CardHolder, Text::CardHolderMissing, Text::Reference, Text::ReferenceMissing];
            if guarded.contains(&text) {
                refuse_card(&at, &value)?;
            }
            self.put(&at, text.name(), &value)?;
        }
        Ok(())
    }

    /// One text: plain, one line, and not too long. Empty ones leave what there is.
    fn put(&mut self, at: &str, key: &str, value: &Value) -> Result<(), Invalid> {
        let text = value.as_text().ok_or_else(|| Invalid::new(at, "type", "This has to be a text."))?.trim();
        if text.chars().count() > MAX_TEXT {
            return Err(Invalid::new(at, "too_long", "This is longer than 400 characters."));
        }
        if text.chars().any(|c| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')) {
            return Err(Invalid::new(at, "characters", "A text is one line without control characters."));
        }
        if !text.is_empty() {
            self.size += text.len();
            self.texts.insert(key.to_owned(), text.to_owned());
        }
        Ok(())
    }
}

/// The messages of a field, those that tell what is missing and what is wrong.
fn messages(field: Field) -> impl Iterator<Item = Text> {
    Text::ALL.iter().copied().take(Text::OF_BROWSER).filter(move |text| {
        let rest = text.name().strip_prefix(field.name());
        rest.is_some_and(|rest| rest.starts_with('_') && !rest.contains("_hint"))
    })
}

/// What is said of a field: an object of parts, or its label alone.
fn parts(value: Value, at: &str) -> Result<Members, Invalid> {
    match value {
        Value::Text(_) => Ok(std::iter::once(("label".to_owned(), value)).collect()),
        other => object(other, at),
    }
}

fn label_of(value: Value) -> Value {
    match value {
        Value::Object(mut members) => members.take("label").unwrap_or(Value::Object(members)),
        other => other,
    }
}

fn object(value: Value, at: &str) -> Result<Members, Invalid> {
    match value {
        Value::Object(members) => Ok(members),
        Value::Null => Ok(Members::default()),
        _ => Err(Invalid::new(at, "type", "This has to be an object.")),
    }
}

fn refuse_card(at: &str, value: &Value) -> Result<(), Invalid> {
    if value.as_text().is_some_and(asks_for_card) {
        let detail = "Only the card's own fields may ask for a card's number or code.";
        return Err(Invalid::new(at, "asks_for_card", detail));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(body: &str) -> Result<(Translations, Vec<String>), String> {
        let value = Members::parse(format!(r#"{{"t":{body}}}"#).as_bytes()).unwrap().take("t").unwrap();
        read(value).map_err(|error| format!("{} {}", error.pointer, error.code))
    }

    #[test]
    fn the_shape_of_the_interface_is_read() {
        let (all, ignored) = read_text(
            r#"{"af": {"name": "Afrikaans", "form": {
                "card_number": {"label": "Kaartnommer", "required": "Vul in", "invalid": "Verkeerd"},
                "submit": {"label": "Stoor", "success": "Dankie", "error": "Probeer weer"},
                "expiry_month": {"label": "Maand", "invalid": "Maand?"},
                "shoe_size": {"label": "Skoengrootte"}}, "retrieve": {"success": "x"}}}"#,
        )
        .unwrap();
        let texts = &all["af"];
        for (key, expected) in [
            ("card_number", "Kaartnommer"),
            ("card_number_missing", "Vul in"),
            ("card_number_short", "Verkeerd"),
            ("card_number_invalid", "Verkeerd"),
            ("submit", "Stoor"),
            ("saved_text", "Dankie"),
            ("alert_failed", "Probeer weer"),
            ("expiry_month", "Maand?"),
            ("form.shoe_size.label", "Skoengrootte"),
            ("name", "Afrikaans"),
        ] {
            assert_eq!(texts.get(key).map(String::as_str), Some(expected), "{key}");
        }
        assert_eq!(ignored, ["/translations/af/form/expiry_month/label", "/translations/af/retrieve"]);
    }

    #[test]
    fn both_places_of_the_submit_messages_are_read() {
        for body in
            [r#"{"de":{"submit":{"success":"Ja"}}}"#, r#"{"de":{"form":{"submit":{"success":"Ja"}}}}"#]
        {
            assert_eq!(read_text(body).unwrap().0["de"]["saved_text"], "Ja", "{body}");
        }
    }

    #[test]
    fn wrong_types_are_refused_where_they_stand() {
        for (body, problem) in [
            ("[]", "/translations type"),
            (r#"{"de":7}"#, "/translations/de type"),
            (r#"{"not a tag":{}}"#, "/translations/not a tag locale"),
            (r#"{"de":{},"de_DE":{},"DE":{}}"#, "/translations/DE duplicate"),
            (r#"{"de":{"form":[]}}"#, "/translations/de/form type"),
            (r#"{"de":{"form":{"cvv":{"label":1}}}}"#, "/translations/de/form/cvv/label type"),
            (r#"{"de":{"form":{"cvv":[]}}}"#, "/translations/de/form/cvv type"),
            (r#"{"de":{"submit":{"success":true}}}"#, "/translations/de/submit/success type"),
            (r#"{"de":{"texts":{"nothing":"x"}}}"#, "/translations/de/texts/nothing unknown"),
            (r#"{"de":{"texts":{"trust":"a\nb"}}}"#, "/translations/de/texts/trust characters"),
        ] {
            assert_eq!(read_text(body).err().as_deref(), Some(problem), "{body}");
        }
    }

    #[test]
    fn too_much_is_refused() {
        let long = format!(r#"{{"de":{{"texts":{{"trust":"{}"}}}}}}"#, "x".repeat(401));
        assert_eq!(read_text(&long).err().as_deref(), Some("/translations/de/texts/trust too_long"));
        let tags = ('a'..='z').flat_map(|a| ('a'..='c').map(move |b| format!(r#""{a}{b}x":{{}}"#)));
        let many = format!("{{{}}}", tags.take(61).collect::<Vec<_>>().join(","));
        assert_eq!(read_text(&many).err().as_deref(), Some("/translations too_many"));
        let keys = Text::ALL.iter().map(|text| format!(r#""{}":"{}""#, text.name(), "x".repeat(400)));
        let keys = keys.collect::<Vec<_>>().join(",");
        let all = format!(
            r#"{{"de":{{"texts":{{{keys}}}}},"fr":{{"texts":{{{keys}}}}},"it":{{"texts":{{{keys}}}}},
            "es":{{"texts":{{{keys}}}}}}}"#
        );
        assert_eq!(read_text(&all).err().as_deref(), Some("/translations too_long"));
    }

    #[test]
    fn no_other_field_may_ask_for_a_card() {
        for (body, problem) in [
            (
                r#"{"de":{"form":{"reference":{"label":"Kartennummer"}}}}"#,
                "/translations/de/form/reference/label",
            ),
            (
                r#"{"en":{"form":{"card_holder":{"required":"Enter your CVV"}}}}"#,
                "/translations/en/form/card_holder/required",
            ),
            (r#"{"en":{"form":{"nick":"Card number"}}}"#, "/translations/en/form/nick/label"),
            (r#"{"en":{"texts":{"reference":"Security code"}}}"#, "/translations/en/texts/reference"),
        ] {
            assert_eq!(read_text(body).err(), Some(format!("{problem} asks_for_card")), "{body}");
        }
        assert!(read_text(r#"{"de":{"form":{"card_number":{"label":"Kartennummer"}}}}"#).is_ok());
    }
}
