//! What a field looks like beside its label and its state: written into the document by the server, and left by the
//! browser as it stands there.

/// The looks of one field. In the browser it is empty: hydration changes no attribute that does not follow the state.
#[derive(Clone, Debug, Default)]
pub struct Face {
    /// The label, where it is not one of the texts.
    pub label: Option<String>,
    /// The name of the input.
    pub name: String,
    /// The `type` of the input.
    pub input_type: &'static str,
    /// The autocomplete token.
    pub autocomplete: String,
    /// The keyboard to show.
    pub inputmode: Option<&'static str>,
    /// Shown while the field is empty.
    pub placeholder: Option<String>,
    /// The direction of what is typed.
    pub dir: Option<&'static str>,
    /// Which letters the keyboard begins with.
    pub autocapitalize: &'static str,
    /// The most characters.
    pub max: Option<String>,
    /// Whether dots are shown for what is typed.
    pub masked: bool,
    /// The value to start with; of a box the value that it has when ticked.
    pub value: Option<String>,
    /// The choices of a list: what is stored and what is read.
    pub choices: Vec<(String, String)>,
    /// What a list is called to those who do not see where it stands, if not by its label alone.
    pub spoken: Option<String>,
    /// What helps to fill the field in, where that does not follow what is typed.
    pub hint: Option<String>,
    /// The second list of a field that has two.
    pub second: Option<Box<Face>>,
}

impl Face {
    /// The options of a list as HTML.
    #[cfg(feature = "ssr")]
    pub(super) fn options(&self) -> String {
        use crate::page::escape;
        let mut html = String::new();
        for (value, label) in &self.choices {
            let selected = if self.value.as_ref() == Some(value) { " selected" } else { "" };
            html.extend([
                "<option value=\"",
                &escape(value),
                "\"",
                selected,
                ">",
                &escape(label),
                "</option>",
            ]);
        }
        html
    }

    /// The server's options stay.
    #[cfg(not(feature = "ssr"))]
    #[expect(clippy::unused_self, reason = "the server's half reads it")]
    pub(super) fn options(&self) -> String {
        String::new()
    }
}

#[cfg(feature = "ssr")]
mod usual {
    use shared::ach::ACCOUNT_TYPES;
    use shared::{Field, Text, Texts};

    use super::Face;

    impl Face {
        /// The usual looks of a field.
        pub fn of(field: Field, texts: &Texts) -> Self {
            let numeric = matches!(
                field,
                Field::CardNumber | Field::Expiry | Field::Cvv | Field::RoutingNumber | Field::AccountNumber
            );
            Self {
                name: field.name().to_owned(),
                input_type: if field == Field::Consent { "checkbox" } else { "text" },
                autocomplete: field.autocomplete().to_owned(),
                inputmode: numeric.then_some("numeric"),
                placeholder: Some(placeholder(field, texts)),
                // Numbers are written from left to right in every language.
                dir: numeric.then_some("ltr"),
                autocapitalize: match field {
                    Field::CardHolder | Field::AccountHolder | Field::BillingCity | Field::BillingCountry => {
                        "words"
                    }
                    _ => "off",
                },
                choices: if field == Field::AccountType { account_types(texts) } else { Vec::new() },
                ..Self::default()
            }
        }

        /// A list begins with a line that chooses nothing.
        pub fn choose(&mut self, choices: Vec<(String, String)>, texts: &Texts) {
            self.choices = vec![(String::new(), texts.get(Text::Choose).to_owned())];
            self.choices.extend(choices);
        }
    }

    fn placeholder(field: Field, texts: &Texts) -> String {
        match field {
            Field::CardNumber => "1234 1234 1234 1234".to_owned(),
            Field::Expiry => texts.get(Text::ExpiryPlaceholder).to_owned(),
            // Never empty: a label that lies in its empty input is moved by `:placeholder-shown`.
            _ => " ".to_owned(),
        }
    }

    fn account_types(texts: &Texts) -> Vec<(String, String)> {
        let labels = [
            Text::IndividualSavings,
            Text::IndividualChecking,
            Text::BusinessSavings,
            Text::BusinessChecking,
        ];
        let known = ACCOUNT_TYPES.iter().zip(labels);
        let mut face = Face::default();
        face.choose(
            known.map(|(value, label)| ((*value).to_owned(), texts.get(label).to_owned())).collect(),
            texts,
        );
        face.choices
    }
}
