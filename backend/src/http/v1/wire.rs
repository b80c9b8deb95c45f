//! The bodies of the vault and capture surface.

use serde::Serialize;
use utoipa::ToSchema;

use crate::capture::endpoints;
use crate::model::{CaptureEndpoint, Issuer, Lock, Shown, Timestamp};

/// A key and its passphrase; the only answer that ever shows one.
#[derive(Serialize, ToSchema)]
pub struct KeyCreated {
    /// The passphrase. Who loses it loses the cards.
    pub passphrase: String,
    /// The key's name.
    pub user: String,
}

/// The body that makes a key.
#[derive(ToSchema)]
#[expect(dead_code, reason = "documents a body that is parsed strictly by hand")]
pub struct KeyCreate {
    /// The key's name.
    user: String,
    /// The passphrase; generated when left out.
    passphrase: Option<String>,
}

/// The body that changes a passphrase.
#[derive(ToSchema)]
#[expect(dead_code, reason = "documents a body that is parsed strictly by hand")]
pub struct KeyChange {
    /// The key's name.
    user: String,
    /// The passphrase so far.
    passphrase: String,
    /// The passphrase from now on.
    new_passphrase: String,
}

/// A key, named.
#[derive(Serialize, ToSchema)]
pub struct KeyNamed {
    /// The key's name.
    pub user: String,
    /// The version of the pair that new records are sealed to; after a rotation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<u32>,
}

/// A stored card: its name, and with `return_card_metadata` what may be shown of it.
#[derive(Serialize, ToSchema)]
pub struct Tokenised {
    /// The vault key's name.
    pub user: String,
    /// The token.
    pub token: String,
    /// The reference; empty where the card has none.
    pub reference: String,
    /// What may be shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub card_metadata: Option<CardMetadata>,
}

/// What may be shown of a card.
#[derive(Serialize, ToSchema)]
pub struct CardMetadata {
    /// Brand, such as `visa`.
    pub brand: String,
    /// The brand that the holder of a co-badged card chose for payments, such as `dankort`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preferred_network: Option<String>,
    /// At most the first six digits.
    pub first_six: String,
    /// The last four digits.
    pub last_four: String,
    /// The number with its middle hidden.
    pub masked: String,
    /// `MM/YY`, where known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expiry: Option<String>,
    /// Whether that month lies in the past.
    pub expired: bool,
    /// The holder's name, masked.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub card_holder: String,
    /// One entry, where the operator's table of issuers knows the number.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub issuer: Vec<IssuerShown>,
}

/// An issuer, in the words of the operator's table.
#[derive(Serialize, ToSchema)]
pub struct IssuerShown {
    /// The brand.
    pub brand: String,
    /// The bank.
    pub issuing_bank: String,
    /// The country.
    pub country_name: String,
    /// Such as `credit`.
    pub card_type: String,
    /// Such as `classic`.
    pub card_level: String,
}

/// An entry of the list of cards.
#[derive(Serialize, ToSchema)]
pub struct CardListed {
    /// The token.
    pub token: String,
    /// The reference, where the card has one.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reference: String,
    /// When it was stored; with `return_card_metadata`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_at: Option<String>,
    /// When it was last changed; with `return_card_metadata`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<String>,
    /// What may be shown; with `return_card_metadata`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub card_metadata: Option<CardMetadata>,
}

/// A created capture endpoint (seed 002).
#[derive(Serialize, ToSchema)]
pub struct EndpointCreated {
    /// The path to post to.
    pub url: String,
    /// The name in that path.
    pub unique_id: String,
    /// The secret, shown once.
    pub secret: String,
    /// When it ends; null where it does not.
    pub expires_at: Option<String>,
    /// The card that it is locked to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lockdown_info: Option<LockdownInfo>,
}

/// The card that an endpoint is locked to.
#[derive(Serialize, ToSchema)]
pub struct LockdownInfo {
    /// The card's token.
    pub token: String,
    /// The card's reference, where it has one.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reference: String,
}

/// The body of a creation. All of it is optional; parameters may stand in the query instead.
#[derive(ToSchema)]
#[expect(dead_code, reason = "documents a body that is parsed strictly by hand")]
pub struct EndpointCreate {
    /// Where to tell captures: `url` (https), `secret`, `max_attempts` (1 to 16), `metadata`.
    webhook: Option<serde_json::Value>,
    /// Captures in its life.
    max_uses: Option<u32>,
    /// The card types that it takes, such as `visa`; all where left out.
    card_types: Option<Vec<String>>,
}

