//! The settings of a hosted form, and what follows from them: the rules of its fields, its words, where its callbacks run.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use shared::{Field, FieldOptions, FormKind, FormRules, Text, Wording, YearMonth};

use super::brands::BrandSettings;
use super::options::{Additional, Consent};
use super::theme::Look;
use crate::languages::{Asked, FormLanguages};
use crate::model::CaptureEndpoint;

/// What a form for a bank account says where one for a card speaks of the card.
const ACCOUNT_WORDS: [(Text, Text); 9] = [
    (Text::Title, Text::AchTitle),
    (Text::Submit, Text::AchSubmit),
    (Text::Submitting, Text::AchSubmitting),
    (Text::Saved, Text::AchSaved),
    (Text::SavedText, Text::AchSavedText),
    (Text::DoneText, Text::AchDoneText),
    (Text::AlertFailed, Text::AchFailed),
    (Text::FailedText, Text::AchFailed),
    (Text::AlertRefused, Text::AchRefused),
];

/// What a form with lists for the expiry says where another one speaks of typing it.
const LIST_WORDS: [(Text, Text); 2] =
    [(Text::ExpiryMissing, Text::ExpiryChoose), (Text::ExpiryInvalid, Text::ExpiryChoose)];

/// The settings of a form, as stored: only what was checked.
#[derive(Clone, Default, Deserialize, Serialize)]
#[serde(default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the interface by itself")]
pub struct Settings {
    /// Of a card or of a bank account; stands beside the settings in storage.
    #[serde(skip)]
    pub kind: FormKind,
    /// `field_options`, by field name: visible and validate.
    pub fields: BTreeMap<String, (bool, bool)>,
    /// JavaScript function expression, run after a store.
    pub success_callback: Option<String>,
    /// JavaScript function expression, run after a refusal.
    pub error_callback: Option<String>,
    /// Cleaned CSS: embedded, then linked.
    pub css: String,
    /// Scripts that the callbacks need, https addresses.
    pub js_links: Vec<String>,
    /// A script that the callbacks need.
    pub embedded_js: Option<String>,
    /// Accepted for its callers; numbers are always normalised here.
    pub strip_spaces: bool,
    /// Switches the Luhn check off.
    pub disable_luhn: bool,
    /// Exact origins that may frame the page and are told results.
    pub allowed_origins: Vec<String>,
    /// One capture only.
    pub single_use: bool,
    /// The card types.
    pub brands: BrandSettings,
    /// Whether the focus goes on by itself once a field is complete.
    pub auto_advance: bool,
    /// Further fields, whose values become members of the card.
    pub additional: Vec<Additional>,
    /// The box that agrees to saving.
    pub consent: Option<Consent>,
    /// Labels by field name.
    pub field_labels: BTreeMap<String, String>,
    /// Placeholders by field name.
    pub placeholders: BTreeMap<String, String>,
    /// The text of the button.
    pub submit: Option<String>,
    /// Members stored with every card, as JSON text, so that numbers keep their digits; empty for none.
    pub extra_data: String,
    /// Shows dots for the security code.
    pub mask_cvv: bool,
    /// Shows a keypad for number and code whose keys change their places.
    pub force_keypad: bool,
    /// How it looks.
    pub look: Look,
    /// Its language, the merchant's own words, and whether there is a choice.
    pub languages: FormLanguages,
    /// The words in which page and parent speak.
    pub messages: Messages,
    /// Whether the page around the frame has a button of its own, so that ours is not shown there.
    pub submit_by_message: bool,
    /// Whether the cursor stands in the first field when the page opens.
    pub auto_focus: bool,
    /// Whether the holder's name may hold no digits.
    pub plain_names: bool,
    /// Whether month and year of the expiry are chosen from lists.
    pub expiry_lists: bool,
    /// Whether the page around the frame is asked before a card is sent.
    pub asks_around: bool,
    /// The month until which a card has to be valid at least; that of the endpoint.
    #[serde(skip)]
    pub min_expiry: Option<YearMonth>,
}

/// The words in which a framed page and the page around it speak.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Messages {
    /// Cardamom's own, which `embed.js` speaks.
    #[default]
    Cardamom,
    /// Those of the card request interface (spec B.3).
    CardRequest,
}

