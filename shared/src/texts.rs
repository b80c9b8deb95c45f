//! Every text that a cardholder reads, by key. The server fills the keys with one language (and what the merchant
//! replaces in it); the browser is handed only those that change while the form is open.

use std::fmt;
use std::sync::Arc;

use crate::{Field, Problem};

/// Defines the keys: those that the browser needs, then the server's own. A key is one line here, and one line in
/// each file of the backend's `texts` folder, under the same name.
macro_rules! keys {
    (browser { $($browser:ident = $browser_name:literal,)* } server { $($server:ident = $server_name:literal,)* }) => {
        /// The key of a text.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum Text {
            $(#[doc = $browser_name] $browser,)*
            $(#[doc = $server_name] $server,)*
        }

        impl Text {
            /// All keys; those of the browser come first.
            pub const ALL: &[Self] = &[$(Self::$browser,)* $(Self::$server,)*];
            /// How many of them the browser is handed.
            pub const OF_BROWSER: usize = [$(Self::$browser,)*].len();

            /// The name in the language files and in a merchant's `translations`.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$browser => $browser_name,)*
                    $(Self::$server => $server_name,)*
                }
            }
        }
    };
}

keys! {
    // What the wasm shows after the page was rendered: problems, hints and states that follow what is typed.
    browser {
        CardNumberMissing = "card_number_missing",
        CardNumberDigits = "card_number_digits",
        CardNumberShort = "card_number_short",
        CardNumberLong = "card_number_long",
        CardNumberInvalid = "card_number_invalid",
        CardNumberNotAccepted = "card_number_not_accepted",
        CardNumberChoice = "card_number_choice",
        CardHolderMissing = "card_holder_missing",
        CardHolderNumber = "card_holder_number",
        CardHolderLong = "card_holder_long",
        CardHolderInvalid = "card_holder_invalid",
        ExpiryMissing = "expiry_missing",
        ExpiryMonth = "expiry_month",
        ExpiryPast = "expiry_past",
        ExpiryFar = "expiry_far",
        ExpirySoon = "expiry_soon",
        ExpiryInvalid = "expiry_invalid",
        CvvMissing = "cvv_missing",
        CvvDigits = "cvv_digits",
        CvvInvalid = "cvv_invalid",
        CvvHintBack = "cvv_hint_back",
        CvvHintFront = "cvv_hint_front",
        CvvHintAny = "cvv_hint_any",
        ReferenceMissing = "reference_missing",
        ReferenceNumber = "reference_number",
        ReferenceLong = "reference_long",
        ReferenceInvalid = "reference_invalid",
        RoutingNumberInvalid = "routing_number_invalid",
        AccountNumberInvalid = "account_number_invalid",
        ConsentMissing = "consent_missing",
        FieldMissing = "field_missing",
        FieldNumber = "field_number",
        FieldLong = "field_long",
        FieldInvalid = "field_invalid",
        Submit = "submit",
        Submitting = "submitting",
        Saved = "saved",
        AlertOffline = "alert_offline",
        AlertBusy = "alert_busy",
        AlertFailed = "alert_failed",
        AlertRefused = "alert_refused",
    }
    // What stands in the document as it was rendered, and on pages without wasm.
    server {
        Title = "title",
        CardNumber = "card_number",
        NetworkChoice = "network_choice",
        AcceptedCards = "accepted_cards",
        CardHolder = "card_holder",
        Expiry = "expiry",
        ExpiryPlaceholder = "expiry_placeholder",
        ExpiryHint = "expiry_hint",
        ExpiryChoose = "expiry_choose",
        Month = "month",
        Year = "year",
        Months = "months",
        Cvv = "cvv",
        Reference = "reference",
        OwnerId = "owner_id",
        RoutingNumber = "routing_number",
        AccountNumber = "account_number",
        AccountHolder = "account_holder",
        AccountType = "account_type",
        IndividualSavings = "individual_savings",
        IndividualChecking = "individual_checking",
        BusinessSavings = "business_savings",
        BusinessChecking = "business_checking",
        BillingAddress = "billing_address",
        PostalCode = "postal_code",
        BillingCity = "billing_city",
        BillingCountry = "billing_country",
        Consent = "consent",
        Choose = "choose",
        Keypad = "keypad",
        KeypadDelete = "keypad_delete",
        KeypadClear = "keypad_clear",
        KeypadClose = "keypad_close",
        KeypadCount = "keypad_count",
        Optional = "optional",
        Colon = "colon",
        Summary = "summary",
        Trust = "trust",
        NeedsScripts = "needs_scripts",
        LinkIncomplete = "link_incomplete",
        AlertCheck = "alert_check",
        SavedText = "saved_text",
        DoneText = "done_text",
        Gone = "gone",
        GoneText = "gone_text",
        Failed = "failed",
        FailedText = "failed_text",
        NotAllowed = "not_allowed",
        NotAllowedText = "not_allowed_text",
        Continue = "continue",
        AchTitle = "ach_title",
        AchSubmit = "ach_submit",
        AchSubmitting = "ach_submitting",
        AchSaved = "ach_saved",
        AchSavedText = "ach_saved_text",
        AchDoneText = "ach_done_text",
        AchFailed = "ach_failed",
        AchRefused = "ach_refused",
        Language = "language",
        Change = "change",
        Pay = "pay",
        PayCheck = "pay_check",
        Paying = "paying",
        PayRefused = "pay_refused",
        PayFailed = "pay_failed",
        Paid = "paid",
        PayChecked = "pay_checked",
        PaidText = "paid_text",
        PayDeclined = "pay_declined",
        PayDeclinedText = "pay_declined_text",
        PayTooMany = "pay_too_many",
        PayWaits = "pay_waits",
        PayWaitsText = "pay_waits_text",
        PayBank = "pay_bank",
        PayBankText = "pay_bank_text",
        PayAnother = "pay_another",
        PayStored = "pay_stored",
        PaySave = "pay_save",
        PayReturn = "pay_return",
        PayTest = "pay_test",
        RevealTitle = "reveal_title",
        RevealShow = "reveal_show",
        RevealHide = "reveal_hide",
        RevealCopy = "reveal_copy",
        RevealCopied = "reveal_copied",
        RevealEnded = "reveal_ended",
    }
}

