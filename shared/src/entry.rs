//! What was entered into a form, and the one check of it that browser and server both run.

use zeroize::Zeroize;

use crate::{CardNumber, Cvv, Expiry, Field, FormRules, Problem, Text, YearMonth, holder, reference};

/// The raw texts of a form, by field. Wiped on drop; Debug shows nothing.
#[derive(Default)]
pub struct Entry {
    values: [String; 5],
}

impl Entry {
    /// The text of a field as entered.
    pub fn value(&self, field: Field) -> &str {
        self.values.get(field as usize).map_or("", String::as_str)
    }

    /// Replaces the text of a field; the old one is wiped.
    pub fn set(&mut self, field: Field, text: String) {
        if let Some(value) = self.values.get_mut(field as usize) {
            value.zeroize();
            *value = text;
        }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.values.iter_mut().for_each(Zeroize::zeroize);
    }
}

impl std::fmt::Debug for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Entry(…)")
    }
}

/// A field and what is wrong with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FieldError {
    /// Where.
    pub field: Field,
    /// What.
    pub problem: Problem,
}

impl FieldError {
    /// The key of what the person reads beside the field.
    pub const fn text(self) -> Text {
        Text::problem(self.field, self.problem)
    }
}

/// A checked entry. Members are `None` for invisible fields and for optional ones that were left empty.
#[derive(Debug, Default)]
pub struct Checked {
    /// The normalised number.
    pub number: Option<CardNumber>,
    /// The trimmed name.
    pub holder: Option<String>,
    /// Month and year.
    pub expiry: Option<Expiry>,
    /// The security code.
    pub cvv: Option<Cvv>,
    /// The reference.
    pub reference: Option<String>,
}

/// Checks an entry against a form's rules. `today` is the month in which the form is filled.
/// Every field is checked, so that all problems are shown at once, in the order of the form.
pub fn check(rules: &FormRules, entry: &Entry, today: YearMonth) -> Result<Checked, Vec<FieldError>> {
    let mut errors = Vec::new();
    let number = take(rules, entry, Field::CardNumber, &mut errors, |text, validate| {
        CardNumber::parse(text, validate && !rules.disable_luhn)
    });
    let brand = number.as_ref().map(CardNumber::brand);
    let checked = Checked {
        number,
        holder: take(rules, entry, Field::CardHolder, &mut errors, |text, _| {
            holder::parse(text).map(String::from)
        }),
        expiry: take(rules, entry, Field::Expiry, &mut errors, |text, validate| {
            let expiry = Expiry::parse(text)?;
            if validate { expiry.check_for_form(today).map(|()| expiry) } else { Ok(expiry) }
        }),
        cvv: take(rules, entry, Field::Cvv, &mut errors, |text, validate| {
            Cvv::parse(text, if validate { brand } else { None })
        }),
        reference: take(rules, entry, Field::Reference, &mut errors, |text, _| {
            reference::parse(text).map(String::from)
        }),
    };
    if errors.is_empty() { Ok(checked) } else { Err(errors) }
}

/// Checks one field. Used by the browser when a field is left.
pub fn check_field(rules: &FormRules, entry: &Entry, field: Field, today: YearMonth) -> Option<Problem> {
    match check(rules, entry, today) {
        Ok(_) => None,
        Err(errors) => errors.iter().find(|error| error.field == field).map(|error| error.problem),
    }
}

fn take<T>(
    rules: &FormRules,
    entry: &Entry,
    field: Field,
    errors: &mut Vec<FieldError>,
    parse: impl Fn(&str, bool) -> Result<T, Problem>,
) -> Option<T> {
    let options = rules.of(field);
    if !options.visible {
        return None;
    }
    match parse(entry.value(field), options.validate) {
        Ok(value) => Some(value),
        Err(Problem::Missing) if !options.validate => None,
        Err(problem) => {
            errors.push(FieldError { field, problem });
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FieldOptions;

    const TODAY: YearMonth = YearMonth { year: 2026, month: 11 };

    fn entry(values: [&str; 5]) -> Entry {
        let mut entry = Entry::default();
        for (field, value) in Field::ALL.into_iter().zip(values) {
            entry.set(field, value.to_owned());
        }
        entry
    }

    #[test]
    fn a_whole_card_passes() {
        let checked =
            check(&FormRules::default(), &entry(["4111 1111 1111 1111", "Ada", "05/31", "123", ""]), TODAY)
                .unwrap();
        assert_eq!(checked.number.unwrap().digits(), "4111111111111111");
        assert_eq!(checked.expiry.unwrap().short(), "05/31");
        assert!(checked.reference.is_none());
    }

    #[test]
    fn every_problem_is_told_in_the_order_of_the_form() {
        let errors = check(&FormRules::default(), &entry(["4111", "", "13/31", "1", ""]), TODAY).unwrap_err();
        let told: Vec<_> = errors.iter().map(|e| (e.field, e.problem)).collect();
        assert_eq!(
            told,
            [
                (Field::CardNumber, Problem::TooShort),
                (Field::CardHolder, Problem::Missing),
                (Field::Expiry, Problem::Month),
                (Field::Cvv, Problem::CodeLength),
            ]
        );
    }

    #[test]
    fn the_code_has_the_length_of_its_brand() {
        let errors =
            check(&FormRules::default(), &entry(["378282246310005", "Ada", "05/31", "123", ""]), TODAY)
                .unwrap_err();
        assert_eq!(errors, [FieldError { field: Field::Cvv, problem: Problem::CodeLength }]);
    }

    #[test]
    fn invisible_fields_are_neither_checked_nor_taken() {
        let mut rules = FormRules::default();
        for field in [Field::CardNumber, Field::CardHolder, Field::Expiry] {
            rules.set(field, FieldOptions { visible: false, validate: true });
        }
        let checked = check(&rules, &entry(["4111", "x", "99/99", "145", ""]), TODAY).unwrap();
        assert!(checked.number.is_none() && checked.holder.is_none() && checked.expiry.is_none());
        assert_eq!(checked.cvv.unwrap().digits(), "145");
    }
}