/// A capture endpoint as its owner sees it.
#[derive(Serialize, ToSchema)]
pub struct EndpointShown {
    /// The path to post to.
    pub url: String,
    /// The name in that path.
    pub unique_id: String,
    /// The vault key's name.
    pub user: String,
    /// When it ends.
    pub expires_at: Option<String>,
    /// When it was made.
    pub created_at: String,
    /// Captures so far.
    pub uses: u32,
    /// Captures in its life.
    pub max_uses: u32,
    /// Whether it was switched off after too many refused numbers.
    pub disabled: bool,
    /// The card types that it takes; left out where it takes all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub card_types: Vec<String>,
    /// The month until which its cards have to be valid at least, such as `2031-05`; left out where any will do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_expiry: Option<String>,
    /// The card that it is locked to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lockdown_info: Option<LockdownInfo>,
}

/// A created hosted form (seed 002).
#[derive(Serialize, ToSchema)]
pub struct FormCreated {
    /// The form's type.
    #[serde(rename = "type")]
    pub kind: String,
    /// The form's id.
    pub id: String,
    /// Host and path of the page, without a scheme, as the interface has it.
    pub link: String,
    /// Where its callbacks run: `none`, `worker` or `done_page`.
    pub callback_runner: String,
    /// Members of the body that this server does not know.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ignored: Vec<String>,
    /// The language, where the body names one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub locale: Option<LocaleUsed>,
}

/// The language that was asked for, and the one that a form has.
#[derive(Serialize, ToSchema)]
pub struct LocaleUsed {
    /// As it stands in the body.
    pub requested: String,
    /// The form's language: the nearest that there is, else `en`.
    pub used: String,
}

/// The body that makes a form.
#[derive(ToSchema)]
#[expect(dead_code, reason = "documents a body that is parsed strictly by hand")]
pub struct FormCreate {
    /// By field: `visible`, `validate`. Of a card: `card_number`, `card_holder`, `expiry`, `cvv`; of a bank account:
    /// `routing_number`, `account_number`, `account_holder`, `account_type`; of both: `reference`, `billing_address`,
    /// `postal_code`, `billing_city`, `billing_country`.
    field_options: Option<serde_json::Value>,
    /// At most ten further fields, whose values become members of the card.
    additional_fields: Option<Vec<AdditionalField>>,
    /// Members that are stored with every card, unless a field brings one of the same name.
    extra_data: Option<serde_json::Value>,
    /// A box that agrees to saving; never ticked beforehand.
    consent: Option<ConsentBox>,
    /// Labels by field.
    field_labels: Option<serde_json::Value>,
    /// Placeholders by field.
    placeholders: Option<serde_json::Value>,
    /// The text of the button.
    submit: Option<String>,
    /// Shows dots for the security code.
    mask_cvv: Option<bool>,
    /// Shows a keypad for number and code whose keys change their places.
    force_keypad: Option<bool>,
    /// Base64 of a JavaScript function expression.
    success_callback: Option<String>,
    /// Base64 of a JavaScript function expression.
    error_callback: Option<String>,
    /// Base64 of CSS.
    embedded_css: Option<String>,
    /// Addresses of stylesheets, fetched once now.
    css_links: Option<Vec<String>>,
    /// Base64 of a script for the done page.
    embedded_js: Option<String>,
    /// Addresses of scripts for the done page.
    js_links: Option<Vec<String>>,
    /// Origins that may frame the page and are told results.
    allowed_origins: Option<Vec<String>>,
    /// The words in which page and parent speak: `cardamom` (what `embed.js` speaks) or `card_request`.
    messages: Option<String>,
    /// Whether the page around the frame has a button of its own, so that the form's is not shown there.
    submit_by_message: Option<bool>,
    /// Switches the Luhn check off.
    disable_luhn: Option<bool>,
    /// Accepted; numbers are always stored without spaces.
    strip_spaces: Option<bool>,
    /// One capture only.
    single_use: Option<bool>,
    /// The card types that are taken, by their names in `card_type`, the preferred one first; all where left out.
    card_types: Option<Vec<String>>,
    /// By card type, the lengths that its security code may have: 3, 4 or both.
    cvv_lengths: Option<std::collections::BTreeMap<String, Vec<u8>>>,
    /// Whether the focus goes on to the next field once a field is complete; off where left out.
    auto_advance: Option<bool>,
    /// Colours, logo, font and measures (docs/form.md). A pair of colours that cannot be told apart is refused.
    theme: Option<serde_json::Value>,
    /// `auto` (as the reader's system has it), `light` or `dark`.
    color_scheme: Option<String>,
    /// `stacked` or `compact`.
    layout: Option<String>,
    /// `above` or `floating`.
    labels: Option<String>,
    /// False shows a picture of the card above the fields.
    hide_card: Option<bool>,
    /// The older name of the same, with the opposite meaning.
    show_card: Option<bool>,
    /// The language of the form, such as `de` or `pt-BR`; the browser's where it is left out.
    locale: Option<String>,
    /// The merchant's own words: by language `form`, `submit`, `texts` and `name`.
    translations: Option<serde_json::Value>,
    /// Whether a person may choose the language; true where the form brings `translations` in another language than
    /// English, else false.
    #[schema(rename = "showLanguageSelector")]
    show_language_selector: Option<bool>,
}

