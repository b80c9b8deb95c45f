//! The fields of the card form: their names in every place that names them, and what a form does with them.

/// A field of the card form.
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
    /// The merchant's reference, hidden unless asked for.
    Reference,
}

impl Field {
    /// All fields in the order in which the form shows them.
    pub const ALL: [Self; 5] = [Self::CardNumber, Self::CardHolder, Self::Expiry, Self::Cvv, Self::Reference];

    /// The key in `field_options`, the name of the input, and the member of the stored card (spec A.3, A.5).
    pub const fn name(self) -> &'static str {
        match self {
            Self::CardNumber => "card_number",
            Self::CardHolder => "card_holder",
            Self::Expiry => "expiry",
            Self::Cvv => "cvv",
            Self::Reference => "reference",
        }
    }

    /// The field of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|field| field.name() == name)
    }

    /// The HTML autocomplete token.
    pub const fn autocomplete(self) -> &'static str {
        match self {
            Self::CardNumber => "cc-number",
            Self::CardHolder => "cc-name",
            Self::Expiry => "cc-exp",
            Self::Cvv => "cc-csc",
            Self::Reference => "off",
        }
    }

    /// The bit of this field in a set of fields.
    pub const fn bit(self) -> u8 {
        1 << self as u8
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

/// The rules of one form: its fields and its switches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FormRules {
    options: [FieldOptions; 5],
    /// Switches the Luhn check off (`disable_luhn`).
    pub disable_luhn: bool,
}

impl Default for FormRules {
    /// Every field visible and validated, except the reference, which is neither (spec A.5, after the code).
    fn default() -> Self {
        let shown = FieldOptions { visible: true, validate: true };
        let hidden = FieldOptions { visible: false, validate: false };
        Self { options: [shown, shown, shown, shown, hidden], disable_luhn: false }
    }
}

impl FormRules {
    /// The usual fields, with or without the Luhn check.
    pub fn new(disable_luhn: bool) -> Self {
        Self { disable_luhn, ..Self::default() }
    }

    /// What the form does with a field.
    pub const fn of(&self, field: Field) -> FieldOptions {
        match field {
            Field::CardNumber => self.options[0],
            Field::CardHolder => self.options[1],
            Field::Expiry => self.options[2],
            Field::Cvv => self.options[3],
            Field::Reference => self.options[4],
        }
    }

    /// Changes what the form does with a field.
    pub const fn set(&mut self, field: Field, options: FieldOptions) {
        match field {
            Field::CardNumber => self.options[0] = options,
            Field::CardHolder => self.options[1] = options,
            Field::Expiry => self.options[2] = options,
            Field::Cvv => self.options[3] = options,
            Field::Reference => self.options[4] = options,
        }
    }

    /// The visible fields, in the order in which the form shows them.
    pub fn visible(&self) -> impl Iterator<Item = Field> + '_ {
        Field::ALL.into_iter().filter(|&field| self.of(field).visible)
    }
}
