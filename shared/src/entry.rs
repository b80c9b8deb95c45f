//! What was entered into a form, and the one check of it that browser and server both run.

use zeroize::Zeroize;

use crate::{
    AccountNumber, Brand, CardNumber, Cvv, Expiry, Field, FormRules, Problem, Text, YearMonth, ach, holder,
    plain, reference,
};

/// The raw texts of a form, by field. Wiped on drop; Debug shows nothing.
#[derive(Default)]
pub struct Entry {
    /// Which brand of a co-badged card was chosen.
    pub network: Option<Brand>,
    values: [String; Field::COUNT],
}

impl Entry {
    /// The text of a field as entered.
    pub fn value(&self, field: Field) -> &str {
        self.values.get(field.index()).map_or("", String::as_str)
    }

    /// Replaces the text of a field; the old one is wiped.
    pub fn set(&mut self, field: Field, text: String) {
        if let Some(value) = self.values.get_mut(field.index()) {
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

/// A checked entry. Members are absent for invisible fields and for optional ones that were left empty.
#[derive(Debug, Default)]
pub struct Checked {
    /// The normalised number.
    pub number: Option<CardNumber>,
    /// The chosen brand, where that is not simply the one that the number belongs to.
    pub network: Option<Brand>,
    /// The trimmed name.
    pub holder: Option<String>,
    /// Month and year.
    pub expiry: Option<Expiry>,
    /// The security code.
    pub cvv: Option<Cvv>,
    /// The reference.
    pub reference: Option<String>,
    /// The number of a bank account.
    pub account: Option<AccountNumber>,
    /// The other fields, trimmed, in the order of the form.
    pub texts: Vec<(Field, String)>,
    /// Whether the box was ticked.
    pub consent: bool,
}

/// Checks an entry against a form's rules. `today` is the month in which the form is filled.
/// Every field is checked, so that all problems are shown at once, in the order of the form.
pub fn check(rules: &FormRules, entry: &Entry, today: YearMonth) -> Result<Checked, Vec<FieldError>> {
    let mut errors = Vec::new();
    let mut checked = Checked::default();
    for field in rules.visible() {
        match take(&mut checked, rules, field, entry.value(field), today) {
            Ok(()) => {}
            Err(Problem::Missing) if !rules.of(field).validate => {}
            Err(problem) => errors.push(FieldError { field, problem }),
        }
    }
    match checked.number.as_ref().map(|number| choose(rules, entry, number)).transpose() {
        Ok(network) => checked.network = network.flatten(),
        // The number comes first in every form.
        Err(problem) => errors.insert(0, FieldError { field: Field::CardNumber, problem }),
    }
    if errors.is_empty() { Ok(checked) } else { Err(errors) }
}

/// Checks one field. Used by the browser when a field is left.
pub fn check_field(rules: &FormRules, entry: &Entry, field: Field, today: YearMonth) -> Option<Problem> {
    match check(rules, entry, today) {
        Ok(_) => None,
        Err(errors) => errors.iter().find(|error| error.field == field).map(|error| error.problem),
    }
}

/// The brand under which a card is to be used: the only one that the form takes, or the one that was chosen.
fn choose(rules: &FormRules, entry: &Entry, number: &CardNumber) -> Result<Option<Brand>, Problem> {
    let networks = rules.accepted.networks(number.digits());
    let Some(first) = networks.at(0) else { return Err(Problem::NotAccepted) };
    if !networks.is_choice() {
        return Ok(Some(first).filter(|&brand| brand != number.brand()));
    }
    entry.network.filter(|&brand| networks.has(brand)).map(Some).ok_or(Problem::Choice)
}

fn take(
    checked: &mut Checked,
    rules: &FormRules,
    field: Field,
    text: &str,
    today: YearMonth,
) -> Result<(), Problem> {
    let validate = rules.of(field).validate;
    let plain = match field {
        Field::CardNumber => {
            checked.number = Some(CardNumber::parse(text, validate && !rules.disable_luhn)?);
            return Ok(());
        }
        Field::CardHolder => {
            checked.holder = Some(String::from(holder::parse(text)?));
            return Ok(());
        }
        Field::Expiry => {
            let expiry = Expiry::parse(text)?;
            if validate && !rules.any_expiry {
                expiry.check_for_form(today)?;
            }
            if rules.min_expiry.is_some_and(|month| expiry.is_past(month)) {
                return Err(Problem::TooSoon);
            }
            checked.expiry = Some(expiry);
            return Ok(());
        }
        Field::Cvv => {
            // The number comes first in every form, so its brand is known here.
            let brand = checked.number.as_ref().map(CardNumber::brand).filter(|_| validate);
            checked.cvv = Some(Cvv::parse_by(text, brand, &rules.codes)?);
            return Ok(());
        }
        Field::AccountNumber => {
            checked.account = Some(AccountNumber::parse(text)?);
            return Ok(());
        }
        Field::Reference => {
            checked.reference = Some(String::from(reference::parse(text)?));
            return Ok(());
        }
        Field::Consent => {
            checked.consent = !text.is_empty();
            return if checked.consent { Ok(()) } else { Err(Problem::Missing) };
        }
        Field::RoutingNumber => ach::routing(text, validate)?,
        Field::AccountType => String::from(ach::account_type(text)?),
        Field::PostalCode => String::from(plain::postal_code(text)?),
        Field::AccountHolder | Field::BillingAddress | Field::BillingCity | Field::BillingCountry => {
            String::from(plain::parse(text, holder::MAX_CHARS)?)
        }
        Field::Extra(place) => String::from(plain::extra(text, rules.extra(place))?),
    };
    checked.texts.push((field, plain));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Accepted, FieldOptions};

    const TODAY: YearMonth = YearMonth { year: 2026, month: 11 };

    fn entry(values: [&str; 4]) -> Entry {
        let mut entry = Entry::default();
        for (field, value) in Field::ALL.into_iter().zip(values) {
            entry.set(field, value.to_owned());
        }
        entry
    }

    #[test]
    fn a_whole_card_passes() {
        let checked =
            check(&FormRules::default(), &entry(["4111 1111 1111 1111", "Ada", "05/31", "123"]), TODAY)
                .unwrap();
        assert_eq!(checked.number.unwrap().digits(), "4111111111111111");
        assert_eq!(checked.expiry.unwrap().short(), "05/31");
        assert!(checked.reference.is_none());
    }

    #[test]
    fn test_cards_may_have_any_expiry_but_no_other_month() {
        let mut rules = FormRules::default();
        rules.any_expiry = true;
        for (expiry, passes) in [("01/25", true), ("07/77", true), ("13/31", false), ("", false)] {
            let checked = check(&rules, &entry(["4302912837020000", "Ada", expiry, "123"]), TODAY);
            assert_eq!(checked.is_ok(), passes, "{expiry}");
            assert!(
                check(&FormRules::default(), &entry(["4302912837020000", "Ada", expiry, "123"]), TODAY)
                    .is_err()
            );
        }
    }

    #[test]
    fn a_card_has_to_be_valid_as_long_as_the_form_says() {
        let mut rules = FormRules::default();
        rules.min_expiry = Some(YearMonth { year: 2031, month: 5 });
        let told = |expiry| check(&rules, &entry(["4111111111111111", "Ada", expiry, "123"]), TODAY);
        assert!(told("05/31").is_ok() && told("01/32").is_ok());
        assert_eq!(
            told("04/31").unwrap_err(),
            [FieldError { field: Field::Expiry, problem: Problem::TooSoon }]
        );
        assert_eq!(told("10/26").unwrap_err()[0].problem, Problem::Past, "what has ended is told as such");
    }

    #[test]
    fn every_problem_is_told_in_the_order_of_the_form() {
        let errors = check(&FormRules::default(), &entry(["4111", "", "13/31", "1"]), TODAY).unwrap_err();
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
        let errors = check(&FormRules::default(), &entry(["378282246310005", "Ada", "05/31", "123"]), TODAY)
            .unwrap_err();
        assert_eq!(errors, [FieldError { field: Field::Cvv, problem: Problem::CodeLength }]);
    }

    #[test]
    fn a_card_that_is_not_accepted_is_refused_and_a_choice_is_asked_for() {
        let told = |rules: &FormRules, entry: &Entry| match check(rules, entry, TODAY) {
            Ok(checked) => Ok(checked.network),
            Err(errors) => Err(errors.iter().map(|e| (e.field, e.problem)).collect::<Vec<_>>()),
        };
        let mut entry = entry(["4571 0000 0000 0001", "Ada", "05/31", "123"]);
        let mut rules = FormRules::default();
        assert_eq!(told(&rules, &entry), Err(vec![(Field::CardNumber, Problem::Choice)]));
        entry.network = Some(Brand::Mastercard);
        assert_eq!(told(&rules, &entry), Err(vec![(Field::CardNumber, Problem::Choice)]));
        entry.network = Some(Brand::Dankort);
        assert_eq!(told(&rules, &entry), Ok(Some(Brand::Dankort)));
        rules.accepted = Accepted::only(&[Brand::Visa]);
        assert_eq!(told(&rules, &entry), Ok(None), "there is nothing to choose");
        rules.accepted = Accepted::only(&[Brand::Dankort]);
        assert_eq!(told(&rules, &entry), Ok(Some(Brand::Dankort)), "the one that is accepted");
        rules.accepted = Accepted::only(&[Brand::Mastercard]);
        assert_eq!(told(&rules, &entry), Err(vec![(Field::CardNumber, Problem::NotAccepted)]));
    }

    #[test]
    fn invisible_fields_are_neither_checked_nor_taken() {
        let mut rules = FormRules::default();
        for field in [Field::CardNumber, Field::CardHolder, Field::Expiry] {
            rules.set(field, FieldOptions { visible: false, validate: true });
        }
        let checked = check(&rules, &entry(["4111", "x", "99/99", "145"]), TODAY).unwrap();
        assert!(checked.number.is_none() && checked.holder.is_none() && checked.expiry.is_none());
        assert_eq!(checked.cvv.unwrap().digits(), "145");
    }

    #[test]
    fn a_bank_account_is_checked_by_its_own_rules() {
        let rules = FormRules::of_kind(crate::FormKind::Ach);
        let mut entry = Entry::default();
        for (field, text) in [
            (Field::RoutingNumber, "021000021"),
            // Passes Luhn, and is no card number where it stands.
            (Field::AccountNumber, "4111111111111111"),
            (Field::AccountHolder, "Ada King"),
            (Field::AccountType, "Business Checking"),
        ] {
            entry.set(field, text.to_owned());
        }
        let checked = check(&rules, &entry, TODAY).unwrap();
        assert_eq!(checked.account.unwrap().digits(), "4111111111111111");
        assert_eq!(checked.texts[0], (Field::RoutingNumber, "021000021".to_owned()));
        entry.set(Field::RoutingNumber, "021000022".to_owned());
        entry.set(Field::AccountHolder, "4111 1111 1111 1111".to_owned());
        entry.set(Field::AccountType, String::new());
        let errors = check(&rules, &entry, TODAY).unwrap_err();
        let told: Vec<_> = errors.iter().map(|e| (e.field, e.problem)).collect();
        assert_eq!(
            told,
            [
                (Field::RoutingNumber, Problem::Checksum),
                (Field::AccountHolder, Problem::HoldsNumber),
                (Field::AccountType, Problem::Missing)
            ]
        );
    }

    #[test]
    fn optional_fields_may_be_empty_and_are_checked_otherwise() {
        let mut rules = FormRules::hidden();
        rules.set_extra(0, false, crate::ExtraRule { kind: crate::ExtraKind::Email, max: 40 });
        rules.set(Field::Consent, FieldOptions { visible: true, validate: false });
        let mut entry = Entry::default();
        let checked = check(&rules, &entry, TODAY).unwrap();
        assert!(checked.texts.is_empty() && !checked.consent);
        entry.set(Field::Extra(0), "nowhere".to_owned());
        entry.set(Field::Consent, "v1".to_owned());
        let errors = check(&rules, &entry, TODAY).unwrap_err();
        assert_eq!(errors, [FieldError { field: Field::Extra(0), problem: Problem::Format }]);
        rules.set(Field::Consent, FieldOptions { visible: true, validate: true });
        entry.set(Field::Consent, String::new());
        assert_eq!(check(&rules, &entry, TODAY).unwrap_err().len(), 2, "a required box has to be ticked");
    }
}