/// A further field of a form.
#[derive(ToSchema)]
#[expect(dead_code, reason = "documents a body that is parsed strictly by hand")]
pub struct AdditionalField {
    /// The member of the stored card: letters, digits, `_` and `-`; no name of card data.
    name: String,
    /// The label. It may not ask for a card number or a security code.
    label: String,
    /// Whether it may not be empty.
    required: Option<bool>,
    /// `text`, `email`, `tel` or `select`.
    r#type: Option<String>,
    /// The most characters: 1 to 500, usually 200.
    max_length: Option<u16>,
    /// What the browser may fill in, such as `given-name` or `postal-code`.
    autocomplete: Option<String>,
    /// Shown while it is empty.
    placeholder: Option<String>,
    /// The choices of a `select`: texts, or objects with `value` and `label`.
    options: Option<Vec<serde_json::Value>>,
}

/// The box that agrees to saving.
#[derive(ToSchema)]
#[expect(dead_code, reason = "documents a body that is parsed strictly by hand")]
pub struct ConsentBox {
    /// What is agreed to.
    text: String,
    /// Which text it is, in your own counting.
    version: String,
    /// Whether a form without a tick is refused; true unless told otherwise.
    required: Option<bool>,
}

/// Something that was deleted.
#[derive(Serialize, ToSchema)]
pub struct Deleted {
    /// Always true.
    pub deleted: bool,
}

impl CardMetadata {
    /// Of what may be shown; `now` decides whether the card has expired.
    pub fn of(shown: &Shown, issuer: Option<Issuer>, now: Timestamp) -> Self {
        Self {
            brand: shown.brand.wire().to_owned(),
            preferred_network: shown.network.map(|network| network.wire().to_owned()),
            first_six: shown.first_six.clone(),
            last_four: shown.last_four.clone(),
            masked: shared::mask::number(&shown.first_six, &shown.last_four, usize::from(shown.digits)),
            expiry: shown.expiry.map(shared::Expiry::short),
            expired: shown.expiry.is_some_and(|expiry| expiry.is_past(now.year_month())),
            card_holder: shown.holder.clone(),
            issuer: issuer.into_iter().map(IssuerShown::from).collect(),
        }
    }
}

impl From<Issuer> for IssuerShown {
    fn from(issuer: Issuer) -> Self {
        Self {
            brand: issuer.brand,
            issuing_bank: issuer.bank,
            country_name: issuer.country,
            card_type: issuer.kind,
            card_level: issuer.level,
        }
    }
}

impl From<&Lock> for LockdownInfo {
    fn from(lock: &Lock) -> Self {
        Self { token: lock.token.clone(), reference: lock.reference.clone() }
    }
}

impl From<endpoints::Created> for EndpointCreated {
    fn from(created: endpoints::Created) -> Self {
        let endpoint = created.endpoint;
        Self {
            url: path(&endpoint.unique_id),
            secret: created.secret.to_string(),
            expires_at: endpoint.expires_at.map(Timestamp::rfc3339),
            lockdown_info: endpoint.lock.as_ref().map(Into::into),
            unique_id: endpoint.unique_id,
        }
    }
}

impl From<&CaptureEndpoint> for EndpointShown {
    fn from(endpoint: &CaptureEndpoint) -> Self {
        Self {
            url: path(&endpoint.unique_id),
            unique_id: endpoint.unique_id.clone(),
            user: endpoint.key_name.clone(),
            expires_at: endpoint.expires_at.map(Timestamp::rfc3339),
            created_at: endpoint.created_at.rfc3339(),
            uses: endpoint.uses,
            max_uses: endpoint.max_uses,
            disabled: endpoint.disabled_at.is_some(),
            card_types: endpoint.card_types.clone(),
            min_expiry: endpoint.min_expiry.map(shared::YearMonth::written),
            lockdown_info: endpoint.lock.as_ref().map(Into::into),
        }
    }
}

fn path(unique_id: &str) -> String {
    format!("/v1/capture/{unique_id}")
}
