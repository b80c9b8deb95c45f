//! The built-in messages and page words in each language, for requests that name no template of the merchant. A line with a
//! placeholder that has no value is left out.

/// The words of one language.
pub struct Defaults {
    /// Two letters (ISO 639-1).
    pub language: &'static str,
    /// Subject of an e-mail that asks for a card.
    pub card_subject: &'static str,
    /// Text of an e-mail that asks for a card.
    pub card_body: &'static str,
    /// Text message that asks for a card.
    pub card_sms: &'static str,
    /// Subject of an e-mail that asks for a security code.
    pub code_subject: &'static str,
    /// Text of an e-mail that asks for a security code.
    pub code_body: &'static str,
    /// Text message that asks for a security code.
    pub code_sms: &'static str,
    /// What stands on the link in HTML.
    pub open: &'static str,
    /// Text message with a one-time passcode; `{}` is its place.
    pub passcode: &'static str,
    /// The link's pages.
    pub page: PageWords,
}

/// The words of the pages behind a link, beside the form's own.
pub struct PageWords {
    /// Before the merchant's name.
    pub from: &'static str,
    /// Before the amount.
    pub amount: &'static str,
    /// Before the masked card whose code is asked for.
    pub card: &'static str,
    /// Above the contacts.
    pub questions: &'static str,
    /// Heading of the page for what is over.
    pub expired: &'static str,
    /// What it says.
    pub expired_text: &'static str,
    /// Its button.
    pub ask: &'static str,
    /// Heading after the button.
    pub asked: &'static str,
    /// What that page says.
    pub asked_text: &'static str,
    /// Heading of the page that asks for a passcode.
    pub code: &'static str,
    /// What it says; `{}` is the hidden number's place.
    pub code_text: &'static str,
    /// Its button.
    pub code_send: &'static str,
    /// The button for another code.
    pub code_again: &'static str,
    /// The field's label.
    pub code_label: &'static str,
    /// The field's button.
    pub code_enter: &'static str,
    /// After a wrong code.
    pub code_wrong: &'static str,
    /// When there are no more codes.
    pub code_over: &'static str,
}

/// The words of a language; English where there are none.
pub fn of(language: &str) -> &'static Defaults {
    ALL.iter().find(|words| words.language == language).unwrap_or(&ENGLISH)
}

/// All languages.
pub const ALL: &[Defaults] = &[ENGLISH, GERMAN];

const ENGLISH: Defaults = Defaults {
    language: "en",
    card_subject: "$~booker_name~$ asks for your card details",
    card_body: "Hello $~recipient_name~$,

$~booker_name~$ asks you for the details of a payment card. Please enter them on this secure page:

$~link~$

Amount: $~amount~$

The link works once. Please never send card details by e-mail or tell them on the phone.

Questions? Turn to $~booker_name~$:
$~cs_phone~$
$~cs_email~$
$~cs_link~$
",
    card_sms: "$~booker_name~$ asks for your card details. Enter them here: $~link~$",
    code_subject: "$~booker_name~$ asks for your card's security code",
    code_body: "Hello $~recipient_name~$,

$~booker_name~$ has your card on file and needs its security code once more. Please enter it on this secure page:

$~link~$

Amount: $~amount~$

The link works once. Please never send card details by e-mail or tell them on the phone.

Questions? Turn to $~booker_name~$:
$~cs_phone~$
$~cs_email~$
$~cs_link~$
",
    code_sms: "$~booker_name~$ asks for your card's security code. Enter it here: $~link~$",
    open: "Open the secure page",
    passcode: "{} is your code. It opens the card form for 10 minutes. Do not pass it on.",
    page: PageWords {
        from: "Asked for by",
        amount: "Amount",
        card: "Card",
        questions: "Questions? Get in touch:",
        expired: "Link Expired",
        expired_text: "This link cannot be used any more. Its time is over, it was used already, or it was withdrawn.",
        ask: "Ask for a new link",
        asked: "Thank you",
        asked_text: "If this link was a real one, the sender now knows that you would like a new one.",
        code: "Confirm that it is you",
        code_text: "We send a code of six digits to {} by text message. It holds for ten minutes.",
        code_send: "Send me the code",
        code_again: "Send another code",
        code_label: "Code from the text message",
        code_enter: "Continue",
        code_wrong: "This code is wrong or no longer holds. Check it, or have another one sent.",
        code_over: "No more codes can be sent for this link. Please ask the sender for a new one.",
    },
};