impl Text {
    /// The key of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|text| text.name() == name)
    }

    /// The label of a field. Additional fields have the merchant's own.
    pub const fn label(field: Field) -> Option<Self> {
        Some(match field {
            Field::CardNumber => Self::CardNumber,
            Field::CardHolder => Self::CardHolder,
            Field::Expiry => Self::Expiry,
            Field::Cvv => Self::Cvv,
            Field::RoutingNumber => Self::RoutingNumber,
            Field::AccountNumber => Self::AccountNumber,
            Field::AccountHolder => Self::AccountHolder,
            Field::AccountType => Self::AccountType,
            Field::BillingAddress => Self::BillingAddress,
            Field::PostalCode => Self::PostalCode,
            Field::BillingCity => Self::BillingCity,
            Field::BillingCountry => Self::BillingCountry,
            Field::Reference => Self::Reference,
            Field::Consent => Self::Consent,
            Field::Extra(_) => return None,
        })
    }

    /// What a person reads beside a field with a problem: says what to do, not what went wrong. One message for
    /// each pair that can occur; the rest share the last line of their field.
    pub const fn problem(field: Field, problem: Problem) -> Self {
        match (field, problem) {
            (Field::CardNumber, Problem::Missing) => Self::CardNumberMissing,
            (Field::CardNumber, Problem::Characters) => Self::CardNumberDigits,
            (Field::CardNumber, Problem::TooShort) => Self::CardNumberShort,
            (Field::CardNumber, Problem::TooLong) => Self::CardNumberLong,
            (Field::CardNumber, Problem::NotAccepted) => Self::CardNumberNotAccepted,
            (Field::CardNumber, Problem::Choice) => Self::CardNumberChoice,
            (Field::CardNumber, _) => Self::CardNumberInvalid,
            (Field::CardHolder, Problem::Missing) => Self::CardHolderMissing,
            (Field::CardHolder, Problem::HoldsNumber) => Self::CardHolderNumber,
            (Field::CardHolder, Problem::TooLong) => Self::CardHolderLong,
            (Field::CardHolder, _) => Self::CardHolderInvalid,
            (Field::Expiry, Problem::Missing) => Self::ExpiryMissing,
            (Field::Expiry, Problem::Month) => Self::ExpiryMonth,
            (Field::Expiry, Problem::Past) => Self::ExpiryPast,
            (Field::Expiry, Problem::TooFar) => Self::ExpiryFar,
            (Field::Expiry, Problem::TooSoon) => Self::ExpirySoon,
            (Field::Expiry, _) => Self::ExpiryInvalid,
            (Field::Cvv, Problem::Missing) => Self::CvvMissing,
            (Field::Cvv, Problem::Characters) => Self::CvvDigits,
            (Field::Cvv, _) => Self::CvvInvalid,
            (Field::Reference, Problem::Missing) => Self::ReferenceMissing,
            (Field::Reference, Problem::HoldsNumber) => Self::ReferenceNumber,
            (Field::Reference, Problem::TooLong) => Self::ReferenceLong,
            (Field::Reference, _) => Self::ReferenceInvalid,
            (Field::Consent, _) => Self::ConsentMissing,
            (_, Problem::Missing) => Self::FieldMissing,
            (Field::RoutingNumber, _) => Self::RoutingNumberInvalid,
            (Field::AccountNumber, _) => Self::AccountNumberInvalid,
            (_, Problem::HoldsNumber) => Self::FieldNumber,
            (_, Problem::TooLong) => Self::FieldLong,
            _ => Self::FieldInvalid,
        }
    }
}

