//! The fields of the hosted forms: their names in every place that names them, and what a form does with them.

use crate::{Accepted, CodeLengths, YearMonth};

/// A field of a hosted form. `Extra` is an additional field of the merchant's, by its place in the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Field {
    /// The card number (PAN).
    CardNumber,
    /// The cardholder's name.
    CardHolder,
    /// Month and year, one field.
    Expiry,
    /// The security code.
    Cvv,
    /// The bank's routing number (ABA).
    RoutingNumber,
    /// The number of a bank account.
    AccountNumber,
    /// Whose account.
    AccountHolder,
    /// Savings or checking, of a person or a business.
    AccountType,
    /// Street and house number.
    BillingAddress,
    /// The postal code of the billing address.
    PostalCode,
    /// The city of the billing address.
    BillingCity,
    /// The country of the billing address.
    BillingCountry,
    /// The merchant's reference, hidden unless asked for.
    Reference,
    /// An additional field.
    Extra(u8),
    /// The box that agrees to saving.
    Consent,
}

/// What kind of account a form asks for (`form_type`, spec A.5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FormKind {
    /// `pcd`: a card.
    #[default]
    Card,
    /// `ach`: a bank account.
    Ach,
}

impl FormKind {
    /// The name on the wire, which is also the id of the form that needs no configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Card => "pcd",
            Self::Ach => "ach",
        }
    }

    /// The kind of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Card, Self::Ach].into_iter().find(|kind| kind.name() == name)
    }
}

/// The most additional fields of a form.
pub const EXTRAS: usize = 10;

/// The names of `Field::ALL`, in its order.
const NAMES: [&str; Field::COUNT] = [
    "card_number",
    "card_holder",
    "expiry",
    "cvv",
    "routing_number",
    "account_number",
    "account_holder",
    "account_type",
    "billing_address",
    "postal_code",
    "billing_city",
    "billing_country",
    "reference",
    "extra-0",
    "extra-1",
    "extra-2",
    "extra-3",
    "extra-4",
    "extra-5",
    "extra-6",
    "extra-7",
    "extra-8",
    "extra-9",
    "consent",
];

impl Field {
    /// How many there are.
    pub const COUNT: usize = 14 + EXTRAS;

    /// All fields in the order in which a form shows them.
    pub const ALL: [Self; Self::COUNT] = [
        Self::CardNumber,
        Self::CardHolder,
        Self::Expiry,
        Self::Cvv,
        Self::RoutingNumber,
        Self::AccountNumber,
        Self::AccountHolder,
        Self::AccountType,
        Self::BillingAddress,
        Self::PostalCode,
        Self::BillingCity,
        Self::BillingCountry,
        Self::Reference,
        Self::Extra(0),
        Self::Extra(1),
        Self::Extra(2),
        Self::Extra(3),
        Self::Extra(4),
        Self::Extra(5),
        Self::Extra(6),
        Self::Extra(7),
        Self::Extra(8),
        Self::Extra(9),
        Self::Consent,
    ];

    /// The place in `ALL`.
    pub fn index(self) -> usize {
        Self::ALL.iter().position(|&field| field == self).unwrap_or(0)
    }

    /// The key in `field_options`, the name of the input, and the member of the stored card (spec A.3, A.5). An
    /// additional field has a name of its own for the latter two; this one names its place.
    pub fn name(self) -> &'static str {
        NAMES.get(self.index()).copied().unwrap_or_default()
    }

    /// The field of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().zip(NAMES).find(|&(_, known)| known == name).map(|(field, _)| field)
    }

    /// The HTML autocomplete token.
    pub const fn autocomplete(self) -> &'static str {
        match self {
            Self::CardNumber => "cc-number",
            Self::CardHolder => "cc-name",
            Self::Expiry => "cc-exp",
            Self::Cvv => "cc-csc",
            Self::AccountHolder => "name",
            Self::BillingAddress => "billing address-line1",
            Self::PostalCode => "billing postal-code",
            Self::BillingCity => "billing address-level2",
            Self::BillingCountry => "billing country-name",
            Self::RoutingNumber
            | Self::AccountNumber
            | Self::AccountType
            | Self::Reference
            | Self::Extra(_)
            | Self::Consent => "off",
        }
    }

    /// Whether a form of a kind can show the field because `field_options` say so.
    pub const fn belongs_to(self, kind: FormKind) -> bool {
        match self {
            Self::CardNumber | Self::CardHolder | Self::Expiry | Self::Cvv => matches!(kind, FormKind::Card),
            Self::RoutingNumber | Self::AccountNumber | Self::AccountHolder | Self::AccountType => {
                matches!(kind, FormKind::Ach)
            }
            Self::BillingAddress
            | Self::PostalCode
            | Self::BillingCity
            | Self::BillingCountry
            | Self::Reference => true,
            Self::Extra(_) | Self::Consent => false,
        }
    }

    /// Whether what is entered may never be written into a document again.
    pub const fn is_secret(self) -> bool {
        matches!(self, Self::CardNumber | Self::Cvv | Self::AccountNumber)
    }
}

/// What a form does with one field (`field_options`, spec A.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FieldOptions {
    /// An invisible field is not in the document at all, and never validated.
    pub visible: bool,
    /// A visible field that is not validated may be empty and may hold anything that its type can store.
    pub validate: bool,
}

/// What an additional field takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ExtraKind {
    /// Any text.
    #[default]
    Text,
    /// An e-mail address.
    Email,
    /// A telephone number.
    Tel,
    /// One of a list; the server knows which.
    Select,
}