impl Messages {
    /// The name on the wire (`messages`).
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cardamom => "cardamom",
            Self::CardRequest => "card_request",
        }
    }
}

/// Where a form's callbacks run (design.md, decision 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Runner {
    /// There are none.
    None,
    /// A worker of opaque origin beside the page.
    Worker,
    /// A page of opaque origin that the frame goes to after the store.
    DonePage,
}

impl Runner {
    /// The name on the wire (`callback_runner`).
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Worker => "worker",
            Self::DonePage => "done_page",
        }
    }
}

impl Settings {
    /// The settings of the form of a kind that needs no configuration.
    pub fn of_kind(kind: FormKind) -> Self {
        Self { kind, ..Self::default() }
    }

    /// The settings on an endpoint that takes some card types alone, or cards that are valid long enough.
    #[must_use]
    pub fn on(self, endpoint: &CaptureEndpoint) -> Self {
        let min_expiry = endpoint.min_expiry;
        Self { brands: self.brands.on(&endpoint.card_types), min_expiry, ..self }
    }

    /// The rules of the fields.
    pub fn rules(&self) -> FormRules {
        let mut rules = FormRules::of_kind(self.kind);
        rules.disable_luhn = self.disable_luhn;
        rules.accepted = self.brands.accepted();
        rules.codes = self.brands.codes();
        rules.auto_advance = self.auto_advance;
        rules.expiry_lists = self.expiry_lists;
        rules.min_expiry = self.min_expiry;
        for field in Field::ALL {
            if let Some(&(visible, validate)) = self.fields.get(field.name()) {
                rules.set(field, FieldOptions { visible, validate });
            }
        }
        for (place, field) in (0..).zip(&self.additional) {
            rules.set_extra(place, field.required, field.rule());
        }
        if let Some(consent) = &self.consent {
            rules.set(Field::Consent, FieldOptions { visible: true, validate: consent.required });
        }
        rules
    }

    /// The language of the form's pages, as the form and the person want it.
    pub fn wording(&self, asked: &Asked) -> Wording {
        self.worded(self.languages.wording(asked))
    }

    /// A wording with the words of the form's kind, and with the merchant's own labels and button.
    fn worded(&self, wording: Wording) -> Wording {
        let own = match self.kind {
            FormKind::Card => [].as_slice(),
            FormKind::Ach => ACCOUNT_WORDS.as_slice(),
        };
        let lists = if self.expiry_lists { LIST_WORDS.as_slice() } else { [].as_slice() };
        let of_kind = own.iter().chain(lists).map(|&(text, instead)| (text, wording.get(instead)));
        let labels = self.field_labels.iter().filter_map(|(name, label)| {
            Some((Field::from_name(name).and_then(Text::label)?, label.as_str()))
        });
        let button = self.submit.iter().map(|text| (Text::Submit, text.as_str()));
        let mut texts = wording.texts.with(of_kind.chain(labels).chain(button));
        let message = |name, part| self.languages.of_field(&wording.lang, name, part).unwrap_or_default();
        let mut messages = self
            .additional
            .iter()
            .map(|field| ["required", "invalid"].map(|part| message(&field.name, part)));
        if messages.clone().flatten().any(|message| !message.is_empty()) {
            texts = texts.with_own(messages.by_ref());
        }
        Wording { texts, ..wording }
    }

    /// The members that are stored with every card.
    pub fn extra_data(&self) -> serde_json::Value {
        serde_json::from_str(&self.extra_data).unwrap_or(serde_json::Value::Null)
    }

    /// Where the callbacks run: what needs a document or the network needs the done page.
    pub fn runner(&self) -> Runner {
        let callbacks: Vec<_> = self.success_callback.iter().chain(&self.error_callback).collect();
        let needs_page = |code: &&String| {
            ["document", "fetch", "XMLHttpRequest", "sendBeacon", "WebSocket", "EventSource"]
                .iter()
                .any(|word| code.contains(word))
        };
        if !self.js_links.is_empty() || self.embedded_js.is_some() || callbacks.iter().any(needs_page) {
            Runner::DonePage
        } else if callbacks.is_empty() {
            Runner::None
        } else {
            Runner::Worker
        }
    }
}