/// The texts of one language, by key, and the merchant's own messages for additional fields. A copy shares them.
#[derive(Clone, Default)]
pub struct Texts {
    /// Those by key, then the own ones.
    lines: Arc<[Box<str>]>,
    /// How many of them have keys.
    known: usize,
}

impl Texts {
    /// Texts in the order of `Text::ALL`; as many as are known.
    pub fn new(texts: impl IntoIterator<Item = Box<str>>) -> Self {
        Self::beside(texts, usize::MAX)
    }

    /// What a browser is handed: its own texts, then the merchant's messages.
    pub fn of_browser(lines: impl IntoIterator<Item = Box<str>>) -> Self {
        Self::beside(lines, Text::OF_BROWSER)
    }

    /// These texts with messages for additional fields: by place, what is told of an empty field and what is told
    /// of a wrong one. An empty message leaves the usual one.
    #[must_use]
    pub fn with_own<'a>(&self, messages: impl IntoIterator<Item = [&'a str; 2]>) -> Self {
        let known = self.lines.iter().take(self.known).cloned();
        let own = messages.into_iter().flatten().map(Box::from);
        Self { lines: known.chain(own).collect(), known: self.known }
    }

    /// The merchant's messages, as `with_own` took them.
    pub fn own(&self) -> impl Iterator<Item = &str> {
        self.lines.iter().skip(self.known).map(|text| &**text)
    }

    /// What a person reads beside a field with a problem: the merchant's own message where there is one.
    pub fn told(&self, field: Field, problem: Problem) -> &str {
        if let Field::Extra(place) = field {
            let line = self.known + 2 * usize::from(place) + usize::from(problem != Problem::Missing);
            if let Some(own) = self.lines.get(line).filter(|own| !own.is_empty()) {
                return own;
            }
        }
        self.get(Text::problem(field, problem))
    }

    /// A text. Empty where it is not known: the browser knows nothing of the server's own texts, and what it
    /// hydrates with an empty text keeps what the server wrote.
    pub fn get(&self, text: Text) -> &str {
        self.lines.get(text as usize).filter(|_| (text as usize) < self.known).map_or("", |text| text)
    }

    /// These texts with some of them replaced.
    #[must_use]
    pub fn with<'a>(&self, replaced: impl IntoIterator<Item = (Text, &'a str)>) -> Self {
        let mut texts = self.lines.to_vec();
        for (text, words) in replaced {
            if let Some(place) = texts.get_mut(text as usize) {
                *place = words.into();
            }
        }
        Self { lines: texts.into(), known: self.known }
    }

    fn beside(lines: impl IntoIterator<Item = Box<str>>, known: usize) -> Self {
        let lines: Arc<[_]> = lines.into_iter().collect();
        Self { known: known.min(lines.len()), lines }
    }

    /// Every key with its own name as its text, for tests of what is shown where.
    #[doc(hidden)]
    pub fn named() -> Self {
        Self::new(Text::ALL.iter().map(|text| text.name().into()))
    }
}

