//! What card requests say in each language: their messages, and the pages behind a link beside the form's own texts.
//! The words stand in `backend/texts/requests`, one file a language; placeholders are those of `requests::words`.

use super::table::lines;

macro_rules! messages {
    ($(#[doc = $doc:literal] $name:ident,)*) => {
        /// The words of one language.
        #[derive(Clone, Copy, Debug)]
        pub struct Messages {
            $(#[doc = $doc] pub $name: &'static str,)*
        }

        impl Messages {
            /// The keys of a file.
            #[cfg(test)]
            const KEYS: &[&str] = &[$(stringify!($name)),*];

            /// Those of a file.
            pub(super) fn read(file: &'static str) -> Self {
                Self { $($name: find(file, stringify!($name)),)* }
            }

            /// All of them with their keys.
            #[cfg(test)]
            fn all(&self) -> Vec<(&'static str, &'static str)> {
                vec![$((stringify!($name), self.$name)),*]
            }
        }
    };
}

messages! {
    #[doc = "Subject of an e-mail that asks for a card; with the link behind it, the text message."]
    card_subject,
    #[doc = "Subject of an e-mail that asks for a security code; with the link behind it, the text message."]
    code_subject,
    #[doc = "First line of an e-mail."]
    greeting,
    #[doc = "What an e-mail asks for, with a card."]
    card_body,
    #[doc = "What an e-mail asks for, with a security code."]
    code_body,
    #[doc = "What every e-mail reminds of."]
    once,
    #[doc = "What stands on the link in HTML."]
    open,
    #[doc = "Text message with a one-time passcode; `{}` is its place."]
    passcode,
    #[doc = "Before the merchant's name."]
    from,
    #[doc = "Before the amount."]
    amount,
    #[doc = "Before the masked card whose code is asked for."]
    card,
    #[doc = "Above the contacts."]
    questions,
    #[doc = "Heading of the page for what is over."]
    expired,
    #[doc = "What it says."]
    expired_text,
    #[doc = "Its button."]
    ask,
    #[doc = "Heading after the button."]
    asked,
    #[doc = "What that page says."]
    asked_text,
    #[doc = "Heading of the page that asks for a passcode."]
    code,
    #[doc = "What it says; `{}` is the hidden number's place."]
    code_text,
    #[doc = "Its button."]
    code_send,
    #[doc = "The button for another code."]
    code_again,
    #[doc = "The field's label."]
    code_label,
    #[doc = "After a wrong code."]
    code_wrong,
    #[doc = "When there are no more codes."]
    code_over,
    #[doc = "When the card that a code was asked for is gone."]
    no_card,
}

fn find(file: &'static str, name: &str) -> &'static str {
    lines(file).find(|(key, _)| *key == name).map_or("", |(_, words)| words)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::languages::LANGUAGES;
    use crate::requests::words;

    #[test]
    fn every_language_has_every_text_once_and_no_other() {
        for language in &LANGUAGES {
            let file = language.messages().all();
            assert!(file.iter().all(|(_, words)| !words.is_empty()), "{}: {file:?}", language.tag);
            let mut keys = language.request_keys();
            keys.sort_unstable();
            let mut expected = Messages::KEYS.to_vec();
            expected.sort_unstable();
            assert_eq!(keys, expected, "{}", language.tag);
        }
    }

    #[test]
    fn texts_are_translated_and_plain() {
        let english = LANGUAGES[0].messages().all();
        for language in &LANGUAGES {
            let texts = language.messages().all();
            let same = texts.iter().zip(&english).filter(|(one, other)| one.1 == other.1).count();
            assert!(language.tag == "en" || same <= 1, "{} says {same} texts in English", language.tag);
            for (key, words) in texts {
                assert!(!words.contains(['<', '>', '&', '"', '\t']), "{} {key}: {words}", language.tag);
                assert!(!words.contains("  "), "{} {key}: {words}", language.tag);
            }
        }
    }

    /// Each text keeps the original's placeholders, and its figures but where a language writes them out.
    #[test]
    fn placeholders_and_times_are_kept() {
        let english = LANGUAGES[0].messages().all();
        for language in &LANGUAGES {
            for ((key, words), (_, original)) in language.messages().all().into_iter().zip(&english) {
                assert_eq!(words::names(words), words::names(original), "{} {key}", language.tag);
                assert_eq!(
                    words.matches("{}").count(),
                    original.matches("{}").count(),
                    "{} {key}",
                    language.tag
                );
                assert!(key != "passcode" || words.contains("10"), "{}: {words}", language.tag);
            }
        }
    }

    #[test]
    fn headings_buttons_and_subjects_stay_short() {
        for language in &LANGUAGES {
            let words = language.messages();
            for (text, most) in [
                (words.expired, 40),
                (words.ask, 40),
                (words.open, 40),
                (words.code_send, 30),
                (words.code_again, 30),
                (words.card_subject, 70),
                (words.code_subject, 70),
                (words.passcode, 130),
            ] {
                assert!(text.chars().count() <= most, "{}: {text}", language.tag);
            }
        }
    }
}