impl ExtraKind {
    /// The `type` of an element: as written for an input, as told by the browser for a select.
    pub const fn input_type(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Email => "email",
            Self::Tel => "tel",
            Self::Select => "select-one",
        }
    }

    /// The kind of an element's `type`.
    pub fn of_input_type(text: &str) -> Self {
        let kinds = [Self::Email, Self::Tel, Self::Select];
        kinds.into_iter().find(|kind| kind.input_type() == text).unwrap_or_default()
    }
}

/// The rule of an additional field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExtraRule {
    /// What it takes.
    pub kind: ExtraKind,
    /// The most characters.
    pub max: u16,
}

/// The rules of one form: its fields and its switches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the form by itself")]
pub struct FormRules {
    options: [FieldOptions; Field::COUNT],
    extras: [ExtraRule; EXTRAS],
    /// Switches the Luhn check off (`disable_luhn`).
    pub disable_luhn: bool,
    /// Takes expiries of long ago and of long after, which choose the results of test cards.
    pub any_expiry: bool,
    /// The month until which a card has to be valid at least.
    pub min_expiry: Option<YearMonth>,
    /// Whether month and year are chosen from lists instead of typed.
    pub expiry_lists: bool,
    /// The brands that the form takes (`card_types`).
    pub accepted: Accepted,
    /// The lengths of security codes (`cvv_lengths`).
    pub codes: CodeLengths,
    /// Whether the focus goes on by itself once a field is complete (`auto_advance`).
    pub auto_advance: bool,
}

impl Default for FormRules {
    /// A card form.
    fn default() -> Self {
        Self::of_kind(FormKind::Card)
    }
}

impl FormRules {
    /// No field at all.
    pub fn hidden() -> Self {
        let hidden = FieldOptions { visible: false, validate: true };
        let plain = ExtraRule { kind: ExtraKind::Text, max: 0 };
        Self {
            options: [hidden; Field::COUNT],
            extras: [plain; EXTRAS],
            disable_luhn: false,
            any_expiry: false,
            min_expiry: None,
            expiry_lists: false,
            accepted: Accepted::default(),
            codes: CodeLengths::default(),
            auto_advance: false,
        }
    }

    /// The usual fields of a kind, visible and validated. The reference is neither (spec A.5, after the code);
    /// those of the billing address are validated once they are shown.
    pub fn of_kind(kind: FormKind) -> Self {
        let mut rules = Self::hidden();
        let own = match kind {
            FormKind::Card => [Field::CardNumber, Field::CardHolder, Field::Expiry, Field::Cvv],
            FormKind::Ach => {
                [Field::RoutingNumber, Field::AccountNumber, Field::AccountHolder, Field::AccountType]
            }
        };
        for field in own {
            rules.set(field, FieldOptions { visible: true, validate: true });
        }
        rules.set(Field::Reference, FieldOptions { visible: false, validate: false });
        rules
    }

    /// What the form does with a field.
    pub fn of(&self, field: Field) -> FieldOptions {
        let hidden = FieldOptions { visible: false, validate: false };
        self.options.get(field.index()).copied().unwrap_or(hidden)
    }

    /// Changes what the form does with a field.
    pub fn set(&mut self, field: Field, options: FieldOptions) {
        if let Some(known) = self.options.get_mut(field.index()) {
            *known = options;
        }
    }

    /// The rule of an additional field, by its place.
    pub fn extra(&self, place: u8) -> ExtraRule {
        let none = ExtraRule { kind: ExtraKind::Text, max: 0 };
        self.extras.get(usize::from(place)).copied().unwrap_or(none)
    }

    /// Shows an additional field. One that is not required may be empty; what is entered is checked all the same.
    pub fn set_extra(&mut self, place: u8, required: bool, rule: ExtraRule) {
        if let Some(known) = self.extras.get_mut(usize::from(place)) {
            *known = rule;
            self.set(Field::Extra(place), FieldOptions { visible: true, validate: required });
        }
    }

    /// Whether the field is chosen from a list.
    pub fn is_choice(&self, field: Field) -> bool {
        match field {
            Field::AccountType => true,
            Field::Expiry => self.expiry_lists,
            Field::Extra(place) => self.extra(place).kind == ExtraKind::Select,
            _ => false,
        }
    }

    /// Whether the form asks for a number that a card or an account can be stored under.
    pub fn asks_for_number(&self) -> bool {
        self.of(Field::CardNumber).visible || self.of(Field::AccountNumber).visible
    }

    /// The visible fields, in the order in which the form shows them.
    pub fn visible(&self) -> impl Iterator<Item = Field> + '_ {
        Field::ALL.into_iter().filter(|&field| self.of(field).visible)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_has_a_name_and_a_place_of_its_own() {
        for (index, field) in Field::ALL.into_iter().enumerate() {
            assert_eq!(field.index(), index);
            assert_eq!(Field::from_name(field.name()), Some(field));
        }
        assert_eq!(Field::from_name("extra-10"), None);
    }

    #[test]
    fn a_kind_shows_its_own_fields_alone() {
        for kind in [FormKind::Card, FormKind::Ach] {
            let rules = FormRules::of_kind(kind);
            assert_eq!(rules.visible().count(), 4);
            assert!(rules.visible().all(|field| field.belongs_to(kind)) && rules.asks_for_number());
        }
    }
}