const GERMAN: Defaults = Defaults {
    language: "de",
    card_subject: "$~booker_name~$ bittet um Ihre Kartendaten",
    card_body: "Guten Tag $~recipient_name~$,

$~booker_name~$ bittet Sie um die Daten einer Zahlungskarte. Bitte geben Sie sie auf dieser sicheren Seite ein:

$~link~$

Betrag: $~amount~$

Der Link funktioniert einmal. Bitte senden Sie Kartendaten nie per E-Mail und nennen Sie sie nicht am Telefon.

Fragen? Wenden Sie sich an $~booker_name~$:
$~cs_phone~$
$~cs_email~$
$~cs_link~$
",
    card_sms: "$~booker_name~$ bittet um Ihre Kartendaten. Hier eingeben: $~link~$",
    code_subject: "$~booker_name~$ bittet um den Sicherheitscode Ihrer Karte",
    code_body: "Guten Tag $~recipient_name~$,

$~booker_name~$ hat Ihre Karte hinterlegt und braucht noch einmal ihren Sicherheitscode. Bitte geben Sie ihn auf dieser sicheren Seite ein:

$~link~$

Betrag: $~amount~$

Der Link funktioniert einmal. Bitte senden Sie Kartendaten nie per E-Mail und nennen Sie sie nicht am Telefon.

Fragen? Wenden Sie sich an $~booker_name~$:
$~cs_phone~$
$~cs_email~$
$~cs_link~$
",
    code_sms: "$~booker_name~$ bittet um den Sicherheitscode Ihrer Karte. Hier eingeben: $~link~$",
    open: "Sichere Seite öffnen",
    passcode: "{} ist Ihr Code. Er öffnet 10 Minuten lang das Kartenformular. Geben Sie ihn nicht weiter.",
    page: PageWords {
        from: "Erbeten von",
        amount: "Betrag",
        card: "Karte",
        questions: "Fragen? So erreichen Sie uns:",
        expired: "Link abgelaufen",
        expired_text: "Dieser Link kann nicht mehr benutzt werden. Seine Zeit ist um, er wurde schon benutzt oder zurückgezogen.",
        ask: "Um einen neuen Link bitten",
        asked: "Danke",
        asked_text: "Wenn dies ein echter Link war, weiß der Absender nun, dass Sie einen neuen möchten.",
        code: "Bestätigen Sie, dass Sie es sind",
        code_text: "Wir senden einen sechsstelligen Code per SMS an {}. Er gilt zehn Minuten.",
        code_send: "Code senden",
        code_again: "Neuen Code senden",
        code_label: "Code aus der SMS",
        code_enter: "Weiter",
        code_wrong: "Dieser Code ist falsch oder gilt nicht mehr. Prüfen Sie ihn oder lassen Sie sich einen neuen senden.",
        code_over: "Für diesen Link können keine Codes mehr gesendet werden. Bitte bitten Sie den Absender um einen neuen.",
    },
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::requests::words;

    #[test]
    fn every_language_has_usable_messages_with_the_link() {
        for defaults in ALL {
            for body in [defaults.card_body, defaults.code_body] {
                words::check(body).unwrap();
                assert!(body.lines().any(|line| line == "$~link~$"), "{}", defaults.language);
            }
            for text in [defaults.card_sms, defaults.code_sms] {
                assert!(words::names(text).unwrap().contains(&"link"), "{}", defaults.language);
            }
            for subject in [defaults.card_subject, defaults.code_subject] {
                assert_eq!(words::names(subject), Ok(vec!["booker_name"]), "{}", defaults.language);
            }
            for text in [defaults.passcode, defaults.page.code_text] {
                assert_eq!(text.matches("{}").count(), 1, "{}", defaults.language);
            }
        }
    }
}