impl fmt::Debug for Texts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Texts(…)")
    }
}

/// The language of a document: its tag, its direction, its texts.
#[derive(Clone, Debug)]
pub struct Wording {
    /// BCP 47 tag, for `lang`.
    pub lang: String,
    /// Whether it is written from right to left, for `dir`.
    pub rtl: bool,
    /// What is read.
    pub texts: Texts,
}

impl Wording {
    /// A text.
    pub fn get(&self, text: Text) -> &str {
        self.texts.get(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_one_to_one_and_fit_the_files() {
        for (place, &text) in Text::ALL.iter().enumerate() {
            assert_eq!(text as usize, place);
            assert_eq!(Text::from_name(text.name()), Some(text));
            assert!(text.name().bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'));
        }
    }

    #[test]
    fn the_browser_gets_its_own_part_in_the_same_order() {
        let handed = Text::ALL.iter().take(Text::OF_BROWSER);
        let browser = Texts::of_browser(handed.map(|text| text.name().into()));
        assert_eq!(browser.get(Text::Submit), "submit");
        assert_eq!(browser.get(Text::AlertRefused), "alert_refused");
        assert_eq!(browser.get(Text::Trust), "");
    }

    #[test]
    fn replacing_leaves_the_original() {
        let all = Texts::named();
        let other = all.with([(Text::Submit, "Pay")]);
        assert_eq!((all.get(Text::Submit), other.get(Text::Submit)), ("submit", "Pay"));
        assert_eq!(other.get(Text::Title), "title");
    }

    #[test]
    fn a_merchants_messages_are_told_where_there_are_some() {
        let server = Texts::named().with_own([["", ""], ["Which size?", "No such size."]]);
        let keys = Text::ALL.iter().take(Text::OF_BROWSER).map(|&text| server.get(text));
        let browser = Texts::of_browser(keys.chain(server.own()).map(Box::from));
        for texts in [&server, &server.with([(Text::Submit, "Pay")]), &browser] {
            assert_eq!(texts.told(Field::Extra(1), Problem::Missing), "Which size?");
            assert_eq!(texts.told(Field::Extra(1), Problem::TooLong), "No such size.");
            for place in [0, 2] {
                assert_eq!(texts.told(Field::Extra(place), Problem::Missing), "field_missing");
            }
            assert_eq!(texts.told(Field::Cvv, Problem::Missing), "cvv_missing");
        }
        assert_eq!((server.get(Text::Trust), browser.get(Text::Trust)), ("trust", ""));
        assert_eq!(browser.get(Text::Title), "", "no message stands in for a text that was not handed over");
    }

    #[test]
    fn every_problem_of_a_field_is_told_with_its_field() {
        for field in Field::ALL {
            for problem in [Problem::Missing, Problem::Characters, Problem::Checksum, Problem::HoldsNumber] {
                let name = Text::problem(field, problem).name();
                assert!(name.starts_with("field_") || name.starts_with(field.name()), "{name}");
                assert!((Text::problem(field, problem) as usize) < Text::OF_BROWSER);
            }
        }
    }
}
