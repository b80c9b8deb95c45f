//! The expiry of a form where it is chosen from two lists, or where a card has to be valid for long enough.

use frontend::Face;
use shared::expiry::FARTHEST_YEARS;
use shared::{FormRules, Text, Texts, YearMonth};

use crate::capture::fill;

/// Makes lists of the field where the rules say so, and tells until when a card has to be valid.
pub fn dress(face: &mut Face, rules: &FormRules, texts: &Texts, today: YearMonth) {
    if rules.expiry_lists {
        let months = (1..=12).zip(months(texts)).map(|(number, name)| (format!("{number:02}"), name));
        let first = rules.min_expiry.map_or(today.year, |month| month.year.max(today.year));
        let years = (first..=today.year + FARTHEST_YEARS).map(|year| (year.to_string(), year.to_string()));
        *face = list(fill::MONTH, "cc-exp-month", Text::Month, texts, months.collect());
        face.second = Some(Box::new(list(fill::YEAR, "cc-exp-year", Text::Year, texts, years.collect())));
    }
    let told = |month| texts.get(Text::ExpiryHint).replace("{date}", &as_read(month, rules));
    face.hint = rules.min_expiry.map(told);
}

/// The month as the form writes it. Names of months would have to be inflected in half of the languages.
fn as_read(month: YearMonth, rules: &FormRules) -> String {
    let year = if rules.expiry_lists { month.year } else { month.year % 100 };
    format!("{:02} / {year:02}", month.month)
}

/// The months with the numbers that stand on cards.
fn months(texts: &Texts) -> Vec<String> {
    let has_number = |name: &str| name.contains(|letter: char| letter.is_ascii_digit());
    let told = |(number, name): (usize, String)| {
        if has_number(&name) { name } else { format!("{name} ({number:02})") }
    };
    (1..).zip(names(texts)).map(told).collect()
}

/// The names of the months. A merchant's own language may have other ones: where these are not twelve, numbers stand
/// for them.
fn names(texts: &Texts) -> Vec<String> {
    let names: Vec<_> = texts.get(Text::Months).split(',').map(|name| name.trim().to_owned()).collect();
    if names.len() == 12 { names } else { (1..=12).map(|number| format!("{number:02}")).collect() }
}

fn list(name: &str, token: &str, own: Text, texts: &Texts, choices: Vec<(String, String)>) -> Face {
    let (label, own) = (texts.get(Text::Expiry), texts.get(own));
    // The first line chooses nothing, and says what the list is for.
    let nothing = std::iter::once((String::new(), own.to_owned()));
    Face {
        name: name.to_owned(),
        autocomplete: token.to_owned(),
        spoken: Some(format!("{label}: {own}")),
        choices: nothing.chain(choices).collect(),
        ..Face::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::languages::LANGUAGES;

    const TODAY: YearMonth = YearMonth { year: 2027, month: 1 };

    fn dressed(texts: &Texts, lists: bool, min_expiry: Option<YearMonth>) -> Face {
        let mut rules = FormRules::default();
        (rules.expiry_lists, rules.min_expiry) = (lists, min_expiry);
        let mut face = Face::default();
        dress(&mut face, &rules, texts, TODAY);
        face
    }

    #[test]
    fn every_language_names_twelve_months() {
        for language in &LANGUAGES {
            let face = dressed(&language.texts(), true, None);
            assert_eq!(face.choices.len(), 13, "{}", language.tag);
            for (place, (value, name)) in face.choices.iter().enumerate().skip(1) {
                assert_eq!(*value, format!("{place:02}"));
                let number = name.chars().filter(char::is_ascii_digit).collect::<String>();
                assert_eq!(number.parse(), Ok(place), "{}: {name}", language.tag);
                assert!(name.chars().any(char::is_alphabetic), "{}: {name}", language.tag);
            }
            let mut names: Vec<_> = face.choices.iter().map(|(_, name)| name).collect();
            names.sort();
            names.dedup();
            assert_eq!(names.len(), 13, "{}", language.tag);
        }
    }

    #[test]
    fn years_begin_where_a_card_may_end() {
        let texts = crate::languages::english();
        let years = |face: Face| face.second.unwrap().choices;
        let all = years(dressed(&texts, true, None));
        assert_eq!((all[1].0.as_str(), all[21].0.as_str(), all.len()), ("2027", "2047", 22));
        let later = years(dressed(&texts, true, Some(YearMonth { year: 2029, month: 6 })));
        assert_eq!(later[1].0, "2029");
        let past = years(dressed(&texts, true, Some(YearMonth { year: 2020, month: 6 })));
        assert_eq!(past[1].0, "2027");
    }

    #[test]
    fn what_is_asked_for_is_told_as_it_is_entered() {
        let texts = crate::languages::english();
        let month = Some(YearMonth { year: 2031, month: 5 });
        let hint = |lists, month| dressed(&texts, lists, month).hint;
        assert_eq!(hint(false, month).as_deref(), Some("Valid until 05 / 31 or later"));
        assert_eq!(hint(true, month).as_deref(), Some("Valid until 05 / 2031 or later"));
        assert_eq!(hint(false, None), None);
    }

    #[test]
    fn a_language_without_twelve_names_has_numbers() {
        let texts = crate::languages::english().with([(Text::Months, "Januarie, Februarie")]);
        assert_eq!(dressed(&texts, true, None).choices[2].1, "02");
    }
}
